//! What a node tells its server of calls, when and how often, and what the server signs for it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_checks::relay::Passes;
use latchkey_checks::server::{Server, pass};
use latchkey_checks::wire::{self, Reply, Request};
use serde_json::{Value, json};

use crate::stage::{BOUND, PATH, Setting, Stage, scene};

/// The longest wait for records that are written once a minute, but at once after a quiet minute.
const PATIENCE: Duration = Duration::from_secs(20);

fn listed(server: &Server, words: &[&str]) -> Result<Vec<Value>> {
    let text = server.cli(&[words, &["--json"]].concat(), "")?;
    serde_json::from_str(&text).with_context(|| format!("{}: {text}", words.join(" ")))
}

/// What the server has counted for the application.
fn counted(server: &Server) -> Result<Vec<Value>> {
    listed(server, &["usage", "list", "--app", "Opaque"])
}

/// Waits until so many calls are counted at the server.
fn comes_to(server: &Server, calls: u64) -> Result<()> {
    let since = Instant::now();
    loop {
        let usage = counted(server)?;
        let sum: u64 = usage.iter().filter_map(|one| one["calls"].as_u64()).sum();
        if sum == calls {
            return Ok(());
        }
        ensure!(sum < calls && since.elapsed() < PATIENCE, "{sum} calls are counted, not {calls}: {usage:?}");
        pass(Duration::from_millis(50));
    }
}

