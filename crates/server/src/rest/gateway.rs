//! WSO2's API of a gateway, of which clients ask whether something is there yet.

use http::Method;

use super::answer;
use super::call::Call;
use super::caller::Caller;
use super::operation::{Answer, Operation};
use super::surface::Surface;

pub(super) fn operations() -> Vec<Operation> {
    vec![Surface::Gateway.open(Method::GET, "/server-startup-healthcheck", ready)]
}

/// Whoever is answered here is answered by a server that has started.
async fn ready(_: Call, _: Option<Caller>) -> Answer {
    Ok(answer::done())
}
