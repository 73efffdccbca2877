//! Who may read what over REST, and how errors look.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use latchkey_gateway::answer::Fault;
use latchkey_gateway::explain::{Cause, Refusal};
use latchkey_oauth::secret::Secret;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::admin::text::SecretText;
use crate::admin::{Command, user};
use crate::network::Peer;
use crate::testing::{Installation, home};

/// An installation with an administrator and a user; both have one password.
async fn installation() -> (Installation, tempfile::TempDir) {
    let home = home();
    let at = Installation::open(&home, &["store.url=memory:", "passwords.brake_pair_burst=2"]).await;
    for (name, role) in [("admin", "admin"), ("alice", "reader")] {
        let password = SecretText(Secret::new("correct horse"));
        let roles = [role.to_owned()].into();
        at.done(Command::User(user::Command::Add { name: name.to_owned(), password, roles })).await;
    }
    (at, home)
}

/// What the routes answer to a request for an explanation with these credentials.
async fn read(at: &Installation, id: &str, credentials: Option<&str>) -> (http::response::Parts, Value) {
    let peer = Peer { socket: "127.0.0.1:5".parse().unwrap(), client: [127, 0, 0, 1].into() };
    let mut request = Request::get(format!("/api/latchkey/v1/explanations/{id}")).extension(peer);
    if let Some(credentials) = credentials {
        request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(credentials)));
    }
    let answer = routes().with_state(Arc::clone(&at.app)).oneshot(request.body(Body::empty()).unwrap()).await;
    let (parts, body) = answer.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts, serde_json::from_slice(&body).unwrap_or_default())
}

const ADMINISTRATOR: Option<&str> = Some("admin:correct horse");

#[tokio::test]
async fn an_administrator_reads_an_explanation() {
    let (at, _home) = installation().await;
    let (cause, fault) = (Some(Cause::TokenExpired), Fault::InvalidCredentials);
    let refusal = Refusal { at: at.app.now(), fault, cause, who: None, limit: None, place: None };
    let id = at.app.kept_by_gateway.explanations.note(refusal).to_string();
    let (parts, body) = read(&at, &id, ADMINISTRATOR).await;
    assert_eq!(parts.status, StatusCode::OK);
    let told = json!([body["id"], body["status"], body["code"], body["rule"]]);
    assert_eq!(told, json!([id, 401, "900901", "The token is expired."]));
    assert_eq!(parts.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn others_read_nothing() {
    let (at, _home) = installation().await;
    let error = |code: u16, message: &str, description: &str| json!({ "code": code, "message": message, "description": description, "moreInfo": "", "error": [] });
    let nobody = error(401, "", "Unauthenticated request");
    let id = "0123456789abcdef";
    for credentials in [None, Some("admin:wrong"), Some("nobody:correct horse"), Some("no colon")] {
        let (parts, body) = read(&at, id, credentials).await;
        assert_eq!((parts.status, &body), (StatusCode::UNAUTHORIZED, &nobody), "{credentials:?}");
        assert!(parts.headers[WWW_AUTHENTICATE].to_str().unwrap().starts_with("Basic "));
    }
    let (parts, body) = read(&at, id, Some("alice:correct horse")).await;
    assert_eq!(parts.status, StatusCode::FORBIDDEN);
    assert_eq!(body, error(403, "Forbidden", "Only administrators may read this."));
    read(&at, id, Some("admin:wrong")).await;
    let (parts, body) = read(&at, id, Some("admin:wrong")).await;
    assert_eq!((parts.status, &body["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!(429)));
    assert!(parts.headers.contains_key(RETRY_AFTER));
}

#[tokio::test]
async fn what_is_not_there_is_told() {
    let (at, _home) = installation().await;
    let (parts, body) = read(&at, "0123456789abcdef", ADMINISTRATOR).await;
    assert_eq!((parts.status, &body["code"]), (StatusCode::NOT_FOUND, &json!(404)));
    assert!(body["description"].as_str().unwrap().contains("another node"), "{body}");
    let (parts, body) = read(&at, "nonsense", ADMINISTRATOR).await;
    assert_eq!((parts.status, &body["message"]), (StatusCode::BAD_REQUEST, &json!("Bad Request")));
}
