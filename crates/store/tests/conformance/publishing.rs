//! What publishers keep of APIs: listings, drafts, revisions, histories, shared scopes, roles.

use latchkey_catalog::api::{Api, ApiDefinition, ApiState, Deployed, Resource, Scheme, Schemes, VersionRole};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::listing::{
    ApiVisibility, Deployment, Listing, ListingDetails, MAX_REVISIONS, Revision, ScopeText, SharedScope,
    StateChange,
};
use latchkey_store::publishing::{ApiCondition, ApiQuery, ApiSort, PublisherApi, Viewer};
use latchkey_store::registry::{Order, PageOf, TextMatch};
use latchkey_store::unit::{ApiEdit, CatalogueChange, ChangeRefused, NewApi, NewRevision, PublisherChange};

use crate::catalogue::refused;
use crate::lab::{Desk, Lab, words};

/// A definition with one resource.
fn definition(template: &str) -> ApiDefinition {
    let resource =
        Resource { method: "GET".to_owned(), template: template.to_owned(), ..Resource::default() };
    ApiDefinition { resources: vec![resource], state: ApiState::Created, ..ApiDefinition::default() }
}

fn listing(desk: &Desk, description: &str, tags: &[&str]) -> Listing {
    let details = ListingDetails { tags: words(tags), ..ListingDetails::default() };
    Listing { description: description.to_owned(), details, ..Listing::of("alice", desk.now()) }
}

fn new_api(desk: &Desk, name: &str, listing: Listing) -> NewApi {
    let (context, version) = (format!("/{}", name.to_lowercase()), "1.0.0".to_owned());
    let api =
        Api { id: desk.entry(), name: name.to_owned(), context, version, definition: definition("/first") };
    NewApi { api, listing, document: Some("openapi: 3.0.1".to_owned()) }
}

async fn add(desk: &Desk, new: &NewApi) -> EntryId {
    desk.change(PublisherChange::AddApi(new.clone())).await;
    new.api.id
}

async fn kept(desk: &Desk, id: EntryId) -> PublisherApi {
    desk.store.publisher_api(id).await.unwrap().expect("the API is there")
}

/// The template of the one resource that is in force.
async fn in_force(desk: &Desk, id: EntryId) -> (String, Deployed) {
    let definition = kept(desk, id).await.api.definition;
    (definition.resources[0].template.clone(), definition.deployment)
}

async fn revise(desk: &Desk, api: EntryId) -> EntryId {
    let id = desk.entry();
    let new = NewRevision { id, api, description: "as it is".to_owned() };
    desk.change(PublisherChange::AddRevision(new)).await;
    id
}

fn at(desk: &Desk, environment: &str) -> Deployment {
    let (environment, vhost) = (environment.to_owned(), "localhost".to_owned());
    Deployment { environment, vhost, shown: true, deployed_at: desk.now() }
}

fn deploy(desk: &Desk, api: EntryId, revision: EntryId) -> PublisherChange {
    PublisherChange::DeployRevision { api, revision, deployments: vec![at(desk, "Default")] }
}

fn undeploy(api: EntryId, revision: EntryId) -> PublisherChange {
    PublisherChange::UndeployRevision { api, revision, environments: vec!["Default".to_owned()] }
}

async fn edit(desk: &Desk, id: EntryId, draft: ApiDefinition) {
    let PublisherApi { listing, .. } = kept(desk, id).await;
    let edit = ApiEdit { id, listing, draft, document: None };
    desk.change(PublisherChange::EditApi(edit)).await;
}

