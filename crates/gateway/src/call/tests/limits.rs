//! Calls against their limits, as callers see them.

use latchkey_catalog::deny::{Denied, DeniedAddresses, Side};
use latchkey_catalog::resource::Authentication;
use latchkey_catalog::tier::{Level, Limit, PastLimit, Tier, TierDetails, Unit, Window};

use super::*;
use crate::throttle::CountKey;

const MINUTE: i64 = 60_000;

/// The two APIs, `/one/1` and `/two/1`; the tiers of the subscriptions to them are `One` and `Two`.
const APIS: [(&str, u8, &str); 2] = [("/one", 1, "One"), ("/two", 2, "Two")];

fn id(byte: u8) -> EntryId {
    EntryId::from_bytes([byte; 16])
}

fn tier(level: Level, name: &str, calls: u64) -> Tier {
    let limit = Some(Limit { calls, window: Window::one(Unit::Minute) });
    Tier {
        name: name.to_owned(),
        level,
        limit,
        burst: None,
        past_limit: PastLimit::Refuse,
        details: TierDetails::default(),
    }
}

fn tiers() -> Vec<Tier> {
    use Level::{Application, Resource, Subscription};
    vec![
        tier(Application, "Unlimited", 1000),
        tier(Application, "Small", 6),
        tier(Subscription, "One", 5),
        tier(Subscription, "Two", 9),
        tier(Subscription, "Unauthenticated", 3),
        tier(Resource, "Narrow", 2),
    ]
}

/// APIs with `GET /any`, `GET /narrow` and `GET /open`, over the built-in upstream.
fn routes(tiers: Vec<Tier>) -> Arc<Routes> {
    let resource = |template: &str, throttling: Option<&str>, authentication| Resource {
        method: "GET".to_owned(),
        template: template.to_owned(),
        throttling: throttling.map(str::to_owned),
        authentication,
        ..Resource::default()
    };
    let apis = APIS.map(|(context, byte, _)| Api {
        id: id(byte),
        name: context[1..].to_owned(),
        context: context.to_owned(),
        version: "1".to_owned(),
        definition: ApiDefinition {
            resources: vec![
                resource("/any", None, Authentication::Any),
                resource("/narrow", Some("Narrow"), Authentication::Any),
                resource("/open", None, Authentication::None),
            ],
            production: Some(Upstream::at(vec![UpstreamUrl::parse(echo::URL).unwrap()])),
            ..ApiDefinition::default()
        },
    });
    let (routes, unrouted) = Routes::build(apis);
    assert_eq!(unrouted, []);
    Arc::new(routes.with_tiers(tiers))
}

/// A catalogue that can change, and tokens named for their applications and users: `small-2` is a token of
/// user 2 through an application of tier Small.
struct Catalogue(Mutex<Arc<Routes>>);

struct Subscriber {
    application: u8,
    tier: &'static str,
    user: u8,
    scope: Scope,
}

impl Holder for Subscriber {
    fn caller(&self, api: EntryId) -> Caller<'_> {
        let tier = APIS.iter().find(|(_, byte, _)| id(*byte) == api).map(|(_, _, tier)| *tier);
        let kind = SubjectType::ApplicationUser;
        Caller {
            application: id(self.application),
            application_tier: self.tier,
            credential: Credential::Token,
            consumer_key: Some("key"),
            keys: KeyType::Production,
            subject: Subject { kind, id: PrincipalId::from_bytes([self.user; 16]) },
            scope: &self.scope,
            subscription: tier.map(|tier| Subscribed { state: SubscriptionState::Unblocked, tier }),
            device: Some("device_ipad"),
            family: (Bucket::new(1).unwrap(), FamilyId::from_bytes([1; 16])),
        }
    }
}

impl Source for Catalogue {
    type Holder = Subscriber;

    async fn routes(&self) -> Result<Arc<Routes>, Unavailable> {
        Ok(Arc::clone(&self.0.lock().unwrap()))
    }

    async fn token(&self, token: &Secret) -> Result<Presented<Subscriber>, Unavailable> {
        let (application, tier) = match token.expose().split('-').next().unwrap() {
            "wide" => (1, "Unlimited"),
            "small" => (2, "Small"),
            "strange" => (3, "Unheard"),
            _ => return Ok(Presented::Unknown),
        };
        let user = token.expose().bytes().last().unwrap();
        let scope = Scope::parse("default").unwrap();
        Ok(Presented::Alive(Subscriber { application, tier, user, scope }))
    }

    fn ended(&self, _: Option<&Self::Holder>, _: Opened) -> impl Future<Output = Withdrawn> + Send + 'static {
        std::future::pending()
    }
}

