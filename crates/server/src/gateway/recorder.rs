//! Records of calls, and of sign-ins, on their way to the store, or from a node to its server.
//!
//! Each thread has its own [`Calls`], which are drained a few times a second and added up in memory. Once a
//! minute the sums go to the [`Archive`], in parts of a bounded size, so that a device causes at most one write a
//! minute however often it calls. What does not fit on the way is dropped and counted; what the archive does
//! not take now is kept and tried again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use latchkey_catalog::api_key::{ApiKey, device_of};
use latchkey_catalog::usage::Counts;
use latchkey_gateway::node::records::MOST_RECORDS;
use latchkey_gateway::record::{Calls, Drained, FamilyKey, Sums, Tally, TallyKey};
use latchkey_oauth::clock::{Clock, Timestamp};
use latchkey_oauth::family::Device;
use latchkey_oauth::id::{Bucket, PrincipalId};
use latchkey_store::Store;
use latchkey_store::records::{DeviceKey, Recorded, Sighting, Usage, UsageKey};
use latchkey_store::rows::HolderId;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Between two drains of the threads.
const GATHER: Duration = Duration::from_millis(250);
/// Between two looks whether something is to be written.
const WRITE: Duration = Duration::from_secs(1);
/// Between two writes of one device.
const MINUTE: i64 = 60_000;
/// Counts, and sightings, of one part: some two milliseconds of the store's writer.
const PART: usize = MOST_RECORDS;
/// Parts between two looks: however many devices call, the writer is there for tokens.
const PARTS: usize = 8;

/// Where records of calls end up.
#[async_trait]
pub trait Archive: Send + Sync {
    /// The device of a family that was used just now; none where the family is gone.
    async fn device(&self, family: FamilyKey) -> Option<DeviceKey>;

    /// Keeps a part. One that may have been kept although it was not said comes again with the same number.
    async fn keep(&self, part: &Part) -> Result<(), Unkept>;
}

/// Whether the archive takes what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Writing {
    #[default]
    Well,
    Failing,
}

/// Some of what is to be kept.
#[derive(Debug, Clone)]
pub struct Part {
    /// Grows from part to part; they are kept one after the other.
    pub number: u64,
    /// The rows.
    pub recorded: Arc<Recorded>,
}

/// A part that is not kept, and why.
#[derive(Debug, thiserror::Error)]
pub enum Unkept {
    /// It is tried again.
    #[error("{0}")]
    Now(String),
    /// It would never be: it is given up.
    #[error("{0}")]
    Ever(String),
}

#[async_trait]
impl Archive for Arc<dyn Store> {
    async fn device(&self, (bucket, id): FamilyKey) -> Option<DeviceKey> {
        if let Some(held) = self.family(bucket, id).await.ok().flatten() {
            let holder = HolderId::of(&held.family);
            return Some(DeviceKey { holder, device: held.family.device.clone() });
        }
        // Families and API keys draw their ids from the same large number.
        let facts = self.api_key(PrincipalId::from_bytes(*id.as_bytes())).await.ok().flatten()?;
        Some(key_device(&facts.key))
    }

    async fn keep(&self, part: &Part) -> Result<(), Unkept> {
        self.record(Arc::clone(&part.recorded)).await.map_err(|problem| Unkept::Now(problem.to_string()))
    }
}

/// Records of calls that are not in their archive yet.
#[derive(Debug)]
pub struct Recorder {
    threads: Mutex<Vec<Arc<Calls>>>,
    /// Devices that got tokens since the last write.
    signed_in: Mutex<HashMap<DeviceKey, Sighting>>,
    /// The most of them (`records.pending`).
    most: usize,
    desk: tokio::sync::Mutex<Desk>,
    /// Held by whoever writes, so that no part is written twice.
    writing: tokio::sync::Mutex<()>,
    dropped: AtomicU64,
}

/// What is between the threads and the archive.
#[derive(Debug)]
struct Desk {
    tally: Tally,
    /// The devices of the families in the tally; none where the family was gone already.
    devices: HashMap<FamilyKey, Option<DeviceKey>>,
    /// What is written at present, in parts.
    parts: VecDeque<Part>,
    /// The number of the last part.
    number: u64,
    /// Calls of parts that were given up.
    given_up: u64,
    /// What writing is like since it last changed.
    writing: Writing,
    /// When the sums were taken last.
    taken: Timestamp,
    drained: Drained,
}