pub(crate) async fn an_api_is_kept_with_its_listing(lab: &mut Lab) {
    let mut listing = listing(lab, "Says it again", &["demo", "echo"]);
    listing.visibility = ApiVisibility::Restricted;
    listing.details.visible_roles = words(&["reader"]);
    listing.details.policies = vec!["Gold".to_owned()];
    let text = ScopeText { display_name: "Read".to_owned(), description: "reads".to_owned() };
    listing.details.scopes.insert("echo.read".to_owned(), text);
    let further = serde_json::json!({"endpointConfig": {"endpoint_type": "http"}, "cacheTimeout": 300});
    listing.details.further = further.as_object().unwrap().clone();
    let new = new_api(lab, "Echo", listing.clone());
    let id = add(lab, &new).await;
    let mut expected = new.api.clone();
    expected.definition.deployment = Deployed::No;
    let held = kept(lab, id).await;
    assert_eq!(held, PublisherApi { api: expected, listing, draft: None, document: new.document.clone() });
    let both = lab.store.apis_of(vec![lab.entry(), id]).await.unwrap();
    assert_eq!(both, [(held.api.clone(), held.listing.clone())], "what is not there is left out");
    assert_eq!(lab.store.api_at("/echo", "1.0.0").await.unwrap(), Some(id));
    assert_eq!(lab.store.api_at("/echo", "2.0.0").await.unwrap(), None);
    let twin = NewApi { api: Api { id: lab.entry(), ..new.api.clone() }, ..new.clone() };
    refused(lab, PublisherChange::AddApi(twin), ChangeRefused::NameTaken).await;
    let mut other = new_api(lab, "Other", held.listing.clone());
    other.listing.details.policies = vec!["Platinum".to_owned()];
    refused(lab, PublisherChange::AddApi(other.clone()), ChangeRefused::UnknownTier).await;
    other.listing.details.policies.clear();
    other.api.definition.throttling = Some("Platinum".to_owned());
    refused(lab, PublisherChange::AddApi(other), ChangeRefused::UnknownTier).await;
    lab.change(CatalogueChange::DeleteApi(id)).await;
    assert_eq!(lab.store.publisher_api(id).await.unwrap(), None);
    add(lab, &new).await;
    assert_eq!(lab.store.history(id).await.unwrap().len(), 1, "nothing is left of the one before");
}

pub(crate) async fn which_version_is_the_default_one_is_said_with_the_rest(lab: &mut Lab) {
    let roles = async |ids: &[EntryId]| {
        let mut roles = Vec::new();
        for id in ids {
            let held = kept(lab, *id).await;
            let draft = held.draft.map_or(held.api.definition.versions, |draft| draft.versions);
            assert_eq!(draft, held.api.definition.versions, "drafts say the same");
            roles.push(draft);
        }
        roles
    };
    let (named, default) = (VersionRole::Named, VersionRole::Default);
    let mut first = new_api(lab, "Echo", listing(lab, "", &[]));
    first.api.definition.versions = default;
    let mut second = NewApi { api: Api { id: lab.entry(), ..first.api.clone() }, ..first.clone() };
    "2.0.0".clone_into(&mut second.api.version);
    let ids = [add(lab, &first).await, add(lab, &second).await];
    assert_eq!(roles(&ids).await, [named, default], "the one that came later");
    let with = |role| ApiDefinition { versions: role, ..definition("/first") };
    edit(lab, ids[0], with(default)).await;
    assert_eq!(roles(&ids).await, [default, named]);
    edit(lab, ids[1], with(named)).await;
    assert_eq!(roles(&ids).await, [default, named], "it was none");
    lab.change(CatalogueChange::SetVersionRole(ids[1], default)).await;
    assert_eq!(roles(&ids).await, [named, default]);
    let revision = revise(lab, ids[1]).await;
    edit(lab, ids[1], with(named)).await;
    lab.change(deploy(lab, ids[1], revision)).await;
    assert_eq!(roles(&ids).await, [named, named], "a revision brings no role back");
}

pub(crate) async fn listings_tell_how_callers_prove_themselves(lab: &mut Lab) {
    let id = add(lab, &new_api(lab, "Echo", listing(lab, "", &[]))).await;
    let keys: Schemes = [Scheme::ApiKey].into_iter().collect();
    let listed = async || kept(lab, id).await.listing.details.schemes;
    assert_eq!(listed().await, Schemes::default());
    edit(lab, id, ApiDefinition { schemes: keys.clone(), ..definition("/first") }).await;
    assert_eq!(listed().await, keys);
    assert_eq!(kept(lab, id).await.api.definition.schemes, Schemes::default(), "it is not deployed");
    let both: Schemes = [Scheme::ApiKey, Scheme::OAuth2].into_iter().collect();
    lab.change(CatalogueChange::SetSchemes(id, both.clone(), Some("X-Key".to_owned()))).await;
    let held = kept(lab, id).await;
    let draft = held.draft.unwrap();
    assert_eq!(
        (held.api.definition.schemes, draft.schemes, listed().await),
        (both.clone(), both.clone(), both)
    );
    assert_eq!(draft.api_key_header.as_deref(), Some("X-Key"), "no deployment takes it back");
}

