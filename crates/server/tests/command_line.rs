//! The program from outside: exit codes, what goes to which output, with and without a server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_latchkey");

struct Said {
    code: i32,
    out: String,
    err: String,
}

struct Home {
    directory: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory can be made") }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words.split_whitespace()).arg("--data-dir").arg(self.data());
        // No configuration but what is said here.
        command.current_dir(self.directory.path()).env_clear();
        command
    }

    fn say(&self, words: &str, input: &str) -> Said {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        // A command that reads nothing may have ended before.
        let _ = child.stdin.take().expect("it is a pipe").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
        Said {
            code: output.status.code().expect("no signal ended it"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    fn done(&self, words: &str, input: &str) -> String {
        let said = self.say(words, input);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{words}: {}", said.out);
        said.out
    }

    /// A server, and what it printed before its ready line.
    fn serve(&self, flags: &str) -> (Server, String) {
        let free = "--set server.listen=127.0.0.1:0 --set operations.listen=127.0.0.1:0 \
            --set gateway.http_listen=127.0.0.1:0 --set gateway.https_listen=127.0.0.1:0";
        let mut child = self
            .command(&format!("serve {flags} {free}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program runs");
        let mut told = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("it is a pipe")).lines();
        let ready = lines.by_ref().map(|line| line.expect("it is text")).any(|line| {
            told.push_str(&line);
            told.push('\n');
            line == "latchkey ready"
        });
        let server = Server(child);
        assert!(ready, "the server did not start: {told}");
        (server, told)
    }
}

struct Server(Child);

impl Server {
    fn end(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("it runs");
        assert_eq!(self.0.wait().expect("it ends").code(), Some(0));
    }
}

impl Drop for Server {
    /// For a test that failed before its end.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).expect("the file is there")).expect("it is JSON")
}

#[test]
fn a_first_start_administration_and_a_second_start() {
    let home = Home::new();
    let (server, told) = home.serve("--demo");
    assert!(told.contains("device_iphone") && told.contains("device_ipad"), "{told}");
    let demo = json(&home.data().join("demo.json"));
    let run = json(&home.data().join("run.json"));
    let port = |url: &serde_json::Value| {
        url.as_str().and_then(|url| url.rsplit(':').next()?.split('/').next()?.parse::<u16>().ok())
    };
    assert_eq!(port(&demo["token_url"]), port(&run["server"]), "the addresses in force");

    home.done("user add bob --password-stdin --role reader", "correct horse battery\n");
    let made = home.done("app create Shop --owner bob --grants client_credentials,password --json", "");
    let made: serde_json::Value = serde_json::from_str(&made).expect("it is JSON");
    let keys: Vec<_> = made.as_object().expect("it is an object").keys().map(String::as_str).collect();
    assert_eq!(keys, ["consumer_key", "consumer_secret", "id", "name"]);
    let token = home.done("token issue Shop --scope device_a", "");
    assert!(home.done("token inspect", &token).starts_with("active: "));
    let through_server = home.done("user list --json", "");
    server.end();
    assert!(!home.data().join("control.sock").exists() && !home.data().join("run.json").exists());

    assert_eq!(home.done("user list --json", ""), through_server, "without a server the same");
    assert!(home.done("token inspect", &token).starts_with("active: "));
    home.done("token revoke --app Shop", "");
    assert!(home.done("token inspect", &token).starts_with("not active: "));
    let (server, told) = home.serve("--demo");
    assert!(told.contains(demo["user"]["password"].as_str().expect("it is text")), "the same passwords");
    assert!(home.done("token inspect", &token).starts_with("not active: "));
    server.end();
}

/// The commands of the README's section about APIs, in their order.
fn readme_commands() -> Vec<&'static str> {
    let (_, section) = include_str!("../../../README.md")
        .split_once("## Publish an API\n")
        .expect("the README says how an API is published");
    let section = section.split("\n## ").next().unwrap_or_default();
    section.lines().filter_map(|line| line.strip_prefix("./latchkey ")).collect()
}

/// Every one does what it says, through a server and, once more, without one.
#[test]
fn an_api_is_published_as_the_readme_says() {
    let home = Home::new();
    let examples = home.directory.path().join("examples");
    std::fs::create_dir(&examples).expect("it is new");
    std::fs::write(examples.join("orders.yaml"), include_str!("../../../examples/orders.yaml"))
        .expect("it is new");
    let (server, _) = home.serve("--demo");
    let lines = readme_commands();
    assert_eq!(lines.len(), 26, "{lines:?}");
    let told = |line: &str| home.done(line, "");
    for line in &lines[..4] {
        let said = told(line);
        assert!(said.contains("/orders/1.0.0"), "{line}: {said}");
    }
    let api: serde_json::Value = serde_json::from_str(&told("api show /orders/1.0.0 --json")).expect("JSON");
    assert_eq!(
        (&api["state"], &api["production"][0]),
        (&"PUBLISHED".into(), &"http://127.0.0.1:8000".into())
    );
    assert_eq!(api["scopes"]["orders.write"][0], "reader");
    let list = "subscription list --app DemoApp --api /orders/1.0.0 --json";
    let held: serde_json::Value = serde_json::from_str(&told(list)).expect("JSON");
    assert_eq!((&held[0]["tier"], &held[0]["state"]), (&"Gold".into(), &"UNBLOCKED".into()));
    for line in &lines[4..] {
        told(line);
    }
    assert!(!told("api list").contains("/orders/1.0.0"), "it is deleted");
    server.end();
    for line in lines {
        home.done(line, "");
    }
}

/// An upstream that answers every call with 200; its address, and how many it had.
fn upstream() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            if lines.any(|line| line.is_empty()) {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            }
        }
    });
    (format!("http://{address}"), calls)
}

