//! What calls are counted for, and what is given out of a count.
//!
//! The rule is short: a count gives what is left of its limit, and never more. Who keeps it does so in one
//! place and in one step, a lock or a transaction; who asks gets permits and uses them up without asking
//! again. Everything that is lost on the way, an answer or a process, was given out already, so losing it
//! admits fewer calls and never more.

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::PrincipalId;
use serde::{Deserialize, Serialize};

use crate::id::EntryId;
use crate::tier::{Limit, Span};

/// What a limit is counted for. The tier is not part of it: another tier goes on with the same count, so a
/// larger plan acts at once and changing to and fro gives nobody more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CountKey {
    /// All calls of an API.
    Api(EntryId),
    /// All calls of a resource, by its place in the API.
    Resource(EntryId, u32),
    /// The calls of a subscription: the API, the application; no application: all calls without a token.
    Subscription(EntryId, Option<EntryId>),
    /// The same in the short window.
    SubscriptionBurst(EntryId, Option<EntryId>),
    /// The calls of an application for one subject, to all APIs; WSO2 counts `applicationId:authorizedUser`.
    Application(EntryId, Option<PrincipalId>),
    /// The same in the short window.
    ApplicationBurst(EntryId, Option<PrincipalId>),
}

/// A [`CountKey`] in the parts that stores and messages keep: its kind, the API or application whose limit
/// it is, and within that the resource, application or subject, empty for none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyParts {
    /// The kind, in words.
    pub kind: String,
    /// The API or application.
    pub owner: EntryId,
    /// Four bytes of a resource's place, or the sixteen of an id.
    pub part: Vec<u8>,
}

impl CountKey {
    /// Its kind, in words.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Api(_) => "api",
            Self::Resource(..) => "resource",
            Self::Subscription(..) => "subscription",
            Self::SubscriptionBurst(..) => "subscription_burst",
            Self::Application(..) => "application",
            Self::ApplicationBurst(..) => "application_burst",
        }
    }

    /// The API or application whose limit it is.
    pub const fn owner(&self) -> EntryId {
        match *self {
            Self::Api(id)
            | Self::Resource(id, _)
            | Self::Subscription(id, _)
            | Self::SubscriptionBurst(id, _)
            | Self::Application(id, _)
            | Self::ApplicationBurst(id, _) => id,
        }
    }

    /// The application that is counted; none for what is counted for all callers together.
    pub const fn application(&self) -> Option<EntryId> {
        match *self {
            Self::Api(_) | Self::Resource(..) => None,
            Self::Subscription(_, application) | Self::SubscriptionBurst(_, application) => application,
            Self::Application(id, _) | Self::ApplicationBurst(id, _) => Some(id),
        }
    }

    /// In parts.
    pub fn parts(&self) -> KeyParts {
        let part = match self {
            Self::Api(_) => Vec::new(),
            Self::Resource(_, place) => place.to_be_bytes().to_vec(),
            Self::Subscription(_, id) | Self::SubscriptionBurst(_, id) => {
                id.map_or_else(Vec::new, |id| id.as_bytes().to_vec())
            }
            Self::Application(_, id) | Self::ApplicationBurst(_, id) => {
                id.map_or_else(Vec::new, |id| id.as_bytes().to_vec())
            }
        };
        KeyParts { kind: self.kind().to_owned(), owner: self.owner(), part }
    }

    /// From its parts; none where they are no key's.
    pub fn read(KeyParts { kind, owner, part }: &KeyParts) -> Option<Self> {
        Self::from_parts(kind, *owner, part)
    }

    /// From its parts; none where they are no key's.
    pub fn from_parts(kind: &str, owner: EntryId, part: &[u8]) -> Option<Self> {
        let id = || -> Option<Option<[u8; 16]>> {
            if part.is_empty() { Some(None) } else { Some(Some(part.try_into().ok()?)) }
        };
        let entry = || Some(id()?.map(EntryId::from_bytes));
        let subject = || Some(id()?.map(PrincipalId::from_bytes));
        Some(match kind {
            "api" if part.is_empty() => Self::Api(owner),
            "resource" => Self::Resource(owner, u32::from_be_bytes(part.try_into().ok()?)),
            "subscription" => Self::Subscription(owner, entry()?),
            "subscription_burst" => Self::SubscriptionBurst(owner, entry()?),
            "application" => Self::Application(owner, subject()?),
            "application_burst" => Self::ApplicationBurst(owner, subject()?),
            _ => return None,
        })
    }
}

