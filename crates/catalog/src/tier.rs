//! Tiers: how many calls a subscription, an application, an API or a resource has in a window of time.
//!
//! Windows are those of the calendar in UTC: "20 a minute" is 20 from one full minute to the next, as WSO2
//! counts. A window of several units begins where the count of units since 1970 divides evenly.

mod details;
mod text;

use latchkey_oauth::clock::Timestamp;
use serde::{Deserialize, Serialize};
use time::{Date, Month, OffsetDateTime};

use crate::subscription::UNLIMITED;

pub use details::{BadDetails, Plan, TierDetails};
pub use text::NoLimit;

/// A throttling policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its name, unique at its level.
    pub name: String,
    /// What it is given to.
    pub level: Level,
    /// How many calls; none: any number.
    #[serde(default)]
    pub limit: Option<Limit>,
    /// How many calls in a short window besides, so that the limit is not used up in one burst (WSO2's
    /// `rateLimitCount` and `rateLimitTimeUnit`); none: as the limit allows.
    #[serde(default)]
    pub burst: Option<Limit>,
    /// What happens to calls past the limit.
    #[serde(default)]
    pub past_limit: PastLimit,
    /// The rest.
    #[serde(default, skip_serializing_if = "TierDetails::is_empty")]
    pub details: TierDetails,
}

/// What a tier is given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Applications; counted for each user of the application apart, as WSO2 does.
    Application,
    /// Subscriptions; counted for each application and API version.
    Subscription,
    /// APIs and their resources; counted for all callers together.
    Resource,
}

impl Level {
    /// Its name, as the store keeps it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Subscription => "subscription",
            Self::Resource => "resource",
        }
    }
}

/// What happens to calls past the limit; WSO2's `stopOnQuotaReach`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PastLimit {
    /// They are refused.
    #[default]
    Refuse,
    /// They pass, and are counted.
    Admit,
}

/// So many calls in a window, written `20/minute` or `5000/2 hours`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The calls.
    pub calls: u64,
    /// The window.
    pub window: Window,
}

/// A window of the calendar: so many units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// How many units, 1 to 1000; 0 counts as 1 and more than 1000 as 1000.
    pub units: u16,
    /// The unit.
    pub unit: Unit,
}

/// A unit of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds.
    Second,
    /// Minutes.
    Minute,
    /// Hours.
    Hour,
    /// Days.
    Day,
    /// Months.
    Month,
    /// Years.
    Year,
}

impl Unit {
    /// From WSO2's `timeUnit`: `sec`, `min`, `hour`, `days`, `month`, `year` and their longer forms.
    pub fn from_wso2_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "s" | "sec" | "second" | "seconds" => Self::Second,
            "min" | "minute" | "minutes" => Self::Minute,
            "hour" | "hours" => Self::Hour,
            "day" | "days" => Self::Day,
            "month" | "months" => Self::Month,
            "year" | "years" => Self::Year,
            _ => return None,
        })
    }

    /// WSO2's `timeUnit`.
    pub const fn wso2_name(self) -> &'static str {
        match self {
            Self::Second => "sec",
            Self::Minute => "min",
            Self::Hour => "hour",
            Self::Day => "days",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// The moments between which a window lies: from the first, up to but without the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

impl Window {
    /// One `unit`.
    pub const fn one(unit: Unit) -> Self {
        Self { units: 1, unit }
    }

    /// Whether it lasts an hour or longer. What is counted in such a window is worth keeping when a process
    /// ends.
    pub const fn is_long(self) -> bool {
        match self.unit {
            Unit::Second => false,
            Unit::Minute => self.units >= 60,
            Unit::Hour | Unit::Day | Unit::Month | Unit::Year => true,
        }
    }

    /// The window that `now` lies in.
    pub fn around(self, now: Timestamp) -> Span {
        let units = i64::from(self.units.clamp(1, 1000));
        let millis = match self.unit {
            Unit::Second => 1_000,
            Unit::Minute => 60_000,
            Unit::Hour => 3_600_000,
            Unit::Day => 86_400_000,
            Unit::Month => return months_around(now, units),
            Unit::Year => return months_around(now, units * 12),
        } * units;
        let start = now.as_millis().div_euclid(millis) * millis;
        Span { start: Timestamp::from_millis(start), end: Timestamp::from_millis(start).plus_millis(millis) }
    }
}

/// The window of `count` months around `now`. A moment outside the years that calendars know, -9999 to
/// 9999, counts as 1970: no clock shows it.
fn months_around(now: Timestamp, count: i64) -> Span {
    let date = OffsetDateTime::from_unix_timestamp(now.as_seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let months = i64::from(date.year() - 1970) * 12 + i64::from(u8::from(date.month())) - 1;
    let first = months.div_euclid(count) * count;
    Span { start: month_start(first), end: month_start(first + count) }
}

/// The first moment of a month, counted from January 1970.
fn month_start(months: i64) -> Timestamp {
    let year = i32::try_from(1970 + months.div_euclid(12)).ok();
    let month = u8::try_from(months.rem_euclid(12) + 1).ok().and_then(|month| Month::try_from(month).ok());
    let date = year.zip(month).and_then(|(year, month)| Date::from_calendar_date(year, month, 1).ok());
    date.map_or(Timestamp::from_millis(i64::MAX), |date| {
        Timestamp::from_seconds(date.midnight().assume_utc().unix_timestamp())
    })
}

/// The tiers that a new installation has: WSO2's, with its numbers.
pub fn seeded() -> Vec<Tier> {
    let minute = |name: &str, level, calls| Tier {
        name: name.to_owned(),
        level,
        limit: Some(Limit { calls, window: Window::one(Unit::Minute) }),
        burst: None,
        past_limit: PastLimit::Refuse,
        details: TierDetails::default(),
    };
    let unlimited = |level| Tier { limit: None, ..minute(UNLIMITED, level, 0) };
    vec![
        minute("10PerMin", Level::Application, 10),
        minute("20PerMin", Level::Application, 20),
        minute("50PerMin", Level::Application, 50),
        unlimited(Level::Application),
        minute("Bronze", Level::Subscription, 1000),
        minute("Silver", Level::Subscription, 2000),
        minute("Gold", Level::Subscription, 5000),
        minute(UNAUTHENTICATED, Level::Subscription, 500),
        unlimited(Level::Subscription),
        minute("10KPerMin", Level::Resource, 10_000),
        minute("20KPerMin", Level::Resource, 20_000),
        minute("50KPerMin", Level::Resource, 50_000),
        unlimited(Level::Resource),
    ]
}

/// The subscription tier of calls without a token, to resources that ask for none.
pub const UNAUTHENTICATED: &str = "Unauthenticated";

#[cfg(test)]
mod tests;
