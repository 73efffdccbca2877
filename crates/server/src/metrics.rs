//! What is counted, as Prometheus reads it. Labels come from closed sets, the router's own patterns among
//! them, never from requests.

mod readings;
mod recent;
#[cfg(test)]
mod tests;

use std::hash::{Hash, Hasher};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::MatchedPath;
use latchkey_gateway::route::RoutedApi;
use latchkey_oauth::refusal::Refusal;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use readings::Dials;
pub use readings::Readings;
pub use recent::Recent;

/// Upper ends of the latency buckets, in seconds.
const LATENCIES: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0];

/// What answered.
#[derive(Debug, Clone)]
pub enum Route {
    /// An endpoint in front of the router, by its path.
    Endpoint(&'static str),
    /// A pattern of the router.
    Pattern(MatchedPath),
    /// An API of the gateway.
    Api(Arc<RoutedApi>),
    /// Nothing is at the address.
    Unmatched,
}

impl Route {
    /// The route of a request with these extensions, which the router has seen.
    pub fn of(extensions: &http::Extensions) -> Self {
        extensions.get().cloned().map_or(Self::Unmatched, Self::Pattern)
    }

    /// The path or pattern, such as `/oauth2/token`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Endpoint(path) => path,
            Self::Pattern(pattern) => pattern.as_str(),
            Self::Api(api) => api.path(),
            Self::Unmatched => "unmatched",
        }
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Route {}

impl Hash for Route {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        self.as_str().encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: Route,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: Route,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    grant_type: Text,
    outcome: Text,
}

/// A text known when the program was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Text(&'static str);

impl EncodeLabelValue for Text {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.0, encoder)
    }
}

/// The metrics of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latency: Family<RouteLabel, Histogram, fn() -> Histogram>,
    token_requests: Family<TokenLabels, Counter>,
    panics: Counter,
    revocations: Counter,
    passwords_refused: Counter,
    dials: Mutex<Dials>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("latchkey");
        let requests = Family::default();
        let latency: Family<RouteLabel, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(LATENCIES));
        let token_requests = Family::default();
        let panics: Counter<u64, AtomicU64> = Counter::default();
        let revocations: Counter<u64, AtomicU64> = Counter::default();
        let passwords_refused: Counter<u64, AtomicU64> = Counter::default();
        registry.register("http_requests", "Requests by route and status", requests.clone());
        registry.register("http_request_seconds", "Time to answer by route", latency.clone());
        registry.register("http_handler_panics", "Requests whose handler panicked", panics.clone());
        registry.register("token_requests", "Token requests by grant and outcome", token_requests.clone());
        registry.register("revocations", "Token families ended by their clients", revocations.clone());
        registry.register(
            "password_checks_refused",
            "Password checks refused because too many waited",
            passwords_refused.clone(),
        );
        let dials = Mutex::new(Dials::of(&mut registry));
        Self { registry, requests, latency, token_requests, panics, revocations, passwords_refused, dials }
    }
}

impl Metrics {
    /// Counts an answered request.
    pub fn request(&self, route: Route, status: u16, took: Duration) {
        let label = RouteLabel { route };
        self.latency.get_or_create(&label).observe(took.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { route: label.route, status }).inc();
    }

    /// The counters of a call of `api` that was answered with `status`.
    fn of_api(&self, api: &Arc<RoutedApi>, status: u16) -> (Histogram, Counter) {
        let label = RouteLabel { route: Route::Api(Arc::clone(api)) };
        let latency = self.latency.get_or_create(&label).clone();
        (latency, self.requests.get_or_create(&RequestLabels { route: label.route, status }).clone())
    }

    /// Counts a token request by its grant and what became of it.
    pub fn token_request(&self, grant_type: Option<&'static str>, refusal: Option<Refusal>) {
        let outcome = refusal.map_or("issued", |refusal| refusal.answer().error);
        let labels = TokenLabels { grant_type: Text(grant_type.unwrap_or("none")), outcome: Text(outcome) };
        self.token_requests.get_or_create(&labels).inc();
    }

    /// Counts a handler that panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// Counts a revocation that ended something.
    pub fn revoked(&self) {
        self.revocations.inc();
    }

    /// Counts a password check that was refused because too many waited.
    pub fn password_refused(&self) {
        self.passwords_refused.inc();
    }

    /// Everything as `OpenMetrics` text, with how things stand now.
    pub fn render(&self, readings: &Readings) -> String {
        // Held until the text is made, so that one text shows one reading.
        let dials = self.dials.lock().unwrap_or_else(PoisonError::into_inner);
        dials.show(readings);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes any text");
        text
    }
}
