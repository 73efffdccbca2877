//! Rows put aside until they can be joined.
//!
//! A dump lists its tables in no useful order, and there may be several dumps. So what matters of them goes into
//! a database of its own, in a file without a name that is gone with the process. Credentials in it are sealed under a
//! key that is gone with the process too.

mod joins;

use std::collections::BTreeMap;
use std::fmt::Write;

use latchkey_oauth::entropy::{Entropy, random};
use latchkey_oauth::id::{Bucket, PrincipalId};
use latchkey_oauth::keyring::Keyring;
use latchkey_oauth::secret::Secret;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row as Found};
use zeroize::Zeroizing;

use crate::dump::{Row, Rows};
use crate::tables::{TABLES, Table};

/// Where a sealed text belongs.
const PLACE: &str = "wso2 staging";

/// What could not be put aside or found again.
#[derive(Debug, thiserror::Error)]
pub enum StagingError {
    /// The file of the rows that are put aside fails.
    #[error(
        "the rows cannot be put aside: {0}; look for a full disk, or name another directory with SQLITE_TMPDIR"
    )]
    Database(#[from] rusqlite::Error),
    /// The caller had enough.
    #[error("stopped")]
    Stopped,
}

/// The result of looking at what was put aside.
pub type Result<T> = std::result::Result<T, StagingError>;

/// Whose id is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    /// A user's, by name.
    User = 0,
    /// A client's, by consumer key.
    Client = 1,
}

/// Rows put aside.
pub struct Staging {
    connection: Connection,
    statements: Vec<String>,
    keyring: Keyring,
    told: Box<dyn FnMut(u64) + Send>,
}

impl std::fmt::Debug for Staging {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Staging(…)")
    }
}

