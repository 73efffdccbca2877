//! What publishers keep of APIs and portals show, in maps.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use latchkey_catalog::api::{Api, ApiDefinition, ApiState};
use latchkey_catalog::application::fold;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::listing::{ApiVisibility, ListedApi, Listing, Revision, SharedScope, StateChange};

use super::MemoryStore;
use super::registry::{is_like, page_of};
use super::rows::MemoryRows;
use crate::Result;
use crate::publishing::{
    ApiCondition, ApiQuery, ApiSort, PublisherApi, Publishing, ReadPublishing, Viewer, WritePublishing,
    apis_of, publisher_api,
};
use crate::registry::{Found, Order, PageOf};

/// The rows of what is published.
#[derive(Debug, Default)]
pub(super) struct MemoryPublishing {
    listings: BTreeMap<EntryId, ListedApi>,
    drafts: BTreeMap<EntryId, ApiDefinition>,
    documents: BTreeMap<EntryId, String>,
    revisions: BTreeMap<(EntryId, u32), Revision>,
    histories: BTreeMap<EntryId, Vec<StateChange>>,
    scopes: BTreeMap<EntryId, SharedScope>,
    scope_uses: BTreeMap<EntryId, BTreeSet<String>>,
    pub(super) roles: BTreeSet<String>,
}

impl MemoryPublishing {
    /// Forgets an API.
    pub(super) fn forget(&mut self, api: EntryId) {
        self.listings.remove(&api);
        self.drafts.remove(&api);
        self.documents.remove(&api);
        self.revisions.retain(|(held, _), _| *held != api);
        self.histories.remove(&api);
        self.scope_uses.remove(&api);
    }
}

#[async_trait]
impl Publishing for MemoryStore {
    async fn publisher_api(&self, id: EntryId) -> Result<Option<PublisherApi>> {
        self.read(|rows| publisher_api(rows, id))
    }

    async fn apis_of(&self, ids: Vec<EntryId>) -> Result<Vec<(Api, Listing)>> {
        self.read(|rows| apis_of(rows, &ids))
    }

    async fn api_at(&self, context: &str, version: &str) -> Result<Option<EntryId>> {
        self.read(|rows| rows.api_at(context, version))
    }

    async fn find_apis(&self, query: ApiQuery) -> Result<Found<ListedApi>> {
        self.read(|rows| rows.find_apis(&query, None))
    }

    async fn is_found(&self, query: ApiQuery, api: EntryId) -> Result<bool> {
        self.read(|rows| Ok(rows.find_apis(&query, Some(api))?.total > 0))
    }

    async fn revisions(&self, api: EntryId) -> Result<Vec<Revision>> {
        self.read(|rows| rows.revisions(api))
    }

    async fn history(&self, api: EntryId) -> Result<Vec<StateChange>> {
        self.read(|rows| rows.history(api))
    }

    async fn tags(&self, states: Vec<ApiState>) -> Result<Vec<(String, u64)>> {
        self.read(|rows| rows.tags(&states))
    }

    async fn find_shared_scopes(&self, page: PageOf) -> Result<Found<(SharedScope, u64)>> {
        self.read(|rows| rows.find_shared_scopes(page))
    }

    async fn shared_scope(&self, id: EntryId) -> Result<Option<SharedScope>> {
        self.read(|rows| rows.shared_scope(id))
    }

    async fn shared_scope_named(&self, name: &str) -> Result<Option<SharedScope>> {
        self.read(|rows| rows.shared_scope_named(name))
    }

    async fn uses_of_scope(&self, name: &str) -> Result<Vec<EntryId>> {
        self.read(|rows| rows.uses_of_scope(name))
    }

    async fn is_role(&self, name: &str) -> Result<bool> {
        self.read(|rows| rows.is_role(name))
    }

    async fn roles(&self, after: &str, limit: u32) -> Result<Vec<String>> {
        self.read(|rows| rows.roles(after, limit))
    }
}

fn is_seen(listed: &ListedApi, viewer: &Viewer) -> bool {
    let visibility = listed.listing.visibility;
    match viewer {
        Viewer::Publisher => true,
        Viewer::Anonymous => visibility == ApiVisibility::Public,
        Viewer::User(name, roles) => {
            listed.listing.provider == *name
                || visibility != ApiVisibility::Restricted
                || !listed.listing.details.visible_roles.is_disjoint(roles)
        }
    }
}

fn holds(listed: &ListedApi, condition: &ApiCondition) -> bool {
    let texts = [
        &listed.name,
        &listed.context,
        &listed.version,
        &listed.listing.provider,
        &listed.listing.description,
    ];
    let (text, like) = match condition {
        ApiCondition::Name(like) => (texts[0], like),
        ApiCondition::Context(like) => (texts[1], like),
        ApiCondition::Version(like) => (texts[2], like),
        ApiCondition::Provider(like) => (texts[3], like),
        ApiCondition::Description(like) => (texts[4], like),
        ApiCondition::Tag(tag) => return listed.listing.details.tags.contains(tag),
        ApiCondition::Anything(like) => return texts.iter().any(|text| is_like(text, like)),
    };
    is_like(text, like)
}

/// What an API is sorted by.
fn rank(sort: ApiSort, listed: &ListedApi) -> (i64, String, String, EntryId) {
    let id = listed.id;
    match sort {
        ApiSort::Name => (0, fold(&listed.name), listed.version.clone(), id),
        ApiSort::CreatedAt => (listed.listing.created_at.as_millis(), String::new(), String::new(), id),
        ApiSort::UpdatedAt => (listed.listing.updated_at.as_millis(), String::new(), String::new(), id),
    }
}

