//! The refresh grant (RFC 6749 section 6); its rule is [`crate::rotation`].

use crate::form::Form;
use crate::refusal::Refusal;
use crate::secret::Secret;

/// The refresh token presented.
#[derive(Debug)]
pub struct Params {
    /// `refresh_token`.
    pub refresh_token: Secret,
}

impl Params {
    /// Parses the grant's parameters.
    pub fn parse(form: &Form) -> Result<Self, Refusal> {
        let refresh_token = form.secret("refresh_token").ok_or(Refusal::MissingParameter("refresh_token"))?;
        Ok(Self { refresh_token: refresh_token.clone() })
    }
}
