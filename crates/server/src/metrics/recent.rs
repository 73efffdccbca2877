//! The counters that a thread needed last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use latchkey_gateway::route::RoutedApi;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::Metrics;

/// The most answers of which counters are kept; past it all are found anew.
const MOST: usize = 256;

/// The counters of the APIs that a thread called last, by status: finding them by their labels costs a call more
/// than counting it. A copy knows of none.
#[derive(Debug, Default)]
pub struct Recent(Mutex<HashMap<Place, Counters, RandomState>>);

/// An API as it was published at one time, by its address, and the status.
type Place = (usize, u16);

#[derive(Debug)]
struct Counters {
    /// Keeps the address from being another API's.
    _api: Arc<RoutedApi>,
    requests: Counter,
    latency: Histogram,
}

impl Clone for Recent {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Recent {
    /// Counts an answered call of `api`.
    pub fn count(&self, metrics: &Metrics, api: &Arc<RoutedApi>, (status, took): (u16, Duration)) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (Arc::as_ptr(api).addr(), status);
        if recent.len() >= MOST && !recent.contains_key(&place) {
            recent.clear();
        }
        let counters = recent.entry(place).or_insert_with(|| {
            let (latency, requests) = metrics.of_api(api, status);
            Counters { _api: Arc::clone(api), requests, latency }
        });
        counters.latency.observe(took.as_secs_f64());
        counters.requests.inc();
    }
}
