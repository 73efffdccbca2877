//! What publishers keep of APIs and portals show: listings, drafts, revisions, histories, shared scopes, roles.

use std::collections::BTreeSet;

use async_trait::async_trait;
use latchkey_catalog::api::{Api, ApiDefinition, ApiState};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::listing::{ListedApi, Listing, Revision, SharedScope, StateChange};

use crate::Result;
use crate::registry::{Found, Order, PageOf, TextMatch};

/// An API as its publisher sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherApi {
    /// The API as it is at the gateway, or would be if it were there.
    pub api: Api,
    /// What portals show of it.
    pub listing: Listing,
    /// The definition as it is edited, where that is not the one above.
    pub draft: Option<ApiDefinition>,
    /// The `OpenAPI` document as it was given.
    pub document: Option<String>,
}

/// Which APIs, in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiQuery {
    /// Who looks.
    pub viewer: Viewer,
    /// The states that they are in; none: any.
    pub states: Vec<ApiState>,
    /// What holds for each of them.
    pub conditions: Vec<ApiCondition>,
    /// What they are sorted by; of those that are alike in it, the lower id comes first.
    pub sort: ApiSort,
    /// In which direction.
    pub order: Order,
    /// Which of them.
    pub page: PageOf,
}

/// Who looks at APIs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewer {
    /// Who sees them all.
    Publisher,
    /// Who has not said who it is: sees those that are public.
    Anonymous,
    /// A user of this name with these roles: sees besides those that are private, those that are restricted to
    /// one of the roles, and the user's own.
    User(String, BTreeSet<String>),
}

/// What holds for an API; letter case does not count but in tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiCondition {
    /// Its name is like this.
    Name(TextMatch),
    /// Its context is.
    Context(TextMatch),
    /// Its version is.
    Version(TextMatch),
    /// Its provider's name is.
    Provider(TextMatch),
    /// Its description is.
    Description(TextMatch),
    /// It has this tag.
    Tag(String),
    /// Its name, context, version, provider or description is like this.
    Anything(TextMatch),
}

/// What APIs are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApiSort {
    /// Their names, without letter case, then their versions.
    #[default]
    Name,
    /// When they were made.
    CreatedAt,
    /// When they were last changed.
    UpdatedAt,
}

/// The part of a store that publishers and portals look APIs up in.
#[async_trait]
pub trait Publishing {
    /// An API by its id.
    async fn publisher_api(&self, id: EntryId) -> Result<Option<PublisherApi>>;

    /// These APIs with their listings, in their order; those that are gone are left out.
    async fn apis_of(&self, ids: Vec<EntryId>) -> Result<Vec<(Api, Listing)>>;

    /// The API of a context and a version.
    async fn api_at(&self, context: &str, version: &str) -> Result<Option<EntryId>>;

    /// The APIs that a query asks for.
    async fn find_apis(&self, query: ApiQuery) -> Result<Found<ListedApi>>;

    /// Whether a query asks for this API, whatever its page.
    async fn is_found(&self, query: ApiQuery, api: EntryId) -> Result<bool>;

    /// The revisions of an API by their numbers.
    async fn revisions(&self, api: EntryId) -> Result<Vec<Revision>>;

    /// The life of an API so far, the first step first.
    async fn history(&self, api: EntryId) -> Result<Vec<StateChange>>;

    /// The tags of APIs in these states that everybody sees, each with how many have it.
    async fn tags(&self, states: Vec<ApiState>) -> Result<Vec<(String, u64)>>;

    /// Shared scopes by their names, each with how many APIs use it.
    async fn find_shared_scopes(&self, page: PageOf) -> Result<Found<(SharedScope, u64)>>;

    /// A shared scope by its id.
    async fn shared_scope(&self, id: EntryId) -> Result<Option<SharedScope>>;

    /// A shared scope by its name.
    async fn shared_scope_named(&self, name: &str) -> Result<Option<SharedScope>>;

    /// The APIs that use a shared scope.
    async fn uses_of_scope(&self, name: &str) -> Result<Vec<EntryId>>;

    /// Whether there is a role of this name: somebody has or had it, or it was declared.
    async fn is_role(&self, name: &str) -> Result<bool>;

    /// Roles by name, whose names follow `after`, at most `limit`.
    async fn roles(&self, after: &str, limit: u32) -> Result<Vec<String>>;
}

