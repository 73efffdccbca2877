//! Changes of the keys of applications: clients and their secrets.

use latchkey_catalog::application::ApplicationKind;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::lifecycle::LifecycleEvent;
use latchkey_oauth::client::{ClientMetadata, FurtherSecret, KeyMode, KeyType, MAX_FURTHER_SECRETS};
use latchkey_oauth::event::{Event, EventKind};
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::keyring::SecretMac;
use uuid::Uuid;

use super::{By, Outcome, end_with};
use crate::Result;
use crate::rows::Write;
use crate::unit::{ChangeRefused, ClientUpdate, NewClient, Overlap};

/// A client with its sealed secret and the application that it serves.
fn held(rows: &mut dyn Write, id: PrincipalId) -> Result<Option<(EntryId, NewClient)>> {
    let Some(application) = rows.application_of(id)? else { return Ok(None) };
    let mut clients = rows.clients_of(application.id)?.into_iter();
    let found = clients.find(|(client, _)| client.id == id);
    Ok(found.map(|(client, sealed_secret)| (application.id, NewClient { client, sealed_secret })))
}

fn log(rows: &mut dyn Write, client: PrincipalId, by: By<'_>) -> Outcome {
    let mut entry = Event::of_principal(EventKind::ApplicationChange, by.now, by.actor);
    entry.client = Some(client);
    rows.append(entry).map(Ok)
}

/// Whether keys of this type may come to an application.
fn check_room(rows: &mut dyn Write, application: EntryId, key_type: KeyType) -> Outcome {
    let Some(held) = rows.application(application)? else { return Ok(Err(ChangeRefused::NotFound)) };
    if !held.status.takes_keys() {
        return Ok(Err(ChangeRefused::WrongState));
    }
    if rows.clients_of(application)?.iter().any(|(client, _)| client.key_type == key_type) {
        return Ok(Err(ChangeRefused::HasKeys));
    }
    Ok(Ok(()))
}

