//! Changes of what administrators keep.

use latchkey_catalog::deny::DenyPolicy;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::workflow::{Workflow, WorkflowKind, WorkflowStatus};
use latchkey_oauth::event::EventKind;

use super::{By, Outcome, log};
use crate::Result;
use crate::governance::WorkflowQuery;
use crate::registry::PageOf;
use crate::rows::Write;
use crate::unit::{CatalogueChange, ChangeRefused, GovernanceChange, Ruling};

/// The most deny policies: a gateway holds all of them.
const MAX_DENY_POLICIES: usize = 10_000;

/// Makes an administrator's change, or says why not.
pub(super) fn change(rows: &mut dyn Write, change: &GovernanceChange, by: By<'_>) -> Outcome {
    match change {
        GovernanceChange::AddDenyPolicy(policy) => add_policy(rows, policy, by),
        GovernanceChange::SetDenyState(id, state) => {
            let Some(held) = policy(rows, *id)? else { return Ok(Err(ChangeRefused::NotFound)) };
            rows.put_deny_policy(&DenyPolicy { state: *state, ..held })?;
            log(rows, EventKind::TierChange, by)
        }
        GovernanceChange::DeleteDenyPolicy(id) => {
            if policy(rows, *id)?.is_none() {
                return Ok(Err(ChangeRefused::NotFound));
            }
            rows.delete_deny_policy(*id)?;
            log(rows, EventKind::TierChange, by)
        }
        GovernanceChange::RequestApproval { workflow, with } => request(rows, workflow, with.as_deref(), by),
        GovernanceChange::Rule(ruling) => rule(rows, ruling, by),
    }
}

fn policy(rows: &mut dyn Write, id: EntryId) -> Result<Option<DenyPolicy>> {
    Ok(rows.deny_policies()?.into_iter().find(|policy| policy.id == id))
}

fn add_policy(rows: &mut dyn Write, policy: &DenyPolicy, by: By<'_>) -> Outcome {
    let held = rows.deny_policies()?;
    if held.iter().any(|held| held.condition == policy.condition) {
        return Ok(Err(ChangeRefused::NameTaken));
    }
    if held.len() >= MAX_DENY_POLICIES {
        return Ok(Err(ChangeRefused::Full));
    }
    rows.put_deny_policy(policy)?;
    log(rows, EventKind::TierChange, by)
}

/// The requests about an entry that wait.
fn waiting(rows: &mut dyn Write, reference: EntryId) -> Result<Vec<Workflow>> {
    let mut about = rows.workflows_about(reference)?;
    about.retain(|workflow| workflow.status == WorkflowStatus::Created);
    Ok(about)
}

/// Forgets what waits for approval about an entry that is deleted.
pub(super) fn forget(rows: &mut dyn Write, reference: EntryId) -> Result<()> {
    waiting(rows, reference)?.iter().try_for_each(|workflow| rows.delete_workflow(workflow.id))
}

/// Forgets what waits for approval about subscriptions that are there no longer.
pub(super) fn forget_subscriptions(rows: &mut dyn Write) -> Result<()> {
    let kind = Some(WorkflowKind::SubscriptionCreation);
    let page = PageOf { offset: 0, limit: u32::MAX };
    let query = WorkflowQuery { status: WorkflowStatus::Created, kind, page };
    for workflow in rows.find_workflows(query)?.entries {
        if rows.subscription(workflow.reference)?.is_none() {
            rows.delete_workflow(workflow.id)?;
        }
    }
    Ok(())
}

/// The same is asked for once at a time.
fn request(rows: &mut dyn Write, workflow: &Workflow, with: Option<&CatalogueChange>, by: By<'_>) -> Outcome {
    if waiting(rows, workflow.reference)?.iter().any(|held| held.kind == workflow.kind) {
        return Ok(Err(ChangeRefused::HasKeys));
    }
    if let Some(with) = with
        && let Err(refused) = super::make(rows, with, by)?
    {
        return Ok(Err(refused));
    }
    rows.put_workflow(workflow)?;
    Ok(Ok(()))
}

fn rule(rows: &mut dyn Write, ruling: &Ruling, by: By<'_>) -> Outcome {
    let Some(mut held) = rows.workflow(ruling.id)? else { return Ok(Err(ChangeRefused::NotFound)) };
    if held.status != WorkflowStatus::Created || ruling.status == WorkflowStatus::Created {
        return Ok(Err(ChangeRefused::WrongState));
    }
    if let Some(then) = ruling.then.as_deref()
        && let Err(refused) = super::make(rows, then, by)?
    {
        return Ok(Err(refused));
    }
    held.status = ruling.status;
    held.updated_at = by.now;
    if !ruling.description.is_empty() {
        held.request.description.clone_from(&ruling.description);
    }
    rows.put_workflow(&held)?;
    Ok(Ok(()))
}
