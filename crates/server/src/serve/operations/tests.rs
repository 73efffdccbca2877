use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;
use crate::testing::{Installation, home};

#[tokio::test]
async fn metrics_show_what_is_in_use_when_they_are_asked_for() {
    let home = home();
    let at = Installation::open(&home, &["store.url=sqlite:latchkey.db"]).await;
    let (server, operations) = (Seats::new(100, 1), Seats::new(64, 64));
    let peer = "192.0.2.1".parse().unwrap();
    let held = server.wait().await.for_peer(peer).unwrap();
    assert!(server.wait().await.for_peer(peer).is_none());
    let listeners = vec![("server", Arc::clone(&server)), ("operations", operations)];
    let watched = Watched { app: Arc::clone(&at.app), listeners, lost_lines: LostLines::default() };
    let routes = router(watched);
    let look = async || {
        let request = Request::get("/metrics").body(Body::empty()).unwrap();
        let body = routes.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap();
        String::from_utf8(body.to_bytes().to_vec()).unwrap()
    };
    let text = look().await;
    for line in [
        r#"latchkey_connections{listener="server"} 1"#,
        r#"latchkey_connections_refused_total{listener="server"} 1"#,
        r#"latchkey_connections_limit{listener="operations"} 64"#,
        "latchkey_store_units_waiting 0",
        "latchkey_store_cache_families 0",
        "latchkey_log_lines_lost_total 0",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }
    drop(held);
    assert!(look().await.contains("latchkey_connections{listener=\"server\"} 0\n"));
}
