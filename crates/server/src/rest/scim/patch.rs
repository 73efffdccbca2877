//! Changes of a user by PATCH (RFC 7644 section 3.5.2).

use latchkey_catalog::user::{User, UserChange};
use latchkey_oauth::introspection::unqualified;
use latchkey_oauth::secret::Secret;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::emails::Chosen;
use super::fault::ScimType;
use super::person::{ENTERPRISE, Emails, Person, USER, WSO2};
use crate::admin::AdminError;
use crate::rest::error::RestError;

/// The most operations of one patch.
const MAX_OPERATIONS: usize = 100;

/// The body of a PATCH.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ScimPatch")]
pub(super) struct Patch {
    #[serde(rename = "Operations", alias = "operations")]
    operations: Vec<Operation>,
}

/// One operation of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ScimPatchOperation")]
pub(super) struct Operation {
    #[schemars(regex(pattern = "^([Aa][Dd][Dd]|[Rr][Ee][Pp][Ll][Aa][Cc][Ee]|[Rr][Ee][Mm][Oo][Vv][Ee])$"))]
    op: String,
    path: Option<String>,
    value: Option<Value>,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    /// Adds to what is there.
    Add,
    /// Puts in place of what is there.
    Replace,
    /// Takes away.
    Remove,
}

/// An operation, read.
#[derive(Debug)]
pub(super) struct Step {
    /// What it does.
    pub(super) op: Op,
    /// To what; everything that the value names, where it does not say.
    pub(super) path: Option<String>,
    /// With what.
    pub(super) value: Value,
}

impl Patch {
    /// Its operations.
    pub(super) fn steps(self) -> Result<Vec<Step>, RestError> {
        if self.operations.len() > MAX_OPERATIONS {
            return Err(ScimType::TooMany.told("The patch has too many operations."));
        }
        let step = |Operation { op, path, value }| {
            let op = match op.to_ascii_lowercase().as_str() {
                "add" => Op::Add,
                "replace" => Op::Replace,
                "remove" => Op::Remove,
                _ => return Err(ScimType::InvalidSyntax.told("An operation is add, replace or remove.")),
            };
            if op == Op::Remove && path.is_none() {
                return Err(ScimType::InvalidPath.told("What is to be removed has no path."));
            }
            Ok(Step { op, path, value: value.unwrap_or_default() })
        };
        self.operations.into_iter().map(step).collect()
    }
}

/// What a patch does to a user.
#[derive(Debug, Default)]
pub(super) struct UserPatch {
    /// The changes.
    pub(super) changes: Vec<UserChange>,
    /// Another password.
    pub(super) password: Option<Secret>,
}

impl UserPatch {
    /// What `patch` does to `user`.
    pub(super) fn of(user: &User, patch: Patch) -> Result<Self, RestError> {
        let mut done = Self::default();
        for step in patch.steps()? {
            done.take(user, step)?;
        }
        Ok(done)
    }

    fn take(&mut self, user: &User, Step { op, path, value }: Step) -> Result<(), RestError> {
        let Some(path) = path else { return self.merge(user, value, op) };
        let relative = path.strip_prefix(USER).and_then(|rest| rest.strip_prefix(':')).unwrap_or(&path);
        if let Some(chosen) = Chosen::read(relative) {
            // What was changed before in the same patch is there already.
            let held = user.changed(&self.changes).map_err(AdminError::from)?;
            let emails = chosen?.changed(held.profile.emails, (op, value))?;
            self.changes.push(UserChange::Emails(emails));
            return Ok(());
        }
        if op == Op::Remove {
            self.changes.extend(removal(relative)?);
            return Ok(());
        }
        self.merge(user, nested(relative, value)?, op)
    }

    /// Takes everything that `value`, a part of a user, says.
    fn merge(&mut self, user: &User, value: Value, op: Op) -> Result<(), RestError> {
        let Value::Object(mut members) = value else {
            return Err(ScimType::InvalidValue.told("A value without a path is an object."));
        };
        if op == Op::Add
            && let Some(emails) = members.remove("emails")
        {
            let emails: Emails = serde_json::from_value(emails)
                .map_err(|_| ScimType::InvalidValue.told("The addresses are of another type."))?;
            self.changes.push(UserChange::AddEmails(emails.list()));
        }
        let mut person = Person::read(Value::Object(members))?;
        check_name(&person, user)?;
        if let Some(password) = person.password.take() {
            self.password = Some(password.0);
        }
        self.changes.extend(person.changes());
        Ok(())
    }
}

/// Refuses another name than the user's: names are given once.
pub(super) fn check_name(person: &Person, user: &User) -> Result<(), RestError> {
    match &person.user_name {
        Some(name) if unqualified(name) != user.name => {
            Err(ScimType::Mutability.told("A user's name does not change."))
        }
        Some(_) | None => Ok(()),
    }
}

