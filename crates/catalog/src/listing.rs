//! What portals show and keep of an API beside what the gateway asks: its listing, its revisions, its history.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_oauth::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::{Api, ApiDefinition, ApiState};
use crate::id::EntryId;
use crate::scheme::Schemes;

/// The most revisions that an API has; WSO2's bound.
pub const MAX_REVISIONS: usize = 5;

/// What portals show of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The name of the user who provides it.
    pub provider: String,
    /// Who sees it.
    pub visibility: ApiVisibility,
    /// Free text.
    pub description: String,
    /// When it was made; the beginning of time where that is not known.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The rest.
    pub details: ListingDetails,
}

/// Who sees an API in portals; the names are WSO2's. Who may call it is another question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApiVisibility {
    /// Everybody.
    #[default]
    Public,
    /// Everybody who is signed in.
    Private,
    /// Who has one of its visible roles.
    Restricted,
}

/// The part of a listing that is kept as one document, in which what is missing reads as the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListingDetails {
    /// The name that is shown, where it is another.
    pub display_name: Option<String>,
    /// Words that it is found by.
    pub tags: BTreeSet<String>,
    /// The roles that see it, where its visibility is restricted.
    pub visible_roles: BTreeSet<String>,
    /// The subscription tiers that it is offered at; none: every one.
    pub policies: Vec<String>,
    /// How its callers prove themselves, as its publisher last said; the store keeps this in step.
    #[serde(skip_serializing_if = "Schemes::is_default")]
    pub schemes: Schemes,
    /// What its scopes are called and mean, by name.
    pub scopes: BTreeMap<String, ScopeText>,
    /// Whatever else its publisher said, member by member as it was said.
    pub further: Map<String, Value>,
}

/// What a scope is called and means.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ScopeText {
    /// The name that is shown.
    pub display_name: String,
    /// What it opens.
    pub description: String,
}

/// An API in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedApi {
    /// Its id.
    pub id: EntryId,
    /// Its name.
    pub name: String,
    /// The path before the version.
    pub context: String,
    /// The version.
    pub version: String,
    /// Where its life stands.
    pub state: ApiState,
    /// What portals show of it.
    pub listing: Listing,
}

impl ListedApi {
    /// An API with its listing.
    pub fn of(api: &Api, listing: Listing) -> Self {
        Self {
            id: api.id,
            name: api.name.clone(),
            context: api.context.clone(),
            version: api.version.clone(),
            state: api.definition.state,
            listing,
        }
    }
}

/// A state of an API's definition that was kept, to be deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Its id.
    pub id: EntryId,
    /// Counts the revisions of the API.
    pub number: u32,
    /// Free text.
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The definition.
    pub definition: ApiDefinition,
    /// The `OpenAPI` document as it was given.
    pub document: Option<String>,
    /// Where it is deployed.
    pub deployments: Vec<Deployment>,
}

/// A revision at a gateway environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The environment's name.
    pub environment: String,
    /// The host that calls come to.
    pub vhost: String,
    /// Whether portals show it.
    pub shown: bool,
    /// Since when.
    pub deployed_at: Timestamp,
}

/// A step in the life of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// When.
    pub at: Timestamp,
    /// From where; none: it was made.
    pub from: Option<ApiState>,
    /// To where.
    pub to: ApiState,
    /// Who made it.
    pub actor: String,
}

/// A scope that several APIs use. Whoever uses it, who may have it is said here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedScope {
    /// Its id.
    pub id: EntryId,
    /// Its name on the wire.
    pub name: String,
    /// The name that is shown.
    pub display_name: String,
    /// What it opens.
    pub description: String,
    /// The roles that may have it; none: anybody may.
    pub roles: BTreeSet<String>,
}

impl ApiVisibility {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Public, Self::Private, Self::Restricted];

    /// WSO2's name, as REST and the store carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "PUBLIC",
            Self::Private => "PRIVATE",
            Self::Restricted => "RESTRICTED",
        }
    }

    /// From [`Self::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|visibility| visibility.as_str() == name)
    }
}

impl Listing {
    /// The listing of an API of which only the provider is known.
    pub fn of(provider: impl Into<String>, at: Timestamp) -> Self {
        Self {
            provider: provider.into(),
            visibility: ApiVisibility::Public,
            description: String::new(),
            created_at: at,
            updated_at: at,
            details: ListingDetails::default(),
        }
    }

    /// Whether it is offered at a subscription tier.
    pub fn offers(&self, tier: &str) -> bool {
        let offered = &self.details.policies;
        offered.is_empty() || offered.iter().any(|policy| policy == tier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_document_reads_on() {
        let details: ListingDetails = serde_json::from_str("{}").unwrap();
        assert_eq!(details, ListingDetails::default());
        for visibility in ApiVisibility::ALL {
            assert_eq!(ApiVisibility::parse(visibility.as_str()), Some(visibility));
            assert_eq!(serde_json::to_value(visibility).unwrap(), visibility.as_str());
        }
    }

    #[test]
    fn tiers_are_offered_by_name_or_all() {
        let mut listing = Listing::of("alice", Timestamp::from_millis(0));
        assert!(listing.offers("Gold"));
        listing.details.policies = vec!["Bronze".to_owned(), "Gold".to_owned()];
        assert!(listing.offers("Gold") && !listing.offers("gold") && !listing.offers("Silver"));
    }
}
