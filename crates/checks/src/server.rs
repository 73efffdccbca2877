//! A server of one's own: started on free loopback ports over a data directory of its own, read from
//! outside as any operator would, gone when dropped.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::canary::Canary;
use crate::client::{Application, Client};
use crate::wire;

pub mod program;
mod published;

/// Longest wait for a start, and for an orderly end.
const START_LIMIT: Duration = Duration::from_mins(1);
/// The listeners, each on any free loopback port, and plain HTTP (allowed on loopback).
const FREE: [&str; 5] = [
    "server.listen=127.0.0.1:0",
    "gateway.http_listen=127.0.0.1:0",
    "gateway.https_listen=127.0.0.1:0",
    "operations.listen=127.0.0.1:0",
    "tls.enabled=false",
];

/// A name and its password, as `demo.json` gives them.
#[derive(Debug, Clone, Deserialize)]
pub struct Person {
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: String,
}

/// The facts of `DATA/demo.json` that checks use.
#[derive(Debug, Clone, Deserialize)]
pub struct Demo {
    /// The issuer of tokens and metadata.
    pub issuer: String,
    /// The administrator.
    pub admin: Person,
    /// The user alice.
    pub user: Person,
    /// The application `DemoApp`.
    pub application: Application,
}

/// The addresses of `DATA/run.json` that checks use.
#[derive(Debug, Deserialize)]
struct Run {
    server: String,
    gateway_http: String,
    operations: String,
}

/// Where the listeners that checks use are.
#[derive(Debug, Clone, Copy)]
struct Listeners {
    server: SocketAddr,
    gateway: SocketAddr,
    operations: SocketAddr,
}

/// How to start a server.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    settings: Vec<String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    wrapper: Vec<OsString>,
    data: Option<PathBuf>,
}