fn call(stage: &Stage, path: &str, headers: &[(&str, &str)]) -> Result<Reply> {
    let request = Request::new("GET", path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    wire::exchange(stage.node.gateway(), &request)
}

#[test]
fn calls_at_a_node_are_counted_at_the_server() -> Result<()> {
    scene(Setting::default(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_phone")?.access;
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("User-Agent", "phone/7")];
        while call(stage, PATH, &[])?.status == 503 {
            pass(Duration::from_millis(10));
        }
        call(stage, PATH, &headers)?.expect(200)?;
        report.check("records", "each device is a row of its day", || {
            comes_to(&stage.server, 1)?;
            let usage = counted(&stage.server)?;
            let [one] = usage.as_slice() else { anyhow::bail!("{} rows: {usage:?}", usage.len()) };
            let told = json!([one["api"], one["application"], one["device"], one["calls"], one["denied"]]);
            ensure!(told == json!(["/echo/1.0.0", "Opaque", "device_phone", 1, 0]), "{one}");
            ensure!(one["micros"].as_u64().is_some_and(|micros| micros > 0), "{one}");
            Ok(())
        });
        report.check("records", "the list of tokens shows when and whence a device was last seen", || {
            let tokens = listed(&stage.server, &["token", "list", "--app", "Opaque"])?;
            let seen = &tokens.first().context("no token")?["last_seen"];
            ensure!(seen["address"] == "127.0.0.1" && seen["user_agent"] == "phone/7", "{seen}");
            Ok(())
        });
        stage.server.client.revoke(&stage.opaque, &token)?;
        stage.is_refused(&token, Instant::now())?;
        call(stage, PATH, &headers)?.expect(401)?;
        stage.node.terminate()?;
        report.check("records", "what came last is told when the node ends", || {
            let status = stage.node.ended()?;
            ensure!(status.success(), "{status:?}");
            let usage = listed(&stage.server, &["usage", "list", "--api", "/echo/1.0.0"])?;
            let denied: u64 = usage.iter().filter_map(|one| one["denied"].as_u64()).sum();
            ensure!(denied >= 7, "the calls with the revoked token, and one without any: {usage:?}");
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn a_batch_whose_answer_is_lost_counts_once() -> Result<()> {
    scene(Setting::default(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_phone")?.access;
        stage.comes_to(&token, 200)?;
        report.check("records", "the first call is told at once", || comes_to(&stage.server, 1));
        // The next ones wait for the minute, or for the end.
        stage.relay.pass(Passes::ToServer);
        for _ in 0..3 {
            stage.call(&token)?.expect(200)?;
        }
        stage.node.terminate()?;
        report.check("records", "the server has them, and the node does not know", || {
            comes_to(&stage.server, 4)?;
            // The node loses patience and tells them again, more than once.
            pass(2 * BOUND);
            comes_to(&stage.server, 4)
        });
        stage.relay.pass(Passes::All);
        report.check("records", "the node hears it, ends, and nothing was counted twice", || {
            let status = stage.node.ended()?;
            ensure!(status.success(), "{status:?}");
            let log = stage.node.stderr()?;
            ensure!(log.contains("are not told yet"), "no answer was lost: {log}");
            ensure!(!log.contains("records of calls are lost"), "{log}");
            comes_to(&stage.server, 4)
        });
        Ok(())
    })
}

/// What an administrator is told about a refused call.
fn explained(server: &Server, refused: &Reply) -> Result<Value> {
    let id = refused.header("latchkey-explain").context("no Latchkey-Explain")?;
    let text = server.cli(&["token", "explain", id, "--json"], "")?;
    serde_json::from_str(&text).with_context(|| text.clone())
}

#[test]
fn a_refusal_at_a_node_is_explained_by_the_server() -> Result<()> {
    scene(Setting::default(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_phone")?.access;
        let other = stage.server.client.issue(&stage.opaque, "device_other")?.access;
        stage.comes_to(&other, 200)?;
        stage.comes_to(&token, 200)?;
        stage.server.cli(&["subscription", "block", "--app", "Opaque", "--api", "/echo/1.0.0"], "")?;
        stage.comes_to(&token, 401)?;
        let refused = stage.call(&token)?;
        report.check("explain", "whose token, which rule, at which node, within a second", || {
            let since = Instant::now();
            let told = explained(&stage.server, &refused)?;
            ensure!(since.elapsed() < Duration::from_secs(1), "it took {:?}", since.elapsed());
            ensure!(told["node"] == "edge-1" && told["code"] == "900907", "{told}");
            ensure!(told["caller"]["device"] == "device_phone", "{told}");
            ensure!(told["caller"]["application"] == "Opaque", "{told}");
            ensure!(told["resource"].is_string() && told["api"] == "/echo/1.0.0", "{told}");
            Ok(())
        });
        report.check("explain", "over REST too", || {
            let (admin, id) =
                (&stage.server.demo.admin, refused.header("latchkey-explain").unwrap_or_default());
            let path = format!("/api/latchkey/v1/explanations/{id}");
            let request = Request::new("GET", &path).basic(&admin.username, &admin.password);
            let told = stage.server.client.send(&request)?.expect(200)?.json()?;
            ensure!(told["node"] == "edge-1", "{told}");
            Ok(())
        });
        report.check("explain", "a call at the server's own gateway names no node", || {
            let request = Request::new("GET", PATH).header("Authorization", &format!("Bearer {token}"));
            let refused = wire::exchange(stage.server.gateway(), &request)?.expect(401)?;
            let told = explained(&stage.server, &refused)?;
            ensure!(told["node"].is_null() && told["code"] == "900907", "{told}");
            Ok(())
        });
        report.check("explain", "what nobody knows is not waited for long", || {
            let since = Instant::now();
            let told = stage.server.cli(&["token", "explain", "0123456789abcdef"], "");
            ensure!(
                told.is_err_and(|problem| format!("{problem:#}").contains("nothing is known of")),
                "it is known"
            );
            ensure!(since.elapsed() < Duration::from_secs(5), "it took {:?}", since.elapsed());
            Ok(())
        });
        stage.relay.pass(Passes::Nothing);
        stage.comes_to(&token, 503)?;
        let silent = stage.call(&token)?.expect(503)?;
        stage.relay.pass(Passes::All);
        stage.comes_to(&token, 401)?;
        report.check("explain", "what a partition refused is known after it", || {
            let told = explained(&stage.server, &silent)?;
            ensure!(told["node"] == "edge-1" && told["status"] == 503, "{told}");
            Ok(())
        });
        Ok(())
    })
}

/// The assertion that the upstream of a call saw; the echo tells it.
fn asserted(reply: Reply) -> Result<(String, Value, Value)> {
    let told = reply.expect(200)?.json()?;
    let assertion = told["headers"]["x-jwt-assertion"].as_str().context("the upstream saw none")?.to_owned();
    let part = |number| {
        let part = assertion.split('.').nth(number).context("no JWT")?;
        anyhow::Ok(serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part)?)?)
    };
    let (header, claims) = (part(0)?, part(1)?);
    Ok((assertion, header, claims))
}

#[test]
fn upstreams_of_a_node_are_told_who_calls() -> Result<()> {
    let on = || vec!["gateway.backend_jwt.enabled=true".to_owned()];
    scene(Setting { server: on(), node: on(), ..Setting::default() }, |stage, report| {
        let token =
            stage.server.client.sign_in(&stage.opaque, &stage.server.demo.user, "device_phone")?.access;
        let bearer = format!("Bearer {token}");
        stage.comes_to(&token, 200)?;
        let spoofed = [("Authorization", bearer.as_str()), ("X-JWT-Assertion", "a.spoofed.one")];
        let (first, header, claims) = asserted(call(stage, PATH, &spoofed)?)?;
        report.check("assertion", "in the words that the server's own gateway uses", || {
            let request = Request::new("GET", PATH).header("Authorization", &bearer);
            let (_, _, own) = asserted(wire::exchange(stage.server.gateway(), &request)?)?;
            let timeless = |mut claims: Value| {
                for moving in ["iat", "exp", "jti"] {
                    claims.as_object_mut().and_then(|claims| claims.remove(moving));
                }
                claims
            };
            ensure!(timeless(claims.clone()) == timeless(own.clone()), "{claims} and {own}");
            ensure!(claims["http://wso2.org/claims/applicationname"] == "Opaque", "{claims}");
            Ok(())
        });
        report.check("assertion", "by a key that the server publishes", || {
            let keys = stage.server.client.get("/oauth2/jwks")?.expect(200)?.json()?;
            let keys = keys["keys"].as_array().context("keys")?;
            ensure!(keys.iter().any(|key| key["kid"] == header["kid"]), "{header} of {keys:?}");
            Ok(())
        });
        report.check("assertion", "the same for the next call, without asking", || {
            let (again, ..) = asserted(stage.call(&token)?)?;
            ensure!(again == first, "another one");
            Ok(())
        });
        report.check("assertion", "another one once the subscription has another tier", || {
            stage.server.cli(&["app", "subscribe", "Opaque", "/echo/1.0.0", "--tier", "Gold"], "")?;
            let since = Instant::now();
            loop {
                let (_, _, claims) = asserted(stage.call(&token)?)?;
                if claims["http://wso2.org/claims/tier"] == "Gold" {
                    return Ok(());
                }
                ensure!(since.elapsed() < PATIENCE, "{claims}");
                pass(Duration::from_millis(10));
            }
        });
        Ok(())
    })
}

#[test]
fn a_server_that_signs_nothing_lets_no_asserting_node_pass() -> Result<()> {
    let node = vec!["gateway.backend_jwt.enabled=true".to_owned()];
    scene(Setting { node, ..Setting::default() }, |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "")?.access;
        report.check(
            "assertion",
            "a call without the assertion that its upstream expects does not pass",
            || {
                let (since, said) = (Instant::now(), "gateway.backend_jwt.enabled must be true there too");
                while !stage.node.stderr()?.contains(said) {
                    stage.call(&token)?.expect(503)?;
                    ensure!(since.elapsed() < PATIENCE, "the log does not say why");
                    pass(Duration::from_millis(50));
                }
                stage.call(&token)?.expect(503)?;
                Ok(())
            },
        );
        Ok(())
    })
}
