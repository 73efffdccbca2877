//! Deny policies.

use std::net::IpAddr;

use http::Method;
use latchkey_catalog::deny::{DenyCondition, DenyPolicy, DenyState, Side};
use latchkey_catalog::id::EntryId;
use latchkey_oauth::introspection::unqualified;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::answer::{created, done};
use super::super::call::Call;
use super::super::caller::Caller;
use super::super::error::RestError;
use super::super::operation::{Answer, Operation};
use super::super::page::Listing;
use super::super::wire::or_default;
use super::SURFACE;
use crate::admin::deny;
use crate::admin::problem::Administration;
use crate::http::answer;

/// Who may look.
const VIEW: &[&str] = &["apim:admin", "apim:bl_view", "apim:bl_manage"];
/// Who may change.
const MANAGE: &[&str] = &["apim:admin", "apim:bl_manage"];

pub(super) fn operations() -> Vec<Operation> {
    let (all, one) = ("/throttling/deny-policies", "/throttling/deny-policy/{conditionId}");
    vec![
        SURFACE.scoped(Method::GET, all, VIEW, list).answers::<Listing<Shown>>(),
        SURFACE.scoped(Method::POST, all, MANAGE, create).takes::<Wanted>().creates::<Shown>(),
        SURFACE.scoped(Method::GET, one, VIEW, show).answers::<Shown>(),
        SURFACE.scoped(Method::PATCH, one, MANAGE, set_status).takes::<Status>().answers::<Shown>(),
        SURFACE.scoped(Method::DELETE, one, MANAGE, delete),
    ]
}

/// WSO2's `BlockingCondition`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "BlockingConditionRequest")]
struct Wanted {
    #[serde(rename = "conditionType")]
    #[schemars(extend("enum" = ["API", "APPLICATION", "IP", "IPRANGE", "USER"]))]
    kind: String,
    #[serde(rename = "conditionValue")]
    value: Value,
    #[serde(rename = "conditionStatus", default, deserialize_with = "or_default")]
    is_active: Option<bool>,
}

/// WSO2's `BlockingConditionStatus`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "BlockingConditionStatus")]
struct Status {
    condition_status: bool,
}

/// The value of a condition on addresses.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Addresses {
    #[serde(default, deserialize_with = "or_default")]
    fixed_ip: Option<IpAddr>,
    #[serde(default, deserialize_with = "or_default")]
    starting_ip: Option<IpAddr>,
    #[serde(default, deserialize_with = "or_default")]
    ending_ip: Option<IpAddr>,
    #[serde(default, deserialize_with = "or_default")]
    invert: bool,
}

impl Addresses {
    const fn side(&self) -> Side {
        if self.invert { Side::Outside } else { Side::Inside }
    }
}

/// What a condition of WSO2's type and value denies.
fn condition(kind: &str, value: &Value) -> Result<DenyCondition, RestError> {
    let bad = || {
        RestError::bad(
            "A condition value is a path for API, OWNER:NAME for APPLICATION, a name for USER, \
             {fixedIp, invert} for IP, {startingIp, endingIp, invert} for IPRANGE.",
        )
    };
    let text = || value.as_str().map(str::trim).filter(|text| !text.is_empty()).ok_or_else(bad);
    let addresses = || serde_json::from_value::<Addresses>(value.clone()).map_err(|_| bad());
    match kind {
        "API" => Ok(DenyCondition::Api { path: text()?.trim_end_matches('/').to_owned() }),
        "APPLICATION" => {
            let (owner, name) = text()?.split_once(':').ok_or_else(bad)?;
            Ok(DenyCondition::Application { owner: unqualified(owner).to_owned(), name: name.to_owned() })
        }
        "USER" => Ok(DenyCondition::User { name: unqualified(text()?).to_owned() }),
        "IP" => {
            let read = addresses()?;
            Ok(DenyCondition::Ip { address: read.fixed_ip.ok_or_else(bad)?, side: read.side() })
        }
        "IPRANGE" => {
            let read = addresses()?;
            let (first, last) = (read.starting_ip.ok_or_else(bad)?, read.ending_ip.ok_or_else(bad)?);
            Ok(DenyCondition::IpRange { first, last, side: read.side() })
        }
        _ => Err(RestError::bad("A condition type is API, APPLICATION, IP, IPRANGE or USER.")),
    }
}

