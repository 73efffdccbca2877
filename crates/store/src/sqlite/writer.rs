//! The one writer: a thread that commits whatever has queued as one transaction.

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
use super::schema;
use super::transaction::{Batch, SqliteRows};
use crate::rows::{Position, Write};
use crate::{Result, StoreError};

/// Answers the caller of a unit, once its fate is known.
type Answer = Box<dyn FnOnce(std::result::Result<(), &StoreError>) + Send>;
/// A unit: runs inside the transaction, and leaves its answer behind.
type Unit = Box<dyn FnOnce(&mut dyn Write, Timestamp) -> Ran + Send>;

struct Ran {
    outcome: Result<()>,
    answer: Answer,
}

/// The queue in front of the writer thread.
pub(super) struct Writer {
    units: Option<Sender<Unit>>,
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
        let mut connection = schema::connect_writer(&settings.path)?;
        let checkpoints = Checkpoints::start(&settings.path)?;
        checkpoints.follow(&mut connection)?;
        let (units, queue) = bounded(settings.queue);
        let progress = Arc::new(Progress { epoch: position.epoch, seq: AtomicU64::new(position.seq) });
        let committer = Committer {
            connection,
            caches: Arc::clone(caches),
            clock: Arc::clone(clock),
            progress: Arc::clone(&progress),
            event_max: settings.event_max,
            batch: settings.batch,
            _checkpoints: checkpoints,
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || committer.run(&queue))
            .map_err(|error| StoreError::Unavailable(format!("the writer thread does not start: {error}")))?;
        Ok(Self { units: Some(units), position: progress, thread: Some(thread) })
    }

    /// Queues a unit and waits until it is durable.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut dyn Write, Timestamp) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        let unit: Unit = Box::new(move |rows, now| {
            let (outcome, value) = match run(rows, now) {
                Ok(value) => (Ok(()), Some(value)),
                Err(error) => (Err(error), None),
            };
            let answer: Answer = Box::new(move |fate| {
                let reply = match (fate, value) {
                    (Ok(()), Some(value)) => Ok(value),
                    (Err(error), _) => Err(error.clone()),
                    (Ok(()), None) => Err(StoreError::Unavailable("the unit failed".to_owned())),
                };
                // A caller who went away needs no answer.
                let _ = sender.send(reply);
            });
            Ran { outcome, answer }
        });
        let units = self.units.as_ref().ok_or_else(closed)?;
        units.try_send(unit).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => closed(),
        })?;
        receiver.await.map_err(|_| closed())?
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
    _checkpoints: Checkpoints,
}

impl Committer {
    fn run(mut self, queue: &Receiver<Unit>) {
        while let Ok(first) = queue.recv() {
            let units: Vec<Unit> = std::iter::once(first).chain(queue.try_iter()).take(self.batch).collect();
            self.commit(units);
        }
    }

    /// Runs the units in one transaction and answers all of them after it has ended.
    fn commit(&mut self, units: Vec<Unit>) {
        let mut answers = Vec::with_capacity(units.len());
        let fate = self.transact(units, &mut answers);
        if let Err(error) = &fate {
            tracing::error!(problem = %error, units = answers.len(), "a transaction of the store failed");
            self.caches.withdraw();
            if !self.connection.is_autocommit()
                && let Err(error) = self.connection.execute_batch("ROLLBACK")
            {
                tracing::error!(problem = %error, "the failed transaction could not be rolled back");
            }
        }
        for answer in answers {
            answer(fate.as_ref().copied());
        }
    }

    fn transact(&mut self, units: Vec<Unit>, answers: &mut Vec<Answer>) -> Result<()> {
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE").map_err(StoreError::from);
        let mut rows = SqliteRows::new(&self.connection, Some(&self.caches), Batch::default());
        let mut outcome = begun;
        for unit in units {
            // After a failure the others are only asked for their answers.
            let ran = unit(&mut rows, self.clock.now());
            answers.push(ran.answer);
            outcome = outcome.and(ran.outcome);
        }
        outcome?;
        let from = self.progress.seq.load(Ordering::Acquire);
        let to = rows.flush(self.progress.epoch, from, self.event_max)?;
        let changes = rows.into_changes();
        self.caches.announce(&changes);
        self.connection.execute_batch("COMMIT")?;
        self.progress.seq.store(to, Ordering::Release);
        self.caches.publish(&changes);
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