/// Reading rows of what is published.
pub trait ReadPublishing {
    /// As [`Publishing::api_at`].
    fn api_at(&mut self, context: &str, version: &str) -> Result<Option<EntryId>>;
    /// What is kept of an API besides its definition in force.
    fn listing(&mut self, api: EntryId) -> Result<Option<Listing>>;
    /// The definition as it is edited.
    fn draft(&mut self, api: EntryId) -> Result<Option<ApiDefinition>>;
    /// The document as it was given.
    fn document(&mut self, api: EntryId) -> Result<Option<String>>;
    /// As [`Publishing::find_apis`]; of one API only, if one is named.
    fn find_apis(&mut self, query: &ApiQuery, only: Option<EntryId>) -> Result<Found<ListedApi>>;
    /// As [`Publishing::revisions`].
    fn revisions(&mut self, api: EntryId) -> Result<Vec<Revision>>;
    /// As [`Publishing::history`].
    fn history(&mut self, api: EntryId) -> Result<Vec<StateChange>>;
    /// As [`Publishing::tags`].
    fn tags(&mut self, states: &[ApiState]) -> Result<Vec<(String, u64)>>;
    /// As [`Publishing::find_shared_scopes`].
    fn find_shared_scopes(&mut self, page: PageOf) -> Result<Found<(SharedScope, u64)>>;
    /// A shared scope by its id.
    fn shared_scope(&mut self, id: EntryId) -> Result<Option<SharedScope>>;
    /// A shared scope by its name.
    fn shared_scope_named(&mut self, name: &str) -> Result<Option<SharedScope>>;
    /// The APIs that use a shared scope.
    fn uses_of_scope(&mut self, name: &str) -> Result<Vec<EntryId>>;
    /// Whether there is a role of this name.
    fn is_role(&mut self, name: &str) -> Result<bool>;
    /// As [`Publishing::roles`].
    fn roles(&mut self, after: &str, limit: u32) -> Result<Vec<String>>;
}

/// Writing rows of what is published.
pub trait WritePublishing {
    /// Adds or replaces the listing of an API.
    fn put_listing(&mut self, listed: &ListedApi) -> Result<()>;
    /// Sets the definition as it is edited, of an API that has a listing.
    fn put_draft(&mut self, api: EntryId, draft: Option<&ApiDefinition>) -> Result<()>;
    /// Sets the document as it was given, of an API that has a listing.
    fn put_document(&mut self, api: EntryId, document: Option<&str>) -> Result<()>;
    /// Adds or replaces a revision.
    fn put_revision(&mut self, api: EntryId, revision: &Revision) -> Result<()>;
    /// Removes a revision.
    fn delete_revision(&mut self, api: EntryId, number: u32) -> Result<()>;
    /// Appends to the history of an API.
    fn append_state(&mut self, api: EntryId, change: &StateChange) -> Result<()>;
    /// Sets which shared scopes an API uses.
    fn put_scope_uses(&mut self, api: EntryId, names: &BTreeSet<String>) -> Result<()>;
    /// Adds or replaces a shared scope.
    fn put_shared_scope(&mut self, scope: &SharedScope) -> Result<()>;
    /// Removes a shared scope.
    fn delete_shared_scope(&mut self, id: EntryId) -> Result<()>;
    /// Declares a role.
    fn put_role(&mut self, name: &str) -> Result<()>;
    /// Removes a role; whether there was one.
    fn delete_role(&mut self, name: &str) -> Result<bool>;
}

/// An API as its publisher sees it.
pub(crate) fn publisher_api(
    rows: &mut (impl crate::rows::Read + ?Sized),
    id: EntryId,
) -> Result<Option<PublisherApi>> {
    let (Some(api), Some(listing)) = (rows.api(id)?, rows.listing(id)?) else { return Ok(None) };
    let (draft, document) = (rows.draft(id)?, rows.document(id)?);
    Ok(Some(PublisherApi { api, listing, draft, document }))
}

/// Gathers APIs with their listings.
pub(crate) fn apis_of(
    rows: &mut (impl crate::rows::Read + ?Sized),
    ids: &[EntryId],
) -> Result<Vec<(Api, Listing)>> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.extend(rows.api(*id)?.zip(rows.listing(*id)?));
    }
    Ok(found)
}
