//! The socket from both sides: what goes through, and what does not.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use latchkey_oauth::secret::Secret;
use tempfile::TempDir;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use super::client::Connection;
use super::{MAX_REQUEST, VERSION};
use crate::admin::text::SecretText;
use crate::admin::{Command, ErrorKind, Reply, user};
use crate::data_directory::control_socket;
use crate::testing::{Installation, home};

struct Served {
    at: Installation,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _home: TempDir,
}

async fn serve() -> Served {
    let home = home();
    let at = Installation::open(&home, &["store.url=memory:"]).await;
    let stop = CancellationToken::new();
    let socket = at.data.control_socket().unwrap();
    let task = tokio::spawn(super::serve(Arc::clone(&at.app), socket, stop.clone()));
    Served { at, stop, task, _home: home }
}

impl Served {
    /// Sends `bytes` and reads the answer to its end.
    async fn raw(&self, bytes: Vec<u8>) -> String {
        let path = control_socket(self.at.data.path());
        let exchange = move || {
            let mut stream = UnixStream::connect(path).unwrap();
            // The server may have answered and closed before all of a long request is written.
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            String::from_utf8(answer).unwrap()
        };
        spawn_blocking(exchange).await.unwrap()
    }

    async fn execute(&self, command: Command) -> crate::admin::Result<Reply> {
        let path = self.at.data.path().to_owned();
        spawn_blocking(move || Connection::open(&path)?.expect("a server listens").execute(&command))
            .await
            .unwrap()
    }
}

fn add(name: &str) -> Command {
    let password = SecretText(Secret::new("correct horse"));
    Command::User(user::Command::Add { name: name.to_owned(), password, roles: [].into() })
}

#[tokio::test]
async fn commands_and_refusals_cross_the_socket() {
    let served = serve().await;
    assert!(matches!(served.execute(add("alice")).await, Ok(Reply::Done(said)) if said.contains("alice")));
    let refused = served.execute(add("alice")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Refused);
    let events = served.at.app.store.events(0, 10).await.unwrap();
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(events[0].event.actor, Some(format!("command line (uid {uid})")));
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_harms_nothing() {
    let served = serve().await;
    let oversize = vec![b'x'; MAX_REQUEST + 100];
    let other_version = br#"{"version":"0.0.0","command":"apis"}"#.to_vec();
    for (request, said) in [
        (oversize, "longer than 8454144 bytes"),
        (b"{\"password\":\"hidden\"".to_vec(), "malformed at column"),
        (b"\xff\xfe\n".to_vec(), "malformed at column"),
        (other_version, "this program is 0.0.0"),
        (format!("{{\"version\":\"{VERSION}\",\"command\":\"telepathy\"}}\n").into_bytes(), "another build"),
    ] {
        let answer = served.raw(request).await;
        assert!(answer.contains(said) && answer.ends_with('\n') && !answer.contains("hidden"), "{answer}");
    }
    assert_eq!(served.raw(Vec::new()).await, "", "nobody asked, nobody is answered");
    assert!(served.execute(add("alice")).await.is_ok());
}

#[tokio::test]
async fn many_callers_at_once_are_all_served() {
    let served = Arc::new(serve().await);
    let calls: Vec<_> = (0..20)
        .map(|number| {
            let served = Arc::clone(&served);
            tokio::spawn(async move { served.execute(add(&format!("user{number:02}"))).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(served.at.app.store.users("", 100).await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_stop_the_command() {
    let served = serve().await;
    let path = control_socket(served.at.data.path());
    let request = serde_json::json!({ "version": VERSION, "command": add("alice") });
    spawn_blocking(move || {
        let mut stream = UnixStream::connect(path).unwrap();
        writeln!(stream, "{request}").unwrap();
    })
    .await
    .unwrap();
    // Ending waits for what is under way.
    while served.at.app.store.user("alice").await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    served.stop.cancel();
    served.task.await.unwrap();
}

#[tokio::test]
async fn where_nobody_listens_there_is_no_connection() {
    let home = home();
    assert!(Connection::open(home.path()).unwrap().is_none(), "no socket");
    let served = serve().await;
    let path = served.at.data.path().to_owned();
    served.stop.cancel();
    served.task.await.unwrap();
    assert!(control_socket(&path).exists(), "the socket of an ended server is still there");
    assert!(Connection::open(&path).unwrap().is_none());
}
