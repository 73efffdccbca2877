//! What is kept of calls: how much APIs were used, and when devices were last seen.
//!
//! Rows grow with devices and days, never with calls. None of it decides anything, so none of it is an
//! event: a store that lost the last minute of it is as sound as before.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::usage::{Counts, Day};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::Device;
use latchkey_oauth::id::{Bucket, PrincipalId};

use crate::Result;
use crate::rows::HolderId;

/// What calls are counted by. Keys are ordered by their days first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsageKey {
    /// The day.
    pub day: Day,
    /// The shard of the holder; the first one where there is none.
    pub bucket: Bucket,
    /// The API.
    pub api: EntryId,
    /// The application; none where no token told it.
    pub application: Option<EntryId>,
    /// The user, or the client for an application's own calls.
    pub subject: Option<PrincipalId>,
    /// The device.
    pub device: Device,
}

/// How much something was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// By whom, of what, when.
    pub key: UsageKey,
    /// How much.
    pub counts: Counts,
}

/// A device of a client and a subject; tokens without a device share the unnamed one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey {
    /// The client and the subject.
    pub holder: HolderId,
    /// The device.
    pub device: Device,
}

/// When, and from where, a device was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The device.
    pub device: DeviceKey,
    /// When first, as far as known: the first sighting that was noted says it.
    pub first_at: Timestamp,
    /// When.
    pub at: Timestamp,
    /// From which address, where that is kept.
    pub address: Option<IpAddr>,
    /// With what `User-Agent`, where that is kept.
    pub user_agent: Option<Box<str>>,
}

/// Some of what is to be kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Counts to add to those that are there.
    pub usage: Vec<Usage>,
    /// Sightings; of two of one device the later one stays.
    pub sightings: Vec<Sighting>,
    /// The batch of a gateway node that this is; none for what the server's own process has to keep.
    pub batch: Option<Batch>,
}

/// The most processes of one node whose batches are remembered; of more than these the one that was heard last
/// the longest ago is forgotten.
pub const SENDERS: u32 = 64;

/// Names what a gateway node sends, so that it is kept once, however often it comes: a node whose answer was
/// lost sends it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The node's name.
    pub node: String,
    /// Drawn by the node's process at its start.
    pub sender: [u8; 16],
    /// Grows with each batch of that process, which sends them one after the other.
    pub number: u64,
}

/// Whose usage, or usage of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageOf {
    /// By this application.
    Application(EntryId),
    /// Of this API.
    Api(EntryId),
}

/// The part of a store that keeps records of calls.
#[async_trait]
pub trait Records {
    /// Adds counts and notes sightings: all of it or nothing. A batch that was taken before is passed over.
    async fn record(&self, recorded: Arc<Recorded>) -> Result<()>;

    /// Up to `limit` counts from the day `from` on, in the order of their keys, that follow `after`.
    async fn usage(&self, of: UsageOf, from: Day, after: Option<UsageKey>, limit: u32) -> Result<Vec<Usage>>;

    /// The last sighting of each of these devices, in their order.
    async fn last_seen(&self, devices: Vec<DeviceKey>) -> Result<Vec<Option<Sighting>>>;

    /// Removes from one shard a day of counts that is before `before`, sightings from before it, and those of
    /// holders who hold no tokens any more; how many rows.
    async fn trim_records(&self, bucket: Bucket, before: Day) -> Result<u64>;
}

/// Reading rows of records.
pub trait ReadRecords {
    /// As [`Records::usage`].
    fn usage(&mut self, of: UsageOf, from: Day, after: Option<&UsageKey>, limit: u32) -> Result<Vec<Usage>>;
    /// The last sighting of a device.
    fn sighting(&mut self, device: &DeviceKey) -> Result<Option<Sighting>>;
    /// How many rows [`WriteRecords::trim_records`] would remove.
    fn old_records(&mut self, bucket: Bucket, before: Day) -> Result<u64>;
}

/// Writing rows of records.
pub trait WriteRecords {
    /// Adds to the counts of a key.
    fn add_usage(&mut self, usage: &Usage) -> Result<()>;
    /// Notes that a batch is taken at `now`; whether it was not yet.
    fn take_batch(&mut self, batch: &Batch, now: Timestamp) -> Result<bool>;
    /// Notes a sighting, unless a later one is there.
    fn put_sighting(&mut self, sighting: &Sighting) -> Result<()>;
    /// As [`Records::trim_records`].
    fn trim_records(&mut self, bucket: Bucket, before: Day) -> Result<u64>;
}

/// Adds counts and notes sightings, once.
pub(crate) fn record(
    rows: &mut (impl WriteRecords + ?Sized),
    recorded: &Recorded,
    now: Timestamp,
) -> Result<()> {
    if let Some(batch) = &recorded.batch
        && !rows.take_batch(batch, now)?
    {
        return Ok(());
    }
    recorded.usage.iter().try_for_each(|usage| rows.add_usage(usage))?;
    recorded.sightings.iter().try_for_each(|sighting| rows.put_sighting(sighting))
}
