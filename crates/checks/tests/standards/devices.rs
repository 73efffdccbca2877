//! S01-S13: tokens per device.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use latchkey_checks::client::{Pair, State, pair_of};
use latchkey_checks::server::{Launch, Server};

use crate::scenes::{parallel, scene};

fn active_count(server: &Server, tokens: &BTreeSet<String>) -> Result<usize> {
    let states = tokens.iter().map(|token| server.client.active(token)).collect::<Result<Vec<_>>>()?;
    Ok(states.into_iter().filter(|active| *active).count())
}

#[test]
fn s01_s05_opaque_tokens_are_reused_per_device() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let application = server.application("Opaque", &["--token-format", "opaque"])?;
        let (client, alice) = (&server.client, &server.demo.user);
        let sign_in = |scope: &str| client.sign_in(&application, alice, scope);
        let same = |one: &Pair, other: &Pair| {
            ensure!(one.access == other.access && one.refresh == other.refresh, "another pair");
            ensure!(other.expires_in <= one.expires_in, "expires_in grows");
            Ok(())
        };
        report.check("V01", "order and duplicates of scopes name the same pair", || {
            let first = sign_in("device_b device_a")?;
            same(&first, &sign_in("device_a device_b device_a")?)?;
            same(&first, &sign_in("device_a  device_b")?)?;
            ensure!(first.scope == "device_a device_b", "scope {:?} is not sorted", first.scope);
            Ok(())
        });
        report.check("V02", "each device has a pair of its own, and keeps it", || {
            let (pad, phone) = (sign_in("device_ipad")?, sign_in("device_iphone")?);
            ensure!(pad.access != phone.access && pad.refresh != phone.refresh, "two devices share a token");
            same(&pad, &sign_in("device_ipad")?)?;
            same(&phone, &sign_in("device_iphone")?)
        });
        report.check(
            "V03",
            "revoking one device's token touches no other, and the next sign-in is new",
            || {
                let (pad, phone) = (sign_in("device_ipad")?, sign_in("device_iphone")?);
                client.revoke(&application, &pad.access)?;
                client.expect_state("the revoked token", &pad.access, State::Inactive)?;
                client.expect_state("its refresh token", pad.refresh()?, State::Inactive)?;
                client.expect_state("the other device", &phone.access, State::Active)?;
                let again = sign_in("device_ipad")?;
                ensure!(
                    again.access != pad.access && again.refresh != pad.refresh,
                    "a revoked token came back"
                );
                client.expect_state("the revoked token", &pad.access, State::Inactive)
            },
        );
        report.check("S10", "application and user tokens of the owner are never the same", || {
            let (own, user) = (client.issue(&application, "device_s10")?, sign_in("device_s10")?);
            ensure!(own.access != user.access, "one token for application and user");
            client.expect_state("the application token", &own.access, State::Active)?;
            client.expect_state("the user token", &user.access, State::Active)
        });
        report.check("S04", "a device scope lifts no other scope past its check", || {
            let pair = sign_in("device_x admin echo.read")?;
            ensure!(pair.scope == "device_x echo.read", "scope {:?}", pair.scope);
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn s03_s13_devices_do_not_touch_each_other() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let opaque = server.application("Opaque", &["--token-format", "opaque"])?;
        let (client, alice) = (&server.client, &server.demo.user);
        for (format, application) in [("jwt", &server.demo.application), ("opaque", &opaque)] {
            report.check("S03", &format!("{format}: refresh and revocation stay on their device"), || {
                let phone = client.sign_in(application, alice, "device_iphone")?;
                let pad = client.sign_in(application, alice, "device_ipad")?;
                ensure!(
                    phone.access != pad.access && phone.refresh != pad.refresh,
                    "two devices share a token"
                );
                let next = client.refresh(application, pad.refresh()?)?;
                ensure!(next.scope == "device_ipad", "S13: the device is lost: {:?}", next.scope);
                client.expect_state("the pad's previous token", &pad.access, State::Inactive)?;
                client.expect_state("the phone's token", &phone.access, State::Active)?;
                client.revoke(application, next.refresh()?)?;
                client.expect_state("C032: the pad's token", &next.access, State::Inactive)?;
                client.try_refresh(application, next.refresh()?)?.refused(400, "invalid_grant")?;
                client.expect_state("the phone's token", &phone.access, State::Active)?;
                client.refresh(application, phone.refresh()?).map(drop)
            });
            report.check("C030", &format!("{format}: an already revoked token is answered with 200"), || {
                let pair = client.sign_in(application, alice, "device_gone")?;
                client.revoke(application, &pair.access)?;
                client.revoke(application, &pair.access)?;
                client.revoke(application, pair.refresh()?)
            });
        }
        Ok(())
    })
}

