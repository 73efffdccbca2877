//! The rows of API keys.

use std::sync::Arc;

use async_trait::async_trait;
use latchkey_catalog::api_key::{ApiKey, Restrictions};
use latchkey_catalog::id::EntryId;
use latchkey_oauth::client::KeyType;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::{Seed, Validity};
use latchkey_oauth::id::PrincipalId;
use rusqlite::{Row, params};

use super::SqliteStore;
use super::catalogue::{many, one, run, unknown};
use super::registry::{number, offset};
use super::transaction::SqliteRows;
use crate::Result;
use crate::api_keys::{ApiKeyFacts, ApiKeys, ReadApiKeys, WriteApiKeys, facts};
use crate::registry::{Found, PageOf};

const API_KEY: &str = "SELECT id, application, key_type, name, generation, seed, issued_at, validity,
    addresses, referers FROM api_key";

#[async_trait]
impl ApiKeys for SqliteStore {
    async fn api_key(&self, id: PrincipalId) -> Result<Option<Arc<ApiKeyFacts>>> {
        if let Some(facts) = self.api_key_at_hand(id) {
            return Ok(Some(facts));
        }
        let began = self.caches.began();
        let found = self.read(move |rows| facts(rows, id)).await?;
        Ok(found.map(|facts| self.caches.fill_api_key(began, facts)))
    }

    fn api_key_at_hand(&self, id: PrincipalId) -> Option<Arc<ApiKeyFacts>> {
        self.caches.api_key(id)
    }

    async fn api_keys_of(&self, application: EntryId) -> Result<Vec<ApiKey>> {
        self.read(move |rows| rows.api_keys_of(application)).await
    }

    async fn find_api_keys(&self, page: PageOf) -> Result<Found<ApiKey>> {
        self.read(move |rows| rows.find_api_keys(page)).await
    }
}

impl ReadApiKeys for SqliteRows<'_> {
    fn api_key(&mut self, id: PrincipalId) -> Result<Option<ApiKey>> {
        one(self.connection(), &format!("{API_KEY} WHERE id = $1"), [id.as_bytes()], from_row)
    }

    fn api_keys_of(&mut self, application: EntryId) -> Result<Vec<ApiKey>> {
        let query = format!("{API_KEY} WHERE application = $1 ORDER BY key_type, name");
        many(self.connection(), &query, [application.as_bytes()], from_row)
    }

    fn find_api_keys(&mut self, page: PageOf) -> Result<Found<ApiKey>> {
        let total = one(self.connection(), "SELECT count(*) FROM api_key", [], number)?;
        let query = format!("{API_KEY} ORDER BY id LIMIT $1 OFFSET $2");
        let entries =
            many(self.connection(), &query, params![i64::from(page.limit), offset(page)], from_row)?;
        Ok(Found { entries, total: total.unwrap_or_default() })
    }
}

impl WriteApiKeys for SqliteRows<'_> {
    fn put_api_key(&mut self, key: &ApiKey) -> Result<()> {
        run(
            self.connection(),
            "INSERT INTO api_key (id, application, key_type, name, generation, seed, issued_at, validity,
                addresses, referers)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (id) DO UPDATE SET generation = excluded.generation,
                issued_at = excluded.issued_at",
            params![
                key.id.as_bytes(),
                key.application.as_bytes(),
                key.keys.as_str(),
                key.name,
                key.generation,
                key.seed.as_bytes(),
                key.issued_at.as_millis(),
                i64::from(key.validity),
                key.restrictions.addresses(),
                key.restrictions.referers(),
            ],
        )?;
        Ok(())
    }

    fn delete_api_key(&mut self, id: PrincipalId) -> Result<()> {
        run(self.connection(), "DELETE FROM api_key WHERE id = $1", [id.as_bytes()])?;
        Ok(())
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let keys = match row.get_ref(2)?.as_str()? {
        "PRODUCTION" => KeyType::Production,
        "SANDBOX" => KeyType::Sandbox,
        _ => return Err(unknown(2, "key_type")),
    };
    let restrictions = Restrictions::parse(row.get_ref(8)?.as_str()?, row.get_ref(9)?.as_str()?);
    Ok(ApiKey {
        id: PrincipalId::from_bytes(row.get(0)?),
        application: EntryId::from_bytes(row.get(1)?),
        keys,
        name: row.get(3)?,
        generation: row.get(4)?,
        seed: Seed::from_bytes(row.get(5)?),
        issued_at: Timestamp::from_millis(row.get(6)?),
        validity: Validity::from(row.get::<_, i64>(7)?),
        restrictions: restrictions.map_err(|_| unknown(8, "addresses"))?,
    })
}
