//! Calls over real sockets: a gateway in front of an upstream that the test speaks for.

mod api_keys;
mod http2;
mod limits;
mod streams;
mod tls;
mod upstreams;

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use http::Request;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use latchkey_catalog::api::{Api, ApiDefinition, Resource};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::SubscriptionState;
use latchkey_catalog::upstream::{Timeouts, Upstream, UpstreamUrl};
use latchkey_oauth::client::KeyType;
use latchkey_oauth::clock::{ManualClock, Timestamp};
use latchkey_oauth::entropy::{Entropy, SystemEntropy};
use latchkey_oauth::family::{Subject, SubjectType};
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::scope::Scope;
use latchkey_oauth::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::authorize::{Caller, Credential, Subscribed};
use crate::route::Routes;
use crate::source::Presented;
use crate::stream::opened::Withdrawn;
use crate::upstream::Trust;

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Knows one token for each answer.
struct Tokens(Arc<Routes>);

struct Alice(Scope);

impl Holder for Alice {
    fn caller(&self, _: EntryId) -> Caller<'_> {
        Caller {
            application: EntryId::from_bytes([8; 16]),
            application_tier: "Unlimited",
            credential: Credential::Token,
            consumer_key: Some("key"),
            keys: KeyType::Production,
            subject: Subject { kind: SubjectType::ApplicationUser, id: PrincipalId::from_bytes([9; 16]) },
            scope: &self.0,
            subscription: Some(Subscribed { state: SubscriptionState::Unblocked, tier: "Unlimited" }),
            device: None,
            family: (Bucket::new(1).unwrap(), FamilyId::from_bytes([1; 16])),
        }
    }
}

impl Source for Tokens {
    type Holder = Alice;

    async fn routes(&self) -> Result<Arc<Routes>, Unavailable> {
        Ok(Arc::clone(&self.0))
    }

    async fn token(&self, token: &Secret) -> Result<Presented<Alice>, Unavailable> {
        match token.expose() {
            "good" => Ok(Presented::Alive(Alice(Scope::parse("read").unwrap()))),
            "old" => Ok(Presented::Expired(None)),
            "revoked" => Ok(Presented::Revoked(Some(Alice(Scope::parse("read").unwrap())))),
            "away" => Err(Unavailable),
            _ => Ok(Presented::Unknown),
        }
    }

    fn ended(&self, _: Option<&Alice>, _: Opened) -> impl Future<Output = Withdrawn> + Send + 'static {
        std::future::pending()
    }
}

fn kept() -> Kept {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
    let entropy = Arc::new(SystemEntropy);
    let explanations = Arc::new(Explanations::new(Arc::clone(&entropy) as Arc<dyn Entropy>));
    let (counters, fleet, streams) = (Arc::default(), Arc::default(), Arc::default());
    Kept { clock, entropy, counters, explanations, fleet, streams }
}

fn no_trust() -> Trust {
    Arc::new(|| unreachable!("no upstream here speaks TLS"))
}

/// A gateway whose API `/echo/1` is served by `upstream`; its address.
async fn gateway(upstream: SocketAddr, outbound: OutboundToken) -> SocketAddr {
    let resource = |method: &str, template: &str| Resource {
        method: method.to_owned(),
        template: template.to_owned(),
        ..Resource::default()
    };
    let timeouts = Timeouts { connect: 500, answer: 300, idle: 300 };
    let urls = vec![UpstreamUrl::parse(&format!("http://{upstream}/base")).unwrap()];
    let definition = ApiDefinition {
        resources: vec![resource("GET", "/*"), resource("POST", "/*")],
        production: Some(Upstream { timeouts, ..Upstream::at(urls) }),
        ..ApiDefinition::default()
    };
    let (context, version) = ("/echo".to_owned(), "1".to_owned());
    let id = EntryId::from_bytes([7; 16]);
    let (routes, unrouted) =
        Routes::build([Api { id, name: "Echo".to_owned(), context, version, definition }]);
    assert_eq!(unrouted, []);
    serve(Gateway::new(Tokens(Arc::new(routes)), Upstreams::new(no_trust()), outbound, kept())).await
}

