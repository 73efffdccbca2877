//! The control socket: administration of a running server, for its own user on the same machine.
//!
//! One request is one line of JSON, one answer is another, and then the connection ends. Both sides say
//! which version they are, and a program of another version is told so rather than misunderstood.

pub mod client;
mod server;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::admin::{AdminError, Reply};

pub use server::serve;

/// The version that both sides compare.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The longest request line, in bytes.
pub const MAX_REQUEST: usize = 64 * 1024;
/// The longest answer line, in bytes. A page of any listing is far shorter.
pub const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// A request.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    /// The version of the program that asks.
    version: String,
    /// The command, read only when the versions agree.
    command: Value,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    /// The version of the server.
    version: String,
    /// What came of the command.
    outcome: Result<Reply, AdminError>,
}
