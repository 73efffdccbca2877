//! What waits for approval.

use http::Method;
use latchkey_catalog::workflow::{Workflow, WorkflowKind, WorkflowStatus};
use latchkey_store::governance::WorkflowQuery;
use latchkey_store::registry::PageOf;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

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
            .answers::<Listing<Value>>(),
        SURFACE.scoped(Method::GET, "/workflows/{externalWorkflowRef}", VIEW, show).answers::<Value>(),
        SURFACE
            .scoped(Method::POST, "/workflows/update-workflow-status", APPROVE, rule)
            .asks(&[Parameter::text("workflowReferenceId").required()])
            .takes::<Ruling>()
            .answers::<Value>(),
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
fn shown(workflow: &Workflow) -> Value {
    json!({
        "workflowType": workflow.kind,
        "workflowStatus": workflow.status,
        "createdTime": millis(workflow.created_at),
        "updatedTime": millis(workflow.updated_at),
        "referenceId": workflow.id,
        "properties": workflow.request.properties,
        "description": workflow.request.description,
    })
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
    Ok(answer::json(&json!({
        "status": ruled.status, "attributes": {}, "description": ruled.request.description,
    })))
}
