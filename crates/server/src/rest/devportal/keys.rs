//! The keys of applications: under their type as older clients ask for them, and under their id.

mod told;

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use latchkey_catalog::application::Application;
use latchkey_oauth::client::{GrantType, KeyType};
use latchkey_oauth::client_authentication::Credentials;
use latchkey_oauth::family::Validity;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::scope::Scope;
use latchkey_oauth::secret::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use uuid::Uuid;

pub(super) use self::told::ApplicationKey;
use self::told::{ApplicationToken, ConsumerSecret, NewSecret};
use super::super::answer::done;
use super::super::call::Call;
use super::super::caller::Caller;
use super::super::contract::Parameter;
use super::super::error::RestError;
use super::super::operation::{Answer, Operation};
use super::super::page::Listing;
use super::super::wire::{Word, or_default, texts, words};
use super::SURFACE;
use super::applications::SCOPES;
use super::settings::{KEY_MANAGER, KEY_MANAGER_ID};
use crate::admin::approval::{WaitingKeys, waiting_keys};
use crate::admin::consumer_keys::{self, Generated, HeldKeys, TokenWish, Which, Wishes};
use crate::admin::developer;
use crate::admin::problem::Problem;
use crate::admin::text::SecretText;
use crate::admin::{AdminError, ErrorKind};
use crate::app::App;
use crate::http::answer;

/// How many seconds the secret so far stays valid.
const OVERLAP: Parameter = Parameter::number("overlap", (0, u32::MAX as i64));
/// Says among the properties of new keys why they have no first token; Latchkey's own.
const NO_TOKEN: &str = "token_problem";

pub(super) fn operations() -> Vec<Operation> {
    let mut rows = vec![
        SURFACE
            .scoped(Method::POST, "/applications/{applicationId}/generate-keys", SCOPES, generate)
            .takes::<KeyGenerateRequest>()
            .answers::<ApplicationKey>(),
        SURFACE
            .scoped(Method::POST, "/applications/{applicationId}/map-keys", SCOPES, map)
            .takes::<KeyMappingRequest>()
            .answers::<ApplicationKey>(),
        SURFACE
            .scoped(Method::GET, "/applications/{applicationId}/keys", SCOPES, list)
            .answers::<Listing<ApplicationKey>>(),
        SURFACE
            .scoped(Method::GET, "/applications/{applicationId}/oauth-keys", SCOPES, list)
            .answers::<Listing<ApplicationKey>>(),
        SURFACE.scoped(
            Method::DELETE,
            "/applications/{applicationId}/oauth-keys/{keyMappingId}",
            SCOPES,
            remove,
        ),
    ];
    rows.extend(of_secrets());
    for (one, regeneration, clean_up, token) in [
        (
            "/applications/{applicationId}/keys/{keyType}",
            "/applications/{applicationId}/keys/{keyType}/regenerate-secret",
            "/applications/{applicationId}/keys/{keyType}/clean-up",
            "/applications/{applicationId}/keys/{keyType}/generate-token",
        ),
        (
            "/applications/{applicationId}/oauth-keys/{keyMappingId}",
            "/applications/{applicationId}/oauth-keys/{keyMappingId}/regenerate-secret",
            "/applications/{applicationId}/oauth-keys/{keyMappingId}/clean-up",
            "/applications/{applicationId}/oauth-keys/{keyMappingId}/generate-token",
        ),
    ] {
        rows.push(SURFACE.scoped(Method::GET, one, SCOPES, get).answers::<ApplicationKey>());
        rows.push(
            SURFACE.scoped(Method::PUT, one, SCOPES, put).takes::<KeyUpdate>().answers::<ApplicationKey>(),
        );
        rows.push(
            SURFACE
                .scoped(Method::POST, regeneration, SCOPES, regenerate)
                .asks(&[OVERLAP])
                .answers::<NewSecret>(),
        );
        rows.push(SURFACE.scoped(Method::POST, clean_up, SCOPES, remove));
        rows.push(
            SURFACE
                .scoped(Method::POST, token, SCOPES, generate_token)
                .takes::<TokenGenerateRequest>()
                .answers::<ApplicationToken>(),
        );
    }
    rows
}

