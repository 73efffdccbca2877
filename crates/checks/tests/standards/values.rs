//! C021, C036, C038: the values of tokens.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use latchkey_checks::client::{Application, Client, State};
use latchkey_checks::server::{Launch, Server};
use latchkey_checks::wire::{Connection, Request};
use serde_json::{Value, json};

use crate::scenes::{parallel, scene};

/// How many values of one kind are drawn; the estimate of their entropy is low by less than a tenth.
const DRAWN: usize = 2000;

/// Draws access tokens of ever new devices over eight connections.
fn draw(client: &Client, application: &Application) -> Result<Vec<String>> {
    let request = Request::new("POST", "/oauth2/token").basic(&application.key, &application.secret);
    let batch = |number: usize| {
        let mut connection = Connection::open(client.address())?;
        let mut one = |n: usize| {
            let scope = format!("device_draw{n}");
            let request = request.clone().form(&[("grant_type", "client_credentials"), ("scope", &scope)]);
            let answer = client.send_on(&mut connection, &request)?.expect(200)?.json()?;
            Ok(answer["access_token"].as_str().context("no access_token")?.to_owned())
        };
        (number..DRAWN).step_by(8).map(&mut one).collect::<Result<Vec<_>>>()
    };
    Ok(parallel(8, 8, batch)?.concat())
}

/// The sum over positions of the entropy of the characters found there, in bits.
fn entropy(values: &[String]) -> f64 {
    let count = |number: usize| f64::from(u32::try_from(number).expect("thousands of values"));
    let longest = values.iter().map(String::len).max().unwrap_or(0);
    let position = |at: usize| {
        let mut seen: BTreeMap<Option<u8>, usize> = BTreeMap::new();
        for value in values {
            *seen.entry(value.as_bytes().get(at).copied()).or_default() += 1;
        }
        seen.values().map(|&n| count(n) / count(values.len())).map(|share| -share * share.log2()).sum::<f64>()
    };
    (0..longest).map(position).sum()
}

#[test]
fn c021_values_are_unique_and_random() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let application = server.application("Opaque", &["--token-format", "opaque"])?;
        report.check(
            "C021",
            "opaque values: all different, at least 160 bits, none like an earlier one",
            || {
                let values = draw(&server.client, &application)?;
                let distinct: BTreeSet<_> = values.iter().collect();
                ensure!(distinct.len() == DRAWN, "{} of {DRAWN} are different", distinct.len());
                let bits = entropy(&values);
                ensure!(bits >= 160.0, "{bits:.0} bits");
                Ok(())
            },
        );
        report.check("C021", "JWT ids: all different", || {
            let ids = draw(&server.client, &server.demo.application)?;
            let ids = ids
                .iter()
                .map(|token| Ok(claims(token)?["jti"].to_string()))
                .collect::<Result<BTreeSet<_>>>()?;
            ensure!(ids.len() == DRAWN, "{} of {DRAWN} are different", ids.len());
            Ok(())
        });
        Ok(())
    })
}

/// The claims of a JWT, unverified.
fn claims(token: &str) -> Result<Value> {
    let part = token.split('.').nth(1).context("not a JWT")?;
    Ok(serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part)?)?)
}

