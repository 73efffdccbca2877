//! The control socket: administration of a running server, for its own user on the same machine.
//!
//! One request is one line of JSON, one answer is another, and then the connection ends. Both sides say
//! which version they are, and a program of another version is told so rather than misunderstood.

pub mod client;
mod server;

#[cfg(test)]
mod tests;

use latchkey_catalog::openapi::MAX_DOCUMENT;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::admin::{AdminError, Reply};

pub use server::serve;

/// The version that both sides compare.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The longest request line, in bytes: a document to import, of which JSON writes many a byte as two, and
/// what is said besides.
pub const MAX_REQUEST: usize = 2 * MAX_DOCUMENT + 64 * 1024;
/// The longest answer line, in bytes. A page of any listing is far shorter; the largest API alone is not.
pub const MAX_ANSWER: usize = 16 * 1024 * 1024;

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
