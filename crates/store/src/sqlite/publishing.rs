//! What publishers keep of APIs and portals show.
//!
//! A listing repeats what it is searched by: name, context, version and state of its API.

use std::collections::BTreeSet;

use async_trait::async_trait;
use latchkey_catalog::api::{Api, ApiDefinition, ApiState};
use latchkey_catalog::application::fold;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::listing::{ApiVisibility, ListedApi, Listing, Revision, SharedScope, StateChange};
use latchkey_oauth::clock::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::SqliteStore;
use super::catalogue::{document, json, many, one, run, unknown};
use super::registry::{Statement, number, offset};
use super::transaction::SqliteRows;
use crate::Result;
use crate::publishing::{
    ApiCondition, ApiQuery, ApiSort, PublisherApi, Publishing, ReadPublishing, Viewer, WritePublishing,
    apis_of, publisher_api,
};
use crate::registry::{Found, Order, PageOf, TextMatch};

const LISTED: &str =
    "SELECT l.api, l.name, l.context, l.version, l.state, l.provider, l.visibility, l.description,
    l.created_at, l.updated_at, l.details FROM api_listing l";
const SCOPE: &str = "SELECT definition FROM shared_scope";

fn listed_from_row(row: &Row<'_>) -> rusqlite::Result<ListedApi> {
    Ok(ListedApi {
        id: EntryId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        context: row.get(2)?,
        version: row.get(3)?,
        state: state(row, 4)?,
        listing: Listing {
            provider: row.get(5)?,
            visibility: ApiVisibility::parse(row.get_ref(6)?.as_str()?)
                .ok_or_else(|| unknown(6, "visibility"))?,
            description: row.get(7)?,
            created_at: Timestamp::from_millis(row.get(8)?),
            updated_at: Timestamp::from_millis(row.get(9)?),
            details: document(row, 10, "details")?,
        },
    })
}

fn state(row: &Row<'_>, place: usize) -> rusqlite::Result<ApiState> {
    ApiState::parse(row.get_ref(place)?.as_str()?).ok_or_else(|| unknown(place, "state"))
}

fn scope_from_row(row: &Row<'_>) -> rusqlite::Result<SharedScope> {
    document(row, 0, "definition")
}

fn id_from_row(row: &Row<'_>) -> rusqlite::Result<EntryId> {
    Ok(EntryId::from_bytes(row.get(0)?))
}

/// Names in parentheses; of nothing, which is nowhere, an empty pair.
fn list(statement: &mut Statement, values: impl IntoIterator<Item = impl Into<Value>>) -> String {
    let names: Vec<String> = values.into_iter().map(|value| statement.value(value)).collect();
    format!("({})", names.join(", "))
}

/// That a folded text is like this.
fn is_like(statement: &mut Statement, text: &str, like: &TextMatch) -> String {
    match like {
        TextMatch::Exactly(whole) => format!("{text} = {}", statement.value(fold(whole))),
        TextMatch::Beginning(part) => {
            let part = fold(part);
            let length = i64::try_from(part.chars().count()).unwrap_or(i64::MAX);
            let length = statement.value(length);
            format!("substr({text}, 1, {length}) = {}", statement.value(part))
        }
        TextMatch::Containing(part) => format!("instr({text}, {}) > 0", statement.value(fold(part))),
    }
}

fn condition(statement: &mut Statement, condition: &ApiCondition) -> String {
    match condition {
        ApiCondition::Name(like) => is_like(statement, "l.folded", like),
        ApiCondition::Context(like) => is_like(statement, "lower(l.context)", like),
        ApiCondition::Version(like) => is_like(statement, "lower(l.version)", like),
        ApiCondition::Provider(like) => is_like(statement, "lower(l.provider)", like),
        ApiCondition::Description(like) => is_like(statement, "lower(l.description)", like),
        ApiCondition::Tag(tag) => {
            let tag = statement.value(tag.clone());
            format!("l.api IN (SELECT api FROM api_tag WHERE tag = {tag})")
        }
        ApiCondition::Anything(like) => {
            let texts = [
                "l.folded",
                "lower(l.context)",
                "lower(l.version)",
                "lower(l.provider)",
                "lower(l.description)",
            ];
            format!("({})", texts.map(|text| is_like(statement, text, like)).join(" OR "))
        }
    }
}

