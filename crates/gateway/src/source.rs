//! Where the gateway gets its facts: in the server's own process from the store, on a node of its own from
//! the server's feed.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use latchkey_catalog::id::EntryId;
use latchkey_oauth::client::KeyType;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::secret::Secret;
use tokio::time::timeout;

use crate::authorize::Caller;
use crate::explain::Cause;
use crate::route::{RoutedApi, Routes};
use crate::stream::opened::{Opened, Withdrawn};

/// Nothing can be said now. The gateway answers 503 and lets nothing pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the facts that the gateway needs cannot be had now")]
pub struct Unavailable;

/// A source of facts. What it answers holds at the moment of the answer: a token that was revoked before
/// the question is never [`Presented::Alive`], whatever is cached.
pub trait Source: Send + Sync + 'static {
    /// What is known of a token that is alive.
    type Holder: Holder;

    /// The routes of all APIs as they are published now, and the tiers of the same moment.
    fn routes(&self) -> impl Future<Output = Result<Arc<Routes>, Unavailable>> + Send;

    /// [`Source::routes`], where they can be told without waiting.
    fn routes_at_hand(&self) -> Option<Arc<Routes>> {
        None
    }

    /// What a presented token stands for.
    fn token(
        &self,
        token: &Secret,
    ) -> impl Future<Output = Result<Presented<Self::Holder>, Unavailable>> + Send;

    /// [`Source::token`] at `now`, where it can be told without waiting, as it can for most calls; the promise
    /// is the same.
    fn token_at_hand(&self, token: &Secret, now: Timestamp) -> Option<Presented<Self::Holder>> {
        let _ = (token, now);
        None
    }

    /// What a presented API key stands for; the promise is that of [`Source::token`].
    fn api_key(
        &self,
        _key: &Secret,
    ) -> impl Future<Output = Result<Presented<Self::Holder>, Unavailable>> + Send {
        std::future::ready(Ok(Presented::Unknown))
    }

    /// [`Source::api_key`] at `now`, where it can be told without waiting.
    fn api_key_at_hand(&self, key: &Secret, now: Timestamp) -> Option<Presented<Self::Holder>> {
        let _ = (key, now);
        None
    }

    /// What a presented internal key opens of `api`; the promise is that of [`Source::token`]. A source that takes none
    /// says that it knows none.
    fn internal_key(
        &self,
        _key: &Secret,
        _api: EntryId,
    ) -> impl Future<Output = Result<Presented<Trial>, Unavailable>> + Send {
        std::future::ready(Ok(Presented::Unknown))
    }

    /// A signed assertion about the holder for the upstreams of `api`; none where the source makes none.
    fn assertion(
        &self,
        _holder: &Self::Holder,
        _api: &RoutedApi,
    ) -> impl Future<Output = Result<Option<HeaderValue>, Unavailable>> + Send {
        std::future::ready(Ok(None))
    }

    /// Comes to its end when the token of `holder` is no longer alive (expired, revoked or superseded, ended
    /// with its client or user) or when the call `opened` would not be let pass any more ([`Opened::judge`]): its
    /// subscription, its API or the scopes of its resource are not what they were. Says which. Without a
    /// holder, the call came without a token. Nothing is done before it is polled for the first time; from then
    /// on no end is missed, nor one that came before. Streams that last are cut by it.
    fn ended(
        &self,
        holder: Option<&Self::Holder>,
        opened: Opened,
    ) -> impl Future<Output = Withdrawn> + Send + 'static;
}

impl<S: Source> Source for Arc<S> {
    type Holder = S::Holder;

    fn routes(&self) -> impl Future<Output = Result<Arc<Routes>, Unavailable>> + Send {
        (**self).routes()
    }

    fn token(
        &self,
        token: &Secret,
    ) -> impl Future<Output = Result<Presented<Self::Holder>, Unavailable>> + Send {
        (**self).token(token)
    }

    fn routes_at_hand(&self) -> Option<Arc<Routes>> {
        (**self).routes_at_hand()
    }

    fn token_at_hand(&self, token: &Secret, now: Timestamp) -> Option<Presented<Self::Holder>> {
        (**self).token_at_hand(token, now)
    }

    fn api_key(
        &self,
        key: &Secret,
    ) -> impl Future<Output = Result<Presented<Self::Holder>, Unavailable>> + Send {
        (**self).api_key(key)
    }

    fn api_key_at_hand(&self, key: &Secret, now: Timestamp) -> Option<Presented<Self::Holder>> {
        (**self).api_key_at_hand(key, now)
    }

    fn internal_key(
        &self,
        key: &Secret,
        api: EntryId,
    ) -> impl Future<Output = Result<Presented<Trial>, Unavailable>> + Send {
        (**self).internal_key(key, api)
    }

    fn assertion(
        &self,
        holder: &S::Holder,
        api: &RoutedApi,
    ) -> impl Future<Output = Result<Option<HeaderValue>, Unavailable>> + Send {
        (**self).assertion(holder, api)
    }

    fn ended(
        &self,
        holder: Option<&Self::Holder>,
        opened: Opened,
    ) -> impl Future<Output = Withdrawn> + Send + 'static {
        (**self).ended(holder, opened)
    }
}

/// The holder of a token or an API key.
pub trait Holder: Send + Sync {
    /// What authorization needs to know for a call of `api`.
    fn caller(&self, api: EntryId) -> Caller<'_>;
}

/// What an internal key opens: an API, for who tries it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    /// Production or sandbox.
    pub keys: KeyType,
    /// How long it lasts still.
    pub left: Duration,
}

impl Trial {
    /// `ended`, or the end of the key where that comes before.
    pub async fn bounds(self, ended: impl Future<Output = Withdrawn>) -> Withdrawn {
        timeout(self.left, ended).await.unwrap_or_else(|_| Cause::KeyExpired.into())
    }
}

/// What a presented token or API key stands for.
#[derive(Debug)]
pub enum Presented<H> {
    /// One that is valid now.
    Alive(H),
    /// One of ours whose time is over. Its holder, who is known unless the client is gone, explains the
    /// refusal and opens nothing.
    Expired(Option<H>),
    /// One of ours that was revoked or superseded, likewise.
    Revoked(Option<H>),
    /// None of ours, or none that opens an API.
    Unknown,
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;
    use crate::answer::Fault;

    #[tokio::test(start_paused = true)]
    async fn a_trial_ends_with_its_key_at_the_latest() {
        let trial = Trial { keys: KeyType::Production, left: Duration::from_mins(15) };
        let began = tokio::time::Instant::now();
        assert_eq!(trial.bounds(pending()).await, Withdrawn::from(Cause::KeyExpired));
        assert_eq!(began.elapsed().as_secs(), 900);
        let gone = || Withdrawn::from(Fault::UnknownApi);
        assert_eq!(trial.bounds(ready(gone())).await, gone());
        assert_eq!(began.elapsed().as_secs(), 900);
    }
}
