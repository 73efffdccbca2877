//! What a node knows about tokens, and how it stays true.
//!
//! Everything here was told by the server and is dropped when the server says that it is so no longer; what
//! is absent is asked for again. An answer that was under way while something was dropped could bring it
//! back. So whoever asks notes a [`Fence`] before, and an answer is kept only if nothing that was told since
//! contradicts it. Where two answers about one family come in the wrong order, the higher generation stays.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use latchkey_catalog::api_key::Restrictions;
use latchkey_oauth::family::{Expiry, Subject};
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::scope::Scope;
use quick_cache::sync::Cache;

use super::wire::{ApiKeyFacts, HolderFacts, Standing, TokenFacts, Told};

/// How many changes are remembered for answers that were under way. An older answer is not kept.
const RECENT: usize = 16_384;
/// The most clients, and the most tokens found dead.
const OTHERS: usize = 100_000;

/// SHA-256 of a token, by which it is known; the token itself is kept nowhere.
pub type Digest = [u8; 32];

/// How much is remembered, and how long (`gateway.token_cache`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The most tokens; none at all switches the memory off.
    pub entries: usize,
    /// How long after the answer it is asked for again.
    pub ttl: Duration,
}

/// A token or an API key that was alive when its server looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The shard of its holder.
    pub bucket: Bucket,
    /// Its family.
    pub family: FamilyId,
    /// Its generation.
    pub generation: u32,
    /// When it ends.
    pub expires: Expiry,
    /// Its scopes.
    pub scope: Scope,
    /// The device that it belongs to.
    pub device: Option<Box<str>>,
    /// The client.
    pub client: PrincipalId,
    /// Whom it speaks for.
    pub subject: Subject,
    /// The epochs of client and subject at its issue.
    pub epochs: (u64, u64),
    /// The API key, where it is one.
    pub api_key: Option<KnownKey>,
    /// When the answer came.
    learned: Duration,
}

/// What is known of an API key besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// Its name.
    pub name: Box<str>,
    /// From where it may be used.
    pub restrictions: Restrictions,
}

impl KnownKey {
    fn from_facts(facts: &ApiKeyFacts) -> Result<Self, Senseless> {
        let restrictions = Restrictions::parse(&facts.addresses, &facts.referers).map_err(|_| Senseless)?;
        Ok(Self { name: facts.name.as_str().into(), restrictions })
    }
}

/// Facts that say nothing sensible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's answer about a token makes no sense")]
pub struct Senseless;

impl Known {
    /// From what the server said, at `now`.
    pub fn from_facts(facts: &TokenFacts, now: Duration) -> Result<Self, Senseless> {
        Ok(Self {
            bucket: Bucket::new(facts.bucket).ok_or(Senseless)?,
            family: facts.family,
            generation: facts.generation,
            expires: facts.expires.map_or(Expiry::Never, Expiry::At),
            scope: Scope::parse(&facts.scope).map_err(|_| Senseless)?,
            device: facts.device.as_deref().map(Into::into),
            client: facts.client,
            subject: Subject { kind: facts.subject_type, id: facts.subject },
            epochs: (facts.client_epoch, facts.subject_epoch),
            api_key: facts.holder.api_key.as_ref().map(KnownKey::from_facts).transpose()?,
            learned: now,
        })
    }
}

/// What is known of a token.
#[derive(Debug)]
pub enum Look {
    /// It was not revoked, as far as was told. Its time may be over.
    Known(Arc<Known>, Arc<HolderFacts>),
    /// It is dead for good: [`Standing::Revoked`] or [`Standing::Unknown`].
    Dead(Standing),
    /// Nothing; ask.
    Absent,
}

/// A moment between two changes that were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence(u64);

/// An answer was overtaken by what was told meanwhile. It was true when the server looked, and may be used
/// for the call that asked, but is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overtaken;

/// What was told means for an open stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing.
    Nothing,
    /// What its call was let pass for may not be so any more.
    Catalogue,
    /// Its token ended, or may have: more was told than is still known.
    End,
}

#[derive(Debug, Default)]
struct Recent {
    /// How many changes were told.
    count: u64,
    last: VecDeque<Told>,
}

