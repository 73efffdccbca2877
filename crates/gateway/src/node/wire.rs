//! What a node and its server say to each other: JSON over HTTPS, with the node's secret as a bearer token.
//!
//! Either side may be of another version. Members that are not known are passed over; what is not known of a
//! *change* makes the node forget everything ([`Told::Unknown`]).

use std::fmt;

use latchkey_catalog::api::{Api, ApiDefinition};
use latchkey_catalog::deny::Denied;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::SubscriptionState;
use latchkey_catalog::tier::Tier;
use latchkey_oauth::client::KeyType;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::SubjectType;
use latchkey_oauth::id::{FamilyId, PrincipalId};
use latchkey_oauth::sieve::SieveKeys;
use serde::{Deserialize, Serialize};

/// Where a node asks what has changed: `POST` of a [`FeedRequest`].
pub const FEED: &str = "/api/latchkey/v1/feed";
/// Where a node asks what tokens stand for, and what applications may call: `POST` of a [`LookupRequest`].
pub const LOOKUP: &str = "/api/latchkey/v1/families:lookup";
/// Where a node gets what is published: `GET` of a [`Snapshot`].
pub const SNAPSHOT: &str = "/api/latchkey/v1/snapshot";

/// The most tokens and clients of one question.
pub const MOST_TOKENS: usize = 128;
/// The most changes of one answer.
pub const MOST_CHANGES: usize = 4096;

/// A place in the log of one opening of the server's store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The opening, as the server calls it.
    pub opening: String,
    /// How many changes lie before.
    pub seq: u64,
}

/// What has changed?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedRequest {
    /// Since where; none: nothing is known yet.
    #[serde(default)]
    pub since: Option<Place>,
    /// Drawn for this question.
    pub nonce: u64,
    /// How long the answer may wait for something to tell, in milliseconds.
    pub wait: u64,
    /// The number of the last question to nodes that was heard; none from a node that answers no questions.
    #[serde(default)]
    pub inquiries: Option<u64>,
}

/// This has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedAnswer {
    /// The question's, if this tells everything that there was to tell when the question arrived; none where
    /// more follows.
    #[serde(default)]
    pub nonce: Option<u64>,
    /// The place behind what is told.
    pub place: Place,
    /// Whether what came between cannot be told, so that everything known is to be forgotten.
    #[serde(default)]
    pub anew: bool,
    /// What is told, the oldest first.
    pub changes: Vec<Told>,
    /// The server's time.
    pub now: Timestamp,
    /// Ids of explanations that somebody asks for: the node that has one tells it
    /// ([`super::explanations::EXPLANATIONS`]).
    #[serde(default)]
    pub asked: Vec<String>,
    /// The number of the last question to nodes.
    #[serde(default)]
    pub inquiries: u64,
}

/// What was told is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {}

/// A change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Told {
    /// The access token of a family.
    Family {
        /// The family.
        #[serde(with = "hex")]
        id: FamilyId,
        /// The generation that now holds; none where the family is gone.
        access: Option<u32>,
    },
    /// A client or user was reset.
    Epoch {
        /// Who.
        principal: PrincipalId,
        /// The epoch that now holds; none where the client or user is gone.
        epoch: Option<u64>,
    },
    /// What a client or an API key is known by besides: its application, the subscriptions.
    Client {
        /// Which.
        id: PrincipalId,
    },
    /// APIs, tiers or deny policies.
    Catalogue,
    /// The keys that tokens are checked with.
    Keys,
    /// Counts of limits were set back.
    Limits,
    /// Something that this version does not know of: nothing known is to be trusted any more.
    #[serde(other)]
    Unknown,
}

/// What do these tokens and API keys stand for, and what may the applications of these clients call?
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupRequest {
    /// The tokens; an API key is told from them by its first letters.
    pub tokens: Vec<String>,
    /// The clients, with the tokens at most [`MOST_TOKENS`].
    #[serde(default)]
    pub clients: Vec<PrincipalId>,
}

impl fmt::Debug for LookupRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "LookupRequest({} tokens, {} clients)", self.tokens.len(), self.clients.len())
    }
}

/// For this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupAnswer {
    /// One for each token, in their order.
    pub tokens: Vec<Looked>,
    /// One for each client, in their order; none where it is gone.
    #[serde(default)]
    pub holders: Vec<Option<HolderFacts>>,
}

/// What a token stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// How it stands.
    pub standing: Standing,
    /// Whose it is, where it opens an API or did once; always with [`Standing::Alive`].
    #[serde(default)]
    pub facts: Option<TokenFacts>,
}

/// How a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is valid.
    Alive,
    /// Its time is over.
    Expired,
    /// It was revoked or superseded.
    Revoked,
    /// No access token of this server.
    Unknown,
}

