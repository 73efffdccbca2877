//! Scopes and who needs them.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Node;
use super::{ImportError, Note};
use crate::resource::Authentication;

/// The scopes that the document defines, each with the roles that it binds: in the flows of `OAuth` schemes
/// with WSO2's `x-scopes-bindings`, or in the older `x-wso2-security.apim.x-wso2-scopes`.
pub(super) fn defined_scopes(root: &Node<'_>) -> Result<BTreeMap<String, BTreeSet<String>>, ImportError> {
    let mut scopes = BTreeMap::new();
    for (_, scheme) in schemes(root)? {
        let Some(flows) = scheme.get("flows") else { continue };
        for (_, flow) in flows.members()? {
            let Some(defined) = flow.get("scopes") else { continue };
            let bindings = flow.get("x-scopes-bindings");
            for (scope, _) in defined.members()? {
                let bound = bindings.as_ref().and_then(|bindings| bindings.get(&scope));
                let roles = bound.map_or(Ok(BTreeSet::new()), |bound| bound.text().map(roles))?;
                scopes.entry(scope).or_insert_with(BTreeSet::new).extend(roles);
            }
        }
    }
    let older = root.get("x-wso2-security").and_then(|node| node.get("apim"));
    if let Some(list) = older.and_then(|node| node.get("x-wso2-scopes")) {
        for scope in list.items()? {
            let name = scope.get("key").map_or_else(|| scope.need("name"), Ok)?.text()?;
            let roles = scope.get("roles").map_or(Ok(BTreeSet::new()), |bound| bound.text().map(roles))?;
            scopes.entry(name.to_owned()).or_insert_with(BTreeSet::new).extend(roles);
        }
    }
    Ok(scopes)
}

fn schemes<'a>(root: &Node<'a>) -> Result<Vec<(String, Node<'a>)>, ImportError> {
    let schemes = root.get("components").and_then(|components| components.get("securitySchemes"));
    schemes.map_or(Ok(Vec::new()), |schemes| schemes.members())
}

/// WSO2 writes roles between commas.
fn roles(text: &str) -> BTreeSet<String> {
    text.split(',').map(str::trim).filter(|role| !role.is_empty()).map(str::to_owned).collect()
}

/// What holds for operations that say nothing themselves.
#[derive(Debug)]
pub(super) struct Defaults {
    pub(super) authentication: Authentication,
    scopes: BTreeSet<String>,
    /// Schemes whose requirements list no scopes: keys, Basic, certificates.
    without_scopes: BTreeSet<String>,
}

impl Defaults {
    pub(super) fn of(root: &Node<'_>) -> Result<Self, ImportError> {
        let mut without_scopes = BTreeSet::new();
        for (name, scheme) in schemes(root)? {
            let kind = scheme.get("type").and_then(|kind| kind.as_text());
            if kind.is_some_and(|kind| !["oauth2", "openIdConnect"].contains(&kind)) {
                without_scopes.insert(name);
            }
        }
        let is_open = root.get("x-wso2-disable-security").map_or(Ok(false), |node| node.flag())?;
        let authentication = if is_open { Authentication::None } else { Authentication::Any };
        let mut defaults = Self { authentication, scopes: BTreeSet::new(), without_scopes };
        if let Some(security) = root.get("security") {
            defaults.scopes = defaults.required(&security)?;
        }
        Ok(defaults)
    }

    /// The scopes of which an operation needs one. `OpenAPI` means all scopes of one alternative; WSO2 lets
    /// any suffice, and so does the gateway.
    pub(super) fn scopes_of(
        &self,
        operation: &Node<'_>,
        notes: &mut Vec<Note>,
    ) -> Result<BTreeSet<String>, ImportError> {
        let mut scopes = match operation.get("security") {
            Some(security) => {
                if security.items()?.is_empty() {
                    let text =
                        "an empty list asks for no token, but the gateway does; x-auth-type: None opens it";
                    notes.push(security.note(text));
                }
                self.required(&security)?
            }
            None => self.scopes.clone(),
        };
        if let Some(scope) = operation.get("x-scope") {
            scopes.extend(roles(scope.text()?));
        }
        Ok(scopes)
    }

    fn required(&self, security: &Node<'_>) -> Result<BTreeSet<String>, ImportError> {
        let mut scopes = BTreeSet::new();
        for alternative in security.items()? {
            for (scheme, required) in alternative.members()? {
                if !self.without_scopes.contains(&scheme) {
                    scopes.extend(required.texts()?.into_iter().map(str::to_owned));
                }
            }
        }
        Ok(scopes)
    }
}
