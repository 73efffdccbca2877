//! What a node holds of a limit.

use latchkey_catalog::count::{Grant, HandBack, Tally, WindowId};
use latchkey_oauth::clock::Timestamp;

use super::Plan;

/// How long a node holds an answer "nothing left" for true, in milliseconds, where other nodes may hand
/// permits back. Where leases are single permits nothing comes back, and it holds to the window's end.
const ASK_AGAIN_AFTER: i64 = 1_000;

/// How long a node keeps permits that nobody asks it for, in milliseconds.
const IDLE: i64 = 1_000;

/// The largest lease.
pub(super) const MAX_LEASE: u64 = 1_000;

/// What a node asks the ledger for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The limit.
    pub plan: Plan,
    /// How many permits at most; at least 1.
    pub count: u64,
    /// When the node asks, by its own steady time. What it is given ends so long after this moment as the
    /// ledger says that the window lasts; so a slow answer shortens a lease, and a wrong clock does not
    /// lengthen it.
    pub at: Timestamp,
}

/// How a limit stands towards one more call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A permit is here; [`Lease::take`] takes it.
    Ready,
    /// The ledger must be asked.
    Ask(Ask),
    /// The limit is reached.
    Refused {
        /// When the window ends.
        until: Timestamp,
    },
}

/// What a node holds of one limit. The default holds nothing and knows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lease {
    held: Option<Held>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    window: WindowId,
    permits: u64,
    /// Given out by the ledger when it last answered, to all nodes.
    used: u64,
    /// When the window ends, by the node's own time, or a little before.
    ends: Timestamp,
    /// Since when the ledger has nothing left, and for which limit it said so.
    exhausted: Option<(Timestamp, u64)>,
    /// When a permit was last taken or given.
    touched: Timestamp,
}

impl Lease {
    /// How the limit stands. Takes nothing; forgets what is over.
    pub fn look(&mut self, plan: Plan, now: Timestamp) -> Standing {
        if plan.limit.calls == 0 {
            return Standing::Refused { until: plan.limit.window.around(now).end };
        }
        if self.held.is_some_and(|held| now >= held.ends) {
            self.held = None;
        }
        match &mut self.held {
            Some(held) if held.permits > 0 => {
                held.touched = now;
                Standing::Ready
            }
            Some(held) if held.is_exhausted(plan, now) => Standing::Refused { until: held.ends },
            Some(_) | None => Standing::Ask(Ask { plan, count: self.lease_size(plan), at: now }),
        }
    }

    /// Takes one of the permits that [`Self::look`] found; nothing when there is none.
    pub fn take(&mut self) {
        if let Some(held) = &mut self.held {
            held.permits = held.permits.saturating_sub(1);
        }
    }

    /// Takes up to `count` permits, to lend them to another.
    pub fn take_many(&mut self, count: u64) -> u64 {
        let Some(held) = &mut self.held else { return 0 };
        let taken = count.min(held.permits);
        held.permits -= taken;
        taken
    }

    /// Takes permits back that were lent; those of another window are over.
    pub fn take_back(&mut self, back: HandBack) {
        if let Some(held) = self.held.as_mut().filter(|held| held.window == back.window) {
            held.permits = (held.permits + back.permits).min(held.used);
        }
    }

    /// What to ask for before the last permit is gone, so that no call waits: where a quarter of a lease is
    /// left of it. Small leases are not asked for ahead; they would strand at a node that has no calls.
    pub fn ahead(&self, plan: Plan, now: Timestamp) -> Option<Ask> {
        let (held, size) = (self.held?, self.lease_size(plan));
        let is_low = size >= 4 && held.permits <= size / 4 && now < held.ends;
        (is_low && !held.is_exhausted(plan, now)).then_some(Ask { plan, count: size, at: now })
    }

    /// What others have used and hold, this one has used, and when the window ends.
    pub fn tally(&self) -> Option<Tally> {
        let Held { window, permits, used, ends, .. } = self.held?;
        Some(Tally { window, ends, used: used.saturating_sub(permits) })
    }

    /// Puts the ledger's answer to `ask` in. An answer about a window that is over is dropped with its
    /// permits: nobody could use them.
    pub fn put(&mut self, ask: &Ask, grant: Grant) {
        let ends = ask.at.plus_millis(grant.remaining);
        let exhausted = (grant.permits == 0).then_some((ask.at, ask.plan.limit.calls));
        match &mut self.held {
            Some(held) if held.window > grant.window => {}
            Some(held) if held.window == grant.window => {
                held.permits += grant.permits;
                held.used = held.used.max(grant.used);
                held.ends = held.ends.max(ends);
                held.exhausted = exhausted;
            }
            held => {
                let (window, permits, used) = (grant.window, grant.permits, grant.used);
                *held = Some(Held { window, permits, used, ends, exhausted, touched: ask.at });
            }
        }
    }

    /// The permits that nobody asked for in the last second, to be handed back to the ledger.
    pub fn idle(&mut self, now: Timestamp) -> Option<HandBack> {
        let is_idle = self.held.is_some_and(|held| now.millis_since(held.touched) >= IDLE);
        if is_idle { self.hand_back() } else { None }
    }

    /// All permits, to be handed back to the ledger; when a node ends.
    pub fn hand_back(&mut self) -> Option<HandBack> {
        let held = self.held.as_mut().filter(|held| held.permits > 0)?;
        let back = HandBack { window: held.window, permits: held.permits };
        held.permits = 0;
        held.used = held.used.saturating_sub(back.permits);
        Some(back)
    }

    /// How many calls the limit admits yet, as far as this node knows, and when the window ends.
    pub fn remaining(&self, plan: Plan, now: Timestamp) -> (u64, Timestamp) {
        match self.held.filter(|held| now < held.ends) {
            Some(held) => (plan.limit.calls.saturating_sub(held.used) + held.permits, held.ends),
            None => (plan.limit.calls, plan.limit.window.around(now).end),
        }
    }

    /// One permit at a time for small limits and near a limit's end, so that none is stranded at a node
    /// that has no calls; an eighth of a node's share at a time otherwise.
    fn lease_size(&self, plan: Plan) -> u64 {
        let used = self.held.map_or(0, |held| held.used);
        if used >= plan.limit.calls / 5 * 4 { 1 } else { plan.largest_lease() }
    }
}

impl Plan {
    /// The largest number of permits that a node asks for at once.
    fn largest_lease(&self) -> u64 {
        (self.limit.calls / (8 * u64::from(self.nodes.max(1)))).clamp(1, MAX_LEASE)
    }
}

impl Held {
    /// Whether the ledger has nothing left, as far as this node may believe it: for no larger limit than it
    /// was asked about, and for a second where other nodes may hand permits back.
    fn is_exhausted(&self, plan: Plan, now: Timestamp) -> bool {
        let Some((since, calls)) = self.exhausted else {
            return false;
        };
        let is_old = plan.nodes > 1 && plan.largest_lease() > 1 && now.millis_since(since) >= ASK_AGAIN_AFTER;
        plan.limit.calls <= calls && !is_old
    }
}
