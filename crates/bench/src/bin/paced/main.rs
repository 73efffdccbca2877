//! Sends requests over kept connections, at a fixed rate or as fast as the answers come.
//!
//! At a fixed rate a request has a moment when it is due, whatever became of those before it, and its time
//! runs from then: a server that stalls is charged for what queues meanwhile. Prints one line of JSON.

mod pace;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use latchkey_bench::connection::{Connection, ConnectionError, Outgoing, Protocol, Target};
use latchkey_bench::latencies::Latencies;
use latchkey_bench::request_file;
use pace::Pace;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How long after its end a run waits for the last answers.
const GRACE: Duration = Duration::from_secs(20);

#[derive(Debug, Parser)]
#[command(about = "Sends requests at a fixed rate and prints how long they took")]
struct Arguments {
    /// Where to, like <http://127.0.0.1:8280>.
    #[arg(long)]
    url: String,
    /// The file of requests, sent in turn.
    #[arg(long)]
    requests: PathBuf,
    /// Connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests under way at once on each connection; more than one needs --http2.
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// How long.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Requests a second in all; without it a request follows each answer.
    #[arg(long)]
    rate: Option<u64>,
    /// Speak HTTP/2 with prior knowledge.
    #[arg(long)]
    http2: bool,
    /// The status that is expected.
    #[arg(long, default_value_t = 200)]
    expect: u16,
    /// Send each request of the file once and end.
    #[arg(long)]
    once: bool,
    /// Write the member `access_token` of each answer to this file, in the order of the requests.
    #[arg(long)]
    collect: Option<PathBuf>,
    /// Write a line for each answer to this file: nanoseconds of the system's monotonic clock when the
    /// request was sent, and the status.
    #[arg(long)]
    trace: Option<PathBuf>,
}

/// What all connections share.
#[derive(Debug)]
struct Run {
    target: Target,
    requests: Vec<Outgoing>,
    next: AtomicU64,
    /// Requests to be sent in all.
    most: u64,
    ends: Instant,
    pace: Option<Pace>,
    expect: u16,
    collects: bool,
    /// One moment by both clocks, where answers are traced.
    traced_from: Option<(Instant, Duration)>,
}

/// What came of the requests of one connection.
#[derive(Debug, Default)]
struct Tally {
    took: Vec<Duration>,
    unexpected: u64,
    broken: u64,
    /// Answers with the number of their request, where they are collected.
    collected: Vec<(u64, String)>,
    /// When a request was sent and the status of its answer, where that is traced.
    traced: Vec<(Duration, u16)>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if arguments.streams > 1 && !arguments.http2 {
        return Err("--streams needs --http2".into());
    }
    let run = Arc::new(prepare(&arguments)?);
    let mut conversations = JoinSet::new();
    for _ in 0..arguments.connections {
        let connection = run.target.connect().await?;
        for _ in 1..arguments.streams {
            let shared = connection.share().ok_or("this connection carries one request at a time")?;
            conversations.spawn(converse(Arc::clone(&run), shared));
        }
        conversations.spawn(converse(Arc::clone(&run), connection));
    }
    let started = Instant::now();
    let waiters = arguments.connections * arguments.streams;
    if run.pace.is_some() {
        let run = Arc::clone(&run);
        thread::spawn(move || run.pace.as_ref().map(|pace| pace.keep(run.most, waiters)));
    }
    let tally = all(conversations).await?;
    let started = run.pace.as_ref().map_or(started, |pace| pace.due(0));
    let report = report(&tally, started.elapsed());
    if let Some(path) = &arguments.trace {
        std::fs::write(path, traced(&tally))?;
    }
    if let Some(path) = &arguments.collect {
        std::fs::write(path, collected(tally))?;
    }
    writeln!(io::stdout(), "{report}")?;
    Ok(())
}

