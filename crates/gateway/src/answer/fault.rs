//! The table.

use http::{Method, StatusCode};
use latchkey_catalog::api_key::Forbidden;
use latchkey_catalog::subscription::SubscriptionProblem;
use latchkey_oauth::clock::Timestamp;

use super::RequestFault;
use crate::path::PathProblem;
use crate::route::Denial;

/// Why the gateway answers itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The request is refused for its form.
    Request(RequestFault),
    /// No API there.
    UnknownApi,
    /// No resource there.
    UnknownResource,
    /// A resource, but not for this method; those that it has.
    MethodNotAllowed(Vec<Method>),
    /// The provider blocked the API for a while.
    ApiBlocked,
    /// A preflight or call from an origin that may not.
    CorsOrigin,
    /// No token.
    MissingCredentials,
    /// A token that is malformed, forged, expired or revoked; the explanation says which.
    InvalidCredentials,
    /// WSO2's older answer to an expired token, for profiles that want it.
    TokenExpired,
    /// WSO2's older answer to a revoked token, for profiles that want it.
    TokenInactive,
    /// A user's token where only applications' are taken, or the other way round.
    IncorrectTokenType,
    /// WSO2's older answer to a path without a resource, for profiles that want it.
    NoMatchingResource,
    /// Production keys, and the API has only sandbox endpoints.
    NoProductionEndpoint,
    /// Sandbox keys, and the API has only production endpoints.
    NoSandboxEndpoint,
    /// The provider blocked the subscription.
    SubscriptionBlocked,
    /// The application has no subscription to the API.
    NoSubscription,
    /// The subscription waits for approval, or was rejected.
    SubscriptionInactive,
    /// The API key may not be used from there.
    KeyForbidden(Forbidden),
    /// The token lacks the scopes of the resource.
    InsufficientScope,
    /// A claim that the API asks for is not the one it asks for.
    ClaimMismatch,
    /// A claim that the API asks for cannot be read.
    ClaimInvalid,
    /// The token is for another audience.
    Audience,
    /// The token could not be checked because of a mistake of the gateway.
    AuthenticationFailure,
    /// The definition of the API is missing.
    DefinitionMissing,
    /// The gateway may not answer now: no routes yet, or no lease; it will soon.
    TemporarilyUnavailable,
    /// A limit was reached.
    Throttled {
        /// Which.
        by: ThrottledBy,
        /// When the next call may pass.
        until: Timestamp,
    },
    /// A query in GraphQL that cannot be read.
    QueryInvalid,
    /// A query in GraphQL nested too deeply.
    QueryTooDeep,
    /// A query in GraphQL that asks for too much.
    QueryTooComplex,
    /// Sending to the upstream failed.
    UpstreamSend,
    /// Reading from the upstream failed.
    UpstreamReceive,
    /// No connection to the upstream.
    UpstreamConnect,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// The upstream closed the connection before its answer.
    UpstreamClosed,
    /// The upstream's answer is no HTTP.
    UpstreamProtocol,
    /// The connection to the upstream was not made in time.
    UpstreamConnectTimeout,
    /// Every address of the upstream is out of service.
    UpstreamSuspended,
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ThrottledBy {
    /// The API's policy.
    Api,
    /// What the API's upstream takes at most.
    Hard,
    /// The resource's policy.
    Resource,
    /// The application's tier.
    Application,
    /// The subscription's tier.
    Subscription,
    /// A rule that denies.
    Denied,
    /// A rule of the administrator's.
    Custom,
    /// The burst limit of the subscription's tier.
    SubscriptionBurst,
    /// Connections or events.
    Connections,
    /// The burst limit of the application's tier.
    ApplicationBurst,
}

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The HTTP status.
    pub status: StatusCode,
    /// The code, a text in the body.
    pub code: &'static str,
    /// The message.
    pub message: &'static str,
    /// The description, or its beginning where the call completes it.
    pub description: &'static str,
    kind: Kind,
}

