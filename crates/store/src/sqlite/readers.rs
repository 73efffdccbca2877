//! Reads, on threads and connections of their own.

use std::path::Path;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::schema;
use super::transaction::{Batch, SqliteRows};
use super::writer::Joined;
use crate::rows::Read;
use crate::{Result, StoreError};

const THREADS: usize = 2;
const QUEUE: usize = 4096;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// The queue in front of the reading threads.
#[derive(Debug)]
pub(super) struct Readers {
    jobs: Option<Sender<Job>>,
    threads: Vec<Joined>,
}

impl Readers {
    pub(super) fn start(path: &Path) -> Result<Self> {
        let (jobs, queue) = bounded::<Job>(QUEUE);
        let mut threads = Vec::new();
        for _ in 0..THREADS {
            let connection = schema::connect_reader(path)?;
            let queue: Receiver<Job> = queue.clone();
            let thread = std::thread::Builder::new()
                .name("store-reader".to_owned())
                .spawn(move || {
                    for job in queue {
                        job(&connection);
                    }
                })
                .map_err(|error| {
                    StoreError::Unavailable(format!("a reader thread does not start: {error}"))
                })?;
            threads.push(Joined::new(thread));
        }
        Ok(Self { jobs: Some(jobs), threads })
    }

    /// Runs `read` on one snapshot of the rows.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut dyn Read) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // A caller who went away needs no answer.
            let _ = sender.send(in_snapshot(connection, read));
        });
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        self.jobs.as_ref().ok_or_else(closed)?.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => closed(),
        })?;
        receiver.await.map_err(|_| closed())?
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in &self.threads {
            thread.join();
        }
    }
}

fn in_snapshot<T>(connection: &Connection, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
    let snapshot = connection.unchecked_transaction()?;
    let value = read(&mut SqliteRows::new(&snapshot, None, Batch::default()))?;
    snapshot.commit()?;
    Ok(value)
}
