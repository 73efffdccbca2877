//! Requests that become due one after the other, at even distances.

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// How long before the first request is due: connections are made meanwhile.
const LEAD: Duration = Duration::from_millis(200);
/// Requests become due together at moments that are this far apart, or farther at a low rate. Waking up for
/// each one would cost the generator more than sending it, on cores that it shares with the server.
const TICK: Duration = Duration::from_micros(250);

/// The clock of a run. The runtime's own timers count milliseconds.
#[derive(Debug)]
pub(crate) struct Pace {
    started: Instant,
    /// Between two moments at which requests become due.
    tick: Duration,
    rate: u64,
    /// One permit for each request that is due and not taken.
    due: Semaphore,
}

impl Pace {
    /// So many requests a second, soon.
    pub(crate) fn new(rate: u64) -> Self {
        let rate = rate.clamp(1, 1_000_000);
        let tick = TICK.max(Duration::from_nanos(NANOS / rate));
        Self { started: Instant::now() + LEAD, tick, rate, due: Semaphore::new(0) }
    }

    /// Until a request is due.
    pub(crate) async fn wait(&self) {
        self.due.acquire().await.expect("the semaphore is never closed").forget();
    }

    /// When the request of this number is due: at the first tick when its share of the rate has passed.
    pub(crate) fn due(&self, number: u64) -> Instant {
        let tick = u64::try_from(self.tick.as_nanos()).expect("at most a second");
        let even = u128::from(number) * u128::from(NANOS) / u128::from(self.rate);
        let ticks = u64::try_from(even.div_ceil(u128::from(tick))).expect("a run ends within centuries");
        self.started + Duration::from_nanos(ticks * tick)
    }

    /// Lets `most` requests become due, and then wakes all `waiters`, who find nothing left. Sleeps on the
    /// thread of its caller.
    pub(crate) fn keep(&self, most: u64, waiters: usize) {
        let mut given = 0;
        while given < most {
            thread::park_timeout(self.due(given).saturating_duration_since(Instant::now()));
            let now = Instant::now();
            let mut due = 0;
            while given < most && self.due(given) <= now {
                given += 1;
                due += 1;
            }
            self.due.add_permits(due);
        }
        self.due.add_permits(waiters);
    }
}

const NANOS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_as_many_requests_as_the_rate_says() {
        for rate in [1, 7, 100, 4_000, 25_821] {
            let pace = Pace::new(rate);
            let within = |number| pace.due(number) - pace.started;
            assert_eq!(within(0), Duration::ZERO);
            assert!(within(rate) >= Duration::from_secs(1), "{rate}");
            assert!(within(rate) < Duration::from_secs(1) + 2 * pace.tick, "{rate}");
            assert!((1..rate).all(|number| within(number - 1) <= within(number)), "{rate}");
        }
    }
}
