//! The promise of a source, as a suite that any source can be put to, and the proof that the suite sees what
//! it is for: around the store's source, caches are planted that are wrong in the ways of known advisories,
//! and each must be found. The number in brackets is that of the security reference.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex as Lock;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use latchkey_catalog::tier::{Level, Limit, PastLimit, Tier, TierDetails, Unit, Window};
use latchkey_oauth::client::{GrantType, TokenFormat};
use latchkey_oauth::family::Epochs;
use latchkey_store::unit::CatalogueChange;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::admin::application::{self, NewApplication, Reference};
use crate::admin::text::SecretText;
use crate::admin::{self, Command, Reply, token, user};
use crate::testing::{Installation, home};

/// What is wrong with a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// It keeps the decision about a token (section 0.3 of the reference).
    Decision,
    /// It knows a JWT by its signature (V02).
    Signature,
    /// It is emptied by a revocation, and filled by what was looked up before it (I8).
    LateFill,
    /// It remembers epochs (V07 to V11).
    Epoch,
    /// It remembers the catalogue (V76).
    Catalogue,
}

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Broken {
    Revoked,
    Forged,
    RevokedInFlight,
    Reset,
    CatalogueChanged,
}

/// A lookup that is held up between what it found and its answer.
struct Held {
    found: oneshot::Sender<()>,
    go_on: oneshot::Receiver<()>,
}

/// The bucket and the number of a family.
type FamilyName = (u16, [u8; 16]);

/// The store's source behind a cache with a fault.
struct Planted {
    source: StoreSource,
    fault: Fault,
    alive: Lock<HashMap<String, StoredHolder>>,
    signed: Lock<HashMap<String, Secret>>,
    epochs: Lock<HashMap<FamilyName, Option<Epochs>>>,
    routes: Lock<Option<Arc<Routes>>>,
    held: Lock<Option<Held>>,
}

impl Planted {
    fn new(app: &Arc<App>, fault: Fault) -> Arc<Self> {
        Arc::new(Self {
            source: StoreSource::new(Arc::clone(app)),
            fault,
            alive: Lock::default(),
            signed: Lock::default(),
            epochs: Lock::default(),
            routes: Lock::default(),
            held: Lock::default(),
        })
    }

    /// What a gateway hears of a revocation before it is answered.
    fn hear_of_revocation(&self, token: &Secret) {
        if self.fault == Fault::LateFill {
            self.alive.lock().unwrap().remove(token.expose());
        }
    }

    fn cached(&self, token: &Secret) -> Option<StoredHolder> {
        let alive = self.alive.lock().unwrap();
        alive.get(token.expose()).cloned().filter(|_| matches!(self.fault, Fault::Decision | Fault::LateFill))
    }

    /// The token that is looked up for a presented one.
    fn signer(&self, token: &Secret) -> Secret {
        let signature = token.expose().rsplit('.').next().unwrap_or_default().to_owned();
        if self.fault != Fault::Signature || signature == token.expose() {
            return token.clone();
        }
        self.signed.lock().unwrap().entry(signature).or_insert_with(|| token.clone()).clone()
    }

    /// Judges by the epochs that held when the family was first seen.
    async fn by_old_epochs(&self, token: &Secret) -> Option<StoredHolder> {
        let app = &self.source.app;
        let found = Tokens::new(app).resolve(token).await.unwrap()?;
        let family = found.held.family;
        let key = (family.bucket.number(), *family.id.as_bytes());
        let epochs = *self.epochs.lock().unwrap().entry(key).or_insert(found.held.epochs);
        let client = app.store.client_by_id(family.client).await.unwrap()?;
        let alive = family.accepts_access(found.reference.generation, epochs, app.now());
        alive.then_some(StoredHolder::Token { family, client })
    }
}

impl Source for Planted {
    type Holder = StoredHolder;