/// A window of a count, and which count of it: one that was set back is another. Later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId {
    /// The window's first moment.
    pub start: Timestamp,
    /// Rises whenever the count is set back.
    pub resets: u64,
}

/// What was given out of a count in its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Which window.
    pub window: WindowId,
    /// When it ends.
    pub ends: Timestamp,
    /// How many calls were given out.
    pub used: u64,
}

/// What a count gives to who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The window that is on.
    pub window: WindowId,
    /// The permits; none when the limit is reached.
    pub permits: u64,
    /// How many were given out in the window, these among them.
    pub used: u64,
    /// How long the window lasts from the answer on, in milliseconds.
    pub remaining: i64,
}

/// Permits that nobody used. It is sent once: who does not learn whether it arrived must not repeat it, or
/// the same permits would come back twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandBack {
    /// Their window.
    pub window: WindowId,
    /// How many.
    pub permits: u64,
}

impl Tally {
    /// Nothing given out yet in the window that begins and ends so.
    pub const fn begin(span: Span, resets: u64) -> Self {
        Self { window: WindowId { start: span.start, resets }, ends: span.end, used: 0 }
    }

    /// Gives out up to `count`, as far as `limit` reaches, at the keeper's time `now`.
    pub fn grant(&mut self, limit: Limit, count: u64, now: Timestamp) -> Grant {
        let permits = count.min(limit.calls.saturating_sub(self.used));
        self.used += permits;
        Grant { window: self.window, permits, used: self.used, remaining: self.ends.millis_since(now) }
    }

    /// Takes permits back; those of another window or from before a reset are over.
    pub fn take_back(&mut self, back: HandBack) {
        if back.window == self.window {
            self.used = self.used.saturating_sub(back.permits);
        }
    }

    /// Sets the count back: what is given out from now on is of a new one.
    pub fn reset(&mut self) {
        self.used = 0;
        self.window.resets += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::{Unit, Window};

    #[test]
    fn a_key_is_what_its_parts_say() {
        let (one, other) = (EntryId::from_bytes([1; 16]), EntryId::from_bytes([2; 16]));
        let subject = PrincipalId::from_bytes([3; 16]);
        let keys = [
            CountKey::Api(one),
            CountKey::Resource(one, 258),
            CountKey::Subscription(one, Some(other)),
            CountKey::Subscription(one, None),
            CountKey::SubscriptionBurst(one, Some(other)),
            CountKey::Application(one, Some(subject)),
            CountKey::ApplicationBurst(one, None),
        ];
        for key in keys {
            let KeyParts { kind, owner, part } = key.parts();
            assert_eq!(CountKey::from_parts(&kind, owner, &part), Some(key));
        }
        for (kind, part) in [("api", &[1][..]), ("resource", &[]), ("subscription", &[1, 2]), ("other", &[])]
        {
            assert_eq!(CountKey::from_parts(kind, one, part), None, "{kind} {part:?}");
        }
    }

    #[test]
    fn a_tally_gives_what_is_left_and_takes_back_its_own() {
        let limit = Limit { calls: 10, window: Window::one(Unit::Hour) };
        let now = Timestamp::from_millis(7_200_000 + 600_000);
        let mut tally = Tally::begin(limit.window.around(now), 0);
        let first = tally.grant(limit, 7, now);
        assert_eq!((first.permits, first.used, first.remaining), (7, 7, 3_000_000));
        assert_eq!(tally.grant(limit, 7, now).permits, 3);
        assert_eq!(tally.grant(limit, 1, now).permits, 0);
        tally.take_back(HandBack { window: first.window, permits: 2 });
        assert_eq!(tally.grant(limit, 7, now).permits, 2);
        // A smaller plan gives nothing until its window is over, and takes nothing away.
        assert_eq!(tally.grant(Limit { calls: 5, ..limit }, 1, now).permits, 0);
        tally.reset();
        tally.take_back(HandBack { window: first.window, permits: 7 });
        assert_eq!(tally.grant(limit, 99, now).permits, 10);
        assert!(tally.window > first.window);
    }
}
