//! Which address of an upstream a call goes to.
//!
//! Round robin over the addresses that are fit; of two neighbours in the round, the one with fewer calls under
//! way. So a slow server gets less, and equal ones get the same. Where nothing is fit, the address whose time
//! is over first is tried: a call is never refused without a try.

use std::time::Instant;

use latchkey_catalog::upstream::MAX_URLS;

use super::health::Fitness;

/// What is known of an address when a call is to go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// How far it may be called.
    pub fitness: Fitness,
    /// The calls under way there.
    pub pending: usize,
}

/// The addresses that a call was at before, by their place. A call goes to each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tried(u32);

const _: () = assert!(MAX_URLS <= 32, "one bit for each address");

impl Tried {
    /// The call goes to the address at `place`.
    pub const fn add(&mut self, place: usize) {
        self.0 |= 1 << place;
    }

    /// Whether it was there.
    pub const fn has(self, place: usize) -> bool {
        self.0 & (1 << place) != 0
    }

    /// How many it was at.
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }
}

/// The place of the address for a call whose turn it is; none where it was at all of the `count` before.
pub fn choose(count: usize, turn: usize, tried: Tried, look: impl Fn(usize) -> Candidate) -> Option<usize> {
    let round = (0..count).map(|step| turn.wrapping_add(step) % count).filter(|place| !tried.has(*place));
    let mut first: Option<(usize, usize)> = None;
    let mut least_bad: Option<(usize, Instant)> = None;
    for place in round {
        let Candidate { fitness, pending } = look(place);
        match (fitness, first) {
            (Fitness::Out(until), _) => {
                if least_bad.is_none_or(|(_, earliest)| until < earliest) {
                    least_bad = Some((place, until));
                }
            }
            // Whoever comes first to one that is due tries it, however little the next has to do.
            (Fitness::Due, None) => return Some(place),
            (Fitness::Due, Some(_)) => {}
            (Fitness::Fit, None) => first = Some((place, pending)),
            (Fitness::Fit, Some((held, held_pending))) => {
                return Some(if pending < held_pending { place } else { held });
            }
        }
    }
    first.map(|(place, _)| place).or(least_bad.map(|(place, _)| place))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn fit(pending: usize) -> Candidate {
        Candidate { fitness: Fitness::Fit, pending }
    }

    fn turns(candidates: &[Candidate], tried: Tried) -> Vec<Option<usize>> {
        let choice = |turn| choose(candidates.len(), turn, tried, |place| candidates[place]);
        (0..2 * candidates.len()).map(choice).collect()
    }

    #[test]
    fn equal_ones_take_turns() {
        assert_eq!(turns(&[fit(3); 3], Tried::default()), [0, 1, 2, 0, 1, 2].map(Some));
        assert_eq!(turns(&[fit(7)], Tried::default()), [Some(0); 2]);
        let at_the_end = choose(3, usize::MAX, Tried::default(), |_| fit(0));
        assert!(at_the_end.is_some(), "the count of turns may wrap");
    }

    #[test]
    fn of_two_neighbours_the_one_with_less_to_do() {
        assert_eq!(turns(&[fit(0), fit(5), fit(1)], Tried::default()), [0, 2, 0, 0, 2, 0].map(Some));
    }

    #[test]
    fn what_is_out_is_passed_over_and_what_is_due_is_tried() {
        let now = Instant::now();
        let out =
            |seconds| Candidate { fitness: Fitness::Out(now + Duration::from_secs(seconds)), pending: 0 };
        let due = Candidate { fitness: Fitness::Due, pending: 9 };
        assert_eq!(turns(&[out(1), fit(0), out(1)], Tried::default()), [Some(1); 6]);
        assert_eq!(turns(&[due, fit(0), out(1)], Tried::default()), [0, 1, 0, 0, 1, 0].map(Some));
        assert_eq!(turns(&[out(3), out(1), out(2)], Tried::default()), [Some(1); 6], "the least bad");
    }

    #[test]
    fn no_address_is_tried_twice() {
        let mut tried = Tried::default();
        tried.add(1);
        assert_eq!(turns(&[fit(0); 3], tried), [0, 2, 2, 0, 2, 2].map(Some));
        for place in [0, 2] {
            tried.add(place);
        }
        assert_eq!((turns(&[fit(0); 3], tried)[0], tried.count()), (None, 3));
    }
}
