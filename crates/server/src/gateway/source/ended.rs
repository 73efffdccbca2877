//! When a stream must end: its token or API key has, or its call may not be made any more.

use std::sync::Arc;
use std::time::Duration;

use latchkey_catalog::api_key::ApiKey;
use latchkey_gateway::explain::Cause;
use latchkey_gateway::stream::open::{OpenStreams, Topic};
use latchkey_gateway::stream::opened::{Opened, Withdrawn};
use latchkey_store::StoreError;
use latchkey_store::changes::Changed;
use tokio::time::sleep;

use super::{Routing, StoredHolder};
use crate::app::App;

/// The longest time between two looks, so that a clock that was set shows.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Between two looks when the store cannot answer.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The most changes that are looked at in one go.
const AT_ONCE: usize = 1024;

/// How a stream stands.
enum Standing {
    Ended(Withdrawn),
    /// At the latest then it is to be looked at again.
    GoesOn(Duration),
}

impl<W: Into<Withdrawn>> From<W> for Standing {
    fn from(why: W) -> Self {
        Self::Ended(why.into())
    }
}

/// Waits until the call `opened` may not be made any more with the token or the API key of `with`; none: it came
/// without any. The stream is known before the first look, so that a change after it wakes it.
pub(super) async fn ended(routing: Arc<Routing>, with: Option<StoredHolder>, opened: Opened) -> Withdrawn {
    let topics = match &with {
        None => Vec::new(),
        Some(StoredHolder::Token { family, .. }) => {
            vec![
                Topic::Family(family.id),
                Topic::Principal(family.client),
                Topic::Principal(family.subject.id),
            ]
        }
        Some(StoredHolder::ApiKey(facts)) => vec![Topic::Principal(facts.key.id)],
    };
    let watch = routing.app.kept_by_gateway.streams.watch(&topics);
    loop {
        let pause = match look(&routing, with.as_ref(), &opened).await {
            Ok(Standing::Ended(why)) => return why,
            Ok(Standing::GoesOn(pause)) => pause,
            Err(error) => {
                tracing::warn!(problem = %error, "it cannot be seen whether an open stream may go on");
                LOOK_AGAIN
            }
        };
        tokio::select! {
            () = watch.woken() => {}
            () = sleep(pause) => {}
        }
    }
}

async fn look(
    routing: &Routing,
    with: Option<&StoredHolder>,
    opened: &Opened,
) -> Result<Standing, StoreError> {
    let app = &routing.app;
    let opened_with = match with {
        None => {
            let judged = opened.judge(&*routing.routes().await?, None::<&StoredHolder>);
            return Ok(judged.map_or_else(Standing::from, |()| Standing::GoesOn(LOOK_EVERY)));
        }
        Some(StoredHolder::ApiKey(facts)) => return look_at_key(routing, &facts.key, opened).await,
        Some(StoredHolder::Token { family, .. }) => family,
    };
    let held = app.store.family(opened_with.bucket, opened_with.id).await?;
    let Some(held) = held else { return Ok(Cause::TokenRevoked.into()) };
    let now = app.now();
    if !held.family.accepts_access(opened_with.access.generation, held.epochs, now) {
        let is_expired = held.family.accepts_access(
            opened_with.access.generation,
            held.epochs,
            opened_with.access.issued_at,
        );
        return Ok(if is_expired { Cause::TokenExpired } else { Cause::TokenRevoked }.into());
    }
    let client = app.store.client_by_id(held.family.client).await?;
    let Some(client) = client else { return Ok(Cause::TokenRevoked.into()) };
    let holder = StoredHolder::Token { family: Arc::clone(opened_with), client };
    if let Err(fault) = opened.judge(&*routing.routes().await?, Some(&holder)) {
        return Ok(fault.into());
    }
    let left = held.family.access.expires.remaining_millis(now).and_then(|left| u64::try_from(left).ok());
    Ok(Standing::GoesOn(left.map_or(LOOK_EVERY, Duration::from_millis).min(LOOK_EVERY)))
}

async fn look_at_key(
    routing: &Routing,
    opened_with: &ApiKey,
    opened: &Opened,
) -> Result<Standing, StoreError> {
    let app = &routing.app;
    let held = app.store.api_key(opened_with.id).await?;
    let Some(facts) = held.filter(|facts| facts.key.generation == opened_with.generation) else {
        return Ok(Cause::KeySuperseded.into());
    };
    let left = opened_with.expires().remaining_millis(app.now()).map(|left| u64::try_from(left).unwrap_or(0));
    if left == Some(0) {
        return Ok(Cause::KeyExpired.into());
    }
    if let Err(fault) = opened.judge(&*routing.routes().await?, Some(&StoredHolder::ApiKey(facts))) {
        return Ok(fault.into());
    }
    Ok(Standing::GoesOn(left.map_or(LOOK_EVERY, Duration::from_millis).min(LOOK_EVERY)))
}

/// Wakes the open streams that a change of the store is about, as long as it is polled.
pub(crate) async fn follow(app: Arc<App>) {
    let (changes, streams) = (app.store.changes(), &app.kept_by_gateway.streams);
    let mut mark = changes.mark();
    loop {
        if let Ok((told, behind)) = changes.since(mark, AT_ONCE) {
            for change in told {
                wake(streams, change);
            }
            mark = behind;
        } else {
            // Too many at once: whoever is woken looks for itself.
            mark = changes.mark();
            streams.wake_all();
        }
        changes.wait(mark).await;
    }
}

/// Wakes the streams that a change is about.
fn wake(streams: &OpenStreams, changed: Changed) {
    match changed {
        Changed::Family { id, .. } => streams.wake(Topic::Family(id)),
        Changed::Epoch { principal: id, .. } | Changed::Client { id } => streams.wake(Topic::Principal(id)),
        Changed::Catalogue => streams.wake_all(),
        // They end nothing.
        Changed::Keys | Changed::Limits => {}
    }
}

#[cfg(test)]
mod tests;
