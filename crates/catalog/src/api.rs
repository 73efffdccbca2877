//! APIs: what a provider publishes.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_oauth::client::KeyType;
use latchkey_oauth::scope::KnownScopes;
use serde::{Deserialize, Serialize};

use crate::cors::Cors;
use crate::id::EntryId;
pub use crate::resource::Resource;
pub use crate::scheme::{API_KEY_HEADER, Scheme, Schemes};
use crate::upstream::Upstream;
use crate::user::EVERYONE_ROLE;

pub(crate) mod check;

pub use check::BadApi;

/// A published API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Its id.
    pub id: EntryId,
    /// Its name.
    pub name: String,
    /// The path before the version, `/echo`.
    pub context: String,
    /// The version, `1.0.0`.
    pub version: String,
    /// What it offers.
    pub definition: ApiDefinition,
}

/// The part of an API that is kept as one document. A document that was stored before a field came reads
/// as if it held the field's default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiDefinition {
    /// Its resources.
    pub resources: Vec<Resource>,
    /// Its scopes, each with the roles that may have it; no roles: anybody may.
    pub scopes: BTreeMap<String, BTreeSet<String>>,
    /// Where its life stands.
    #[serde(default)]
    pub state: ApiState,
    /// Whether calls without a version come here.
    #[serde(default)]
    pub versions: VersionRole,
    /// By which listeners it may be called.
    #[serde(default)]
    pub transports: Transports,
    /// Where calls with production keys go; none: such keys are refused.
    #[serde(default)]
    pub production: Option<Upstream>,
    /// Where calls with sandbox keys go; none: such keys are refused.
    #[serde(default)]
    pub sandbox: Option<Upstream>,
    /// The header that carries the token, where it is not `Authorization`.
    #[serde(default)]
    pub authorization_header: Option<String>,
    /// With which credentials it may be called.
    #[serde(default, skip_serializing_if = "Schemes::is_default")]
    pub schemes: Schemes,
    /// The header that carries an API key, where it is not `ApiKey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_header: Option<String>,
    /// What browsers of other origins may do.
    #[serde(default)]
    pub cors: Cors,
    /// The audiences of which a token needs one; none: every token will do (WSO2's 900914).
    #[serde(default)]
    pub audiences: BTreeSet<String>,
    /// What a call may turn its connection into.
    #[serde(default)]
    pub upgrades: Upgrades,
    /// The throttling policy of the API as a whole by name. With one, those of resources do not count.
    #[serde(default)]
    pub throttling: Option<String>,
    /// Those of its scopes that are shared: the roles that may have them are the shared scope's.
    #[serde(default)]
    pub shared_scopes: BTreeSet<String>,
    /// Whether it is at the gateway.
    #[serde(default)]
    pub deployment: Deployed,
}

/// Where an API's life stands; the names are WSO2's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApiState {
    /// Made, and not yet to be called.
    Created,
    /// For subscribers who try it out; callable.
    Prototyped,
    /// For everybody; callable.
    #[default]
    Published,
    /// Calls are refused for a while with 503 (WSO2's 700700).
    Blocked,
    /// Callable, but no new subscriptions.
    Deprecated,
    /// Gone from the gateway.
    Retired,
}

/// Whether a definition is at the gateway. Portals show an API that is published whether or not it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deployed {
    /// It is, as far as its state allows.
    #[default]
    Yes,
    /// No revision of it is deployed.
    No,
}

/// Whether an API is the default version of its context; WSO2's `isDefaultVersion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionRole {
    /// Only calls that name the version come here.
    #[default]
    Named,
    /// Calls to the context without a version do, too.
    Default,
}

/// What a call of an API may turn its connection into. What goes through afterwards is no call any more: nothing of
/// it is checked or counted, and it ends when the call would be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upgrades {
    /// Nothing: the wish is dropped.
    #[default]
    None,
    /// `WebSocket` (RFC 6455).
    #[serde(rename = "websocket")]
    WebSocket,
}

/// By which listeners an API may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transports {
    /// In the clear.
    pub http: bool,
    /// Over TLS.
    pub https: bool,
}

impl Default for Transports {
    fn default() -> Self {
        Self { http: true, https: true }
    }
}

impl ApiState {
    /// Every one of them.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Prototyped, Self::Published, Self::Blocked, Self::Deprecated, Self::Retired];

    /// From [`Self::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether the gateway has a route to an API in this state; a blocked one has one, which answers 503.
    pub const fn is_routed(self) -> bool {
        match self {
            Self::Prototyped | Self::Published | Self::Blocked | Self::Deprecated => true,
            Self::Created | Self::Retired => false,
        }
    }

    /// Whether applications may subscribe anew (WSO2: published and prototyped APIs only).
    pub const fn takes_subscriptions(self) -> bool {
        matches!(self, Self::Prototyped | Self::Published)
    }

    /// Whether an API in this state may come into `next`; it may stay as it is. What is retired is so for
    /// good, and only what has callers can be blocked or deprecated.
    pub const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::Retired, next) => matches!(next, Self::Retired),
            (Self::Created, Self::Blocked | Self::Deprecated) => false,
            _ => true,
        }
    }

    /// WSO2's name, as REST and the store carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Prototyped => "PROTOTYPED",
            Self::Published => "PUBLISHED",
            Self::Blocked => "BLOCKED",
            Self::Deprecated => "DEPRECATED",
            Self::Retired => "RETIRED",
        }
    }
}