/// Which part of WSO2 makes such an answer; its bodies differ a little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Security,
    Throttling,
    Runtime,
}

/// Who is to blame, in SOAP's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    Caller,
    Server,
}

impl Row {
    /// Whether the body says `"type":"Status report"`, as WSO2's do that no handler makes.
    pub(super) fn is_runtime(&self) -> bool {
        self.kind == Kind::Runtime
    }

    /// WSO2 calls reached limits the server's fault.
    pub(super) fn blame(&self) -> Blame {
        match self.kind {
            Kind::Throttling => Blame::Server,
            Kind::Security | Kind::Runtime if self.status.is_server_error() => Blame::Server,
            Kind::Security | Kind::Runtime => Blame::Caller,
        }
    }

    /// The reason of a SOAP fault.
    pub(super) const fn reason(&self) -> &'static str {
        match self.kind {
            Kind::Security => "Authentication Failure",
            Kind::Throttling | Kind::Runtime => self.message,
        }
    }

    /// Prefix and name of the XML namespace of the detail.
    pub(super) const fn namespace(&self) -> (&'static str, &'static str) {
        match self.kind {
            Kind::Security => ("ams", "http://wso2.org/apimanager/security"),
            Kind::Throttling => ("amt", "http://wso2.org/apimanager/throttling"),
            Kind::Runtime => ("am", "http://wso2.org/apimanager"),
        }
    }
}

impl ThrottledBy {
    /// Every one of them.
    pub const ALL: [Self; 10] = [
        Self::Api,
        Self::Hard,
        Self::Resource,
        Self::Application,
        Self::Subscription,
        Self::Denied,
        Self::Custom,
        Self::SubscriptionBurst,
        Self::Connections,
        Self::ApplicationBurst,
    ];

    const fn row(self) -> Row {
        const OUT: &str = "Message throttled out";
        const QUOTA: &str = "You have exceeded your quota .You can access API after ";
        let (status, code, message, description) = match self {
            Self::Api => (429, "900800", OUT, QUOTA),
            Self::Hard => (503, "900801", "API Limit Reached", "API not accepting requests"),
            Self::Resource => (429, "900802", OUT, QUOTA),
            Self::Application => (429, "900803", OUT, QUOTA),
            Self::Subscription => (429, "900804", OUT, QUOTA),
            Self::Denied => {
                (403, "900805", "Message blocked", "You have been blocked from accessing the resource")
            }
            Self::Custom => (429, "900806", OUT, QUOTA),
            Self::SubscriptionBurst => (429, "900807", OUT, QUOTA),
            Self::Connections => (429, "900808", OUT, QUOTA),
            Self::ApplicationBurst => (429, "900809", OUT, QUOTA),
        };
        Row { status: status_of(status), code, message, description, kind: Kind::Throttling }
    }
}

impl Fault {
    /// A deny policy is about the call.
    pub const DENIED: Self = Self::Throttled { by: ThrottledBy::Denied, until: Timestamp::from_millis(0) };

