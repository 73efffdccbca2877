//! Whether an address is fit to be called, learned from the calls that went there and from nothing else.
//!
//! An address that cannot be connected to, or that breaks calls off one after the other, is left out for a
//! while. When that is over, one call tries it: an answer brings it back, another failure leaves it out for
//! twice as long. Everything here is a function of what happened and when.

use std::time::{Duration, Instant};

/// So many failures to connect in a row take an address out.
pub const REFUSALS: u32 = 3;
/// So many calls in a row that broke off before an answer take an address out.
pub const FAULTS: u32 = 5;
/// How long an address is out for the first time.
pub const FIRST_REST: Duration = Duration::from_secs(1);
/// The longest that it is out before it is tried again.
pub const LONGEST_REST: Duration = Duration::from_mins(1);

/// What became of a call at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It answered; what it answered does not matter.
    Answered,
    /// No connection was made.
    NoConnection,
    /// The call broke off before the head of an answer, or none came in time.
    Broken,
}

/// How far an address may be called now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fitness {
    /// It may.
    Fit,
    /// It was out; one call may try it.
    Due,
    /// It is out until then.
    Out(Instant),
}

/// A change that operators hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// It is out for so long.
    WentOut(Duration),
    /// It answers again.
    CameBack,
}

/// What is known of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    refusals: u32,
    faults: u32,
    rest: Option<Rest>,
}

/// An address that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rest {
    length: Duration,
    until: Instant,
    trial: Trial,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    Awaited,
    UnderWay,
}

impl Health {
    /// Whether nothing speaks against the address.
    pub fn is_spotless(&self) -> bool {
        *self == Self::default()
    }

    /// Whether calls go there.
    pub const fn is_fit(&self) -> bool {
        self.rest.is_none()
    }

    /// How far it may be called at `now`.
    pub fn fitness(&self, now: Instant) -> Fitness {
        match self.rest {
            None => Fitness::Fit,
            Some(rest) if rest.until <= now => Fitness::Due,
            Some(rest) => Fitness::Out(rest.until),
        }
    }

    /// A call goes there at `now`. If it is the one that tries an address that was out, no other does for
    /// as long again: so a caller who went away in between leaves nothing behind.
    pub fn begin(&mut self, now: Instant) {
        if let Some(rest) = &mut self.rest
            && rest.until <= now
        {
            rest.until = now + rest.length;
            rest.trial = Trial::UnderWay;
        }
    }

    /// Takes note of what became of a call, at `now`.
    pub fn note(&mut self, outcome: Outcome, now: Instant) -> Option<Change> {
        match outcome {
            Outcome::Answered => {
                let was_out = self.rest.is_some();
                *self = Self::default();
                return was_out.then_some(Change::CameBack);
            }
            Outcome::NoConnection => self.refusals = self.refusals.saturating_add(1),
            Outcome::Broken => self.faults = self.faults.saturating_add(1),
        }
        let length = match self.rest {
            // A call that was sent there because everything is out tells nothing new.
            Some(Rest { trial: Trial::Awaited, .. }) => return None,
            Some(rest) => LONGEST_REST.min(rest.length * 2),
            None if self.refusals >= REFUSALS || self.faults >= FAULTS => FIRST_REST,
            None => return None,
        };
        self.rest = Some(Rest { length, until: now + length, trial: Trial::Awaited });
        Some(Change::WentOut(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Outcome::{Answered, Broken, NoConnection};

    struct Story {
        health: Health,
        begun: Instant,
        now: Instant,
    }

    impl Story {
        fn new() -> Self {
            let now = Instant::now();
            Self { health: Health::default(), begun: now, now }
        }

        /// The changes that these calls make, one after the other.
        fn after(&mut self, outcomes: &[Outcome]) -> Vec<Option<Change>> {
            let call = |outcome: &Outcome| {
                self.health.begin(self.now);
                self.health.note(*outcome, self.now)
            };
            outcomes.iter().map(call).collect()
        }

        fn fitness_at(&self, millis: u64) -> Fitness {
            self.health.fitness(self.begun + Duration::from_millis(millis))
        }
    }

    const fn went_out(seconds: u64) -> Change {
        Change::WentOut(Duration::from_secs(seconds))
    }

    #[test]
    fn failures_in_a_row_take_it_out_and_an_answer_forgets_them() {
        let mut story = Story::new();
        assert_eq!(
            story.after(&[NoConnection, NoConnection, Answered, NoConnection, NoConnection]),
            [None; 5]
        );
        assert_eq!(story.fitness_at(0), Fitness::Fit);
        assert!(!story.health.is_spotless());
        assert_eq!(story.after(&[NoConnection]), [Some(went_out(1))]);
        let mut story = Story::new();
        assert_eq!(story.after(&[Broken, Broken, Broken, Broken, Answered, Broken]), [None; 6]);
        assert_eq!(story.after(&[Broken, Broken, Broken, Broken]), [None, None, None, Some(went_out(1))]);
        assert!(!story.health.is_fit());
    }

    #[test]
    fn one_call_tries_it_when_its_time_is_over() {
        let mut story = Story::new();
        story.after(&[NoConnection; 3]);
        assert_eq!(story.fitness_at(999), Fitness::Out(story.begun + FIRST_REST));
        assert_eq!(story.fitness_at(1_000), Fitness::Due);
        story.now += FIRST_REST;
        story.health.begin(story.now);
        assert_eq!(story.fitness_at(1_000), Fitness::Out(story.begun + 2 * FIRST_REST));
        assert_eq!(story.fitness_at(2_000), Fitness::Due, "the trial never ended");
        assert_eq!(story.health.note(Answered, story.now), Some(Change::CameBack));
        assert!(story.health.is_spotless());
    }

    #[test]
    fn each_failed_trial_doubles_the_time_up_to_a_limit() {
        let mut story = Story::new();
        let mut lengths = vec![story.after(&[NoConnection; 3])[2]];
        for _ in 0..8 {
            let Fitness::Out(until) = story.health.fitness(story.now) else { panic!("it is out") };
            story.now = until;
            lengths.extend(story.after(&[Broken]));
        }
        assert_eq!(lengths, [1, 2, 4, 8, 16, 32, 60, 60, 60].map(|seconds| Some(went_out(seconds))));
    }

    #[test]
    fn calls_sent_there_for_want_of_another_do_not_lengthen_it() {
        let mut story = Story::new();
        story.after(&[NoConnection; 3]);
        let before = story.fitness_at(0);
        assert_eq!(story.after(&[NoConnection, Broken, NoConnection]), [None; 3]);
        assert_eq!(story.fitness_at(0), before);
        assert_eq!(story.after(&[Answered]), [Some(Change::CameBack)]);
    }
}
