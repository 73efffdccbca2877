//! The rules themselves, each over the events of one key.

use std::collections::BTreeMap;

use super::{Deed, Event, Given, Moment, Reply, Rule, Token, Violation};

/// Values given for more than one key.
pub(super) fn shared(events: &[Event]) -> Vec<Violation> {
    let mut first: BTreeMap<&str, &Event> = BTreeMap::new();
    let mut found = Vec::new();
    for event in events {
        for token in event.given().into_iter().flat_map(Given::tokens) {
            let known = first.entry(&token.identity).or_insert(event);
            if known.key != event.key {
                let events = vec![(*known).clone(), event.clone()];
                found.push(Violation { rule: Rule::Shared, key: event.key, events });
            }
        }
    }
    found
}

/// The events of one key, sorted by their beginning.
pub(super) struct KeyHistory<'a> {
    key: usize,
    events: Vec<&'a Event>,
}

/// A token seen active or inactive: by a probe, or inactive by the refusal of a refresh.
struct Sight<'a> {
    event: &'a Event,
    token: &'a Token,
    active: bool,
}

/// Which of the two tokens of a pair: only tokens of one kind exclude each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Access,
    Refresh,
}

impl<'a> KeyHistory<'a> {
    pub(super) fn new(key: usize, events: &[&'a Event]) -> Self {
        let mut events = events.to_vec();
        events.sort_by_key(|event| event.began);
        Self { key, events }
    }

    pub(super) fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for sight in self.sights() {
            if sight.active {
                found.extend(self.wrongly_active(&sight));
            } else {
                found.extend(self.wrongly_inactive(&sight));
            }
        }
        found.extend(self.two_active());
        found.extend(self.given_again());
        found.extend(self.branched());
        found.extend(self.all_lost());
        found
    }

    fn violation(&self, rule: Rule, events: &[&Event]) -> Violation {
        Violation { rule, key: self.key, events: events.iter().map(|event| (*event).clone()).collect() }
    }

