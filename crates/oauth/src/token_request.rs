//! What comes to the token endpoint, parsed once; no rule sees a form.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::client::{GrantType, Validities};
use crate::family::{SubjectType, Validity};
use crate::form::Form;
use crate::grant::{client_credentials, password, refresh_token};
use crate::refusal::Refusal;
use crate::scope::Scope;

/// The longest `tokenBindingId`, in bytes.
const MAX_BINDING: usize = 128;

/// A token request: the grant's own parameters and those common to all.
#[derive(Debug)]
pub struct TokenRequest {
    /// The grant.
    pub grant: Grant,
    /// What every grant may ask for.
    pub common: Common,
}

/// The parameters of one grant.
#[derive(Debug)]
pub enum Grant {
    /// RFC 6749 section 4.4.
    ClientCredentials(client_credentials::Params),
    /// RFC 6749 section 4.3.
    Password(password::Params),
    /// RFC 6749 section 6.
    RefreshToken(refresh_token::Params),
}

/// Parameters of every grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    /// `scope`, canonical; none where it is absent or empty.
    pub scope: Option<Scope>,
    /// `validity_period` (WSO2): seconds, negative for ever.
    pub validity_period: Option<Validity>,
    /// `tokenBindingId` (Identity Server's binding `client-request`).
    pub binding: Option<Arc<str>>,
}

impl Grant {
    /// Its type.
    pub const fn grant_type(&self) -> GrantType {
        match self {
            Self::ClientCredentials(_) => GrantType::ClientCredentials,
            Self::Password(_) => GrantType::Password,
            Self::RefreshToken(_) => GrantType::RefreshToken,
        }
    }
}

/// The grant type that a form asks for; looked at before the client is, as WSO2 does.
pub fn grant_type(form: &Form) -> Result<GrantType, Refusal> {
    form.get("grant_type")
        .ok_or(Refusal::MissingGrantType)?
        .parse()
        .map_err(|_| Refusal::UnsupportedGrantType)
}

impl TokenRequest {
    /// Parses a form whose parameters each stand once.
    pub fn parse(form: &Form) -> Result<Self, Refusal> {
        let grant = match grant_type(form)? {
            GrantType::ClientCredentials => Grant::ClientCredentials(client_credentials::Params),
            GrantType::Password => Grant::Password(password::Params::parse(form)?),
            GrantType::RefreshToken => Grant::RefreshToken(refresh_token::Params::parse(form)?),
        };
        let scope = form.get("scope").map(Scope::parse).transpose()?.filter(|scope| !scope.is_empty());
        let validity_period = form.get("validity_period").map(parse_validity).transpose()?;
        let binding = form.get("tokenBindingId").map(parse_binding).transpose()?;
        Ok(Self { grant, common: Common { scope, validity_period, binding } })
    }
}

impl Common {
    /// The life of the access token. Negative is allowed only where the application's own tokens never
    /// expire.
    pub fn access_validity(&self, validities: &Validities, kind: SubjectType) -> Result<Validity, Refusal> {
        let allowed = validities.access(kind, None);
        match self.validity_period {
            Some(Validity::Forever) if allowed != Validity::Forever => Err(Refusal::InvalidValidityPeriod),
            requested => Ok(validities.access(kind, requested)),
        }
    }
}

fn parse_validity(text: &str) -> Result<Validity, Refusal> {
    match text.parse::<i64>() {
        Ok(seconds) if seconds != 0 => Ok(Validity::from(seconds)),
        Ok(_) | Err(_) => Err(Refusal::InvalidValidityPeriod),
    }
}

fn parse_binding(text: &str) -> Result<Arc<str>, Refusal> {
    let well_formed = text.len() <= MAX_BINDING && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if well_formed { Ok(text.into()) } else { Err(Refusal::InvalidParameter("tokenBindingId")) }
}