impl Launch {
    /// A demo server with default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `--set setting`, of the form `section.key=value`.
    #[must_use]
    pub fn set(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// Adds a word to the command line.
    #[must_use]
    pub fn argument(mut self, word: &str) -> Self {
        self.arguments.push(word.to_owned());
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs the program by way of `words`, to which its own command line is appended (`strace …`).
    #[must_use]
    pub fn through(mut self, words: Vec<OsString>) -> Self {
        self.wrapper = words;
        self
    }

    /// Uses `data` as the data directory, instead of a new one that goes with the server.
    #[must_use]
    pub fn data(mut self, data: &Path) -> Self {
        self.data = Some(data.to_owned());
        self
    }

    /// Starts the server and waits until it is ready.
    pub fn start(self) -> Result<Server> {
        let home = tempfile::Builder::new().prefix("latchkey-checks-").tempdir()?;
        let data = self.data.clone().unwrap_or_else(|| home.path().join("data"));
        let errors = home.path().join("stderr");
        let (child, listeners) = self.run(&data, &errors)?;
        let demo: Demo = read_json(&data.join("demo.json"))?;
        let canary = Arc::new(Canary::default());
        canary.remember_basic("admin password", &demo.admin.username, &demo.admin.password);
        canary.remember_basic("alice's password", &demo.user.username, &demo.user.password);
        canary.remember_basic("DemoApp's secret", &demo.application.key, &demo.application.secret);
        let client = Client::new(listeners.server, demo.admin.clone(), Arc::clone(&canary));
        Ok(Server { launch: self, home, data, child: Some(child), demo, client, listeners, canary })
    }

    /// Starts the program, which must refuse to serve; gives what it printed on standard error.
    pub fn refused(&self, data: &Path) -> Result<Refused> {
        let mut child =
            self.command(data)?.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("start")?;
        let mut errors = child.stderr.take().context("standard error was piped")?;
        let reader = thread::spawn(move || std::io::read_to_string(&mut errors));
        let Some(status) = wait(&mut child, START_LIMIT)? else {
            end(&mut child);
            bail!("the server kept running instead of refusing to start")
        };
        let stderr =
            reader.join().map_err(|_| anyhow::anyhow!("the reader of standard error panicked"))??;
        ensure!(!status.success(), "exit status 0, although it must refuse to start: {stderr}");
        Ok(Refused { code: status.code(), stderr })
    }

    /// Starts the program on `data` and waits for the ready line.
    fn run(&self, data: &Path, errors: &Path) -> Result<(Child, Listeners)> {
        let log = OpenOptions::new().create(true).append(true).open(errors)?;
        let mut child =
            self.command(data)?.stdout(Stdio::piped()).stderr(Stdio::from(log)).spawn().context("start")?;
        if let Err(problem) = await_ready(&mut child) {
            end(&mut child);
            let said = fs::read_to_string(errors).unwrap_or_default();
            bail!("the server did not start: {problem:#}; it said: {}", tail(&said));
        }
        let run: Run = read_json(&data.join("run.json"))?;
        let listeners = Listeners {
            server: socket_address(&run.server)?,
            gateway: socket_address(&run.gateway_http)?,
            operations: socket_address(&run.operations)?,
        };
        Ok((child, listeners))
    }

    fn command(&self, data: &Path) -> Result<Command> {
        let program = program::path()?;
        let mut words = self.wrapper.clone();
        words.push(program.into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["serve", "--demo", "--data-dir"]).arg(data).stdin(Stdio::null());
        command.args(&self.arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        for setting in FREE.iter().copied().chain(self.settings.iter().map(String::as_str)) {
            command.args(["--set", setting]);
        }
        Ok(command)
    }
}

/// A program that refused to serve.
#[derive(Debug)]
pub struct Refused {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it printed on standard error.
    pub stderr: String,
}

/// A running server, or the data directory of one that was killed.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    home: TempDir,
    data: PathBuf,
    child: Option<Child>,
    /// Users and application of the demo.
    pub demo: Demo,
    /// Calls to this server.
    pub client: Client,
    listeners: Listeners,
    canary: Arc<Canary>,
}

impl Server {
    /// A demo server with default settings.
    pub fn demo() -> Result<Self> {
        Launch::new().start()
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The process number of what was started.
    pub fn process(&self) -> Result<u32> {
        Ok(self.child.as_ref().context("the server does not run")?.id())
    }

    /// The process of the program itself: the child of what it was started through, if anything.
    fn program(&self) -> Result<rustix::process::Pid> {
        let started = self.process()?;
        let first = if self.launch.wrapper.is_empty() {
            None
        } else {
            let children = fs::read_to_string(format!("/proc/{started}/task/{started}/children"))?;
            children.split_whitespace().next().map(str::parse).transpose()?
        };
        let number = first.unwrap_or(i32::try_from(started)?);
        rustix::process::Pid::from_raw(number).context("a process number is not 0")
    }

    /// The memory that the process holds at this moment, in bytes.
    pub fn memory(&self) -> Result<usize> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kilobytes: usize = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kilobytes * 1024)
    }

    /// What the server has written on standard error so far.
    pub fn stderr(&self) -> Result<String> {
        Ok(fs::read_to_string(self.home.path().join("stderr"))?)
    }

    /// Adds the end of the server's log to a failure.
    pub fn explain<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|problem| {
            let log = self.stderr().unwrap_or_default();
            problem.context(format!("the server's log ends with: {}", tail(&log)))
        })
    }

    /// Where the gateway listens in the clear.
    pub const fn gateway(&self) -> SocketAddr {
        self.listeners.gateway
    }

    /// Fetches `path` from the operations listener.
    pub fn operations(&self, path: &str) -> Result<wire::Reply> {
        wire::exchange(self.listeners.operations, &wire::Request::new("GET", path))
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        Ok(rustix::process::kill_process(self.program()?, signal)?)
    }

    /// Ends the process as a crash would (SIGKILL).
    pub fn kill(&mut self) -> Result<()> {
        rustix::process::kill_process(self.program()?, rustix::process::Signal::KILL)?;
        let mut child = self.child.take().context("the server does not run")?;
        child.wait()?;
        Ok(())
    }

    /// Asks the process to end (SIGTERM) and waits for it.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        rustix::process::kill_process(self.program()?, rustix::process::Signal::TERM)?;
        let mut child = self.child.take().context("the server does not run")?;
        if let Some(status) = wait(&mut child, START_LIMIT)? {
            return Ok(status);
        }
        end(&mut child);
        bail!("the server did not end within {START_LIMIT:?} of SIGTERM")
    }

    /// Starts the killed or ended server again on its data directory, on ports that may differ.
    pub fn restart(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the server still runs");
        let (child, listeners) = self.launch.run(&self.data, &self.home.path().join("stderr"))?;
        self.child = Some(child);
        self.client.moved_to(listeners.server);
        self.listeners = listeners;
        Ok(())
    }

    /// Starts the killed server and kills it again after `life`, ready or not.
    pub fn stillbirth(&mut self, life: Duration) -> Result<()> {
        ensure!(self.child.is_none(), "the server still runs");
        let log = OpenOptions::new().append(true).open(self.home.path().join("stderr"))?;
        let mut child = self
            .launch
            .command(&self.data)?
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()
            .context("start")?;
        let early = wait(&mut child, life)?;
        end(&mut child);
        ensure!(
            early.is_none(),
            "the server ended by itself during its start: {early:?}: {}",
            tail(&self.stderr()?)
        );
        Ok(())
    }

    /// Runs a command of the program on this data directory; gives its standard output.
    pub fn cli(&self, words: &[&str], stdin: &str) -> Result<String> {
        let done = self.try_cli(words, stdin)?;
        ensure!(done.status.success(), "latchkey {}: {:?}: {}", words.join(" "), done.status, done.stderr);
        Ok(done.stdout)
    }

    /// Runs a command of the program on this data directory, whatever comes of it.
    pub fn try_cli(&self, words: &[&str], stdin: &str) -> Result<Done> {
        let mut child = Command::new(program::path()?)
            .args(words)
            .arg("--data-dir")
            .arg(&self.data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start the command")?;
        let written = child.stdin.take().context("standard input was piped")?.write_all(stdin.as_bytes());
        // A command that is refused ends without reading.
        match written {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let output = child.wait_with_output()?;
        Ok(Done {
            status: output.status,
            stdout: String::from_utf8(output.stdout).context("standard output")?,
            stderr: String::from_utf8(output.stderr).context("standard error")?,
        })
    }

    /// A new application of alice, which may use every grant that issues tokens without a browser.
    pub fn application(&self, name: &str, flags: &[&str]) -> Result<Application> {
        self.application_for(name, "client_credentials,password,refresh_token", flags)
    }

    /// A new application of alice with `grants`, subscribed to the demo API.
    pub fn application_for(&self, name: &str, grants: &str, flags: &[&str]) -> Result<Application> {
        let mut words = vec!["app", "create", name, "--owner", &self.demo.user.username, "--grants", grants];
        words.extend(["--subscribe", "/echo/1.0.0", "--json"]);
        words.extend(flags);
        let made: Application = serde_json::from_str(&self.cli(&words, "")?).context("app create --json")?;
        self.canary.remember_basic("consumer secret", &made.key, &made.secret);
        Ok(made)
    }

    /// Adds the user bob with `password`.
    pub fn bob(&self, password: &str) -> Result<Person> {
        self.cli(&["user", "add", "bob", "--password-stdin"], &format!("{password}\n"))?;
        self.canary.remember("bob's password", password);
        Ok(Person { username: "bob".to_owned(), password: password.to_owned() })
    }

    /// Credentials that must never reach the disk, beside those that the client calls remember.
    pub fn canary(&self) -> &Canary {
        &self.canary
    }

    /// Ends the server in order and searches what it left for credentials. The last call of every check.
    pub fn finish(mut self) -> Result<()> {
        if self.child.is_some() {
            let status = self.terminate()?;
            ensure!(status.success(), "SIGTERM must end the server with status 0, not {status:?}");
        }
        self.search_credentials()
    }

    /// Fails where the data directory (but for `demo.json`) or standard error holds a credential.
    pub fn search_credentials(&self) -> Result<()> {
        self.canary.search(self.home.path(), &["demo.json"])?;
        if self.data.starts_with(self.home.path()) {
            Ok(())
        } else {
            self.canary.search(&self.data, &["demo.json"])
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() && self.kill().is_err() {
            self.child.iter_mut().for_each(end);
        }
    }
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Done {
    /// Exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Waits for the line `latchkey ready`; what follows on standard output is read and dropped.
pub(crate) fn await_ready(child: &mut Child) -> Result<()> {
    let lines = BufReader::new(child.stdout.take().context("standard output was piped")?).lines();
    let (said, ready) = mpsc::channel();
    thread::spawn(move || {
        for line in lines.map_while(Result::ok).filter(|line| line.trim() == "latchkey ready") {
            let _already_ready = said.send(line);
        }
    });
    match ready.recv_timeout(START_LIMIT) {
        Ok(_) => Ok(()),
        Err(mpsc::RecvTimeoutError::Timeout) => bail!("no line \"latchkey ready\" within {START_LIMIT:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let status = wait(child, Duration::from_secs(5))?;
            bail!("it ended with {}", status.map_or_else(|| "no status".to_owned(), describe))
        }
    }
}

fn describe(status: ExitStatus) -> String {
    status.signal().map_or_else(|| format!("{status}"), |signal| format!("signal {signal}"))
}

/// Waits at most `limit` for `child` to end.
pub fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if since.elapsed() >= limit {
            return Ok(None);
        }
        thread::park_timeout(Duration::from_millis(2).min(limit));
    }
}

/// Lets `time` pass: for moments at which a kill shall fall, never for a race to settle.
pub fn pass(time: Duration) {
    let since = Instant::now();
    while let Some(left) = time.checked_sub(since.elapsed()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

pub(crate) fn end(child: &mut Child) {
    // Errors mean that it has ended already.
    let _ended = child.kill();
    let _reaped = child.wait();
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    serde_json::from_reader(BufReader::new(file)).with_context(|| format!("read {}", path.display()))
}

/// The socket address of `http://host:port`, or of the same with TLS.
pub(crate) fn socket_address(url: &str) -> Result<SocketAddr> {
    let place = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let place = place.with_context(|| format!("{url}: no URL"))?;
    let place = place.trim_end_matches('/').replace("localhost", "127.0.0.1");
    place.parse().with_context(|| format!("{url}: not an address and a port"))
}

/// The last lines of `text`.
pub(crate) fn tail(text: &str) -> &str {
    let start = text.len().saturating_sub(2000);
    let start = (start..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[start..]
}
