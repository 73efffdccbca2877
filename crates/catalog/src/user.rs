//! Users: their roles, what is known of them, and whether they may sign in.

pub mod search;

use std::collections::BTreeSet;

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::PrincipalId;
use serde::{Deserialize, Serialize};

/// The role of administrators.
pub const ADMIN_ROLE: &str = "admin";
/// The role that every user has.
pub const EVERYONE_ROLE: &str = "Internal/everyone";
/// The role of who subscribes to APIs.
pub const SUBSCRIBER_ROLE: &str = "Internal/subscriber";
/// The role of who creates APIs.
pub const CREATOR_ROLE: &str = "Internal/creator";
/// The role of who publishes them.
pub const PUBLISHER_ROLE: &str = "Internal/publisher";

/// The longest value of a profile, in bytes.
pub const MAX_VALUE: usize = 320;
/// The most electronic mail addresses of a user.
pub const MAX_EMAILS: usize = 10;
/// The most roles of a user.
pub const MAX_ROLES: usize = 200;

/// What keeps a user from signing in: WSO2's claims `accountLocked` and `accountDisabled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// The account is locked.
    Locked,
    /// The account is disabled.
    Disabled,
}

/// Whether a user may sign in. The two bars are independent: who is unlocked may still be disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserState {
    /// May.
    Active,
    /// May not; nothing else is lost.
    Locked,
    /// May not, until an administrator enables the account.
    Disabled,
    /// May not, for both reasons.
    DisabledAndLocked,
}

impl UserState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Active, Self::Locked, Self::Disabled, Self::DisabledAndLocked];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Locked => "locked",
            Self::Disabled => "disabled",
            Self::DisabledAndLocked => "disabled_and_locked",
        }
    }

    /// The state of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether this bar is there.
    pub const fn has(self, bar: Bar) -> bool {
        match bar {
            Bar::Locked => matches!(self, Self::Locked | Self::DisabledAndLocked),
            Bar::Disabled => matches!(self, Self::Disabled | Self::DisabledAndLocked),
        }
    }

    /// The state with this bar as well.
    #[must_use]
    pub const fn with(self, bar: Bar) -> Self {
        match (self, bar) {
            (Self::Active | Self::Locked, Bar::Locked) => Self::Locked,
            (Self::Active | Self::Disabled, Bar::Disabled) => Self::Disabled,
            (Self::Locked | Self::DisabledAndLocked, Bar::Disabled)
            | (Self::Disabled | Self::DisabledAndLocked, Bar::Locked) => Self::DisabledAndLocked,
        }
    }

    /// The state without this bar.
    #[must_use]
    pub const fn without(self, bar: Bar) -> Self {
        match (self, bar) {
            (Self::Active | Self::Locked, Bar::Locked) | (Self::Active | Self::Disabled, Bar::Disabled) => {
                Self::Active
            }
            (Self::Locked | Self::DisabledAndLocked, Bar::Disabled) => Self::Locked,
            (Self::Disabled | Self::DisabledAndLocked, Bar::Locked) => Self::Disabled,
        }
    }
}

/// A truth value; `null` says as little as its absence (RFC 7643 section 2.5).
fn unless_null<'de, D: serde::Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// An electronic mail address of a user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Email {
    /// The address.
    pub value: String,
    /// What it is for: `work`, `home`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether it is the one to write to.
    #[serde(default, deserialize_with = "unless_null")]
    pub primary: bool,
}

/// What is known of a user beside name and roles; nothing decides by it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Profile {
    /// The given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    /// The family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Addresses, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<Email>,
}

/// A value that a profile cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadProfile {
    /// A value is too long or holds a control character.
    #[error("{0} must have 1 to {MAX_VALUE} bytes and no control character")]
    Value(&'static str),
    /// There are too many addresses.
    #[error("a user has {MAX_EMAILS} e-mail addresses at most")]
    Emails,
    /// There are too many roles.
    #[error("a user has {MAX_ROLES} roles at most")]
    Roles,
}

