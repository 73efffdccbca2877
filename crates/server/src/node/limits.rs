//! Limits that a node shares with its server and the other nodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use latchkey_gateway::node::limits::{LIMITS, LimitAsk, LimitBack, LimitsAnswer, LimitsRequest, MOST_LIMITS};
use latchkey_gateway::throttle::{
    Allotments, Ask as LimitWish, CountKey, Counters, Grant, HandBack, Unallotted,
};
use latchkey_oauth::clock::Clock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::link::{Ask, LinkError};
use super::source::RemoteSource;

/// Between two looks for permits that no call uses.
const LOOK: Duration = Duration::from_secs(1);

/// What a node knows of the limits beside its counters.
#[derive(Debug, Default)]
pub(super) struct SharedLimits {
    /// How many share them, as the server last said.
    nodes: AtomicU16,
    /// Told when counts were set back at the server.
    pub(super) reset: Notify,
}

/// The server as the keeper of counts.
#[derive(Debug)]
pub(super) struct ServerAllotments(pub(super) Arc<RemoteSource>);

impl ServerAllotments {
    async fn ask(&self, request: &LimitsRequest) -> Result<LimitsAnswer, Unallotted> {
        let ask = Ask { path: LIMITS, question: Some(request), patience: self.0.bound };
        let answer: Result<LimitsAnswer, LinkError> = self.0.link.ask(ask).await;
        let answer = answer.map_err(|problem| {
            tracing::warn!(%problem, "the server does not count for a limit");
            Unallotted
        })?;
        self.0.limits.nodes.store(answer.nodes, Ordering::Relaxed);
        Ok(answer)
    }
}

#[async_trait]
impl Allotments for ServerAllotments {
    async fn lease(&self, key: CountKey, wish: LimitWish) -> Result<Grant, Unallotted> {
        let ask = LimitAsk { key: key.parts(), limit: wish.plan.limit, count: wish.count };
        let answer = self.ask(&LimitsRequest { asks: vec![ask], backs: Vec::new() }).await?;
        let grant = answer.grants.first().copied().flatten().ok_or(Unallotted)?;
        // More than was asked for would be more than the limit may have left.
        if grant.permits > wish.count {
            return Err(Unallotted);
        }
        Ok(grant.into())
    }

    async fn give_back(&self, backs: Vec<(CountKey, HandBack)>) -> Result<(), Unallotted> {
        for some in backs.chunks(MOST_LIMITS) {
            let backs = some.iter().map(LimitBack::from).collect();
            self.ask(&LimitsRequest { asks: Vec::new(), backs }).await?;
        }
        Ok(())
    }
}

/// Gives back what no call uses, and all of it at `stop`; forgets what is held when counts are set back.
pub(super) async fn keep(counters: Arc<Counters>, source: Arc<RemoteSource>, stop: CancellationToken) {
    let server = ServerAllotments(Arc::clone(&source));
    loop {
        let backs = tokio::select! {
            () = stop.cancelled() => break,
            () = source.limits.reset.notified() => counters.reset(|_| true, source.clock.now()).unused,
            () = tokio::time::sleep(LOOK) => counters.idle(source.clock.now()),
        };
        counters.set_nodes(source.limits.nodes.load(Ordering::Relaxed));
        if !backs.is_empty() {
            // It is tried once; what does not arrive is lost to its window.
            let _ = server.give_back(backs).await;
        }
    }
}

/// Gives back everything; the last thing that a node does.
pub(super) async fn end(counters: &Counters, source: Arc<RemoteSource>) {
    let backs = counters.hand_back(source.clock.now());
    if !backs.is_empty() {
        let _ = ServerAllotments(source).give_back(backs).await;
    }
}
