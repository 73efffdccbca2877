//! APIs: imported, published, blocked, retired, deleted.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_catalog::api::{
    API_KEY_HEADER, Api, ApiDefinition, ApiState, Scheme, Schemes, VersionRole, split_path,
};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::openapi::{self, Imported, MAX_DOCUMENT, NO_UPSTREAM, Wishes};
use latchkey_catalog::resource::Resource;
use latchkey_catalog::tier::Level;
use latchkey_catalog::upstream::{Upstream, UpstreamUrl};
use latchkey_store::unit::{ApiUpdate, CatalogueChange, ChangeRefused};
use serde::{Deserialize, Serialize};

use super::subscription::tier_names;
use super::{AdminError, PAGE, Page, Reply, Result, change};
use crate::app::App;

/// The longest page of APIs, in bytes of its texts; one API is always given whole.
const PAGE_BYTES: usize = 1024 * 1024;

/// What to do to APIs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Take one from an `OpenAPI` document.
    Import(Box<Import>),
    /// List those whose paths follow.
    List {
        /// The last path of the page before.
        after: Option<String>,
    },
    /// Show one.
    Show {
        /// Its `CONTEXT/VERSION`.
        path: String,
    },
    /// Give one as an `OpenAPI` document.
    Export {
        /// Its `CONTEXT/VERSION`.
        path: String,
    },
    /// Bring one into another state.
    SetState {
        /// Its `CONTEXT/VERSION`.
        path: String,
        /// The state.
        state: ApiState,
    },
    /// Send calls of its context without a version to it, or not.
    SetVersionRole {
        /// Its `CONTEXT/VERSION`.
        path: String,
        /// Whether they come to it.
        role: VersionRole,
    },
    /// Let only tokens of these audiences call it; none: every token may.
    SetAudiences {
        /// Its `CONTEXT/VERSION`.
        path: String,
        /// Consumer keys.
        audiences: BTreeSet<String>,
    },
    /// Choose with which credentials it may be called.
    SetSchemes {
        /// Its `CONTEXT/VERSION`.
        path: String,
        /// The kinds of credentials.
        schemes: Schemes,
        /// The header of API keys, where it is not `ApiKey`.
        api_key_header: Option<String>,
    },
    /// Delete one that nobody subscribes to.
    Delete {
        /// Its `CONTEXT/VERSION`.
        path: String,
    },
}

/// A document with what is said besides, which goes before what the document says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Import {
    /// The document, JSON or YAML.
    pub document: String,
    /// The name.
    pub name: Option<String>,
    /// The context.
    pub context: Option<String>,
    /// The version.
    pub version: Option<String>,
    /// Where calls with production keys go; none: where the document says.
    pub production: Vec<String>,
    /// Where calls with sandbox keys go; none: where the document says.
    pub sandbox: Vec<String>,
    /// The state; none: not published yet, or as the API that is replaced.
    pub state: Option<ApiState>,
    /// What becomes of an API that has the path already.
    pub existing: Existing,
}

/// What becomes of an API that has the path of an imported one already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// It stays, and the import is refused.
    Keep,
    /// It gets the new definition and keeps its id, its subscriptions and its state.
    Update,
}

/// An API.
#[derive(Debug, Serialize, Deserialize)]
pub struct ApiView {
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
    /// Where calls with production keys go.
    pub production: Vec<String>,
    /// Where calls with sandbox keys go.
    pub sandbox: Vec<String>,
    /// Its resources, `METHOD TEMPLATE`.
    pub resources: Vec<String>,
    /// Its scopes, each with the roles that may have it.
    pub scopes: BTreeMap<String, BTreeSet<String>>,
}

impl ApiView {
    /// Context and version as users write them.
    pub fn path(&self) -> String {
        format!("{}/{}", self.context, self.version)
    }
}

/// An API with all that is kept of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct ApiDetail {
    /// What listings show.
    #[serde(flatten)]
    pub api: ApiView,
    /// Resources with their rules, upstreams with their timeouts, CORS, audiences and the rest.
    pub definition: ApiDefinition,
}

/// What an import made.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportView {
    /// The API as it now is.
    #[serde(flatten)]
    pub api: ApiView,
    /// What its provider should know.
    pub notes: Vec<NoteView>,
}

