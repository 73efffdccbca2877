//! Applications.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use latchkey_catalog::application::{Application, ApplicationDetails, TokenType, Visibility};
use latchkey_catalog::developer::groups;
use latchkey_catalog::id::EntryId;
use latchkey_store::registry::{
    ApplicationQuery, ApplicationSort, Order, PageOf, SeenBy, SubscriptionsOf, TextMatch,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::answer::{created, done, millis};
use super::super::call::Call;
use super::super::caller::Caller;
use super::super::contract::Parameter;
use super::super::error::RestError;
use super::super::operation::{Answer, Operation};
use super::super::page::{Listing, Window};
use super::super::wire::{Word, or_default, texts, words};
use super::SURFACE;
use super::keys::{self, ApplicationKey};
use crate::admin::developer::{self, Draft};
use crate::admin::problem::Problem;
use crate::app::App;
use crate::http::answer;

/// The scopes of operations on applications.
pub(super) const SCOPES: &[&str] = &["apim:subscribe", "apim:app_manage"];
/// Those of who moves applications, too.
const MOVERS: &[&str] = &["apim:subscribe", "apim:app_manage", "apim:app_import_export"];
/// The most subscriptions whose scopes are shown with an application.
const SHOWN_SUBSCRIPTIONS: u32 = 500;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE
            .scoped(Method::GET, "/applications", MOVERS, list)
            .asks(&Window::ASKS)
            .asks(&SORTED)
            .asks(&[Parameter::text("query")])
            .answers::<Listing<ApplicationInfo>>(),
        SURFACE.scoped(Method::POST, "/applications", SCOPES, create).takes::<Wanted>().creates::<Detail>(),
        SURFACE.scoped(Method::GET, "/applications/{applicationId}", MOVERS, one).answers::<Detail>(),
        SURFACE
            .scoped(Method::PUT, "/applications/{applicationId}", SCOPES, update)
            .takes::<Wanted>()
            .answers::<Detail>(),
        SURFACE.scoped(Method::DELETE, "/applications/{applicationId}", MOVERS, delete),
    ]
}

pub(in crate::rest) fn token_types(_: &mut SchemaGenerator) -> Schema {
    words(&[TokenType::Jwt, TokenType::Oauth])
}

fn visibilities(_: &mut SchemaGenerator) -> Schema {
    words(&[Visibility::Private, Visibility::SharedWithOrg])
}

/// What WSO2's `Application` says that may be said.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ApplicationRequest")]
struct Wanted {
    name: String,
    throttling_policy: String,
    #[serde(default, deserialize_with = "or_default")]
    description: String,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(schema_with = "token_types")]
    token_type: Option<TokenType>,
    #[serde(default, deserialize_with = "or_default")]
    groups: BTreeSet<String>,
    #[serde(default, deserialize_with = "or_default")]
    attributes: BTreeMap<String, Word>,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(schema_with = "visibilities")]
    visibility: Visibility,
}

impl From<Wanted> for Draft {
    fn from(wanted: Wanted) -> Self {
        let Wanted { name, throttling_policy, description, token_type, groups, attributes, visibility } =
            wanted;
        let details = ApplicationDetails {
            description,
            token_type: token_type.unwrap_or_default(),
            attributes: texts(attributes),
            groups: groups.into_iter().filter(|group| !group.is_empty()).collect(),
            visibility,
        };
        Self { name, tier: throttling_policy, details }
    }
}

/// WSO2's `ApplicationInfo`, and the greater part of `Application`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct ApplicationInfo {
    #[schemars(with = "Uuid")]
    application_id: EntryId,
    name: String,
    throttling_policy: String,
    description: String,
    status: &'static str,
    groups: BTreeSet<String>,
    subscription_count: u64,
    attributes: BTreeMap<String, String>,
    owner: String,
    #[schemars(schema_with = "token_types")]
    token_type: TokenType,
    created_time: String,
    updated_time: String,
    #[schemars(schema_with = "visibilities")]
    visibility: Visibility,
}

impl ApplicationInfo {
    /// An application of `owner` with so many subscriptions.
    pub(super) fn of(application: Application, owner: String, subscription_count: u64) -> Self {
        let Application { id, name, tier, status, created_at, updated_at, details, .. } = application;
        Self {
            application_id: id,
            name,
            throttling_policy: tier,
            description: details.description,
            status: status.as_str(),
            groups: details.groups,
            subscription_count,
            attributes: details.attributes,
            owner,
            token_type: details.token_type,
            created_time: millis(created_at),
            updated_time: millis(updated_at),
            visibility: details.visibility,
        }
    }

    /// One application.
    pub(in crate::rest) async fn of_one(app: &App, application: Application) -> Result<Self, RestError> {
        let one = Self::of_all(app, vec![application]).await?.into_iter().next();
        one.ok_or_else(|| Problem::NoSuchApplication.into())
    }

    /// Several applications, in their order.
    pub(in crate::rest) async fn of_all(
        app: &App,
        applications: Vec<Application>,
    ) -> Result<Vec<Self>, RestError> {
        let ids = applications.iter().map(|application| application.id).collect();
        let counts = app.store.subscription_counts(ids).await?;
        let mut infos = Vec::with_capacity(applications.len());
        for (application, count) in applications.into_iter().zip(counts) {
            // The store has owners at hand.
            let owner = app.store.user_by_id(application.owner).await?;
            let owner = owner.map_or_else(|| application.owner.to_string(), |owner| owner.user.name.clone());
            infos.push(Self::of(application, owner, count));
        }
        Ok(infos)
    }

