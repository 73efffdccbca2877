use std::sync::Arc;
use std::time::Duration;

use latchkey_catalog::api::{Api, ApiDefinition};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::upstream::UpstreamUrl;
use latchkey_gateway::path::Target;
use latchkey_gateway::route::Routes;
use latchkey_gateway::throttle::CountersUse;
use latchkey_gateway::upstream::fleet::ServerReading;
use latchkey_oauth::refusal::Refusal;
use latchkey_store::CacheUse;

use super::{Metrics, Readings, Recent, Route};
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

/// Calls of an API are counted under its path whichever way they come, and an API that was published anew goes on
/// where the one before it stopped.
#[test]
fn calls_are_counted_by_api_and_status() {
    let (metrics, recent) = (Metrics::default(), Recent::default());
    let routes = || {
        let context = "/echo".to_owned();
        let (id, version) = (EntryId::from_bytes([1; 16]), "1.0.0".to_owned());
        let definition = ApiDefinition::default();
        Routes::build([Api { id, name: "Echo".to_owned(), context, version, definition }]).0
    };
    let target = Target::normalise("/echo/1.0.0/a").unwrap();
    for _ in 0..2 {
        let routes = routes();
        let (api, _) = routes.api(&target).unwrap();
        for status in (200..500).chain([200]) {
            recent.count(&metrics, api, (status, Duration::from_millis(3)));
        }
        metrics.request(Route::Api(Arc::clone(api)), 200, Duration::from_millis(3));
    }
    let text = metrics.render(&readings());
    for line in [
        r#"latchkey_http_requests_total{route="/echo/1.0.0",status="200"} 6"#,
        r#"latchkey_http_requests_total{route="/echo/1.0.0",status="499"} 2"#,
        r#"latchkey_http_request_seconds_count{route="/echo/1.0.0"} 604"#,
    ] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
}
