//! Approvals: what waits for an administrator where the configuration says so, and what comes of it.

use std::collections::BTreeMap;

use latchkey_catalog::application::{Application, ApplicationStatus};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::SubscriptionState;
use latchkey_catalog::workflow::{Workflow, WorkflowKind, WorkflowRequest, WorkflowStatus};
use latchkey_oauth::client::KeyType;
use latchkey_oauth::id::PrincipalId;
use latchkey_store::unit::{CatalogueChange, ChangeRefused, GovernanceChange, Ruling, SubscriptionUpdate};
use serde_json::Value;

use super::consumer_keys::{self, Wishes};
use super::problem::{Administration, Problem};
use super::{AdminError, Result, change, developer};
use crate::app::App;

/// Keys that wait for approval.
#[derive(Debug, Clone)]
pub struct WaitingKeys {
    /// The id that they will have.
    pub id: PrincipalId,
    /// Production or sandbox.
    pub key_type: KeyType,
    /// What is wished of them.
    pub wishes: Wishes,
}

/// A verdict on what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Approve,
    /// It is not.
    Reject,
}

/// A request about `reference`, of which administrators are shown these properties.
pub(super) fn request(
    app: &App,
    (kind, reference): (WorkflowKind, EntryId),
    properties: &[(&str, &str)],
    payload: Value,
) -> Workflow {
    let now = app.now();
    let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Workflow {
        id: EntryId::draw(&*app.entropy),
        kind,
        status: WorkflowStatus::Created,
        reference,
        created_at: now,
        updated_at: now,
        request: WorkflowRequest {
            properties: properties.collect::<BTreeMap<_, _>>(),
            description: String::new(),
            payload,
        },
    }
}

/// `what` is done, and what `workflow` asks for waits.
pub(super) fn waiting(workflow: Workflow, what: Option<CatalogueChange>) -> CatalogueChange {
    GovernanceChange::RequestApproval { workflow, with: what.map(Box::new) }.into()
}

const fn registration(key_type: KeyType) -> WorkflowKind {
    match key_type {
        KeyType::Production => WorkflowKind::ApplicationRegistrationProduction,
        KeyType::Sandbox => WorkflowKind::ApplicationRegistrationSandbox,
    }
}

/// Keys of an application wait for approval; it has none of their type, and none that wait.
pub(super) async fn request_keys(
    app: &App,
    application: &Application,
    (key_type, wishes): (KeyType, Wishes),
    actor: &str,
) -> Result<WaitingKeys> {
    let held = app.store.clients_of(application.id).await?;
    let is_taken = held.iter().any(|(client, _)| client.key_type == key_type)
        || waiting_keys(app, application.id).await?.iter().any(|keys| keys.key_type == key_type);
    if is_taken {
        return Err(AdminError::refused("the application has keys of this type, or they wait for approval")
            .about(Problem::KeysExist));
    }
    let payload = serde_json::to_value(&wishes).expect("wishes are plain data");
    let properties = [
        ("applicationName", &*application.name),
        ("applicationTier", &*application.tier),
        ("userName", actor),
    ];
    let workflow = request(app, (registration(key_type), application.id), &properties, payload);
    let id = keys_id(&workflow);
    change(app, waiting(workflow, None), actor).await?.map_err(developer::refused)?;
    Ok(WaitingKeys { id, key_type, wishes })
}

/// Keys are known by one id before and after their approval.
fn keys_id(workflow: &Workflow) -> PrincipalId {
    PrincipalId::from_bytes(*workflow.id.as_bytes())
}

/// The keys of an application that wait for approval.
pub async fn waiting_keys(app: &App, application: EntryId) -> Result<Vec<WaitingKeys>> {
    let about = app.store.workflows_about(application).await?.into_iter();
    let waiting = about.filter(|workflow| workflow.status == WorkflowStatus::Created);
    Ok(waiting.filter_map(keys_of).collect())
}