impl Staging {
    /// Opens an empty place; `told` hears how many bytes of a dump are read.
    pub fn open(entropy: &dyn Entropy, told: impl FnMut(u64) + Send + 'static) -> Result<Self> {
        let connection = Connection::open("")?;
        connection.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536; PRAGMA locking_mode = EXCLUSIVE",
        )?;
        let mut statements = Vec::with_capacity(TABLES.len());
        for Table { name, columns, .. } in TABLES {
            connection.execute_batch(&format!("CREATE TABLE {name} ({})", columns.join(", ")))?;
            let places = vec!["?"; columns.len()].join(", ");
            statements.push(format!("INSERT INTO {name} VALUES ({places})"));
        }
        connection.execute_batch(
            "CREATE TABLE PRINCIPAL (KIND, NAME, ID, PRIMARY KEY (KIND, NAME)) WITHOUT ROWID;
             CREATE TABLE TOKEN_ORDER (BUCKET, TIME, TOKEN)",
        )?;
        connection.set_prepared_statement_cache_capacity(TABLES.len() * 2);
        connection.execute_batch("BEGIN")?;
        let masters = BTreeMap::from([(1, Zeroizing::new(random::<32>(entropy)))]);
        let keyring = Keyring::new(&masters, 1, 0).expect("one key is a keyring");
        Ok(Self { connection, statements, keyring, told: Box::new(told) })
    }

    /// Makes what was put aside ready to be joined.
    pub fn complete(&self) -> Result<()> {
        let mut script = String::from("COMMIT;");
        for Table { name, index, .. } in TABLES.iter().filter(|table| !table.index.is_empty()) {
            let _ = write!(script, "CREATE INDEX {name}_INDEX ON {name} ({});", index.join(", "));
        }
        script.push_str(
            "CREATE INDEX CLIENT_ID_INDEX ON IDN_OAUTH_CONSUMER_APPS (ID);
             CREATE INDEX KEYS_INDEX ON AM_APPLICATION_KEY_MAPPING (APPLICATION_ID);
             ANALYZE;",
        );
        Ok(self.connection.execute_batch(&script)?)
    }

    /// Notes the id that a principal of this name has here.
    pub fn learn(&self, kind: Principal, name: &str, id: PrincipalId) -> Result<()> {
        let statement = "INSERT OR REPLACE INTO PRINCIPAL VALUES (?1, ?2, ?3)";
        self.connection.prepare_cached(statement)?.execute((kind as u8, name, id.as_bytes()))?;
        Ok(())
    }

    /// Puts tokens into the order in which they are written best: those of one shard together, since their rows lie
    /// together, and there the newest first.
    pub fn order_tokens(&self) -> Result<()> {
        let mut statement = self.connection.prepare(&format!(
            "SELECT t.rowid, t.TIME_CREATED, c.ID, CASE t.USER_TYPE WHEN 'APPLICATION' THEN c.ID ELSE u.ID END
             FROM IDN_OAUTH2_ACCESS_TOKEN t
                LEFT JOIN IDN_OAUTH_CONSUMER_APPS a ON a.ID = t.CONSUMER_KEY_ID
                LEFT JOIN PRINCIPAL c ON c.KIND = {} AND c.NAME = a.CONSUMER_KEY
                LEFT JOIN PRINCIPAL u ON u.KIND = {} AND u.NAME = t.AUTHZ_USER",
            Principal::Client as u8,
            Principal::User as u8,
        ))?;
        let mut insert = self.connection.prepare("INSERT INTO TOKEN_ORDER VALUES (?1, ?2, ?3)")?;
        self.connection.execute_batch("BEGIN")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (client, subject): (Option<[u8; 16]>, Option<[u8; 16]>) = (row.get(2)?, row.get(3)?);
            let ends = client.map(PrincipalId::from_bytes).zip(subject.map(PrincipalId::from_bytes));
            let bucket = ends.map(|(client, subject)| Bucket::of(client, subject).number());
            insert.execute((bucket, row.get::<_, Option<String>>(1)?, row.get::<_, i64>(0)?))?;
        }
        drop(rows);
        self.connection.execute_batch(
            "COMMIT; CREATE INDEX TOKEN_ORDER_INDEX ON TOKEN_ORDER (BUCKET, TIME DESC, TOKEN)",
        )?;
        Ok(())
    }

    fn insert(&self, table: usize, row: &Row) -> Result<()> {
        let mut statement = self.connection.prepare_cached(&self.statements[table])?;
        let Table { columns, secret, .. } = TABLES[table];
        for (number, column) in columns.iter().enumerate() {
            let Some(value) = row.get(number) else {
                statement.raw_bind_parameter(number + 1, rusqlite::types::Null)?;
                continue;
            };
            let text = String::from_utf8_lossy(value);
            if secret.contains(column) {
                statement.raw_bind_parameter(number + 1, self.keyring.seal(&text, PLACE))?;
            } else {
                let text = ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()));
                statement.raw_bind_parameter(number + 1, text)?;
            }
        }
        statement.raw_execute()?;
        Ok(())
    }

    /// A credential of a row that was found.
    fn opened(&self, row: &Found<'_>, column: &str) -> rusqlite::Result<Secret> {
        let sealed: Option<Vec<u8>> = row.get(column)?;
        let opened = sealed.and_then(|sealed| self.keyring.open(&sealed, PLACE).ok());
        Ok(opened.unwrap_or_default())
    }
}

impl Rows for Staging {
    fn take(&mut self, table: usize, row: &Row) -> std::result::Result<(), String> {
        self.insert(table, row).map_err(|error| error.to_string())
    }

    fn read(&mut self, bytes: u64) {
        (self.told)(bytes);
    }
}

/// A text column; empty where it is null.
fn text(row: &Found<'_>, column: &str) -> rusqlite::Result<String> {
    Ok(row.get::<_, Option<String>>(column)?.unwrap_or_default())
}

/// A column that holds a JSON document.
fn json<T: serde::de::DeserializeOwned + Default>(row: &Found<'_>, column: &str) -> rusqlite::Result<T> {
    let text: Option<String> = row.get(column)?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}
