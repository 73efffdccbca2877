//! Resource owner password credentials (RFC 6749 section 4.3): a legacy grant, refused by the profile `strict`
//! (RFC 9700 section 2.4).

use super::{Authorization, Refreshable, ScopeFacts};
use crate::client::GrantType;
use crate::client_authentication::AuthenticatedClient;
use crate::family::{Subject, SubjectType};
use crate::form::Form;
use crate::id::PrincipalId;
use crate::refusal::Refusal;
use crate::scope::Scope;
use crate::secret::Secret;

/// The longest user name, in bytes.
pub const MAX_USERNAME: usize = 255;
/// The longest password, in bytes; checked before any hashing.
pub const MAX_PASSWORD: usize = 256;

/// Whom somebody claims to be.
#[derive(Debug)]
pub struct Params {
    /// `username`, as sent.
    pub username: String,
    /// `password`.
    pub password: Secret,
}

impl Params {
    /// Parses the grant's parameters.
    pub fn parse(form: &Form) -> Result<Self, Refusal> {
        let username = form.get("username").ok_or(Refusal::MissingParameter("username"))?.to_owned();
        let password = form.secret("password").ok_or(Refusal::MissingParameter("password"))?.clone();
        if username.len() > MAX_USERNAME {
            return Err(Refusal::InvalidParameter("username"));
        }
        if password.expose().len() > MAX_PASSWORD {
            return Err(Refusal::InvalidParameter("password"));
        }
        Ok(Self { username, password })
    }
}

/// Authorizes a user whose password was verified.
pub fn authorize(
    client: AuthenticatedClient<'_>,
    id: PrincipalId,
    requested: Option<&Scope>,
    facts: ScopeFacts<'_>,
) -> Result<Authorization, Refusal> {
    client.permits(GrantType::Password)?;
    let subject = Subject { kind: SubjectType::ApplicationUser, id };
    Ok(Authorization { subject, scope: facts.grant(requested)?, refreshable: Refreshable::Yes })
}
