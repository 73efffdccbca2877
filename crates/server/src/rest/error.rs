//! What went wrong, as WSO2's REST interfaces tell it: the one table of codes.

use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use latchkey_oauth::refusal::Refusal;
use serde::Serialize;

use super::scim::ScimType;
use crate::admin::problem::{Administration, Problem, PublisherProblem};
use crate::admin::{AdminError, ErrorKind};
use crate::app::unavailable;
use crate::http::answer::{Outcome, text};

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RestError {
    /// What it is.
    pub(crate) fault: Fault,
    description: Option<String>,
    retry_after: Option<u32>,
}

/// What can be wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// No credentials, or none that are accepted.
    Unauthenticated,
    /// The credentials are accepted, and do not suffice.
    Forbidden,
    /// A rule of the catalogue says no.
    Ruled(Problem),
    /// Something about the request is not well-formed.
    BadRequest,
    /// The same, with a keyword of SCIM's.
    Scim(ScimType),
    /// There is nothing of that name.
    NotFound,
    /// Nothing at the address takes this method.
    MethodNotAllowed,
    /// The caller takes no JSON.
    NotAcceptable,
    /// The state of things says no.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// The body is no JSON.
    UnsupportedMediaType,
    /// Too many failed attempts to sign in.
    TooManyAttempts,
    /// The body did not come in time.
    BodyTooSlow,
    /// It cannot be done now.
    Unavailable,
}

/// How a fault is told. A code below 1000 is the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// WSO2's number.
    pub(crate) code: u32,
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// WSO2's message.
    pub(crate) message: &'static str,
    /// The description, where nothing better is known.
    pub(crate) description: &'static str,
}

const fn row(code: u32, status: StatusCode, message: &'static str, description: &'static str) -> Row {
    Row { code, status, message, description }
}

impl Fault {
    /// The table. The numbers are WSO2's `ExceptionCodes`; where it answers 500 for bad input, a status that
    /// says so.
    pub(crate) const fn row(self) -> Row {
        use StatusCode as S;
        match self {
            Self::Unauthenticated => row(401, S::UNAUTHORIZED, "", "Unauthenticated request"),
            Self::Forbidden => {
                row(403, S::FORBIDDEN, "Forbidden", "You don't have permission to access the resource.")
            }
            Self::Ruled(problem) => of_rule(problem),
            Self::BadRequest | Self::Scim(_) => {
                row(400, S::BAD_REQUEST, "Bad Request", "The request is malformed.")
            }
            Self::NotFound => row(404, S::NOT_FOUND, "Not Found", "Requested resource not found."),
            Self::MethodNotAllowed => {
                row(405, S::METHOD_NOT_ALLOWED, "Method Not Allowed", "Method not allowed for given path.")
            }
            Self::NotAcceptable => {
                row(406, S::NOT_ACCEPTABLE, "Not Acceptable", "The requested media type is not supported.")
            }
            Self::Conflict => {
                row(409, S::CONFLICT, "Conflict", "The state of the resource does not allow it.")
            }
            Self::TooLarge => row(413, S::PAYLOAD_TOO_LARGE, "Payload Too Large", "The body is too large."),
            Self::UnsupportedMediaType => row(
                415,
                S::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported Media Type",
                "The entity of the request was in a not supported format.",
            ),
            Self::TooManyAttempts => row(429, S::TOO_MANY_REQUESTS, "Too Many Requests", "Try again later."),
            Self::BodyTooSlow => row(408, S::REQUEST_TIMEOUT, "Request Timeout", "The body did not come."),
            Self::Unavailable => row(
                503,
                S::SERVICE_UNAVAILABLE,
                "Service Unavailable",
                "It cannot be done now; the server's log has the cause.",
            ),
        }
    }
}

