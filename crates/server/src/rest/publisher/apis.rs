//! APIs: found, made, changed, copied, deleted.

use http::Method;
use latchkey_catalog::api::{Api, ApiDefinition, ApiState, VersionRole};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::listing::Listing;
use latchkey_store::publishing::{ApiQuery, ApiSort, PublisherApi, Viewer};
use latchkey_store::registry::{Order, PageOf};
use latchkey_store::unit::NewApi;
use serde_json::{Map, Value};

use super::told::{self, to_edit};
use super::wanted::WantedApi;
use super::{CHANGE, CREATE, SURFACE, VIEW};
use crate::admin::problem::{Problem, PublisherProblem};
use crate::admin::publisher::{self, Wish};
use crate::http::answer;
use crate::rest::answer::{created, done};
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::contract::Parameter;
use crate::rest::devportal::apis::{SEARCH, listed};
use crate::rest::devportal::policies::ThrottlingPolicy;
use crate::rest::devportal::{policies, search};
use crate::rest::error::{Fault, RestError};
use crate::rest::operation::{Answer, Operation};
use crate::rest::page::{Listing as Page, Window};

/// The largest body that says an API, in bytes.
const BODY: usize = 2 * 1024 * 1024;
const LIST: &[&str] = &["apim:api_view", "apim:api_manage", "apim:api_import_export", "apim:api_list_view"];
const DELETE: &[&str] = &["apim:api_delete", "apim:api_manage", "apim:api_import_export"];

/// The order of a listing.
const SORTED: [Parameter; 2] = [Parameter::text("sortBy"), Parameter::text("sortOrder")];
/// What a copy is made of.
const COPY: [Parameter; 3] = [
    Parameter::text("apiId").required(),
    Parameter::text("newVersion").required(),
    Parameter::text("defaultVersion"),
];

pub(super) fn operations() -> Vec<Operation> {
    let (get, post, one) = (Method::GET, Method::POST, "/apis/{apiId}");
    vec![
        SURFACE
            .scoped(get.clone(), "/apis", LIST, list)
            .asks(&SEARCH)
            .asks(&SORTED)
            .answers::<Page<Map<String, Value>>>(),
        SURFACE
            .scoped(get.clone(), "/search", LIST, list)
            .asks(&SEARCH)
            .asks(&SORTED)
            .answers::<Page<Map<String, Value>>>(),
        SURFACE
            .scoped(post.clone(), "/apis", CREATE, create)
            .with_body(BODY)
            .takes::<WantedApi>()
            .creates::<Map<String, Value>>(),
        SURFACE
            .scoped(post.clone(), "/apis/validate", CREATE, validate)
            .asks(&[Parameter::text("query").required()]),
        SURFACE.scoped(post, "/apis/copy-api", CREATE, copy).asks(&COPY).creates::<Map<String, Value>>(),
        SURFACE.scoped(get.clone(), one, VIEW, show).answers::<Map<String, Value>>(),
        SURFACE
            .scoped(Method::PUT, one, CHANGE, update)
            .with_body(BODY)
            .takes::<WantedApi>()
            .answers::<Map<String, Value>>(),
        SURFACE.scoped(Method::DELETE, one, DELETE, delete),
        SURFACE
            .scoped(get, "/apis/{apiId}/subscription-policies", VIEW, subscription_policies)
            .answers::<Vec<ThrottlingPolicy>>(),
    ]
}

/// The API of the path.
pub(super) async fn find(call: &Call) -> Result<PublisherApi, RestError> {
    Ok(publisher::find(&call.app, call.at("apiId")).await?)
}

/// The API that the parameter `apiId` of the query names.
pub(super) async fn asked(call: &Call) -> Result<PublisherApi, RestError> {
    let id = call.parameter("apiId").ok_or_else(|| RestError::bad("The parameter apiId is missing."))?;
    Ok(publisher::find(&call.app, id.parse().ok()).await?)
}

async fn list(call: Call, _: Caller) -> Answer {
    let window = Window::of(&call)?;
    let sought = search::read(call.parameter("query").unwrap_or_default())?;
    let search::Sought::Apis(conditions) = sought else {
        return Ok(answer::json(&Page::<Value>::page(Vec::new(), 0, (window, &call))));
    };
    let descends = call.parameter("sortOrder").is_some_and(|order| order.eq_ignore_ascii_case("desc"));
    let query = ApiQuery {
        viewer: Viewer::Publisher,
        states: Vec::new(),
        conditions,
        sort: match call.parameter("sortBy") {
            Some("createdTime") => ApiSort::CreatedAt,
            Some("updatedTime") => ApiSort::UpdatedAt,
            _ => ApiSort::Name,
        },
        order: if descends { Order::Descending } else { Order::Ascending },
        page: PageOf { offset: window.offset.into(), limit: window.limit },
    };
    let found = call.app.store.find_apis(query).await?;
    let list = found.entries.iter().map(told::info).collect();
    Ok(answer::json(&Page::page(list, found.total, (window, &call))))
}

