//! A store under test, with the clock, the people and the applications of a case.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use latchkey_catalog::api::{Api, ApiDefinition};
use latchkey_catalog::application::Application;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::{Subscription, UNLIMITED};
use latchkey_catalog::user::{Bar, Profile, User, UserChange, UserState};
use latchkey_oauth::client::{Client, ClientMetadata, GrantType, KeyType, TokenFormat, Validities};
use latchkey_oauth::clock::{Clock, ManualClock, Timestamp};
use latchkey_oauth::entropy::{Entropy, SeededEntropy, random};
use latchkey_oauth::family::{Epochs, Family, Validity};
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::issuance::Decision;
use latchkey_oauth::keyring::SecretMac;
use latchkey_oauth::revocation::{Reason, Selector};
use latchkey_oauth::rotation::Rotation;
use latchkey_store::Store;
use latchkey_store::facts::HeldFamily;
use latchkey_store::memory::MemoryStore;
use latchkey_store::rows::StoredEvent;
use latchkey_store::unit::{
    CatalogueChange, Change, ChangeRefused, Ending, IssueOutcome, NewClient, RefreshOutcome,
};

use crate::ask::{Ask, Turn};

/// When every case begins.
pub(crate) const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

/// The bounds that a case may want to be narrow.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) event_max: u64,
    pub(crate) queue: usize,
    pub(crate) batch: usize,
    pub(crate) cache_entries: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self { event_max: 100_000, queue: 4096, batch: 512, cache_entries: 10_000 }
    }
}

/// A kind of store: how to open it, and how to look at what it left behind.
#[async_trait]
pub(crate) trait Kind: Send + Sync {
    /// Opens the store of this lab; a durable one finds what it held.
    async fn open(&self, setup: &Setup, clock: Arc<dyn Clock>) -> Arc<dyn Store>;

    /// Looks past the store at what it keeps and says what does not agree.
    fn audit(&self) -> Vec<String> {
        Vec::new()
    }
}

/// One store of one case.
pub(crate) struct Lab {
    desk: Desk,
    kind: Box<dyn Kind>,
}

impl Lab {
    /// A fresh store of this kind.
    pub(crate) async fn open(kind: Box<dyn Kind>) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let store = kind.open(&Setup::default(), clock.clone()).await;
        Self { desk: Desk { store, clock, entropy: Arc::new(SeededEntropy::new(1)) }, kind }
    }

    /// Closes the store and opens it again, with these bounds.
    pub(crate) async fn reopen(&mut self, setup: &Setup) {
        self.desk.store = Arc::new(MemoryStore::new(self.desk.clock.clone(), 1));
        self.desk.store = self.kind.open(setup, self.desk.clock.clone()).await;
    }

    /// Everybody who may use the store at once.
    pub(crate) fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// What holds after every case: the log is whole, and rows that count others count right.
    pub(crate) async fn audit(&self) {
        let events = self.events().await;
        let numbers: Vec<u64> = events.iter().map(|event| event.position.seq).collect();
        assert!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "the log has gaps: {numbers:?}");
        let last = self.store.position().await.unwrap().seq;
        assert_eq!(numbers.last().copied().unwrap_or(last), last, "the last event is the position");
        assert_eq!(self.kind.audit(), Vec::<String>::new(), "what the store keeps agrees with itself");
    }
}

impl Deref for Lab {
    type Target = Desk;

    fn deref(&self) -> &Desk {
        &self.desk
    }
}

/// A place to work at a store; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    entropy: Arc<SeededEntropy>,
}

/// An application with its one client.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) application: EntryId,
    pub(crate) client: PrincipalId,
    pub(crate) key: String,
}

impl Desk {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn draw<const N: usize>(&self) -> [u8; N] {
        random(self.entropy.as_ref() as &dyn Entropy)
    }

    pub(crate) fn principal(&self) -> PrincipalId {
        PrincipalId::draw(self.entropy.as_ref())
    }

    pub(crate) fn entry(&self) -> EntryId {
        EntryId::draw(self.entropy.as_ref())
    }