/// Puts a gateway on a listener of its own; its address.
async fn serve<S: Source>(gateway: Gateway<S>) -> SocketAddr {
    let gateway = Arc::new(gateway);
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, peer) = (address.ip(), Peer::Stranger);
    let arrival = Arrival { address: client, peer, client, transport: Transport::Http };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let gateway = Arc::clone(&gateway);
            let service = service_fn(move |request: Request<Incoming>| {
                let gateway = Arc::clone(&gateway);
                async move {
                    let ((mut parts, body), mut record) = (request.into_parts(), gateway.begin());
                    let answer = gateway.call(&mut parts, body, arrival, &mut record).await;
                    Ok::<_, std::convert::Infallible>(answer)
                }
            });
            tokio::spawn(async move {
                let both = Builder::new(TokioExecutor::new());
                let _ = both.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// What an upstream got, and the answers that it still has to give, one for each connection's reads.
#[derive(Clone, Default)]
struct Script {
    received: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Script {
    fn received(&self) -> String {
        self.received.lock().unwrap().join("\n---\n")
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// What an upstream does with a connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Keeps,
    Closes,
}

/// An upstream that answers every request head with `answer`.
async fn upstream(answer: &'static str, then: Then) -> (SocketAddr, Script) {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let (address, script) = (listener.local_addr().unwrap(), Script::default());
    let seen = script.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            seen.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(converse(stream, seen.clone(), answer, then));
        }
    });
    (address, script)
}

async fn converse(mut stream: TcpStream, seen: Script, answer: &'static str, then: Then) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(read) = stream.read(&mut buffer).await else { return };
        if read == 0 {
            return;
        }
        seen.received.lock().unwrap().push(String::from_utf8_lossy(&buffer[..read]).into_owned());
        if stream.write_all(answer.as_bytes()).await.is_err() || then == Then::Closes {
            return;
        }
    }
}

/// Sends `text` over a connection of its own and reads until the gateway closes it.
async fn exchange(gateway: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the gateway answers and closes");
    String::from_utf8(answer).unwrap()
}

fn get(target: &str, token: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    )
}

const HELLO: &str =
    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-of: upstream\r\nkeep-alive: timeout=5\r\n\r\nhello";

