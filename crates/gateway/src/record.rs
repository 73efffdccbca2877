//! What is kept of calls: how much each device used each API, and when it was last seen.
//!
//! A call only pushes a small value into the [`Calls`] of its thread; who drains them adds them up in a
//! [`Tally`]. Both are bounded, and what finds no room is dropped and counted: records never hold up a call,
//! and never grow with calls, only with devices and days.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use http::HeaderValue;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::usage::{CallClass, Counts, Day};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::{Bucket, FamilyId};

use crate::answer::{Fault, ThrottledBy};

/// Calls that wait to be drained, for each thread: more than a thread can answer between two drains.
const WAITING: usize = 16_384;
/// How many families a thread remembers having seen in the present minute; a power of two.
const SEEN: usize = 4096;
/// The longest `User-Agent` that is kept, in bytes.
const USER_AGENT: usize = 256;

/// The shard and the id of a token family.
pub type FamilyKey = (Bucket, FamilyId);

/// A call, as small as can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// When it came.
    pub at: Timestamp,
    /// The API.
    pub api: EntryId,
    /// The application and the token's family, where a token told them.
    pub by: Option<(EntryId, FamilyKey)>,
    /// What became of it.
    pub class: CallClass,
    /// How long it took until the head of its answer, in microseconds.
    pub micros: u32,
}

/// From where and with what a device calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sight {
    /// The address of the caller, where that is kept.
    pub address: Option<IpAddr>,
    /// The `User-Agent`, where that is kept, cut to 256 bytes.
    pub user_agent: Option<Box<str>>,
}

impl Sight {
    /// What is kept of an address and a `User-Agent`. What is not printable ASCII is kept as `?`.
    pub fn of(address: Option<IpAddr>, user_agent: Option<&HeaderValue>) -> Self {
        let printable = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { *byte } else { b'?' };
        let user_agent = user_agent.map(|value| {
            let kept: String =
                value.as_bytes().iter().take(USER_AGENT).map(printable).map(char::from).collect();
            kept.into_boxed_str()
        });
        Self { address, user_agent }
    }
}

/// The calls of one thread that wait to be drained.
#[derive(Debug, Default)]
pub struct Calls {
    waiting: Mutex<Waiting>,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    calls: Vec<(Called, Option<Box<Sight>>)>,
    /// For a family, by the end of its id, what tells it from others and the minute in which it was seen.
    seen: Vec<(u64, u32)>,
}

/// Calls with what was seen of their devices, where that is worth noting.
pub type Drained = Vec<(Called, Option<Box<Sight>>)>;

impl Calls {
    /// Notes a call. `sight` is only asked once a minute and device, or a little more often where many devices
    /// call.
    pub fn push(&self, called: Called, sight: impl FnOnce() -> Sight) {
        let mut waiting = self.waiting();
        if waiting.calls.len() >= WAITING {
            drop(waiting);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let is_new = called.by.is_some_and(|(_, family)| waiting.is_new(family, called.at));
        let sight = is_new.then(|| Box::new(sight()));
        waiting.calls.push((called, sight));
    }

    /// Moves what waits into `into`, which is empty; its room is used for what comes next.
    pub fn drain(&self, into: &mut Drained) {
        into.clear();
        std::mem::swap(&mut self.waiting().calls, into);
    }

    /// How many calls found no room so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether a family was not seen yet in this minute. Families that share a place make each other new.
    fn is_new(&mut self, family: FamilyKey, at: Timestamp) -> bool {
        if self.seen.is_empty() {
            self.seen = vec![(0, 0); SEEN];
        }
        // Ids are random: their first half tells families apart, their second half spreads them.
        let [mut name, mut place] = [[0; 8], [0; 8]];
        name.copy_from_slice(&family.1.as_bytes()[..8]);
        place.copy_from_slice(&family.1.as_bytes()[8..]);
        let place = usize::from_be_bytes(place) % SEEN;
        let minute = u32::try_from(at.as_seconds() / 60).unwrap_or_default();
        let seen = (u64::from_be_bytes(name), minute);
        std::mem::replace(&mut self.seen[place], seen) != seen
    }
}

/// What calls are added up by until their devices are known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TallyKey {
    /// The day.
    pub day: Day,
    /// The API.
    pub api: EntryId,
    /// The application and the family.
    pub by: Option<(EntryId, FamilyKey)>,
}

/// Calls added up since the last time that they were taken away.
#[derive(Debug)]
pub struct Tally {
    most: usize,
    counts: HashMap<TallyKey, Counts, RandomState>,
    seen: HashMap<FamilyKey, (Timestamp, Sight), RandomState>,
    dropped: u64,
}