/// Something that a provider should know about an import.
#[derive(Debug, Serialize, Deserialize)]
pub struct NoteView {
    /// Where in the document, as a JSON pointer.
    pub place: String,
    /// What.
    pub text: String,
}

impl From<&Api> for ApiView {
    fn from(api: &Api) -> Self {
        let definition = &api.definition;
        let resource = |one: &Resource| format!("{} {}", one.method, one.template);
        let urls = |upstream: &Option<Upstream>| {
            upstream.iter().flat_map(|upstream| &upstream.urls).map(ToString::to_string).collect()
        };
        Self {
            id: api.id,
            name: api.name.clone(),
            context: api.context.clone(),
            version: api.version.clone(),
            state: definition.state,
            production: urls(&definition.production),
            sandbox: urls(&definition.sandbox),
            resources: definition.resources.iter().map(resource).collect(),
            scopes: definition.scopes.clone(),
        }
    }
}

pub(super) async fn execute(app: &App, command: Command, actor: &str) -> Result<Reply> {
    match command {
        Command::Import(wanted) => import(app, *wanted, actor).await,
        Command::List { after } => list(app, after.as_deref()).await,
        Command::Show { path } => {
            let api = find(app, &path).await?;
            Ok(Reply::Api(Box::new(ApiDetail { api: ApiView::from(&api), definition: api.definition })))
        }
        Command::Export { path } => Ok(Reply::Document(openapi::export(&find(app, &path).await?))),
        Command::SetState { path, state } => set_state(app, &path, state, actor).await,
        Command::SetVersionRole { path, role } => set_version_role(app, &path, role, actor).await,
        Command::SetSchemes { path, schemes, api_key_header } => {
            set_schemes(app, &path, (schemes, api_key_header), actor).await
        }
        Command::SetAudiences { path, audiences } => set_audiences(app, &path, audiences, actor).await,
        Command::Delete { path } => delete(app, &path, actor).await,
    }
}

/// The API of a path as users write it.
pub(super) async fn find(app: &App, path: &str) -> Result<Api> {
    let (context, version) = split(path)?;
    let apis = app.store.apis().await?;
    let found = apis.into_iter().find(|api| api.context == context && api.version == version);
    found
        .ok_or_else(|| AdminError::refused(format!("there is no API {path}; `latchkey api list` shows them")))
}

fn split(path: &str) -> Result<(&str, &str)> {
    split_path(path).ok_or_else(|| {
        AdminError::wrong_use(format!("{path:?} is no API; write CONTEXT/VERSION, for example /echo/1.0.0"))
    })
}

async fn import(app: &App, wanted: Import, actor: &str) -> Result<Reply> {
    let read = tokio::task::spawn_blocking(move || read(&wanted).map(|imported| (imported, wanted)));
    let (imported, wanted) = read
        .await
        .map_err(|_| AdminError::failed("the document could not be read; see the server's log"))??;
    let Imported { name, context, version, mut definition, dealings, notes } = imported;
    let held = app.store.apis().await?;
    let held = held.into_iter().find(|api| api.context == context && api.version == version);
    let (id, what) = match (held, wanted.existing) {
        (Some(held), Existing::Keep) => return Err(taken(&held)),
        (Some(held), Existing::Update) => {
            let (id, state) = (held.id, wanted.state);
            (
                id,
                CatalogueChange::UpdateApi(Box::new(ApiUpdate {
                    id,
                    name,
                    definition: definition.clone(),
                    dealings,
                    state,
                })),
            )
        }
        (None, _) => {
            let id = EntryId::draw(&*app.entropy);
            definition.state = wanted.state.unwrap_or(ApiState::Created);
            let definition = definition.clone();
            let (context, version) = (context.clone(), version.clone());
            (id, CatalogueChange::PutApi(Api { id, name, context, version, definition }))
        }
    };
    let path = format!("{context}/{version}");
    if let Err(refused) = change(app, what, actor).await? {
        if refused == ChangeRefused::UnknownTier {
            return Err(unknown_tier(app, definition.tiers()).await?);
        }
        return Err(explained(refused, &path));
    }
    let api = app.store.apis().await?.into_iter().find(|api| api.id == id);
    let api = api.ok_or_else(|| AdminError::refused(format!("the API {path} was deleted meanwhile")))?;
    let notes = notes.into_iter().filter(|note| note.text != NO_UPSTREAM || !has_upstream(&api));
    let notes = notes.map(|note| NoteView { place: note.place, text: note.text }).collect();
    Ok(Reply::Imported(Box::new(ImportView { api: ApiView::from(&api), notes })))
}

