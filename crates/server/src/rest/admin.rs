//! WSO2's administration API, version 4.

mod applications;
mod deny;
mod environments;
mod key_managers;
mod limits;
mod policies;
mod scopes;
mod settings;
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
    ]
    .concat()
}

/// The interface.
const SURFACE: Surface = Surface::Admin;
