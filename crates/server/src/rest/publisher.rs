//! WSO2's publisher API, version 4.

mod apis;
mod definition;
mod endpoint;
mod lifecycle;
mod revisions;
pub(super) mod scopes;
pub(super) mod settings;
mod subscriptions;
mod told;
pub(super) use told::schemes;
mod trial;
mod wanted;

use super::operation::Operation;
use super::surface::Surface;

/// Its operations, and those of Identity Server's interface of scopes.
pub(super) fn operations() -> Vec<Operation> {
    [
        apis::operations(),
        definition::operations(),
        lifecycle::operations(),
        revisions::operations(),
        subscriptions::operations(),
        scopes::operations(),
        settings::operations(),
        trial::operations(),
    ]
    .concat()
}

/// The interface.
const SURFACE: Surface = Surface::Publisher;
/// Who sees APIs.
const VIEW: &[&str] = &["apim:api_view", "apim:api_manage", "apim:api_import_export"];
/// Who makes them.
const CREATE: &[&str] = &["apim:api_create", "apim:api_manage"];
/// Who changes them.
const CHANGE: &[&str] = &["apim:api_create", "apim:api_manage", "apim:api_publish"];
/// The gateway environment that there is.
pub(super) const ENVIRONMENT: &str = "Default";
