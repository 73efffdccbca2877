//! API keys, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use latchkey_catalog::api_key::ApiKey;
use latchkey_catalog::id::EntryId;
use latchkey_oauth::id::PrincipalId;

use super::MemoryStore;
use super::registry::page_of;
use super::rows::MemoryRows;
use crate::Result;
use crate::api_keys::{ApiKeyFacts, ApiKeys, ReadApiKeys, WriteApiKeys, facts};
use crate::registry::{Found, PageOf};

/// API keys by id.
pub(super) type Keys = BTreeMap<PrincipalId, ApiKey>;

#[async_trait]
impl ApiKeys for MemoryStore {
    async fn api_key(&self, id: PrincipalId) -> Result<Option<Arc<ApiKeyFacts>>> {
        Ok(self.read(|rows| facts(rows, id))?.map(Arc::new))
    }

    async fn api_keys_of(&self, application: EntryId) -> Result<Vec<ApiKey>> {
        self.read(|rows| rows.api_keys_of(application))
    }

    async fn find_api_keys(&self, page: PageOf) -> Result<Found<ApiKey>> {
        self.read(|rows| rows.find_api_keys(page))
    }
}

impl ReadApiKeys for MemoryRows {
    fn api_key(&mut self, id: PrincipalId) -> Result<Option<ApiKey>> {
        Ok(self.api_keys.get(&id).cloned())
    }

    fn api_keys_of(&mut self, application: EntryId) -> Result<Vec<ApiKey>> {
        let of_it = self.api_keys.values().filter(|key| key.application == application);
        let mut keys: Vec<ApiKey> = of_it.cloned().collect();
        keys.sort_by(|one, other| (one.keys.as_str(), &one.name).cmp(&(other.keys.as_str(), &other.name)));
        Ok(keys)
    }

    fn find_api_keys(&mut self, page: PageOf) -> Result<Found<ApiKey>> {
        Ok(page_of(self.api_keys.values().cloned().collect(), page))
    }
}

impl WriteApiKeys for MemoryRows {
    fn put_api_key(&mut self, key: &ApiKey) -> Result<()> {
        self.api_keys.insert(key.id, key.clone());
        Ok(())
    }

    fn delete_api_key(&mut self, id: PrincipalId) -> Result<()> {
        self.api_keys.remove(&id);
        Ok(())
    }
}
