//! How fast this machine signs, checks and hashes when nothing else is asked of it: the bounds that the
//! token server's rates are divided by.
//!
//! Prints one line of JSON: for each operation the microseconds of CPU of one thread (median of the
//! windows) and the rate per second that follows, and for Argon2id the rate of two threads by the clock
//! on the wall, which is what a password pool of two can reach at most.

mod signing;

use std::io::{self, Write};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use clap::Parser;
use serde_json::{Map, Value, json};

/// The password costs that Latchkey uses by default (OWASP's first choice for Argon2id).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

#[derive(Debug, Parser)]
#[command(about = "Prints raw cryptographic rates of this machine as JSON")]
struct Arguments {
    /// Windows per operation; the median counts.
    #[arg(long, default_value_t = 9)]
    windows: usize,
    /// CPU milliseconds per window and operation.
    #[arg(long, default_value_t = 150)]
    window_ms: u64,
    /// Milliseconds for which both Argon2id threads run.
    #[arg(long, default_value_t = 3000)]
    argon2_ms: u64,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let window = Duration::from_millis(arguments.window_ms.max(1));
    let mut report = Map::new();
    for (name, mut operation) in signing::operations() {
        let per_operation = median_cpu(arguments.windows.max(1), window, &mut *operation);
        report.insert(
            name.to_owned(),
            json!({
                "cpu_us": micros(per_operation),
                "per_second_per_core": 1e6 / micros(per_operation),
            }),
        );
    }
    let rate = argon2_rate(2, Duration::from_millis(arguments.argon2_ms.max(1)));
    report.insert("argon2id_two_threads".to_owned(), json!({ "per_second": rate }));
    writeln!(io::stdout(), "{}", Value::Object(report))
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// CPU time this thread has used so far: unlike the clock on the wall it does not count the time in
/// which other processes held the core.
fn thread_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).expect("a thread's CPU time is not negative"),
        u32::try_from(now.tv_nsec).expect("nanoseconds are below a thousand million"),
    )
}

/// The median CPU time of one call of `operation`, over `windows` windows of at least `window` each.
fn median_cpu(windows: usize, window: Duration, operation: &mut dyn FnMut()) -> Duration {
    operation();
    let mut samples: Vec<Duration> = (0..windows).map(|_| window_cpu(window, operation)).collect();
    samples.sort_unstable();
    samples[samples.len() / 2]
}

/// The mean CPU time of one call within one window; the clock is read after batches that grow, so that
/// reading it does not count for operations of a few nanoseconds.
fn window_cpu(window: Duration, operation: &mut dyn FnMut()) -> Duration {
    let start = thread_cpu();
    let (mut calls, mut batch) = (0_u32, 1_u32);
    loop {
        for _ in 0..batch {
            operation();
        }
        calls += batch;
        let used = thread_cpu().saturating_sub(start);
        if used >= window {
            return used / calls;
        }
        batch = batch.saturating_mul(2).min(1024);
    }
}

/// Argon2id hashes per second by `threads` threads together, each with block memory of its own that it
/// uses again for every hash.
fn argon2_rate(threads: usize, duration: Duration) -> f64 {
    let gate = Barrier::new(threads);
    let rates = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| hash_for(duration, &gate))).collect();
        workers.into_iter().map(|worker| worker.join().expect("hashing does not panic")).collect::<Vec<_>>()
    });
    rates.iter().sum()
}

/// Hashes per second of one thread; the hash that crosses the end is counted with its whole time.
fn hash_for(duration: Duration, gate: &Barrier) -> f64 {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).expect("the default costs are valid");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut memory = vec![Block::default(); argon2.params().block_count()];
    let mut out = [0; 32];
    let mut hash = || {
        argon2
            .hash_password_into_with_memory(
                b"a password of bench",
                b"salt of 16 bytes",
                &mut out,
                &mut memory,
            )
            .expect("salt, output and memory have valid sizes");
    };
    hash();
    gate.wait();
    let start = Instant::now();
    let mut hashes = 0_u32;
    while start.elapsed() < duration {
        hash();
        hashes += 1;
    }
    f64::from(hashes) / start.elapsed().as_secs_f64()
}
