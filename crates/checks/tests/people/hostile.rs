//! Bad input: each is refused with a sentence and a code, and nothing of it is made.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::stage::{As, PASSWORD, PATCH, admin, ask, bob, get, scene};

/// Bodies of a new user, the status, and SCIM's keyword.
fn new_users() -> Vec<(Value, u16, Value)> {
    let user = |name: &str| json!({ "userName": name, "password": PASSWORD });
    let with = |name: &str, value: Value| {
        let mut body = user("bob-of-no-use");
        body[name] = value;
        body
    };
    let emails: Vec<String> = (0..11).map(|n| format!("a{n}@example.org")).collect();
    vec![
        (json!({}), 400, json!("invalidValue")),
        (json!([]), 400, json!("invalidValue")),
        (json!({ "userName": "bob.1" }), 400, json!("invalidValue")),
        (json!({ "password": PASSWORD }), 400, json!("invalidValue")),
        (json!({ "userName": 7, "password": PASSWORD }), 400, json!("invalidValue")),
        (user(""), 400, json!("invalidValue")),
        (user("a"), 400, json!("invalidValue")),
        (user("<svg onload=x>"), 400, json!("invalidValue")),
        (user("bob\u{202e}"), 400, json!("invalidValue")),
        (user("../admin"), 400, json!("invalidValue")),
        (user(&"b".repeat(256)), 400, json!("invalidValue")),
        (user("PRIMARY/admin"), 409, json!("uniqueness")),
        (user("alice"), 409, json!("uniqueness")),
        (with("displayName", json!("x".repeat(321))), 400, json!("invalidValue")),
        (with("name", json!({ "givenName": "a\u{7}b" })), 400, json!("invalidValue")),
        (with("emails", json!(emails)), 400, json!("invalidValue")),
        (with("password", json!("short")), 400, json!("invalidValue")),
        (with("password", json!("x".repeat(5000))), 400, json!("invalidValue")),
        (with("active", json!("perhaps")), 400, json!("invalidValue")),
    ]
}

#[test]
fn bad_users_are_refused_and_none_is_made() -> Result<()> {
    scene(|server, report| {
        let before = get(server, admin(server), "/scim2/Users")?["totalResults"].clone();
        for (body, status, keyword) in new_users() {
            report.check("input", &format!("POST /Users {}", short(&body)), || {
                let refused = ask(server, admin(server), ("POST", "/scim2/Users"), &body)?.expect(status)?;
                let told = refused.json()?;
                ensure!(told["scimType"] == keyword, "{told}");
                let said = told["status"].as_str() == Some(&status.to_string());
                ensure!(said && told["detail"].is_string(), "{told}");
                Ok(())
            });
        }
        report.check("input", "nothing of it is there", || {
            let after = get(server, admin(server), "/scim2/Users")?["totalResults"].clone();
            ensure!(before == after, "{before} users before, {after} after");
            Ok(())
        });
        Ok(())
    })
}

fn short(body: &Value) -> String {
    body.to_string().chars().take(60).collect()
}

#[test]
fn bad_questions_are_refused_by_name() -> Result<()> {
    scene(|server, report| {
        let (person, id) = bob(server)?;
        let long = format!("filter={}", "x".repeat(3000));
        for (query, keyword) in [
            ("filter=userName%20ne%20x", "invalidFilter"),
            ("filter=userName%20pr", "invalidFilter"),
            ("filter=userName%20eq%20x%20or%20userName%20eq%20y", "invalidFilter"),
            ("filter=password%20eq%20x", "invalidFilter"),
            ("filter=userName%20eq%20%22", "invalidFilter"),
            (&long, "invalidFilter"),
            ("startIndex=x", "invalidValue"),
            ("count=1e3", "invalidValue"),
        ] {
            report.check("input", query.get(..40).unwrap_or(query), || {
                let path = format!("/scim2/Users?{query}");
                let refused =
                    ask(server, admin(server), ("GET", &path), &Value::Null)?.expect(400)?.json()?;
                ensure!(refused["scimType"] == keyword, "{refused}");
                Ok(())
            });
        }
        report.check("input", "odd numbers are taken as RFC 7644 says", || {
            for query in
                ["startIndex=-5&count=-1", "startIndex=0", "count=999999999999", "startIndex=99999999999"]
            {
                get(server, admin(server), &format!("/scim2/Users?{query}"))?;
            }
            Ok(())
        });
        report.check("input", "users change neither the state of their account nor their roles", || {
            let me = As::Person(&person);
            let patch = |path: &str, value: Value| {
                let operation = json!({ "op": "replace", "path": path, "value": value });
                let body = json!({ "schemas": [PATCH], "Operations": [operation] });
                ask(server, me, ("PATCH", "/scim2/Me"), &body)
            };
            patch("urn:scim:wso2:schema:accountLocked", json!(false))?.expect(403)?;
            patch("roles", json!([{ "display": "admin" }]))?.expect(400)?;
            let shown = patch("displayName", json!("Bob"))?.expect(200)?.json()?;
            ensure!(shown["displayName"] == "Bob" && shown["roles"] == json!([]), "{shown}");
            let token = server.client.sign_in(&server.demo.application, &person, "internal_login")?;
            let body = json!({ "Operations": [{ "op": "replace", "path": "password", "value": "another fine one" }] });
            ask(server, As::Bearer(&token.access), ("PATCH", "/scim2/Me"), &body)?.expect(403)?;
            get(server, me, "/scim2/Me").map(drop)
        });
        report.check("input", "users see no others, and nobody sees nothing", || {
            let path = format!("/scim2/Users/{id}");
            for path in ["/scim2/Users", path.as_str(), "/scim2/Groups", "/scim2/v2/Roles"] {
                ask(server, As::Person(&person), ("GET", path), &Value::Null)?.expect(403)?;
                let refused = ask(server, As::Nobody, ("GET", path), &Value::Null)?.expect(401)?.json()?;
                ensure!(refused["status"] == "401", "{refused}");
            }
            for path in ["/scim2/Schemas", "/scim2/ResourceTypes", "/scim2/ServiceProviderConfig"] {
                ask(server, As::Nobody, ("GET", path), &Value::Null)?.expect(200)?;
            }
            for (method, path, status) in [("GET", "/scim2/Nothing", 404), ("DELETE", "/scim2/Users", 405)] {
                let refused =
                    ask(server, As::Nobody, (method, path), &Value::Null)?.expect(status)?.json()?;
                ensure!(refused["status"].as_str() == Some(&status.to_string()), "{refused}");
            }
            Ok(())
        });
        Ok(())
    })
}