pub(crate) async fn only_what_is_deployed_is_in_force(lab: &mut Lab) {
    let id = add(lab, &new_api(lab, "Echo", listing(lab, "", &[]))).await;
    let first = revise(lab, id).await;
    assert_eq!(in_force(lab, id).await, ("/first".to_owned(), Deployed::No));
    lab.change(deploy(lab, id, first)).await;
    assert_eq!(in_force(lab, id).await, ("/first".to_owned(), Deployed::Yes));
    lab.change(CatalogueChange::SetApiState(id, ApiState::Published)).await;
    lab.change(CatalogueChange::SetVersionRole(id, VersionRole::Default)).await;
    edit(lab, id, ApiDefinition { versions: VersionRole::Default, ..definition("/second") }).await;
    assert_eq!(in_force(lab, id).await, ("/first".to_owned(), Deployed::Yes), "a draft changes nothing");
    let second = revise(lab, id).await;
    lab.change(deploy(lab, id, second)).await;
    let now = kept(lab, id).await.api.definition;
    assert_eq!(now.resources[0].template, "/second");
    assert_eq!((now.state, now.versions), (ApiState::Published, VersionRole::Default), "they are the API's");
    let deployed = lab.store.revisions(id).await.unwrap();
    let where_to: Vec<usize> = deployed.iter().map(|revision| revision.deployments.len()).collect();
    assert_eq!(where_to, [0, 1], "the first one gave way");
    refused(lab, undeploy(id, first), ChangeRefused::NotFound).await;
    lab.change(undeploy(id, second)).await;
    assert_eq!(in_force(lab, id).await, ("/second".to_owned(), Deployed::No));
    lab.change(deploy(lab, id, first)).await;
    assert_eq!(in_force(lab, id).await, ("/first".to_owned(), Deployed::Yes), "back to what was");
    let api = Api { definition: definition("/third"), ..kept(lab, id).await.api };
    lab.change(CatalogueChange::PutApi(api)).await;
    assert_eq!(
        in_force(lab, id).await,
        ("/third".to_owned(), Deployed::Yes),
        "an import is deployed at once"
    );
    assert_eq!(kept(lab, id).await.draft, None);
    assert!(lab.store.revisions(id).await.unwrap().iter().all(|held| held.deployments.is_empty()));
}

pub(crate) async fn revisions_are_kept_and_bounded(lab: &mut Lab) {
    let id = add(lab, &new_api(lab, "Echo", listing(lab, "", &[]))).await;
    let first = revise(lab, id).await;
    let expected = Revision {
        id: first,
        number: 1,
        description: "as it is".to_owned(),
        created_at: lab.now(),
        definition: kept(lab, id).await.api.definition,
        document: Some("openapi: 3.0.1".to_owned()),
        deployments: Vec::new(),
    };
    assert_eq!(lab.store.revisions(id).await.unwrap(), [expected]);
    for _ in 1..MAX_REVISIONS {
        revise(lab, id).await;
    }
    let more = |api| PublisherChange::AddRevision(NewRevision { id: first, api, description: String::new() });
    refused(lab, more(id), ChangeRefused::Full).await;
    refused(lab, more(lab.entry()), ChangeRefused::NotFound).await;
    let remove = |revision| PublisherChange::RemoveRevision { api: id, revision };
    lab.change(deploy(lab, id, first)).await;
    refused(lab, remove(first), ChangeRefused::InUse).await;
    refused(lab, remove(lab.entry()), ChangeRefused::NotFound).await;
    refused(lab, deploy(lab, id, lab.entry()), ChangeRefused::NotFound).await;
    lab.change(undeploy(id, first)).await;
    lab.change(remove(first)).await;
    revise(lab, id).await;
    let numbers: Vec<u32> = lab.store.revisions(id).await.unwrap().iter().map(|held| held.number).collect();
    assert_eq!(numbers, [2, 3, 4, 5, 6], "a number is not given again");
}

pub(crate) async fn the_life_of_an_api_is_told(lab: &mut Lab) {
    use ApiState::{Blocked, Created, Published};
    let id = add(lab, &new_api(lab, "Echo", listing(lab, "", &[]))).await;
    for state in [Published, Published, Blocked] {
        lab.clock.advance_millis(1);
        lab.change(CatalogueChange::SetApiState(id, state)).await;
    }
    let told: Vec<_> = lab.store.history(id).await.unwrap();
    let steps: Vec<_> = told.iter().map(|StateChange { from, to, .. }| (*from, *to)).collect();
    assert_eq!(steps, [(None, Created), (Some(Created), Published), (Some(Published), Blocked)]);
    assert_eq!((told[2].at, told[2].actor.as_str()), (lab.now(), "admin"));
    let imported = lab.api("/imported", &[]).await;
    let listed = kept(lab, imported.id).await.listing;
    assert_eq!((listed.provider.as_str(), listed.created_at), ("admin", lab.now()));
    assert_eq!(lab.store.history(imported.id).await.unwrap().len(), 1);
}

