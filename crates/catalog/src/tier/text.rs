//! Limits as they are written: `20/minute`, `5000/2 hours`.

use std::fmt;
use std::str::FromStr;

use super::{Limit, Unit, Window};

/// What is not written as a limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a limit is a number of calls, a slash and a window of up to 1000 seconds, minutes, hours, days, months or years: \
     20/minute, 5000/2 hours"
)]
pub struct NoLimit;

impl Unit {
    const fn word(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, window: Window { units, unit } } = self;
        match units {
            0 | 1 => write!(out, "{calls}/{}", unit.word()),
            units => write!(out, "{calls}/{units} {}s", unit.word()),
        }
    }
}

impl FromStr for Limit {
    type Err = NoLimit;

    /// Units may be written in full or as WSO2 does, with or without a number before them.
    fn from_str(text: &str) -> Result<Self, NoLimit> {
        let (calls, window) = text.split_once('/').ok_or(NoLimit)?;
        let window = window.trim();
        let digits = window.find(|letter: char| !letter.is_ascii_digit()).ok_or(NoLimit)?;
        let (units, unit) = window.split_at(digits);
        let units = if units.is_empty() { 1 } else { units.parse().map_err(|_| NoLimit)? };
        if !(1..=1000).contains(&units) {
            return Err(NoLimit);
        }
        Ok(Self {
            calls: calls.trim().parse().map_err(|_| NoLimit)?,
            window: Window { units, unit: Unit::from_wso2_name(unit.trim()).ok_or(NoLimit)? },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_and_read() {
        for text in ["20/minute", "5000/2 hours", "1/second", "0/day", "7/3 months", "9/1000 years"] {
            assert_eq!(text.parse::<Limit>().unwrap().to_string(), text);
        }
        for (text, same) in [("20/min", "20/minute"), (" 5 / 2hour", "5/2 hours"), ("5/1 days", "5/day")] {
            assert_eq!(text.parse::<Limit>().unwrap().to_string(), same);
        }
        for wrong in
            ["", "20", "20/", "/minute", "x/minute", "20/week", "20/0 minutes", "20/1001 minutes", "-1/day"]
        {
            assert_eq!(wrong.parse::<Limit>(), Err(NoLimit), "{wrong:?}");
        }
    }
}
