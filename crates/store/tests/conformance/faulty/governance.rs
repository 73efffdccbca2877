//! What administrators keep, as it is.

use latchkey_catalog::deny::{Denied, DenyPolicy};
use latchkey_catalog::workflow::Workflow;
use latchkey_store::governance::{Governance, WorkflowQuery};
use latchkey_store::registry::Found;

use super::{EntryId, Faulty, Result, async_trait};

#[async_trait]
impl Governance for Faulty {
    async fn deny_policies(&self) -> Result<Vec<DenyPolicy>> {
        self.inner.deny_policies().await
    }

    async fn deny_policy(&self, id: EntryId) -> Result<Option<DenyPolicy>> {
        self.inner.deny_policy(id).await
    }

    async fn denied(&self) -> Result<Denied> {
        self.inner.denied().await
    }

    async fn find_workflows(&self, query: WorkflowQuery) -> Result<Found<Workflow>> {
        self.inner.find_workflows(query).await
    }

    async fn workflow(&self, id: EntryId) -> Result<Option<Workflow>> {
        self.inner.workflow(id).await
    }

    async fn workflows_about(&self, reference: EntryId) -> Result<Vec<Workflow>> {
        self.inner.workflows_about(reference).await
    }
}
