//! Latchkey's own listing of devices: seen, named, ended one by one, and all but the one in hand.

use anyhow::{Context, Result, ensure};
use latchkey_checks::client::State;
use latchkey_checks::server::Server;
use serde_json::{Value, json};

use crate::stage::{As, admin, ask, call, delete, get, scene, warm};

const DEVICES: &str = "/api/latchkey/v1/me/devices";

fn device(server: &Server, who: As<'_>, name: &str) -> Result<Value> {
    let listed = get(server, who, DEVICES)?;
    let list = listed["list"].as_array().context("a list")?;
    list.iter().find(|one| one["device"] == name).cloned().with_context(|| format!("{name} in {listed}"))
}

#[test]
fn devices_are_seen_named_and_ended() -> Result<()> {
    scene(|server, report| {
        let person = server.demo.user.clone();
        let application = server.demo.application.clone();
        let client = server.client.clone();
        let pad = client.sign_in(&application, &person, "device_pad internal_login")?;
        let phone = client.sign_in(&application, &person, "device_phone internal_login")?;
        let phone_more = client.sign_in(&application, &person, "device_phone echo.read")?;
        let mine = As::Bearer(&pad.access);
        report.check("devices", "a device is told once, with everything of it", || {
            let listed = get(server, mine, DEVICES)?;
            ensure!(listed["count"] == 2, "{listed}");
            let told = device(server, mine, "device_phone")?;
            ensure!(told["scopes"] == json!(["device_phone", "echo.read", "internal_login"]), "{told}");
            ensure!(told["application"]["clientId"] == application.key.as_str(), "{told}");
            ensure!(told["current"] == false && told["label"].is_null(), "{told}");
            for name in ["createdTime", "lastSeenTime", "expiryTime", "lastSeenAddress"] {
                ensure!(told[name].is_string(), "{name}: {told}");
            }
            ensure!(device(server, mine, "device_pad")?["current"] == true, "the one that asks");
            Ok(())
        });
        report.check("devices", "a label stays with the device, and is its user's", || {
            let id = device(server, mine, "device_phone")?["id"].as_str().unwrap_or_default().to_owned();
            let path = format!("{DEVICES}/{id}");
            let rename = |who, label: Value| ask(server, who, ("PATCH", &path), &json!({ "label": label }));
            let named = rename(mine, json!("alice's phone"))?.expect(200)?.json()?;
            ensure!(named["label"] == "alice's phone", "{named}");
            client.refresh(&application, phone.refresh()?)?;
            ensure!(device(server, mine, "device_phone")?["label"] == "alice's phone", "after a refresh");
            rename(mine, json!("x".repeat(101)))?.expect(400)?;
            rename(mine, json!("a\nb"))?.expect(400)?;
            rename(admin(server), json!("not mine"))?.expect(404)?;
            let unknown = format!("{DEVICES}/{}", "0".repeat(32));
            ask(server, mine, ("PATCH", &unknown), &json!({ "label": "x" }))?.expect(404)?;
            ensure!(rename(mine, Value::Null)?.expect(200)?.json()?["label"].is_null(), "taken back");
            rename(mine, json!("alice's phone"))?.expect(200).map(drop)
        });
        report.check("devices", "an administrator sees them, and other users do not", || {
            let listed = get(server, admin(server), "/api/latchkey/v1/users/alice/devices")?;
            ensure!(listed["count"] == 2, "{listed}");
            let refused = ask(server, mine, ("GET", "/api/latchkey/v1/users/alice/devices"), &Value::Null)?;
            ensure!(refused.status == 403, "{}", refused.status);
            Ok(())
        });
        report.check("devices", "one device ends whole, and at the warm gateway", || {
            let hot = warm(server, &application, &person)?;
            let id = device(server, mine, "device_warm")?["id"].as_str().unwrap_or_default().to_owned();
            delete(server, mine, &format!("{DEVICES}/{id}"))?;
            call(server, &hot.access)?.expect(401)?;
            client.try_refresh(&application, hot.refresh()?)?.refused(400, "invalid_grant")?;
            client.expect_state("the phone", &phone_more.access, State::Active)
        });
        report.check("devices", "all the others end, the one in hand stays", || {
            delete(server, mine, DEVICES)?;
            client.expect_state("the phone", &phone_more.access, State::Inactive)?;
            client.expect_state("the pad", &pad.access, State::Active)?;
            ensure!(get(server, mine, DEVICES)?["count"] == 1, "one is left");
            delete(server, As::Person(&person), DEVICES)?;
            client.expect_state("the pad, by the password", &pad.access, State::Inactive)
        });
        Ok(())
    })
}
