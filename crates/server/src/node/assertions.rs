//! What upstreams are told about callers, signed by the server.
//!
//! The node has no key. It asks for each generation of a token and each API once, and hands the signed text out
//! as long as the server says and nothing is told that could change it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderName, HeaderValue};
use latchkey_catalog::id::EntryId;
use latchkey_gateway::node::assertions::{ASSERTIONS, AssertionAnswer, AssertionRequest};
use latchkey_gateway::node::table::Known;
use latchkey_gateway::source::Unavailable;
use latchkey_oauth::clock::{Clock, Timestamp};
use latchkey_oauth::id::FamilyId;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use super::link::Ask;
use super::source::RemoteSource;
use crate::config::BackendJwt;
use crate::gateway::assertion_header;

/// The most questions at once; calls that need another one are answered 503.
const SEATS: usize = 256;

/// The family, the generation, the API, and how often what is asserted may have changed.
type Key = (FamilyId, u32, EntryId, u64);

/// Assertions that are handed out again.
#[derive(Debug)]
pub(super) struct RemoteAssertions {
    header: HeaderName,
    kept: Cache<Key, Arc<Signed>>,
    /// Counts what was told that may change assertions: one that was asked for before is not handed out after.
    changes: AtomicU64,
    seats: Semaphore,
}

#[derive(Debug)]
struct Signed {
    value: HeaderValue,
    until: Timestamp,
}

impl RemoteAssertions {
    /// None where assertions are switched off.
    pub(super) fn new(settings: &BackendJwt) -> Option<Self> {
        settings.enabled.then(|| Self {
            header: assertion_header(settings),
            kept: Cache::new(settings.cache_entries),
            changes: AtomicU64::new(0),
            seats: Semaphore::new(SEATS),
        })
    }

    /// The header that carries them.
    pub(super) fn header(&self) -> HeaderName {
        self.header.clone()
    }

    /// From now on everything is asked for again.
    pub(super) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// The assertion about the holder of a token that calls `api`.
    pub(super) async fn about(
        &self,
        source: &RemoteSource,
        known: &Known,
        api: EntryId,
    ) -> Result<HeaderValue, Unavailable> {
        let key = (known.family, known.generation, api, self.changes.load(Ordering::SeqCst));
        if let Some(signed) = self.kept.get(&key) {
            if source.clock.now() < signed.until {
                return Ok(signed.value.clone());
            }
            self.kept.remove(&key);
        }
        let bucket = known.bucket.number();
        let request = AssertionRequest { bucket, family: known.family, generation: known.generation, api };
        // Most calls never wait for this.
        let asking = Box::pin(self.ask(source, &request));
        let signed = self.kept.get_or_insert_async(&key, asking).await?;
        Ok(signed.value.clone())
    }

    async fn ask(
        &self,
        source: &RemoteSource,
        request: &AssertionRequest,
    ) -> Result<Arc<Signed>, Unavailable> {
        let _seat = self.seats.try_acquire().map_err(|_| Unavailable)?;
        let ask = Ask { path: ASSERTIONS, question: Some(request), patience: source.bound };
        let answer = source.link.ask(ask).await.map_err(|problem| {
            tracing::warn!(%problem, "the server signs no assertion");
            Unavailable
        })?;
        match answer {
            AssertionAnswer::Signed { assertion, until } => {
                let mut value = HeaderValue::try_from(assertion).map_err(|_| Unavailable)?;
                value.set_sensitive(true);
                Ok(Arc::new(Signed { value, until }))
            }
            // The node is about to hear of that.
            AssertionAnswer::Ended => Err(Unavailable),
            AssertionAnswer::Off => {
                tracing::error!(
                    "the server signs no assertions: gateway.backend_jwt.enabled must be true there too"
                );
                Err(Unavailable)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use latchkey_gateway::node::wire::{HolderFacts, TokenFacts, Told};
    use latchkey_oauth::client::KeyType;
    use latchkey_oauth::entropy::SystemEntropy;
    use latchkey_oauth::family::SubjectType;
    use latchkey_oauth::id::PrincipalId;

    use super::*;
    use crate::node::clock::uptime;
    use crate::node::link::{Link, Way};
    use crate::node::lookup::Lookups;
    use crate::testing::config;

    const API: EntryId = EntryId::from_bytes([7; 16]);

    /// A node whose server is not there.
    fn source() -> RemoteSource {
        let link = Link::new("127.0.0.1:1".to_owned(), Way::Clear, HeaderValue::from_static("Bearer lkn_x"));
        let config = config(&["gateway.backend_jwt.enabled=true"]);
        RemoteSource::new(&config, link, Lookups::queue().0, Arc::new(SystemEntropy))
    }

    fn known(generation: u32) -> Known {
        let principal = PrincipalId::from_bytes([1; 16]);
        let facts = TokenFacts {
            bucket: 1,
            family: FamilyId::from_bytes([2; 16]),
            generation,
            expires: None,
            scope: String::new(),
            device: None,
            client: principal,
            client_epoch: 1,
            subject_type: SubjectType::Application,
            subject: principal,
            subject_epoch: 1,
            holder: HolderFacts {
                application: EntryId::from_bytes([3; 16]),
                application_tier: "Unlimited".to_owned(),
                consumer_key: Some("key".to_owned()),
                api_key: None,
                keys: KeyType::Production,
                subscriptions: Vec::new(),
            },
        };
        Known::from_facts(&facts, uptime()).unwrap()
    }

    /// Keeps an assertion as one that was signed before anything was told.
    fn keep(source: &RemoteSource, seconds: i64) {
        let (value, until) = (HeaderValue::from_static("a.b.c"), source.clock.now().plus_seconds(seconds));
        let key = (known(1).family, 1, API, 0);
        source.assertions.as_ref().unwrap().kept.insert(key, Arc::new(Signed { value, until }));
    }

    async fn is_handed_out(source: &RemoteSource, generation: u32, api: EntryId) -> bool {
        let assertions = source.assertions.as_ref().unwrap();
        assertions.about(source, &known(generation), api).await.is_ok()
    }

    #[tokio::test]
    async fn it_is_handed_out_for_its_token_and_its_api_until_its_time_is_over() {
        let source = source();
        keep(&source, 60);
        assert!(is_handed_out(&source, 1, API).await);
        assert!(!is_handed_out(&source, 2, API).await, "another generation");
        assert!(!is_handed_out(&source, 1, EntryId::from_bytes([8; 16])).await, "another API");
        keep(&source, -1);
        assert!(!is_handed_out(&source, 1, API).await, "too old");
    }

    #[tokio::test]
    async fn what_is_told_makes_the_node_ask_again() {
        let cases = [
            (Told::Catalogue, false),
            (Told::Client { id: PrincipalId::from_bytes([9; 16]) }, false),
            (Told::Keys, false),
            (Told::Unknown, false),
            (Told::Limits, true),
            (Told::Family { id: FamilyId::from_bytes([9; 16]), access: None }, true),
        ];
        for (told, is_kept) in cases {
            let source = source();
            keep(&source, 60);
            source.hear(told);
            assert_eq!(is_handed_out(&source, 1, API).await, is_kept, "{told:?}");
            // An answer that was under way is kept under what was known when it was asked for.
            keep(&source, 60);
            assert_eq!(is_handed_out(&source, 1, API).await, is_kept, "{told:?}");
        }
    }
}
