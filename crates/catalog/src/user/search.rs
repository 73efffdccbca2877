//! Looking for users: conditions that all must hold. Both kinds of store answer it, and this is what they mean.

use latchkey_oauth::id::PrincipalId;

use super::User;

/// What of a user is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The id, which is compared whole or not at all.
    Id,
    /// The name.
    Name,
    /// The given name.
    GivenName,
    /// The family name.
    FamilyName,
    /// Any of the addresses.
    Email,
    /// Any of the roles.
    Role,
}

impl Field {
    /// Its name where values are kept to be looked up; none for what the user's own row leads to.
    pub const fn kind(self) -> Option<&'static str> {
        match self {
            Self::Id | Self::Name => None,
            Self::GivenName => Some("given_name"),
            Self::FamilyName => Some("family_name"),
            Self::Email => Some("email"),
            Self::Role => Some("role"),
        }
    }
}

/// How it is compared, case and all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// It is the value.
    Equals,
    /// The value is in it.
    Contains,
    /// It begins with the value.
    StartsWith,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is compared.
    pub field: Field,
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub value: String,
}

/// Conditions that all must hold; none: everybody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserSearch(pub Vec<Condition>);

impl UserSearch {
    /// Who has this role.
    pub fn holders_of(role: &str) -> Self {
        let value = role.to_owned();
        Self(vec![Condition { field: Field::Role, comparison: Comparison::Equals, value }])
    }

    /// Whether `user` is one of those who are looked for.
    pub fn finds(&self, user: &User) -> bool {
        self.0.iter().all(|condition| condition.holds(user))
    }
}

impl Condition {
    fn holds(&self, user: &User) -> bool {
        let fits = |text: &str| match self.comparison {
            Comparison::Equals => text == self.value,
            Comparison::Contains => text.contains(&self.value),
            Comparison::StartsWith => text.starts_with(&self.value),
        };
        match self.field {
            Field::Id => {
                let wanted =
                    PrincipalId::parse(&self.value).filter(|_| self.comparison == Comparison::Equals);
                wanted == Some(user.id)
            }
            Field::Name => fits(&user.name),
            Field::GivenName | Field::FamilyName | Field::Email | Field::Role => {
                values(user).iter().any(|(field, value)| *field == self.field && fits(value))
            }
        }
    }
}

/// The values of a user that are kept to be looked up.
pub fn values(user: &User) -> Vec<(Field, &str)> {
    let profile = &user.profile;
    let given = profile.given_name.as_deref().map(|value| (Field::GivenName, value));
    let family = profile.family_name.as_deref().map(|value| (Field::FamilyName, value));
    let emails = profile.emails.iter().map(|email| (Field::Email, email.value.as_str()));
    let roles = user.roles.iter().map(|role| (Field::Role, role.as_str()));
    given.into_iter().chain(family).chain(emails).chain(roles).collect()
}