impl Recent {
    /// What was told since `fence`; none where that is no longer known.
    fn since(&self, fence: Fence) -> Option<impl Iterator<Item = &Told>> {
        let missed = usize::try_from(self.count - fence.0).ok()?;
        let first = self.last.len().checked_sub(missed)?;
        Some(self.last.range(first..))
    }

    fn push(&mut self, change: Told) {
        if self.last.len() == RECENT {
            self.last.pop_front();
        }
        self.last.push_back(change);
        self.count += 1;
    }
}

/// The table.
#[derive(Debug)]
pub struct FamilyTable {
    room: Room,
    /// What a token names: its family and generation.
    names: Cache<Digest, (FamilyId, u32)>,
    families: Cache<FamilyId, Arc<Known>>,
    epochs: Cache<PrincipalId, u64>,
    holders: Cache<PrincipalId, Arc<HolderFacts>>,
    dead: Cache<Digest, Standing>,
    /// Held while anything is dropped, or kept after a look at what was told.
    recent: Mutex<Recent>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl FamilyTable {
    /// An empty table.
    pub fn new(room: Room) -> Self {
        let entries = room.entries.max(1);
        Self {
            room,
            names: Cache::new(entries),
            families: Cache::new(entries),
            epochs: Cache::new(entries.saturating_mul(2)),
            holders: Cache::new(entries.min(OTHERS)),
            dead: Cache::new(entries.min(OTHERS)),
            recent: Mutex::default(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// What is known at `now` of the token with this digest.
    pub fn look(&self, digest: &Digest, now: Duration) -> Look {
        let look = self.find(digest, now);
        let looks = if matches!(look, Look::Absent) { &self.misses } else { &self.hits };
        looks.fetch_add(1, Ordering::Relaxed);
        look
    }

    fn find(&self, digest: &Digest, now: Duration) -> Look {
        let Some((family, generation)) = self.names.get(digest) else {
            return self.dead.get(digest).map_or(Look::Absent, Look::Dead);
        };
        let Some(known) = self.families.get(&family) else { return Look::Absent };
        if known.generation > generation {
            return Look::Dead(Standing::Revoked);
        }
        if known.generation < generation || known.learned + self.room.ttl <= now {
            return Look::Absent;
        }
        let epochs = (self.epochs.get(&known.client), self.epochs.get(&known.subject.id));
        let (Some(client), Some(subject)) = epochs else { return Look::Absent };
        if (client, subject) != known.epochs {
            let is_reset = client > known.epochs.0 || subject > known.epochs.1;
            return if is_reset { Look::Dead(Standing::Revoked) } else { Look::Absent };
        }
        match self.holders.get(&known.client) {
            Some(holder) => Look::Known(known, holder),
            None => Look::Absent,
        }
    }

    /// To be noted before a question is sent.
    pub fn fence(&self) -> Fence {
        Fence(self.recent().count)
    }

    /// Keeps the answer about the living token with this digest, asked after `fence`.
    pub fn keep(
        &self,
        fence: Fence,
        digest: Digest,
        (known, holder): (Arc<Known>, Arc<HolderFacts>),
    ) -> Result<(), Overtaken> {
        let recent = self.recent();
        let mut since = recent.since(fence).ok_or(Overtaken)?;
        if since.any(|change| contradicts(change, &known)) {
            return Err(Overtaken);
        }
        let held = self.families.get(&known.family).is_some_and(|held| held.generation > known.generation);
        let ahead = |principal, epoch| self.epochs.get(principal).is_some_and(|held| held > epoch);
        if held || ahead(&known.client, known.epochs.0) || ahead(&known.subject.id, known.epochs.1) {
            return Err(Overtaken);
        }
        if self.room.entries > 0 {
            self.epochs.insert(known.client, known.epochs.0);
            self.epochs.insert(known.subject.id, known.epochs.1);
            self.holders.insert(known.client, holder);
            self.names.insert(digest, (known.family, known.generation));
            self.families.insert(known.family, known);
        }
        Ok(())
    }

    /// Notes that the token with this digest is dead for good, as was answered to a question after `fence`.
    pub fn bury(&self, fence: Fence, digest: Digest, standing: Standing) {
        let recent = self.recent();
        let anew = |change: &Told| matches!(change, Told::Keys | Told::Unknown);
        let is_true = recent.since(fence).is_some_and(|mut since| !since.any(anew));
        if is_true && self.room.entries > 0 {
            self.names.remove(&digest);
            self.dead.insert(digest, standing);
        }
    }

    /// Drops what is so no longer.
    pub fn apply(&self, change: Told) {
        let mut recent = self.recent();
        recent.push(change);
        match change {
            Told::Family { id, access } => {
                let known = self.families.get(&id);
                if known.is_some_and(|known| access.is_none_or(|access| access > known.generation)) {
                    self.families.remove(&id);
                }
            }
            Told::Epoch { principal, epoch } => {
                if self.epochs.get(&principal).is_some_and(|held| epoch.is_none_or(|epoch| epoch > held)) {
                    self.epochs.remove(&principal);
                }
            }
            // It is nothing about tokens.
            Told::Limits => {}
            Told::Client { id } => {
                self.holders.remove(&id);
            }
            Told::Catalogue => self.holders.clear(),
            Told::Keys => {
                self.names.clear();
                self.dead.clear();
            }
            Told::Unknown => {
                self.names.clear();
                self.dead.clear();
                self.families.clear();
                self.epochs.clear();
                self.holders.clear();
            }
        }
    }

    /// What was told after `fence` means for a stream that was opened with the token of `known`; none: with no
    /// token. `fence` moves to this moment.
    pub fn heard(&self, fence: &mut Fence, known: Option<&Known>) -> Heard {
        let recent = self.recent();
        let since = std::mem::replace(fence, Fence(recent.count));
        let Some(told) = recent.since(since) else { return Heard::End };
        let mut heard = Heard::Nothing;
        for change in told {
            match change {
                Told::Unknown => return Heard::End,
                change if known.is_some_and(|known| ends(change, known)) => return Heard::End,
                Told::Catalogue => heard = Heard::Catalogue,
                Told::Client { id } if known.is_some_and(|known| known.client == *id) => {
                    heard = Heard::Catalogue;
                }
                Told::Family { .. }
                | Told::Epoch { .. }
                | Told::Client { .. }
                | Told::Keys
                | Told::Limits => {}
            }
        }
        heard
    }

    /// What is known of a client's application.
    pub fn holder(&self, client: PrincipalId) -> Option<Arc<HolderFacts>> {
        self.holders.get(&client)
    }

    /// Keeps the answer about a client's application, asked after `fence`.
    pub fn keep_holder(
        &self,
        fence: Fence,
        client: PrincipalId,
        holder: Arc<HolderFacts>,
    ) -> Result<(), Overtaken> {
        let recent = self.recent();
        let mut since = recent.since(fence).ok_or(Overtaken)?;
        let anew = |change: &Told| match change {
            Told::Client { id } => *id == client,
            Told::Catalogue | Told::Keys | Told::Unknown => true,
            Told::Family { .. } | Told::Epoch { .. } | Told::Limits => false,
        };
        if since.any(anew) {
            return Err(Overtaken);
        }
        if self.room.entries > 0 {
            self.holders.insert(client, holder);
        }
        Ok(())
    }

    /// Drops everything: what was told is not all there was.
    pub fn forget(&self) {
        self.apply(Told::Unknown);
    }

    /// How many tokens are known, and how many looks found something and how many nothing.
    pub fn in_use(&self) -> (usize, u64, u64) {
        let (hits, misses) = (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed));
        (self.names.len() + self.dead.len(), hits, misses)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `change` may be something that an answer, given before, did not know.
fn contradicts(change: &Told, known: &Known) -> bool {
    match change {
        Told::Catalogue | Told::Keys => true,
        Told::Client { id } => *id == known.client,
        Told::Family { .. } | Told::Epoch { .. } | Told::Limits | Told::Unknown => ends(change, known),
    }
}

/// Whether `change` is the end of a token, or may be.
fn ends(change: &Told, known: &Known) -> bool {
    match change {
        Told::Family { id, access } => {
            *id == known.family && access.is_none_or(|access| access > known.generation)
        }
        Told::Epoch { principal, epoch } => {
            let older =
                |of: &PrincipalId, held: u64| of == principal && epoch.is_none_or(|epoch| epoch > held);
            older(&known.client, known.epochs.0) || older(&known.subject.id, known.epochs.1)
        }
        Told::Client { .. } | Told::Catalogue | Told::Keys | Told::Limits => false,
        Told::Unknown => true,
    }
}
