//! The rows of what is kept of calls.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::usage::{Counts, Day};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::Device;
use latchkey_oauth::id::{Bucket, PrincipalId};
use rusqlite::types::ValueRef;
use rusqlite::{Row, params};

use super::SqliteStore;
use super::catalogue::{many, one, run, unknown};
use super::transaction::SqliteRows;
use crate::Result;
use crate::records::{
    Batch, DeviceKey, ReadRecords, Recorded, Records, SENDERS, Sighting, Usage, UsageKey, UsageOf,
    WriteRecords, record,
};

const USAGE: &str = "SELECT day, bucket, api, application, subject, device,
    calls, denied, limited, unfit, failed, micros FROM usage";
/// A day of counts that is over for good; the oldest one there is.
const OLD_USAGE: &str = "FROM usage WHERE bucket = $1 AND day < $2 AND day = (
    SELECT min(day) FROM usage WHERE bucket = $1)";
const OLD_SIGHTINGS: &str = "FROM device_seen WHERE bucket = $1 AND (at < $2 OR NOT EXISTS (
    SELECT 1 FROM holder WHERE holder.bucket = $1 AND holder.client = device_seen.client
        AND holder.subject = device_seen.subject AND holder.families > 0)
    AND NOT EXISTS (SELECT 1 FROM api_key WHERE api_key.id = device_seen.client))";

#[async_trait]
impl Records for SqliteStore {
    async fn record(&self, recorded: Arc<Recorded>) -> Result<()> {
        self.unit(move |rows, now| record(rows, &recorded, now)).await
    }

    async fn usage(&self, of: UsageOf, from: Day, after: Option<UsageKey>, limit: u32) -> Result<Vec<Usage>> {
        self.read(move |rows| rows.usage(of, from, after.as_ref(), limit)).await
    }

    async fn last_seen(&self, devices: Vec<DeviceKey>) -> Result<Vec<Option<Sighting>>> {
        self.read(move |rows| devices.iter().map(|device| rows.sighting(device)).collect()).await
    }

    async fn trim_records(&self, bucket: Bucket, before: Day) -> Result<u64> {
        if self.read(move |rows| rows.old_records(bucket, before)).await? == 0 {
            return Ok(0);
        }
        self.unit(move |rows, _| rows.trim_records(bucket, before)).await
    }
}

impl ReadRecords for SqliteRows<'_> {
    fn usage(&mut self, of: UsageOf, from: Day, after: Option<&UsageKey>, limit: u32) -> Result<Vec<Usage>> {
        let (concerned, id) = match of {
            UsageOf::Application(id) => ("application = $1", id),
            UsageOf::Api(id) => ("api = $1", id),
        };
        let follows = if after.is_some() {
            "AND (day, bucket, api, application, subject, device) > ($3, $4, $5, $6, $7, $8)"
        } else {
            "AND $3 IS NULL AND $4 IS NULL AND $5 IS NULL AND $6 IS NULL AND $7 IS NULL AND $8 IS NULL"
        };
        let query = format!(
            "{USAGE} WHERE {concerned} AND day >= $2 {follows}
             ORDER BY day, bucket, api, application, subject, device LIMIT $9"
        );
        let values = params![
            id.as_bytes(),
            from.number(),
            after.map(|key| key.day.number()),
            after.map(|key| key.bucket.number()),
            after.map(|key| key.api.as_bytes()),
            after.map(|key| entry_bytes(key.application.as_ref())),
            after.map(|key| principal_bytes(key.subject.as_ref())),
            after.map(|key| key.device.as_str()),
            limit,
        ];
        many(self.connection(), &query, values, usage_from_row)
    }

    fn sighting(&mut self, device: &DeviceKey) -> Result<Option<Sighting>> {
        let query = "SELECT at, address, user_agent, first_at FROM device_seen
            WHERE bucket = $1 AND client = $2 AND subject = $3 AND device = $4";
        let holder = device.holder;
        let key = params![
            holder.bucket().number(),
            holder.client.as_bytes(),
            holder.subject.as_bytes(),
            device.device.as_str()
        ];
        let found = one(self.connection(), query, key, sight_from_row)?;
        Ok(found.map(|(at, address, user_agent, first_at)| Sighting {
            device: device.clone(),
            first_at,
            at,
            address,
            user_agent,
        }))
    }

    fn old_records(&mut self, bucket: Bucket, before: Day) -> Result<u64> {
        let count = |from: &str, limit: i64| {
            let query = format!("SELECT count(*) {from}");
            one(self.connection(), &query, params![bucket.number(), limit], |row| row.get::<_, i64>(0))
        };
        let usage = count(OLD_USAGE, before.number().into())?;
        let sightings = count(OLD_SIGHTINGS, before.start().as_millis())?;
        Ok((usage.unwrap_or(0) + sightings.unwrap_or(0)).cast_unsigned())
    }
}