fn prepare(arguments: &Arguments) -> Result<Run, Box<dyn Error>> {
    let protocol = if arguments.http2 { Protocol::Http2 } else { Protocol::Http1 };
    let target = Target::parse(&arguments.url, protocol)?;
    let requests = request_file::read(&arguments.requests, &target)?;
    let all_once = u64::try_from(requests.len())?;
    let most = match arguments.rate {
        _ if arguments.once => all_once,
        Some(rate) => rate * arguments.seconds,
        None => u64::MAX,
    };
    let seconds = if arguments.once { GRACE.as_secs() * 30 } else { arguments.seconds };
    Ok(Run {
        target,
        requests,
        next: AtomicU64::new(0),
        most,
        ends: Instant::now() + Duration::from_secs(seconds),
        pace: arguments.rate.map(Pace::new),
        expect: arguments.expect,
        collects: arguments.collect.is_some(),
        traced_from: arguments.trace.as_ref().map(|_| (Instant::now(), monotonic())),
    })
}

/// Sends what is next until all is sent or the time is over.
async fn converse(run: Arc<Run>, mut connection: Connection) -> Result<Tally, ConnectionError> {
    let mut tally = Tally::default();
    loop {
        if let Some(pace) = &run.pace {
            pace.wait().await;
        }
        let number = run.next.fetch_add(1, Ordering::Relaxed);
        let is_over = run.pace.is_none() && Instant::now() >= run.ends;
        if number >= run.most || is_over {
            return Ok(tally);
        }
        let due = run.pace.as_ref().map_or_else(Instant::now, |pace| pace.due(number));
        let length = u64::try_from(run.requests.len()).expect("a length fits 64 bits");
        let place = usize::try_from(number % length).expect("it is below a length");
        let sent = Instant::now();
        if let Ok((status, body)) = connection.send(run.requests[place].clone()).await {
            tally.took.push(due.elapsed());
            tally.unexpected += u64::from(status.as_u16() != run.expect);
            if let Some((instant, moment)) = run.traced_from {
                tally.traced.push((moment + (sent - instant), status.as_u16()));
            }
            if run.collects {
                tally.collected.push((number, access_token(&body)));
            }
        } else {
            tally.broken += 1;
            connection = run.target.connect().await?;
        }
    }
}

/// Empty where the answer has none, which then is one of an unexpected status.
fn access_token(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body["access_token"].as_str().unwrap_or_default().to_owned()
}

async fn all(mut conversations: JoinSet<Result<Tally, ConnectionError>>) -> Result<Tally, Box<dyn Error>> {
    let mut whole = Tally::default();
    while let Some(ended) = conversations.join_next().await {
        let tally = ended??;
        whole.took.extend(tally.took);
        whole.collected.extend(tally.collected);
        whole.traced.extend(tally.traced);
        whole.unexpected += tally.unexpected;
        whole.broken += tally.broken;
    }
    Ok(whole)
}

/// The members that the load script for wrk prints too.
fn report(tally: &Tally, elapsed: Duration) -> Value {
    let latencies = Latencies::from(tally.took.clone());
    let mut report = latencies.to_json();
    report["requests"] = json!(latencies.count());
    report["seconds"] = json!(elapsed.as_secs_f64());
    report["non_2xx"] = json!(tally.unexpected);
    report["broken"] = json!(tally.broken);
    report
}

/// The system's monotonic clock, which other processes read too.
fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).expect("it counts from the start of the machine");
    Duration::new(seconds, u32::try_from(now.tv_nsec).expect("below a second"))
}

fn traced(tally: &Tally) -> String {
    let mut answers = tally.traced.clone();
    answers.sort_unstable();
    let lines: Vec<String> =
        answers.iter().map(|(sent, status)| format!("{} {status}", sent.as_nanos())).collect();
    lines.join("\n")
}

fn collected(tally: Tally) -> String {
    let mut answers = tally.collected;
    answers.sort_unstable();
    answers.into_iter().map(|(_, value)| value + "\n").collect()
}
