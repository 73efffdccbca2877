//! A part of the counts, and what a look at one of them says.

use std::collections::HashMap;
use std::time::Duration;

use latchkey_oauth::clock::Timestamp;
use tokio::time::Instant;

use super::Denied;
use crate::throttle::lease::MAX_LEASE;
use crate::throttle::{
    Applicable, Ask, CountKey, Grant, HandBack, Lease, Ledger, Plan, Standing, Tally, WindowId,
};

/// How long a full part is not searched again for counts that are over, in milliseconds.
const SEARCH_AGAIN_AFTER: i64 = 1_000;

/// How long nothing is asked for after a question failed.
const PAUSE: Duration = Duration::from_millis(250);

/// Counts that are locked together.
#[derive(Debug)]
pub(super) struct Shard {
    counts: HashMap<CountKey, Count>,
    /// When this part, being full, may be searched again for counts that are over.
    search_after: Timestamp,
}

#[derive(Debug)]
enum Count {
    /// It is counted here.
    Here(Ledger),
    /// It is counted elsewhere.
    Elsewhere(Box<Held>),
}

/// What is held of a count that is kept elsewhere.
#[derive(Debug, Default)]
struct Held {
    lease: Lease,
    /// The question that is under way, by its number.
    asked: Option<u64>,
    failed: Option<Instant>,
}

/// What is true of all counts of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// The time.
    pub(super) now: Timestamp,
    /// The most counts of a part.
    pub(super) most: usize,
    /// From which number counts begin here.
    pub(super) resets: u64,
    /// How many share what is counted elsewhere.
    pub(super) nodes: u16,
    /// How many calls of this part wait for permits.
    pub(super) waiting: u64,
}

/// How a count stands towards one more call.
pub(super) enum Looked {
    /// It admits the call; this is what it becomes then.
    Counted(Ledger, Grant),
    /// A permit is here.
    Ready {
        /// How many calls are left, this one among them.
        remaining: u64,
        /// When the window ends.
        ends: Timestamp,
    },
    /// Permits must be asked for, or are.
    Wanting,
}

impl Shard {
    pub(super) fn new() -> Self {
        Self { counts: HashMap::new(), search_after: Timestamp::from_millis(i64::MIN) }
    }

    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// What the count of a limit that is kept here would be with one more call.
    pub(super) fn look_here(&mut self, limit: &Applicable<'_>, terms: Terms) -> Result<Looked, Denied> {
        let mut ledger = self.ledger(&limit.key, terms)?;
        let grant = ledger.grant(limit.limit, 1, terms.now);
        if grant.permits == 0 {
            return Err(Denied::Reached(limit.by, limit.told(0, ledger.tally().ends)));
        }
        Ok(Looked::Counted(ledger, grant))
    }

    /// Keeps what a count became.
    pub(super) fn put(&mut self, key: CountKey, ledger: Ledger) {
        self.counts.insert(key, Count::Here(ledger));
    }

    fn ledger(&mut self, key: &CountKey, terms: Terms) -> Result<Ledger, Denied> {
        match self.counts.get(key) {
            Some(Count::Here(ledger)) => return Ok(*ledger),
            // Its window was a long one until now.
            Some(Count::Elsewhere(_)) => {}
            None => {
                if !self.has_room(terms) {
                    return Err(Denied::Full);
                }
            }
        }
        Ok(Ledger::counting_from(terms.resets))
    }

    /// How a limit that is counted elsewhere stands.
    pub(super) fn look_elsewhere(&mut self, limit: &Applicable<'_>, terms: Terms) -> Result<Looked, Denied> {
        let plan = Plan { limit: limit.limit, nodes: terms.nodes };
        let held = self.held(&limit.key, terms)?;
        match held.lease.look(plan, terms.now) {
            Standing::Ready => {
                let (remaining, ends) = held.lease.remaining(plan, terms.now);
                Ok(Looked::Ready { remaining, ends })
            }
            Standing::Refused { until } => Err(Denied::Reached(limit.by, limit.told(0, until))),
            Standing::Ask(_) if held.is_pausing() => Err(Denied::Unallotted),
            Standing::Ask(_) => Ok(Looked::Wanting),
        }
    }

    fn held(&mut self, key: &CountKey, terms: Terms) -> Result<&mut Held, Denied> {
        if !matches!(self.counts.get(key), Some(Count::Elsewhere(_))) {
            if !self.counts.contains_key(key) && !self.has_room(terms) {
                return Err(Denied::Full);
            }
            self.counts.insert(*key, Count::Elsewhere(Box::default()));
        }
        match self.counts.get_mut(key) {
            Some(Count::Elsewhere(held)) => Ok(held),
            Some(Count::Here(_)) | None => Err(Denied::Full),
        }
    }

    /// Takes the permit that was found, and says what to ask for before the last one is gone.
    pub(super) fn take(&mut self, limit: &Applicable<'_>, (terms, number): (Terms, u64)) -> Option<Ask> {
        let Some(Count::Elsewhere(held)) = self.counts.get_mut(&limit.key) else { return None };
        held.lease.take();
        let plan = Plan { limit: limit.limit, nodes: terms.nodes };
        let ask = held.lease.ahead(plan, terms.now).filter(|_| held.asked.is_none() && !held.is_pausing());
        held.asked = held.asked.or(ask.map(|_| number));
        ask
    }

