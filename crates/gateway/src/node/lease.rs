//! How long what a node knows may be used.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The right to let calls pass without asking. It runs for the bound from the *sending* of a question whose
/// answer came, not from the answer: the server may have answered long before, and what was revoked since is
/// unknown. Moments are those of a clock of the node that only goes forward, and goes on while the machine
/// sleeps.
#[derive(Debug)]
pub struct Lease {
    bound: Duration,
    /// When it ends, in microseconds.
    until: AtomicU64,
}

/// A question under way: a number that the server echoes, so that no stored or repeated answer is taken for
/// the one to this question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The number.
    pub nonce: u64,
    /// When it was sent.
    pub sent: Duration,
}

impl Lease {
    /// No lease yet; each will last for `bound` (`revocation.bound`).
    pub const fn new(bound: Duration) -> Self {
        Self { bound, until: AtomicU64::new(0) }
    }

    /// Renews it by an answer that told everything there was to tell when `question` arrived, if it is the
    /// answer to that. Call it once all of that has been put to use. Whether it was renewed.
    pub fn renew(&self, question: Question, echoed: Option<u64>) -> bool {
        let is_answer = echoed == Some(question.nonce);
        if is_answer {
            self.until.fetch_max(micros(question.sent + self.bound), Ordering::SeqCst);
        }
        is_answer
    }

    /// Whether calls may pass at `now`. Ask *after* looking at what is known, so that a thread that was held
    /// up in between does not use what has grown old.
    pub fn holds(&self, now: Duration) -> bool {
        !self.left(now).is_zero()
    }

    /// How much is left of it.
    pub fn left(&self, now: Duration) -> Duration {
        self.until().saturating_sub(now)
    }

    /// When it ends. What is looked at *after* this was asked is what holds until then.
    pub fn until(&self) -> Duration {
        Duration::from_micros(self.until.load(Ordering::SeqCst))
    }
}

fn micros(moment: Duration) -> u64 {
    u64::try_from(moment.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(2);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn it_runs_from_the_sending_and_needs_the_echo() {
        let lease = Lease::new(BOUND);
        assert!(!lease.holds(at(0)), "nothing was heard yet");
        let question = Question { nonce: 7, sent: at(1000) };
        for wrong in [None, Some(8), Some(0)] {
            assert!(!lease.renew(question, wrong) && !lease.holds(at(1000)), "{wrong:?}");
        }
        assert!(lease.renew(question, Some(7)));
        assert!(lease.holds(at(1900)) && lease.holds(at(2999)));
        assert!(!lease.holds(at(3000)) && !lease.holds(at(9000)));
        assert_eq!(lease.left(at(2500)), at(500));
    }

    #[test]
    fn an_older_answer_shortens_nothing() {
        let lease = Lease::new(BOUND);
        assert!(lease.renew(Question { nonce: 2, sent: at(500) }, Some(2)));
        assert!(lease.renew(Question { nonce: 1, sent: at(100) }, Some(1)));
        assert_eq!(lease.left(at(500)), BOUND);
    }
}