#[test]
fn s09_a_hundred_parallel_requests() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let client = &server.client;
        for (format, distinct) in [("jwt", 100), ("opaque", 1)] {
            let application = server.application(format, &["--token-format", format])?;
            report.check("S09", &format!("{format}: {distinct} distinct, one active at the end"), || {
                let tokens = parallel(16, 100, |_| Ok(client.issue(&application, "device_race")?.access))?;
                let tokens: BTreeSet<_> = tokens.into_iter().collect();
                ensure!(tokens.len() == distinct, "{} distinct tokens, not {distinct}", tokens.len());
                let active = active_count(server, &tokens)?;
                ensure!(active == 1, "{active} of them active, not 1");
                Ok(())
            });
        }
        Ok(())
    })
}

#[test]
fn s06_the_limit_evicts_the_oldest() -> Result<()> {
    let launch = Launch::new().set("oauth.device.max_per_user=5");
    scene(launch, |server, report| {
        let client = &server.client;
        let application = server.application("Limited", &["--token-format", "opaque"])?;
        report.check("S06", "the sixth device ends the first, and only that", || {
            let issue = |n: usize| {
                // Which device is the oldest is known to the millisecond, and a commit may take less.
                latchkey_checks::server::pass(Duration::from_millis(2));
                client.issue(&application, &format!("device_d{n}"))
            };
            let pairs = (0..6).map(issue).collect::<Result<Vec<_>>>()?;
            client.expect_state("the first device", &pairs[0].access, State::Inactive)?;
            for pair in &pairs[1..] {
                client.expect_state(&pair.scope, &pair.access, State::Active)?;
            }
            let again = client.issue(&application, "device_d5")?;
            ensure!(again.access == pairs[5].access, "a device at the limit cannot ask again");
            client.expect_state("the second device", &pairs[1].access, State::Active)
        });
        report.check("S06", "several device scopes name one device", || {
            let many = client.issue(&application, "device_x device_y device_z")?;
            ensure!(many.scope == "device_x device_y device_z", "scope {:?}", many.scope);
            let single = client.issue(&application, "device_d5")?;
            client.expect_state("one of five devices", &single.access, State::Active)?;
            client.expect_state("the device of three names", &many.access, State::Active)
        });
        report.check("S06", "the limit holds under parallel sign-ins", || {
            let issue = |n| Ok(client.issue(&application, &format!("device_race{n}"))?.access);
            let tokens: BTreeSet<_> = parallel(8, 200, issue)?.into_iter().collect();
            ensure!(tokens.len() == 200, "{} distinct tokens", tokens.len());
            let active = active_count(server, &tokens)?;
            ensure!(active == 5, "{active} active devices, not 5");
            Ok(())
        });
        report.check("S06", "one user's devices do not count for another subject", || {
            let own = client.issue(&application, "device_race199")?;
            for n in 0..5 {
                client.sign_in(&application, &server.demo.user, &format!("device_alice{n}"))?;
            }
            client.expect_state("the application's own device", &own.access, State::Active)
        });
        Ok(())
    })
}

#[test]
fn s06_the_limit_rejects() -> Result<()> {
    let launch = Launch::new().set("oauth.device.max_per_user=3").set("oauth.device.on_limit=reject");
    scene(launch, |server, report| {
        let client = &server.client;
        let application = server.application("Limited", &[])?;
        report.check("S06", "the fourth device is refused until one is revoked", || {
            let issue = |scope: &str| {
                client.token(&application, &[("grant_type", "client_credentials"), ("scope", scope)])
            };
            let pairs =
                ["device_a", "device_b", "device_c"].map(|scope| issue(scope).and_then(|r| pair_of(&r)));
            let [first, second, third] = pairs;
            let (first, second, third) = (first?, second?, third?);
            let refused = issue("device_d")?;
            ensure!(refused.status == 400, "status {}: {}", refused.status, refused.text());
            for pair in [&first, &second, &third] {
                client.expect_state(&pair.scope, &pair.access, State::Active)?;
            }
            let again = pair_of(&issue("device_b")?)?;
            client.expect_state("a device renewed at the limit", &again.access, State::Active)?;
            client.revoke(&application, &first.access)?;
            pair_of(&issue("device_d")?).map(drop)
        });
        Ok(())
    })
}
