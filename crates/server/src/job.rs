//! What the server does by itself, again and again.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use latchkey_catalog::usage::Day;
use latchkey_oauth::id::Bucket;
use latchkey_store::rows::Position;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::gateway::limits;

/// Between two marks of how far the store is durable.
const MARK: Duration = Duration::from_secs(5);
/// Between two buckets of the sweep; all 4096 take a little over an hour.
const SWEEP: Duration = Duration::from_secs(1);
/// Between two looks for events that are too old.
const TRIM: Duration = Duration::from_mins(1);

/// Runs the jobs until `stop`, and leaves a last mark.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut mark = interval(MARK);
    let mut sweep = interval(SWEEP);
    let mut trim = interval(TRIM);
    for ticks in [&mut mark, &mut sweep, &mut trim] {
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let mut marked = Position::default();
    let mut bucket = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = mark.tick() => write_mark(&app, &mut marked).await,
            _ = sweep.tick() => {
                sweep_bucket(&app, bucket).await;
                bucket = (bucket + 1) % Bucket::COUNT;
            }
            _ = trim.tick() => {
                trim_events(&app).await;
                limits::trim(&app).await;
            }
        }
    }
    write_mark(&app, &mut marked).await;
}

/// Notes beside the keys how far the store is durable, so that a database set back is noticed.
async fn write_mark(app: &Arc<App>, marked: &mut Position) {
    let position = match app.store.position().await {
        Ok(position) if position != *marked => position,
        Ok(_) => return,
        Err(error) => {
            tracing::warn!(problem = %error, "the store does not say how far it has come");
            return;
        }
    };
    let app = Arc::clone(app);
    let written = tokio::task::spawn_blocking(move || {
        app.key_file.lock().unwrap_or_else(PoisonError::into_inner).write_mark(position)
    });
    match written.await {
        Ok(Ok(())) => *marked = position,
        Ok(Err(error)) => tracing::warn!(problem = %error, "the mark beside the keys could not be written"),
        Err(error) => tracing::error!(problem = %error, "writing the mark beside the keys failed"),
    }
}

async fn sweep_bucket(app: &App, bucket: u16) {
    let Some(bucket) = Bucket::new(bucket) else { return };
    match app.store.sweep(bucket).await {
        Ok(0) => {}
        Ok(reclaimed) => tracing::debug!(bucket = bucket.number(), reclaimed, "expired families reclaimed"),
        Err(error) => tracing::warn!(problem = %error, "expired families could not be reclaimed"),
    }
    let before = Day::of(app.now()).minus(app.config.records.days);
    if let Err(error) = app.store.trim_records(bucket, before).await {
        tracing::warn!(problem = %error, "old records of calls could not be removed");
    }
}

async fn trim_events(app: &App) {
    let retention = app.config.store.event_retention.as_std();
    let millis = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
    let before = app.now().plus_millis(-millis);
    loop {
        match app.store.trim_events(before).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(problem = %error, "old events could not be removed");
                return;
            }
        }
    }
}
