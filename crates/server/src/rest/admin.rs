//! WSO2's administration API, version 4.

mod api_keys;
mod applications;
mod deny;
mod environments;
mod key_managers;
mod limits;
mod policies;
mod scopes;
mod settings;
mod tenant;
mod workflows;

use super::operation::Operation;
use super::surface::Surface;

/// Its operations.
pub(super) fn operations() -> Vec<Operation> {
    [
        policies::operations(),
        deny::operations(),
        applications::operations(),
        settings::operations(),
        environments::operations(),
        key_managers::operations(),
        workflows::operations(),
        scopes::operations(),
        tenant::operations(),
        api_keys::operations(),
    ]
    .concat()
}

/// The interface.
const SURFACE: Surface = Surface::Admin;
