//! The one writer: a thread that commits whatever has queued as one transaction.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use latchkey_oauth::clock::{Clock, Timestamp};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::SqliteSettings;
use super::cache::Caches;
use super::checkpoint::Checkpoints;
use super::events::Standing;
use super::schema;
use super::transaction::{Batch, SqliteRows};
use crate::rows::{Position, Write};
use crate::{Result, StoreError};

/// A piece of work in the queue.
trait Unit: Send {
    /// Does it inside the transaction. It may be asked to do so again, if a neighbour's failure undid the
    /// transaction.
    fn run(&mut self, rows: &mut dyn Write, now: Timestamp) -> Result<()>;

    /// Answers the caller, once the fate of the transaction is known.
    fn answer(self: Box<Self>, fate: std::result::Result<(), &StoreError>);
}

/// A unit whose caller waits.
struct Awaited<T, Run> {
    run: Run,
    value: Option<T>,
    caller: oneshot::Sender<Result<T>>,
}

impl<T: Send, Run: FnMut(&mut dyn Write, Timestamp) -> Result<T> + Send> Unit for Awaited<T, Run> {
    fn run(&mut self, rows: &mut dyn Write, now: Timestamp) -> Result<()> {
        self.value = Some((self.run)(rows, now)?);
        Ok(())
    }

    fn answer(self: Box<Self>, fate: std::result::Result<(), &StoreError>) {
        let reply = match (fate, self.value) {
            (Ok(()), Some(value)) => Ok(value),
            (Err(error), _) => Err(error.clone()),
            (Ok(()), None) => Err(StoreError::Unavailable("the unit was not run".to_owned())),
        };
        // A caller who went away needs no answer.
        let _ = self.caller.send(reply);
    }
}

/// Why a transaction came to nothing.
struct Failure {
    error: StoreError,
    /// The unit that stumbled, where it was one and its neighbours can do without it.
    unit: Option<usize>,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, unit: None }
    }
}

/// The queue in front of the writer thread.
pub(super) struct Writer {
    units: Option<Sender<Box<dyn Unit>>>,
    position: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Progress {
    epoch: u64,
    seq: AtomicU64,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Writer(at {:?})", self.position)
    }
}

impl Writer {
    pub(super) fn start(
        settings: &SqliteSettings,
        position: Position,
        caches: &Arc<Caches>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        let (units, queue) = bounded(settings.queue);
        let committer = Committer::new(settings, position, caches, clock)?;
        let progress = Arc::clone(&committer.progress);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || committer.run(&queue))
            .map_err(|error| StoreError::Unavailable(format!("the writer thread does not start: {error}")))?;
        Ok(Self { units: Some(units), position: progress, thread: Some(thread) })
    }

    /// Queues a unit and waits until it is durable. It may run more than once, of which the last counts.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        run: impl FnMut(&mut dyn Write, Timestamp) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (caller, answer) = oneshot::channel();
        let units = self.units.as_ref().ok_or_else(closed)?;
        units.try_send(Box::new(Awaited { run, value: None, caller })).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => closed(),
        })?;
        answer.await.map_err(|_| closed())?
    }

    pub(super) fn position(&self) -> Position {
        Position { epoch: self.position.epoch, seq: self.position.seq.load(Ordering::Acquire) }
    }

    pub(super) fn queued(&self) -> usize {
        self.units.as_ref().map_or(0, Sender::len)
    }
}

impl Drop for Writer {
    /// Commits what has queued, then ends the thread.
    fn drop(&mut self) {
        self.units = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}

struct Committer {
    connection: Connection,
    caches: Arc<Caches>,
    clock: Arc<dyn Clock>,
    progress: Arc<Progress>,
    event_max: u64,
    batch: usize,
    /// Dropped after the connection, whose hook wakes it.
    checkpoints: Checkpoints,
}

impl Committer {
    fn new(
        settings: &SqliteSettings,
        position: Position,
        caches: &Arc<Caches>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        let mut connection = schema::connect_writer(&settings.path)?;
        let checkpoints = Checkpoints::start(&settings.path)?;
        checkpoints.follow(&mut connection)?;
        Ok(Self {
            connection,
            caches: Arc::clone(caches),
            clock: Arc::clone(clock),
            progress: Arc::new(Progress { epoch: position.epoch, seq: AtomicU64::new(position.seq) }),
            event_max: settings.event_max,
            batch: settings.batch,
            checkpoints,
        })
    }

    fn run(mut self, queue: &Receiver<Box<dyn Unit>>) {
        while let Ok(first) = queue.recv() {
            self.commit(std::iter::once(first).chain(queue.try_iter()).take(self.batch).collect());
        }
    }

    /// Runs the units in one transaction and answers all of them after it has ended. One that stumbles over
    /// a damaged row is answered so, and the others run again without it.
    fn commit(&mut self, mut units: Vec<Box<dyn Unit>>) {
        while let Err(Failure { error, unit }) = self.transact(&mut units) {
            tracing::error!(problem = %error, units = units.len(), "a transaction of the store failed");
            self.caches.withdraw();
            if !self.connection.is_autocommit()
                && let Err(error) = self.connection.execute_batch("ROLLBACK")
            {
                tracing::error!(problem = %error, "the failed transaction could not be rolled back");
            }
            if let Some(unit) = unit {
                units.remove(unit).answer(Err(&error));
            } else {
                for unit in units {
                    unit.answer(Err(&error));
                }
                return;
            }
        }
        for unit in units {
            unit.answer(Ok(()));
        }
    }

    fn transact(&mut self, units: &mut [Box<dyn Unit>]) -> std::result::Result<(), Failure> {
        self.run_statement("BEGIN IMMEDIATE")?;
        let mut rows = SqliteRows::new(&self.connection, Some(&self.caches), Batch::default());
        for (number, unit) in units.iter_mut().enumerate() {
            // What comes after a failure must not run: SQLite may have ended the transaction by itself, and
            // every statement would be one of its own.
            unit.run(&mut rows, self.clock.now()).map_err(|error| {
                let alone = matches!(error, StoreError::Damaged(_)).then_some(number);
                Failure { error, unit: alone }
            })?;
        }
        let seq = self.progress.seq.load(Ordering::Acquire);
        let to = rows.flush(Standing { epoch: self.progress.epoch, seq }, self.event_max)?;
        let changes = rows.into_changes();
        self.caches.announce(&changes);
        self.run_statement("COMMIT")?;
        self.progress.seq.store(to, Ordering::Release);
        self.caches.publish(&changes);
        self.checkpoints.bound(&self.connection);
        Ok(())
    }

    fn run_statement(&self, statement: &str) -> Result<()> {
        self.connection.prepare_cached(statement)?.execute([])?;
        Ok(())
    }
}

/// A thread's handle that is joined once.
#[derive(Debug, Default)]
pub(super) struct Joined(Mutex<Option<JoinHandle<()>>>);

impl Joined {
    pub(super) const fn new(thread: JoinHandle<()>) -> Self {
        Self(Mutex::new(Some(thread)))
    }

    pub(super) fn join(&self) {
        if let Some(thread) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}
