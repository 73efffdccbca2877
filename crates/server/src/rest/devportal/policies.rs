//! The tiers that may be chosen.

use http::Method;
use latchkey_catalog::listing::ListedApi;
use latchkey_catalog::subscription::UNLIMITED;
use latchkey_catalog::tier::{Level, PastLimit, Tier};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::call::Call;
use super::super::caller::Caller;
use super::super::error::{Fault, RestError};
use super::super::operation::{Answer, Operation};
use super::super::page::{Listing, Window};
use super::SURFACE;
use crate::http::answer::json;

/// How many requests WSO2 says that a policy without a limit has.
const NO_LIMIT: u64 = 2_147_483_647;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE
            .open(Method::GET, "/throttling-policies/{policyLevel}", list)
            .asks(&Window::ASKS)
            .answers::<Listing<ThrottlingPolicy>>(),
        SURFACE
            .open(Method::GET, "/throttling-policies/{policyLevel}/{policyId}", one)
            .answers::<ThrottlingPolicy>(),
    ]
}

/// WSO2's `ThrottlingPolicy`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct ThrottlingPolicy {
    name: String,
    description: String,
    policy_level: &'static str,
    attributes: serde_json::Map<String, serde_json::Value>,
    request_count: u64,
    unit_time: u16,
    time_unit: Option<&'static str>,
    rate_limit_count: u64,
    rate_limit_time_unit: Option<&'static str>,
    quota_policy_type: &'static str,
    tier_plan: &'static str,
    stop_on_quota_reach: bool,
}

impl From<Tier> for ThrottlingPolicy {
    fn from(tier: Tier) -> Self {
        let description = match tier.limit {
            None => format!("Allows {} requests", UNLIMITED.to_lowercase()),
            Some(limit) => format!("Allows {limit} requests"),
        };
        Self {
            description,
            policy_level: wso2_level(tier.level),
            attributes: serde_json::Map::new(),
            request_count: tier.limit.map_or(NO_LIMIT, |limit| limit.calls),
            unit_time: tier.limit.map_or(0, |limit| limit.window.units),
            time_unit: tier.limit.map(|limit| limit.window.unit.wso2_name()),
            rate_limit_count: tier.burst.map_or(0, |burst| burst.calls),
            rate_limit_time_unit: tier.burst.map(|burst| burst.window.unit.wso2_name()),
            quota_policy_type: "REQUESTCOUNT",
            tier_plan: "FREE",
            stop_on_quota_reach: tier.past_limit == PastLimit::Refuse,
            name: tier.name,
        }
    }
}

/// What WSO2 calls a level.
const fn wso2_level(level: Level) -> &'static str {
    match level {
        Level::Resource => "api",
        Level::Application | Level::Subscription => level.as_str(),
    }
}

/// The level of a path; that of resources is the publisher's matter.
fn level(call: &Call) -> Result<Level, RestError> {
    match call.path.get("policyLevel").map(String::as_str) {
        Some("application") => Ok(Level::Application),
        Some("subscription") => Ok(Level::Subscription),
        _ => Err(RestError::told(
            Fault::NotFound,
            "There is no such policy level; there are application and subscription.",
        )),
    }
}

async fn tiers(call: &Call) -> Result<Vec<Tier>, RestError> {
    let level = level(call)?;
    Ok(call.app.store.tiers().await?.into_iter().filter(|tier| tier.level == level).collect())
}

async fn list(call: Call, _: Option<Caller>) -> Answer {
    let window = Window::of(&call)?;
    let policies = tiers(&call).await?.into_iter().map(ThrottlingPolicy::from).collect();
    Ok(json(&Listing::cut(policies, (window, &call))))
}

async fn one(call: Call, _: Option<Caller>) -> Answer {
    let name = call.path.get("policyId").map_or("", String::as_str);
    let found = tiers(&call).await?.into_iter().find(|tier| tier.name == name);
    Ok(json(&ThrottlingPolicy::from(found.ok_or(RestError::of(Fault::NotFound))?)))
}

/// The policies among `all` that a subscription to `api` may have.
pub(in crate::rest) fn offered(api: &ListedApi, all: Vec<Tier>) -> Vec<ThrottlingPolicy> {
    let names = super::apis::tiers(api, &all);
    let is_offered = |tier: &Tier| tier.level == Level::Subscription && names.contains(&tier.name);
    all.into_iter().filter(is_offered).map(Into::into).collect()
}