async fn show(call: Call, _: Caller) -> Answer {
    Ok(answer::json(&told::api(&find(&call).await?)))
}

async fn create(call: Call, caller: Caller) -> Answer {
    let wanted: WantedApi = call.json()?;
    let fresh = ApiDefinition { state: ApiState::Created, ..ApiDefinition::default() };
    let made = make(&call, &caller, wanted.with_usual_operations(), (fresh, None)).await?;
    Ok(created(&call, &format!("/apis/{}", made.api.id), &told::api(&made)))
}

/// Makes an API of what is said and of what a document said before.
pub(super) async fn make(
    call: &Call,
    caller: &Caller,
    wanted: WantedApi,
    (mut definition, document): (ApiDefinition, Option<String>),
) -> Result<PublisherApi, RestError> {
    let missing = |name: &str| RestError::bad(format!("The API says no {name}."));
    let name = wanted.name.clone().ok_or_else(|| missing("name"))?;
    let context = wanted.context().ok_or_else(|| missing("context"))?;
    let version = wanted.version.clone().ok_or_else(|| missing("version"))?;
    let app = &call.app;
    if publisher::is_there(app, publisher::named(&name)).await? {
        return Err(Problem::Publisher(PublisherProblem::ApiNameExists).into());
    }
    if publisher::is_there(app, publisher::of_context(&context)).await? {
        return Err(Problem::Publisher(PublisherProblem::ApiContextExists).into());
    }
    let mut listing = Listing::of(caller.name(), app.now());
    wanted.apply(&mut definition, &mut listing)?;
    let id = EntryId::draw(&*app.entropy);
    let new = NewApi { api: Api { id, name, context, version, definition }, listing, document };
    Ok(publisher::add(app, new, caller.name()).await?)
}

/// What is said changes; name, context, version, provider and state of an API do not change like this.
async fn update(call: Call, caller: Caller) -> Answer {
    let wanted: WantedApi = call.json()?;
    let held = find(&call).await?;
    let (mut definition, mut listing) = (to_edit(&held), held.listing.clone());
    wanted.apply(&mut definition, &mut listing)?;
    let wish = Wish { definition, listing, document: None };
    let changed = publisher::edit(&call.app, &held, wish, caller.name()).await?;
    Ok(answer::json(&told::api(&changed)))
}

async fn delete(call: Call, caller: Caller) -> Answer {
    let held = find(&call).await?;
    publisher::delete(&call.app, held.api.id, caller.name()).await?;
    Ok(done())
}

/// The same API in another version, which nothing is deployed of.
async fn copy(call: Call, caller: Caller) -> Answer {
    let held = asked(&call).await?;
    let missing = || RestError::bad("The parameter newVersion is missing.");
    let version = call.parameter("newVersion").ok_or_else(missing)?.to_owned();
    let app = &call.app;
    let Api { name, context, .. } = held.api.clone();
    if app.store.api_at(&context, &version).await?.is_some() {
        return Err(Problem::Publisher(PublisherProblem::ApiVersionExists).into());
    }
    let is_default = call.parameter("defaultVersion") == Some("true");
    let versions = if is_default { VersionRole::Default } else { VersionRole::Named };
    let definition = ApiDefinition { state: ApiState::Created, versions, ..to_edit(&held) };
    let now = app.now();
    let listing = Listing {
        provider: caller.name().to_owned(),
        created_at: now,
        updated_at: now,
        ..held.listing.clone()
    };
    let id = EntryId::draw(&*app.entropy);
    let api = Api { id, name, context, version, definition };
    let new = NewApi { api, listing, document: held.document };
    let made = publisher::add(app, new, caller.name()).await?;
    Ok(created(&call, &format!("/apis/{id}"), &told::api(&made)))
}

/// Whether a name or a context is taken: 200 says that it is.
async fn validate(call: Call, _: Caller) -> Answer {
    let query = call.parameter("query").ok_or_else(|| RestError::bad("The parameter query is missing."))?;
    let condition = match query.split_once(':') {
        Some(("context", context)) => publisher::of_context(context),
        Some(("name", name)) => publisher::named(name),
        _ => publisher::named(query),
    };
    if publisher::is_there(&call.app, condition).await? {
        Ok(done())
    } else {
        Err(RestError::of(Fault::NotFound))
    }
}

async fn subscription_policies(call: Call, _: Caller) -> Answer {
    let held = find(&call).await?;
    // WSO2 answers a bare array here.
    Ok(answer::json(&policies::offered(&listed(&held), call.app.store.tiers().await?)))
}
