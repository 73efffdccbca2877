//! T18, T19, T23, and SCIM's own rules.

use anyhow::{Result, ensure};
use latchkey_checks::client::{Pair, State, password_form};
use latchkey_checks::server::Server;
use serde_json::{Value, json};

use crate::stage::{As, PASSWORD, PATCH, admin, ask, bob, call, delete, get, patch, scene, warm};

const WSO2: &str = "urn:scim:wso2:schema";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The token is dead everywhere: introspection, refresh, the warm gateway.
fn dead(server: &Server, pair: &Pair) -> Result<()> {
    let refused = call(server, &pair.access)?.expect(401)?;
    ensure!(refused.json()?["code"] == "900901", "{}", refused.text());
    server.client.expect_state("the access token", &pair.access, State::Inactive)?;
    let application = &server.demo.application;
    server.client.try_refresh(application, pair.refresh()?)?.refused(400, "invalid_grant")
}

#[test]
fn t23_a_user_comes_and_goes() -> Result<()> {
    scene(|server, report| {
        report.check("T23", "created, found, filtered, deleted; the tokens end with the user", || {
            let (person, id) = bob(server)?;
            let path = format!("/scim2/Users/{id}");
            let shown = get(server, admin(server), &path)?;
            ensure!(shown["userName"] == "bob" && shown["name"]["givenName"] == "Bob", "{shown}");
            ensure!(shown["emails"][0]["value"] == "bob@example.org", "{shown}");
            ensure!(!shown.to_string().contains(PASSWORD), "the password is shown");
            let found = get(server, admin(server), "/t/carbon.super/scim2/Users?filter=userName%20eq%20bob")?;
            ensure!(found["totalResults"] == 1 && found["Resources"][0]["id"] == id.as_str(), "{found}");
            let pair = warm(server, &server.demo.application, &person)?;
            server.client.expect_state("the token", &pair.access, State::Active)?;
            delete(server, admin(server), &path)?;
            dead(server, &pair)?;
            ask(server, admin(server), ("GET", &path), &Value::Null)?.expect(404)?;
            ask(server, admin(server), ("DELETE", &path), &Value::Null)?.expect(404)?;
            let (again, other) = bob(server)?;
            ensure!(other != id, "a name given again is another user");
            server.client.sign_in(&server.demo.application, &again, "device_warm")?;
            dead(server, &pair)
        });
        Ok(())
    })
}

#[test]
fn t18_t19_an_account_is_disabled_and_locked() -> Result<()> {
    scene(|server, report| {
        let (person, id) = bob(server)?;
        let path = format!("/scim2/Users/{id}");
        let connector = "/t/carbon.super/api/server/v1/identity-governance/QWNjb3VudA/connectors/YWNjb3VudA";
        report.check("T18", "the feature is switched on first", || {
            let body = json!({ "operation": "UPDATE", "properties": [{ "name": "a", "value": "true" }] });
            ask(server, admin(server), ("PATCH", connector), &body)?.expect(200).map(drop)
        });
        for (number, claim) in [("T18", "accountDisabled"), ("T19", "accountLocked")] {
            for schema in [WSO2, ENTERPRISE] {
                report.check(number, &format!("{schema}:{claim} ends tokens and sign-ins"), || {
                    let pair = warm(server, &server.demo.application, &person)?;
                    patch(server, &id, &format!("{schema}:{claim}"), true)?.expect(200)?;
                    dead(server, &pair)?;
                    ensure!(get(server, admin(server), &path)?[schema][claim] == true, "it is not shown");
                    let form = password_form(&person, "device_warm");
                    let refused = server.client.token(&server.demo.application, &form)?;
                    refused.refused(400, "invalid_grant")?;
                    patch(server, &id, &format!("{schema}:{claim}"), false)?.expect(200)?;
                    dead(server, &pair)?;
                    server.client.sign_in(&server.demo.application, &person, "device_warm").map(drop)
                });
            }
        }
        report.check("T19", "one bar goes, the other stays", || {
            patch(server, &id, &format!("{WSO2}:accountLocked"), true)?.expect(200)?;
            patch(server, &id, "active", false)?.expect(200)?;
            patch(server, &id, "active", true)?.expect(200)?;
            let form = password_form(&person, "device_warm");
            server.client.token(&server.demo.application, &form)?.refused(400, "invalid_grant")?;
            patch(server, &id, &format!("{WSO2}:accountLocked"), false)?.expect(200)?;
            server.client.sign_in(&server.demo.application, &person, "device_warm").map(drop)
        });
        Ok(())
    })
}

