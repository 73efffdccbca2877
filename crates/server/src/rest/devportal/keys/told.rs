//! Keys, secrets and tokens of applications as WSO2 shows them.

use std::collections::BTreeMap;

use latchkey_catalog::developer::{Grants, shown as properties_shown};
use latchkey_oauth::client::{FurtherSecret, KeyMode, KeyState, KeyType};
use latchkey_oauth::id::PrincipalId;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use uuid::Uuid;

use super::super::super::answer::millis;
use super::super::super::wire::words;
use super::super::settings::KEY_MANAGER;
use super::key_types;
use crate::admin::approval::WaitingKeys;
use crate::admin::consumer_keys::{HeldKeys, Wishes};
use crate::admin::text::SecretText;
use crate::token::response::TokenResponse;

/// What WSO2 says a token that never expires has left.
const FOREVER: i64 = 9_223_372_036_854_775_807;

/// WSO2's `ApplicationKey`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct ApplicationKey {
    #[schemars(with = "Uuid")]
    key_mapping_id: PrincipalId,
    key_manager: &'static str,
    /// None while the keys wait for approval.
    consumer_key: Option<String>,
    consumer_secret: Option<SecretText>,
    consumer_secrets: Vec<ConsumerSecret>,
    supported_grant_types: Vec<String>,
    callback_url: String,
    #[schemars(with = "String")]
    key_state: KeyState,
    #[schemars(schema_with = "key_types")]
    key_type: KeyType,
    #[schemars(schema_with = "modes")]
    mode: KeyMode,
    group_id: (),
    token: Option<ApplicationToken>,
    pub(super) additional_properties: BTreeMap<String, String>,
}

fn modes(_: &mut SchemaGenerator) -> Schema {
    words(&[KeyMode::Created, KeyMode::Mapped])
}

/// WSO2's `ApplicationToken`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApplicationToken {
    access_token: SecretText,
    token_scopes: Vec<String>,
    validity_time: i64,
}

/// WSO2's `ApplicationKeyReGenerateResponse`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ApplicationKeyReGenerateResponse")]
pub(super) struct NewSecret {
    pub(super) consumer_key: String,
    pub(super) consumer_secret: SecretText,
}

/// WSO2's `ConsumerSecret`, without the secret unless it is new.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConsumerSecret {
    secret_id: Uuid,
    secret_value: Option<SecretText>,
    additional_properties: SecretProperties,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ConsumerSecretProperties")]
struct SecretProperties {
    description: String,
    created_at: String,
    expires_at: Option<String>,
}

fn owned(properties: BTreeMap<&str, &str>) -> BTreeMap<String, String> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    properties.into_iter().map(owned).collect()
}

impl ApplicationKey {
    /// Keys, with their first token where they have one.
    pub(super) fn of(keys: &HeldKeys, token: Option<&TokenResponse>) -> Self {
        let HeldKeys { client, secret } = keys;
        let metadata = &client.metadata;
        let grants = Grants::names(&client.grants, &metadata.further_grants);
        Self {
            key_mapping_id: client.id,
            key_manager: KEY_MANAGER,
            consumer_key: Some(client.consumer_key.clone()),
            consumer_secret: Some(secret.clone()),
            consumer_secrets: Vec::new(),
            supported_grant_types: grants.into_iter().map(str::to_owned).collect(),
            callback_url: metadata.redirect_uris.join(","),
            key_state: metadata.state,
            key_type: client.key_type,
            mode: metadata.mode,
            group_id: (),
            token: token.map(ApplicationToken::of),
            additional_properties: owned(properties_shown(&metadata.properties)),
        }
    }

    /// Keys that wait for approval: they have no consumer key yet.
    pub(super) fn waiting(keys: &WaitingKeys) -> Self {
        let Wishes { grants, callbacks, properties } = &keys.wishes;
        let empty = BTreeMap::new();
        Self {
            key_mapping_id: keys.id,
            key_manager: KEY_MANAGER,
            consumer_key: None,
            consumer_secret: None,
            consumer_secrets: Vec::new(),
            supported_grant_types: grants.clone().unwrap_or_default(),
            callback_url: callbacks.clone().unwrap_or_default().join(","),
            key_state: KeyState::Created,
            key_type: keys.key_type,
            mode: KeyMode::Created,
            group_id: (),
            token: None,
            additional_properties: owned(properties_shown(properties.as_ref().unwrap_or(&empty))),
        }
    }
}

impl ApplicationToken {
    /// A token that was just made.
    pub(super) fn of(token: &TokenResponse) -> Self {
        Self {
            access_token: SecretText(token.access_token().clone()),
            token_scopes: token.scope().split(' ').map(str::to_owned).collect(),
            validity_time: token.expires_in().unwrap_or(FOREVER),
        }
    }
}

impl ConsumerSecret {
    /// A further secret of keys.
    pub(super) fn of(further: &FurtherSecret, secret: Option<SecretText>) -> Self {
        Self {
            secret_id: further.id,
            secret_value: secret,
            additional_properties: SecretProperties {
                description: further.description.clone(),
                created_at: millis(further.created_at),
                expires_at: further.expires_at.map(millis),
            },
        }
    }
}
