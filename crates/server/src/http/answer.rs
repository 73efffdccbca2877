//! The one place where a refusal becomes an HTTP answer.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use latchkey_oauth::refusal::{Challenge, OAuthError, Refusal};
use serde::Serialize;

/// What the log line and the metrics say of a request beside its status.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The grant, where the request was for tokens.
    pub grant_type: Option<&'static str>,
    /// The consumer key of the authenticated client.
    pub client_id: Option<String>,
    /// The error code answered.
    pub error: Option<&'static str>,
    /// What was refused, in the server's own words.
    pub cause: Option<String>,
}

/// `value` as JSON that nobody may keep (RFC 6749 section 5.1).
pub fn json(value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("answers are plain data");
    text(StatusCode::OK, "application/json", body.into())
}

/// An uncached answer of one content type.
pub fn text(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// A JSON document that anybody may keep for a while.
pub fn public_json(value: &impl Serialize) -> Response {
    let mut response = json(value);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.remove(PRAGMA);
    response
}

/// A refusal with what the log says of its request.
#[derive(Debug)]
pub struct Refused {
    /// The refusal.
    pub refusal: Refusal,
    /// The request.
    pub outcome: Outcome,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, outcome: Outcome::default() }
    }
}

#[derive(Serialize)]
struct ErrorBody {
    error: &'static str,
    error_description: &'static str,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let OAuthError { status, error, description, challenge, retry_after } = self.refusal.answer();
        let code = if error.is_empty() { "invalid_request" } else { error };
        let mut response = json(&ErrorBody { error: code, error_description: description });
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Some(value) = challenge_value(challenge, error, description) {
            headers.insert(WWW_AUTHENTICATE, value);
        }
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        let outcome = Outcome { error: Some(code), cause: Some(self.refusal.to_string()), ..self.outcome };
        response.extensions_mut().insert(outcome);
        response
    }
}

fn challenge_value(challenge: Challenge, error: &str, description: &str) -> Option<HeaderValue> {
    let value = match challenge {
        Challenge::None => return None,
        Challenge::Basic => "Basic realm=\"latchkey\", charset=\"UTF-8\"".to_owned(),
        Challenge::BareBearer => "Bearer realm=\"latchkey\"".to_owned(),
        Challenge::Bearer => {
            format!("Bearer realm=\"latchkey\", error=\"{error}\", error_description=\"{description}\"")
        }
    };
    HeaderValue::from_str(&value).ok()
}