    /// The line of the table. Statuses of upstream faults are those of RFC 9110 section 15.6; WSO2 answers
    /// most of them with 500.
    #[expect(clippy::too_many_lines, reason = "one table, one row a fault")]
    pub fn row(&self) -> Row {
        use Kind::{Runtime, Security};
        const INVALID: &str =
            "Invalid Credentials. Make sure you have provided the correct security credentials";
        const MISSING: &str = "Invalid Credentials. Make sure your API invocation call has a header: ";
        const SCOPE: &str = "The access token does not allow you to access the requested resource";
        const RUNTIME: &str = "Runtime Error";
        let (status, code, message, description, kind) = match self {
            Self::Request(fault) => {
                let (status, description) = fault.texts();
                let (code, message) = status_words(status);
                return Row { status, code, message, description, kind: Runtime };
            }
            Self::Throttled { by, .. } => return by.row(),
            Self::UnknownApi => {
                (404, "404", "Not Found", "The requested resource is not available.", Runtime)
            }
            Self::UnknownResource => {
                (404, "404", RUNTIME, "No matching resource found for given API Request", Runtime)
            }
            Self::MethodNotAllowed(_) => {
                (405, "405", RUNTIME, "Method not allowed for given API resource", Runtime)
            }
            Self::ApiBlocked => (
                503,
                "700700",
                "API blocked",
                "This API has been blocked temporarily. Please try again later or contact the system administrators.",
                Runtime,
            ),
            Self::TemporarilyUnavailable => (
                503,
                "900424",
                "Temporary Server Error",
                "The gateway is not ready. Please try again.",
                Security,
            ),
            Self::CorsOrigin => (
                403,
                "900425",
                "CORS origin header validation failed",
                "The origin of the page may not call this API",
                Security,
            ),
            Self::AuthenticationFailure => (
                500,
                "900900",
                "Unclassified Authentication Failure",
                "An unspecified error has occurred",
                Security,
            ),
            Self::InvalidCredentials => (401, "900901", "Invalid Credentials", INVALID, Security),
            Self::NoProductionEndpoint => (
                403,
                "900901",
                RUNTIME,
                "Production key offered to the API with no production endpoint",
                Runtime,
            ),
            Self::NoSandboxEndpoint => {
                (403, "900901", RUNTIME, "Sandbox key offered to the API with no sandbox endpoint", Runtime)
            }
            Self::MissingCredentials => (401, "900902", "Missing Credentials", MISSING, Security),
            Self::TokenExpired => (
                401,
                "900903",
                "Access Token Expired",
                "Access Token Expired. Renew the access token and try again",
                Security,
            ),
            Self::TokenInactive => (
                401,
                "900904",
                "Access Token Inactive",
                "Access Token Inactive. Generate a new access token and try again",
                Security,
            ),
            Self::IncorrectTokenType => (
                401,
                "900905",
                "Incorrect Access Token Type is provided",
                "The resource takes tokens of applications only, or of users only",
                Security,
            ),
            Self::NoMatchingResource => (
                403,
                "900906",
                "No matching resource found in the API for the given request",
                "Check the API documentation and add a proper REST resource path to the invocation URL",
                Security,
            ),
            Self::SubscriptionBlocked => (
                401,
                "900907",
                "The requested API is temporarily blocked",
                "The subscription of the application to the API is blocked",
                Security,
            ),
            Self::NoSubscription => (
                403,
                "900908",
                "Resource forbidden ",
                "User is NOT authorized to access the Resource. API Subscription validation failed.",
                Security,
            ),
            Self::KeyForbidden(_) => {
                (403, "900908", "Resource forbidden ", "Access forbidden for the invocations", Security)
            }
            Self::SubscriptionInactive => (
                401,
                "900909",
                "The subscription to the API is inactive",
                "The subscription of the application to the API is not approved",
                Security,
            ),
            Self::InsufficientScope => (
                403,
                "900910",
                SCOPE,
                "User is NOT authorized to access the Resource. Scope validation failed.",
                Security,
            ),
            Self::DefinitionMissing => {
                (500, "900911", "Internal Server Error", "The definition of the API is missing", Security)
            }
            Self::ClaimMismatch => (401, "900912", "Claim Mismatch", INVALID, Security),
            Self::ClaimInvalid => (401, "900913", "Claim Invalid", INVALID, Security),
            Self::Audience => (
                403,
                "900914",
                "Access Denied",
                "The access token is not for the audience of the API",
                Security,
            ),
            Self::QueryInvalid => (422, "900422", "INVALID QUERY", "The query cannot be read", Security),
            Self::QueryTooDeep => {
                (400, "900820", "QUERY TOO DEEP", "The query is nested too deeply", Security)
            }
            Self::QueryTooComplex => {
                (400, "900821", "QUERY TOO COMPLEX", "The query asks for too much", Security)
            }
            Self::UpstreamSend => (502, "101500", RUNTIME, "Error sending to the back end", Runtime),
            Self::UpstreamReceive => (502, "101501", RUNTIME, "Error reading from the back end", Runtime),
            Self::UpstreamConnect => (502, "101503", RUNTIME, "Error connecting to the back end", Runtime),
            Self::UpstreamTimeout => (504, "101504", RUNTIME, "Connection timed out", Runtime),
            Self::UpstreamClosed => (502, "101505", RUNTIME, "Connection closed by the back end", Runtime),
            Self::UpstreamProtocol => (502, "101506", RUNTIME, "Protocol violation of the back end", Runtime),
            Self::UpstreamConnectTimeout => {
                (504, "101508", RUNTIME, "Connecting to the back end timed out", Runtime)
            }
            Self::UpstreamSuspended => (503, "303001", RUNTIME, "The back end is suspended", Runtime),
        };
        Row { status: status_of(status), code, message, description, kind }
    }

