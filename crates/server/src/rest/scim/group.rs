//! Roles, which SCIM shows as groups and as WSO2's roles: every role that somebody has or had, or that was
//! declared.

use aws_lc_rs::digest;
use http::header::LOCATION;
use http::{HeaderValue, Method, StatusCode};
use latchkey_catalog::user::search::UserSearch;
use latchkey_catalog::user::{ADMIN_ROLE, UserChange};
use latchkey_oauth::id::PrincipalId;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::fault::ScimType;
use super::filter;
use super::patch::{Op, Patch, Step};
use super::search::{self, SearchRequest};
use super::{Listed, PROJECTED, SURFACE, base, descends, json as answer};
use crate::admin::user;
use crate::app::{App, unavailable};
use crate::http::answer::text;
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::error::{Fault, RestError};
use crate::rest::operation::{Answer, Operation};
use crate::rest::wire::or_default;

const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const ROLE: &str = "urn:ietf:params:scim:schemas:extension:2.0:Role";
/// The most roles that are shown; who has more looks for them by name.
const MAX_ROLES: u32 = 10_000;
/// The most members that a group shows, and the most users that one request changes.
const MAX_MEMBERS: u32 = 1000;

const VIEW: &[&str] = &["internal_group_mgt_view", "internal_role_mgt_view"];
const CREATE: &[&str] = &["internal_group_mgt_create", "internal_role_mgt_create"];
const DELETE: &[&str] = &["internal_group_mgt_delete", "internal_role_mgt_delete"];
const CHANGE: &[&str] = &["internal_group_mgt_update", "internal_role_mgt_update"];

pub(super) fn operations() -> Vec<Operation> {
    let mut operations = Vec::new();
    for (list, one) in
        [("/Groups", "/Groups/{id}"), ("/Roles", "/Roles/{id}"), ("/v2/Roles", "/v2/Roles/{id}")]
    {
        operations.push(
            SURFACE
                .scoped(Method::GET, list, VIEW, groups)
                .asks(&Listed::ASKS)
                .asks(&PROJECTED)
                .answers::<Map<String, Value>>(),
        );
        operations.push(
            SURFACE
                .scoped(Method::POST, list, CREATE, create)
                .takes::<NewGroup>()
                .creates::<Map<String, Value>>(),
        );
        operations.push(SURFACE.scoped(Method::GET, one, VIEW, group).answers::<Map<String, Value>>());
        operations.push(
            SURFACE
                .scoped(Method::PATCH, one, CHANGE, patch)
                .takes::<Patch>()
                .answers::<Map<String, Value>>(),
        );
        operations
            .push(SURFACE.scoped(Method::DELETE, one, DELETE, delete).answers_only(StatusCode::NO_CONTENT));
    }
    for search in ["/Groups/.search", "/Roles/.search", "/v2/Roles/.search"] {
        operations.push(
            SURFACE
                .scoped(Method::POST, search, VIEW, find_by_body)
                .takes::<SearchRequest>()
                .answers::<Map<String, Value>>(),
        );
    }
    operations
}

/// The id of the role called `name`: roles are known by their names, and this is a digest of it.
pub(super) fn group_id(name: &str) -> PrincipalId {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"latchkey role\0");
    context.update(name.as_bytes());
    PrincipalId::from_bytes(context.finish().as_ref()[..16].try_into().expect("SHA-256 has 32 bytes"))
}

/// Whether a listing shows groups of the user store, or WSO2's roles.
fn is_of_groups(call: &Call) -> bool {
    call.relative.starts_with("/Groups")
}

/// The names of roles that the interface asked for shows: `Internal/…` ones are no groups.
async fn names(call: &Call) -> Result<Vec<String>, RestError> {
    let mut names = call.app.store.roles("", MAX_ROLES).await.map_err(unavailable)?;
    names.retain(|name| !is_of_groups(call) || !name.starts_with("Internal/"));
    Ok(names)
}

async fn find_by_body(call: Call, caller: Caller) -> Answer {
    groups(search::asked(call)?, caller).await
}

