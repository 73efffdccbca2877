//! Deny policies: whom and what administrators keep from calling.

use latchkey_catalog::application::ApplicationKind;
use latchkey_catalog::deny::{DenyCondition, DenyPolicy, DenyState};
use latchkey_catalog::id::EntryId;
use latchkey_store::unit::{ChangeRefused, GovernanceChange};

use super::developer::told;
use super::problem::Administration;
use super::{AdminError, Result, change};
use crate::app::App;

/// Denies what `condition` names, from the next call on. An API or an application has to be there; a user need not
/// be there yet.
pub async fn add(app: &App, condition: DenyCondition, state: DenyState, actor: &str) -> Result<DenyPolicy> {
    condition.check().map_err(|bad| AdminError::wrong_use(bad.to_string()))?;
    check_named(app, &condition).await?;
    let policy = DenyPolicy { id: EntryId::draw(&*app.entropy), condition, state, created_at: app.now() };
    make(app, GovernanceChange::AddDenyPolicy(policy.clone()), actor).await?;
    Ok(policy)
}

async fn check_named(app: &App, condition: &DenyCondition) -> Result<()> {
    match condition {
        DenyCondition::Api { path } => {
            let (context, version) = path.rsplit_once('/').unwrap_or_default();
            if app.store.api_at(context, version).await?.is_none() {
                let told = format!("there is no API at {path:?}");
                return Err(AdminError::wrong_use(told).about(Administration::NoSuchDeniedApi));
            }
        }
        DenyCondition::Application { owner, name } => {
            let found = match app.store.user(owner).await? {
                Some(owner) => {
                    app.store.application_named(owner.user.id, ApplicationKind::Portal, name).await?
                }
                None => None,
            };
            if found.is_none() {
                let told = format!("{owner:?} has no application {name:?}");
                return Err(AdminError::wrong_use(told).about(Administration::NoSuchDeniedApplication));
            }
        }
        DenyCondition::User { .. } | DenyCondition::Ip { .. } | DenyCondition::IpRange { .. } => {}
    }
    Ok(())
}

/// Lets a deny policy come into force, or not; with the next call.
pub async fn set_state(app: &App, id: EntryId, state: DenyState, actor: &str) -> Result<()> {
    make(app, GovernanceChange::SetDenyState(id, state), actor).await
}

/// Deletes a deny policy.
pub async fn delete(app: &App, id: EntryId, actor: &str) -> Result<()> {
    make(app, GovernanceChange::DeleteDenyPolicy(id), actor).await
}

async fn make(app: &App, what: GovernanceChange, actor: &str) -> Result<()> {
    let of_deny_policies = [
        (ChangeRefused::NotFound, Administration::NoSuchDenyPolicy.into()),
        (ChangeRefused::NameTaken, Administration::DenyPolicyExists.into()),
    ];
    change(app, what.into(), actor).await?.map_err(|refusal| {
        told(refusal, &of_deny_policies).unwrap_or_else(|| AdminError::refused(refusal.to_string()))
    })
}
