//! The rows of families, their holders and their aliases.

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::{
    AccessState, Device, Epochs, Expiry, Family, KeyDigest, MintedValue, MintedValues, RefreshState, Seed,
    Subject, SubjectType,
};
use latchkey_oauth::holder::HolderCount;
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::scope::Scope;
use latchkey_oauth::token_value::{LastProof, TokenReference};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use crate::Result;
use crate::rows::HolderId;

const SELECT: &str = "SELECT bucket, id, token_key, client, subject, subject_type, scope, device, seed,
    client_epoch, subject_epoch, access_generation, access_issued_at, access_expires_at, access_scope,
    refresh_generation, refresh_chain_start, refresh_issued_at, refresh_expires_at, refresh_used_at,
    access_digest, access_sealed, refresh_digest, refresh_sealed, spent_refresh_digests FROM family";

pub(super) fn by_id(connection: &Connection, bucket: Bucket, id: FamilyId) -> Result<Option<Family>> {
    one(connection, "WHERE bucket = $1 AND id = $2", params![bucket.number(), id.as_bytes()])
}

pub(super) fn by_key(connection: &Connection, bucket: Bucket, key: KeyDigest) -> Result<Option<Family>> {
    one(connection, "WHERE bucket = $1 AND token_key = $2", params![bucket.number(), key.0])
}

pub(super) fn of_holder(connection: &Connection, holder: HolderId) -> Result<Vec<Family>> {
    many(
        connection,
        "WHERE bucket = $1 AND client = $2 AND subject = $3",
        params![holder.bucket().number(), holder.client.as_bytes(), holder.subject.as_bytes()],
    )
}

pub(super) fn in_bucket(connection: &Connection, bucket: Bucket) -> Result<Vec<Family>> {
    many(connection, "WHERE bucket = $1", params![bucket.number()])
}

pub(super) fn has_device(connection: &Connection, holder: HolderId, device: &str) -> Result<bool> {
    let mut select = connection.prepare_cached(
        "SELECT 1 FROM family WHERE bucket = $1 AND client = $2 AND subject = $3 AND device = $4 LIMIT 1",
    )?;
    let found = select.exists(params![
        holder.bucket().number(),
        holder.client.as_bytes(),
        holder.subject.as_bytes(),
        device
    ])?;
    Ok(found)
}

fn one(connection: &Connection, condition: &str, values: impl Params) -> Result<Option<Family>> {
    let mut select = connection.prepare_cached(&format!("{SELECT} {condition}"))?;
    Ok(select.query_row(values, from_row).optional()?)
}

fn many(connection: &Connection, condition: &str, values: impl Params) -> Result<Vec<Family>> {
    let mut select = connection.prepare_cached(&format!("{SELECT} {condition}"))?;
    Ok(select.query_map(values, from_row)?.collect::<rusqlite::Result<_>>()?)
}

/// Adds a row.
pub(super) fn insert(connection: &Connection, family: &Family) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO family (bucket, id, token_key, client, subject, subject_type, scope, device, seed,
                client_epoch, subject_epoch, access_generation, access_issued_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, 0, 0)",
        )?
        .execute(params![
            family.bucket.number(),
            family.id.as_bytes(),
            family.key.0,
            family.client.as_bytes(),
            family.subject.id.as_bytes(),
            family.subject.kind as u8,
            family.scope.as_str(),
            family.device.as_str(),
            family.seed.as_bytes(),
        ])?;
    update(connection, family)
}

/// Sets what an issue, a refresh or a first use changes.
pub(super) fn update(connection: &Connection, family: &Family) -> Result<()> {
    let access = &family.access;
    let narrowed = (access.scope != family.scope).then(|| access.scope.as_str());
    let refresh = family.refresh;
    let minted = family.minted.as_deref();
    let access_value = minted.and_then(|minted| minted.access.as_ref());
    let refresh_value = minted.and_then(|minted| minted.refresh.as_ref());
    connection
        .prepare_cached(
            "UPDATE family SET client_epoch = $1, subject_epoch = $2, access_generation = $3,
                access_issued_at = $4, access_expires_at = $5, access_scope = $6, refresh_generation = $7,
                refresh_chain_start = $8, refresh_issued_at = $9, refresh_expires_at = $10,
                refresh_used_at = $11, access_digest = $12, access_sealed = $13, refresh_digest = $14,
                refresh_sealed = $15, spent_refresh_digests = $16
             WHERE bucket = $17 AND id = $18",
        )?
        .execute(params![
            family.epochs.client.cast_signed(),
            family.epochs.subject.cast_signed(),
            access.generation,
            access.issued_at.as_millis(),
            stored_expiry(access.expires),
            narrowed,
            refresh.map(|refresh| refresh.generation),
            refresh.map(|refresh| refresh.chain_start),
            refresh.map(|refresh| refresh.issued_at.as_millis()),
            refresh.and_then(|refresh| stored_expiry(refresh.expires)),
            refresh.and_then(|refresh| refresh.used_at).map(Timestamp::as_millis),
            access_value.map(|value| value.digest),
            access_value.map(|value| &value.sealed),
            refresh_value.map(|value| value.digest),
            refresh_value.map(|value| &value.sealed),
            minted.map(|minted| minted.spent_refresh.as_flattened()).filter(|spent| !spent.is_empty()),
            family.bucket.number(),
            family.id.as_bytes(),
        ])?;
    Ok(())
}

