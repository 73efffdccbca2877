//! The life of an API: from one state to the next by WSO2's actions, and what it was so far.

use http::Method;
use latchkey_catalog::api::ApiState;
use latchkey_catalog::listing::StateChange;
use schemars::JsonSchema;
use serde::Serialize;

use super::apis::{asked, find};
use super::{SURFACE, VIEW};
use crate::admin::problem::{Problem, PublisherProblem};
use crate::admin::publisher;
use crate::admin::text::moment;
use crate::http::answer;
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::contract::Parameter;
use crate::rest::error::{Fault, RestError};
use crate::rest::operation::{Answer, Operation};
use crate::rest::page::Listing;

const ACT: &[&str] = &["apim:api_publish", "apim:api_manage", "apim:api_import_export"];
const SEE: &[&str] = &["apim:api_view", "apim:api_publish", "apim:api_create", "apim:api_manage"];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE
            .scoped(Method::POST, "/apis/change-lifecycle", ACT, act)
            .asks(&[Parameter::text("action").required(), Parameter::text("apiId").required()])
            .answers::<Done>(),
        SURFACE.scoped(Method::GET, "/apis/{apiId}/lifecycle-state", SEE, state).answers::<Told>(),
        SURFACE
            .scoped(Method::GET, "/apis/{apiId}/lifecycle-history", VIEW, history)
            .answers::<Listing<Step>>(),
    ]
}

/// What a publisher may do to an API in a state, and where that leads; WSO2's life cycle of APIs.
const fn transitions(state: ApiState) -> &'static [(&'static str, ApiState)] {
    match state {
        ApiState::Created => {
            &[("Deploy as a Prototype", ApiState::Prototyped), ("Publish", ApiState::Published)]
        }
        ApiState::Prototyped => &[
            ("Demote to Created", ApiState::Created),
            ("Deploy as a Prototype", ApiState::Prototyped),
            ("Publish", ApiState::Published),
        ],
        ApiState::Published => &[
            ("Deploy as a Prototype", ApiState::Prototyped),
            ("Demote to Created", ApiState::Created),
            ("Block", ApiState::Blocked),
            ("Deprecate", ApiState::Deprecated),
            ("Publish", ApiState::Published),
        ],
        ApiState::Blocked => &[("Deprecate", ApiState::Deprecated), ("Re-Publish", ApiState::Published)],
        ApiState::Deprecated => &[("Retire", ApiState::Retired)],
        ApiState::Retired => &[],
    }
}

/// The name of a state in this interface.
const fn shown(state: ApiState) -> &'static str {
    match state {
        ApiState::Created => "Created",
        ApiState::Prototyped => "Prototyped",
        ApiState::Published => "Published",
        ApiState::Blocked => "Blocked",
        ApiState::Deprecated => "Deprecated",
        ApiState::Retired => "Retired",
    }
}

/// WSO2's `LifecycleState`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LifecycleState")]
struct Told {
    state: &'static str,
    check_items: Vec<String>,
    available_transitions: Vec<Transition>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LifecycleTransition")]
struct Transition {
    event: &'static str,
    target_state: &'static str,
}

/// WSO2's `WorkflowResponse`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WorkflowResponse")]
struct Done {
    workflow_status: &'static str,
    json_payload: (),
    lifecycle_state: Told,
}

/// WSO2's `LifecycleHistory_list`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "LifecycleStep")]
struct Step {
    previous_state: Option<&'static str>,
    post_state: &'static str,
    user: String,
    updated_time: String,
}

fn told(state: ApiState) -> Told {
    let transition = |(event, to): &(&'static str, ApiState)| Transition { event, target_state: shown(*to) };
    let available_transitions = transitions(state).iter().map(transition).collect();
    Told { state: shown(state), check_items: Vec::new(), available_transitions }
}

async fn act(call: Call, caller: Caller) -> Answer {
    let missing = || RestError::bad("The parameter action is missing.");
    let action = call.parameter("action").ok_or_else(missing)?;
    let held = asked(&call).await?;
    let before = held.api.definition.state;
    let next = transitions(before).iter().find(|(event, _)| event.eq_ignore_ascii_case(action));
    let (_, next) = next.ok_or_else(|| {
        let fault = Fault::Ruled(Problem::Publisher(PublisherProblem::WrongTransition));
        RestError::told(
            fault,
            format!("Lifecycle state change action {action:?} is not allowed in {}.", shown(before)),
        )
    })?;
    publisher::set_state(&call.app, held.api.id, *next, caller.name()).await?;
    Ok(answer::json(&Done { workflow_status: "APPROVED", json_payload: (), lifecycle_state: told(*next) }))
}

async fn state(call: Call, _: Caller) -> Answer {
    let held = find(&call).await?;
    Ok(answer::json(&told(held.api.definition.state)))
}

async fn history(call: Call, _: Caller) -> Answer {
    let held = find(&call).await?;
    let step = |step: &StateChange| Step {
        previous_state: step.from.map(ApiState::as_str),
        post_state: step.to.as_str(),
        user: step.actor.clone(),
        updated_time: moment(step.at),
    };
    let steps = call.app.store.history(held.api.id).await?;
    Ok(answer::json(&Listing::whole(steps.iter().map(step).collect::<Vec<_>>())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_leads_where_the_rules_of_apis_allow() {
        for state in ApiState::ALL {
            for (event, next) in transitions(state) {
                assert!(state.may_become(*next), "{event} in {state:?}");
            }
        }
    }
}