pub(super) fn add(rows: &mut dyn Write, (id, new): (EntryId, &NewClient), by: By<'_>) -> Outcome {
    if let Err(refused) = check_room(rows, id, new.client.key_type)? {
        return Ok(Err(refused));
    }
    if rows.client_by_key(&new.client.consumer_key)?.is_some() {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    rows.put_client(id, new)?;
    rows.put_epoch(new.client.id, Some(1))?;
    log(rows, new.client.id, by)
}

pub(super) fn update(rows: &mut dyn Write, update: &ClientUpdate, by: By<'_>) -> Outcome {
    let Some((application, mut held)) = held(rows, update.id)? else {
        return Ok(Err(ChangeRefused::NotFound));
    };
    let mode = held.client.metadata.mode;
    held.client.grants.clone_from(&update.grants);
    held.client.token_format = update.token_format;
    held.client.validities = update.validities;
    held.client.metadata = ClientMetadata { mode, ..update.metadata.clone() };
    rows.put_client(application, &held)?;
    log(rows, update.id, by)
}

pub(super) fn map(
    rows: &mut dyn Write,
    id: PrincipalId,
    (application, key_type): (EntryId, KeyType),
    by: By<'_>,
) -> Outcome {
    let Some((registration, mut held)) = held(rows, id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    if let Err(refused) = check_room(rows, application, key_type)? {
        return Ok(Err(refused));
    }
    let is_mapped = rows.registration_of(id)?.is_some();
    let home = rows.application(registration)?;
    if is_mapped || home.is_none_or(|home| home.kind != ApplicationKind::Registration) {
        return Ok(Err(ChangeRefused::HasKeys));
    }
    held.client.metadata.mode = KeyMode::Mapped;
    held.client.key_type = key_type;
    rows.put_client(application, &held)?;
    rows.put_registration(id, Some(registration))?;
    log(rows, id, by)
}

pub(super) fn remove(rows: &mut dyn Write, id: PrincipalId, by: By<'_>) -> Outcome {
    match held(rows, id)? {
        Some((_, held)) => dismiss(rows, held, LifecycleEvent::KeysRemoved, by),
        None => Ok(Err(ChangeRefused::NotFound)),
    }
}

/// Takes a client from its application: back to where it was registered, if that is elsewhere, else away for good.
pub(super) fn dismiss(
    rows: &mut dyn Write,
    mut held: NewClient,
    event: LifecycleEvent,
    by: By<'_>,
) -> Outcome {
    let id = held.client.id;
    let registration = rows.registration_of(id)?;
    rows.put_registration(id, None)?;
    if let Some(home) = registration
        && rows.application(home)?.is_some()
    {
        held.client.metadata.mode = KeyMode::Created;
        held.client.key_type = KeyType::Production;
        rows.put_client(home, &held)?;
    } else {
        rows.delete_client(id)?;
        rows.put_epoch(id, None)?;
    }
    end_with(rows, id, event, by)
}

pub(super) fn regenerate(
    rows: &mut dyn Write,
    id: PrincipalId,
    (mac, sealed): (SecretMac, &[u8]),
    overlap: Option<Overlap>,
    by: By<'_>,
) -> Outcome {
    let Some((application, mut held)) = held(rows, id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    let replaced = std::mem::replace(&mut held.client.secrets, vec![mac]);
    sealed.clone_into(&mut held.sealed_secret);
    held.client.further_secrets.retain(|secret| secret.is_valid(by.now));
    let Some(overlap) = overlap else {
        // Secrets that only wait for their end go with the one that replaced them.
        held.client.further_secrets.retain(|secret| secret.expires_at.is_none());
        rows.put_client(application, &held)?;
        return end_with(rows, id, LifecycleEvent::SecretRegenerated, by);
    };
    held.client.further_secrets.extend(replaced.into_iter().map(|mac| FurtherSecret {
        id: overlap.id,
        mac,
        description: String::new(),
        created_at: by.now,
        expires_at: Some(overlap.until),
    }));
    put_within_bound(rows, application, &held, by)
}

pub(super) fn add_secret(
    rows: &mut dyn Write,
    id: PrincipalId,
    secret: &FurtherSecret,
    by: By<'_>,
) -> Outcome {
    let Some((application, mut held)) = held(rows, id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    held.client.further_secrets.retain(|secret| secret.is_valid(by.now));
    held.client.further_secrets.push(secret.clone());
    put_within_bound(rows, application, &held, by)
}

fn put_within_bound(rows: &mut dyn Write, application: EntryId, held: &NewClient, by: By<'_>) -> Outcome {
    if held.client.further_secrets.len() > MAX_FURTHER_SECRETS {
        return Ok(Err(ChangeRefused::Full));
    }
    rows.put_client(application, held)?;
    end_with(rows, held.client.id, LifecycleEvent::SecretAdded, by)
}

/// Tokens stay (T25 of WSO2's cases): who has them may still use them, and no new ones come by this secret.
pub(super) fn remove_secret(rows: &mut dyn Write, (id, secret): (PrincipalId, Uuid), by: By<'_>) -> Outcome {
    let Some((application, mut held)) = held(rows, id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    let before = held.client.further_secrets.len();
    held.client.further_secrets.retain(|held| held.id != secret);
    if held.client.further_secrets.len() == before {
        return Ok(Err(ChangeRefused::NotFound));
    }
    rows.put_client(application, &held)?;
    log(rows, id, by)
}

pub(super) fn rewrap(
    rows: &mut dyn Write,
    id: PrincipalId,
    (from, to): (&SecretMac, &SecretMac),
    sealed: &[u8],
) -> Outcome {
    let Some((application, mut held)) = held(rows, id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    let Some(mac) = held.client.secrets.iter_mut().find(|mac| *mac == from) else { return Ok(Ok(())) };
    *mac = *to;
    sealed.clone_into(&mut held.sealed_secret);
    rows.put_client(application, &held)?;
    Ok(Ok(()))
}
