//! What calls leave behind: usage, last sightings, log lines, explanations, and what upstreams are told about
//! callers. All of it as an operator sees it.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_checks::server::{Launch, Server};
use latchkey_checks::wire::{self, Reply, Request, short};
use serde_json::{Value, json};

use crate::stage::{API, Stage, scene};

const ECHO: &str = "/echo/1.0.0";

fn listed(server: &Server, words: &[&str]) -> Result<Vec<Value>> {
    let text = server.cli(&[words, &["--json"]].concat(), "")?;
    serde_json::from_str(&text).with_context(|| format!("{}: {text}", words.join(" ")))
}

/// The request lines of calls of `route` in the log.
fn lines(server: &Server, route: &str) -> Result<Vec<Value>> {
    let log = server.stderr()?;
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(lines.filter(|line| line["target"] == "latchkey::request" && line["route"] == route).collect())
}

fn call(stage: &Stage, path: &str, headers: &[(&str, &str)]) -> Result<Reply> {
    let request = Request::new("GET", path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    wire::exchange(stage.gateway(), &request)
}

fn explanation(reply: &Reply) -> Result<String> {
    Ok(reply.header("latchkey-explain").context("no Latchkey-Explain")?.to_owned())
}

#[test]
fn usage_is_counted_and_outlives_the_server() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_phone")?.access;
        let bearer = format!("Bearer {token}");
        // Each call says what it is: the first one of a minute tells it.
        let headers = [("Authorization", bearer.as_str()), ("User-Agent", "phone/7")];
        for _ in 0..3 {
            call(stage, &format!("{API}/a"), &headers)?.expect(200)?;
        }
        call(stage, &format!("{API}/scoped"), &headers)?.expect(403)?;
        call(stage, &format!("{API}/a"), &[])?.expect(401)?;
        let usage = |server: &Server| listed(server, &["usage", "list", "--app", "Opaque"]);
        let expect = |usage: &[Value]| {
            let [one] = usage else { anyhow::bail!("{} rows: {usage:?}", usage.len()) };
            let told = json!([one["api"], one["application"], one["device"], one["calls"], one["denied"]]);
            ensure!(told == json!([API, "Opaque", "device_phone", 4, 1]), "{one}");
            ensure!(one["micros"].as_u64().is_some_and(|micros| micros > 0), "{one}");
            Ok(())
        };
        report.check("records", "each device is a row of its day", || expect(&usage(&stage.server)?));
        report.check("records", "a call without a token is counted for the API", || {
            let usage = listed(&stage.server, &["usage", "list", "--api", API, "--days", "1"])?;
            let nobody = usage.iter().find(|one| one["application"].is_null()).context("no such row")?;
            ensure!(usage.len() == 2 && nobody["calls"] == 1 && nobody["denied"] == 1, "{usage:?}");
            Ok(())
        });
        report.check("records", "the list of tokens shows when and whence a device was last seen", || {
            let tokens = listed(&stage.server, &["token", "list", "--app", "Opaque"])?;
            let seen = &tokens.first().context("no token")?["last_seen"];
            ensure!(seen["address"] == "127.0.0.1" && seen["user_agent"] == "phone/7", "{seen}");
            let text = stage.server.cli(&["device", "list", "--app", "Opaque"], "")?;
            ensure!(text.contains("LAST SEEN") && text.contains("127.0.0.1"), "{text}");
            Ok(())
        });
        stage.call("/a", &token)?.expect(200)?;
        stage.server.terminate()?;
        report.check("records", "what came last is written when the server ends", || {
            let usage = usage(&stage.server)?;
            ensure!(usage.len() == 1 && usage[0]["calls"] == 5, "{usage:?}");
            Ok(())
        });
        stage.server.restart()?;
        stage.call("/a", &token)?.expect(200)?;
        report.check("records", "counts go on after a restart", || {
            let usage = usage(&stage.server)?;
            ensure!(usage.len() == 1 && usage[0]["calls"] == 6, "{usage:?}");
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn nothing_of_a_person_is_kept_where_that_is_switched_off() -> Result<()> {
    let launch = Launch::new().set("records.addresses=false").set("records.user_agents=false");
    scene(launch, |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_phone")?.access;
        let headers = [("Authorization", &*format!("Bearer {token}")), ("User-Agent", "very-telling/7")];
        call(stage, &format!("{API}/a"), &headers)?.expect(200)?;
        report.check("records", "neither address nor user agent, but when", || {
            let tokens = listed(&stage.server, &["token", "list", "--app", "Opaque"])?;
            let seen = &tokens.first().context("no token")?["last_seen"];
            ensure!(
                seen["at"].is_string() && seen["address"].is_null() && seen["user_agent"].is_null(),
                "{seen}"
            );
            Ok(())
        });
        stage.server.terminate()?;
        report.check("records", "the file does not have it", || {
            for file in ["latchkey.db", "latchkey.db-wal"] {
                let bytes = std::fs::read(stage.server.data().join(file)).unwrap_or_default();
                let needle = b"very-telling";
                ensure!(!bytes.windows(needle.len()).any(|window| window == needle), "{file} has it");
            }
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn a_refusal_is_found_by_its_id() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_phone")?.access;
        let bearer = format!("Bearer {token}");
        stage.call("/a", &token)?.expect(200)?;
        let page = ("Origin", "https://app.example");
        let refused =
            call(stage, &format!("{API}/scoped"), &[("Authorization", &bearer), page])?.expect(403)?;
        let id = explanation(&refused)?;
        report.check("explain", "a page may read the id", || {
            let exposed = refused.header("access-control-expose-headers").unwrap_or_default();
            ensure!(exposed.eq_ignore_ascii_case("Latchkey-Explain"), "{exposed:?}");
            Ok(())
        });
        report.check("explain", "an administrator reads it over REST", || {
            let admin = &stage.server.demo.admin;
            let path = format!("/api/latchkey/v1/explanations/{id}");
            let request = Request::new("GET", &path).basic(&admin.username, &admin.password);
            let told = stage.server.client.send(&request)?.expect(200)?.json()?;
            ensure!(told["code"] == "900910" && told["caller"]["device"] == "device_phone", "{told}");
            let nobody = stage.server.client.get(&path)?.expect(401)?;
            let error = json!({ "code": 401, "message": "", "description": "Unauthenticated request", "moreInfo": "", "error": [] });
            ensure!(nobody.json()? == error, "{}", short(&nobody.text()));
            let alice = &stage.server.demo.user;
            let request = Request::new("GET", &path).basic(&alice.username, &alice.password);
            stage.server.client.send(&request)?.expect(403)?;
            Ok(())
        });
        // What waits to be logged is written when the server ends.
        stage.server.terminate()?;
        report.check("explain", "the log has a line with it", || {
            let lines = lines(&stage.server, API)?;
            let line = lines.iter().find(|line| line["explanation"] == *id).context("no such line")?;
            let told = json!([line["status"], line["error"], line["phase"], line["client_id"]]);
            ensure!(told == json!([403, "900910", "authorize", stage.opaque.key]), "{line}");
            ensure!(line["application"].is_string() && line["upstream_us"].is_null(), "{line}");
            let passed = lines.iter().find(|line| line["status"] == 200).context("no line of the call")?;
            ensure!(passed["upstream_us"].is_u64() && passed["phase"].is_null(), "{passed}");
            ensure!(passed["application"] == line["application"], "{passed}");
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn an_upstream_is_told_who_calls() -> Result<()> {
    let launch = Launch::new().set("gateway.backend_jwt.enabled=true");
    scene(launch, |stage, report| {
        let alice = stage.server.demo.user.clone();
        let token = stage.server.client.sign_in(&stage.opaque, &alice, "device_phone")?.access;
        let bearer = format!("Bearer {token}");
        let forged =
            [("X-JWT-Assertion", "forged"), ("X_JWT_Assertion", "forged"), ("X.JWT.Assertion", "forged")];
        let headers = [&[("Authorization", bearer.as_str())][..], &forged].concat();
        let echoed = call(stage, &format!("{ECHO}/anything"), &headers)?.expect(200)?.json()?;
        let assertion = echoed["headers"]["x-jwt-assertion"].as_str().context("no assertion")?.to_owned();
        let part = |number: usize| -> Result<Value> {
            let part = assertion.split('.').nth(number).context("not three parts")?;
            Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?)
        };
        report.check("X-JWT-Assertion", "it is ours alone, and tells the caller", || {
            ensure!(!echoed.to_string().contains("forged"), "{echoed}");
            let claims = part(1)?;
            let claim = |name: &str| claims[format!("http://wso2.org/claims/{name}")].clone();
            let told =
                json!([claim("enduser"), claim("usertype"), claim("applicationname"), claim("apicontext")]);
            ensure!(told == json!(["alice@carbon.super", "Application_User", "Opaque", ECHO]), "{claims}");
            Ok(())
        });
        report.check("X-JWT-Assertion", "its RS256 key is at the JWKS", || {
            let keys = stage.server.client.get("/oauth2/jwks")?.expect(200)?.json()?;
            let header = part(0)?;
            let keys = keys["keys"].as_array().context("no keys")?;
            let found = keys.iter().any(|key| key["kid"] == header["kid"] && key["alg"] == "RS256");
            ensure!(header["alg"] == "RS256" && found, "{header} {keys:?}");
            Ok(())
        });
        report.check("X-JWT-Assertion", "it is handed out again, and is no token", || {
            let again = call(stage, &format!("{ECHO}/anything"), &headers)?.expect(200)?.json()?;
            ensure!(again["headers"]["x-jwt-assertion"] == *assertion, "another one");
            let bearer = format!("Bearer {assertion}");
            call(stage, &format!("{ECHO}/anything"), &[("Authorization", &bearer)])?.expect(401)?;
            ensure!(!stage.server.client.active(&assertion)?, "introspection takes it");
            Ok(())
        });
        report.check("X-JWT-Assertion", "a forged one ends where there is no caller either", || {
            let known = stage.recorder.count();
            call(stage, &format!("{API}/open/a"), &forged)?.expect(200)?;
            let seen = stage.recorder.since(known);
            ensure!(seen.len() == 1, "{} requests", seen.len());
            let text = seen[0].head.to_lowercase();
            ensure!(!text.contains("forged"), "{text}");
            Ok(())
        });
        Ok(())
    })
}