    /// As administrators see it.
    pub(in crate::rest) fn for_administrators(self) -> AdministeredApplication {
        AdministeredApplication {
            application_id: self.application_id,
            name: self.name,
            owner: self.owner,
            token_type: self.token_type,
            created_time: self.created_time,
            key_managers: Vec::new(),
            status: self.status,
            group_id: self.groups.into_iter().collect::<Vec<_>>().join(","),
        }
    }
}

/// The `ApplicationInfo` of WSO2's administration.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct AdministeredApplication {
    #[schemars(with = "Uuid")]
    application_id: EntryId,
    name: String,
    owner: String,
    #[schemars(schema_with = "token_types")]
    token_type: TokenType,
    created_time: String,
    key_managers: Vec<String>,
    status: &'static str,
    group_id: String,
}

/// WSO2's `Application`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Application")]
struct Detail {
    #[serde(flatten)]
    info: ApplicationInfo,
    keys: Vec<ApplicationKey>,
    subscription_scopes: Vec<ScopeInfo>,
    hash_enabled: bool,
}

/// WSO2's `ScopeInfo`.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::rest) struct ScopeInfo {
    pub(in crate::rest) key: String,
    pub(in crate::rest) name: String,
    pub(in crate::rest) roles: BTreeSet<String>,
    pub(in crate::rest) description: String,
}

async fn detail(app: &App, application: Application) -> Result<Detail, RestError> {
    let keys = keys::shown(app, &application).await?;
    let subscription_scopes = subscribed_scopes(app, application.id).await?;
    let info = ApplicationInfo::of_one(app, application).await?;
    Ok(Detail { info, keys, subscription_scopes, hash_enabled: true })
}

/// The scopes of the APIs that an application subscribes to.
pub(in crate::rest) async fn subscribed_scopes(app: &App, id: EntryId) -> Result<Vec<ScopeInfo>, RestError> {
    let page = PageOf { offset: 0, limit: SHOWN_SUBSCRIPTIONS };
    let held = app.store.find_subscriptions(SubscriptionsOf::Application(id), page).await?.entries;
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let subscribed: BTreeSet<EntryId> = held.iter().map(|subscription| subscription.api).collect();
    let apis = app.store.apis_of(subscribed.into_iter().collect()).await?;
    let known = latchkey_catalog::api::known_scopes(apis.iter().map(|(api, _)| api));
    let scope = |(name, roles): (&String, &BTreeSet<String>)| ScopeInfo {
        key: name.clone(),
        name: name.clone(),
        roles: roles.clone(),
        description: String::new(),
    };
    Ok(known.iter().map(scope).collect())
}

/// What the order is read from.
pub(in crate::rest) const SORTED: [Parameter; 2] = [
    Parameter::one_of("sortBy", &["name", "throttlingPolicy", "status", "owner", "createdTime"]),
    Parameter::one_of("sortOrder", &["asc", "desc"]),
];

/// In which order the query of `call` asks for applications.
pub(in crate::rest) fn sorted(call: &Call) -> Result<(ApplicationSort, Order), RestError> {
    let sort = match call.parameter("sortBy") {
        None | Some("name") => ApplicationSort::Name,
        Some("throttlingPolicy") => ApplicationSort::Tier,
        Some("status") => ApplicationSort::Status,
        Some("owner") => ApplicationSort::Owner,
        Some("createdTime") => ApplicationSort::CreatedAt,
        Some(_) => {
            return Err(RestError::bad(
                "sortBy is one of name, throttlingPolicy, status, owner and createdTime.",
            ));
        }
    };
    let order = match call.parameter("sortOrder") {
        None => Order::Ascending,
        Some(order) if order.eq_ignore_ascii_case("asc") => Order::Ascending,
        Some(order) if order.eq_ignore_ascii_case("desc") => Order::Descending,
        Some(_) => return Err(RestError::bad("sortOrder is asc or desc.")),
    };
    Ok((sort, order))
}

/// What the query of `call` asks for.
fn query(call: &Call, caller: &Caller, window: Window) -> Result<ApplicationQuery, RestError> {
    let user = &caller.user.user;
    let (sort, order) = sorted(call)?;
    Ok(ApplicationQuery {
        seen_by: SeenBy::Member(user.id, groups(user).into_iter().map(str::to_owned).collect()),
        name: call.parameter("query").map(|name| TextMatch::Containing(name.to_owned())),
        sort,
        order,
        page: PageOf { offset: window.offset.into(), limit: window.limit },
    })
}

async fn list(call: Call, caller: Caller) -> Answer {
    let window = Window::of(&call)?;
    let found = call.app.store.find_applications(query(&call, &caller, window)?).await?;
    let list = ApplicationInfo::of_all(&call.app, found.entries).await?;
    Ok(answer::json(&Listing::page(list, found.total, (window, &call))))
}

async fn create(call: Call, caller: Caller) -> Answer {
    let wanted: Wanted = call.json()?;
    let made = developer::create(&call.app, wanted.into(), &caller.user.user).await?;
    let id = made.id;
    let detail = detail(&call.app, made).await?;
    Ok(created(&call, &format!("/applications/{id}"), &detail))
}

async fn one(call: Call, caller: Caller) -> Answer {
    let (found, _) = developer::find(&call.app, call.at("applicationId"), &caller.user.user).await?;
    Ok(answer::json(&detail(&call.app, found).await?))
}

async fn update(call: Call, caller: Caller) -> Answer {
    let wanted: Wanted = call.json()?;
    let held = developer::own(&call.app, call.at("applicationId"), &caller.user.user).await?;
    let changed = developer::update(&call.app, held.id, wanted.into(), caller.name()).await?;
    Ok(answer::json(&detail(&call.app, changed).await?))
}

async fn delete(call: Call, caller: Caller) -> Answer {
    let held = developer::own(&call.app, call.at("applicationId"), &caller.user.user).await?;
    developer::delete(&call.app, held.id, caller.name()).await?;
    Ok(done())
}
