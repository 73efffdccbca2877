//! Revokes tokens that are in use, one after the other, and prints when their calls were refused.
//!
//! Where the database is known, every second token is revoked while nothing else happens, and its holder's
//! next call must be refused. With the others a connection makes calls meanwhile, one right after the other.
//! Everything is measured from outside, and where a moment lies between two looks the one that makes the
//! time longer counts. Before each revocation a row is made durable in a database beside, for comparison.
//! Prints one line of JSON.

mod commits;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use commits::{Seen, Watch, Yardstick};
use http::StatusCode;
use latchkey_bench::connection::{Connection, ConnectionError, Outgoing, Protocol, Target};
use latchkey_bench::latencies::Latencies;
use latchkey_bench::request_file;
use serde_json::{Value, json};

/// How long calls with a revoked token are made until one is refused.
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug, Parser)]
#[command(about = "Revokes tokens in use and prints when their calls were refused")]
struct Arguments {
    /// The server, where tokens are revoked.
    #[arg(long)]
    server: String,
    /// The gateway, where calls are made.
    #[arg(long)]
    gateway: String,
    /// A file with a request that revokes a token on each line.
    #[arg(long)]
    revocations: PathBuf,
    /// A file with a call with the same token on each line.
    #[arg(long)]
    calls: PathBuf,
    /// The server's database, where commits are seen; without it only the answer is timed.
    #[arg(long)]
    database: Option<PathBuf>,
    /// A new database on the same disk, for durable commits to compare with.
    #[arg(long)]
    yardstick: PathBuf,
    /// Milliseconds between an answer and the next call, for a gateway that is far.
    #[arg(long, default_value_t = 0)]
    pause_ms: u64,
}

/// What was measured.
#[derive(Debug, Default)]
struct Measured {
    /// A durable commit of one row.
    commit: Vec<Duration>,
    /// The request that revokes, from its sending to its answer, while nothing else happens.
    whole: Vec<Duration>,
    /// From the commit to the first refusal.
    commit_to_refusal: Vec<Duration>,
    /// From the sending of the request that revokes to the first refusal.
    sent_to_refusal: Vec<Duration>,
    /// From the answer to the first refusal; none where the refusal came first.
    answer_to_refusal: Vec<Duration>,
    /// Calls admitted although they were sent after the revocation had been answered.
    admitted_late: u64,
}

/// The connections and what is sent over them.
struct Parties {
    server: Connection,
    gateway: Target,
    watch: Option<Watch>,
    pause: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let server = Target::parse(&arguments.server, Protocol::Http1)?;
    let gateway = Target::parse(&arguments.gateway, Protocol::Http1)?;
    let revocations = request_file::read(&arguments.revocations, &server)?;
    let calls = request_file::read(&arguments.calls, &gateway)?;
    let yardstick = Yardstick::create(&arguments.yardstick)?;
    let mut parties = Parties {
        server: server.connect().await?,
        gateway,
        watch: arguments.database.map(Watch::start),
        pause: Duration::from_millis(arguments.pause_ms),
    };
    let mut measured = Measured::default();
    for (number, (revocation, call)) in revocations.into_iter().zip(calls).enumerate() {
        measured.commit.push(yardstick.commit()?);
        if parties.watch.is_some() && number % 2 == 0 {
            alone(&mut parties, revocation, call, &mut measured).await?;
        } else {
            in_use(&mut parties, revocation, call, &mut measured).await?;
        }
    }
    writeln!(io::stdout(), "{}", report(measured))?;
    Ok(())
}

/// Revokes one token that is in use at that moment.
async fn in_use(
    parties: &mut Parties,
    revocation: Outgoing,
    call: Outgoing,
    measured: &mut Measured,
) -> Result<(), Box<dyn Error>> {
    let caller = parties.admitted(call.clone()).await?;
    let committed = parties.watch.as_ref().map(Watch::next_commit).transpose()?;
    let refusal = tokio::spawn(first_refusal(caller, call, parties.pause));
    // The calls are under way before the token is revoked.
    tokio::task::yield_now().await;
    let sent = Instant::now();
    parties.revoke(revocation).await?;
    let answered = Instant::now();
    let refused = refusal.await??;
    if let Some(committed) = committed {
        let Seen { not_before } = committed.recv()?;
        measured.commit_to_refusal.push(refused.saturating_duration_since(not_before));
    }
    measured.sent_to_refusal.push(refused - sent);
    measured.answer_to_refusal.push(refused.saturating_duration_since(answered));
    Ok(())
}

/// Revokes one token while nothing else happens, and makes one call with it afterwards.
async fn alone(
    parties: &mut Parties,
    revocation: Outgoing,
    call: Outgoing,
    measured: &mut Measured,
) -> Result<(), Box<dyn Error>> {
    let mut caller = parties.admitted(call.clone()).await?;
    let sent = Instant::now();
    parties.revoke(revocation).await?;
    measured.whole.push(sent.elapsed());
    let (status, _) = caller.send(call).await?;
    measured.admitted_late += u64::from(status.is_success());
    Ok(())
}

impl Parties {
    /// A connection to the gateway over which a call was admitted.
    async fn admitted(&self, call: Outgoing) -> Result<Connection, Box<dyn Error>> {
        let mut caller = self.gateway.connect().await?;
        let (status, _) = caller.send(call).await?;
        if !status.is_success() {
            return Err(format!("a call before its token was revoked was answered {status}").into());
        }
        Ok(caller)
    }

    async fn revoke(&mut self, revocation: Outgoing) -> Result<(), Box<dyn Error>> {
        let (status, _) = self.server.send(revocation).await?;
        if status != StatusCode::OK {
            return Err(format!("a revocation was answered {status}").into());
        }
        Ok(())
    }
}

/// Makes calls until one is refused; when that answer had come.
async fn first_refusal(
    mut caller: Connection,
    call: Outgoing,
    pause: Duration,
) -> Result<Instant, ConnectionError> {
    let started = Instant::now();
    loop {
        let (status, _) = caller.send(call.clone()).await?;
        let now = Instant::now();
        if !status.is_success() || now - started > LONGEST {
            return Ok(now);
        }
        if pause.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(pause).await;
        }
    }
}

/// What was not measured is left out.
fn report(measured: Measured) -> Value {
    let mut report = json!({
        "revocations": measured.commit.len(),
        "admitted_late": measured.admitted_late,
    });
    for (name, durations) in [
        ("commit", measured.commit),
        ("whole", measured.whole),
        ("commit_to_refusal", measured.commit_to_refusal),
        ("sent_to_refusal", measured.sent_to_refusal),
        ("answer_to_refusal", measured.answer_to_refusal),
    ] {
        if !durations.is_empty() {
            report[name] = Latencies::from(durations).to_json();
        }
    }
    report
}
