//! What is not counted as it happens but looked at when somebody asks.

use std::sync::atomic::{AtomicI64, AtomicU64};

use latchkey_gateway::throttle::CountersUse;
use latchkey_gateway::upstream::fleet::ServerReading;
use latchkey_store::CacheUse;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Text;
use crate::listener::seats::SeatUse;

/// How things stand at one moment.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// Password checks that wait.
    pub passwords_waiting: usize,
    /// Writes that wait for the store.
    pub store_queued: usize,
    /// The store's cache of token families.
    pub store_cache: CacheUse,
    /// The counts of limits.
    pub limits: CountersUse,
    /// Log lines lost since the start.
    pub log_lines_lost: usize,
    /// Calls of which no record was kept, since the start.
    pub records_dropped: u64,
    /// The connections of each listener, by its name.
    pub listeners: Vec<(&'static str, SeatUse)>,
    /// The servers behind the APIs.
    pub upstreams: Vec<ServerReading>,
    /// Answers, uploads and tunnels of the gateway that last.
    pub open_streams: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabel {
    listener: Text,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AddressLabel {
    address: String,
}

type Level = Gauge<i64, AtomicI64>;
type Total = Counter<u64, AtomicU64>;

/// Where readings are shown.
#[derive(Debug, Default)]
pub(super) struct Dials {
    passwords_waiting: Level,
    store_queued: Level,
    cache_families: Level,
    cache_hits: Total,
    cache_misses: Total,
    limit_counts: Level,
    limit_leases: Total,
    limit_lease_failures: Total,
    log_lines_lost: Total,
    records_dropped: Total,
    connections: Family<ListenerLabel, Level>,
    connections_limit: Family<ListenerLabel, Level>,
    connections_refused: Family<ListenerLabel, Total>,
    upstream_healthy: Family<AddressLabel, Level>,
    upstream_failures: Family<AddressLabel, Total>,
    open_streams: Level,
}

impl Dials {
    /// New ones, registered.
    pub(super) fn of(registry: &mut Registry) -> Self {
        let dials = Self::default();
        let mut level = |name: &str, help: &str, dial: &Level| registry.register(name, help, dial.clone());
        level("password_checks_waiting", "Password checks that wait", &dials.passwords_waiting);
        level("store_units_waiting", "Writes that wait for the store's writer", &dials.store_queued);
        level("store_cache_families", "Token families held in the store's cache", &dials.cache_families);
        level("limit_counts", "Counts of limits that the gateway keeps", &dials.limit_counts);
        level(
            "gateway_open_streams",
            "Long answers, uploads and tunnels of the gateway",
            &dials.open_streams,
        );
        let mut total = |name: &str, help: &str, dial: &Total| registry.register(name, help, dial.clone());
        total("store_cache_hits", "Looks for a token family that its cache answered", &dials.cache_hits);
        total("store_cache_misses", "Looks for a token family that went to the file", &dials.cache_misses);
        let leases = "Questions for permits of limits that are counted elsewhere";
        total("limit_leases", leases, &dials.limit_leases);
        let failures = "Questions for permits that were not answered";
        total("limit_lease_failures", failures, &dials.limit_lease_failures);
        total("log_lines_lost", "Log lines lost because their reader was too slow", &dials.log_lines_lost);
        total(
            "records_dropped",
            "Calls of which no record was kept because too many waited",
            &dials.records_dropped,
        );
        registry.register("connections", "Connections open by listener", dials.connections.clone());
        registry.register(
            "connections_limit",
            "Connections that may be open at once by listener",
            dials.connections_limit.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections closed because their network had its share, by listener",
            dials.connections_refused.clone(),
        );
        registry.register(
            "upstream_healthy",
            "Whether calls go to the address of an upstream: 1, or 0 while it is left out",
            dials.upstream_healthy.clone(),
        );
        registry.register(
            "upstream_failures",
            "Calls that failed at the address of an upstream before an answer",
            dials.upstream_failures.clone(),
        );
        dials
    }

    /// Shows `readings`. Only one may do so at a time.
    pub(super) fn show(&self, readings: &Readings) {
        set(&self.passwords_waiting, readings.passwords_waiting);
        set(&self.store_queued, readings.store_queued);
        set(&self.cache_families, readings.store_cache.families);
        raise(&self.cache_hits, readings.store_cache.hits);
        raise(&self.cache_misses, readings.store_cache.misses);
        set(&self.limit_counts, readings.limits.keys);
        raise(&self.limit_leases, readings.limits.leases);
        raise(&self.limit_lease_failures, readings.limits.failures);
        raise(&self.log_lines_lost, readings.log_lines_lost as u64);
        raise(&self.records_dropped, readings.records_dropped);
        for (listener, seats) in &readings.listeners {
            let label = ListenerLabel { listener: Text(listener) };
            set(&self.connections.get_or_create(&label), seats.open);
            set(&self.connections_limit.get_or_create(&label), seats.total);
            raise(&self.connections_refused.get_or_create(&label), seats.refused);
        }
        set(&self.open_streams, readings.open_streams);
        // An address that no API has any more is not shown any more.
        self.upstream_healthy.clear();
        self.upstream_failures.clear();
        for server in &readings.upstreams {
            let label = AddressLabel { address: server.address.to_string() };
            set(&self.upstream_healthy.get_or_create(&label), usize::from(server.is_fit));
            raise(&self.upstream_failures.get_or_create(&label), server.failures);
        }
    }
}

fn set(dial: &Level, value: usize) {
    dial.set(i64::try_from(value).unwrap_or(i64::MAX));
}

/// A counter of this kind only grows, and so does what it is read from.
fn raise(dial: &Total, to: u64) {
    dial.inc_by(to.saturating_sub(dial.get()));
}
