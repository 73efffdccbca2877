//! What came over from another server, in memory.

use std::collections::HashMap;

use async_trait::async_trait;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::Bucket;

use super::MemoryStore;
use super::rows::MemoryRows;
use crate::Result;
use crate::execute::import;
use crate::imports::{Imports, ReadImports, WriteImports};
use crate::unit::{Import, ImportOutcome};

/// The ends of what came over, by digest.
pub(super) type Imported = HashMap<[u8; 32], Option<Timestamp>>;

#[async_trait]
impl Imports for MemoryStore {
    async fn import(&self, wanted: Import) -> Result<Vec<ImportOutcome>> {
        self.unit_of_the_catalogue(|rows, now| import::import(rows, &wanted, now))
    }

    async fn foresee(&self, wanted: Import) -> Result<Vec<ImportOutcome>> {
        let now = self.clock.now();
        self.read(|rows| import::foresee(rows, &wanted, now))
    }
}

impl ReadImports for MemoryRows {
    fn is_imported(&mut self, _: Bucket, digest: [u8; 32]) -> Result<bool> {
        Ok(self.imported.contains_key(&digest))
    }
}

impl WriteImports for MemoryRows {
    fn note_imported(&mut self, _: Bucket, digest: [u8; 32], ends_at: Option<Timestamp>) -> Result<()> {
        self.imported.insert(digest, ends_at);
        Ok(())
    }

    fn trim_imported(&mut self, now: Timestamp, limit: u32) -> Result<u64> {
        let ended = self.imported.iter().filter(|(_, end)| end.is_some_and(|end| end <= now));
        let ended: Vec<[u8; 32]> = ended.map(|(digest, _)| *digest).take(limit as usize).collect();
        for digest in &ended {
            self.imported.remove(digest);
        }
        Ok(ended.len() as u64)
    }
}
