//! What each unit does, once for every kind of store.

use std::sync::Arc;

use latchkey_catalog::lifecycle::LifecycleEvent;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::event::{Event, EventKind};
use latchkey_oauth::family::{Epochs, Family};
use latchkey_oauth::holder::{DeviceKnown, HolderLimits, LimitReached, Resident, admit};
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::issuance::{Decision, apply, decide};
use latchkey_oauth::revocation::{Reason, Selector};
use latchkey_oauth::rotation::{self, Rotation, RotationRefusal, rotate};

use crate::Result;
use crate::facts::epochs;
use crate::rows::{HolderId, Write};
use crate::unit::{Ending, Issue, IssueOutcome, Refresh, RefreshOutcome};

pub use catalogue::change;

mod catalogue;
pub mod counts;
pub mod import;

/// Issues tokens for a key.
pub fn issue(rows: &mut dyn Write, unit: &Issue, now: Timestamp) -> Result<IssueOutcome> {
    let key = &unit.key;
    let current = epochs(rows, key.client, key.subject.id)?;
    if current != Some(unit.seen) {
        return Ok(IssueOutcome::Stale);
    }
    if let Some((owner, epoch)) = unit.owner
        && rows.epoch(owner)? != Some(epoch)
    {
        return Ok(IssueOutcome::Stale);
    }
    let row = rows.family_by_key(key.bucket(), key.digest())?;
    // A family from before a reset of its client or subject is not held: its tokens are dead.
    let held = row.as_deref().filter(|family| family.epochs == unit.seen);
    let decision = decide(held, &unit.draft, unit.renewal, now);
    if let (Decision::Reuse, Some(family)) = (decision, &row) {
        return Ok(IssueOutcome::Issued { family: Arc::clone(family), decision });
    }
    let family = Arc::new(apply(decision, held, (key, &unit.draft), unit.seen, now));
    match &row {
        Some(old) if old.id != family.id => rows.append(Event::end(old, Reason::Expired, now))?,
        Some(_) => {}
        None => {
            if make_room(rows, &family, unit.limits, now)?.is_err() {
                return Ok(IssueOutcome::LimitReached);
            }
        }
    }
    rows.put_family(row.as_deref(), Arc::clone(&family))?;
    let kind = if decision == Decision::Create { EventKind::Issue } else { EventKind::Renew };
    rows.append(Event::about(kind, &family, now))?;
    Ok(IssueOutcome::Issued { family, decision })
}

/// Counts a family more for its holder, ending others as far as the limits ask for it.
fn make_room(
    rows: &mut dyn Write,
    family: &Family,
    limits: HolderLimits,
    now: Timestamp,
) -> Result<std::result::Result<(), LimitReached>> {
    let holder = HolderId::of(family);
    if !rows.holder(holder)?.has_room(&family.device, known(rows, holder, family)?, limits) {
        let families = rows.residents(holder)?;
        let mut residents = Vec::with_capacity(families.len());
        for held in &families {
            let current = epochs(rows, held.client, held.subject.id)?;
            residents.push(Resident {
                id: held.id,
                device: held.device.clone(),
                issued_at: held.access.issued_at,
                alive: held.is_alive(current, now),
            });
        }
        let Ok(ends) = admit(&residents, &family.device, limits) else { return Ok(Err(LimitReached)) };
        for (held, resident) in families.iter().zip(&residents) {
            if ends.contains(&held.id) {
                let reason = if resident.alive { Reason::Limit } else { Reason::Expired };
                end_family(rows, held, reason, now)?;
            }
        }
    }
    let adds_device = family.device.0.is_some() && known(rows, holder, family)? == DeviceKnown::No;
    let mut count = rows.holder(holder)?;
    count.families += 1;
    count.devices += u32::from(adds_device);
    rows.put_holder(holder, count)?;
    Ok(Ok(()))
}

fn known(rows: &mut dyn Write, holder: HolderId, family: &Family) -> Result<DeviceKnown> {
    let has = family.device.0.is_some() && rows.has_device(holder, family.device.as_str())?;
    Ok(if has { DeviceKnown::Yes } else { DeviceKnown::No })
}

/// Ends one family: the row goes, its holder has one less.
fn end_family(rows: &mut dyn Write, family: &Family, reason: Reason, now: Timestamp) -> Result<()> {
    rows.delete_family(family)?;
    let holder = HolderId::of(family);
    let mut count = rows.holder(holder)?;
    count.families = count.families.saturating_sub(1);
    if family.device.0.is_some() && !rows.has_device(holder, family.device.as_str())? {
        count.devices = count.devices.saturating_sub(1);
    }
    rows.put_holder(holder, count)?;
    rows.append(Event::end(family, reason, now))
}

