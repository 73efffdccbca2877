//! S08, S12, V12, V13, V16: what ends tokens, and what does not.

use anyhow::{Result, ensure};
use latchkey_checks::client::{Application, Pair, State, password_form};
use latchkey_checks::server::{Launch, Person, Server};

use crate::scenes::scene;

const PASSWORD: &str = "correct horse battery staple";

/// Bob's tokens at two applications, in both formats.
fn bobs_pairs(server: &Server, applications: &[&Application], bob: &Person) -> Result<Vec<Pair>> {
    let sign_in = |application| server.client.sign_in(application, bob, "openid device_bob");
    applications.iter().copied().map(sign_in).collect()
}

fn all_dead(server: &Server, applications: &[&Application], pairs: &[Pair]) -> Result<()> {
    for (application, pair) in applications.iter().zip(pairs) {
        server.client.expect_state("the access token", &pair.access, State::Inactive)?;
        server.client.expect_state("the refresh token", pair.refresh()?, State::Inactive)?;
        server.client.try_refresh(application, pair.refresh()?)?.refused(400, "invalid_grant")?;
        ensure!(server.client.userinfo(&pair.access)?.status == 401, "userinfo still answers");
    }
    Ok(())
}

#[test]
fn s08_v12_what_happens_to_a_user_happens_to_the_tokens() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let opaque = server.application("Opaque", &["--token-format", "opaque"])?;
        let applications = [&server.demo.application, &opaque];
        let client = &server.client;
        let alices = client.sign_in(&opaque, &server.demo.user, "device_alice")?;
        let mut bob = server.bob(PASSWORD)?;
        report.check("V12", "a lock ends the tokens, unlocking does not revive them", || {
            let pairs = bobs_pairs(server, &applications, &bob)?;
            server.cli(&["user", "lock", "bob"], "")?;
            all_dead(server, &applications, &pairs)?;
            client.token(&opaque, &password_form(&bob, "device_bob"))?.refused(400, "invalid_grant")?;
            server.cli(&["user", "unlock", "bob"], "")?;
            all_dead(server, &applications, &pairs)?;
            client.sign_in(&opaque, &bob, "device_bob").map(drop)
        });
        report.check("V12", "a new password ends the tokens and the old password", || {
            let pairs = bobs_pairs(server, &applications, &bob)?;
            server.canary().remember("bob's new password", "another fine password");
            server.cli(&["user", "password", "bob", "--password-stdin"], "another fine password\n")?;
            all_dead(server, &applications, &pairs)?;
            client.token(&opaque, &password_form(&bob, "device_bob"))?.refused(400, "invalid_grant")?;
            "another fine password".clone_into(&mut bob.password);
            client.sign_in(&opaque, &bob, "device_bob").map(drop)
        });
        report.check("S08", "deletion ends the tokens", || {
            let pairs = bobs_pairs(server, &applications, &bob)?;
            server.cli(&["user", "delete", "bob"], "")?;
            all_dead(server, &applications, &pairs)?;
            client.token(&opaque, &password_form(&bob, "device_bob"))?.refused(400, "invalid_grant")?;
            let again = server.bob(PASSWORD)?;
            client.sign_in(&opaque, &again, "device_bob")?;
            all_dead(server, &applications, &pairs)
        });
        report.check("I9", "and alice has noticed nothing", || {
            client.expect_state("alice's token", &alices.access, State::Active)
        });
        Ok(())
    })
}

#[test]
fn s12_v13_what_happens_to_an_application() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let client = &server.client;
        report.check("V13", "a deleted application's tokens are dead, and it is unknown", || {
            let gone = server.application("Gone", &[])?;
            let own = client.issue(&gone, "device_own")?;
            let user = client.sign_in(&gone, &server.demo.user, "device_user")?;
            server.cli(&["app", "delete", "Gone"], "")?;
            client.expect_state("the application's token", &own.access, State::Inactive)?;
            client.expect_state("the user's token", &user.access, State::Inactive)?;
            client.token(&gone, &[("grant_type", "client_credentials")])?.refused(401, "invalid_client")
        });
        report.check("V13", "the same name again is another application", || {
            let first = server.application("Again", &[])?;
            let token = client.issue(&first, "device_again")?;
            server.cli(&["app", "delete", "Again"], "")?;
            let second = server.application("Again", &[])?;
            ensure!(first.key != second.key, "a consumer key came back");
            client.expect_state("the first application's token", &token.access, State::Inactive)
        });
        Ok(())
    })
}

#[test]
fn v16_a_restart_changes_nothing() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let opaque = server.application("Opaque", &["--token-format", "opaque"])?;
        let mut kept = Vec::new();
        let mut gone = Vec::new();
        for application in [&server.demo.application, &opaque] {
            let sign_in = |scope: &str| server.client.sign_in(application, &server.demo.user, scope);
            kept.push((application.clone(), sign_in("device_keep")?));
            let revoked = sign_in("device_gone")?;
            server.client.revoke(application, &revoked.access)?;
            gone.push(revoked);
        }
        for round in ["a kill", "an orderly end"] {
            if round == "a kill" {
                server.kill()?;
            } else {
                server.terminate()?;
            }
            server.restart()?;
            let client = &server.client;
            report.check("V16", &format!("after {round}: valid stays valid, revoked stays revoked"), || {
                for (_, pair) in &kept {
                    client.expect_state("the kept token", &pair.access, State::Active)?;
                    client.expect_state("its refresh token", pair.refresh()?, State::Active)?;
                }
                for pair in &gone {
                    client.expect_state("the revoked token", &pair.access, State::Inactive)?;
                }
                Ok(())
            });
        }
        report.check("V16", "and the pairs go on: opaque reuse gives the same value, refresh works", || {
            let client = &server.client;
            let again = client.sign_in(&opaque, &server.demo.user, "device_keep")?;
            ensure!(again.access == kept[1].1.access, "another token after the restart");
            for (application, pair) in &kept {
                client.refresh(application, pair.refresh()?)?;
            }
            Ok(())
        });
        Ok(())
    })
}
