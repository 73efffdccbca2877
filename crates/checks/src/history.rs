//! What clients did to token keys and what they saw, and the rules that every such history must obey.
//!
//! Values of tokens are unique, so no search is needed: each rule compares intervals. An event took effect
//! at some instant between `began` and `ended`; an event whose answer was lost took effect between its
//! beginning and the death of the server, or never. The rules are written so that they never accuse a
//! correct server: where two events overlap, either order is allowed.
//!
//! The names in brackets are the invariants of the security reference (I1 one active token per key, I2 an
//! acknowledged token survives, I3 an acknowledged revocation is never undone, I5 one successor per refresh
//! token, I8 no resurrection, I13 a value belongs to one key for ever).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

mod rules;

/// Nanoseconds on one monotonic clock, which keeps running while the server is down.
pub type Moment = u64;

/// A token as the history knows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// What makes it the same token: the `jti` of a JWT, which may be signed again, else the value itself.
    pub identity: Arc<str>,
    /// The value to present.
    pub value: Arc<str>,
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail: String = self.identity.chars().rev().take(8).collect();
        write!(out, "…{}", tail.chars().rev().collect::<String>())
    }
}

/// A pair as it was given: the access token first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The access token.
    pub access: Token,
    /// The refresh token, where the grant gives one.
    pub refresh: Option<Token>,
}

impl Given {
    /// Whether one of the two is `token`.
    pub fn holds(&self, token: &Token) -> bool {
        self.tokens().any(|held| held.identity == token.identity)
    }

    /// One or two tokens.
    pub fn tokens(&self) -> impl Iterator<Item = &Token> {
        std::iter::once(&self.access).chain(&self.refresh)
    }
}

/// What a client asked, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// A token request that is not a refresh.
    Issue(Reply<Given>),
    /// A refresh with the token.
    Refresh(Token, Reply<Given>),
    /// A revocation of the token; `Ok(())` is the acknowledgement.
    Revoke(Token, Reply<()>),
    /// An introspection of the token; true is active.
    Probe(Token, bool),
}

impl Deed {
    /// The deed with its answer lost; none where it was a probe, which then says nothing.
    #[must_use]
    pub fn lost(self) -> Option<Self> {
        match self {
            Self::Issue(_) => Some(Self::Issue(Reply::Unknown)),
            Self::Refresh(token, _) => Some(Self::Refresh(token, Reply::Unknown)),
            Self::Revoke(token, _) => Some(Self::Revoke(token, Reply::Unknown)),
            Self::Probe(..) => None,
        }
    }
}

/// The answer to a request that may change something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<T> {
    /// Acknowledged.
    Ok(T),
    /// Refused, by a rule of the protocol.
    Refused,
    /// Lost, or a failure of the server: it may have taken effect or not.
    Unknown,
}

/// One deed on one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The token key: application, subject and scopes, as the test numbers them.
    pub key: usize,
    /// Before the request was sent.
    pub began: Moment,
    /// After the answer was read, or after the server was known to be dead.
    pub ended: Moment,
    /// What was done.
    pub deed: Deed,
}

impl Event {
    /// The pair that it gave.
    pub fn given(&self) -> Option<&Given> {
        match &self.deed {
            Deed::Issue(Reply::Ok(given)) | Deed::Refresh(_, Reply::Ok(given)) => Some(given),
            Deed::Issue(_) | Deed::Refresh(..) | Deed::Revoke(..) | Deed::Probe(..) => None,
        }
    }

    /// Whether its answer was lost.
    pub fn is_unknown(&self) -> bool {
        matches!(
            self.deed,
            Deed::Issue(Reply::Unknown) | Deed::Refresh(_, Reply::Unknown) | Deed::Revoke(_, Reply::Unknown)
        )
    }

    /// Whether it may end tokens of its key other than those it gave. A refused refresh may: it may have been
    /// taken for reuse. A refused issue must have changed nothing.
    fn may_kill(&self) -> bool {
        !matches!(self.deed, Deed::Probe(..) | Deed::Issue(Reply::Refused) | Deed::Revoke(_, Reply::Refused))
    }

    /// Whether it was over before `other` began.
    fn before(&self, other: &Self) -> bool {
        self.ended < other.began
    }
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// The key.
    pub key: usize,
    /// The events that break it.
    pub events: Vec<Event>,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?} on key {}:", self.rule, self.key)?;
        self.events
            .iter()
            .try_for_each(|event| write!(out, " [{}..{} {:?}]", event.began, event.ended, event.deed))
    }
}

/// The rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A token was active after its revocation was acknowledged (I3).
    RevokedIsActive,
    /// A token was active after a later request had got another one for the same key (I1).
    SupersededIsActive,
    /// Two tokens of one key and kind were active while nothing changed (I1).
    TwoActive,
    /// A token was active, or was given again, after it had been seen inactive or revoked (I8).
    Resurrected,
    /// An acknowledged token is inactive, and nothing can have ended it (I2).
    Lost,
    /// The last requests of a key all got tokens, and none of these is active (I2).
    AllLost,
    /// One refresh token has two different successors (I5).
    Branched,
    /// One value was given for two keys (I13).
    Shared,
}

/// Every rule that `events` break; the order of `events` does not matter.
pub fn violations(events: &[Event]) -> Vec<Violation> {
    let mut by_key: BTreeMap<usize, Vec<&Event>> = BTreeMap::new();
    for event in events {
        by_key.entry(event.key).or_default().push(event);
    }
    let mut found = rules::shared(events);
    for (key, events) in &by_key {
        found.extend(rules::KeyHistory::new(*key, events).violations());
    }
    found
}

/// What the next round must know of this one, after an audit that began at `audit`: pairs seen active then,
/// as given at that moment, and at most `dead` of the tokens seen inactive, as seen at that moment.
pub fn carry(events: &[Event], audit: Moment, dead: usize) -> Vec<Event> {
    let seen = |token: &Token| {
        let audited = events.iter().filter(|event| event.began >= audit);
        audited.fold(None, |seen, event| match &event.deed {
            Deed::Probe(probed, active) if probed.identity == token.identity => Some(*active),
            Deed::Probe(..) | Deed::Issue(_) | Deed::Refresh(..) | Deed::Revoke(..) => seen,
        })
    };
    let mut carried = Vec::new();
    let mut known = BTreeSet::new();
    let mut buried = 0;
    for event in events.iter().rev() {
        let Some(given) = event.given() else { continue };
        if !known.insert(given.access.identity.clone()) {
            continue;
        }
        let stamp = |deed| Event { key: event.key, began: audit, ended: audit, deed };
        if seen(&given.access) == Some(true) {
            carried.push(stamp(Deed::Issue(Reply::Ok(given.clone()))));
        } else if buried < dead {
            buried += 1;
            carried.extend(given.tokens().map(|token| stamp(Deed::Probe(token.clone(), false))));
        }
    }
    carried
}

#[cfg(test)]
mod tests;
