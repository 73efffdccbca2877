//! Records of calls that nodes tell.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::Request;
use latchkey_catalog::usage::Day;
use latchkey_gateway::node::records::{RecordsRequest, SightingFacts, UsageFacts};
use latchkey_gateway::node::wire::Taken;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::Device;
use latchkey_oauth::id::Bucket;
use latchkey_store::records::{Batch, DeviceKey, Recorded, Sighting, Usage, UsageKey};
use latchkey_store::rows::HolderId;

use super::{NodeDesk, Unanswered, question, told};
use crate::app::unavailable;
use crate::config;
use crate::http::answer::Whole;

/// Keeps the calls of a batch, once.
pub async fn records(State(desk): State<Arc<NodeDesk>>, request: Request<Body>) -> Whole {
    told(desk.records(request).await)
}

impl NodeDesk {
    async fn records(&self, request: Request<Body>) -> Result<Taken, Unanswered> {
        let (node, _seat) = self.admit(request.headers()).await?;
        let told: RecordsRequest = question(request).await?;
        let (now, settings) = (self.app.now(), &self.app.config.records);
        let recorded = recorded(node.name, &told, (now, settings)).ok_or(Unanswered::Malformed)?;
        self.app.store.record(Arc::new(recorded)).await.map_err(unavailable)?;
        Ok(Taken {})
    }
}

/// A batch as rows; none where it is no batch. Nothing is kept of a time to come, nor what this server is not
/// to keep of devices, whatever the node keeps.
pub(crate) fn recorded(
    node: String,
    told: &RecordsRequest,
    (now, settings): (Timestamp, &config::Records),
) -> Option<Recorded> {
    let batch = Some(Batch { node, sender: told.check()?, number: told.number });
    let usage: Option<Vec<Usage>> = told.usage.iter().map(|facts| usage(facts, Day::of(now))).collect();
    let seen = |facts: &SightingFacts| Sighting {
        device: DeviceKey {
            holder: HolderId { client: facts.client, subject: facts.subject },
            device: Device::from_stored(&facts.device),
        },
        first_at: facts.first_at.min(facts.at).min(now),
        at: facts.at.min(now),
        address: facts.address.filter(|_| settings.addresses),
        user_agent: facts.user_agent.as_deref().filter(|_| settings.user_agents).map(Into::into),
    };
    Some(Recorded { usage: usage?, sightings: told.sightings.iter().map(seen).collect(), batch })
}

fn usage(facts: &UsageFacts, today: Day) -> Option<Usage> {
    let key = UsageKey {
        day: facts.day(today),
        bucket: Bucket::new(facts.bucket)?,
        api: facts.api,
        application: facts.application,
        subject: facts.subject,
        device: Device::from_stored(&facts.device),
    };
    Some(Usage { key, counts: facts.counts() })
}
