//! The event log's rows.

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::event::{Event, EventKind, FamilyMark};
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};
use latchkey_oauth::revocation::Reason;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};

use crate::rows::{Position, StoredEvent};
use crate::{Result, StoreError};

/// Where the writer stands: the epoch of its start, and the number of its last event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) epoch: u64,
    pub(super) seq: u64,
}

/// Looks whether the writer's own row is as the writer left it, so that no second writer goes unnoticed.
pub(super) fn check_standing(connection: &Connection, standing: Standing) -> Result<()> {
    let is_ours = connection
        .prepare_cached("SELECT 1 FROM writer WHERE id = 1 AND epoch = $1 AND last_seq = $2")?
        .exists(params![standing.epoch.cast_signed(), standing.seq.cast_signed()])?;
    if is_ours { Ok(()) } else { Err(second_writer()) }
}

fn second_writer() -> StoreError {
    StoreError::Unavailable("another process has written to the database".to_owned())
}

/// Appends `events`; answers the last number. The writer's row is compared and set.
pub(super) fn append(
    connection: &Connection,
    events: &[Event],
    Standing { epoch, seq: from }: Standing,
    event_max: u64,
) -> Result<u64> {
    let to = from + events.len() as u64;
    let set = connection
        .prepare_cached("UPDATE writer SET last_seq = $1 WHERE id = 1 AND epoch = $2 AND last_seq = $3")?
        .execute(params![to.cast_signed(), epoch.cast_signed(), from.cast_signed()])?;
    if set != 1 {
        return Err(second_writer());
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO event (writer, seq, epoch, at, kind, client, subject, bucket, family,
            access_generation, refresh_generation, reason, actor)
         VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )?;
    for (number, event) in (from + 1..).zip(events) {
        let mark = event.family;
        insert.execute(params![
            number.cast_signed(),
            epoch.cast_signed(),
            event.at.as_millis(),
            event.kind.as_str(),
            event.client.as_ref().map(PrincipalId::as_bytes),
            event
                .subject
                .as_ref()
                .filter(|subject| Some(**subject) != event.client)
                .map(PrincipalId::as_bytes),
            mark.map(|mark| mark.bucket.number()),
            mark.as_ref().map(|mark| mark.id.as_bytes()),
            mark.map(|mark| mark.access_generation),
            mark.map(|mark| mark.refresh_generation),
            event.reason.map(Reason::as_str),
            event.actor.as_deref(),
        ])?;
    }
    make_room(connection, (to, events.len() as u64), event_max)?;
    Ok(to)
}

/// Removes the oldest events where there are more than `event_max`, and some more at once, so that not every
/// commit writes at both ends of the log. `added` were appended just now, up to number `to`.
fn make_room(connection: &Connection, (to, added): (u64, u64), event_max: u64) -> Result<()> {
    if to <= event_max {
        return Ok(());
    }
    let first = connection
        .prepare_cached("SELECT coalesce(min(seq), 0) FROM event WHERE writer = 1")?
        .query_row([], |row| row.get::<_, i64>(0))?
        .cast_unsigned();
    if to - first < event_max {
        return Ok(());
    }
    let spare = (event_max / 16).min(512);
    // Where the bound was lowered, the log shrinks step by step, so that no commit takes long.
    let until = (to - event_max + spare).min(first + 2 * added + spare + 64);
    connection
        .prepare_cached("DELETE FROM event WHERE writer = 1 AND seq <= $1")?
        .execute([until.cast_signed()])?;
    Ok(())
}

/// Up to `limit` events after number `after`.
pub(super) fn after(connection: &Connection, after: u64, limit: u32) -> Result<Vec<StoredEvent>> {
    let mut select = connection.prepare_cached(
        "SELECT seq, epoch, at, kind, client, subject, bucket, family, access_generation,
            refresh_generation, reason, actor
         FROM event WHERE writer = 1 AND seq > $1 ORDER BY seq LIMIT $2",
    )?;
    let rows = select.query_map(params![after.cast_signed(), limit], from_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Removes up to `limit` events from before `before`.
pub(super) fn trim(connection: &Connection, before: Timestamp, limit: u32) -> Result<u64> {
    let removed = connection
        .prepare_cached(
            "DELETE FROM event WHERE writer = 1 AND at < $1 AND seq < $2 + (
                SELECT coalesce(min(seq), 0) FROM event WHERE writer = 1)",
        )?
        .execute(params![before.as_millis(), limit])?;
    Ok(removed as u64)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    let principal =
        |place| Ok::<_, rusqlite::Error>(row.get::<_, Option<[u8; 16]>>(place)?.map(PrincipalId::from_bytes));
    let kind: String = row.get(3)?;
    let reason: Option<String> = row.get(10)?;
    let client = principal(4)?;
    let subject = principal(5)?;
    let family =
        match (row.get::<_, Option<u16>>(6)?.and_then(Bucket::new), row.get::<_, Option<[u8; 16]>>(7)?) {
            (Some(bucket), Some(id)) => Some(FamilyMark {
                bucket,
                id: FamilyId::from_bytes(id),
                access_generation: row.get(8)?,
                refresh_generation: row.get(9)?,
            }),
            _ => None,
        };
    Ok(StoredEvent {
        position: Position {
            seq: row.get::<_, i64>(0)?.cast_unsigned(),
            epoch: row.get::<_, i64>(1)?.cast_unsigned(),
        },
        event: Event {
            at: Timestamp::from_millis(row.get(2)?),
            kind: EventKind::ALL
                .into_iter()
                .find(|known| known.as_str() == kind)
                .ok_or_else(|| rusqlite::Error::InvalidColumnType(3, kind.clone(), Type::Text))?,
            // An application's own tokens have the client itself for their subject.
            subject: subject.or(client.filter(|_| family.is_some())),
            client,
            family,
            reason: reason.and_then(|reason| Reason::ALL.into_iter().find(|known| known.as_str() == reason)),
            actor: row.get(11)?,
        },
    })
}
