//! What is kept of calls, in maps.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use latchkey_catalog::usage::{Counts, Day};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::Bucket;

use super::MemoryStore;
use super::rows::MemoryRows;
use crate::Result;
use crate::records::{
    Batch, DeviceKey, ReadRecords, Recorded, Records, SENDERS, Sighting, Usage, UsageKey, UsageOf,
    WriteRecords, record,
};
use crate::rows::Read;

/// The rows of records.
#[derive(Debug, Default)]
pub(super) struct MemoryRecords {
    usage: BTreeMap<UsageKey, Counts>,
    sightings: BTreeMap<DeviceKey, Sighting>,
    /// For each process of a node its last batch, and when that came.
    batches: BTreeMap<(String, [u8; 16]), (u64, Timestamp)>,
}

impl MemoryRecords {
    /// Forgets the batches of a node.
    pub(super) fn forget_node(&mut self, name: &str) {
        self.batches.retain(|(node, _), _| node != name);
    }
}

#[async_trait]
impl Records for MemoryStore {
    async fn record(&self, recorded: Arc<Recorded>) -> Result<()> {
        self.unit(|rows, now| record(rows, &recorded, now))
    }

    async fn usage(&self, of: UsageOf, from: Day, after: Option<UsageKey>, limit: u32) -> Result<Vec<Usage>> {
        self.read(|rows| rows.usage(of, from, after.as_ref(), limit))
    }

    async fn last_seen(&self, devices: Vec<DeviceKey>) -> Result<Vec<Option<Sighting>>> {
        self.read(|rows| devices.iter().map(|device| rows.sighting(device)).collect())
    }

    async fn trim_records(&self, bucket: Bucket, before: Day) -> Result<u64> {
        self.unit(|rows, _| rows.trim_records(bucket, before))
    }
}

impl MemoryRows {
    /// The keys of what is to go from a shard.
    fn old(&mut self, bucket: Bucket, before: Day) -> Result<(Vec<UsageKey>, Vec<DeviceKey>)> {
        let of_bucket = self.records.usage.keys().filter(|key| key.bucket == bucket);
        let oldest = of_bucket.clone().map(|key| key.day).min().filter(|day| *day < before);
        let usage = of_bucket.filter(|key| Some(key.day) == oldest).cloned().collect();
        let in_bucket = |device: &&DeviceKey| device.holder.bucket() == bucket;
        let devices: Vec<_> = self.records.sightings.keys().filter(in_bucket).cloned().collect();
        let mut gone = Vec::new();
        for device in devices {
            let is_old = self.records.sightings[&device].at < before.start();
            let is_key = self.api_keys.contains_key(&device.holder.client);
            if is_old || (self.holder(device.holder)?.families == 0 && !is_key) {
                gone.push(device);
            }
        }
        Ok((usage, gone))
    }
}

impl ReadRecords for MemoryRows {
    fn usage(&mut self, of: UsageOf, from: Day, after: Option<&UsageKey>, limit: u32) -> Result<Vec<Usage>> {
        let wanted = |key: &UsageKey| {
            key.day >= from
                && after.is_none_or(|after| key > after)
                && match of {
                    UsageOf::Application(id) => key.application == Some(id),
                    UsageOf::Api(id) => key.api == id,
                }
        };
        let found = self.records.usage.iter().filter(|(key, _)| wanted(key)).take(limit as usize);
        Ok(found.map(|(key, counts)| Usage { key: key.clone(), counts: *counts }).collect())
    }

    fn sighting(&mut self, device: &DeviceKey) -> Result<Option<Sighting>> {
        Ok(self.records.sightings.get(device).cloned())
    }

    fn old_records(&mut self, bucket: Bucket, before: Day) -> Result<u64> {
        let (usage, sightings) = self.old(bucket, before)?;
        Ok((usage.len() + sightings.len()) as u64)
    }
}

impl WriteRecords for MemoryRows {
    fn add_usage(&mut self, usage: &Usage) -> Result<()> {
        self.records.usage.entry(usage.key.clone()).or_default().add(&usage.counts);
        Ok(())
    }

    fn take_batch(&mut self, batch: &Batch, now: Timestamp) -> Result<bool> {
        let Batch { node, sender, number } = batch;
        let batches = &mut self.records.batches;
        let held = batches.get(&(node.clone(), *sender)).map(|(number, _)| *number);
        if held.is_some_and(|held| *number <= held) {
            return Ok(false);
        }
        batches.insert((node.clone(), *sender), (*number, now));
        let of_node = batches.iter().filter(|((name, _), _)| name == node);
        let others = of_node.filter(|((_, other), _)| other != sender);
        if others.clone().count() >= SENDERS as usize
            && let Some((oldest, _)) = others.min_by_key(|(_, (_, at))| *at)
        {
            let oldest = oldest.clone();
            batches.remove(&oldest);
        }
        Ok(true)
    }

    fn put_sighting(&mut self, sighting: &Sighting) -> Result<()> {
        let held = self.records.sightings.get(&sighting.device);
        if held.is_none_or(|held| sighting.at > held.at) {
            let first_at = held.map_or(sighting.first_at, |held| held.first_at);
            self.records.sightings.insert(sighting.device.clone(), Sighting { first_at, ..sighting.clone() });
        }
        Ok(())
    }

    fn trim_records(&mut self, bucket: Bucket, before: Day) -> Result<u64> {
        let (usage, sightings) = self.old(bucket, before)?;
        self.records.usage.retain(|key, _| !usage.contains(key));
        self.records.sightings.retain(|device, _| !sightings.contains(device));
        Ok((usage.len() + sightings.len()) as u64)
    }
}
