//! Users, throttling policies, APIs, applications and subscriptions.

use std::collections::BTreeSet;

use latchkey_catalog::api::{Api, ApiDefinition, ApiState};
use latchkey_catalog::application::TokenType;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::name::{check_application_name, check_role_name, check_tier_name, check_user_name};
use latchkey_catalog::resource::{Authentication, Resource};
use latchkey_catalog::subscription::{SubscriptionState, UNLIMITED};
use latchkey_catalog::tier::{Level, Limit, PastLimit, Tier, TierDetails, Unit, Window};
use latchkey_catalog::user::{Bar, EVERYONE_ROLE, MAX_ROLES, MAX_VALUE, UserState};
use latchkey_oauth::client::{KeyMode, KeyType};

use super::tokens::kept;
use super::{Planned, Reason, is_super, local_name, moment};
use crate::entry::{
    ApiEntry, ApplicationEntry, Entry, Kept, KeyEntry, Kind, Origin, SaltedPassword, SubscriptionEntry,
    UserEntry,
};
use crate::rows::{ApiRow, ApplicationRow, ClientRow, PolicyRow, SubscriptionRow, UserRow};

/// The longest consumer key, in bytes.
const MAX_CONSUMER_KEY: usize = 255;
/// The longest consumer secret in plain text; what is longer is encrypted.
const MAX_SECRET: usize = 128;
/// WSO2's number of calls without a limit.
const NO_LIMIT: u64 = 2_147_483_647;
/// Clients that WSO2's portals register for themselves.
const OWN_PORTALS: [&str; 8] = [
    "apim_publisher",
    "apim_devportal",
    "apim_admin_portal",
    "admin_admin_store",
    "admin_admin_publisher",
    "admin_admin_admin",
    "CONSOLE",
    "MY_ACCOUNT",
];

/// What becomes of a user.
pub fn user(row: &UserRow) -> Planned {
    if !is_super(&row.tenant) {
        return Err(Reason::OtherTenant).into();
    }
    if check_user_name(&row.name).is_err() {
        return Err(Reason::Name).into();
    }
    let mut lost = Vec::new();
    let password = salted(row);
    if password.is_none() {
        lost.push((Kind::Users, Reason::Password));
    }
    // Every user has the first, and the second is the server's own.
    let hybrid = row.hybrid_roles.iter().filter(|role| !matches!(role.as_str(), "everyone" | "system"));
    let hybrid =
        hybrid.map(|role| if role.contains('/') { role.clone() } else { format!("Internal/{role}") });
    let mut roles = BTreeSet::new();
    for role in row.roles.iter().cloned().chain(hybrid).filter(|role| role != EVERYONE_ROLE) {
        if check_role_name(&role).is_ok() && roles.len() < MAX_ROLES {
            roles.insert(role);
        } else {
            lost.push((Kind::Roles, Reason::Name));
        }
    }
    let is_true =
        |name: &str| row.attributes.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let mut state = UserState::Active;
    for (name, bar) in [("accountLocked", Bar::Locked), ("accountDisabled", Bar::Disabled)] {
        if is_true(name) {
            state = state.with(bar);
        }
    }
    let text = |name: &str| {
        let fits =
            |value: &&String| (1..=MAX_VALUE).contains(&value.len()) && !value.chars().any(char::is_control);
        row.attributes.get(name).filter(fits).cloned()
    };
    let (given_name, family_name, email) = (text("givenName"), text("sn"), text("mail"));
    let entry = UserEntry { name: row.name.clone(), password, roles, state, given_name, family_name, email };
    Planned { outcome: Ok(Entry::User(entry)), lost }
}

/// A password of the form that WSO2's user stores write unless they are told otherwise: 32 bytes in base64.
fn salted(row: &UserRow) -> Option<SaltedPassword> {
    let hash = row.password.expose();
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/".contains(&byte);
    let body = hash.strip_suffix('=')?;
    let is_salt = row.salt.bytes().all(|byte| is_base64(byte) || byte == b'=');
    let fits = body.len() == 43 && body.bytes().all(is_base64) && is_salt && row.salt.len() <= 255;
    fits.then(|| SaltedPassword { salt: row.salt.clone(), hash: hash.to_owned() })
}

/// What becomes of a throttling policy.
pub fn policy(row: &PolicyRow) -> Planned {
    tier(row).map(Entry::Tier).into()
}