    /// What to ask for, for a call that waits and wants `count` permits; nothing where it is asked already.
    pub(super) fn want(&mut self, key: &CountKey, plan: Plan, (terms, number): (Terms, u64)) -> Option<Ask> {
        let Some(Count::Elsewhere(held)) = self.counts.get_mut(key) else { return None };
        let Standing::Ask(mut ask) = held.lease.look(plan, terms.now) else { return None };
        if held.asked.is_some() {
            return None;
        }
        // Who waits already uses the permits at once, so asking for all of them strands none.
        ask.count = ask.count.max(terms.waiting + 1).min(MAX_LEASE);
        held.asked = Some(number);
        Some(ask)
    }

    /// Puts an answer in; gives it back where nobody waits for it any more.
    pub(super) fn deliver(
        &mut self,
        key: &CountKey,
        number: u64,
        answer: Option<(Ask, Grant)>,
    ) -> Option<Grant> {
        let late = answer.map(|(_, grant)| grant);
        let Some(Count::Elsewhere(held)) = self.counts.get_mut(key) else { return late };
        if held.asked != Some(number) {
            return late;
        }
        held.asked = None;
        if let Some((ask, grant)) = answer {
            held.lease.put(&ask, grant);
            held.failed = None;
        } else {
            held.failed = Some(Instant::now());
        }
        None
    }

    /// Gives permits to another, as far as there are any here.
    pub(super) fn lend_here(
        &mut self,
        key: &CountKey,
        (plan, count): (Plan, u64),
        terms: Terms,
    ) -> Result<Grant, Denied> {
        let mut ledger = self.ledger(key, terms)?;
        let grant = ledger.grant(plan.limit, count, terms.now);
        self.put(*key, ledger);
        Ok(grant)
    }

    /// The same out of what is counted elsewhere; `None` where that must be asked first.
    pub(super) fn lend_elsewhere(
        &mut self,
        key: &CountKey,
        (plan, count): (Plan, u64),
        terms: Terms,
    ) -> Result<Option<Grant>, Denied> {
        let span = plan.limit.window.around(terms.now);
        let held = self.held(key, terms)?;
        let standing = held.lease.look(plan, terms.now);
        let permits = match standing {
            Standing::Ready => held.lease.take_many(count),
            Standing::Refused { .. } => 0,
            Standing::Ask(_) if held.is_pausing() => return Err(Denied::Unallotted),
            Standing::Ask(_) => return Ok(None),
        };
        let nothing =
            Tally { window: WindowId { start: span.start, resets: terms.resets }, ends: span.end, used: 0 };
        let Tally { window, ends, used } = held.lease.tally().unwrap_or(nothing);
        Ok(Some(Grant { window, permits, used, remaining: ends.millis_since(terms.now) }))
    }

    /// Takes permits back that were lent.
    pub(super) fn take_back(&mut self, key: &CountKey, back: HandBack) {
        match self.counts.get_mut(key) {
            Some(Count::Here(ledger)) => ledger.take_back(back),
            Some(Count::Elsewhere(held)) => held.lease.take_back(back),
            None => {}
        }
    }

    /// Visits the leases of what is counted elsewhere.
    pub(super) fn leases(&mut self) -> impl Iterator<Item = (&CountKey, &mut Lease)> {
        self.counts.iter_mut().filter_map(|(key, count)| match count {
            Count::Here(_) => None,
            Count::Elsewhere(held) => Some((key, &mut held.lease)),
        })
    }

    /// Sets counts back; says what each had given out, and what it held of another's count.
    pub(super) fn reset(
        &mut self,
        keys: impl Fn(&CountKey) -> bool,
    ) -> Vec<(Tally, Option<(CountKey, HandBack)>)> {
        let asked_for = self.counts.iter_mut().filter(|(key, _)| keys(key));
        let reset = |(key, count): (&CountKey, &mut Count)| match count {
            Count::Here(ledger) => {
                let before = ledger.tally();
                ledger.reset();
                Some((before, None))
            }
            Count::Elsewhere(held) => {
                let before = held.lease.tally();
                let back = held.lease.hand_back().map(|back| (*key, back));
                // An answer that is under way finds nobody who waits for it, and goes back.
                **held = Held::default();
                before.map(|tally| (tally, back))
            }
        };
        asked_for.filter_map(reset).collect()
    }

    /// What was given out in windows that are on.
    pub(super) fn tallies(&self, now: Timestamp) -> impl Iterator<Item = (&CountKey, Tally)> {
        let all = self.counts.iter().filter_map(|(key, count)| Some((key, count.tally()?)));
        all.filter(move |(_, tally)| tally.ends > now)
    }

    /// Whether one more count has room, if need be after those that are over went.
    fn has_room(&mut self, Terms { now, most, .. }: Terms) -> bool {
        if self.counts.len() >= most && now >= self.search_after {
            self.counts.retain(|_, count| count.is_needed(now));
            self.search_after = now.plus_millis(SEARCH_AGAIN_AFTER);
        }
        self.counts.len() < most
    }
}

impl Count {
    fn tally(&self) -> Option<Tally> {
        match self {
            Self::Here(ledger) => Some(ledger.tally()),
            Self::Elsewhere(held) => held.lease.tally(),
        }
    }

    fn is_needed(&self, now: Timestamp) -> bool {
        let is_asked_for = matches!(self, Self::Elsewhere(held) if held.asked.is_some());
        is_asked_for || self.tally().is_some_and(|tally| tally.ends > now)
    }
}

impl Held {
    fn is_pausing(&self) -> bool {
        self.asked.is_none() && self.failed.is_some_and(|since| since.elapsed() < PAUSE)
    }
}