const fn of_rule(problem: Problem) -> Row {
    use StatusCode as S;
    match problem {
        Problem::NoSuchApplication => {
            row(900_307, S::NOT_FOUND, "Application not found", "The application does not exist.")
        }
        Problem::ApplicationExists => row(
            900_301,
            S::CONFLICT,
            "The application already exists.",
            "An application of that name already exists.",
        ),
        Problem::NoSuchApi => row(900_308, S::NOT_FOUND, "API not found", "Requested API does not exist."),
        Problem::ApiExists => row(900_300, S::CONFLICT, "The API already exists.", "The API already exists."),
        Problem::NoSuchSubscription => {
            row(900_310, S::NOT_FOUND, "Subscription not found", "The subscription does not exist.")
        }
        Problem::SubscriptionExists => {
            row(900_336, S::CONFLICT, "Subscription already exists", "The application is already subscribed.")
        }
        Problem::ApiClosed => {
            row(403, S::FORBIDDEN, "Forbidden", "The API does not take new subscriptions in its state.")
        }
        Problem::NoSuchTier => {
            row(400, S::BAD_REQUEST, "Bad Request", "Specified throttling policy does not exist.")
        }
        Problem::NoSuchUser => row(404, S::NOT_FOUND, "Not Found", "The user does not exist."),
        Problem::RoleExists => row(409, S::CONFLICT, "Conflict", "The role already exists."),
        Problem::UserExists => row(409, S::CONFLICT, "Conflict", "The user already exists."),
        Problem::NoSuchKeys => row(404, S::NOT_FOUND, "Not Found", "Application keys not found."),
        Problem::KeysExist => row(
            901_409,
            S::CONFLICT,
            "Key Mappings already exists",
            "Key Mappings already exists for the application.",
        ),
        Problem::NoSuchKeyManager => row(
            901_403,
            S::BAD_REQUEST,
            "Key Manager not registered",
            "The Key Manager is not registered or not enabled.",
        ),
        Problem::BadKeySettings => row(
            900_970,
            S::BAD_REQUEST,
            "Invalid application additional properties",
            "Application configuration values cannot have negative values",
        ),
        Problem::NoCallback => row(
            400,
            S::BAD_REQUEST,
            "Bad Request",
            "The callback url must have at least one URI value when using Authorization code or implicit grant types.",
        ),
        Problem::WrongPassword => {
            row(400, S::BAD_REQUEST, "Bad Request", "The current password is not correct.")
        }
        Problem::WrongState | Problem::InUse => {
            row(409, S::CONFLICT, "Conflict", "The state of the resource does not allow it.")
        }
        Problem::NotOwner => {
            row(403, S::FORBIDDEN, "Forbidden", "Only the owner may change the application.")
        }
        Problem::Administration(problem) => of_administration(problem),
        Problem::Publisher(problem) => of_publishing(problem),
    }
}

/// What publishers are told.
const fn of_publishing(problem: PublisherProblem) -> Row {
    use StatusCode as S;
    match problem {
        PublisherProblem::ApiNameExists => {
            row(900_250, S::CONFLICT, "The API name already exists.", "An API of that name already exists.")
        }
        PublisherProblem::ApiContextExists => row(
            900_251,
            S::CONFLICT,
            "The API context already exists.",
            "An API with that context already exists.",
        ),
        PublisherProblem::ApiVersionExists => {
            row(900_252, S::CONFLICT, "The API version already exists.", "The API already has that version.")
        }
        PublisherProblem::NoResources => {
            row(900_763, S::BAD_REQUEST, "No resources found", "API must have at least one resource defined")
        }
        PublisherProblem::WrongTransition => row(
            900_381,
            S::BAD_REQUEST,
            "Unsupported state change action",
            "The lifecycle state change action is not allowed in the state of the API.",
        ),
        PublisherProblem::NoSuchRevision => {
            row(900_347, S::NOT_FOUND, "API Revision Not Found", "The API has no such revision there.")
        }
        PublisherProblem::RevisionDeployed => row(
            900_348,
            S::BAD_REQUEST,
            "Can not delete API Revision ",
            "The revision is deployed; undeploy it first.",
        ),
        PublisherProblem::RevisionsFull => row(
            900_351,
            S::BAD_REQUEST,
            "Can not create API Revision ",
            "The API has as many revisions as it may; delete one first.",
        ),
        PublisherProblem::NoSuchScope => {
            row(900_981, S::NOT_FOUND, "Shared Scope not found", "There is no such shared scope.")
        }
        PublisherProblem::ScopeExists => {
            row(900_984, S::CONFLICT, "Scope already exists", "A scope of that name already exists.")
        }
        PublisherProblem::ScopeInUse => row(
            900_985,
            S::CONFLICT,
            "Shared Scope already attached",
            "The shared scope is used by one or more APIs.",
        ),
        PublisherProblem::ScopeAssigned => row(
            900_988,
            S::BAD_REQUEST,
            "Scope already assigned locally by another API",
            "Another API has a scope of that name; share the scope instead.",
        ),
    }
}

