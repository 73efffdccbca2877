//! Threads with a runtime each.

use std::io;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Runtimes of one thread each. A connection lives on one of them from its beginning to its end: its task is
/// never moved, and never waits for the work of others than its neighbours.
#[derive(Debug)]
pub struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    /// The thread ends when this is dropped.
    lives: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Workers {
    /// Starts `count` threads of that name.
    pub fn start(name: &str, count: usize) -> io::Result<Self> {
        (0..count).map(|_| Worker::start(name)).collect::<io::Result<_>>().map(Self)
    }

    /// Their runtimes.
    pub fn runtimes(&self) -> impl Iterator<Item = &Handle> {
        self.0.iter().map(|worker| &worker.runtime)
    }
}

impl Worker {
    fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (lives, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { runtime: handle, lives: Some(lives), thread: Some(thread) })
    }
}

impl Drop for Worker {
    /// Ends the thread; what still runs on it is dropped.
    fn drop(&mut self) {
        self.lives = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