/// Uses a refresh token.
pub fn refresh(rows: &mut dyn Write, unit: &Refresh, now: Timestamp) -> Result<RefreshOutcome> {
    let unknown = RefreshOutcome { rotation: Rotation::Refused(RotationRefusal::Unknown), family: None };
    let Some(held) = rows.family(unit.bucket, unit.family)? else { return Ok(unknown) };
    let current: Option<Epochs> = epochs(rows, held.client, held.subject.id)?;
    if current != Some(held.epochs) {
        return Ok(unknown);
    }
    let rotation = rotate(&held, &unit.request, now);
    let family = match rotation {
        Rotation::Rotate | Rotation::RenewAccess => {
            let Some(next) = rotation::apply(rotation, &held, &unit.request, now) else { return Ok(unknown) };
            let next = Arc::new(next);
            rows.put_family(Some(&held), Arc::clone(&next))?;
            rows.append(Event::about(EventKind::Refresh, &next, now))?;
            Some(next)
        }
        Rotation::Repeat => Some(held),
        Rotation::Replayed => {
            end_family(rows, &held, Reason::RefreshReuse, now)?;
            None
        }
        Rotation::Refused(_) => None,
    };
    Ok(RefreshOutcome { rotation, family })
}

/// Notes the first use of tokens that arose by a refresh.
pub fn mark_used(
    rows: &mut dyn Write,
    (bucket, id, generation): (Bucket, FamilyId, u32),
    now: Timestamp,
) -> Result<()> {
    let Some(held) = rows.family(bucket, id)? else { return Ok(()) };
    let Some(mut refresh) = held.refresh else { return Ok(()) };
    if refresh.generation != generation || refresh.used_at.is_some() || !refresh.arose_by_refresh() {
        return Ok(());
    }
    if epochs(rows, held.client, held.subject.id)? != Some(held.epochs) {
        return Ok(());
    }
    refresh.used_at = Some(now);
    let used = Family { refresh: Some(refresh), ..Family::clone(&held) };
    rows.put_family(Some(&held), Arc::new(used))
}

/// Ends tokens; how many families ended, where they were counted one by one.
pub fn end(rows: &mut dyn Write, ending: &Ending, now: Timestamp) -> Result<u64> {
    let families = match &ending.selector {
        Selector::Family { bucket, id } => rows.family(*bucket, *id)?.into_iter().collect(),
        Selector::Device { client, subject, device } => {
            let mut residents = rows.residents(HolderId { client: *client, subject: *subject })?;
            residents.retain(|family| family.device.as_str() == device);
            residents
        }
        Selector::Holder { client, subject } => {
            rows.residents(HolderId { client: *client, subject: *subject })?
        }
        Selector::User(id) => {
            end_all(rows, *id, LifecycleEvent::UserRevoked, ending, now)?;
            return Ok(0);
        }
        Selector::Client(id) => {
            end_all(rows, *id, LifecycleEvent::ClientRevoked, ending, now)?;
            return Ok(0);
        }
    };
    for family in &families {
        end_family(rows, family, ending.reason, now)?;
    }
    Ok(families.len() as u64)
}

fn end_all(
    rows: &mut dyn Write,
    principal: PrincipalId,
    event: LifecycleEvent,
    ending: &Ending,
    now: Timestamp,
) -> Result<()> {
    raise_epoch(rows, principal)?;
    let mut event = Event::of_principal(event.kind(), now, ending.actor.as_deref().unwrap_or_default());
    event.reason = Some(ending.reason);
    event.subject = Some(principal);
    rows.append(event)
}

/// Raises the epoch of a client or user that still exists: every token of theirs is dead.
fn raise_epoch(rows: &mut dyn Write, principal: PrincipalId) -> Result<()> {
    match rows.epoch(principal)? {
        Some(epoch) => rows.put_epoch(principal, Some(epoch + 1)),
        None => Ok(()),
    }
}

/// Reclaims the families of a shard of which nothing is valid any more.
pub fn sweep(rows: &mut dyn Write, ids: &[(Bucket, FamilyId)], now: Timestamp) -> Result<u64> {
    let mut reclaimed = 0;
    for (bucket, id) in ids {
        let Some(family) = rows.family(*bucket, *id)? else { continue };
        let current = epochs(rows, family.client, family.subject.id)?;
        if !family.is_alive(current, now) {
            end_family(rows, &family, Reason::Expired, now)?;
            reclaimed += 1;
        }
    }
    Ok(reclaimed)
}
