//! The API keys of applications.

use http::Method;
use latchkey_catalog::api_key::ApiKey;
use latchkey_oauth::client::KeyType;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::answer::done;
use super::super::call::Call;
use super::super::caller::Caller;
use super::super::error::{Fault, RestError};
use super::super::operation::{Answer, Operation};
use super::super::page::Listing;
use super::super::wire::{Word, or_default};
use super::SURFACE;
use crate::admin::api_key::{self, ApiKeyProblem, Wishes};
use crate::admin::developer;
use crate::admin::text::SecretText;
use crate::http::answer::{self, Whole};
use crate::token::api_key::{KeyStanding, PresentedKeys};

const SCOPES: &[&str] = &["apim:subscribe", "apim:app_manage", "apim:api_key"];

pub(super) fn operations() -> Vec<Operation> {
    const KEYS: &str = "/applications/{applicationId}/api-keys/{keyType}";
    const GENERATE: &str = "/applications/{applicationId}/api-keys/{keyType}/generate";
    const REGENERATE: &str = "/applications/{applicationId}/api-keys/{keyType}/regenerate";
    const REVOKE: &str = "/applications/{applicationId}/api-keys/{keyType}/revoke";
    vec![
        SURFACE.scoped(Method::POST, GENERATE, SCOPES, generate).takes::<GenerateRequest>().answers::<Told>(),
        SURFACE.scoped(Method::GET, KEYS, SCOPES, list).answers::<Listing<Listed>>(),
        SURFACE.scoped(Method::POST, REGENERATE, SCOPES, regenerate).takes::<Named>().answers::<Told>(),
        SURFACE.scoped(Method::POST, REVOKE, SCOPES, revoke).takes::<Named>(),
    ]
}

/// WSO2's `APIKeyGenerateRequest`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "APIKeyGenerateRequest")]
struct GenerateRequest {
    #[serde(default, deserialize_with = "or_default")]
    key_name: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    validity_period: Option<Word>,
    #[serde(default, deserialize_with = "or_default")]
    additional_properties: Properties,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "APIKeyRestrictions")]
struct Properties {
    #[serde(default, rename = "permittedIP", deserialize_with = "or_default")]
    addresses: String,
    #[serde(default, rename = "permittedReferer", deserialize_with = "or_default")]
    referers: String,
}

/// WSO2's `APIKeyRevokeRequest`; the key by its value or by its id.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "APIKeyReference")]
struct Named {
    #[serde(default, deserialize_with = "or_default")]
    apikey: Option<SecretText>,
    #[serde(default, rename = "keyUUID", deserialize_with = "or_default")]
    id: Option<String>,
}

impl From<ApiKeyProblem> for RestError {
    fn from(problem: ApiKeyProblem) -> Self {
        match problem {
            ApiKeyProblem::BadWishes(what) => Self::bad(what),
            ApiKeyProblem::NameTaken(_) | ApiKeyProblem::Full => {
                Self::told(Fault::Conflict, problem.to_string())
            }
            ApiKeyProblem::Gone => Self::told(Fault::NotFound, problem.to_string()),
        }
    }
}

fn key_type(call: &Call) -> Result<KeyType, RestError> {
    let word = call.path.get("keyType").map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    [KeyType::Production, KeyType::Sandbox]
        .into_iter()
        .find(|keys| keys.as_str() == word)
        .ok_or_else(|| RestError::bad("The key type is PRODUCTION or SANDBOX."))
}

/// WSO2's `APIKey`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "APIKey")]
struct Told {
    #[serde(rename = "keyUUID")]
    #[schemars(with = "Uuid")]
    id: PrincipalId,
    key_name: String,
    apikey: SecretText,
    validity_period: i64,
}

/// WSO2's `APIKeyInfo`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "APIKeyInfo")]
struct Listed {
    #[serde(rename = "keyUUID")]
    #[schemars(with = "Uuid")]
    id: PrincipalId,
    key_name: String,
    issued_on: i64,
    validity_period: i64,
    last_used: Option<i64>,
}

fn told(key: &ApiKey, value: Secret) -> Whole {
    answer::json(&Told {
        id: key.id,
        key_name: key.name.clone(),
        apikey: SecretText(value),
        validity_period: key.validity.into(),
    })
}

/// A key without a name is called by a random one, as clients of older releases give none.
async fn generate(call: Call, caller: Caller) -> Answer {
    let keys = key_type(&call)?;
    let application = developer::own(&call.app, call.at("applicationId"), &caller.user.user).await?;
    let GenerateRequest { key_name, validity_period, additional_properties } = call.json()?;
    let validity = match validity_period {
        None => -1,
        Some(word) => {
            word.read().ok_or_else(|| RestError::bad("The validityPeriod is no number of seconds."))?
        }
    };
    let drawn = || PrincipalId::draw(&*call.app.entropy).to_string();
    let name = key_name.filter(|name| !name.is_empty()).unwrap_or_else(drawn);
    let Properties { addresses, referers } = additional_properties;
    let wishes = Wishes { name, keys, validity, addresses, referers };
    let (key, value) = api_key::generate(&call.app, (application.id, &wishes), caller.name()).await??;
    Ok(told(&key, value))
}

async fn list(call: Call, caller: Caller) -> Answer {
    let keys = key_type(&call)?;
    let (application, _) = developer::find(&call.app, call.at("applicationId"), &caller.user.user).await?;
    let mut listed = api_key::list(&call.app, application.id).await?;
    listed.retain(|(key, _)| key.keys == keys);
    let shown = listed.into_iter().map(|(key, seen)| Listed {
        id: key.id,
        key_name: key.name,
        issued_on: key.issued_at.as_millis(),
        validity_period: key.validity.into(),
        last_used: seen.map(|sighting| sighting.at.as_millis()),
    });
    Ok(answer::json(&Listing::whole(shown.collect())))
}

async fn regenerate(call: Call, caller: Caller) -> Answer {
    let key = find(&call, &caller).await?;
    let (key, value) = api_key::regenerate(&call.app, &key, caller.name()).await??;
    Ok(told(&key, value))
}

async fn revoke(call: Call, caller: Caller) -> Answer {
    let key = find(&call, &caller).await?;
    api_key::revoke(&call.app, key.id, caller.name()).await??;
    Ok(done())
}

/// The key of the application and type that the body names.
async fn find(call: &Call, caller: &Caller) -> Result<ApiKey, RestError> {
    let keys = key_type(call)?;
    let application = developer::own(&call.app, call.at("applicationId"), &caller.user.user).await?;
    let named: Named = call.json()?;
    let id = match named {
        Named { id: Some(id), .. } => id,
        Named { apikey: Some(value), .. } => {
            match PresentedKeys::new(&call.app).standing(&value.0, call.app.now()).await? {
                KeyStanding::Active(facts) | KeyStanding::Expired(facts) => facts.key.id.to_string(),
                KeyStanding::Superseded(_) | KeyStanding::Unknown => String::new(),
            }
        }
        Named { id: None, apikey: None } => {
            return Err(RestError::bad("Name the key by keyUUID, or show it as apikey."));
        }
    };
    let held = call.app.store.api_keys_of(application.id).await?;
    let found = held.into_iter().find(|key| key.keys == keys && key.id.to_string() == id);
    found.ok_or_else(|| RestError::told(Fault::NotFound, "The application has no such API key."))
}