/// Operations on further secrets of keys.
fn of_secrets() -> [Operation; 3] {
    [
        SURFACE
            .scoped(
                Method::POST,
                "/applications/{applicationId}/oauth-keys/{keyMappingId}/generate-secret",
                SCOPES,
                add_secret,
            )
            .takes::<SecretCreationRequest>()
            .answers_as::<ConsumerSecret>(StatusCode::CREATED),
        SURFACE
            .scoped(
                Method::GET,
                "/applications/{applicationId}/oauth-keys/{keyMappingId}/secrets",
                SCOPES,
                secrets,
            )
            .answers::<Listing<ConsumerSecret>>(),
        SURFACE
            .scoped(
                Method::POST,
                "/applications/{applicationId}/oauth-keys/{keyMappingId}/revoke-secret",
                SCOPES,
                remove_secret,
            )
            .takes::<SecretDeletionRequest>()
            .answers_only(StatusCode::NO_CONTENT),
    ]
}

pub(super) fn key_types(_: &mut SchemaGenerator) -> Schema {
    words(&[KeyType::Production, KeyType::Sandbox])
}

/// WSO2's `ApplicationKeyGenerateRequest`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct KeyGenerateRequest {
    #[schemars(schema_with = "key_types")]
    key_type: KeyType,
    #[serde(default, deserialize_with = "or_default")]
    key_manager: String,
    grant_types_to_be_supported: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    callback_url: String,
    #[serde(default, deserialize_with = "or_default")]
    scopes: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    validity_time: Option<Word>,
    #[serde(default, deserialize_with = "or_default")]
    additional_properties: BTreeMap<String, Word>,
}

/// WSO2's `ApplicationKeyMappingRequest`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct KeyMappingRequest {
    consumer_key: String,
    #[serde(default, deserialize_with = "or_default")]
    consumer_secret: Option<SecretText>,
    #[serde(default, deserialize_with = "or_default")]
    key_manager: String,
    #[schemars(schema_with = "key_types")]
    key_type: KeyType,
}

/// What WSO2's `ApplicationKey` says that may be changed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct KeyUpdate {
    #[serde(default)]
    supported_grant_types: Option<Vec<String>>,
    #[serde(default)]
    callback_url: Option<String>,
    #[serde(default)]
    additional_properties: Option<BTreeMap<String, Word>>,
}

/// WSO2's `ApplicationTokenGenerateRequest`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TokenGenerateRequest {
    #[serde(default, deserialize_with = "or_default")]
    consumer_secret: Option<SecretText>,
    #[serde(default, deserialize_with = "or_default")]
    validity_period: Option<Word>,
    #[serde(default, deserialize_with = "or_default")]
    scopes: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    revoke_token: Option<SecretText>,
    #[serde(default, deserialize_with = "or_default")]
    grant_type: String,
}

/// Refuses a key manager that is not this server. Clients say the name or the id, or nothing.
fn check_key_manager(named: &str) -> Result<(), RestError> {
    let is_this = named.is_empty() || named == KEY_MANAGER_ID || named.eq_ignore_ascii_case(KEY_MANAGER);
    if is_this { Ok(()) } else { Err(Problem::NoSuchKeyManager.into()) }
}

fn callbacks(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect()
}

/// The keys of an application as WSO2 shows them.
pub(super) async fn shown(app: &App, application: &Application) -> Result<Vec<ApplicationKey>, RestError> {
    let keys = consumer_keys::list(app, application).await?;
    let waiting = waiting_keys(app, application.id).await?;
    Ok(keys
        .iter()
        .map(|keys| ApplicationKey::of(keys, None))
        .chain(waiting.iter().map(ApplicationKey::waiting))
        .collect())
}

/// Which keys the path of `call` names.
fn which(call: &Call) -> Result<Which, RestError> {
    if let Some(text) = call.path.get("keyType") {
        return match text.to_ascii_uppercase().as_str() {
            "PRODUCTION" => Ok(Which::Type(KeyType::Production)),
            "SANDBOX" => Ok(Which::Type(KeyType::Sandbox)),
            _ => Err(RestError::bad("A key type is PRODUCTION or SANDBOX.")),
        };
    }
    let id: Option<Uuid> = call.at("keyMappingId");
    let id = id.map(|id| PrincipalId::from_bytes(*id.as_bytes()));
    Ok(Which::Mapping(id.ok_or(Problem::NoSuchKeys)?))
}

