//! The rows of counts.

use async_trait::async_trait;
use latchkey_catalog::count::{CountKey, Grant, HandBack, KeyParts, Tally, WindowId};
use latchkey_catalog::id::EntryId;
use latchkey_oauth::clock::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::catalogue::{many, one, run};
use crate::counts::{CountReset, Counts, CountsOf, Lease};
use crate::{Result, execute};

const TALLY: &str = "SELECT kind, owner, part, start_at, ends_at, resets, used FROM tally";

#[async_trait]
impl Counts for SqliteStore {
    async fn lease(&self, lease: Lease) -> Result<Grant> {
        self.unit(move |rows, now| execute::counts::lease(rows, &lease, now)).await
    }

    async fn give_back(&self, backs: Vec<(CountKey, HandBack)>) -> Result<()> {
        self.unit(move |rows, _| execute::counts::give_back(rows, &backs)).await
    }

    async fn tallies(&self, of: CountsOf, limit: u32) -> Result<Vec<(CountKey, Tally)>> {
        let now = self.clock.now();
        self.read(move |rows| execute::counts::tallies(rows, of, (limit, now))).await
    }

    async fn reset_counts(&self, reset: CountReset) -> Result<u64> {
        self.unit(move |rows, now| execute::counts::reset(rows, &reset, now)).await
    }

    async fn trim_tallies(&self, before: Timestamp) -> Result<u64> {
        self.unit(move |rows, _| rows.trim_tallies(before, 1000)).await
    }
}

pub(super) fn tally(connection: &Connection, key: &CountKey, start: Timestamp) -> Result<Option<Tally>> {
    let KeyParts { kind, owner, part } = key.parts();
    let query = "SELECT kind, owner, part, start_at, ends_at, resets, used FROM tally
        WHERE kind = $1 AND owner = $2 AND part = $3 AND start_at = $4";
    let found = one(connection, query, params![kind, owner.as_bytes(), part, start.as_millis()], from_row)?;
    Ok(found.map(|(_, tally)| tally))
}

pub(super) fn tallies(
    connection: &Connection,
    of: CountsOf,
    (now, limit): (Timestamp, u32),
) -> Result<Vec<(CountKey, Tally)>> {
    let now = now.as_millis();
    match of {
        CountsOf::Key(key) => {
            let KeyParts { kind, owner, part } = key.parts();
            let query = format!("{TALLY} WHERE kind = $1 AND owner = $2 AND part = $3 AND ends_at > $4");
            many(connection, &query, params![kind, owner.as_bytes(), part, now], from_row)
        }
        CountsOf::Application(id) => {
            let query = format!(
                "{TALLY} WHERE kind IN ('application', 'application_burst') AND owner = $1 AND ends_at > $2
                 ORDER BY kind, owner, part, start_at LIMIT $3"
            );
            many(connection, &query, params![id.as_bytes(), now, limit], from_row)
        }
    }
}

pub(super) fn put(connection: &Connection, key: &CountKey, tally: &Tally) -> Result<()> {
    let KeyParts { kind, owner, part } = key.parts();
    run(
        connection,
        "INSERT INTO tally (kind, owner, part, start_at, ends_at, resets, used)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (kind, owner, part, start_at) DO UPDATE
         SET ends_at = excluded.ends_at, resets = excluded.resets, used = excluded.used",
        params![
            kind,
            owner.as_bytes(),
            part,
            tally.window.start.as_millis(),
            tally.ends.as_millis(),
            tally.window.resets.cast_signed(),
            // Beyond what the column holds, nobody comes.
            i64::try_from(tally.used).unwrap_or(i64::MAX),
        ],
    )?;
    Ok(())
}

pub(super) fn trim(connection: &Connection, before: Timestamp, limit: u32) -> Result<u64> {
    let statement = "DELETE FROM tally WHERE (kind, owner, part, start_at) IN
        (SELECT kind, owner, part, start_at FROM tally WHERE ends_at < $1 ORDER BY ends_at LIMIT $2)";
    Ok(run(connection, statement, params![before.as_millis(), limit])? as u64)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<(CountKey, Tally)> {
    let key = CountKey::from_parts(
        row.get_ref(0)?.as_str()?,
        EntryId::from_bytes(row.get(1)?),
        row.get_ref(2)?.as_blob()?,
    );
    let unknown = || rusqlite::Error::InvalidColumnType(0, "kind".to_owned(), Type::Text);
    let window = WindowId {
        start: Timestamp::from_millis(row.get(3)?),
        resets: row.get::<_, i64>(5)?.cast_unsigned(),
    };
    let ends = Timestamp::from_millis(row.get(4)?);
    let used = row.get::<_, i64>(6)?.cast_unsigned();
    Ok((key.ok_or_else(unknown)?, Tally { window, ends, used }))
}
