//! What lasts: tunnels, events, uploads, and that they end when their call may not be made any more.

use latchkey_catalog::api::Upgrades;
use tokio::sync::watch;

use super::*;
use crate::stream::frames::CloseCode;

/// A gateway whose streams end when the test says so.
struct Mortal {
    routes: Arc<Routes>,
    end: watch::Receiver<Option<Withdrawn>>,
}

impl Source for Mortal {
    type Holder = Alice;

    async fn routes(&self) -> Result<Arc<Routes>, Unavailable> {
        Ok(Arc::clone(&self.routes))
    }

    async fn token(&self, _: &Secret) -> Result<Presented<Alice>, Unavailable> {
        Ok(Presented::Alive(Alice(Scope::parse("read").unwrap())))
    }

    fn ended(
        &self,
        holder: Option<&Alice>,
        opened: Opened,
    ) -> impl Future<Output = Withdrawn> + Send + 'static {
        opened.judge(&self.routes, holder).expect("it was let pass");
        let mut end = self.end.clone();
        async move { end.wait_for(Option::is_some).await.unwrap().clone().unwrap() }
    }
}

/// A gateway in front of an upstream that the test is.
struct Stage {
    gateway: SocketAddr,
    upstream: TcpListener,
    end: watch::Sender<Option<Withdrawn>>,
    streams: Arc<OpenStreams>,
}

impl Stage {
    async fn with(upgrades: Upgrades) -> Self {
        let upstream = TcpListener::bind(LOOPBACK).await.unwrap();
        let url = UpstreamUrl::parse(&format!("http://{}", upstream.local_addr().unwrap())).unwrap();
        let api = upstreams::api(Upstream::at(vec![url]), upgrades);
        let (end, seen) = watch::channel(None);
        let kept = kept();
        let streams = Arc::clone(&kept.streams);
        let source = Mortal { routes: Arc::new(Routes::build([api]).0), end: seen };
        let gateway =
            serve(Gateway::new(source, Upstreams::new(no_trust()), OutboundToken::Remove, kept)).await;
        Self { gateway, upstream, end, streams }
    }

    /// A caller who sent `text`, and the upstream's end of the connection with what it received of it.
    async fn call(&self, text: &str, until: &str) -> (TcpStream, TcpStream, String) {
        let mut caller = TcpStream::connect(self.gateway).await.unwrap();
        caller.write_all(text.as_bytes()).await.unwrap();
        let (mut upstream, _) = timeout(PATIENCE, self.upstream.accept()).await.unwrap().unwrap();
        let seen = read_until(&mut upstream, until).await;
        (caller, upstream, seen)
    }

