//! The one place where a refusal becomes an HTTP answer.

use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use latchkey_catalog::id::EntryId;
use latchkey_gateway::explain::ExplanationId;
use latchkey_gateway::record::Phase;
use latchkey_oauth::refusal::{Challenge, OAuthError, Refusal};
use serde::Serialize;

/// What the log line and the metrics say of a request beside its status.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The grant, where the request was for tokens.
    pub grant_type: Option<&'static str>,
    /// The consumer key of the authenticated client.
    pub client_id: Option<String>,
    /// The name of the API key that a call brought.
    pub api_key: Option<String>,
    /// The error code answered.
    pub error: Option<&'static str>,
    /// What was refused, in the server's own words.
    pub cause: Option<String>,
    /// What else there is to say of a call of an API.
    pub call: CallOutcome,
}

/// What the log line of a call of an API says besides.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallOutcome {
    /// The application.
    pub application: Option<EntryId>,
    /// The phase that refused.
    pub phase: Option<Phase>,
    /// The id in the header `Latchkey-Explain` of the answer.
    pub explanation: Option<ExplanationId>,
    /// How long the upstream took until the head of its answer.
    pub upstream: Option<Duration>,
}

/// An answer that is complete when its head is sent.
pub type Whole = Response<Full<Bytes>>;

/// The room that most answers fit into, in bytes.
const USUAL: usize = 1024;

/// `value` as JSON that nobody may keep (RFC 6749 section 5.1).
pub fn json(value: &impl Serialize) -> Whole {
    let mut body = Vec::with_capacity(USUAL);
    serde_json::to_writer(&mut body, value).expect("answers are plain data");
    text(StatusCode::OK, "application/json", body)
}

/// An uncached answer of one content type.
pub fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Whole {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// A JSON document that anybody may keep for a while.
pub fn public_json(value: &impl Serialize) -> Whole {
    let mut response = json(value);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.remove(PRAGMA);
    response
}

/// An answer with what the log says of its request.
#[derive(Debug)]
pub struct Answered {
    /// The answer.
    pub response: Whole,
    /// The request.
    pub outcome: Outcome,
}

#[derive(Serialize)]
struct ErrorBody {
    error: &'static str,
    error_description: &'static str,
}

impl Answered {
    /// The answer that an endpoint came to.
    pub fn new(answer: Result<Whole, Refusal>, outcome: Outcome) -> Self {
        match answer {
            Ok(response) => Self { response, outcome },
            Err(refusal) => Self::refused(refusal, outcome),
        }
    }

    /// RFC 9110 section 15.5.6.
    pub fn method_not_allowed(allowed: &'static str) -> Self {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "application/json", Bytes::new());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        Self { response, outcome: Outcome::default() }
    }

    fn refused(refusal: Refusal, outcome: Outcome) -> Self {
        let OAuthError { status, error, description, challenge, retry_after } = refusal.answer();
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
        // The rest of the request may still be on its way (RFC 9110 section 15.5.9).
        if matches!(refusal, Refusal::BodyTooSlow | Refusal::TookTooLong) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let outcome = Outcome { error: Some(code), cause: Some(refusal.to_string()), ..outcome };
        Self { response, outcome }
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
