//! What the server behind an API is told about a caller: the claims of WSO2's backend JWT.
//!
//! A token ends at the gateway (D15), so an upstream that wants to know whom a call is from gets a signed
//! assertion instead. It is no credential: no endpoint and no gateway takes it for a token.

use latchkey_oauth::client::KeyType;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::SubjectType;
use serde_json::{Map, Value, json};

/// The issuer in every assertion, as WSO2 has it.
const ISSUER: &str = "wso2.org/products/am";
/// The number of the one tenant, as WSO2 has it.
const TENANT_ID: &str = "-1234";

/// What an assertion says.
#[derive(Debug, Clone, Copy)]
pub struct Assertion<'a> {
    /// The subject of the token: a user's id, or the consumer key.
    pub subject: &'a str,
    /// Whom the token speaks for.
    pub kind: SubjectType,
    /// The user, or the application's owner for its own token; with the tenant.
    pub end_user: &'a str,
    /// The application's owner.
    pub subscriber: &'a str,
    /// The application.
    pub application: AssertedApplication<'a>,
    /// The API.
    pub api: AssertedApi<'a>,
    /// Production or sandbox.
    pub keys: KeyType,
    /// The user's roles, where they are to be told.
    pub roles: Option<&'a [String]>,
    /// When it is made.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// A random id.
    pub id: &'a str,
}

/// The application of an assertion.
#[derive(Debug, Clone, Copy)]
pub struct AssertedApplication<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its tier.
    pub tier: &'a str,
}

/// The API of an assertion.
#[derive(Debug, Clone, Copy)]
pub struct AssertedApi<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its context with its version, `/echo/1.0.0`.
    pub context: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The tier of the subscription; none where none is needed.
    pub tier: Option<&'a str>,
}

impl Assertion<'_> {
    /// The claims; those of WSO2's own stand under `dialect`, `http://wso2.org/claims` by default.
    pub fn claims(&self, dialect: &str) -> Map<String, Value> {
        let user_type = match self.kind {
            SubjectType::Application => "Application",
            SubjectType::ApplicationUser => "Application_User",
        };
        let registered = [
            ("iss", json!(ISSUER)),
            ("sub", json!(self.subject)),
            ("iat", json!(self.issued_at.as_seconds())),
            ("exp", json!(self.expires_at.as_seconds())),
            ("jti", json!(self.id)),
        ];
        let own = [
            ("subscriber", json!(self.subscriber)),
            ("applicationid", json!(self.application.id)),
            ("applicationUUId", json!(self.application.id)),
            ("applicationname", json!(self.application.name)),
            ("applicationtier", json!(self.application.tier)),
            ("applicationAttributes", json!({})),
            ("apiname", json!(self.api.name)),
            ("apicontext", json!(self.api.context)),
            ("version", json!(self.api.version)),
            ("tier", json!(self.api.tier)),
            ("keytype", json!(self.keys)),
            ("usertype", json!(user_type)),
            ("enduser", json!(self.end_user)),
            ("enduserTenantId", json!(TENANT_ID)),
            ("role", json!(self.roles)),
        ];
        let own = own.into_iter().filter(|(_, value)| !value.is_null());
        let own = own.map(|(name, value)| (format!("{dialect}/{name}"), value));
        registered.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(own).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assertion(kind: SubjectType) -> Assertion<'static> {
        Assertion {
            subject: "subject",
            kind,
            end_user: "alice@carbon.super",
            subscriber: "alice",
            application: AssertedApplication { id: "application", name: "Shop", tier: "Unlimited" },
            api: AssertedApi { name: "Echo", context: "/echo/1.0.0", version: "1.0.0", tier: Some("Gold") },
            keys: KeyType::Sandbox,
            roles: None,
            issued_at: Timestamp::from_seconds(1000),
            expires_at: Timestamp::from_seconds(1900),
            id: "id",
        }
    }

    #[test]
    fn the_claims_are_those_of_wso2() {
        let claims = Value::Object(assertion(SubjectType::ApplicationUser).claims("http://wso2.org/claims"));
        let expected = json!({
            "iss": "wso2.org/products/am",
            "sub": "subject",
            "iat": 1000,
            "exp": 1900,
            "jti": "id",
            "http://wso2.org/claims/subscriber": "alice",
            "http://wso2.org/claims/applicationid": "application",
            "http://wso2.org/claims/applicationUUId": "application",
            "http://wso2.org/claims/applicationname": "Shop",
            "http://wso2.org/claims/applicationtier": "Unlimited",
            "http://wso2.org/claims/applicationAttributes": {},
            "http://wso2.org/claims/apiname": "Echo",
            "http://wso2.org/claims/apicontext": "/echo/1.0.0",
            "http://wso2.org/claims/version": "1.0.0",
            "http://wso2.org/claims/tier": "Gold",
            "http://wso2.org/claims/keytype": "SANDBOX",
            "http://wso2.org/claims/usertype": "Application_User",
            "http://wso2.org/claims/enduser": "alice@carbon.super",
            "http://wso2.org/claims/enduserTenantId": "-1234",
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn the_dialect_and_the_roles_are_chosen() {
        let roles = ["reader".to_owned()];
        let told = Assertion { roles: Some(&roles), ..assertion(SubjectType::Application) };
        let claims = told.claims("urn:claims");
        assert_eq!(claims["urn:claims/role"], json!(["reader"]));
        assert_eq!(claims["urn:claims/usertype"], "Application");
        assert!(claims.keys().all(|name| !name.contains("wso2.org")), "{claims:?}");
    }
}