fn tier(row: &PolicyRow) -> Result<Tier, Reason> {
    if !is_super(&row.tenant) {
        return Err(Reason::OtherTenant);
    }
    if check_tier_name(&row.name).is_err() {
        return Err(Reason::Name);
    }
    let level = match row.level.as_str() {
        "application" => Level::Application,
        "subscription" => Level::Subscription,
        "resource" => Level::Resource,
        _ => return Err(Reason::Malformed("level")),
    };
    if row.quota_type.eq_ignore_ascii_case("bandwidthVolume") {
        return Err(Reason::Bandwidth);
    }
    let limit = limit(&row.quota, &row.unit_time, &row.time_unit)?;
    let burst = match row.burst.parse::<u64>() {
        Ok(1..) => limit_of(&row.burst, "1", &row.burst_unit).ok(),
        Ok(0) | Err(_) => None,
    };
    // MySQL's bits come as one byte.
    let is_admitting = matches!(row.stops.to_ascii_lowercase().as_str(), "0" | "false" | "f" | "\0");
    let past_limit =
        if is_admitting && level == Level::Subscription { PastLimit::Admit } else { PastLimit::Refuse };
    Ok(Tier { name: row.name.clone(), level, limit, burst, past_limit, details: TierDetails::default() })
}

fn limit(quota: &str, unit_time: &str, time_unit: &str) -> Result<Option<Limit>, Reason> {
    let calls: u64 = quota.parse().map_err(|_| Reason::Malformed("quota"))?;
    if calls >= NO_LIMIT { Ok(None) } else { limit_of(quota, unit_time, time_unit).map(Some) }
}

fn limit_of(quota: &str, unit_time: &str, time_unit: &str) -> Result<Limit, Reason> {
    let calls = quota.parse().map_err(|_| Reason::Malformed("quota"))?;
    let units = unit_time.parse().ok().filter(|units| (1..=1000).contains(units));
    let unit = Unit::from_wso2_name(time_unit.trim());
    match (units, unit) {
        (Some(units), Some(unit)) => Ok(Limit { calls, window: Window { units, unit } }),
        (None, _) | (_, None) => Err(Reason::Malformed("time unit")),
    }
}

/// What becomes of an API.
pub fn api(row: &ApiRow) -> Planned {
    read_api(row).map(|api| Entry::Api(Box::new(api))).into()
}

/// The context without the version, which WSO2 keeps at its end.
fn split_context<'a>(context: &'a str, version: &str) -> Result<&'a str, Reason> {
    if context.starts_with("/t/") {
        return Err(Reason::OtherTenant);
    }
    context.strip_suffix(version).and_then(|rest| rest.strip_suffix('/')).ok_or(Reason::Context)
}

fn read_api(row: &ApiRow) -> Result<ApiEntry, Reason> {
    let context = split_context(&row.context, &row.version)?;
    let named = |tier: &str| (!tier.is_empty() && tier != UNLIMITED).then(|| tier.to_owned());
    let resources: Vec<Resource> = row
        .resources
        .iter()
        .map(|resource| Resource {
            method: resource.method.clone(),
            template: resource.pattern.clone(),
            scopes: resource.scopes.clone(),
            authentication: Authentication::from_wso2_name(&resource.authentication).unwrap_or_default(),
            throttling: named(&resource.tier),
        })
        .collect();
    let used = resources.iter().flat_map(|resource| &resource.scopes);
    let scopes =
        used.map(|scope| (scope.clone(), row.scopes.get(scope).cloned().unwrap_or_default())).collect();
    let definition = ApiDefinition {
        resources,
        scopes,
        state: ApiState::parse(&row.status).unwrap_or(ApiState::Created),
        throttling: named(&row.tier),
        ..ApiDefinition::default()
    };
    let id = row.uuid.parse::<EntryId>().ok();
    let entry = ApiEntry {
        id,
        name: row.name.clone(),
        context: context.to_owned(),
        version: row.version.clone(),
        provider: local_name(&row.provider)?.to_owned(),
        definition,
        created_at: moment(&row.created).unwrap_or_default(),
    };
    let api = Api {
        id: id.unwrap_or_else(|| EntryId::from_bytes([0; 16])),
        name: entry.name.clone(),
        context: entry.context.clone(),
        version: entry.version.clone(),
        definition: entry.definition.clone(),
    };
    api.check().and_then(|()| api.definition.check()).map_err(|bad| Reason::Api(bad.to_string()))?;
    Ok(entry)
}

/// What becomes of an application with its keys, or of a client that no application has.
pub fn application(row: &ApplicationRow, origin: Origin) -> Planned {
    let mut lost = Vec::new();
    let outcome = read_application(row, origin, &mut lost);
    Planned { outcome: outcome.map(|entry| Entry::Application(Box::new(entry))), lost }
}

