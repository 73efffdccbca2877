//! Taking over what another server kept.
//!
//! An item is looked at before anything of it is written, so it is whole or not there. What is here already is
//! not touched: an import that is run again changes nothing.

use std::sync::Arc;

use latchkey_catalog::user::UserState;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::event::{Event, EventKind};
use latchkey_oauth::family::{
    AccessState, Binding, Epochs, Expiry, Family, MintedValues, RefreshState, Subject, SubjectType, TokenKey,
};
use latchkey_oauth::holder::{HolderLimits, OnLimit};
use latchkey_oauth::id::{Bucket, PrincipalId};
use latchkey_oauth::revocation::Reason;
use latchkey_oauth::token_value::LastProof;

use super::catalogue::change;
use super::make_room;
use crate::Result;
use crate::facts::epochs;
use crate::rows::{Read, Write};
use crate::unit::ImportOutcome::{Held, Made, Refused};
use crate::unit::{
    CatalogueChange, Change, ChangeRefused, Import, ImportItem, ImportOutcome, ImportRefused,
    ImportedApplication, ImportedSubscription, ImportedToken, PublisherChange,
};

/// How many tokens that came over and ended since are forgotten at a time.
const FORGOTTEN: u32 = 1000;

/// Takes the items over.
pub fn import(rows: &mut dyn Write, import: &Import, now: Timestamp) -> Result<Vec<ImportOutcome>> {
    rows.trim_imported(now, FORGOTTEN)?;
    let limits = HolderLimits { on_limit: OnLimit::Reject, ..import.limits };
    let mut outcomes = Vec::with_capacity(import.items.len());
    for item in &import.items {
        outcomes.push(match look(rows, item, now)? {
            Some(outcome) => outcome,
            None => make(rows, item, (limits, &import.actor), now)?,
        });
    }
    Ok(outcomes)
}

/// What would become of the items, each by itself.
pub fn foresee(rows: &mut dyn Read, import: &Import, now: Timestamp) -> Result<Vec<ImportOutcome>> {
    import.items.iter().map(|item| Ok(look(rows, item, now)?.unwrap_or(Made))).collect()
}

/// Why an item does not have to or cannot come over, as far as that can be told without trying.
fn look(rows: &mut dyn Read, item: &ImportItem, now: Timestamp) -> Result<Option<ImportOutcome>> {
    match item {
        ImportItem::User(user) => Ok(rows.user_by_name(&user.name)?.map(|_| Held)),
        ImportItem::Tier(tier) => Ok(rows.tier(tier.level, &tier.name)?.map(|_| Held)),
        ImportItem::Api(new) => {
            if rows.api_at(&new.api.context, &new.api.version)?.is_some() {
                return Ok(Some(Held));
            }
            Ok(rows.api(new.api.id)?.map(|_| Refused(ImportRefused::NameTaken)))
        }
        ImportItem::Application(imported) => look_at_application(rows, imported),
        ImportItem::Subscription(imported) => look_at_subscription(rows, imported),
        ImportItem::Token(token) => look_at_token(rows, token, now),
    }
}

fn look_at_application(rows: &mut dyn Read, imported: &ImportedApplication) -> Result<Option<ImportOutcome>> {
    let Some(owner) = rows.user_by_name(&imported.owner)? else {
        return Ok(Some(Refused(ImportRefused::NoUser)));
    };
    let wanted = &imported.application;
    if let Some(held) = rows.application(wanted.id)? {
        let is_same = held.owner == owner.id && held.kind == wanted.kind;
        return Ok(Some(if is_same { Held } else { Refused(ImportRefused::NameTaken) }));
    }
    let mut others = Vec::new();
    for new in &imported.clients {
        others.extend(rows.client_by_key(&new.client.consumer_key)?);
    }
    let named = rows.application_by_name(owner.id, wanted.kind, &wanted.name)?;
    if let Some(named) = named {
        let mut is_same = !imported.clients.is_empty() && others.len() == imported.clients.len();
        for other in &others {
            is_same &= rows.application_of(other.id)?.is_some_and(|application| application.id == named.id);
        }
        return Ok(Some(if is_same { Held } else { Refused(ImportRefused::NameTaken) }));
    }
    Ok((!others.is_empty()).then_some(Refused(ImportRefused::KeyTaken)))
}

