//! Users who are signed up as developers (Identity Server's `/api/identity/user/v1.0/me`). A portal does it with the
//! credentials of an administrator; nobody signs up without any.

use http::{Method, StatusCode};
use latchkey_catalog::user::{Email, SUBSCRIBER_ROLE, UserChange};
use latchkey_oauth::introspection::unqualified;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::admin::text::SecretText;
use crate::admin::user::{NewUser, create};
use crate::http::answer::text;
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::error::RestError;
use crate::rest::operation::{Answer, Operation};
use crate::rest::surface::Surface;
use crate::rest::wire::or_default;

/// Where WSO2's claims begin.
const CLAIMS: &str = "http://wso2.org/claims/";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Surface::SignUp
            .scoped(Method::POST, "/me", &["internal_user_mgt_create"], sign_up)
            .takes::<SignUp>()
            .answers_only(StatusCode::CREATED),
    ]
}

/// Identity Server's `SelfUserRegistrationRequest`.
#[derive(Debug, Deserialize, JsonSchema)]
struct SignUp {
    user: Wanted,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "SignedUpUser")]
struct Wanted {
    username: String,
    password: SecretText,
    #[serde(default, deserialize_with = "or_default")]
    claims: Vec<Claim>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "UserClaim")]
struct Claim {
    uri: String,
    value: String,
}

impl Claim {
    /// What it says of the user.
    fn change(self) -> Result<UserChange, RestError> {
        let Self { uri, value } = self;
        let value = Some(value).filter(|value| !value.is_empty());
        match uri.strip_prefix(CLAIMS) {
            Some("givenname") => Ok(UserChange::GivenName(value)),
            Some("lastname") => Ok(UserChange::FamilyName(value)),
            Some("displayName") => Ok(UserChange::DisplayName(value)),
            Some("emailaddress") => {
                let email = |value| Email { value, kind: None, primary: false };
                Ok(UserChange::Emails(value.map(email).into_iter().collect()))
            }
            Some(_) | None => Err(RestError::bad(
                "The claims are givenname, lastname, displayName and emailaddress of http://wso2.org/claims/.",
            )),
        }
    }
}

async fn sign_up(call: Call, caller: Caller) -> Answer {
    let SignUp { user: Wanted { username, password, claims } } = call.json()?;
    let changes = claims.into_iter().map(Claim::change).collect::<Result<_, _>>()?;
    let roles = [SUBSCRIBER_ROLE.to_owned()].into();
    let new = NewUser { name: unqualified(&username).to_owned(), password: password.0, roles, changes };
    create(&call.app, new, caller.name()).await?;
    Ok(text(StatusCode::CREATED, "application/json", ""))
}
