//! WSO2's dynamic client registration: scripts get a client by it before anything else.

use http::Method;
use latchkey_catalog::developer::Grants;
use latchkey_oauth::client::{GrantType, TokenFormat};
use latchkey_oauth::introspection::unqualified;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::caller::Caller;
use super::error::{Fault, RestError};
use super::operation::{Answer, Operation};
use super::surface::Surface;
use super::wire::or_default;
use crate::admin::consumer_keys::HeldKeys;
use crate::admin::problem::Problem;
use crate::admin::registration::{Registered, Registration, register};
use crate::admin::text::SecretText;
use crate::http::answer;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Surface::Registration
            .signed_in(Method::POST, "/register", post)
            .takes::<Profile>()
            .answers::<Client>(),
    ]
}

/// What is asked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "RegistrationProfile")]
struct Profile {
    #[serde(deserialize_with = "or_default")]
    client_name: String,
    #[serde(deserialize_with = "or_default")]
    owner: String,
    #[serde(deserialize_with = "or_default")]
    callback_url: String,
    #[serde(deserialize_with = "or_default")]
    grant_type: String,
    #[serde(deserialize_with = "or_default")]
    token_type: String,
    saas_app: Option<bool>,
}

/// WSO2's answer; the name `callBackURL` is that of the wire, not of its definition.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "they are the names of the wire")]
#[schemars(rename = "RegisteredClient")]
struct Client {
    client_id: String,
    client_name: String,
    #[serde(rename = "callBackURL")]
    callback_url: String,
    client_secret: SecretText,
    is_saas_application: bool,
    app_owner: String,
    json_string: String,
    json_app_attribute: &'static str,
    #[serde(rename = "applicationUUID")]
    application_uuid: String,
    token_type: &'static str,
}

/// Registers a client, or answers the one that is there under that name: 200 both times, with the same keys.
async fn post(call: Call, caller: Caller) -> Answer {
    let profile: Profile = call.json()?;
    let owner = owner(&profile, &caller)?;
    let name = profile.client_name.trim();
    if name.is_empty() {
        return Err(RestError::bad("Client name cannot be empty"));
    }
    let wanted = Registration {
        name: name.to_owned(),
        owner: owner.to_owned(),
        grants: grants(&profile.grant_type),
        callback: Some(profile.callback_url.trim().to_owned()).filter(|url| !url.is_empty()),
        token_format: token_format(&profile.token_type),
    };
    let registered =
        register(&call.app, wanted, caller.name()).await.map_err(|error| match error.problem {
            Some(Problem::NoSuchUser) => {
                RestError::told(Fault::Forbidden, "Invalid application owner: there is no such user.")
            }
            _ => error.into(),
        })?;
    Ok(answer::json(&client(registered, owner, &profile)))
}

/// Whose the client is to be: the caller's, or anybody's where an administrator says so.
fn owner<'a>(profile: &'a Profile, caller: &'a Caller) -> Result<&'a str, RestError> {
    let owner = unqualified(profile.owner.trim());
    if owner.is_empty() {
        return Err(RestError::bad("Application owner cannot be empty"));
    }
    if owner != caller.name() && !caller.user.user.is_administrator() {
        let told =
            format!("Logged in user '{}' and application owner '{owner}' should be same.", caller.name());
        return Err(RestError::bad(told));
    }
    Ok(owner)
}

/// The grants that `text` names; nothing said: those of an application that acts for itself.
fn grants(text: &str) -> Vec<String> {
    let names: Vec<_> = text.split([' ', ',']).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() { vec![GrantType::ClientCredentials.as_str().to_owned()] } else { names }
}

/// WSO2's words for the form of tokens; others mean nothing.
fn token_format(text: &str) -> Option<TokenFormat> {
    match text.to_ascii_uppercase().as_str() {
        "JWT" => Some(TokenFormat::Jwt),
        "OAUTH" | "OPAQUE" | "DEFAULT" => Some(TokenFormat::Opaque),
        _ => None,
    }
}

fn client(registered: Registered, owner: &str, profile: &Profile) -> Client {
    let Registered { application, keys } = registered;
    let HeldKeys { client, secret } = keys;
    let grants = Grants::names(&client.grants, &client.metadata.further_grants);
    let callback_url = client.metadata.redirect_uris.join(",");
    let told = json!({
        "grant_types": grants.join(" "),
        "redirect_uris": callback_url,
        "client_name": application.name,
    });
    Client {
        client_id: client.consumer_key,
        client_name: application.name,
        callback_url,
        client_secret: secret,
        is_saas_application: profile.saas_app.unwrap_or(true),
        app_owner: owner.to_owned(),
        json_string: told.to_string(),
        json_app_attribute: "{}",
        application_uuid: application.id.to_string(),
        token_type: match client.token_format {
            TokenFormat::Jwt => "JWT",
            TokenFormat::Opaque => "DEFAULT",
        },
    }
}