/// `value` as part of a user, where `path` leads to it.
fn nested(path: &str, value: Value) -> Result<Value, RestError> {
    let mut places = Vec::new();
    let mut rest = path;
    for schema in [WSO2, ENTERPRISE] {
        if let Some(within) = path.strip_prefix(schema) {
            places.push(schema);
            rest = within.trim_start_matches([':', '.']);
        }
    }
    places.extend(rest.split('.').filter(|place| !place.is_empty()));
    let is_known = match places.as_slice() {
        [WSO2 | ENTERPRISE | "userName" | "password" | "displayName" | "emails" | "active" | "name"] => true,
        [WSO2 | ENTERPRISE, claim] => ["accountLocked", "accountDisabled"].contains(claim),
        ["name", part] => ["givenName", "familyName"].contains(part),
        ["groups" | "roles" | "id" | "meta" | "schemas", ..] => {
            return Err(ScimType::Mutability.told("That is read only here."));
        }
        _ => false,
    };
    if !is_known {
        return Err(ScimType::InvalidPath.told("The path leads to nothing of a user that can be changed."));
    }
    let wrap = |value, place: &&str| Value::Object(Map::from_iter([((*place).to_owned(), value)]));
    Ok(places.iter().rev().fold(value, wrap))
}

fn removal(path: &str) -> Result<Vec<UserChange>, RestError> {
    Ok(match path {
        "name" => vec![UserChange::GivenName(None), UserChange::FamilyName(None)],
        "name.givenName" => vec![UserChange::GivenName(None)],
        "name.familyName" => vec![UserChange::FamilyName(None)],
        "displayName" => vec![UserChange::DisplayName(None)],
        "emails" => vec![UserChange::Emails(Vec::new())],
        _ => return Err(ScimType::Mutability.told("That cannot be removed.")),
    })
}

#[cfg(test)]
mod tests {
    use latchkey_catalog::user::{Bar, Profile, UserState};
    use latchkey_oauth::clock::Timestamp;
    use latchkey_oauth::id::PrincipalId;
    use serde_json::json;

    use super::*;
    use crate::rest::error::Fault;

    fn alice() -> User {
        User {
            id: PrincipalId::from_bytes([1; 16]),
            name: "alice".to_owned(),
            password: String::new(),
            roles: ["reader".to_owned()].into(),
            state: UserState::Active,
            profile: Profile::default(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        }
    }

    fn patched(operations: &Value) -> Result<UserPatch, RestError> {
        let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
        let patch = json!({ "schemas": [schema], "Operations": operations });
        UserPatch::of(&alice(), serde_json::from_value(patch).unwrap())
    }

    /// T18 and T19 use the first two, older clients the next two.
    #[test]
    fn the_state_of_the_account_is_changed_in_every_form() {
        let (lock, disable) = (UserChange::Bar(Bar::Locked), UserChange::Bar(Bar::Disabled));
        let path = |path: &str, value: Value| json!([{ "op": "replace", "path": path, "value": value }]);
        let table = [
            (path("urn:scim:wso2:schema:accountLocked", json!(true)), &lock),
            (path("urn:scim:wso2:schema:accountDisabled", json!(true)), &disable),
            (path(&format!("{ENTERPRISE}:accountLocked"), json!("true")), &lock),
            (path(&format!("{ENTERPRISE}.accountDisabled"), json!(true)), &disable),
            (path(WSO2, json!({ "accountLocked": true })), &lock),
            (json!([{ "op": "Add", "value": { (WSO2): { "accountLocked": true } } }]), &lock),
            (path("active", json!(false)), &disable),
        ];
        for (operations, expected) in table {
            assert_eq!(patched(&operations).unwrap().changes, std::slice::from_ref(expected), "{operations}");
        }
    }

    #[test]
    fn members_are_changed_added_and_removed() {
        let done = patched(&json!([
            { "op": "replace", "path": "name.givenName", "value": "Alice" },
            { "op": "replace", "path": format!("{USER}:displayName"), "value": "A" },
            { "op": "add", "path": "emails", "value": ["a@example.org"] },
            { "op": "replace", "value": { "userName": "PRIMARY/alice", "password": "a fine password" } },
            { "op": "remove", "path": "name.familyName" },
        ]))
        .unwrap();
        let email =
            latchkey_catalog::user::Email { value: "a@example.org".to_owned(), kind: None, primary: false };
        let expected = [
            UserChange::GivenName(Some("Alice".to_owned())),
            UserChange::DisplayName(Some("A".to_owned())),
            UserChange::AddEmails(vec![email]),
            UserChange::FamilyName(None),
        ];
        assert_eq!(done.changes, expected);
        assert_eq!(done.password.unwrap().expose(), "a fine password");
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let table = [
            (json!([{ "op": "move", "path": "name" }]), ScimType::InvalidSyntax),
            (json!([{ "op": "remove" }]), ScimType::InvalidPath),
            (json!([{ "op": "replace", "path": "nickName", "value": "x" }]), ScimType::InvalidPath),
            (
                json!([{ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "x" }]),
                ScimType::NoTarget,
            ),
            (json!([{ "op": "replace", "path": "roles", "value": [] }]), ScimType::Mutability),
            (json!([{ "op": "add", "path": "groups.display", "value": "admin" }]), ScimType::Mutability),
            (json!([{ "op": "replace", "path": "userName", "value": "bob" }]), ScimType::Mutability),
            (json!([{ "op": "remove", "path": "password" }]), ScimType::Mutability),
            (json!([{ "op": "replace", "value": 7 }]), ScimType::InvalidValue),
            (json!([{ "op": "replace", "path": "active", "value": 7 }]), ScimType::InvalidValue),
            (json!(vec![json!({ "op": "remove", "path": "name" }); MAX_OPERATIONS + 1]), ScimType::TooMany),
        ];
        for (operations, expected) in table {
            let refused = patched(&operations).unwrap_err();
            assert_eq!(refused.fault, Fault::Scim(expected), "{operations}");
        }
    }
}
