//! The rows of what is published: APIs, subscriptions to them, tiers.

use latchkey_catalog::api::Api;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::{Subscription, SubscriptionState};
use latchkey_catalog::tier::{Level, Tier};
use latchkey_oauth::clock::Timestamp;
use rusqlite::{Connection, Row, params};

use super::catalogue::{json, many, one, run, unknown};
use super::registry::{self, Counted};
use crate::Result;
use crate::rows::{Subscribed, SubscriptionKey};

const API: &str = "SELECT id, name, context, version, definition FROM api";
pub(super) const SUBSCRIPTION: &str = "SELECT s.id, s.application, s.api, s.tier, s.requested_tier, s.state,
    s.created_at, s.updated_at FROM subscription s";
const TIER: &str = "SELECT definition FROM tier";

pub(super) fn api(connection: &Connection, id: EntryId) -> Result<Option<Api>> {
    one(connection, &format!("{API} WHERE id = $1"), [id.as_bytes()], api_from_row)
}

pub(super) fn apis(connection: &Connection) -> Result<Vec<Api>> {
    many(connection, &format!("{API} ORDER BY context, version"), [], api_from_row)
}

pub(super) fn put_api(connection: &Connection, api: &Api) -> Result<()> {
    run(
        connection,
        "INSERT INTO api (id, name, context, version, definition) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, definition = excluded.definition",
        params![api.id.as_bytes(), api.name, api.context, api.version, json(&api.definition)?],
    )?;
    Ok(())
}

pub(super) fn delete_api(connection: &Connection, id: EntryId) -> Result<()> {
    for table in ["api_listing", "api_tag", "api_role", "api_scope", "api_revision", "api_history"] {
        run(connection, &format!("DELETE FROM {table} WHERE api = $1"), [id.as_bytes()])?;
    }
    run(connection, "DELETE FROM api WHERE id = $1", [id.as_bytes()])?;
    Ok(())
}

pub(super) fn subscriptions_of(connection: &Connection, application: EntryId) -> Result<Vec<Subscription>> {
    let query = format!("{SUBSCRIPTION} WHERE s.application = $1 ORDER BY s.api");
    many(connection, &query, [application.as_bytes()], subscription_from_row)
}

pub(super) fn subscriptions(
    connection: &Connection,
    which: Subscribed,
    after: Option<SubscriptionKey>,
    limit: u32,
) -> Result<Vec<Subscription>> {
    let (concerned, id) = match which {
        Subscribed::All => ("$3 IS NULL", None),
        Subscribed::By(application) => ("s.application = $3", Some(application)),
        Subscribed::To(api) => ("s.api = $3", Some(api)),
    };
    let query = format!(
        "{SUBSCRIPTION} WHERE (s.application, s.api) > ($1, $2) AND {concerned} ORDER BY s.application, s.api LIMIT $4"
    );
    // A key of no bytes comes before every other.
    let (application, api) = match &after {
        Some((application, api)) => (&application.as_bytes()[..], &api.as_bytes()[..]),
        None => (&[][..], &[][..]),
    };
    let id = id.as_ref().map(EntryId::as_bytes);
    many(connection, &query, params![application, api, id, limit], subscription_from_row)
}

pub(super) fn delete_subscriptions_to(connection: &Connection, api: EntryId) -> Result<()> {
    let gone = run(connection, "DELETE FROM subscription WHERE api = $1", [api.as_bytes()])?;
    let gone = i64::try_from(gone).unwrap_or(i64::MAX);
    registry::count(connection, Counted::Subscriptions, api.as_bytes(), -gone)
}

