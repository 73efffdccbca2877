//! What stopped being as it was, in the order in which it happened, for those who keep facts elsewhere: the
//! gateway's nodes, and calls that last.
//!
//! Every store has one log, in memory and bounded. An entry stands in it before the request that caused it is
//! answered, and after the store itself answers the new state. So whoever notes a [`Mark`], then reads the
//! store, and then follows the log from that mark, misses nothing. Who followed too slowly, or followed
//! another opening of the store, is told of the [`Gap`] and has to read everything anew.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use latchkey_oauth::entropy::{SystemEntropy, random};
use latchkey_oauth::family::Family;
use latchkey_oauth::id::{FamilyId, PrincipalId};
use tokio::sync::watch;

/// How many changes are kept for those who follow: about 2 MiB, and some seconds of the fastest writer.
pub const KEPT: usize = 65_536;

/// A change. It says what holds now where that is a number, and otherwise that something is to be read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Changed {
    /// Another access token of a family than the first, or none any more. The first one of a new family is no
    /// change: nobody can know anything that it contradicts.
    Family {
        /// The family.
        id: FamilyId,
        /// The generation of its access token that now holds; none where the family is gone.
        access: Option<u32>,
    },
    /// A reset of a client or user, or its end; not its beginning.
    Epoch {
        /// Whose.
        principal: PrincipalId,
        /// The epoch that now holds; none where the client or user is gone.
        epoch: Option<u64>,
    },
    /// What a client or an API key is known by besides: itself, its application, the subscriptions. Not its
    /// beginning, nor its end, which are told as an epoch.
    Client {
        /// Which.
        id: PrincipalId,
    },
    /// What calls are routed and limited by: APIs, tiers, deny policies. It may concern every client.
    Catalogue,
    /// The keys that tokens are checked with.
    Keys,
    /// Counts of limits that were set back.
    Limits,
}

impl Changed {
    /// What the writing of a family changes for those who know it.
    pub(crate) fn of_family(id: FamilyId, now: Option<&Family>) -> Option<Self> {
        let access = now.map(|family| family.access.generation);
        (access != Some(1)).then_some(Self::Family { id, access })
    }

    /// What the writing of an epoch changes for those who know it.
    pub(crate) fn of_epoch(principal: PrincipalId, epoch: Option<u64>) -> Option<Self> {
        (epoch != Some(1)).then_some(Self::Epoch { principal, epoch })
    }
}

/// One opening of a store, by a number drawn for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Opening([u8; 16]);

impl Opening {
    /// From the bytes that a follower was told.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Opening({:032x})", u128::from_be_bytes(self.0))
    }
}

/// A place in the log: behind so many changes since that opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The opening.
    pub opening: Opening,
    /// How many changes lie before.
    pub seq: u64,
}

/// What follows a mark cannot be told: it was never set here, or too much has happened since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the changes since then are not known here any more")]
pub struct Gap;

/// The log of one opening of a store.
#[derive(Debug)]
pub struct Changes {
    opening: Opening,
    kept: Mutex<VecDeque<Changed>>,
    capacity: usize,
    /// How many changes there were, told to those who wait.
    count: watch::Sender<u64>,
}

impl Default for Changes {
    fn default() -> Self {
        Self::keeping(KEPT)
    }
}

impl Changes {
    /// An empty log that keeps the last `capacity` changes.
    pub fn keeping(capacity: usize) -> Self {
        let (opening, count) = (Opening(random(&SystemEntropy)), watch::Sender::new(0));
        Self { opening, kept: Mutex::default(), capacity, count }
    }

    /// Where the log ends now.
    pub fn mark(&self) -> Mark {
        Mark { opening: self.opening, seq: *self.count.borrow() }
    }

    /// Appends changes and wakes those who wait for them.
    pub fn publish(&self, changes: impl IntoIterator<Item = Changed>) {
        let mut kept = self.kept();
        let mut added = 0;
        for change in changes {
            if kept.len() == self.capacity {
                kept.pop_front();
            }
            kept.push_back(change);
            added += 1;
        }
        if added > 0 {
            self.count.send_modify(|count| *count += added);
        }
    }

    /// Up to `limit` changes that follow `mark`, and the mark behind them.
    pub fn since(&self, mark: Mark, limit: usize) -> Result<(Vec<Changed>, Mark), Gap> {
        let kept = self.kept();
        // It moves only while `kept` is locked.
        let count = *self.count.borrow();
        let missed = count.checked_sub(mark.seq).filter(|_| mark.opening == self.opening).ok_or(Gap)?;
        let missed = usize::try_from(missed).map_err(|_| Gap)?;
        let first = kept.len().checked_sub(missed).ok_or(Gap)?;
        let told: Vec<Changed> = kept.range(first..).take(limit).copied().collect();
        let seq = mark.seq + told.len() as u64;
        Ok((told, Mark { seq, ..mark }))
    }

    /// Waits until there is something to tell to who stands at `mark`; at once where there already is. What is
    /// published while nobody waits is found by the next who does.
    pub async fn wait(&self, mark: Mark) {
        if mark.opening == self.opening {
            // The sender is part of `self`, so the channel is open.
            let _ = self.count.subscribe().wait_for(|count| *count != mark.seq).await;
        }
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Changed>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
