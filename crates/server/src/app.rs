//! The long-lived parts of a running server, built once.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::{ArcSwap, Guard};
use latchkey_gateway::call::Kept;
use latchkey_oauth::clock::{Clock, Timestamp};
use latchkey_oauth::entropy::Entropy;
use latchkey_oauth::generator::TokenGenerator;
use latchkey_oauth::metadata::Metadata;
use latchkey_oauth::refusal::Refusal;
use latchkey_store::changes::Changed;
use latchkey_store::{Store, StoreError};

use crate::config::Config;
use crate::gateway::inquiries::Inquiries;
use crate::gateway::{Assertions, Recorder};
use crate::keys::{KeyChangeRefused, KeyDocument, KeyError, KeyFile, Keys};
use crate::metrics::Metrics;
use crate::policy::Policy;
use crate::sign_in::SignIn;
use crate::token::resolve::TokenCaches;

/// What handlers and administration share.
#[derive(Debug)]
pub struct App {
    /// The configuration in force.
    pub config: Config,
    /// What it says about tokens.
    pub policy: Policy,
    /// Tokens, users and applications.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// What makes token values.
    pub generator: Box<dyn TokenGenerator>,
    /// Password checks and their brakes.
    pub sign_in: SignIn,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What the gateway counted, and why it refused.
    pub kept_by_gateway: Kept,
    /// What is known of calls and not in the store yet.
    pub recorder: Recorder,
    /// What tells upstreams about callers, where that is switched on.
    pub assertions: Option<Assertions>,
    /// What administrators ask gateway nodes.
    pub inquiries: Inquiries,
    /// Tokens whose values were checked.
    pub token_caches: TokenCaches,
    /// The issuer, as in every token.
    pub issuer: String,
    /// Scheme, host and port of the endpoints.
    pub base: String,
    /// Scheme, host and port of the gateway's listeners, once they are bound.
    pub gateway: OnceLock<Vec<String>>,
    /// The key file, changed by one at a time.
    pub key_file: Mutex<KeyFile>,
    /// The keys parsed from it.
    pub keys: ArcSwap<Keys>,
}

impl App {
    /// The present moment; a request reads it once.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The keys in use.
    pub fn keys(&self) -> Guard<Arc<Keys>> {
        self.keys.load()
    }

    /// Where the gateway answers: scheme, host and port of each of its listeners.
    pub fn gateway_urls(&self) -> &[String] {
        self.gateway.get().map_or(&[], Vec::as_slice)
    }

    /// The metadata document.
    pub fn metadata(&self) -> Metadata {
        let grants: Vec<_> = self.policy.grants.iter().copied().collect();
        let algorithm = self.keys().signing.active().algorithm();
        Metadata::new(&self.issuer, &self.base, algorithm, &grants)
    }

    /// Changes the key file, then the keys in use.
    pub fn change_keys(
        &self,
        change: impl FnOnce(&mut KeyDocument) -> Result<(), KeyChangeRefused>,
    ) -> Result<Result<(), KeyChangeRefused>, KeyError> {
        let mut file = self.key_file.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = file.change(change)?;
        if outcome.is_ok() {
            self.keys.store(Arc::new(file.keys()?));
            self.token_caches.clear();
            self.store.changes().publish([Changed::Keys]);
        }
        Ok(outcome)
    }
}

/// What a caller is told when the store fails; the cause is logged here, once.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub fn unavailable(error: StoreError) -> Refusal {
    match error {
        StoreError::Busy => Refusal::Busy,
        StoreError::Unavailable(_) | StoreError::Damaged(_) => {
            tracing::error!(problem = %error, "the store failed");
            Refusal::StoreUnavailable
        }
    }
}
