//! Assertions that are signed for nodes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::Request;
use latchkey_catalog::api_key::ApiKey;
use latchkey_gateway::node::assertions::{AssertionAnswer, AssertionRequest};
use latchkey_gateway::record::FamilyKey;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::{Bucket, PrincipalId};
use latchkey_oauth::refusal::Refusal;

use super::{NodeDesk, Unanswered, question, told};
use crate::app::unavailable;
use crate::gateway::StoredHolder;
use crate::http::answer::Whole;

/// Signs who calls an API, while the token lives.
pub async fn assertion(State(desk): State<Arc<NodeDesk>>, request: Request<Body>) -> Whole {
    told(desk.assertion(request).await)
}

impl NodeDesk {
    async fn assertion(&self, request: Request<Body>) -> Result<AssertionAnswer, Unanswered> {
        let (_, _seat) = self.admit(request.headers()).await?;
        let AssertionRequest { bucket, family, generation, api } = question(request).await?;
        let bucket = Bucket::new(bucket).ok_or(Unanswered::Malformed)?;
        let Some(assertions) = &self.app.assertions else { return Ok(AssertionAnswer::Off) };
        let (store, now) = (&self.app.store, self.app.now());
        let api = store.apis_of(vec![api]).await.map_err(unavailable)?.into_iter().next();
        let holder = self.living((bucket, family), generation, now).await?;
        let (Some(holder), Some(api)) = (holder, api) else { return Ok(AssertionAnswer::Ended) };
        let made = assertions.about(&self.app, &holder, &api.0).await.map_err(|_| Refusal::Busy)?;
        let (value, until) = made.handed_out();
        let assertion = value.to_str().map_err(|_| Refusal::Busy)?.to_owned();
        Ok(AssertionAnswer::Signed { assertion, until })
    }

    /// Whose token or API key a node means, where it is alive.
    async fn living(
        &self,
        (bucket, family): FamilyKey,
        generation: u32,
        now: Timestamp,
    ) -> Result<Option<StoredHolder>, Refusal> {
        let store = &self.app.store;
        if let Some(held) = store.family(bucket, family).await.map_err(unavailable)? {
            let is_alive = held.family.accepts_access(generation, held.epochs, now);
            let client = store.client_by_id(held.family.client).await.map_err(unavailable)?;
            let holder = client.map(|client| StoredHolder::Token { family: held.family, client });
            return Ok(holder.filter(|_| is_alive));
        }
        let key = store.api_key(PrincipalId::from_bytes(*family.as_bytes())).await.map_err(unavailable)?;
        let is_alive = |key: &ApiKey| key.generation == generation && key.expires().is_valid(now);
        Ok(key.filter(|facts| is_alive(&facts.key)).map(StoredHolder::ApiKey))
    }
}
