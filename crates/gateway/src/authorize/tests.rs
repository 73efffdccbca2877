use std::collections::BTreeSet;

use http::{HeaderValue, Method};
use latchkey_catalog::api::{Api, ApiDefinition, Resource};
use latchkey_catalog::api_key::Forbidden;
use latchkey_catalog::upstream::UpstreamUrl;
use latchkey_oauth::family::SubjectType;
use latchkey_oauth::id::PrincipalId;

use super::*;
use crate::path::Target;
use crate::route::{Routes, Transport};

const API: EntryId = EntryId::from_bytes([7; 16]);

/// What one line of the table changes in a call that passes.
#[derive(Debug, Clone)]
struct Case {
    authentication: Authentication,
    needed: &'static [&'static str],
    audience: Option<&'static str>,
    has: (bool, bool),
    keys: KeyType,
    kind: SubjectType,
    scope: &'static str,
    subscription: Option<SubscriptionState>,
    /// The restrictions of an API key, which is shown instead of a token.
    key: Option<(&'static str, &'static str)>,
    client: &'static str,
    referers: &'static [&'static str],
}

const GOOD: Case = Case {
    authentication: Authentication::Any,
    needed: &["read", "write"],
    audience: None,
    has: (true, true),
    keys: KeyType::Production,
    kind: SubjectType::ApplicationUser,
    scope: "device_ipad write",
    subscription: Some(SubscriptionState::Unblocked),
    key: None,
    client: "192.0.2.1",
    referers: &[],
};

/// A call with an API key that passes.
const WITH_KEY: Case =
    Case { key: Some(("", "")), needed: &[], scope: "", kind: SubjectType::Application, ..GOOD };

fn upstream() -> Upstream {
    Upstream::at(vec![UpstreamUrl::parse("http://127.0.0.1:1").unwrap()])
}

impl Case {
    fn routes(&self) -> Routes {
        let resource = Resource {
            method: "GET".to_owned(),
            template: "/a".to_owned(),
            scopes: self.needed.iter().map(|scope| (*scope).to_owned()).collect(),
            authentication: self.authentication,
            ..Resource::default()
        };
        let definition = ApiDefinition {
            resources: vec![resource],
            scopes: self.needed.iter().map(|scope| ((*scope).to_owned(), BTreeSet::new())).collect(),
            production: self.has.0.then(upstream),
            sandbox: self.has.1.then(upstream),
            audiences: self.audience.map(str::to_owned).into_iter().collect(),
            ..ApiDefinition::default()
        };
        let (context, version) = ("/echo".to_owned(), "1".to_owned());
        let (routes, unrouted) =
            Routes::build([Api { id: API, name: "Echo".to_owned(), context, version, definition }]);
        assert_eq!(unrouted, []);
        routes
    }

    fn decide(&self) -> Result<(), Fault> {
        let (routes, target) = (self.routes(), Target::normalise("/echo/1/a").unwrap());
        let route = routes.find(&Method::GET, &target, Transport::Http).unwrap();
        let scope = Scope::parse(self.scope).unwrap();
        let restrictions =
            self.key.map(|(addresses, referers)| Restrictions::parse(addresses, referers).unwrap());
        let caller = Caller {
            application: EntryId::from_bytes([8; 16]),
            application_tier: "Unlimited",
            credential: match &restrictions {
                Some(restrictions) => Credential::ApiKey { name: "web", restrictions },
                None => Credential::Token,
            },
            consumer_key: restrictions.is_none().then_some("key"),
            keys: self.keys,
            subject: Subject { kind: self.kind, id: PrincipalId::from_bytes([9; 16]) },
            scope: &scope,
            subscription: self.subscription.map(|state| Subscribed { state, tier: "Unlimited" }),
            device: None,
            family: (Bucket::new(1).unwrap(), FamilyId::from_bytes([1; 16])),
        };
        let headers: HeaderMap =
            self.referers.iter().map(|value| (REFERER, HeaderValue::from_static(value))).collect();
        let origin = CallOrigin { client: self.client.parse().unwrap(), page: Page::In(&headers) };
        authorize(&route, &caller, &origin).map(drop)
    }
}

