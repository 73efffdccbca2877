//! Real sockets on loopback: both protocols, with and without TLS, timeouts, caps and the drain.

use std::time::Duration;

use axum::Extension;
use axum::routing::{get, post};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::*;
use crate::data_directory::DataDirectory;
use crate::network::Peer;
use crate::tls;

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(80);

fn terms() -> Terms {
    Terms { handshake: LONG, header: LONG, idle: LONG, drain: LONG, trusted_proxies: Vec::new() }
}

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    seats: Arc<Seats>,
    task: JoinHandle<Drained>,
}

impl Server {
    async fn start(router: Router, terms: Terms, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let (seats, stop) = (Seats::new(4, 1), CancellationToken::new());
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind("server.listen", any, Arc::clone(&seats)).await.unwrap();
        let address = listener.address();
        assert_ne!(address.port(), 0);
        let task = tokio::spawn(listener.serve(router, tls, Arc::new(terms), stop.clone()));
        Self { address, stop, seats, task }
    }

    async fn plain(terms: Terms) -> Self {
        Self::start(router(), terms, None).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `text` and reads until the server closes.
    async fn exchange(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    }

    async fn stop(self) -> Drained {
        self.stop.cancel();
        self.task.await.unwrap()
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    // A connection cut off with unread bytes ends in a reset instead of an end.
    let _ = stream.read_to_string(&mut text).await;
    text
}

fn router() -> Router {
    Router::new()
        .route("/peer", get(|Extension(peer): Extension<Peer>| async move { peer.client.to_string() }))
        .route("/never", get(std::future::pending::<()>))
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
}

const GET: &str = "GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_handler_learns_who_asks() {
    let trusting = Terms { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..terms() };
    let forwarded =
        "GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-forwarded-for: 192.0.2.7\r\n\r\n";
    for (terms, expected) in [(terms(), "127.0.0.1"), (trusting, "192.0.2.7")] {
        let answer = Server::plain(terms).await.exchange(forwarded).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(expected), "{answer}");
    }
}

async fn over_tls(address: SocketAddr, data: &DataDirectory, alpn: &[&[u8]]) -> (String, http::Version) {
    let mut roots = rustls::RootCertStore::empty();
    let pem = data.read("tls-certificate.pem").unwrap().unwrap();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let mut client = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
    let request = Request::get("https://localhost/peer").body(Empty::<Bytes>::new()).unwrap();
    let io = TokioIo::new(stream);
    let response = if alpn[0] == b"h2" {
        let (mut sender, link) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(link);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, link) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(link);
        sender.send_request(request).await.unwrap()
    };
    let version = response.version();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (String::from_utf8(body.to_vec()).unwrap(), version)
}

#[tokio::test]
async fn tls_speaks_both_protocols() {
    tls::install_provider();
    let place = tempfile::tempdir().unwrap();
    let data = DataDirectory::open(place.path()).unwrap();
    let settings = config::Tls { enabled: true, certificate: String::new(), private_key: String::new() };
    let now = latchkey_oauth::clock::Clock::now(&latchkey_oauth::clock::SystemClock);
    let tls = tls::server_config(&settings, &data, None, now).unwrap();
    let server = Server::start(router(), terms(), Some(tls)).await;
    for (alpn, version) in [(b"h2".as_slice(), http::Version::HTTP_2), (b"http/1.1", http::Version::HTTP_11)]
    {
        assert_eq!(over_tls(server.address, &data, &[alpn]).await, ("127.0.0.1".into(), version));
    }
    assert_eq!(server.stop().await, Drained { cut_off: 0 });
}