#[tokio::test]
async fn a_call_goes_to_the_upstream_without_its_token() {
    let (address, script) = upstream(HELLO, Then::Keeps).await;
    let gateway = gateway(address, OutboundToken::Remove).await;
    let answer = exchange(gateway, &get("/echo/1/a%7eb?c=%2F", "good")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
    assert!(answer.contains("x-of: upstream") && !answer.contains("keep-alive"), "{answer}");
    let received = script.received();
    assert!(received.starts_with("GET /base/a~b?c=%2F HTTP/1.1\r\n"), "{received}");
    assert!(received.contains(&format!("host: {address}")), "{received}");
    assert!(received.contains("x-forwarded-for: 127.0.0.1") && received.contains("via: 1.1 latchkey"));
    assert!(!received.contains("good") && !received.contains("authorization"), "{received}");
}

#[tokio::test]
async fn the_token_goes_on_where_that_is_configured() {
    let (address, script) = upstream(HELLO, Then::Keeps).await;
    let gateway = gateway(address, OutboundToken::Keep).await;
    exchange(gateway, &get("/echo/1/a", "good")).await;
    assert!(script.received().contains("authorization: Bearer good"), "{}", script.received());
}

#[tokio::test]
async fn credentials_beside_the_token_go_on_without_it() {
    let (address, script) = upstream(HELLO, Then::Keeps).await;
    let gateway = gateway(address, OutboundToken::Remove).await;
    exchange(gateway, &get("/echo/1/a", "good, Basic YTpi")).await;
    let received = script.received();
    assert!(received.contains("authorization: Basic YTpi\r\n") && !received.contains("good"), "{received}");
}

#[tokio::test]
async fn what_is_refused_never_reaches_the_upstream() {
    let (address, script) = upstream(HELLO, Then::Keeps).await;
    let gateway = gateway(address, OutboundToken::Remove).await;
    let cases = [
        (get("/echo/1/a", "old"), "401", "900901"),
        (get("/echo/1/a", "revoked"), "401", "900901"),
        (get("/echo/1/a", "garbage"), "401", "900901"),
        (get("/echo/1/a", "away"), "503", "900424"),
        (get("/echo/1/a", "good, Bearer good"), "400", "400"),
        (get("/none/1/a", "good"), "404", "404"),
        (get("/echo/1/../1/a", "good"), "400", "400"),
        ("GET /echo/1/a HTTP/1.1\r\nhost: api\r\nconnection: close\r\n\r\n".to_owned(), "401", "900902"),
        ("GET /echo/1/a HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(), "400", "400"),
        (get("/echo/1/a", "good").replace("GET", "PATCH"), "405", "405"),
    ];
    for (text, status, code) in cases {
        let answer = exchange(gateway, &text).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{text}{answer}");
        assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{text}{answer}");
        assert!(!answer.contains("good"), "no answer repeats the token: {answer}");
    }
    assert_eq!((script.connections(), script.received()), (0, String::new()));
}

#[tokio::test]
async fn a_connection_serves_one_call_after_another() {
    let (address, script) = upstream(HELLO, Then::Keeps).await;
    let gateway = gateway(address, OutboundToken::Remove).await;
    for _ in 0..5 {
        assert!(exchange(gateway, &get("/echo/1/a", "good")).await.ends_with("hello"));
    }
    assert_eq!(script.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_the_upstream_closed_is_no_reason_to_fail() {
    let (address, script) = upstream(HELLO, Then::Closes).await;
    let gateway = gateway(address, OutboundToken::Remove).await;
    for _ in 0..5 {
        assert!(exchange(gateway, &get("/echo/1/a", "good")).await.ends_with("hello"));
    }
    assert_eq!(script.connections(), 5);
}

#[tokio::test]
async fn a_bad_upstream_is_told_from_a_bad_call() {
    let silent = TcpListener::bind(LOOPBACK).await.unwrap();
    let gone = TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap();
    let cases = [
        (upstream("nonsense\r\n\r\n", Then::Closes).await.0, "502"),
        (upstream("", Then::Closes).await.0, "502"),
        (silent.local_addr().unwrap(), "504"),
        (gone, "502"),
        (
            upstream(
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
                Then::Keeps,
            )
            .await
            .0,
            "502",
        ),
    ];
    for (address, status) in cases {
        let gateway = gateway(address, OutboundToken::Remove).await;
        let answer = exchange(gateway, &get("/echo/1/a", "good")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_seen_to_be_broken() {
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello";
    for then in [Then::Closes, Then::Keeps] {
        let (address, script) = upstream(short, then).await;
        let gateway = gateway(address, OutboundToken::Remove).await;
        let answer = exchange(gateway, &get("/echo/1/a", "good")).await;
        assert!(answer.contains("content-length: 50") && answer.ends_with("hello"), "{answer}");
        exchange(gateway, &get("/echo/1/a", "good")).await;
        assert_eq!(script.connections(), 2, "its connection is not used again");
    }
}

#[tokio::test]
async fn bodies_go_through_both_ways_as_they_come() {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let gateway = gateway(listener.local_addr().unwrap(), OutboundToken::Remove).await;
    let mut caller = TcpStream::connect(gateway).await.unwrap();
    let head = "POST /echo/1/a HTTP/1.1\r\nhost: api\r\nauthorization: Bearer good\r\ntransfer-encoding: chunked\r\n\r\n";
    caller.write_all(format!("{head}3\r\none\r\n").as_bytes()).await.unwrap();
    let (mut upstream, _) = listener.accept().await.unwrap();
    read_until(&mut upstream, "one\r\n").await;
    caller.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
    read_until(&mut upstream, "0\r\n\r\n").await;
    upstream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n").await.unwrap();
    read_until(&mut caller, "1\r\na\r\n").await;
    upstream.write_all(b"1\r\nb\r\n0\r\n\r\n").await.unwrap();
    read_until(&mut caller, "0\r\n\r\n").await;
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !text.ends_with(end) {
        let read = timeout(Duration::from_secs(10), stream.read(&mut buffer)).await;
        let read = read.unwrap_or_else(|_| panic!("{end:?} came not, but {text:?}")).unwrap();
        assert_ne!(read, 0, "the stream ended after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    text
}

fn post(token: &str, length: usize) -> String {
    format!(
        "POST /echo/1/a HTTP/1.1\r\nhost: api\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_slow_caller_is_told_from_a_slow_upstream() {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let gateway = gateway(listener.local_addr().unwrap(), OutboundToken::Remove).await;
    let answer = exchange(gateway, &format!("{}abc", post("good", 10))).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // An upstream that takes nothing of a body that is there.
    let mut caller = TcpStream::connect(gateway).await.unwrap();
    caller.write_all(post("good", 100 << 20).as_bytes()).await.unwrap();
    let (mut read, mut write) = caller.into_split();
    let sent = tokio::spawn(async move { while write.write_all(&[b'x'; 8192]).await.is_ok() {} });
    let mut answer = [0; 12];
    timeout(Duration::from_secs(10), read.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(std::str::from_utf8(&answer), Ok("HTTP/1.1 504"));
    sent.abort();
}

#[tokio::test]
async fn chunks_that_are_none_are_the_callers_fault() {
    let (address, script) = upstream(HELLO, Then::Closes).await;
    let gateway = gateway(address, OutboundToken::Remove).await;
    let broken =
        format!("{}zz\r\n", post("good", 0).replace("content-length: 0", "transfer-encoding: chunked"));
    let answer = exchange(gateway, &broken).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(script.received(), "");
}

#[tokio::test]
async fn nobody_waits_behind_a_body_that_is_still_sent() {
    let (address, script) = upstream(HELLO, Then::Keeps).await;
    let gateway = gateway(address, OutboundToken::Remove).await;
    let mut slow = TcpStream::connect(gateway).await.unwrap();
    slow.write_all(format!("{}abc", post("good", 10)).as_bytes()).await.unwrap();
    read_until(&mut slow, "hello").await;
    let answer = exchange(gateway, &get("/echo/1/a", "good")).await;
    assert!(answer.ends_with("hello"), "{answer}");
    assert_eq!(script.connections(), 2);
}

#[tokio::test]
async fn an_answer_with_two_lengths_is_none() {
    let both =
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let (address, _) = upstream(both, Then::Keeps).await;
    let gateway = gateway(address, OutboundToken::Remove).await;
    let answer = exchange(gateway, &get("/echo/1/a", "good")).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}
