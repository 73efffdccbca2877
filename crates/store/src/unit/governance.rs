//! What administrators change.

use latchkey_catalog::deny::{DenyPolicy, DenyState};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::workflow::{Workflow, WorkflowStatus};

use super::CatalogueChange;

/// A decision on a request for approval.
#[derive(Debug, Clone)]
pub struct Ruling {
    /// The request.
    pub id: EntryId,
    /// Approved or rejected.
    pub status: WorkflowStatus,
    /// Why, in words; empty: as it was asked.
    pub description: String,
    /// What is done with it, if anything: where that is refused, the request waits on.
    pub then: Option<Box<CatalogueChange>>,
}

/// What administrators change.
#[derive(Debug, Clone)]
pub enum GovernanceChange {
    /// A deny policy more, of which there is none of the same condition.
    AddDenyPolicy(DenyPolicy),
    /// A deny policy comes into force, or not.
    SetDenyState(EntryId, DenyState),
    /// A deny policy less.
    DeleteDenyPolicy(EntryId),
    /// Something is done, and a request for approval of it, or of what follows, waits from now on: both or nothing.
    RequestApproval {
        /// The request.
        workflow: Workflow,
        /// What is done at once.
        with: Option<Box<CatalogueChange>>,
    },
    /// A decision on a request that waits.
    Rule(Ruling),
}

impl From<GovernanceChange> for CatalogueChange {
    fn from(change: GovernanceChange) -> Self {
        Self::Governance(Box::new(change))
    }
}
