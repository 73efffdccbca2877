//! The rows of applications and clients, and of epochs.

use latchkey_catalog::application::{Application, ApplicationKind, ApplicationStatus};
use latchkey_catalog::id::EntryId;
use latchkey_oauth::client::{Client, GrantType, KeyType, TokenFormat, Validities};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::Validity;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::keyring::SecretMac;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::application_text;
use super::registry::{self, Counted};
use crate::unit::NewClient;
use crate::{Result, StoreError};

pub(super) const APPLICATION: &str = "SELECT a.id, a.kind, a.owner, a.name, a.tier, a.status, a.created_at,
    a.updated_at, a.details FROM application a";
const CLIENT: &str = "SELECT id, consumer_key, key_type, secret_macs, grants, token_format,
    application_validity, user_validity, refresh_validity, secret_sealed, further_secrets, metadata FROM client";

pub(super) fn one<T>(
    connection: &Connection,
    query: &str,
    values: impl Params,
    from: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>> {
    Ok(connection.prepare_cached(query)?.query_row(values, from).optional()?)
}

pub(super) fn many<T>(
    connection: &Connection,
    query: &str,
    values: impl Params,
    from: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut select = connection.prepare_cached(query)?;
    Ok(select.query_map(values, from)?.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn run(connection: &Connection, statement: &str, values: impl Params) -> Result<usize> {
    Ok(connection.prepare_cached(statement)?.execute(values)?)
}

pub(super) fn epoch(connection: &Connection, principal: PrincipalId) -> Result<Option<u64>> {
    let query = "SELECT epoch FROM principal WHERE id = $1";
    one(connection, query, [principal.as_bytes()], |row| Ok(row.get::<_, i64>(0)?.cast_unsigned()))
}

pub(super) fn put_epoch(connection: &Connection, principal: PrincipalId, epoch: Option<u64>) -> Result<()> {
    let id = principal.as_bytes();
    match epoch {
        Some(epoch) => run(
            connection,
            "INSERT INTO principal (id, epoch) VALUES ($1, $2)
             ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch",
            params![id, epoch.cast_signed()],
        )?,
        None => run(connection, "DELETE FROM principal WHERE id = $1", [id])?,
    };
    Ok(())
}

pub(super) fn application(connection: &Connection, id: EntryId) -> Result<Option<Application>> {
    one(connection, &format!("{APPLICATION} WHERE a.id = $1"), [id.as_bytes()], application_from_row)
}

pub(super) fn application_of(connection: &Connection, client: PrincipalId) -> Result<Option<Application>> {
    let query = format!("{APPLICATION} JOIN client c ON c.application = a.id WHERE c.id = $1");
    one(connection, &query, [client.as_bytes()], application_from_row)
}

pub(super) fn application_by_name(
    connection: &Connection,
    owner: PrincipalId,
    kind: ApplicationKind,
    name: &str,
) -> Result<Option<Application>> {
    let query = format!("{APPLICATION} WHERE a.owner = $1 AND a.kind = $2 AND a.name = $3");
    one(connection, &query, params![owner.as_bytes(), kind.as_str(), name], application_from_row)
}

pub(super) fn applications(
    connection: &Connection,
    owner: Option<PrincipalId>,
    after: Option<EntryId>,
    limit: u32,
) -> Result<Vec<Application>> {
    let after = after.map_or([0; 16], |after| *after.as_bytes());
    match owner {
        Some(owner) => many(
            connection,
            &format!("{APPLICATION} WHERE a.owner = $1 AND a.id > $2 ORDER BY a.id LIMIT $3"),
            params![owner.as_bytes(), after, limit],
            application_from_row,
        ),
        None => many(
            connection,
            &format!("{APPLICATION} WHERE a.id > $1 ORDER BY a.id LIMIT $2"),
            params![after, limit],
            application_from_row,
        ),
    }
}

pub(super) fn put_application(connection: &Connection, application: &Application) -> Result<()> {
    let before = self::application(connection, application.id)?;
    run(
        connection,
        "INSERT INTO application (id, kind, owner, owner_name, name, folded, tier, status, created_at, updated_at,
            details)
         VALUES ($1, $2, $3, coalesce((SELECT name FROM users WHERE id = $3), ''), $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, name = excluded.name, folded = excluded.folded,
            owner_name = CASE WHEN application.owner = excluded.owner THEN application.owner_name
                ELSE excluded.owner_name END,
            tier = excluded.tier, status = excluded.status, updated_at = excluded.updated_at,
            details = excluded.details",
        params![
            application.id.as_bytes(),
            application.kind.as_str(),
            application.owner.as_bytes(),
            application.name,
            application.folded_name(),
            application.tier,
            application.status.as_str(),
            application.created_at.as_millis(),
            application.updated_at.as_millis(),
            json(&application.details)?
        ],
    )?;
    application_text::put(connection, before.as_ref(), Some(application))?;
    if before.as_ref().map(|before| before.owner) != Some(application.owner) {
        if let Some(before) = &before {
            count_application(connection, before, -1)?;
        }
        count_application(connection, application, 1)?;
    }
    if before.map(|before| before.details.groups).unwrap_or_default() != application.details.groups {
        registry::put_groups(connection, application)?;
    }
    Ok(())
}

fn count_application(connection: &Connection, application: &Application, by: i64) -> Result<()> {
    if application.kind == ApplicationKind::Registration {
        return Ok(());
    }
    registry::count(connection, Counted::Applications, application.owner.as_bytes(), by)
}

pub(super) fn delete_application(connection: &Connection, id: EntryId) -> Result<()> {
    let Some(application) = application(connection, id)? else { return Ok(()) };
    run(connection, "DELETE FROM application_group WHERE application = $1", [id.as_bytes()])?;
    run(connection, "DELETE FROM application WHERE id = $1", [id.as_bytes()])?;
    application_text::put(connection, Some(&application), None)?;
    count_application(connection, &application, -1)
}

pub(super) fn client(connection: &Connection, id: PrincipalId) -> Result<Option<Client>> {
    one(connection, &format!("{CLIENT} WHERE id = $1"), [id.as_bytes()], client_from_row)
}

/// The clients and API keys of an application.
pub(super) fn holders(connection: &Connection, application: EntryId) -> Result<Vec<PrincipalId>> {
    let query = "SELECT id FROM client WHERE application = $1
        UNION ALL SELECT id FROM api_key WHERE application = $1";
    many(connection, query, [application.as_bytes()], |row| Ok(PrincipalId::from_bytes(row.get(0)?)))
}

pub(super) fn client_by_key(connection: &Connection, consumer_key: &str) -> Result<Option<Client>> {
    one(connection, &format!("{CLIENT} WHERE consumer_key = $1"), [consumer_key], client_from_row)
}

pub(super) fn clients_of(connection: &Connection, application: EntryId) -> Result<Vec<(Client, Vec<u8>)>> {
    let query = format!("{CLIENT} WHERE application = $1 ORDER BY key_type");
    many(connection, &query, [application.as_bytes()], |row| Ok((client_from_row(row)?, row.get(9)?)))
}

pub(super) fn put_client(connection: &Connection, application: EntryId, new: &NewClient) -> Result<()> {
    let client = &new.client;
    let macs: Vec<u8> =
        client.secrets.iter().flat_map(|mac| mac.key.to_be_bytes().into_iter().chain(mac.tag)).collect();
    let grants: Vec<&str> = client.grants.iter().map(|grant| grant.as_str()).collect();
    run(
        connection,
        "INSERT INTO client (id, consumer_key, application, key_type, secret_macs, secret_sealed, grants,
            token_format, application_validity, user_validity, refresh_validity, further_secrets, metadata)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (id) DO UPDATE SET application = excluded.application, key_type = excluded.key_type,
            further_secrets = excluded.further_secrets, metadata = excluded.metadata,
            secret_macs = excluded.secret_macs,
            secret_sealed = excluded.secret_sealed, grants = excluded.grants,
            token_format = excluded.token_format, application_validity = excluded.application_validity,
            user_validity = excluded.user_validity, refresh_validity = excluded.refresh_validity",
        params![
            client.id.as_bytes(),
            client.consumer_key,
            application.as_bytes(),
            client.key_type.as_str(),
            macs,
            new.sealed_secret,
            grants.join(" "),
            client.token_format.as_str(),
            i64::from(client.validities.application),
            i64::from(client.validities.user),
            i64::from(client.validities.refresh),
            json(&client.further_secrets)?,
            json(&client.metadata)?
        ],
    )?;
    Ok(())
}

pub(super) fn delete_client(connection: &Connection, id: PrincipalId) -> Result<()> {
    run(connection, "DELETE FROM client WHERE id = $1", [id.as_bytes()])?;
    Ok(())
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// A text column that holds none of the words it may hold.
pub(super) fn unknown(place: usize, column: &str) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(place, column.to_owned(), Type::Text)
}

pub(super) fn application_from_row(row: &Row<'_>) -> rusqlite::Result<Application> {
    Ok(Application {
        id: EntryId::from_bytes(row.get(0)?),
        kind: ApplicationKind::parse(row.get_ref(1)?.as_str()?).ok_or_else(|| unknown(1, "kind"))?,
        owner: PrincipalId::from_bytes(row.get(2)?),
        name: row.get(3)?,
        tier: row.get(4)?,
        status: ApplicationStatus::parse(row.get_ref(5)?.as_str()?).ok_or_else(|| unknown(5, "status"))?,
        created_at: Timestamp::from_millis(row.get(6)?),
        updated_at: Timestamp::from_millis(row.get(7)?),
        details: document(row, 8, "details")?,
    })
}

/// A column that holds a document.
pub(super) fn document<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    place: usize,
    column: &str,
) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(place)?.as_str()?).map_err(|_| unknown(place, column))
}

