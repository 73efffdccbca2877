//! WSO2's developer portal API, version 3.

mod api_keys;
pub(super) mod apis;
pub(super) mod applications;
mod keys;
mod limits;
mod me;
pub(super) mod policies;
pub(super) mod search;
pub(super) mod settings;
mod subscriptions;

use super::operation::Operation;
use super::surface::Surface;

/// Its operations.
pub(super) fn operations() -> Vec<Operation> {
    [
        apis::operations(),
        applications::operations(),
        keys::operations(),
        api_keys::operations(),
        subscriptions::operations(),
        policies::operations(),
        limits::operations(),
        settings::operations(),
        me::operations(),
    ]
    .concat()
}

/// The interface.
const SURFACE: Surface = Surface::Devportal;
