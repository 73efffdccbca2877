//! Permits of limits for nodes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::Request;
use latchkey_catalog::count::CountKey;
use latchkey_gateway::node::limits::{
    LimitAsk, LimitBack, LimitGrant, LimitsAnswer, LimitsRequest, MOST_LIMITS,
};

use super::{NodeDesk, Unanswered, question, told};
use crate::app::unavailable;
use crate::http::answer::Whole;

/// Gives permits out of the counts of this process, and takes unused ones back.
pub async fn limits(State(desk): State<Arc<NodeDesk>>, request: Request<Body>) -> Whole {
    told(desk.limits(request).await)
}

impl NodeDesk {
    async fn limits(&self, request: Request<Body>) -> Result<LimitsAnswer, Unanswered> {
        let (_, _seat) = self.admit(request.headers()).await?;
        let asked: LimitsRequest = question(request).await?;
        if asked.asks.len() > MOST_LIMITS || asked.backs.len() > MOST_LIMITS {
            return Err(Unanswered::Malformed);
        }
        let backs: Option<Vec<_>> = asked.backs.iter().map(LimitBack::read).collect();
        let asks: Option<Vec<(CountKey, &LimitAsk)>> =
            asked.asks.iter().map(|ask| Some((CountKey::read(&ask.key)?, ask))).collect();
        let (Some(backs), Some(asks)) = (backs, asks) else { return Err(Unanswered::Malformed) };
        let counters = &self.app.kept_by_gateway.counters;
        counters.take_back(&backs);
        let mut grants = Vec::with_capacity(asks.len());
        for (key, ask) in asks {
            let lent = counters.lend(key, (ask.limit, ask.count), &*self.app.clock).await;
            grants.push(lent.ok().map(LimitGrant::from));
        }
        let nodes = self.app.store.nodes().await.map_err(unavailable)?.len();
        Ok(LimitsAnswer { grants, nodes: u16::try_from(nodes).unwrap_or(u16::MAX).saturating_add(1) })
    }
}
