use latchkey_catalog::api::{Api, ApiDefinition, ApiState, Resource};
use latchkey_catalog::deny::{Denied, DeniedAddresses, Side};
use latchkey_catalog::resource::Authentication;
use latchkey_catalog::subscription::SubscriptionState;
use latchkey_catalog::upstream::{Upstream, UpstreamUrl};
use latchkey_oauth::client::KeyType;
use latchkey_oauth::family::{Subject, SubjectType};
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::scope::Scope;

use super::*;
use crate::authorize::{Caller, Credential, Subscribed};
use crate::route::Denial;

const API: EntryId = EntryId::from_bytes([7; 16]);
const OTHER: EntryId = EntryId::from_bytes([6; 16]);

/// Alice's application, and what it is subscribed with.
struct Alice(Scope, Option<SubscriptionState>);

impl Holder for Alice {
    fn caller(&self, api: EntryId) -> Caller<'_> {
        assert_eq!(api, API);
        Caller {
            application: EntryId::from_bytes([8; 16]),
            application_tier: "Unlimited",
            credential: Credential::Token,
            consumer_key: Some("key"),
            keys: KeyType::Production,
            subject: Subject { kind: SubjectType::ApplicationUser, id: PrincipalId::from_bytes([9; 16]) },
            scope: &self.0,
            subscription: self.1.map(|state| Subscribed { state, tier: "Unlimited" }),
            device: None,
            family: (Bucket::new(1).unwrap(), FamilyId::from_bytes([1; 16])),
        }
    }
}

/// An API on which a `WebSocket` may be opened with a token that has `read`.
fn api() -> Api {
    let resource = Resource {
        method: "GET".to_owned(),
        template: "/chat/*".to_owned(),
        scopes: ["read".to_owned()].into(),
        ..Resource::default()
    };
    let definition = ApiDefinition {
        resources: vec![resource],
        scopes: [("read".to_owned(), [].into())].into(),
        production: Some(Upstream::at(vec![UpstreamUrl::parse("http://127.0.0.1:1").unwrap()])),
        upgrades: Upgrades::WebSocket,
        ..ApiDefinition::default()
    };
    let (context, version) = ("/talk".to_owned(), "1".to_owned());
    Api { id: API, name: "Talk".to_owned(), context, version, definition }
}

fn routes(api: Api) -> Routes {
    let (routes, unrouted) = Routes::build([api]);
    assert_eq!(unrouted, []);
    routes
}

fn alice(subscription: Option<SubscriptionState>) -> Alice {
    Alice(Scope::parse("read").unwrap(), subscription)
}

fn opened(api: Api, became: Upgrades) -> Opened {
    let (routes, target) = (routes(api), Target::normalise("/talk/1/chat/%7Eroom?token=x").unwrap());
    let route = routes.find(&Method::GET, &target, Transport::Http).unwrap();
    Opened::new((&Method::GET, &target), (&route, Transport::Http), became)
}

