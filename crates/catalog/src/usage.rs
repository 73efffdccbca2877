//! How much APIs are used: counts for one day of UTC.

use std::fmt;

use latchkey_oauth::clock::Timestamp;

const SECONDS: i64 = 86_400;

/// A day of UTC: days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// The day of a moment; moments past the range of days are in the last or the first one.
    pub fn of(at: Timestamp) -> Self {
        let days = at.as_seconds().div_euclid(SECONDS);
        Self(i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }))
    }

    /// From the number that a store keeps.
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// The number that a store keeps.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// So many days earlier.
    #[must_use]
    pub const fn minus(self, days: u32) -> Self {
        Self(self.0.saturating_sub_unsigned(days))
    }

    /// Its first moment.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_seconds((self.0 as i64) * SECONDS)
    }
}

/// What became of a call, by the family of the code that it was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallClass {
    /// It went to the upstream, whose answer came back, whatever it said.
    Passed,
    /// Its token, subscription or scopes did not open the resource (9009xx).
    Denied,
    /// A limit was reached (9008xx).
    Limited,
    /// It was malformed, or there is no such resource.
    Unfit,
    /// The upstream did not answer as it should, or the gateway could not (101xxx, 303xxx, 5xx).
    Failed,
}

/// What is counted of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All of them.
    pub calls: u64,
    /// Those that were [`CallClass::Denied`].
    pub denied: u64,
    /// Those that were [`CallClass::Limited`].
    pub limited: u64,
    /// Those that were [`CallClass::Unfit`].
    pub unfit: u64,
    /// Those that [`CallClass::Failed`].
    pub failed: u64,
    /// How long all of them took until the head of their answers, together, in microseconds.
    pub micros: u64,
}

impl Counts {
    /// One call of this class that took so many microseconds.
    pub fn one(class: CallClass, micros: u64) -> Self {
        let mut counts = Self { calls: 1, micros, ..Self::default() };
        match class {
            CallClass::Passed => {}
            CallClass::Denied => counts.denied = 1,
            CallClass::Limited => counts.limited = 1,
            CallClass::Unfit => counts.unfit = 1,
            CallClass::Failed => counts.failed = 1,
        }
        counts
    }

    /// Adds other calls to these.
    pub const fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.denied = self.denied.saturating_add(other.denied);
        self.limited = self.limited.saturating_add(other.limited);
        self.unfit = self.unfit.saturating_add(other.unfit);
        self.failed = self.failed.saturating_add(other.failed);
        self.micros = self.micros.saturating_add(other.micros);
    }
}

impl fmt::Display for Day {
    /// As ISO 8601 has it, `2027-01-15`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Howard Hinnant's civil_from_days: years begin in March, so that the leap day ends them.
        let days = i64::from(self.0) + 719_468;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        write!(out, "{:04}-{month:02}-{day:02}", era * 400 + year_of_era + next_year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_at_midnight_of_utc() {
        let cases = [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (86_400, "1970-01-02"),
            (-1, "1969-12-31"),
            (951_782_400, "2000-02-29"),
            (1_709_164_800, "2024-02-29"),
            (1_709_251_200, "2024-03-01"),
            (1_800_000_000, "2027-01-15"),
            (4_107_542_400, "2100-03-01"),
        ];
        for (seconds, expected) in cases {
            let day = Day::of(Timestamp::from_seconds(seconds));
            assert_eq!(day.to_string(), expected, "{seconds}");
            assert_eq!(Day::of(day.start()), day);
            assert!(Day::of(day.start().plus_millis(-1)) < day);
        }
        assert_eq!(Day::of(Timestamp::from_millis(i64::MAX)).number(), i32::MAX);
        assert_eq!(Day::from_number(i32::MIN).minus(1).number(), i32::MIN);
    }

    #[test]
    fn calls_are_counted_by_what_became_of_them() {
        use CallClass::{Denied, Failed, Limited, Passed, Unfit};
        let mut sum = Counts::default();
        for (class, micros) in [(Passed, 5), (Denied, 1), (Limited, 2), (Limited, 2), (Unfit, 3), (Failed, 4)]
        {
            sum.add(&Counts::one(class, micros));
        }
        let expected = Counts { calls: 6, denied: 1, limited: 2, unfit: 1, failed: 1, micros: 17 };
        assert_eq!(sum, expected);
        sum.add(&Counts { micros: u64::MAX, ..Counts::default() });
        assert_eq!(sum.micros, u64::MAX);
    }
}
