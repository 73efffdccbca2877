//! Requests that are refused for their form, before any API is looked for.

use http::StatusCode;

use crate::path::PathProblem;

/// What is wrong with a request as such. The code of the answer is its HTTP status, as WSO2 has it for
/// answers that no handler of its own makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestFault {
    /// Its target.
    Path(PathProblem),
    /// No `Host`, or more than one, or another than the target's (RFC 9112 section 3.2).
    Host,
    /// More than one token, or one in the URL beside the header (RFC 6750 section 2).
    SeveralTokens,
    /// A `Connection` that names a header which is not the connection's.
    ConnectionHeader,
    /// An `Upgrade` with a body, or to something else than the API serves.
    Upgrade,
    /// Two different lengths, or a length beside chunks.
    Framing,
    /// A transfer coding that is not `chunked` (RFC 9112 section 6.1).
    TransferCoding,
    /// An `Expect` other than `100-continue` (RFC 9110 section 10.1.1).
    Expectation,
    /// CONNECT or TRACE.
    Method,
    /// Too many or too long headers.
    Headers,
    /// A body above the limit.
    BodyTooLarge,
    /// A head or body that came too slowly.
    TooSlow,
    /// The body ended before its length.
    BodyIncomplete,
}

impl RequestFault {
    /// Every one of them, with one problem of paths.
    pub const ALL: [Self; 13] = [
        Self::Path(PathProblem::DotSegment),
        Self::Host,
        Self::SeveralTokens,
        Self::ConnectionHeader,
        Self::Upgrade,
        Self::Framing,
        Self::TransferCoding,
        Self::Expectation,
        Self::Method,
        Self::Headers,
        Self::BodyTooLarge,
        Self::TooSlow,
        Self::BodyIncomplete,
    ];

    /// The status, and what to say.
    pub(super) const fn texts(self) -> (StatusCode, &'static str) {
        match self {
            Self::Path(PathProblem::TooLong) => (StatusCode::URI_TOO_LONG, "The request target is too long."),
            Self::Path(problem) => (StatusCode::BAD_REQUEST, path_text(problem)),
            Self::Host => (StatusCode::BAD_REQUEST, "The request must name its host exactly once."),
            Self::SeveralTokens => {
                (StatusCode::BAD_REQUEST, "The request must carry its token exactly once.")
            }
            Self::ConnectionHeader => {
                (StatusCode::BAD_REQUEST, "The Connection header names a header that must not be removed.")
            }
            Self::Upgrade => (StatusCode::BAD_REQUEST, "The upgrade is not possible with this request."),
            Self::Framing => (StatusCode::BAD_REQUEST, "The length of the request body is not clear."),
            Self::TransferCoding => (StatusCode::NOT_IMPLEMENTED, "The only transfer coding is chunked."),
            Self::Expectation => (StatusCode::EXPECTATION_FAILED, "The only expectation is 100-continue."),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed at this gateway."),
            Self::Headers => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "The request headers are too many or too large.",
            ),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large."),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time."),
            Self::BodyIncomplete => (StatusCode::BAD_REQUEST, "The request body ended early."),
        }
    }
}

const fn path_text(problem: PathProblem) -> &'static str {
    match problem {
        PathProblem::TooLong => "The request target is too long.",
        PathProblem::NotAPath => "The request target must be a path.",
        PathProblem::RawCharacter => {
            "The request target holds a backslash, a fragment, or a character that must be percent-encoded."
        }
        PathProblem::BrokenEncoding => "The path holds a percent sign without two hexadecimal digits.",
        PathProblem::EncodedDelimiter => {
            "The path holds an encoded slash, backslash, percent sign, semicolon or control character."
        }
        PathProblem::NotUtf8 => "The path holds encoded bytes that are not UTF-8.",
        PathProblem::DotSegment => "The path holds a dot segment.",
        PathProblem::EmptySegment => "The path holds an empty segment.",
        PathProblem::PathParameter => "The path holds a semicolon.",
    }
}