impl Recorder {
    /// One that adds up for at most `most` families and APIs at a time (`records.pending`).
    pub fn new(most: usize) -> Self {
        let desk = Desk {
            tally: Tally::new(most),
            devices: HashMap::new(),
            parts: VecDeque::new(),
            number: 0,
            given_up: 0,
            writing: Writing::Well,
            taken: Timestamp::default(),
            drained: Vec::new(),
        };
        Self {
            threads: Mutex::default(),
            signed_in: Mutex::default(),
            most,
            desk: tokio::sync::Mutex::new(desk),
            writing: tokio::sync::Mutex::default(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Notes that a device was given tokens, or others for those it had. What does not fit is not kept: the next
    /// call of the device says as much.
    pub fn signed_in(&self, sighting: Sighting) {
        let mut signed_in = self.devices_signed_in();
        if let Some(held) = signed_in.get_mut(&sighting.device) {
            let first_at = held.first_at;
            *held = Sighting { first_at, ..sighting };
        } else if signed_in.len() < self.most {
            signed_in.insert(sighting.device.clone(), sighting);
        }
    }

    fn devices_signed_in(&self) -> MutexGuard<'_, HashMap<DeviceKey, Sighting>> {
        self.signed_in.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_signed_in(&self) -> HashMap<DeviceKey, Sighting> {
        std::mem::take(&mut *self.devices_signed_in())
    }

    /// Where one more thread notes its calls.
    pub fn thread(&self) -> Arc<Calls> {
        let calls = Arc::new(Calls::default());
        self.threads().push(Arc::clone(&calls));
        calls
    }

    fn threads(&self) -> MutexGuard<'_, Vec<Arc<Calls>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls of which no record was kept, because too many waited, or the archive would never take them.
    pub fn dropped(&self) -> u64 {
        let waiting: u64 = self.threads().iter().map(|calls| calls.dropped()).sum();
        waiting + self.dropped.load(Ordering::Relaxed)
    }

    /// Moves records on until `stop`. While the archive is slow, threads are drained all the same.
    pub async fn run(&self, archive: &dyn Archive, clock: &dyn Clock, stop: CancellationToken) {
        let gathering = async {
            let mut turns = ticks(GATHER);
            while next(&mut turns, &stop).await {
                self.gather(&mut *self.desk.lock().await, archive).await;
            }
        };
        let writing = async {
            let mut turns = ticks(WRITE);
            while next(&mut turns, &stop).await {
                self.move_on(archive, clock.now()).await;
            }
        };
        tokio::join!(gathering, writing);
    }

    /// Adds up what waits, and writes some of what is due.
    async fn move_on(&self, archive: &dyn Archive, now: Timestamp) {
        let _writing = self.writing.lock().await;
        let mut desk = self.desk.lock().await;
        self.gather(&mut desk, archive).await;
        // A clock that was set back must not keep records from being written.
        let is_due = !(0..MINUTE).contains(&now.millis_since(desk.taken));
        let is_something = !desk.tally.is_empty() || !self.devices_signed_in().is_empty();
        if desk.parts.is_empty() && is_due && is_something {
            desk.take(now, self.take_signed_in());
        }
        drop(desk);
        let outcome = self.write(archive, PARTS).await;
        let now = if outcome.is_ok() { Writing::Well } else { Writing::Failing };
        let before = std::mem::replace(&mut self.desk.lock().await.writing, now);
        match outcome {
            Err(problem) if before == Writing::Well => {
                tracing::warn!(%problem, "records of calls cannot be written; they are kept and tried again");
            }
            Ok(()) if before == Writing::Failing => tracing::info!("records of calls are written again"),
            Ok(()) | Err(_) => {}
        }
    }

    /// Writes everything that is known now: before it is read, and at the end.
    pub async fn flush(&self, archive: &dyn Archive, now: Timestamp) -> Result<(), Unkept> {
        let _writing = self.writing.lock().await;
        self.gather(&mut *self.desk.lock().await, archive).await;
        self.write(archive, usize::MAX).await?;
        self.desk.lock().await.take(now, self.take_signed_in());
        self.write(archive, usize::MAX).await
    }

    /// Adds up what waits in the threads.
    async fn gather(&self, desk: &mut Desk, archive: &dyn Archive) {
        let threads: Vec<Arc<Calls>> = self.threads().clone();
        let mut drained = std::mem::take(&mut desk.drained);
        for calls in threads {
            calls.drain(&mut drained);
            for (called, sight) in drained.drain(..) {
                if let Some(family) = desk.tally.add(&called, sight) {
                    let device = archive.device(family).await;
                    desk.devices.insert(family, device);
                }
            }
        }
        desk.drained = drained;
        self.note_dropped(desk);
    }

    /// Writes up to `most` parts. A part that the archive did not take stays.
    async fn write(&self, archive: &dyn Archive, most: usize) -> Result<(), Unkept> {
        for _ in 0..most {
            let Some(part) = self.desk.lock().await.parts.front().cloned() else { return Ok(()) };
            let kept = archive.keep(&part).await;
            let mut desk = self.desk.lock().await;
            match kept {
                Ok(()) => {}
                Err(problem @ Unkept::Now(_)) => return Err(problem),
                Err(problem @ Unkept::Ever(_)) => {
                    tracing::error!(%problem, "records of calls are given up");
                    desk.given_up += part.recorded.usage.iter().map(|usage| usage.counts.calls).sum::<u64>();
                    self.note_dropped(&desk);
                }
            }
            desk.parts.pop_front();
        }
        Ok(())
    }

    fn note_dropped(&self, desk: &Desk) {
        self.dropped.store(desk.tally.dropped() + desk.given_up, Ordering::Relaxed);
    }
}

fn ticks(pause: Duration) -> Interval {
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Waits for the next turn; false where there is none any more.
async fn next(ticks: &mut Interval, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        _ = ticks.tick() => true,
    }
}

impl Desk {
    /// Makes rows of the sums.
    fn take(&mut self, now: Timestamp, signed_in: HashMap<DeviceKey, Sighting>) {
        self.taken = now;
        let Sums { counts, seen } = self.tally.take();
        let devices = std::mem::take(&mut self.devices);
        let device = |family: &FamilyKey| devices.get(family).cloned().flatten();
        // Families of one device are one row.
        let mut usage: BTreeMap<UsageKey, Counts> = BTreeMap::new();
        for (key, counts) in counts {
            let device = key.by.as_ref().and_then(|(_, family)| device(family));
            usage.entry(usage_key(key, device)).or_default().add(&counts);
        }
        let mut sightings: BTreeMap<DeviceKey, Sighting> = signed_in.into_iter().collect();
        for (family, (at, sight)) in seen {
            let Some(device) = device(&family) else { continue };
            let new =
                Sighting { device, first_at: at, at, address: sight.address, user_agent: sight.user_agent };
            let held = sightings.get(&new.device);
            if held.is_none_or(|held| new.at > held.at) {
                let first_at = held.map_or(at, |held| held.first_at.min(at));
                sightings.insert(new.device.clone(), Sighting { first_at, ..new });
            }
        }
        let (mut usage, mut sightings) = (usage.into_iter().peekable(), sightings.into_values().peekable());
        while usage.peek().is_some() || sightings.peek().is_some() {
            let usage = usage.by_ref().take(PART).map(|(key, counts)| Usage { key, counts }).collect();
            let sightings = sightings.by_ref().take(PART).collect();
            self.number += 1;
            let recorded = Arc::new(Recorded { usage, sightings, batch: None });
            self.parts.push_back(Part { number: self.number, recorded });
        }
    }
}

/// What calls with an API key are kept under: its name, in the place of a device of the application.
pub(crate) fn key_device(key: &ApiKey) -> DeviceKey {
    let holder = HolderId { client: key.id, subject: key.subject().id };
    DeviceKey { holder, device: device_of(&key.name) }
}

fn usage_key(TallyKey { day, api, by }: TallyKey, device: Option<DeviceKey>) -> UsageKey {
    let application = by.map(|(application, _)| application);
    let (bucket, subject, device) = device.map_or_else(
        || (Bucket::of_digest(&[0; 2]), None, Device(None)),
        |DeviceKey { holder, device }| (holder.bucket(), Some(holder.subject), device),
    );
    UsageKey { day, bucket, api, application, subject, device }
}

#[cfg(test)]
mod tests;
