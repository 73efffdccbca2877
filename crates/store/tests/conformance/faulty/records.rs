//! Records, kept as badly as the fault says.

use latchkey_catalog::usage::Day;
use latchkey_store::records::{DeviceKey, Recorded, Records, Sighting, Usage, UsageKey, UsageOf};

use super::{Arc, Bucket, Fault, Faulty, Result, async_trait};

#[async_trait]
impl Records for Faulty {
    async fn record(&self, recorded: Arc<Recorded>) -> Result<()> {
        let mut kept = Recorded::clone(&recorded);
        if self.fault == Fault::CountsReplaced {
            for usage in &mut kept.usage {
                let of = UsageOf::Api(usage.key.api);
                let held = self.inner.usage(of, usage.key.day, None, 1000).await?;
                let held = held.into_iter().find(|held| held.key == usage.key);
                let before = held.map(|held| held.counts.calls).unwrap_or_default();
                usage.counts.calls = usage.counts.calls.saturating_sub(before);
            }
        }
        if self.fault == Fault::BatchesRepeat {
            kept.batch = None;
        }
        self.inner.record(Arc::new(kept)).await
    }

    async fn usage(&self, of: UsageOf, from: Day, after: Option<UsageKey>, limit: u32) -> Result<Vec<Usage>> {
        self.inner.usage(of, from, after, limit).await
    }

    async fn last_seen(&self, devices: Vec<DeviceKey>) -> Result<Vec<Option<Sighting>>> {
        self.inner.last_seen(devices).await
    }

    async fn trim_records(&self, bucket: Bucket, before: Day) -> Result<u64> {
        match self.fault {
            Fault::RecordsStay => Ok(0),
            _ => self.inner.trim_records(bucket, before).await,
        }
    }
}
