//! T17, T47, T48: login sessions, and the applications that hold tokens for a user.

use anyhow::{Context, Result, ensure};
use latchkey_checks::client::{Application, Pair, State};
use latchkey_checks::server::{Person, Server};
use latchkey_checks::wire::Request;
use serde_json::{Value, json};

use crate::stage::{As, admin, ask, bob, call, delete, get, scene, warm};

const SESSIONS: &str = "/api/users/v1/me/sessions";
const APPLICATIONS: &str = "/api/users/v2/me/authorized-apps";

/// A sign-in with a `User-Agent`.
fn browse(server: &Server, application: &Application, person: &Person, scope: &str) -> Result<Pair> {
    let form = latchkey_checks::client::password_form(person, scope);
    let request =
        Request::new("POST", "/oauth2/token").basic(&application.key, &application.secret).form(&form);
    let reply = server.client.send(&request.header("User-Agent", "browser/1"))?;
    latchkey_checks::client::pair_of(&reply)
}

fn inactive(server: &Server, pairs: &[&Pair]) -> Result<()> {
    pairs.iter().try_for_each(|pair| server.client.expect_state(&pair.scope, &pair.access, State::Inactive))
}

#[test]
fn t17_t48_login_sessions_are_seen_and_ended() -> Result<()> {
    scene(|server, report| {
        let alice = server.demo.user.clone();
        let alice = As::Person(&alice);
        let application = server.demo.application.clone();
        report.check("T17", "two browsers are two sessions, told whole", || {
            ensure!(get(server, alice, SESSIONS)? == json!({}), "nobody is signed in yet");
            let one = browse(server, &application, &server.demo.user, "openid device_01")?;
            let other = browse(server, &application, &server.demo.user, "openid internal_login")?;
            let told = get(server, alice, SESSIONS)?;
            ensure!(told.as_object().is_some_and(|told| told.len() == 2), "{told}");
            let sessions = told["sessions"].as_array().context("sessions")?;
            ensure!(sessions.len() == 2 && told["userId"].is_string(), "{told}");
            for session in sessions {
                for name in ["userAgent", "ip", "loginTime", "lastAccessTime", "id"] {
                    ensure!(session[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {session}");
                }
                for name in ["subject", "appName", "appId"] {
                    ensure!(session["applications"][0][name].is_string(), "{name}: {session}");
                }
                ensure!(session["userAgent"] == "browser/1" && session["ip"] == "127.0.0.1", "{session}");
            }
            delete(server, alice, SESSIONS)?;
            ensure!(get(server, alice, SESSIONS)? == json!({}), "they are still told");
            inactive(server, &[&one, &other])
        });
        report.check("T48", "one session ends, the other stays", || {
            let one = warm(server, &application, &server.demo.user)?;
            let other = browse(server, &application, &server.demo.user, "openid device_02")?;
            let sessions = get(server, alice, SESSIONS)?;
            // The last used one comes first.
            let ids: Vec<&str> = sessions["sessions"]
                .as_array()
                .map(|all| all.iter().filter_map(|session| session["id"].as_str()).collect())
                .unwrap_or_default();
            ensure!(ids.len() == 2, "{sessions}");
            let bearer = As::Bearer(&one.access);
            ask(server, bearer, ("GET", SESSIONS), &Value::Null)?.expect(403)?;
            let own = browse(server, &application, &server.demo.user, "internal_login device_warm")?;
            let (bob, _) = bob(server)?;
            let path = |id: &str| format!("{SESSIONS}/{id}");
            let foreign = ask(server, As::Person(&bob), ("DELETE", &path(ids[0])), &Value::Null)?;
            ensure!(foreign.status == 404, "somebody else's session: {}", foreign.status);
            let devices = get(server, alice, "/api/latchkey/v1/me/devices")?;
            let warm = devices["list"]
                .as_array()
                .and_then(|list| list.iter().find(|device| device["device"] == "device_warm"))
                .context("the warm device")?;
            delete(server, As::Bearer(&own.access), &path(warm["id"].as_str().unwrap_or_default()))?;
            call(server, &one.access)?.expect(401)?;
            inactive(server, &[&one, &own])?;
            server.client.expect_state("the other", &other.access, State::Active)?;
            ask(server, alice, ("DELETE", &path("nonsense")), &Value::Null)?.expect(404)?;
            let gone = ask(server, alice, ("DELETE", &path(&"0".repeat(32))), &Value::Null)?;
            ensure!(gone.status == 404, "an unknown one: {}", gone.status);
            delete(server, alice, SESSIONS)?;
            ensure!(
                get(server, alice, SESSIONS)?.as_object().is_some_and(serde_json::Map::is_empty),
                "empty"
            );
            inactive(server, &[&other])
        });
        Ok(())
    })
}

#[test]
fn t48_sessions_of_others_are_an_administrators_matter() -> Result<()> {
    scene(|server, report| {
        let alice = server.demo.user.clone();
        let alice = As::Person(&alice);
        let application = server.demo.application.clone();
        report.check("T48", "administrators see and end those of others, users do not", || {
            let pair = warm(server, &application, &server.demo.user)?;
            let me = get(server, alice, "/scim2/Me")?;
            for id in [me["id"].as_str().unwrap_or_default(), "alice"] {
                let path = format!("/t/carbon.super/api/users/v1/{id}/sessions");
                ask(server, alice, ("GET", &path), &Value::Null)?.expect(403)?;
                ask(server, alice, ("DELETE", &path), &Value::Null)?.expect(403)?;
                let told = get(server, admin(server), &path)?;
                ensure!(told["sessions"].as_array().is_some_and(|all| all.len() == 1), "{told}");
            }
            delete(server, admin(server), "/api/users/v1/alice/sessions")?;
            call(server, &pair.access)?.expect(401)?;
            ask(server, admin(server), ("GET", "/api/users/v1/nobody/sessions"), &Value::Null)?
                .expect(404)?;
            inactive(server, &[&pair])
        });
        Ok(())
    })
}

#[test]
fn t47_applications_hold_tokens_until_they_are_taken() -> Result<()> {
    scene(|server, report| {
        let person = server.demo.user.clone();
        let alice = As::Person(&person);
        let (one, other) = (server.application("One", &[])?, server.application("Other", &[])?);
        report.check("T47", "two applications are listed, one is taken, then all", || {
            let first = browse(server, &one, &person, "openid device_01")?;
            let second = browse(server, &other, &person, "echo.read device_02")?;
            let own = server.client.issue(&one, "device_own")?;
            let listed = get(server, alice, APPLICATIONS)?;
            let list = listed.as_array().context("a list")?;
            ensure!(list.len() == 2, "{listed}");
            let entry = list.iter().find(|entry| entry["name"] == "One").context("One is listed")?;
            ensure!(entry["clientId"] == one.key.as_str(), "{entry}");
            ensure!(entry["approvedScopes"] == json!(["device_01", "openid"]), "{entry}");
            let older = get(server, alice, "/api/users/v1/me/authorized-apps")?;
            ensure!(older.to_string().contains("\"appId\":\"One\""), "{older}");
            let path = format!("{APPLICATIONS}/{}", entry["id"].as_str().unwrap_or_default());
            ensure!(get(server, alice, &path)? == *entry, "the entry by itself");
            delete(server, alice, &path)?;
            inactive(server, &[&first])?;
            server.client.expect_state("the other application's", &second.access, State::Active)?;
            server.client.expect_state("the application's own", &own.access, State::Active)?;
            for method in ["GET", "DELETE"] {
                ask(server, alice, (method, &path), &Value::Null)?.expect(404)?;
                ask(server, alice, (method, &format!("{APPLICATIONS}/nonsense")), &Value::Null)?
                    .expect(404)?;
            }
            delete(server, alice, APPLICATIONS)?;
            ensure!(get(server, alice, APPLICATIONS)? == json!([]), "none is left");
            inactive(server, &[&second])
        });
        report.check("T47", "an administrator takes every token of an application", || {
            let first = browse(server, &one, &person, "openid device_01")?;
            let listed = get(server, admin(server), "/api/users/v2/alice/authorized-apps")?;
            let id = listed[0]["id"].as_str().unwrap_or_default();
            let path = format!("/api/users/v2/authorized-apps/{id}/tokens");
            ask(server, alice, ("DELETE", &path), &Value::Null)?.expect(403)?;
            delete(server, admin(server), &path)?;
            inactive(server, &[&first])?;
            let nothing = "/api/users/v2/authorized-apps/nonsense/tokens";
            ask(server, admin(server), ("DELETE", nothing), &Value::Null)?.expect(404).map(drop)
        });
        Ok(())
    })
}
