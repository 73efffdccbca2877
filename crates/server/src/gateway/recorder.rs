//! Records of calls, and of sign-ins, on their way to the store.
//!
//! Each thread has its own [`Calls`], which are drained a few times a second and added up in memory. Once a
//! minute the sums go to the store, in units of a bounded size, so that a device causes at most one write a
//! minute however often it calls. What does not fit on the way is dropped and counted; what the store does
//! not take now is kept and tried again.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use latchkey_catalog::usage::Counts;
use latchkey_gateway::record::{Calls, Drained, FamilyKey, Sums, Tally, TallyKey};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::Device;
use latchkey_oauth::id::Bucket;
use latchkey_store::records::{DeviceKey, Recorded, Sighting, Usage, UsageKey};
use latchkey_store::rows::HolderId;
use latchkey_store::{Store, StoreError};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Between two drains of the threads.
const GATHER: Duration = Duration::from_millis(250);
/// Drains between two looks whether something is to be written.
const WRITE_EVERY: u32 = 4;
/// Between two writes of one device.
const MINUTE: i64 = 60_000;
/// Counts, and sightings, of one unit of work: some two milliseconds of the store's writer.
const UNIT: usize = 100;
/// Units between two looks, a second apart: however many devices call, the writer is there for tokens.
const UNITS: usize = 8;

/// Records of calls that are not in the store yet.
#[derive(Debug)]
pub struct Recorder {
    threads: Mutex<Vec<Arc<Calls>>>,
    /// Devices that got tokens since the last write.
    signed_in: Mutex<HashMap<DeviceKey, Sighting>>,
    /// The most of them (`records.pending`).
    most: usize,
    /// Held by whoever moves records on.
    desk: tokio::sync::Mutex<Desk>,
    dropped: AtomicU64,
}

/// What is between the threads and the store.
#[derive(Debug)]
struct Desk {
    tally: Tally,
    /// The devices of the families in the tally; none where the family was gone already.
    devices: HashMap<FamilyKey, Option<DeviceKey>>,
    /// What is written at present, in parts.
    parts: Vec<Arc<Recorded>>,
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
            parts: Vec::new(),
            taken: Timestamp::default(),
            drained: Vec::new(),
        };
        Self {
            threads: Mutex::default(),
            signed_in: Mutex::default(),
            most,
            desk: tokio::sync::Mutex::new(desk),
            dropped: AtomicU64::new(0),
        }
    }

    /// Notes that a device was given tokens, or others for those it had. What does not fit is not kept: the next
    /// call of the device says as much.
    pub fn signed_in(&self, sighting: Sighting) {
        let mut signed_in = self.signed_in.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = signed_in.get_mut(&sighting.device) {
            let first_at = held.first_at;
            *held = Sighting { first_at, ..sighting };
        } else if signed_in.len() < self.most {
            signed_in.insert(sighting.device.clone(), sighting);
        }
    }

    fn take_signed_in(&self) -> HashMap<DeviceKey, Sighting> {
        std::mem::take(&mut *self.signed_in.lock().unwrap_or_else(PoisonError::into_inner))
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

    /// Calls of which no record was kept, because too many waited.
    pub fn dropped(&self) -> u64 {
        let waiting: u64 = self.threads().iter().map(|calls| calls.dropped()).sum();
        waiting + self.dropped.load(Ordering::Relaxed)
    }

    /// Moves records on until `stop`.
    pub async fn run(app: Arc<App>, stop: CancellationToken) {
        let recorder = &app.recorder;
        let mut ticks = interval(GATHER);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for round in 1_u32.. {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if round.is_multiple_of(WRITE_EVERY) {
                recorder.move_on(&app).await;
            } else {
                recorder.gather(&mut *recorder.desk.lock().await, &*app.store).await;
            }
        }
    }

    /// Adds up what waits, and writes some of what is due.
    async fn move_on(&self, app: &App) {
        let mut desk = self.desk.lock().await;
        self.gather(&mut desk, &*app.store).await;
        let now = app.now();
        // A clock that was set back must not keep records from being written.
        let is_due = !(0..MINUTE).contains(&now.millis_since(desk.taken));
        if desk.parts.is_empty() && is_due {
            desk.take(now, self.take_signed_in());
        }
        if let Err(problem) = desk.write(&*app.store, UNITS).await {
            tracing::warn!(%problem, "records of calls are not written yet");
        }
    }

    /// Writes everything that is known now: before it is read, and at the end.
    pub async fn flush(&self, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
        let mut desk = self.desk.lock().await;
        self.gather(&mut desk, store).await;
        desk.write(store, usize::MAX).await?;
        desk.take(now, self.take_signed_in());
        desk.write(store, usize::MAX).await
    }

    /// Adds up what waits in the threads.
    async fn gather(&self, desk: &mut Desk, store: &dyn Store) {
        let threads: Vec<Arc<Calls>> = self.threads().clone();
        let mut drained = std::mem::take(&mut desk.drained);
        for calls in threads {
            calls.drain(&mut drained);
            for (called, sight) in drained.drain(..) {
                if let Some(family) = desk.tally.add(&called, sight) {
                    let device = device_of(store, family).await;
                    desk.devices.insert(family, device);
                }
            }
        }
        desk.drained = drained;
        self.dropped.store(desk.tally.dropped(), Ordering::Relaxed);
    }
}

/// The device of a family that was used just now.
async fn device_of(store: &dyn Store, (bucket, id): FamilyKey) -> Option<DeviceKey> {
    let held = store.family(bucket, id).await.ok().flatten()?;
    let holder = HolderId::of(&held.family);
    Some(DeviceKey { holder, device: held.family.device.clone() })
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
            let usage = usage.by_ref().take(UNIT).map(|(key, counts)| Usage { key, counts }).collect();
            let sightings = sightings.by_ref().take(UNIT).collect();
            self.parts.push(Arc::new(Recorded { usage, sightings }));
        }
    }

    /// Writes up to `most` parts. A part that the store did not take stays.
    async fn write(&mut self, store: &dyn Store, most: usize) -> Result<(), StoreError> {
        for _ in 0..most {
            let Some(part) = self.parts.last() else { return Ok(()) };
            store.record(Arc::clone(part)).await?;
            self.parts.pop();
        }
        Ok(())
    }
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
