//! What administrators say of a tier besides its limit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest name that a tier is shown by, in characters.
const MAX_DISPLAY_NAME: usize = 512;
/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 1024;
/// The most attributes.
const MAX_ATTRIBUTES: usize = 50;
/// The longest name or value of an attribute, in bytes.
const MAX_ATTRIBUTE: usize = 1024;

/// What is kept with a tier and shown with it; it changes no call. What is missing reads as the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TierDetails {
    /// What people read for its name; empty: the name.
    pub display_name: String,
    /// Free text.
    pub description: String,
    /// WSO2's `billingPlan`.
    pub plan: Plan,
    /// WSO2's `customAttributes`.
    pub attributes: BTreeMap<String, String>,
}

/// Whether a tier is said to cost something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Plan {
    /// Nothing.
    #[default]
    Free,
    /// Something.
    Commercial,
}

/// Details that are too long or too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a tier has a display name of at most {MAX_DISPLAY_NAME} characters, a description of at most {MAX_DESCRIPTION}, \
     and at most {MAX_ATTRIBUTES} attributes of {MAX_ATTRIBUTE} bytes"
)]
pub struct BadDetails;

impl TierDetails {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether they are within their bounds.
    pub fn check(&self) -> Result<(), BadDetails> {
        let fits = |(name, value): (&String, &String)| name.len().max(value.len()) <= MAX_ATTRIBUTE;
        let is_fine = self.display_name.chars().count() <= MAX_DISPLAY_NAME
            && self.description.chars().count() <= MAX_DESCRIPTION
            && self.attributes.len() <= MAX_ATTRIBUTES
            && self.attributes.iter().all(fits);
        if is_fine { Ok(()) } else { Err(BadDetails) }
    }
}

impl Plan {
    /// WSO2's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "FREE",
            Self::Commercial => "COMMERCIAL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_bounded_and_read_on() {
        let none: TierDetails = serde_json::from_str(r#"{"later":1}"#).unwrap();
        assert!(none.is_empty());
        assert_eq!(none.check(), Ok(()));
        let said = |change: fn(&mut TierDetails)| {
            let mut details = TierDetails::default();
            change(&mut details);
            details.check()
        };
        assert_eq!(said(|details| details.display_name = "å".repeat(512)), Ok(()));
        assert_eq!(said(|details| details.display_name = "å".repeat(513)), Err(BadDetails));
        assert_eq!(said(|details| details.description = "x".repeat(1025)), Err(BadDetails));
        assert_eq!(
            said(|details| {
                details.attributes.insert(String::new(), "x".repeat(1025));
            }),
            Err(BadDetails)
        );
        assert_eq!(
            said(|details| {
                details.attributes = (0..51).map(|number| (number.to_string(), String::new())).collect();
            }),
            Err(BadDetails)
        );
        for plan in [Plan::Free, Plan::Commercial] {
            assert_eq!(serde_json::to_value(plan).unwrap(), plan.as_str());
        }
    }
}