fn look_at_subscription(
    rows: &mut dyn Read,
    imported: &ImportedSubscription,
) -> Result<Option<ImportOutcome>> {
    let (owner, name) = &imported.application;
    let Some(owner) = rows.user_by_name(owner)? else { return Ok(Some(Refused(ImportRefused::NoUser))) };
    let kind = latchkey_catalog::application::ApplicationKind::Portal;
    let Some(application) = rows.application_by_name(owner.id, kind, name)? else {
        return Ok(Some(Refused(ImportRefused::NoApplication)));
    };
    let (context, version) = &imported.api;
    let Some(api) = rows.api_at(context, version)? else {
        return Ok(Some(Refused(ImportRefused::NoApi)));
    };
    if rows.subscription_between((application.id, api))?.is_some() {
        return Ok(Some(Held));
    }
    if rows.subscription(imported.subscription.id)?.is_some() {
        return Ok(Some(Refused(ImportRefused::NameTaken)));
    }
    let tier = rows.tier(latchkey_catalog::tier::Level::Subscription, &imported.subscription.tier)?;
    Ok(tier.is_none().then_some(Refused(ImportRefused::NoTier)))
}

/// The client and subject of a token; the refusal is why there are none.
fn ends_of(
    rows: &mut dyn Read,
    token: &ImportedToken,
) -> Result<std::result::Result<(PrincipalId, Subject), ImportRefused>> {
    let Some(client) = rows.client_by_key(&token.client)? else { return Ok(Err(ImportRefused::NoClient)) };
    let Some(name) = &token.user else {
        let subject = Subject { kind: SubjectType::Application, id: client.id };
        return Ok(Ok((client.id, subject)));
    };
    let Some(user) = rows.user_by_name(name)? else { return Ok(Err(ImportRefused::NoUser)) };
    if user.state != UserState::Active {
        return Ok(Err(ImportRefused::Barred));
    }
    Ok(Ok((client.id, Subject { kind: SubjectType::ApplicationUser, id: user.id })))
}

fn look_at_token(
    rows: &mut dyn Read,
    token: &ImportedToken,
    now: Timestamp,
) -> Result<Option<ImportOutcome>> {
    let Some(digest) = token.digest().filter(|_| token.ends().is_valid(now)) else {
        return Ok(Some(Refused(ImportRefused::Unfit)));
    };
    let (client, subject) = match ends_of(rows, token)? {
        Ok(ends) => ends,
        Err(refused) => return Ok(Some(Refused(refused))),
    };
    if rows.is_imported(Bucket::of(client, subject.id), digest)? {
        return Ok(Some(Held));
    }
    let access = token.access.iter().map(|value| value.digest);
    for value in access.chain(token.refresh.iter().map(|(value, ..)| value.digest)) {
        if rows.alias(value)?.is_some() {
            return Ok(Some(Refused(ImportRefused::ValueTaken)));
        }
    }
    Ok(None)
}

fn make(
    rows: &mut dyn Write,
    item: &ImportItem,
    (limits, actor): (HolderLimits, &str),
    now: Timestamp,
) -> Result<ImportOutcome> {
    let what = match item {
        ImportItem::User(user) => CatalogueChange::AddUser((**user).clone()),
        ImportItem::Tier(tier) => CatalogueChange::AddTier((**tier).clone()),
        ImportItem::Api(new) => PublisherChange::AddApi((**new).clone()).into(),
        ImportItem::Application(imported) => return make_application(rows, imported, actor, now),
        ImportItem::Subscription(imported) => return make_subscription(rows, imported, actor, now),
        ImportItem::Token(token) => return make_token(rows, token, limits, now),
    };
    let made = change(rows, &Change { what, actor: actor.to_owned() }, now)?;
    Ok(made.map_or_else(refused, |()| Made))
}

const fn refused(refused: ChangeRefused) -> ImportOutcome {
    Refused(match refused {
        ChangeRefused::NameTaken => ImportRefused::NameTaken,
        ChangeRefused::UnknownTier => ImportRefused::NoTier,
        ChangeRefused::UnknownUser => ImportRefused::NoUser,
        ChangeRefused::HasKeys
        | ChangeRefused::Full
        | ChangeRefused::NotFound
        | ChangeRefused::UnknownScope
        | ChangeRefused::WrongState
        | ChangeRefused::BadProfile(_)
        | ChangeRefused::InUse => ImportRefused::Unfit,
    })
}

fn make_application(
    rows: &mut dyn Write,
    imported: &ImportedApplication,
    actor: &str,
    now: Timestamp,
) -> Result<ImportOutcome> {
    let Some(owner) = rows.user_by_name(&imported.owner)? else { return Ok(Refused(ImportRefused::NoUser)) };
    let mut application = imported.application.clone();
    application.owner = owner.id;
    let id = application.id;
    let mut clients = imported.clients.iter().cloned().map(Box::new);
    let mut by_actor = |what| change(rows, &Change { what, actor: actor.to_owned() }, now);
    let first = CatalogueChange::AddApplication(application, clients.next(), Vec::new());
    if let Err(no) = by_actor(first)? {
        return Ok(refused(no));
    }
    for client in clients {
        // That its key is free and the application has none of the type was looked at.
        let added = by_actor(CatalogueChange::AddClient(id, client))?;
        debug_assert_eq!(added, Ok(()));
    }
    Ok(Made)
}