fn client_from_row(row: &Row<'_>) -> rusqlite::Result<Client> {
    let key_type = match row.get_ref(2)?.as_str()? {
        "PRODUCTION" => KeyType::Production,
        "SANDBOX" => KeyType::Sandbox,
        _ => return Err(unknown(2, "key_type")),
    };
    let secrets = row
        .get_ref(3)?
        .as_blob()?
        .as_chunks::<34>()
        .0
        .iter()
        .map(|mac| SecretMac {
            key: u16::from_be_bytes([mac[0], mac[1]]),
            tag: mac[2..].try_into().expect("34 less 2 is 32"),
        })
        .collect();
    let grants = row
        .get_ref(4)?
        .as_str()?
        .split_whitespace()
        .map(str::parse::<GrantType>)
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| unknown(4, "grants"))?;
    let token_format: TokenFormat =
        row.get_ref(5)?.as_str()?.parse().map_err(|_| unknown(5, "token_format"))?;
    Ok(Client {
        id: PrincipalId::from_bytes(row.get(0)?),
        consumer_key: row.get(1)?,
        key_type,
        secrets,
        grants,
        token_format,
        validities: Validities {
            application: Validity::from(row.get::<_, i64>(6)?),
            user: Validity::from(row.get::<_, i64>(7)?),
            refresh: Validity::from(row.get::<_, i64>(8)?),
        },
        further_secrets: document(row, 10, "further_secrets")?,
        metadata: document(row, 11, "metadata")?,
    })
}
