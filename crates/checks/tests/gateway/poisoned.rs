//! The poisoned-cache suite (V02-V05, V67, V68): a hot gateway believes no token that was never made, and
//! none that has ended. What ended a token is answered only when the gateway refuses it, so there is no wait
//! between the two in any of these checks.

use anyhow::{Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use latchkey_checks::client::{Application, Pair, password_form};
use latchkey_checks::report::Report;
use latchkey_checks::server::{Launch, Person};
use latchkey_checks::wire::{self, Request, short};

use crate::stage::{API, Stage, scene};

const PASSWORD: &str = "correct horse battery staple";
/// Caches of every size, and caching switched off, refuse alike (D19).
const CACHES: [&[&str]; 3] = [
    &[],
    &["store.cache_entries=1", "gateway.token_cache.entries=1"],
    &["gateway.token_cache.enabled=false"],
];

/// Runs `story` at gateways with each setting of the caches.
fn at_every_cache(story: impl Fn(&mut Stage, &mut Report) -> Result<()>) -> Result<()> {
    for settings in CACHES {
        let launch = settings.iter().fold(Launch::new(), |launch, setting| launch.set(setting));
        scene(launch, &story).map_err(|problem| problem.context(format!("with {settings:?}")))?;
    }
    Ok(())
}

impl Stage {
    /// Calls until the token is in every cache.
    fn warm(&self, token: &str) -> Result<()> {
        for _ in 0..3 {
            self.call("/hot", token)?.expect(200)?;
        }
        Ok(())
    }

    /// Fails unless the very next call is refused as one with an invalid token, and reaches nobody.
    fn refuses(&self, token: &str) -> Result<()> {
        let known = self.recorder.count();
        let reply = self.call("/hot", token)?.expect(401)?;
        ensure!(reply.json()?["code"] == "900901", "{}", short(&reply.text()));
        ensure!(!reply.text().contains(token), "the answer repeats the token");
        ensure!(self.recorder.count() == known, "the call reached the upstream");
        Ok(())
    }

    fn applications(&self) -> [(&'static str, &Application); 2] {
        [("opaque", &self.opaque), ("JWT", &self.jwt)]
    }

    /// Bob's pair at `application`, at a hot gateway.
    fn bobs(&self, application: &Application, bob: &Person) -> Result<Pair> {
        let pair = self.server.client.sign_in(application, bob, &self.server.client.new_device())?;
        self.warm(&pair.access)?;
        Ok(pair)
    }
}

/// The three parts of a JWT.
fn parts(token: &str) -> Result<[&str; 3]> {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().map_err(|_| anyhow::anyhow!("not a JWT"))
}

/// The token with `from` in its payload made `to`, the signature left as it is.
fn edited(token: &str, from: &str, to: &str) -> Result<String> {
    let [head, payload, signature] = parts(token)?;
    let payload = String::from_utf8(BASE64.decode(payload)?)?;
    ensure!(payload.contains(from), "nothing to edit in the payload");
    Ok(format!("{head}.{}.{signature}", BASE64.encode(payload.replace(from, to))))
}

#[test]
fn v02_v05_v67_forged_tokens_at_a_hot_gateway() -> Result<()> {
    at_every_cache(|stage, report| {
        let client = &stage.server.client;
        let mine = client.issue(&stage.jwt, "device_mine")?.access;
        let other = client.issue(&stage.jwt, "device_other")?.access;
        stage.warm(&mine)?;
        stage.warm(&other)?;
        let [head, payload, signature] = parts(&mine)?;
        let [_, other_payload, other_signature] = parts(&other)?;
        let mut forged = vec![
            (
                "the signature of a cached token, another cached payload",
                format!("{head}.{other_payload}.{signature}"),
            ),
            ("a cached payload, the signature of another", format!("{head}.{payload}.{other_signature}")),
            ("another device in the payload", edited(&mine, "device_mine", "device_evil")?),
            (
                "60 levels of JSON",
                edited(&mine, "\"iss\":", &format!("\"x\":{}{},\"iss\":", "[".repeat(60), "]".repeat(60)))?,
            ),
            ("a claim twice", edited(&mine, "\"exp\":", "\"exp\":99999999999,\"exp\":")?),
            ("a time below zero", edited(&mine, "\"iat\":", "\"iat\":-")?),
            ("no signature", format!("{head}.{payload}.")),
            ("the signature twice", format!("{head}.{payload}.{signature}{signature}")),
            ("four parts", format!("{mine}.{signature}")),
            ("padding behind the signature", format!("{mine}==")),
        ];
        for algorithm in ["none", "None", "HS256", "RS256", "ES384"] {
            let header = BASE64.encode(format!(r#"{{"alg":"{algorithm}","typ":"at+jwt"}}"#));
            forged.push(("another algorithm", format!("{header}.{payload}.{signature}")));
            forged.push(("another algorithm, unsigned", format!("{header}.{payload}.")));
        }
        let header = String::from_utf8(BASE64.decode(head)?)?;
        for extra in [
            r#""crit":["x"],"x":1"#,
            r#""jku":"http://127.0.0.1/""#,
            r#""kid":"../../etc/passwd""#,
            r#""kid":"' OR 1=1""#,
        ] {
            let header = BASE64.encode(header.replacen('{', &format!("{{{extra},"), 1));
            forged.push(("another header", format!("{header}.{payload}.{signature}")));
        }
        // Of 64 bytes, the last digit holds two bits that say nothing: another spelling of the same bytes.
        let (start, last) = signature.split_at(signature.len() - 1);
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for digit in alphabet.chars().filter(|digit| last != digit.to_string()) {
            forged.push(("another last digit", format!("{head}.{payload}.{start}{digit}")));
        }
        for (says, token) in &forged {
            report.check("V02", &format!("{says}: refused, again and again"), || {
                stage.refuses(token)?;
                stage.refuses(token)
            });
        }
        report.check("V02", "and the tokens that are good still are", || {
            stage.warm(&mine)?;
            stage.warm(&other)
        });
        Ok(())
    })
}

#[test]
fn v67_values_that_only_look_like_a_held_token() -> Result<()> {
    at_every_cache(|stage, report| {
        let client = &stage.server.client;
        for (format, application) in stage.applications() {
            let alice = client.sign_in(application, &stage.server.demo.user, "device_alice")?;
            let again = client.sign_in(application, &stage.server.demo.user, "device_again")?;
            stage.warm(&alice.access)?;
            stage.warm(&again.access)?;
            report.check("V67", &format!("{format}: a refresh token is no bearer"), || {
                stage.refuses(alice.refresh()?)?;
                stage.warm(&alice.access)?;
                stage.refuses(alice.refresh()?)
            });
            report.check("V67", &format!("{format}: a refresh token in an access token's dress"), || {
                let refresh = alice.refresh()?;
                stage.refuses(&refresh.replacen("lkr_", "lka_", 1))
            });
            report.check("V67", &format!("{format}: any other digit anywhere"), || {
                for place in 0..alice.access.len() {
                    let digit = if alice.access.as_bytes()[place] == b'A' { "B" } else { "A" };
                    let mut token = alice.access.clone();
                    token.replace_range(place..=place, digit);
                    stage.refuses(&token).map_err(|problem| problem.context(format!("place {place}")))?;
                }
                stage.warm(&alice.access)
            });
            report.check("V67", &format!("{format}: halves of two families of one generation"), || {
                for place in 4..alice.access.len().min(again.access.len()) {
                    let token = format!("{}{}", &alice.access[..place], &again.access[place..]);
                    if token != alice.access && token != again.access {
                        stage.refuses(&token).map_err(|problem| problem.context(format!("place {place}")))?;
                    }
                }
                stage.warm(&again.access)
            });
        }
        Ok(())
    })
}

#[test]
fn i4_what_ended_is_refused_on_the_next_call() -> Result<()> {
    at_every_cache(|stage, report| {
        let bob = stage.server.bob(PASSWORD)?;
        let client = &stage.server.client;
        for (format, application) in stage.applications() {
            report.check("I4", &format!("{format}: revoked by its access token"), || {
                let pair = stage.bobs(application, &bob)?;
                client.revoke(application, &pair.access)?;
                stage.refuses(&pair.access)?;
                stage.refuses(&pair.access)
            });
            report.check("I4", &format!("{format}: revoked by its refresh token"), || {
                let pair = stage.bobs(application, &bob)?;
                client.revoke(application, pair.refresh()?)?;
                stage.refuses(&pair.access)
            });
            report.check("I4", &format!("{format}: superseded by a refresh"), || {
                let pair = stage.bobs(application, &bob)?;
                let next = client.refresh(application, pair.refresh()?)?;
                stage.refuses(&pair.access)?;
                stage.warm(&next.access)
            });
            report.check("I4", &format!("{format}: its family ended by the command line"), || {
                let pair = stage.bobs(application, &bob)?;
                stage.server.cli(&["token", "revoke", "--stdin"], &format!("{}\n", pair.access))?;
                stage.refuses(&pair.access)
            });
            report.check("I9", &format!("{format}: another device has noticed nothing"), || {
                let (kept, gone) = (stage.bobs(application, &bob)?, stage.bobs(application, &bob)?);
                client.revoke(application, &gone.access)?;
                stage.refuses(&gone.access)?;
                stage.warm(&kept.access)
            });
            report.check("I4", &format!("{format}: an application's own, revoked"), || {
                let own = client.issue(application, "device_own")?.access;
                stage.warm(&own)?;
                client.revoke(application, &own)?;
                stage.refuses(&own)
            });
        }
        report.check("I4", "JWT: superseded by a new one for the same key", || {
            let scope = client.new_device();
            let first = client.sign_in(&stage.jwt, &bob, &scope)?;
            stage.warm(&first.access)?;
            let second = client.sign_in(&stage.jwt, &bob, &scope)?;
            ensure!(first.access != second.access, "a JWT was handed out twice");
            stage.refuses(&first.access)?;
            stage.warm(&second.access)
        });
        Ok(())
    })
}

#[test]
fn i7_what_happens_to_users_applications_and_keys() -> Result<()> {
    at_every_cache(|stage, report| {
        let mut bob = stage.server.bob(PASSWORD)?;
        let server = &stage.server;
        let bobs = |bob: &Person| -> Result<Vec<Pair>> {
            stage.applications().into_iter().map(|(_, application)| stage.bobs(application, bob)).collect()
        };
        let all_refused =
            |pairs: &[Pair]| -> Result<()> { pairs.iter().try_for_each(|pair| stage.refuses(&pair.access)) };
        let own = server.client.issue(&stage.opaque, "device_own")?.access;
        report.check("I7", "a lock, and unlocking revives nothing", || {
            let pairs = bobs(&bob)?;
            server.cli(&["user", "lock", "bob"], "")?;
            all_refused(&pairs)?;
            server.cli(&["user", "unlock", "bob"], "")?;
            all_refused(&pairs)
        });
        report.check("I7", "a new password", || {
            let pairs = bobs(&bob)?;
            server.canary().remember("bob's new password", "another fine password");
            server.cli(&["user", "password", "bob", "--password-stdin"], "another fine password\n")?;
            "another fine password".clone_into(&mut bob.password);
            all_refused(&pairs)
        });
        report.check("I7", "a deletion, and a new user of the same name", || {
            let pairs = bobs(&bob)?;
            server.cli(&["user", "delete", "bob"], "")?;
            all_refused(&pairs)?;
            bob = server.bob(PASSWORD)?;
            let next = bobs(&bob)?;
            all_refused(&pairs)?;
            next.iter().try_for_each(|pair| stage.warm(&pair.access))
        });
        report.check("I9", "the application's own token has noticed nothing", || stage.warm(&own));
        for format in ["opaque", "jwt"] {
            let made = |name: &str| server.application(name, &["--token-format", format, "--subscribe", API]);
            report.check("I7", &format!("{format}: a new consumer secret"), || {
                let application = made("Renewed")?;
                let pair = stage.bobs(&application, &bob)?;
                server.cli(&["app", "regenerate-secret", "Renewed"], "")?;
                stage.refuses(&pair.access)?;
                server.cli(&["app", "delete", "Renewed"], "").map(drop)
            });
            report.check("I7", &format!("{format}: the application deleted, and made again"), || {
                let application = made("Gone")?;
                let (pair, own) =
                    (stage.bobs(&application, &bob)?, server.client.issue(&application, "device_x")?);
                stage.warm(&own.access)?;
                server.cli(&["app", "delete", "Gone"], "")?;
                stage.refuses(&pair.access)?;
                stage.refuses(&own.access)?;
                let again = made("Gone")?;
                stage.bobs(&again, &bob)?;
                server.cli(&["app", "delete", "Gone"], "")?;
                stage.refuses(&pair.access)
            });
        }
        Ok(())
    })
}

#[test]
fn i7_subscriptions_and_apis() -> Result<()> {
    at_every_cache(|stage, report| {
        let server = &stage.server;
        for (format, name, application) in [("opaque", "Opaque", &stage.opaque), ("JWT", "Jwt", &stage.jwt)] {
            let which = ["--app", name, "--api", API];
            let command = |words: &[&str]| server.cli(words, "").map(drop);
            let refused = |token: &str, status: u16, code: &str| -> Result<()> {
                let known = stage.recorder.count();
                let reply = stage.call("/hot", token)?.expect(status)?;
                ensure!(reply.json()?["code"] == code, "{}", short(&reply.text()));
                ensure!(stage.recorder.count() == known, "the call reached the upstream");
                Ok(())
            };
            report.check("I7", &format!("{format}: a subscription blocked, and unblocked"), || {
                let token = server.client.issue(application, "device_blocked")?.access;
                stage.warm(&token)?;
                command(&[&["subscription", "block"], &which[..]].concat())?;
                refused(&token, 401, "900907")?;
                refused(&token, 401, "900907")?;
                command(&[&["subscription", "unblock"], &which[..]].concat())?;
                stage.warm(&token)
            });
            report.check("I7", &format!("{format}: a subscription ended, and made again"), || {
                let token = server.client.issue(application, "device_ended")?.access;
                stage.warm(&token)?;
                command(&["app", "unsubscribe", name, API])?;
                refused(&token, 403, "900908")?;
                command(&["app", "subscribe", name, API])?;
                stage.warm(&token)
            });
            report.check("I7", &format!("{format}: an API blocked, and published again"), || {
                let token = server.client.issue(application, "device_api")?.access;
                stage.warm(&token)?;
                command(&["api", "block", API])?;
                refused(&token, 503, "700700")?;
                command(&["api", "publish", API])?;
                stage.warm(&token)
            });
        }
        Ok(())
    })
}

#[test]
fn i18_keys_that_are_gone() -> Result<()> {
    at_every_cache(|stage, report| {
        let (server, client) = (&stage.server, &stage.server.client);
        report.check("I18", "a removed signing key: its tokens are refused, a retired one's are not", || {
            let token = client.issue(&stage.jwt, "device_signed")?.access;
            stage.warm(&token)?;
            let header: serde_json::Value = serde_json::from_slice(&BASE64.decode(parts(&token)?[0])?)?;
            let kid = header["kid"].as_str().unwrap_or_default().to_owned();
            server.cli(&["key", "rotate", "signing"], "")?;
            stage.warm(&token)?;
            server.cli(&["key", "remove", &kid], "")?;
            stage.refuses(&token)?;
            stage.warm(&client.issue(&stage.jwt, "device_next")?.access)
        });
        report.check(
            "I18",
            "master keys below the minimum: their values are refused, the new ones' are not",
            || {
                let token = client.issue(&stage.opaque, "device_derived")?.access;
                stage.warm(&token)?;
                server.cli(&["key", "rotate", "master"], "")?;
                stage.warm(&token)?;
                server.cli(&["key", "raise-minimum", "2"], "")?;
                stage.refuses(&token)?;
                stage.warm(&client.issue(&stage.opaque, "device_after")?.access)
            },
        );
        Ok(())
    })
}

#[test]
fn v68_a_cached_token_is_authorized_anew_each_time() -> Result<()> {
    at_every_cache(|stage, report| {
        let (server, client) = (&stage.server, &stage.server.client);
        for (format, application) in stage.applications() {
            report.check(
                "V68",
                &format!("{format}: warm on one resource, without the scope of another"),
                || {
                    let plain = client.sign_in(application, &server.demo.user, "device_plain")?.access;
                    let scoped =
                        client.sign_in(application, &server.demo.user, "device_plain check.read")?.access;
                    for _ in 0..3 {
                        stage.call("/hot", &plain)?.expect(200)?;
                        let refused = stage.call("/scoped", &plain)?.expect(403)?;
                        ensure!(refused.json()?["code"] == "900910", "{}", short(&refused.text()));
                        stage.call("/scoped", &scoped)?.expect(200)?;
                    }
                    Ok(())
                },
            );
            report.check("V68", &format!("{format}: warm at one API, not subscribed to another"), || {
                let token = client.issue(application, "device_both")?.access;
                for _ in 0..3 {
                    stage.warm(&token)?;
                    let request = Request::new("GET", "/other/1/a");
                    let request = request.header("Authorization", &format!("Bearer {token}"));
                    let reply = wire::exchange(stage.gateway(), &request)?.expect(403)?;
                    ensure!(reply.json()?["code"] == "900908", "{}", short(&reply.text()));
                }
                Ok(())
            });
            report.check("V68", &format!("{format}: a role lost ends the scope"), || {
                let bob = server.bob(PASSWORD)?;
                server.cli(&["user", "roles", "bob", "--role", "reader"], "")?;
                let token = client.sign_in(application, &bob, "device_role check.read")?.access;
                stage.call("/scoped", &token)?.expect(200)?;
                server.cli(&["user", "roles", "bob"], "")?;
                stage.refuses(&token)?;
                server.cli(&["user", "delete", "bob"], "").map(drop)
            });
        }
        report.check("I11", "an expired token is refused to the second", || {
            for (_, application) in stage.applications() {
                let form = [
                    ("grant_type", "client_credentials"),
                    ("scope", "device_short"),
                    ("validity_period", "1"),
                ];
                let pair = latchkey_checks::client::pair_of(&client.token(application, &form)?)?;
                ensure!(pair.expires_in == 1, "{} seconds", pair.expires_in);
                latchkey_checks::server::pass(std::time::Duration::from_millis(1_100));
                stage.refuses(&pair.access)?;
            }
            Ok(())
        });
        report.check("I7", "a user who cannot sign in any more gets no new token", || {
            let bob = server.bob(PASSWORD)?;
            server.cli(&["user", "lock", "bob"], "")?;
            client.token(&stage.opaque, &password_form(&bob, "device_x"))?.refused(400, "invalid_grant")
        });
        Ok(())
    })
}