    fn ended(
        &self,
        holder: Option<&StoredHolder>,
        opened: Opened,
    ) -> impl Future<Output = Withdrawn> + Send + 'static {
        self.source.ended(holder, opened)
    }

    async fn routes(&self) -> Result<Arc<Routes>, Unavailable> {
        let kept = self.routes.lock().unwrap().clone();
        if let Some(kept) = kept.filter(|_| self.fault == Fault::Catalogue) {
            return Ok(kept);
        }
        let routes = self.source.routes().await?;
        *self.routes.lock().unwrap() = Some(Arc::clone(&routes));
        Ok(routes)
    }

    fn routes_at_hand(&self) -> Option<Arc<Routes>> {
        if self.fault == Fault::None { self.source.routes_at_hand() } else { None }
    }

    fn token_at_hand(&self, token: &Secret, now: Timestamp) -> Option<Presented<StoredHolder>> {
        if self.fault == Fault::None { self.source.token_at_hand(token, now) } else { None }
    }

    async fn token(&self, token: &Secret) -> Result<Presented<StoredHolder>, Unavailable> {
        if let Some(holder) = self.cached(token) {
            return Ok(Presented::Alive(holder));
        }
        let answer = match self.fault {
            Fault::Epoch => match self.by_old_epochs(token).await {
                Some(holder) => Presented::Alive(holder),
                None => self.source.token(token).await?,
            },
            Fault::None | Fault::Decision | Fault::Signature | Fault::LateFill | Fault::Catalogue => {
                self.source.token(&self.signer(token)).await?
            }
        };
        let held = self.held.lock().unwrap().take();
        if let Some(Held { found, go_on }) = held {
            found.send(()).unwrap();
            go_on.await.unwrap();
        }
        if let Presented::Alive(holder) = &answer {
            self.alive.lock().unwrap().insert(token.expose().to_owned(), holder.clone());
        }
        Ok(answer)
    }
}

/// An installation with an application for each format of tokens.
struct Stage {
    at: Installation,
    _home: TempDir,
    source: Arc<Planted>,
}

impl Stage {
    async fn set(fault: Fault) -> Self {
        let home = home();
        let at = Installation::open(&home, &["store.url=memory:"]).await;
        let password = SecretText(Secret::new("correct horse"));
        let add = user::Command::Add { name: "alice".to_owned(), password, roles: [].into() };
        at.done(Command::User(add)).await;
        for (name, format) in [("Opaque", TokenFormat::Opaque), ("Jwt", TokenFormat::Jwt)] {
            let new = NewApplication {
                name: name.to_owned(),
                owner: "alice".to_owned(),
                grants: GrantType::ALL.into(),
                token_format: Some(format),
                ..NewApplication::default()
            };
            at.execute(Command::Application(application::Command::Create(Box::new(new)))).await.unwrap();
        }
        let source = Planted::new(&at.app, fault);
        Self { at, _home: home, source }
    }

    /// A token that every cache has seen.
    async fn warm(&self, application: &str, scope: &str) -> Secret {
        let application = Reference { name: application.to_owned(), owner: None };
        let command = token::Command::Issue { application, scope: Some(scope.to_owned()), validity: None };
        let reply = self.at.execute(Command::Token(command)).await;
        let Ok(Reply::Issued(answer)) = reply else { panic!("not issued: {reply:?}") };
        let token = Secret::new(answer["access_token"].as_str().unwrap());
        for _ in 0..3 {
            assert!(self.is_alive(&token).await, "a good token");
        }
        token
    }

    /// Whether either way of asking takes the token.
    async fn is_alive(&self, token: &Secret) -> bool {
        let at_hand = self.source.token_at_hand(token, self.at.app.now());
        let asked = self.source.token(token).await.unwrap();
        matches!(at_hand, Some(Presented::Alive(_))) || matches!(asked, Presented::Alive(_))
    }

    async fn revoke(&self, token: &Secret) {
        let command = token::Command::RevokeToken { token: SecretText(token.clone()) };
        self.at.done(Command::Token(command)).await;
        self.source.hear_of_revocation(token);
    }

