//! C044-C046, C067: metadata, keys and the claims of a JWT, each against the behaviour.

use anyhow::{Context, Result, ensure};
use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use latchkey_checks::server::{Launch, Server};
use latchkey_checks::wire::Request;
use serde_json::Value;

use crate::scenes::scene;

const DOCUMENTS: [&str; 4] = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/oauth2/token",
    "/oauth2/token/.well-known/openid-configuration",
];

fn part(token: &str, index: usize) -> Result<Vec<u8>> {
    let part = token.split('.').nth(index).context("not a JWT")?;
    Ok(BASE64_URL_SAFE_NO_PAD.decode(part)?)
}

fn number(key: &Value, name: &str) -> Result<Vec<u8>> {
    Ok(BASE64_URL_SAFE_NO_PAD.decode(key[name].as_str().with_context(|| format!("no {name} in {key}"))?)?)
}

/// Verifies `token` by the published key that its `kid` names, with this test's own knowledge of JWS.
fn verify(server: &Server, token: &str) -> Result<Value> {
    let keys = server.client.get("/oauth2/jwks")?.expect(200)?.json()?;
    let head: Value = serde_json::from_slice(&part(token, 0)?)?;
    let keys = keys["keys"].as_array().context("no keys")?;
    let key = keys.iter().find(|key| key["kid"] == head["kid"]).context("the kid is not published")?;
    ensure!(key.get("d").is_none(), "a private key is published");
    let signed = token.rsplit_once('.').context("not a JWT")?.0.as_bytes();
    let tag = part(token, 2)?;
    let verified = match head["alg"].as_str().context("no alg")? {
        "ES256" => {
            let point = [vec![4], number(key, "x")?, number(key, "y")?].concat();
            UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(signed, &tag)
        }
        "EdDSA" => UnparsedPublicKey::new(&signature::ED25519, number(key, "x")?).verify(signed, &tag),
        rsa => {
            let public = RsaPublicKeyComponents { n: number(key, "n")?, e: number(key, "e")? };
            let how = if rsa == "RS256" {
                &signature::RSA_PKCS1_2048_8192_SHA256
            } else {
                &signature::RSA_PSS_2048_8192_SHA256
            };
            public.verify(how, signed, &tag)
        }
    };
    ensure!(verified.is_ok(), "the signature does not verify by the published key");
    Ok(head)
}

#[test]
fn c044_c046_metadata() -> Result<()> {
    scene(Launch::new(), |server, report| {
        for document in DOCUMENTS {
            report.check("C045", document, || {
                let told = server.client.get(document)?.expect(200)?.json()?;
                ensure!(told["issuer"] == server.demo.issuer.as_str(), "issuer {}", told["issuer"]);
                for name in ["token_endpoint", "jwks_uri", "introspection_endpoint", "revocation_endpoint"] {
                    ensure!(told[name].is_string(), "no {name}: {told}");
                }
                Ok(())
            });
            report.check("C044", &format!("{document} under spoofed hosts"), || {
                let plain = server.client.get(document)?.expect(200)?.json()?;
                for (name, value) in [
                    ("Host", "evil.example"),
                    ("X-Forwarded-Host", "evil.example"),
                    ("X-Forwarded-Proto", "gopher"),
                    ("Forwarded", "host=evil.example;proto=gopher"),
                ] {
                    let reply = server.client.send(&Request::new("GET", document).header(name, value))?;
                    let same = reply.status / 100 == 4 || reply.json()? == plain;
                    ensure!(same, "{name}: {value} changes the metadata: {}", reply.text());
                }
                Ok(())
            });
        }
        report.check("C046", "every advertised grant is known, every other is not", || {
            let told = server.client.get(DOCUMENTS[0])?.json()?;
            let advertised = told["grant_types_supported"].as_array().context("no grant_types_supported")?;
            let known = ["client_credentials", "password", "refresh_token"];
            for grant in known.iter().chain(&["implicit", "urn:ietf:params:oauth:grant-type:saml2-bearer"]) {
                let reply = server.client.token(&server.demo.application, &[("grant_type", grant)])?;
                let unknown = reply.json()?["error"] == "unsupported_grant_type";
                let told = advertised.iter().any(|told| told == grant);
                ensure!(told != unknown, "{grant}: advertised {told}, answered {}", reply.text());
            }
            Ok(())
        });
        report.check("C046", "the advertised endpoints lead somewhere", || {
            let told = server.client.get(DOCUMENTS[0])?.json()?;
            for (name, url) in told.as_object().context("not an object")? {
                let Some(url) = url.as_str().filter(|_| name.ends_with("_endpoint") || name == "jwks_uri")
                else {
                    continue;
                };
                let path = url.splitn(4, '/').nth(3).with_context(|| format!("{name} {url} has no path"))?;
                let status = server.client.get(&format!("/{path}"))?.status;
                ensure!(status != 404, "{name} {url} is not there");
            }
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn c067_jwts_verify_under_every_algorithm() -> Result<()> {
    for algorithm in ["ES256", "RS256", "PS256", "EdDSA"] {
        let launch = Launch::new().set(&format!("oauth.token.signing_algorithm={algorithm}"));
        scene(launch, |server, report| {
            let application = &server.demo.application;
            let pair = server.client.sign_in(application, &server.demo.user, "openid device_claims")?;
            report.check("C067", &format!("{algorithm}: header, signature and claims of RFC 9068"), || {
                let head = verify(server, &pair.access)?;
                ensure!(head["alg"] == algorithm && head["typ"] == "at+jwt", "header {head}");
                let claims: Value = serde_json::from_slice(&part(&pair.access, 1)?)?;
                ensure!(claims["iss"] == server.demo.issuer.as_str(), "iss {}", claims["iss"]);
                ensure!(claims["client_id"] == application.key.as_str(), "client_id {}", claims["client_id"]);
                ensure!(claims["scope"] == "device_claims openid", "scope {}", claims["scope"]);
                for name in ["sub", "aud", "jti", "iat", "exp"] {
                    ensure!(!claims[name].is_null(), "no {name}: {claims}");
                }
                let life = claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat);
                ensure!(life == Some(3600), "exp - iat is {life:?}");
                Ok(())
            });
            report.check("D18", &format!("{algorithm}: userinfo names the same subject"), || {
                let claims: Value = serde_json::from_slice(&part(&pair.access, 1)?)?;
                let told = server.client.userinfo(&pair.access)?.expect(200)?.json()?;
                ensure!(told["sub"] == claims["sub"], "{told} and {}", claims["sub"]);
                Ok(())
            });
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn i18_rotation_keeps_tokens_verifiable() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let (client, application) = (&server.client, &server.demo.application);
        report.check(
            "I18",
            "after a rotation old tokens verify and live, new ones carry another kid",
            || {
                let old = client.issue(application, "device_old")?;
                let before = verify(server, &old.access)?;
                server.cli(&["key", "rotate"], "")?;
                let new = client.issue(application, "device_new")?;
                let after = verify(server, &new.access)?;
                ensure!(before["kid"] != after["kid"], "the same kid after a rotation");
                verify(server, &old.access)?;
                ensure!(
                    client.active(&old.access)? && client.active(&new.access)?,
                    "a token died by rotation"
                );
                Ok(())
            },
        );
        Ok(())
    })
}