fn read_application(
    row: &ApplicationRow,
    origin: Origin,
    lost: &mut Vec<(Kind, Reason)>,
) -> Result<ApplicationEntry, Reason> {
    if !is_super(&row.tenant) {
        return Err(Reason::OtherTenant);
    }
    if origin == Origin::Registration && OWN_PORTALS.contains(&row.name.as_str()) {
        return Err(Reason::OwnPortal);
    }
    let owner = local_name(&row.owner)?.to_owned();
    if check_application_name(&row.name).is_err() {
        return Err(Reason::Name);
    }
    if !matches!(row.status.as_str(), "APPROVED" | "" | "DELETE_PENDING" | "UPDATE_PENDING") {
        return Err(Reason::State(row.status.chars().take(30).collect()));
    }
    let mut keys: Vec<KeyEntry> = Vec::new();
    for client in &row.keys {
        // What was revoked is no key any more.
        if !matches!(client.state.as_str(), "ACTIVE" | "") {
            lost.push((Kind::Applications, Reason::State(format!("{} (of its keys)", client.state))));
            continue;
        }
        let key = key(client)?;
        if keys.iter().any(|held| held.key_type == key.key_type) {
            return Err(Reason::Malformed("pair of keys"));
        }
        keys.push(key);
    }
    let token_type = if matches!(row.token_type.as_str(), "OAUTH" | "DEFAULT" | "Default") {
        TokenType::Oauth
    } else {
        TokenType::Jwt
    };
    let tier = if row.tier.is_empty() { UNLIMITED.to_owned() } else { row.tier.clone() };
    Ok(ApplicationEntry {
        id: row.uuid.parse().ok(),
        name: row.name.clone(),
        owner,
        tier,
        description: row.description.chars().take(512).collect(),
        token_type,
        attributes: row.attributes.clone(),
        groups: row.groups.clone(),
        created_at: moment(&row.created).unwrap_or_default(),
        origin,
        keys,
    })
}

fn key(row: &ClientRow) -> Result<KeyEntry, Reason> {
    let fits = (1..=MAX_CONSUMER_KEY).contains(&row.client_id.len())
        && row.client_id.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    if !fits {
        return Err(Reason::Malformed("consumer key"));
    }
    let secret = match kept(&row.secret, "")? {
        Some(Kept::Plain(text)) if text.expose().len() > MAX_SECRET => return Err(Reason::Unreadable),
        Some(secret) => secret,
        None => return Err(Reason::Malformed("consumer secret")),
    };
    let key_type = match row.key_type.as_str() {
        "PRODUCTION" | "" => KeyType::Production,
        "SANDBOX" => KeyType::Sandbox,
        _ => return Err(Reason::Malformed("type of keys")),
    };
    let mode = if row.mode == "MAPPED" { KeyMode::Mapped } else { KeyMode::Created };
    let life = |text: &str| text.parse::<i64>().map_or(0, |life| if life > 1 << 40 { -1 } else { life });
    Ok(KeyEntry {
        client_id: row.client_id.clone(),
        secret,
        key_type,
        mode,
        grants: row.grants.split_whitespace().map(str::to_owned).collect(),
        callback: Some(row.callback.clone()).filter(|callback| !callback.is_empty()),
        application_validity: life(&row.application_validity),
        user_validity: life(&row.user_validity),
        refresh_validity: life(&row.refresh_validity),
    })
}

/// What becomes of a subscription.
pub fn subscription(row: &SubscriptionRow) -> Planned {
    read_subscription(row).map(Entry::Subscription).into()
}

fn read_subscription(row: &SubscriptionRow) -> Result<SubscriptionEntry, Reason> {
    let (Some((owner, name)), Some((context, version))) = (&row.application, &row.api) else {
        return Err(Reason::NoEnds);
    };
    let context = split_context(context, version)?;
    let state = SubscriptionState::parse(&row.status)
        .ok_or_else(|| Reason::State(row.status.chars().take(30).collect()))?;
    // What waits for another tier goes on at the one that it has.
    let is_waiting = state == SubscriptionState::TierUpdatePending;
    let state = if is_waiting { SubscriptionState::Unblocked } else { state };
    Ok(SubscriptionEntry {
        id: row.uuid.parse().ok(),
        application: (local_name(owner)?.to_owned(), name.clone()),
        api: (context.to_owned(), version.clone()),
        tier: row.tier.clone(),
        state,
        created_at: moment(&row.created).unwrap_or_default(),
    })
}
