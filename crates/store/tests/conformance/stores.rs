//! The stores that the suite runs against.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use latchkey_oauth::clock::Clock;
use latchkey_store::Store;
use latchkey_store::memory::MemoryStore;
use latchkey_store::sqlite::{SqliteSettings, SqliteStore, check_file};
use rusqlite::{Connection, OpenFlags, Row};
use tempfile::TempDir;

use crate::lab::{Kind, Setup};

/// The store in memory; opened again, it is empty.
pub(crate) fn memory() -> Box<dyn Kind> {
    Box::new(Memory)
}

/// The store on SQLite, in a directory of its own.
pub(crate) fn sqlite() -> Box<dyn Kind> {
    Box::new(Sqlite::new())
}

struct Memory;

#[async_trait]
impl Kind for Memory {
    async fn open(&self, setup: &Setup, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(clock, setup.event_max))
    }
}

pub(crate) struct Sqlite {
    directory: TempDir,
}

impl Sqlite {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory for the file") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("latchkey.db")
    }

    pub(crate) fn settings(&self, setup: &Setup) -> SqliteSettings {
        SqliteSettings {
            path: self.path(),
            queue: setup.queue,
            batch: setup.batch,
            cache_entries: setup.cache_entries,
            event_max: setup.event_max,
        }
    }
}

#[async_trait]
impl Kind for Sqlite {
    async fn open(&self, setup: &Setup, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.settings(setup), clock).expect("the file opens"))
    }

    fn audit(&self) -> Vec<String> {
        let file = Connection::open_with_flags(self.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let mut problems = Vec::new();
        if let Err(problem) = check_file(&self.path()) {
            problems.push(problem.to_string());
        }
        problems.extend(miscounted_holders(&file));
        problems.extend(astray_aliases(&file));
        problems.extend(miscounted_entries(&file));
        problems
    }
}

type HolderKey = (u16, [u8; 16], [u8; 16]);

/// Holder rows against the families that they count.
fn miscounted_holders(file: &Connection) -> Vec<String> {
    let key = |row: &Row<'_>| Ok::<HolderKey, rusqlite::Error>((row.get(0)?, row.get(1)?, row.get(2)?));
    let mut counted: BTreeMap<HolderKey, (BTreeSet<String>, u32)> = BTreeMap::new();
    for (holder, device) in rows(file, "SELECT bucket, client, subject, device FROM family", |row| {
        Ok((key(row)?, row.get::<_, String>(3)?))
    }) {
        let (devices, families) = counted.entry(holder).or_default();
        *families += 1;
        devices.insert(device);
    }
    let expected: BTreeMap<HolderKey, (u32, u32)> = counted
        .into_iter()
        .map(|(holder, (devices, families))| {
            let named = devices.iter().filter(|device| !device.is_empty()).count();
            (holder, (u32::try_from(named).expect("few"), families))
        })
        .collect();
    let kept: BTreeMap<HolderKey, (u32, u32)> =
        rows(file, "SELECT bucket, client, subject, devices, families FROM holder", |row| {
            Ok((key(row)?, (row.get(3)?, row.get(4)?)))
        })
        .into_iter()
        .collect();
    if kept == expected {
        Vec::new()
    } else {
        vec![format!("holders count {:?} where {:?} are", kept.values(), expected.values())]
    }
}

/// What is counted of applications and subscriptions against their rows, and groups against the documents.
fn miscounted_entries(file: &Connection) -> Vec<String> {
    let text = |row: &Row<'_>| row.get::<_, String>(0);
    let differing = |kept: &str, counted: &str| {
        let (kept, counted) = (rows(file, kept, text), rows(file, counted, text));
        (kept != counted).then(|| format!("{kept:?} is kept where {counted:?} is"))
    };
    let counts = differing(
        "SELECT kind || hex(owner) || ' ' || entries FROM entry_count WHERE entries <> 0 ORDER BY 1",
        "SELECT 'application' || hex(owner) || ' ' || count(*) FROM application WHERE kind = 'PORTAL' GROUP BY owner
         UNION ALL SELECT 'application ' || count(*) FROM application WHERE kind = 'PORTAL' HAVING count(*) > 0
         UNION ALL SELECT 'subscription' || hex(api) || ' ' || count(*) FROM subscription GROUP BY api
         UNION ALL SELECT 'subscription ' || count(*) FROM subscription HAVING count(*) > 0 ORDER BY 1",
    );
    let groups = differing(
        "SELECT group_name || hex(application) FROM application_group ORDER BY 1",
        "SELECT held.value || hex(application.id) FROM application, json_each(details, '$.groups') held ORDER BY 1",
    );
    let listings = differing(
        "SELECT hex(api) || name || context || version || state FROM api_listing ORDER BY 1",
        "SELECT hex(id) || name || context || version || coalesce(json_extract(definition, '$.state'), 'PUBLISHED')
         FROM api ORDER BY 1",
    );
    counts.into_iter().chain(groups).chain(listings).collect()
}

type AliasRow = ([u8; 32], u8, u16, [u8; 16], u32);

/// Alias rows against the values of the families.
fn astray_aliases(file: &Connection) -> Vec<String> {
    let mut expected: BTreeSet<AliasRow> = BTreeSet::new();
    let families = "SELECT bucket, id, access_generation, coalesce(refresh_generation, 0), access_digest,
        refresh_digest, spent_refresh_digests FROM family";
    for (bucket, id, access, refresh, digests) in rows(file, families, |row| {
        let current: [Option<[u8; 32]>; 2] = [row.get(4)?, row.get(5)?];
        let spent: Option<Vec<u8>> = row.get(6)?;
        Ok((row.get(0)?, row.get(1)?, row.get::<_, u32>(2)?, row.get::<_, u32>(3)?, (current, spent)))
    }) {
        let ([of_access, of_refresh], spent) = digests;
        expected.extend(of_access.map(|digest| (digest, 0, bucket, id, access)));
        expected.extend(of_refresh.map(|digest| (digest, 1, bucket, id, refresh)));
        let spent = spent.unwrap_or_default();
        let older = (1..).zip(spent.as_chunks::<32>().0);
        expected.extend(older.map(|(back, digest)| (*digest, 1, bucket, id, refresh - back)));
    }
    let kept: BTreeSet<AliasRow> =
        rows(file, "SELECT digest, kind, family_bucket, family, generation FROM alias", |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .into_iter()
        .collect();
    if kept == expected {
        Vec::new()
    } else {
        vec![format!("{} aliases are kept where {} values are", kept.len(), expected.len())]
    }
}

fn rows<T>(file: &Connection, query: &str, from: impl Fn(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
    let mut select = file.prepare(query).unwrap();
    let rows = select.query_map([], |row| from(row)).unwrap();
    rows.map(Result::unwrap).collect()
}