fn check_value(what: &'static str, value: &str) -> Result<(), BadProfile> {
    let fits = (1..=MAX_VALUE).contains(&value.len()) && !value.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(BadProfile::Value(what)) }
}

impl Profile {
    /// Refuses values that are too long, too many, or not of one line.
    pub fn check(&self) -> Result<(), BadProfile> {
        let named = [
            ("the given name", &self.given_name),
            ("the family name", &self.family_name),
            ("the display name", &self.display_name),
        ];
        for (what, value) in named {
            value.as_deref().map_or(Ok(()), |value| check_value(what, value))?;
        }
        for email in &self.emails {
            check_value("an e-mail address", &email.value)?;
            email
                .kind
                .as_deref()
                .map_or(Ok(()), |kind| check_value("the type of an e-mail address", kind))?;
        }
        if self.emails.len() > MAX_EMAILS { Err(BadProfile::Emails) } else { Ok(()) }
    }
}

/// A user.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The immutable id; a name given again gets another.
    pub id: PrincipalId,
    /// The name, unique among living users.
    pub name: String,
    /// The password as a PHC string (Argon2id), or in the form that it came in from another server.
    pub password: String,
    /// The roles.
    pub roles: BTreeSet<String>,
    /// Whether the user may sign in.
    pub state: UserState,
    /// What else is known.
    pub profile: Profile,
    /// When the user was made.
    pub created_at: Timestamp,
    /// When anything of the user changed last.
    pub updated_at: Timestamp,
}

impl std::fmt::Debug for User {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("User")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("roles", &self.roles)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// One change of a user. Several are made together, in their order.
#[derive(Clone, PartialEq, Eq)]
pub enum UserChange {
    /// Another given name, or none.
    GivenName(Option<String>),
    /// Another family name, or none.
    FamilyName(Option<String>),
    /// Another display name, or none.
    DisplayName(Option<String>),
    /// These addresses and no others.
    Emails(Vec<Email>),
    /// These addresses too; one that is there already is replaced.
    AddEmails(Vec<Email>),
    /// Another password, as a PHC string.
    Password(String),
    /// A bar more.
    Bar(Bar),
    /// A bar less.
    Unbar(Bar),
    /// These roles and no others.
    Roles(BTreeSet<String>),
    /// A role more.
    GiveRole(String),
    /// A role less.
    TakeRole(String),
}

impl std::fmt::Debug for UserChange {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::GivenName(_) => "GivenName",
            Self::FamilyName(_) => "FamilyName",
            Self::DisplayName(_) => "DisplayName",
            Self::Emails(_) => "Emails",
            Self::AddEmails(_) => "AddEmails",
            Self::Password(_) => "Password",
            Self::Bar(_) => "Bar",
            Self::Unbar(_) => "Unbar",
            Self::Roles(_) => "Roles",
            Self::GiveRole(_) => "GiveRole",
            Self::TakeRole(_) => "TakeRole",
        })
    }
}

impl User {
    /// Whether the user administers this installation.
    pub fn is_administrator(&self) -> bool {
        self.roles.contains(ADMIN_ROLE)
    }

    /// The user after these changes; refused where one value could not be kept.
    pub fn changed(&self, changes: &[UserChange]) -> Result<Self, BadProfile> {
        let mut user = self.clone();
        for change in changes {
            user.apply(change);
        }
        user.profile.check()?;
        if user.roles.len() > MAX_ROLES { Err(BadProfile::Roles) } else { Ok(user) }
    }

