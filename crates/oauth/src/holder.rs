//! How many devices and families one client may hold for one subject.
//!
//! The limits hold at every instant: a store asks [`admit`] in the transaction that makes a family, and
//! ends what gives way in the same transaction.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::family::Device;
use crate::id::FamilyId;

/// What gives way where a limit is reached (`oauth.device.on_limit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLimit {
    /// The device, or the family, whose last issue is the oldest.
    EvictOldest,
    /// The request.
    Reject,
}

/// The limits of a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HolderLimits {
    /// The most named devices (`oauth.device.max_per_user`).
    pub devices: u32,
    /// The most families (`oauth.max_families_per_user`).
    pub families: u32,
    /// What gives way.
    pub on_limit: OnLimit,
}

/// How many of each a holder has, dead ones that are not yet reclaimed included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HolderCount {
    /// Named devices.
    pub devices: u32,
    /// Families.
    pub families: u32,
}

/// A family that a holder has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resident {
    /// Its id.
    pub id: FamilyId,
    /// Its device.
    pub device: Device,
    /// When its current access token was issued.
    pub issued_at: Timestamp,
    /// Whether anything of it is still accepted.
    pub alive: bool,
}

/// A limit is reached and the request has to give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the user holds as many devices or tokens of this application as are allowed")]
pub struct LimitReached;

impl HolderCount {
    /// Whether one family more on a device that is `known` or not fits without looking at the others.
    pub fn has_room(self, device: &Device, known: DeviceKnown, limits: HolderLimits) -> bool {
        let adds_device = device.0.is_some() && known == DeviceKnown::No;
        self.families < limits.families && (!adds_device || self.devices < limits.devices)
    }
}

impl HolderLimits {
    /// How many of `held` have to go so that one more fits under `limit`. Under a limit of zero nothing
    /// ever fits.
    fn excess(self, held: usize, limit: u32) -> Result<usize, LimitReached> {
        let excess = (held + 1).saturating_sub(limit as usize);
        let may_evict = self.on_limit == OnLimit::EvictOldest && excess <= held;
        if excess == 0 || may_evict { Ok(excess) } else { Err(LimitReached) }
    }
}

/// Whether a holder has a family of a device already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKnown {
    /// It has.
    Yes,
    /// It has not.
    No,
}

/// Which of the `residents` end so that a family of `device` may be added: the dead ones always, then the
/// oldest as far as the limits ask for it. Issues of one millisecond are equally old: any of them may go.
pub fn admit(
    residents: &[Resident],
    device: &Device,
    limits: HolderLimits,
) -> Result<Vec<FamilyId>, LimitReached> {
    let mut living: Vec<&Resident> = residents.iter().filter(|resident| resident.alive).collect();
    let mut ends: Vec<FamilyId> =
        residents.iter().filter(|resident| !resident.alive).map(|resident| resident.id).collect();

    let mut last_issue: BTreeMap<&Device, (Timestamp, FamilyId)> = BTreeMap::new();
    for resident in living.iter().filter(|resident| resident.device.0.is_some()) {
        let latest = last_issue.entry(&resident.device).or_insert((resident.issued_at, resident.id));
        *latest = (*latest).max((resident.issued_at, resident.id));
    }
    if device.0.is_some() && !last_issue.contains_key(device) {
        let excess = limits.excess(last_issue.len(), limits.devices)?;
        let mut oldest: Vec<(&Device, (Timestamp, FamilyId))> = last_issue.into_iter().collect();
        oldest.sort_by_key(|(_, latest)| *latest);
        let leaving: BTreeSet<&Device> = oldest.into_iter().take(excess).map(|(device, _)| device).collect();
        ends.extend(living.iter().filter(|r| leaving.contains(&r.device)).map(|r| r.id));
        living.retain(|resident| !leaving.contains(&resident.device));
    }

    let excess = limits.excess(living.len(), limits.families)?;
    living.sort_by_key(|resident| (resident.issued_at, resident.id));
    ends.extend(living.iter().take(excess).map(|resident| resident.id));
    Ok(ends)
}
