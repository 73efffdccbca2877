//! Brakes on guessing passwords, which cannot be used to lock someone out.
//!
//! Failures are counted per account and network together, per network, and per account, each as a leaky
//! bucket (GCRA: one number per bucket). An attempt is counted as failed when it is admitted and given
//! back when it succeeds, so that guesses made in parallel, or given up halfway, count too.
//!
//! - A *pair* of account and network that failed too often waits.
//! - A *network* that failed too often, at whatever accounts, waits.
//! - An *account* with too many failures admits only networks that have not failed there lately. The many
//!   addresses of an attacker get one guess each; the owner, wherever she is, is let in.
//! - A network that signed in to an account is *trusted* with it for a while: neither what others do to
//!   the account nor what others do from that network keeps it out; only its own failures there do.

mod bounded;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};

use latchkey_oauth::clock::Timestamp;

use crate::config;
use crate::network::Network;
use bounded::{Bounded, Fades};

/// How many failures in a row are free, and after how many milliseconds one is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Failures.
    pub burst: u32,
    /// Milliseconds for each.
    pub refill: u64,
}

/// What the brakes allow. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// For one network at one account.
    pub pair: Rate,
    /// For one network.
    pub network: Rate,
    /// For one account.
    pub account: Rate,
    /// How long a network that failed at an account does not pass as one without failures there.
    pub clean: u64,
    /// How long a network that signed in is trusted.
    pub trust: u64,
    /// The most buckets of each kind. When they are full, those nearest to empty are forgotten first.
    pub cells: usize,
}

impl From<&config::Passwords> for Rules {
    fn from(settings: &config::Passwords) -> Self {
        let rate = |burst, refill: config::Duration| Rate { burst, refill: refill.as_millis() };
        Self {
            pair: rate(settings.brake_pair_burst, settings.brake_pair_refill),
            network: rate(settings.brake_address_burst, settings.brake_address_refill),
            account: rate(settings.brake_account_burst, settings.brake_account_refill),
            clean: settings.brake_clean.as_millis(),
            trust: settings.brake_trust.as_millis(),
            cells: settings.brake_cells,
        }
    }
}

/// Which brake holds an attempt back. Say it in logs and metrics, not to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Brake {
    /// The network failed too often at this account.
    Pair,
    /// The network failed too often.
    Network,
    /// The account has too many failures, some of them from this network.
    Account,
}

/// An attempt is refused before its password is looked at. HTTP: 429 with `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Braked {
    /// By which brake.
    pub brake: Brake,
    /// Seconds, at least one, after which it may be tried again.
    pub retry_after: u64,
}

/// An admitted attempt, to be settled by exactly one of [`Brakes::succeeded`], [`Brakes::failed`] and
/// [`Brakes::withdrawn`]. One that is dropped counts as failed.
#[derive(Debug)]
#[must_use = "settle the attempt, else it counts as failed"]
pub struct Attempt {
    pair: Pair,
    /// Whether it was counted when it was admitted.
    counted: bool,
}

/// An account, by a keyed hash of its name, and a network.
type Pair = (u64, Network);

/// Failures as a leaky bucket.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// When it has leaked dry.
    dry_at: Timestamp,
    /// When the last failure no longer counts as recent. Kept for pairs only.
    clean_at: Timestamp,
}

impl Fades for Bucket {
    fn gone_at(&self) -> Timestamp {
        self.dry_at.max(self.clean_at)
    }
}

impl Bucket {
    /// Milliseconds until it has room for one more failure, `None` where it has now. What lies further in
    /// the future than this bucket can reach is left from a clock that was set back, and cut.
    fn wait(&mut self, rate: Rate, now: Timestamp) -> Option<i64> {
        self.dry_at = self.dry_at.min(rate.brim(now));
        let room = i64::from(rate.burst - 1).saturating_mul(rate.refill_millis());
        let over = self.dry_at.millis_since(now).saturating_sub(room);
        (over > 0).then_some(over)
    }

    fn fill(&mut self, rate: Rate, now: Timestamp) {
        self.dry_at = self.dry_at.max(now).plus_millis(rate.refill_millis()).min(rate.brim(now));
    }

    fn take_back(&mut self, rate: Rate) {
        self.dry_at = self.dry_at.plus_millis(-rate.refill_millis());
    }
}

impl Rate {
    fn refill_millis(self) -> i64 {
        millis(self.refill)
    }

