//! The registry.
//!
//! Pages are found in indexes that hold everything that is sorted or searched by, and only the rows of the page are
//! fetched. How many there are is counted as rows come and go (`entry_count`), so that a first page does not cost a
//! walk over all of them. What everybody's names are searched for is found in `application_text`, and where a part of
//! many names is asked for, the page in the index of names.

use async_trait::async_trait;
use latchkey_catalog::application::{Application, ApplicationKind, fold};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::Subscription;
use latchkey_oauth::client::Client;
use latchkey_oauth::id::PrincipalId;
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::SqliteStore;
use super::application_text;
use super::catalogue::{APPLICATION, application_from_row, many, one, run};
use super::published::{SUBSCRIPTION, subscription_from_row};
use super::transaction::SqliteRows;
use crate::Result;
use crate::registry::{
    ApplicationQuery, ApplicationSort, Found, Order, PageOf, ReadRegistry, Registry, SeenBy, SubscriptionsOf,
    TextMatch, WriteRegistry, registered_client,
};
use crate::rows::SubscriptionKey;

/// What is counted of applications and of subscriptions: all of them under no bytes, and those of each owner and to
/// each API.
#[derive(Debug, Clone, Copy)]
pub(super) enum Counted {
    Applications,
    Subscriptions,
}

impl Counted {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Applications => "application",
            Self::Subscriptions => "subscription",
        }
    }
}

/// Counts entries of `owner` more or, where `by` is negative, less.
pub(super) fn count(connection: &Connection, what: Counted, owner: &[u8], by: i64) -> Result<()> {
    for owner in [owner, &[]] {
        run(
            connection,
            "INSERT INTO entry_count (kind, owner, entries) VALUES ($1, $2, $3)
             ON CONFLICT (kind, owner) DO UPDATE SET entries = entry_count.entries + excluded.entries",
            params![what.as_str(), owner, by],
        )?;
    }
    Ok(())
}

fn counted(connection: &Connection, what: Counted, owner: &[u8]) -> Result<u64> {
    let query = "SELECT entries FROM entry_count WHERE kind = $1 AND owner = $2";
    Ok(one(connection, query, params![what.as_str(), owner], number)?.unwrap_or_default())
}

pub(super) fn number(row: &rusqlite::Row<'_>) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(0)?.cast_unsigned())
}

/// The groups of an application as they are from now on.
pub(super) fn put_groups(connection: &Connection, application: &Application) -> Result<()> {
    let id = application.id.as_bytes();
    run(connection, "DELETE FROM application_group WHERE application = $1", [id])?;
    for group in &application.details.groups {
        let insert = "INSERT INTO application_group (group_name, application) VALUES ($1, $2)";
        run(connection, insert, params![group, id])?;
    }
    Ok(())
}

/// Folds the names that SQLite's `lower` did not: it knows the letters of ASCII only.
pub(super) fn fold_names(connection: &Connection) -> Result<()> {
    for table in ["application", "api_listing"] {
        let id = if table == "application" { "id" } else { "api" };
        let names = format!("SELECT {id}, name, folded FROM {table}");
        let update = format!("UPDATE {table} SET folded = $1 WHERE {id} = $2");
        let rows = many(connection, &names, [], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        })?;
        for (id, name, folded) in rows {
            if fold(&name) != folded {
                run(connection, &update, params![fold(&name), id])?;
            }
        }
    }
    Ok(())
}

/// A query with its values.
#[derive(Debug, Default)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
}

impl Statement {
    /// The name of a value in the text.
    pub(super) fn value(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }
}

fn bytes(id: PrincipalId) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// The most applications that a search names one by one; of more the page is looked for in the order of its index, in
/// which it is soon found.
const NAMED: u64 = 1000;

/// How many portal applications' names hold a part that can be searched.
fn searched(connection: &Connection, query: &ApplicationQuery) -> Result<Option<(String, u64)>> {
    let (SeenBy::Everybody, Some(TextMatch::Containing(part))) = (&query.seen_by, &query.name) else {
        return Ok(None);
    };
    let Some(phrase) = application_text::phrase(part) else { return Ok(None) };
    let count = "SELECT count(*) FROM application_text WHERE application_text MATCH $1";
    let total = one(connection, count, [&phrase], number)?.unwrap_or_default();
    Ok(Some((phrase, total)))
}

