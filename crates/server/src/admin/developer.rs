//! Applications as their developers have them: made without keys, seen by their owners and groups.

use latchkey_catalog::api::Api;
use latchkey_catalog::application::{Application, ApplicationDetails, ApplicationStatus};
use latchkey_catalog::developer::{BadWish, Sight, check_details, sight};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::name::check_application_name;
use latchkey_catalog::subscription::{Subscription, SubscriptionState};
use latchkey_catalog::user::User;
use latchkey_catalog::workflow::WorkflowKind;
use latchkey_store::unit::{ApplicationUpdate, CatalogueChange, ChangeRefused, SubscriptionUpdate};
use serde_json::Value;

use super::problem::Problem;
use super::{AdminError, Result, approval, change};
use crate::app::App;

/// What a developer says of an application.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its name.
    pub name: String,
    /// Its throttling tier.
    pub tier: String,
    /// The rest.
    pub details: ApplicationDetails,
}

impl From<BadWish> for AdminError {
    fn from(bad: BadWish) -> Self {
        let error = Self::wrong_use(bad.to_string());
        match bad {
            BadWish::Negative => error.about(Problem::BadKeySettings),
            BadWish::NoCallback => error.about(Problem::NoCallback),
            BadWish::NoNumber | BadWish::Description | BadWish::TooMuch => error,
        }
    }
}

/// The application of an id as `user` sees it. What a user may not know of is not there.
pub async fn find(app: &App, id: Option<EntryId>, user: &User) -> Result<(Application, Sight)> {
    let found = match id {
        Some(id) => app.store.application(id).await?,
        None => None,
    };
    let seen = found.and_then(|found| sight(&found, user).map(|sight| (found, sight)));
    seen.ok_or_else(|| refused(ChangeRefused::NotFound))
}

/// The application of an id that is the user's own.
pub async fn own(app: &App, id: Option<EntryId>, user: &User) -> Result<Application> {
    match find(app, id, user).await? {
        (found, Sight::Own) => Ok(found),
        (_, Sight::Shared) => {
            Err(AdminError::refused("the application is another user's").about(Problem::NotOwner))
        }
    }
}

fn check(draft: &Draft) -> Result<()> {
    check_application_name(&draft.name)?;
    Ok(check_details(&draft.details)?)
}

/// Makes an application of `owner`, without keys; where the configuration says so, it waits for approval.
pub async fn create(app: &App, draft: Draft, owner: &User) -> Result<Application> {
    check(&draft)?;
    let Draft { name, tier, details } = draft;
    let id = EntryId::draw(&*app.entropy);
    let registered = Application::registered(id, name, owner.id, app.now());
    let mut application = Application { tier, details, ..registered };
    let waits = app.config.workflow.application_creation;
    if waits {
        application.status = ApplicationStatus::Created;
    }
    let mut what = CatalogueChange::AddApplication(application.clone(), None, Vec::new());
    if waits {
        let (name, tier) = (&*application.name, &*application.tier);
        let shown = [("applicationName", name), ("applicationTier", tier), ("userName", &owner.name)];
        let of = (WorkflowKind::ApplicationCreation, id);
        what = approval::waiting(approval::request(app, of, &shown, Value::Null), Some(what));
    }
    change(app, what, &owner.name).await?.map_err(refused)?;
    Ok(application)
}

/// Changes an application.
pub async fn update(app: &App, id: EntryId, draft: Draft, actor: &str) -> Result<Application> {
    check(&draft)?;
    let Draft { name, tier, details } = draft;
    let what = CatalogueChange::UpdateApplication(Box::new(ApplicationUpdate { id, name, tier, details }));
    change(app, what, actor).await?.map_err(refused)?;
    app.store.application(id).await?.ok_or_else(|| refused(ChangeRefused::NotFound))
}

