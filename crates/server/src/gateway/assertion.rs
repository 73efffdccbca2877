//! Signed assertions about callers (`X-JWT-Assertion`).
//!
//! A signature costs more than the rest of a call, so an assertion is kept for the generation of the token and
//! the API that it was made for, and handed out until a tenth of its life is left. Signatures are made on
//! threads of their own; where too many wait, calls are answered 503.

use std::sync::Arc;

use aws_lc_rs::digest;
use crossbeam_channel::{Receiver, Sender, bounded};
use http::{HeaderName, HeaderValue};
use latchkey_catalog::api::Api;
use latchkey_gateway::assertion::{AssertedApi, AssertedApplication, Assertion};
use latchkey_gateway::authorize::Caller;
use latchkey_gateway::source::{Holder, Unavailable};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::entropy::random;
use latchkey_oauth::family::SubjectType;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::introspection::qualified;
use latchkey_oauth::jwt::{AssertionText, sign_assertion, subject};
use quick_cache::sync::Cache;
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use super::source::StoredHolder;
use crate::app::App;
use crate::config::{AssertionEncoding, BackendJwt};
use crate::keys::Keys;

/// Threads that sign.
const THREADS: usize = 2;
/// Assertions that may wait to be signed.
const WAITING: usize = 256;

/// The digest of what an assertion was made from: the family's generation, the API, and what may change
/// beside them.
type Key = [u8; 32];

/// An assertion that is handed out again.
#[derive(Debug)]
pub struct Made {
    value: HeaderValue,
    until: Timestamp,
}

impl Made {
    /// The value of the header, and until when it is handed out.
    pub const fn handed_out(&self) -> (&HeaderValue, Timestamp) {
        (&self.value, self.until)
    }
}

/// The header that carries assertions, as configured.
pub(crate) fn header(settings: &BackendJwt) -> HeaderName {
    // The configuration was checked.
    HeaderName::from_bytes(settings.header.as_bytes()).unwrap_or(latchkey_gateway::forwarded::X_JWT_ASSERTION)
}

/// What makes assertions.
#[derive(Debug)]
pub struct Assertions {
    settings: BackendJwt,
    kept: Cache<Key, Arc<Made>>,
    orders: Sender<Order>,
}

/// Claims to be signed.
struct Order {
    claims: Map<String, Value>,
    keys: Arc<Keys>,
    signed: oneshot::Sender<Option<HeaderValue>>,
}

impl Assertions {
    /// Starts the threads that sign; nothing where assertions are switched off.
    pub fn start(settings: &BackendJwt) -> std::io::Result<Option<Self>> {
        if !settings.enabled {
            return Ok(None);
        }
        let (orders, queue) = bounded(WAITING);
        for _ in 0..THREADS {
            let (queue, settings): (Receiver<Order>, _) = (queue.clone(), settings.clone());
            std::thread::Builder::new().name("assertions".to_owned()).spawn(move || {
                for Order { claims, keys, signed } in queue {
                    // A caller who went away needs no answer.
                    let _ = signed.send(sign(&settings, &keys, &claims));
                }
            })?;
        }
        Ok(Some(Self { settings: settings.clone(), kept: Cache::new(settings.cache_entries), orders }))
    }

    /// The header that carries them.
    pub fn header(&self) -> HeaderName {
        header(&self.settings)
    }

    /// The assertion about the holder of a token that calls `api`.
    pub async fn about(&self, app: &App, holder: &StoredHolder, api: &Api) -> Result<Arc<Made>, Unavailable> {
        let caller = holder.caller(api.id);
        let (now, keys) = (app.now(), app.keys.load_full());
        let key = self.key(&keys, (holder, &caller), api)?;
        if let Some(made) = self.kept.get(&key) {
            if now < made.until {
                return Ok(made);
            }
            self.kept.remove(&key);
        }
        self.kept.get_or_insert_async(&key, self.make((app, keys, now), (holder, &caller), api)).await
    }

