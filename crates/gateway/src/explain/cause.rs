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
    /// The API key's time is over.
    KeyExpired,
    /// The API key has another value by now.
    KeySuperseded,
    /// The API key is none of this server's, or was revoked.
    KeyUnknown,
    /// A gateway beside no server has heard nothing from its server for too long to know how the token stands.
    ServerSilent,
    /// A tier of the call is not among those that the gateway has.
    TierUnknown,
    /// The gateway counts for as many callers as it can.
    CountersFull,
    /// The one count of a limit, in the store or at the server, cannot be asked for more permits.
    PermitsMissing,
    /// The upstream's host has no address.
    UpstreamUnresolved,
    /// Nobody takes connections at the upstream's address.
    UpstreamRefused,
    /// The upstream's certificate comes from nobody whom the gateway believes.
    UpstreamCertificateIssuer,
    /// The upstream's certificate is no longer valid.
    UpstreamCertificateExpired,
    /// The upstream's certificate is for another host.
    UpstreamCertificateName,
    /// The upstream does not speak TLS as the gateway does, or its certificate is malformed.
    UpstreamTls,
    /// The upstream does not agree on HTTP/2, which its definition wants.
    UpstreamNoHttp2,
}

impl Cause {
    /// Every one of them.
    pub const ALL: [Self; 17] = [
        Self::TokenExpired,
        Self::TokenRevoked,
        Self::TokenUnknown,
        Self::KeyExpired,
        Self::KeySuperseded,
        Self::KeyUnknown,
        Self::ServerSilent,
        Self::TierUnknown,
        Self::CountersFull,
        Self::PermitsMissing,
        Self::UpstreamUnresolved,
        Self::UpstreamRefused,
        Self::UpstreamCertificateIssuer,
        Self::UpstreamCertificateExpired,
        Self::UpstreamCertificateName,
        Self::UpstreamTls,
        Self::UpstreamNoHttp2,
    ];

    /// What it is, for logs and explanations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokenExpired => "the token is expired",
            Self::TokenRevoked => "the token was revoked or superseded",
            Self::TokenUnknown => "the token is none of this server's",
            Self::KeyExpired => "the API key is expired",
            Self::KeySuperseded => "the API key was regenerated and has another value now",
            Self::KeyUnknown => "the API key is none of this server's, or was revoked",
            Self::ServerSilent => "the server was not heard for longer than revocation.bound",
            Self::TierUnknown => "a tier of the call is not known yet",
            Self::CountersFull => "the gateway counts for too many callers already",
            Self::PermitsMissing => "the count of a limit of the call cannot be asked now",
            Self::UpstreamUnresolved => "the host name of the upstream's address cannot be resolved",
            Self::UpstreamRefused => "nobody takes connections at the upstream's address",
            Self::UpstreamCertificateIssuer => {
                "the upstream's certificate is self-signed or from an authority that the gateway does not believe"
            }
            Self::UpstreamCertificateExpired => "the upstream's certificate is expired",
            Self::UpstreamCertificateName => "the upstream's certificate is for another host",
            Self::UpstreamTls => "the upstream does not speak TLS, or not as the gateway does",
            Self::UpstreamNoHttp2 => "the upstream does not agree on HTTP/2",
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
            Self::KeyExpired => "Regenerate the API key, or make another one.",
            Self::KeySuperseded => "Use the value that regenerating the API key showed.",
            Self::KeyUnknown => {
                "Send an API key that this server made, whole and unchanged, in the header that the API asks for."
            }
            Self::ServerSilent => "Look whether the server runs and the gateway's network reaches it.",
            Self::TierUnknown => {
                "Repeat the call; if that does not help, give application, subscription and API tiers that exist."
            }
            Self::PermitsMissing => {
                "Repeat the call; if that does not help, look whether the store, or for a gateway of its own the server, can be reached."
            }
            Self::CountersFull => {
                "Repeat the call after the minute; if it happens often, give fewer long limits, or more gateways."
            }
            Self::UpstreamUnresolved => {
                "Correct the host in the upstream's address, or the name service of the gateway."
            }
            Self::UpstreamRefused => {
                "Start the server behind the API, correct the port in its address, or open the network between."
            }
            Self::UpstreamCertificateIssuer => {
                "Add the certificate of its authority to gateway.upstream_ca_files, or give the upstream one from an authority that the system trusts."
            }
            Self::UpstreamCertificateExpired => "Renew the certificate of the upstream.",
            Self::UpstreamCertificateName => {
                "Use the host that the certificate names in the upstream's address, or give the upstream one for this host."
            }
            Self::UpstreamTls => {
                "Compare the scheme and port of the upstream's address with what listens there; TLS 1.2 or 1.3 is needed."
            }
            Self::UpstreamNoHttp2 => {
                "Set the protocol of the API's upstream to http1, or let the server behind it speak HTTP/2."
            }
        }
    }
}
