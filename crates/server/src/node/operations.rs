//! The operations listener of a node.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use latchkey_gateway::call::Kept;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::clock::uptime;
use super::source::RemoteSource;
use crate::gateway::Recorder;
use crate::http::answer::{Whole, text};
use crate::listener::Seats;
use crate::log::LostLines;
use crate::metrics::{Metrics, Readings};

/// What is looked at when an operator asks.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) source: Arc<RemoteSource>,
    pub(super) kept: Kept,
    pub(super) metrics: Arc<Metrics>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) listeners: Vec<(&'static str, Arc<Seats>)>,
    pub(super) lost_lines: LostLines,
}

/// `/livez`, `/readyz` and `/metrics`.
pub(super) fn router(watched: Watched) -> Router {
    Router::new()
        .route("/livez", get(async || plain(StatusCode::OK, "alive\n")))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(watched))
}

/// Whether calls pass. Liveness does not depend on it: a node without its server is not helped by a restart.
async fn ready(State(watched): State<Arc<Watched>>) -> Whole {
    if watched.source.is_ready() {
        plain(StatusCode::OK, "ready\n")
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, "the server is not heard\n")
    }
}

async fn metrics(State(watched): State<Arc<Watched>>) -> Whole {
    let readings = Readings {
        records_dropped: watched.recorder.dropped(),
        limits: watched.kept.counters.in_use(),
        upstreams: watched.kept.fleet.readings(),
        open_streams: watched.kept.streams.count(),
        log_lines_lost: watched.lost_lines.count(),
        listeners: watched.listeners.iter().map(|(name, seats)| (*name, seats.in_use())).collect(),
        ..Readings::default()
    };
    let mut body = watched.metrics.render(&readings);
    // Two registries make one text, which ends once.
    body.truncate(body.trim_end().strip_suffix("# EOF").map_or(body.len(), str::len));
    encode(&mut body, &registry(&watched.source)).expect("a string takes any text");
    text(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", body)
}

/// How the node stands now.
fn registry(source: &RemoteSource) -> Registry {
    let mut registry = Registry::with_prefix("latchkey_node");
    let counts = &source.counts;
    let (known, hits, misses) = source.table.in_use();
    let level = |registry: &mut Registry, name: &str, help: &str, value: u64| {
        let gauge = Gauge::<i64, AtomicI64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    let left = u64::try_from(source.lease.left(uptime()).as_millis()).unwrap_or(u64::MAX);
    level(&mut registry, "lease_left_milliseconds", "How long calls pass without word from the server", left);
    let round = counts.round_micros.load(Ordering::Relaxed);
    level(
        &mut registry,
        "round_microseconds",
        "From asking what changed to having used the answer, last",
        round,
    );
    level(&mut registry, "tokens_known", "Tokens that need not be asked about", known as u64);
    let totals = [
        ("token_hits", "Looks for a token that found it known", hits),
        ("token_misses", "Looks for a token that had to be asked about", misses),
        ("lookups", "Questions to the server about tokens", counts.lookups.load(Ordering::Relaxed)),
        ("lookups_failed", "Those without an answer", counts.lookups_failed.load(Ordering::Relaxed)),
        ("changes", "Changes heard of", counts.changes.load(Ordering::Relaxed)),
        (
            "rounds_failed",
            "Questions what changed without an answer",
            counts.rounds_failed.load(Ordering::Relaxed),
        ),
        ("gaps", "Times that everything was forgotten", counts.gaps.load(Ordering::Relaxed)),
        ("record_batches", "Batches of records that the server took", counts.batches.load(Ordering::Relaxed)),
        (
            "record_batches_failed",
            "Those sent without an answer that it did",
            counts.batches_failed.load(Ordering::Relaxed),
        ),
        ("snapshots", "Times that the APIs were read", counts.snapshots.load(Ordering::Relaxed)),
    ];
    for (name, help, value) in totals {
        let counter = Counter::<u64, AtomicU64>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }
    registry
}

fn plain(status: StatusCode, body: &'static str) -> Whole {
    text(status, "text/plain; charset=utf-8", body)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use latchkey_oauth::entropy::SystemEntropy;

    use super::*;
    use crate::node::link::{Link, Way};
    use crate::node::lookup::Lookups;
    use crate::testing::{config, exposed};

    fn source() -> RemoteSource {
        let link = Link::new("127.0.0.1:1".to_owned(), Way::Clear, HeaderValue::from_static("Bearer lkn_x"));
        RemoteSource::new(&config(&[]), link, Lookups::queue().0, Arc::new(SystemEntropy))
    }

    #[test]
    fn the_page_names_what_is_exposed() {
        let mut text = String::new();
        encode(&mut text, &registry(&source())).unwrap();
        let mut exposed: Vec<String> =
            exposed(&text).into_iter().map(|(name, kind)| format!("- `{name}` ({kind})")).collect();
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md"));
        let named = page.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name);
        let mut documented: Vec<&str> = named.filter(|name| name.starts_with("- `")).collect();
        exposed.sort();
        documented.sort_unstable();
        assert_eq!(documented, exposed);
    }

    #[test]
    fn nothing_passes_before_anything_was_heard() {
        assert!(!source().is_ready());
    }
}