    /// A user who is not yet anywhere.
    pub(crate) fn new_user(&self, name: &str, roles: &[&str]) -> User {
        User {
            id: self.principal(),
            name: name.to_owned(),
            password: format!("$argon2id$of {name}"),
            roles: words(roles),
            state: UserState::Active,
            profile: Profile::default(),
            created_at: self.now(),
            updated_at: self.now(),
        }
    }

    /// Adds a user.
    pub(crate) async fn user(&self, name: &str) -> PrincipalId {
        let user = self.new_user(name, &["reader"]);
        let id = user.id;
        self.change(CatalogueChange::AddUser(user)).await;
        id
    }

    /// A client that is not yet anywhere.
    pub(crate) fn new_client(&self) -> NewClient {
        let client = Client {
            id: self.principal(),
            consumer_key: latchkey_oauth::client::draw_consumer_key(self.entropy.as_ref()),
            secrets: vec![SecretMac { key: 1, tag: self.draw() }],
            further_secrets: Vec::new(),
            grants: GrantType::ALL.into_iter().collect(),
            token_format: TokenFormat::Opaque,
            key_type: KeyType::Production,
            validities: Validities {
                application: Validity::Seconds(3600),
                user: Validity::Forever,
                refresh: Validity::Seconds(86400),
            },
            metadata: ClientMetadata::default(),
        };
        NewClient { client, sealed_secret: self.draw::<60>().to_vec() }
    }

    /// An application that is not yet anywhere.
    pub(crate) fn new_application(&self, name: &str, owner: PrincipalId) -> Application {
        Application::registered(self.entry(), name, owner, self.now())
    }

    /// Adds an application with its client.
    pub(crate) async fn app(&self, name: &str, owner: PrincipalId) -> App {
        let application = self.new_application(name, owner);
        let client = self.new_client();
        let app = App {
            application: application.id,
            client: client.client.id,
            key: client.client.consumer_key.clone(),
        };
        self.change(CatalogueChange::AddApplication(application, Some(Box::new(client)), Vec::new())).await;
        app
    }

    /// Alice, and an application of hers.
    pub(crate) async fn alice(&self) -> (PrincipalId, App) {
        let alice = self.user("alice").await;
        let app = self.app("Phone book", alice).await;
        (alice, app)
    }

    /// Publishes an API with scopes, each with the one role that may have it.
    pub(crate) async fn api(&self, context: &str, scopes: &[(&str, &str)]) -> Api {
        let scopes: BTreeMap<String, BTreeSet<String>> =
            scopes.iter().map(|(scope, role)| ((*scope).to_owned(), words(&[role]))).collect();
        let api = Api {
            id: self.entry(),
            name: context.trim_start_matches('/').to_owned(),
            context: context.to_owned(),
            version: "1.0.0".to_owned(),
            definition: ApiDefinition { scopes, ..ApiDefinition::default() },
        };
        self.change(CatalogueChange::PutApi(api.clone())).await;
        api
    }

    pub(crate) async fn subscribe(&self, app: &App, api: &Api) {
        let subscription = subscription((app.application, api.id), UNLIMITED);
        self.change(CatalogueChange::Subscribe(subscription)).await;
    }

    /// Makes a change that is expected to be made.
    pub(crate) async fn change(&self, what: impl Into<CatalogueChange>) {
        assert_eq!(self.try_change(what).await, Ok(()), "the change is made");
    }

    pub(crate) async fn try_change(&self, what: impl Into<CatalogueChange>) -> Result<(), ChangeRefused> {
        self.store.change(Change { what: what.into(), actor: "admin".to_owned() }).await.unwrap()
    }

    /// The epochs that a request of `ask` would see now; zeros where one of the two is gone.
    pub(crate) async fn seen(&self, ask: &Ask) -> Epochs {
        let client = self.store.client_by_id(ask.client).await.unwrap().map_or(0, |facts| facts.epoch);
        if ask.subject.id == ask.client {
            return Epochs { client, subject: client };
        }
        let subject = self.store.user_by_id(ask.subject.id).await.unwrap().map_or(0, |facts| facts.epoch);
        Epochs { client, subject }
    }

