//! What a presented API key stands for.

use std::sync::Arc;

use latchkey_oauth::api_key_value::CheckedApiKey;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::refusal::Refusal;
use latchkey_oauth::secret::Secret;
use latchkey_store::api_keys::ApiKeyFacts;

use crate::app::{App, unavailable};

/// How a presented API key stands.
#[derive(Debug)]
pub enum KeyStanding {
    /// It is valid.
    Active(Arc<ApiKeyFacts>),
    /// Its time is over.
    Expired(Arc<ApiKeyFacts>),
    /// It was regenerated and has another value now.
    Superseded(Arc<ApiKeyFacts>),
    /// No API key of this server, or one that was revoked.
    Unknown,
}

/// Resolves API keys.
#[derive(Debug, Clone, Copy)]
pub struct PresentedKeys<'a> {
    app: &'a App,
}

impl<'a> PresentedKeys<'a> {
    /// Over the keys and the store of `app`.
    pub const fn new(app: &'a App) -> Self {
        Self { app }
    }

    /// How the API key with this value stands at `now`.
    pub async fn standing(self, value: &Secret, now: Timestamp) -> Result<KeyStanding, Refusal> {
        let Some(checked) = self.app.keys().ring.check_api_key(value.expose()) else {
            return Ok(KeyStanding::Unknown);
        };
        if let Some(facts) = self.app.store.api_key(checked.id).await.map_err(unavailable)? {
            return Ok(self.judge(&checked, facts, now));
        }
        // The callers of a key that was revoked go on for a while; each would read the file.
        self.app.token_caches.key_is_gone(checked.id);
        Ok(KeyStanding::Unknown)
    }

    /// [`Self::standing`], where it can be told without waiting: for garbage, and for a key that the store has
    /// at hand or that is gone.
    pub fn standing_at_hand(self, value: &Secret, now: Timestamp) -> Option<KeyStanding> {
        let Some(checked) = self.app.keys().ring.check_api_key(value.expose()) else {
            return Some(KeyStanding::Unknown);
        };
        match self.app.store.api_key_at_hand(checked.id) {
            Some(facts) => Some(self.judge(&checked, facts, now)),
            None => self.app.token_caches.is_key_gone(checked.id).then_some(KeyStanding::Unknown),
        }
    }

    fn judge(self, value: &CheckedApiKey, facts: Arc<ApiKeyFacts>, now: Timestamp) -> KeyStanding {
        let key = &facts.key;
        if !self.app.keys().ring.proves_api_key(value, &key.seed) {
            KeyStanding::Unknown
        } else if value.generation != key.generation {
            KeyStanding::Superseded(facts)
        } else if key.expires().is_valid(now) {
            KeyStanding::Active(facts)
        } else {
            KeyStanding::Expired(facts)
        }
    }
}
