//! What a presented token stands for.

use std::sync::Arc;

use latchkey_oauth::api_key_value::PREFIX;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::generator::is_usable;
use latchkey_oauth::id::{FamilyId, PrincipalId};
use latchkey_oauth::jwt::verify;
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::minted_value::digest_of;
use latchkey_oauth::refusal::Refusal;
use latchkey_oauth::secret::Secret;
use latchkey_oauth::token_value::TokenReference;
use latchkey_store::facts::HeldFamily;
use quick_cache::sync::Cache;

use crate::app::{App, unavailable};

/// The most verified JWTs remembered.
const VERIFIED: usize = 100_000;
/// The most unknown values remembered.
const ABSENT: usize = 10_000;
/// The most families remembered that are gone.
const GONE: usize = 100_000;

/// What was found out about token values, by their SHA-256. These are facts about the text alone; whether
/// a token is valid is asked of its family each time.
#[derive(Debug)]
pub struct TokenCaches {
    /// JWTs whose signature is right and whose claims agree with their family.
    verified: Cache<[u8; 32], TokenReference>,
    /// Values that no family has.
    absent: Cache<[u8; 32], ()>,
    /// Families that values of ours name and that are gone. None comes back: a family has its id from
    /// chance, and a value of it is only told after it was written.
    gone: Cache<FamilyId, ()>,
    /// API keys that values of ours name and that are gone; none comes back, likewise.
    gone_keys: Cache<PrincipalId, ()>,
}

impl Default for TokenCaches {
    fn default() -> Self {
        Self {
            verified: Cache::new(VERIFIED),
            absent: Cache::new(ABSENT),
            gone: Cache::new(GONE),
            gone_keys: Cache::new(GONE),
        }
    }
}

impl TokenCaches {
    /// Forgets everything, as after a change of keys.
    pub fn clear(&self) {
        self.verified.clear();
        self.absent.clear();
        self.gone.clear();
        self.gone_keys.clear();
    }

    /// Remembers that an API key is gone for good.
    pub(super) fn key_is_gone(&self, id: PrincipalId) {
        self.gone_keys.insert(id, ());
    }

    /// Whether an API key is known to be gone.
    pub(super) fn is_key_gone(&self, id: PrincipalId) -> bool {
        self.gone_keys.get(&id).is_some()
    }

    /// A value of this digest is about to exist.
    pub fn expect(&self, digest: &[u8; 32]) {
        self.absent.remove(digest);
    }
}

/// A token whose value is right, with its family. It may be expired, superseded or revoked.
#[derive(Debug, Clone)]
pub struct ResolvedToken {
    /// What it names.
    pub reference: TokenReference,
    /// Its family.
    pub held: HeldFamily,
}

impl ResolvedToken {
    /// Whether the token is valid at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        let HeldFamily { family, epochs } = &self.held;
        match self.reference.kind {
            ValueKind::Access => family.accepts_access(self.reference.generation, *epochs, now),
            ValueKind::Refresh => family.accepts_refresh(self.reference.generation, *epochs, now),
        }
    }
}

/// How a presented token stands.
#[derive(Debug)]
pub enum Standing {
    /// It is valid.
    Active(ResolvedToken),
    /// Its time is over.
    Expired(ResolvedToken),
    /// It was revoked, superseded, or ended with its client or user.
    Revoked(ResolvedToken),
    /// No token of this server, or of a family that is gone.
    Unknown,
}

/// What is known of a token's family without a wait.
enum AtHand {
    /// It is there.
    Held(ResolvedToken),
    /// It is gone.
    Gone,
}

impl Standing {
    /// Of a token that is not valid now.
    fn dead(found: ResolvedToken) -> Self {
        // What is valid at no moment is not expired.
        let was_active = found.is_active(Timestamp::from_millis(0));
        if was_active { Self::Expired(found) } else { Self::Revoked(found) }
    }
}

/// Resolves tokens.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a> {
    app: &'a App,
}

impl<'a> Tokens<'a> {
    /// Over the keys and the store of `app`.
    pub const fn new(app: &'a App) -> Self {
        Self { app }
    }

    /// What `token` stands for. `None` is garbage, or a token of a family that is gone.
    pub async fn resolve(self, token: &Secret) -> Result<Option<ResolvedToken>, Refusal> {
        let text = token.expose();
        if text.starts_with(ValueKind::Access.prefix()) || text.starts_with(ValueKind::Refresh.prefix()) {
            return self.derived(text).await;
        }
        if text.starts_with(PREFIX) {
            // An API key is no token.
            return Ok(None);
        }
        if text.matches('.').count() == 2 {
            return self.jwt(token).await;
        }
        self.alias(token).await
    }

    /// A token that is valid at `now`, noting its first use.
    pub async fn active(self, token: &Secret, now: Timestamp) -> Result<Option<ResolvedToken>, Refusal> {
        match self.standing(token, now).await? {
            Standing::Active(found) => Ok(Some(found)),
            Standing::Expired(_) | Standing::Revoked(_) | Standing::Unknown => Ok(None),
        }
    }

    /// How `token` stands at `now`; the first use of one that is valid is noted.
    pub async fn standing(self, token: &Secret, now: Timestamp) -> Result<Standing, Refusal> {
        let Some(found) = self.resolve(token).await? else { return Ok(Standing::Unknown) };
        if found.is_active(now) {
            self.note_use(&found, now).await;
            return Ok(Standing::Active(found));
        }
        Ok(Standing::dead(found))
    }

