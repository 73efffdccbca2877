//! Whether somebody is the user they say they are.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use latchkey_catalog::user::UserState;
use latchkey_oauth::client_authentication::Basic;
use latchkey_oauth::entropy::{Entropy, random};
use latchkey_oauth::event::{Event, EventKind};
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::introspection::unqualified;
use latchkey_oauth::refusal::Refusal;
use latchkey_oauth::secret::Secret;
use latchkey_store::facts::UserFacts;
use latchkey_store::unit::{CatalogueChange, Change};
use quick_cache::sync::Cache;

use crate::app::{App, unavailable};
use crate::config;
use crate::network::{Network, Peer};
use crate::passwords::brakes::{self, Brakes};
use crate::passwords::{self, Passwords, Settings, Source, Verdict};

/// The most administrators remembered between calls with Basic.
const REMEMBERED: usize = 1000;

/// Where an attempt to sign in comes from.
#[derive(Debug, Clone)]
pub struct Attempt {
    network: Network,
    client: Arc<str>,
}

impl Attempt {
    /// The source of a request through a client; no client has the empty key.
    pub fn of(peer: Peer, consumer_key: &str) -> Self {
        Self { network: peer.client.into(), client: consumer_key.into() }
    }

    fn source(&self) -> Source {
        Source { network: self.network, client: Arc::clone(&self.client) }
    }
}

/// Password checks: the pool that hashes, the brakes on guessing, and the administrators who have just
/// been verified.
#[derive(Debug)]
pub struct SignIn {
    /// The pool.
    pub pool: Passwords,
    brakes: Mutex<Brakes>,
    basic: Remembered,
}

/// Names and passwords verified not long ago, as HMACs under a key that dies with the process; each with
/// the user's epoch at that time, so that a reset of the user forgets them.
#[derive(Debug)]
struct Remembered {
    key: hmac::Key,
    users: Cache<[u8; 32], (PrincipalId, u64)>,
}

impl Remembered {
    fn digest(&self, basic: &Basic) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(basic.name.as_bytes());
        context.update(&[0]);
        context.update(basic.password.expose().as_bytes());
        context.sign().as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
    }
}

impl SignIn {
    /// Starts the pool's threads.
    pub fn start(settings: &config::Passwords, entropy: &dyn Entropy) -> std::io::Result<Self> {
        Ok(Self {
            pool: Passwords::start(&Settings::from(settings))?,
            brakes: Mutex::new(Brakes::new(brakes::Rules::from(settings))),
            basic: Remembered {
                key: hmac::Key::new(hmac::HMAC_SHA256, &random::<32>(entropy)),
                users: Cache::new(REMEMBERED),
            },
        })
    }

    fn brakes<T>(&self, use_them: impl FnOnce(&mut Brakes) -> T) -> T {
        use_them(&mut self.brakes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Verifies a name and a password. `None` is every reason why they are not accepted: no such user, another
/// password, a locked account; all cost and look the same.
pub async fn verify(
    app: &App,
    name: &str,
    password: &Secret,
    attempt: &Attempt,
) -> Result<Option<Arc<UserFacts>>, Refusal> {
    let name = unqualified(name);
    let admitted =
        app.sign_in.brakes(|brakes| brakes.admit(name, attempt.network, app.now())).map_err(|braked| {
            Refusal::TooManyAttempts { retry_after: u32::try_from(braked.retry_after).unwrap_or(u32::MAX) }
        })?;
    let user = match app.store.user(name).await {
        Ok(user) => user,
        Err(error) => {
            app.sign_in.brakes(|brakes| brakes.withdrawn(admitted));
            return Err(unavailable(error));
        }
    };
    let stored = user.as_deref().map(|user| user.user.password.as_str());
    let verdict = match app.sign_in.pool.verify(attempt.source(), password.clone(), stored).await {
        Ok(verdict) => verdict,
        Err(passwords::Refusal::TooLong) => Verdict::Wrong,
        Err(passwords::Refusal::Busy { .. }) => {
            app.sign_in.brakes(|brakes| brakes.withdrawn(admitted));
            app.metrics.password_refused();
            return Err(Refusal::Busy);
        }
    };
    let right = matches!(verdict, Verdict::Right | Verdict::RightButRehash);
    let accepted = user.clone().filter(|user| right && user.user.state == UserState::Active);
    if let Some(user) = accepted {
        app.sign_in.brakes(|brakes| brakes.succeeded(admitted, app.now()));
        if verdict == Verdict::RightButRehash {
            rehash(app, &user, password, attempt).await;
        }
        return Ok(Some(user));
    }
    if verdict == Verdict::Unreadable {
        tracing::error!(user = %name, "the stored password of a user is unreadable; set it anew");
    }
    app.sign_in.brakes(|brakes| brakes.failed(admitted, app.now()));
    note_failure(app, user.as_deref()).await;
    Ok(None)
}

/// Verifies a Basic header. Who was verified not long ago and has not been reset since is not hashed again.
pub async fn verify_basic(
    app: &App,
    basic: &Basic,
    attempt: &Attempt,
) -> Result<Option<Arc<UserFacts>>, Refusal> {
    let remembered = &app.sign_in.basic;
    let digest = remembered.digest(basic);
    if let Some((id, epoch)) = remembered.users.get(&digest) {
        let user = app.store.user_by_id(id).await.map_err(unavailable)?;
        let same = |user: &Arc<UserFacts>| user.epoch == epoch && user.user.state == UserState::Active;
        if let Some(user) = user.filter(same) {
            return Ok(Some(user));
        }
        remembered.users.remove(&digest);
    }
    let user = verify(app, &basic.name, &basic.password, attempt).await?;
    if let Some(user) = &user {
        remembered.users.insert(digest, (user.user.id, user.epoch));
    }
    Ok(user)
}

/// Keeps the password under today's cost. That it could not be kept matters to nobody.
async fn rehash(app: &App, user: &UserFacts, password: &Secret, attempt: &Attempt) {
    let hash = app.sign_in.pool.hash(attempt.source(), password.clone(), &*app.entropy).await;
    let Ok(to) = hash else { return };
    let what = CatalogueChange::RehashPassword { user: user.user.id, from: user.user.password.clone(), to };
    let change = Change { what, actor: user.user.name.clone() };
    if let Err(error) = app.store.change(change).await {
        tracing::warn!(problem = %error, "a password could not be hashed anew");
    }
}

/// Notes a failure in the event log: the user's id where there is such a user, never the name that was
/// typed, which may be a password in the wrong field.
async fn note_failure(app: &App, user: Option<&UserFacts>) {
    let event = Event {
        at: app.now(),
        kind: EventKind::SignInFailure,
        client: None,
        subject: user.map(|user| user.user.id),
        family: None,
        reason: None,
        actor: None,
    };
    if let Err(error) = app.store.append(event).await {
        tracing::warn!(problem = %error, "a failed sign-in could not be noted");
    }
}
