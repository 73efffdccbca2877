//! APIs as their publishers have them: drafts, revisions, a life, shared scopes.

use std::collections::BTreeSet;

use latchkey_catalog::api::{ApiDefinition, ApiState};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::listing::{Deployment, Listing, Revision, SharedScope};
use latchkey_catalog::subscription::{Subscription, SubscriptionState};
use latchkey_catalog::system_scope::SYSTEM_SCOPES;
use latchkey_catalog::user::{ADMIN_ROLE, EVERYONE_ROLE};
use latchkey_store::publishing::{ApiCondition, ApiQuery, ApiSort, PublisherApi, Viewer};
use latchkey_store::registry::{Order, PageOf, TextMatch};
use latchkey_store::unit::{ApiEdit, CatalogueChange, ChangeRefused, NewApi, NewRevision, PublisherChange};

use super::developer::told;
use super::problem::{Problem, PublisherProblem};
use super::{AdminError, Result, change};
use crate::app::App;

/// What a publisher says of an API.
#[derive(Debug, Clone)]
pub struct Wish {
    /// What the gateway asks.
    pub definition: ApiDefinition,
    /// What portals show.
    pub listing: Listing,
    /// The `OpenAPI` document as it was given; none: as it is.
    pub document: Option<String>,
}

fn refused(refusal: ChangeRefused) -> AdminError {
    let of_apis = [
        (ChangeRefused::NotFound, Problem::NoSuchApi),
        (ChangeRefused::NameTaken, Problem::ApiExists),
        (ChangeRefused::UnknownTier, Problem::NoSuchTier),
        (ChangeRefused::UnknownScope, Problem::Publisher(PublisherProblem::NoSuchScope)),
        (ChangeRefused::WrongState, Problem::Publisher(PublisherProblem::WrongTransition)),
        (ChangeRefused::InUse, Problem::InUse),
    ];
    told(refusal, &of_apis).unwrap_or_else(|| AdminError::refused(refusal.to_string()))
}

fn revision_refused(refusal: ChangeRefused) -> AdminError {
    let of_revisions = [
        (ChangeRefused::NotFound, Problem::Publisher(PublisherProblem::NoSuchRevision)),
        (ChangeRefused::Full, Problem::Publisher(PublisherProblem::RevisionsFull)),
        (ChangeRefused::InUse, Problem::Publisher(PublisherProblem::RevisionDeployed)),
    ];
    told(refusal, &of_revisions).unwrap_or_else(|| refused(refusal))
}

fn scope_refused(refusal: ChangeRefused) -> AdminError {
    let of_scopes = [
        (ChangeRefused::NotFound, Problem::Publisher(PublisherProblem::NoSuchScope)),
        (ChangeRefused::NameTaken, Problem::Publisher(PublisherProblem::ScopeExists)),
        (ChangeRefused::InUse, Problem::Publisher(PublisherProblem::ScopeInUse)),
    ];
    told(refusal, &of_scopes).unwrap_or_else(|| refused(refusal))
}

/// The API of an id.
pub async fn find(app: &App, id: Option<EntryId>) -> Result<PublisherApi> {
    let found = match id {
        Some(id) => app.store.publisher_api(id).await?,
        None => None,
    };
    found.ok_or_else(|| refused(ChangeRefused::NotFound))
}

/// Whether there is an API of which `condition` holds.
pub async fn is_there(app: &App, condition: ApiCondition) -> Result<bool> {
    let query = ApiQuery {
        viewer: Viewer::Publisher,
        states: Vec::new(),
        conditions: vec![condition],
        sort: ApiSort::Name,
        order: Order::Ascending,
        page: PageOf { offset: 0, limit: 1 },
    };
    Ok(app.store.find_apis(query).await?.total > 0)
}

/// Refuses a role that nobody has, had or declared: a scope that is bound to it would be nobody's, by mistake.
pub async fn check_roles(app: &App, roles: &BTreeSet<String>) -> Result<()> {
    let is_builtin = |role: &str| {
        [ADMIN_ROLE, EVERYONE_ROLE].contains(&role)
            || SYSTEM_SCOPES.iter().any(|scope| scope.roles.contains(&role))
    };
    for role in roles {
        if !is_builtin(role) && !app.store.is_role(role).await? {
            return Err(AdminError::wrong_use(format!("There is no role {role:?}.")));
        }
    }
    Ok(())
}

