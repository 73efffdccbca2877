//! Subscriptions of applications to APIs.

use std::collections::HashMap;

use latchkey_catalog::api::{Api, ApiState};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::{Subscription, SubscriptionState};
use latchkey_catalog::tier::Level;
use latchkey_store::rows::{Subscribed, SubscriptionKey};
use latchkey_store::unit::{CatalogueChange, ChangeRefused};
use serde::{Deserialize, Serialize};

use super::application::Reference;
use super::{AdminError, PAGE, Page, Reply, Result, api, application, change};
use crate::app::App;

/// What to do to subscriptions.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Subscribe an application to an API, or give its subscription another tier.
    Subscribe {
        /// Which.
        named: Named,
        /// The tier.
        tier: String,
    },
    /// End a subscription.
    Unsubscribe(Named),
    /// Block a subscription, or let it pass again.
    SetState {
        /// Which.
        named: Named,
        /// The state.
        state: SubscriptionState,
    },
    /// List subscriptions whose keys follow.
    List {
        /// Only this application's.
        application: Option<Reference>,
        /// Only those to this API, `CONTEXT/VERSION`.
        api: Option<String>,
        /// The last of the page before, as [`Page::next`] says it.
        after: Option<String>,
    },
}

/// A subscription as it is named.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Named {
    /// The application.
    pub application: Reference,
    /// The API, `CONTEXT/VERSION`.
    pub api: String,
}

/// A subscription.
#[derive(Debug, Serialize, Deserialize)]
pub struct SubscriptionView {
    /// The application's name.
    pub application: String,
    /// The application's id.
    pub application_id: EntryId,
    /// The API, `CONTEXT/VERSION`.
    pub api: String,
    /// The API's id.
    pub api_id: EntryId,
    /// The tier.
    pub tier: String,
    /// Whether it may be used.
    pub state: SubscriptionState,
}

pub(super) async fn execute(app: &App, command: Command, actor: &str) -> Result<Reply> {
    match command {
        Command::Subscribe { named, tier } => subscribe(app, &named, tier, actor).await,
        Command::Unsubscribe(named) => unsubscribe(app, &named, actor).await,
        Command::SetState { named, state } => set_state(app, &named, state, actor).await,
        Command::List { application, api, after } => {
            list(app, (application.as_ref(), api.as_deref()), after.as_deref()).await
        }
    }
}

/// The names of the tiers of a level.
pub(super) async fn tier_names(app: &App, level: Level) -> Result<Vec<String>> {
    let tiers = app.store.tiers().await?;
    Ok(tiers.into_iter().filter(|tier| tier.level == level).map(|tier| tier.name).collect())
}

/// Refuses an API that takes no new subscriptions.
pub(super) fn check_open(api: &Api) -> Result<()> {
    let (path, state) = (api.path(), api.definition.state);
    if state.takes_subscriptions() {
        return Ok(());
    }
    let advice = if state == ApiState::Retired {
        "it is so for good: subscribe to another version".to_owned()
    } else {
        format!("publish it with `latchkey api publish {path}`")
    };
    Err(AdminError::refused(format!(
        "the API {path} is {} and takes no new subscriptions; {advice}",
        state.as_str()
    )))
}

async fn subscribe(app: &App, named: &Named, tier: String, actor: &str) -> Result<Reply> {
    let (application, api) = look_up(app, named).await?;
    let id = EntryId::draw(&*app.entropy);
    let subscription = Subscription::new(id, (application.0, api.id), tier.clone(), app.now());
    let done = change(app, CatalogueChange::Subscribe(subscription), actor).await?;
    if let Err(refused) = done {
        return Err(match refused {
            ChangeRefused::UnknownTier => AdminError::refused(format!(
                "there is no subscription tier {tier:?}; there are {}",
                tier_names(app, Level::Subscription).await?.join(", ")
            )),
            ChangeRefused::WrongState => match check_open(&api) {
                Err(closed) => closed,
                Ok(()) => gone(named),
            },
            ChangeRefused::NotFound
            | ChangeRefused::NameTaken
            | ChangeRefused::UnknownUser
            | ChangeRefused::HasKeys
            | ChangeRefused::UnknownScope
            | ChangeRefused::Full
            | ChangeRefused::InUse
            | ChangeRefused::BadProfile(_) => gone(named),
        });
    }
    let held = app.store.subscription_between((application.0, api.id)).await?;
    let blocked = held.is_some_and(|held| held.state != SubscriptionState::Unblocked);
    let still = if blocked { " Its state is as it was; see `latchkey subscription list`." } else { "" };
    Ok(Reply::Done(format!(
        "Application {} is subscribed to {} at tier {tier}.{still}",
        application.1, named.api
    )))
}

