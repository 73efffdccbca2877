//! What administrators keep: deny policies, and requests that wait for approval.

use async_trait::async_trait;
use latchkey_catalog::application::ApplicationKind;
use latchkey_catalog::deny::{Denied, DeniedAddresses, DenyCondition, DenyPolicy, DenyState};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::workflow::{Workflow, WorkflowKind, WorkflowStatus};

use crate::Result;
use crate::registry::{Found, PageOf};
use crate::rows::Read;

/// Which requests for approval, the newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkflowQuery {
    /// What became of them.
    pub status: WorkflowStatus,
    /// What they ask for; none: anything.
    pub kind: Option<WorkflowKind>,
    /// Which of them.
    pub page: PageOf,
}

/// The part of a store that administrators look things up in.
#[async_trait]
pub trait Governance {
    /// All deny policies, the oldest first.
    async fn deny_policies(&self) -> Result<Vec<DenyPolicy>>;

    /// A deny policy by its id.
    async fn deny_policy(&self, id: EntryId) -> Result<Option<DenyPolicy>>;

    /// What the deny policies in force deny now. A name that nobody has denies nothing.
    async fn denied(&self) -> Result<Denied>;

    /// The requests that a query asks for.
    async fn find_workflows(&self, query: WorkflowQuery) -> Result<Found<Workflow>>;

    /// A request by its id.
    async fn workflow(&self, id: EntryId) -> Result<Option<Workflow>>;

    /// The requests about an application, a subscription or an API, the newest first.
    async fn workflows_about(&self, reference: EntryId) -> Result<Vec<Workflow>>;
}

/// Reading rows of governance.
pub trait ReadGovernance {
    /// As [`Governance::deny_policies`].
    fn deny_policies(&mut self) -> Result<Vec<DenyPolicy>>;
    /// As [`Governance::find_workflows`].
    fn find_workflows(&mut self, query: WorkflowQuery) -> Result<Found<Workflow>>;
    /// As [`Governance::workflow`].
    fn workflow(&mut self, id: EntryId) -> Result<Option<Workflow>>;
    /// As [`Governance::workflows_about`].
    fn workflows_about(&mut self, reference: EntryId) -> Result<Vec<Workflow>>;
}

/// Writing rows of governance.
pub trait WriteGovernance {
    /// Adds or replaces a deny policy.
    fn put_deny_policy(&mut self, policy: &DenyPolicy) -> Result<()>;
    /// Removes a deny policy.
    fn delete_deny_policy(&mut self, id: EntryId) -> Result<()>;
    /// Adds or replaces a request.
    fn put_workflow(&mut self, workflow: &Workflow) -> Result<()>;
    /// Removes a request.
    fn delete_workflow(&mut self, id: EntryId) -> Result<()>;
}

/// What the deny policies in force deny.
pub(crate) fn denied(rows: &mut (impl Read + ?Sized)) -> Result<Denied> {
    let mut denied = Denied::default();
    for policy in rows.deny_policies()?.into_iter().filter(|policy| policy.state == DenyState::Active) {
        match policy.condition {
            DenyCondition::Api { path } => {
                denied.apis.insert(path);
            }
            DenyCondition::Application { owner, name } => {
                let Some(owner) = rows.user_by_name(&owner)? else { continue };
                let found = rows.application_by_name(owner.id, ApplicationKind::Portal, &name)?;
                denied.applications.extend(found.map(|application| application.id));
            }
            DenyCondition::User { name } => {
                denied.users.extend(rows.user_by_name(&name)?.map(|user| user.id));
            }
            DenyCondition::Ip { address, side } => {
                denied.addresses.push(DeniedAddresses { first: address, last: address, side });
            }
            DenyCondition::IpRange { first, last, side } => {
                denied.addresses.push(DeniedAddresses { first, last, side });
            }
        }
    }
    Ok(denied)
}
