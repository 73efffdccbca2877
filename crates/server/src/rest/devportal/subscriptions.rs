//! Subscriptions.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use latchkey_catalog::application::Application;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::listing::ListedApi;
use latchkey_catalog::subscription::Subscription;
use latchkey_catalog::tier::Tier;
use latchkey_store::registry::{Found, PageOf, SubscriptionsOf};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::answer::{created, done};
use super::super::call::Call;
use super::super::caller::Caller;
use super::super::contract::Parameter;
use super::super::error::{Fault, RestError};
use super::super::operation::{Answer, Operation};
use super::super::page::{Listing, Window};
use super::super::wire::or_default;
use super::SURFACE;
use super::apis::{self, ApiInfo};
use super::applications::ApplicationInfo;
use crate::admin::developer;
use crate::admin::problem::Problem;
use crate::app::App;
use crate::http::answer;

/// The scopes of operations on subscriptions.
const SCOPES: &[&str] = &["apim:subscribe", "apim:sub_manage"];
/// The most subscriptions that are made at once.
const MOST_AT_ONCE: usize = 100;

/// Of what subscriptions are listed; one of the two must be said.
const LISTED: [Parameter; 2] = [Parameter::text("applicationId"), Parameter::text("apiId")];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE
            .scoped(Method::GET, "/subscriptions", SCOPES, list)
            .asks(&Window::ASKS)
            .asks(&LISTED)
            .answers::<Listing<Told>>(),
        SURFACE.scoped(Method::POST, "/subscriptions", SCOPES, create).takes::<Wanted>().creates::<Told>(),
        SURFACE
            .scoped(Method::POST, "/subscriptions/multiple", SCOPES, create_several)
            .takes::<Vec<Wanted>>()
            .answers::<Vec<OfSeveral>>(),
        SURFACE.scoped(Method::GET, "/subscriptions/{subscriptionId}", SCOPES, one).answers::<Told>(),
        SURFACE
            .scoped(Method::PUT, "/subscriptions/{subscriptionId}", SCOPES, update)
            .takes::<Change>()
            .answers::<Told>(),
        SURFACE.scoped(Method::DELETE, "/subscriptions/{subscriptionId}", SCOPES, delete),
    ]
}

/// What WSO2's `Subscription` says that may be said.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SubscriptionRequest")]
struct Wanted {
    application_id: String,
    #[serde(default, deserialize_with = "or_default")]
    api_id: String,
    throttling_policy: String,
}

/// What `PUT` changes: the tier that is asked for, else the tier.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SubscriptionChange")]
struct Change {
    #[serde(default, deserialize_with = "or_default")]
    throttling_policy: String,
    #[serde(default, deserialize_with = "or_default")]
    requested_throttling_policy: String,
}

/// What subscriptions are shown with.
struct Shown {
    apis: BTreeMap<EntryId, ListedApi>,
    tiers: Vec<Tier>,
}

impl Shown {
    async fn of(app: &App, held: &[Subscription]) -> Result<Self, RestError> {
        let ids: BTreeSet<_> = held.iter().map(|subscription| subscription.api).collect();
        let found = app.store.apis_of(ids.into_iter().collect()).await?;
        let apis = found.into_iter().map(|(api, listing)| (api.id, ListedApi::of(&api, listing))).collect();
        Ok(Self { apis, tiers: app.store.tiers().await? })
    }

    fn subscription(&self, held: &Subscription, application: &ApplicationInfo) -> Told {
        Told {
            subscription_id: held.id,
            application_id: held.application,
            api_id: held.api,
            api_info: self.apis.get(&held.api).map(|api| apis::info(api, &self.tiers)),
            application_info: application.clone(),
            throttling_policy: held.tier.clone(),
            requested_throttling_policy: held.requested_tier.as_ref().unwrap_or(&held.tier).clone(),
            status: held.state.as_str(),
            redirection_params: (),
        }
    }
}

/// WSO2's `Subscription`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Subscription")]
struct Told {
    #[schemars(with = "Uuid")]
    subscription_id: EntryId,
    #[schemars(with = "Uuid")]
    application_id: EntryId,
    #[schemars(with = "Uuid")]
    api_id: EntryId,
    api_info: Option<ApiInfo>,
    application_info: ApplicationInfo,
    throttling_policy: String,
    requested_throttling_policy: String,
    status: &'static str,
    redirection_params: (),
}

