//! The end of a token that a stream was opened with.

use std::sync::Arc;
use std::time::Duration;

use latchkey_gateway::explain::Cause;
use latchkey_gateway::stream::open::Topic;
use latchkey_oauth::family::Family;
use latchkey_store::StoreError;
use latchkey_store::changes::Changed;
use tokio::time::sleep;

use crate::app::App;

/// The longest time between two looks, so that a clock that was set shows.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Between two looks when the store cannot answer.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The most changes that are looked at in one go.
const AT_ONCE: usize = 1024;

/// How a token stands.
enum Standing {
    Ended(Cause),
    /// At the latest then it is to be looked at again.
    Alive(Duration),
}

/// Waits for the end of the token that is current in `family`. The stream is known before the first look, so
/// that a change after it wakes it.
pub(super) async fn ended(app: Arc<App>, family: Arc<Family>) -> Cause {
    let topics =
        [Topic::Family(family.id), Topic::Principal(family.client), Topic::Principal(family.subject.id)];
    let watch = app.kept_by_gateway.streams.watch(&topics);
    loop {
        let pause = match look(&app, &family).await {
            Ok(Standing::Ended(cause)) => return cause,
            Ok(Standing::Alive(pause)) => pause,
            Err(error) => {
                tracing::warn!(problem = %error, "it cannot be seen whether the token of an open stream is still valid");
                LOOK_AGAIN
            }
        };
        tokio::select! {
            () = watch.woken() => {}
            () = sleep(pause) => {}
        }
    }
}

async fn look(app: &App, opened_with: &Family) -> Result<Standing, StoreError> {
    let held = app.store.family(opened_with.bucket, opened_with.id).await?;
    let Some(held) = held else { return Ok(Standing::Ended(Cause::TokenRevoked)) };
    let now = app.now();
    if !held.family.accepts_access(opened_with.access.generation, held.epochs, now) {
        let is_expired = held.family.accepts_access(
            opened_with.access.generation,
            held.epochs,
            opened_with.access.issued_at,
        );
        return Ok(Standing::Ended(if is_expired { Cause::TokenExpired } else { Cause::TokenRevoked }));
    }
    if app.store.client_by_id(held.family.client).await?.is_none() {
        return Ok(Standing::Ended(Cause::TokenRevoked));
    }
    let left = held.family.access.expires.remaining_millis(now).and_then(|left| u64::try_from(left).ok());
    Ok(Standing::Alive(left.map_or(LOOK_EVERY, Duration::from_millis).min(LOOK_EVERY)))
}

/// Wakes the open streams that a change of the store is about, as long as it is polled.
pub(crate) async fn follow(app: Arc<App>) {
    let (changes, streams) = (app.store.changes(), &app.kept_by_gateway.streams);
    let mut mark = changes.mark();
    loop {
        if let Ok((told, behind)) = changes.since(mark, AT_ONCE) {
            told.into_iter().filter_map(topic_of).for_each(|topic| streams.wake(topic));
            mark = behind;
        } else {
            // Too many at once: whoever is woken looks for itself.
            mark = changes.mark();
            streams.wake_all();
        }
        changes.wait(mark).await;
    }
}

/// What streams a change is about.
const fn topic_of(changed: Changed) -> Option<Topic> {
    match changed {
        Changed::Family { id, .. } => Some(Topic::Family(id)),
        Changed::Epoch { principal, .. } => Some(Topic::Principal(principal)),
        // They end no token.
        Changed::Catalogue | Changed::Keys | Changed::Limits => None,
    }
}
