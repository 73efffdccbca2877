//! Passwords: hashing on threads of its own, fair and bounded, and brakes on guessing.
//!
//! One Argon2id hash costs some 15 ms and 19 MiB, so password checks are what an attacker would use to
//! exhaust a server. They never run on the runtime's threads; few may wait; those that wait are taken in
//! turns by source, so that one source's flood delays mostly itself; and what does not fit is refused
//! before any work is done for it.

pub mod argon2id;
pub mod brakes;
pub mod fair_queue;
pub mod salted;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use latchkey_oauth::entropy::{self, Entropy};
use latchkey_oauth::secret::Secret;
use tokio::sync::oneshot;

use crate::config;
use crate::network::Network;
use argon2id::{Cost, Memory};
use fair_queue::FairQueue;

/// The longest password, in bytes of UTF-8. Longer ones are refused before anything else looks at them.
pub const MAX_BYTES: usize = 256;
/// How far the hashing threads stand back for others, as `nice` counts it.
const NICENESS: i32 = 19;
/// How long an idle thread keeps its memory, which by then is wiped.
const KEEP_MEMORY: Duration = Duration::from_secs(2);

/// How the pool is built.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// What one hash costs.
    pub cost: Cost,
    /// Threads; 0 for one per core.
    pub threads: usize,
    /// Checks that may wait.
    pub queue: usize,
}

impl From<&config::Passwords> for Settings {
    fn from(settings: &config::Passwords) -> Self {
        let cost = Cost {
            memory_kib: settings.memory_kib,
            iterations: settings.iterations,
            parallelism: settings.parallelism,
        };
        Self { cost, threads: settings.threads, queue: settings.queue }
    }
}

/// Who asks for a check; the sources take turns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// The client's network.
    pub network: Network,
    /// The consumer key, or what else tells applications apart; empty where there is none.
    pub client: Arc<str>,
}

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password, and its hash is as costly as a new one would be.
    Right,
    /// It is the password; hash it again with today's cost and store that.
    RightButRehash,
    /// It is not, or there is no such user.
    Wrong,
    /// What is stored is no Argon2id hash: a damaged row, which someone must repair.
    Unreadable,
}

/// Why nothing was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many checks wait. HTTP: 503 with `Retry-After`.
    #[error("too many password checks are waiting; try again in {retry_after} s")]
    Busy {
        /// Seconds after which it is worth another try.
        retry_after: u64,
    },
    /// No password is that long. HTTP: as a wrong password.
    #[error("the password is longer than {MAX_BYTES} bytes")]
    TooLong,
}

/// The pool. Dropping it refuses what waits and lets its threads end.
#[derive(Debug)]
pub struct Passwords {
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    cost: Cost,
    threads: usize,
    waiting: Mutex<Waiting>,
    more: Condvar,
    /// The usual time of one hash, in microseconds.
    usual_micros: AtomicU64,
}

#[derive(Debug)]
struct Waiting {
    queue: FairQueue<Source, Job>,
    ended: bool,
}

/// A task and where its result goes; a dropped sender tells the asker that the pool is busy.
#[derive(Debug)]
enum Job {
    Verify { password: Secret, stored: Option<Secret>, reply: oneshot::Sender<Verdict> },
    Hash { password: Secret, salt: [u8; argon2id::SALT_BYTES], reply: oneshot::Sender<String> },
}

impl Passwords {
    /// Starts the threads.
    pub fn start(settings: &Settings) -> io::Result<Self> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = if settings.threads == 0 { cores() } else { settings.threads };
        let pool = Arc::new(Pool::new(settings, threads));
        let passwords = Self { pool };
        for number in 0..threads {
            let pool = Arc::clone(&passwords.pool);
            thread::Builder::new().name(format!("password-{number}")).spawn(move || pool.run())?;
        }
        Ok(passwords)
    }

    /// Checks `password` against the `stored` PHC string. `None` stands for a user who does not exist: it
    /// waits and costs the same and is always wrong, so that the time does not tell who exists.
    pub async fn verify(
        &self,
        source: Source,
        password: Secret,
        stored: Option<&str>,
    ) -> Result<Verdict, Refusal> {
        let stored = stored.map(Secret::new);
        self.ask(source, password, |password, reply| Job::Verify { password, stored, reply }).await
    }

    /// A PHC string of `password` with today's cost and a salt from `entropy`.
    pub async fn hash(
        &self,
        source: Source,
        password: Secret,
        entropy: &dyn Entropy,
    ) -> Result<String, Refusal> {
        let salt = entropy::random(entropy);
        self.ask(source, password, |password, reply| Job::Hash { password, salt, reply }).await
    }

    /// Checks that wait now, for the metrics.
    pub fn waiting(&self) -> usize {
        self.pool.waiting().queue.len()
    }

    async fn ask<T>(
        &self,
        source: Source,
        password: Secret,
        job: impl FnOnce(Secret, oneshot::Sender<T>) -> Job,
    ) -> Result<T, Refusal> {
        if password.expose().len() > MAX_BYTES {
            return Err(Refusal::TooLong);
        }
        let (reply, answer) = oneshot::channel();
        self.pool.push(source, job(password, reply));
        answer.await.map_err(|_| self.pool.busy())
    }
}