#[tokio::test]
async fn what_comes_too_slowly_is_cut_off() {
    let cases = [
        ("", "nothing at all"),
        ("GET /peer HTTP/1.1\r\nhos", "half a head"),
        ("GET /peer HTTP/1.1\r\nhost: x\r\n\r\nGET /pe", "half a second head"),
    ];
    for (text, what) in cases {
        let server = Server::plain(Terms { header: SHORT, idle: SHORT, ..terms() }).await;
        let answer = server.exchange(text).await;
        assert_eq!(answer.contains("200 OK"), what.contains("second"), "{what}: {answer}");
    }
    tls::install_provider();
    let place = tempfile::tempdir().unwrap();
    let data = DataDirectory::open(place.path()).unwrap();
    let settings = config::Tls { enabled: true, certificate: String::new(), private_key: String::new() };
    let now = latchkey_oauth::clock::Timestamp::from_seconds(1_800_000_000);
    let tls = tls::server_config(&settings, &data, None, now).unwrap();
    let server = Server::start(router(), Terms { handshake: SHORT, ..terms() }, Some(tls)).await;
    assert_eq!(server.exchange("").await, "", "no handshake");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Server::plain(Terms { idle: SHORT, ..terms() }).await;
    let answer = server.exchange("GET /peer HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn a_head_may_have_32_kib_and_a_hundred_lines() {
    let server = Server::plain(terms()).await;
    let with = |lines: usize, length: usize| {
        let line = |n| format!("x-{n}: {}\r\n", "a".repeat(length));
        let lines: String = (0..lines).map(line).collect();
        format!("GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}\r\n")
    };
    for (text, status) in
        [(with(98, 10), "200"), (with(99, 10), "431"), (with(8, 4000), "200"), (with(9, 4000), "431")]
    {
        let answer = server.exchange(&text).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer}");
    }
}

#[tokio::test]
async fn connections_over_the_total_wait_for_a_seat() {
    let server = Server::plain(terms()).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /peer HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert_ne!(stream.read(&mut [0; 512]).await.unwrap(), 0, "served");
        held.push(stream);
    }
    assert_eq!(server.seats.in_use().open, 4);
    let mut fifth = server.connect().await;
    fifth.write_all(GET.as_bytes()).await.unwrap();
    let waits = timeout(SHORT, fifth.read(&mut [0; 512])).await;
    assert!(waits.is_err(), "no seat, no answer");
    held.pop();
    assert!(read_to_end(&mut fifth).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_drain_lets_running_requests_finish() {
    let (begun, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let signals = (Arc::clone(&begun), Arc::clone(&finish));
    let waits = get(move || async move {
        signals.0.notify_one();
        signals.1.notified().await;
        "finished"
    });
    let server = Server::start(Router::new().route("/waits", waits), terms(), None).await;
    let mut idle = server.connect().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /waits HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    begun.notified().await;
    server.stop.cancel();
    assert_eq!(read_to_end(&mut idle).await, "", "an idle connection ends at once");
    finish.notify_one();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.contains("200 OK") && answer.ends_with("finished"), "{answer}");
    assert_eq!(server.task.await.unwrap(), Drained { cut_off: 0 });
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn a_drain_ends_though_a_request_does_not() {
    let server = Server::plain(Terms { drain: SHORT, ..terms() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\nGET /peer").await.unwrap();
    // The answer to another connection shows that the first was accepted before.
    assert!(server.exchange(GET).await.starts_with("HTTP/1.1 200"));
    assert_eq!(server.stop().await, Drained { cut_off: 1 });
}

#[tokio::test]
async fn a_taken_address_is_told_with_its_setting() {
    let server = Server::plain(terms()).await;
    let error = Listener::bind("operations.listen", server.address, Seats::new(1, 1)).await.unwrap_err();
    let expected = format!("cannot listen on operations.listen = \"{}\"", server.address);
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn a_panic_costs_its_connection_and_not_the_server() {
    let boom = get(|| async { assert!(StatusCode::OK.is_server_error(), "a defect") });
    let server = Server::start(router().route("/boom", boom), terms(), None).await;
    server.exchange("GET /boom HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(server.exchange(GET).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn connections_are_spread_over_places_in_turn() {
    let workers = Workers::start("worker", 2).unwrap();
    let places = workers.runtimes().zip(["first", "second"]).map(|(runtime, name)| {
        let says = async move || format!("{name} {}", std::thread::current().name().unwrap_or_default());
        let router = Router::new().route("/peer", get(says));
        Place { runtime: runtime.clone(), answers: Arc::new(router) }
    });
    let (seats, stop) = (Seats::new(4, 4), CancellationToken::new());
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind("gateway.http_listen", any, seats).await.unwrap();
    let address = listener.address();
    let serving = tokio::spawn(listener.serve_on(places.collect(), None, Arc::new(terms()), stop.clone()));
    for expected in ["first worker", "second worker", "first worker", "second worker"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(GET.as_bytes()).await.unwrap();
        let said = read_to_end(&mut stream).await;
        assert!(said.ends_with(expected), "{said}");
    }
    stop.cancel();
    assert_eq!(serving.await.unwrap(), Drained { cut_off: 0 });
}