#[test]
fn passwords_and_roles_are_changed() -> Result<()> {
    scene(|server, report| {
        let (mut person, id) = bob(server)?;
        server.canary().remember("bob's new password", "another fine password");
        report.check("scim", "a new password ends the tokens and the one before", || {
            let pair = warm(server, &server.demo.application, &person)?;
            let before = person.clone();
            "another fine password".clone_into(&mut person.password);
            patch(server, &id, "password", "another fine password")?.expect(200)?;
            dead(server, &pair)?;
            let me = ask(server, As::Person(&before), ("GET", "/scim2/Me"), &Value::Null)?;
            ensure!(me.status == 401, "the old password still works: {}", me.status);
            let me = get(server, As::Person(&person), "/scim2/Me")?;
            ensure!(me["userName"] == "bob", "{me}");
            Ok(())
        });
        report.check("scim", "a weak password is refused in SCIM's words", || {
            let refused = patch(server, &id, "password", "short")?.expect(400)?.json()?;
            let schemas = json!(["urn:ietf:params:scim:api:messages:2.0:Error"]);
            ensure!(refused["schemas"] == schemas && refused["status"] == "400", "{refused}");
            get(server, As::Person(&person), "/scim2/Me").map(drop)
        });
        report.check("scim", "a role is declared, with members or without, once", || {
            let new = |name: &str, members: Value| {
                let body = json!({ "displayName": name, "members": members });
                ask(server, admin(server), ("POST", "/scim2/Groups"), &body)
            };
            let made = new("keepers", json!([{ "value": id }]))?.expect(201)?;
            ensure!(made.json()?["members"][0]["display"] == "bob", "{}", made.text());
            new("finders", json!([]))?.expect(201)?;
            let refused = new("keepers", json!([]))?.expect(409)?.json()?;
            ensure!(refused["scimType"] == "uniqueness", "{refused}");
            new("a b", json!([]))?.expect(400)?;
            new("losers", json!([{ "value": "0".repeat(32) }]))?.expect(404)?;
            let listed = get(server, admin(server), "/scim2/Groups")?.to_string();
            ensure!(listed.contains("finders") && !listed.contains("losers"), "{listed}");
            let member = json!({ "op": "remove", "path": "members" });
            let body = json!({ "schemas": [PATCH], "Operations": [member] });
            let path = made.json()?["meta"]["location"].as_str().unwrap_or_default().to_owned();
            let path = path.split_once("/scim2").map(|(_, path)| format!("/scim2{path}")).unwrap_or_default();
            let emptied = ask(server, admin(server), ("PATCH", &path), &body)?.expect(200)?.json()?;
            ensure!(emptied["members"] == json!([]), "{emptied}");
            Ok(())
        });
        report.check("scim", "a role given ends nothing, a role taken ends the tokens", || {
            let groups = get(server, admin(server), "/scim2/Groups?filter=displayName%20eq%20%22admin%22")?;
            ensure!(groups["totalResults"] == 1, "{groups}");
            let role =
                format!("/scim2/v2/Roles/{}", groups["Resources"][0]["id"].as_str().unwrap_or_default());
            let pair = warm(server, &server.demo.application, &person)?;
            let change = |op: &str, path: &str, value: Value| {
                let body =
                    json!({ "schemas": [PATCH], "Operations": [{ "op": op, "path": path, "value": value }] });
                ask(server, admin(server), ("PATCH", &role), &body)?.expect(200)?.json()
            };
            let given = change("add", "users", json!([{ "value": id }]))?;
            ensure!(given["users"].to_string().contains("\"bob\""), "{given}");
            call(server, &pair.access)?.expect(200)?;
            let shown = get(server, admin(server), &format!("/scim2/Users/{id}"))?;
            ensure!(
                shown["roles"][0]["display"] == "admin" && shown["groups"][0]["display"] == "admin",
                "{shown}"
            );
            change("remove", &format!("users[value eq \"{id}\"]"), Value::Null)?;
            dead(server, &pair)
        });
        Ok(())
    })
}

