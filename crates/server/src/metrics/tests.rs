use std::time::Duration;

use latchkey_oauth::refusal::Refusal;

use super::{Metrics, Route};

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
    let text = metrics.render(4, 7);
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
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
