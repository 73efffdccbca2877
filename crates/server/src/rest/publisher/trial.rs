//! APIs tried out before anybody subscribes to them.

use http::Method;
use latchkey_catalog::upstream::UpstreamUrl;
use latchkey_oauth::internal_key::LIFE;
use schemars::JsonSchema;
use serde::Serialize;

use super::apis::find;
use super::told::edited;
use super::{CREATE, SURFACE};
use crate::admin::text::SecretText;
use crate::http::answer;
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::contract::Parameter;
use crate::rest::error::RestError;
use crate::rest::operation::{Answer, Operation};
use crate::token::internal_key;

const KEYS: &[&str] = &["apim:api_generate_key", "apim:api_create", "apim:api_manage"];

pub(super) fn operations() -> Vec<Operation> {
    let post = Method::POST;
    vec![
        SURFACE
            .scoped(post.clone(), "/apis/{apiId}/generate-key", KEYS, generate_key)
            .answers::<InternalKey>(),
        SURFACE
            .scoped(post, "/apis/validate-endpoint", CREATE, validate_endpoint)
            .asks(&[Parameter::text("endpointUrl").required(), Parameter::text("apiId")])
            .answers::<Validated>(),
    ]
}

/// WSO2's `APIKey` of the publisher: an internal key.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct InternalKey {
    apikey: SecretText,
    validity_time: u32,
}

/// WSO2's `ApiEndpointValidationResponse`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ApiEndpointValidationResponse")]
struct Validated {
    status_code: u16,
    status_message: Option<&'static str>,
    error: Option<String>,
}

/// The key leads to the production servers, or, where the API has none,
/// to those of the sandbox.
async fn generate_key(call: Call, caller: Caller) -> Answer {
    let held = find(&call).await?;
    let is_routed = held.api.definition.is_routed();
    let defined = if is_routed { &held.api.definition } else { edited(&held) };
    let key = internal_key::make(&call.app, &caller.user, (held.api.id, defined));
    Ok(answer::json(&InternalKey { apikey: SecretText(key), validity_time: LIFE }))
}

/// The address is read, and not called.
async fn validate_endpoint(call: Call, _: Caller) -> Answer {
    let missing = || RestError::bad("The parameter endpointUrl is missing.");
    let url = call.parameter("endpointUrl").ok_or_else(missing)?;
    let error = UpstreamUrl::parse(url).err().map(|bad| bad.to_string());
    let status_message = error.is_none().then_some("The address is well-formed; it was not called.");
    Ok(answer::json(&Validated { status_code: 0, status_message, error }))
}
