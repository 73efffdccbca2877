//! Every way in which the protocol says no, and the one table that turns it into an answer.

use crate::holder::LimitReached;
use crate::rotation::RotationRefusal;
use crate::scope::ScopeProblem;

/// Why a request was refused, in the server's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is not a form: bad percent-encoding, not UTF-8, too many parameters.
    #[error("the form is malformed")]
    MalformedForm,
    /// The content type is not `application/x-www-form-urlencoded`.
    #[error("the content type is not that of a form")]
    NotAForm,
    /// The body is longer than `server.body_limit`.
    #[error("the body is too large")]
    TooLarge,
    /// A parameter stands twice.
    #[error("a parameter stands twice")]
    RepeatedParameter,
    /// A credential stands in the URL.
    #[error("a credential stands in the URL")]
    CredentialInUrl,
    /// No `grant_type`.
    #[error("there is no grant_type")]
    MissingGrantType,
    /// A parameter that the request needs is not there.
    #[error("the parameter {0} is missing")]
    MissingParameter(&'static str),
    /// `validity_period` is not a number of seconds that this client may ask for.
    #[error("validity_period is not a number of seconds that the client may ask for")]
    InvalidValidityPeriod,
    /// A parameter does not have the form it needs.
    #[error("the parameter {0} is malformed")]
    InvalidParameter(&'static str),
    /// A grant type that the server does not have.
    #[error("the grant type is not known")]
    UnsupportedGrantType,
    /// Basic and body at once, or two different client ids.
    #[error("more than one client authentication")]
    SeveralClientAuthentications,
    /// No client authentication, or of an unknown kind.
    #[error("no client authentication")]
    NoClientAuthentication,
    /// The `Authorization` header is not well-formed Basic.
    #[error("the Authorization header is malformed")]
    MalformedAuthorization,
    /// No such client, or another secret.
    #[error("no such client, or another secret")]
    ClientCredentials,
    /// The application is disabled.
    #[error("the application is disabled")]
    ApplicationDisabled,
    /// The client may not use this grant.
    #[error("the client may not use this grant type")]
    GrantNotAllowed,
    /// No such user, another password, a locked account, or one that changed meanwhile.
    #[error("the user's credentials are not accepted")]
    UserCredentials,
    /// A refresh token was refused and nothing changed.
    #[error(transparent)]
    Refresh(#[from] RotationRefusal),
    /// A spent refresh token came back; its family has ended.
    #[error("a spent refresh token came back")]
    RefreshReplayed,
    /// The scopes asked for.
    #[error(transparent)]
    Scope(#[from] ScopeProblem),
    /// A device or family limit, where the request gives way.
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// No `token` to revoke or introspect.
    #[error("there is no token")]
    MissingToken,
    /// The token to revoke belongs to another client.
    #[error("the token belongs to another client")]
    OtherClientsToken,
    /// The caller may not introspect.
    #[error("the caller may not introspect")]
    MayNotIntrospect,
    /// Userinfo without a token.
    #[error("there is no bearer token")]
    MissingBearer,
    /// Userinfo with a token in two places, or malformed.
    #[error("the bearer token is malformed")]
    MalformedBearer,
    /// Userinfo with a token that is not valid.
    #[error("the bearer token is not valid")]
    InvalidBearer,
    /// Userinfo with a token that lacks `openid`.
    #[error("the bearer token lacks the scope openid")]
    LacksOpenid,
    /// The brakes hold this source for some seconds.
    #[error("too many failed attempts")]
    TooManyAttempts {
        /// Seconds until the next attempt is looked at.
        retry_after: u32,
    },
    /// A queue is full.
    #[error("the server is busy")]
    Busy,
    /// The store cannot commit.
    #[error("the store cannot commit")]
    StoreUnavailable,
    /// The body did not come within `server.request_timeout`.
    #[error("the body did not come within server.request_timeout")]
    BodyTooSlow,
    /// The answer was not ready within `server.request_timeout`.
    #[error("the answer was not ready within server.request_timeout")]
    TookTooLong,
    /// A handler panicked.
    #[error("a handler panicked")]
    Defect,
}

/// What a refusal looks like on the wire (RFC 6749 section 5.2, RFC 6750 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OAuthError {
    /// The HTTP status.
    pub status: u16,
    /// The error code; none where the request carried no credentials at all (RFC 6750 section 3.1).
    pub error: &'static str,
    /// The description: a fixed text, never an echo of the request.
    pub description: &'static str,
    /// What `WWW-Authenticate` asks for.
    pub challenge: Challenge,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u32>,
}

/// The scheme that a 401 asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// None.
    None,
    /// Client or administrator credentials.
    Basic,
    /// An access token, with the error in the challenge.
    Bearer,
    /// An access token, where none came.
    BareBearer,
}

impl Refusal {
    /// The answer. The texts are WSO2's where they are sane; they never hold what the client sent.
    #[expect(clippy::too_many_lines, reason = "one table, one row a refusal")]
    pub const fn answer(self) -> OAuthError {
        use Challenge::{BareBearer, Basic, Bearer, None as No};
        use RotationRefusal as R;
        use ScopeProblem as S;
        let (status, error, description, challenge) = match self {
            Self::MalformedForm => (400, "invalid_request", "The form is malformed.", No),
            Self::NotAForm => {
                (415, "invalid_request", "The content type must be application/x-www-form-urlencoded.", No)
            }
            Self::TooLarge => (413, "invalid_request", "The request is too large.", No),
            Self::RepeatedParameter => {
                (400, "invalid_request", "Invalid request with repeated parameters.", No)
            }
            Self::CredentialInUrl => {
                (400, "invalid_request", "Invalid request with sensitive data in the URL.", No)
            }
            Self::MissingGrantType => (400, "invalid_request", "Missing grant_type parameter value", No),
            Self::MissingParameter(name) => (400, "invalid_request", missing(name), No),
            Self::InvalidValidityPeriod => (
                400,
                "invalid_request",
                "validity_period must be a whole number of seconds above zero, or negative where the \
                 application's tokens never expire.",
                No,
            ),
            Self::InvalidParameter(name) => (400, "invalid_request", malformed(name), No),
            Self::UnsupportedGrantType => (400, "unsupported_grant_type", "Unsupported grant_type value", No),
            Self::SeveralClientAuthentications => (
                400,
                "invalid_request",
                "The client MUST NOT use more than one authentication method in each request.",
                No,
            ),
            Self::NoClientAuthentication => {
                (401, "invalid_client", "Client ID not found in the request.", Basic)
            }
            Self::MalformedAuthorization => (401, "invalid_client", "Client Authentication failed.", Basic),
            Self::ClientCredentials => (401, "invalid_client", "Client credentials are invalid.", Basic),
            Self::ApplicationDisabled => (401, "invalid_client", "Application is disabled.", Basic),
            Self::GrantNotAllowed => (
                400,
                "unauthorized_client",
                "The authenticated client is not authorized to use this authorization grant type",
                No,
            ),
            Self::UserCredentials => (400, "invalid_grant", "Authentication failed", No),
            Self::Refresh(R::Unknown) => (400, "invalid_grant", "Persisted access token data not found", No),
            Self::Refresh(R::Superseded) | Self::RefreshReplayed => {
                (400, "invalid_grant", "Invalid refresh token state", No)
            }
            Self::Refresh(R::Expired) => (400, "invalid_grant", "Refresh token is expired.", No),
            Self::Refresh(R::ScopeWidened) | Self::Scope(S::Widened | S::Unknown) => {
                (400, "invalid_scope", "Invalid Scope!", No)
            }
            Self::Refresh(R::ScopeChanged) => {
                (400, "invalid_scope", "A repeated refresh must ask for the same scopes as the first.", No)
            }
            Self::Scope(S::Character) => {
                (400, "invalid_scope", "A scope holds a character that is not allowed.", No)
            }
            Self::Scope(S::TooLong) => (400, "invalid_scope", "The scope is too long.", No),
            Self::Scope(S::DeviceName) => (
                400,
                "invalid_scope",
                "A device scope is device_ and 1 to 64 letters, digits, dots, underscores or hyphens.",
                No,
            ),
            Self::Limit(LimitReached) => {
                (400, "invalid_scope", "No further device or token is allowed for this user.", No)
            }
            Self::MissingToken => (400, "invalid_request", "Missing parameters: token", No),
            Self::OtherClientsToken => {
                (400, "unauthorized_client", "The token was not issued to this client.", No)
            }
            Self::MayNotIntrospect => (403, "access_denied", "The caller may not introspect tokens.", No),
            Self::MissingBearer => (401, "", "Bearer token missing", BareBearer),
            Self::MalformedBearer => (400, "invalid_request", "The bearer token is malformed.", Bearer),
            Self::InvalidBearer => (401, "invalid_token", "Access token validation failed", Bearer),
            Self::LacksOpenid => {
                (403, "insufficient_scope", "Access token does not have the openid scope", Bearer)
            }
            Self::TooManyAttempts { .. } => {
                (429, "temporarily_unavailable", "Too many failed attempts. Try again later.", No)
            }
            Self::Busy => (503, "temporarily_unavailable", "The server is busy. Try again later.", No),
            Self::StoreUnavailable => {
                (503, "temporarily_unavailable", "The store is unavailable. Try again later.", No)
            }
            Self::BodyTooSlow => (408, "invalid_request", "The request came too slowly.", No),
            Self::TookTooLong => {
                (503, "temporarily_unavailable", "The request took too long. Try again later.", No)
            }
            Self::Defect => (500, "server_error", "The server made a mistake, which is in its log.", No),
        };
        OAuthError { status, error, description, challenge, retry_after: self.retry_after() }
    }

    const fn retry_after(self) -> Option<u32> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "only what passes by itself names a time")]
        match self {
            Self::TooManyAttempts { retry_after } => Some(retry_after),
            Self::Busy | Self::StoreUnavailable | Self::TookTooLong => Some(1),
            _ => None,
        }
    }
}

const fn missing(name: &str) -> &'static str {
    match name.as_bytes() {
        b"username" => "Missing parameters: username",
        b"password" => "Missing parameters: password",
        b"refresh_token" => "Missing parameters: refresh_token",
        _ => "A required parameter is missing.",
    }
}

const fn malformed(name: &str) -> &'static str {
    match name.as_bytes() {
        b"tokenBindingId" => "tokenBindingId must be 1 to 128 printable ASCII characters.",
        b"username" => "The user name is too long.",
        b"password" => "The password is too long.",
        _ => "A parameter is malformed.",
    }
}

#[cfg(test)]
mod tests;