/// The caller's own application and the keys that the path names.
async fn own(call: &Call, caller: &Caller) -> Result<(Application, HeldKeys), RestError> {
    let application = developer::own(&call.app, call.at("applicationId"), &caller.user.user).await?;
    let keys = consumer_keys::find(&call.app, &application, which(call)?).await?;
    Ok((application, keys))
}

async fn generate(call: Call, caller: Caller) -> Answer {
    let wanted: KeyGenerateRequest = call.json()?;
    check_key_manager(&wanted.key_manager)?;
    let app = &call.app;
    let application = developer::own(app, call.at("applicationId"), &caller.user.user).await?;
    let scope = scope(&wanted.scopes)?;
    let wishes = Wishes {
        grants: Some(wanted.grant_types_to_be_supported),
        callbacks: Some(callbacks(&wanted.callback_url)),
        properties: Some(texts(wanted.additional_properties)),
    };
    let wish = (wanted.key_type, wishes);
    let keys = match consumer_keys::generate(app, &application, wish, caller.name()).await? {
        Generated::Keys(keys) => keys,
        Generated::Waiting(keys) => return Ok(answer::json(&ApplicationKey::waiting(&keys))),
    };
    if !keys.client.grants.contains(&GrantType::ClientCredentials) {
        return Ok(answer::json(&ApplicationKey::of(&keys, None)));
    }
    let validity = validity(wanted.validity_time.as_ref());
    let wish = TokenWish { secret: None, scope, validity, revoke: None };
    // The keys are there, whatever becomes of their first token.
    Ok(answer::json(&match consumer_keys::issue(app, &keys, wish).await {
        Ok(token) => ApplicationKey::of(&keys, Some(&token)),
        Err(problem) => {
            let mut told = ApplicationKey::of(&keys, None);
            told.additional_properties.insert(NO_TOKEN.to_owned(), problem.to_string());
            told
        }
    }))
}

/// The scopes of these names.
fn scope(names: &[String]) -> Result<Scope, RestError> {
    Scope::parse(&names.join(" ")).map_err(|problem| RestError::bad(problem.to_string()))
}

/// How many seconds a token is to live; nothing, what is no number, and the wish for ever leave it to the keys.
fn validity(word: Option<&Word>) -> Option<Validity> {
    let seconds: i64 = word?.read()?;
    (seconds > 0 && seconds < i64::from(u32::MAX)).then(|| Validity::from(seconds))
}

async fn map(call: Call, caller: Caller) -> Answer {
    let wanted: KeyMappingRequest = call.json()?;
    check_key_manager(&wanted.key_manager)?;
    let application = developer::own(&call.app, call.at("applicationId"), &caller.user.user).await?;
    let secret = wanted.consumer_secret.map_or_else(|| Secret::new(""), |SecretText(secret)| secret);
    let credentials = Credentials { consumer_key: wanted.consumer_key, secret };
    let mapping = (wanted.key_type, credentials);
    let keys = consumer_keys::map(&call.app, &application, mapping, caller.name()).await?;
    Ok(answer::json(&ApplicationKey::of(&keys, None)))
}

async fn list(call: Call, caller: Caller) -> Answer {
    let (found, _) = developer::find(&call.app, call.at("applicationId"), &caller.user.user).await?;
    Ok(answer::json(&Listing::whole(shown(&call.app, &found).await?)))
}

async fn get(call: Call, caller: Caller) -> Answer {
    let (found, _) = developer::find(&call.app, call.at("applicationId"), &caller.user.user).await?;
    let which = which(&call)?;
    let mut waiting = waiting_keys(&call.app, found.id).await?.into_iter();
    let is_meant = |keys: &WaitingKeys| match which {
        Which::Type(key_type) => keys.key_type == key_type,
        Which::Mapping(id) => keys.id == id,
    };
    if let Some(keys) = waiting.find(is_meant) {
        return Ok(answer::json(&ApplicationKey::waiting(&keys)));
    }
    let keys = consumer_keys::find(&call.app, &found, which).await?;
    Ok(answer::json(&ApplicationKey::of(&keys, None)))
}

async fn put(call: Call, caller: Caller) -> Answer {
    let update: KeyUpdate = call.json()?;
    let (application, keys) = own(&call, &caller).await?;
    let wishes = Wishes {
        grants: update.supported_grant_types,
        callbacks: update.callback_url.as_deref().map(callbacks),
        properties: update.additional_properties.map(texts),
    };
    let keys = consumer_keys::update(&call.app, &application, (&keys.client, wishes), caller.name()).await?;
    Ok(answer::json(&ApplicationKey::of(&keys, None)))
}

