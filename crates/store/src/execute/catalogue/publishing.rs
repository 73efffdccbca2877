//! Changes of what publishers keep: listings, drafts, revisions and their deployment, shared scopes, roles.
//!
//! What is in force at the gateway is the definition in the row of the API: that of the deployed revision. A draft
//! changes nothing there.

use latchkey_catalog::api::{Api, ApiDefinition, ApiState, Deployed, VersionRole};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::listing::{
    Deployment, ListedApi, Listing, MAX_REVISIONS, Revision, SharedScope, StateChange,
};
use latchkey_catalog::tier::Level;
use latchkey_catalog::user::search::UserSearch;
use latchkey_oauth::event::EventKind;

use super::{By, Outcome, log, published};
use crate::Result;
use crate::rows::Write;
use crate::unit::{ApiEdit, ChangeRefused, NewApi, NewRevision, PublisherChange};

/// The provider of an API that was made without saying whose it is.
const PROVIDER: &str = "admin";

/// Makes a publisher's change, or says why not.
pub(super) fn change(rows: &mut dyn Write, change: &PublisherChange, by: By<'_>) -> Outcome {
    match change {
        PublisherChange::AddApi(new) => add_api(rows, new, by),
        PublisherChange::EditApi(change) => edit(rows, change, by),
        PublisherChange::AddRevision(new) => add_revision(rows, new, by),
        PublisherChange::RemoveRevision { api, revision } => remove_revision(rows, (*api, *revision), by),
        PublisherChange::DeployRevision { api, revision, deployments } => {
            deploy(rows, (*api, *revision), deployments, by)
        }
        PublisherChange::UndeployRevision { api, revision, environments } => {
            undeploy(rows, (*api, *revision), environments, by)
        }
        PublisherChange::AddSharedScope(scope) => add_scope(rows, scope, by),
        PublisherChange::UpdateSharedScope(scope) => update_scope(rows, scope, by),
        PublisherChange::DeleteSharedScope(id) => delete_scope(rows, *id, by),
        PublisherChange::DeclareRole(name) => declare_role(rows, name, by),
        PublisherChange::DeleteRole(name) => delete_role(rows, name, by),
    }
}

/// Keeps the listing of an API in step with its row, and its history with its state.
pub(super) fn follow(rows: &mut dyn Write, api: &Api, before: Option<ApiState>, by: By<'_>) -> Result<()> {
    let held = rows.listing(api.id)?.unwrap_or_else(|| Listing::of(PROVIDER, by.now));
    put_listing(rows, api, Listing { updated_at: by.now, ..held })?;
    let to = api.definition.state;
    if before != Some(to) {
        let actor = by.actor.to_owned();
        rows.append_state(api.id, &StateChange { at: by.now, from: before, to, actor })?;
    }
    Ok(())
}

fn put_listing(rows: &mut dyn Write, api: &Api, mut listing: Listing) -> Result<()> {
    let draft = rows.draft(api.id)?;
    listing.details.schemes = draft.as_ref().unwrap_or(&api.definition).schemes.clone();
    rows.put_listing(&ListedApi::of(api, listing))?;
    let mut uses = api.definition.shared_scopes.clone();
    uses.extend(draft.unwrap_or_default().shared_scopes);
    rows.put_scope_uses(api.id, &uses)
}

/// What was put at the gateway from elsewhere is deployed at once: no draft and no revision says otherwise.
pub(super) fn deploy_at_once(rows: &mut dyn Write, api: EntryId) -> Result<()> {
    rows.put_draft(api, None)?;
    rows.put_document(api, None)?;
    for revision in rows.revisions(api)?.into_iter().filter(|revision| !revision.deployments.is_empty()) {
        rows.put_revision(api, &Revision { deployments: Vec::new(), ..revision })?;
    }
    Ok(())
}

/// Whether the tiers that a definition names are there; its shared scopes get the roles that may have them.
fn complete(rows: &mut dyn Write, definition: &mut ApiDefinition) -> Outcome {
    for tier in definition.tiers() {
        if rows.tier(Level::Resource, tier)?.is_none() {
            return Ok(Err(ChangeRefused::UnknownTier));
        }
    }
    for name in definition.shared_scopes.clone() {
        let Some(scope) = rows.shared_scope_named(&name)? else {
            return Ok(Err(ChangeRefused::UnknownScope));
        };
        definition.scopes.insert(name, scope.roles);
    }
    Ok(Ok(()))
}

