//! Records of calls on their way to the server.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use latchkey_catalog::api_key::device_of;
use latchkey_gateway::node::records::{RECORDS, RecordsRequest, SightingFacts, UsageFacts};
use latchkey_gateway::node::wire::Taken;
use latchkey_gateway::record::FamilyKey;
use latchkey_oauth::clock::Clock;
use latchkey_oauth::entropy::{Entropy, random};
use latchkey_oauth::family::Device;
use latchkey_store::records::{DeviceKey, Recorded, Sighting, Usage};
use latchkey_store::rows::HolderId;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::link::{Ask, LinkError};
use super::source::RemoteSource;
use crate::gateway::{Archive, Part, Recorder, Unkept};

/// The longest time that the last records may take at the end of the node.
const LAST: Duration = Duration::from_secs(5);
/// The pause until they are told again.
const PAUSE: Duration = Duration::from_millis(100);

/// The server as the keeper of records.
#[derive(Debug)]
pub(super) struct ServerArchive {
    source: Arc<RemoteSource>,
    /// This process, for the server, which takes each of its batches once.
    sender: String,
}

impl ServerArchive {
    pub(super) fn new(source: Arc<RemoteSource>, entropy: &dyn Entropy) -> Self {
        Self { source, sender: format!("{:032x}", u128::from_be_bytes(random(entropy))) }
    }

    /// Moves records to the server until `stop`.
    pub(super) async fn follow(self: Arc<Self>, recorder: Arc<Recorder>, stop: CancellationToken) {
        recorder.run(&*self, &*self.source.clock, stop).await;
    }

    /// Moves what is left; one of the last things that a node does.
    pub(super) async fn end(&self, recorder: &Recorder) {
        let all = async {
            while let Err(problem) = recorder.flush(self, self.source.clock.now()).await {
                tracing::warn!(%problem, "the last records of calls are not told yet");
                sleep(PAUSE).await;
            }
        };
        if timeout(LAST, all).await.is_err() {
            tracing::error!("the last records of calls are lost");
        }
    }
}

#[async_trait]
impl Archive for ServerArchive {
    async fn device(&self, (_, family): FamilyKey) -> Option<DeviceKey> {
        let known = self.source.seen.get(&family)?;
        let holder = HolderId { client: known.client, subject: known.subject.id };
        let device = match &known.api_key {
            Some(key) => device_of(&key.name),
            None => Device(known.device.as_deref().map(Into::into)),
        };
        Some(DeviceKey { holder, device })
    }

    async fn keep(&self, part: &Part) -> Result<(), Unkept> {
        let batch = batch(&self.sender, part);
        let ask = Ask { path: RECORDS, question: Some(&batch), patience: self.source.bound };
        let answer: Result<Taken, LinkError> = self.source.link.ask(ask).await;
        let counts = &self.source.counts;
        match answer {
            Ok(Taken {}) => {
                counts.batches.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(problem) => {
                counts.batches_failed.fetch_add(1, Ordering::Relaxed);
                let text = problem.to_string();
                Err(if is_final(&problem) { Unkept::Ever(text) } else { Unkept::Now(text) })
            }
        }
    }
}

/// Whether a batch would be answered like that however often it came.
const fn is_final(problem: &LinkError) -> bool {
    matches!(problem, LinkError::Status(StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE))
}

/// A part in the words of messages.
fn batch(sender: &str, Part { number, recorded }: &Part) -> RecordsRequest {
    let Recorded { usage, sightings, .. } = &**recorded;
    RecordsRequest {
        sender: sender.to_owned(),
        number: *number,
        usage: usage.iter().map(usage_facts).collect(),
        sightings: sightings.iter().map(sighting_facts).collect(),
    }
}

fn usage_facts(Usage { key, counts }: &Usage) -> UsageFacts {
    UsageFacts {
        day: key.day.number(),
        bucket: key.bucket.number(),
        api: key.api,
        application: key.application,
        subject: key.subject,
        device: key.device.as_str().to_owned(),
        calls: counts.calls,
        denied: counts.denied,
        limited: counts.limited,
        unfit: counts.unfit,
        failed: counts.failed,
        micros: counts.micros,
    }
}

fn sighting_facts(sighting: &Sighting) -> SightingFacts {
    let Sighting { device, first_at, at, address, user_agent } = sighting;
    SightingFacts {
        client: device.holder.client,
        subject: device.holder.subject,
        device: device.device.as_str().to_owned(),
        at: *at,
        first_at: *first_at,
        address: *address,
        user_agent: user_agent.as_deref().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use latchkey_catalog::id::EntryId;
    use latchkey_catalog::usage::{CallClass, Counts, Day};
    use latchkey_oauth::clock::Timestamp;
    use latchkey_oauth::id::PrincipalId;
    use latchkey_store::records::UsageKey;

    use super::*;
    use crate::endpoint::node::recorded;
    use crate::testing::config;

    #[test]
    fn what_a_node_tells_is_what_the_server_keeps() {
        let (client, subject) = (PrincipalId::from_bytes([1; 16]), PrincipalId::from_bytes([2; 16]));
        let (holder, now) = (HolderId { client, subject }, Timestamp::from_seconds(1_700_000_000));
        let key = |subject, name| UsageKey {
            day: Day::of(now),
            bucket: holder.bucket(),
            api: EntryId::from_bytes([3; 16]),
            application: Some(EntryId::from_bytes([4; 16])),
            subject,
            device: Device::from_stored(name),
        };
        let of = |key, class| Usage { key, counts: Counts::one(class, 7) };
        let nobody = UsageKey { application: None, ..key(None, "") };
        let sighting = |name, user_agent: Option<&str>| Sighting {
            device: DeviceKey { holder, device: Device::from_stored(name) },
            first_at: now.plus_seconds(-9),
            at: now,
            address: user_agent.map(|_| [192, 0, 2, 7].into()),
            user_agent: user_agent.map(Into::into),
        };
        let kept = Recorded {
            usage: vec![
                of(key(Some(subject), "device_a"), CallClass::Denied),
                of(key(Some(client), ""), CallClass::Limited),
                of(key(None, ""), CallClass::Unfit),
                of(nobody, CallClass::Failed),
            ],
            sightings: vec![sighting("device_a", Some("phone/7")), sighting("", None)],
            batch: None,
        };
        let part = Part { number: 3, recorded: Arc::new(kept.clone()) };
        let text = serde_json::to_vec(&batch(&format!("{:032x}", 5), &part)).unwrap();
        let told: RecordsRequest = serde_json::from_slice(&text).unwrap();
        let records = config(&[]).records;
        let found = recorded("edge-1".to_owned(), &told, (now, &records)).unwrap();
        let named = found.batch.clone().unwrap();
        assert_eq!((named.node.as_str(), named.sender, named.number), ("edge-1", 5_u128.to_be_bytes(), 3));
        assert_eq!(Recorded { batch: None, ..found }, kept);
    }

    #[test]
    fn only_what_is_refused_for_good_is_given_up() {
        let status = |status| LinkError::Status(status);
        let cases = [
            (status(StatusCode::BAD_REQUEST), true),
            (status(StatusCode::PAYLOAD_TOO_LARGE), true),
            (status(StatusCode::SERVICE_UNAVAILABLE), false),
            (status(StatusCode::NOT_FOUND), false),
            (LinkError::TooSlow, false),
            (LinkError::Stranger, false),
            (LinkError::Unreachable("no route".to_owned()), false),
            (LinkError::Senseless("line 1".to_owned()), false),
        ];
        for (problem, expected) in cases {
            assert_eq!(is_final(&problem), expected, "{problem}");
        }
    }
}