/// Whether an API may have these scopes for itself: one that another API has would be opened by either's roles.
async fn check_scopes(app: &App, (context, wish): (&str, &Wish), held: Option<&PublisherApi>) -> Result<()> {
    let definition = &wish.definition;
    let mut roles = wish.listing.details.visible_roles.clone();
    let mut fresh = BTreeSet::new();
    for (name, bound) in &definition.scopes {
        if definition.shared_scopes.contains(name) {
            continue;
        }
        let before = held.map_or([None, None], |held| [held.draft.as_ref(), Some(&held.api.definition)]);
        let before = before.into_iter().flatten().find_map(|definition| definition.scopes.get(name));
        if before != Some(bound) {
            roles.extend(bound.iter().cloned());
        }
        if before.is_none() {
            fresh.insert(name);
        }
    }
    check_roles(app, &roles).await?;
    if fresh.is_empty() {
        return Ok(());
    }
    for name in &fresh {
        if app.store.shared_scope_named(name).await?.is_some() {
            return Err(scope_refused(ChangeRefused::NameTaken));
        }
    }
    let others = app.store.apis().await?;
    let taken = others.iter().filter(|other| other.context != context).any(|other| {
        let definition = &other.definition;
        fresh
            .iter()
            .any(|name| definition.scopes.contains_key(*name) && !definition.shared_scopes.contains(*name))
    });
    if taken {
        return Err(AdminError::refused("the scope is another API's")
            .about(Problem::Publisher(PublisherProblem::ScopeAssigned)));
    }
    Ok(())
}

/// Makes an API, which is nowhere deployed.
pub async fn add(app: &App, new: NewApi, actor: &str) -> Result<PublisherApi> {
    new.api.check().map_err(|bad| AdminError::wrong_use(bad.to_string()))?;
    let wish = Wish { definition: new.api.definition.clone(), listing: new.listing.clone(), document: None };
    check_scopes(app, (&new.api.context, &wish), None).await?;
    let id = new.api.id;
    change(app, PublisherChange::AddApi(new).into(), actor).await?.map_err(refused)?;
    find(app, Some(id)).await
}

/// Changes an API's draft and what portals show of it; what is deployed stays so until a revision is, but for
/// which version is the default one.
pub async fn edit(app: &App, held: &PublisherApi, wish: Wish, actor: &str) -> Result<PublisherApi> {
    wish.definition.check().map_err(|bad| AdminError::wrong_use(bad.to_string()))?;
    check_scopes(app, (&held.api.context, &wish), Some(held)).await?;
    let Wish { definition, listing, document } = wish;
    let id = held.api.id;
    let edit = ApiEdit { id, listing, draft: definition, document };
    change(app, PublisherChange::EditApi(edit).into(), actor).await?.map_err(refused)?;
    find(app, Some(id)).await
}

/// Deletes an API that nobody subscribes to.
pub async fn delete(app: &App, id: EntryId, actor: &str) -> Result<()> {
    change(app, CatalogueChange::DeleteApi(id), actor).await?.map_err(refused)
}

/// Brings an API into another state.
pub async fn set_state(app: &App, id: EntryId, state: ApiState, actor: &str) -> Result<()> {
    change(app, CatalogueChange::SetApiState(id, state), actor).await?.map_err(refused)
}

/// The revision of an id.
pub async fn revision(app: &App, api: EntryId, id: Option<EntryId>) -> Result<Revision> {
    let all = app.store.revisions(api).await?;
    let found = all.into_iter().find(|revision| Some(revision.id) == id);
    found.ok_or_else(|| revision_refused(ChangeRefused::NotFound))
}

/// Keeps the draft of an API as a revision.
pub async fn add_revision(app: &App, api: EntryId, description: String, actor: &str) -> Result<Revision> {
    let id = EntryId::draw(&*app.entropy);
    let new = PublisherChange::AddRevision(NewRevision { id, api, description });
    change(app, new.into(), actor).await?.map_err(|refusal| {
        if refusal == ChangeRefused::NotFound { refused(refusal) } else { revision_refused(refusal) }
    })?;
    revision(app, api, Some(id)).await
}

/// Deletes a revision that is nowhere deployed.
pub async fn remove_revision(app: &App, (api, revision): (EntryId, EntryId), actor: &str) -> Result<()> {
    let what = PublisherChange::RemoveRevision { api, revision };
    change(app, what.into(), actor).await?.map_err(revision_refused)
}

