//! Identity Server's switches for account locking and the like, which scripts turn on before they use it.

use http::Method;

use crate::rest::answer::done;
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::operation::{Answer, Operation};
use crate::rest::surface::Surface;

pub(super) fn operations() -> Vec<Operation> {
    let connector = "/identity-governance/{categoryId}/connectors/{connectorId}";
    vec![Surface::Server.scoped(Method::PATCH, connector, &["internal_user_mgt_update"], switch)]
}

/// Taken and ignored: accounts can be locked and disabled whether or not somebody says so first.
async fn switch(_: Call, _: Caller) -> Answer {
    Ok(done())
}