/// APIs of alice: one for everybody, one for who is signed in, one for readers, one that is nowhere published.
async fn catalogue(lab: &Lab) {
    for (name, visibility, state) in [
        ("Open", ApiVisibility::Public, ApiState::Published),
        ("Inner", ApiVisibility::Private, ApiState::Published),
        ("Closed", ApiVisibility::Restricted, ApiState::Deprecated),
        ("Draft", ApiVisibility::Public, ApiState::Created),
    ] {
        let mut listing = listing(lab, &format!("It is {name}"), &["all", name]);
        listing.visibility = visibility;
        listing.details.visible_roles = words(&["reader", "writer"]);
        let mut new = new_api(lab, name, listing);
        new.api.definition.state = state;
        add(lab, &new).await;
        lab.clock.advance_millis(1);
    }
}

async fn found(lab: &Lab, query: &ApiQuery) -> String {
    let found = lab.store.find_apis(query.clone()).await.unwrap();
    let all = lab.store.find_apis(ApiQuery { page: ALL, ..query.clone() }).await.unwrap();
    assert_eq!((all.total, all.entries.len() as u64), (found.total, found.total));
    for entry in &found.entries {
        assert!(lab.store.is_found(query.clone(), entry.id).await.unwrap());
    }
    let names: Vec<&str> = found.entries.iter().map(|listed| listed.name.as_str()).collect();
    names.join(" ")
}

const ALL: PageOf = PageOf { offset: 0, limit: 100 };

fn query(viewer: Viewer, conditions: Vec<ApiCondition>) -> ApiQuery {
    let (sort, order) = (ApiSort::Name, Order::Ascending);
    ApiQuery { viewer, states: Vec::new(), conditions, sort, order, page: ALL }
}

pub(crate) async fn each_sees_the_apis_that_are_for_them(lab: &mut Lab) {
    catalogue(lab).await;
    let user = |name: &str, roles: &[&str]| Viewer::User(name.to_owned(), words(roles));
    for (viewer, names) in [
        (Viewer::Publisher, "Closed Draft Inner Open"),
        (Viewer::Anonymous, "Draft Open"),
        (user("bob", &[]), "Draft Inner Open"),
        (user("bob", &["other", "writer"]), "Closed Draft Inner Open"),
        (user("alice", &[]), "Closed Draft Inner Open"),
    ] {
        assert_eq!(found(lab, &query(viewer.clone(), Vec::new())).await, names, "{viewer:?}");
    }
    let published = vec![ApiState::Published, ApiState::Deprecated];
    let shown = ApiQuery { states: published.clone(), ..query(Viewer::Anonymous, Vec::new()) };
    assert_eq!(found(lab, &shown).await, "Open");
    let closed = lab.store.api_at("/closed", "1.0.0").await.unwrap().unwrap();
    assert!(!lab.store.is_found(shown, closed).await.unwrap());
    let tags = lab.store.tags(published).await.unwrap();
    assert_eq!(tags, [("Open".to_owned(), 1), ("all".to_owned(), 1)]);
}

pub(crate) async fn apis_are_searched_sorted_and_paged(lab: &mut Lab) {
    catalogue(lab).await;
    let containing = |text: &str| TextMatch::Containing(text.to_owned());
    let exactly = |text: &str| TextMatch::Exactly(text.to_owned());
    for (condition, names) in [
        (ApiCondition::Name(containing("E")), "Closed Inner Open"),
        (ApiCondition::Name(exactly("open")), "Open"),
        (ApiCondition::Name(TextMatch::Beginning("in".to_owned())), "Inner"),
        (ApiCondition::Context(exactly("/open")), "Open"),
        (ApiCondition::Version(exactly("1.0.0")), "Closed Draft Inner Open"),
        (ApiCondition::Provider(exactly("Alice")), "Closed Draft Inner Open"),
        (ApiCondition::Description(containing("is open")), "Open"),
        (ApiCondition::Tag("Inner".to_owned()), "Inner"),
        (ApiCondition::Tag("inner".to_owned()), ""),
        (ApiCondition::Anything(containing("/cl")), "Closed"),
        (ApiCondition::Anything(containing("it is i")), "Inner"),
        (ApiCondition::Anything(containing("' OR 1 --")), ""),
        (ApiCondition::Anything(containing("%")), ""),
    ] {
        assert_eq!(
            found(lab, &query(Viewer::Publisher, vec![condition.clone()])).await,
            names,
            "{condition:?}"
        );
    }
    let both = vec![ApiCondition::Tag("all".to_owned()), ApiCondition::Name(containing("n"))];
    let by_age = ApiQuery { sort: ApiSort::CreatedAt, ..query(Viewer::Publisher, both) };
    assert_eq!(found(lab, &by_age).await, "Open Inner");
    let newest = ApiQuery { order: Order::Descending, ..by_age };
    assert_eq!(found(lab, &newest).await, "Inner Open");
    let page = PageOf { offset: 1, limit: 2 };
    let paged = ApiQuery { page, ..query(Viewer::Publisher, Vec::new()) };
    assert_eq!(found(lab, &paged).await, "Draft Inner");
    let open = lab.store.api_at("/open", "1.0.0").await.unwrap().unwrap();
    edit(lab, open, definition("/other")).await;
    let touched = ApiQuery {
        sort: ApiSort::UpdatedAt,
        order: Order::Descending,
        ..query(Viewer::Publisher, Vec::new())
    };
    assert_eq!(found(lab, &touched).await, "Open Draft Closed Inner");
}

