//! Moving the write-ahead log into the file, on a thread and a connection of its own, so that no commit
//! waits for it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::{Connection, OpenFlags};

use super::schema;
use super::writer::Joined;
use crate::{Result, StoreError};

/// A log of this many pages (16 MiB) is moved into the file. A longer log writes hot pages fewer times.
const LOG_PAGES: i32 = 4096;

/// From this many pages (256 MiB) on the writer moves the log itself, between two commits. While commits come one
/// after the other the log never begins anew otherwise, and would fill the disk.
const MOST_LOG_PAGES: i32 = 65_536;

/// The checkpoint thread.
#[derive(Debug)]
pub(super) struct Checkpoints {
    pages: Arc<AtomicI32>,
    wake: Option<Sender<()>>,
    thread: Joined,
}

impl Checkpoints {
    pub(super) fn start(path: &Path) -> Result<Self> {
        let connection = schema::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let (wake, woken) = bounded(1);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || run(&connection, &woken))
            .map_err(|error| {
                StoreError::Unavailable(format!("the checkpoint thread does not start: {error}"))
            })?;
        let pages = Arc::new(AtomicI32::new(0));
        Ok(Self { pages, wake: Some(wake), thread: Joined::new(thread) })
    }

    /// Lets every commit of `writer` say how long the log has become.
    pub(super) fn follow(&self, writer: &mut Connection) -> Result<()> {
        let (wake, seen) = (self.wake.clone(), Arc::clone(&self.pages));
        writer.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.store(pages, Ordering::Relaxed);
            if let Some(wake) = wake.as_ref().filter(|_| (LOG_PAGES..MOST_LOG_PAGES).contains(&pages)) {
                // A checkpoint that is already asked for is enough.
                let _ = wake.try_send(());
            }
            Ok(())
        }))?;
        Ok(())
    }

    /// Moves a log that has become too long, on the connection of its writer.
    pub(super) fn bound(&self, writer: &Connection) {
        if self.pages.load(Ordering::Relaxed) >= MOST_LOG_PAGES {
            move_log(writer);
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wake = None;
        self.thread.join();
    }
}

fn run(connection: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        move_log(connection);
    }
}

/// Waits for nobody: where another connection is at it, or readers need an older state, that is left for later.
fn move_log(connection: &Connection) {
    let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(0));
    if let Err(error) = done {
        tracing::warn!(problem = %error, "the write-ahead log could not be moved into the database");
    }
}