fn make_subscription(
    rows: &mut dyn Write,
    imported: &ImportedSubscription,
    actor: &str,
    now: Timestamp,
) -> Result<ImportOutcome> {
    let (owner, name) = &imported.application;
    let (context, version) = &imported.api;
    let kind = latchkey_catalog::application::ApplicationKind::Portal;
    let owner = rows.user_by_name(owner)?.map(|owner| owner.id);
    let application = match owner {
        Some(owner) => rows.application_by_name(owner, kind, name)?,
        None => None,
    };
    let (Some(application), Some(api)) = (application, rows.api_at(context, version)?) else {
        return Ok(Refused(ImportRefused::NoApplication));
    };
    // Who subscribed while the API was published keeps the subscription, whatever its state is now.
    let mut subscription = imported.subscription.clone();
    (subscription.application, subscription.api) = (application.id, api);
    rows.put_subscription(&subscription)?;
    rows.append(Event::of_principal(EventKind::SubscriptionChange, now, actor))?;
    Ok(Made)
}

/// Makes a family of a token.
///
/// Under its key there is one at most. A token that is newer than the one held there takes its place, as it did where it
/// comes from. An older one that is alive all the same, because that server let several live, stands beside it under a
/// binding of its own.
fn make_token(
    rows: &mut dyn Write,
    token: &ImportedToken,
    limits: HolderLimits,
    now: Timestamp,
) -> Result<ImportOutcome> {
    let (client, subject) = match ends_of(rows, token)? {
        Ok(ends) => ends,
        Err(no) => return Ok(Refused(no)),
    };
    let Some(current) = epochs(rows, client, subject.id)? else { return Ok(Refused(ImportRefused::NoUser)) };
    let Some(digest) = token.digest() else { return Ok(Refused(ImportRefused::Unfit)) };
    let mut key = TokenKey { client, subject, scope: token.scope.clone(), binding: token.binding.clone() };
    let mut row = rows.family_by_key(key.bucket(), key.digest())?;
    let is_alive = |held: &Arc<Family>| held.is_alive(Some(current), now);
    if row.as_ref().is_some_and(|held| is_alive(held) && held.access.issued_at >= token.issued_at) {
        let beside = *digest.first_chunk().expect("32 bytes are more than 16");
        key.binding = Binding::Random(beside);
        row = rows.family_by_key(key.bucket(), key.digest())?;
        if row.is_some() {
            return Ok(Refused(ImportRefused::ValueTaken));
        }
    }
    let family = Arc::new(family(token, &key, current));
    match &row {
        Some(old) if is_alive(old) => rows.append(Event::end(old, Reason::Administrator, now))?,
        Some(old) => rows.append(Event::end(old, Reason::Expired, now))?,
        None if make_room(rows, &family, limits, now)?.is_err() => return Ok(Refused(ImportRefused::Full)),
        None => {}
    }
    rows.put_family(row.as_deref(), Arc::clone(&family))?;
    let ends_at = match token.ends() {
        Expiry::At(end) => Some(end),
        Expiry::Never => None,
    };
    rows.note_imported(family.bucket, digest, ends_at)?;
    rows.append(Event::about(EventKind::Issue, &family, now))?;
    Ok(Made)
}

fn family(token: &ImportedToken, key: &TokenKey, epochs: Epochs) -> Family {
    let refresh = token.refresh.as_ref();
    Family {
        bucket: key.bucket(),
        id: token.id,
        key: key.digest(),
        client: key.client,
        subject: key.subject,
        scope: key.scope.clone(),
        device: key.device(),
        seed: token.seed.clone(),
        epochs,
        access: AccessState {
            generation: 1,
            issued_at: token.issued_at,
            // Where there is no access token, none is accepted.
            expires: if token.access.is_some() { token.expires } else { Expiry::At(token.issued_at) },
            scope: key.scope.clone(),
        },
        refresh: refresh.map(|(_, issued_at, expires)| RefreshState {
            generation: 1,
            chain_start: 1,
            issued_at: *issued_at,
            expires: *expires,
            used_at: None,
        }),
        minted: Some(Box::new(MintedValues {
            access: token.access.clone(),
            refresh: refresh.map(|(value, ..)| value.clone()),
            spent_refresh: Vec::new(),
        })),
        last_proof: LastProof::default(),
    }
}