    /// Asks for tokens, with the epochs as they now are unless `ask` says otherwise.
    pub(crate) async fn issue(&self, ask: &Ask) -> IssueOutcome {
        let seen = match ask.seen {
            Some(seen) => seen,
            None => self.seen(ask).await,
        };
        self.store.issue(ask.unit(self, seen)).await.unwrap()
    }

    /// Asks for tokens that are expected to be given.
    pub(crate) async fn decided(&self, ask: &Ask) -> (Arc<Family>, Decision) {
        match self.issue(ask).await {
            IssueOutcome::Issued { family, decision } => (family, decision),
            other @ (IssueOutcome::Stale | IssueOutcome::LimitReached) => {
                panic!("tokens were expected, not {other:?}")
            }
        }
    }

    /// The same, without how they came about.
    pub(crate) async fn issued(&self, ask: &Ask) -> Arc<Family> {
        self.decided(ask).await.0
    }

    /// Presents a refresh token.
    pub(crate) async fn refresh(&self, turn: &Turn) -> RefreshOutcome {
        self.store.refresh(turn.unit(self)).await.unwrap()
    }

    /// Presents a refresh token that is expected to be followed by another.
    pub(crate) async fn rotated(&self, turn: &Turn) -> Arc<Family> {
        let outcome = self.refresh(turn).await;
        assert_eq!(outcome.rotation, Rotation::Rotate);
        outcome.family.expect("a rotation has a family")
    }

    /// Ends one family as its client would; whether there was one.
    pub(crate) async fn end(&self, family: &Family) -> u64 {
        self.end_all(Selector::Family { bucket: family.bucket, id: family.id }).await
    }

    pub(crate) async fn end_all(&self, selector: Selector) -> u64 {
        let ending = Ending { selector, reason: Reason::ClientRequest, actor: Some("admin".to_owned()) };
        self.store.end(ending).await.unwrap()
    }

    pub(crate) async fn held(&self, family: &Family) -> Option<HeldFamily> {
        self.store.family(family.bucket, family.id).await.unwrap()
    }

    /// Whether anything of the family is still accepted.
    pub(crate) async fn is_alive(&self, family: &Family) -> bool {
        let now = self.now();
        self.held(family).await.is_some_and(|held| held.family.is_alive(held.epochs, now))
    }

    /// Whether the access token that `family` had, when it looked like this, is accepted.
    pub(crate) async fn accepts(&self, family: &Family) -> bool {
        let now = self.now();
        let held = self.held(family).await;
        held.is_some_and(|held| held.family.accepts_access(family.access.generation, held.epochs, now))
    }

    /// How many of these are accepted.
    pub(crate) async fn accepted(&self, families: &[Arc<Family>]) -> usize {
        let mut accepted = 0;
        for family in families {
            accepted += usize::from(self.accepts(family).await);
        }
        accepted
    }

    /// All events that are kept.
    pub(crate) async fn events(&self) -> Vec<StoredEvent> {
        self.events_after(0).await
    }

    pub(crate) async fn events_after(&self, after: u64) -> Vec<StoredEvent> {
        self.store.events(after, 1_000_000).await.unwrap()
    }

    pub(crate) async fn seq(&self) -> u64 {
        self.store.position().await.unwrap().seq
    }
}

/// Keeps a user from signing in.
pub(crate) fn bar(user: PrincipalId, bar: Bar) -> CatalogueChange {
    CatalogueChange::UpdateUsers(vec![(user, vec![UserChange::Bar(bar)])])
}

/// Takes away what does.
pub(crate) fn unbar(user: PrincipalId, bar: Bar) -> CatalogueChange {
    CatalogueChange::UpdateUsers(vec![(user, vec![UserChange::Unbar(bar)])])
}

/// A set of words.
pub(crate) fn words(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A subscription from the beginning of a case. Its id is made of its key, so that who asks twice says the same.
pub(crate) fn subscription((application, api): (EntryId, EntryId), tier: &str) -> Subscription {
    let (one, other) = (u128::from_be_bytes(*application.as_bytes()), u128::from_be_bytes(*api.as_bytes()));
    let id = EntryId::from_bytes((one ^ other.rotate_left(1)).to_be_bytes());
    Subscription::new(id, (application, api), tier, START)
}