fn check_offers(rows: &mut dyn Write, listing: &Listing) -> Outcome {
    for tier in &listing.details.policies {
        if rows.tier(Level::Subscription, tier)?.is_none() {
            return Ok(Err(ChangeRefused::UnknownTier));
        }
    }
    Ok(Ok(()))
}

fn add_api(rows: &mut dyn Write, new: &NewApi, by: By<'_>) -> Outcome {
    let mut api = new.api.clone();
    if rows.api_at(&api.context, &api.version)?.is_some() || rows.api(api.id)?.is_some() {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    for checked in [complete(rows, &mut api.definition)?, check_offers(rows, &new.listing)?] {
        if checked.is_err() {
            return Ok(checked);
        }
    }
    if api.definition.versions == VersionRole::Default {
        published::yield_default(rows, &api, by)?;
    }
    api.definition.deployment = Deployed::No;
    rows.put_api(&api)?;
    put_listing(rows, &api, new.listing.clone())?;
    rows.put_document(api.id, new.document.as_deref())?;
    follow(rows, &api, None, by)?;
    log(rows, EventKind::ApiChange, by)
}

fn edit(rows: &mut dyn Write, edit: &ApiEdit, by: By<'_>) -> Outcome {
    let (Some(mut api), Some(held)) = (rows.api(edit.id)?, rows.listing(edit.id)?) else {
        return Ok(Err(ChangeRefused::NotFound));
    };
    let mut draft = edit.draft.clone();
    for checked in [complete(rows, &mut draft)?, check_offers(rows, &edit.listing)?] {
        if checked.is_err() {
            return Ok(checked);
        }
    }
    if draft.versions != api.definition.versions {
        if draft.versions == VersionRole::Default {
            published::yield_default(rows, &api, by)?;
        }
        api.definition.versions = draft.versions;
        rows.put_api(&api)?;
    }
    let listing = Listing { created_at: held.created_at, ..edit.listing.clone() };
    rows.put_draft(api.id, Some(&draft))?;
    if edit.document.is_some() {
        rows.put_document(api.id, edit.document.as_deref())?;
    }
    put_listing(rows, &api, Listing { updated_at: by.now, ..listing })?;
    log(rows, EventKind::ApiChange, by)
}

fn add_revision(rows: &mut dyn Write, new: &NewRevision, by: By<'_>) -> Outcome {
    let Some(api) = rows.api(new.api)? else { return Ok(Err(ChangeRefused::NotFound)) };
    let held = rows.revisions(new.api)?;
    if held.len() >= MAX_REVISIONS {
        return Ok(Err(ChangeRefused::Full));
    }
    let number = held.last().map_or(1, |last| last.number.saturating_add(1));
    let revision = Revision {
        id: new.id,
        number,
        description: new.description.clone(),
        created_at: by.now,
        definition: rows.draft(new.api)?.unwrap_or(api.definition),
        document: rows.document(new.api)?,
        deployments: Vec::new(),
    };
    rows.put_revision(new.api, &revision)?;
    log(rows, EventKind::ApiChange, by)
}

fn revision(rows: &mut dyn Write, api: EntryId, id: EntryId) -> Result<Option<Revision>> {
    Ok(rows.revisions(api)?.into_iter().find(|revision| revision.id == id))
}

fn remove_revision(rows: &mut dyn Write, (api, id): (EntryId, EntryId), by: By<'_>) -> Outcome {
    let Some(held) = revision(rows, api, id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    if !held.deployments.is_empty() {
        return Ok(Err(ChangeRefused::InUse));
    }
    rows.delete_revision(api, held.number)?;
    log(rows, EventKind::ApiChange, by)
}

/// Puts a revision at the gateway. An environment has one revision of an API, so others leave those that it
/// comes to. State and default version are the API's own.
fn deploy(
    rows: &mut dyn Write,
    (api, id): (EntryId, EntryId),
    deployments: &[Deployment],
    by: By<'_>,
) -> Outcome {
    let (Some(held), Some(chosen)) = (rows.api(api)?, revision(rows, api, id)?) else {
        return Ok(Err(ChangeRefused::NotFound));
    };
    let mut definition = chosen.definition.clone();
    if let Err(refused) = complete(rows, &mut definition)? {
        return Ok(Err(refused));
    }
    let comes_to = |environment: &str| deployments.iter().any(|one| one.environment == environment);
    for mut other in rows.revisions(api)? {
        let before = other.deployments.clone();
        other.deployments.retain(|held| !comes_to(&held.environment));
        if other.id == id {
            other.deployments.extend(deployments.iter().cloned());
        }
        if other.deployments != before {
            rows.put_revision(api, &other)?;
        }
    }
    definition.state = held.definition.state;
    definition.versions = held.definition.versions;
    definition.deployment = Deployed::Yes;
    put_in_force(rows, &Api { definition, ..held }, by)
}

/// Takes a revision from environments; an API of which nothing is left in any is not routed.
fn undeploy(
    rows: &mut dyn Write,
    (api, id): (EntryId, EntryId),
    environments: &[String],
    by: By<'_>,
) -> Outcome {
    let (Some(mut held), Some(mut chosen)) = (rows.api(api)?, revision(rows, api, id)?) else {
        return Ok(Err(ChangeRefused::NotFound));
    };
    let before = chosen.deployments.len();
    chosen.deployments.retain(|one| !environments.contains(&one.environment));
    if chosen.deployments.len() == before {
        return Ok(Err(ChangeRefused::NotFound));
    }
    rows.put_revision(api, &chosen)?;
    if rows.revisions(api)?.iter().all(|revision| revision.deployments.is_empty()) {
        held.definition.deployment = Deployed::No;
    }
    put_in_force(rows, &held, by)
}

fn put_in_force(rows: &mut dyn Write, api: &Api, by: By<'_>) -> Outcome {
    rows.put_api(api)?;
    follow(rows, api, Some(api.definition.state), by)?;
    log(rows, EventKind::ApiChange, by)
}

fn add_scope(rows: &mut dyn Write, scope: &SharedScope, by: By<'_>) -> Outcome {
    if rows.shared_scope_named(&scope.name)?.is_some() {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    rows.put_shared_scope(scope)?;
    log(rows, EventKind::ApiChange, by)
}

/// The name stays; the roles count at once wherever the scope is used.
fn update_scope(rows: &mut dyn Write, scope: &SharedScope, by: By<'_>) -> Outcome {
    let Some(held) = rows.shared_scope(scope.id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    let scope = SharedScope { name: held.name, ..scope.clone() };
    rows.put_shared_scope(&scope)?;
    for id in rows.uses_of_scope(&scope.name)? {
        let Some(mut api) = rows.api(id)? else { continue };
        if api.definition.shared_scopes.contains(&scope.name) {
            api.definition.scopes.insert(scope.name.clone(), scope.roles.clone());
            rows.put_api(&api)?;
        }
    }
    log(rows, EventKind::ApiChange, by)
}

fn delete_scope(rows: &mut dyn Write, id: EntryId, by: By<'_>) -> Outcome {
    let Some(held) = rows.shared_scope(id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    if !rows.uses_of_scope(&held.name)?.is_empty() {
        return Ok(Err(ChangeRefused::InUse));
    }
    rows.delete_shared_scope(id)?;
    log(rows, EventKind::ApiChange, by)
}

fn declare_role(rows: &mut dyn Write, name: &str, by: By<'_>) -> Outcome {
    if rows.is_role(name)? {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    rows.put_role(name)?;
    log(rows, EventKind::RoleChange, by)
}

fn delete_role(rows: &mut dyn Write, name: &str, by: By<'_>) -> Outcome {
    if rows.users_found(&UserSearch::holders_of(name), 0, 0)?.total > 0 {
        return Ok(Err(ChangeRefused::InUse));
    }
    if !rows.delete_role(name)? {
        return Ok(Err(ChangeRefused::NotFound));
    }
    log(rows, EventKind::RoleChange, by)
}