/// WSO2's `ApplicationKeyReGenerateResponse`. The parameter `overlap` is Latchkey's own: how many seconds the secret
/// so far stays valid.
async fn regenerate(call: Call, caller: Caller) -> Answer {
    let overlap = match call.parameter("overlap") {
        Some(text) => Some(text.parse().map_err(|_| RestError::bad("overlap is a number of seconds."))?),
        None => None,
    };
    let (_, keys) = own(&call, &caller).await?;
    let client = keys.client;
    let secret = consumer_keys::regenerate_secret(&call.app, client.id, overlap, caller.name()).await?;
    Ok(answer::json(&NewSecret { consumer_key: client.consumer_key, consumer_secret: secret }))
}

async fn remove(call: Call, caller: Caller) -> Answer {
    let (_, keys) = own(&call, &caller).await?;
    consumer_keys::remove(&call.app, keys.client.id, caller.name()).await?;
    Ok(done())
}

async fn generate_token(call: Call, caller: Caller) -> Answer {
    let wanted: TokenGenerateRequest = call.json()?;
    if !matches!(wanted.grant_type.as_str(), "" | "CLIENT_CREDENTIALS") {
        return Err(RestError::bad("Tokens are generated by the grant CLIENT_CREDENTIALS only."));
    }
    let (_, keys) = own(&call, &caller).await?;
    let wish = TokenWish {
        secret: wanted
            .consumer_secret
            .map(|SecretText(secret)| secret)
            .filter(|secret| !secret.expose().is_empty()),
        scope: scope(&wanted.scopes)?,
        validity: validity(wanted.validity_period.as_ref()),
        revoke: wanted.revoke_token.map(|SecretText(token)| token),
    };
    let token = consumer_keys::issue(&call.app, &keys, wish).await.map_err(not_issued)?;
    Ok(answer::json(&ApplicationToken::of(&token)))
}

/// What the token endpoint would refuse is a request that cannot be.
fn not_issued(error: AdminError) -> RestError {
    match (error.kind, error.problem) {
        (ErrorKind::Refused, None) => RestError::bad(error.message),
        _ => error.into(),
    }
}

/// WSO2's `ConsumerSecretCreationRequest`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SecretCreationRequest {
    #[serde(default, deserialize_with = "or_default")]
    additional_properties: BTreeMap<String, Word>,
}

async fn add_secret(call: Call, caller: Caller) -> Answer {
    let wanted: SecretCreationRequest = call.json()?;
    let said = wanted.additional_properties;
    let description = said.get("description").map_or_else(String::new, |word| word.0.clone());
    let expires_in = match said.get("expiresIn").filter(|word| !word.0.is_empty()) {
        Some(word) => Some(
            word.read::<u32>()
                .filter(|seconds| *seconds > 0)
                .ok_or_else(|| RestError::bad("expiresIn is a number of seconds."))?,
        ),
        None => None,
    };
    let (_, keys) = own(&call, &caller).await?;
    let wish = (description, expires_in);
    let (further, secret) = consumer_keys::add_secret(&call.app, keys.client.id, wish, caller.name()).await?;
    let mut response = answer::json(&ConsumerSecret::of(&further, Some(secret)));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

async fn secrets(call: Call, caller: Caller) -> Answer {
    let (_, keys) = own(&call, &caller).await?;
    let now = call.app.now();
    let valid = keys.client.further_secrets.iter().filter(|secret| secret.is_valid(now));
    Ok(answer::json(&Listing::whole(valid.map(|secret| ConsumerSecret::of(secret, None)).collect())))
}

/// WSO2's `ConsumerSecretDeletionRequest`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SecretDeletionRequest {
    secret_id: Uuid,
}

async fn remove_secret(call: Call, caller: Caller) -> Answer {
    let SecretDeletionRequest { secret_id } = call.json()?;
    let (_, keys) = own(&call, &caller).await?;
    consumer_keys::remove_secret(&call.app, keys.client.id, secret_id, caller.name()).await?;
    Ok(answer::text(StatusCode::NO_CONTENT, "application/json", ""))
}
