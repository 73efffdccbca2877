//! What administrators keep, in maps.

use std::collections::BTreeMap;

use async_trait::async_trait;
use latchkey_catalog::deny::{Denied, DenyCondition, DenyPolicy};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::workflow::Workflow;

use super::MemoryStore;
use super::registry::page_of;
use super::rows::MemoryRows;
use crate::Result;
use crate::governance::{Governance, ReadGovernance, WorkflowQuery, WriteGovernance, denied};
use crate::registry::Found;

/// The rows of governance.
#[derive(Debug, Default)]
pub(super) struct MemoryGovernance {
    policies: BTreeMap<EntryId, DenyPolicy>,
    workflows: BTreeMap<EntryId, Workflow>,
}

impl MemoryGovernance {
    /// Whether any deny policy goes by the name of an application or user.
    pub(super) fn denies_names(&self) -> bool {
        let by_name = |policy: &DenyPolicy| {
            matches!(policy.condition, DenyCondition::Application { .. } | DenyCondition::User { .. })
        };
        self.policies.values().any(by_name)
    }
}

#[async_trait]
impl Governance for MemoryStore {
    async fn deny_policies(&self) -> Result<Vec<DenyPolicy>> {
        self.read(|rows| rows.deny_policies())
    }

    async fn deny_policy(&self, id: EntryId) -> Result<Option<DenyPolicy>> {
        self.read(|rows| Ok(rows.deny_policies()?.into_iter().find(|policy| policy.id == id)))
    }

    async fn denied(&self) -> Result<Denied> {
        self.read(|rows| denied(rows))
    }

    async fn find_workflows(&self, query: WorkflowQuery) -> Result<Found<Workflow>> {
        self.read(|rows| rows.find_workflows(query))
    }

    async fn workflow(&self, id: EntryId) -> Result<Option<Workflow>> {
        self.read(|rows| rows.workflow(id))
    }

    async fn workflows_about(&self, reference: EntryId) -> Result<Vec<Workflow>> {
        self.read(|rows| rows.workflows_about(reference))
    }
}

impl MemoryRows {
    /// Requests of which this holds, the newest first.
    fn workflows(&self, wanted: impl Fn(&Workflow) -> bool) -> Vec<Workflow> {
        let all = self.governance.workflows.values();
        let mut found: Vec<Workflow> = all.filter(|workflow| wanted(workflow)).cloned().collect();
        found.sort_by_key(|workflow| std::cmp::Reverse((workflow.created_at, workflow.id)));
        found
    }
}

impl ReadGovernance for MemoryRows {
    fn deny_policies(&mut self) -> Result<Vec<DenyPolicy>> {
        let mut policies: Vec<DenyPolicy> = self.governance.policies.values().cloned().collect();
        policies.sort_by_key(|policy| (policy.created_at, policy.id));
        Ok(policies)
    }

    fn find_workflows(&mut self, query: WorkflowQuery) -> Result<Found<Workflow>> {
        let wanted = |workflow: &Workflow| {
            workflow.status == query.status && query.kind.is_none_or(|kind| kind == workflow.kind)
        };
        Ok(page_of(self.workflows(wanted), query.page))
    }

    fn workflow(&mut self, id: EntryId) -> Result<Option<Workflow>> {
        Ok(self.governance.workflows.get(&id).cloned())
    }

    fn workflows_about(&mut self, reference: EntryId) -> Result<Vec<Workflow>> {
        Ok(self.workflows(|workflow| workflow.reference == reference))
    }
}

impl WriteGovernance for MemoryRows {
    fn put_deny_policy(&mut self, policy: &DenyPolicy) -> Result<()> {
        self.note_catalogue();
        self.governance.policies.insert(policy.id, policy.clone());
        Ok(())
    }

    fn delete_deny_policy(&mut self, id: EntryId) -> Result<()> {
        self.note_catalogue();
        self.governance.policies.remove(&id);
        Ok(())
    }

    fn put_workflow(&mut self, workflow: &Workflow) -> Result<()> {
        self.governance.workflows.insert(workflow.id, workflow.clone());
        Ok(())
    }

    fn delete_workflow(&mut self, id: EntryId) -> Result<()> {
        self.governance.workflows.remove(&id);
        Ok(())
    }
}