pub(crate) async fn a_shared_scope_has_its_roles_everywhere(lab: &mut Lab) {
    let scope = SharedScope {
        id: lab.entry(),
        name: "orders".to_owned(),
        display_name: "Orders".to_owned(),
        description: "All orders".to_owned(),
        roles: words(&["clerk"]),
    };
    lab.change(PublisherChange::AddSharedScope(scope.clone())).await;
    let twin = SharedScope { id: lab.entry(), ..scope.clone() };
    refused(lab, PublisherChange::AddSharedScope(twin), ChangeRefused::NameTaken).await;
    assert_eq!(lab.store.shared_scope(scope.id).await.unwrap(), Some(scope.clone()));
    assert_eq!(lab.store.shared_scope_named("orders").await.unwrap(), Some(scope.clone()));
    let id = add(lab, &new_api(lab, "Echo", listing(lab, "", &[]))).await;
    let mut draft = definition("/first");
    draft.shared_scopes = words(&["orders"]);
    edit(lab, id, draft.clone()).await;
    assert_eq!(lab.store.uses_of_scope("orders").await.unwrap(), [id], "a draft uses it, too");
    let revision = revise(lab, id).await;
    let changed = SharedScope { name: "renamed".to_owned(), roles: words(&["chief"]), ..scope.clone() };
    lab.change(PublisherChange::UpdateSharedScope(changed)).await;
    lab.change(deploy(lab, id, revision)).await;
    let roles = async || kept(lab, id).await.api.definition.scopes["orders"].clone();
    assert_eq!(roles().await, words(&["chief"]), "what holds is what is said now");
    let again = SharedScope { roles: words(&["clerk", "chief"]), ..scope.clone() };
    lab.change(PublisherChange::UpdateSharedScope(again.clone())).await;
    assert_eq!(roles().await, again.roles);
    let page = PageOf { offset: 0, limit: 10 };
    let listed = lab.store.find_shared_scopes(page).await.unwrap();
    assert_eq!((listed.entries, listed.total), (vec![(again, 1)], 1));
    refused(lab, PublisherChange::DeleteSharedScope(scope.id), ChangeRefused::InUse).await;
    lab.change(CatalogueChange::DeleteApi(id)).await;
    lab.change(PublisherChange::DeleteSharedScope(scope.id)).await;
    refused(lab, PublisherChange::DeleteSharedScope(scope.id), ChangeRefused::NotFound).await;
    let mut unknown = new_api(lab, "Other", listing(lab, "", &[]));
    unknown.api.definition.shared_scopes = words(&["orders"]);
    refused(lab, PublisherChange::AddApi(unknown), ChangeRefused::UnknownScope).await;
}

pub(crate) async fn roles_are_those_of_users_and_those_declared(lab: &mut Lab) {
    lab.user("alice").await;
    lab.change(PublisherChange::DeclareRole("auditor".to_owned())).await;
    refused(lab, PublisherChange::DeclareRole("reader".to_owned()), ChangeRefused::NameTaken).await;
    assert_eq!(lab.store.roles("", 9).await.unwrap(), ["auditor", "reader"]);
    assert_eq!(lab.store.roles("auditor", 9).await.unwrap(), ["reader"]);
    assert_eq!(lab.store.roles("", 1).await.unwrap(), ["auditor"]);
    assert!(lab.store.is_role("reader").await.unwrap() && !lab.store.is_role("Reader").await.unwrap());
}