    /// What tells assertions apart, so that a change of a tier or of the key holds from the next call on.
    fn key(
        &self,
        keys: &Keys,
        (holder, caller): (&StoredHolder, &Caller<'_>),
        api: &Api,
    ) -> Result<Key, Unavailable> {
        let signing = keys.signing.asserting(self.settings.algorithm).ok_or(Unavailable)?;
        let mut digest = digest::Context::new(&digest::SHA256);
        let generation = match holder {
            StoredHolder::Token { family, .. } => family.access.generation,
            StoredHolder::ApiKey(facts) => facts.key.generation,
        };
        digest.update(caller.family.1.as_bytes());
        digest.update(&generation.to_be_bytes());
        digest.update(api.id.as_bytes());
        let tier = caller.subscription.map_or("", |subscription| subscription.tier);
        let texts = [signing.kid(), &api.name, &holder.application().name, caller.application_tier, tier];
        for text in texts {
            digest.update(text.as_bytes());
            digest.update(&[0]);
        }
        Ok(digest.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    async fn make(
        &self,
        (app, keys, now): (&App, Arc<Keys>, Timestamp),
        (holder, caller): (&StoredHolder, &Caller<'_>),
        api: &Api,
    ) -> Result<Arc<Made>, Unavailable> {
        let life = i64::try_from(self.settings.validity).unwrap_or(i64::MAX);
        let application = holder.application();
        let (owner, _) = person(app, application.owner).await?;
        let (end_user, roles) = match caller.subject.kind {
            SubjectType::Application => (owner.clone(), Vec::new()),
            SubjectType::ApplicationUser => person(app, caller.subject.id).await?,
        };
        let subject = match holder {
            StoredHolder::Token { family, client } => subject(family, &client.client.consumer_key),
            // WSO2 has the application's owner there.
            StoredHolder::ApiKey(_) => qualified(&owner).into(),
        };
        let assertion = Assertion {
            subject: &subject,
            kind: caller.subject.kind,
            end_user: &qualified(&end_user),
            subscriber: &owner,
            application: AssertedApplication {
                id: &application.id.to_string(),
                name: &application.name,
                tier: &application.tier,
            },
            api: AssertedApi {
                name: &api.name,
                context: &api.path(),
                version: &api.version,
                tier: caller.subscription.map(|subscription| subscription.tier),
            },
            keys: caller.keys,
            roles: self.settings.user_claims.then_some(&roles),
            issued_at: now,
            expires_at: now.plus_seconds(life),
            id: &format!("{:032x}", u128::from_be_bytes(random(&*app.entropy))),
        };
        let (signed, answer) = oneshot::channel();
        let order = Order { claims: assertion.claims(&self.settings.dialect), keys, signed };
        self.orders.try_send(order).map_err(|_| {
            tracing::warn!("too many assertions wait to be signed");
            Unavailable
        })?;
        let value = answer.await.ok().flatten().ok_or(Unavailable)?;
        Ok(Arc::new(Made { value, until: now.plus_seconds(life - life / 10) }))
    }
}

/// The name and the roles of a user, who may be gone: then the name is empty.
async fn person(app: &App, id: PrincipalId) -> Result<(String, Vec<String>), Unavailable> {
    let user = app.store.user_by_id(id).await.map_err(|error| {
        tracing::error!(problem = %error, "a user cannot be read");
        Unavailable
    })?;
    Ok(user.map_or_else(Default::default, |facts| {
        (facts.user.name.clone(), facts.user.roles.iter().cloned().collect())
    }))
}

fn sign(settings: &BackendJwt, keys: &Keys, claims: &Map<String, Value>) -> Option<HeaderValue> {
    let key = keys.signing.asserting(settings.algorithm)?;
    let text = match settings.encoding {
        AssertionEncoding::Base64url => AssertionText::Base64Url,
        AssertionEncoding::Base64 => AssertionText::Base64,
    };
    let signed = sign_assertion(key, claims, text);
    let mut value = HeaderValue::from_str(signed.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests;
