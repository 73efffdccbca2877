//! Each brake alone, the laws that hold for any sequence, and an attack from ten thousand addresses.

use proptest::prelude::*;

use super::*;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const RULES: Rules = Rules {
    pair: Rate { burst: 3, refill: MINUTE },
    network: Rate { burst: 5, refill: 10_000 },
    account: Rate { burst: 10, refill: 30_000 },
    clean: 6 * HOUR,
    trust: 24 * HOUR,
    cells: 100_000,
};
const HOME: Network = Network::V4(1);
const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn after(millis: u64) -> Timestamp {
    START.plus_millis(super::millis(millis))
}

fn office(number: u32) -> Network {
    Network::V4(1_000_000 + number)
}

impl Brakes {
    /// Lets `count` attempts fail, which must all be admitted.
    fn fail(&mut self, account: &str, network: Network, count: u32) {
        for _ in 0..count {
            let attempt = self.admit(account, network, START).unwrap();
            self.failed(attempt, START);
        }
    }

    fn brake(&mut self, account: &str, network: Network, now: Timestamp) -> Option<Brake> {
        match self.admit(account, network, now) {
            Ok(attempt) => {
                self.withdrawn(attempt);
                None
            }
            Err(braked) => Some(braked.brake),
        }
    }

    fn sign_in(&mut self, account: &str, network: Network, now: Timestamp) {
        let attempt = self.admit(account, network, now).unwrap();
        self.succeeded(attempt, now);
    }
}

#[test]
fn a_pair_waits_after_its_failures_and_nobody_else_does() {
    let mut brakes = Brakes::new(RULES);
    brakes.fail("alice", HOME, 3);
    let refused = brakes.admit("alice", HOME, START).unwrap_err();
    assert_eq!(refused, Braked { brake: Brake::Pair, retry_after: 60 });
    assert_eq!(brakes.brake("alice", office(1), START), None);
    assert_eq!(brakes.brake("bob", HOME, START), None);
    assert_eq!(brakes.brake("alice", HOME, after(MINUTE - 1)), Some(Brake::Pair));
    assert_eq!(brakes.brake("alice", HOME, after(MINUTE)), None);
}

#[test]
fn a_success_clears_the_pair_and_only_the_pair() {
    let mut brakes = Brakes::new(RULES);
    brakes.fail("alice", HOME, 2);
    brakes.fail("bob", HOME, 2);
    brakes.sign_in("alice", HOME, START);
    brakes.fail("alice", HOME, 3);
    assert_eq!(brakes.brake("alice", HOME, START), Some(Brake::Pair));
    assert_eq!(brakes.brake("other", HOME, START), Some(Brake::Network), "its other failures stay");
}

#[test]
fn a_network_waits_after_failures_at_any_accounts_but_not_where_it_is_trusted() {
    let mut brakes = Brakes::new(RULES);
    brakes.sign_in("alice", HOME, START);
    for account in ["a", "b", "c", "d", "e"] {
        brakes.fail(account, HOME, 1);
    }
    assert_eq!(brakes.brake("f", HOME, START), Some(Brake::Network));
    assert_eq!(brakes.brake("f", office(1), START), None);
    assert_eq!(brakes.brake("alice", HOME, START), None, "trusted");
    assert_eq!(brakes.brake("f", HOME, after(10_000)), None);
}

#[test]
fn an_account_over_its_failures_admits_the_clean_and_the_trusted() {
    let mut brakes = Brakes::new(RULES);
    brakes.sign_in("alice", HOME, START);
    brakes.fail("alice", HOME, 1);
    for number in 0..10 {
        brakes.fail("alice", office(number), 1);
    }
    assert_eq!(brakes.brake("alice", office(0), START), Some(Brake::Account));
    assert_eq!(brakes.brake("alice", office(99), START), None, "clean");
    assert_eq!(brakes.brake("alice", HOME, START), None, "trusted in spite of a failure of its own");
    let late = after(10 * 30_000);
    assert_eq!(brakes.brake("alice", office(0), late), None, "room again");
}

#[test]
fn trust_ends() {
    let mut brakes = Brakes::new(RULES);
    brakes.sign_in("alice", HOME, START);
    let (before, end) = (after(RULES.trust - 1), after(RULES.trust));
    for number in 0..20 {
        let network = office(number);
        let attempt = brakes.admit("alice", network, before).unwrap();
        brakes.failed(attempt, before);
    }
    let attempt = brakes.admit("alice", HOME, before).unwrap();
    brakes.failed(attempt, before);
    assert_eq!(brakes.brake("alice", HOME, before), None);
    assert_eq!(brakes.brake("alice", HOME, end), Some(Brake::Account));
}

