use std::time::Duration;

use latchkey_catalog::upstream::UpstreamUrl;
use latchkey_gateway::throttle::CountersUse;
use latchkey_gateway::upstream::fleet::ServerReading;
use latchkey_oauth::refusal::Refusal;
use latchkey_store::CacheUse;

use super::{Metrics, Readings, Route};
use crate::listener::seats::SeatUse;

fn readings() -> Readings {
    Readings {
        passwords_waiting: 4,
        store_queued: 7,
        store_cache: CacheUse { families: 30, hits: 90, misses: 10 },
        limits: CountersUse { keys: 11, leases: 22, failures: 2 },
        log_lines_lost: 5,
        records_dropped: 6,
        listeners: vec![("server", SeatUse { open: 12, total: 100, refused: 3 })],
        upstreams: vec![ServerReading {
            address: UpstreamUrl::parse("http://orders.example:8080/v1").unwrap(),
            is_fit: false,
            failures: 8,
            pending: 2,
        }],
        open_streams: 11,
    }
}

#[test]
fn what_happens_is_counted() {
    let metrics = Metrics::default();
    metrics.request(Route::Unmatched, 200, Duration::from_millis(3));
    metrics.request(Route::Unmatched, 200, Duration::from_millis(30));
    metrics.token_request(Some("password"), None);
    metrics.token_request(Some("password"), Some(Refusal::UserCredentials));
    metrics.token_request(None, Some(Refusal::MissingGrantType));
    metrics.revoked();
    metrics.password_refused();
    let text = metrics.render(&readings());
    for line in [
        r#"latchkey_http_requests_total{route="unmatched",status="200"} 2"#,
        r#"latchkey_http_request_seconds_bucket{le="0.005",route="unmatched"} 1"#,
        r#"latchkey_token_requests_total{grant_type="password",outcome="issued"} 1"#,
        r#"latchkey_token_requests_total{grant_type="password",outcome="invalid_grant"} 1"#,
        r#"latchkey_token_requests_total{grant_type="none",outcome="invalid_request"} 1"#,
        "latchkey_revocations_total 1",
        "latchkey_password_checks_refused_total 1",
        "latchkey_password_checks_waiting 4",
        "latchkey_store_units_waiting 7",
        "latchkey_store_cache_families 30",
        "latchkey_limit_counts 11",
        "latchkey_limit_leases_total 22",
        "latchkey_limit_lease_failures_total 2",
        "latchkey_store_cache_hits_total 90",
        "latchkey_store_cache_misses_total 10",
        "latchkey_log_lines_lost_total 5",
        r#"latchkey_connections{listener="server"} 12"#,
        r#"latchkey_connections_limit{listener="server"} 100"#,
        r#"latchkey_connections_refused_total{listener="server"} 3"#,
        r#"latchkey_upstream_healthy{address="http://orders.example:8080/v1"} 0"#,
        r#"latchkey_upstream_failures_total{address="http://orders.example:8080/v1"} 8"#,
        "latchkey_gateway_open_streams 11",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn what_was_read_twice_is_counted_once() {
    let metrics = Metrics::default();
    metrics.render(&readings());
    let later = Readings { log_lines_lost: 6, ..readings() };
    let text = metrics.render(&later);
    assert!(text.contains("latchkey_log_lines_lost_total 6\n"), "{text}");
    assert!(text.contains("v1\"} 8\n"), "{text}");
    let text = metrics.render(&Readings { upstreams: Vec::new(), ..readings() });
    assert!(!text.contains("orders.example"), "an address that no API has any more: {text}");
    assert!(text.contains("latchkey_store_cache_hits_total 90\n"), "{text}");
}

/// The page names what there is, with its type, and nothing else.
#[test]
fn the_page_of_metrics_is_complete() {
    let metrics = Metrics::default();
    metrics.request(Route::Unmatched, 404, Duration::ZERO);
    metrics.token_request(None, None);
    let text = metrics.render(&readings());
    let mut exposed: Vec<String> =
        crate::testing::exposed(&text).into_iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md"));
    let mut documented: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| {
            let mut cells = line.split(" | ");
            let name = cells.next().unwrap().trim_end_matches('`');
            format!("{} {}", name.split('{').next().unwrap(), cells.next().unwrap())
        })
        .collect();
    exposed.sort();
    documented.sort();
    assert_eq!(documented, exposed);
}
