//! What callers do to their own accounts.

use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::answer;
use super::super::call::Call;
use super::super::caller::Caller;
use super::super::operation::{Answer, Operation};
use super::SURFACE;
use crate::admin::problem::Problem;
use crate::admin::text::SecretText;
use crate::admin::user;
use crate::sign_in::{self, Attempt};

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE
            .scoped(Method::POST, "/me/change-password", &["apim:subscribe"], change_password)
            .takes::<CurrentAndNewPasswords>(),
    ]
}

/// WSO2's `CurrentAndNewPasswords`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct CurrentAndNewPasswords {
    current_password: SecretText,
    new_password: SecretText,
}

/// The current password is verified under the same brakes as a sign-in; with the change every token of the user
/// ends.
async fn change_password(call: Call, caller: Caller) -> Answer {
    let CurrentAndNewPasswords { current_password, new_password } = call.json()?;
    let attempt = Attempt::of(call.peer, "");
    let known = sign_in::verify(&call.app, caller.name(), &current_password.0, &attempt).await?;
    known.ok_or(Problem::WrongPassword)?;
    user::set_password(&call.app, caller.name(), new_password.0, caller.name()).await?;
    Ok(answer::done())
}
