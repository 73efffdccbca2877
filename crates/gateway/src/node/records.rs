//! How a node tells its server of calls, in the words of messages: `POST` of a [`RecordsRequest`] to [`RECORDS`].
//!
//! A node sends its batches one after the other and numbers them. The server takes each number of a sender once,
//! so a node that got no answer sends the same batch again.

use std::net::IpAddr;

use latchkey_catalog::id::EntryId;
use latchkey_catalog::usage::{Counts, Day};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::PrincipalId;
use serde::{Deserialize, Serialize};

/// Where a node tells of calls.
pub const RECORDS: &str = "/api/latchkey/v1/records";

/// The most entries of each list of a batch.
pub const MOST_RECORDS: usize = 100;
/// The longest name of a device, or of what it calls with, in bytes.
const LONGEST: usize = 4096;
/// The most calls of an entry: more than a gateway answers in a year.
const MOST_CALLS: u64 = 1 << 44;
/// The longest time of an entry, in microseconds: a century.
const MOST_MICROS: u64 = 1 << 52;

/// These calls were answered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RecordsRequest {
    /// The process that tells, drawn at its start: 32 hexadecimal digits.
    pub sender: String,
    /// Grows with each batch of this sender.
    pub number: u64,
    /// How many calls.
    #[serde(default)]
    pub usage: Vec<UsageFacts>,
    /// When devices were last seen.
    #[serde(default)]
    pub sightings: Vec<SightingFacts>,
}

/// Calls of one API by one device on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageFacts {
    /// The day, counted from 1970-01-01.
    pub day: i32,
    /// The shard of the device's holder; 0 where there is none.
    pub bucket: u16,
    /// The API.
    pub api: EntryId,
    /// The application.
    #[serde(default)]
    pub application: Option<EntryId>,
    /// The user, or the client for an application's own calls.
    #[serde(default)]
    pub subject: Option<PrincipalId>,
    /// The device; empty for the unnamed one.
    #[serde(default)]
    pub device: String,
    /// All calls.
    pub calls: u64,
    /// Refused for their token, subscription or scopes.
    #[serde(default)]
    pub denied: u64,
    /// Refused by a limit.
    #[serde(default)]
    pub limited: u64,
    /// Refused for their form.
    #[serde(default)]
    pub unfit: u64,
    /// Not answered as they should.
    #[serde(default)]
    pub failed: u64,
    /// How long all took together until the heads of their answers, in microseconds.
    #[serde(default)]
    pub micros: u64,
}

/// When, and from where, a device was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SightingFacts {
    /// The client.
    pub client: PrincipalId,
    /// The user, or the client itself.
    pub subject: PrincipalId,
    /// The device; empty for the unnamed one.
    #[serde(default)]
    pub device: String,
    /// When.
    pub at: Timestamp,
    /// When first, as far as the node saw it.
    pub first_at: Timestamp,
    /// From which address, where that is kept.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// With what `User-Agent`, where that is kept.
    #[serde(default)]
    pub user_agent: Option<String>,
}

impl RecordsRequest {
    /// The sender's number; none where this is not a batch that a server takes: it is too large, or counts
    /// what cannot be.
    pub fn check(&self) -> Option<[u8; 16]> {
        let is_short = self.usage.len() <= MOST_RECORDS && self.sightings.len() <= MOST_RECORDS;
        let is_sensible = self.usage.iter().all(UsageFacts::is_sensible)
            && self.sightings.iter().all(SightingFacts::is_sensible);
        let sender = Some(&self.sender).filter(|text| text.len() == 32);
        let sender = u128::from_str_radix(sender?, 16).ok()?;
        let number = i64::try_from(self.number);
        (is_short && is_sensible && number.is_ok()).then_some(sender.to_be_bytes())
    }
}

impl UsageFacts {
    /// What is counted.
    pub const fn counts(&self) -> Counts {
        let Self { calls, denied, limited, unfit, failed, micros, .. } = *self;
        Counts { calls, denied, limited, unfit, failed, micros }
    }