/// Deploys a revision: from the next call on the gateway goes by it.
pub async fn deploy(
    app: &App,
    (api, id): (EntryId, EntryId),
    deployments: Vec<Deployment>,
    actor: &str,
) -> Result<Revision> {
    let what = PublisherChange::DeployRevision { api, revision: id, deployments };
    change(app, what.into(), actor).await?.map_err(revision_refused)?;
    revision(app, api, Some(id)).await
}

/// Takes a revision from environments.
pub async fn undeploy(
    app: &App,
    (api, id): (EntryId, EntryId),
    environments: Vec<String>,
    actor: &str,
) -> Result<Revision> {
    let what = PublisherChange::UndeployRevision { api, revision: id, environments };
    change(app, what.into(), actor).await?.map_err(revision_refused)?;
    revision(app, api, Some(id)).await
}

/// Makes the draft of an API what a revision of it is.
pub async fn restore(app: &App, held: &PublisherApi, id: EntryId, actor: &str) -> Result<PublisherApi> {
    let kept = revision(app, held.api.id, Some(id)).await?;
    let edit = ApiEdit {
        id: held.api.id,
        listing: held.listing.clone(),
        draft: ApiDefinition { versions: held.api.definition.versions, ..kept.definition },
        document: kept.document,
    };
    change(app, PublisherChange::EditApi(edit).into(), actor).await?.map_err(refused)?;
    find(app, Some(held.api.id)).await
}

fn check_scope(scope: &SharedScope) -> Result<()> {
    let asked = [(scope.name.clone(), scope.roles.clone())].into();
    let alone = ApiDefinition { scopes: asked, ..ApiDefinition::default() };
    alone.check().map_err(|bad| AdminError::wrong_use(bad.to_string()))?;
    if scope.display_name.chars().count() > 255 || scope.description.chars().count() > 512 {
        return Err(AdminError::wrong_use(
            "The display name of a scope may have 255 characters, its description 512.",
        ));
    }
    Ok(())
}

/// Makes a shared scope.
pub async fn add_scope(app: &App, scope: SharedScope, actor: &str) -> Result<SharedScope> {
    check_scope(&scope)?;
    check_roles(app, &scope.roles).await?;
    let apis = app.store.apis().await?;
    if apis.iter().any(|api| api.definition.scopes.contains_key(&scope.name)) {
        return Err(scope_refused(ChangeRefused::NameTaken));
    }
    let what = PublisherChange::AddSharedScope(scope.clone());
    change(app, what.into(), actor).await?.map_err(scope_refused)?;
    Ok(scope)
}

/// Changes roles and texts of a shared scope, wherever it is used.
pub async fn update_scope(app: &App, scope: SharedScope, actor: &str) -> Result<SharedScope> {
    check_scope(&scope)?;
    check_roles(app, &scope.roles).await?;
    let what = PublisherChange::UpdateSharedScope(scope.clone());
    change(app, what.into(), actor).await?.map_err(scope_refused)?;
    Ok(scope)
}

/// Deletes a shared scope that no API uses.
pub async fn delete_scope(app: &App, id: EntryId, actor: &str) -> Result<()> {
    change(app, PublisherChange::DeleteSharedScope(id).into(), actor).await?.map_err(scope_refused)
}

/// The subscription of an id.
pub async fn subscription(app: &App, id: Option<EntryId>) -> Result<Subscription> {
    let held = match id {
        Some(id) => app.store.subscription(id).await?,
        None => None,
    };
    held.ok_or_else(|| {
        AdminError::refused("there is no such subscription").about(Problem::NoSuchSubscription)
    })
}

/// Blocks a subscription or lets it pass again. One that waits for approval is not for its provider to open.
pub async fn block(
    app: &App,
    held: &Subscription,
    state: SubscriptionState,
    actor: &str,
) -> Result<Subscription> {
    if matches!(held.state, SubscriptionState::OnHold | SubscriptionState::Rejected) {
        return Err(AdminError::refused("the subscription is not approved").about(Problem::WrongState));
    }
    let Subscription { id, application, api, .. } = *held;
    let what = CatalogueChange::SetSubscriptionState { application, api, state };
    let done = change(app, what, actor).await?;
    done.map_err(|refusal| AdminError::refused(refusal.to_string()).about(Problem::NoSuchSubscription))?;
    subscription(app, Some(id)).await
}

/// The condition that an API has exactly this name.
pub fn named(name: &str) -> ApiCondition {
    ApiCondition::Name(TextMatch::Exactly(name.to_owned()))
}

/// The condition that an API has exactly this context.
pub fn of_context(context: &str) -> ApiCondition {
    ApiCondition::Context(TextMatch::Exactly(context.to_owned()))
}
