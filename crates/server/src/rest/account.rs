//! What users hold, for themselves and for administrators: login sessions and applications in the shapes of
//! Identity Server, devices in Latchkey's own.

mod applications;
mod devices;
mod governance;
mod sessions;
mod sign_up;

use latchkey_catalog::user::User;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::introspection::unqualified;
use latchkey_oauth::revocation::Reason;
use latchkey_oauth::session::SessionId;

use super::call::Call;
use super::caller::Caller;
use super::error::RestError;
use super::operation::Operation;
use crate::admin::problem::Problem;
use crate::admin::session::{By, Session, of_user};
use crate::app::unavailable;

/// Who may look at one's own account, and change it.
const OWN: &[&str] = &["internal_login"];
/// Who may look at everybody's.
const VIEW: &[&str] = &["internal_session_view"];
/// Who may end what is everybody's.
const DELETE: &[&str] = &["internal_session_delete"];

pub(super) fn operations() -> Vec<Operation> {
    [
        sessions::operations(),
        applications::operations(),
        devices::operations(),
        governance::operations(),
        sign_up::operations(),
    ]
    .concat()
}

/// The user who is concerned: whom the path names, else the caller.
async fn concerned(call: &Call, caller: &Caller) -> Result<User, RestError> {
    let Some(named) = call.path.get("userId") else { return Ok(caller.user.user.clone()) };
    let found = match PrincipalId::parse(named) {
        Some(id) => call.app.store.user_by_id(id).await,
        None => call.app.store.user(unqualified(named)).await,
    };
    let found = found.map_err(unavailable)?;
    found.map(|facts| facts.user.clone()).ok_or_else(|| Problem::NoSuchUser.into())
}

/// Who ends something of `user`, and why.
fn by<'a>(caller: &'a Caller, user: &User) -> By<'a> {
    let is_own = caller.user.user.id == user.id;
    let reason = if is_own { Reason::UserRequest } else { Reason::Administrator };
    By { actor: caller.name(), reason }
}

/// The session that the path names, among those of `user`.
async fn named(call: &Call, user: &User) -> Result<Session, RestError> {
    let id = call.path.get("sessionId").and_then(|id| SessionId::parse(id));
    let sessions = of_user(&call.app, user.id).await?;
    let found = sessions.into_iter().find(|session| Some(session.id) == id);
    found.ok_or_else(|| RestError::told(super::error::Fault::NotFound, "There is no such session or device."))
}
