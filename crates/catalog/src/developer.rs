//! What developers say of their applications and keys, and who sees them; the words are those of WSO2's portals.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_oauth::client::{GrantType, Validities};
use latchkey_oauth::family::Validity;

use crate::application::{Application, ApplicationDetails};
use crate::user::{EVERYONE_ROLE, User};

#[cfg(test)]
mod tests;

/// The life of an application's own access tokens, among the properties of keys.
pub const APPLICATION_LIFE: &str = "application_access_token_expiry_time";
/// The life of users' access tokens.
pub const USER_LIFE: &str = "user_access_token_expiry_time";
/// The life of refresh tokens.
pub const REFRESH_LIFE: &str = "refresh_token_expiry_time";
/// The life of id tokens.
pub const ID_LIFE: &str = "id_token_expiry_time";
/// What says that the server's default holds.
pub const SERVER_DEFAULT: &str = "N/A";

/// Properties that are true or false, and false where nothing is said.
const SWITCHES: [&str; 3] = ["pkceMandatory", "pkceSupportPlain", "bypassClientCredentials"];
/// Grants that lead through a browser and back to a callback URL.
const BROWSER_GRANTS: [&str; 2] = ["authorization_code", "implicit"];
/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 512;
/// The most attributes, groups, properties and grants of one entry.
const MOST: usize = 50;
/// The longest of their names, in bytes.
const MAX_NAME: usize = 255;
/// The longest of their values, in bytes.
const MAX_VALUE: usize = 2048;

/// What an application is to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// The user's own.
    Own,
    /// Shared with a group of the user: to be looked at.
    Shared,
}

/// What a developer said that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWish {
    /// A life of tokens is negative.
    #[error("Application configuration values cannot have negative values")]
    Negative,
    /// A life of tokens is no number.
    #[error("a life of tokens is neither a number of seconds nor N/A")]
    NoNumber,
    /// The grants need a callback URL.
    #[error(
        "The callback url must have at least one URI value when using Authorization code or implicit grant types."
    )]
    NoCallback,
    /// The description is too long.
    #[error("the description is longer than {MAX_DESCRIPTION} characters")]
    Description,
    /// Too many attributes, groups, properties or grants, or one that is too long.
    #[error("there are more than {MOST} attributes, groups, properties or grants, or one is too long")]
    TooMuch,
}

/// The groups of a user: the user's roles, and the one that everybody has.
pub fn groups(user: &User) -> BTreeSet<&str> {
    user.roles.iter().map(String::as_str).chain([EVERYONE_ROLE]).collect()
}

/// What `application` is to `user`; none: the user knows nothing of it.
pub fn sight(application: &Application, user: &User) -> Option<Sight> {
    if application.owner == user.id {
        return Some(Sight::Own);
    }
    let groups = groups(user);
    let is_shared = application.details.groups.iter().any(|group| groups.contains(group.as_str()));
    is_shared.then_some(Sight::Shared)
}

/// Whether `details` are within their bounds.
pub fn check_details(details: &ApplicationDetails) -> Result<(), BadWish> {
    if details.description.chars().count() > MAX_DESCRIPTION {
        return Err(BadWish::Description);
    }
    check_map(&details.attributes)?;
    check_names(&details.groups)
}

fn check_map(map: &BTreeMap<String, String>) -> Result<(), BadWish> {
    let fits = |(name, value): (&String, &String)| name.len() <= MAX_NAME && value.len() <= MAX_VALUE;
    if map.len() <= MOST && map.iter().all(fits) { Ok(()) } else { Err(BadWish::TooMuch) }
}

fn check_names(names: &BTreeSet<String>) -> Result<(), BadWish> {
    let fits = names.len() <= MOST && names.iter().all(|name| name.len() <= MAX_NAME);
    if fits { Ok(()) } else { Err(BadWish::TooMuch) }
}

/// The grants of keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Those that the server knows.
    pub known: BTreeSet<GrantType>,
    /// Others, as they were written; nothing is issued for them.
    pub further: BTreeSet<String>,
}

impl Grants {
    /// The grants of these names, for keys with `callbacks`.
    pub fn read<'a>(names: impl IntoIterator<Item = &'a str>, callbacks: &[String]) -> Result<Self, BadWish> {
        let mut grants = Self::default();
        for name in names.into_iter().map(str::trim).filter(|name| !name.is_empty()) {
            // A name may stand twice.
            let _is_new = match name.parse() {
                Ok(known) => grants.known.insert(known),
                Err(_) => grants.further.insert(name.to_owned()),
            };
        }
        check_names(&grants.further)?;
        let needs_callback = BROWSER_GRANTS.iter().any(|name| grants.further.contains(*name));
        if needs_callback && callbacks.is_empty() { Err(BadWish::NoCallback) } else { Ok(grants) }
    }

    /// The names of all of them.
    pub fn names<'a>(known: &'a BTreeSet<GrantType>, further: &'a BTreeSet<String>) -> Vec<&'a str> {
        known.iter().map(|grant| grant.as_str()).chain(further.iter().map(String::as_str)).collect()
    }
}

/// How long tokens live by `properties`; what they leave open is as in `default`.
pub fn validities(properties: &BTreeMap<String, String>, default: Validities) -> Result<Validities, BadWish> {
    check_map(properties)?;
    let life = |name: &str, default: Validity| match properties.get(name).map(|text| text.trim()) {
        None | Some("" | SERVER_DEFAULT) => Ok(default),
        Some(text) => match text.parse::<i64>() {
            Ok(..0) => Err(BadWish::Negative),
            // WSO2's word for the server's default.
            Ok(0) => Ok(default),
            Ok(seconds) => Ok(u32::try_from(seconds).map_or(Validity::Forever, Validity::Seconds)),
            Err(_) => Err(BadWish::NoNumber),
        },
    };
    // There are no id tokens; a life of theirs is kept and has to be one.
    life(ID_LIFE, default.user)?;
    Ok(Validities {
        application: life(APPLICATION_LIFE, default.application)?,
        user: life(USER_LIFE, default.user)?,
        refresh: life(REFRESH_LIFE, default.refresh)?,
    })
}

/// The properties of keys as WSO2 shows them: what was said, and the defaults of the rest.
pub fn shown(properties: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    let lives = [APPLICATION_LIFE, USER_LIFE, REFRESH_LIFE, ID_LIFE].map(|name| (name, SERVER_DEFAULT));
    let switches = SWITCHES.map(|name| (name, "false"));
    let said = properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    lives.into_iter().chain(switches).chain(said).collect()
}
