//! S07, V10, V11, D13: how long a token lives.

use std::time::Duration;

use anyhow::{Result, ensure};
use latchkey_checks::client::State;
use latchkey_checks::server::Launch;

use crate::scenes::{scene, until};

/// WSO2's `expires_in` of a token that never expires (`Long.MAX_VALUE / 1000`).
const NEVER: u64 = 9_223_372_036_854_775;

#[test]
fn s07_v11_never_expiring_tokens() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let (client, alice) = (&server.client, &server.demo.user);
        let never = ["--application-validity", "-1", "--user-validity", "-1"];
        for format in ["jwt", "opaque"] {
            let flags = [&never[..], &["--token-format", format]].concat();
            let application = server.application(&format!("Forever {format}"), &flags)?;
            report.check("S07", &format!("{format}: no exp, WSO2's expires_in, and still revocable"), || {
                let own = client.issue(&application, "device_forever")?;
                let user = client.sign_in(&application, alice, "device_forever")?;
                for pair in [&own, &user] {
                    ensure!(pair.expires_in == NEVER, "expires_in {}", pair.expires_in);
                    let told = client.introspect(&pair.access)?;
                    ensure!(told["active"] == true && told.get("exp").is_none(), "introspection: {told}");
                    client.revoke(&application, &pair.access)?;
                    client.expect_state("the revoked token", &pair.access, State::Inactive)?;
                }
                Ok(())
            });
        }
        let flags = [&never[..], &["--token-format", "opaque"]].concat();
        let application = server.application("Forever reused", &flags)?;
        report.check("V11", "opaque: a never-expiring token is reused, a user's too", || {
            let (first, second) =
                (client.issue(&application, "device_f")?, client.issue(&application, "device_f")?);
            ensure!(first.access == second.access && second.expires_in == NEVER, "not the same token");
            let first = client.sign_in(&application, alice, "device_f")?;
            let second = client.sign_in(&application, alice, "device_f")?;
            ensure!(first.access == second.access, "not the same user token");
            Ok(())
        });
        report.check("D13", "never, for one request only, is no more than the application's own", || {
            let form =
                [("grant_type", "client_credentials"), ("scope", "device_n"), ("validity_period", "-1")];
            let told = client.token(&application, &form)?.expect(200)?.json()?;
            ensure!(told["expires_in"] == NEVER, "{told}");
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn v10_expiry() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let client = &server.client;
        for format in ["jwt", "opaque"] {
            let flags = ["--application-validity", "2", "--user-validity", "2", "--token-format", format];
            let application = server.application(&format!("Short {format}"), &flags)?;
            report.check(
                "V10",
                &format!("{format}: two seconds, then inactive and nowhere accepted"),
                || {
                    let pair = client.sign_in(&application, &server.demo.user, "openid device_short")?;
                    ensure!(pair.expires_in == 2, "expires_in {}", pair.expires_in);
                    client.expect_state("the new token", &pair.access, State::Active)?;
                    let died = until(Duration::from_secs(6), || Ok(!client.active(&pair.access)?))?;
                    ensure!(died > Duration::from_millis(900), "dead after {died:?}");
                    ensure!(client.userinfo(&pair.access)?.status == 401, "userinfo still answers");
                    let told = client.introspect(&pair.access)?.to_string();
                    ensure!(told == r#"{"active":false}"#, "C035: an expired token says {told}");
                    client.revoke(&application, &pair.access)?;
                    client.try_refresh(&application, pair.refresh()?).map(drop)
                },
            );
        }
        report.check(
            "V10",
            "opaque: a token with no more than a second left is not handed out again",
            || {
                let flags = ["--application-validity", "2", "--token-format", "opaque"];
                let application = server.application("Reused short", &flags)?;
                let first = client.issue(&application, "device_reuse")?;
                let mut last = first.expires_in;
                until(Duration::from_secs(6), || {
                    let pair = client.issue(&application, "device_reuse")?;
                    ensure!(pair.expires_in >= 1, "a token was handed out with {} s left", pair.expires_in);
                    let renewed = pair.access != first.access;
                    ensure!(renewed || pair.expires_in <= last, "expires_in grows");
                    last = pair.expires_in;
                    Ok(renewed)
                })?;
                client.expect_state("the replaced token", &first.access, State::Inactive)
            },
        );
        Ok(())
    })
}

#[test]
fn d13_a_changed_default_touches_new_applications_only() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let old = server.application("Old", &[])?;
        server.terminate()?;
        let launch = Launch::new().data(server.data());
        let later = launch
            .set("oauth.token.application_validity=100")
            .set("oauth.token.user_validity=200")
            .start()?;
        let new = later.application("New", &[])?;
        report.check("S07", "an application keeps the validity it was made with", || {
            let (old, new) = (later.client.issue(&old, "device_d")?, later.client.issue(&new, "device_d")?);
            ensure!(old.expires_in == 3600, "the old application's expires_in is {}", old.expires_in);
            ensure!(new.expires_in == 100, "the new application's expires_in is {}", new.expires_in);
            Ok(())
        });
        report.check("D13", "users' tokens have a validity of their own", || {
            let pair = later.client.sign_in(&new, &later.demo.user, "device_d")?;
            ensure!(pair.expires_in == 200, "expires_in {}", pair.expires_in);
            Ok(())
        });
        later.finish()
    })
}