/// `WHERE` of the APIs that a query asks for.
fn wanted(query: &ApiQuery, only: Option<EntryId>) -> Statement {
    let mut statement = Statement::default();
    let mut conditions = Vec::new();
    if let Some(only) = only {
        conditions.push(format!("l.api = {}", statement.value(only.as_bytes().to_vec())));
    }
    if !query.states.is_empty() {
        let states = list(&mut statement, query.states.iter().map(|state| state.as_str().to_owned()));
        conditions.push(format!("l.state IN {states}"));
    }
    match &query.viewer {
        Viewer::Publisher => {}
        Viewer::Anonymous => conditions.push("l.visibility = 'PUBLIC'".to_owned()),
        Viewer::User(name, roles) => {
            let name = statement.value(name.clone());
            let roles = list(&mut statement, roles.iter().cloned());
            conditions.push(format!(
                "(l.visibility IN ('PUBLIC', 'PRIVATE') OR l.provider = {name}
                  OR l.api IN (SELECT api FROM api_role WHERE role IN {roles}))"
            ));
        }
    }
    for wanted in &query.conditions {
        let text = condition(&mut statement, wanted);
        conditions.push(text);
    }
    if !conditions.is_empty() {
        statement.text = format!("WHERE {}", conditions.join(" AND "));
    }
    statement
}

fn find_apis(connection: &Connection, query: &ApiQuery, only: Option<EntryId>) -> Result<Found<ListedApi>> {
    let mut statement = wanted(query, only);
    let count = format!("SELECT count(*) FROM api_listing l {}", statement.text);
    let total = one(connection, &count, params_from_iter(&statement.values), number)?.unwrap_or_default();
    let columns: &[&str] = match query.sort {
        ApiSort::Name => &["l.folded", "l.version", "l.api"],
        ApiSort::CreatedAt => &["l.created_at", "l.api"],
        ApiSort::UpdatedAt => &["l.updated_at", "l.api"],
    };
    let direction = match query.order {
        Order::Ascending => "ASC",
        Order::Descending => "DESC",
    };
    let order: Vec<String> = columns.iter().map(|column| format!("{column} {direction}")).collect();
    let limit = statement.value(i64::from(query.page.limit));
    let skipped = statement.value(offset(query.page));
    let text =
        format!("{LISTED} {} ORDER BY {} LIMIT {limit} OFFSET {skipped}", statement.text, order.join(", "));
    let entries = many(connection, &text, params_from_iter(&statement.values), listed_from_row)?;
    Ok(Found { entries, total })
}

#[async_trait]
impl Publishing for SqliteStore {
    async fn publisher_api(&self, id: EntryId) -> Result<Option<PublisherApi>> {
        self.read(move |rows| publisher_api(rows, id)).await
    }

    async fn apis_of(&self, ids: Vec<EntryId>) -> Result<Vec<(Api, Listing)>> {
        self.read(move |rows| apis_of(rows, &ids)).await
    }

    async fn api_at(&self, context: &str, version: &str) -> Result<Option<EntryId>> {
        let (context, version) = (context.to_owned(), version.to_owned());
        self.read(move |rows| rows.api_at(&context, &version)).await
    }

    async fn find_apis(&self, query: ApiQuery) -> Result<Found<ListedApi>> {
        self.read(move |rows| rows.find_apis(&query, None)).await
    }

    async fn is_found(&self, query: ApiQuery, api: EntryId) -> Result<bool> {
        self.read(move |rows| Ok(rows.find_apis(&query, Some(api))?.total > 0)).await
    }

    async fn revisions(&self, api: EntryId) -> Result<Vec<Revision>> {
        self.read(move |rows| rows.revisions(api)).await
    }

    async fn history(&self, api: EntryId) -> Result<Vec<StateChange>> {
        self.read(move |rows| rows.history(api)).await
    }

    async fn tags(&self, states: Vec<ApiState>) -> Result<Vec<(String, u64)>> {
        self.read(move |rows| rows.tags(&states)).await
    }

    async fn find_shared_scopes(&self, page: PageOf) -> Result<Found<(SharedScope, u64)>> {
        self.read(move |rows| rows.find_shared_scopes(page)).await
    }

    async fn shared_scope(&self, id: EntryId) -> Result<Option<SharedScope>> {
        self.read(move |rows| rows.shared_scope(id)).await
    }

    async fn shared_scope_named(&self, name: &str) -> Result<Option<SharedScope>> {
        let name = name.to_owned();
        self.read(move |rows| rows.shared_scope_named(&name)).await
    }

    async fn uses_of_scope(&self, name: &str) -> Result<Vec<EntryId>> {
        let name = name.to_owned();
        self.read(move |rows| rows.uses_of_scope(&name)).await
    }

    async fn is_role(&self, name: &str) -> Result<bool> {
        let name = name.to_owned();
        self.read(move |rows| rows.is_role(&name)).await
    }

    async fn roles(&self, after: &str, limit: u32) -> Result<Vec<String>> {
        let after = after.to_owned();
        self.read(move |rows| rows.roles(&after, limit)).await
    }
}