struct Running {
    address: SocketAddr,
    clock: Arc<ManualClock>,
    catalogue: Arc<Catalogue>,
    kept: Kept,
}

async fn start() -> Running {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(28_000_000 * MINUTE + 1)));
    let kept = Kept { clock: clock.clone(), ..kept() };
    let catalogue = Arc::new(Catalogue(Mutex::new(routes(tiers()))));
    let upstreams = Upstreams::new(no_trust());
    let gateway = Gateway::new(catalogue.clone(), upstreams, OutboundToken::Remove, kept.clone());
    Running { address: serve(gateway).await, clock, catalogue, kept }
}

impl Running {
    /// The answers to `count` calls at once.
    async fn calls(&self, target: &str, token: &str, count: usize) -> Vec<String> {
        let text = get(target, token);
        let calls = (0..count).map(|_| {
            let (address, text) = (self.address, text.clone());
            tokio::spawn(async move { exchange(address, &text).await })
        });
        let mut answers = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            answers.push(call.await.unwrap());
        }
        answers
    }

    /// How many of `count` calls at once pass; the others must be refused with `code`.
    async fn admitted(&self, target: &str, token: &str, (count, code): (usize, &str)) -> usize {
        let answers = self.calls(target, token, count).await;
        let passed = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 200 ")).count();
        let code = format!("\"code\":\"{code}\"");
        let refused = answers.iter().filter(|answer| answer.contains(&code)).count();
        assert_eq!(passed + refused, count, "{answers:?}");
        passed
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_token_calls_two_apis_at_two_tiers() {
    let gateway = start().await;
    assert_eq!(gateway.admitted("/one/1/any", "wide-1", (60, "900804")).await, 5);
    assert_eq!(gateway.admitted("/two/1/any", "wide-1", (60, "900804")).await, 9);
    // The subscription is the application's: another user of it finds it used up.
    assert_eq!(gateway.admitted("/one/1/any", "wide-2", (3, "900804")).await, 0);
    gateway.clock.advance_millis(MINUTE);
    assert_eq!(gateway.admitted("/one/1/any", "wide-1", (60, "900804")).await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_applications_tier_counts_all_its_apis_for_each_user() {
    let gateway = start().await;
    assert_eq!(gateway.admitted("/two/1/any", "small-1", (4, "900803")).await, 4);
    assert_eq!(gateway.admitted("/one/1/any", "small-1", (20, "900803")).await, 2);
    assert_eq!(gateway.admitted("/one/1/any", "small-2", (3, "900803")).await, 3);
    let key = CountKey::Application(id(2), Some(PrincipalId::from_bytes([b'1'; 16])));
    let now = gateway.clock.now();
    assert_eq!(gateway.kept.counters.reset(|one| *one == key, now).counts, 1);
    // Five of nine are left of the other subscription, which the reset does not touch.
    assert_eq!(gateway.admitted("/two/1/any", "small-1", (5, "900803")).await, 5);
    assert_eq!(gateway.admitted("/two/1/any", "wide-1", (10, "900804")).await, 9);
}

#[tokio::test]
async fn resources_and_calls_without_a_token_have_limits_too() {
    let gateway = start().await;
    assert_eq!(gateway.admitted("/two/1/narrow", "wide-1", (9, "900802")).await, 2);
    assert_eq!(gateway.admitted("/two/1/any", "wide-1", (9, "900804")).await, 7);
    assert_eq!(gateway.admitted("/two/1/open", "none", (9, "900804")).await, 3);
}

#[tokio::test]
async fn answers_tell_what_is_left() {
    let gateway = start().await;
    let first = gateway.calls("/one/1/any", "wide-1", 1).await.remove(0);
    for line in ["ratelimit-policy: \"One\";q=5;w=60", "ratelimit: \"One\";r=4;t=60", "x-ratelimit-limit: 5"]
    {
        assert!(first.contains(&format!("\r\n{line}\r\n")), "{line} in {first}");
    }
    gateway.calls("/one/1/any", "wide-1", 4).await;
    gateway.clock.advance_millis(30_000);
    let refused = gateway.calls("/one/1/any", "wide-1", 1).await.remove(0);
    assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
    for line in ["ratelimit: \"One\";r=0;t=30", "retry-after: Tue, 28 Mar 2023 10:41:00 GMT"] {
        assert!(refused.contains(&format!("\r\n{line}\r\n")), "{line} in {refused}");
    }
}

#[tokio::test]
async fn a_changed_tier_holds_from_the_next_call_on() {
    let gateway = start().await;
    assert_eq!(gateway.admitted("/one/1/any", "wide-1", (9, "900804")).await, 5);
    let mut changed = tiers();
    changed.iter_mut().filter(|tier| tier.name == "One").for_each(|tier| {
        tier.limit = Some(Limit { calls: 7, window: Window::one(Unit::Minute) });
    });
    *gateway.catalogue.0.lock().unwrap() = routes(changed);
    assert_eq!(gateway.admitted("/one/1/any", "wide-1", (9, "900804")).await, 2);
}

#[tokio::test]
async fn a_tier_that_nobody_knows_lets_nothing_pass() {
    let gateway = start().await;
    assert_eq!(gateway.admitted("/one/1/any", "strange-1", (2, "900424")).await, 0);
    assert!(gateway.kept.counters.is_empty());
}

#[tokio::test]
async fn what_a_policy_denies_is_refused_and_not_counted() {
    let gateway = start().await;
    let here = |side| {
        let address = "127.0.0.1".parse().unwrap();
        Denied {
            addresses: vec![DeniedAddresses { first: address, last: address, side }],
            ..Denied::default()
        }
    };
    let cases = [
        (Denied { apis: ["/one/1".to_owned()].into(), ..Denied::default() }, [true, true, false, false]),
        (Denied { applications: [id(1)].into(), ..Denied::default() }, [true, false, true, false]),
        (Denied { users: [PrincipalId::from_bytes([b'2'; 16])].into(), ..Denied::default() }, [false; 4]),
        (
            Denied { users: [PrincipalId::from_bytes([b'1'; 16])].into(), ..Denied::default() },
            [true, false, true, true],
        ),
        (here(Side::Inside), [true; 4]),
        (here(Side::Outside), [false; 4]),
    ];
    let calls = [
        ("/one/1/any", "wide-1"),
        ("/one/1/open", "none"),
        ("/two/1/any", "wide-1"),
        ("/two/1/any", "small-1"),
    ];
    for (denied, expected) in cases {
        let routes = Arc::into_inner(routes(tiers())).unwrap().with_denied(denied.clone());
        *gateway.catalogue.0.lock().unwrap() = Arc::new(routes);
        gateway.clock.advance_millis(MINUTE);
        for ((target, token), expected) in calls.into_iter().zip(expected) {
            let answer = gateway.calls(target, token, 1).await.remove(0);
            let refused = answer.starts_with("HTTP/1.1 403 ") && answer.contains("\"code\":\"900805\"");
            let passed = answer.starts_with("HTTP/1.1 200 ");
            assert_eq!((refused, passed), (expected, !expected), "{target} {token} {denied:?} {answer}");
            assert!(!refused || !answer.to_lowercase().contains("retry-after"), "{answer}");
        }
    }
    *gateway.catalogue.0.lock().unwrap() = routes(tiers());
    gateway.clock.advance_millis(MINUTE);
    assert_eq!(
        gateway.admitted("/one/1/any", "wide-1", (9, "900804")).await,
        5,
        "what was denied took nothing"
    );
}

#[tokio::test]
async fn a_refusal_is_explained_without_its_token() {
    let gateway = start().await;
    assert_eq!(gateway.admitted("/one/1/narrow?secret=yes", "small-1", (2, "none")).await, 2);
    let refused = gateway.calls("/one/1/narrow?secret=yes", "small-1", 1).await.remove(0);
    let explained = explanation(&gateway, &refused);
    let who = explained.who.as_ref().unwrap();
    assert_eq!((who.consumer_key.as_deref(), who.device.as_deref()), (Some("key"), Some("device_ipad")));
    let place = explained.place.as_ref().unwrap();
    assert_eq!((place.api(), place.resource()), ("/one/1", "GET /narrow".to_owned()));
    let rule = "The limit of the resource for all its callers is reached: tier Narrow, 2 calls in 1 min.";
    assert_eq!(explained.rule(), rule);
    let everything = format!("{explained:?} {} {}", explained.rule(), explained.fix());
    assert!(!everything.contains("small-1") && !everything.contains("secret=yes"), "{everything}");

    let unknown = gateway.calls("/one/1/any", "garbage", 1).await.remove(0);
    let explained = explanation(&gateway, &unknown);
    assert_eq!((explained.who.as_ref(), explained.cause), (None, Some(Cause::TokenUnknown)));
    let passed = gateway.calls("/one/1/any", "small-1", 1).await.remove(0);
    assert!(!passed.contains("latchkey-explain"), "{passed}");
}

/// What the gateway keeps of the refusal that `answer` tells about.
fn explanation(gateway: &Running, answer: &str) -> Arc<Refusal> {
    let (_, rest) = answer.split_once("\r\nlatchkey-explain: ").expect("the answer has an id");
    let id = rest.split_once('\r').unwrap().0.parse().unwrap();
    gateway.kept.explanations.find(id).expect("it was just refused")
}
