//! S02, V05, V06, V14: when a token is new, and what becomes of the old one; scope policies.

use anyhow::{Result, ensure};
use latchkey_checks::client::State;
use latchkey_checks::server::Launch;

use crate::scenes::scene;

#[test]
fn s02_v05_a_jwt_is_never_the_same_again() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let (client, alice, application) = (&server.client, &server.demo.user, &server.demo.application);
        report.check("V05", "the previous token is inactive at once, refresh token included", || {
            let (first, second) = (
                client.sign_in(application, alice, "echo.read")?,
                client.sign_in(application, alice, "echo.read")?,
            );
            ensure!(first.is_jwt() && second.is_jwt() && first.access != second.access, "not two JWTs");
            client.expect_state("the first", &first.access, State::Inactive)?;
            client.expect_state("the second", &second.access, State::Active)?;
            ensure!(first.refresh != second.refresh, "the refresh token did not change");
            client.expect_state("the first refresh token", first.refresh()?, State::Inactive)
        });
        report.check("S02", "independent of the grant: a refresh is superseded by a sign-in", || {
            let first = client.sign_in(application, alice, "device_s2")?;
            let second = client.refresh(application, first.refresh()?)?;
            let third = client.sign_in(application, alice, "device_s2")?;
            client.expect_state("the refreshed token", &second.access, State::Inactive)?;
            client.try_refresh(application, second.refresh()?)?.refused(400, "invalid_grant")?;
            client.expect_state(
                "the last token: a superseded refresh token harms nothing",
                &third.access,
                State::Active,
            )
        });
        report.check("S02", "other scopes, other application, other kind: other tokens", || {
            let other = server.application("Other", &[])?;
            let held = client.sign_in(application, alice, "device_a")?;
            client.sign_in(application, alice, "device_a openid")?;
            client.sign_in(&other, alice, "device_a")?;
            client.issue(application, "device_a")?;
            client.expect_state("the token", &held.access, State::Active)
        });
        Ok(())
    })
}

#[test]
fn v06_renew_per_request() -> Result<()> {
    scene(Launch::new().set("oauth.token.renew_per_request=true"), |server, report| {
        let application = server.application("Renewed", &["--token-format", "opaque"])?;
        let (client, alice) = (&server.client, &server.demo.user);
        report.check("V06", "opaque: a new pair each time, the previous one dead", || {
            let (first, second) = (
                client.sign_in(&application, alice, "device_a")?,
                client.sign_in(&application, alice, "device_a")?,
            );
            ensure!(first.access != second.access && first.refresh != second.refresh, "a value came twice");
            client.expect_state("the first", &first.access, State::Inactive)?;
            client.try_refresh(&application, first.refresh()?)?.refused(400, "invalid_grant")?;
            client.expect_state("the second, after the first was presented", &second.access, State::Active)
        });
        Ok(())
    })
}

#[test]
fn keep_previous_keeps() -> Result<()> {
    scene(Launch::new().set("oauth.token.jwt_renewal=keep_previous"), |server, report| {
        let (client, application) = (&server.client, &server.demo.application);
        report.check("D8", "jwt_renewal=keep_previous: both live, and each is revoked alone", || {
            let (first, second) =
                (client.issue(application, "device_k")?, client.issue(application, "device_k")?);
            ensure!(first.access != second.access, "the same token twice");
            client.expect_state("the first", &first.access, State::Active)?;
            client.revoke(application, &second.access)?;
            client.expect_state("the second", &second.access, State::Inactive)?;
            client.expect_state("the first", &first.access, State::Active)
        });
        Ok(())
    })
}

#[test]
fn v14_unknown_scopes_may_pass() -> Result<()> {
    scene(Launch::new().set("oauth.scope.unknown=grant"), |server, report| {
        let (client, application) = (&server.client, &server.demo.application);
        report.check("V14", "unknown=grant: exactly what was asked", || {
            let pair = client.issue(application, "PRODUCTION")?;
            ensure!(pair.scope == "PRODUCTION", "scope {:?}", pair.scope);
            let none = client.token(application, &[("grant_type", "client_credentials")])?.expect(200)?;
            ensure!(none.json()?["scope"] == "default", "no scope asked: {}", none.text());
            Ok(())
        });
        Ok(())
    })
}

#[test]
fn v14_unknown_scopes_may_be_refused() -> Result<()> {
    scene(Launch::new().set("oauth.scope.unknown=reject"), |server, report| {
        let (client, application) = (&server.client, &server.demo.application);
        let issue = |scope: &str| {
            client.token(application, &[("grant_type", "client_credentials"), ("scope", scope)])
        };
        report.check("V14", "unknown=reject: invalid_scope", || {
            issue("PRODUCTION")?.refused(400, "invalid_scope")
        });
        report.check("S04", "a device scope carries no unknown one past the check", || {
            issue("device_x admin")?.refused(400, "invalid_scope")?;
            issue("device_x")?.expect(200).map(drop)
        });
        Ok(())
    })
}