    fn sights(&self) -> impl Iterator<Item = Sight<'a>> {
        self.events.iter().filter_map(|event| match &event.deed {
            Deed::Probe(token, active) => Some(Sight { event, token, active: *active }),
            Deed::Refresh(token, Reply::Refused) => Some(Sight { event, token, active: false }),
            Deed::Issue(_) | Deed::Refresh(..) | Deed::Revoke(..) => None,
        })
    }

    /// The events that gave `token`.
    fn givers(&self, token: &'a Token) -> impl Iterator<Item = &'a Event> {
        self.events.iter().copied().filter(move |event| event.given().is_some_and(|given| given.holds(token)))
    }

    fn kind(&self, token: &Token) -> Option<Kind> {
        let mut pairs = self.events.iter().filter_map(|event| event.given());
        let pair = pairs.find(|given| given.holds(token))?;
        Some(if pair.access.identity == token.identity { Kind::Access } else { Kind::Refresh })
    }

    /// Acknowledged revocations of `token` or of the other one of its pair.
    fn revocations(&self, token: &'a Token) -> impl Iterator<Item = &'a Event> {
        let pairs: Vec<&Given> = self.givers(token).filter_map(Event::given).collect();
        self.events.iter().copied().filter(move |event| {
            let Deed::Revoke(revoked, Reply::Ok(())) = &event.deed else { return false };
            revoked.identity == token.identity || pairs.iter().any(|pair| pair.holds(revoked))
        })
    }

    fn wrongly_active(&self, sight: &Sight<'a>) -> Option<Violation> {
        let Sight { event: probe, token, .. } = sight;
        if let Some(revoked) = self.revocations(token).find(|revoked| revoked.before(probe)) {
            return Some(self.violation(Rule::RevokedIsActive, &[revoked, probe]));
        }
        let mut earlier =
            self.sights().filter(|earlier| earlier.token.identity == token.identity && !earlier.active);
        if let Some(earlier) = earlier.find(|earlier| earlier.event.before(probe)) {
            return Some(self.violation(Rule::Resurrected, &[earlier.event, probe]));
        }
        let given = self.givers(token).min_by_key(|giver| giver.ended)?;
        let superseded = |other: &&&Event| {
            let another =
                other.given().is_some_and(|pair| !pair.holds(token) && self.same_kind_in(pair, token));
            another && given.before(other) && other.before(probe)
        };
        let superseding = self.events.iter().find(superseded)?;
        Some(self.violation(Rule::SupersededIsActive, &[given, superseding, probe]))
    }

    /// Whether `pair` has a token of the kind of `token`.
    fn same_kind_in(&self, pair: &Given, token: &Token) -> bool {
        pair.refresh.is_some() || self.kind(token) == Some(Kind::Access)
    }

    fn wrongly_inactive(&self, sight: &Sight<'a>) -> Option<Violation> {
        let Sight { event: probe, token, .. } = sight;
        let given = self.givers(token).filter(|giver| giver.before(probe)).max_by_key(|giver| giver.began)?;
        let killed = |event: &&&Event| {
            let gave_it = event.given().is_some_and(|pair| pair.holds(token));
            event.may_kill()
                && !gave_it
                && **event != *probe
                && event.ended >= given.began
                && event.began <= probe.ended
        };
        match self.events.iter().find(killed) {
            Some(_) => None,
            None => Some(self.violation(Rule::Lost, &[given, probe])),
        }
    }

    /// Two tokens of one kind seen active, and nothing happened from the first sight to the last.
    fn two_active(&self) -> Option<Violation> {
        let active: Vec<Sight<'a>> = self.sights().filter(|sight| sight.active).collect();
        let changes = |from: Moment, to: Moment| {
            self.events.iter().any(|event| event.may_kill() && event.ended >= from && event.began <= to)
        };
        for (at, one) in active.iter().enumerate() {
            for other in &active[at + 1..] {
                let different = one.token.identity != other.token.identity;
                if !different
                    || self.kind(one.token).is_none()
                    || self.kind(one.token) != self.kind(other.token)
                {
                    continue;
                }
                let from = one.event.began.min(other.event.began);
                let to = one.event.ended.max(other.event.ended);
                if !changes(from, to) {
                    return Some(self.violation(Rule::TwoActive, &[one.event, other.event]));
                }
            }
        }
        None
    }

    /// A token given after it had been revoked or seen inactive.
    fn given_again(&self) -> Option<Violation> {
        for giver in &self.events {
            for token in giver.given().into_iter().flat_map(Given::tokens) {
                let mut dead =
                    self.sights().filter(|sight| sight.token.identity == token.identity && !sight.active);
                let dead = dead.find(|sight| sight.event.before(giver)).map(|sight| sight.event);
                let revoked = self.revocations(token).find(|revoked| revoked.before(giver));
                if let Some(end) = dead.or(revoked) {
                    return Some(self.violation(Rule::Resurrected, &[end, giver]));
                }
            }
        }
        None
    }

    fn branched(&self) -> Option<Violation> {
        let mut first: BTreeMap<&str, (&Event, &Given)> = BTreeMap::new();
        for event in &self.events {
            let Deed::Refresh(presented, Reply::Ok(given)) = &event.deed else { continue };
            let (known, successor) = *first.entry(&presented.identity).or_insert((event, given));
            if successor.refresh.as_ref().map(|token| &token.identity)
                != given.refresh.as_ref().map(|t| &t.identity)
            {
                return Some(self.violation(Rule::Branched, &[known, event]));
            }
        }
        None
    }

    /// The requests that nothing followed all got tokens, none was lost, and every one of these tokens was
    /// seen inactive afterwards: whichever took effect last has lost its token.
    fn all_lost(&self) -> Option<Violation> {
        let mutations: Vec<&Event> = self.events.iter().copied().filter(|event| event.may_kill()).collect();
        let last: Vec<&Event> = mutations
            .iter()
            .copied()
            .filter(|one| !mutations.iter().any(|other| one.before(other)))
            .collect();
        let dead_after = |event: &&Event| {
            let Some(given) = event.given() else { return false };
            let mut sights = self.sights();
            sights.any(|sight| {
                let later = last.iter().all(|last| last.before(sight.event));
                sight.token.identity == given.access.identity && !sight.active && later
            })
        };
        let all_dead = last.len() > 1 && last.iter().all(dead_after);
        all_dead.then(|| self.violation(Rule::AllLost, &last))
    }
}