    async fn gold(&self) -> Option<u64> {
        let routes = match self.source.routes_at_hand() {
            Some(routes) => routes,
            None => self.source.routes().await.unwrap(),
        };
        let gold = routes.tiers().subscription("Gold").unwrap();
        gold.and_then(|tier| tier.limit).map(|limit| limit.calls)
    }

    /// Puts the source to everything that was promised.
    async fn broken(&self) -> BTreeSet<Broken> {
        let mut broken = BTreeSet::new();
        let mut check = |kind, is_broken: bool| {
            if is_broken {
                broken.insert(kind);
            }
        };
        for application in ["Opaque", "Jwt"] {
            let token = self.warm(application, "device_revoked").await;
            self.revoke(&token).await;
            check(Broken::Revoked, self.is_alive(&token).await);
            check(Broken::RevokedInFlight, self.lives_by_a_late_answer(application).await);
            let token = self.warm(application, "device_reset").await;
            let reference = Reference { name: application.to_owned(), owner: None };
            let command = application::Command::RegenerateSecret(reference);
            self.at.execute(Command::Application(command)).await.unwrap();
            self.source.hear_of_revocation(&token);
            check(Broken::Reset, self.is_alive(&token).await);
        }
        check(Broken::Forged, self.is_alive(&self.forged().await).await);
        check(Broken::CatalogueChanged, self.keeps_an_old_tier().await);
        broken
    }

    /// The signature of a token that is good and known, under another payload.
    async fn forged(&self) -> Secret {
        let token = self.warm("Jwt", "device_mine").await;
        let parts: Vec<&str> = token.expose().split('.').collect();
        let payload = String::from_utf8(BASE64.decode(parts[1]).unwrap()).unwrap();
        let other = payload.replace("device_mine", "device_evil");
        assert_ne!(payload, other);
        Secret::new(format!("{}.{}.{}", parts[0], BASE64.encode(other), parts[2]))
    }

    /// Whether a token that was revoked while it was looked up is alive afterwards.
    async fn lives_by_a_late_answer(&self, application: &str) -> bool {
        let token = self.warm(application, "device_late").await;
        self.source.alive.lock().unwrap().clear();
        let ((found, is_found), (release, go_on)) = (oneshot::channel(), oneshot::channel());
        *self.source.held.lock().unwrap() = Some(Held { found, go_on });
        let (source, asked) = (Arc::clone(&self.source), token.clone());
        let lookup = tokio::spawn(async move { source.token(&asked).await.map(drop) });
        is_found.await.unwrap();
        self.revoke(&token).await;
        release.send(()).unwrap();
        lookup.await.unwrap().unwrap();
        self.is_alive(&token).await
    }

    async fn keeps_an_old_tier(&self) -> bool {
        assert!(self.gold().await.is_some());
        let limit = Some(Limit { calls: 7, window: Window::one(Unit::Minute) });
        let (level, past_limit) = (Level::Subscription, PastLimit::Refuse);
        let gold = Tier {
            name: "Gold".to_owned(),
            level,
            limit,
            burst: None,
            past_limit,
            details: TierDetails::default(),
        };
        admin::change(&self.at.app, CatalogueChange::PutTier(gold), "test").await.unwrap().unwrap();
        self.gold().await != Some(7)
    }
}

#[tokio::test]
async fn the_store_keeps_every_promise() {
    assert_eq!(Stage::set(Fault::None).await.broken().await, [].into());
}

#[tokio::test]
async fn every_planted_fault_is_found_by_the_promise_that_it_breaks() {
    let planted = [
        (Fault::Decision, [Broken::Revoked, Broken::RevokedInFlight, Broken::Reset].into()),
        (Fault::Signature, [Broken::Forged].into()),
        (Fault::LateFill, [Broken::RevokedInFlight].into()),
        (Fault::Epoch, [Broken::Reset].into()),
        (Fault::Catalogue, [Broken::CatalogueChanged].into()),
    ];
    for (fault, expected) in planted {
        assert_eq!(Stage::set(fault).await.broken().await, expected, "{fault:?}");
    }
}
