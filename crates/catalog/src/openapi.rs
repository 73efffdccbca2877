//! Import of an `OpenAPI` 3.0 or 3.1 document, JSON or YAML, with WSO2's `x-` extensions.
//!
//! The reader is lenient: it takes what a gateway needs and leaves schemas, examples and unknown members
//! alone, since documents of the world hold mistakes there. What it does take must be right, and an error
//! names the place as a JSON pointer (RFC 6901).
//!
//! What is not said stays closed: an operation takes any valid token unless the document says, in WSO2's
//! words, that it takes none. `security: []` alone does not open it.

use std::collections::BTreeSet;

use crate::api::check::{NOT_IN_NAMES, check_context, check_name, check_version};
use crate::api::{ApiDefinition, ApiState, Resource};
use crate::resource::Authentication;
use crate::subscription::UNLIMITED;
use crate::upstream::Dealings;
use document::Node;

pub use export::{cors, export, export_onto};

mod document;
mod export;
mod extensions;
mod security;

/// The largest document, in bytes.
pub const MAX_DOCUMENT: usize = 4 * 1024 * 1024;

/// The text of the note about a document that says no upstream; it is without object where one is given
/// besides.
pub const NO_UPSTREAM: &str =
    "no server has an absolute address; give the API an upstream before it is called";

/// What a document is turned into; the id and the state are the caller's to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The API's name, from `info.title`.
    pub name: String,
    /// The context, from `x-wso2-basePath` or the name.
    pub context: String,
    /// The version, from `info.version` or the base path.
    pub version: String,
    /// The rest, in state [`ApiState::Created`].
    pub definition: ApiDefinition,
    /// How the document wants upstreams dealt with; those in the definition are. It also holds for upstreams
    /// that come from elsewhere.
    pub dealings: Dealings,
    /// What a provider should know: what was left out, or taken in another way than the document may mean.
    pub notes: Vec<Note>,
}

/// Something that a provider should know about an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where, as a JSON pointer: `#/paths/~1orders/get`.
    pub place: String,
    /// What.
    pub text: String,
}

/// What a provider says besides the document; it goes before what the document says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes<'a> {
    /// The name.
    pub name: Option<&'a str>,
    /// The context.
    pub context: Option<&'a str>,
    /// The version.
    pub version: Option<&'a str>,
}

/// A document that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ImportError {
    /// Where, as a JSON pointer: `#/info/version`; `#` is the document as a whole.
    pub place: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// Reads a document. It may have [`MAX_DOCUMENT`] bytes and 64 levels.
pub fn import(text: &str, wishes: Wishes<'_>) -> Result<Imported, ImportError> {
    let value = document::read(text)?;
    let root = Node::root(&value);
    check_version_of_openapi(&root)?;
    let info = root.need("info")?;
    let name = name(&info, wishes)?;
    let (context, version) = path(&root, &info, &name, wishes)?;
    let mut notes = Vec::new();
    let mut definition = ApiDefinition {
        state: ApiState::Created,
        scopes: security::defined_scopes(&root)?,
        production: extensions::production(&root, &mut notes)?,
        sandbox: extensions::endpoints(&root, "x-wso2-sandbox-endpoints")?,
        authorization_header: extensions::authorization_header(&root)?,
        schemes: extensions::schemes(&root, &mut notes)?,
        api_key_header: extensions::api_key_header(&root)?,
        cors: extensions::cors(&root)?,
        throttling: throttling(&root)?,
        upgrades: extensions::upgrades(&root)?,
        ..ApiDefinition::default()
    };
    let dealings = extensions::dealings(&root)?;
    let upstreams = [&mut definition.production, &mut definition.sandbox];
    upstreams.into_iter().flatten().for_each(|upstream| dealings.apply(upstream));
    if let Some(transports) = extensions::transports(&root)? {
        definition.transports = transports;
    }
    let security = security::Defaults::of(&root)?;
    for (template, item) in root.need("paths")?.members()? {
        if !template.starts_with("x-") {
            read_path(&template, &item, &security, (&mut definition, &mut notes))?;
        }
    }
    if definition.resources.is_empty() {
        return Err(root.need("paths")?.error("has no operation; an API needs at least one"));
    }
    definition.check().map_err(|problem| root.error(&problem.to_string()))?;
    Ok(Imported { name, context, version, definition, dealings, notes })
}

fn check_version_of_openapi(root: &Node<'_>) -> Result<(), ImportError> {
    if let Some(swagger) = root.get("swagger") {
        return Err(swagger.error("is Swagger 2.0; convert the document to OpenAPI 3 first"));
    }
    let version = root.need("openapi")?;
    match version.text()? {
        text if text.starts_with("3.") => Ok(()),
        text => Err(version.error(&format!("is {text:?}; documents of OpenAPI 3 are read"))),
    }
}

fn name(info: &Node<'_>, wishes: Wishes<'_>) -> Result<String, ImportError> {
    let title = info.need("title")?;
    let name = wishes.name.map_or_else(|| title.text().map(plain_name), |name| Ok(name.to_owned()))?;
    check_name(&name).map_err(|problem| title.error(&problem.to_string()))?;
    Ok(name)
}

