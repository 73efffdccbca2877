//! Client credentials: the application speaks for itself (RFC 6749 section 4.4).

use super::{Authorization, Refreshable, ScopeFacts};
use crate::client::GrantType;
use crate::client_authentication::AuthenticatedClient;
use crate::family::{Subject, SubjectType};
use crate::refusal::Refusal;
use crate::scope::Scope;

/// The grant has no parameters of its own.
#[derive(Debug, Clone, Copy)]
pub struct Params;

/// The scope of who looks after the own account: an application has none (WSO2 withholds it from this grant).
const LOGIN: &str = "internal_login";

/// Authorizes the application. Scopes bound to roles follow the roles of its owner, as WSO2 has it, where
/// the owner is the user of an application token.
pub fn authorize(
    client: AuthenticatedClient<'_>,
    requested: Option<&Scope>,
    facts: ScopeFacts<'_>,
) -> Result<Authorization, Refusal> {
    client.permits(GrantType::ClientCredentials)?;
    let subject = Subject { kind: SubjectType::Application, id: client.client().id };
    let of_applications =
        requested.map(|scope| Scope::from_members(scope.members().filter(|member| *member != LOGIN)));
    let scope = facts.grant(of_applications.as_ref())?;
    Ok(Authorization { subject, scope, refreshable: Refreshable::No })
}
