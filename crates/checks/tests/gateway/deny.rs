//! Deny policies of addresses, behind proxies of our own and with streams open.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use latchkey_checks::server::{Launch, Server};
use latchkey_checks::streams::{Events, Framing, Host};
use latchkey_checks::wire::{self, Reply, Request};
use serde_json::{Value, json};

use crate::stage::{API, Stage, scene};

const POLICIES: &str = "/api/am/admin/v4/throttling/deny-policies";

/// An administrator's request.
fn ask(server: &Server, method: &str, path: &str, body: &Value) -> Result<Reply> {
    let admin = &server.demo.admin;
    let request = Request::new(method, path).basic(&admin.username, &admin.password);
    let request = request.header("Content-Type", "application/json");
    server.client.send(&request.body(body.to_string().as_bytes()))
}

fn call(stage: &Stage, token: &str, from: Option<&str>) -> Result<Reply> {
    let request =
        Request::new("GET", &format!("{API}/a")).header("Authorization", &format!("Bearer {token}"));
    let request = from.into_iter().fold(request, |request, from| request.header("X-Forwarded-For", from));
    wire::exchange(stage.gateway(), &request)
}

/// Denies calls from an address; what the policy is called.
fn deny(server: &Server, address: &str) -> Result<String> {
    let condition = json!({ "fixedIp": address, "invert": false });
    let body = json!({ "conditionType": "IP", "conditionValue": condition });
    let made = ask(server, "POST", POLICIES, &body)?.expect(201)?.json()?;
    Ok(made["conditionId"].as_str().context("conditionId")?.to_owned())
}

#[test]
fn an_address_is_the_callers_and_not_that_of_a_proxy_of_our_own() -> Result<()> {
    let launch = Launch::new().set("server.trusted_proxies=['127.0.0.1/32']");
    scene(launch, |stage, report| {
        let token = stage.server.client.issue(&stage.opaque, "device_a")?.access;
        deny(&stage.server, "192.0.2.7")?;
        for (from, status) in [(Some("192.0.2.7"), 403), (Some("192.0.2.8"), 200), (None, 200)] {
            report.check("1.8 BlockingCondition", &format!("a call from {from:?} gets {status}"), || {
                call(stage, &token, from)?.expect(status).map(drop)
            });
        }
        deny(&stage.server, "127.0.0.1")?;
        for (from, status) in [(Some("192.0.2.8"), 200), (None, 403)] {
            let says = format!("where the proxy is denied, a call from {from:?} gets {status}");
            report.check("1.8 BlockingCondition", &says, || {
                call(stage, &token, from)?.expect(status).map(drop)
            });
        }
        Ok(())
    })
}

#[test]
fn whom_a_deny_policy_is_about_has_no_stream_any_more() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        let (server, host) = (&stage.server, Host::start()?);
        server.import("/plain/1", &[host.url()?], &json!({}))?;
        for application in ["Opaque", "Jwt"] {
            server.subscribe(application, "/plain/1")?;
        }
        let alice = &server.demo.user;
        let (alices, own) =
            (server.client.sign_in(&stage.opaque, alice, "device_a")?, server.client.issue(&stage.jwt, "")?);
        let open = |token: &str| {
            let call =
                latchkey_checks::streams::Call { gateway: stage.gateway(), path: "/plain/1/events", token };
            let mut events = Events::open(&host, call, Framing::Chunks)?;
            events.flow(2)?;
            Ok::<_, anyhow::Error>(events)
        };
        let application = format!("{}:Jwt", alice.username);
        let cases = [
            (json!({ "conditionType": "USER", "conditionValue": alice.username }), &alices, &own),
            (json!({ "conditionType": "APPLICATION", "conditionValue": application }), &own, &alices),
        ];
        for (policy, denied, other) in cases {
            report.check("1.8 BlockingCondition", &policy.to_string(), || {
                let (ends, mut stays) = (open(&denied.access)?, open(&other.access)?);
                let mut paused = policy.clone();
                paused["conditionStatus"] = json!(false);
                let made = ask(server, "POST", POLICIES, &paused)?.expect(201)?;
                stays.flow(2)?;
                let id = made.json()?["conditionId"].as_str().context("conditionId")?.to_owned();
                let one = format!("/api/am/admin/v4/throttling/deny-policy/{id}");
                ask(server, "PATCH", &one, &json!({ "conditionStatus": true }))?.expect(200)?;
                ends.is_cut(Instant::now())?;
                stays.flow(2)?;
                ask(server, "DELETE", &one, &Value::Null)?.expect(200)?;
                open(&denied.access).map(drop)
            });
        }
        report.check("1.8 BlockingCondition", "everybody's, where the address is denied", || {
            let ends = open(&own.access)?;
            let policy = deny(server, "127.0.0.1")?;
            ends.is_cut(Instant::now())?;
            let refused = call(stage, &own.access, None)?.expect(403)?;
            ensure!(refused.json()?["code"] == "900805", "{}", refused.text());
            let one = format!("/api/am/admin/v4/throttling/deny-policy/{policy}");
            ask(server, "DELETE", &one, &Value::Null)?.expect(200).map(drop)
        });
        Ok(())
    })
}