/// Removes a row; its aliases are the caller's.
pub(super) fn delete(connection: &Connection, family: &Family) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM family WHERE bucket = $1 AND id = $2")?
        .execute(params![family.bucket.number(), family.id.as_bytes()])?;
    Ok(())
}

pub(super) fn holder(connection: &Connection, holder: HolderId) -> Result<HolderCount> {
    let mut select = connection.prepare_cached(
        "SELECT devices, families FROM holder WHERE bucket = $1 AND client = $2 AND subject = $3",
    )?;
    let key = params![holder.bucket().number(), holder.client.as_bytes(), holder.subject.as_bytes()];
    let count = select
        .query_row(key, |row| Ok(HolderCount { devices: row.get(0)?, families: row.get(1)? }))
        .optional()?;
    Ok(count.unwrap_or_default())
}

pub(super) fn put_holder(connection: &Connection, holder: HolderId, count: HolderCount) -> Result<()> {
    let (bucket, client, subject) =
        (holder.bucket().number(), holder.client.as_bytes(), holder.subject.as_bytes());
    if count.families == 0 {
        connection
            .prepare_cached("DELETE FROM holder WHERE bucket = $1 AND client = $2 AND subject = $3")?
            .execute(params![bucket, client, subject])?;
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO holder (bucket, client, subject, devices, families) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (bucket, client, subject) DO UPDATE
                SET devices = excluded.devices, families = excluded.families",
        )?
        .execute(params![bucket, client, subject, count.devices, count.families])?;
    Ok(())
}

pub(super) fn holders_of(connection: &Connection, subject: PrincipalId) -> Result<Vec<HolderId>> {
    let mut select = connection.prepare_cached("SELECT client FROM holder WHERE subject = $1")?;
    let holders = select.query_map([subject.as_bytes()], |row| {
        Ok(HolderId { client: PrincipalId::from_bytes(row.get(0)?), subject })
    })?;
    Ok(holders.collect::<rusqlite::Result<_>>()?)
}

/// A seek in each shard.
const HOLDERS_THROUGH: &str = "WITH RECURSIVE shard (bucket) AS
        (VALUES (0) UNION ALL SELECT bucket + 1 FROM shard WHERE bucket < 4095)
    SELECT holder.subject FROM shard CROSS JOIN holder
        ON holder.bucket = shard.bucket AND holder.client = $1 LIMIT $2";

