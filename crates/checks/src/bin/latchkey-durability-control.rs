//! The control of the power-loss check: a small program whose durability is known.
//!
//! `latchkey-durability-control FILE FULL|NORMAL COUNT` inserts COUNT rows into a new SQLite database in WAL
//! mode, one commit each, and says `ack N` on standard output after each. With `synchronous=FULL` each
//! acknowledged row survives a power loss; with `NORMAL` the log is not synced at commit, and rows are lost.

use std::io::{Write, stdout};

use anyhow::{Context, Result};
use rusqlite::Connection;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [_, file, synchronous, count] = words.as_slice() else { anyhow::bail!("FILE FULL|NORMAL COUNT") };
    let database = Connection::open(file)?;
    database.pragma_update(None, "journal_mode", "wal")?;
    database.pragma_update(None, "synchronous", synchronous)?;
    database.execute("CREATE TABLE IF NOT EXISTS row (n INTEGER PRIMARY KEY, text TEXT)", [])?;
    for n in 0..count.parse::<u32>().context("COUNT")? {
        database.execute("INSERT INTO row VALUES (?1, ?2)", (n, "x".repeat(300)))?;
        writeln!(stdout(), "ack {n}")?;
    }
    Ok(())
}