#[test]
fn guesses_in_parallel_are_counted_before_they_are_known_to_fail() {
    let mut brakes = Brakes::new(RULES);
    let admitted: Vec<_> = (0..100).filter_map(|_| brakes.admit("alice", HOME, START).ok()).collect();
    assert_eq!(admitted.len(), 3);
    for attempt in admitted {
        brakes.withdrawn(attempt);
    }
    assert_eq!((0..100).filter_map(|_| brakes.admit("alice", HOME, START).ok()).count(), 3, "given back");
    assert_eq!(brakes.brake("alice", HOME, START), Some(Brake::Pair), "dropped attempts count as failed");
}

#[test]
fn a_clock_that_was_set_back_locks_nobody_out() {
    let mut brakes = Brakes::new(RULES);
    let year = 365 * 24 * HOUR;
    for _ in 0..3 {
        let attempt = brakes.admit("alice", HOME, after(year)).unwrap();
        brakes.failed(attempt, after(year));
    }
    assert_eq!(brakes.brake("alice", HOME, START), Some(Brake::Pair));
    assert_eq!(brakes.brake("alice", HOME, after(6 * MINUTE)), None);
}

#[test]
fn a_long_attack_is_forgotten_soon_after_its_end() {
    let mut brakes = Brakes::new(RULES);
    for number in 0..1000 {
        brakes.fail("alice", office(number), 1);
    }
    let soon = after(2 * 10 * 30_000);
    assert_eq!(brakes.brake("alice", office(0), soon), None);
}

/// 100,000 guesses at one account from 10,000 addresses within an hour. `ways` says how an address places
/// its ten guesses. Returns how many reached the hash. Meanwhile the owner signs in every minute: from home,
/// where she did before, and from a place she never was before.
fn attack(ways: fn(u32) -> (u32, u64)) -> u32 {
    let mut brakes = Brakes::new(RULES);
    brakes.sign_in("alice", HOME, START);
    let mut hashed = 0;
    let mut minute = 0;
    for guess in 0..100_000 {
        let (address, millis) = ways(guess);
        let now = after(millis);
        if let Ok(attempt) = brakes.admit("alice", office(address), now) {
            hashed += 1;
            brakes.failed(attempt, now);
        }
        if millis / MINUTE > minute {
            minute = millis / MINUTE;
            let hotel = Network::V6(minute);
            for network in [HOME, hotel] {
                let attempt = brakes.admit("alice", network, now);
                brakes.succeeded(attempt.expect("the owner is let in"), now);
            }
        }
    }
    assert!(minute >= 59, "the owner tried all the time");
    hashed
}

#[test]
fn an_attack_from_ten_thousand_addresses_reaches_the_hash_a_bounded_number_of_times() {
    let evenly = |guess: u32| u64::from(guess) * 36;
    let in_turns = attack(|guess| (guess % 10_000, u64::from(guess) * 36));
    let one_by_one = attack(|guess| (guess / 10, u64::from(guess) * 36));
    let refills = evenly(100_000) / RULES.account.refill;
    let bound = 10_000 + u64::from(RULES.account.burst) + refills;
    for hashed in [in_turns, one_by_one] {
        assert!(hashed >= 10_000, "each address has one guess: {hashed}");
        assert!(u64::from(hashed) <= bound, "{hashed} of at most {bound}");
    }
}

proptest! {
    /// Whatever the schedule and the outcomes other than success: one network's guesses at one account
    /// stay within the burst and the refill since then.
    #[test]
    fn failures_of_a_pair_stay_within_its_rate(steps in prop::collection::vec((0_u64..90_000, 0..3), 1..200)) {
        let mut brakes = Brakes::new(Rules { network: Rate { burst: 10_000, refill: 1 }, ..RULES });
        let (mut elapsed, mut looked_at) = (0, 0_u64);
        for (pause, outcome) in steps {
            elapsed += pause;
            if let Ok(attempt) = brakes.admit("alice", HOME, after(elapsed)) {
                match outcome {
                    0 => brakes.withdrawn(attempt),
                    1 => { brakes.failed(attempt, after(elapsed)); looked_at += 1; }
                    _ => { drop(attempt); looked_at += 1; }
                }
            }
            prop_assert!(looked_at <= 3 + elapsed / MINUTE);
        }
    }

    /// Whatever others do, at whatever accounts: who signed in, and who never failed there and whose
    /// network did not, gets in.
    #[test]
    fn others_lock_nobody_out(steps in prop::collection::vec((0_u64..5000, 0_u32..50, 0_usize..3), 0..300)) {
        let mut brakes = Brakes::new(RULES);
        brakes.sign_in("alice", HOME, START);
        let mut elapsed = 0;
        for (pause, number, account) in steps {
            elapsed += pause;
            let account = ["alice", "bob", "other"][account];
            if let Ok(attempt) = brakes.admit(account, office(number), after(elapsed)) {
                brakes.failed(attempt, after(elapsed));
            }
            prop_assert_eq!(brakes.brake("alice", HOME, after(elapsed)), None);
            prop_assert_eq!(brakes.brake("alice", Network::V6(elapsed), after(elapsed)), None);
        }
    }
}
