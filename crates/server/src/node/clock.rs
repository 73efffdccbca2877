//! The times that a node goes by.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use latchkey_oauth::clock::{Clock, SystemClock, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// The time since the machine started: it only goes forward, and goes on while the machine sleeps, so that a
/// lease does not outlive a suspended laptop.
pub(super) fn uptime() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// The server's time, so that a token ends here when it ends there, and windows of limits begin for all nodes
/// together, whatever this machine's clock says. It lags behind by the way of an answer. Before the first
/// one it is this machine's.
#[derive(Debug)]
pub(super) struct ServerClock {
    /// The server's time when this machine started, in milliseconds.
    origin: AtomicI64,
}

impl ServerClock {
    pub(super) fn new() -> Self {
        Self { origin: AtomicI64::new(SystemClock.now().as_millis() - millis(uptime())) }
    }

    /// Notes the server's time that an answer told, which came at `uptime`.
    pub(super) fn heard(&self, now: Timestamp, uptime: Duration) {
        self.origin.store(now.as_millis().saturating_sub(millis(uptime)), Ordering::Relaxed);
    }
}

impl Clock for ServerClock {
    fn now(&self) -> Timestamp {
        let origin = self.origin.load(Ordering::Relaxed);
        Timestamp::from_millis(origin.saturating_add(millis(uptime())))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_says_what_time_it_is() {
        let clock = ServerClock::new();
        assert!(clock.now().millis_since(SystemClock.now()).abs() < 1000);
        clock.heard(Timestamp::from_seconds(1_000), uptime());
        let told = clock.now().millis_since(Timestamp::from_seconds(1_000));
        assert!((0..1000).contains(&told), "{told}");
    }
}
