//! Throttling policies of applications, subscriptions, APIs and resources.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use http::Method;
use latchkey_catalog::tier::{Level, PastLimit, Plan, Tier, TierDetails};
use latchkey_catalog::user::EVERYONE_ROLE;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::super::answer::{created, done};
use super::super::call::Call;
use super::super::caller::Caller;
use super::super::contract::Parameter;
use super::super::error::{Fault, RestError};
use super::super::operation::{Answer, Operation};
use super::super::page::Listing;
use super::super::wire::{Word, or_default, texts};
use super::SURFACE;
use super::limits::{BurstLimit, ShownBurst, ShownLimit, ThrottleLimit};
use crate::admin::tier;
use crate::http::answer;

/// Who may look.
const VIEW: &[&str] = &["apim:admin", "apim:tier_view", "apim:admin_tier_view"];
/// Who may change.
const MANAGE: &[&str] = &["apim:admin", "apim:tier_manage", "apim:admin_tier_manage"];
/// Who may delete: who moves policies, too.
const DELETE: &[&str] =
    &["apim:admin", "apim:tier_manage", "apim:admin_tier_manage", "apim:policies_import_export"];

pub(super) fn operations() -> Vec<Operation> {
    let levels = [
        (
            Level::Application,
            "/throttling/policies/application",
            "/throttling/policies/application/{policyId}",
        ),
        (
            Level::Subscription,
            "/throttling/policies/subscription",
            "/throttling/policies/subscription/{policyId}",
        ),
        (Level::Resource, "/throttling/policies/advanced", "/throttling/policies/advanced/{policyId}"),
    ];
    let mut rows = vec![
        SURFACE
            .scoped(Method::GET, "/throttling/policies/search", VIEW, search)
            .asks(&[Parameter::text("query")])
            .answers::<Listing<Found>>(),
    ];
    for (level, all, one) in levels {
        rows.push(
            SURFACE
                .scoped(Method::GET, all, VIEW, move |call, _| list(call, level))
                .answers::<Listing<Policy>>(),
        );
        rows.push(
            SURFACE
                .scoped(Method::POST, all, MANAGE, move |call, caller| create(call, caller, level))
                .takes::<Wanted>()
                .creates::<Policy>(),
        );
        rows.push(
            SURFACE.scoped(Method::GET, one, VIEW, move |call, _| show(call, level)).answers::<Policy>(),
        );
        rows.push(
            SURFACE
                .scoped(Method::PUT, one, MANAGE, move |call, caller| update(call, caller, level))
                .takes::<Wanted>()
                .answers::<Policy>(),
        );
        rows.push(
            SURFACE.scoped(Method::DELETE, one, DELETE, move |call, caller| delete(call, caller, level)),
        );
    }
    rows
}

