//! C035, C037 and what an active answer says.

use std::time::Duration;

use anyhow::{Result, ensure};
use latchkey_checks::client::State;
use latchkey_checks::server::Launch;
use latchkey_checks::wire;

use crate::scenes::scene;

#[test]
fn c035_inactive_says_nothing() -> Result<()> {
    let launch = Launch::new().set("oauth.device.max_per_user=4");
    scene(launch, |server, report| {
        let application = server.application("Opaque", &["--token-format", "opaque"])?;
        let client = &server.client;
        let mut dead = vec![
            ("unknown", "unknown".to_owned()),
            ("a prefix alone", "lka_".to_owned()),
            ("a long text", "x".repeat(5000)),
            ("like a JWT", "a.b.c".to_owned()),
            ("dots alone", "..".to_owned()),
            ("beyond ASCII", "tökén\u{202E}".to_owned()),
        ];
        let revoked = client.issue(&application, "device_revoked")?;
        client.revoke(&application, &revoked.access)?;
        dead.push(("revoked", revoked.access));
        let jwt = client.sign_in(&server.demo.application, &server.demo.user, "device_superseded")?;
        client.sign_in(&server.demo.application, &server.demo.user, "device_superseded")?;
        dead.push(("superseded", jwt.access.clone()));
        dead.push(("a superseded refresh token", jwt.refresh()?.to_owned()));
        let evicted = client.issue(&application, "device_evicted")?;
        // Which device is the oldest is known to the millisecond, and a commit may take less.
        latchkey_checks::server::pass(Duration::from_millis(2));
        for n in 0..4 {
            client.issue(&application, &format!("device_other{n}"))?;
        }
        dead.push(("evicted", evicted.access));
        for (name, token) in &dead {
            report.check("C035", &format!("{name}: exactly {{\"active\":false}}"), || {
                let reply = wire::exchange(client.address(), &client.introspection(token))?.expect(200)?;
                ensure!(reply.text() == r#"{"active":false}"#, "{}", reply.text());
                Ok(())
            });
        }
        Ok(())
    })
}

#[test]
fn c037_active_tells_whose_token_it_is() -> Result<()> {
    scene(Launch::new(), |server, report| {
        let opaque = server.application("Opaque", &["--token-format", "opaque"])?;
        let (client, alice) = (&server.client, &server.demo.user);
        for (format, application) in [("jwt", &server.demo.application), ("opaque", &opaque)] {
            report.check("D18", &format!("{format}: scope, client, user and times of the token"), || {
                let pair = client.sign_in(application, alice, "device_told echo.read")?;
                let told = client.introspect(&pair.access)?;
                ensure!(told["active"] == true && told["scope"] == "device_told echo.read", "{told}");
                ensure!(told["client_id"] == application.key.as_str(), "client_id: {told}");
                let name = told["username"].as_str().unwrap_or_default();
                ensure!(name.split('@').next() == Some("alice"), "username: {told}");
                let (issued, expires) = (told["iat"].as_i64(), told["exp"].as_i64());
                let life = issued.zip(expires).map(|(issued, expires)| expires - issued);
                ensure!(life == Some(3600), "exp - iat is {life:?}: {told}");
                Ok(())
            });
            report.check(
                "C034",
                &format!("{format}: the administrator may ask about refresh tokens too"),
                || {
                    let pair = client.sign_in(application, alice, "device_refresh_told")?;
                    client.expect_state("the refresh token", pair.refresh()?, State::Active)
                },
            );
            report.check(
                "C037",
                &format!("{format}: another client is told no more than `inactive`"),
                || {
                    let other = server.application(&format!("Other {format}"), &[])?;
                    let pair = client.sign_in(application, alice, "device_private")?;
                    let reply = client.post("/oauth2/introspect", &other, &[("token", &pair.access)])?;
                    let silent = reply.status == 403 || reply.text() == r#"{"active":false}"#;
                    ensure!(silent, "status {}: {}", reply.status, reply.text());
                    client.expect_state("the token", &pair.access, State::Active)
                },
            );
        }
        Ok(())
    })
}
