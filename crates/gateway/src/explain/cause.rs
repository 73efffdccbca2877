//! What an answer does not tell.

/// Why a call is refused, where the answer leaves it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The token's time is over.
    TokenExpired,
    /// The token was revoked, or a newer one took its place.
    TokenRevoked,
    /// The token is none of this server's, or its family is gone.
    TokenUnknown,
    /// A tier of the call is not among those that the gateway has.
    TierUnknown,
    /// The gateway counts for as many callers as it can.
    CountersFull,
    /// The one count of a limit, in the store or at the server, cannot be asked for more permits.
    PermitsMissing,
}

impl Cause {
    /// Every one of them.
    pub const ALL: [Self; 6] = [
        Self::TokenExpired,
        Self::TokenRevoked,
        Self::TokenUnknown,
        Self::TierUnknown,
        Self::CountersFull,
        Self::PermitsMissing,
    ];

    /// What it is, for logs and explanations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokenExpired => "the token is expired",
            Self::TokenRevoked => "the token was revoked or superseded",
            Self::TokenUnknown => "the token is none of this server's",
            Self::TierUnknown => "a tier of the call is not known yet",
            Self::CountersFull => "the gateway counts for too many callers already",
            Self::PermitsMissing => "the count of a limit of the call cannot be asked now",
        }
    }

    /// What to do about it.
    pub const fn fix(self) -> &'static str {
        match self {
            Self::TokenExpired => "Use the refresh token, or ask the token endpoint for a new token.",
            Self::TokenRevoked => {
                "Use the newest token of the application and device; where the token was revoked, sign in again."
            }
            Self::TokenUnknown => {
                "Send an access token that this server issued, whole and unchanged; one that ended long ago is not known any more."
            }
            Self::TierUnknown => {
                "Repeat the call; if that does not help, give application, subscription and API tiers that exist."
            }
            Self::PermitsMissing => {
                "Repeat the call; if that does not help, look whether the store, or for a gateway of its own the server, can be reached."
            }
            Self::CountersFull => {
                "Repeat the call after the minute; if it happens often, give fewer long limits, or more gateways."
            }
        }
    }
}
