//! API keys from outside: T32 and T42 of the reference on WSO2's REST interfaces, by their numbers.

use anyhow::{Context, Result, ensure};
use latchkey_checks::report::Report;
use latchkey_checks::server::{Launch, Server};
use latchkey_checks::wire::{self, Reply, Request, short};
use serde_json::Value;

use crate::stage::{API, OTHER_API, Stage, scene};

/// Makes an API key for the application Opaque; its value.
fn make(server: &Server, name: &str, flags: &[&str]) -> Result<String> {
    let value = server.cli(&[&["apikey", "create", "Opaque", name], flags].concat(), "")?.trim().to_owned();
    server.canary().remember("an API key", &value);
    Ok(value)
}

/// The headers of a call: names and values.
type Headers<'a> = &'a [(&'a str, &'a str)];

/// A line of T42: the path, the headers, the answer, and its challenges.
type Line<'a> = (&'a str, Headers<'a>, (u16, &'a str), &'a [&'a str]);

fn call(stage: &Stage, path: &str, headers: Headers<'_>) -> Result<Reply> {
    let request = Request::new("GET", path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    wire::exchange(stage.gateway(), &request)
}

/// One line of a table: what is sent, and what comes.
fn expect(stage: &Stage, path: &str, headers: Headers<'_>, (status, code): (u16, &str)) -> Result<Reply> {
    let reply = call(stage, path, headers)?;
    let told = if status == 200 {
        String::new()
    } else {
        reply.json()?["code"].as_str().unwrap_or_default().to_owned()
    };
    ensure!(
        reply.status == status && told == code,
        "{} {} for {headers:?}",
        reply.status,
        short(&reply.text())
    );
    Ok(reply)
}

#[test]
fn t32_a_key_opens_from_where_it_may() -> Result<()> {
    let launch = Launch::new().set("server.trusted_proxies=['127.0.0.1/32']");
    scene(launch, |stage, report| {
        stage.server.cli(&["api", "security", API, "--allow", "oauth2", "--allow", "api_key"], "")?;
        from_anywhere(stage, report)?;
        by_address(stage, report)?;
        by_page(stage, report)?;
        until_its_end(stage, report)
    })
}

fn from_anywhere(stage: &Stage, report: &mut Report) -> Result<()> {
    let key = make(&stage.server, "anywhere", &[])?;
    let path = format!("{API}/a");
    report.check("T32", "a key opens, and ends at the gateway", || {
        let known = stage.recorder.count();
        expect(stage, &path, &[("ApiKey", &key)], (200, ""))?;
        expect(stage, &path, &[("apikey", &key)], (200, ""))?;
        let seen = stage.recorder.since(known);
        let told = seen
            .iter()
            .all(|seen| !seen.head.contains("lkk_") && !seen.head.to_lowercase().contains("apikey"));
        ensure!(
            seen.len() == 2 && told,
            "the upstream saw {:?}",
            seen.iter().map(|seen| &seen.head).collect::<Vec<_>>()
        );
        Ok(())
    });
    report.check("T32", "a bad key is refused", || {
        let mut changed = key.clone();
        changed.replace_range(30..31, if &key[30..31] == "a" { "b" } else { "a" });
        for bad in ["garbage", "lkk_", &changed, &key[..key.len() - 1], &format!("{key}0")] {
            let refused = expect(stage, &path, &[("ApiKey", bad)], (401, "900901"))?;
            ensure!(!refused.text().contains(bad), "the answer repeats it: {}", refused.text());
        }
        Ok(())
    });
    report.check("T32", "it opens no resource that asks for a scope, and no API that takes none", || {
        expect(stage, &format!("{API}/scoped"), &[("ApiKey", &key)], (403, "900910"))?;
        expect(stage, &format!("{OTHER_API}/a"), &[("ApiKey", &key)], (401, "900902"))?;
        stage.server.cli(&["api", "security", OTHER_API, "--allow", "api_key"], "")?;
        expect(stage, &format!("{OTHER_API}/a"), &[("ApiKey", &key)], (403, "900908")).map(drop)
    });
    Ok(())
}

fn by_address(stage: &Stage, report: &mut Report) -> Result<()> {
    let path = format!("{API}/a");
    let one = make(&stage.server, "one address", &["--address", "1.2.3.4"])?;
    let many = make(&stage.server, "many", &["--address", "152.23.5.6, 192.168.1.2/24, 2001:c00::/23"])?;
    let cases = [
        (&one, Some("1.2.3.4"), 200),
        (&one, Some("5.6.7.8"), 403),
        (&one, None, 403),
        // Only what our own proxy wrote last counts.
        (&one, Some("1.2.3.4, 5.6.7.8"), 403),
        (&one, Some("5.6.7.8, 1.2.3.4"), 200),
        (&one, Some("nonsense"), 403),
        (&many, Some("152.23.5.6"), 200),
        (&many, Some("192.168.1.6"), 200),
        (&many, Some("192.168.5.6"), 403),
        (&many, Some("2001:c00:0:0:0:0:c:4"), 200),
        (&many, Some("2061:c00:0:0:0:0:c:4"), 403),
    ];
    for (key, from, status) in cases {
        report.check("T32", &format!("a call from {from:?} gets {status}"), || {
            let forwarded = from.map(|from| ("X-Forwarded-For", from));
            let headers: Vec<_> = [("ApiKey", key.as_str())].into_iter().chain(forwarded).collect();
            let code = if status == 200 { "" } else { "900908" };
            expect(stage, &path, &headers, (status, code)).map(drop)
        });
    }
    Ok(())
}

fn by_page(stage: &Stage, report: &mut Report) -> Result<()> {
    let list = "www.abc.com/path, sub.cds.com/*, *.gef.com/*";
    let key = make(&stage.server, "pages", &["--referer", list])?;
    let cases = [
        (Some("www.abc.com/path"), 200),
        (Some("https://www.abc.com/path"), 200),
        (Some("www.abc.com/path2"), 403),
        (Some("sub.cds.com/path1/path2"), 200),
        (Some("example.gef.com/path1"), 200),
        (Some("https://evilgef.com/path1"), 403),
        (None, 403),
    ];
    for (page, status) in cases {
        report.check("T32", &format!("a call from the page {page:?} gets {status}"), || {
            let referer = page.map(|page| ("Referer", page));
            let headers: Vec<_> = [("ApiKey", key.as_str())].into_iter().chain(referer).collect();
            let code = if status == 200 { "" } else { "900908" };
            expect(stage, &format!("{API}/a"), &headers, (status, code)).map(drop)
        });
    }
    Ok(())
}

fn until_its_end(stage: &mut Stage, report: &mut Report) -> Result<()> {
    let path = format!("{API}/a");
    let key = make(&stage.server, "passing", &[])?;
    expect(stage, &path, &[("ApiKey", &key)], (200, ""))?;
    let next = stage.server.cli(&["apikey", "regenerate", "Opaque", "passing"], "")?.trim().to_owned();
    stage.server.canary().remember("an API key", &next);
    report.check("T32", "another value ends the one before", || {
        expect(stage, &path, &[("ApiKey", &key)], (401, "900901"))?;
        expect(stage, &path, &[("ApiKey", &next)], (200, "")).map(drop)
    });
    report.check("T32", "without a subscription it opens nothing, with one at once again", || {
        stage.server.cli(&["app", "unsubscribe", "Opaque", API], "")?;
        expect(stage, &path, &[("ApiKey", &next)], (403, "900908"))?;
        stage.server.cli(&["app", "subscribe", "Opaque", API], "")?;
        stage.server.cli(&["subscription", "block", "--app", "Opaque", "--api", API], "")?;
        expect(stage, &path, &[("ApiKey", &next)], (401, "900907"))?;
        stage.server.cli(&["subscription", "unblock", "--app", "Opaque", "--api", API], "")?;
        expect(stage, &path, &[("ApiKey", &next)], (200, "")).map(drop)
    });
    report.check("T32", "it is listed with its last use, and without its value", || {
        let text = stage.server.cli(&["apikey", "list", "Opaque", "--json"], "")?;
        let listed: Vec<Value> = serde_json::from_str(&text)?;
        let held = listed.iter().find(|key| key["name"] == "passing").context("it is not there")?;
        ensure!(held["last_used_at"].is_string() && held["key_type"] == "PRODUCTION", "{held}");
        ensure!(!text.contains("lkk_"), "{text}");
        Ok(())
    });
    stage.server.terminate()?;
    stage.server.restart()?;
    report.check("T32", "it outlives the server, and its end does too", || {
        expect(stage, &path, &[("ApiKey", &next)], (200, ""))?;
        stage.server.cli(&["apikey", "revoke", "Opaque", "passing"], "")?;
        expect(stage, &path, &[("ApiKey", &next)], (401, "900901")).map(drop)
    });
    stage.server.kill()?;
    stage.server.restart()?;
    report.check("T32", "revoked is revoked after a crash", || {
        expect(stage, &path, &[("ApiKey", &next)], (401, "900901")).map(drop)
    });
    let sandbox = make(&stage.server, "sandbox", &["--sandbox"])?;
    report.check("T32", "a sandbox key finds no endpoint where there is none", || {
        expect(stage, &path, &[("ApiKey", &sandbox)], (403, "900901")).map(drop)
    });
    Ok(())
}

#[test]
fn t42_no_credential_opens_in_the_place_of_another() -> Result<()> {
    const BEARER: &str = "Bearer realm=\"latchkey\"";
    const KEY: &str = "API Key realm=\"latchkey\"";
    scene(Launch::new(), |stage, report| {
        let server = &stage.server;
        let token = server.client.issue(&stage.opaque, "device_a")?.access;
        let jwt = server.client.issue(&stage.jwt, "device_a")?.access;
        let key = make(server, "web", &[])?;
        let (bearer_token, bearer_jwt) = (format!("Bearer {token}"), format!("Bearer {jwt}"));
        let bearer_key = format!("Bearer {key}");
        let (both, tokens_only) = (format!("{API}/a"), format!("{OTHER_API}/a"));
        let keys_only = "/echo/1.0.0/anything";
        server.cli(&["api", "security", API, "--allow", "oauth2", "--allow", "api_key"], "")?;
        server.cli(&["api", "security", "/echo/1.0.0", "--allow", "api_key"], "")?;
        server.cli(&["app", "subscribe", "Opaque", "/echo/1.0.0"], "")?;
        let (mute, bad, missing) = ((200, ""), (401, "900901"), (401, "900902"));
        let cases: [Line<'_>; 16] = [
            (&both, &[("Authorization", &bearer_token)], mute, &[]),
            (&both, &[("Authorization", &bearer_jwt)], mute, &[]),
            (&both, &[("ApiKey", &key)], mute, &[]),
            (&both, &[("ApiKey", &token)], bad, &[BEARER, KEY]),
            (&both, &[("ApiKey", &jwt)], bad, &[BEARER, KEY]),
            (&both, &[("ApiKey", &bearer_token)], bad, &[BEARER, KEY]),
            (&both, &[("Authorization", &bearer_key)], bad, &[BEARER, KEY]),
            (&both, &[("Authorization", "Basic YTpi")], missing, &[BEARER, KEY]),
            (&both, &[], missing, &[BEARER, KEY]),
            (&both, &[("ApiKey", &key), ("ApiKey", &key)], (400, "400"), &[BEARER]),
            (&tokens_only, &[("ApiKey", &key)], missing, &[BEARER]),
            (&tokens_only, &[("Authorization", "Basic YTpi")], missing, &[BEARER]),
            (keys_only, &[("ApiKey", &key)], mute, &[]),
            (keys_only, &[("Authorization", &bearer_token)], missing, &[KEY]),
            (keys_only, &[("Authorization", &bearer_key)], missing, &[KEY]),
            (keys_only, &[], missing, &[KEY]),
        ];
        for (number, (path, headers, answer, challenges)) in cases.into_iter().enumerate() {
            report.check("T42", &format!("line {number} of the table"), || {
                let reply = expect(stage, path, headers, answer)?;
                for challenge in [BEARER, KEY] {
                    let heads = reply.headers.iter().filter(|(name, _)| name == "www-authenticate");
                    let told = heads.clone().any(|(_, value)| value.starts_with(challenge));
                    let all = heads.collect::<Vec<_>>();
                    ensure!(told == challenges.contains(&challenge), "{challenge}: {all:?}");
                }
                Ok(())
            });
        }
        report.check("T42", "a key is no token at any endpoint", || {
            ensure!(!server.client.active(&key)?, "introspection takes it");
            server.client.userinfo(&key)?.expect(401)?;
            server.client.revoke(&stage.opaque, &key)?;
            expect(stage, &both, &[("ApiKey", &key)], (200, "")).map(drop)
        });
        told_by_name(stage, report, &key)
    })
}

/// What is kept of a call has the key's name.
fn told_by_name(stage: &mut Stage, report: &mut Report, key: &str) -> Result<()> {
    let refused = call(stage, &format!("{API}/scoped"), &[("ApiKey", key)])?.expect(403)?;
    let id = refused.header("latchkey-explain").context("no Latchkey-Explain")?.to_owned();
    report.check("T42", "an explanation names the key", || {
        let text = stage.server.cli(&["token", "explain", &id, "--json"], "")?;
        let told: Value = serde_json::from_str(&text)?;
        ensure!(told["caller"]["api_key"] == "web" && told["caller"]["application"] == "Opaque", "{told}");
        ensure!(told["caller"]["family"].is_null() && told["caller"]["consumer_key"].is_null(), "{told}");
        Ok(())
    });
    report.check("T42", "usage is kept under the key's name", || {
        let text = stage.server.cli(&["usage", "list", "--app", "Opaque", "--json"], "")?;
        let rows: Vec<Value> = serde_json::from_str(&text)?;
        ensure!(rows.iter().any(|row| row["device"] == "api_key:web" && row["api"] == API), "{text}");
        Ok(())
    });
    stage.server.terminate()?;
    report.check("T42", "the log names it", || {
        let log = stage.server.stderr()?;
        let line = log.lines().find(|line| line.contains(&id)).context("no line of the call")?;
        let line: Value = serde_json::from_str(line)?;
        ensure!(line["api_key"] == "web" && line["client_id"].is_null(), "{line}");
        Ok(())
    });
    stage.server.restart()
}
