//! What is said is understood, and goes to whoever holds the installation.

use clap::CommandFactory;
use latchkey_catalog::api::ApiState;
use latchkey_catalog::user::{Bar, UserState};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::access::{Access, open};
use super::arguments::{Arguments, Common};
use super::words::{self, Shown, following};
use crate::admin::{Command, Reply, Result, api, application, subscription, user};
use crate::data_directory::Addresses;
use crate::demo::{Demo, first_start};
use crate::testing::{Installation, home};

fn parse(line: &str) -> std::result::Result<Arguments, clap::Error> {
    Arguments::read(std::iter::once("latchkey").chain(line.split_whitespace()).map(Into::into).collect())
}

fn command(line: &str, input: &str) -> Result<Command> {
    words::command(parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).area, &mut input.as_bytes())
}

#[test]
fn the_definitions_hold_together() {
    Arguments::command().debug_assert();
}

/// A line for every command of administration, and for most options.
const COMMANDS: &str = "user add alice --password-stdin --role reader --role writer
    user list --json
    user show alice
    user lock alice
    user unlock alice
    user password alice --password-stdin
    user roles alice --role reader
    user roles alice
    user delete alice --data-dir somewhere --config file.toml
    app create Shop --owner alice --grants client_credentials,password --token-format opaque --json
    app create Shop --owner alice --grants password --application-validity -1 --user-validity 60
    app create Shop --owner alice --grants password --refresh-validity=-1 --subscribe /a/1 --subscribe /b/2
    app list --owner alice
    app show Shop --owner alice
    app keys Shop
    app regenerate-secret Shop
    app delete Shop
    app subscribe Shop /echo/1.0.0 --tier Gold --owner alice
    app unsubscribe Shop /echo/1.0.0
    api import - --publish
    api import - --name Shop --context /shop --version 2 --upstream http://a --upstream http://b --update
    api import - --sandbox-upstream http://a
    api list --json
    api show /echo/1.0.0
    api export /echo/1.0.0
    api publish /echo/1.0.0
    api prototype /echo/1.0.0
    api deprecate /echo/1.0.0
    api demote /echo/1.0.0
    api default-version /echo/1.0.0
    api default-version /echo/1.0.0 --off
    api audience /echo/1.0.0 --allow one --allow two
    api audience /echo/1.0.0 --anybody
    api block /echo/1.0.0
    api retire /echo/1.0.0
    api delete /echo/1.0.0
    subscription list
    subscription list --app Shop --api /echo/1.0.0 --json
    subscription block --app Shop --api /echo/1.0.0
    subscription block --app Shop --api /echo/1.0.0 --production-only
    subscription unblock --app Shop --api /echo/1.0.0
    token inspect
    token list --user alice --app Shop
    token revoke --stdin
    token revoke --family 1-00000000000000000000000000000000
    token revoke --user alice
    token revoke --app Shop
    token revoke --user alice --app Shop
    token issue Shop --scope device_a --validity 60
    device list --user alice
    device revoke --user alice --app Shop device_phone
    key list
    key rotate
    key rotate signing
    key rotate master
    key rotate assertion
    key remove -aKidThatBeginsWithADash
    key raise-minimum 2
    usage list --app Shop
    usage list --api /echo/1.0.0 --days 30 --json
    events list --after 5 --limit 10";

