//! What waits for approval.

use std::collections::BTreeMap;

use http::Method;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::workflow::{Workflow, WorkflowKind, WorkflowStatus};
use latchkey_store::governance::WorkflowQuery;
use latchkey_store::registry::PageOf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::answer::millis;
use super::super::call::Call;
use super::super::caller::Caller;
use super::super::contract::Parameter;
use super::super::error::RestError;
use super::super::operation::{Answer, Operation};
use super::super::page::{Listing, Window};
use super::super::wire::or_default;
use super::SURFACE;
use crate::admin::approval::{self, Verdict};
use crate::http::answer;

/// Who may look.
const VIEW: &[&str] = &["apim:admin", "apim:api_workflow_view", "apim:api_workflow_approve"];
/// Who may decide.
const APPROVE: &[&str] = &["apim:admin", "apim:api_workflow_approve"];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE
            .scoped(Method::GET, "/workflows", VIEW, list)
            .asks(&Window::ASKS)
            .asks(&[Parameter::text("workflowType")])
            .answers::<Listing<WorkflowInfo>>(),
        SURFACE.scoped(Method::GET, "/workflows/{externalWorkflowRef}", VIEW, show).answers::<WorkflowInfo>(),
        SURFACE
            .scoped(Method::POST, "/workflows/update-workflow-status", APPROVE, rule)
            .asks(&[Parameter::text("workflowReferenceId").required()])
            .takes::<Ruling>()
            .answers::<WorkflowRuled>(),
    ]
}

/// WSO2's `Workflow`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "WorkflowRuling")]
struct Ruling {
    #[schemars(extend("enum" = ["APPROVED", "REJECTED"]))]
    status: String,
    #[serde(default, deserialize_with = "or_default")]
    description: String,
}

/// WSO2's `WorkflowInfo`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct WorkflowInfo {
    workflow_type: &'static str,
    workflow_status: &'static str,
    created_time: String,
    updated_time: String,
    #[schemars(with = "Uuid")]
    reference_id: EntryId,
    properties: BTreeMap<String, String>,
    description: String,
}

/// What became of one.
#[derive(Debug, Serialize, JsonSchema)]
struct WorkflowRuled {
    status: &'static str,
    attributes: BTreeMap<String, String>,
    description: String,
}

fn shown(workflow: &Workflow) -> WorkflowInfo {
    WorkflowInfo {
        workflow_type: workflow.kind.as_str(),
        workflow_status: workflow.status.as_str(),
        created_time: millis(workflow.created_at),
        updated_time: millis(workflow.updated_at),
        reference_id: workflow.id,
        properties: workflow.request.properties.clone(),
        description: workflow.request.description.clone(),
    }
}

/// Those that wait.
async fn list(call: Call, _: Caller) -> Answer {
    let window = Window::of(&call)?;
    let kind = match call.parameter("workflowType") {
        None => None,
        Some(name) => Some(
            WorkflowKind::parse(name)
                .ok_or_else(|| RestError::bad("workflowType is none of WSO2's types of workflows."))?,
        ),
    };
    let page = PageOf { offset: window.offset.into(), limit: window.limit };
    let query = WorkflowQuery { status: WorkflowStatus::Created, kind, page };
    let found = call.app.store.find_workflows(query).await?;
    let list = found.entries.iter().map(shown).collect();
    Ok(answer::json(&Listing::page(list, found.total, (window, &call))))
}

async fn show(call: Call, _: Caller) -> Answer {
    let found = approval::find(&call.app, call.at("externalWorkflowRef")).await?;
    Ok(answer::json(&shown(&found)))
}

async fn rule(call: Call, caller: Caller) -> Answer {
    let wanted: Ruling = call.json()?;
    let id = call
        .parameter("workflowReferenceId")
        .ok_or_else(|| RestError::bad("The parameter workflowReferenceId is missing."))?;
    let verdict = match wanted.status.as_str() {
        "APPROVED" => Verdict::Approve,
        "REJECTED" => Verdict::Reject,
        _ => return Err(RestError::bad("A status is APPROVED or REJECTED.")),
    };
    let ruling = (verdict, wanted.description);
    let ruled = approval::rule(&call.app, id.parse().ok(), ruling, caller.name()).await?;
    Ok(answer::json(&WorkflowRuled {
        status: ruled.status.as_str(),
        attributes: BTreeMap::new(),
        description: ruled.request.description,
    }))
}
