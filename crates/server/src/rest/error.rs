//! What went wrong, as WSO2's REST interfaces tell it.

use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use latchkey_oauth::refusal::Refusal;
use serde::Serialize;

use crate::admin::{AdminError, ErrorKind};
use crate::http::answer::{Outcome, text};

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RestError {
    status: StatusCode,
    message: &'static str,
    description: String,
    retry_after: Option<u32>,
}

/// The body: `code` is a number, and nothing is left out (WSO2's `GlobalThrowableMapper`).
#[derive(Serialize)]
struct Body<'a> {
    code: u16,
    message: &'static str,
    description: &'a str,
    #[serde(rename = "moreInfo")]
    more_info: &'static str,
    error: [(); 0],
}

impl RestError {
    /// No credentials, or none that are accepted; WSO2's words.
    pub(super) fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "", "Unauthenticated request")
    }

    /// The credentials are accepted, and do not suffice.
    pub(super) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", "Only administrators may read this.")
    }

    fn new(status: StatusCode, message: &'static str, description: impl Into<String>) -> Self {
        Self { status, message, description: description.into(), retry_after: None }
    }
}

impl From<AdminError> for RestError {
    fn from(AdminError { kind, message }: AdminError) -> Self {
        match kind {
            ErrorKind::WrongUse => Self::new(StatusCode::BAD_REQUEST, "Bad Request", message),
            ErrorKind::Refused => Self::new(StatusCode::NOT_FOUND, "Not Found", message),
            ErrorKind::Failed => {
                tracing::error!(problem = message, "a request of the REST interface failed");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Service Unavailable",
                    "It cannot be read now; the server's log has the cause.",
                )
            }
        }
    }
}

impl From<Refusal> for RestError {
    /// What stands against a sign-in: brakes, a full queue, the store.
    fn from(refusal: Refusal) -> Self {
        let answer = refusal.answer();
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let message = status.canonical_reason().unwrap_or_default();
        Self { retry_after: answer.retry_after, ..Self::new(status, message, answer.description) }
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let body = Body {
            code: self.status.as_u16(),
            message: self.message,
            description: &self.description,
            more_info: "",
            error: [],
        };
        let body = serde_json::to_vec(&body).expect("an error is plain data");
        let mut response = text(self.status, "application/json", body).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"latchkey\", charset=\"UTF-8\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        let cause = if self.description.is_empty() { self.message.to_owned() } else { self.description };
        response.extensions_mut().insert(Outcome { cause: Some(cause), ..Outcome::default() });
        response
    }
}
