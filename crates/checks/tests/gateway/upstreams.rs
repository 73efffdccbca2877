//! The way to upstreams: whose certificate is believed, which of several addresses gets a call and how often,
//! and what a definition says about it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use latchkey_checks::recorder::{Act, Recorder, Vacant};
use latchkey_checks::secure::{Authority, SecureUpstream, expired, named};
use latchkey_checks::server::{Launch, pass};
use latchkey_checks::wire::{self, Reply, Request, short};
use serde_json::{Value, json};

use crate::stage::{Stage, scene};

/// The API of these checks.
const MANY: &str = "/many/1";
/// The longest wait for something that has no bound but patience.
const PATIENCE: Duration = Duration::from_secs(20);

impl Stage {
    fn send(&self, method: &str, path: &str, token: &str) -> Result<Reply> {
        let request = Request::new(method, path).header("Authorization", &format!("Bearer {token}"));
        wire::exchange(self.gateway(), &request)
    }

    fn published(&self, path: &str, urls: &[String], members: &Value) -> Result<()> {
        self.server.import(path, urls, members)?;
        self.server.subscribe("Opaque", path)
    }

    /// What the metric says about the address: whether it is fit, and its failures.
    fn fitness(&self, url: &str) -> Result<(u64, u64)> {
        let text = self.server.operations("/metrics")?.expect(200)?.text();
        let read = |name: &str| {
            let start = format!("{name}{{address=\"{url}\"}} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&start));
            value.with_context(|| format!("no {start}"))?.parse().context("a number")
        };
        Ok((read("latchkey_upstream_healthy")?, read("latchkey_upstream_failures_total")?))
    }

    /// Why the gateway refused, as an administrator reads it.
    fn explained(&self, refused: &Reply) -> Result<String> {
        let id = refused.header("latchkey-explain").context("no Latchkey-Explain")?;
        self.server.cli(&["token", "explain", id], "")
    }
}

fn url(recorder: &Recorder) -> String {
    format!("http://{}", recorder.address())
}

/// How often each path was asked for, at all of them together.
fn asked(recorders: &[&Recorder]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for seen in recorders.iter().flat_map(|recorder| recorder.since(0)) {
        *counts.entry(seen.line().to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn only_believed_certificates_open_the_way() -> Result<()> {
    let (ours, strange) = (Authority::new()?, Authority::new()?);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, ours.pem())?;
    let believing = Launch::new().set(&format!("gateway.upstream_ca_files=[\"{}\"]", file.display()));
    scene(believing, |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "")?.access;
        report.check("TLS", "an authority of one's own is believed", || {
            let upstream = SecureUpstream::start(&named("localhost")?, Some(&ours))?;
            stage.published("/good/1", &[upstream.url()], &json!({}))?;
            stage.send("GET", "/good/1/a", &token)?.expect(200)?;
            ensure!(upstream.requests() == 1, "{} requests", upstream.requests());
            Ok(())
        });
        let cases = [
            ("expired", expired("localhost")?, Some(&ours), "is expired"),
            ("named", named("other.example")?, Some(&ours), "is for another host"),
            ("own", named("localhost")?, None, "is self-signed or from an authority"),
            ("unknown", named("localhost")?, Some(&strange), "is self-signed or from an authority"),
        ];
        for (name, params, issuer, rule) in cases {
            report.check("TLS", name, || {
                let upstream = SecureUpstream::start(&params, issuer)?;
                let path = format!("/{name}/1");
                stage.published(&path, &[upstream.url()], &json!({}))?;
                for method in ["GET", "POST"] {
                    let refused = stage.send(method, &format!("{path}/a"), &token)?.expect(502)?;
                    ensure!(refused.json()?["code"] == "101503", "{}", short(&refused.text()));
                    let told = stage.explained(&refused)?;
                    ensure!(told.contains(rule), "{rule:?} is not in {told}");
                }
                ensure!(upstream.requests() == 0, "{} requests", upstream.requests());
                Ok(())
            });
        }
        Ok(())
    })?;
    scene(Launch::new(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "")?.access;
        report.check("TLS", "without the setting it is not", || {
            let upstream = SecureUpstream::start(&named("localhost")?, Some(&ours))?;
            stage.published("/good/1", &[upstream.url()], &json!({}))?;
            stage.send("GET", "/good/1/a", &token)?.expect(502)?;
            ensure!(upstream.requests() == 0, "{} requests", upstream.requests());
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn an_address_where_nobody_listens_is_left_out_and_taken_back() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let (vacant, living) = (Vacant::new()?, Recorder::start()?);
        let gone = format!("http://{}", vacant.address());
        stage.published(MANY, &[gone.clone(), url(&living)], &json!({}))?;
        let token = stage.server.client.issue(&stage.opaque, "")?.access;
        report.check("health", "no call fails, whatever its method, and none is sent twice", || {
            for number in 0..30 {
                for method in ["GET", "PUT", "DELETE", "POST"] {
                    stage.send(method, &format!("{MANY}/{number}"), &token)?.expect(200)?;
                }
            }
            let counts = asked(&[&living]);
            ensure!(counts.len() == 120 && counts.values().all(|count| *count == 1), "{counts:?}");
            Ok(())
        });
        report.check("health", "it is left out", || {
            let (fit, failures) = stage.fitness(&gone)?;
            ensure!(fit == 0 && (3..20).contains(&failures), "{fit}, {failures} failures of 120 calls");
            ensure!(stage.fitness(&url(&living))? == (1, 0), "the other one too");
            Ok(())
        });
        let back = Recorder::over(vacant.open()?)?;
        report.check("health", "it is taken back when it answers again", || {
            let since = Instant::now();
            while stage.fitness(&gone)?.0 == 0 {
                stage.send("GET", &format!("{MANY}/again"), &token)?.expect(200)?;
                ensure!(since.elapsed() < PATIENCE, "it stays out");
                pass(Duration::from_millis(10));
            }
            let known = back.count();
            for _ in 0..10 {
                stage.send("POST", &format!("{MANY}/both"), &token)?.expect(200)?;
            }
            let more = back.count() - known;
            // Each thread of the gateway takes turns for itself.
            ensure!((3..=7).contains(&more), "it gets {more} of 10 calls");
            Ok(())
        });
        report.check("health", "both changes stand in the log, once", || {
            let log = stage.server.stderr()?;
            let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
            ensure!(lines("an upstream's address answers again") == 1, "{} lines", lines("answers again"));
            let out = lines("an upstream's address is out");
            ensure!((1..10).contains(&out), "{out} lines for 120 calls");
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn calls_without_an_answer_are_repeated_where_that_does_no_harm() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "")?.access;
        for (path, retries, repeats) in [("/off/1", "off", false), ("/on/1", "idempotent", true)] {
            for (name, act) in
                [("closes", Act::SayAndClose(Vec::new())), ("resets", Act::SayAndReset(Vec::new()))]
            {
                for method in ["POST", "GET", "PUT", "DELETE"] {
                    report.check("retries", &format!("{retries}: {method}, an address that {name}"), || {
                        let (broken, good) = (Recorder::start()?, Recorder::start()?);
                        broken.on_others(act.clone());
                        let path = path.replace("/1", &format!("-{name}-{method}/1")).to_lowercase();
                        let members = json!({ "x-latchkey-retries": retries });
                        stage.published(&path, &[url(&broken), url(&good)], &members)?;
                        let may_repeat = repeats && method != "POST";
                        let mut failed = 0;
                        for number in 0..4 {
                            let reply = stage.send(method, &format!("{path}/{number}"), &token)?;
                            failed += usize::from(reply.status != 200);
                            if reply.status != 200 {
                                ensure!(reply.expect(502)?.json()?["code"] == "101505", "another code");
                            }
                        }
                        let counts = asked(&[&broken, &good]);
                        let most = counts.values().max().copied().unwrap_or(0);
                        ensure!(broken.count() > 0, "the broken one was not asked");
                        ensure!(counts.len() == 4, "{counts:?}");
                        ensure!(most == if may_repeat { 2 } else { 1 }, "{counts:?}");
                        ensure!(failed == if may_repeat { 0 } else { broken.count() }, "{failed} failed");
                        Ok(())
                    });
                }
            }
        }
        Ok(())
    })
}

#[test]
fn a_post_over_a_kept_connection_is_sent_once() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let upstream = Recorder::start()?;
        for (path, act) in
            [("/c", Act::SayAndClose(Vec::new())), ("/r", Act::SayAndReset(b"HTTP/1.1 200".to_vec()))]
        {
            upstream.on(path, act);
        }
        stage.published(MANY, &[url(&upstream)], &json!({ "x-latchkey-retries": "idempotent" }))?;
        let token = stage.server.client.issue(&stage.opaque, "")?.access;
        for path in ["/c", "/r"] {
            report.check("retries", path, || {
                let mut gateway = wire::Connection::open(stage.gateway())?;
                let bearer = format!("Bearer {token}");
                let request = |method: &str, path: &str| {
                    Request::new(method, &format!("{MANY}{path}")).header("Authorization", &bearer)
                };
                gateway.send(&request("GET", "/kept"))?.expect(200)?;
                let known = upstream.count();
                let refused = gateway.send(&request("POST", path).body(b"once"))?.expect(502)?;
                ensure!(refused.json()?["code"] == "101505", "{}", short(&refused.text()));
                let seen = upstream.since(known);
                ensure!(seen.len() == 1 && seen[0].body == b"once", "{seen:?}");
                let before = upstream.since(known - 1)[0].connection;
                ensure!(seen[0].connection == before, "it went over another connection");
                Ok(())
            });
        }
        Ok(())
    })
}