/// Reads the document and puts in what was said besides. The whole is checked again with it.
fn read(wanted: &Import) -> Result<Imported> {
    if wanted.document.len() > MAX_DOCUMENT {
        return Err(AdminError::refused(format!("the document is longer than {MAX_DOCUMENT} bytes")));
    }
    let wishes = Wishes {
        name: wanted.name.as_deref(),
        context: wanted.context.as_deref(),
        version: wanted.version.as_deref(),
    };
    let mut imported = openapi::import(&wanted.document, wishes)
        .map_err(|error| AdminError::refused(format!("the document cannot be imported: {error}")))?;
    let definition = &mut imported.definition;
    for (urls, upstream) in
        [(&wanted.production, &mut definition.production), (&wanted.sandbox, &mut definition.sandbox)]
    {
        if !urls.is_empty() {
            let urls = urls.iter().map(|url| UpstreamUrl::parse(url)).collect::<std::result::Result<_, _>>();
            let urls = urls.map_err(|bad| AdminError::wrong_use(bad.to_string()))?;
            imported.dealings.apply(upstream.insert(Upstream::at(urls)));
        }
    }
    definition.check().map_err(|bad| AdminError::wrong_use(bad.to_string()))?;
    Ok(imported)
}

fn taken(held: &Api) -> AdminError {
    AdminError::refused(format!(
        "there is an API {} already, called {:?}; give --update to replace its definition, or another --context or --version",
        held.path(),
        held.name
    ))
}

async fn unknown_tier<'a>(app: &App, named: impl Iterator<Item = &'a str>) -> Result<AdminError> {
    let known = tier_names(app, Level::Resource).await?;
    let unknown: BTreeSet<&str> = named.filter(|name| !known.iter().any(|known| known == name)).collect();
    Ok(AdminError::refused(format!(
        "the document names a throttling policy that there is not: {}; there are {}",
        unknown.into_iter().collect::<Vec<_>>().join(", "),
        known.join(", ")
    )))
}

/// Why a change of the API at `path` was not made.
fn explained(refused: ChangeRefused, path: &str) -> AdminError {
    AdminError::refused(match refused {
        ChangeRefused::NameTaken => format!("there is an API {path} already; give another --version"),
        ChangeRefused::NotFound => {
            format!("the API {path} was deleted meanwhile; `latchkey api list` shows them")
        }
        ChangeRefused::UnknownTier => format!("the API {path} names a throttling policy that there is not"),
        ChangeRefused::WrongState => format!("the state of the API {path} does not allow that"),
        ChangeRefused::UnknownUser
        | ChangeRefused::UnknownScope
        | ChangeRefused::HasKeys
        | ChangeRefused::Full
        | ChangeRefused::BadProfile(_) => refused.to_string(),
        ChangeRefused::InUse => format!(
            "applications subscribe to the API {path}; `latchkey subscription list --api {path}` shows them, and \
             `latchkey api retire {path}` ends their subscriptions"
        ),
    })
}

async fn set_state(app: &App, path: &str, state: ApiState, actor: &str) -> Result<Reply> {
    let api = find(app, path).await?;
    let before = api.definition.state;
    if !before.may_become(state) {
        let told = if before == ApiState::Retired {
            format!(
                "the API {path} is retired for good; import it under another version, or delete it and import it again"
            )
        } else {
            format!(
                "the API {path} is {}, and was never published; there is nothing to stop",
                before.as_str()
            )
        };
        return Err(AdminError::refused(told));
    }
    let done = change(app, CatalogueChange::SetApiState(api.id, state), actor).await?;
    done.map_err(|refused| explained(refused, path))?;
    Ok(Reply::Done(match state {
        ApiState::Published if !has_upstream(&api) => format!(
            "API {path} is published. It has no upstream yet: import its document again with --update --upstream URL."
        ),
        ApiState::Blocked => format!(
            "API {path} is blocked: calls are refused until `latchkey api publish {path}`; subscriptions stay."
        ),
        ApiState::Retired => format!("API {path} is retired for good; its subscriptions have ended."),
        ApiState::Created | ApiState::Prototyped | ApiState::Published | ApiState::Deprecated => {
            format!("API {path} is {}.", state.as_str().to_lowercase())
        }
    }))
}