    /// One of each row, in the order of the codes.
    pub fn table() -> Vec<Self> {
        let until = Timestamp::from_seconds(784_111_777);
        let mut faults: Vec<Self> = RequestFault::ALL.map(Self::Request).into();
        faults.extend(ThrottledBy::ALL.map(|by| Self::Throttled { by, until }));
        faults.extend([
            Self::UnknownApi,
            Self::UnknownResource,
            Self::MethodNotAllowed(vec![Method::GET, Method::HEAD]),
            Self::ApiBlocked,
            Self::TemporarilyUnavailable,
            Self::CorsOrigin,
            Self::AuthenticationFailure,
            Self::InvalidCredentials,
            Self::NoProductionEndpoint,
            Self::NoSandboxEndpoint,
            Self::MissingCredentials,
            Self::TokenExpired,
            Self::TokenInactive,
            Self::IncorrectTokenType,
            Self::NoMatchingResource,
            Self::SubscriptionBlocked,
            Self::NoSubscription,
            Self::SubscriptionInactive,
            Self::KeyForbidden(Forbidden::Address),
            Self::InsufficientScope,
            Self::DefinitionMissing,
            Self::ClaimMismatch,
            Self::ClaimInvalid,
            Self::Audience,
            Self::QueryInvalid,
            Self::QueryTooDeep,
            Self::QueryTooComplex,
            Self::UpstreamSend,
            Self::UpstreamReceive,
            Self::UpstreamConnect,
            Self::UpstreamTimeout,
            Self::UpstreamClosed,
            Self::UpstreamProtocol,
            Self::UpstreamConnectTimeout,
            Self::UpstreamSuspended,
        ]);
        faults.sort_by_key(|fault| fault.row().code);
        faults
    }
}

const fn status_of(status: u16) -> StatusCode {
    match StatusCode::from_u16(status) {
        Ok(status) => status,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Code and message of an answer whose code is its status.
const fn status_words(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        405 => ("405", "Method Not Allowed"),
        408 => ("408", "Request Timeout"),
        413 => ("413", "Content Too Large"),
        414 => ("414", "URI Too Long"),
        417 => ("417", "Expectation Failed"),
        431 => ("431", "Request Header Fields Too Large"),
        501 => ("501", "Not Implemented"),
        _ => ("400", "Bad Request"),
    }
}

impl From<PathProblem> for Fault {
    fn from(problem: PathProblem) -> Self {
        Self::Request(RequestFault::Path(problem))
    }
}

impl From<Denial> for Fault {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::UnknownApi => Self::UnknownApi,
            Denial::UnknownResource => Self::UnknownResource,
            Denial::MethodNotAllowed(methods) => Self::MethodNotAllowed(methods),
            Denial::ApiBlocked => Self::ApiBlocked,
        }
    }
}

impl From<SubscriptionProblem> for Fault {
    fn from(problem: SubscriptionProblem) -> Self {
        match problem {
            SubscriptionProblem::Blocked => Self::SubscriptionBlocked,
            SubscriptionProblem::Inactive => Self::SubscriptionInactive,
        }
    }
}
