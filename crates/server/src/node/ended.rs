//! When a stream at a node must end.
//!
//! Its token ends as the server tells. Whether its call may still be made is judged by what is published; what its
//! application may call is asked of the server when the catalogue has changed. All of that holds until the lease
//! ends that ran when it was looked at: past it nobody knows. So the published bound holds for streams, too.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use latchkey_gateway::explain::Cause;
use latchkey_gateway::node::lease::Lease;
use latchkey_gateway::node::table::{FamilyTable, Fence, Heard, Known};
use latchkey_gateway::node::wire::HolderFacts;
use latchkey_gateway::route::Routes;
use latchkey_gateway::source::Unavailable;
use latchkey_gateway::stream::open::Watch;
use latchkey_gateway::stream::opened::{Opened, Withdrawn};
use latchkey_oauth::clock::Clock;
use latchkey_oauth::id::PrincipalId;
use tokio::sync::watch;
use tokio::time::sleep;

use super::clock::{ServerClock, uptime};
use super::lookup::Lookups;
use super::source::{RemoteHolder, RemoteSource};

/// Between two questions where the server does not answer.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// An open stream.
pub(super) struct Stream {
    opened: Opened,
    /// Whose it is; none where its call came without a token.
    with: Option<With>,
    fence: Fence,
    table: Arc<FamilyTable>,
    routes: Arc<ArcSwapOption<Routes>>,
    lease: Arc<Lease>,
    clock: Arc<ServerClock>,
    lookups: Lookups,
    heard: watch::Sender<()>,
    _counted: Watch,
}

struct With {
    known: Arc<Known>,
    holder: Holder,
}

/// What the application may call.
enum Holder {
    /// Nothing that was told contradicts this.
    Known(Arc<HolderFacts>),
    /// It is asked for.
    Asked(Asked),
}

type Asked = Pin<Box<dyn Future<Output = Option<Arc<HolderFacts>>> + Send>>;

impl Stream {
    /// The call `opened` with the token of `holder`.
    pub(super) fn new(source: &RemoteSource, holder: Option<&RemoteHolder>, opened: Opened) -> Self {
        let with = holder.map(|RemoteHolder { known, facts, .. }| With {
            known: Arc::clone(known),
            holder: Holder::Known(Arc::clone(facts)),
        });
        Self {
            opened,
            with,
            fence: holder.map_or_else(|| source.table.fence(), |holder| holder.fence),
            table: Arc::clone(&source.table),
            routes: Arc::clone(&source.routes),
            lease: Arc::clone(&source.lease),
            clock: Arc::clone(&source.clock),
            lookups: source.lookups.clone(),
            heard: source.heard.clone(),
            _counted: source.streams.watch(&[]),
        }
    }

    /// Waits until it may not go on.
    pub(super) async fn ended(mut self) -> Withdrawn {
        let mut heard = self.heard.subscribe();
        let mut until = self.lease.until();
        loop {
            heard.mark_unchanged();
            let leased = self.lease.until();
            match self.look() {
                Err(why) => return why,
                Ok(Look::Holds) => until = leased,
                Ok(Look::Asked) => {}
            }
            let left = until.saturating_sub(uptime());
            if left.is_zero() {
                return Cause::ServerSilent.into();
            }
            // A lease that runs is renewed long before its end, so this looks once in its time.
            let pause = self.lifetime().map_or(left, |lifetime| lifetime.min(left));
            tokio::select! {
                told = heard.changed() => if told.is_err() { return Cause::ServerSilent.into() },
                found = answer(&mut self.with) => match found {
                    Some(facts) => self.learn(facts),
                    None => return self.revoked().into(),
                },
                () = sleep(pause) => {}
            }
        }
    }

    /// How things stand by all that was told.
    fn look(&mut self) -> Result<Look, Withdrawn> {
        let known = self.with.as_ref().map(|with| &*with.known);
        match self.table.heard(&mut self.fence, known) {
            Heard::Nothing => {}
            Heard::Catalogue => self.ask(),
            Heard::End if self.with.is_none() => {}
            Heard::End => return Err(self.revoked().into()),
        }
        if self.lifetime() == Some(Duration::ZERO) {
            return Err(self.expired().into());
        }
        let Some(routes) = self.routes.load_full() else { return Err(Cause::ServerSilent.into()) };
        let Some(With { known, holder }) = &self.with else {
            self.opened.judge(&routes, None::<&RemoteHolder>)?;
            return Ok(Look::Holds);
        };
        let Holder::Known(facts) = holder else { return Ok(Look::Asked) };
        let (known, facts, fence) = (Arc::clone(known), Arc::clone(facts), self.fence);
        self.opened.judge(&routes, Some(&RemoteHolder { known, facts, fence }))?;
        Ok(Look::Holds)
    }

    /// What its end is told as.
    fn revoked(&self) -> Cause {
        if self.is_of_key() { Cause::KeySuperseded } else { Cause::TokenRevoked }
    }

    /// The same for the end of its time.
    fn expired(&self) -> Cause {
        if self.is_of_key() { Cause::KeyExpired } else { Cause::TokenExpired }
    }

    fn is_of_key(&self) -> bool {
        self.with.as_ref().is_some_and(|with| with.known.api_key.is_some())
    }

    /// How long its token lives, if that has an end.
    fn lifetime(&self) -> Option<Duration> {
        let left = self.with.as_ref()?.known.expires.remaining_millis(self.clock.now())?;
        u64::try_from(left).ok().map(Duration::from_millis)
    }

    /// What its application may call is to be found out anew.
    fn ask(&mut self) {
        let Some(With { known, holder }) = &mut self.with else { return };
        *holder = match self.table.holder(known.client) {
            Some(facts) => Holder::Known(facts),
            None => Holder::Asked(Box::pin(ask(self.lookups.clone(), known.client))),
        };
    }

    fn learn(&mut self, facts: Arc<HolderFacts>) {
        if let Some(With { holder, .. }) = &mut self.with {
            *holder = Holder::Known(facts);
        }
    }
}

/// Whether all was looked at.
enum Look {
    /// It may go on as long as what is known holds.
    Holds,
    /// It may go on as long as what was known before the question holds.
    Asked,
}

async fn ask(lookups: Lookups, client: PrincipalId) -> Option<Arc<HolderFacts>> {
    loop {
        match lookups.holder(client).await {
            Ok(found) => return found,
            Err(Unavailable) => sleep(ASK_AGAIN).await,
        }
    }
}

/// Waits for the answer to what was asked; for ever where nothing was.
async fn answer(with: &mut Option<With>) -> Option<Arc<HolderFacts>> {
    match with {
        Some(With { holder: Holder::Asked(asked), .. }) => asked.await,
        Some(With { holder: Holder::Known(_), .. }) | None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
