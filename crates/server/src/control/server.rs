//! The server's side of the control socket.

use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Answer, MAX_REQUEST, Request, VERSION};
use crate::admin::{self, AdminError, Command, Reply};
use crate::app::App;

/// Connections served at once; further ones wait in the socket's own queue.
const CONNECTIONS: usize = 8;
/// How long a request may take to arrive, or an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a command may run. It is carried out to its end even then; only nobody is told.
const COMMAND: Duration = Duration::from_secs(100);
/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves administration commands until `stop`, then finishes those under way.
pub async fn serve(app: Arc<App>, listener: StdListener, stop: CancellationToken) {
    let listener = listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener));
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(problem = %error, "the control socket cannot be served");
            return stop.cancelled().await;
        }
    };
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &seats) => accepted,
        };
        let Some((stream, seat)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let app = Arc::clone(&app);
        tasks.spawn(async move {
            attend(&app, stream).await;
            drop(seat);
        });
    }
    tasks.close();
    tasks.wait().await;
}

/// The next connection with its seat; `None` where accepting failed.
async fn accept(
    listener: &UnixListener,
    seats: &Arc<Semaphore>,
) -> Option<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let seat = Arc::clone(seats).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, seat)),
        Err(error) => {
            tracing::warn!(problem = %error, "a connection to the control socket could not be accepted");
            None
        }
    }
}

/// Reads one request, carries it out, answers.
async fn attend(app: &Arc<App>, mut stream: UnixStream) {
    let outcome = match stream.peer_cred() {
        Ok(peer) if may_administer(peer.uid(), own_uid()) => {
            respond(app, &mut stream, &format!("command line (uid {})", peer.uid())).await
        }
        Ok(peer) => {
            tracing::warn!(uid = peer.uid(), "another user's administration command was refused");
            Some(Err(AdminError::refused(format!(
                "user id {} may not administer this server; run the command as the user that runs the server",
                peer.uid()
            ))))
        }
        Err(error) => Some(Err(AdminError::failed(format!("the caller's user id is not known: {error}")))),
    };
    let Some(outcome) = outcome else { return };
    let answer = Answer { version: VERSION.to_owned(), outcome };
    let mut line = zeroize::Zeroizing::new(serde_json::to_vec(&answer).expect("replies are plain data"));
    line.push(b'\n');
    // A caller who went away needs no answer.
    let _ = timeout(PATIENCE, stream.write_all(&line)).await;
}

/// Only the user who runs the server, and root.
const fn may_administer(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The outcome of the request on `stream`; `None` where none came.
async fn respond(app: &Arc<App>, stream: &mut UnixStream, actor: &str) -> Option<Result<Reply, AdminError>> {
    let command = match read_command(stream).await? {
        Ok(command) => command,
        Err(refused) => return Some(Err(refused)),
    };
    let (app, actor) = (Arc::clone(app), actor.to_owned());
    // A task of its own: a caller who goes away does not leave a command half done.
    let task = tokio::spawn(async move { admin::execute(&app, command, &actor).await });
    let outcome = match timeout(COMMAND, task).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => {
            tracing::error!(problem = %error, "an administration command ended abnormally");
            Err(AdminError::failed("the server failed at this command; see its log"))
        }
        Err(_) => Err(AdminError::failed(
            "the command takes longer than expected; it goes on, look later whether it was done",
        )),
    };
    Some(outcome)
}

async fn read_command(stream: &mut UnixStream) -> Option<Result<Command, AdminError>> {
    let mut line = zeroize::Zeroizing::new(Vec::new());
    let most = u64::try_from(MAX_REQUEST).unwrap_or(u64::MAX);
    let mut reader = BufReader::new(stream).take(most + 1);
    match timeout(PATIENCE, reader.read_until(b'\n', &mut line)).await {
        Ok(Ok(0)) | Err(_) => return None,
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            return Some(Err(AdminError::failed(format!("the request cannot be read: {error}"))));
        }
    }
    if line.len() > MAX_REQUEST {
        return Some(Err(AdminError::wrong_use(format!("the request is longer than {MAX_REQUEST} bytes"))));
    }
    Some(parse(&line))
}

/// The errors name a place in the request, never its text, which may hold a password.
fn parse(line: &[u8]) -> Result<Command, AdminError> {
    let malformed = |error: serde_json::Error| {
        AdminError::wrong_use(format!("the request is malformed at column {}", error.column()))
    };
    let request: Request = serde_json::from_slice(line).map_err(malformed)?;
    if request.version != VERSION {
        return Err(AdminError::refused(format!(
            "the running server is latchkey {VERSION}, this program is {}; use the program that the server was \
             started with, or restart the server with this one",
            request.version
        )));
    }
    serde_json::from_value(request.command).map_err(|_| {
        AdminError::refused(
            "the running server does not know this command; it was started from another build of latchkey: \
             restart it with this one",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_user_and_root_may_administer() {
        assert!(may_administer(1000, 1000) && may_administer(0, 1000) && may_administer(0, 0));
        assert!(!may_administer(1001, 1000) && !may_administer(1000, 0));
    }

    #[test]
    fn requests_are_read_only_when_versions_agree() {
        let good = format!(r#"{{"version":"{VERSION}","command":{{"key":"list"}}}}"#);
        assert!(matches!(parse(good.as_bytes()), Ok(Command::Key(admin::key::Command::List))));
        let refusal = |text: &str| parse(text.as_bytes()).unwrap_err().message;
        assert!(refusal(r#"{"version":"0.0.0","command":{"new":1}}"#).contains("this program is 0.0.0"));
        assert!(refusal(&good.replace("list", "telepathy")).contains("another build"));
        for malformed in ["", "{", "[]", r#"{"password":"hidden"}"#] {
            let said = refusal(malformed);
            assert!(said.contains("malformed") && !said.contains("hidden"), "{said}");
        }
    }
}