fn keys_of(workflow: Workflow) -> Option<WaitingKeys> {
    let key_type = [KeyType::Production, KeyType::Sandbox]
        .into_iter()
        .find(|key_type| registration(*key_type) == workflow.kind)?;
    let id = keys_id(&workflow);
    let wishes = serde_json::from_value(workflow.request.payload).ok()?;
    Some(WaitingKeys { id, key_type, wishes })
}

/// The request of an id.
pub async fn find(app: &App, id: Option<EntryId>) -> Result<Workflow> {
    let found = match id {
        Some(id) => app.store.workflow(id).await?,
        None => None,
    };
    found.ok_or_else(|| refused(ChangeRefused::NotFound))
}

/// Decides on what waits: what was asked for is done with the decision, or nothing is.
pub async fn rule(
    app: &App,
    id: Option<EntryId>,
    (verdict, description): (Verdict, String),
    actor: &str,
) -> Result<Workflow> {
    let held = find(app, id).await?;
    if held.status != WorkflowStatus::Created {
        return Err(refused(ChangeRefused::WrongState));
    }
    let id = held.id;
    let status = match verdict {
        Verdict::Approve => WorkflowStatus::Approved,
        Verdict::Reject => WorkflowStatus::Rejected,
    };
    let then = outcome(app, held, verdict).await?.map(Box::new);
    let ruling = GovernanceChange::Rule(Ruling { id, status, description, then });
    change(app, ruling.into(), actor).await?.map_err(refused)?;
    find(app, Some(id)).await
}

/// What is done with a verdict. What is gone meanwhile can be rejected still.
async fn outcome(app: &App, held: Workflow, verdict: Verdict) -> Result<Option<CatalogueChange>> {
    let reference = held.reference;
    match held.kind {
        WorkflowKind::ApplicationCreation => {
            let status = match verdict {
                Verdict::Approve => ApplicationStatus::Approved,
                Verdict::Reject => ApplicationStatus::Rejected,
            };
            let found = app.store.application(reference).await?;
            if found.is_none() && verdict == Verdict::Approve {
                return Err(developer::refused(ChangeRefused::NotFound));
            }
            Ok(found.map(|_| CatalogueChange::SetApplicationStatus(reference, status)))
        }
        WorkflowKind::ApplicationRegistrationProduction | WorkflowKind::ApplicationRegistrationSandbox => {
            if verdict == Verdict::Reject {
                return Ok(None);
            }
            let found = app.store.application(reference).await?;
            let application = found.ok_or_else(|| developer::refused(ChangeRefused::NotFound))?;
            let keys = keys_of(held).ok_or_else(|| AdminError::failed("the request cannot be read"))?;
            let client = consumer_keys::approved(app, &application, keys)?;
            Ok(Some(CatalogueChange::AddClient(reference, Box::new(client))))
        }
        WorkflowKind::SubscriptionCreation => {
            let state = match verdict {
                Verdict::Approve => SubscriptionState::Unblocked,
                Verdict::Reject => SubscriptionState::Rejected,
            };
            let found = app.store.subscription(reference).await?;
            if found.is_none() && verdict == Verdict::Approve {
                return Err(refused(ChangeRefused::NotFound).about(Problem::NoSuchSubscription));
            }
            Ok(found.map(|found| {
                let update = SubscriptionUpdate {
                    id: found.id,
                    tier: found.tier,
                    requested_tier: None,
                    state: Some(state),
                };
                CatalogueChange::UpdateSubscription(update)
            }))
        }
        WorkflowKind::ApplicationUpdate
        | WorkflowKind::ApplicationDeletion
        | WorkflowKind::SubscriptionUpdate
        | WorkflowKind::SubscriptionDeletion
        | WorkflowKind::ApiState
        | WorkflowKind::RevisionDeployment
        | WorkflowKind::UserSignup => Ok(None),
    }
}

fn refused(refusal: ChangeRefused) -> AdminError {
    let of_workflows = [
        (ChangeRefused::NotFound, Administration::NoSuchWorkflow.into()),
        (ChangeRefused::WrongState, Administration::WorkflowDecided.into()),
    ];
    developer::told(refusal, &of_workflows).unwrap_or_else(|| developer::refused(refusal))
}