/// A name, what changes, and what the call is answered from then on.
type Case = (&'static str, fn(&mut Api), Result<(), Fault>);

#[test]
fn what_would_stop_the_call_stops_its_stream() {
    let cases: [Case; 12] = [
        ("nothing", |_| {}, Ok(())),
        ("deprecated", |api| api.definition.state = ApiState::Deprecated, Ok(())),
        ("renamed", |api| "Speech".clone_into(&mut api.name), Ok(())),
        ("blocked", |api| api.definition.state = ApiState::Blocked, Err(Fault::ApiBlocked)),
        ("retired", |api| api.definition.state = ApiState::Retired, Err(Fault::UnknownApi)),
        ("unpublished", |api| api.definition.state = ApiState::Created, Err(Fault::UnknownApi)),
        ("another API at its path", |api| api.id = OTHER, Err(Fault::UnknownApi)),
        ("another context", |api| "/speech".clone_into(&mut api.context), Err(Fault::UnknownApi)),
        (
            "no such resource any more",
            |api| "/rooms".clone_into(&mut api.definition.resources[0].template),
            Err(Fault::from(Denial::UnknownResource)),
        ),
        (
            "another scope",
            |api| {
                api.definition.scopes.insert("admin".to_owned(), [].into());
                api.definition.resources[0].scopes = ["admin".to_owned()].into();
            },
            Err(Fault::InsufficientScope),
        ),
        (
            "tokens of applications alone",
            |api| api.definition.resources[0].authentication = Authentication::Application,
            Err(Fault::IncorrectTokenType),
        ),
        ("not over this listener", |api| api.definition.transports.http = false, Err(Fault::UnknownApi)),
    ];
    let stream = opened(api(), Upgrades::WebSocket);
    for (name, change, expected) in cases {
        let mut now = api();
        change(&mut now);
        let judged = stream.judge(&routes(now), Some(&alice(Some(SubscriptionState::Unblocked))));
        assert_eq!(judged, expected, "{name}");
    }
    let nothing = stream.judge(&Routes::default(), Some(&alice(Some(SubscriptionState::Unblocked))));
    assert_eq!(nothing, Err(Fault::UnknownApi), "deleted");
    for (state, expected) in [
        (Some(SubscriptionState::TierUpdatePending), Ok(())),
        (Some(SubscriptionState::Blocked), Err(Fault::SubscriptionBlocked)),
        (Some(SubscriptionState::ProdOnlyBlocked), Err(Fault::SubscriptionBlocked)),
        (Some(SubscriptionState::OnHold), Err(Fault::SubscriptionInactive)),
        (None, Err(Fault::NoSubscription)),
    ] {
        assert_eq!(stream.judge(&routes(api()), Some(&alice(state))), expected, "{state:?}");
    }
}

/// Whom or what a deny policy is about, and whether that stops the stream.
#[test]
fn a_deny_policy_stops_the_streams_that_it_denies() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let from = |first, side| Denied {
        addresses: vec![DeniedAddresses { first: address(first), last: address(first), side }],
        ..Denied::default()
    };
    let path = |path: &str| Denied { apis: [path.to_owned()].into(), ..Denied::default() };
    let application =
        |byte| Denied { applications: [EntryId::from_bytes([byte; 16])].into(), ..Denied::default() };
    let user = |byte| Denied { users: [PrincipalId::from_bytes([byte; 16])].into(), ..Denied::default() };
    let cases = [
        (Denied::default(), false, false),
        (path("/talk/1"), true, true),
        (path("/talk/2"), false, false),
        (application(8), true, false),
        (application(7), false, false),
        (user(9), true, false),
        (user(8), false, false),
        (from("192.0.2.7", Side::Inside), true, true),
        (from("192.0.2.7", Side::Outside), false, false),
        (from("192.0.2.8", Side::Inside), false, false),
        (from("192.0.2.8", Side::Outside), true, true),
    ];
    let origin = CallOrigin { client: address("192.0.2.7"), page: Page::Told(None) };
    let mut free = api();
    free.definition.resources[0].authentication = Authentication::None;
    free.definition.resources[0].scopes.clear();
    let (stream, nobodys) = (
        opened(api(), Upgrades::WebSocket).from(&origin),
        opened(free.clone(), Upgrades::None).from(&origin),
    );
    let trial = stream.clone().on_trial(KeyType::Production);
    for (denied, ends, ends_without_token) in cases {
        let judged = |is_denied: bool| if is_denied { Err(Fault::DENIED) } else { Ok(()) };
        let alice = alice(Some(SubscriptionState::Unblocked));
        let now = routes(api()).with_denied(denied.clone());
        assert_eq!(stream.judge(&now, Some(&alice)), judged(ends), "{denied:?}");
        let now = routes(free.clone()).with_denied(denied.clone());
        assert_eq!(nobodys.judge(&now, None::<&Alice>), judged(ends_without_token), "{denied:?}");
        let now = routes(api()).with_denied(denied.clone());
        assert_eq!(trial.judge(&now, None::<&Alice>), judged(ends_without_token), "{denied:?}");
    }
}

#[test]
fn a_tunnel_ends_where_the_api_takes_none_and_an_answer_does_not() {
    let mut now = api();
    now.definition.upgrades = Upgrades::None;
    let (now, alice) = (routes(now), alice(Some(SubscriptionState::Unblocked)));
    assert_eq!(opened(api(), Upgrades::WebSocket).judge(&now, Some(&alice)), Err(Fault::UnknownResource));
    assert_eq!(opened(api(), Upgrades::None).judge(&now, Some(&alice)), Ok(()));
}

#[test]
fn a_call_without_a_token_goes_on_as_long_as_none_is_asked_for() {
    let mut free = api();
    free.definition.resources[0].authentication = Authentication::None;
    free.definition.resources[0].scopes.clear();
    let stream = opened(free.clone(), Upgrades::None);
    let judge = |api: Api| stream.judge(&routes(api), None::<&Alice>);
    assert_eq!(judge(free.clone()), Ok(()));
    assert_eq!(judge(api()), Err(Fault::MissingCredentials));
    free.definition.state = ApiState::Blocked;
    assert_eq!(judge(free), Err(Fault::ApiBlocked));
}

/// An internal key stands for no subscription and asks for no scope, and its stream goes on as its call would.
#[test]
fn a_call_on_trial_goes_on_while_its_api_is_there_and_nothing_denies_it() {
    let client = "192.0.2.7".parse::<IpAddr>().unwrap();
    let origin = CallOrigin { client, page: Page::Told(None) };
    let stream = opened(api(), Upgrades::WebSocket).from(&origin);
    let judged = |stream: &Opened, routes: &Routes| stream.judge(routes, None::<&Alice>);
    assert_eq!(judged(&stream, &routes(api())), Err(Fault::MissingCredentials));
    let trial = stream.clone().on_trial(KeyType::Production);
    assert_eq!(judged(&trial, &routes(api())), Ok(()));
    let sandbox = stream.on_trial(KeyType::Sandbox);
    assert_eq!(judged(&sandbox, &routes(api())), Err(Fault::NoSandboxEndpoint));
    assert_eq!(judged(&trial, &routes(Api { id: OTHER, ..api() })), Err(Fault::UnknownApi));
    let denied = Denied { apis: ["/talk/1".to_owned()].into(), ..Denied::default() };
    assert_eq!(judged(&trial, &routes(api()).with_denied(denied)), Err(Fault::DENIED));
}