impl WriteRecords for SqliteRows<'_> {
    fn add_usage(&mut self, usage: &Usage) -> Result<()> {
        let (key, counts) = (&usage.key, &usage.counts);
        run(
            self.connection(),
            "INSERT INTO usage (bucket, day, api, application, subject, device,
                calls, denied, limited, unfit, failed, micros)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (bucket, day, api, application, subject, device) DO UPDATE SET
                calls = usage.calls + excluded.calls, denied = usage.denied + excluded.denied,
                limited = usage.limited + excluded.limited, unfit = usage.unfit + excluded.unfit,
                failed = usage.failed + excluded.failed, micros = usage.micros + excluded.micros",
            params![
                key.bucket.number(),
                key.day.number(),
                key.api.as_bytes(),
                entry_bytes(key.application.as_ref()),
                principal_bytes(key.subject.as_ref()),
                key.device.as_str(),
                counts.calls.cast_signed(),
                counts.denied.cast_signed(),
                counts.limited.cast_signed(),
                counts.unfit.cast_signed(),
                counts.failed.cast_signed(),
                counts.micros.cast_signed(),
            ],
        )?;
        Ok(())
    }

    fn take_batch(&mut self, batch: &Batch, now: Timestamp) -> Result<bool> {
        let Batch { node, sender, number } = batch;
        let taken = run(
            self.connection(),
            "INSERT INTO node_batch (node, sender, number, at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (node, sender) DO UPDATE SET number = excluded.number, at = excluded.at
                WHERE excluded.number > node_batch.number",
            params![node, sender, number.cast_signed(), now.as_millis()],
        )?;
        run(
            self.connection(),
            "DELETE FROM node_batch WHERE node = $1 AND sender IN (SELECT sender FROM node_batch
                WHERE node = $1 ORDER BY at DESC, sender = $2 DESC LIMIT -1 OFFSET $3)",
            params![node, sender, SENDERS],
        )?;
        Ok(taken == 1)
    }

    fn put_sighting(&mut self, sighting: &Sighting) -> Result<()> {
        let holder = sighting.device.holder;
        run(
            self.connection(),
            "INSERT INTO device_seen (bucket, client, subject, device, at, address, user_agent, first_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (bucket, client, subject, device) DO UPDATE SET
                at = excluded.at, address = excluded.address, user_agent = excluded.user_agent
                WHERE excluded.at > device_seen.at",
            params![
                holder.bucket().number(),
                holder.client.as_bytes(),
                holder.subject.as_bytes(),
                sighting.device.device.as_str(),
                sighting.at.as_millis(),
                sighting.address.map(|address| address.to_string()),
                sighting.user_agent.as_deref(),
                sighting.first_at.as_millis(),
            ],
        )?;
        Ok(())
    }

    fn trim_records(&mut self, bucket: Bucket, before: Day) -> Result<u64> {
        let remove = |from: &str, limit: i64| {
            run(self.connection(), &format!("DELETE {from}"), params![bucket.number(), limit])
        };
        let usage = remove(OLD_USAGE, before.number().into())?;
        let sightings = remove(OLD_SIGHTINGS, before.start().as_millis())?;
        Ok((usage + sightings) as u64)
    }
}

/// No bytes where there is none.
fn entry_bytes(id: Option<&EntryId>) -> &[u8] {
    id.map_or(&[], |id| id.as_bytes())
}

fn principal_bytes(id: Option<&PrincipalId>) -> &[u8] {
    id.map_or(&[], |id| id.as_bytes())
}

/// Sixteen bytes, or none.
fn optional_id(row: &Row<'_>, place: usize) -> rusqlite::Result<Option<[u8; 16]>> {
    let is_none = row.get_ref(place)? == ValueRef::Blob(&[]);
    if is_none { Ok(None) } else { row.get(place).map(Some) }
}

type Sight = (Timestamp, Option<IpAddr>, Option<Box<str>>, Timestamp);

fn sight_from_row(row: &Row<'_>) -> rusqlite::Result<Sight> {
    let address: Option<String> = row.get(1)?;
    let address = address.map(|text| text.parse().map_err(|_| unknown(1, "address"))).transpose()?;
    let user_agent: Option<String> = row.get(2)?;
    Ok((
        Timestamp::from_millis(row.get(0)?),
        address,
        user_agent.map(String::into_boxed_str),
        Timestamp::from_millis(row.get(3)?),
    ))
}

fn usage_from_row(row: &Row<'_>) -> rusqlite::Result<Usage> {
    let count = |place| row.get::<_, i64>(place).map(i64::cast_unsigned);
    let device: String = row.get(5)?;
    Ok(Usage {
        key: UsageKey {
            day: Day::from_number(row.get(0)?),
            bucket: Bucket::new(row.get(1)?).ok_or_else(|| unknown(1, "bucket"))?,
            api: EntryId::from_bytes(row.get(2)?),
            application: optional_id(row, 3)?.map(EntryId::from_bytes),
            subject: optional_id(row, 4)?.map(PrincipalId::from_bytes),
            device: Device::from_stored(&device),
        },
        counts: Counts {
            calls: count(6)?,
            denied: count(7)?,
            limited: count(8)?,
            unfit: count(9)?,
            failed: count(10)?,
            micros: count(11)?,
        },
    })
}