/// Deletes an application; every token of it ends.
pub async fn delete(app: &App, id: EntryId, actor: &str) -> Result<()> {
    change(app, CatalogueChange::DeleteApplication(id), actor).await?.map_err(refused)
}

/// A refusal of the store with what it is about by `table`; none: it does not stand there.
pub(super) fn told(refusal: ChangeRefused, table: &[(ChangeRefused, Problem)]) -> Option<AdminError> {
    let (_, problem) = table.iter().find(|(known, _)| *known == refusal)?;
    Some(AdminError::refused(refusal.to_string()).about(*problem))
}

pub(super) fn refused(refusal: ChangeRefused) -> AdminError {
    let of_applications = [
        (ChangeRefused::NotFound, Problem::NoSuchApplication),
        (ChangeRefused::NameTaken, Problem::ApplicationExists),
        (ChangeRefused::UnknownTier, Problem::NoSuchTier),
        (ChangeRefused::UnknownUser, Problem::NoSuchUser),
        (ChangeRefused::HasKeys, Problem::KeysExist),
        (ChangeRefused::WrongState, Problem::WrongState),
        (ChangeRefused::InUse, Problem::InUse),
    ];
    told(refusal, &of_applications).unwrap_or_else(|| AdminError::refused(refusal.to_string()))
}

/// Subscribes an application to an API, once; where the configuration says so, it waits for approval.
pub async fn subscribe(
    app: &App,
    (application, api): (&Application, &Api),
    tier: String,
    actor: &str,
) -> Result<Subscription> {
    let id = EntryId::draw(&*app.entropy);
    let mut subscription = Subscription::new(id, (application.id, api.id), tier, app.now());
    let waits = app.config.workflow.subscription_creation;
    if waits {
        subscription.state = SubscriptionState::OnHold;
    }
    let mut what = CatalogueChange::AddSubscription(subscription.clone());
    if waits {
        let shown = [
            ("apiName", &*api.name),
            ("apiVersion", &*api.version),
            ("applicationName", &*application.name),
            ("subscriber", actor),
            ("subscriptionTier", &*subscription.tier),
        ];
        let of = (WorkflowKind::SubscriptionCreation, id);
        what = approval::waiting(approval::request(app, of, &shown, Value::Null), Some(what));
    }
    let done = change(app, what, actor).await?;
    done.map_err(|refusal| {
        let of_subscriptions = [
            (ChangeRefused::NameTaken, Problem::SubscriptionExists),
            (ChangeRefused::WrongState, Problem::ApiClosed),
        ];
        told(refusal, &of_subscriptions).unwrap_or_else(|| refused(refusal))
    })?;
    Ok(subscription)
}

/// Gives a subscription another tier; its state stays, so that what a provider blocked does not come free.
pub async fn change_tier(app: &App, held: &Subscription, tier: String, actor: &str) -> Result<Subscription> {
    let id = held.id;
    let update = SubscriptionUpdate { id, tier, requested_tier: None, state: settled(held.state) };
    change(app, CatalogueChange::UpdateSubscription(update), actor).await?.map_err(subscription_refused)?;
    app.store.subscription(id).await?.ok_or_else(|| subscription_refused(ChangeRefused::NotFound))
}

/// The state of a subscription whose tier no longer waits for anything; none: as it is.
fn settled(state: SubscriptionState) -> Option<SubscriptionState> {
    (state == SubscriptionState::TierUpdatePending).then_some(SubscriptionState::Unblocked)
}

/// Ends a subscription.
pub async fn unsubscribe(app: &App, held: &Subscription, actor: &str) -> Result<()> {
    let Subscription { application, api, .. } = *held;
    let done = change(app, CatalogueChange::Unsubscribe { application, api }, actor).await?;
    done.map_err(subscription_refused)
}

fn subscription_refused(refusal: ChangeRefused) -> AdminError {
    let error = refused(refusal);
    if refusal == ChangeRefused::NotFound { error.about(Problem::NoSuchSubscription) } else { error }
}
