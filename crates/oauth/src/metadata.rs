//! What the server says of itself (RFC 8414, OpenID Connect Discovery 1.0): only what it does.

use serde::Serialize;

use crate::client::GrantType;
use crate::jwk::SigningAlgorithm;

/// The metadata document, the same under both well-known names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Metadata {
    /// The issuer, exactly as in every token.
    pub issuer: String,
    /// Where tokens are issued.
    pub token_endpoint: String,
    /// Where they are revoked (RFC 7009).
    pub revocation_endpoint: String,
    /// Where they are introspected (RFC 7662).
    pub introspection_endpoint: String,
    /// Where a user's claims are (OpenID Connect Core 5.3).
    pub userinfo_endpoint: String,
    /// Where the signing keys are (RFC 7517).
    pub jwks_uri: String,
    /// None yet: there is no authorization endpoint.
    pub response_types_supported: Vec<&'static str>,
    /// The grants.
    pub grant_types_supported: Vec<&'static str>,
    /// How clients authenticate at the token endpoint.
    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// How clients authenticate at the revocation endpoint.
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    /// How callers authenticate at the introspection endpoint.
    pub introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    /// Every subject is the same to every client.
    pub subject_types_supported: Vec<&'static str>,
    /// How tokens are signed.
    pub id_token_signing_alg_values_supported: Vec<&'static str>,
    /// Scopes with a meaning of their own.
    pub scopes_supported: Vec<&'static str>,
    /// The claims of userinfo.
    pub claims_supported: Vec<&'static str>,
}

impl Metadata {
    /// The document of a server reached at `base` (scheme, host and port) that calls itself `issuer`.
    pub fn new(issuer: &str, base: &str, algorithm: SigningAlgorithm, grants: &[GrantType]) -> Self {
        let at = |path: &str| format!("{base}{path}");
        let methods = || vec!["client_secret_basic", "client_secret_post"];
        Self {
            issuer: issuer.to_owned(),
            token_endpoint: at("/oauth2/token"),
            revocation_endpoint: at("/oauth2/revoke"),
            introspection_endpoint: at("/oauth2/introspect"),
            userinfo_endpoint: at("/oauth2/userinfo"),
            jwks_uri: at("/oauth2/jwks"),
            response_types_supported: Vec::new(),
            grant_types_supported: grants.iter().map(|grant| grant.as_str()).collect(),
            token_endpoint_auth_methods_supported: methods(),
            revocation_endpoint_auth_methods_supported: methods(),
            introspection_endpoint_auth_methods_supported: methods(),
            subject_types_supported: vec!["public"],
            id_token_signing_alg_values_supported: vec![algorithm.as_str()],
            scopes_supported: vec!["openid"],
            claims_supported: vec!["sub", "preferred_username"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document() {
        let base = "https://localhost:9443";
        let issuer = "https://localhost:9443/oauth2/token";
        let document = Metadata::new(issuer, base, SigningAlgorithm::EdDsa, &GrantType::ALL);
        insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
    }
}
