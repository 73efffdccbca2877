//! The counts of long windows, leased from the store.

use std::sync::Arc;

use async_trait::async_trait;
use latchkey_gateway::throttle::{Allotments, Ask, CountKey, Grant, HandBack, Unallotted};
use latchkey_oauth::clock::Timestamp;
use latchkey_store::counts::Lease;
use latchkey_store::{Store, StoreError};

use crate::app::App;

/// The most permits that go back in one unit of work.
const BATCH: usize = 500;

/// How long a count stays after its window, in milliseconds: a clock that was set back finds it again.
const KEPT_AFTER: i64 = 24 * 3_600_000;

/// The store as the keeper of counts.
#[derive(Debug)]
pub struct StoreAllotments(pub Arc<dyn Store>);

#[async_trait]
impl Allotments for StoreAllotments {
    async fn lease(&self, key: CountKey, Ask { plan, count, .. }: Ask) -> Result<Grant, Unallotted> {
        self.0.lease(Lease { key, limit: plan.limit, count }).await.map_err(|error| unallotted(&error))
    }

    async fn give_back(&self, backs: Vec<(CountKey, HandBack)>) -> Result<(), Unallotted> {
        self.0.give_back(backs).await.map_err(|error| unallotted(&error))
    }
}

fn unallotted(error: &StoreError) -> Unallotted {
    tracing::warn!(problem = %error, "the store does not count for a limit");
    Unallotted
}

/// Gives back what this process holds and did not use, when it ends in order.
pub async fn give_back(app: &App) {
    let backs = app.kept_by_gateway.counters.hand_back(app.now());
    for some in backs.chunks(BATCH) {
        if let Err(error) = app.store.give_back(some.to_vec()).await {
            tracing::warn!(problem = %error, "unused permits could not be given back; they end with their windows");
            return;
        }
    }
}

/// Removes counts whose windows ended a day ago.
pub async fn trim(app: &App) {
    let before: Timestamp = app.now().plus_millis(-KEPT_AFTER);
    loop {
        match app.store.trim_tallies(before).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(problem = %error, "counts of windows that are over could not be removed");
                return;
            }
        }
    }
}
