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

use super::operation::Access;
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

/// What the routes answer to `request` with these credentials.
async fn ask(
    at: &Installation,
    request: http::request::Builder,
    credentials: Option<&str>,
) -> (http::response::Parts, Value) {
    let peer = Peer { socket: "127.0.0.1:5".parse().unwrap(), client: [127, 0, 0, 1].into() };
    let mut request = request.extension(peer);
    if let Some(credentials) = credentials {
        request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(credentials)));
    }
    let answer = routes().with_state(Arc::clone(&at.app)).oneshot(request.body(Body::empty()).unwrap()).await;
    let (parts, body) = answer.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts, serde_json::from_slice(&body).unwrap_or_default())
}

/// What the routes answer to a request for an explanation.
async fn read(at: &Installation, id: &str, credentials: Option<&str>) -> (http::response::Parts, Value) {
    ask(at, Request::get(format!("/api/latchkey/v1/explanations/{id}")), credentials).await
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
    assert_eq!(body, error(403, "Forbidden", "You don't have permission to access the resource."));
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
    assert!(body["description"].as_str().unwrap().contains("no node that is heard"), "{body}");
    let (parts, body) = read(&at, "nonsense", ADMINISTRATOR).await;
    assert_eq!((parts.status, &body["message"]), (StatusCode::BAD_REQUEST, &json!("Bad Request")));
}

/// The operations that answer whoever asks; every other one is tried by the crawl below.
const OPEN: [&str; 20] = [
    "/ServiceProviderConfig",
    "/ResourceTypes",
    "/Schemas",
    "/Schemas/{id}",
    "/apis",
    "/apis/{apiId}",
    "/apis/{apiId}/swagger",
    "/apis/{apiId}/subscription-policies",
    "/apis/{apiId}/documents",
    "/apis/{apiId}/comments",
    "/search",
    "/tags",
    "/tenants",
    "/api-categories",
    "/settings",
    "/settings/application-attributes",
    "/throttling-policies/{policyLevel}",
    "/throttling-policies/{policyLevel}/{policyId}",
    "/server-startup-healthcheck",
    "/openapi.json",
];

#[test]
fn each_row_is_sound() {
    let mut seen = std::collections::BTreeSet::new();
    for operation in operations() {
        let Operation { surface, method, path, access, .. } = &operation;
        assert!(seen.insert(format!("{surface:?} {method} {path}")), "{operation:?} stands twice");
        match access {
            Access::Anyone => assert!(*method == Method::GET && OPEN.contains(path), "{operation:?}"),
            Access::SignedIn => {}
            Access::Scopes(scopes) => {
                assert!(!scopes.is_empty(), "{operation:?}");
                for scope in *scopes {
                    assert!(latchkey_catalog::system_scope::find(scope).is_some(), "{operation:?}: {scope}");
                }
            }
        }
    }
}

#[tokio::test]
async fn nothing_but_what_is_open_answers_without_credentials() {
    let (at, _home) = installation().await;
    let mut tried = 0;
    for operation in operations().iter().filter(|operation| operation.access != Access::Anyone) {
        for base in operation.surface.bases() {
            let path = format!("{base}{}", operation.path).replace(['{', '}'], "");
            let (parts, body) = ask(&at, Request::builder().method(&operation.method).uri(&path), None).await;
            let (member, expected) = if operation.surface == Surface::Scim {
                ("status", "401")
            } else if operation.surface == Surface::Clients {
                ("error", "invalid_client")
            } else {
                ("code", "401")
            };
            let told = &body[member];
            assert_eq!(parts.status, StatusCode::UNAUTHORIZED, "{operation:?} at {path}");
            // An answer to HEAD has no body.
            let told = (operation.method != Method::HEAD).then(|| told.to_string());
            let is_told = told.is_none_or(|told| told.trim_matches('"') == expected);
            assert!(is_told, "{operation:?} at {path}");
            tried += 1;
        }
        let path = format!("{}{}", operation.surface.bases()[0], operation.path).replace(['{', '}'], "");
        let request = Request::builder().method(&operation.method).uri(&path);
        let (parts, _) = ask(&at, request.header(AUTHORIZATION, "Bearer lka_nonsense"), None).await;
        assert_eq!(parts.status, StatusCode::UNAUTHORIZED, "{operation:?} with a bad token");
    }
    assert!(tried > 0);
}

#[tokio::test]
async fn an_open_operation_refuses_bad_credentials() {
    let (at, _home) = installation().await;
    let settings = || Request::get("/api/am/devportal/v3/settings");
    assert_eq!(ask(&at, settings(), None).await.0.status, StatusCode::OK);
    assert_eq!(ask(&at, settings(), Some("alice:correct horse")).await.0.status, StatusCode::OK);
    assert_eq!(ask(&at, settings(), Some("alice:wrong")).await.0.status, StatusCode::UNAUTHORIZED);
    let bearer = settings().header(AUTHORIZATION, "Bearer nonsense");
    assert_eq!(ask(&at, bearer, None).await.0.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn addresses_methods_types_and_tenants_are_looked_at() {
    let (at, _home) = installation().await;
    let get = |path: &str| Request::get(path.to_owned());
    let cases = [
        (get("/api/am/devportal/v3/apis"), 200),
        (get("/api/am/devportal/v3.5/apis"), 200),
        (get("/api/am/devportal/vLATEST/apis"), 200),
        (get("/api/am/devportal/apis"), 200),
        (get("/api/am/store/v1/apis"), 200),
        (Request::head("/api/am/devportal/v2/apis"), 200),
        (get("/api/am/devportal/v4/apis"), 404),
        (get("/api/am/devportal/v3/nothing"), 404),
        (get("/api/am/devportal/v3/apis/no-id"), 404),
        (Request::delete("/api/am/devportal/v3/apis"), 405),
        (get("/api/am/devportal/v3/apis?limit=-1"), 400),
        (get("/api/am/devportal/v3/apis").header("x-wso2-tenant", "carbon.super"), 200),
        (get("/api/am/devportal/v3/apis").header("x-wso2-tenant", "other"), 404),
        (get("/api/am/devportal/v3/apis").header("accept", "application/xml"), 406),
        (get("/api/am/devportal/v3/apis").header("accept", "text/html, */*;q=0.8"), 200),
        (get("/api/am/devportal/v3/apis").header("accept", "application/json;q=0"), 406),
        (get("/api/am/devportal/v3/throttling-policies/api"), 404),
    ];
    for (request, status) in cases {
        let told = format!("{request:?}");
        let (parts, body) = ask(&at, request, None).await;
        assert_eq!(parts.status.as_u16(), status, "{told}: {body}");
        if status == 405 {
            assert!(parts.headers.contains_key("allow"), "{told}");
        }
    }
}
