//! What the line says, and what it never says.

use std::io;
use std::sync::Mutex;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http::StatusCode;
use latchkey_catalog::id::EntryId;
use serde_json::Value;
use tower::ServiceExt;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::http::answer::CallOutcome;
use crate::metrics::Readings;

#[derive(Debug, Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Page {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

async fn token() -> Response {
    let outcome = Outcome {
        grant_type: Some("password"),
        client_id: Some("key\r\nforged=1".into()),
        api_key: Some("web".into()),
        error: Some("invalid_grant"),
        cause: Some("the password is wrong".into()),
        call: CallOutcome {
            application: Some(EntryId::from_bytes([0xab; 16])),
            phase: Some(Phase::Throttle),
            explanation: Some("00000000000000ff".parse().unwrap()),
            upstream: Some(Duration::from_micros(1500)),
        },
    };
    let mut response = StatusCode::BAD_REQUEST.into_response();
    response.extensions_mut().insert(outcome);
    response
}

/// Sends the requests through the layer and returns the log lines and the metrics.
async fn summarize(lines: Lines, requests: Vec<Request<Body>>) -> (Vec<Value>, String) {
    let metrics = Arc::new(Metrics::default());
    let router = Router::new()
        .route("/oauth2/token", post(token))
        .route("/devices/{id}", get(|| async { "one" }))
        .route("/broken", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(SummaryLayer(Summaries::new(Arc::clone(&metrics), lines)));
    let page = Page::default();
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(page.clone()).finish();
    let guard = tracing::subscriber::set_default(log);
    for request in requests {
        router.clone().oneshot(request).await.unwrap();
    }
    drop(guard);
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    (
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        metrics.render(&Readings::default()),
    )
}

fn request(method: Method, path: &str) -> Request<Body> {
    let peer = Peer { socket: "127.0.0.1:5".parse().unwrap(), client: "192.0.2.7".parse().unwrap() };
    let request = Request::builder().method(method).uri(path).header("authorization", "Basic c2VjcmV0");
    request.extension(peer).body(Body::from("password=hunter2")).unwrap()
}

fn requests() -> Vec<Request<Body>> {
    vec![
        request(Method::POST, "/oauth2/token?username=alice"),
        request(Method::GET, "/devices/7?token=lka_x"),
        request(Method::GET, "/broken"),
        request(Method::GET, "/secret-in-path"),
    ]
}

#[tokio::test]
async fn the_line_says_who_what_and_how_it_ended() {
    let (lines, _) = summarize(Lines::Write, requests()).await;
    let [token, device, broken, unmatched] = lines.as_slice() else { panic!("{lines:?}") };
    let expected = [
        ("method", "POST"),
        ("route", "/oauth2/token"),
        ("client_address", "192.0.2.7"),
        ("grant_type", "password"),
        ("client_id", "key\r\nforged=1"),
        ("api_key", "web"),
        ("error", "invalid_grant"),
        ("cause", "the password is wrong"),
        ("application", "abababab-abab-abab-abab-abababababab"),
        ("phase", "throttle"),
        ("explanation", "00000000000000ff"),
        ("level", "INFO"),
        ("target", "latchkey::request"),
    ];
    for (field, value) in expected {
        assert_eq!(token[field], value, "{token}");
    }
    assert_eq!(token["status"], 400);
    assert!(token["duration_us"].is_u64());
    assert_eq!(token["upstream_us"], 1500);
    assert_eq!((&device["route"], &device["status"]), (&"/devices/{id}".into(), &200.into()));
    assert!(device.get("explanation").is_none() && device.get("upstream_us").is_none(), "{device}");
    assert!(device.get("error").is_none() && device.get("client_id").is_none(), "{device}");
    assert_eq!(broken["level"], "ERROR");
    assert_eq!(unmatched["route"], "unmatched");
}

#[tokio::test]
async fn no_query_path_header_or_body_is_written() {
    let (lines, metrics) = summarize(Lines::Write, requests()).await;
    let text = format!("{lines:?}{metrics}");
    for secret in ["alice", "lka_x", "hunter2", "c2VjcmV0", "secret-in-path", "devices/7"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn requests_are_counted_with_and_without_lines() {
    for (lines, expected) in [(Lines::Write, 4), (Lines::Omit, 0)] {
        let (lines, metrics) = summarize(lines, requests()).await;
        assert_eq!(lines.len(), expected);
        assert!(
            metrics.contains("latchkey_http_requests_total{route=\"/devices/{id}\",status=\"200\"} 1"),
            "{metrics}"
        );
        assert!(
            metrics.contains("latchkey_http_requests_total{route=\"unmatched\",status=\"404\"} 1"),
            "{metrics}"
        );
    }
}