/// One of several that were asked for.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged, rename_all_fields = "camelCase")]
#[schemars(rename = "SubscriptionOfSeveral")]
enum OfSeveral {
    Made(Box<Told>),
    Rejected { application_id: String, api_id: String, throttling_policy: String, status: &'static str },
}

/// One subscription with its application.
async fn told(app: &App, held: &Subscription, application: Application) -> Result<Told, RestError> {
    let info = ApplicationInfo::of_one(app, application).await?;
    Ok(Shown::of(app, std::slice::from_ref(held)).await?.subscription(held, &info))
}

/// Subscriptions of one application, or of all the caller's to one API.
async fn list(call: Call, caller: Caller) -> Answer {
    let window = Window::of(&call)?;
    let app = &call.app;
    let page = PageOf { offset: window.offset.into(), limit: window.limit };
    let (found, applications) = match (call.parameter("applicationId"), call.parameter("apiId")) {
        (Some(application), api) => {
            let (application, _) = developer::find(app, application.parse().ok(), &caller.user.user).await?;
            let found = of_application(app, (&application, api), page).await?;
            (found, vec![application])
        }
        (None, Some(api)) => {
            let api = apis::find(app, api.parse().ok(), Some(&caller)).await?.api.id;
            let of = SubscriptionsOf::Subscriber(caller.user.user.id, api);
            let found = app.store.find_subscriptions(of, page).await?;
            let mut applications = Vec::with_capacity(found.entries.len());
            for held in &found.entries {
                applications.extend(app.store.application(held.application).await?);
            }
            (found, applications)
        }
        (None, None) => return Err(RestError::bad("Either applicationId or apiId should be available.")),
    };
    let ids: Vec<EntryId> = applications.iter().map(|application| application.id).collect();
    let infos = ApplicationInfo::of_all(app, applications).await?;
    let shown = Shown::of(app, &found.entries).await?;
    let told = |held: &Subscription| {
        let place = ids.iter().position(|id| *id == held.application)?;
        Some(shown.subscription(held, infos.get(place)?))
    };
    let list: Vec<_> = found.entries.iter().filter_map(told).collect();
    Ok(answer::json(&Listing::page(list, found.total, (window, &call))))
}

/// The subscriptions of an application, of which there is at most one to one API.
async fn of_application(
    app: &App,
    (application, api): (&Application, Option<&str>),
    page: PageOf,
) -> Result<Found<Subscription>, RestError> {
    let Some(api) = api else {
        return Ok(app.store.find_subscriptions(SubscriptionsOf::Application(application.id), page).await?);
    };
    let held = match api.parse().ok() {
        Some(api) => app.store.subscription_between((application.id, api)).await?,
        None => None,
    };
    Ok(Found { total: u64::from(held.is_some()), entries: held.into_iter().collect() })
}

/// Makes one subscription.
async fn make(
    call: &Call,
    caller: &Caller,
    wanted: Wanted,
) -> Result<(Subscription, Application), RestError> {
    let app = &call.app;
    let application = developer::own(app, wanted.application_id.parse().ok(), &caller.user.user).await?;
    let found = apis::find(app, wanted.api_id.parse().ok(), Some(caller)).await?;
    let tiers = app.store.tiers().await?;
    if !apis::tiers(&apis::listed(&found), &tiers).contains(&wanted.throttling_policy) {
        return Err(Problem::NoSuchTier.into());
    }
    let (tier, pair) = (wanted.throttling_policy, (&application, &found.api));
    let made = developer::subscribe(app, pair, tier, caller.name()).await?;
    Ok((made, application))
}

async fn create(call: Call, caller: Caller) -> Answer {
    let (made, application) = make(&call, &caller, call.json()?).await?;
    let body = told(&call.app, &made, application).await?;
    Ok(created(&call, &format!("/subscriptions/{}", made.id), &body))
}

/// Each is made or not, as WSO2 has it; those that are not carry the status `REJECTED`.
async fn create_several(call: Call, caller: Caller) -> Answer {
    let wanted: Vec<Wanted> = call.json()?;
    if wanted.len() > MOST_AT_ONCE {
        return Err(RestError::bad(format!("At most {MOST_AT_ONCE} subscriptions are made at once.")));
    }
    let mut all = Vec::with_capacity(wanted.len());
    for one in wanted {
        let ids = (one.application_id.clone(), one.api_id.clone(), one.throttling_policy.clone());
        match make(&call, &caller, one).await {
            Ok((made, application)) => {
                all.push(OfSeveral::Made(Box::new(told(&call.app, &made, application).await?)));
            }
            Err(error) if error.fault == Fault::Unavailable => return Err(error),
            Err(_) => all.push(OfSeveral::Rejected {
                application_id: ids.0,
                api_id: ids.1,
                throttling_policy: ids.2,
                status: "REJECTED",
            }),
        }
    }
    Ok(answer::json(&all))
}

/// The subscription of the path, where the caller sees its application.
async fn find(call: &Call, caller: &Caller) -> Result<(Subscription, Application), RestError> {
    let held = match call.at("subscriptionId") {
        Some(id) => call.app.store.subscription(id).await?,
        None => None,
    };
    let held = held.ok_or(Problem::NoSuchSubscription)?;
    let (application, _) = developer::find(&call.app, Some(held.application), &caller.user.user)
        .await
        .map_err(|error| match error.problem {
            Some(Problem::NoSuchApplication) => Problem::NoSuchSubscription.into(),
            _ => RestError::from(error),
        })?;
    Ok((held, application))
}

/// The same, where the application is the caller's own.
async fn find_own(call: &Call, caller: &Caller) -> Result<(Subscription, Application), RestError> {
    let (held, application) = find(call, caller).await?;
    developer::own(&call.app, Some(application.id), &caller.user.user).await?;
    Ok((held, application))
}

async fn one(call: Call, caller: Caller) -> Answer {
    let (held, application) = find(&call, &caller).await?;
    Ok(answer::json(&told(&call.app, &held, application).await?))
}

async fn update(call: Call, caller: Caller) -> Answer {
    let change: Change = call.json()?;
    let (held, application) = find_own(&call, &caller).await?;
    let wanted = [change.requested_throttling_policy, change.throttling_policy];
    let tier = wanted.into_iter().find(|tier| !tier.is_empty()).ok_or(Problem::NoSuchTier)?;
    let changed = developer::change_tier(&call.app, &held, tier, caller.name()).await?;
    Ok(answer::json(&told(&call.app, &changed, application).await?))
}

async fn delete(call: Call, caller: Caller) -> Answer {
    let (held, _) = find_own(&call, &caller).await?;
    developer::unsubscribe(&call.app, &held, caller.name()).await?;
    Ok(done())
}