/// `FROM` and `WHERE` of the applications that a query asks for.
fn wanted(query: &ApplicationQuery) -> Statement {
    let mut statement = Statement::default();
    let mut conditions = vec!["a.kind = 'PORTAL'".to_owned()];
    let mut from = "application a".to_owned();
    match &query.seen_by {
        SeenBy::Everybody => {}
        SeenBy::Owner(owner) => conditions.push(format!("a.owner = {}", statement.value(bytes(*owner)))),
        SeenBy::Member(owner, groups) => {
            let owner = statement.value(bytes(*owner));
            let groups: Vec<String> = groups.iter().map(|group| statement.value(group.clone())).collect();
            from = format!(
                "(SELECT id FROM application WHERE owner = {owner} AND kind = 'PORTAL'
                  UNION SELECT application FROM application_group WHERE group_name IN ({})) seen
                 CROSS JOIN application a ON a.id = seen.id",
                groups.join(", ")
            );
        }
    }
    match &query.name {
        None => {}
        Some(TextMatch::Exactly(whole)) => {
            conditions.push(format!("a.folded = {}", statement.value(fold(whole))));
        }
        Some(TextMatch::Beginning(part)) => {
            let part = fold(part);
            let after = format!("{part}\u{10ffff}");
            conditions.push(format!("a.folded >= {}", statement.value(part)));
            conditions.push(format!("a.folded < {}", statement.value(after)));
        }
        Some(TextMatch::Containing(part)) => {
            conditions.push(format!("instr(a.folded, {}) > 0", statement.value(fold(part))));
        }
    }
    statement.text = format!("FROM {from} WHERE {}", conditions.join(" AND "));
    statement
}

/// The columns that a query sorts by.
fn sorted_by(query: &ApplicationQuery, order: Order) -> String {
    let columns: &[&str] = match (query.sort, &query.seen_by) {
        (ApplicationSort::Name, _) | (ApplicationSort::Owner, SeenBy::Owner(_)) => &["a.folded"],
        (ApplicationSort::Owner, _) => &["a.owner_name", "a.folded"],
        (ApplicationSort::CreatedAt, _) => &["a.created_at"],
        (ApplicationSort::Tier, _) => &["a.tier", "a.folded"],
        (ApplicationSort::Status, _) => &["a.status", "a.folded"],
    };
    let direction = match order {
        Order::Ascending => "ASC",
        Order::Descending => "DESC",
    };
    let columns = columns.iter().chain(&["a.id"]).map(|column| format!("{column} {direction}"));
    columns.collect::<Vec<_>>().join(", ")
}

pub(super) fn offset(page: PageOf) -> i64 {
    i64::try_from(page.offset).unwrap_or(i64::MAX)
}

/// The page as it lies from the nearer end of all that there are: what lies before it has to be walked.
fn from_the_nearer_end(page: PageOf, total: u64, order: Order) -> (Order, PageOf) {
    let behind = total.saturating_sub(page.offset).saturating_sub(page.limit.into());
    if page.offset <= behind {
        return (order, page);
    }
    let there = total.saturating_sub(page.offset).min(page.limit.into());
    let other = match order {
        Order::Ascending => Order::Descending,
        Order::Descending => Order::Ascending,
    };
    (other, PageOf { offset: behind, limit: u32::try_from(there).unwrap_or(page.limit) })
}

fn find_applications(connection: &Connection, query: &ApplicationQuery) -> Result<Found<Application>> {
    let mut statement = wanted(query);
    let searched = searched(connection, query)?;
    if let Some((phrase, 0..=NAMED)) = &searched {
        let phrase = statement.value(phrase.clone());
        let named = "SELECT id FROM application_text WHERE application_text MATCH";
        statement.text = format!("FROM application a WHERE a.id IN ({named} {phrase})");
    }
    let total = match (&query.seen_by, &query.name) {
        _ if searched.is_some() => searched.map_or(0, |(_, total)| total),
        (SeenBy::Everybody, None) => counted(connection, Counted::Applications, &[])?,
        (SeenBy::Owner(owner), None) => counted(connection, Counted::Applications, owner.as_bytes())?,
        (SeenBy::Everybody | SeenBy::Owner(_) | SeenBy::Member(..), _) => {
            let count = format!("SELECT count(*) {}", statement.text);
            one(connection, &count, params_from_iter(&statement.values), number)?.unwrap_or_default()
        }
    };
    let order = sorted_by(query, query.order);
    let (way, page) = from_the_nearer_end(query.page, total, query.order);
    let way = sorted_by(query, way);
    let (limit, skipped) = (statement.value(i64::from(page.limit)), statement.value(offset(page)));
    let text = format!(
        "{APPLICATION} JOIN (SELECT a.id AS id {} ORDER BY {way} LIMIT {limit} OFFSET {skipped}) p
         ON p.id = a.id ORDER BY {order}",
        statement.text
    );
    let entries = many(connection, &text, params_from_iter(&statement.values), application_from_row)?;
    Ok(Found { entries, total })
}

