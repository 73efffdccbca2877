//! The example, run: its tokens look as they should, renew per request, and are nowhere in the files.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use aws_lc_rs::digest::{SHA256, digest};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_custom-token-generator");
const SETTINGS: [&str; 6] = [
    "oauth.token.generator=shop",
    "oauth.token.format=opaque",
    "server.listen=127.0.0.1:0",
    "operations.listen=127.0.0.1:0",
    "gateway.http_listen=127.0.0.1:0",
    "gateway.https_listen=127.0.0.1:0",
];

fn program(data: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    // A configuration file of the working directory is not meant.
    command.args(words).arg("--data-dir").arg(data).current_dir(data.parent().expect("it has one"));
    command.args(SETTINGS.iter().flat_map(|setting| ["--set", setting]));
    command
}

fn run(data: &Path, words: &[&str]) -> Output {
    program(data, words).stdin(Stdio::null()).output().expect("the program runs")
}

/// A demo server that has printed its ready line.
fn serve(data: &Path) -> Child {
    let mut server = program(data, &["serve", "--demo"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(server.stdout.take().expect("it is a pipe")).lines();
    let ready = lines.any(|line| line.expect("it is text") == "latchkey ready");
    assert!(ready, "the server did not start");
    server
}

fn end(mut server: Child) {
    let pid = Pid::from_child(&server);
    kill_process(pid, Signal::TERM).expect("it runs");
    assert!(server.wait().expect("it ends").success());
}

fn issue(data: &Path) -> String {
    let output = run(data, &["token", "issue", "DemoApp", "--scope", "device_example"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
}

fn is_active(data: &Path, token: &str) -> bool {
    let mut command = program(data, &["token", "inspect", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program runs");
    let mut input = child.stdin.take().expect("it is a pipe");
    std::io::Write::write_all(&mut input, token.as_bytes()).expect("it is read");
    drop(input);
    let mut text = String::new();
    child.stdout.take().expect("it is a pipe").read_to_string(&mut text).expect("it is text");
    assert!(child.wait().expect("it ends").success());
    let view: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    view["active"].as_bool().expect("it says so")
}

/// Whether any file of the directory holds `wanted`.
fn holds(data: &Path, wanted: &[u8]) -> bool {
    fs::read_dir(data).expect("it is a directory").any(|entry| {
        let path = entry.expect("it can be read").path();
        path.is_file()
            && fs::read(path).expect("it can be read").windows(wanted.len()).any(|part| part == wanted)
    })
}

#[test]
fn tokens_of_the_generator_are_issued_and_kept_as_digests() {
    let home = TempDir::new().expect("a temporary directory can be made");
    let data = home.path().join("data");
    let server = serve(&data);
    let first = issue(&data);
    let second = issue(&data);
    for token in [&first, &second] {
        let random = token.strip_prefix("shop_at_").expect("the generator's prefix");
        assert!(random.len() >= 43 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{token}");
    }
    assert_ne!(first, second, "it renews per request, although opaque tokens are reused by default");
    assert!(!is_active(&data, &first) && is_active(&data, &second));
    end(server);
    assert!(is_active(&data, &second), "without a server too, and after a restart");
    assert!(!holds(&data, second.as_bytes()), "the value lies nowhere");
    assert!(holds(&data, digest(&SHA256, second.as_bytes()).as_ref()), "its digest does");
}

#[test]
fn a_generator_that_does_not_exist_is_named() {
    let home = TempDir::new().expect("a temporary directory can be made");
    let data = home.path().join("data");
    // The last of two assignments wins.
    let mut command = program(&data, &["serve"]);
    command.args(["--set", "oauth.token.generator=shopp"]).stdin(Stdio::null());
    let output = command.output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("shopp") && said.contains("derived, uuid, shop"), "{said}");
}
