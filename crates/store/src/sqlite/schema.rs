//! The file: its settings, its migrations, and whether it can be trusted.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::digest;
use latchkey_catalog::tier::seeded;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::{published, registry};
use crate::rows::Position;
use crate::{Result, StoreError};

/// The first SQLite without the WAL-reset fault.
const OLDEST_SQLITE: i32 = 3_051_003;
/// Files up to this size are checked whole at each start, in a few tens of milliseconds.
const CHECKED_AT_START: u64 = 8 << 20;

/// What every SQLite file begins with.
const HEADER: &[u8; 16] = b"SQLite format 3\0";

struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
    /// What its new tables hold from the beginning.
    fill: fn(&Connection) -> Result<()>,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "init",
        sql: include_str!("../../migrations/sqlite/0001_init.sql"),
        fill: |_| Ok(()),
    },
    Migration {
        version: 2,
        name: "tiers",
        sql: include_str!("../../migrations/sqlite/0002_tiers.sql"),
        fill: |connection| seeded().iter().try_for_each(|tier| published::put_tier(connection, tier)),
    },
    Migration {
        version: 3,
        name: "records",
        sql: include_str!("../../migrations/sqlite/0003_records.sql"),
        fill: |_| Ok(()),
    },
    Migration {
        version: 4,
        name: "counts",
        sql: include_str!("../../migrations/sqlite/0004_counts.sql"),
        fill: |_| Ok(()),
    },
    Migration {
        version: 5,
        name: "nodes",
        sql: include_str!("../../migrations/sqlite/0005_nodes.sql"),
        fill: |_| Ok(()),
    },
    Migration {
        version: 6,
        name: "registry",
        sql: include_str!("../../migrations/sqlite/0006_registry.sql"),
        fill: registry::fold_names,
    },
    Migration {
        version: 7,
        name: "people",
        sql: include_str!("../../migrations/sqlite/0007_people.sql"),
        fill: |_| Ok(()),
    },
    Migration {
        version: 8,
        name: "node batches",
        sql: include_str!("../../migrations/sqlite/0008_node_batches.sql"),
        fill: |_| Ok(()),
    },
    Migration {
        version: 9,
        name: "api_keys",
        sql: include_str!("../../migrations/sqlite/0009_api_keys.sql"),
        fill: |_| Ok(()),
    },
    Migration {
        version: 10,
        name: "imported",
        sql: include_str!("../../migrations/sqlite/0010_imported.sql"),
        fill: |_| Ok(()),
    },
    Migration {
        version: 11,
        name: "application_text",
        sql: include_str!("../../migrations/sqlite/0011_application_text.sql"),
        fill: |_| Ok(()),
    },
];

/// Opens a connection with the settings that every connection has.
pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens the connection that writes.
pub(super) fn connect_writer(path: &Path) -> Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Unavailable(format!(
            "{} cannot use write-ahead logging (its journal mode is {mode}); it needs a local file system",
            path.display()
        )));
    }
    // An acknowledged token or revocation survives power loss; NORMAL loses acknowledged rows.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // Enough for the inner pages of ten million rows. A larger one costs more than it saves: some commits
    // go through all of it, and what it misses lies in the system's cache.
    connection.pragma_update(None, "cache_size", -8_192)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// Opens a connection that reads.
pub(super) fn connect_reader(path: &Path) -> Result<Connection> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "cache_size", -8_192)?;
    Ok(connection)
}

