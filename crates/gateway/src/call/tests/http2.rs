//! HTTP/2 at one end of the gateway, at the other, or at both.

use std::convert::Infallible;

use http_body_util::BodyExt;
use hyper_util::rt::TokioExecutor;
use latchkey_catalog::api::Upgrades;
use latchkey_catalog::upstream::Protocol;
use tokio::io::{AsyncRead, AsyncWrite};

use super::*;

/// What an upstream was asked.
#[derive(Debug, Clone, Default)]
struct Asked {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Asked {
    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

type Said = Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>;

/// Says hello with a trailer, and writes down what it was asked.
async fn reply(request: Request<Incoming>, asked: Asked) -> Result<Said, Infallible> {
    let (parts, body) = request.into_parts();
    let header = |name: &str| {
        let values: Vec<_> =
            parts.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
        values.join("|")
    };
    let (te, cookie, host) = (header("te"), header("cookie"), header("host"));
    let body = body.collect().await.unwrap();
    let trailer =
        body.trailers().and_then(|all| all.get("x-sum")).map(|sum| sum.to_str().unwrap().to_owned());
    let mut names: Vec<_> =
        body.trailers().into_iter().flat_map(HeaderMap::keys).map(HeaderName::as_str).collect();
    names.sort_unstable();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
    let line = format!(
        "{} {} {:?} te={te} cookie={cookie} host={host} body={text} trailer={} all={}",
        parts.method,
        parts.uri,
        parts.version,
        trailer.unwrap_or_default(),
        names.join(",")
    );
    asked.lines.lock().unwrap().push(line);
    let trailers =
        HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let body = Full::from("hello").with_trailers(std::future::ready(Some(Ok(trailers))));
    Ok(Response::new(body.boxed()))
}

/// Serves one connection over HTTP/2.
pub(super) async fn hello(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(|request| reply(request, Asked::default()));
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

/// An upstream of HTTP/2 that takes so many calls at once, and ends its first connection in order after the first
/// call.
async fn upstream_of_http2(streams: u32) -> (SocketAddr, Asked, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let (address, asked, connections) =
        (listener.local_addr().unwrap(), Asked::default(), Arc::<AtomicUsize>::default());
    let (seen, count) = (asked.clone(), Arc::clone(&connections));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (seen, is_first) = (seen.clone(), count.fetch_add(1, Ordering::SeqCst) == 0);
            let answered = Arc::new(tokio::sync::Notify::new());
            let told = Arc::clone(&answered);
            let service = service_fn(move |request| {
                told.notify_one();
                reply(request, seen.clone())
            });
            let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            server.max_concurrent_streams(streams);
            tokio::spawn(async move {
                let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
                tokio::select! {
                    _ = connection.as_mut() => return,
                    () = answered.notified(), if is_first => connection.as_mut().graceful_shutdown(),
                }
                let _ = connection.await;
            });
        }
    });
    (address, asked, connections)
}

async fn gateway_to(upstream: SocketAddr, protocol: Protocol) -> SocketAddr {
    let url = UpstreamUrl::parse(&format!("http://{upstream}/base")).unwrap();
    let upstream = Upstream { protocol, ..Upstream::at(vec![url]) };
    let routes = Arc::new(Routes::build([upstreams::api(upstream, Upgrades::None)]).0);
    serve(Gateway::new(Tokens(routes), Upstreams::new(no_trust()), OutboundToken::Remove, kept())).await
}

type Asking = http_body_util::combinators::BoxBody<Bytes, Infallible>;

