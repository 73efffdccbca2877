//! Limits from outside: one token at two tiers (D5, D21), what survives a restart and a kill, resets. The
//! windows are years, so that none ends during a check.

use std::thread;

use anyhow::{Context, Result, ensure};
use latchkey_checks::client::Pair;
use latchkey_checks::server::Launch;
use latchkey_checks::wire::{self, Reply, Request, short};

use serde_json::json;

use crate::stage::{API, OTHER_API, Stage, scene};

impl Stage {
    fn call_of(&self, api: &str, token: &str) -> Result<Reply> {
        self.call_at(&format!("{api}/any"), token)
    }

    fn call_at(&self, path: &str, token: &str) -> Result<Reply> {
        let request = Request::new("GET", path);
        wire::exchange(self.gateway(), &request.header("Authorization", &format!("Bearer {token}")))
    }

    /// Calls `count` times at once; how many reached the upstream. The others must be refused with `code`.
    fn admitted(&self, api: &str, pair: &Pair, (count, code): (usize, &str)) -> Result<usize> {
        let known = self.recorder.count();
        let replies: Vec<Result<Reply>> = thread::scope(|scope| {
            let calls: Vec<_> = (0..count).map(|_| scope.spawn(|| self.call_of(api, &pair.access))).collect();
            calls.into_iter().filter_map(|call| call.join().ok()).collect()
        });
        let mut passed = 0;
        for reply in replies {
            let reply = reply?;
            if reply.status == 200 {
                passed += 1;
                continue;
            }
            let reply = reply.expect(429)?;
            ensure!(reply.json()?["code"] == code, "{code}: {}", short(&reply.text()));
            let until = reply.header("retry-after").context("no Retry-After")?;
            ensure!(until.ends_with(" 00:00:00 GMT"), "a year ends at midnight, not {until}");
            let left = reply.header("ratelimit").context("no RateLimit")?;
            ensure!(left.contains(";r=0;"), "{left}");
        }
        ensure!(self.recorder.count() - known == passed, "the upstream saw other calls than passed");
        Ok(passed)
    }

    fn administer(&self, words: &str) -> Result<String> {
        let words: Vec<&str> = words.split_whitespace().collect();
        self.server.cli(&words, "")
    }
}

#[test]
fn one_token_calls_two_apis_at_two_tiers_whatever_becomes_of_the_server() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        for words in [
            "tier put Five --level subscription --limit 5/year",
            "tier put Twenty --level subscription --limit 20/year",
        ] {
            stage.administer(words)?;
        }
        stage.administer(&format!("app subscribe Opaque {API} --tier Five"))?;
        stage.administer(&format!("app subscribe Opaque {OTHER_API} --tier Twenty"))?;
        let pair = stage.server.client.issue(&stage.opaque, "device_one")?;
        report.check("D5", "one token has each API's own tier", || {
            let five = stage.admitted(API, &pair, (40, "900804"))?;
            let twelve = stage.admitted(OTHER_API, &pair, (12, "900804"))?;
            ensure!((five, twelve) == (5, 12), "{five} and {twelve}");
            Ok(())
        });
        stage.server.terminate()?;
        report.check("D21", "what is used is shown while the server does not run", || {
            let listed = stage.administer("limit list --app Opaque --json")?;
            ensure!(listed.contains("\"used\": 5") && listed.contains("\"used\": 12"), "{listed}");
            Ok(())
        });
        stage.server.restart()?;
        report.check("D21", "the counts go on after a restart", || {
            let four = stage.admitted(OTHER_API, &pair, (4, "900804"))?;
            let none = stage.admitted(API, &pair, (4, "900804"))?;
            ensure!((four, none) == (4, 0), "{four} and {none}");
            Ok(())
        });
        stage.server.kill()?;
        stage.server.restart()?;
        report.check("D21", "a killed server admits no call more, and loses a lease at most", || {
            let rest = stage.admitted(OTHER_API, &pair, (40, "900804"))?;
            ensure!((1..=4).contains(&rest), "{rest} of 4");
            Ok(())
        });
        report.check("D21", "a reset acts on the next call, on this API alone", || {
            stage.administer(&format!("limit reset --app Opaque --api {API}"))?;
            let five = stage.admitted(API, &pair, (40, "900804"))?;
            let none = stage.admitted(OTHER_API, &pair, (4, "900804"))?;
            ensure!((five, none) == (5, 0), "{five} and {none}");
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn bursts_and_application_tiers_refuse_with_codes_of_their_own() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        stage.administer("tier put Bursting --level subscription --limit 90/year --burst 3/2years")?;
        stage.administer("tier put Four --level application --limit 4/year")?;
        stage.administer(&format!("app subscribe Opaque {API} --tier Bursting"))?;
        let pair = stage.server.client.issue(&stage.opaque, "device_one")?;
        report.check("D21", "a burst refuses before the plan is used up", || {
            let three = stage.admitted(API, &pair, (9, "900807"))?;
            ensure!(three == 3, "{three}");
            Ok(())
        });
        report.check("D21", "an application's tier counts for each user, over all APIs", || {
            stage.administer(&format!("app subscribe Opaque {API} --tier Unlimited"))?;
            stage.administer(&format!("app subscribe Opaque {OTHER_API} --tier Unlimited"))?;
            stage.administer("app tier Opaque Four")?;
            let bob = stage.server.bob("correct horse battery staple")?;
            let bobs = stage.server.client.sign_in(&stage.opaque, &bob, "device_two")?;
            let one = stage.admitted(OTHER_API, &pair, (1, "900803"))?;
            let three = stage.admitted(API, &pair, (9, "900803"))?;
            let four = stage.admitted(API, &bobs, (9, "900803"))?;
            ensure!((one, three, four) == (1, 3, 4), "{one}, {three}, {four}");
            stage.administer("limit reset --app Opaque --user bob")?;
            let (mine, his) =
                (stage.admitted(API, &pair, (2, "900803"))?, stage.admitted(API, &bobs, (9, "900803"))?);
            ensure!((mine, his) == (0, 4), "{mine}, {his}");
            Ok(())
        });
        Ok(())
    })
}

