//! Calls with API keys, beside tokens and instead of them.

use latchkey_catalog::api::{Scheme, Schemes};
use latchkey_catalog::api_key::Restrictions;

use super::*;

/// Knows one API key for each answer, and one token.
struct Keys(Arc<Routes>);

enum Holding {
    Token(Alice),
    Key(Restrictions, Scope),
}

impl Holder for Holding {
    fn caller(&self, api: EntryId) -> Caller<'_> {
        match self {
            Self::Token(alice) => alice.caller(api),
            Self::Key(restrictions, scope) => Caller {
                application: EntryId::from_bytes([8; 16]),
                application_tier: "Unlimited",
                credential: Credential::ApiKey { name: "web", restrictions },
                consumer_key: None,
                keys: KeyType::Production,
                subject: Subject { kind: SubjectType::Application, id: PrincipalId::from_bytes([8; 16]) },
                scope,
                subscription: Some(Subscribed { state: SubscriptionState::Unblocked, tier: "Unlimited" }),
                device: None,
                family: (Bucket::new(1).unwrap(), FamilyId::from_bytes([2; 16])),
            },
        }
    }
}

fn key(addresses: &str, referers: &str) -> Holding {
    Holding::Key(Restrictions::parse(addresses, referers).unwrap(), Scope::parse("").unwrap())
}

impl Source for Keys {
    type Holder = Holding;

    async fn routes(&self) -> Result<Arc<Routes>, Unavailable> {
        Ok(Arc::clone(&self.0))
    }

    async fn token(&self, token: &Secret) -> Result<Presented<Holding>, Unavailable> {
        match token.expose() {
            "good" => Ok(Presented::Alive(Holding::Token(Alice(Scope::parse("read").unwrap())))),
            _ => Ok(Presented::Unknown),
        }
    }

    async fn api_key(&self, value: &Secret) -> Result<Presented<Holding>, Unavailable> {
        match value.expose() {
            "lkk_key" => Ok(Presented::Alive(key("", ""))),
            "lkk_here" => Ok(Presented::Alive(key("127.0.0.1", "www.abc.com/*"))),
            "lkk_there" => Ok(Presented::Alive(key("192.0.2.1", ""))),
            "lkk_old" => Ok(Presented::Expired(Some(key("", "")))),
            "lkk_before" => Ok(Presented::Revoked(Some(key("", "")))),
            "lkk_away" => Err(Unavailable),
            _ => Ok(Presented::Unknown),
        }
    }

    fn ended(&self, _: Option<&Holding>, _: Opened) -> impl Future<Output = Withdrawn> + Send + 'static {
        std::future::pending()
    }
}

/// A gateway whose APIs `/oauth2/1`, `/api_key/1` and `/both/1` take what their names say.
async fn gateway(upstream: SocketAddr, outbound: OutboundToken) -> (SocketAddr, Kept) {
    let api = |byte: u8, name: &str, schemes: Schemes| {
        let resource =
            Resource { method: "GET".to_owned(), template: "/*".to_owned(), ..Resource::default() };
        let urls = vec![UpstreamUrl::parse(&format!("http://{upstream}")).unwrap()];
        let definition = ApiDefinition {
            resources: vec![resource],
            production: Some(Upstream::at(urls)),
            api_key_header: (name == "both").then(|| "X-Key".to_owned()),
            schemes,
            ..ApiDefinition::default()
        };
        let (context, version) = (format!("/{name}"), "1".to_owned());
        Api { id: EntryId::from_bytes([byte; 16]), name: name.to_owned(), context, version, definition }
    };
    let apis = [
        api(1, "oauth2", [Scheme::OAuth2].into_iter().collect()),
        api(2, "api_key", [Scheme::ApiKey].into_iter().collect()),
        api(3, "both", [Scheme::OAuth2, Scheme::ApiKey].into_iter().collect()),
    ];
    let (routes, unrouted) = Routes::build(apis);
    assert_eq!(unrouted, []);
    let kept = kept();
    let gateway = Gateway::new(Keys(Arc::new(routes)), Upstreams::new(no_trust()), outbound, kept.clone());
    (serve(gateway).await, kept)
}

fn call(api: &str, headers: &str) -> String {
    format!("GET /{api}/1/a HTTP/1.1\r\nhost: api\r\n{headers}connection: close\r\n\r\n")
}

const TOKEN: &str = "authorization: Bearer good\r\n";
const KEY: &str = "ApiKey: lkk_key\r\n";

