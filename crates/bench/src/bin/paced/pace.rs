//! Requests that become due one after the other, at even distances.

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// How long before the first request is due: connections are made meanwhile.
const LEAD: Duration = Duration::from_millis(200);

/// The clock of a run.
///
/// The runtime's timers count milliseconds, in which dozens of requests become due at once. A thread that
/// sleeps is woken some 50 microseconds late, which is little beside what is measured.
#[derive(Debug)]
pub(crate) struct Pace {
    started: Instant,
    apart: Duration,
    /// One permit for each request that is due and not taken.
    due: Semaphore,
}

impl Pace {
    /// So many requests a second, soon.
    pub(crate) fn new(rate: u64) -> Self {
        let apart = Duration::from_nanos(1_000_000_000 / rate.clamp(1, 1_000_000));
        Self { started: Instant::now() + LEAD, apart, due: Semaphore::new(0) }
    }

    /// Until a request is due.
    pub(crate) async fn wait(&self) {
        self.due.acquire().await.expect("the semaphore is never closed").forget();
    }

    /// When the request of this number is due.
    pub(crate) fn due(&self, number: u64) -> Instant {
        let nanos = u64::try_from(self.apart.as_nanos()).expect("at most a second");
        self.started + Duration::from_nanos(nanos * number)
    }

    /// Lets `most` requests become due, and then wakes all `waiters`, who find nothing left. Sleeps on the
    /// thread of its caller.
    pub(crate) fn keep(&self, most: u64, waiters: usize) {
        let mut given = 0;
        while given < most {
            thread::park_timeout(self.due(given).saturating_duration_since(Instant::now()));
            let passed = self.started.elapsed().as_nanos() / self.apart.as_nanos();
            let due = u64::try_from(passed).unwrap_or(u64::MAX).saturating_add(1).clamp(given, most);
            self.due.add_permits(usize::try_from(due - given).expect("a run has not that many requests"));
            given = due;
        }
        self.due.add_permits(waiters);
    }
}
