//! How long things took.

use std::time::Duration;

use serde_json::{Value, json};

/// Durations in order.
#[derive(Debug, Clone, Default)]
pub struct Latencies(Vec<Duration>);

impl From<Vec<Duration>> for Latencies {
    fn from(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }
}

impl Latencies {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The shortest duration that `percent` of a hundred do not exceed, in milliseconds; 0 of none.
    pub fn percentile(&self, percent: usize) -> f64 {
        let place = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(place).map_or(0.0, |duration| duration.as_secs_f64() * 1e3)
    }

    /// `{"p50_ms": …, "p99_ms": …, "max_ms": …}`.
    pub fn to_json(&self) -> Value {
        json!({
            "p50_ms": self.percentile(50), "p99_ms": self.percentile(99), "max_ms": self.percentile(100),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_durations_that_occurred() {
        let one_to = |last| Latencies::from((1..=last).rev().map(Duration::from_millis).collect::<Vec<_>>());
        for (count, percent, expected) in
            [(100, 50, 50), (100, 99, 99), (100, 100, 100), (3, 50, 2), (1, 99, 1)]
        {
            let expected = Duration::from_millis(expected).as_secs_f64() * 1e3;
            assert!((one_to(count).percentile(percent) - expected).abs() < 1e-9, "{percent} of {count}");
        }
        assert!(Latencies::default().percentile(99).abs() < 1e-9);
    }
}