#[test]
fn a_call_passes_or_the_first_thing_against_it_is_said() {
    use SubscriptionState::{Blocked, OnHold, ProdOnlyBlocked, Rejected, TierUpdatePending};
    let sandbox = KeyType::Sandbox;
    let cases = [
        (GOOD, Ok(())),
        (Case { needed: &[], scope: "default", ..GOOD }, Ok(())),
        (Case { scope: "default", ..GOOD }, Err(Fault::InsufficientScope)),
        (Case { needed: &["device_ipad"], ..GOOD }, Err(Fault::InsufficientScope)),
        (Case { authentication: Authentication::User, ..GOOD }, Ok(())),
        (Case { authentication: Authentication::Application, ..GOOD }, Err(Fault::IncorrectTokenType)),
        (
            Case { authentication: Authentication::User, kind: SubjectType::Application, ..GOOD },
            Err(Fault::IncorrectTokenType),
        ),
        (Case { subscription: None, ..GOOD }, Err(Fault::NoSubscription)),
        (Case { subscription: Some(Blocked), ..GOOD }, Err(Fault::SubscriptionBlocked)),
        (Case { subscription: Some(ProdOnlyBlocked), ..GOOD }, Err(Fault::SubscriptionBlocked)),
        (Case { subscription: Some(ProdOnlyBlocked), keys: sandbox, ..GOOD }, Ok(())),
        (Case { subscription: Some(OnHold), ..GOOD }, Err(Fault::SubscriptionInactive)),
        (Case { subscription: Some(Rejected), ..GOOD }, Err(Fault::SubscriptionInactive)),
        (Case { subscription: Some(TierUpdatePending), ..GOOD }, Ok(())),
        (Case { has: (false, true), ..GOOD }, Err(Fault::NoProductionEndpoint)),
        (Case { has: (true, false), keys: sandbox, ..GOOD }, Err(Fault::NoSandboxEndpoint)),
        (Case { has: (false, true), keys: sandbox, ..GOOD }, Ok(())),
        (Case { audience: Some("key"), ..GOOD }, Ok(())),
        (Case { audience: Some("other"), ..GOOD }, Err(Fault::Audience)),
        // Of two things, the one that comes first in WSO2's order.
        (Case { subscription: None, scope: "default", ..GOOD }, Err(Fault::NoSubscription)),
        (Case { subscription: Some(Blocked), has: (false, false), ..GOOD }, Err(Fault::SubscriptionBlocked)),
    ];
    for (case, expected) in cases {
        assert_eq!(case.decide(), expected, "{case:?}");
    }
}

#[test]
fn an_api_key_is_used_from_where_it_may_be() {
    let address = Err(Fault::KeyForbidden(Forbidden::Address));
    let referer = Err(Fault::KeyForbidden(Forbidden::Referer));
    let key = |addresses, referers| Case { key: Some((addresses, referers)), ..WITH_KEY };
    let page: &[&str] = &["https://www.abc.com/path"];
    let twice: &[&str] = &["https://www.abc.com/path", "https://www.abc.com/path"];
    let cases = [
        (WITH_KEY, Ok(())),
        (key("192.0.2.0/24", ""), Ok(())),
        (key("192.0.3.0/24", ""), address.clone()),
        (Case { referers: page, ..key("", "www.abc.com/path") }, Ok(())),
        (key("", "www.abc.com/path"), referer.clone()),
        (Case { referers: &["https://www.abd.com/path"], ..key("", "www.abc.com/path") }, referer.clone()),
        (Case { referers: twice, ..key("", "www.abc.com/path") }, referer),
        (Case { referers: page, ..key("192.0.3.0/24", "www.abc.com/path") }, address.clone()),
        // It comes before everything else that the call lacks.
        (Case { subscription: None, ..key("192.0.3.0/24", "") }, address),
        (Case { subscription: None, ..WITH_KEY }, Err(Fault::NoSubscription)),
        (
            Case { subscription: Some(SubscriptionState::Blocked), ..WITH_KEY },
            Err(Fault::SubscriptionBlocked),
        ),
        (Case { authentication: Authentication::User, ..WITH_KEY }, Err(Fault::IncorrectTokenType)),
        (Case { needed: &["read"], ..WITH_KEY }, Err(Fault::InsufficientScope)),
        (Case { audience: Some("key"), ..WITH_KEY }, Err(Fault::Audience)),
        (Case { has: (true, false), keys: KeyType::Sandbox, ..WITH_KEY }, Err(Fault::NoSandboxEndpoint)),
        (Case { referers: &["not looked at", "for a token"], ..GOOD }, Ok(())),
    ];
    for (case, expected) in cases {
        assert_eq!(case.decide(), expected, "{case:?}");
    }
}

#[test]
fn only_a_resource_that_asks_for_no_token_is_open() {
    let passes = |case: &Case| {
        let (routes, target) = (case.routes(), Target::normalise("/echo/1/a").unwrap());
        let route = routes.find(&Method::GET, &target, Transport::Http).unwrap();
        open(&route).map(|permit| permit.is_some())
    };
    for authentication in Authentication::ALL {
        let expected = authentication == Authentication::None;
        assert_eq!(passes(&Case { authentication, ..GOOD }), Ok(expected), "{authentication:?}");
    }
    let none = Case { authentication: Authentication::None, ..GOOD };
    assert_eq!(passes(&Case { has: (false, true), ..none.clone() }), Ok(true), "to the sandbox");
    assert_eq!(passes(&Case { has: (false, false), ..none }), Err(Fault::NoSandboxEndpoint));
}