async fn caller(gateway: SocketAddr) -> hyper::client::conn::http2::SendRequest<Asking> {
    let stream = TcpStream::connect(gateway).await.unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A POST with a trailer, as gRPC clients send it.
fn call() -> Request<Asking> {
    let sum = HeaderMap::from_iter([(HeaderName::from_static("x-sum"), HeaderValue::from_static("7"))]);
    let request = Request::post("http://api/echo/1/pkg.Service/Method?a=b");
    let request = request.header("authorization", "Bearer good").header("te", "trailers");
    let request = request.header("cookie", "a=1").header("cookie", "b=2");
    request.body(Full::from("onetwo").with_trailers(std::future::ready(Some(Ok(sum)))).boxed()).unwrap()
}

type Sender = hyper::client::conn::http2::SendRequest<Asking>;

async fn answered(mut sender: Sender) -> (StatusCode, String, String) {
    let answer = timeout(Duration::from_secs(10), sender.send_request(call())).await.unwrap().unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap();
    let trailer =
        body.trailers().and_then(|all| all.get("grpc-status")).map(|of| of.to_str().unwrap().to_owned());
    let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
    (status, text, trailer.unwrap_or_default())
}

#[tokio::test]
async fn a_call_goes_through_with_its_trailers_both_ways() {
    let (upstream, asked, _) = upstream_of_http2(100).await;
    let gateway = gateway_to(upstream, Protocol::Http2).await;
    let answer = answered(caller(gateway).await).await;
    assert_eq!(answer, (StatusCode::OK, "hello".to_owned(), "0".to_owned()));
    let line = format!(
        "POST http://{upstream}/base/pkg.Service/Method?a=b HTTP/2.0 te=trailers cookie=a=1; b=2 host= body=onetwo trailer=7 all=x-sum"
    );
    assert_eq!(asked.lines(), [line]);
}

#[tokio::test]
async fn callers_of_http1_reach_an_upstream_of_http2() {
    let (upstream, asked, _) = upstream_of_http2(100).await;
    let gateway = gateway_to(upstream, Protocol::Http2).await;
    let answer = exchange(gateway, &get("/echo/1/a", "good")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("hello"), "{answer}");
    assert!(
        asked.lines()[0].starts_with(&format!("GET http://{upstream}/base/a HTTP/2.0 te= ")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn callers_of_http2_reach_an_upstream_of_http1() {
    let (upstream, script) = upstream(HELLO, Then::Closes).await;
    let gateway = gateway_to(upstream, Protocol::Http1).await;
    let (status, text, _) = answered(caller(gateway).await).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, "hello"));
    let received = script.received();
    assert!(received.starts_with("POST /base/pkg.Service/Method?a=b HTTP/1.1\r\n"), "{received}");
    assert!(received.contains(&format!("host: {upstream}\r\n")), "{received}");
    assert!(
        received.contains("cookie: a=1; b=2\r\n") && received.matches("cookie").count() == 1,
        "{received}"
    );
    assert!(!received.contains("x-sum"), "nobody announced it: {received}");
}

/// Whatever comes behind a body, no identity and no credential does, and what goes to an upstream of HTTP/1.1 was
/// announced.
#[tokio::test]
async fn trailers_that_may_go_on_do() {
    let chunked = "POST /echo/1/a HTTP/1.1\r\nhost: api\r\nauthorization: Bearer good\r\nconnection: close\r\n\
        trailer: X-Sum, X-Forwarded-For, Authorization\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\
        X-Sum: 7\r\nX-Forwarded-For: 10.0.0.1\r\nX_Real_IP: 10.0.0.1\r\nAuthorization: Basic eA==\r\nX-Other: 1\r\n\r\n";
    let http1 = TcpListener::bind(LOOPBACK).await.unwrap();
    let gateway = gateway_to(http1.local_addr().unwrap(), Protocol::Http1).await;
    let upstream = tokio::spawn(async move {
        let (mut stream, _) = http1.accept().await.unwrap();
        let seen = read_until(&mut stream, "x-sum: 7\r\n\r\n").await;
        stream.write_all(HELLO.as_bytes()).await.unwrap();
        seen
    });
    let answer = exchange(gateway, chunked).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let seen = upstream.await.unwrap();
    let end = "\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n";
    assert!(seen.ends_with(end), "{seen}");

    let (http2, asked, _) = upstream_of_http2(100).await;
    let gateway = gateway_to(http2, Protocol::Http2).await;
    let answer = exchange(gateway, chunked).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let lines = asked.lines();
    assert!(lines[0].ends_with("body=abc trailer=7 all=x-other,x-sum"), "{lines:?}");
}

#[tokio::test]
async fn a_server_that_says_goodbye_costs_no_call() {
    let (upstream, asked, connections) = upstream_of_http2(100).await;
    let gateway = gateway_to(upstream, Protocol::Http2).await;
    for number in 0..10 {
        let answer = exchange(gateway, &get("/echo/1/a", "good")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{number}: {answer}");
    }
    assert_eq!((asked.lines().len(), connections.load(Ordering::SeqCst)), (10, 2));
}

#[tokio::test]
async fn calls_share_a_connection_and_wait_where_the_server_takes_no_more() {
    let (upstream, asked, connections) = upstream_of_http2(1).await;
    let gateway = gateway_to(upstream, Protocol::Http2).await;
    // The first connection is the one that ends.
    exchange(gateway, &get("/echo/1/a", "good")).await;
    let calls: Vec<_> = (0..20)
        .map(|_| tokio::spawn(async move { exchange(gateway, &get("/echo/1/a", "good")).await }))
        .collect();
    for call in calls {
        let answer = call.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert_eq!(asked.lines().len(), 21);
    assert!(connections.load(Ordering::SeqCst) <= 3, "{connections:?}");
}

#[tokio::test]
async fn an_upstream_that_speaks_no_http2_is_told() {
    let (upstream, _) = upstream(HELLO, Then::Closes).await;
    let gateway = gateway_to(upstream, Protocol::Http2).await;
    let answer = exchange(gateway, &get("/echo/1/a", "good")).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}