/// What a [`Tally`] came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// The counts.
    pub counts: HashMap<TallyKey, Counts, RandomState>,
    /// When and from where each family was last seen.
    pub seen: HashMap<FamilyKey, (Timestamp, Sight), RandomState>,
}

impl Tally {
    /// An empty one that holds at most so many keys.
    pub fn new(most: usize) -> Self {
        Self { most, counts: HashMap::default(), seen: HashMap::default(), dropped: 0 }
    }

    /// Adds a call, or drops it where its key would be one too many. Answers its family where that is the first
    /// call of it since the last time.
    pub fn add(&mut self, called: &Called, sight: Option<Box<Sight>>) -> Option<FamilyKey> {
        let key = TallyKey { day: Day::of(called.at), api: called.api, by: called.by };
        if self.counts.len() >= self.most && !self.counts.contains_key(&key) {
            self.dropped += 1;
            return None;
        }
        self.counts.entry(key).or_default().add(&Counts::one(called.class, called.micros.into()));
        let (_, family) = called.by?;
        // Every family that is seen has a count, so there are no more of them.
        let (seen, first) = match self.seen.entry(family) {
            Entry::Occupied(held) => (held.into_mut(), None),
            Entry::Vacant(free) => (free.insert(<_>::default()), Some(family)),
        };
        seen.0 = seen.0.max(called.at);
        if let Some(sight) = sight {
            seen.1 = *sight;
        }
        first
    }

    /// Whether nothing was added since the last time.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Takes everything away.
    pub fn take(&mut self) -> Sums {
        Sums { counts: std::mem::take(&mut self.counts), seen: std::mem::take(&mut self.seen) }
    }

    /// How many calls found no room so far.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Where a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before a resource was found: the request is malformed, or nothing is there.
    Route,
    /// The token.
    Authenticate,
    /// What the token opens.
    Authorize,
    /// Limits.
    Throttle,
    /// At the upstream.
    Forward,
}

impl Phase {
    /// Its name in log lines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Authenticate => "authenticate",
            Self::Authorize => "authorize",
            Self::Throttle => "throttle",
            Self::Forward => "forward",
        }
    }

    /// The phase that refuses with a fault. Where the facts or the tiers of a call were not to be had
    /// ([`Fault::TemporarilyUnavailable`]), that is told as the phase that needs most of them.
    pub const fn of(fault: &Fault) -> Self {
        match fault {
            Fault::Request(_)
            | Fault::UnknownApi
            | Fault::UnknownResource
            | Fault::MethodNotAllowed(_)
            | Fault::ApiBlocked
            | Fault::CorsOrigin
            | Fault::NoMatchingResource
            | Fault::DefinitionMissing
            | Fault::QueryInvalid
            | Fault::QueryTooDeep
            | Fault::QueryTooComplex => Self::Route,
            Fault::MissingCredentials
            | Fault::InvalidCredentials
            | Fault::TokenExpired
            | Fault::TokenInactive
            | Fault::AuthenticationFailure
            | Fault::TemporarilyUnavailable => Self::Authenticate,
            Fault::IncorrectTokenType
            | Fault::NoProductionEndpoint
            | Fault::NoSandboxEndpoint
            | Fault::SubscriptionBlocked
            | Fault::NoSubscription
            | Fault::SubscriptionInactive
            | Fault::KeyForbidden(_)
            | Fault::InsufficientScope
            | Fault::ClaimMismatch
            | Fault::ClaimInvalid
            | Fault::Audience => Self::Authorize,
            Fault::Throttled { .. } => Self::Throttle,
            Fault::UpstreamSend
            | Fault::UpstreamReceive
            | Fault::UpstreamConnect
            | Fault::UpstreamTimeout
            | Fault::UpstreamClosed
            | Fault::UpstreamProtocol
            | Fault::UpstreamConnectTimeout
            | Fault::UpstreamSuspended => Self::Forward,
        }
    }
}

/// What became of a call that was answered with `fault`, or went through without one.
pub const fn class(fault: Option<&Fault>) -> CallClass {
    let Some(fault) = fault else { return CallClass::Passed };
    match (Phase::of(fault), fault) {
        (
            _,
            Fault::TemporarilyUnavailable
            | Fault::AuthenticationFailure
            | Fault::ApiBlocked
            | Fault::DefinitionMissing
            | Fault::Throttled { by: ThrottledBy::Hard, .. },
        )
        | (Phase::Forward, _) => CallClass::Failed,
        (Phase::Route, _) => CallClass::Unfit,
        (Phase::Authenticate | Phase::Authorize, _) => CallClass::Denied,
        (Phase::Throttle, _) => CallClass::Limited,
    }
}

#[cfg(test)]
mod tests;
