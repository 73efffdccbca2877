//! The end of a token that a stream was opened with.

use std::sync::Arc;
use std::time::Duration;

use latchkey_gateway::explain::Cause;
use latchkey_gateway::stream::open::Topic;
use latchkey_oauth::family::Family;
use latchkey_store::StoreError;
use tokio::time::sleep;

use crate::app::App;

/// The longest time between two looks, so that a clock that was set shows.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Between two looks when the store cannot answer.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

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
