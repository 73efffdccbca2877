//! Everybody's applications.

use http::Method;
use latchkey_catalog::application::{Application, ApplicationKind, TokenType};
use latchkey_catalog::id::EntryId;
use latchkey_oauth::introspection::unqualified;
use latchkey_store::registry::{ApplicationQuery, PageOf, SeenBy, TextMatch};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::answer::done;
use super::super::call::{Call, ORGANIZATION};
use super::super::caller::Caller;
use super::super::contract::Parameter;
use super::super::devportal::applications::{
    AdministeredApplication, ApplicationInfo, SORTED, ScopeInfo, sorted, subscribed_scopes, token_types,
};
use super::super::error::RestError;
use super::super::operation::{Answer, Operation};
use super::super::page::{Listing, Window};
use super::super::wire::or_default;
use super::SURFACE;
use crate::admin::problem::Problem;
use crate::admin::{developer, ownership};
use crate::http::answer;

/// Who may list them.
const LIST: &[&str] = &[
    "apim:admin",
    "apim:app_settings_change",
    "apim:app_owner_change",
    "apim:app_import_export",
    "apim:admin_application_view",
];
/// Who may look at one.
const VIEW: &[&str] = &["apim:admin", "apim:app_import_export", "apim:admin_application_view"];
/// Who may delete one.
const DELETE: &[&str] = &["apim:admin", "apim:app_import_export"];
/// Who may give one another owner.
const OWNER: &[&str] = &["apim:admin", "apim:app_owner_change"];
/// Who may change the settings of one.
const SETTINGS: &[&str] = &["apim:admin", "apim:app_settings_change"];

/// Of whom applications are listed, and of what name.
const LISTED: [Parameter; 3] =
    [Parameter::text("tenantDomain"), Parameter::text("user"), Parameter::text("name")];

pub(super) fn operations() -> Vec<Operation> {
    let one = "/applications/{applicationId}";
    vec![
        SURFACE
            .scoped(Method::GET, "/applications", LIST, list)
            .asks(&Window::ASKS)
            .asks(&SORTED)
            .asks(&LISTED)
            .answers::<Listing<AdministeredApplication>>(),
        SURFACE.scoped(Method::GET, one, VIEW, show).answers::<Detail>(),
        SURFACE.scoped(Method::DELETE, one, DELETE, delete),
        SURFACE
            .scoped(Method::POST, "/applications/{applicationId}/change-owner", OWNER, change_owner)
            .asks(&[Parameter::text("owner").required()]),
        SURFACE
            .scoped(Method::POST, "/applications/{applicationId}/change-settings", SETTINGS, change_settings)
            .takes::<UpdateRequest>()
            .answers::<Detail>(),
    ]
}

/// WSO2's `ApplicationUpdateRequest`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ApplicationUpdateRequest")]
struct UpdateRequest {
    #[serde(default, deserialize_with = "or_default")]
    owner: String,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(schema_with = "token_types")]
    token_type: Option<TokenType>,
}

/// The portal application that the path names.
async fn find(call: &Call) -> Result<Application, RestError> {
    let found = match call.at::<EntryId>("applicationId") {
        Some(id) => call.app.store.application(id).await?,
        None => None,
    };
    let found = found.filter(|found| found.kind == ApplicationKind::Portal);
    found.ok_or_else(|| Problem::NoSuchApplication.into())
}

async fn list(call: Call, _: Caller) -> Answer {
    let window = Window::of(&call)?;
    let (sort, order) = sorted(&call)?;
    if call.parameter("tenantDomain").is_some_and(|tenant| tenant != ORGANIZATION) {
        return Ok(answer::json(&Listing::<AdministeredApplication>::page(Vec::new(), 0, (window, &call))));
    }
    let seen_by = match call.parameter("user") {
        None => SeenBy::Everybody,
        Some(name) => match call.app.store.user(unqualified(name)).await? {
            Some(owner) => SeenBy::Owner(owner.user.id),
            None => {
                return Ok(answer::json(&Listing::<AdministeredApplication>::page(
                    Vec::new(),
                    0,
                    (window, &call),
                )));
            }
        },
    };
    let query = ApplicationQuery {
        seen_by,
        name: call.parameter("name").map(|name| TextMatch::Containing(name.to_owned())),
        sort,
        order,
        page: PageOf { offset: window.offset.into(), limit: window.limit },
    };
    let found = call.app.store.find_applications(query).await?;
    let infos = ApplicationInfo::of_all(&call.app, found.entries).await?;
    let list = infos.into_iter().map(ApplicationInfo::for_administrators).collect();
    Ok(answer::json(&Listing::<AdministeredApplication>::page(list, found.total, (window, &call))))
}

/// WSO2's `Application`, which shows no keys to administrators.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AdministeredApplicationDetail")]
struct Detail {
    #[serde(flatten)]
    info: ApplicationInfo,
    subscription_scopes: Vec<ScopeInfo>,
}

async fn detail(call: &Call, application: Application) -> Result<Detail, RestError> {
    let subscription_scopes = subscribed_scopes(&call.app, application.id).await?;
    let info = ApplicationInfo::of_one(&call.app, application).await?;
    Ok(Detail { info, subscription_scopes })
}

async fn show(call: Call, _: Caller) -> Answer {
    let found = find(&call).await?;
    Ok(answer::json(&detail(&call, found).await?))
}

async fn delete(call: Call, caller: Caller) -> Answer {
    let found = find(&call).await?;
    developer::delete(&call.app, found.id, caller.name()).await?;
    Ok(done())
}

async fn change_owner(call: Call, caller: Caller) -> Answer {
    let owner = call.parameter("owner").ok_or_else(|| RestError::bad("The parameter owner is missing."))?;
    let found = find(&call).await?;
    ownership::give(&call.app, found.id, unqualified(owner), caller.name()).await?;
    Ok(done())
}

async fn change_settings(call: Call, caller: Caller) -> Answer {
    let wanted: UpdateRequest = call.json()?;
    if wanted.token_type == Some(TokenType::Oauth) {
        return Err(RestError::bad("The token type of an application can be changed to JWT only."));
    }
    let mut found = find(&call).await?;
    if !wanted.owner.is_empty() {
        ownership::give(&call.app, found.id, unqualified(&wanted.owner), caller.name()).await?;
        found = find(&call).await?;
    }
    if wanted.token_type == Some(TokenType::Jwt) {
        found = ownership::sign_tokens(&call.app, found, caller.name()).await?;
    }
    Ok(answer::json(&detail(&call, found).await?))
}
