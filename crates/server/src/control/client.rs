//! The command line's side of the control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use zeroize::Zeroizing;

use super::{Answer, MAX_ANSWER, MAX_REQUEST, VERSION};
use crate::admin::{AdminError, Command, Reply, Result};
use crate::data_directory::control_socket;

/// How long the answer may take: longer than the server gives a command.
const PATIENCE: Duration = Duration::from_mins(2);

/// A connection to a running server, for one command.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
}

impl Connection {
    /// Connects to the server of the data directory; `None` where none listens.
    pub fn open(data_dir: &Path) -> Result<Option<Self>> {
        let path = control_socket(data_dir);
        match UnixStream::connect(&path) {
            Ok(stream) => {
                let timeouts = stream
                    .set_read_timeout(Some(PATIENCE))
                    .and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
                timeouts.map_err(|cause| failed(&cause))?;
                Ok(Some(Self { stream }))
            }
            Err(cause)
                if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(cause) => Err(AdminError::failed(format!(
                "the control socket {} cannot be opened: {cause}; run the command as the user that runs the server",
                path.display()
            ))),
        }
    }

    /// Has the server carry out `command`.
    pub fn execute(mut self, command: &Command) -> Result<Reply> {
        let request = json!({ "version": VERSION, "command": command });
        let mut line = Zeroizing::new(serde_json::to_vec(&request).expect("commands are plain data"));
        line.push(b'\n');
        if line.len() > MAX_REQUEST {
            return Err(AdminError::wrong_use(format!("the command is longer than {MAX_REQUEST} bytes")));
        }
        self.stream.write_all(&line).map_err(|cause| failed(&cause))?;
        let mut answer = Zeroizing::new(Vec::new());
        let most = u64::try_from(MAX_ANSWER).unwrap_or(u64::MAX);
        BufReader::new(self.stream.take(most))
            .read_until(b'\n', &mut answer)
            .map_err(|cause| failed(&cause))?;
        if answer.last() != Some(&b'\n') {
            return Err(AdminError::failed(
                "the server ended before it answered; look whether the command was done, then try again",
            ));
        }
        let answer: Answer = serde_json::from_slice(&answer).map_err(|_| {
            AdminError::failed(
                "the server's answer is not understood; it runs another build of latchkey: restart it with this one",
            )
        })?;
        answer.outcome
    }
}

fn failed(cause: &io::Error) -> AdminError {
    AdminError::failed(format!("the running server does not answer on its control socket: {cause}"))
}