impl ApiDefinition {
    /// Where calls with keys of this type go.
    pub fn upstream(&self, keys: KeyType) -> Option<&Upstream> {
        match keys {
            KeyType::Production => self.production.as_ref(),
            KeyType::Sandbox => self.sandbox.as_ref(),
        }
    }

    /// Whether the gateway has a route to it.
    pub fn is_routed(&self) -> bool {
        self.deployment == Deployed::Yes && self.state.is_routed()
    }

    /// The throttling policies that the API and its resources name.
    pub fn tiers(&self) -> impl Iterator<Item = &str> {
        let of_resources = self.resources.iter().filter_map(|resource| resource.throttling.as_deref());
        self.throttling.as_deref().into_iter().chain(of_resources)
    }

    /// Whether the API or one of its resources names this throttling policy.
    pub fn names_tier(&self, name: &str) -> bool {
        self.tiers().any(|named| named == name)
    }
}

impl Api {
    /// Context and version as users write them: `/echo/1.0.0`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.context, self.version)
    }
}

/// Splits `/echo/1.0.0` into context and version.
pub fn split_path(path: &str) -> Option<(&str, &str)> {
    let (context, version) = path.rsplit_once('/')?;
    (context.starts_with('/') && context.len() > 1 && !version.is_empty()).then_some((context, version))
}

/// The scopes that an application knows: those of all `apis` that it subscribes to. Where two bind the same
/// scope, any role of either may have it; a role that every user has is none to ask for.
pub fn known_scopes<'a>(apis: impl IntoIterator<Item = &'a Api>) -> KnownScopes {
    let mut known = KnownScopes::new();
    for (scope, roles) in apis.into_iter().flat_map(|api| &api.definition.scopes) {
        let is_open = roles.is_empty() || roles.contains(EVERYONE_ROLE);
        match known.get_mut(scope) {
            // One of the two asks for no role.
            Some(held) if held.is_empty() || is_open => held.clear(),
            Some(held) => held.extend(roles.iter().cloned()),
            None => {
                let roles = if is_open { BTreeSet::new() } else { roles.clone() };
                known.insert(scope.clone(), roles);
            }
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(scopes: &[(&str, &[&str])]) -> Api {
        let set = |roles: &[&str]| roles.iter().map(|role| (*role).to_owned()).collect();
        Api {
            id: EntryId::from_bytes([1; 16]),
            name: "Echo".to_owned(),
            context: "/echo".to_owned(),
            version: "1.0.0".to_owned(),
            definition: ApiDefinition {
                scopes: scopes.iter().map(|(name, roles)| ((*name).to_owned(), set(roles))).collect(),
                ..ApiDefinition::default()
            },
        }
    }

    #[test]
    fn scopes_of_several_apis_are_joined() {
        let apis =
            [api(&[("a", &["one"]), ("b", &["one"]), ("c", &[])]), api(&[("a", &["two"]), ("b", &[])])];
        let known = known_scopes(&apis);
        assert_eq!(known["a"].len(), 2);
        assert!(known["b"].is_empty() && known["c"].is_empty());
        assert!(known_scopes(&[api(&[("a", &["one", EVERYONE_ROLE])])])["a"].is_empty());
    }

    #[test]
    fn a_document_of_the_first_version_is_read() {
        let stored = r#"{"resources":[{"method":"GET","template":"/a","scopes":["s"]}],"scopes":{"s":[]}}"#;
        let definition: ApiDefinition = serde_json::from_str(stored).unwrap();
        let resource = Resource {
            method: "GET".to_owned(),
            template: "/a".to_owned(),
            scopes: BTreeSet::from(["s".to_owned()]),
            ..Resource::default()
        };
        let scopes = BTreeMap::from([("s".to_owned(), BTreeSet::new())]);
        assert_eq!(
            definition,
            ApiDefinition { resources: vec![resource], scopes, ..ApiDefinition::default() }
        );
        assert_eq!(definition.state, ApiState::Published);
        let again: ApiDefinition =
            serde_json::from_str(&serde_json::to_string(&definition).unwrap()).unwrap();
        assert_eq!(again, definition);
        let unknown = stored.replace("\"scopes\":{", "\"other\":1,\"scopes\":{");
        assert!(serde_json::from_str::<ApiDefinition>(&unknown).is_err());
    }

    #[test]
    fn a_life_goes_forward_to_its_end() {
        use ApiState::{Blocked, Created, Deprecated, Prototyped, Published, Retired};
        let all = [Created, Prototyped, Published, Blocked, Deprecated, Retired];
        let not =
            |state: ApiState| all.into_iter().filter(|next| !state.may_become(*next)).collect::<Vec<_>>();
        assert_eq!(not(Created), [Blocked, Deprecated]);
        for callable in [Prototyped, Published, Blocked, Deprecated] {
            assert_eq!(not(callable), []);
        }
        assert_eq!(not(Retired), [Created, Prototyped, Published, Blocked, Deprecated]);
        assert!(all.into_iter().filter(|state| state.takes_subscriptions()).eq([Prototyped, Published]));
        assert_eq!(all, ApiState::ALL);
        for state in all {
            assert_eq!(ApiState::parse(state.as_str()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn paths_are_split() {
        assert_eq!(split_path("/echo/1.0.0"), Some(("/echo", "1.0.0")));
        assert_eq!(split_path("/a/b/v1"), Some(("/a/b", "v1")));
        for bad in ["echo/1.0.0", "/1.0.0", "/echo/", "", "/"] {
            assert_eq!(split_path(bad), None, "{bad}");
        }
    }
}
