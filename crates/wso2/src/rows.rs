//! Rows of WSO2's databases, joined as far as one verdict needs.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_oauth::secret::Secret;

/// A row of `UM_USER` with the user's roles and attributes.
#[derive(Debug, Clone, Default)]
pub struct UserRow {
    /// `UM_USER_NAME`.
    pub name: String,
    /// `UM_USER_PASSWORD`.
    pub password: Secret,
    /// `UM_SALT_VALUE`.
    pub salt: String,
    /// `UM_TENANT_ID`.
    pub tenant: String,
    /// Roles of the user store.
    pub roles: BTreeSet<String>,
    /// Roles of the domains `Internal` and `Application`.
    pub hybrid_roles: BTreeSet<String>,
    /// Attributes and identity data by name.
    pub attributes: BTreeMap<String, String>,
}

/// A row of one of the tables of throttling policies.
#[derive(Debug, Clone, Default)]
pub struct PolicyRow {
    /// `subscription`, `application` or `resource`.
    pub level: String,
    /// `NAME`.
    pub name: String,
    /// `TENANT_ID`.
    pub tenant: String,
    /// `QUOTA_TYPE`.
    pub quota_type: String,
    /// `QUOTA`.
    pub quota: String,
    /// `UNIT_TIME`.
    pub unit_time: String,
    /// `TIME_UNIT`.
    pub time_unit: String,
    /// `RATE_LIMIT_COUNT`.
    pub burst: String,
    /// `RATE_LIMIT_TIME_UNIT`.
    pub burst_unit: String,
    /// `STOP_ON_QUOTA_REACH`.
    pub stops: String,
}

/// A row of `AM_API` with its resources.
#[derive(Debug, Clone, Default)]
pub struct ApiRow {
    /// `API_UUID`.
    pub uuid: String,
    /// `API_PROVIDER`.
    pub provider: String,
    /// `API_NAME`.
    pub name: String,
    /// `API_VERSION`.
    pub version: String,
    /// `CONTEXT`, which ends with the version.
    pub context: String,
    /// `API_TIER`.
    pub tier: String,
    /// `STATUS`.
    pub status: String,
    /// `CREATED_TIME`.
    pub created: String,
    /// Its resources.
    pub resources: Vec<ResourceRow>,
    /// The roles of its scopes.
    pub scopes: BTreeMap<String, BTreeSet<String>>,
}

/// A row of `AM_API_URL_MAPPING` with its scopes.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceRow {
    /// `HTTP_METHOD`.
    pub method: String,
    /// `URL_PATTERN`.
    pub pattern: String,
    /// `AUTH_SCHEME`.
    pub authentication: String,
    /// `THROTTLING_TIER`.
    pub tier: String,
    /// The scopes of `AM_API_RESOURCE_SCOPE_MAPPING`.
    pub scopes: BTreeSet<String>,
}

/// A row of `AM_APPLICATION` with its owner, keys and attributes; or a client that no application has.
#[derive(Debug, Clone, Default)]
pub struct ApplicationRow {
    /// `UUID`.
    pub uuid: String,
    /// `NAME`.
    pub name: String,
    /// `USER_ID` of its subscriber.
    pub owner: String,
    /// `TENANT_ID` of its subscriber.
    pub tenant: String,
    /// `APPLICATION_TIER`.
    pub tier: String,
    /// `DESCRIPTION`.
    pub description: String,
    /// `APPLICATION_STATUS`.
    pub status: String,
    /// `TOKEN_TYPE`.
    pub token_type: String,
    /// `CREATED_TIME`.
    pub created: String,
    /// `AM_APPLICATION_ATTRIBUTES`.
    pub attributes: BTreeMap<String, String>,
    /// `AM_APPLICATION_GROUP_MAPPING`.
    pub groups: BTreeSet<String>,
    /// Its keys.
    pub keys: Vec<ClientRow>,
}

/// A row of `IDN_OAUTH_CONSUMER_APPS` with its place in `AM_APPLICATION_KEY_MAPPING`.
#[derive(Debug, Clone, Default)]
pub struct ClientRow {
    /// `CONSUMER_KEY`.
    pub client_id: String,
    /// `CONSUMER_SECRET`.
    pub secret: Secret,
    /// `GRANT_TYPES`.
    pub grants: String,
    /// `CALLBACK_URL`.
    pub callback: String,
    /// `APP_STATE`.
    pub state: String,
    /// `KEY_TYPE`.
    pub key_type: String,
    /// `CREATE_MODE`.
    pub mode: String,
    /// `APP_ACCESS_TOKEN_EXPIRE_TIME`.
    pub application_validity: String,
    /// `USER_ACCESS_TOKEN_EXPIRE_TIME`.
    pub user_validity: String,
    /// `REFRESH_TOKEN_EXPIRE_TIME`.
    pub refresh_validity: String,
}

/// A row of `AM_SUBSCRIPTION` with its ends.
#[derive(Debug, Clone, Default)]
pub struct SubscriptionRow {
    /// `UUID`.
    pub uuid: String,
    /// The application's name and its owner's.
    pub application: Option<(String, String)>,
    /// The API's context and version.
    pub api: Option<(String, String)>,
    /// `TIER_ID`.
    pub tier: String,
    /// `SUB_STATUS`.
    pub status: String,
    /// `CREATED_TIME`.
    pub created: String,
}

/// A row of `IDN_OAUTH2_ACCESS_TOKEN` with its client, scopes and binding.
#[derive(Debug, Clone, Default)]
pub struct TokenRow {
    /// The client's `CONSUMER_KEY`; none: there is no such client.
    pub client_id: Option<String>,
    /// `tokenType` of the client, else `TOKEN_TYPE` of its application.
    pub token_type: String,
    /// `ACCESS_TOKEN`.
    pub access: Secret,
    /// `REFRESH_TOKEN`.
    pub refresh: Secret,
    /// `ACCESS_TOKEN_HASH`.
    pub access_hash: String,
    /// `REFRESH_TOKEN_HASH`.
    pub refresh_hash: String,
    /// `AUTHZ_USER`.
    pub user: String,
    /// `USER_DOMAIN`.
    pub domain: String,
    /// `TENANT_ID`.
    pub tenant: String,
    /// `USER_TYPE`.
    pub user_type: String,
    /// `TIME_CREATED`.
    pub created: String,
    /// `REFRESH_TOKEN_TIME_CREATED`.
    pub refresh_created: String,
    /// `VALIDITY_PERIOD`, milliseconds.
    pub validity: String,
    /// `REFRESH_TOKEN_VALIDITY_PERIOD`, milliseconds.
    pub refresh_validity: String,
    /// `TOKEN_STATE`.
    pub state: String,
    /// `TOKEN_SCOPE`s.
    pub scopes: BTreeSet<String>,
    /// `TOKEN_BINDING_REF`.
    pub binding_ref: String,
    /// `TOKEN_BINDING_TYPE` and `TOKEN_BINDING_VALUE`.
    pub binding: Option<(String, String)>,
}
