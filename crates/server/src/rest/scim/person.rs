//! Users as SCIM shows them (RFC 7643 section 4.1), with WSO2's claims about the account.

use latchkey_catalog::user::{Bar, Email, User, UserChange};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fault::ScimType;
use super::group::group_id;
use crate::admin::text::{SecretText, moment};
use crate::rest::error::RestError;

/// The schema of users.
pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The extension in which older releases of WSO2 keep the state of the account.
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// The extension in which newer releases keep it.
pub(super) const WSO2: &str = "urn:scim:wso2:schema";

/// What a body says of a user. Members that nobody knows are ignored, as WSO2 does, and so are those that are
/// read only: groups and roles are changed where they are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ScimUserRequest")]
pub(super) struct Person {
    /// The name, with or without the user store's.
    pub(super) user_name: Option<String>,
    /// The password.
    pub(super) password: Option<SecretText>,
    name: Option<Name>,
    display_name: Option<String>,
    emails: Option<Emails>,
    #[serde(default, deserialize_with = "flag")]
    #[schemars(with = "Option<Flag>")]
    active: Option<bool>,
    #[serde(rename = "urn:scim:wso2:schema")]
    wso2: Option<Account>,
    #[serde(rename = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")]
    enterprise: Option<Account>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ScimName")]
struct Name {
    given_name: Option<String>,
    family_name: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ScimAccount")]
struct Account {
    #[serde(default, deserialize_with = "flag")]
    #[schemars(with = "Option<Flag>")]
    account_locked: Option<bool>,
    #[serde(default, deserialize_with = "flag")]
    #[schemars(with = "Option<Flag>")]
    account_disabled: Option<bool>,
}

/// One address or several, each as text or with what it is for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ScimEmails")]
pub(super) enum Emails {
    /// One.
    One(OneEmail),
    /// Several.
    Several(Vec<OneEmail>),
}

/// An address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ScimEmail")]
pub(super) enum OneEmail {
    /// As text.
    Text(String),
    /// With what it is for.
    Whole(#[schemars(with = "EmailRequest")] Email),
}

impl Emails {
    /// The addresses, none of them empty.
    pub(super) fn list(self) -> Vec<Email> {
        let several = match self {
            Self::One(one) => vec![one],
            Self::Several(several) => several,
        };
        let email = |one| match one {
            OneEmail::Text(value) => Email { value, kind: None, primary: false },
            OneEmail::Whole(email) => email,
        };
        several.into_iter().map(email).filter(|email| !email.value.is_empty()).collect()
    }
}

/// An address with what it is for, as it is described.
#[derive(JsonSchema)]
#[schemars(rename = "ScimEmailDetails")]
#[expect(dead_code, reason = "it only describes the catalogue's type")]
struct EmailRequest {
    value: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    primary: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
enum Flag {
    Truth(bool),
    Text(#[schemars(regex(pattern = "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$"))] String),
}

/// A truth value, also as text, which WSO2 takes.
fn flag<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Option::<Flag>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Flag::Truth(truth)) => Ok(Some(truth)),
        Some(Flag::Text(text)) => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(serde::de::Error::custom("a truth value is true or false")),
        },
    }
}

/// An empty text is none.
fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn bar_of(bar: Bar, is_there: Option<bool>) -> Option<UserChange> {
    is_there.map(|is_there| if is_there { UserChange::Bar(bar) } else { UserChange::Unbar(bar) })
}

impl Person {
    /// What `value` says of a user.
    pub(super) fn read(value: Value) -> Result<Self, RestError> {
        serde_json::from_value(value)
            .map_err(|_| ScimType::InvalidValue.told("A member of the user is missing or of another type."))
    }

    /// What makes a user of the body, or what the body changes: only what it says.
    pub(super) fn changes(&mut self) -> Vec<UserChange> {
        let mut changes = Vec::new();
        if let Some(Name { given_name, family_name }) = self.name.take() {
            changes.extend(given_name.map(|value| UserChange::GivenName(filled(Some(value)))));
            changes.extend(family_name.map(|value| UserChange::FamilyName(filled(Some(value)))));
        }
        changes.extend(self.display_name.take().map(|value| UserChange::DisplayName(filled(Some(value)))));
        changes.extend(self.emails.take().map(|emails| UserChange::Emails(emails.list())));
        changes.extend(self.bars());
        changes
    }

    /// What the body makes of the whole user: what it does not say is gone, but the state of the account, the
    /// password and the roles stay unless it says otherwise.
    pub(super) fn replacement(&mut self) -> Vec<UserChange> {
        let Name { given_name, family_name } = self.name.take().unwrap_or_default();
        let mut changes = vec![
            UserChange::GivenName(filled(given_name)),
            UserChange::FamilyName(filled(family_name)),
            UserChange::DisplayName(filled(self.display_name.take())),
            UserChange::Emails(self.emails.take().map(Emails::list).unwrap_or_default()),
        ];
        changes.extend(self.bars());
        changes
    }

