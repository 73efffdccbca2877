//! Why a call was refused, for who asks afterwards.
//!
//! Answers say little, on purpose: whoever holds a token that is dead need not learn why. So every answer of
//! the gateway's own carries an id in [`HEADER`], under which the last refusals are kept in memory, with the
//! rule, whom the call was from, and what to do. A token, a path or a query is never among it; reading is
//! for administrators.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use latchkey_catalog::id::EntryId;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::entropy::Entropy;
use latchkey_oauth::family::Subject;
use latchkey_oauth::id::{Bucket, FamilyId};

use crate::answer::Fault;
use crate::authorize::{Caller, Credential};
use crate::route::RoutedApi;
use crate::throttle::RateLimit;

pub use cause::Cause;

mod advice;
mod cause;

/// The header of an answer that carries the id.
pub const HEADER: &str = "latchkey-explain";

/// How many refusals are kept; the oldest makes room. Some 3 MB when full.
const KEPT: usize = 10_000;

/// Names a refusal: 64 random bits, so that a number tells nobody how many there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExplanationId(u64);

/// What is not written as an id is: 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an explanation's id is the 16 hexadecimal digits of the header Latchkey-Explain")]
pub struct NoExplanationId;

/// Whom a refused call was from, as far as its token told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The application.
    pub application: EntryId,
    /// The consumer key that the token was issued to; none for an API key.
    pub consumer_key: Option<Box<str>>,
    /// The name of the API key.
    pub api_key: Option<Box<str>>,
    /// The user, or the application itself.
    pub subject: Subject,
    /// The device that the token belongs to.
    pub device: Option<Box<str>>,
    /// The token's family.
    pub family: (Bucket, FamilyId),
}

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// What was answered.
    pub fault: Fault,
    /// What the answer did not tell.
    pub cause: Option<Cause>,
    /// Whom it was from; none where no token of this server came.
    pub who: Option<Who>,
    /// The limit that was reached.
    pub limit: Option<RateLimit>,
    /// Context and version of the API, and the resource: its method and template.
    pub place: Option<Place>,
}

/// Where a refused call went.
#[derive(Debug, Clone)]
pub struct Place {
    api: Arc<RoutedApi>,
    resource: usize,
}

type Slot = Option<(ExplanationId, Arc<Refusal>)>;

/// The last refusals of a process.
#[derive(Debug)]
pub struct Explanations {
    slots: Box<[Mutex<Slot>]>,
    next: AtomicUsize,
    ids: Mutex<Ids>,
}

/// Ids that nobody can guess, drawn many at a time: drawing one costs a third of a whole refusal.
#[derive(Debug)]
struct Ids {
    entropy: Arc<dyn Entropy>,
    drawn: [u8; 512],
    left: usize,
}

impl Ids {
    fn next(&mut self) -> ExplanationId {
        if self.left == 0 {
            self.entropy.fill(&mut self.drawn);
            self.left = self.drawn.len();
        }
        self.left -= size_of::<u64>();
        let id = self.drawn[self.left..].first_chunk().copied().unwrap_or_default();
        ExplanationId(u64::from_be_bytes(id))
    }
}

impl Explanations {
    /// Keeps the last ten thousand refusals; `entropy` makes their ids.
    pub fn new(entropy: Arc<dyn Entropy>) -> Self {
        Self::keeping(KEPT, entropy)
    }

    fn keeping(most: usize, entropy: Arc<dyn Entropy>) -> Self {
        let ids = Mutex::new(Ids { entropy, drawn: [0; 512], left: 0 });
        Self { slots: (0..most).map(|_| Mutex::default()).collect(), next: AtomicUsize::new(0), ids }
    }

    /// Keeps a refusal in the place of the oldest one.
    pub fn note(&self, refusal: Refusal) -> ExplanationId {
        let id = self.ids.lock().unwrap_or_else(PoisonError::into_inner).next();
        let slot = self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        let kept = Some((id, Arc::new(refusal)));
        // What was there is dropped after the lock is open again.
        let _oldest =
            std::mem::replace(&mut *self.slots[slot].lock().unwrap_or_else(PoisonError::into_inner), kept);
        id
    }

    /// The refusal of that id, if it is among the last ones. It looks at all of them: nobody waits for this.
    pub fn find(&self, id: ExplanationId) -> Option<Arc<Refusal>> {
        self.slots.iter().find_map(|slot| {
            let kept = slot.lock().unwrap_or_else(PoisonError::into_inner);
            kept.as_ref().filter(|(held, _)| *held == id).map(|(_, refusal)| Arc::clone(refusal))
        })
    }
}

impl Refusal {
    /// The rule that refused, in a sentence.
    pub fn rule(&self) -> String {
        advice::rule(self)
    }

    /// What to do about it, in a sentence.
    pub fn fix(&self) -> &'static str {
        self.cause.map_or_else(|| advice::fix(&self.fault), Cause::fix)
    }
}

impl Who {
    /// Whom a call is from.
    pub fn of(caller: &Caller<'_>) -> Self {
        Self {
            application: caller.application,
            consumer_key: caller.consumer_key.map(Box::from),
            api_key: match caller.credential {
                Credential::Token => None,
                Credential::ApiKey { name, .. } => Some(name.into()),
            },
            subject: caller.subject,
            device: caller.device.map(Box::from),
            family: caller.family,
        }
    }
}

impl Place {
    /// The resource at this place of an API.
    pub const fn new(api: Arc<RoutedApi>, resource: usize) -> Self {
        Self { api, resource }
    }

    /// Context and version.
    pub fn api(&self) -> &str {
        self.api.path()
    }

    /// Method and template, `GET /anything`.
    pub fn resource(&self) -> String {
        let resource = &self.api.resources()[self.resource];
        format!("{} {}", resource.method, resource.template)
    }

    /// The scopes of which the resource asks for one.
    fn scopes(&self) -> String {
        let scopes = &self.api.resources()[self.resource].scopes;
        scopes.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        (self.api(), self.resource) == (other.api(), other.resource)
    }
}

impl Eq for Place {}

impl fmt::Display for ExplanationId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

impl FromStr for ExplanationId {
    type Err = NoExplanationId;

    fn from_str(text: &str) -> Result<Self, NoExplanationId> {
        let is_written_so = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_written_so.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or(NoExplanationId)
    }
}

#[cfg(test)]
mod tests;