/// What WSO2's policies of the three levels say that may be said.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ThrottlePolicyRequest")]
struct Wanted {
    policy_name: String,
    #[serde(default, deserialize_with = "or_default")]
    display_name: String,
    #[serde(default, deserialize_with = "or_default")]
    description: String,
    default_limit: ThrottleLimit,
    /// Of applications.
    #[serde(default, deserialize_with = "or_default")]
    burst_limit: BurstLimit,
    /// Of subscriptions.
    #[serde(flatten)]
    burst: BurstLimit,
    #[serde(default, deserialize_with = "or_default")]
    stop_on_quota_reach: Option<bool>,
    #[serde(default, deserialize_with = "or_default")]
    billing_plan: String,
    #[serde(default, deserialize_with = "or_default")]
    custom_attributes: Vec<CustomAttribute>,
    #[serde(default, deserialize_with = "or_default")]
    permissions: Option<Permissions>,
    /// Of APIs and resources.
    #[serde(default, deserialize_with = "or_default")]
    conditional_groups: Vec<Value>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct CustomAttribute {
    name: String,
    #[serde(default)]
    value: Word,
}

/// WSO2's `SubscriptionThrottlePolicyPermission`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ThrottlePolicyPermission")]
struct Permissions {
    #[serde(default, deserialize_with = "or_default")]
    permission_type: String,
    #[serde(default, deserialize_with = "or_default")]
    roles: Vec<String>,
}

impl Permissions {
    /// Whether everybody may have the policy.
    fn is_open(&self) -> bool {
        self.roles.is_empty()
            || self.permission_type.eq_ignore_ascii_case("ALLOW")
                && self.roles.iter().any(|role| role == EVERYONE_ROLE)
    }
}

impl Wanted {
    /// The tier of this name that is wanted.
    fn tier(self, level: Level, name: String) -> Result<Tier, RestError> {
        if !self.conditional_groups.is_empty() {
            return Err(RestError::bad(
                "Conditional groups are not supported; a policy has its default limit.",
            ));
        }
        if !self.permissions.is_none_or(|permissions| permissions.is_open()) {
            return Err(RestError::bad(
                "Policies are for everybody; permissions of roles are not supported.",
            ));
        }
        let plan = match self.billing_plan.to_ascii_uppercase().as_str() {
            "" | "FREE" => Plan::Free,
            "COMMERCIAL" => Plan::Commercial,
            _ => return Err(RestError::bad("A billing plan is FREE or COMMERCIAL.")),
        };
        let burst = match level {
            Level::Application => self.burst_limit,
            Level::Subscription => self.burst,
            Level::Resource => BurstLimit::default(),
        };
        let attributes: BTreeMap<_, _> =
            self.custom_attributes.into_iter().map(|attribute| (attribute.name, attribute.value)).collect();
        // Only subscriptions may go past their limit, where somebody says so.
        let past_limit = match (level, self.stop_on_quota_reach) {
            (Level::Subscription, Some(false)) => PastLimit::Admit,
            (Level::Application | Level::Subscription | Level::Resource, _) => PastLimit::Refuse,
        };
        Ok(Tier {
            name,
            level,
            limit: self.default_limit.read()?,
            burst: burst.read()?,
            past_limit,
            details: TierDetails {
                display_name: self.display_name,
                description: self.description,
                plan,
                attributes: texts(attributes),
            },
        })
    }
}

/// The id of a tier: tiers are known by level and name, and this is a digest of both.
fn policy_id(tier: &Tier) -> Uuid {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"latchkey tier\0");
    context.update(tier.level.as_str().as_bytes());
    context.update(b"\0");
    context.update(tier.name.as_bytes());
    let bytes = context.finish().as_ref()[..16].try_into().expect("SHA-256 has 32 bytes");
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// WSO2's name of the kind of policy.
const fn kind(level: Level) -> &'static str {
    match level {
        Level::Application => "ApplicationThrottlePolicy",
        Level::Subscription => "SubscriptionThrottlePolicy",
        Level::Resource => "AdvancedThrottlePolicy",
    }
}

/// A policy as WSO2 shows it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ThrottlePolicy")]
#[expect(clippy::struct_field_names, reason = "they are the names of the wire")]
struct Policy {
    policy_id: Uuid,
    policy_name: String,
    display_name: String,
    description: String,
    is_deployed: bool,
    #[serde(rename = "type")]
    kind: &'static str,
    default_limit: ShownLimit,
    #[serde(flatten)]
    more: OfLevel,
}

/// What policies of one level say besides.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged, rename_all_fields = "camelCase")]
#[schemars(rename = "ThrottlePolicyOfLevel")]
enum OfLevel {
    Application {
        burst_limit: ShownBurst,
    },
    Subscription {
        #[serde(rename = "graphQLMaxComplexity")]
        max_complexity: u32,
        #[serde(rename = "graphQLMaxDepth")]
        max_depth: u32,
        monetization: (),
        #[serde(flatten)]
        burst: ShownBurst,
        subscriber_count: u32,
        custom_attributes: Vec<ShownAttribute>,
        stop_on_quota_reach: bool,
        billing_plan: &'static str,
        permissions: (),
    },
    Resource {
        conditional_groups: Vec<Value>,
    },
}

#[derive(Debug, Serialize, JsonSchema)]
struct ShownAttribute {
    name: String,
    value: String,
}

/// The name of a policy for people.
fn display_name(tier: &Tier) -> String {
    let named = &tier.details.display_name;
    if named.is_empty() { tier.name.clone() } else { named.clone() }
}

fn shown(tier: &Tier) -> Policy {
    let burst = BurstLimit::shown(tier.burst);
    let more = match tier.level {
        Level::Application => OfLevel::Application { burst_limit: burst },
        Level::Subscription => OfLevel::Subscription {
            max_complexity: 0,
            max_depth: 0,
            monetization: (),
            burst,
            subscriber_count: 0,
            custom_attributes: attributes(&tier.details),
            stop_on_quota_reach: tier.past_limit == PastLimit::Refuse,
            billing_plan: tier.details.plan.as_str(),
            permissions: (),
        },
        Level::Resource => OfLevel::Resource { conditional_groups: Vec::new() },
    };
    Policy {
        policy_id: policy_id(tier),
        policy_name: tier.name.clone(),
        display_name: display_name(tier),
        description: tier.details.description.clone(),
        is_deployed: true,
        kind: kind(tier.level),
        default_limit: ThrottleLimit::shown(tier.limit),
        more,
    }
}

