//! Every setting, once: what it accepts, its default, what profiles make of it, what it means.

use toml::Value;

use super::duration::Duration;
use super::kind::Kind::{
    self, Address, Choice, Files, Flag, Integer, Networks, Patterns, Span, Text, Validity,
};
use super::sections::Profile::{self, Apim3, Apim47, Is58, Strict};

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Section and name, joined by dots.
    pub key: &'static str,
    /// What values it accepts.
    pub kind: Kind,
    /// The default, as a TOML literal.
    pub default: &'static str,
    /// The default under a profile where it differs, as a TOML literal.
    pub profiles: &'static [(Profile, &'static str)],
    /// What it does, with its unit, in one or two sentences.
    pub meaning: &'static str,
}

impl Setting {
    /// The environment variable that sets it: `LATCHKEY_`, then the key in capitals with `__` for each dot.
    pub fn variable(&self) -> String {
        format!("LATCHKEY_{}", self.key.to_uppercase().replace('.', "__"))
    }

    /// The default without a profile.
    pub fn default_value(&self) -> Value {
        literal(self.default)
    }

    /// The default that `profile` gives, where it differs from the common one.
    pub fn profile_value(&self, profile: Profile) -> Option<Value> {
        let (_, value) = self.profiles.iter().find(|(named, _)| *named == profile)?;
        Some(literal(value))
    }

    const fn under(mut self, profiles: &'static [(Profile, &'static str)]) -> Self {
        self.profiles = profiles;
        self
    }
}

/// The setting of that key.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// Whether `path` is a section: the beginning of some setting's key, or one kept for later.
pub fn is_section(path: &str) -> bool {
    EMPTY_SECTIONS.contains(&path)
        || SETTINGS.iter().any(|setting| {
            setting.key.strip_prefix(path).is_some_and(|rest| path.is_empty() || rest.starts_with('.'))
        })
}

/// Sections that may be written but have no settings yet.
pub const EMPTY_SECTIONS: [&str; 2] = ["throttle", "telemetry"];

fn literal(text: &str) -> Value {
    text.parse().expect("a test reads every literal of the list")
}