pub(super) fn put_subscription(connection: &Connection, subscription: &Subscription) -> Result<()> {
    let changed = run(
        connection,
        "UPDATE subscription SET tier = $1, requested_tier = $2, state = $3, updated_at = $4
         WHERE application = $5 AND api = $6",
        params![
            subscription.tier,
            subscription.requested_tier,
            subscription.state.as_str(),
            subscription.updated_at.as_millis(),
            subscription.application.as_bytes(),
            subscription.api.as_bytes()
        ],
    )?;
    if changed == 1 {
        return Ok(());
    }
    run(
        connection,
        "INSERT INTO subscription (application, api, tier, requested_tier, state, updated_at, created_at, id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            subscription.application.as_bytes(),
            subscription.api.as_bytes(),
            subscription.tier,
            subscription.requested_tier,
            subscription.state.as_str(),
            subscription.updated_at.as_millis(),
            subscription.created_at.as_millis(),
            subscription.id.as_bytes()
        ],
    )?;
    registry::count(connection, Counted::Subscriptions, subscription.api.as_bytes(), 1)
}

pub(super) fn delete_subscription(
    connection: &Connection,
    application: EntryId,
    api: EntryId,
) -> Result<bool> {
    let statement = "DELETE FROM subscription WHERE application = $1 AND api = $2";
    if run(connection, statement, params![application.as_bytes(), api.as_bytes()])? == 0 {
        return Ok(false);
    }
    registry::count(connection, Counted::Subscriptions, api.as_bytes(), -1)?;
    Ok(true)
}

pub(super) fn is_tier_used(connection: &Connection, level: Level, name: &str) -> Result<bool> {
    let query = match level {
        Level::Application => {
            "SELECT 1 FROM application WHERE kind IN ('PORTAL', 'REGISTRATION') AND tier = $1 LIMIT 1"
        }
        Level::Subscription => "SELECT 1 FROM subscription WHERE tier = $1 LIMIT 1",
        // The documents of APIs name them.
        Level::Resource => return Ok(apis(connection)?.iter().any(|api| api.definition.names_tier(name))),
    };
    Ok(one(connection, query, [name], |_| Ok(()))?.is_some())
}

pub(super) fn tier(connection: &Connection, level: Level, name: &str) -> Result<Option<Tier>> {
    let query = format!("{TIER} WHERE level = $1 AND name = $2");
    one(connection, &query, [level.as_str(), name], tier_from_row)
}

pub(super) fn tiers(connection: &Connection) -> Result<Vec<Tier>> {
    many(connection, &format!("{TIER} ORDER BY level, name"), [], tier_from_row)
}

pub(super) fn put_tier(connection: &Connection, tier: &Tier) -> Result<()> {
    run(
        connection,
        "INSERT INTO tier (level, name, definition) VALUES ($1, $2, $3)
         ON CONFLICT (level, name) DO UPDATE SET definition = excluded.definition",
        params![tier.level.as_str(), tier.name, json(tier)?],
    )?;
    Ok(())
}

pub(super) fn delete_tier(connection: &Connection, level: Level, name: &str) -> Result<()> {
    run(connection, "DELETE FROM tier WHERE level = $1 AND name = $2", [level.as_str(), name])?;
    Ok(())
}

fn api_from_row(row: &Row<'_>) -> rusqlite::Result<Api> {
    Ok(Api {
        id: EntryId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        context: row.get(2)?,
        version: row.get(3)?,
        definition: serde_json::from_str(row.get_ref(4)?.as_str()?).map_err(|_| unknown(4, "definition"))?,
    })
}

pub(super) fn subscription_from_row(row: &Row<'_>) -> rusqlite::Result<Subscription> {
    Ok(Subscription {
        id: EntryId::from_bytes(row.get(0)?),
        application: EntryId::from_bytes(row.get(1)?),
        api: EntryId::from_bytes(row.get(2)?),
        tier: row.get(3)?,
        requested_tier: row.get(4)?,
        state: SubscriptionState::parse(row.get_ref(5)?.as_str()?).ok_or_else(|| unknown(5, "state"))?,
        created_at: Timestamp::from_millis(row.get(6)?),
        updated_at: Timestamp::from_millis(row.get(7)?),
    })
}

fn tier_from_row(row: &Row<'_>) -> rusqlite::Result<Tier> {
    serde_json::from_str(row.get_ref(0)?.as_str()?).map_err(|_| unknown(0, "definition"))
}