async fn unsubscribe(app: &App, named: &Named, actor: &str) -> Result<Reply> {
    let ((application, name), api) = look_up(app, named).await?;
    let done = change(app, CatalogueChange::Unsubscribe { application, api: api.id }, actor).await?;
    done.map_err(|_| not_subscribed(&name, named))?;
    Ok(Reply::Done(format!("Application {name} is no longer subscribed to {}.", named.api)))
}

async fn set_state(app: &App, named: &Named, state: SubscriptionState, actor: &str) -> Result<Reply> {
    let ((application, name), api) = look_up(app, named).await?;
    let what = CatalogueChange::SetSubscriptionState { application, api: api.id, state };
    change(app, what, actor).await?.map_err(|_| not_subscribed(&name, named))?;
    let which = format!("The subscription of application {name} to {}", named.api);
    Ok(Reply::Done(match state {
        SubscriptionState::Unblocked => format!("{which} is not blocked."),
        SubscriptionState::Blocked => format!("{which} is blocked."),
        SubscriptionState::ProdOnlyBlocked => format!("{which} is blocked for production keys."),
        SubscriptionState::OnHold
        | SubscriptionState::Rejected
        | SubscriptionState::TierUpdatePending
        | SubscriptionState::DeletePending => format!("{which} is {}.", state.as_str()),
    }))
}

/// The application's id and name, and the API.
async fn look_up(app: &App, named: &Named) -> Result<((EntryId, String), Api)> {
    let application = application::find(app, &named.application).await?;
    Ok(((application.id, application.name), api::find(app, &named.api).await?))
}

fn gone(named: &Named) -> AdminError {
    AdminError::refused(format!(
        "the application {:?} or the API {} was changed meanwhile, and nothing was done; try again",
        named.application.name, named.api
    ))
}

fn not_subscribed(name: &str, named: &Named) -> AdminError {
    AdminError::refused(format!(
        "the application {name:?} is not subscribed to {}; `latchkey subscription list` shows the subscriptions",
        named.api
    ))
}

async fn list(
    app: &App,
    (application, path): (Option<&Reference>, Option<&str>),
    after: Option<&str>,
) -> Result<Reply> {
    let of_application = match application {
        Some(reference) => Some(application::find(app, reference).await?.id),
        None => None,
    };
    let to_api = match path {
        Some(path) => Some(api::find(app, path).await?.id),
        None => None,
    };
    let after = after.map(key).transpose()?;
    let (found, next) = match (of_application, to_api) {
        (Some(application), Some(api)) => {
            (app.store.subscription_between((application, api)).await?.into_iter().collect(), None)
        }
        (Some(application), None) => page(app, Subscribed::By(application), after).await?,
        (None, Some(api)) => page(app, Subscribed::To(api), after).await?,
        (None, None) => page(app, Subscribed::All, after).await?,
    };
    Ok(Reply::Subscriptions(Page { items: views(app, found).await?, next }))
}

async fn page(
    app: &App,
    which: Subscribed,
    after: Option<SubscriptionKey>,
) -> Result<(Vec<Subscription>, Option<String>)> {
    let found = app.store.subscriptions(which, after, PAGE).await?;
    let last = found.last().filter(|_| found.len() == PAGE as usize);
    let next = last.map(|last| format!("{} {}", last.application, last.api));
    Ok((found, next))
}

/// A key as [`page`] writes it.
fn key(text: &str) -> Result<SubscriptionKey> {
    let parts = text.split_once(' ').and_then(|(one, other)| Some((one.parse().ok()?, other.parse().ok()?)));
    parts.ok_or_else(|| AdminError::wrong_use(format!("{text:?} is no place in a list of subscriptions")))
}

/// With names; where an application or API was deleted meanwhile, with its id.
async fn views(app: &App, found: Vec<Subscription>) -> Result<Vec<SubscriptionView>> {
    let apis: HashMap<EntryId, String> =
        app.store.apis().await?.iter().map(|api| (api.id, api.path())).collect();
    let mut names: HashMap<EntryId, String> = HashMap::new();
    let mut views = Vec::with_capacity(found.len());
    for one in found {
        let name = match names.get(&one.application) {
            Some(name) => name.clone(),
            None => application_name(app, one.application).await?,
        };
        names.insert(one.application, name.clone());
        views.push(SubscriptionView {
            application: name,
            application_id: one.application,
            api: apis.get(&one.api).cloned().unwrap_or_else(|| one.api.to_string()),
            api_id: one.api,
            tier: one.tier,
            state: one.state,
        });
    }
    Ok(views)
}

async fn application_name(app: &App, id: EntryId) -> Result<String> {
    Ok(app.store.application(id).await?.map_or_else(|| id.to_string(), |application| application.name))
}