async fn groups(call: Call, _: Caller) -> Answer {
    let mut names = names(&call).await?;
    if descends(&call, "displayName")? {
        names.reverse();
    }
    if let Some(filter) = call.parameter("filter") {
        let fits = filter::names(filter)?;
        names.retain(|name| fits(name));
    }
    let listed = Listed::of(&call)?;
    let total = names.len() as u64;
    let page = names.iter().skip(listed.offset()).take(listed.count as usize);
    let page = page.map(|name| shown(&call, name, None)).collect();
    Ok(listed.answer(&call, page, total))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ScimGroupRequest")]
struct NewGroup {
    display_name: Option<String>,
    #[serde(default, alias = "users", deserialize_with = "or_default")]
    members: Vec<Member>,
}

/// Declares a role, and gives it to the members.
async fn create(call: Call, caller: Caller) -> Answer {
    let NewGroup { display_name, members } = call.json()?;
    let name = display_name.unwrap_or_default();
    let name = name.strip_prefix("PRIMARY/").unwrap_or(&name);
    let members = members.into_iter().map(|member| member.value).collect();
    user::declare_role(&call.app, name, members, caller.name()).await?;
    let mut response = with_members(&call, name).await?;
    *response.status_mut() = StatusCode::CREATED;
    let place = if is_of_groups(&call) { "Groups" } else { "v2/Roles" };
    if let Ok(place) = HeaderValue::from_str(&format!("{}/{place}/{}", base(&call.app), group_id(name))) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

async fn group(call: Call, _: Caller) -> Answer {
    let name = find(&call).await?;
    with_members(&call, &name).await
}

async fn find(call: &Call) -> Result<String, RestError> {
    let id = call.path.get("id").and_then(|id| PrincipalId::parse(id));
    let found = names(call).await?.into_iter().find(|name| Some(group_id(name)) == id);
    found.ok_or_else(|| RestError::told(Fault::NotFound, "There is no such group or role."))
}

async fn with_members(call: &Call, name: &str) -> Answer {
    let found = call.app.store.users_found(UserSearch::holders_of(name), 0, MAX_MEMBERS).await;
    let base = base(&call.app);
    let member = |user: &latchkey_catalog::user::User| {
        json!({
            "value": user.id, "display": user.name, "$ref": format!("{base}/Users/{}", user.id),
        })
    };
    let members = found.map_err(unavailable)?.users.iter().map(member).collect();
    Ok(answer(StatusCode::OK, &shown(call, name, Some(members))))
}

fn shown(call: &Call, name: &str, members: Option<Vec<Value>>) -> Value {
    let (schema, kind, place, list) = if is_of_groups(call) {
        (GROUP, "Group", "Groups", "members")
    } else {
        (ROLE, "Role", "v2/Roles", "users")
    };
    let id = group_id(name);
    let mut group = json!({
        "schemas": [schema], "id": id, "displayName": name,
        "meta": { "resourceType": kind, "location": format!("{}/{place}/{id}", base(&call.app)) },
    });
    if let Some(members) = members {
        group[list] = Value::Array(members);
    }
    group
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ScimMember")]
struct Member {
    #[schemars(with = "Uuid")]
    value: PrincipalId,
}

/// Gives the role to members, or takes it from them; who loses it loses the tokens too.
async fn patch(call: Call, caller: Caller) -> Answer {
    let name = find(&call).await?;
    let mut updates = Vec::new();
    for step in call.json::<Patch>()?.steps()? {
        updates.extend(membership(&call.app, &name, step).await?);
        if updates.len() > MAX_MEMBERS as usize {
            return Err(ScimType::TooMany.told("The patch changes too many users; send it in parts."));
        }
    }
    if !updates.is_empty() {
        user::update(&call.app, updates, None, caller.name()).await?;
    }
    with_members(&call, &name).await
}

/// Takes a role from everybody, whose tokens end with it, and forgets it.
async fn delete(call: Call, caller: Caller) -> Answer {
    let name = find(&call).await?;
    if name == ADMIN_ROLE || name.starts_with("Internal/") {
        return Err(ScimType::Mutability.told("The server's own roles stay."));
    }
    let held = call.app.store.users_found(UserSearch::holders_of(&name), 0, MAX_MEMBERS + 1).await;
    let holders = held.map_err(unavailable)?.users;
    if holders.len() > MAX_MEMBERS as usize {
        return Err(ScimType::TooMany.told("The role has too many holders; take it from some of them first."));
    }
    let holders = holders.iter().map(|user| user.id).collect();
    user::delete_role(&call.app, &name, holders, caller.name()).await?;
    Ok(text(StatusCode::NO_CONTENT, super::MEDIA_TYPE, ""))
}

type Updates = Vec<(PrincipalId, Vec<UserChange>)>;

/// What one operation does to whom.
async fn membership(app: &App, role: &str, Step { op, path, value }: Step) -> Result<Updates, RestError> {
    let path = path.unwrap_or_default();
    let mut members = value;
    if path.is_empty() {
        members = ["members", "users"].iter().find_map(|name| members.get(name).cloned()).unwrap_or_default();
    }
    let (list, one) = path.split_once('[').map_or((path.as_str(), None), |(list, one)| (list, Some(one)));
    if !["", "members", "users"].contains(&list) {
        return Err(ScimType::InvalidPath.told("Only the members of a group or role are changed."));
    }
    let named: Vec<PrincipalId> = match one {
        Some(condition) => vec![member_of(condition)?],
        None if members.is_null() => Vec::new(),
        None => {
            let members: Vec<Member> = serde_json::from_value(members)
                .map_err(|_| ScimType::InvalidValue.told("A member has the id of a user for its value."))?;
            members.into_iter().map(|member| member.value).collect()
        }
    };
    let give = |id: &PrincipalId| (*id, vec![UserChange::GiveRole(role.to_owned())]);
    let take = |id: &PrincipalId| (*id, vec![UserChange::TakeRole(role.to_owned())]);
    if op == Op::Add {
        return Ok(named.iter().map(give).collect());
    }
    if op == Op::Remove && !named.is_empty() {
        return Ok(named.iter().map(take).collect());
    }
    let held = app.store.users_found(UserSearch::holders_of(role), 0, MAX_MEMBERS + 1).await;
    let held: Vec<PrincipalId> = held.map_err(unavailable)?.users.iter().map(|user| user.id).collect();
    let leaving = held.iter().filter(|id| !named.contains(id)).map(take);
    let coming = named.iter().filter(|id| !held.contains(id)).map(give);
    Ok(leaving.chain(coming).collect())
}

/// The member in `members[value eq "…"]`, from behind the bracket.
fn member_of(condition: &str) -> Result<PrincipalId, RestError> {
    let words: Vec<&str> = condition.trim_end_matches(']').split_whitespace().collect();
    let id = match words.as_slice() {
        ["value", eq, id] if eq.eq_ignore_ascii_case("eq") => PrincipalId::parse(id.trim_matches('"')),
        _ => None,
    };
    id.ok_or_else(|| ScimType::InvalidPath.told("A member is named by `members[value eq \"ID\"]`."))
}