impl Drop for Passwords {
    fn drop(&mut self) {
        let mut waiting = self.pool.waiting();
        waiting.ended = true;
        waiting.queue.clear();
        self.pool.more.notify_all();
    }
}

impl Pool {
    fn new(settings: &Settings, threads: usize) -> Self {
        Self {
            cost: settings.cost,
            threads: threads.max(1),
            waiting: Mutex::new(Waiting { queue: FairQueue::new(settings.queue), ended: false }),
            more: Condvar::new(),
            usual_micros: AtomicU64::new(20_000),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues `job`. What finds no place, be it the job or one that must yield to it, is dropped, and with
    /// it the sender of its reply.
    fn push(&self, source: Source, job: Job) {
        let mut waiting = self.waiting();
        if waiting.ended {
            return;
        }
        let turned_away = waiting.queue.push(source, job);
        drop(waiting);
        drop(turned_away);
        self.more.notify_one();
    }

    fn busy(&self) -> Refusal {
        let waiting = u64::try_from(self.waiting().queue.len()).unwrap_or(u64::MAX);
        let threads = u64::try_from(self.threads).unwrap_or(u64::MAX);
        let micros = waiting.saturating_mul(self.usual_micros.load(Ordering::Relaxed)) / threads;
        Refusal::Busy { retry_after: micros.div_ceil(1_000_000).max(1) }
    }

    /// A thread's life.
    fn run(&self) {
        // Everything else goes first: a storm of sign-ins must not be felt by requests that need no hash.
        if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
            tracing::warn!(problem = %error, "password checks run at the priority of everything else");
        }
        let mut memory = Memory::default();
        while let Some(job) = self.next(&mut memory) {
            self.work(job, &mut memory);
        }
    }

    /// The next job, as soon as there is one; `None` at the end. Memory is wiped and given back while
    /// there is nothing to do, so that wiping takes no time from checks and idle servers stay small.
    fn next(&self, memory: &mut Memory) -> Option<Job> {
        let mut waiting = self.waiting();
        loop {
            if waiting.ended {
                return None;
            }
            if let Some(job) = waiting.queue.pop() {
                return Some(job);
            }
            if memory.is_empty() {
                waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (guard, timeout) =
                self.more.wait_timeout(waiting, KEEP_MEMORY).unwrap_or_else(PoisonError::into_inner);
            waiting = guard;
            if timeout.timed_out() {
                drop(waiting);
                memory.wipe();
                waiting = self.waiting();
            }
        }
    }

    /// Does one job, unless nobody waits for it any more.
    fn work(&self, job: Job, memory: &mut Memory) {
        let begun = Instant::now();
        match job {
            Job::Verify { reply, .. } if reply.is_closed() => return,
            Job::Verify { password, stored, reply } => {
                let stored = stored.as_ref().map(Secret::expose);
                let foreign = stored.and_then(|stored| salted::verify(&password, stored));
                // What is no Argon2id hash costs as much, so that the time does not tell whose it is.
                let own = if foreign.is_some() { None } else { stored };
                let verdict = argon2id::verify(&self.cost, &password, own, memory);
                let _ = reply.send(foreign.unwrap_or(verdict));
            }
            Job::Hash { reply, .. } if reply.is_closed() => return,
            Job::Hash { password, salt, reply } => {
                let _ = reply.send(argon2id::hash(&self.cost, &password, &salt, memory));
            }
        }
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let usual = self.usual_micros.load(Ordering::Relaxed);
        self.usual_micros.store((usual / 8).saturating_mul(7).saturating_add(micros / 8), Ordering::Relaxed);
    }
}