/// Asks about every value over one connection; gives the first that is active.
fn first_active(client: &Client, values: impl Iterator<Item = String>) -> Result<Option<String>> {
    let mut connection = Connection::open(client.address())?;
    for value in values {
        let answer = connection.send(&client.introspection(&value))?;
        ensure!(answer.status < 500, "status {} for {value:?}", answer.status);
        if answer.json()?["active"] == true {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// `token` cut at every length, extended, and changed at every place.
fn near_misses(token: &str) -> impl Iterator<Item = String> {
    let cut = (1..token.len()).map(move |length| token[..length].to_owned());
    let longer =
        ["A", "=", " ", ".", "0", "_", "\u{0}"].into_iter().map(move |more| format!("{token}{more}"));
    let doubled = [format!("{token}{token}"), format!(" {token}"), format!("A{token}"), token.to_uppercase()];
    let changed = (0..token.len()).flat_map(move |at| {
        let old = token.as_bytes()[at] as char;
        let flipped =
            if old.is_ascii_uppercase() { old.to_ascii_lowercase() } else { old.to_ascii_uppercase() };
        // The neighbour in the alphabet differs in the lowest bit alone: the bits that padding leaves unused.
        let next = char::from(token.as_bytes()[at].wrapping_add(1));
        let changed =
            [flipped, next, 'A', 'z'].into_iter().filter(move |new| *new != old && new.is_ascii_graphic());
        changed.map(move |new| format!("{}{new}{}", &token[..at], &token[at + 1..]))
    });
    cut.chain(longer).chain(doubled).chain(changed)
}

#[test]
fn c038_near_misses() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let opaque = server.application("Opaque", &["--token-format", "opaque"])?;
        for (format, application) in [("opaque", &opaque), ("jwt", &server.demo.application)] {
            let pair = server.client.sign_in(application, &server.demo.user, "device_miss")?;
            for (name, token) in [("access token", pair.access.as_str()), ("refresh token", pair.refresh()?)]
            {
                report.check(
                    "C038",
                    &format!("{format} {name}: nothing but the value itself is active"),
                    || {
                        server.client.expect_state("the value itself", token, State::Active)?;
                        let active = first_active(&server.client, near_misses(token))?;
                        ensure!(active.is_none(), "active: {active:?}, for {token:?}");
                        server.client.expect_state("the value itself, afterwards", token, State::Active)
                    },
                );
            }
        }
        Ok(())
    })
}

/// A JWT of `head` and `claims` with `signature`, encoded.
fn jwt(head: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(head), part(claims))
}

/// Tokens made from `token` without the key.
fn forgeries(server: &Server, token: &str) -> Result<Vec<(&'static str, String)>> {
    let parts: Vec<_> = token.split('.').collect();
    let head: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[0])?)?;
    let claims = claims(token)?;
    let changed = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        jwt(&head, &changed, parts[2])
    };
    let headed = |name: &str, value: Value| {
        let mut changed = head.clone();
        changed[name] = value;
        changed
    };
    let keys = server.client.get("/oauth2/jwks")?.expect(200)?.text();
    let input =
        format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(headed("alg", json!("HS256")).to_string()), parts[1]);
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, keys.as_bytes());
    let tag = BASE64_URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, input.as_bytes()));
    Ok(vec![
        ("another subject", changed("sub", json!("admin"))),
        ("a later expiry", changed("exp", json!(4_102_444_800_u64))),
        ("another scope", changed("scope", json!("admin"))),
        ("another kid", jwt(&headed("kid", json!("other")), &claims, parts[2])),
        ("alg none, signed", jwt(&headed("alg", json!("none")), &claims, parts[2])),
        ("alg none, unsigned", jwt(&headed("alg", json!("none")), &claims, "")),
        ("alg None, unsigned", jwt(&headed("alg", json!("None")), &claims, "")),
        ("HMAC under the published keys", format!("{input}.{tag}")),
        ("another algorithm", jwt(&headed("alg", json!("ES384")), &claims, parts[2])),
        ("another type", jwt(&headed("typ", json!("JWT")), &claims, parts[2])),
        ("a critical extension", jwt(&headed("crit", json!(["x"])), &claims, parts[2])),
        ("an empty signature", format!("{}.{}.", parts[0], parts[1])),
        ("a signature of zeros (CVE-2022-21449)", format!("{}.{}.{}", parts[0], parts[1], "A".repeat(86))),
        ("an embedded key", jwt(&headed("jwk", json!({"kty": "EC"})), &claims, parts[2])),
    ])
}

#[test]
fn c036_forged_jwts() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let pair =
            server.client.sign_in(&server.demo.application, &server.demo.user, "openid device_forged")?;
        for (name, forged) in forgeries(server, &pair.access)? {
            report.check("C036", &format!("{name}: inactive, and refused as a bearer"), || {
                server.client.expect_state("the forgery", &forged, State::Inactive)?;
                let status = server.client.userinfo(&forged)?.status;
                ensure!(status == 401, "userinfo answered {status}");
                Ok(())
            });
        }
        report.check("C036", "the token that was forged is itself untouched", || {
            server.client.expect_state("the token", &pair.access, State::Active)?;
            server.client.userinfo(&pair.access)?.expect(200).map(drop)
        });
        Ok(())
    })
}
