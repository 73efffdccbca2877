//! The first start: whole, interrupted anywhere, and the starts after it.

use std::os::unix::fs::PermissionsExt;

use latchkey_oauth::client_authentication::Basic;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::testing::{Installation, home};

const STORE: [&str; 1] = ["store.url=sqlite:latchkey.db"];

async fn start(at: &Installation, demo: Demo, addresses: &Addresses) -> String {
    let mut out = Vec::new();
    first_start(&at.app, &at.data, demo, (addresses, &mut out)).await.unwrap();
    String::from_utf8(out).unwrap()
}

/// A whole first start in a new home.
async fn first(demo: Demo) -> (Installation, String, TempDir) {
    let home = home();
    let at = Installation::open(&home, &STORE).await;
    let out = start(&at, demo, &Addresses::default()).await;
    (at, out, home)
}

fn demo_json(at: &Installation) -> Value {
    serde_json::from_slice(&at.data.read(DEMO).unwrap().expect("there is a demo.json")).unwrap()
}

async fn may_sign_in(at: &Installation, name: &str, password: &str) -> bool {
    let socket = std::net::SocketAddr::from(([127, 0, 0, 1], 5));
    let attempt = crate::sign_in::Attempt::of(crate::network::Peer { socket, client: socket.ip() }, "");
    let basic = Basic { name: name.to_owned(), password: Secret::new(password) };
    crate::sign_in::verify_basic(&at.app, &basic, &attempt).await.unwrap().is_some()
}

/// Everything that the demo promises is there, once, and works.
async fn is_complete(at: &Installation) {
    let facts = demo_json(at);
    for person in ["admin", "user"] {
        let (name, password) = (&facts[person]["username"], &facts[person]["password"]);
        assert!(may_sign_in(at, name.as_str().unwrap(), password.as_str().unwrap()).await, "{name}");
    }
    let application = &facts["application"];
    let key = application["consumer_key"].as_str().unwrap();
    let client = at.app.store.client(key).await.unwrap().expect("the client is there");
    let secret = application["consumer_secret"].as_str().unwrap();
    assert!(at.app.keys().ring.verifies_consumer_secret(secret, &client.client.secrets[0]));
    assert_eq!(client.application.id.to_string(), application["id"].as_str().unwrap());
    assert!(client.known_scopes["echo.read"].contains(ROLE), "it subscribes to the API");
    assert!(at.app.store.user(USER).await.unwrap().unwrap().user.roles.contains(ROLE));
    assert!(at.app.store.user(ADMINISTRATOR).await.unwrap().unwrap().user.is_administrator());
    assert_eq!(at.app.store.applications(None, None, 10).await.unwrap().len(), 1);
    assert_eq!(at.app.store.apis().await.unwrap().len(), 1);
    assert_eq!(at.app.store.users("", 10).await.unwrap().len(), 2);
    assert_eq!(at.data.read(SETUP).unwrap(), None, "the setup is done");
}

#[tokio::test]
async fn the_demo_is_made_once_and_told_at_each_start() {
    let (at, told, _home) = first(Demo::Yes).await;
    is_complete(&at).await;
    let mode = std::fs::metadata(at.data.file(DEMO)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    for scope in ["device_iphone", "device_ipad"] {
        let command = told.lines().find(|line| line.contains(scope)).expect("there is a command to copy");
        assert!(
            command.starts_with("curl -k -u ") && command.ends_with("https://localhost:9443/oauth2/token")
        );
    }
    let before = demo_json(&at);
    assert_eq!(before["gateway_http"], Value::Null, "nothing listens there");
    let addresses = Addresses { gateway_http: Some("http://127.0.0.1:1".to_owned()), ..Addresses::default() };
    let again = start(&at, Demo::Yes, &addresses).await;
    let call = "\n# a call of the demo's API through the gateway\n\
        curl -k -H 'Authorization: Bearer TOKEN' http://127.0.0.1:1/echo/1.0.0/anything\n";
    assert!(again.contains(call), "{again}");
    assert_eq!(again.replace(call, ""), told, "all else is as it was");
    is_complete(&at).await;
    let after = demo_json(&at);
    assert_eq!(after["application"], before["application"]);
    assert_eq!(after["api"]["url"], "http://127.0.0.1:1/echo/1.0.0", "the addresses in force");
    assert_eq!(start(&at, Demo::No, &addresses).await, "", "without the flag nothing is told");
}

#[tokio::test]
async fn without_the_demo_only_the_administrator_is_made_and_the_password_told_once() {
    let (at, told, _home) = first(Demo::No).await;
    let password = told.lines().next().and_then(|line| line.rsplit(' ').next()).unwrap();
    assert!(may_sign_in(&at, ADMINISTRATOR, password).await, "{told}");
    assert_eq!(at.app.store.users("", 10).await.unwrap().len(), 1);
    for demo in [Demo::No, Demo::Yes] {
        assert_eq!(start(&at, demo, &Addresses::default()).await, "", "it is a first start no more");
    }
    assert_eq!(at.data.read(DEMO).unwrap(), None);
    assert_eq!(at.app.store.users("", 10).await.unwrap().len(), 1);
}

/// The entries are made one after the other; after each the process may have died.
#[tokio::test]
async fn an_interrupted_first_start_is_taken_up() {
    for steps in 0..4 {
        let home = home();
        let at = Installation::open(&home, &STORE).await;
        let setup = setup_under_way(&at.app, &at.data, Demo::Yes).await.unwrap().expect("nothing is stored");
        if steps >= 1 {
            add_user(&at.app, (ADMINISTRATOR, &setup.administrator_password, &[ADMIN_ROLE])).await.unwrap();
        }
        if steps >= 2 {
            add_user(&at.app, (USER, &setup.user_password, &USER_ROLES)).await.unwrap();
        }
        if steps >= 3 {
            example::put_api(&at.app).await.unwrap();
            let new = crate::admin::application::NewApplication {
                name: example::APPLICATION.to_owned(),
                owner: USER.to_owned(),
                grants: latchkey_oauth::client::GrantType::ALL.into(),
                ..Default::default()
            };
            crate::admin::application::create(&at.app, &new, ACTOR).await.unwrap();
        }
        drop(at);
        let at = Installation::open(&home, &STORE).await;
        start(&at, Demo::Yes, &Addresses::default()).await;
        is_complete(&at).await;
        let kept = setup.administrator_password.0.expose();
        assert_eq!(demo_json(&at)["admin"]["password"], kept, "the password that was drawn first");
    }
}

#[tokio::test]
async fn a_damaged_file_is_named_and_not_quoted() {
    let (at, _, _home) = first(Demo::Yes).await;
    at.data.replace(DEMO, br#"{"admin":"hidden"}"#).unwrap();
    let mut out = Vec::new();
    let failed = first_start(&at.app, &at.data, Demo::Yes, (&Addresses::default(), &mut out)).await;
    let said = failed.unwrap_err().to_string();
    assert!(said.contains("demo.json is damaged") && !said.contains("hidden"), "{said}");
}
