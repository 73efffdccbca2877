//! Deny policies: who and what an administrator keeps from calling, whatever they hold (WSO2's 900805).

use std::collections::HashSet;
use std::net::IpAddr;

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::PrincipalId;
use serde::{Deserialize, Serialize};

use crate::id::EntryId;

/// A deny policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenyPolicy {
    /// Its id.
    pub id: EntryId,
    /// Whom or what it concerns.
    pub condition: DenyCondition,
    /// Whether it is in force.
    pub state: DenyState,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Whether a deny policy is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenyState {
    /// It is.
    Active,
    /// It is kept for later.
    Paused,
}

/// Whom or what a deny policy concerns; the kinds are WSO2's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DenyCondition {
    /// Calls of an API.
    Api {
        /// Context and version, `/echo/1.0.0`.
        path: String,
    },
    /// Calls of an application.
    Application {
        /// Its owner's name.
        owner: String,
        /// Its name.
        name: String,
    },
    /// Calls for a user.
    User {
        /// The user's name.
        name: String,
    },
    /// Calls from an address.
    Ip {
        /// The address.
        address: IpAddr,
        /// Which side of it is denied.
        side: Side,
    },
    /// Calls from a range of addresses.
    #[serde(rename = "IPRANGE")]
    IpRange {
        /// The first.
        first: IpAddr,
        /// The last, of the same version.
        last: IpAddr,
        /// Which side of it is denied.
        side: Side,
    },
}

/// Which addresses a condition denies; WSO2's `invert`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Those that it names.
    #[default]
    Inside,
    /// All others.
    Outside,
}

/// A range of addresses that does not begin before it ends, or has two versions of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the range has to begin before it ends, with addresses of one version")]
pub struct BadRange;

impl DenyCondition {
    /// WSO2's name of its kind, as REST and the store carry it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Api { .. } => "API",
            Self::Application { .. } => "APPLICATION",
            Self::User { .. } => "USER",
            Self::Ip { .. } => "IP",
            Self::IpRange { .. } => "IPRANGE",
        }
    }

    /// Whether it makes sense.
    pub fn check(&self) -> Result<(), BadRange> {
        match self {
            Self::IpRange { first, last, .. } if first > last || first.is_ipv4() != last.is_ipv4() => {
                Err(BadRange)
            }
            Self::Api { .. }
            | Self::Application { .. }
            | Self::User { .. }
            | Self::Ip { .. }
            | Self::IpRange { .. } => Ok(()),
        }
    }
}

impl DenyState {
    /// Its name in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
        }
    }

    /// From [`Self::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::Paused].into_iter().find(|state| state.as_str() == name)
    }
}

/// The deny policies in force as a gateway asks them: names are resolved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Denied {
    /// The paths of APIs.
    #[serde(default)]
    pub apis: HashSet<String>,
    /// Applications.
    #[serde(default)]
    pub applications: HashSet<EntryId>,
    /// Users.
    #[serde(default)]
    pub users: HashSet<PrincipalId>,
    /// Addresses.
    #[serde(default)]
    pub addresses: Vec<DeniedAddresses>,
}

/// Addresses that are denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedAddresses {
    /// The first.
    pub first: IpAddr,
    /// The last.
    pub last: IpAddr,
    /// Which side of them.
    pub side: Side,
}

impl DeniedAddresses {
    /// Whether calls from this address are denied. An address of the other version is outside.
    fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let inside = address.is_ipv4() == self.first.is_ipv4() && (self.first..=self.last).contains(&address);
        match self.side {
            Side::Inside => inside,
            Side::Outside => !inside,
        }
    }
}

impl Denied {
    /// Whether nothing is denied.
    pub fn is_empty(&self) -> bool {
        self.apis.is_empty()
            && self.applications.is_empty()
            && self.users.is_empty()
            && self.addresses.is_empty()
    }

