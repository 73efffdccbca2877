//! Limits: how a call is admitted or refused.
//!
//! Two kinds. [`gcra`] smooths: it protects a node, or an upstream, and every node counts for itself.
//! Plan limits are promises, "20 a minute": exactly that many calls in a window of the calendar, over all
//! nodes. For them a node holds a [`Lease`], permits that it got from the one [`Ledger`] of the limit, and
//! asks for more when it has none. The ledger never gives more than the limit, and a permit ends with its
//! window, so no number of nodes, delays or lost messages admits more; and while all can reach the ledger
//! every permit is there for who asks, so that the limit is also reached.
//!
//! Only admitted calls count. A call that several limits hold for is admitted by all or counted by none.
//!
//! [`Counters`] hold what is counted here, and leases of what is counted elsewhere, which come by
//! [`Allotments`]: in the server's own process those of long windows, from the store; on a node of its own all
//! of them, from the server, whose counters lend to its own gateway and to all nodes out of the same count.
//! [`Admission`] is the phase of a call that turns the right to pass into a call that was counted.

use latchkey_catalog::tier::Limit;
use latchkey_oauth::clock::Timestamp;

pub use admission::{Admission, Admitted, Refused, spared};
pub use allotments::{Allotments, Unallotted};
pub use applicable::{Applicable, Counted, Tiers};
pub use counters::{Counters, CountersUse, Denied, Supplied, Wanting, WasReset};
pub use fields::RateLimit;
pub use latchkey_catalog::count::{CountKey, Grant, HandBack, Tally, WindowId};
pub use lease::{Ask, Lease, Standing};
pub use ledger::Ledger;
pub use tier_table::{TierTable, UnknownTier};

mod admission;
mod allotments;
mod applicable;
mod counters;
mod fields;
pub mod gcra;
mod lease;
mod ledger;
mod tier_table;

/// A limit as it is in force for one key: an application with its user, a subscription, an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// How many calls in which window.
    pub limit: Limit,
    /// How many nodes share the limit; more nodes take smaller leases.
    pub nodes: u16,
}

/// What the limits of a call say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The call passes, and is counted at every limit.
    Admit,
    /// Nothing is known yet: the ledgers of these limits must be asked first, by place in the list.
    Ask(Vec<(usize, Ask)>),
    /// The call is refused, and counted nowhere.
    Refuse {
        /// The place of the limit that refuses; the first one in the list.
        limit: usize,
        /// When it may admit again.
        until: Timestamp,
    },
}

/// Decides on a call that all these limits hold for: it takes a permit of each, or of none.
///
/// `now` is the node's own steady time. A limit that refuses settles the call even where others would have
/// to be asked first.
pub fn decide(limits: &mut [(&mut Lease, Plan)], now: Timestamp) -> Verdict {
    let mut asks = Vec::new();
    for (place, (lease, plan)) in limits.iter_mut().enumerate() {
        match lease.look(*plan, now) {
            Standing::Ready => {}
            Standing::Ask(ask) => asks.push((place, ask)),
            Standing::Refused { until } => return Verdict::Refuse { limit: place, until },
        }
    }
    if !asks.is_empty() {
        return Verdict::Ask(asks);
    }
    for (lease, _) in limits {
        lease.take();
    }
    Verdict::Admit
}

#[cfg(test)]
mod tests;
