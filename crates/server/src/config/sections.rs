//! The typed configuration: a struct per section, a field per setting.
#![expect(missing_docs, reason = "settings.rs says what each setting means, once")]

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use latchkey_oauth::client::TokenFormat;
use latchkey_oauth::holder::OnLimit;
use latchkey_oauth::issuance::RefreshOnRenew;
use latchkey_oauth::jwk::SigningAlgorithm;
use latchkey_oauth::scope::UnknownScope;
use serde::{Deserialize, Serialize};

use super::duration::Duration;

/// The whole configuration. Values are checked: every one is in its range and the rules across settings
/// hold (`check`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub gateway: Gateway,
    pub records: Records,
    pub operations: Operations,
    pub tls: Tls,
    pub store: Store,
    pub compat: Compat,
    pub oauth: Oauth,
    pub keys: Keys,
    pub passwords: Passwords,
    pub workflow: Workflow,
    pub revocation: Revocation,
    pub log: Log,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub listen: SocketAddr,
    pub issuer: String,
    pub trusted_proxies: Vec<IpNet>,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    pub handshake_timeout: Duration,
    pub header_timeout: Duration,
    pub idle_timeout: Duration,
    pub request_timeout: Duration,
    pub drain_timeout: Duration,
    pub body_limit: usize,
}

impl Server {
    /// The issuer in force: the configured one, else the token endpoint's URL on the port that was bound
    /// (interface contract: `https://localhost:9443/oauth2/token` by default).
    pub fn issuer_at(&self, bound: SocketAddr, tls: &Tls) -> String {
        if !self.issuer.is_empty() {
            return self.issuer.clone();
        }
        let scheme = if tls.enabled { "https" } else { "http" };
        format!("{scheme}://localhost:{}/oauth2/token", bound.port())
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub http_listen: SocketAddr,
    pub https_listen: SocketAddr,
    pub threads: usize,
    pub outbound_auth_header: bool,
    pub server: String,
    pub node_secret_file: String,
    pub server_ca: String,
    pub upstream_ca_files: Vec<PathBuf>,
    pub token_cache: TokenCache,
    pub backend_jwt: BackendJwt,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendJwt {
    pub enabled: bool,
    pub header: String,
    pub dialect: String,
    pub user_claims: bool,
    pub algorithm: SigningAlgorithm,
    pub encoding: AssertionEncoding,
    pub validity: u64,
    pub cache_entries: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AssertionEncoding {
    Base64url,
    Base64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenCache {
    pub enabled: bool,
    pub entries: usize,
    pub ttl: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Records {
    pub days: u32,
    pub addresses: bool,
    pub user_agents: bool,
    pub pending: usize,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operations {
    pub listen: SocketAddr,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub enabled: bool,
    pub certificate: String,
    pub private_key: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    pub url: String,
    pub queue: usize,
    pub batch: usize,
    pub cache_entries: usize,
    pub event_retention: Duration,
    pub event_max: u64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compat {
    pub profile: Profile,
}

/// A set of defaults; every setting can still be set by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// What the WSO2 API Manager 4.x documents say, with the safer choice where they are silent.
    #[serde(rename = "apim-4")]
    Apim4,
    /// API Manager 3.0: opaque tokens, reused while they live.
    #[serde(rename = "apim-3")]
    Apim3,
    /// Identity Server 5.8 with renewal configured as its documents show.
    #[serde(rename = "is-5.8")]
    Is58,
    /// API Manager 4.7: JWTs that do not end their predecessors.
    #[serde(rename = "apim-4.7")]
    Apim47,
    /// RFC 9700: no password grant, unknown scopes rejected.
    #[serde(rename = "strict")]
    Strict,
}

impl Profile {
    /// Every profile, in the order of the documents.
    pub const ALL: [Self; 5] = [Self::Apim4, Self::Apim3, Self::Is58, Self::Apim47, Self::Strict];

    /// The name as `compat.profile` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apim4 => "apim-4",
            Self::Apim3 => "apim-3",
            Self::Is58 => "is-5.8",
            Self::Apim47 => "apim-4.7",
            Self::Strict => "strict",
        }
    }

    /// The profile of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oauth {
    pub max_families_per_user: u32,
    pub expires_in_forever: ExpiresInForever,
    pub password_grant: PasswordGrant,
    pub token: Token,
    pub refresh: Refresh,
    pub scope: Scope,
    pub device: Device,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiresInForever {
    LongMax,
    Omit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordGrant {
    Allow,
    Refuse,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    pub format: TokenFormat,
    pub generator: String,
    pub renew_per_request: bool,
    pub jwt_renewal: JwtRenewal,
    pub refresh_on_renew: RefreshOnRenew,
    pub application_validity: i64,
    pub user_validity: i64,
    pub signing_algorithm: SigningAlgorithm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JwtRenewal {
    RevokePrevious,
    KeepPrevious,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    pub validity: i64,
    pub renew: bool,
    pub extend_expiry: bool,
    pub retry_window: u32,
    pub overlap: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    pub allowed: Vec<String>,
    pub unknown: UnknownScope,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    pub max_per_user: u32,
    pub on_limit: OnLimit,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    pub file: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passwords {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
    pub threads: usize,
    pub queue: usize,
    pub min_length: usize,
    pub brake_pair_burst: u32,
    pub brake_pair_refill: Duration,
    pub brake_address_burst: u32,
    pub brake_address_refill: Duration,
    pub brake_account_burst: u32,
    pub brake_account_refill: Duration,
    pub brake_clean: Duration,
    pub brake_trust: Duration,
    pub brake_cells: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    pub application_creation: bool,
    pub key_generation: bool,
    pub subscription_creation: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    pub bound: Duration,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
    pub requests: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    Json,
    Text,
}