#[test]
fn every_command_is_understood() {
    for line in COMMANDS.lines().map(str::trim) {
        assert!(command(line, "a line of text\n").is_ok(), "{line}");
    }
    for line in [
        "serve --demo --accept-rollback --set server.listen=127.0.0.1:0 --set log.format=text",
        "store check",
        "store check copy.db",
        "store backup copy.db",
        "store restore copy.db",
        "config show --json",
        "config check --config file.toml",
        "config reference",
        "config openapi",
        "doctor",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
}

#[test]
fn commands_about_limits_are_understood() {
    let lines = "tier list --json
        tier put Small --level subscription --limit 20/minute --burst 5/second
        tier put Any --level application
        tier put Counting --level resource --limit 5000/2hours --past-limit admit
        tier delete Small --level subscription
        limit list --app Shop --json
        limit list --app Shop --owner alice --api /echo/1.0.0
        limit reset --app Shop --user alice
        app tier Shop 20PerMin --owner alice";
    for line in lines.lines().map(str::trim) {
        assert!(command(line, "").is_ok(), "{line}");
    }
}

#[test]
fn wrong_use_is_told_with_the_value() {
    for (line, named) in [
        ("", "Usage"),
        ("telepathy", "telepathy"),
        ("user", "Usage"),
        ("user add alice", "--password-stdin"),
        ("user add alice --password secret", "--password"),
        ("app create Shop --owner alice", "--grants"),
        ("app create Shop --owner alice --grants password,telepathy", "telepathy"),
        ("app create Shop --owner alice --grants password --token-format xml", "xml"),
        ("app create Shop --owner alice --grants password --user-validity 0", "'0'"),
        ("app create Shop --owner alice --grants password --user-validity soon", "soon"),
        ("app subscribe Shop", "CONTEXT/VERSION"),
        ("api import", "FILE"),
        ("api publish", "CONTEXT/VERSION"),
        ("api audience /echo/1.0.0", "--allow"),
        ("api audience /echo/1.0.0 --anybody --allow one", "--anybody"),
        ("subscription block --app Shop", "--api"),
        ("subscription unblock --api /echo/1.0.0", "--app"),
        ("usage list", "--app"),
        ("usage list --app Shop --api /echo/1.0.0", "--api"),
        ("usage list --app Shop --days 0", "0"),
        ("tier put Small", "--level"),
        ("tier put Small --level subscription --limit 20", "20/minute"),
        ("tier put Small --level somewhere", "somewhere"),
        ("limit reset", "--app"),
        ("token revoke", "--stdin"),
        ("token revoke --stdin --user alice", "--stdin"),
        ("token revoke --family 1-0 --app Shop", "--family"),
        ("token inspect TOKEN", "TOKEN"),
        ("key rotate both", "both"),
        ("key raise-minimum -1", "-1"),
        ("key raise-minimum 70000", "70000"),
        ("events list --limit many", "many"),
    ] {
        let error = parse(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(named), "{line}: {error}");
    }
}

#[test]
fn settings_count_wherever_they_stand() {
    for (line, expected) in [
        ("config show", [].as_slice()),
        ("--set a=1 config show", &["a=1"]),
        ("--set a=1 config --set=b=2 show --set c=3", &["a=1", "b=2", "c=3"]),
        ("config show --set a=1 --set a=2", &["a=1", "a=2"]),
        ("--set a=1 user show -- --set", &["a=1"]),
    ] {
        assert_eq!(parse(line).unwrap().common.set, expected, "{line}");
    }
    assert_eq!(parse("config show --set").unwrap_err().exit_code(), 2);
}

#[test]
fn one_line_is_read_from_standard_input() {
    let password = |input: &str| match command("user add alice --password-stdin", input) {
        Ok(Command::User(user::Command::Add { password, .. })) => Ok(password.0.expose().to_owned()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.message),
    };
    for (input, expected) in [
        ("correct horse\n", "correct horse"),
        ("correct horse\r\n", "correct horse"),
        ("correct horse", "correct horse"),
        (" spaces count \n", " spaces count "),
    ] {
        assert_eq!(password(input), Ok(expected.to_owned()), "{input:?}");
    }
    let long = "x".repeat(20_000);
    for (input, said) in [
        ("", "no password"),
        ("\n", "no password"),
        ("a\nb\n", "several lines"),
        (&long, "longer than 16384"),
    ] {
        let refused = password(input).unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
    let mut latin = b"p\xe4ssword\n".as_slice();
    let area = parse("user add alice --password-stdin").unwrap().area;
    assert!(words::command(area, &mut latin).unwrap_err().message.contains("UTF-8"));
}

#[test]
fn a_document_is_read_from_a_file_or_standard_input() {
    let home = home();
    let file = home.path().join("orders.yaml");
    let line = format!("api import {} --publish --update", file.display());
    let missing = command(&line, "").unwrap_err().message;
    assert!(missing.contains("orders.yaml") && missing.contains("OpenAPI"), "{missing}");
    std::fs::write(&file, "of the file").unwrap();
    let import = |line: &str| match command(line, "of the input") {
        Ok(Command::Api(api::Command::Import(import))) => *import,
        other => panic!("{other:?}"),
    };
    let said = import(&line);
    assert_eq!((said.document.as_str(), said.existing), ("of the file", api::Existing::Update));
    assert_eq!(said.state, Some(ApiState::Published));
    let said = import("api import -");
    assert_eq!(
        (said.document.as_str(), said.existing, said.state),
        ("of the input", api::Existing::Keep, None)
    );
    std::fs::write(&file, b"p\xe4ge").unwrap();
    assert!(command(&line, "").unwrap_err().message.contains("UTF-8"));
    std::fs::File::create(&file).unwrap().set_len(5_000_000).unwrap();
    assert!(command(&line, "").unwrap_err().message.contains("4194304"));
}

#[test]
fn listings_go_on_where_a_page_ended() {
    let users = command("user list", "").unwrap();
    let next = following(&users, &Shown::More("bob".to_owned()));
    assert!(matches!(next, Some(Command::User(user::Command::List { after })) if after == "bob"));
    assert!(following(&users, &Shown::All).is_none());
    let applications = command("app list --owner alice", "").unwrap();
    let id = "00000000-0000-4000-8000-000000000001";
    let next = following(&applications, &Shown::More(id.to_owned()));
    let Some(Command::Application(application::Command::List { owner, after })) = next else {
        panic!("no next page")
    };
    assert_eq!((owner.as_deref(), after), (Some("alice"), id.parse().ok()));
    let next = following(&command("api list", "").unwrap(), &Shown::More("/echo/1".to_owned()));
    let Some(Command::Api(api::Command::List { after })) = next else { panic!("no next page") };
    assert_eq!(after.as_deref(), Some("/echo/1"));
    let subscriptions = command("subscription list --app Shop --api /echo/1", "").unwrap();
    let next = following(&subscriptions, &Shown::More("1 2".to_owned()));
    let Some(Command::Subscription(subscription::Command::List { application, api, after })) = next else {
        panic!("no next page")
    };
    let application = application.map(|reference| reference.name);
    assert_eq!(
        [application.as_deref(), api.as_deref(), after.as_deref()],
        [Some("Shop"), Some("/echo/1"), Some("1 2")]
    );
    let events = command("events list --after 3 --limit 700", "").unwrap();
    let next = following(&events, &Shown::Events { count: 500, last: Some(600) });
    assert!(matches!(next, Some(Command::Events(range)) if (range.after, range.limit) == (600, 200)));
    assert!(following(&events, &Shown::Events { count: 499, last: Some(600) }).is_none());
    let delete = command("user delete alice", "").unwrap();
    assert!(following(&delete, &Shown::More("x".to_owned())).is_none());
}

fn common(home: &TempDir) -> Common {
    let set = ["passwords.memory_kib=7168", "passwords.iterations=1"].map(str::to_owned).to_vec();
    Common { data_dir: home.path().join("data"), config: None, set, json: false }
}

/// A server of the demo in `home`, as far as administration sees one.
async fn serve(home: &TempDir) -> (CancellationToken, JoinHandle<()>) {
    let at = Installation::open(home, &[]).await;
    let out = &mut Vec::new();
    first_start(&at.app, &at.data, Demo::Yes, (&Addresses::default(), out)).await.unwrap();
    let stop = CancellationToken::new();
    let socket = at.data.control_socket().unwrap();
    let (app, ended) = (std::sync::Arc::clone(&at.app), stop.clone());
    let task = tokio::spawn(async move {
        crate::control::serve(app, socket, ended).await;
        drop(at);
    });
    (stop, task)
}

/// The JSON of what `lines` answer, one after the other.
async fn answers(access: &Access, lines: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for line in lines {
        let outcome = access.execute(&command(line, "correct horse\n").unwrap()).await;
        all.push(serde_json::to_string(&outcome).unwrap());
    }
    all
}

const LINES: [&str; 13] = [
    "user list",
    "app list",
    "app keys DemoApp",
    "app show DemoApp",
    "api list",
    "api show /echo/1.0.0",
    "api publish /gone/1.0.0",
    "api import -",
    "subscription list --app DemoApp",
    "key list",
    "events list",
    "user show nobody",
    "app create DemoApp --owner alice --grants password",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_and_the_store_itself_answer_alike() {
    let home = home();
    let (stop, task) = serve(&home).await;
    let access = open(&common(&home), Vec::new()).await.unwrap();
    assert!(matches!(access, Access::Server(_)), "the server holds the directory");
    let through_server = answers(&access, &LINES).await;
    access.close().await.unwrap();
    stop.cancel();
    task.await.unwrap();

    let access = open(&common(&home), Vec::new()).await.unwrap();
    assert!(matches!(access, Access::Store(_)), "nobody holds it");
    assert_eq!(answers(&access, &LINES).await, through_server);
    let lock = Command::User(user::Command::Bar { name: "alice".to_owned(), bar: Bar::Locked });
    assert!(matches!(access.execute(&lock).await, Ok(Reply::Done(_))));
    access.close().await.unwrap();

    let at = Installation::open(&home, &[]).await;
    assert_eq!(at.app.store.user("alice").await.unwrap().unwrap().user.state, UserState::Locked);
}

/// Two commands without a server take turns: the second waits until the first has let go.
#[tokio::test(flavor = "multi_thread")]
async fn commands_without_a_server_take_turns() {
    let home = home();
    let (stop, task) = serve(&home).await;
    stop.cancel();
    task.await.unwrap();
    let first = open(&common(&home), Vec::new()).await.unwrap();
    let words = common(&home);
    let second = tokio::spawn(async move { open(&words, Vec::new()).await });
    answers(&first, &["user lock alice"]).await;
    first.close().await.unwrap();
    let second = second.await.unwrap().unwrap();
    let shown = answers(&second, &["user show alice"]).await;
    assert!(shown[0].contains("\"locked\""), "{shown:?}");
    second.close().await.unwrap();
}

#[tokio::test]
async fn a_directory_without_an_installation_is_not_made_one() {
    let home = home();
    let refused = open(&common(&home), Vec::new()).await.expect_err("there is nothing");
    assert!(
        refused.message.contains("no installation in") && refused.message.contains("--data-dir"),
        "{refused}"
    );
    assert!(!home.path().join("data").exists());
    let in_memory = Common { set: vec!["store.url=memory:".to_owned()], ..common(&home) };
    let refused = open(&in_memory, Vec::new()).await.expect_err("there is nothing");
    assert!(refused.message.contains("memory:"), "{refused}");
}