    /// The day; none later than `today`.
    pub fn day(&self, today: Day) -> Day {
        Day::from_number(self.day).min(today)
    }

    fn is_sensible(&self) -> bool {
        let refused = [self.denied, self.limited, self.unfit, self.failed];
        let refused = refused.into_iter().fold(0, u64::saturating_add);
        refused <= self.calls
            && self.calls <= MOST_CALLS
            && self.micros <= MOST_MICROS
            && self.device.len() <= LONGEST
    }
}

impl SightingFacts {
    fn is_sensible(&self) -> bool {
        let is_shown = |text: &String| text.len() <= LONGEST && !text.contains(char::is_control);
        is_shown(&self.device) && self.user_agent.as_ref().is_none_or(is_shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage() -> UsageFacts {
        UsageFacts {
            day: 20_000,
            bucket: 3,
            api: EntryId::from_bytes([1; 16]),
            application: Some(EntryId::from_bytes([2; 16])),
            subject: None,
            device: "device_a".to_owned(),
            calls: 5,
            denied: 1,
            limited: 2,
            unfit: 1,
            failed: 1,
            micros: 70,
        }
    }

    fn sighting() -> SightingFacts {
        SightingFacts {
            client: PrincipalId::from_bytes([3; 16]),
            subject: PrincipalId::from_bytes([4; 16]),
            device: String::new(),
            at: Timestamp::from_seconds(5),
            first_at: Timestamp::from_seconds(4),
            address: Some([192, 0, 2, 7].into()),
            user_agent: Some("agent/1".to_owned()),
        }
    }

    fn batch() -> RecordsRequest {
        let sender = format!("{:032x}", 7);
        RecordsRequest { sender, number: 1, usage: vec![usage()], sightings: vec![sighting()] }
    }

    #[test]
    fn what_is_said_is_understood() {
        let said = batch();
        let text = serde_json::to_string(&said).unwrap();
        let heard: RecordsRequest = serde_json::from_str(&text).unwrap();
        assert_eq!((&heard, heard.check()), (&said, Some(7_u128.to_be_bytes())));
        let counts = heard.usage[0].counts();
        assert_eq!((counts.calls, counts.limited, counts.micros), (5, 2, 70));
        assert_eq!(usage().day(Day::from_number(19_999)), Day::from_number(19_999), "no day is to come");
        assert_eq!(usage().day(Day::from_number(20_001)), Day::from_number(20_000));
    }

    #[test]
    fn what_cannot_be_is_no_batch() {
        let of_usage = |usage: UsageFacts| RecordsRequest { usage: vec![usage], ..batch() };
        let of_sighting = |sighting: SightingFacts| RecordsRequest { sightings: vec![sighting], ..batch() };
        let bad = [
            RecordsRequest { sender: "7".to_owned(), ..batch() },
            RecordsRequest { sender: "g".repeat(32), ..batch() },
            RecordsRequest { number: u64::MAX, ..batch() },
            RecordsRequest { usage: vec![usage(); MOST_RECORDS + 1], ..batch() },
            RecordsRequest { sightings: vec![sighting(); MOST_RECORDS + 1], ..batch() },
            of_usage(UsageFacts { denied: u64::MAX, ..usage() }),
            of_usage(UsageFacts { failed: 2, ..usage() }),
            of_usage(UsageFacts { calls: MOST_CALLS + 1, ..usage() }),
            of_usage(UsageFacts { micros: MOST_MICROS + 1, ..usage() }),
            of_usage(UsageFacts { device: "d".repeat(LONGEST + 1), ..usage() }),
            of_sighting(SightingFacts { user_agent: Some("\u{1b}[2J".to_owned()), ..sighting() }),
            of_sighting(SightingFacts { user_agent: Some("a".repeat(LONGEST + 1)), ..sighting() }),
            of_sighting(SightingFacts { device: "\n".to_owned(), ..sighting() }),
        ];
        for bad in bad {
            assert_eq!(bad.check(), None, "{bad:?}");
        }
    }
}
