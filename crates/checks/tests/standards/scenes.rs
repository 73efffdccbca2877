//! What the checks of one subject share.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use latchkey_checks::report::Report;
use latchkey_checks::server::{Launch, Server};

/// Starts a server by `launch`, tells `story` about it and ends it; every failure comes by its number, and
/// the data directory and the log are searched for credentials at the end.
pub(crate) fn scene(
    launch: Launch,
    story: impl FnOnce(&mut Server, &mut Report) -> Result<()>,
) -> Result<()> {
    let mut server = launch.start()?;
    let mut report = Report::new();
    let told = story(&mut server, &mut report);
    report.check("scene", "the story runs to its end", || server.explain(told));
    report.check("S17", "no credential in the data directory or in the log", || server.finish());
    report.finish().map(drop)
}

/// Runs `work` for 0, 1, … `count - 1` on `threads` threads; gives the results in order.
pub(crate) fn parallel<T: Send>(
    threads: usize,
    count: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let one = |first: usize| {
        let work = &work;
        move || {
            (first..count).step_by(threads).map(|n| work(n).map(|done| (n, done))).collect::<Result<Vec<_>>>()
        }
    };
    let mut all = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(one(first))).collect();
        let mut all = Vec::new();
        for thread in running {
            all.extend(thread.join().map_err(|_| anyhow!("a thread of the check panicked"))??);
        }
        Ok::<_, anyhow::Error>(all)
    })?;
    all.sort_by_key(|(n, _)| *n);
    Ok(all.into_iter().map(|(_, done)| done).collect())
}

/// Asks `done` again and again until it says yes; fails after `limit`. Gives how long it took.
pub(crate) fn until(limit: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<Duration> {
    let since = Instant::now();
    while !done()? {
        ensure!(since.elapsed() < limit, "not within {limit:?}");
        thread::park_timeout(Duration::from_millis(20));
    }
    Ok(since.elapsed())
}
