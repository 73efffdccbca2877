//! What came over from another server.

use async_trait::async_trait;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::Bucket;
use rusqlite::{OptionalExtension, params};

use super::SqliteStore;
use super::transaction::SqliteRows;
use crate::Result;
use crate::execute::import;
use crate::imports::{Imports, ReadImports, WriteImports};
use crate::unit::{Import, ImportOutcome};

#[async_trait]
impl Imports for SqliteStore {
    async fn import(&self, wanted: Import) -> Result<Vec<ImportOutcome>> {
        self.unit(move |rows, now| import::import(rows, &wanted, now)).await
    }

    async fn foresee(&self, wanted: Import) -> Result<Vec<ImportOutcome>> {
        let now = self.clock.now();
        self.read(move |rows| import::foresee(rows, &wanted, now)).await
    }
}

impl ReadImports for SqliteRows<'_> {
    fn is_imported(&mut self, bucket: Bucket, digest: [u8; 32]) -> Result<bool> {
        let mut select =
            self.connection().prepare_cached("SELECT 1 FROM imported WHERE bucket = $1 AND digest = $2")?;
        let found = select.query_row(params![bucket.number(), digest], |_| Ok(()));
        Ok(found.optional()?.is_some())
    }
}

impl WriteImports for SqliteRows<'_> {
    fn note_imported(&mut self, bucket: Bucket, digest: [u8; 32], ends_at: Option<Timestamp>) -> Result<()> {
        self.connection()
            .prepare_cached(
                "INSERT INTO imported (bucket, digest, ends_at) VALUES ($1, $2, $3)
                 ON CONFLICT (bucket, digest) DO NOTHING",
            )?
            .execute(params![bucket.number(), digest, ends_at.map(Timestamp::as_millis)])?;
        Ok(())
    }

    fn trim_imported(&mut self, now: Timestamp, limit: u32) -> Result<u64> {
        let removed = self
            .connection()
            .prepare_cached(
                "DELETE FROM imported WHERE (bucket, digest) IN
                    (SELECT bucket, digest FROM imported WHERE ends_at <= $1 LIMIT $2)",
            )?
            .execute(params![now.as_millis(), limit])?;
        Ok(removed as u64)
    }
}