/// A title as a name: titles are prose, and what a name cannot hold becomes a space.
fn plain_name(title: &str) -> String {
    let plain =
        |letter: char| if letter.is_control() || NOT_IN_NAMES.contains(letter) { ' ' } else { letter };
    let text: String = title.chars().map(plain).collect();
    let words = text.split_whitespace().collect::<Vec<&str>>().join(" ");
    words.chars().take(60).collect::<String>().trim_end().to_owned()
}

/// Context and version. `x-wso2-basePath` is the whole path of the API, so its last segment is the version
/// where it is the document's or looks like one; else the document's version follows it.
fn path(
    root: &Node<'_>,
    info: &Node<'_>,
    name: &str,
    wishes: Wishes<'_>,
) -> Result<(String, String), ImportError> {
    let version_place = info.need("version")?;
    let said = version_place.text()?;
    let base = root.get("x-wso2-basePath");
    let (context, version) = match &base {
        Some(base) => {
            let path = base.text()?.trim_matches('/');
            match path.rsplit_once('/') {
                Some((context, last)) if last == said || last == "{version}" => (context.to_owned(), said),
                Some((context, last)) if looks_like_a_version(last) => (context.to_owned(), last),
                Some(_) | None => (path.to_owned(), said),
            }
        }
        None => (slug(name), said),
    };
    let context = wishes.context.map_or_else(|| format!("/{context}"), str::to_owned);
    let version = wishes.version.unwrap_or(version).to_owned();
    let place = base.as_ref().unwrap_or(root);
    check_context(&context).map_err(|problem| place.error(&problem.to_string()))?;
    check_version(&version).map_err(|problem| version_place.error(&problem.to_string()))?;
    Ok((context, version))
}

fn looks_like_a_version(segment: &str) -> bool {
    let number = segment.strip_prefix('v').unwrap_or(segment);
    number.starts_with(|first: char| first.is_ascii_digit())
        && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// A name as a segment: letters and digits in lower case, a hyphen between words.
fn slug(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<&str>>().join("-").to_ascii_lowercase()
}

/// A throttling policy of the API or an operation, in either of WSO2's spellings.
fn throttling(node: &Node<'_>) -> Result<Option<String>, ImportError> {
    for name in ["x-throttling-tier", "x-wso2-throttling-tier"] {
        if let Some(tier) = node.get(name) {
            let text = tier.text()?;
            return Ok((!text.is_empty() && text != UNLIMITED).then(|| text.to_owned()));
        }
    }
    Ok(None)
}

/// The methods of a path item that become resources; `trace` is never forwarded.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

fn read_path(
    template: &str,
    item: &Node<'_>,
    defaults: &security::Defaults,
    (definition, notes): (&mut ApiDefinition, &mut Vec<Note>),
) -> Result<(), ImportError> {
    if item.get("$ref").is_some() {
        return Err(item.error("is a reference; put the operations in their place, a bundler does it"));
    }
    for (method, operation) in item.members()? {
        if method == "trace" {
            notes.push(operation.note("TRACE is never forwarded; the operation is left out"));
        }
        if !METHODS.contains(&method.as_str()) {
            continue;
        }
        let scopes = defaults.scopes_of(&operation, notes)?;
        for scope in &scopes {
            if !definition.scopes.contains_key(scope) {
                notes.push(operation.note(&format!("the scope {scope} is not defined; anybody may have it")));
                definition.scopes.insert(scope.clone(), BTreeSet::new());
            }
        }
        let resource = Resource {
            method: method.to_ascii_uppercase(),
            template: template.to_owned(),
            scopes,
            authentication: authentication(&operation, item, defaults)?,
            throttling: throttling(&operation)?,
        };
        definition.check_resource(&resource).map_err(|problem| operation.error(&problem.to_string()))?;
        definition.resources.push(resource);
        for name in ["x-wso2-production-endpoints", "x-wso2-sandbox-endpoints"] {
            if let Some(endpoints) = operation.get(name).or_else(|| item.get(name)) {
                notes.push(endpoints.note("addresses of single operations are left out; the API's are used"));
            }
        }
    }
    Ok(())
}

fn authentication(
    operation: &Node<'_>,
    item: &Node<'_>,
    defaults: &security::Defaults,
) -> Result<Authentication, ImportError> {
    if let Some(kind) = operation.get("x-auth-type") {
        let text = kind.text()?;
        let known = "Application & Application User, Application, Application User or None";
        let unknown = || kind.error(&format!("is {text:?}; it must be {known}"));
        return Authentication::from_wso2_name(text).ok_or_else(unknown);
    }
    for node in [operation, item] {
        if let Some(disabled) = node.get("x-wso2-disable-security") {
            return Ok(if disabled.flag()? { Authentication::None } else { Authentication::Any });
        }
    }
    Ok(defaults.authentication)
}

#[cfg(test)]
mod tests;
