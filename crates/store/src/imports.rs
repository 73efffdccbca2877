//! What comes over from another server, many at a time.

use async_trait::async_trait;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::Bucket;

use crate::Result;
use crate::unit::{Import, ImportOutcome};

/// The part of a store that takes over what another server kept.
#[async_trait]
pub trait Imports {
    /// Takes the items over, each whole or not at all, and answers for each once all of them are durable. What is
    /// there already stays as it is.
    async fn import(&self, import: Import) -> Result<Vec<ImportOutcome>>;

    /// What [`Imports::import`] would answer if nothing of it were written; nothing changes. An item that needs
    /// another one of the same import is told to miss it.
    async fn foresee(&self, import: Import) -> Result<Vec<ImportOutcome>>;
}

/// Reading what came over.
pub trait ReadImports {
    /// Whether a token of this digest came over once, for a holder in this shard.
    fn is_imported(&mut self, bucket: Bucket, digest: [u8; 32]) -> Result<bool>;
}

/// Noting what came over.
pub trait WriteImports {
    /// Notes that a token of this digest came over for a holder in this shard; until `ends_at`, or for ever.
    fn note_imported(&mut self, bucket: Bucket, digest: [u8; 32], ends_at: Option<Timestamp>) -> Result<()>;
    /// Forgets those that ended before `now`, at most `limit`; how many.
    fn trim_imported(&mut self, now: Timestamp, limit: u32) -> Result<u64>;
}