impl ReadPublishing for MemoryRows {
    fn api_at(&mut self, context: &str, version: &str) -> Result<Option<EntryId>> {
        let mut all = self.apis.values();
        Ok(all
            .find(|api| (api.context.as_str(), api.version.as_str()) == (context, version))
            .map(|api| api.id))
    }

    fn listing(&mut self, api: EntryId) -> Result<Option<Listing>> {
        Ok(self.publishing.listings.get(&api).map(|listed| listed.listing.clone()))
    }

    fn draft(&mut self, api: EntryId) -> Result<Option<ApiDefinition>> {
        Ok(self.publishing.drafts.get(&api).cloned())
    }

    fn document(&mut self, api: EntryId) -> Result<Option<String>> {
        Ok(self.publishing.documents.get(&api).cloned())
    }

    fn find_apis(&mut self, query: &ApiQuery, only: Option<EntryId>) -> Result<Found<ListedApi>> {
        let wanted = |one: &&ListedApi| {
            only.is_none_or(|only| only == one.id)
                && (query.states.is_empty() || query.states.contains(&one.state))
                && is_seen(one, &query.viewer)
                && query.conditions.iter().all(|condition| holds(one, condition))
        };
        let mut found: Vec<ListedApi> = self.publishing.listings.values().filter(wanted).cloned().collect();
        found.sort_by_key(|one| rank(query.sort, one));
        if query.order == Order::Descending {
            found.reverse();
        }
        Ok(page_of(found, query.page))
    }

    fn revisions(&mut self, api: EntryId) -> Result<Vec<Revision>> {
        let all = self.publishing.revisions.iter();
        Ok(all.filter(|((held, _), _)| *held == api).map(|(_, revision)| revision.clone()).collect())
    }

    fn history(&mut self, api: EntryId) -> Result<Vec<StateChange>> {
        Ok(self.publishing.histories.get(&api).cloned().unwrap_or_default())
    }

    fn tags(&mut self, states: &[ApiState]) -> Result<Vec<(String, u64)>> {
        let mut counts = BTreeMap::new();
        for listed in self.publishing.listings.values() {
            if listed.listing.visibility == ApiVisibility::Public && states.contains(&listed.state) {
                for tag in &listed.listing.details.tags {
                    *counts.entry(tag.clone()).or_default() += 1;
                }
            }
        }
        Ok(counts.into_iter().collect())
    }

    fn find_shared_scopes(&mut self, page: PageOf) -> Result<Found<(SharedScope, u64)>> {
        let uses = &self.publishing.scope_uses;
        let count = |scope: &SharedScope| uses.values().filter(|names| names.contains(&scope.name)).count();
        let all = self.publishing.scopes.values();
        let mut found: Vec<_> = all.map(|scope| (scope.clone(), count(scope) as u64)).collect();
        found.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        Ok(page_of(found, page))
    }

    fn shared_scope(&mut self, id: EntryId) -> Result<Option<SharedScope>> {
        Ok(self.publishing.scopes.get(&id).cloned())
    }

    fn shared_scope_named(&mut self, name: &str) -> Result<Option<SharedScope>> {
        Ok(self.publishing.scopes.values().find(|scope| scope.name == name).cloned())
    }

    fn uses_of_scope(&mut self, name: &str) -> Result<Vec<EntryId>> {
        let uses = self.publishing.scope_uses.iter().filter(|(_, names)| names.contains(name));
        Ok(uses.map(|(api, _)| *api).collect())
    }

    fn is_role(&mut self, name: &str) -> Result<bool> {
        Ok(self.publishing.roles.contains(name))
    }

    fn roles(&mut self, after: &str, limit: u32) -> Result<Vec<String>> {
        let following = self.publishing.roles.iter().filter(|name| name.as_str() > after);
        Ok(following.take(limit as usize).cloned().collect())
    }
}

impl WritePublishing for MemoryRows {
    fn put_listing(&mut self, listed: &ListedApi) -> Result<()> {
        self.publishing.listings.insert(listed.id, listed.clone());
        Ok(())
    }

    fn put_draft(&mut self, api: EntryId, draft: Option<&ApiDefinition>) -> Result<()> {
        match draft {
            Some(draft) => self.publishing.drafts.insert(api, draft.clone()),
            None => self.publishing.drafts.remove(&api),
        };
        Ok(())
    }

    fn put_document(&mut self, api: EntryId, document: Option<&str>) -> Result<()> {
        match document {
            Some(document) => self.publishing.documents.insert(api, document.to_owned()),
            None => self.publishing.documents.remove(&api),
        };
        Ok(())
    }

    fn put_revision(&mut self, api: EntryId, revision: &Revision) -> Result<()> {
        self.publishing.revisions.insert((api, revision.number), revision.clone());
        Ok(())
    }

    fn delete_revision(&mut self, api: EntryId, number: u32) -> Result<()> {
        self.publishing.revisions.remove(&(api, number));
        Ok(())
    }

    fn append_state(&mut self, api: EntryId, change: &StateChange) -> Result<()> {
        self.publishing.histories.entry(api).or_default().push(change.clone());
        Ok(())
    }

    fn put_scope_uses(&mut self, api: EntryId, names: &BTreeSet<String>) -> Result<()> {
        self.publishing.scope_uses.insert(api, names.clone());
        Ok(())
    }

    fn put_shared_scope(&mut self, scope: &SharedScope) -> Result<()> {
        self.publishing.scopes.insert(scope.id, scope.clone());
        Ok(())
    }

    fn delete_shared_scope(&mut self, id: EntryId) -> Result<()> {
        self.publishing.scopes.remove(&id);
        Ok(())
    }

    fn put_role(&mut self, name: &str) -> Result<()> {
        self.publishing.roles.insert(name.to_owned());
        Ok(())
    }

    fn delete_role(&mut self, name: &str) -> Result<bool> {
        Ok(self.publishing.roles.remove(name))
    }
}
