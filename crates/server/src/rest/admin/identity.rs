//! Roles, of which portals ask whether they are there.

use http::Method;
use latchkey_catalog::system_scope::SYSTEM_SCOPES;
use latchkey_catalog::user::{ADMIN_ROLE, EVERYONE_ROLE};

use super::super::answer::done;
use super::super::call::Call;
use super::super::caller::Caller;
use super::super::error::{Fault, RestError};
use super::super::operation::{Answer, Operation};
use super::SURFACE;
use super::scopes::named;

/// Who may ask.
const ASK: &[&str] = &["apim:admin", "apim:role_manage", "apim:scope_manage"];

pub(super) fn operations() -> Vec<Operation> {
    vec![SURFACE.scoped(Method::HEAD, "/roles/{roleId}", ASK, exists)]
}

/// A role is there that somebody has, or that gives scopes.
async fn exists(call: Call, _: Caller) -> Answer {
    let gives = |name: &str| SYSTEM_SCOPES.iter().any(|scope| scope.roles.contains(&name));
    for name in named(&call, "roleId") {
        if [ADMIN_ROLE, EVERYONE_ROLE].contains(&&*name)
            || gives(&name)
            || call.app.store.is_role(&name).await?
        {
            return Ok(done());
        }
    }
    Err(RestError::told(Fault::NotFound, "There is no such role."))
}