    /// The fullest a bucket gets: twice its burst, so that the longest attack is over some time.
    fn brim(self, now: Timestamp) -> Timestamp {
        now.plus_millis(i64::from(self.burst).saturating_mul(2).saturating_mul(self.refill_millis()))
    }
}

/// The brakes. Callers keep them behind a mutex; nothing here waits.
#[derive(Debug)]
pub struct Brakes {
    rules: Rules,
    hasher: RandomState,
    pairs: Bounded<Pair, Bucket>,
    networks: Bounded<Network, Bucket>,
    accounts: Bounded<u64, Bucket>,
    /// Until when a pair is trusted.
    trusted: Bounded<Pair, Timestamp>,
}

impl Brakes {
    /// Brakes without a memory of failures.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            hasher: RandomState::new(),
            pairs: Bounded::new(rules.cells),
            networks: Bounded::new(rules.cells),
            accounts: Bounded::new(rules.cells),
            trusted: Bounded::new(rules.cells),
        }
    }

    /// Whether a password for `account`, in its canonical spelling, may be checked for a client of
    /// `network`. Ask it for accounts that do not exist too.
    pub fn admit(&mut self, account: &str, network: Network, now: Timestamp) -> Result<Attempt, Braked> {
        let pair = (self.hasher.hash_one(account), network);
        let rules = self.rules;
        let wait = |bucket: Option<&mut Bucket>, rate| bucket.and_then(|bucket| bucket.wait(rate, now));
        let waits = (
            wait(self.pairs.get_mut(&pair), rules.pair),
            wait(self.networks.get_mut(&network), rules.network),
            wait(self.accounts.get_mut(&pair.0), rules.account),
        );
        if let (Some(millis), _, _) = waits {
            return Err(Braked::new(Brake::Pair, millis));
        }
        if self.trusted.get_mut(&pair).is_some_and(|until| *until > now) {
            return Ok(Attempt { pair, counted: false });
        }
        if let (_, Some(millis), _) = waits {
            return Err(Braked::new(Brake::Network, millis));
        }
        let clean = self.pairs.get_mut(&pair).is_none_or(|bucket| bucket.gone_at() <= now);
        if let (_, _, Some(millis)) = waits
            && !clean
        {
            return Err(Braked::new(Brake::Account, millis));
        }
        self.count(pair, now);
        Ok(Attempt { pair, counted: true })
    }

    /// The password was right: the pair's failures are forgotten and it is trusted.
    pub fn succeeded(&mut self, attempt: Attempt, now: Timestamp) {
        let pair = attempt.pair;
        self.withdrawn(attempt);
        self.pairs.remove(&pair);
        *self.trusted.entry(pair, now) = now.plus_millis(millis(self.rules.trust));
    }

    /// The password was wrong.
    #[expect(clippy::needless_pass_by_value, reason = "an attempt is settled once")]
    pub fn failed(&mut self, attempt: Attempt, now: Timestamp) {
        if !attempt.counted {
            self.count(attempt.pair, now);
        }
        self.pairs.entry(attempt.pair, now).clean_at = now.plus_millis(millis(self.rules.clean));
    }

    /// The password was not looked at, since the pool was busy or something broke: nothing happened.
    #[expect(clippy::needless_pass_by_value, reason = "an attempt is settled once")]
    pub fn withdrawn(&mut self, attempt: Attempt) {
        let Attempt { pair, counted: true } = attempt else { return };
        let rules = self.rules;
        let take_back = |bucket: Option<&mut Bucket>, rate| {
            if let Some(bucket) = bucket {
                bucket.take_back(rate);
            }
        };
        take_back(self.pairs.get_mut(&pair), rules.pair);
        take_back(self.networks.get_mut(&pair.1), rules.network);
        take_back(self.accounts.get_mut(&pair.0), rules.account);
    }

    fn count(&mut self, pair: Pair, now: Timestamp) {
        self.pairs.entry(pair, now).fill(self.rules.pair, now);
        self.networks.entry(pair.1, now).fill(self.rules.network, now);
        self.accounts.entry(pair.0, now).fill(self.rules.account, now);
    }
}

impl Braked {
    fn new(brake: Brake, wait: i64) -> Self {
        Self { brake, retry_after: u64::try_from(wait).unwrap_or(0).div_ceil(1000).max(1) }
    }
}

fn millis(span: u64) -> i64 {
    i64::try_from(span).unwrap_or(i64::MAX)
}