/// T42 of the reference, with what lies beside its cases.
#[tokio::test]
async fn t42_each_credential_opens_by_its_own_header_where_the_api_takes_it() {
    let (address, _) = upstream(HELLO, Then::Keeps).await;
    let (gateway, _) = gateway(address, OutboundToken::Remove).await;
    let (bearer, basic) = ("Bearer realm=\"latchkey\"", "API Key realm=\"latchkey\"");
    let cases = [
        ("oauth2", TOKEN, "200", "", &[][..]),
        ("oauth2", KEY, "401", "900902", &[bearer]),
        ("oauth2", "authorization: Bearer lkk_key\r\n", "401", "900901", &[bearer]),
        ("oauth2", "authorization: Basic YTpi\r\n", "401", "900902", &[bearer]),
        ("api_key", KEY, "200", "", &[]),
        ("api_key", "apikey: lkk_key\r\n", "200", "", &[]),
        ("api_key", TOKEN, "401", "900902", &[basic]),
        ("api_key", "", "401", "900902", &[basic]),
        ("api_key", "ApiKey: good\r\n", "401", "900901", &[basic]),
        ("api_key", "ApiKey: Bearer lkk_key\r\n", "401", "900901", &[basic]),
        ("api_key", "ApiKey: lkk_key\r\nApiKey: lkk_key\r\n", "400", "400", &[]),
        ("api_key", "ApiKey: lkk_old\r\n", "401", "900901", &[basic]),
        ("api_key", "ApiKey: lkk_before\r\n", "401", "900901", &[basic]),
        ("api_key", "ApiKey: lkk_never\r\n", "401", "900901", &[basic]),
        ("api_key", "ApiKey: lkk_away\r\n", "503", "900424", &[]),
        ("api_key", "ApiKey: lkk_there\r\n", "403", "900908", &[]),
        ("api_key", "ApiKey: lkk_here\r\n", "403", "900908", &[]),
        ("api_key", "ApiKey: lkk_here\r\nreferer: https://www.abc.com/\r\n", "200", "", &[]),
        ("api_key", "x-forwarded-for: 192.0.2.1\r\nApiKey: lkk_there\r\n", "403", "900908", &[]),
        ("both", TOKEN, "200", "", &[]),
        ("both", "x-key: lkk_key\r\n", "200", "", &[]),
        ("both", KEY, "401", "900902", &[bearer, basic]),
        ("both", "", "401", "900902", &[bearer, basic]),
        ("both", "x-key: good\r\n", "401", "900901", &[bearer, basic]),
        ("both", "authorization: Bearer lkk_key\r\n", "401", "900901", &[bearer, basic]),
        // Of both, the token counts.
        ("both", "authorization: Bearer good\r\nx-key: lkk_never\r\n", "200", "", &[]),
        ("both", "authorization: Bearer bad\r\nx-key: lkk_key\r\n", "401", "900901", &[bearer, basic]),
    ];
    for (api, headers, status, code, challenges) in cases {
        let answer = exchange(gateway, &call(api, headers)).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{api} {headers}{answer}");
        assert!(answer.contains(&format!("\"code\":\"{code}\"")) != code.is_empty(), "{headers}{answer}");
        assert!(!answer.contains("lkk_"), "no answer repeats the key: {answer}");
        for challenge in [bearer, basic].iter().filter(|_| status == "401") {
            let is_there = answer.contains(&format!("www-authenticate: {challenge}"));
            assert_eq!(is_there, challenges.contains(challenge), "{api} {headers}{challenge} {answer}");
        }
    }
    let told = exchange(gateway, &call("both", "")).await;
    assert!(told.contains("'Authorization : Bearer ACCESS_TOKEN' or 'X-Key : API_KEY'"), "{told}");
    let told = exchange(gateway, &call("api_key", "")).await;
    assert!(told.contains("call has a header: 'ApiKey : API_KEY'"), "{told}");
}

#[tokio::test]
async fn a_key_ends_at_the_gateway_and_the_upstreams_own_credentials_do_not() {
    let (address, script) = upstream(HELLO, Then::Keeps).await;
    let cases = [
        ("api_key", "ApiKey: lkk_key\r\n", None),
        ("api_key", "ApiKey: lkk_key\r\nauthorization: Basic YTpi\r\n", Some("authorization: Basic YTpi")),
        ("api_key", "ApiKey: lkk_key\r\nauthorization: Bearer good\r\n", None),
        (
            "api_key",
            "ApiKey: lkk_key\r\nauthorization: Bearer good, Basic YTpi\r\n",
            Some("authorization: Basic YTpi"),
        ),
        ("both", "x-key: lkk_key\r\nauthorization: Basic YTpi\r\n", Some("authorization: Basic YTpi")),
        ("both", "x-key: lkk_key\r\nauthorization: Bearer good\r\n", None),
    ];
    for outbound in [OutboundToken::Remove, OutboundToken::Keep] {
        let (gateway, _) = gateway(address, outbound).await;
        for (api, headers, goes_on) in cases {
            script.received.lock().unwrap().clear();
            let answer = exchange(gateway, &call(api, headers)).await;
            let received = script.received();
            assert!(answer.ends_with("hello") && !received.contains("lkk_"), "{headers}{answer}{received}");
            if outbound == OutboundToken::Remove {
                assert!(!received.contains("good"), "{headers}{received}");
                assert_eq!(received.contains("authorization"), goes_on.is_some(), "{headers}{received}");
                assert!(goes_on.is_none_or(|header| received.contains(header)), "{headers}{received}");
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_tells_the_keys_name_and_never_its_value() {
    let (address, _) = upstream(HELLO, Then::Keeps).await;
    let (gateway, kept) = gateway(address, OutboundToken::Remove).await;
    let cases = [
        ("lkk_old", Some(Cause::KeyExpired), Some("web")),
        ("lkk_before", Some(Cause::KeySuperseded), Some("web")),
        ("lkk_never", Some(Cause::KeyUnknown), None),
        ("lkk_there", None, Some("web")),
    ];
    for (value, cause, name) in cases {
        let answer = exchange(gateway, &call("api_key", &format!("ApiKey: {value}\r\n"))).await;
        let id = answer.lines().find_map(|line| line.strip_prefix("latchkey-explain: ")).unwrap();
        let refusal = kept.explanations.find(id.parse().unwrap()).unwrap();
        assert_eq!(refusal.cause, cause, "{value}");
        let who = refusal.who.as_ref();
        assert_eq!(who.and_then(|who| who.api_key.as_deref()), name, "{value}");
        assert!(who.is_none_or(|who| who.consumer_key.is_none()));
        assert!(!format!("{refusal:?}").contains(value), "{refusal:?}");
        assert!(refusal.rule().contains("API key"), "{}", refusal.rule());
    }
}