    /// [`Self::standing`], where it can be told without waiting: for a derived value, or a JWT whose signature
    /// is known, of a family that the store has at hand or that is gone.
    pub fn standing_at_hand(self, token: &Secret, now: Timestamp) -> Option<Standing> {
        let text = token.expose();
        let found = if text.starts_with(ValueKind::Access.prefix()) {
            let keys = self.app.keys();
            let value = keys.ring.read(text).and_then(|value| Some((value.reference()?, value)));
            let Some((reference, value)) = value else { return Some(Standing::Unknown) };
            match self.app.store.family_at_hand(reference.bucket, reference.family) {
                Some(held) if keys.ring.proves_read(&value, &held.family) => {
                    AtHand::Held(ResolvedToken { reference, held })
                }
                Some(_) => AtHand::Gone,
                // Only what is no garbage may ask for more.
                None if keys.ring.check_read(&value).is_none() => AtHand::Gone,
                None => self.app.token_caches.gone.get(&reference.family).map(|()| AtHand::Gone)?,
            }
        } else {
            self.find_at_hand(self.app.token_caches.verified.get(&digest_of(token))?)?
        };
        let AtHand::Held(found) = found else { return Some(Standing::Unknown) };
        if !found.is_active(now) {
            return Some(Standing::dead(found));
        }
        (!self.awaits_first_use(&found, now)).then_some(Standing::Active(found))
    }

    fn find_at_hand(self, reference: TokenReference) -> Option<AtHand> {
        match self.app.store.family_at_hand(reference.bucket, reference.family) {
            Some(held) => Some(AtHand::Held(ResolvedToken { reference, held })),
            None => self.app.token_caches.gone.get(&reference.family).map(|()| AtHand::Gone),
        }
    }

    async fn derived(self, text: &str) -> Result<Option<ResolvedToken>, Refusal> {
        let Some(value) = self.app.keys().ring.check(text) else { return Ok(None) };
        let found = self.find(value.reference).await?;
        Ok(found.filter(|found| self.app.keys().ring.proves(&value, &found.held.family)))
    }

    async fn jwt(self, token: &Secret) -> Result<Option<ResolvedToken>, Refusal> {
        let digest = digest_of(token);
        if let Some(reference) = self.app.token_caches.verified.get(&digest) {
            return self.find(reference).await;
        }
        let keys = self.app.keys.load_full();
        let verified = verify(&keys.signing, keys.ring.incarnation(), token.expose());
        let Some(verified) = verified else { return Ok(None) };
        let Some(found) = self.find(verified.reference).await? else { return Ok(None) };
        // Only the current token's claims can be compared with the family; any other is dead anyway.
        if found.held.family.access.generation != verified.reference.generation {
            return Ok(Some(found));
        }
        let client = self.app.store.client_by_id(found.held.family.client).await.map_err(unavailable)?;
        let agrees = |client_id: &str| verified.agrees_with(&found.held.family, client_id);
        if !client.is_some_and(|facts| agrees(&facts.client.consumer_key)) {
            return Ok(None);
        }
        self.app.token_caches.verified.insert(digest, verified.reference);
        // A key that was removed meanwhile must not live on here: the new keys are in use before the caches
        // are emptied, so one of the two notices.
        if !Arc::ptr_eq(&keys, &self.app.keys.load_full()) {
            self.app.token_caches.verified.remove(&digest);
        }
        Ok(Some(found))
    }

    async fn alias(self, token: &Secret) -> Result<Option<ResolvedToken>, Refusal> {
        let digest = digest_of(token);
        if !is_usable(token.expose()) || self.app.token_caches.absent.get(&digest).is_some() {
            return Ok(None);
        }
        if let Some(reference) = self.app.store.alias(digest).await.map_err(unavailable)? {
            let era = self.app.keys().ring.era();
            let found = self.find(reference).await?;
            return Ok(found.filter(|found| found.held.family.value_is_of(reference.kind, era)));
        }
        self.app.token_caches.absent.insert(digest, ());
        Ok(None)
    }

    async fn find(self, reference: TokenReference) -> Result<Option<ResolvedToken>, Refusal> {
        let held = self.app.store.family(reference.bucket, reference.family).await.map_err(unavailable)?;
        if held.is_none() {
            // The callers of a token that was revoked go on for a while; each would read the file.
            self.app.token_caches.gone.insert(reference.family, ());
        }
        Ok(held.map(|held| ResolvedToken { reference, held }))
    }

    /// Whether a refresh made this token not long ago, and nobody has seen it in use so far.
    fn awaits_first_use(self, found: &ResolvedToken, now: Timestamp) -> bool {
        let Some(refresh) = found.held.family.refresh else { return false };
        let window = self.app.policy.refresh.retry_window_millis;
        refresh.arose_by_refresh()
            && refresh.used_at.is_none()
            && now.millis_since(refresh.issued_at) <= window
    }

    /// Notes that a token that a refresh made arrived, so that the refresh token before it is no longer
    /// answered as a lost response. The token is valid whether or not that works.
    async fn note_use(self, found: &ResolvedToken, now: Timestamp) {
        let Some(refresh) = found.held.family.refresh else { return };
        if !self.awaits_first_use(found, now) {
            return;
        }
        let (bucket, family) = (found.reference.bucket, found.reference.family);
        if let Err(error) = self.app.store.mark_used(bucket, family, refresh.generation).await {
            tracing::warn!(problem = %error, "the first use of a refreshed token could not be noted");
        }
    }
}
