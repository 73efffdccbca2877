//! The one count of a limit.

use latchkey_catalog::tier::Span;
use latchkey_oauth::clock::Timestamp;

use super::lease::{Ask, Grant, HandBack, WindowId};

/// How many calls of a limit were given out in the window that is on.
///
/// This is the rule; who keeps it for several nodes does the same in one transaction, with the clock of the
/// database. In SQL, `INSERT … ON CONFLICT DO UPDATE SET used = used + k WHERE used + k <= limit RETURNING
/// used` gives all of `k` or nothing; asked again for 1, it gives what this does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ledger {
    window: WindowId,
    used: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { window: WindowId { resets: 0, start: Timestamp::from_millis(i64::MIN) }, used: 0 }
    }
}

impl Ledger {
    /// Gives out what is asked for, as far as the limit reaches. `now` is the ledger's time; where it is
    /// set back, the window that is on stays on.
    pub fn grant(&mut self, ask: &Ask, now: Timestamp) -> Grant {
        let limit = ask.plan.limit;
        let current = WindowId { resets: ask.plan.resets, start: limit.window.around(now).start };
        if current > self.window {
            *self = Self { window: current, used: 0 };
        }
        let span = Span { start: self.window.start, end: limit.window.around(self.window.start).end };
        let granted = ask.count.min(limit.calls.saturating_sub(self.used));
        // A node that has not heard of a reset yet gets nothing of the new count.
        let granted = if ask.plan.resets < self.window.resets { 0 } else { granted };
        self.used += granted;
        let remaining = span.end.millis_since(now);
        Grant { window: self.window, permits: granted, used: self.used, remaining }
    }

    /// Takes permits back that a node did not use; those of another window are over.
    pub fn take_back(&mut self, back: HandBack) {
        if back.window == self.window {
            self.used = self.used.saturating_sub(back.permits);
        }
    }

    /// How many calls were given out in the window that is on.
    pub const fn used(&self) -> u64 {
        self.used
    }
}
