//! The refresh grant: C019, C020, V08, V09, retries and reuse.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use latchkey_checks::client::{State, pair_of};
use latchkey_checks::server::Launch;

use crate::scenes::{parallel, scene};

#[test]
fn c019_c020_scope_and_ownership() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let other = server.application("Other", &[])?;
        let opaque = server.application("Opaque", &["--token-format", "opaque"])?;
        let (client, alice) = (&server.client, &server.demo.user);
        for (format, application) in [("jwt", &server.demo.application), ("opaque", &opaque)] {
            let refresh = |token: &str, scope: &str| {
                let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)];
                client.token(application, &form)
            };
            report.check(
                "C019",
                &format!("{format}: wider is refused and costs nothing, narrower is given"),
                || {
                    let first = client.sign_in(application, alice, "device_a echo.read")?;
                    refresh(first.refresh()?, "device_a echo.read openid")?.refused(400, "invalid_scope")?;
                    refresh(first.refresh()?, "device_b")?.refused(400, "invalid_scope")?;
                    client.expect_state("the pair after refused widening", &first.access, State::Active)?;
                    let narrow = pair_of(&refresh(first.refresh()?, "device_a")?)?;
                    ensure!(narrow.scope == "device_a", "narrowed scope {:?}", narrow.scope);
                    let whole = client.refresh(application, narrow.refresh()?)?;
                    ensure!(
                        whole.scope == "device_a echo.read",
                        "no scope means the grant's, not {:?}",
                        whole.scope
                    );
                    Ok(())
                },
            );
            report.check(
                "V09",
                &format!("{format}: after narrowing, what the grant never held is still refused"),
                || {
                    let first = client.sign_in(application, alice, "device_v9 echo.read")?;
                    let narrow = pair_of(&refresh(first.refresh()?, "device_v9")?)?;
                    refresh(narrow.refresh()?, "device_v9 openid")?.refused(400, "invalid_scope")
                },
            );
            report.check(
                "C020",
                &format!("{format}: another client's attempt is refused and harms nobody"),
                || {
                    let first = client.sign_in(application, alice, "device_c20")?;
                    client.try_refresh(&other, first.refresh()?)?.refused(400, "invalid_grant")?;
                    client.expect_state("the pair", &first.access, State::Active)?;
                    let next = client.refresh(application, first.refresh()?)?;
                    // Not even a token that is spent already may be used by another client to end the family.
                    client.refresh(application, next.refresh()?)?;
                    client.try_refresh(&other, first.refresh()?)?.refused(400, "invalid_grant")?;
                    let held = client.refresh(application, next.refresh()?)?;
                    client.expect_state("the pair after a foreign replay", &held.access, State::Active)
                },
            );
            report.check("C021", &format!("{format}: an access token is no refresh token"), || {
                let first = client.sign_in(application, alice, "device_c21")?;
                client.try_refresh(application, &first.access)?.refused(400, "invalid_grant")?;
                client.expect_state("the pair", &first.access, State::Active)
            });
        }
        Ok(())
    })
}

#[test]
fn v08_parallel_refresh_and_reuse() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let opaque = server.application("Opaque", &["--token-format", "opaque"])?;
        let (client, alice) = (&server.client, &server.demo.user);
        for (format, application) in [("jwt", &server.demo.application), ("opaque", &opaque)] {
            report.check("V08", &format!("{format}: 20 parallel refreshes have one successor"), || {
                let first = client.sign_in(application, alice, "device_v8")?;
                let token = first.refresh()?;
                let pairs = parallel(10, 20, |_| client.refresh(application, token))?;
                let successors: BTreeSet<_> = pairs.iter().filter_map(|pair| pair.refresh.clone()).collect();
                ensure!(successors.len() == 1, "{} refresh tokens from one", successors.len());
                client.expect_state("the presented refresh token", token, State::Inactive)?;
                client.expect_state("the previous access token", &first.access, State::Inactive)?;
                for pair in &pairs {
                    client.expect_state("each access token handed out", &pair.access, State::Active)?;
                }
                Ok(())
            });
            report.check("I5b", &format!("{format}: a lost answer may be asked for again"), || {
                let first = client.sign_in(application, alice, "device_lost")?;
                let next = client.refresh(application, first.refresh()?)?;
                let again = client.refresh(application, first.refresh()?)?;
                ensure!(again.refresh == next.refresh, "the retry got another successor");
                client.refresh(application, again.refresh()?).map(drop)
            });
            report.check("C088", &format!("{format}: reuse ends that device, and no other"), || {
                let pad = client.sign_in(application, alice, "device_pad")?;
                let first = client.sign_in(application, alice, "device_thief")?;
                let second = client.refresh(application, first.refresh()?)?;
                let third = client.refresh(application, second.refresh()?)?;
                client.try_refresh(application, first.refresh()?)?.refused(400, "invalid_grant")?;
                client.expect_state("the access token after reuse", &third.access, State::Inactive)?;
                client.try_refresh(application, third.refresh()?)?.refused(400, "invalid_grant")?;
                client.expect_state("the other device", &pad.access, State::Active)?;
                client.refresh(application, pad.refresh()?).map(drop)
            });
            report.check(
                "C030",
                &format!("{format}: revoking a spent refresh token is answered with 200"),
                || {
                    let first = client.sign_in(application, alice, "device_spent")?;
                    client.refresh(application, first.refresh()?)?;
                    client.revoke(application, first.refresh()?)
                },
            );
        }
        Ok(())
    })
}

#[test]
fn d11_the_refresh_token_is_kept_by_configuration() -> Result<()> {
    scene(Launch::new().set("oauth.refresh.renew=false"), |server, report| {
        let (client, alice, application) = (&server.client, &server.demo.user, &server.demo.application);
        report.check("D11", "the same refresh token, a new access token", || {
            let first = client.sign_in(application, alice, "device_kept")?;
            let second = client.refresh(application, first.refresh()?)?;
            let third = client.refresh(application, first.refresh()?)?;
            ensure!(
                first.refresh == second.refresh && second.refresh == third.refresh,
                "the refresh token changed"
            );
            ensure!(
                first.access != second.access && second.access != third.access,
                "an access token came twice"
            );
            client.expect_state("the first access token", &first.access, State::Inactive)?;
            client.expect_state("the last access token", &third.access, State::Active)
        });
        Ok(())
    })
}

#[test]
fn c088_without_windows_every_replay_is_reuse() -> Result<()> {
    let launch = Launch::new().set("oauth.refresh.retry_window=0").set("oauth.refresh.overlap=0");
    scene(launch, |server, report| {
        let (client, alice, application) = (&server.client, &server.demo.user, &server.demo.application);
        report.check("C088", "a replay of the immediate predecessor ends the device", || {
            let first = client.sign_in(application, alice, "device_strict")?;
            let second = client.refresh(application, first.refresh()?)?;
            client.try_refresh(application, first.refresh()?)?.refused(400, "invalid_grant")?;
            client.expect_state("the successor", &second.access, State::Inactive)
        });
        Ok(())
    })
}
