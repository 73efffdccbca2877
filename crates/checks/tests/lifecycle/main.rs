//! The lifecycle matrix (section 3.5 of the security reference): every event of a user, an application, a
//! subscription, an API, a scope or a device against every kind of credential and everywhere it can be shown.
//!
//! What each cell must come to stands in `data/lifecycle.toml`, which is reviewed; a cell that is not listed, or
//! listed twice, fails. Each event happens to people, applications and an API of its own, all of one server: over
//! REST, after the gateway and a node have let every credential pass. What the event's own answer is followed by
//! is asked at the server and at its gateway at once, and at the node when its bound has passed; nothing is asked
//! twice until it fits.

#![expect(clippy::excessive_nesting, reason = "a scene holds checks, and a check may hold cases")]

mod events;
mod probes;
mod stage;
mod table;
mod words;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use latchkey_checks::node::Node;
use latchkey_checks::report::Report;
use latchkey_checks::server::{Launch, Server, pass};

use crate::stage::{Rest, Scene};
use crate::table::{Seen, Table, drawn};
use crate::words::{Event, Probe};

/// The bound of the node.
const BOUND: Duration = Duration::from_secs(1);
/// How many events are tried at a time.
const AT_A_TIME: usize = 4;

/// A server on which passwords cost little and failing often is no attack.
fn launch() -> Launch {
    let settings = ["passwords.memory_kib=7168", "passwords.iterations=1"];
    let brakes =
        ["passwords.brake_address_burst=100000", "passwords.brake_account_burst=1000", "passwords.queue=512"];
    settings.iter().chain(&brakes).fold(Launch::new(), |launch, setting| launch.set(setting))
}

/// Does `what` for each scene, several at a time; the first failure ends it.
fn each(scenes: &[Scene], what: impl Fn(&Scene) -> Result<()> + Sync) -> Result<()> {
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    let work = || {
        while let Some(scene) = scenes.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(problem) = what(scene).with_context(|| scene.event.as_str()) {
                if let Ok(mut held) = failure.lock() {
                    *held = Some(problem);
                }
                next.store(scenes.len(), Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| (0..AT_A_TIME).for_each(|_| drop(scope.spawn(work))));
    match failure.into_inner() {
        Ok(None) => Ok(()),
        Ok(Some(problem)) => Err(problem),
        Err(_) => bail!("a thread panicked"),
    }
}

/// Makes every event happen, and gives what was seen.
fn see((server, node): (&Server, &Node), table: &Table) -> Result<Seen> {
    let rest = Rest::sign_in(server)?;
    let scenes = stage::set(&rest).context("the stage")?;
    let seen = Mutex::new(Seen::new());
    let look = |scene: &Scene, at: &dyn Fn(Probe) -> bool| {
        for (credential, shown) in &scene.held {
            for probe in Probe::ALL.iter().copied().filter(|probe| at(*probe)) {
                let cell = (scene.event, *credential, probe);
                if table.applies(cell) {
                    let outcome = scene.show((&rest, node), shown, probe)?;
                    if let Ok(mut seen) = seen.lock() {
                        seen.insert(cell, outcome);
                    }
                }
            }
        }
        Ok(())
    };
    each(&scenes, |scene| scene.warm_up((&rest, node), table))?;
    each(&scenes, |scene| {
        events::happens(&rest, scene)?;
        look(scene, &|probe| probe != Probe::Node)
    })?;
    pass(BOUND);
    each(&scenes, |scene| look(scene, &|probe| probe == Probe::Node))?;
    seen.into_inner().context("a thread panicked")
}

#[test]
fn every_event_ends_what_it_must_and_nothing_else() -> Result<()> {
    let table = Table::read(include_str!("../../data/lifecycle.toml"));
    let table = table.map_err(|problems| anyhow::anyhow!("{}", problems.join("\n")))?;
    let server = launch().start()?;
    let secret = server.cli(&["node", "create", "edge-1"], "")?;
    server.canary().remember("the node's secret", secret.trim());
    let address = format!("http://{}", server.client.address());
    let node = Node::start(&address, secret.trim(), &[format!("revocation.bound={}ms", BOUND.as_millis())])?;
    let mut report = Report::new();
    let seen = see((&server, &node), &table);
    report.check("scene", "no panic stands in a log", || {
        let logs = [server.stderr()?, node.stderr()?];
        ensure!(!logs.iter().any(|log| log.contains("panicked")), "a log tells of a panic");
        Ok(())
    });
    match server.explain(seen) {
        Ok(seen) => {
            let differences = table.differences(&seen);
            for event in Event::ALL {
                let name = event.as_str();
                let begin = format!("{name} ×");
                report.check("3.5", name, || {
                    let found: Vec<_> = differences.iter().filter(|line| line.starts_with(&begin)).collect();
                    ensure!(found.is_empty(), "{found:#?}\nIt came to:\n{}", drawn(*event, &seen));
                    Ok(())
                });
            }
        }
        Err(problem) => report.check("3.5", "every event happens", || Err(problem)),
    }
    drop(node);
    report.check("S17", "no credential in the data directory or in the log", || server.finish());
    report.finish().map(drop)
}
