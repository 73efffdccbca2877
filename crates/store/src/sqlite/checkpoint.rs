//! Moving the write-ahead log into the file, on a thread and a connection of its own, so that no commit
//! waits for it.

use std::path::Path;

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::{Connection, OpenFlags};

use super::schema;
use super::writer::Joined;
use crate::{Result, StoreError};

/// A log of this many pages (16 MiB) is moved into the file. A longer log writes hot pages fewer times.
const LOG_PAGES: i32 = 4096;

/// The checkpoint thread.
#[derive(Debug)]
pub(super) struct Checkpoints {
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
        Ok(Self { wake: Some(wake), thread: Joined::new(thread) })
    }

    /// Lets every commit of `writer` say how long the log has become.
    pub(super) fn follow(&self, writer: &mut Connection) -> Result<()> {
        let wake = self.wake.clone();
        writer.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            if let Some(wake) = wake.as_ref().filter(|_| pages >= LOG_PAGES) {
                // A checkpoint that is already asked for is enough.
                let _ = wake.try_send(());
            }
            Ok(())
        }))?;
        Ok(())
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
        let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(0));
        if let Err(error) = done {
            tracing::warn!(problem = %error, "the write-ahead log could not be moved into the database");
        }
    }
}