    /// Whether calls of the API at `path` from this address are denied, whoever calls.
    pub fn denies_call(&self, path: &str, address: IpAddr) -> bool {
        self.apis.contains(path) || self.addresses.iter().any(|denied| denied.holds(address))
    }

    /// Whether calls of the application, or for the subject, are denied.
    pub fn denies_caller(&self, application: EntryId, subject: PrincipalId) -> bool {
        self.applications.contains(&application) || self.users.contains(&subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_denied_inside_or_outside() {
        let range = |first: &str, last: &str, side| Denied {
            addresses: vec![DeniedAddresses { first: address(first), last: address(last), side }],
            ..Denied::default()
        };
        let cases = [
            (range("10.0.0.1", "10.0.0.1", Side::Inside), "10.0.0.1", true),
            (range("10.0.0.1", "10.0.0.1", Side::Inside), "10.0.0.2", false),
            (range("10.0.0.1", "10.0.0.1", Side::Outside), "10.0.0.1", false),
            (range("10.0.0.1", "10.0.0.1", Side::Outside), "10.0.0.2", true),
            (range("10.0.0.1", "10.0.0.1", Side::Outside), "::1", true),
            (range("10.0.0.1", "10.0.0.9", Side::Inside), "10.0.0.9", true),
            (range("10.0.0.1", "10.0.0.9", Side::Inside), "10.0.0.10", false),
            (range("10.0.0.1", "10.0.0.9", Side::Inside), "::ffff:10.0.0.5", true),
            (range("2001:db8::", "2001:db8::ff", Side::Inside), "2001:db8::a", true),
            (range("2001:db8::", "2001:db8::ff", Side::Inside), "2001:db8:1::", false),
            (range("0.0.0.0", "255.255.255.255", Side::Inside), "2001:db8::a", false),
        ];
        for (denied, from, expected) in cases {
            assert_eq!(denied.denies_call("/echo/1.0.0", address(from)), expected, "{from} {denied:?}");
        }
    }

    #[test]
    fn callers_and_apis_are_denied_by_what_they_are() {
        let (shop, other) = (EntryId::from_bytes([1; 16]), EntryId::from_bytes([2; 16]));
        let (alice, bob) = (PrincipalId::from_bytes([3; 16]), PrincipalId::from_bytes([4; 16]));
        let denied = Denied {
            apis: ["/echo/1.0.0".to_owned()].into(),
            applications: [shop].into(),
            users: [alice].into(),
            addresses: Vec::new(),
        };
        assert!(!denied.is_empty() && Denied::default().is_empty());
        assert!(denied.denies_call("/echo/1.0.0", address("::1")));
        assert!(!denied.denies_call("/echo/2.0.0", address("::1")));
        assert!(denied.denies_caller(shop, bob) && denied.denies_caller(other, alice));
        assert!(!denied.denies_caller(other, bob));
    }

    #[test]
    fn conditions_are_read_back_and_checked() {
        let range = |first: &str, last: &str| DenyCondition::IpRange {
            first: address(first),
            last: address(last),
            side: Side::Outside,
        };
        for condition in [
            DenyCondition::Api { path: "/echo/1.0.0".to_owned() },
            DenyCondition::Application { owner: "alice".to_owned(), name: "Shop".to_owned() },
            DenyCondition::User { name: "alice".to_owned() },
            DenyCondition::Ip { address: address("::1"), side: Side::Inside },
            range("10.0.0.1", "10.0.0.1"),
        ] {
            let text = serde_json::to_value(&condition).unwrap();
            assert_eq!(text["kind"], condition.kind());
            assert_eq!(serde_json::from_value::<DenyCondition>(text).unwrap(), condition);
            assert_eq!(condition.check(), Ok(()));
        }
        assert_eq!(range("10.0.0.2", "10.0.0.1").check(), Err(BadRange));
        assert_eq!(range("10.0.0.2", "::1").check(), Err(BadRange));
        for state in [DenyState::Active, DenyState::Paused] {
            assert_eq!(DenyState::parse(state.as_str()), Some(state));
        }
    }
}
