//! Copies of a database file: taken while it is in use, and put back.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::schema::{Integrity, check_file, connect_reader};
use crate::{Result, StoreError};

/// Pages copied at a time; between two steps writers get their turn.
const PAGES: i32 = 1024;
/// How long a step waits for a database that is busy.
const BUSY: Duration = Duration::from_millis(50);
/// Busy steps in a row after which the copy is given up.
const PATIENCE: u32 = 200;

/// How far a copy has come, in pages: done, and in all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Copies the database at `from` to the new file `to`, whole and as of one moment, whether or not a server
/// writes to it meanwhile. `to` must not exist; after a failure what was copied so far is left for the
/// caller to remove.
pub fn copy(from: &Path, to: &Path, progress: Progress<'_>) -> Result<Integrity> {
    let source = connect_reader(from)?;
    // Reads hold still on the snapshot of one transaction, so that a busy writer never starts the copy anew.
    source.execute_batch("BEGIN; SELECT count(*) FROM writer;")?;
    let mut target = Connection::open(to)?;
    target.pragma_update(None, "synchronous", "FULL")?;
    step_through(&source, &mut target, progress)?;
    // A copy is one file: no log beside it.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    target.close().map_err(|(_, error)| StoreError::from(error))?;
    check_file(to)
}

fn step_through(source: &Connection, target: &mut Connection, progress: Progress<'_>) -> Result<()> {
    let backup = Backup::new(source, target)?;
    let mut busy = 0;
    loop {
        match backup.step(PAGES)? {
            StepResult::Done => return Ok(()),
            StepResult::More => busy = 0,
            StepResult::Busy | StepResult::Locked | _ => busy += 1,
        }
        if busy > PATIENCE {
            return Err(StoreError::Unavailable("the database stayed locked by another process".to_owned()));
        }
        if busy > 0 {
            std::thread::park_timeout(BUSY);
        }
        let state = backup.progress();
        let (all, left) = (u64::from(state.pagecount.cast_unsigned()), state.remaining.cast_unsigned());
        progress(all.saturating_sub(u64::from(left)), all);
    }
}
