//! APIs: what a provider publishes.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_oauth::scope::KnownScopes;
use serde::{Deserialize, Serialize};

use crate::id::EntryId;

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

/// The part of an API that is kept as one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiDefinition {
    /// Its resources.
    pub resources: Vec<Resource>,
    /// Its scopes, each with the roles that may have it; no roles: anybody may.
    pub scopes: BTreeMap<String, BTreeSet<String>>,
}

/// One operation of an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// The HTTP method.
    pub method: String,
    /// The path under context and version, `/orders/{id}`.
    pub template: String,
    /// The scopes of which any one suffices; none: every token does.
    pub scopes: BTreeSet<String>,
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

/// The scopes that an application knows: those of all `apis` that it subscribes to. Where two bind the
/// same scope, any role of either may have it.
pub fn known_scopes<'a>(apis: impl IntoIterator<Item = &'a Api>) -> KnownScopes {
    let mut known = KnownScopes::new();
    for (scope, roles) in apis.into_iter().flat_map(|api| &api.definition.scopes) {
        match known.get_mut(scope) {
            // One of the two asks for no role.
            Some(held) if held.is_empty() || roles.is_empty() => held.clear(),
            Some(held) => held.extend(roles.iter().cloned()),
            None => {
                known.insert(scope.clone(), roles.clone());
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
                resources: Vec::new(),
                scopes: scopes.iter().map(|(name, roles)| ((*name).to_owned(), set(roles))).collect(),
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