    fn end(&self, why: impl Into<Withdrawn>) {
        self.end.send(Some(why.into())).unwrap();
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
const WISH: &str = "GET /echo/1/a HTTP/1.1\r\nhost: api\r\nauthorization: Bearer good\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\nsec-websocket-key: abc\r\nsec-websocket-version: 13\r\n\r\n";
const AGREED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: xyz\r\n\r\n";

/// What still comes until the other side ends.
async fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it ends");
    bytes
}

/// The upstream gets that goodbye, as from a client.
async fn is_told(upstream: TcpStream, code: CloseCode) {
    let said = rest(upstream).await;
    let mask = said[2..6].try_into().unwrap();
    assert_eq!(said, code.masked(mask));
}

/// A tunnel that both ends agreed to.
async fn tunnel(stage: &Stage) -> (TcpStream, TcpStream) {
    let (mut caller, mut upstream, seen) = stage.call(WISH, "\r\n\r\n").await;
    assert!(
        seen.contains("\r\nupgrade: websocket\r\n") && seen.contains("\r\nconnection: Upgrade\r\n"),
        "{seen}"
    );
    assert!(seen.contains("sec-websocket-key: abc") && !seen.contains("good"), "{seen}");
    upstream.write_all(AGREED).await.unwrap();
    let head = read_until(&mut caller, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("sec-websocket-accept: xyz"), "{head}");
    assert!(head.contains("upgrade: websocket") && head.contains("connection: Upgrade"), "{head}");
    (caller, upstream)
}

#[tokio::test]
async fn a_web_socket_goes_both_ways_until_both_have_ended_it() {
    let stage = Stage::with(Upgrades::WebSocket).await;
    let (mut caller, mut upstream) = tunnel(&stage).await;
    caller.write_all(b"\x81\x85maskhello").await.unwrap();
    let mut masked = [0; 11];
    upstream.read_exact(&mut masked).await.unwrap();
    assert_eq!(&masked, b"\x81\x85maskhello");
    upstream.write_all(b"\x81\x05world").await.unwrap();
    let mut frame = [0; 7];
    caller.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x81\x05world");
    drop(upstream);
    assert_eq!(rest(caller).await, b"");
}

#[tokio::test]
async fn a_web_socket_ends_with_its_token_and_with_the_gateway() {
    let stage = Stage::with(Upgrades::WebSocket).await;
    let (caller, upstream) = tunnel(&stage).await;
    stage.end(Cause::TokenRevoked);
    assert_eq!(rest(caller).await, CloseCode::PolicyViolation.frame());
    is_told(upstream, CloseCode::PolicyViolation).await;
    let stage = Stage::with(Upgrades::WebSocket).await;
    let (caller, upstream) = tunnel(&stage).await;
    stage.streams.close();
    assert_eq!(rest(caller).await, CloseCode::GoingAway.frame());
    is_told(upstream, CloseCode::GoingAway).await;
}

/// Who may not call any more is told what a call would be answered; who may again in a while is told to come again.
#[tokio::test]
async fn a_web_socket_that_may_not_go_on_is_told_why() {
    for (why, code, reason) in [
        (
            Withdrawn::from(Fault::SubscriptionBlocked),
            1008,
            "900907 The requested API is temporarily blocked",
        ),
        (Withdrawn::from(Fault::ApiBlocked), 1001, "700700 API blocked"),
        (Withdrawn::from(Cause::ServerSilent), 1001, "going away"),
    ] {
        let stage = Stage::with(Upgrades::WebSocket).await;
        let (caller, upstream) = tunnel(&stage).await;
        stage.end(why.clone());
        let said = rest(caller).await;
        assert_eq!((said[0], usize::from(said[1])), (0x88, said.len() - 2));
        assert_eq!(u16::from_be_bytes([said[2], said[3]]), code, "{why:?}");
        assert_eq!(String::from_utf8_lossy(&said[4..]), reason, "{why:?}");
        assert_eq!(rest(upstream).await.len(), said.len() + 4, "the same under a mask");
    }
}

#[tokio::test]
async fn the_upstream_may_refuse_a_web_socket() {
    let stage = Stage::with(Upgrades::WebSocket).await;
    let (mut caller, mut upstream, _) = stage.call(WISH, "\r\n\r\n").await;
    upstream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
    let answer = read_until(&mut caller, "no").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let other = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: other\r\nconnection: Upgrade\r\n\r\n";
    let (mut caller, mut upstream, _) = stage.call(WISH, "\r\n\r\n").await;
    upstream.write_all(other).await.unwrap();
    let answer = read_until(&mut caller, "}").await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("101506"), "{answer}");
}

#[tokio::test]
async fn an_api_without_upgrades_drops_the_wish() {
    let stage = Stage::with(Upgrades::None).await;
    let (mut caller, mut upstream, seen) = stage.call(WISH, "\r\n\r\n").await;
    assert!(!seen.contains("upgrade"), "{seen}");
    upstream.write_all(AGREED).await.unwrap();
    let answer = read_until(&mut caller, "}").await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

#[tokio::test]
async fn events_flow_one_by_one_and_end_with_their_token() {
    let stage = Stage::with(Upgrades::None).await;
    let (mut caller, mut upstream, _) = stage.call(&get("/echo/1/events", "good"), "\r\n\r\n").await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    upstream.write_all(head.as_bytes()).await.unwrap();
    for number in 0..5 {
        let event = format!("data: {number}\n\n");
        upstream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await.unwrap();
        read_until(&mut caller, &format!("{event}\r\n")).await;
    }
    stage.end(Cause::TokenExpired);
    assert_eq!(rest(caller).await, b"", "no last chunk: the answer is not whole");
    assert_eq!(rest(upstream).await, b"");
}

#[tokio::test]
async fn an_answer_that_comes_without_a_pause_is_cut_too() {
    let stage = Stage::with(Upgrades::None).await;
    let (mut caller, mut upstream, _) = stage.call(&get("/echo/1/flood", "good"), "\r\n\r\n").await;
    upstream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let flood = tokio::spawn(async move { while upstream.write_all(&[b'x'; 8192]).await.is_ok() {} });
    let mut part = vec![0; 1 << 20];
    caller.read_exact(&mut part).await.unwrap();
    stage.end(Cause::TokenRevoked);
    timeout(PATIENCE, async { while caller.read(&mut part).await.is_ok_and(|read| read > 0) {} })
        .await
        .expect("the flood ends");
    timeout(PATIENCE, flood).await.expect("the upstream notices").unwrap();
}

#[tokio::test]
async fn an_upload_ends_with_its_permission() {
    for (why, status, code) in [
        (Withdrawn::from(Cause::TokenRevoked), "401", "900901"),
        (Withdrawn::from(Fault::NoSubscription), "403", "900908"),
    ] {
        let stage = Stage::with(Upgrades::None).await;
        let (mut caller, upstream, _) = stage.call(&format!("{}abc", post("good", 100_000)), "abc").await;
        stage.end(why);
        let answer = read_until(&mut caller, "}").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(code), "{answer}");
        assert_eq!(rest(upstream).await, b"");
    }
}