fn find_subscriptions(
    connection: &Connection,
    of: SubscriptionsOf,
    page: PageOf,
) -> Result<Found<Subscription>> {
    let mut statement = Statement::default();
    let (from, total) = match of {
        SubscriptionsOf::All => (String::new(), Some(counted(connection, Counted::Subscriptions, &[])?)),
        SubscriptionsOf::Application(id) => {
            (format!("WHERE s.application = {}", statement.value(id.as_bytes().to_vec())), None)
        }
        SubscriptionsOf::Api(id) => {
            let total = counted(connection, Counted::Subscriptions, id.as_bytes())?;
            (format!("WHERE s.api = {}", statement.value(id.as_bytes().to_vec())), Some(total))
        }
        SubscriptionsOf::Subscriber(owner, api) => {
            let owner = statement.value(bytes(owner));
            let api = statement.value(api.as_bytes().to_vec());
            // From the owner's few applications to their keys, not from everybody who subscribes to the API.
            let from = format!(
                "WHERE s.application IN (SELECT id FROM application WHERE owner = {owner} AND kind = 'PORTAL')
                   AND s.api = {api}"
            );
            (from, None)
        }
    };
    let total = if let Some(total) = total {
        total
    } else {
        let count = format!("SELECT count(*) FROM subscription s {from}");
        one(connection, &count, params_from_iter(&statement.values), number)?.unwrap_or_default()
    };
    let (limit, skipped) = (statement.value(i64::from(page.limit)), statement.value(offset(page)));
    let text = format!("{SUBSCRIPTION} {from} ORDER BY s.application, s.api LIMIT {limit} OFFSET {skipped}");
    let entries = many(connection, &text, params_from_iter(&statement.values), subscription_from_row)?;
    Ok(Found { entries, total })
}

#[async_trait]
impl Registry for SqliteStore {
    async fn application(&self, id: EntryId) -> Result<Option<Application>> {
        self.read(move |rows| rows.application(id)).await
    }

    async fn application_named(
        &self,
        owner: PrincipalId,
        kind: ApplicationKind,
        name: &str,
    ) -> Result<Option<Application>> {
        let name = name.to_owned();
        self.read(move |rows| rows.application_by_name(owner, kind, &name)).await
    }

    async fn find_applications(&self, query: ApplicationQuery) -> Result<Found<Application>> {
        self.read(move |rows| rows.find_applications(&query)).await
    }

    async fn registered_client(&self, registration: EntryId) -> Result<Option<(Client, Vec<u8>)>> {
        self.read(move |rows| registered_client(rows, registration)).await
    }

    async fn subscription(&self, id: EntryId) -> Result<Option<Subscription>> {
        self.read(move |rows| rows.subscription(id)).await
    }

    async fn subscription_between(&self, key: SubscriptionKey) -> Result<Option<Subscription>> {
        self.read(move |rows| rows.subscription_between(key)).await
    }

    async fn find_subscriptions(&self, of: SubscriptionsOf, page: PageOf) -> Result<Found<Subscription>> {
        self.read(move |rows| rows.find_subscriptions(of, page)).await
    }

    async fn subscription_counts(&self, applications: Vec<EntryId>) -> Result<Vec<u64>> {
        self.read(move |rows| applications.into_iter().map(|id| rows.subscription_count(id)).collect()).await
    }
}

impl ReadRegistry for SqliteRows<'_> {
    fn find_applications(&mut self, query: &ApplicationQuery) -> Result<Found<Application>> {
        find_applications(self.connection(), query)
    }

    fn registration_of(&mut self, client: PrincipalId) -> Result<Option<EntryId>> {
        let query = "SELECT registration FROM client_mapping WHERE client = $1";
        one(self.connection(), query, [client.as_bytes()], |row| Ok(EntryId::from_bytes(row.get(0)?)))
    }

    fn mapped_from(&mut self, registration: EntryId) -> Result<Option<PrincipalId>> {
        let query = "SELECT client FROM client_mapping WHERE registration = $1";
        let id = registration.as_bytes();
        one(self.connection(), query, [id], |row| Ok(PrincipalId::from_bytes(row.get(0)?)))
    }

    fn subscription(&mut self, id: EntryId) -> Result<Option<Subscription>> {
        let query = format!("{SUBSCRIPTION} WHERE s.id = $1");
        one(self.connection(), &query, [id.as_bytes()], subscription_from_row)
    }

    fn subscription_between(&mut self, (application, api): SubscriptionKey) -> Result<Option<Subscription>> {
        let query = format!("{SUBSCRIPTION} WHERE s.application = $1 AND s.api = $2");
        one(self.connection(), &query, [application.as_bytes(), api.as_bytes()], subscription_from_row)
    }

    fn find_subscriptions(&mut self, of: SubscriptionsOf, page: PageOf) -> Result<Found<Subscription>> {
        find_subscriptions(self.connection(), of, page)
    }

    fn subscription_count(&mut self, application: EntryId) -> Result<u64> {
        let query = "SELECT count(*) FROM subscription WHERE application = $1";
        Ok(one(self.connection(), query, [application.as_bytes()], number)?.unwrap_or_default())
    }
}

impl WriteRegistry for SqliteRows<'_> {
    fn put_registration(&mut self, client: PrincipalId, registration: Option<EntryId>) -> Result<()> {
        let client = client.as_bytes();
        match registration {
            Some(registration) => run(
                self.connection(),
                "INSERT INTO client_mapping (client, registration) VALUES ($1, $2)
                 ON CONFLICT (client) DO UPDATE SET registration = excluded.registration",
                [client, registration.as_bytes()],
            )?,
            None => run(self.connection(), "DELETE FROM client_mapping WHERE client = $1", [client])?,
        };
        Ok(())
    }
}
