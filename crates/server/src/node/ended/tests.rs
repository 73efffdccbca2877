use http::{HeaderValue, Method};
use latchkey_catalog::api::{Api, ApiDefinition, ApiState, Resource, Upgrades};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::SubscriptionState;
use latchkey_catalog::upstream::{Upstream, UpstreamUrl};
use latchkey_gateway::answer::Fault;
use latchkey_gateway::node::lease::Question;
use latchkey_gateway::node::wire::{Snapshot, SubscriptionFacts, TokenFacts, Told};
use latchkey_gateway::path::Target;
use latchkey_gateway::route::Transport;
use latchkey_oauth::client::KeyType;
use latchkey_oauth::entropy::SystemEntropy;
use latchkey_oauth::family::SubjectType;
use latchkey_oauth::id::FamilyId;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::node::link::{Link, Way};
use crate::node::lookup;
use crate::testing::config;

const API: EntryId = EntryId::from_bytes([7; 16]);
const CLIENT: PrincipalId = PrincipalId::from_bytes([2; 16]);
const BOUND: Duration = Duration::from_millis(300);

/// A node with an open stream; the test is its server.
struct Stage {
    source: RemoteSource,
    asked: Receiver<lookup::Asked>,
    stream: JoinHandle<Withdrawn>,
}

fn snapshot(state: ApiState) -> Snapshot {
    let (method, template) = ("GET".to_owned(), "/chat".to_owned());
    let definition = ApiDefinition {
        resources: vec![Resource { method, template, ..Resource::default() }],
        production: Some(Upstream::at(vec![UpstreamUrl::parse("http://127.0.0.1:1").unwrap()])),
        state,
        ..ApiDefinition::default()
    };
    let (context, version) = ("/talk".to_owned(), "1".to_owned());
    let api = Api { id: API, name: "Talk".to_owned(), context, version, definition };
    Snapshot {
        apis: vec![api.into()],
        tiers: Vec::new(),
        sieve: None,
        denied: latchkey_catalog::deny::Denied::default(),
    }
}

fn holder(subscription: SubscriptionState) -> HolderFacts {
    let tier = "Unlimited".to_owned();
    HolderFacts {
        application: EntryId::from_bytes([8; 16]),
        application_tier: tier.clone(),
        consumer_key: Some("key".to_owned()),
        api_key: None,
        keys: KeyType::Production,
        subscriptions: vec![SubscriptionFacts { api: API, tier, state: subscription }],
    }
}

fn facts() -> TokenFacts {
    TokenFacts {
        bucket: 1,
        family: FamilyId::from_bytes([1; 16]),
        generation: 1,
        expires: None,
        scope: "default".to_owned(),
        device: None,
        client: CLIENT,
        client_epoch: 1,
        subject_type: SubjectType::Application,
        subject: CLIENT,
        subject_epoch: 1,
        holder: holder(SubscriptionState::Unblocked),
    }
}

impl Stage {
    fn set() -> Self {
        let link = Link::new("127.0.0.1:1".to_owned(), Way::Clear, HeaderValue::from_static("Bearer lkn_x"));
        let (lookups, asked) = Lookups::queue();
        let settings = [format!("revocation.bound={}ms", BOUND.as_millis())];
        let source = RemoteSource::new(&config(&[&settings[0]]), link, lookups, Arc::new(SystemEntropy));
        source.publish(snapshot(ApiState::Published)).unwrap();
        renew(&source);
        let opened = {
            let (routes, target) =
                (source.routes.load_full().unwrap(), Target::normalise("/talk/1/chat").unwrap());
            let route = routes.find(&Method::GET, &target, Transport::Http).unwrap();
            Opened::new((&Method::GET, &target), (&route, Transport::Http), Upgrades::None)
        };
        let known = Arc::new(Known::from_facts(&facts(), uptime()).unwrap());
        let with = RemoteHolder { known, facts: Arc::new(facts().holder), fence: source.table.fence() };
        let stream = tokio::spawn(Stream::new(&source, Some(&with), opened).ended());
        Self { source, asked, stream }
    }

    fn tell(&self, change: Told) {
        self.source.table.apply(change);
        self.source.heard.send_replace(());
    }

    /// The next question.
    async fn question(&mut self) -> lookup::Asked {
        timeout(Duration::from_secs(10), self.asked.recv()).await.expect("it asks").unwrap()
    }

    /// Waits for the question about the application and answers it.
    async fn answer(&mut self, facts: Option<HolderFacts>) {
        let lookup::Asked::Holder { client, caller } = self.question().await else {
            panic!("no token is asked about")
        };
        assert_eq!(client, CLIENT);
        caller.send(facts.map(Arc::new)).unwrap();
    }

    async fn end(&mut self) -> Withdrawn {
        timeout(Duration::from_secs(10), &mut self.stream).await.expect("the stream ends").unwrap()
    }
}

/// The server was heard just now.
fn renew(source: &RemoteSource) {
    assert!(source.lease.renew(Question { nonce: 1, sent: uptime() }, Some(1)));
}

#[tokio::test]
async fn what_an_application_may_call_is_asked_for_when_the_catalogue_has_changed() {
    let mut stage = Stage::set();
    stage.tell(Told::Catalogue);
    stage.answer(Some(holder(SubscriptionState::TierUpdatePending))).await;
    renew(&stage.source);
    stage.tell(Told::Catalogue);
    stage.answer(Some(holder(SubscriptionState::Blocked))).await;
    assert_eq!(stage.end().await, Fault::SubscriptionBlocked.into());
    let mut stage = Stage::set();
    stage.tell(Told::Catalogue);
    stage.answer(None).await;
    assert_eq!(stage.end().await, Cause::TokenRevoked.into());
}

#[tokio::test]
async fn an_answer_that_a_change_overtook_is_asked_for_again() {
    let mut stage = Stage::set();
    stage.tell(Told::Catalogue);
    let late = stage.question().await;
    stage.tell(Told::Catalogue);
    stage.answer(Some(holder(SubscriptionState::Blocked))).await;
    if let lookup::Asked::Holder { caller, .. } = late {
        // Nobody waits for it any more.
        let _ = caller.send(Some(Arc::new(holder(SubscriptionState::Unblocked))));
    }
    assert_eq!(stage.end().await, Fault::SubscriptionBlocked.into());
}

#[tokio::test]
async fn a_stream_ends_with_its_api() {
    for (state, fault) in [(ApiState::Blocked, Fault::ApiBlocked), (ApiState::Retired, Fault::UnknownApi)] {
        let mut stage = Stage::set();
        stage.tell(Told::Catalogue);
        stage.source.publish(snapshot(state)).unwrap();
        stage.answer(Some(holder(SubscriptionState::Unblocked))).await;
        assert_eq!(stage.end().await, fault.into());
    }
}

/// A server that is heard and does not answer keeps no stream open: what was known before the change holds until
/// the lease of that time ends, however often it is renewed.
#[tokio::test]
async fn what_is_not_answered_holds_no_longer_than_it_was_known_for() {
    let mut stage = Stage::set();
    let since = std::time::Instant::now();
    stage.tell(Told::Catalogue);
    let mut silent = Vec::new();
    let end = loop {
        tokio::select! {
            end = &mut stage.stream => break end.unwrap(),
            asked = stage.asked.recv() => silent.push(asked),
            () = sleep(BOUND / 10) => renew(&stage.source),
        }
        assert!(since.elapsed() < 10 * BOUND, "it goes on");
    };
    assert_eq!(end, Cause::ServerSilent.into());
    assert!(since.elapsed() < 2 * BOUND, "after {:?}", since.elapsed());
}