impl ReadPublishing for SqliteRows<'_> {
    fn api_at(&mut self, context: &str, version: &str) -> Result<Option<EntryId>> {
        let query = "SELECT id FROM api WHERE context = $1 AND version = $2";
        one(self.connection(), query, [context, version], id_from_row)
    }

    fn listing(&mut self, api: EntryId) -> Result<Option<Listing>> {
        let query = format!("{LISTED} WHERE l.api = $1");
        Ok(one(self.connection(), &query, [api.as_bytes()], listed_from_row)?.map(|listed| listed.listing))
    }

    fn draft(&mut self, api: EntryId) -> Result<Option<ApiDefinition>> {
        let query = "SELECT draft FROM api_listing WHERE api = $1 AND draft IS NOT NULL";
        one(self.connection(), query, [api.as_bytes()], |row| document(row, 0, "draft"))
    }

    fn document(&mut self, api: EntryId) -> Result<Option<String>> {
        let query = "SELECT document FROM api_listing WHERE api = $1";
        Ok(one(self.connection(), query, [api.as_bytes()], |row| row.get(0))?.flatten())
    }

    fn find_apis(&mut self, query: &ApiQuery, only: Option<EntryId>) -> Result<Found<ListedApi>> {
        find_apis(self.connection(), query, only)
    }

    fn revisions(&mut self, api: EntryId) -> Result<Vec<Revision>> {
        let query = "SELECT revision FROM api_revision WHERE api = $1 ORDER BY number";
        many(self.connection(), query, [api.as_bytes()], |row| document(row, 0, "revision"))
    }

    fn history(&mut self, api: EntryId) -> Result<Vec<StateChange>> {
        let query = "SELECT at, from_state, to_state, actor FROM api_history WHERE api = $1 ORDER BY seq";
        many(self.connection(), query, [api.as_bytes()], |row| {
            Ok(StateChange {
                at: Timestamp::from_millis(row.get(0)?),
                from: ApiState::parse(row.get_ref(1)?.as_str()?),
                to: state(row, 2)?,
                actor: row.get(3)?,
            })
        })
    }

    fn tags(&mut self, states: &[ApiState]) -> Result<Vec<(String, u64)>> {
        let mut statement = Statement::default();
        let states = list(&mut statement, states.iter().map(|state| state.as_str().to_owned()));
        let query = format!(
            "SELECT t.tag, count(*) FROM api_tag t JOIN api_listing l ON l.api = t.api
             WHERE l.visibility = 'PUBLIC' AND l.state IN {states} GROUP BY t.tag ORDER BY t.tag"
        );
        many(self.connection(), &query, params_from_iter(&statement.values), |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })
    }

    fn find_shared_scopes(&mut self, page: PageOf) -> Result<Found<(SharedScope, u64)>> {
        let total = one(self.connection(), "SELECT count(*) FROM shared_scope", [], number)?;
        let query = "SELECT s.definition, (SELECT count(*) FROM api_scope u WHERE u.scope = s.name)
            FROM shared_scope s ORDER BY s.name LIMIT $1 OFFSET $2";
        let values = params![i64::from(page.limit), offset(page)];
        let entries = many(self.connection(), query, values, |row| {
            Ok((scope_from_row(row)?, row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
        Ok(Found { entries, total: total.unwrap_or_default() })
    }

    fn shared_scope(&mut self, id: EntryId) -> Result<Option<SharedScope>> {
        one(self.connection(), &format!("{SCOPE} WHERE id = $1"), [id.as_bytes()], scope_from_row)
    }

    fn shared_scope_named(&mut self, name: &str) -> Result<Option<SharedScope>> {
        one(self.connection(), &format!("{SCOPE} WHERE name = $1"), [name], scope_from_row)
    }

    fn uses_of_scope(&mut self, name: &str) -> Result<Vec<EntryId>> {
        let query = "SELECT api FROM api_scope WHERE scope = $1 ORDER BY api";
        many(self.connection(), query, [name], id_from_row)
    }

    fn is_role(&mut self, name: &str) -> Result<bool> {
        Ok(one(self.connection(), "SELECT 1 FROM role WHERE name = $1", [name], |_| Ok(()))?.is_some())
    }

    fn roles(&mut self, after: &str, limit: u32) -> Result<Vec<String>> {
        let query = "SELECT name FROM role WHERE name > $1 ORDER BY name LIMIT $2";
        many(self.connection(), query, params![after, limit], |row| row.get(0))
    }
}

/// Sets the rows of `table` that say which words hold for an API.
fn put_words(
    connection: &Connection,
    (table, column): (&str, &str),
    api: EntryId,
    words: &BTreeSet<String>,
) -> Result<()> {
    run(connection, &format!("DELETE FROM {table} WHERE api = $1"), [api.as_bytes()])?;
    let insert = format!("INSERT INTO {table} ({column}, api) VALUES ($1, $2)");
    for word in words {
        run(connection, &insert, params![word, api.as_bytes()])?;
    }
    Ok(())
}

impl WritePublishing for SqliteRows<'_> {
    fn put_listing(&mut self, listed: &ListedApi) -> Result<()> {
        let (api, listing) = (listed.id, &listed.listing);
        run(
            self.connection(),
            "INSERT INTO api_listing (api, name, folded, context, version, provider, state, visibility, description,
                created_at, updated_at, details)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (api) DO UPDATE SET name = excluded.name, folded = excluded.folded,
                provider = excluded.provider, state = excluded.state, visibility = excluded.visibility,
                description = excluded.description, created_at = excluded.created_at,
                updated_at = excluded.updated_at, details = excluded.details",
            params![
                api.as_bytes(),
                listed.name,
                fold(&listed.name),
                listed.context,
                listed.version,
                listing.provider,
                listed.state.as_str(),
                listing.visibility.as_str(),
                listing.description,
                listing.created_at.as_millis(),
                listing.updated_at.as_millis(),
                json(&listing.details)?
            ],
        )?;
        let restricted = listing.visibility == ApiVisibility::Restricted;
        let none = BTreeSet::new();
        let roles = if restricted { &listing.details.visible_roles } else { &none };
        put_words(self.connection(), ("api_role", "role"), api, roles)?;
        put_words(self.connection(), ("api_tag", "tag"), api, &listing.details.tags)
    }

    fn put_draft(&mut self, api: EntryId, draft: Option<&ApiDefinition>) -> Result<()> {
        let draft = draft.map(json).transpose()?;
        let update = "UPDATE api_listing SET draft = $1 WHERE api = $2";
        run(self.connection(), update, params![draft, api.as_bytes()])?;
        Ok(())
    }

    fn put_document(&mut self, api: EntryId, document: Option<&str>) -> Result<()> {
        let update = "UPDATE api_listing SET document = $1 WHERE api = $2";
        run(self.connection(), update, params![document, api.as_bytes()])?;
        Ok(())
    }

    fn put_revision(&mut self, api: EntryId, revision: &Revision) -> Result<()> {
        run(
            self.connection(),
            "INSERT INTO api_revision (api, number, id, revision) VALUES ($1, $2, $3, $4)
             ON CONFLICT (api, number) DO UPDATE SET revision = excluded.revision",
            params![api.as_bytes(), revision.number, revision.id.as_bytes(), json(revision)?],
        )?;
        Ok(())
    }

    fn delete_revision(&mut self, api: EntryId, number: u32) -> Result<()> {
        let delete = "DELETE FROM api_revision WHERE api = $1 AND number = $2";
        run(self.connection(), delete, params![api.as_bytes(), number])?;
        Ok(())
    }

    fn append_state(&mut self, api: EntryId, change: &StateChange) -> Result<()> {
        run(
            self.connection(),
            "INSERT INTO api_history (api, seq, at, from_state, to_state, actor)
             SELECT $1, coalesce(max(seq), 0) + 1, $2, $3, $4, $5 FROM api_history WHERE api = $1",
            params![
                api.as_bytes(),
                change.at.as_millis(),
                change.from.map_or("", ApiState::as_str),
                change.to.as_str(),
                change.actor
            ],
        )?;
        Ok(())
    }

    fn put_scope_uses(&mut self, api: EntryId, names: &BTreeSet<String>) -> Result<()> {
        put_words(self.connection(), ("api_scope", "scope"), api, names)
    }

    fn put_shared_scope(&mut self, scope: &SharedScope) -> Result<()> {
        run(
            self.connection(),
            "INSERT INTO shared_scope (id, name, definition) VALUES ($1, $2, $3)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, definition = excluded.definition",
            params![scope.id.as_bytes(), scope.name, json(scope)?],
        )?;
        Ok(())
    }

    fn delete_shared_scope(&mut self, id: EntryId) -> Result<()> {
        run(self.connection(), "DELETE FROM shared_scope WHERE id = $1", [id.as_bytes()])?;
        Ok(())
    }

    fn put_role(&mut self, name: &str) -> Result<()> {
        let insert = "INSERT INTO role (name) VALUES ($1) ON CONFLICT (name) DO NOTHING";
        run(self.connection(), insert, [name])?;
        Ok(())
    }

    fn delete_role(&mut self, name: &str) -> Result<bool> {
        Ok(run(self.connection(), "DELETE FROM role WHERE name = $1", [name])? == 1)
    }
}