/// WSO2's value of a condition.
fn value(condition: &DenyCondition) -> Value {
    match condition {
        DenyCondition::Api { path } => json!(path),
        DenyCondition::Application { owner, name } => json!(format!("{owner}:{name}")),
        DenyCondition::User { name } => json!(name),
        DenyCondition::Ip { address, side } => {
            json!({ "fixedIp": address, "invert": *side == Side::Outside })
        }
        DenyCondition::IpRange { first, last, side } => {
            json!({ "startingIp": first, "endingIp": last, "invert": *side == Side::Outside })
        }
    }
}

/// The same as it is shown.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "BlockingCondition")]
#[expect(clippy::struct_field_names, reason = "they are the names of the wire")]
struct Shown {
    #[schemars(with = "Uuid")]
    condition_id: EntryId,
    condition_type: &'static str,
    condition_value: Value,
    condition_status: bool,
}

fn shown(policy: &DenyPolicy) -> Shown {
    Shown {
        condition_id: policy.id,
        condition_type: policy.condition.kind(),
        condition_value: value(&policy.condition),
        condition_status: policy.state == DenyState::Active,
    }
}

fn id(call: &Call) -> Result<EntryId, RestError> {
    call.at("conditionId").ok_or_else(|| Administration::NoSuchDenyPolicy.into())
}

async fn find(call: &Call) -> Result<DenyPolicy, RestError> {
    call.app.store.deny_policy(id(call)?).await?.ok_or_else(|| Administration::NoSuchDenyPolicy.into())
}

async fn list(call: Call, _: Caller) -> Answer {
    let policies = call.app.store.deny_policies().await?;
    Ok(answer::json(&Listing::whole(policies.iter().map(shown).collect())))
}

async fn create(call: Call, caller: Caller) -> Answer {
    let wanted: Wanted = call.json()?;
    let condition = condition(&wanted.kind, &wanted.value)?;
    let state = match wanted.is_active {
        Some(false) => DenyState::Paused,
        Some(true) | None => DenyState::Active,
    };
    let made = deny::add(&call.app, condition, state, caller.name()).await?;
    Ok(created(&call, &format!("/throttling/deny-policy/{}", made.id), &shown(&made)))
}

async fn show(call: Call, _: Caller) -> Answer {
    Ok(answer::json(&shown(&find(&call).await?)))
}

async fn set_status(call: Call, caller: Caller) -> Answer {
    let Status { condition_status } = call.json()?;
    let state = if condition_status { DenyState::Active } else { DenyState::Paused };
    deny::set_state(&call.app, id(&call)?, state, caller.name()).await?;
    Ok(answer::json(&shown(&find(&call).await?)))
}

async fn delete(call: Call, caller: Caller) -> Answer {
    deny::delete(&call.app, id(&call)?, caller.name()).await?;
    Ok(done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_and_shown_alike() {
        let cases = [
            ("API", json!("/echo/1.0.0"), json!("/echo/1.0.0")),
            ("APPLICATION", json!("PRIMARY/alice@carbon.super:Shop: a"), json!("alice:Shop: a")),
            ("USER", json!(" bob@carbon.super "), json!("bob")),
            (
                "IP",
                json!({ "fixedIp": "10.0.0.1", "invert": true }),
                json!({ "fixedIp": "10.0.0.1", "invert": true }),
            ),
            ("IP", json!({ "fixedIp": "::1" }), json!({ "fixedIp": "::1", "invert": false })),
            (
                "IPRANGE",
                json!({ "startingIp": "10.0.0.1", "endingIp": "10.0.0.9", "invert": false }),
                json!({ "startingIp": "10.0.0.1", "endingIp": "10.0.0.9", "invert": false }),
            ),
        ];
        for (kind, wanted, expected) in cases {
            let read = condition(kind, &wanted).unwrap();
            assert_eq!((read.kind(), value(&read)), (kind, expected));
        }
        for (kind, wanted) in [
            ("API", json!("")),
            ("API", json!(7)),
            ("APPLICATION", json!("Shop")),
            ("USER", json!({})),
            ("IP", json!("10.0.0.1")),
            ("IP", json!({ "fixedIp": "10.0.0" })),
            ("IPRANGE", json!({ "startingIp": "10.0.0.1" })),
            ("api", json!("/echo/1.0.0")),
        ] {
            assert!(condition(kind, &wanted).is_err(), "{kind} {wanted}");
        }
    }
}
