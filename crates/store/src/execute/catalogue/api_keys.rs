//! Changes of API keys. A key's epoch is its generation: what follows the log of epochs hears of its end.

use latchkey_catalog::api_key::{ApiKey, MAX_API_KEYS};
use latchkey_catalog::id::EntryId;
use latchkey_oauth::event::{Event, EventKind};
use latchkey_oauth::id::PrincipalId;

use super::{By, Outcome};
use crate::Result;
use crate::rows::Write;
use crate::unit::ChangeRefused;

pub(super) fn add(rows: &mut dyn Write, key: &ApiKey, by: By<'_>) -> Outcome {
    if rows.application(key.application)?.is_none() {
        return Ok(Err(ChangeRefused::NotFound));
    }
    let mut held = rows.api_keys_of(key.application)?;
    held.retain(|other| other.keys == key.keys);
    if held.iter().any(|other| other.name == key.name || other.id == key.id) {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    if held.len() >= MAX_API_KEYS {
        return Ok(Err(ChangeRefused::Full));
    }
    put(rows, key, EventKind::ApiKeyCreate, by)
}

pub(super) fn regenerate(rows: &mut dyn Write, id: PrincipalId, by: By<'_>) -> Outcome {
    let Some(held) = rows.api_key(id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    put(rows, &held.regenerated(by.now), EventKind::ApiKeyRegenerate, by)
}

fn put(rows: &mut dyn Write, key: &ApiKey, kind: EventKind, by: By<'_>) -> Outcome {
    rows.put_api_key(key)?;
    rows.put_epoch(key.id, Some(u64::from(key.generation)))?;
    note(rows, key.id, kind, by).map(Ok)
}

pub(super) fn revoke(rows: &mut dyn Write, id: PrincipalId, by: By<'_>) -> Outcome {
    if rows.api_key(id)?.is_none() {
        return Ok(Err(ChangeRefused::NotFound));
    }
    end(rows, id, by).map(Ok)
}

/// Ends every key of an application.
pub(super) fn end_all(rows: &mut dyn Write, application: EntryId, by: By<'_>) -> Result<()> {
    rows.api_keys_of(application)?.iter().try_for_each(|key| end(rows, key.id, by))
}

fn end(rows: &mut dyn Write, id: PrincipalId, by: By<'_>) -> Result<()> {
    rows.delete_api_key(id)?;
    rows.put_epoch(id, None)?;
    note(rows, id, EventKind::ApiKeyRevoke, by)
}

fn note(rows: &mut dyn Write, id: PrincipalId, kind: EventKind, by: By<'_>) -> Result<()> {
    let mut entry = Event::of_principal(kind, by.now, by.actor);
    entry.subject = Some(id);
    rows.append(entry)
}