pub(super) fn holders_through(
    connection: &Connection,
    client: PrincipalId,
    limit: u32,
) -> Result<Vec<HolderId>> {
    let mut select = connection.prepare_cached(HOLDERS_THROUGH)?;
    let holders = select.query_map(params![client.as_bytes(), limit], |row| {
        Ok(HolderId { client, subject: PrincipalId::from_bytes(row.get(0)?) })
    })?;
    Ok(holders.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn alias(connection: &Connection, digest: [u8; 32]) -> Result<Option<TokenReference>> {
    let mut select = connection.prepare_cached(
        "SELECT kind, family_bucket, family, generation FROM alias WHERE bucket = $1 AND digest = $2",
    )?;
    let found = select.query_row(params![Bucket::of_digest(&digest).number(), digest], |row| {
        Ok(TokenReference {
            kind: if row.get::<_, u8>(0)? == 0 { ValueKind::Access } else { ValueKind::Refresh },
            bucket: stored_bucket(row, 1)?,
            family: FamilyId::from_bytes(row.get(2)?),
            generation: row.get(3)?,
        })
    });
    Ok(found.optional()?)
}

/// Makes the aliases of a family those of `after`, knowing that they are those of `before`.
pub(super) fn change_aliases(
    connection: &Connection,
    before: &[([u8; 32], TokenReference)],
    after: &[([u8; 32], TokenReference)],
) -> Result<()> {
    for (digest, _) in before.iter().filter(|alias| !after.contains(alias)) {
        connection
            .prepare_cached("DELETE FROM alias WHERE bucket = $1 AND digest = $2")?
            .execute(params![Bucket::of_digest(digest).number(), digest])?;
    }
    for (digest, names) in after.iter().filter(|alias| !before.contains(alias)) {
        connection
            .prepare_cached(
                "INSERT INTO alias (bucket, digest, kind, family_bucket, family, generation)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )?
            .execute(params![
                Bucket::of_digest(digest).number(),
                digest,
                u8::from(names.kind == ValueKind::Refresh),
                names.bucket.number(),
                names.family.as_bytes(),
                names.generation,
            ])?;
    }
    Ok(())
}

const fn stored_expiry(expires: Expiry) -> Option<i64> {
    match expires {
        Expiry::At(end) => Some(end.as_millis()),
        Expiry::Never => None,
    }
}

fn expiry(row: &Row<'_>, place: usize) -> rusqlite::Result<Expiry> {
    let end: Option<i64> = row.get(place)?;
    Ok(end.map_or(Expiry::Never, |end| Expiry::At(Timestamp::from_millis(end))))
}

fn stored_bucket(row: &Row<'_>, place: usize) -> rusqlite::Result<Bucket> {
    let number: u16 = row.get(place)?;
    Bucket::new(number).ok_or(rusqlite::Error::IntegralValueOutOfRange(place, i64::from(number)))
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Family> {
    let kind = match row.get::<_, u8>(5)? {
        0 => SubjectType::Application,
        1 => SubjectType::ApplicationUser,
        _ => return Err(rusqlite::Error::InvalidColumnType(5, "subject_type".to_owned(), Type::Integer)),
    };
    let scope = Scope::from_canonical(row.get_ref(6)?.as_str()?);
    let narrowed: Option<String> = row.get(14)?;
    Ok(Family {
        bucket: stored_bucket(row, 0)?,
        id: FamilyId::from_bytes(row.get(1)?),
        key: KeyDigest(row.get(2)?),
        client: PrincipalId::from_bytes(row.get(3)?),
        subject: Subject { kind, id: PrincipalId::from_bytes(row.get(4)?) },
        device: Device::from_stored(row.get_ref(7)?.as_str()?),
        seed: Seed::from_bytes(row.get(8)?),
        epochs: Epochs {
            client: row.get::<_, i64>(9)?.cast_unsigned(),
            subject: row.get::<_, i64>(10)?.cast_unsigned(),
        },
        access: AccessState {
            generation: row.get(11)?,
            issued_at: Timestamp::from_millis(row.get(12)?),
            expires: expiry(row, 13)?,
            scope: narrowed.map_or_else(|| scope.clone(), |narrowed| Scope::from_canonical(&narrowed)),
        },
        refresh: refresh_from_row(row)?,
        minted: minted_from_row(row)?,
        last_proof: LastProof::default(),
        scope,
    })
}

fn refresh_from_row(row: &Row<'_>) -> rusqlite::Result<Option<RefreshState>> {
    let Some(generation) = row.get(15)? else { return Ok(None) };
    Ok(Some(RefreshState {
        generation,
        chain_start: row.get(16)?,
        issued_at: Timestamp::from_millis(row.get(17)?),
        expires: expiry(row, 18)?,
        used_at: row.get::<_, Option<i64>>(19)?.map(Timestamp::from_millis),
    }))
}

fn minted_from_row(row: &Row<'_>) -> rusqlite::Result<Option<Box<MintedValues>>> {
    let value = |digest: usize, sealed: usize| {
        let digest: Option<[u8; 32]> = row.get(digest)?;
        let sealed: Option<Vec<u8>> = row.get(sealed)?;
        Ok::<_, rusqlite::Error>(digest.zip(sealed).map(|(digest, sealed)| MintedValue { digest, sealed }))
    };
    let spent = row.get_ref(24)?.as_blob_or_null()?.unwrap_or_default();
    let minted = MintedValues {
        access: value(20, 21)?,
        refresh: value(22, 23)?,
        spent_refresh: spent.as_chunks::<32>().0.to_vec(),
    };
    Ok((minted != MintedValues::default()).then(|| Box::new(minted)))
}

#[cfg(test)]
mod tests;
