//! How a node gets what it tells upstreams about callers, in the words of messages: `POST` of an
//! [`AssertionRequest`] to [`ASSERTIONS`]. The keys stay at the server, which signs; the node hands the signed text
//! out again for a while.

use std::fmt;

use latchkey_catalog::id::EntryId;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::FamilyId;
use serde::{Deserialize, Serialize};

use super::wire::hex;

/// Where a node asks for an assertion.
pub const ASSERTIONS: &str = "/api/latchkey/v1/assertions:sign";

/// Whom is a call of an API from?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssertionRequest {
    /// The shard of the token's family.
    pub bucket: u16,
    /// The token's family.
    #[serde(with = "hex")]
    pub family: FamilyId,
    /// The token's generation.
    pub generation: u32,
    /// The API.
    pub api: EntryId,
}

/// What the server says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AssertionAnswer {
    /// This.
    Signed {
        /// The value of the header.
        assertion: String,
        /// Until when it may be handed out, by the server's time.
        until: Timestamp,
    },
    /// Nothing: the token, its client or the API is not there any more.
    Ended,
    /// Nothing: the server makes no assertions (`gateway.backend_jwt.enabled`).
    Off,
}

impl fmt::Debug for AssertionAnswer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed { until, .. } => {
                out.debug_struct("Signed").field("until", until).finish_non_exhaustive()
            }
            Self::Ended => out.write_str("Ended"),
            Self::Off => out.write_str("Off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood_and_not_shown() {
        let family = FamilyId::from_bytes([3; 16]);
        let asked = AssertionRequest { bucket: 1, family, generation: 2, api: EntryId::from_bytes([4; 16]) };
        let text = serde_json::to_string(&asked).unwrap();
        assert_eq!(serde_json::from_str::<AssertionRequest>(&text).unwrap(), asked);
        let (assertion, until) = ("a.signed.text".to_owned(), Timestamp::from_seconds(5));
        let signed = AssertionAnswer::Signed { assertion, until };
        assert!(!format!("{signed:?}").contains("signed.text"), "{signed:?}");
        for said in [signed, AssertionAnswer::Ended, AssertionAnswer::Off] {
            let text = serde_json::to_string(&said).unwrap();
            assert_eq!(serde_json::from_str::<AssertionAnswer>(&text).unwrap(), said);
        }
    }
}
