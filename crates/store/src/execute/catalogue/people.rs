//! Changes of users, with what ends by them.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_catalog::lifecycle::{LifecycleEvent, events_of};
use latchkey_catalog::user::{User, UserChange};
use latchkey_oauth::event::{Event, EventKind};
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::revocation::Reason;
use latchkey_oauth::session::SessionId;

use super::{By, Outcome, applications, end_with};
use crate::Result;
use crate::rows::Write;
use crate::unit::ChangeRefused;

pub(super) fn add(rows: &mut dyn Write, user: &User, by: By<'_>) -> Outcome {
    if rows.user_by_name(&user.name)?.is_some() {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    rows.put_user(user)?;
    rows.put_epoch(user.id, Some(1))?;
    let mut entry = Event::of_principal(EventKind::UserCreate, by.now, by.actor);
    entry.subject = Some(user.id);
    rows.append(entry).map(Ok)
}

/// Everything is looked at before anything is written.
pub(super) fn update(
    rows: &mut dyn Write,
    updates: &[(PrincipalId, Vec<UserChange>)],
    by: By<'_>,
) -> Outcome {
    let mut changed: BTreeMap<PrincipalId, (User, Vec<LifecycleEvent>)> = BTreeMap::new();
    for (id, changes) in updates {
        let (before, mut events) = match (changed.remove(id), rows.user(*id)?) {
            (Some(changed), _) => changed,
            (None, Some(user)) => (user, Vec::new()),
            (None, None) => return Ok(Err(ChangeRefused::NotFound)),
        };
        match before.changed(changes) {
            Ok(after) => {
                events.extend(events_of(&before, &after, changes));
                changed.insert(*id, (after, events));
            }
            Err(bad) => return Ok(Err(bad.into())),
        }
    }
    for (after, events) in changed.into_values() {
        put(rows, after, &events, by)?;
    }
    Ok(Ok(()))
}

fn put(rows: &mut dyn Write, user: User, events: &[LifecycleEvent], by: By<'_>) -> Result<()> {
    let id = user.id;
    rows.put_user(&User { updated_at: by.now, ..user })?;
    for event in events {
        let _noted = end_with(rows, id, *event, by)?;
        if *event == LifecycleEvent::RoleRemoved {
            applications::end_own_tokens_of_all(rows, id, (Reason::RoleRemoved, by.now))?;
        }
    }
    Ok(())
}

pub(super) fn rehash(rows: &mut dyn Write, id: PrincipalId, from: &str, to: &str) -> Outcome {
    if let Some(mut user) = rows.user(id)?.filter(|user| user.password == from) {
        to.clone_into(&mut user.password);
        rows.put_user(&user)?;
    }
    Ok(Ok(()))
}

/// The epoch goes for good, so whatever was issued to the user is dead, whoever gets the name next. The user's
/// applications stay, without the roles that they had by the user.
pub(super) fn delete(rows: &mut dyn Write, id: PrincipalId, by: By<'_>) -> Outcome {
    if rows.user(id)?.is_none() {
        return Ok(Err(ChangeRefused::NotFound));
    }
    rows.delete_user(id)?;
    rows.put_epoch(id, None)?;
    applications::end_own_tokens_of_all(rows, id, (Reason::UserDeleted, by.now))?;
    end_with(rows, id, LifecycleEvent::UserDeleted, by)
}

pub(super) fn label_device(
    rows: &mut dyn Write,
    user: PrincipalId,
    (session, label): (SessionId, Option<&str>),
    living: &BTreeSet<SessionId>,
) -> Outcome {
    if rows.user(user)?.is_none() || !living.contains(&session) {
        return Ok(Err(ChangeRefused::NotFound));
    }
    for gone in rows.labels(user)?.into_keys().filter(|held| !living.contains(held)) {
        rows.put_label(user, gone, None)?;
    }
    rows.put_label(user, session, label).map(Ok)
}
