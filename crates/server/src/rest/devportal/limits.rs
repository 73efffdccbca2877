//! What is used of an application's limits.

use http::Method;
use latchkey_oauth::introspection::unqualified;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::answer::done;
use super::super::call::Call;
use super::super::caller::Caller;
use super::super::operation::{Answer, Operation};
use super::super::wire::or_default;
use super::SURFACE;
use super::applications::SCOPES;
use crate::admin::application::Reference;
use crate::admin::developer;
use crate::admin::limit::{self, Which};

pub(super) fn operations() -> Vec<Operation> {
    let reset = "/applications/{applicationId}/reset-throttle-policy";
    vec![SURFACE.scoped(Method::POST, reset, SCOPES, renew).takes::<ThrottleReset>()]
}

/// WSO2's `ApplicationThrottleReset`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ThrottleReset {
    #[serde(default, deserialize_with = "or_default")]
    user_name: String,
}

/// The limits of the application begin anew, for one user or, where none is named, for all.
async fn renew(call: Call, caller: Caller) -> Answer {
    let ThrottleReset { user_name } = call.json()?;
    let found = developer::own(&call.app, call.at("applicationId"), &caller.user.user).await?;
    let user = Some(unqualified(&user_name).to_owned()).filter(|name| !name.is_empty());
    let application = Reference { name: found.id.to_string(), owner: None };
    limit::renew(&call.app, &Which { application, api: None, user }, caller.name()).await?;
    Ok(done())
}