fn attributes(details: &TierDetails) -> Vec<ShownAttribute> {
    let shown =
        |(name, value): (&String, &String)| ShownAttribute { name: name.clone(), value: value.clone() };
    details.attributes.iter().map(shown).collect()
}

async fn tiers(call: &Call, level: Level) -> Result<Vec<Tier>, RestError> {
    Ok(call.app.store.tiers().await?.into_iter().filter(|tier| tier.level == level).collect())
}

/// The tier that the path names.
async fn find(call: &Call, level: Level) -> Result<Tier, RestError> {
    let id: Option<Uuid> = call.at("policyId");
    let found = tiers(call, level).await?.into_iter().find(|tier| Some(policy_id(tier)) == id);
    found.ok_or_else(|| RestError::told(Fault::NotFound, "There is no throttling policy of this id."))
}

async fn list(call: Call, level: Level) -> Answer {
    let tiers = tiers(&call, level).await?;
    Ok(answer::json(&Listing::whole(tiers.iter().map(shown).collect())))
}

async fn create(call: Call, caller: Caller, level: Level) -> Answer {
    let wanted: Wanted = call.json()?;
    let name = wanted.policy_name.clone();
    let tier = wanted.tier(level, name)?;
    tier::add(&call.app, tier.clone(), caller.name()).await?;
    let place = format!("{}/{}", call.relative.trim_end_matches('/'), policy_id(&tier));
    Ok(created(&call, &place, &shown(&tier)))
}

async fn show(call: Call, level: Level) -> Answer {
    Ok(answer::json(&shown(&find(&call, level).await?)))
}

/// A policy keeps its name, as in WSO2.
async fn update(call: Call, caller: Caller, level: Level) -> Answer {
    let wanted: Wanted = call.json()?;
    let held = find(&call, level).await?;
    let tier = wanted.tier(level, held.name)?;
    tier::put(&call.app, tier.clone(), caller.name()).await?;
    Ok(answer::json(&shown(&tier)))
}

async fn delete(call: Call, caller: Caller, level: Level) -> Answer {
    let held = find(&call, level).await?;
    tier::delete(&call.app, (level, held.name), caller.name()).await?;
    Ok(done())
}

/// Policies of a type and a name: `type:subscription name:Gold`.
async fn search(call: Call, _: Caller) -> Answer {
    let query = call.parameter("query").unwrap_or_default();
    let mut level = None;
    let mut name = None;
    for word in query.split_whitespace() {
        match word.split_once(':') {
            Some(("name", wanted)) => name = Some(wanted),
            Some(("type", wanted)) => {
                level = match wanted.to_ascii_lowercase().as_str() {
                    "all" => None,
                    "app" | "application" => Some(Level::Application),
                    "sub" | "subscription" => Some(Level::Subscription),
                    "api" | "advanced" => Some(Level::Resource),
                    _ => {
                        return Err(RestError::bad(
                            "A type of policies is all, application, subscription or api.",
                        ));
                    }
                };
            }
            _ => return Err(RestError::bad("A query has the words type:… and name:….")),
        }
    }
    let is_meant = |tier: &&Tier| {
        level.is_none_or(|level| tier.level == level) && name.is_none_or(|name| tier.name == name)
    };
    let tiers = call.app.store.tiers().await?;
    let list = tiers.iter().filter(is_meant).map(found).collect();
    Ok(answer::json(&Listing::whole(list)))
}

/// WSO2's `ThrottlePolicyDetails`; its number of the policy is the database's, and there is none.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ThrottlePolicyDetails")]
struct Found {
    uuid: Uuid,
    policy_name: String,
    display_name: String,
    description: String,
    is_deployed: bool,
    #[serde(rename = "type")]
    kind: &'static str,
}

fn found(tier: &Tier) -> Found {
    Found {
        uuid: policy_id(tier),
        policy_name: tier.name.clone(),
        display_name: display_name(tier),
        description: tier.details.description.clone(),
        is_deployed: true,
        kind: match tier.level {
            Level::Application => "application",
            Level::Subscription => "subscription",
            Level::Resource => "api",
        },
    }
}