/// A token's family, or an API key, as it was when its server looked. An API key stands there as a family of its
/// own, whose client it is itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenFacts {
    /// The shard of its holder.
    pub bucket: u16,
    /// The family.
    #[serde(with = "hex")]
    pub family: FamilyId,
    /// The generation of its access token that holds: the one that a living token names.
    pub generation: u32,
    /// When that token ends; none: never.
    pub expires: Option<Timestamp>,
    /// The scopes of that token.
    pub scope: String,
    /// The device that the family belongs to.
    #[serde(default)]
    pub device: Option<String>,
    /// The client.
    pub client: PrincipalId,
    /// The client's epoch under which the tokens were issued.
    pub client_epoch: u64,
    /// Application or user.
    pub subject_type: SubjectType,
    /// Whom the tokens speak for.
    pub subject: PrincipalId,
    /// The subject's epoch under which they were issued.
    pub subject_epoch: u64,
    /// The client's application.
    pub holder: HolderFacts,
}

/// An application and what it may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderFacts {
    /// The application.
    pub application: EntryId,
    /// Its throttling tier.
    pub application_tier: String,
    /// The client's consumer key; none for an API key.
    #[serde(default)]
    pub consumer_key: Option<String>,
    /// The API key, where it is one.
    #[serde(default)]
    pub api_key: Option<ApiKeyFacts>,
    /// Production or sandbox.
    pub keys: KeyType,
    /// The application's subscriptions.
    pub subscriptions: Vec<SubscriptionFacts>,
}

/// What an API key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyFacts {
    /// Its name.
    pub name: String,
    /// The addresses that it may be used from, between commas; empty: any.
    pub addresses: String,
    /// The pages that it may be used from, likewise.
    pub referers: String,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionFacts {
    /// The API.
    pub api: EntryId,
    /// The tier.
    pub tier: String,
    /// Whether it may be used.
    pub state: SubscriptionState,
}

/// What is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The APIs.
    pub apis: Vec<PublishedApi>,
    /// The tiers.
    pub tiers: Vec<Tier>,
    /// What deny policies keep from calling.
    #[serde(default)]
    pub denied: Denied,
    /// What garbage is told from tokens with; none: everything is to be asked about.
    #[serde(default)]
    pub sieve: Option<SieveKeys>,
}

/// An API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedApi {
    /// Its id.
    pub id: EntryId,
    /// Its name.
    pub name: String,
    /// The path before the version.
    pub context: String,
    /// The version.
    pub version: String,
    /// The rest of it.
    pub definition: ApiDefinition,
}

impl From<Api> for PublishedApi {
    fn from(Api { id, name, context, version, definition }: Api) -> Self {
        Self { id, name, context, version, definition }
    }
}

impl From<PublishedApi> for Api {
    fn from(PublishedApi { id, name, context, version, definition }: PublishedApi) -> Self {
        Self { id, name, context, version, definition }
    }
}

/// Family ids as their 32 hexadecimal digits.
pub(super) mod hex {
    use latchkey_oauth::id::FamilyId;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::node) fn serialize<S: Serializer>(id: &FamilyId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(in crate::node) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<FamilyId, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        let number = Some(&*text).filter(|text| text.len() == 32).map(|text| u128::from_str_radix(text, 16));
        match number {
            Some(Ok(number)) => Ok(FamilyId::from_bytes(number.to_be_bytes())),
            Some(Err(_)) | None => Err(D::Error::custom("a family is named by 32 hexadecimal digits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_in_words_of_their_own() {
        let id = FamilyId::from_bytes([0xab; 16]);
        let cases = [
            (Told::Family { id, access: Some(3) }, format!(r#"{{"what":"family","id":"{id}","access":3}}"#)),
            (Told::Family { id, access: None }, format!(r#"{{"what":"family","id":"{id}","access":null}}"#)),
            (
                Told::Client { id: PrincipalId::from_bytes([0xcd; 16]) },
                format!(r#"{{"what":"client","id":"{}"}}"#, PrincipalId::from_bytes([0xcd; 16])),
            ),
            (Told::Catalogue, r#"{"what":"catalogue"}"#.to_owned()),
            (Told::Limits, r#"{"what":"limits"}"#.to_owned()),
            (Told::Keys, r#"{"what":"keys"}"#.to_owned()),
        ];
        for (change, text) in cases {
            assert_eq!(serde_json::to_string(&change).unwrap(), text);
            assert_eq!(serde_json::from_str::<Told>(&text).unwrap(), change);
        }
        for bad in [r#"{"what":"family","id":"ab","access":1}"#, r#"{"what":"family"}"#] {
            assert!(serde_json::from_str::<Told>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_server_of_a_later_version_is_understood_or_not_trusted() {
        let later = r#"{"what":"moon_phase","full":true}"#;
        assert_eq!(serde_json::from_str::<Told>(later).unwrap(), Told::Unknown);
        let later =
            r#"{"nonce":1,"place":{"opening":"x","seq":2,"shard":3},"changes":[],"now":5,"weather":"fine"}"#;
        let answer: FeedAnswer = serde_json::from_str(later).unwrap();
        assert_eq!((answer.nonce, answer.place.seq, answer.anew), (Some(1), 2, false));
        let earlier: FeedRequest = serde_json::from_str(r#"{"nonce":1,"wait":500}"#).unwrap();
        assert_eq!(earlier.since, None);
    }

    #[test]
    fn questions_show_no_token() {
        let request = LookupRequest { tokens: vec!["lka_secret".to_owned()], clients: Vec::new() };
        assert_eq!(format!("{request:?}"), "LookupRequest(1 tokens, 0 clients)");
    }
}
