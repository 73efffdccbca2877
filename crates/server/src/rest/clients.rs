//! Identity Server's dynamic client registration, which speaks RFC 7591 and RFC 7592.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use latchkey_catalog::application::TokenType;
use latchkey_catalog::developer::{APPLICATION_LIFE, Grants, REFRESH_LIFE, USER_LIFE};
use latchkey_oauth::client::{GrantType, TokenFormat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answer::created;
use super::call::Call;
use super::caller::Caller;
use super::contract::Parameter;
use super::error::{Fault, RestError};
use super::operation::{Answer, Operation};
use super::surface::Surface;
use super::wire::{Word, or_default};
use crate::admin::consumer_keys::{self, Wishes};
use crate::admin::problem::Problem;
use crate::admin::registration::{self, Registered};
use crate::admin::text::SecretText;
use crate::admin::{AdminError, developer};
use crate::http::answer::{self, text};

const SURFACE: Surface = Surface::Clients;
/// The longest scheme of a callback URL.
const MAX_SCHEME: usize = 64;

pub(super) fn operations() -> Vec<Operation> {
    let (all, one) = ("/register", "/register/{clientId}");
    vec![
        SURFACE
            .scoped(Method::POST, all, &["internal_dcr_create"], register)
            .takes::<Metadata>()
            .creates::<Told>(),
        SURFACE
            .scoped(Method::GET, all, &["internal_dcr_view"], by_name)
            .asks(&[Parameter::text("client_name").required()])
            .answers::<Told>(),
        SURFACE.scoped(Method::GET, one, &["internal_dcr_view"], show).answers::<Told>(),
        SURFACE
            .scoped(Method::PUT, one, &["internal_dcr_update"], update)
            .takes::<Metadata>()
            .answers::<Told>(),
        SURFACE
            .scoped(Method::DELETE, one, &["internal_dcr_delete"], delete)
            .answers_only(StatusCode::NO_CONTENT),
    ]
}

/// What RFC 7591 section 2 and Identity Server say of a client, as far as it means something here.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "ClientMetadata")]
struct Metadata {
    #[serde(deserialize_with = "or_default")]
    client_name: Option<String>,
    #[serde(deserialize_with = "or_default")]
    redirect_uris: Option<Vec<String>>,
    #[serde(deserialize_with = "or_default")]
    grant_types: Option<Vec<String>>,
    #[serde(deserialize_with = "or_default")]
    ext_param_client_id: Option<String>,
    #[serde(deserialize_with = "or_default")]
    ext_param_client_secret: Option<SecretText>,
    #[serde(deserialize_with = "or_default")]
    ext_token_type: Option<String>,
    #[serde(deserialize_with = "or_default")]
    ext_application_token_lifetime: Option<Word>,
    #[serde(deserialize_with = "or_default")]
    ext_user_token_lifetime: Option<Word>,
    #[serde(deserialize_with = "or_default")]
    ext_refresh_token_lifetime: Option<Word>,
}

impl Metadata {
    /// What it wishes of keys.
    fn wishes(&self) -> Result<Wishes, RestError> {
        if self.ext_param_client_id.is_some() || self.ext_param_client_secret.is_some() {
            return Err(RestError::bad("The server chooses client ids and secrets."));
        }
        if let Some(uri) = self.redirect_uris.iter().flatten().find(|uri| !is_redirect_uri(uri)) {
            return Err(RestError::bad(format!("{uri:?} is no absolute URI without a fragment.")));
        }
        if let Some(name) = self.grant_types.iter().flatten().find(|name| !is_grant(name)) {
            return Err(RestError::bad(format!("There is no grant {name:?}.")));
        }
        let lives = [
            (APPLICATION_LIFE, &self.ext_application_token_lifetime),
            (USER_LIFE, &self.ext_user_token_lifetime),
            (REFRESH_LIFE, &self.ext_refresh_token_lifetime),
        ];
        let said = lives.into_iter().filter_map(|(name, life)| Some((name.to_owned(), life.clone()?.0)));
        Ok(Wishes {
            grants: self.grant_types.clone(),
            callbacks: self.redirect_uris.clone(),
            properties: Some(said.collect()),
        })
    }

    fn token_type(&self) -> Result<Option<TokenType>, RestError> {
        match self.ext_token_type.as_deref().map(str::to_ascii_uppercase).as_deref() {
            None => Ok(None),
            Some("JWT") => Ok(Some(TokenType::Jwt)),
            Some("DEFAULT" | "OPAQUE" | "OAUTH") => Ok(Some(TokenType::Oauth)),
            Some(_) => Err(RestError::bad("ext_token_type is JWT or Default.")),
        }
    }
}

/// An absolute URI without a fragment (RFC 6749 section 3.1.2); applications may have schemes of their own.
fn is_redirect_uri(text: &str) -> bool {
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    scheme.len() <= MAX_SCHEME
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(in_scheme)
        && !rest.is_empty()
        && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte))
}

/// Whether a name is a grant's: one that there is, or one that WSO2's servers have besides.
fn is_grant(name: &str) -> bool {
    let further = ["authorization_code", "implicit"];
    name.parse::<GrantType>().is_ok() || further.contains(&name) || name.starts_with("urn:")
}

/// What is told of a client: once more with its secret, as Identity Server does.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ClientInformation")]
struct Told {
    client_id: String,
    client_secret: SecretText,
    client_secret_expires_at: u32,
    client_name: String,
    redirect_uris: Vec<String>,
    grant_types: Vec<String>,
    ext_token_type: &'static str,
    ext_application_token_lifetime: i64,
    ext_user_token_lifetime: i64,
    ext_refresh_token_lifetime: i64,
}

