//! The counts of a gateway that has nobody to share its limits with.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use latchkey_oauth::clock::Timestamp;

use super::applicable::Applicable;
use super::{Ask, CountKey, Grant, Ledger, Plan, RateLimit};
use crate::answer::ThrottledBy;

/// Parts that are locked apart.
const SHARDS: usize = 64;

/// The most counts kept at once, in all parts together: about 100 MB.
const MOST_KEYS: usize = 1 << 20;

/// The most limits that hold for one call: API or resource, subscription, application, two bursts.
const MOST_LIMITS: usize = 5;

/// How long a full part is not searched again for counts that are over, in milliseconds.
const SEARCH_AGAIN_AFTER: i64 = 1_000;

/// One [`Ledger`] for every key that calls were counted for in a window that is still on.
///
/// A call locks the parts of its own keys, in one order, looks at all of its limits and only then counts.
/// So of any number of parallel calls exactly as many pass as the limits say, and a call that is refused
/// counts nowhere. What is counted ends with the process.
#[derive(Debug)]
pub struct Counters {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    most_keys_of_a_shard: usize,
}

#[derive(Debug)]
struct Shard {
    ledgers: HashMap<CountKey, Count>,
    /// When this part, being full, may be searched again for counts that are over.
    search_after: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    ledger: Ledger,
    ends: Timestamp,
}

/// Why a call is not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// A limit is reached; the first one in WSO2's order.
    Reached(ThrottledBy, RateLimit),
    /// There are too many counts already, and this call needs one more. Letting it pass uncounted, or
    /// forgetting another's count, would admit more than a limit says.
    Full,
}

impl Default for Counters {
    fn default() -> Self {
        Self::with_most_keys(MOST_KEYS)
    }
}

impl Counters {
    /// Keeps about so many counts at most; at least one for each part.
    pub fn with_most_keys(most: usize) -> Self {
        let shard =
            || Mutex::new(Shard { ledgers: HashMap::new(), search_after: Timestamp::from_millis(i64::MIN) });
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            most_keys_of_a_shard: most.div_ceil(SHARDS).max(1),
        }
    }

    /// Counts a call at all `limits`, or at none. Answers the limit that is closest to its end; none where
    /// no limit holds.
    pub(super) fn count<'a>(
        &self,
        limits: impl Iterator<Item = Applicable<'a>>,
        now: Timestamp,
    ) -> Result<Option<RateLimit>, Denied> {
        let mut held: [Option<(Applicable<'a>, usize)>; MOST_LIMITS] = [const { None }; MOST_LIMITS];
        for (place, limit) in held.iter_mut().zip(limits) {
            *place = Some((limit, self.shard_of(&limit.key)));
        }
        if held[0].is_none() {
            return Ok(None);
        }
        let mut locked = Locked::of(self, held.iter().flatten().map(|(_, shard)| *shard));
        let mut counted = [None; MOST_LIMITS];
        let mut tightest: Option<(Applicable<'a>, u64, Timestamp)> = None;
        for ((limit, shard), place) in held.iter().flatten().zip(&mut counted) {
            let (count, grant) = locked.shard(*shard).look(limit, (now, self.most_keys_of_a_shard))?;
            *place = Some((limit.key, *shard, count));
            let remaining = limit.limit.calls.saturating_sub(grant.used);
            if tightest.is_none_or(|(_, least, ends)| (remaining, ends) < (least, count.ends)) {
                tightest = Some((*limit, remaining, count.ends));
            }
        }
        for (key, shard, count) in counted.into_iter().flatten() {
            locked.shard(shard).ledgers.insert(key, count);
        }
        drop(locked);
        Ok(tightest.map(|(limit, remaining, ends)| limit.told(remaining, ends)))
    }

    /// Sets the count of `key` back: the next call is the first of its window. Says whether there was one.
    pub fn reset(&self, key: &CountKey) -> bool {
        self.lock(self.shard_of(key)).ledgers.remove(key).is_some()
    }

    /// How many counts are kept.
    pub fn len(&self) -> usize {
        (0..SHARDS).map(|shard| self.lock(shard).ledgers.len()).sum()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard_of(&self, key: &CountKey) -> usize {
        // The remainder is smaller than the number of shards.
        usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or_default()
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The locks that a call holds, taken in the order of the shards, so that no two calls wait for each other.
struct Locked<'a> {
    guards: [Option<(usize, MutexGuard<'a, Shard>)>; MOST_LIMITS],
}

impl<'a> Locked<'a> {
    fn of(counters: &'a Counters, shards: impl Iterator<Item = usize>) -> Self {
        let mut order = [usize::MAX; MOST_LIMITS];
        for (place, shard) in order.iter_mut().zip(shards) {
            *place = shard;
        }
        order.sort_unstable();
        let mut guards = [const { None }; MOST_LIMITS];
        for place in 0..MOST_LIMITS {
            let shard = order[place];
            let is_held = place > 0 && order[place - 1] == shard;
            if shard != usize::MAX && !is_held {
                guards[place] = Some((shard, counters.lock(shard)));
            }
        }
        Self { guards }
    }

    fn shard(&mut self, shard: usize) -> &mut Shard {
        let found = self.guards.iter_mut().flatten().find(|(held, _)| *held == shard);
        found.map(|(_, guard)| &mut **guard).expect("every shard of the call was locked")
    }
}

impl Shard {
    /// What the count of a limit would be with one more call.
    fn look(
        &mut self,
        applicable: &Applicable<'_>,
        (now, most_keys): (Timestamp, usize),
    ) -> Result<(Count, Grant), Denied> {
        let known = self.ledgers.get(&applicable.key).map(|count| count.ledger);
        if known.is_none() && !self.has_room(most_keys, now) {
            return Err(Denied::Full);
        }
        let mut ledger = known.unwrap_or_default();
        let plan = Plan { limit: applicable.limit, resets: 0, nodes: 1 };
        let grant = ledger.grant(&Ask { plan, count: 1, at: now }, now);
        let ends = now.plus_millis(grant.remaining);
        if grant.permits == 0 {
            return Err(Denied::Reached(applicable.by, applicable.told(0, ends)));
        }
        Ok((Count { ledger, ends }, grant))
    }

    /// Whether one more count has room, if need be after those that are over went.
    fn has_room(&mut self, most: usize, now: Timestamp) -> bool {
        if self.ledgers.len() >= most && now >= self.search_after {
            self.ledgers.retain(|_, count| count.ends > now);
            self.search_after = now.plus_millis(SEARCH_AGAIN_AFTER);
        }
        self.ledgers.len() < most
    }
}

#[cfg(test)]
mod tests;