const fn of_administration(problem: Administration) -> Row {
    use StatusCode as S;
    match problem {
        Administration::TierExists => {
            row(409, S::CONFLICT, "Conflict", "A throttling policy of that name already exists.")
        }
        Administration::DenyPolicyExists => {
            row(900_979, S::CONFLICT, "The Block Condition exists.", "The Block Condition already exists")
        }
        Administration::NoSuchDenyPolicy => {
            row(404, S::NOT_FOUND, "Not Found", "The deny policy does not exist.")
        }
        Administration::NoSuchDeniedApi => {
            row(900_977, S::BAD_REQUEST, "Block Condition Error", "API Context does not exist")
        }
        Administration::NoSuchDeniedApplication => {
            row(900_978, S::BAD_REQUEST, "Block Condition Error", "Application ID or Name does not exist")
        }
        Administration::NoSuchWorkflow => row(
            900_551,
            S::NOT_FOUND,
            "Workflow error",
            "Workflow entry cannot be found for the given reference id",
        ),
        Administration::WorkflowDecided => {
            row(900_552, S::BAD_REQUEST, "Workflow error", "Workflow is already completed")
        }
        Administration::KeyManagerExists => {
            row(901_402, S::CONFLICT, "Key Manager Already Exists", "Key Manager Already Exists")
        }
        Administration::NoSuchKeyManagerType => row(
            901_400,
            S::BAD_REQUEST,
            "Key Manager Type not configured",
            "Key managers other than the resident one are not supported.",
        ),
    }
}

/// The body: `code` is a number, and nothing is left out (WSO2's `GlobalThrowableMapper`).
#[derive(Serialize)]
struct Body<'a> {
    code: u32,
    message: &'static str,
    description: &'a str,
    #[serde(rename = "moreInfo")]
    more_info: &'static str,
    error: [(); 0],
}

impl RestError {
    /// A fault in the table's words.
    pub(crate) const fn of(fault: Fault) -> Self {
        Self { fault, description: None, retry_after: None }
    }

    /// A fault in words of one's own.
    pub(crate) fn told(fault: Fault, description: impl Into<String>) -> Self {
        Self { description: Some(description.into()), ..Self::of(fault) }
    }

    /// Something about the request is not well-formed.
    pub(crate) fn bad(description: impl Into<String>) -> Self {
        Self::told(Fault::BadRequest, description)
    }

    /// What was wrong, in a sentence.
    pub(in crate::rest) fn description(&self) -> &str {
        self.description.as_deref().unwrap_or_else(|| self.fault.row().description)
    }
}

impl From<Problem> for RestError {
    fn from(problem: Problem) -> Self {
        Self::of(Fault::Ruled(problem))
    }
}

impl From<Administration> for RestError {
    fn from(problem: Administration) -> Self {
        Problem::from(problem).into()
    }
}

impl From<AdminError> for RestError {
    fn from(AdminError { kind, message, problem }: AdminError) -> Self {
        match (kind, problem) {
            (ErrorKind::Failed, None | Some(_)) => {
                tracing::error!(problem = message, "a request of the REST interface failed");
                Self::of(Fault::Unavailable)
            }
            // The sentence is for the command line, and says what to do there.
            (ErrorKind::WrongUse | ErrorKind::Refused, Some(problem)) => Self::of(Fault::Ruled(problem)),
            (ErrorKind::WrongUse, None) => Self::bad(message),
            (ErrorKind::Refused, None) => Self::told(Fault::Conflict, message),
        }
    }
}

impl From<latchkey_store::StoreError> for RestError {
    fn from(error: latchkey_store::StoreError) -> Self {
        unavailable(error).into()
    }
}

impl From<Refusal> for RestError {
    /// What stands against a sign-in or a body: brakes, a full queue, the store.
    fn from(refusal: Refusal) -> Self {
        let answer = refusal.answer();
        let fault = match answer.status {
            408 => Fault::BodyTooSlow,
            413 => Fault::TooLarge,
            429 => Fault::TooManyAttempts,
            400..500 => Fault::BadRequest,
            0..400 | 500.. => Fault::Unavailable,
        };
        Self { retry_after: answer.retry_after, ..Self::told(fault, answer.description) }
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let Row { code, status, message, .. } = self.fault.row();
        let body = Body { code, message, description: self.description(), more_info: "", error: [] };
        let body = serde_json::to_vec(&body).expect("an error is plain data");
        let mut response = text(status, "application/json", body).into_response();
        let headers = response.headers_mut();
        if self.fault == Fault::Unauthenticated {
            let basic = HeaderValue::from_static("Basic realm=\"latchkey\", charset=\"UTF-8\"");
            headers.append(WWW_AUTHENTICATE, basic);
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"latchkey\""));
        }
        // The rest of the request may still be on its way (RFC 9110 section 15.5.9).
        if matches!(self.fault, Fault::BodyTooSlow | Fault::TooLarge) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        let cause = Some(self.description().to_owned());
        response.extensions_mut().insert(Outcome { cause, ..Outcome::default() });
        response
    }
}
