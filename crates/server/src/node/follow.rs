//! Following the server: what changed, and the lease.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use latchkey_gateway::node::explanations::{EXPLANATIONS, Explained};
use latchkey_gateway::node::lease::Question;
use latchkey_gateway::node::wire::{FEED, FeedAnswer, FeedRequest, Place, SNAPSHOT, Snapshot, Taken, Told};
use latchkey_oauth::entropy::{Entropy, random};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::clock::uptime;
use super::link::{Ask, LinkError};
use super::source::RemoteSource;
use crate::gateway::inquiries::OPEN;

/// The pause after a round that failed, at first; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// Where the node stands.
struct Follower {
    source: Arc<RemoteSource>,
    entropy: Arc<dyn Entropy>,
    place: Option<Place>,
    /// The last question about a refused call that was heard.
    inquiries: u64,
    /// Whether routes and keys are those of `place`.
    routes: Routing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Routing {
    Current,
    Outdated,
}

/// Follows the server until `stop`.
pub(super) async fn follow(source: Arc<RemoteSource>, entropy: Arc<dyn Entropy>, stop: CancellationToken) {
    let mut follower = Follower { source, entropy, place: None, inquiries: 0, routes: Routing::Outdated };
    let mut failed = None;
    loop {
        let round = tokio::select! {
            () = stop.cancelled() => return,
            round = follower.round() => round,
        };
        let pause = match round {
            Ok(()) => {
                if failed.take().is_some() {
                    tracing::info!("the server is heard again");
                }
                continue;
            }
            Err(problem) => follower.lost(&problem, failed).await,
        };
        failed = Some(pause);
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
        }
    }
}

/// Tells the server why calls were refused here, as far as it asks.
fn tell(source: &Arc<RemoteSource>, asked: &[String]) {
    for id in asked.iter().filter_map(|id| id.parse().ok()).take(OPEN) {
        let Some(refusal) = source.explanations.find(id) else { continue };
        let (source, explained) = (Arc::clone(source), Explained::of(id, &refusal));
        tokio::spawn(async move {
            let ask = Ask { path: EXPLANATIONS, question: Some(&explained), patience: source.bound };
            let answer: Result<Taken, LinkError> = source.link.ask(ask).await;
            if let Err(problem) = answer {
                tracing::warn!(%problem, "the server was not told why a call was refused");
            }
        });
    }
}

impl Follower {
    /// One question and what comes of it. The lease runs from the sending, and only once everything that was
    /// told has been put to use.
    async fn round(&mut self) -> Result<(), LinkError> {
        let source = Arc::clone(&self.source);
        let wait = match self.routes {
            Routing::Current => source.bound / 4,
            Routing::Outdated => Duration::ZERO,
        };
        let question = Question { nonce: u64::from_be_bytes(random(&*self.entropy)), sent: uptime() };
        let request = FeedRequest {
            since: self.place.clone(),
            nonce: question.nonce,
            wait: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            inquiries: Some(self.inquiries),
        };
        let ask = Ask { path: FEED, question: Some(&request), patience: wait + source.bound / 2 };
        let answer: FeedAnswer = source.link.ask(ask).await?;
        source.clock.heard(answer.now, uptime());
        if answer.anew {
            source.hear(Told::Unknown);
            source.counts.gaps.fetch_add(1, Relaxed);
            self.routes = Routing::Outdated;
        }
        for change in &answer.changes {
            source.hear(*change);
            if matches!(change, Told::Catalogue | Told::Keys | Told::Unknown) {
                self.routes = Routing::Outdated;
            }
        }
        if answer.anew || !answer.changes.is_empty() {
            source.heard.send_replace(());
        }
        source.counts.changes.fetch_add(answer.changes.len() as u64, Relaxed);
        self.place = Some(answer.place);
        self.inquiries = answer.inquiries;
        tell(&source, &answer.asked);
        if self.routes == Routing::Outdated {
            let ask = Ask::<()> { path: SNAPSHOT, question: None, patience: source.bound };
            let snapshot: Snapshot = source.link.ask(ask).await?;
            source.publish(snapshot).map_err(|problem| LinkError::Senseless(problem.to_string()))?;
            self.routes = Routing::Current;
        }
        source.lease.renew(question, answer.nonce);
        let took = uptime().saturating_sub(question.sent);
        source.counts.round_micros.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
        Ok(())
    }

    /// Tells of a round that failed, the first time; how long to pause after it.
    async fn lost(&self, problem: &LinkError, failed: Option<Duration>) -> Duration {
        self.source.counts.rounds_failed.fetch_add(1, Relaxed);
        if failed.is_none() {
            tracing::error!(
                %problem,
                "the server is not heard; calls pass for at most {} ms more, then they are answered 503",
                self.source.lease.left(uptime()).as_millis()
            );
        }
        // What does not answer may be a connection that leads nowhere any more.
        self.source.link.hang_up().await;
        failed.map_or(PAUSE, |last| (last * 2).min(LONGEST_PAUSE))
    }
}
