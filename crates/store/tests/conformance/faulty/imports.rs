//! What comes over to a faulty store.

use async_trait::async_trait;
use latchkey_store::Result;
use latchkey_store::imports::Imports;
use latchkey_store::unit::{Import, ImportOutcome};

use super::Faulty;

#[async_trait]
impl Imports for Faulty {
    async fn import(&self, import: Import) -> Result<Vec<ImportOutcome>> {
        self.inner.import(import).await
    }

    async fn foresee(&self, import: Import) -> Result<Vec<ImportOutcome>> {
        self.inner.foresee(import).await
    }
}