#[test]
fn users_are_listed_replaced_and_made_in_bulk() -> Result<()> {
    scene(|server, report| {
        report.check("scim", "several users in one request, each by itself", || {
            let new = |name: &str| json!({ "userName": name, "password": PASSWORD });
            let operation = |id: &str, data: Value| json!({ "method": "POST", "path": "/Users", "bulkId": id, "data": data });
            let body = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
                "failOnErrors": 2,
                "Operations": [
                    operation("1", new("bob")),
                    operation("2", new("alice")),
                    operation("3", new("bob.2")),
                    operation("4", json!({ "userName": "bob.3" })),
                    operation("5", new("bob.4")),
                ],
            });
            let done = ask(server, admin(server), ("POST", "/scim2/Bulk"), &body)?.expect(200)?.json()?;
            let told: Vec<&str> = done["Operations"]
                .as_array()
                .map(|done| done.iter().filter_map(|one| one["status"].as_str()).collect())
                .unwrap_or_default();
            ensure!(told == ["201", "409", "201", "400"], "{done}");
            Ok(())
        });
        report.check("scim", "pages begin at one and count altogether", || {
            let page = |query: &str| get(server, admin(server), &format!("/scim2/Users?{query}"));
            let all = page("")?;
            let total = all["totalResults"].as_u64().unwrap_or_default();
            ensure!(total == 4, "admin, alice, bob, bob.2: {all}");
            let second = page("startIndex=2&count=2&attributes=userName")?;
            let expected = json!([all["Resources"][1]["userName"], all["Resources"][2]["userName"]]);
            let told = json!([second["Resources"][0]["userName"], second["Resources"][1]["userName"]]);
            ensure!(
                told == expected && second["itemsPerPage"] == 2 && second["totalResults"] == 4,
                "{second}"
            );
            ensure!(second["Resources"][0]["id"].is_string(), "the id is always there: {second}");
            ensure!(second["Resources"][0]["meta"].is_null(), "only what was asked for: {second}");
            ensure!(
                page("count=0")?["totalResults"] == 4 && page("startIndex=9")?["itemsPerPage"] == 0,
                "edges"
            );
            let found = page("filter=userName%20sw%20bob%20and%20userName%20co%20%22.%22")?;
            ensure!(found["totalResults"] == 1 && found["Resources"][0]["userName"] == "bob.2", "{found}");
            Ok(())
        });
        report.check("scim", "PUT replaces what it does not say, but not the state of the account", || {
            let found = get(server, admin(server), "/scim2/Users?filter=userName%20eq%20bob")?;
            let id = found["Resources"][0]["id"].as_str().unwrap_or_default().to_owned();
            let path = format!("/scim2/Users/{id}");
            patch(server, &id, "displayName", "Bob")?.expect(200)?;
            patch(server, &id, &format!("{WSO2}:accountLocked"), true)?.expect(200)?;
            let body = json!({ "userName": "bob", "name": { "familyName": "Example" } });
            let put = ask(server, admin(server), ("PUT", &path), &body)?.expect(200)?.json()?;
            ensure!(put["displayName"].is_null() && put["name"]["familyName"] == "Example", "{put}");
            ensure!(put[WSO2]["accountLocked"] == true, "{put}");
            let renamed = json!({ "userName": "bob.9" });
            let refused = ask(server, admin(server), ("PUT", &path), &renamed)?.expect(400)?.json()?;
            ensure!(refused["scimType"] == "mutability", "{refused}");
            Ok(())
        });
        Ok(())
    })
}
