//! What administrators keep.

use async_trait::async_trait;
use latchkey_catalog::deny::{Denied, DenyPolicy, DenyState};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::workflow::{Workflow, WorkflowKind, WorkflowStatus};
use latchkey_oauth::clock::Timestamp;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::SqliteStore;
use super::cache::Catalogue;
use super::catalogue::{document, json, many, one, run, unknown};
use super::registry::{Statement, number, offset};
use super::transaction::SqliteRows;
use crate::Result;
use crate::governance::{Governance, ReadGovernance, WorkflowQuery, WriteGovernance, denied};
use crate::registry::Found;

const WORKFLOW: &str = "SELECT id, kind, status, reference, created_at, updated_at, request FROM workflow";

fn policy_from_row(row: &Row<'_>) -> rusqlite::Result<DenyPolicy> {
    Ok(DenyPolicy {
        id: EntryId::from_bytes(row.get(0)?),
        condition: document(row, 1, "value")?,
        state: DenyState::parse(row.get_ref(2)?.as_str()?).ok_or_else(|| unknown(2, "state"))?,
        created_at: Timestamp::from_millis(row.get(3)?),
    })
}

fn workflow_from_row(row: &Row<'_>) -> rusqlite::Result<Workflow> {
    Ok(Workflow {
        id: EntryId::from_bytes(row.get(0)?),
        kind: WorkflowKind::parse(row.get_ref(1)?.as_str()?).ok_or_else(|| unknown(1, "kind"))?,
        status: WorkflowStatus::parse(row.get_ref(2)?.as_str()?).ok_or_else(|| unknown(2, "status"))?,
        reference: EntryId::from_bytes(row.get(3)?),
        created_at: Timestamp::from_millis(row.get(4)?),
        updated_at: Timestamp::from_millis(row.get(5)?),
        request: document(row, 6, "request")?,
    })
}

#[async_trait]
impl Governance for SqliteStore {
    async fn deny_policies(&self) -> Result<Vec<DenyPolicy>> {
        self.read(|rows| rows.deny_policies()).await
    }

    async fn deny_policy(&self, id: EntryId) -> Result<Option<DenyPolicy>> {
        self.read(move |rows| Ok(rows.deny_policies()?.into_iter().find(|policy| policy.id == id))).await
    }

    async fn denied(&self) -> Result<Denied> {
        self.read(|rows| denied(rows)).await
    }

    async fn find_workflows(&self, query: WorkflowQuery) -> Result<Found<Workflow>> {
        self.read(move |rows| rows.find_workflows(query)).await
    }

    async fn workflow(&self, id: EntryId) -> Result<Option<Workflow>> {
        self.read(move |rows| rows.workflow(id)).await
    }

    async fn workflows_about(&self, reference: EntryId) -> Result<Vec<Workflow>> {
        self.read(move |rows| rows.workflows_about(reference)).await
    }
}

impl ReadGovernance for SqliteRows<'_> {
    fn deny_policies(&mut self) -> Result<Vec<DenyPolicy>> {
        let query = "SELECT id, value, state, created_at FROM deny_policy ORDER BY created_at, id";
        many(self.connection(), query, [], policy_from_row)
    }

    fn find_workflows(&mut self, query: WorkflowQuery) -> Result<Found<Workflow>> {
        let mut statement = Statement::default();
        let mut wanted = format!("status = {}", statement.value(query.status.as_str().to_owned()));
        if let Some(kind) = query.kind {
            wanted = format!("{wanted} AND kind = {}", statement.value(kind.as_str().to_owned()));
        }
        let count = format!("SELECT count(*) FROM workflow WHERE {wanted}");
        let total = one(self.connection(), &count, params_from_iter(&statement.values), number)?;
        let limit = statement.value(i64::from(query.page.limit));
        let skipped = statement.value(offset(query.page));
        let text = format!(
            "{WORKFLOW} WHERE {wanted} ORDER BY created_at DESC, id DESC LIMIT {limit} OFFSET {skipped}"
        );
        let entries = many(self.connection(), &text, params_from_iter(&statement.values), workflow_from_row)?;
        Ok(Found { entries, total: total.unwrap_or_default() })
    }

    fn workflow(&mut self, id: EntryId) -> Result<Option<Workflow>> {
        one(self.connection(), &format!("{WORKFLOW} WHERE id = $1"), [id.as_bytes()], workflow_from_row)
    }

    fn workflows_about(&mut self, reference: EntryId) -> Result<Vec<Workflow>> {
        let query = format!("{WORKFLOW} WHERE reference = $1 ORDER BY created_at DESC, id DESC");
        many(self.connection(), &query, [reference.as_bytes()], workflow_from_row)
    }
}

/// Whether any deny policy goes by the name of an application or user.
pub(super) fn denies_names(connection: &Connection) -> Result<bool> {
    let query = "SELECT 1 FROM deny_policy WHERE kind IN ('APPLICATION', 'USER') LIMIT 1";
    Ok(one(connection, query, [], |_| Ok(()))?.is_some())
}

impl WriteGovernance for SqliteRows<'_> {
    fn put_deny_policy(&mut self, policy: &DenyPolicy) -> Result<()> {
        self.changes(Catalogue::Published);
        run(
            self.connection(),
            "INSERT INTO deny_policy (id, kind, value, state, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET state = excluded.state",
            params![
                policy.id.as_bytes(),
                policy.condition.kind(),
                json(&policy.condition)?,
                policy.state.as_str(),
                policy.created_at.as_millis()
            ],
        )?;
        Ok(())
    }

    fn delete_deny_policy(&mut self, id: EntryId) -> Result<()> {
        self.changes(Catalogue::Published);
        run(self.connection(), "DELETE FROM deny_policy WHERE id = $1", [id.as_bytes()])?;
        Ok(())
    }

    fn put_workflow(&mut self, workflow: &Workflow) -> Result<()> {
        run(
            self.connection(),
            "INSERT INTO workflow (id, kind, status, reference, created_at, updated_at, request)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (id) DO UPDATE SET status = excluded.status, updated_at = excluded.updated_at,
                request = excluded.request",
            params![
                workflow.id.as_bytes(),
                workflow.kind.as_str(),
                workflow.status.as_str(),
                workflow.reference.as_bytes(),
                workflow.created_at.as_millis(),
                workflow.updated_at.as_millis(),
                json(&workflow.request)?
            ],
        )?;
        Ok(())
    }

    fn delete_workflow(&mut self, id: EntryId) -> Result<()> {
        run(self.connection(), "DELETE FROM workflow WHERE id = $1", [id.as_bytes()])?;
        Ok(())
    }
}