/// What an API's definition says about limits: the API's own takes the place of those of its resources (WSO2's 900800,
/// 900802), and both count all callers together.
#[test]
fn the_policies_of_an_api_and_of_its_resources_have_codes_of_their_own() -> Result<()> {
    scene(Launch::new(), |stage, report| {
        for words in
            ["tier put Six --level resource --limit 6/year", "tier put Two --level resource --limit 2/year"]
        {
            stage.administer(words)?;
        }
        let paths = json!({ "/one": { "get": { "x-throttling-tier": "Two" } }, "/any": { "get": { "x-throttling-tier": "Six" } } });
        let of_api = json!({ "paths": paths, "x-throttling-tier": "Six" });
        for (path, members) in [("/whole/1", of_api), ("/parts/1", json!({ "paths": paths }))] {
            stage.server.import(path, &[format!("http://{}/base", stage.recorder.address())], &members)?;
            for application in ["Opaque", "Jwt"] {
                stage.server.subscribe(application, path)?;
            }
        }
        let (one, other) = (
            stage.server.client.issue(&stage.opaque, "device_one")?,
            stage.server.client.issue(&stage.jwt, "device_two")?,
        );
        report.check("W8.3", "an API's policy counts every resource and every caller", || {
            let mine = stage.admitted("/whole/1", &one, (4, "900800"))?;
            let theirs = stage.admitted("/whole/1", &other, (9, "900800"))?;
            ensure!((mine, theirs) == (4, 2), "{mine} and {theirs}");
            let refused = stage.call_at("/whole/1/one", &one.access)?.expect(429)?;
            ensure!(refused.json()?["code"] == "900800", "{}", short(&refused.text()));
            Ok(())
        });
        report.check("W8.3", "a resource's policy counts that resource alone, and every caller", || {
            let theirs = stage.admitted("/parts/1", &other, (4, "900802"))?;
            let mine = stage.admitted("/parts/1", &one, (9, "900802"))?;
            ensure!((theirs, mine) == (4, 2), "{theirs} and {mine}");
            for _ in 0..2 {
                stage.call_at("/parts/1/one", &one.access)?.expect(200)?;
            }
            let refused = stage.call_at("/parts/1/one", &other.access)?.expect(429)?;
            ensure!(refused.json()?["code"] == "900802", "{}", short(&refused.text()));
            Ok(())
        });
        Ok(())
    })
}