async fn set_version_role(app: &App, path: &str, role: VersionRole, actor: &str) -> Result<Reply> {
    let api = find(app, path).await?;
    let done = change(app, CatalogueChange::SetVersionRole(api.id, role), actor).await?;
    done.map_err(|refused| explained(refused, path))?;
    Ok(Reply::Done(match role {
        VersionRole::Default => {
            format!(
                "Calls of {} without a version come to {path} now; those with a version go on.",
                api.context
            )
        }
        VersionRole::Named => format!("Only calls that name the version come to {path}."),
    }))
}

async fn set_audiences(app: &App, path: &str, audiences: BTreeSet<String>, actor: &str) -> Result<Reply> {
    let api = find(app, path).await?;
    for key in &audiences {
        if app.store.client(key).await?.is_none() {
            return Err(AdminError::refused(format!(
                "there is no consumer key {key:?}; `latchkey app keys APP` shows an application's"
            )));
        }
    }
    let count = audiences.len();
    let done = change(app, CatalogueChange::SetAudiences(api.id, audiences), actor).await?;
    done.map_err(|refused| explained(refused, path))?;
    Ok(Reply::Done(match count {
        0 => format!("Tokens of every audience may call {path}."),
        _ => format!("Only tokens of {count} consumer keys may call {path}; others are refused with 900914."),
    }))
}

async fn set_schemes(
    app: &App,
    path: &str,
    (schemes, api_key_header): (Schemes, Option<String>),
    actor: &str,
) -> Result<Reply> {
    let api = find(app, path).await?;
    let (schemes, api_key_header) = (schemes, api_key_header.filter(|name| name != API_KEY_HEADER));
    let changed =
        ApiDefinition { schemes: schemes.clone(), api_key_header: api_key_header.clone(), ..api.definition };
    changed.check().map_err(|bad| AdminError::wrong_use(bad.to_string()))?;
    let words = schemes.iter().map(Scheme::as_str).collect::<Vec<_>>().join(" or ");
    let done = change(app, CatalogueChange::SetSchemes(api.id, schemes, api_key_header), actor).await?;
    done.map_err(|refused| explained(refused, path))?;
    Ok(Reply::Done(format!("Calls of {path} need {words}, from the next call on.")))
}

fn has_upstream(api: &Api) -> bool {
    api.definition.production.is_some() || api.definition.sandbox.is_some()
}

async fn delete(app: &App, path: &str, actor: &str) -> Result<Reply> {
    let api = find(app, path).await?;
    let done = change(app, CatalogueChange::DeleteApi(api.id), actor).await?;
    done.map_err(|refused| explained(refused, path))?;
    Ok(Reply::Done(format!("API {path} is deleted.")))
}

async fn list(app: &App, after: Option<&str>) -> Result<Reply> {
    let after = after.map(split).transpose()?;
    let all = app.store.apis().await?;
    let mut left = all
        .iter()
        .filter(|api| after.is_none_or(|after| (api.context.as_str(), api.version.as_str()) > after))
        .map(ApiView::from)
        .peekable();
    let (mut items, mut bytes) = (Vec::new(), 0);
    while items.len() < PAGE as usize
        && let Some(api) = left.next_if(|api| items_fit(bytes, api))
    {
        bytes += length(&api);
        items.push(api);
    }
    let next = left.peek().and(items.last()).map(ApiView::path);
    Ok(Reply::Apis(Page { items, next }))
}

fn items_fit(bytes: usize, api: &ApiView) -> bool {
    bytes == 0 || bytes + length(api) <= PAGE_BYTES
}

/// The bytes of the texts of an API, which its JSON is little longer than.
fn length(api: &ApiView) -> usize {
    let of = |texts: &[String]| texts.iter().map(|text| text.len() + 4).sum::<usize>();
    let roles = |roles: &BTreeSet<String>| roles.iter().map(|role| role.len() + 4).sum::<usize>();
    let scopes = api.scopes.iter().map(|(scope, held)| scope.len() + 8 + roles(held)).sum::<usize>();
    512 + of(&api.resources) + of(&api.production) + of(&api.sandbox) + scopes
}
