//! Upstreams with several addresses, some of which fail.

use latchkey_catalog::api::Upgrades;
use latchkey_catalog::upstream::Retries;

use super::*;

/// The API `/echo/1` with that upstream.
pub(super) fn api(upstream: Upstream, upgrades: Upgrades) -> Api {
    let resource = |method: &str| Resource {
        method: method.to_owned(),
        template: "/*".to_owned(),
        ..Resource::default()
    };
    let definition = ApiDefinition {
        resources: vec![resource("GET"), resource("POST"), resource("DELETE")],
        production: Some(upstream),
        upgrades,
        ..ApiDefinition::default()
    };
    let (context, version) = ("/echo".to_owned(), "1".to_owned());
    Api { id: EntryId::from_bytes([7; 16]), name: "Echo".to_owned(), context, version, definition }
}

/// A gateway before all of these addresses, and what it knows of them.
async fn gateway_before(addresses: &[SocketAddr], retries: Retries) -> (SocketAddr, Arc<Fleet>) {
    let urls = addresses.iter().map(|address| UpstreamUrl::parse(&format!("http://{address}")).unwrap());
    let timeouts = Timeouts { connect: 500, answer: 1_000, idle: 300 };
    let upstream = Upstream { timeouts, retries, ..Upstream::at(urls.collect()) };
    let routes = Arc::new(Routes::build([api(upstream, Upgrades::None)]).0);
    let kept = kept();
    let fleet = Arc::clone(&kept.fleet);
    let gateway = Gateway::new(Tokens(routes), Upstreams::new(no_trust()), OutboundToken::Remove, kept);
    gateway.tidy().await;
    (serve(gateway).await, fleet)
}

async fn gone() -> SocketAddr {
    TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap()
}

fn delete() -> String {
    get("/echo/1/a", "good").replace("GET", "DELETE")
}

#[tokio::test]
async fn calls_are_spread_over_all_addresses() {
    let (one, other) = (upstream(HELLO, Then::Keeps).await, upstream(HELLO, Then::Keeps).await);
    let (gateway, _) = gateway_before(&[one.0, other.0], Retries::Off).await;
    for _ in 0..10 {
        assert!(exchange(gateway, &get("/echo/1/a", "good")).await.ends_with("hello"));
    }
    for script in [one.1, other.1] {
        assert_eq!(script.received().matches("GET").count(), 5);
    }
}

#[tokio::test]
async fn an_address_where_nobody_listens_costs_no_call_and_is_left_out() {
    let (gone, (address, script)) = (gone().await, upstream(HELLO, Then::Keeps).await);
    let (gateway, fleet) = gateway_before(&[gone, address], Retries::Off).await;
    for _ in 0..20 {
        let answer =
            exchange(gateway, &post("good", 3).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\nabc")).await;
        assert!(answer.ends_with("hello"), "{answer}");
    }
    assert_eq!(script.received().matches("POST").count(), 20);
    let (out, fit): (Vec<_>, Vec<_>) = fleet.readings().into_iter().partition(|reading| !reading.is_fit);
    assert_eq!((out.len(), out[0].failures), (1, 3), "{out:?}");
    assert_eq!((fit.len(), fit[0].failures, fit[0].pending), (1, 0, 0), "{fit:?}");
}

#[tokio::test]
async fn where_everything_is_out_there_is_still_a_try() {
    let (gone_one, gone_other) = (gone().await, gone().await);
    let (gateway, fleet) = gateway_before(&[gone_one, gone_other], Retries::Off).await;
    for _ in 0..10 {
        let answer = exchange(gateway, &get("/echo/1/a", "good")).await;
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("101503"), "{answer}");
    }
    assert!(fleet.readings().iter().all(|reading| !reading.is_fit && reading.failures >= 10));
    let back = TcpListener::bind(gone_one).await.unwrap();
    tokio::spawn(async move {
        let (stream, _) = back.accept().await.unwrap();
        converse(stream, Script::default(), HELLO, Then::Keeps).await;
    });
    assert!(exchange(gateway, &get("/echo/1/a", "good")).await.ends_with("hello"));
}

#[tokio::test]
async fn a_call_without_an_answer_is_repeated_only_where_that_is_wanted_and_harmless() {
    for (call, retries, answers) in [
        (get("/echo/1/a", "good"), Retries::Idempotent, true),
        (delete(), Retries::Idempotent, true),
        (get("/echo/1/a", "good").replace("GET", "POST"), Retries::Idempotent, false),
        (get("/echo/1/a", "good"), Retries::Off, false),
    ] {
        let (broken, good) = (upstream("", Then::Closes).await, upstream(HELLO, Then::Keeps).await);
        let (gateway, _) = gateway_before(&[broken.0, good.0], retries).await;
        let answer = exchange(gateway, &call).await;
        assert_eq!(answer.ends_with("hello"), answers, "{call}{answer}");
        assert_eq!(broken.1.connections(), 1, "{call}");
        assert_eq!(good.1.received().lines().next().is_some(), answers, "{call}");
    }
}

#[tokio::test]
async fn a_call_is_repeated_once() {
    let broken = [
        upstream("", Then::Closes).await,
        upstream("", Then::Closes).await,
        upstream("", Then::Closes).await,
    ];
    let addresses: Vec<SocketAddr> = broken.iter().map(|(address, _)| *address).collect();
    let (gateway, _) = gateway_before(&addresses, Retries::Idempotent).await;
    let answer = exchange(gateway, &get("/echo/1/a", "good")).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("101505"), "{answer}");
    assert_eq!(broken.iter().map(|(_, script)| script.connections()).sum::<usize>(), 2);
}
