//! Commits of SQLite: when one of another process happened, and how long one of our own takes.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvError, SendError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

/// A commit that was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// The last look that did not find it began then, so it came later.
    pub(crate) not_before: Instant,
}

/// A thread that looks into the database of a running server, as its reader. What a reader sees is durable:
/// the log is flushed before its index shows what is new.
pub(crate) struct Watch {
    asked: Sender<(Sender<()>, Sender<Seen>)>,
}

impl Watch {
    /// Watches the database at `path`. The thread ends with the watch.
    pub(crate) fn start(path: PathBuf) -> Self {
        let (asked, asks) = channel();
        thread::spawn(move || look(&path, &asks));
        Self { asked }
    }

    /// Begins to look for the next commit that writes an event.
    pub(crate) fn next_commit(&self) -> Result<Receiver<Seen>, Box<dyn std::error::Error>> {
        let ((begun, has_begun), (found, seen)) = (channel(), channel());
        self.asked.send((begun, found)).map_err(|SendError(_)| "the database cannot be read")?;
        has_begun.recv().map_err(|RecvError| "the database cannot be read")?;
        Ok(seen)
    }
}

/// Ends, and with it every receiver, when the database cannot be read.
fn look(path: &Path, asks: &Receiver<(Sender<()>, Sender<Seen>)>) -> rusqlite::Result<()> {
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut last =
        database.prepare("SELECT max(seq) FROM event WHERE writer = (SELECT max(id) FROM writer)")?;
    let mut last = move || last.query_row([], |row| row.get::<_, Option<i64>>(0));
    while let Ok((begun, found)) = asks.recv() {
        let before = last()?;
        if begun.send(()).is_err() {
            continue;
        }
        loop {
            let not_before = Instant::now();
            if last()? != before {
                // Nobody waits any longer where the revocation failed.
                let _unheard = found.send(Seen { not_before });
                break;
            }
            thread::yield_now();
        }
    }
    Ok(())
}

/// What a durable commit of one small row costs here, with nothing around it: SQLite's write-ahead log with
/// `synchronous=FULL`, which is overwritten, not extended.
pub(crate) struct Yardstick(Connection);

/// Rows written before anything is measured, so that the log has its length.
const WARM_UP: usize = 200;

impl Yardstick {
    /// A new database at `path`.
    pub(crate) fn create(path: &Path) -> rusqlite::Result<Self> {
        let database = Connection::open(path)?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", "FULL")?;
        database.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, content BLOB NOT NULL)", [])?;
        let yardstick = Self(database);
        for _ in 0..WARM_UP {
            yardstick.commit()?;
        }
        yardstick.0.pragma_update(None, "wal_checkpoint", "PASSIVE")?;
        Ok(yardstick)
    }

    /// Makes a row durable; how long that took.
    pub(crate) fn commit(&self) -> rusqlite::Result<Duration> {
        let started = Instant::now();
        self.0.execute("INSERT INTO row (content) VALUES (zeroblob(200))", [])?;
        Ok(started.elapsed())
    }
}