/// The status and the body of a call through the gateway at `address`.
fn call(address: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    let request = format!(
        "GET /orders/1.0.0/orders HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    format!("{} {body}", head.split(' ').nth(1).unwrap_or_default())
}

/// The next call sees what a command did; the token is the same throughout.
#[test]
fn the_gateway_follows_every_command_at_once() {
    let home = Home::new();
    let (server, _) = home.serve("--demo");
    let (url, calls) = upstream();
    let document = include_str!("../../../examples/orders.yaml");
    home.done(&format!("api import - --upstream {url}"), document);
    let run = json(&home.data().join("run.json"));
    let gateway = run["gateway_http"].as_str().and_then(|url| url.strip_prefix("http://"));
    let gateway = gateway.expect("the gateway listens").replace("localhost", "127.0.0.1");
    let token = home.done("token issue DemoApp", "");
    let token = token.trim();
    assert!(call(&gateway, token).starts_with("404 "), "it is not published");
    let (of, path) = ("--app DemoApp --api /orders/1.0.0", "/orders/1.0.0");
    for (command, expected) in [
        (format!("api publish {path}"), "900908"),
        (format!("app subscribe DemoApp {path} --tier Gold"), "200 ok"),
        (format!("subscription block {of}"), "900907"),
        (format!("app subscribe DemoApp {path} --tier Bronze"), "900907"),
        (format!("subscription unblock {of}"), "200 ok"),
        (format!("subscription block {of} --production-only"), "900907"),
        (format!("subscription unblock {of}"), "200 ok"),
        (format!("api block {path}"), "700700"),
        (format!("api publish {path}"), "200 ok"),
        (format!("app unsubscribe DemoApp {path}"), "900908"),
        (format!("app subscribe DemoApp {path}"), "200 ok"),
        (format!("api retire {path}"), "404 "),
        (format!("api delete {path}"), "404 "),
    ] {
        home.done(&command, "");
        let answer = call(&gateway, token);
        assert!(answer.contains(expected), "{command}: {answer}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 5, "what was refused did not reach the upstream");
    server.end();
}

/// Far longer than any other command.
#[test]
fn a_long_document_reaches_the_server() {
    let home = Home::new();
    let (server, _) = home.serve("");
    let comment = format!("# \"{}\"\n", "x".repeat(96)).repeat(10_000);
    let document = format!("{comment}{}", include_str!("../../../examples/orders.yaml"));
    let said = home.done("api import -", &document);
    assert!(said.contains("/orders/1.0.0") && said.contains("api publish"), "{said}");
    server.end();
}

#[test]
fn refusals_have_code_1_wrong_use_2_and_output_stays_empty() {
    let home = Home::new();
    let (server, told) = home.serve("");
    assert!(told.starts_with("The administrator is admin, with the password "), "{told}");
    for (words, input, code, named) in [
        ("user delete nobody", "", 1, "nobody"),
        ("user add admin --password-stdin", "correct horse\n", 1, "admin"),
        ("user add bob --password-stdin", "short\n", 2, "8 characters"),
        ("user add b --password-stdin", "correct horse\n", 2, "\"b\""),
        ("user add bob", "", 2, "--password-stdin"),
        ("app create X --owner admin --grants telepathy", "", 2, "telepathy"),
        ("app create X --owner admin --grants password --subscribe /no/1", "", 1, "/no/1"),
        ("app create X --owner admin --grants password --subscribe orders", "", 2, "CONTEXT/VERSION"),
        ("app subscribe Nothing /no/1", "", 1, "Nothing"),
        ("api import missing.yaml", "", 1, "missing.yaml"),
        ("api import -", "openapi: 2.0.0", 1, "#/openapi"),
        ("api publish /no/1", "", 1, "/no/1"),
        ("api delete no", "", 2, "CONTEXT/VERSION"),
        ("subscription block --app Nothing --api /no/1", "", 1, "Nothing"),
        ("subscription list --api /no/1", "", 1, "/no/1"),
        ("telepathy", "", 2, "telepathy"),
        ("config check --set oauth.token.formt=jwt", "", 1, "oauth.token.format"),
        ("store restore missing.db", "", 1, "missing.db"),
        ("serve", "", 1, "in use"),
    ] {
        let said = home.say(words, input);
        assert_eq!(said.code, code, "{words}: {}", said.err);
        assert!(said.err.contains(named) && said.out.is_empty(), "{words}: {} {}", said.err, said.out);
        assert!(!said.err.contains("short\n") && !said.err.contains("correct horse"), "{}", said.err);
    }
    server.end();
}

#[test]
fn help_and_the_reference_need_no_installation() {
    let home = Home::new();
    assert!(home.done("--help", "").contains("Examples:"));
    assert!(home.done("token revoke --help", "").contains("--family"));
    assert!(home.done("config reference", "").contains("oauth.token.format"));
    assert!(home.done("config show --set oauth.token.format=opaque", "").contains("# command line"));
    let said = home.say("user list", "");
    assert!(said.code == 1 && said.err.contains("no installation in"), "{}", said.err);
    assert!(!home.data().exists());
}