fn told(registered: &Registered) -> Told {
    let Registered { application, keys } = registered;
    let client = &keys.client;
    let grants = Grants::names(&client.grants, &client.metadata.further_grants);
    Told {
        client_id: client.consumer_key.clone(),
        client_secret: keys.secret.clone(),
        client_secret_expires_at: 0,
        client_name: application.name.clone(),
        redirect_uris: client.metadata.redirect_uris.clone(),
        grant_types: grants.into_iter().map(str::to_owned).collect(),
        ext_token_type: match client.token_format {
            TokenFormat::Jwt => "JWT",
            TokenFormat::Opaque => "Default",
        },
        ext_application_token_lifetime: client.validities.application.into(),
        ext_user_token_lifetime: client.validities.user.into(),
        ext_refresh_token_lifetime: client.validities.refresh.into(),
    }
}

/// The client of the path. One that there is not is 401, as in RFC 7592 section 2.1.
async fn find(call: &Call) -> Result<Registered, RestError> {
    let key = call.path.get("clientId").map_or("", String::as_str);
    let found = registration::of_client(&call.app, key).await?;
    found.ok_or_else(|| RestError::told(Fault::Unauthenticated, "There is no such client."))
}

async fn register(call: Call, caller: Caller) -> Answer {
    let wanted: Metadata = call.json()?;
    let name = wanted.client_name.clone().unwrap_or_default().trim().to_owned();
    if name.is_empty() {
        return Err(RestError::bad("The client says no client_name."));
    }
    let mut wishes = wanted.wishes()?;
    wishes.grants = wishes.grants.or_else(|| Some(vec![GrantType::ClientCredentials.as_str().to_owned()]));
    let (owner, token_type) = (&caller.user.user, wanted.token_type()?);
    let made = registration::create(&call.app, (owner, name), (token_type, wishes)).await.map_err(taken)?;
    Ok(created(&call, &format!("/register/{}", made.keys.client.consumer_key), &told(&made)))
}

/// A name that is taken is something wrong with the metadata (RFC 7591 section 3.2.2).
fn taken(error: AdminError) -> RestError {
    if error.problem == Some(Problem::ApplicationExists) {
        return RestError::bad("A client of that name already exists.");
    }
    error.into()
}

async fn by_name(call: Call, caller: Caller) -> Answer {
    let name = call
        .parameter("client_name")
        .ok_or_else(|| RestError::bad("The parameter client_name is missing."))?;
    let found = registration::held(&call.app, caller.user.user.id, name).await?;
    let absent = || RestError::told(Fault::Unauthenticated, "There is no such client.");
    Ok(answer::json(&told(&found.ok_or_else(absent)?)))
}

async fn show(call: Call, _: Caller) -> Answer {
    Ok(answer::json(&told(&find(&call).await?)))
}

/// What is left out stays; name and form of the tokens stay in any case.
async fn update(call: Call, caller: Caller) -> Answer {
    let wanted: Metadata = call.json()?;
    let Registered { application, keys } = find(&call).await?;
    if wanted.client_name.as_ref().is_some_and(|name| *name != application.name) {
        return Err(RestError::bad("A client keeps its name."));
    }
    if wanted.token_type()?.is_some_and(|wanted| wanted != application.details.token_type) {
        return Err(RestError::bad("A client keeps the form of its tokens."));
    }
    let mut wishes = wanted.wishes()?;
    let said = wishes.properties.unwrap_or_default();
    let properties = keys.client.metadata.properties.clone().into_iter().chain(said);
    wishes.properties = Some(properties.collect());
    let changed =
        consumer_keys::update(&call.app, &application, (&keys.client, wishes), caller.name()).await?;
    Ok(answer::json(&told(&Registered { application, keys: changed })))
}

async fn delete(call: Call, caller: Caller) -> Answer {
    let found = find(&call).await?;
    developer::delete(&call.app, found.application.id, caller.name()).await?;
    Ok(text(StatusCode::NO_CONTENT, "application/json", ""))
}

/// `error` as RFC 7591 section 3.2.2 tells it; head and log say what every interface says.
pub(super) fn refused(error: RestError) -> Response {
    let status = error.fault.row().status;
    let word = match (error.fault, status) {
        (Fault::Ruled(Problem::NoCallback), _) => "invalid_redirect_uri",
        (_, StatusCode::UNAUTHORIZED) => "invalid_client",
        (_, StatusCode::FORBIDDEN) => "access_denied",
        (_, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => "temporarily_unavailable",
        (_, StatusCode::BAD_REQUEST) => "invalid_client_metadata",
        _ => "invalid_request",
    };
    let body = json!({ "error": word, "error_description": error.description() }).to_string();
    let (mut parts, _) = error.into_response().into_parts();
    let mut response = text(status, "application/json", body).into_response();
    parts.headers.remove(CONTENT_TYPE);
    response.headers_mut().extend(parts.headers);
    *response.extensions_mut() = parts.extensions;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_uri_is_absolute_and_has_no_fragment() {
        for good in ["https://a.example/cb", "http://localhost:8080/cb?x=1", "com.example.app:/cb", "app:cb"]
        {
            assert!(is_redirect_uri(good), "{good}");
        }
        for bad in
            ["", "cb", "/cb", ":cb", "https:", "1a:b", "https://a/#b", "https://a/ b", "a b:c", "x:\u{7f}"]
        {
            assert!(!is_redirect_uri(bad), "{bad}");
        }
    }
}