/// Makes or migrates the file and counts the start; answers where the event log stands.
pub(super) fn prepare(path: &Path) -> Result<Position> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(StoreError::Unavailable(format!(
            "SQLite {} loses data under a write-ahead log; 3.51.3 or newer is needed",
            rusqlite::version()
        )));
    }
    let size = std::fs::metadata(path).map_or(0, |file| file.len());
    if size > 0 {
        check_header(path).map_err(|error| name_file(path, error))?;
    }
    let mut connection = connect_writer(path).map_err(|error| name_file(path, error))?;
    // A damaged file and the log beside it are left as they are: both are needed to save what can be saved.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    if size > 0 && size <= CHECKED_AT_START {
        check(&connection).map_err(|error| name_file(path, error))?;
    }
    migrate(&mut connection).map_err(|error| name_file(path, error))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute(
        "INSERT INTO writer (id, epoch, last_seq) VALUES (1, 1, 0)
         ON CONFLICT (id) DO UPDATE SET epoch = epoch + 1",
        [],
    )?;
    let position = transaction.query_row("SELECT epoch, last_seq FROM writer WHERE id = 1", [], |row| {
        Ok(Position {
            epoch: row.get::<_, i64>(0)?.cast_unsigned(),
            seq: row.get::<_, i64>(1)?.cast_unsigned(),
        })
    })?;
    transaction.commit()?;
    Ok(position)
}

/// Looks at the first bytes before SQLite does, which would take the log into a file that is none of its.
fn check_header(path: &Path) -> Result<()> {
    let mut head = [0; HEADER.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    if read.is_ok() && head == *HEADER {
        return Ok(());
    }
    Err(StoreError::Damaged("file is not a database".to_owned()))
}

fn name_file(path: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged(what) => StoreError::Damaged(format!("{}: {what}", path.display())),
        StoreError::Unavailable(what) => StoreError::Unavailable(format!("{}: {what}", path.display())),
        StoreError::Busy => StoreError::Busy,
    }
}

/// What a look at a whole file found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integrity {
    /// Migrations applied.
    pub version: i64,
    /// Token families.
    pub families: u64,
    /// Events.
    pub events: u64,
    /// Where the event log stands.
    pub position: Position,
}

/// Reads the whole file at `path` and says whether its structure holds together.
pub fn check_file(path: &Path) -> Result<Integrity> {
    let connection = connect_reader(path).map_err(|error| name_file(path, error))?;
    check(&connection).map_err(|error| name_file(path, error))?;
    let one = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    Ok(Integrity {
        version: one("SELECT coalesce(max(version), 0) FROM schema_migrations")?,
        families: one("SELECT count(*) FROM family")?.cast_unsigned(),
        events: one("SELECT count(*) FROM event")?.cast_unsigned(),
        position: Position {
            epoch: one("SELECT epoch FROM writer WHERE id = 1")?.cast_unsigned(),
            seq: one("SELECT last_seq FROM writer WHERE id = 1")?.cast_unsigned(),
        },
    })
}

fn check(connection: &Connection) -> Result<()> {
    let answer: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if answer == "ok" { Ok(()) } else { Err(StoreError::Damaged(answer)) }
}

fn migrate(connection: &mut Connection) -> Result<()> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
            version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)",
    )?;
    let newest: i64 =
        connection
            .query_row("SELECT coalesce(max(version), 0) FROM schema_migrations", [], |row| row.get(0))?;
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if newest > known {
        return Err(StoreError::Unavailable(format!(
            "its schema has version {newest}, this program knows {known}; use the newer program"
        )));
    }
    MIGRATIONS.iter().try_for_each(|migration| apply(connection, migration))
}

fn apply(connection: &mut Connection, migration: &Migration) -> Result<()> {
    let Migration { version, name, sql, fill } = migration;
    let checksum = format!("{:?}", digest::digest(&digest::SHA256, sql.as_bytes()));
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let applied: Option<String> = transaction
        .query_row("SELECT checksum FROM schema_migrations WHERE version = $1", [version], |row| row.get(0))
        .optional()?;
    match applied {
        Some(applied) if applied == checksum => return Ok(()),
        Some(_) => {
            return Err(StoreError::Damaged(format!(
                "migration {version} ({name}) was applied in another form than this program knows"
            )));
        }
        None => {}
    }
    transaction.execute_batch(sql)?;
    fill(&transaction)?;
    transaction.execute(
        "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
        (version, name, checksum),
    )?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
