//! How a node asks for permits of limits, in the words of messages: `POST` of a [`LimitsRequest`] to
//! [`LIMITS`]. The server lends out of the same counts that its own calls use.

use latchkey_catalog::count::{CountKey, Grant, HandBack, KeyParts, WindowId};
use latchkey_catalog::tier::Limit;
use latchkey_oauth::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a node asks for permits.
pub const LIMITS: &str = "/api/latchkey/v1/limits:lease";

/// The most entries of each list of a question.
pub const MOST_LIMITS: usize = 512;

/// What a node wants, and what it does not need any more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LimitsRequest {
    /// Permits that it asks for.
    #[serde(default)]
    pub asks: Vec<LimitAsk>,
    /// Permits that it did not use. A question that holds any is not repeated.
    #[serde(default)]
    pub backs: Vec<LimitBack>,
}

/// Permits asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitAsk {
    /// Of which count.
    pub key: KeyParts,
    /// The limit in force.
    pub limit: Limit,
    /// How many, at most.
    pub count: u64,
}

/// Permits that come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitBack {
    /// Of which count.
    pub key: KeyParts,
    /// The first moment of its window.
    pub start: Timestamp,
    /// Which count of the window.
    pub resets: u64,
    /// How many.
    pub permits: u64,
}

/// What the server gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsAnswer {
    /// For each ask, in its order; none where the count cannot be asked now.
    pub grants: Vec<Option<LimitGrant>>,
    /// How many share the limits: the server and its nodes.
    pub nodes: u16,
}

/// Permits given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitGrant {
    /// The first moment of the window.
    pub start: Timestamp,
    /// Which count of the window.
    pub resets: u64,
    /// How many.
    pub permits: u64,
    /// How many were given out in the window, these among them.
    pub used: u64,
    /// How long the window lasts from the answer on, in milliseconds.
    pub remaining: i64,
}

impl From<Grant> for LimitGrant {
    fn from(Grant { window: WindowId { start, resets }, permits, used, remaining }: Grant) -> Self {
        Self { start, resets, permits, used, remaining }
    }
}

impl From<LimitGrant> for Grant {
    fn from(LimitGrant { start, resets, permits, used, remaining }: LimitGrant) -> Self {
        Self { window: WindowId { start, resets }, permits, used, remaining }
    }
}

impl From<&(CountKey, HandBack)> for LimitBack {
    fn from((key, HandBack { window: WindowId { start, resets }, permits }): &(CountKey, HandBack)) -> Self {
        Self { key: key.parts(), start: *start, resets: *resets, permits: *permits }
    }
}

impl LimitBack {
    /// What comes back; none where the key is none.
    pub fn read(&self) -> Option<(CountKey, HandBack)> {
        let window = WindowId { start: self.start, resets: self.resets };
        Some((CountKey::read(&self.key)?, HandBack { window, permits: self.permits }))
    }
}

#[cfg(test)]
mod tests {
    use latchkey_catalog::id::EntryId;

    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let key = CountKey::Subscription(EntryId::from_bytes([1; 16]), Some(EntryId::from_bytes([2; 16])));
        let window = WindowId { start: Timestamp::from_seconds(60), resets: 3 };
        let back = (key, HandBack { window, permits: 9 });
        assert_eq!(LimitBack::from(&back).read(), Some(back));
        let ask = LimitAsk { key: key.parts(), limit: "20/minute".parse().unwrap(), count: 2 };
        let asked = LimitsRequest { asks: vec![ask], backs: vec![LimitBack::from(&back)] };
        let text = serde_json::to_string(&asked).unwrap();
        assert_eq!(serde_json::from_str::<LimitsRequest>(&text).unwrap(), asked);
        let grant = Grant { window, permits: 1, used: 2, remaining: 3 };
        assert_eq!(Grant::from(LimitGrant::from(grant)), grant);
    }
}