const fn setting(key: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Setting {
    Setting { key, kind, default, profiles: &[], meaning }
}

const fn millis(least: u64, most: u64) -> Kind {
    Span(Duration::from_millis(least), Duration::from_millis(most))
}

/// A wait on the network: between a tenth of a second and an hour.
const WAIT: Kind = millis(100, 3_600_000);
/// Between a second and ten years.
const PERIOD: Kind = millis(1000, 315_360_000_000);
/// How many of something that memory holds.
const COUNT: Kind = Integer(1, 1_000_000_000);
/// A window of the refresh grant, in seconds; zero switches it off.
const WINDOW: Kind = Integer(0, 3600);

/// The list. Two lines each: key, kind and default; meaning.
#[rustfmt::skip]
pub static SETTINGS: &[Setting] = &[
    setting("server.listen", Address, "'127.0.0.1:9443'",
        "Where OAuth, the portal and the REST interface listen."),
    setting("server.issuer", Text, "''",
        "The issuer, an `https` URL. Empty: `https://localhost:PORT/oauth2/token` with the port of `server.listen`."),
    setting("server.trusted_proxies", Networks, "[]",
        "Networks of the reverse proxies whose `X-Forwarded-For` is believed."),
    setting("server.max_connections", COUNT, "10000",
        "Connections open at once; further ones wait to be accepted."),
    setting("server.max_connections_per_address", COUNT, "1000",
        "Connections open at once from one IPv4 address or IPv6 /64 network; further ones are closed. Loopback is exempt."),
    setting("server.handshake_timeout", WAIT, "'10s'",
        "How long a TLS handshake may take."),
    setting("server.header_timeout", WAIT, "'10s'",
        "How long the head of a request may take to arrive."),
    setting("server.idle_timeout", WAIT, "'60s'",
        "How long a connection may stay open without a request."),
    setting("server.request_timeout", WAIT, "'30s'",
        "How long a request may take, its body included, before it is answered 503, or 408 where its body did not come."),
    setting("server.drain_timeout", WAIT, "'10s'",
        "How long running requests may finish after a signal to end."),
    setting("server.body_limit", Integer(1024, 16_777_216), "16384",
        "The largest request body of the OAuth endpoints, in bytes."),

    setting("gateway.http_listen", Address, "'127.0.0.1:8280'",
        "Where API calls arrive over plain HTTP."),
    setting("gateway.https_listen", Address, "'127.0.0.1:8243'",
        "Where API calls arrive over TLS."),
    setting("gateway.threads", Integer(0, 256), "0",
        "How many threads serve API calls; 0 is one for each core."),
    setting("gateway.outbound_auth_header", Flag, "false",
        "Whether the `Authorization` header is passed on to the upstream."),
    setting("gateway.upstream_ca_files", Files, "[]",
        "Files of certificate authorities, PEM, that are believed about upstreams beside those of the system."),
    setting("gateway.backend_jwt.enabled", Flag, "false",
        "Whether upstreams get a signed assertion about the caller, as WSO2's backend JWT. A node takes it from its server, where this must be true too; the rest but the header and the size of the cache is the server's to say."),
    setting("gateway.backend_jwt.header", Text, "'X-JWT-Assertion'",
        "The header that carries it. A caller's own header of that name never passes."),
    setting("gateway.backend_jwt.dialect", Text, "'http://wso2.org/claims'",
        "What stands before the names of its claims, and a slash."),
    setting("gateway.backend_jwt.user_claims", Flag, "false",
        "Whether it names the roles of the user."),
    setting("gateway.backend_jwt.algorithm", Choice(&["RS256", "PS256", "ES256", "EdDSA"]), "'RS256'",
        "What signs it: the signing key of the tokens, where that has the algorithm, else a key of its own; both are at `/oauth2/jwks`."),
    setting("gateway.backend_jwt.encoding", Choice(&["base64url", "base64"]), "'base64url'",
        "`base64url` makes a JWT; `base64` is what WSO2 writes unless told otherwise, in the standard alphabet."),
    setting("gateway.backend_jwt.validity", Integer(10, 86400), "900",
        "Its life in seconds. It is made anew when a tenth of that is left."),
    setting("gateway.backend_jwt.cache_entries", COUNT, "10000",
        "How many assertions are kept, one for each token and API; about 2 KB each."),

    setting("records.days", Integer(1, 3650), "90",
        "For how many days usage and the last sighting of a device are kept."),
    setting("records.addresses", Flag, "true",
        "Whether the address from which a device last called is kept."),
    setting("records.user_agents", Flag, "true",
        "Whether the `User-Agent` with which a device last called is kept, cut to 256 bytes."),
    setting("records.pending", COUNT, "100000",
        "For how many tokens and APIs calls are added up in memory, at most a minute; calls of further ones are counted nowhere but in `latchkey_records_dropped_total`."),
    setting("gateway.server", Text, "''",
        "For `latchkey gateway`: the URL of the server that the node asks, such as `https://id.example.com:9443`."),
    setting("gateway.node_secret_file", Text, "''",
        "For `latchkey gateway`: file of the secret that `latchkey node create` printed, readable by its owner only."),
    setting("gateway.server_ca", Text, "''",
        "For `latchkey gateway`: file of the certificates, PEM, that the server's must come from. Empty: the system's authorities."),
    setting("gateway.token_cache.enabled", Flag, "true",
        "Whether checked tokens are remembered. A revocation is never hidden by it."),
    setting("gateway.token_cache.entries", COUNT, "1000000",
        "How many checked tokens are remembered."),
    setting("gateway.token_cache.ttl", Integer(1, 86400), "900",
        "How long a checked token is remembered, in seconds."),

    setting("operations.listen", Address, "'127.0.0.1:9090'",
        "Where `/livez`, `/readyz` and `/metrics` are served, over plain HTTP."),

    setting("tls.enabled", Flag, "true",
        "Whether the server speaks TLS. Without it, it must listen on loopback or name its `server.trusted_proxies`."),
    setting("tls.certificate", Text, "''",
        "File of the certificate chain, PEM. Empty: a self-signed one is made in the data directory."),
    setting("tls.private_key", Text, "''",
        "File of the certificate's private key, PEM. Empty: a self-signed one is made in the data directory."),

    setting("store.url", Text, "'sqlite:latchkey.db'",
        "`sqlite:FILE`, relative to the data directory, or `memory:`, which forgets everything at the end."),
    setting("store.queue", COUNT, "4096",
        "Units of work that may wait for the writer; beyond it requests are answered 503."),
    setting("store.batch", Integer(1, 65536), "512",
        "The most units of work that one transaction commits."),
    setting("store.cache_entries", COUNT, "1000000",
        "How many token families are kept in memory."),
    setting("store.event_retention", PERIOD, "'30d'",
        "How long events are kept."),
    setting("store.event_max", COUNT, "1000000",
        "How many events are kept; the oldest go first."),

    setting("compat.profile", Choice(&["apim-4", "apim-3", "is-5.8", "apim-4.7", "strict"]), "'apim-4'",
        "Which WSO2 product's behaviour the defaults follow; `strict` follows RFC 9700."),

    setting("oauth.max_families_per_user", COUNT, "200",
        "The most token families that one user holds for one application."),
    setting("oauth.expires_in_forever", Choice(&["long_max", "omit"]), "'long_max'",
        "What `expires_in` says of a token that never expires: 9223372036854775, as WSO2 does, or nothing.")
        .under(&[(Strict, "'omit'")]),
    setting("oauth.password_grant", Choice(&["allow", "refuse"]), "'allow'",
        "Whether the password grant is served. RFC 9700 section 2.4 advises against it.")
        .under(&[(Strict, "'refuse'")]),

    setting("oauth.token.format", Choice(&["jwt", "opaque"]), "'jwt'",
        "The format of access tokens of new applications.")
        .under(&[(Apim3, "'opaque'"), (Is58, "'opaque'")]),
    setting("oauth.token.generator", Text, "'derived'",
        "What makes token values: `derived`, `uuid` (the shape of WSO2's), or the name of a generator of one's own."),
    setting("oauth.token.renew_per_request", Flag, "false",
        "Whether every request gets a new pair and ends the previous one, for opaque tokens too (WSO2: RenewTokenPerRequest)."),
    setting("oauth.token.jwt_renewal", Choice(&["revoke_previous", "keep_previous"]), "'revoke_previous'",
        "What a new JWT does to the previous one of the same application, user, scopes and binding.")
        .under(&[(Apim47, "'keep_previous'")]),
    setting("oauth.token.refresh_on_renew", Choice(&["new", "keep"]), "'new'",
        "Whether a renewed JWT comes with a new refresh token or with the previous one while that outlives it.")
        .under(&[(Apim3, "'keep'"), (Is58, "'keep'")]),
    setting("oauth.token.application_validity", Validity, "3600",
        "Life of application access tokens in seconds; negative: they never expire. For new applications."),
    setting("oauth.token.user_validity", Validity, "3600",
        "Life of user access tokens in seconds; negative: they never expire. For new applications."),
    setting("oauth.token.signing_algorithm", Choice(&["ES256", "RS256", "PS256", "EdDSA"]), "'ES256'",
        "The algorithm that signs JWTs (RFC 7518, RFC 8037)."),

    setting("oauth.refresh.validity", Validity, "86400",
        "Life of refresh tokens in seconds; negative: they never expire. For new applications."),
    setting("oauth.refresh.renew", Flag, "true",
        "Whether the refresh grant gives a new refresh token (WSO2: RenewRefreshTokenForRefreshGrant)."),
    setting("oauth.refresh.extend_expiry", Flag, "true",
        "Whether a new refresh token lives its full life again, not only what was left of its predecessor's."),
    setting("oauth.refresh.retry_window", WINDOW, "30",
        "Seconds in which a lost response may be retried while its successor is unused."),
    setting("oauth.refresh.overlap", WINDOW, "5",
        "Seconds in which a parallel refresh gets the same successor, used or not."),

    setting("oauth.scope.allowed", Patterns, r#"["^device_.*", "openid"]"#,
        "Scopes granted without validation: regular expressions that must match the whole scope."),
    setting("oauth.scope.unknown", Choice(&["drop", "grant", "reject"]), "'drop'",
        "What happens to a requested scope that no subscribed API knows.")
        .under(&[(Is58, "'grant'"), (Apim47, "'grant'"), (Strict, "'reject'")]),

    setting("oauth.device.max_per_user", COUNT, "100",
        "The most devices that one user has with one application."),
    setting("oauth.device.on_limit", Choice(&["evict_oldest", "reject"]), "'evict_oldest'",
        "Whether a device over the limit ends the oldest one or is refused."),

    setting("keys.file", Text, "''",
        "The key file, readable by its owner only. Empty: `keys.json` in the data directory."),

    setting("passwords.memory_kib", Integer(7168, 4_194_304), "19456",
        "Memory of one Argon2id hash, in KiB."),
    setting("passwords.iterations", Integer(1, 1000), "2",
        "Passes of one Argon2id hash over its memory."),
    setting("passwords.parallelism", Integer(1, 64), "1",
        "Lanes of one Argon2id hash."),
    setting("passwords.threads", Integer(0, 1024), "0",
        "Threads that hash passwords; 0: one per core."),
    setting("passwords.queue", Integer(1, 4096), "32",
        "Password checks that may wait; beyond it requests are answered 503 with `Retry-After`."),
    setting("passwords.min_length", Integer(1, 256), "8",
        "The shortest password of a new or changed one, in characters. Passwords are at most 256 bytes long."),
    setting("passwords.brake_pair_burst", COUNT, "20",
        "Failed sign-ins in a row that one address may cause at one account."),
    setting("passwords.brake_pair_refill", PERIOD, "'1m'",
        "After how long such a failure is forgotten."),
    setting("passwords.brake_address_burst", COUNT, "50",
        "Failed sign-ins in a row that one IPv4 address or IPv6 /64 network may cause at all accounts."),
    setting("passwords.brake_address_refill", PERIOD, "'5s'",
        "After how long such a failure is forgotten."),
    setting("passwords.brake_account_burst", COUNT, "100",
        "Failed sign-ins in a row at one account from all addresses, until only addresses without failures there get through."),
    setting("passwords.brake_account_refill", PERIOD, "'30s'",
        "After how long such a failure is forgotten."),
    setting("passwords.brake_clean", PERIOD, "'6h'",
        "How long an address is not let through after its last failure at an account that is over its failures."),
    setting("passwords.brake_trust", PERIOD, "'30d'",
        "How long an address that signed in is let through to its account whatever others do."),
    setting("passwords.brake_cells", Integer(1000, 100_000_000), "200000",
        "How many failing accounts, addresses and pairs are remembered, each; about 100 bytes each."),

    setting("workflow.application_creation", Flag, "false",
        "Whether applications that developers make wait for an administrator's approval before they get keys."),
    setting("workflow.key_generation", Flag, "false",
        "Whether keys that developers generate wait for an administrator's approval."),
    setting("workflow.subscription_creation", Flag, "false",
        "Whether subscriptions that developers make wait for an administrator's approval before calls pass."),

    setting("revocation.bound", millis(200, 3_600_000), "'2s'",
        "Within what time a revoked token is refused at every gateway: the lease of a remote gateway."),

    setting("log.level", Choice(&["error", "warn", "info", "debug", "trace"]), "'info'",
        "What is logged, to standard error."),
    setting("log.format", Choice(&["json", "text"]), "'json'",
        "How a log line looks."),
    setting("log.requests", Flag, "true",
        "Whether every request leaves a line."),
];
