//! The generic cell rate algorithm: an even rate with a burst, in one number for each key.
//!
//! It is the leaky bucket of ITU-T I.371 written as a time: the moment at which the bucket would be empty
//! again. It is exact for "never more than the burst at once, and the rate over time", not for "so many in
//! this minute"; plans are counted by [`super::Lease`].

use latchkey_oauth::clock::Timestamp;

/// An even rate with a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Microseconds from one call to the next.
    interval: i64,
    /// Calls at once.
    burst: i64,
}

/// What is kept for a key: when its bucket is empty again, in microseconds since 1970. The default is a
/// key that was never seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucket(i64);

/// What the rate says to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Admit,
    /// It does not, before this moment.
    Refuse {
        /// When the next call passes, rounded up to a millisecond.
        until: Timestamp,
    },
}

impl Rate {
    /// `calls` in every `millis` milliseconds, `burst` of them at once. Each is at least 1; intervals are
    /// rounded up to a microsecond, so the rate is never exceeded.
    pub fn new(calls: u32, millis: u32, burst: u32) -> Self {
        let interval = (i64::from(millis.max(1)) * 1000).div_ceil_of(i64::from(calls.max(1)));
        Self { interval, burst: i64::from(burst.max(1)) }
    }

    /// Decides on a call, and counts it when it passes. A refused call changes nothing, so who keeps on
    /// calling is not locked out for ever.
    ///
    /// Where the clock was set back, the key waits for no longer than a full bucket takes.
    pub fn decide(self, bucket: &mut Bucket, now: Timestamp) -> Verdict {
        let now = now.as_millis().saturating_mul(1000);
        let full = now.saturating_add(self.interval.saturating_mul(self.burst));
        let empty = bucket.0.clamp(now, full);
        let next = empty.saturating_add(self.interval);
        if next > full {
            let until = now.saturating_add(next - full);
            return Verdict::Refuse { until: Timestamp::from_millis(until.div_ceil_of(1000)) };
        }
        *bucket = Bucket(next);
        Verdict::Admit
    }

    /// Whether a bucket is empty, and may be forgotten.
    pub const fn is_idle(bucket: Bucket, now: Timestamp) -> bool {
        bucket.0 <= now.as_millis().saturating_mul(1000)
    }
}

/// Division that rounds up, which the standard library has for unsigned numbers only.
trait DivCeil {
    fn div_ceil_of(self, divisor: Self) -> Self;
}

impl DivCeil for i64 {
    fn div_ceil_of(self, divisor: Self) -> Self {
        self.div_euclid(divisor) + Self::from(self.rem_euclid(divisor) != 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let rate = Rate::new(10, 1000, 3);
        let mut bucket = Bucket::default();
        let cases = [
            (0, None),
            (0, None),
            (0, None),
            (0, Some(100)),
            (99, Some(100)),
            (100, None),
            (100, Some(200)),
            (350, None),
            (350, None),
            (350, Some(400)),
            (10_000, None),
            (10_000, None),
            (10_000, None),
            (10_000, Some(10_100)),
        ];
        for (now, until) in cases {
            let expected = until.map_or(Verdict::Admit, |until| Verdict::Refuse { until: at(until) });
            assert_eq!(rate.decide(&mut bucket, at(now)), expected, "{now}");
        }
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let rate = Rate::new(1, 1000, 2);
        let mut bucket = Bucket::default();
        assert_eq!(rate.decide(&mut bucket, at(3_600_000)), Verdict::Admit);
        assert_eq!(rate.decide(&mut bucket, at(0)), Verdict::Refuse { until: at(1000) });
        assert_eq!(rate.decide(&mut bucket, at(1000)), Verdict::Refuse { until: at(2000) });
        let mut bucket = Bucket::default();
        rate.decide(&mut bucket, Timestamp::from_millis(i64::MAX));
        rate.decide(&mut bucket, Timestamp::from_millis(i64::MIN));
    }

    #[test]
    fn an_empty_bucket_may_be_forgotten() {
        let (rate, mut bucket) = (Rate::new(1, 1000, 2), Bucket::default());
        assert!(Rate::is_idle(bucket, at(0)));
        rate.decide(&mut bucket, at(0));
        assert!(!Rate::is_idle(bucket, at(999)));
        assert!(Rate::is_idle(bucket, at(1000)));
    }

    proptest! {
        /// No span of time admits more than the burst and what the rate gives in it; and who waits as told
        /// is admitted.
        #[test]
        fn never_more_than_burst_and_rate(
            calls in 1_u32..50, millis in 1_u32..2000, burst in 1_u32..10,
            steps in prop::collection::vec(0_i64..300, 1..200),
        ) {
            let (rate, mut bucket, mut now) = (Rate::new(calls, millis, burst), Bucket::default(), 0);
            let mut admitted = Vec::new();
            for step in steps {
                now += step;
                match rate.decide(&mut bucket, at(now)) {
                    Verdict::Admit => admitted.push(now),
                    Verdict::Refuse { until } => {
                        prop_assert!(until > at(now));
                        let before = bucket;
                        prop_assert_eq!(rate.decide(&mut bucket, until), Verdict::Admit);
                        bucket = before;
                    }
                }
            }
            for (first, from) in admitted.iter().enumerate() {
                for (last, to) in admitted.iter().enumerate().skip(first) {
                    let allowed = i64::from(burst) + (to - from) * i64::from(calls) / i64::from(millis);
                    prop_assert!(i64::try_from(last - first).unwrap() < allowed, "{from} to {to}");
                }
            }
        }
    }
}