#[test]
fn an_api_is_exported_with_what_it_says_about_upstreams() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let server = &stage.server;
        let ours = json!({
            "x-latchkey-upgrades": "websocket",
            "x-latchkey-upstream-protocol": "http2",
            "x-latchkey-retries": "idempotent",
        });
        server.import("/special/1", &["https://one.example/base".to_owned()], &ours)?;
        server.import("/usual/1", &["https://one.example/base".to_owned()], &json!({}))?;
        let shown = |path: &str| -> Result<Value> {
            let shown: Value = serde_json::from_str(&server.cli(&["api", "show", path, "--json"], "")?)?;
            Ok(shown["definition"].clone())
        };
        let exported = |path: &str| -> Result<Value> {
            Ok(serde_json::from_str(&server.cli(&["api", "export", path], "")?)?)
        };
        report.check("export", "our own words stand in it", || {
            let document = exported("/special/1")?;
            for (name, value) in ours.as_object().into_iter().flatten() {
                ensure!(document[name] == *value, "{name} is {}", document[name]);
            }
            Ok(())
        });
        report.check("export", "and not where an API does without", || {
            let text = exported("/usual/1")?.to_string();
            ensure!(!text.contains("x-latchkey"), "{text}");
            Ok(())
        });
        for path in ["/special/1", "/usual/1"] {
            report.check("export", &format!("{path} is imported as it was"), || {
                let document = exported(path)?.to_string();
                let other = format!("/again{path}");
                let context = other.trim_end_matches("/1");
                server.cli(&["api", "import", "-", "--publish", "--context", context], &document)?;
                let (one, same) = (shown(path)?, shown(&other)?);
                ensure!(one.is_object() && one == same, "{one} became {same}");
                Ok(())
            });
        }
        report.check("export", "an upstream that is named besides is spoken to like that", || {
            let document = exported("/special/1")?.to_string();
            let words = ["api", "import", "-", "--context", "/besides", "--upstream", "https://two.example"];
            server.cli(&words, &document)?;
            let upstream = shown("/besides/1")?["production"].clone();
            let told = json!([upstream["urls"], upstream["protocol"], upstream["retries"]]);
            ensure!(told == json!([["https://two.example"], "http2", "idempotent"]), "{told}");
            Ok(())
        });
        Ok(())
    })
}
