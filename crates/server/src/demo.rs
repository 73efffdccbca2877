//! What a first start sets up.

use std::sync::Arc;

use crate::app::App;
use crate::data_directory::DataDirectory;

/// Whether the demo is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demo {
    /// It is.
    Yes,
    /// Only the administrator.
    No,
}

/// Why the first start failed.
#[derive(Debug, thiserror::Error)]
#[error("the first start failed: {0}")]
pub struct DemoError(String);

/// Sets up what a first start needs.
pub async fn first_start(_: &Arc<App>, _: &DataDirectory, _: Demo) -> Result<(), DemoError> {
    Ok(())
}