    fn bars(&self) -> Vec<UserChange> {
        let active = bar_of(Bar::Disabled, self.active.map(|active| !active));
        let accounts = [&self.wso2, &self.enterprise].into_iter().flatten().flat_map(|account| {
            let locked = bar_of(Bar::Locked, account.account_locked);
            [locked, bar_of(Bar::Disabled, account.account_disabled)]
        });
        // `active` is shown beside the account's own claims, which know it better.
        active.into_iter().chain(accounts.flatten()).collect()
    }
}

/// A user as SCIM shows it; `base` is where the interface lies.
pub(super) fn shown(user: &User, base: &str) -> Value {
    let (locked, disabled) = (user.state.has(Bar::Locked), user.state.has(Bar::Disabled));
    let account = json!({ "accountLocked": locked, "accountDisabled": disabled });
    let role = |place: &str, role: &String| {
        let id = group_id(role);
        json!({ "display": role, "value": id, "$ref": format!("{base}/{place}/{id}") })
    };
    let groups = user.roles.iter().filter(|name| !name.starts_with("Internal/"));
    let mut person = Map::new();
    let mut put = |name: &str, value: Value| person.insert(name.to_owned(), value);
    put("schemas", json!([USER, ENTERPRISE, WSO2]));
    put("id", json!(user.id));
    put("userName", json!(user.name));
    let mut name = Map::new();
    name.extend(user.profile.given_name.iter().map(|value| ("givenName".to_owned(), json!(value))));
    name.extend(user.profile.family_name.iter().map(|value| ("familyName".to_owned(), json!(value))));
    if !name.is_empty() {
        put("name", Value::Object(name));
    }
    if let Some(display_name) = &user.profile.display_name {
        put("displayName", json!(display_name));
    }
    if !user.profile.emails.is_empty() {
        put("emails", json!(user.profile.emails));
    }
    put("active", json!(!disabled));
    put("groups", groups.map(|name| role("Groups", name)).collect());
    put("roles", user.roles.iter().map(|name| role("v2/Roles", name)).collect());
    put(WSO2, account.clone());
    put(ENTERPRISE, account);
    put(
        "meta",
        json!({
            "resourceType": "User",
            "created": moment(user.created_at),
            "lastModified": moment(user.updated_at),
            "location": format!("{base}/Users/{}", user.id),
        }),
    );
    Value::Object(person)
}

#[cfg(test)]
mod tests {
    use latchkey_catalog::user::{Profile, UserState};
    use latchkey_oauth::clock::Timestamp;
    use latchkey_oauth::id::PrincipalId;

    use super::*;

    fn alice() -> User {
        User {
            id: PrincipalId::from_bytes([0xab; 16]),
            name: "alice".to_owned(),
            password: "$argon2id$".to_owned(),
            roles: ["Internal/subscriber".to_owned(), "reader".to_owned()].into(),
            state: UserState::Locked,
            profile: Profile {
                given_name: Some("Alice".to_owned()),
                emails: vec![Email { value: "alice@example.org".to_owned(), kind: None, primary: true }],
                ..Profile::default()
            },
            created_at: Timestamp::from_seconds(0),
            updated_at: Timestamp::from_seconds(60),
        }
    }

    #[test]
    fn a_user_is_shown_without_the_password() {
        let shown = shown(&alice(), "https://localhost/scim2");
        assert_eq!(shown["userName"], "alice");
        assert_eq!(shown["name"], json!({ "givenName": "Alice" }));
        assert_eq!(shown["emails"], json!([{ "value": "alice@example.org", "primary": true }]));
        assert_eq!(shown[WSO2], json!({ "accountLocked": true, "accountDisabled": false }));
        assert_eq!(shown["active"], true);
        let displays = |list: &Value| -> Vec<Value> {
            list.as_array().unwrap().iter().map(|one| one["display"].clone()).collect()
        };
        assert_eq!(displays(&shown["groups"]), ["reader"]);
        assert_eq!(displays(&shown["roles"]), ["Internal/subscriber", "reader"]);
        assert_eq!(shown["meta"]["lastModified"], "1970-01-01T00:01:00Z");
        assert_eq!(
            shown["meta"]["location"],
            "https://localhost/scim2/Users/abababab-abab-abab-abab-abababababab"
        );
        assert!(!shown.to_string().contains("argon2id"));
    }

    #[test]
    fn what_is_shown_changes_nothing_when_it_is_put_back() {
        let before = alice();
        let shown = shown(&before, "");
        for changes in
            [Person::read(shown.clone()).unwrap().changes(), Person::read(shown).unwrap().replacement()]
        {
            assert_eq!(before.changed(&changes).unwrap(), before);
        }
    }

    #[test]
    fn only_what_a_body_says_is_changed() {
        let table = [
            (json!({}), vec![]),
            (json!({ "unknown": 1, "roles": [{ "display": "admin" }] }), vec![]),
            (json!({ "active": "false" }), vec![UserChange::Bar(Bar::Disabled)]),
            (json!({ (ENTERPRISE): { "accountLocked": "true" } }), vec![UserChange::Bar(Bar::Locked)]),
            (json!({ (WSO2): { "accountDisabled": false } }), vec![UserChange::Unbar(Bar::Disabled)]),
            (json!({ "name": { "givenName": "" } }), vec![UserChange::GivenName(None)]),
        ];
        for (body, expected) in table {
            assert_eq!(Person::read(body.clone()).unwrap().changes(), expected, "{body}");
        }
        for bad in
            [json!([]), json!({ "active": "perhaps" }), json!({ "userName": 7 }), json!({ "emails": [7] })]
        {
            assert!(Person::read(bad.clone()).is_err(), "{bad}");
        }
        let emails = json!({ "emails": ["a@example.org", { "value": "b@example.org", "type": "work" }, ""] });
        let emails = Person::read(emails).unwrap().emails.unwrap().list();
        assert_eq!(emails.len(), 2);
        assert_eq!(emails[1].kind.as_deref(), Some("work"));
    }
}