    fn apply(&mut self, change: &UserChange) {
        let profile = &mut self.profile;
        match change {
            UserChange::GivenName(value) => profile.given_name.clone_from(value),
            UserChange::FamilyName(value) => profile.family_name.clone_from(value),
            UserChange::DisplayName(value) => profile.display_name.clone_from(value),
            UserChange::Emails(emails) => {
                profile.emails.clear();
                add_emails(&mut profile.emails, emails);
            }
            UserChange::AddEmails(emails) => add_emails(&mut profile.emails, emails),
            UserChange::Password(password) => self.password.clone_from(password),
            UserChange::Bar(bar) => self.state = self.state.with(*bar),
            UserChange::Unbar(bar) => self.state = self.state.without(*bar),
            UserChange::Roles(roles) => self.roles.clone_from(roles),
            UserChange::GiveRole(role) => {
                self.roles.insert(role.clone());
            }
            UserChange::TakeRole(role) => {
                self.roles.remove(role);
            }
        }
    }
}

/// Adds addresses; a new primary one takes the place of the one before.
fn add_emails(emails: &mut Vec<Email>, more: &[Email]) {
    for new in more {
        emails.retain(|email| email.value != new.value);
        if new.primary {
            for email in &mut *emails {
                email.primary = false;
            }
        }
        emails.push(new.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> User {
        User {
            id: PrincipalId::from_bytes([1; 16]),
            name: "alice".to_owned(),
            password: "p".to_owned(),
            roles: BTreeSet::from(["reader".to_owned()]),
            state: UserState::Active,
            profile: Profile::default(),
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        }
    }

    fn email(value: &str) -> Email {
        Email { value: value.to_owned(), kind: None, primary: false }
    }

    fn primary(value: &str) -> Email {
        Email { primary: true, ..email(value) }
    }

    #[test]
    fn bars_come_and_go_by_themselves() {
        for state in UserState::ALL {
            assert_eq!(UserState::named(state.as_str()), Some(state));
            for (bar, other) in [(Bar::Locked, Bar::Disabled), (Bar::Disabled, Bar::Locked)] {
                for (changed, there) in [(state.with(bar), true), (state.without(bar), false)] {
                    assert_eq!(changed.has(bar), there, "{state:?} {bar:?}");
                    assert_eq!(
                        changed.has(other),
                        state.has(other),
                        "{state:?} {bar:?}: the other one stays"
                    );
                }
            }
        }
        assert_eq!(UserState::named("away"), None);
    }

    #[test]
    fn changes_are_made_in_their_order() {
        let changed = alice()
            .changed(&[
                UserChange::GivenName(Some("Alice".to_owned())),
                UserChange::Emails(vec![primary("a@example.org")]),
                UserChange::AddEmails(vec![primary("b@example.org"), email("a@example.org")]),
                UserChange::Bar(Bar::Locked),
                UserChange::GiveRole("writer".to_owned()),
                UserChange::TakeRole("reader".to_owned()),
            ])
            .unwrap();
        assert_eq!(changed.profile.given_name.as_deref(), Some("Alice"));
        assert_eq!(changed.profile.emails, [primary("b@example.org"), email("a@example.org")]);
        assert_eq!((changed.state, changed.roles), (UserState::Locked, ["writer".to_owned()].into()));
        assert_eq!(changed.password, "p");
    }

    #[test]
    fn what_is_too_long_or_too_much_is_refused() {
        let long = "x".repeat(MAX_VALUE + 1);
        for bad in [long.as_str(), "", "a\nb"] {
            let change = UserChange::FamilyName(Some(bad.to_owned()));
            assert_eq!(alice().changed(&[change]), Err(BadProfile::Value("the family name")), "{bad:?}");
            assert!(alice().changed(&[UserChange::AddEmails(vec![email(bad)])]).is_err());
        }
        let many = (0..=MAX_EMAILS).map(|n| email(&format!("a{n}@example.org"))).collect();
        assert_eq!(alice().changed(&[UserChange::Emails(many)]), Err(BadProfile::Emails));
        let roles = (0..=MAX_ROLES).map(|n| format!("r{n}")).collect();
        assert_eq!(alice().changed(&[UserChange::Roles(roles)]), Err(BadProfile::Roles));
    }
}
