//! The one count of a limit, where it is kept in this process.

use latchkey_catalog::count::{Grant, HandBack, Tally, WindowId};
use latchkey_catalog::tier::{Limit, Span};
use latchkey_oauth::clock::Timestamp;

/// How many calls of a limit were given out in the window that is on.
///
/// It turns from one window to the next by itself. Where the clock is set back, the window that is on stays
/// on, and gives nothing twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ledger(Tally);

impl Ledger {
    /// Nothing given out yet. Counts of one process are numbered from `resets` on, so that those who hold
    /// permits of a process before it do not take them for this one's.
    pub const fn counting_from(resets: u64) -> Self {
        let never = Timestamp::from_millis(i64::MIN);
        Self(Tally { window: WindowId { start: never, resets }, ends: never, used: 0 })
    }

    /// Gives out up to `count`, as far as `limit` reaches.
    pub fn grant(&mut self, limit: Limit, count: u64, now: Timestamp) -> Grant {
        self.turn(limit, now);
        self.0.grant(limit, count, now)
    }

    /// Takes permits back that a node did not use; those of another window are over.
    pub fn take_back(&mut self, back: HandBack) {
        self.0.take_back(back);
    }

    /// Sets the count back.
    pub fn reset(&mut self) {
        self.0.reset();
    }

    /// What was given out, and when the window ends or ended.
    pub const fn tally(&self) -> Tally {
        self.0
    }

    fn turn(&mut self, limit: Limit, now: Timestamp) {
        let Span { start, end } = limit.window.around(now);
        let window = self.0.window;
        if start > window.start {
            self.0 = Tally::begin(Span { start, end }, window.resets);
        } else {
            self.0.ends = limit.window.around(window.start).end;
        }
    }
}
