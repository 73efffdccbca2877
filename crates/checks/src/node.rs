//! A gateway node of one's own, beside no server.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tempfile::TempDir;

use crate::server::{await_ready, end, program, read_json, socket_address, tail, wait};
use crate::wire::{self, PATIENCE, Reply, Request};

/// The listeners, each on any free loopback port, in the clear.
const FREE: [&str; 4] = [
    "gateway.http_listen=127.0.0.1:0",
    "gateway.https_listen=127.0.0.1:0",
    "operations.listen=127.0.0.1:0",
    "tls.enabled=false",
];

/// The addresses of `DATA/run.json`.
#[derive(Debug, Deserialize)]
struct Run {
    gateway_http: String,
    operations: String,
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    home: TempDir,
    child: Child,
    gateway: SocketAddr,
    operations: SocketAddr,
}

impl Node {
    /// Starts a node that asks `server` with `secret`, and waits until it listens.
    pub fn start(server: &str, secret: &str, settings: &[String]) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("latchkey-checks-node-").tempdir()?;
        let (data, file, errors) =
            (home.path().join("data"), home.path().join("secret"), home.path().join("stderr"));
        let mut kept = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&file)?;
        kept.write_all(secret.as_bytes())?;
        let mut command = Command::new(program::path()?);
        command.args(["gateway", "--data-dir"]).arg(&data).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(OpenOptions::new().create(true).append(true).open(&errors)?);
        let own =
            [format!("gateway.server={server}"), format!("gateway.node_secret_file={}", file.display())];
        for setting in FREE.iter().map(ToString::to_string).chain(own).chain(settings.iter().cloned()) {
            command.args(["--set", &setting]);
        }
        let mut child = command.spawn().context("start the node")?;
        if let Err(problem) = await_ready(&mut child) {
            end(&mut child);
            let said = fs::read_to_string(&errors).unwrap_or_default();
            bail!("the node did not start: {problem:#}; it said: {}", tail(&said));
        }
        let run: Run = read_json(&data.join("run.json"))?;
        let (gateway, operations) = (socket_address(&run.gateway_http)?, socket_address(&run.operations)?);
        Ok(Self { home, child, gateway, operations })
    }

    /// Where the gateway listens in the clear.
    pub const fn gateway(&self) -> SocketAddr {
        self.gateway
    }

    /// Asks the process to end (SIGTERM).
    pub fn terminate(&self) -> Result<()> {
        let process = rustix::process::Pid::from_raw(i32::try_from(self.child.id())?);
        let process = process.context("a process number is not 0")?;
        Ok(rustix::process::kill_process(process, rustix::process::Signal::TERM)?)
    }

    /// Waits until it has ended, but not for ever.
    pub fn ended(&mut self) -> Result<ExitStatus> {
        wait(&mut self.child, PATIENCE)?.context("the node does not end")
    }

    /// Where it keeps what it writes.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Calls `path` with `token`, on a connection of its own.
    pub fn call(&self, path: &str, token: &str) -> Result<Reply> {
        self.send(&Request::new("GET", path).header("Authorization", &format!("Bearer {token}")))
    }

    /// Sends `request` to the gateway, on a connection of its own.
    pub fn send(&self, request: &Request) -> Result<Reply> {
        wire::exchange(self.gateway, request)
    }

    /// Fetches `path` from the operations listener.
    pub fn operations(&self, path: &str) -> Result<Reply> {
        wire::exchange(self.operations, &Request::new("GET", path))
    }

    /// What the node has written on standard error so far.
    pub fn stderr(&self) -> Result<String> {
        Ok(fs::read_to_string(self.home.path().join("stderr"))?)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}
