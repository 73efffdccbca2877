//! Kill -9 at random moments under concurrent clients: what was acknowledged holds after the restart, and
//! no key ever has two active tokens.
//!
//! Each cycle lets eight clients issue, refresh, revoke and ask on twelve token keys, kills the server after
//! a few to a few hundred milliseconds, sometimes kills it again while it starts, asks about every token and
//! checks the whole history of the cycle. What lives is carried into the next cycle, and some of what is
//! dead, to see that it stays so. Answers lost by the kill may have taken effect or not.
//!
//! Faults planted in the server to see the check fail, each found within the first cycles: the previous
//! generation of an access token still accepted (two active tokens for one key), answers sent a few
//! milliseconds before the commit (acknowledged tokens lost). What only a power loss can undo, such as a
//! commit without a sync, survives a kill; that is the power-loss check's matter.
//!
//! `LATCHKEY_LONG=1` runs 200 cycles instead of 20 and counts them in `long/crash-cycles` of the target
//! folder, so that an interrupted run goes on where it was.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use latchkey_checks::dice::Dice;
use latchkey_checks::history::{Deed, Event, Reply, carry, violations};
use latchkey_checks::load::{Keys, Load, Plan, Stop};
use latchkey_checks::server::{Launch, Server, program};

/// Cycles of an ordinary run and of a long one.
const CYCLES: u64 = 20;
const LONG_CYCLES: u64 = 200;
/// Tokens known to be dead that a cycle hands to the next.
const DEAD: usize = 200;

/// How many cycles are done, in a file where the tier is long.
struct Counter {
    done: u64,
    target: u64,
    file: Option<PathBuf>,
}

impl Counter {
    fn open() -> Result<Self> {
        if !program::long_tier() {
            return Ok(Self { done: 0, target: CYCLES, file: None });
        }
        let file = program::long_folder()?.join("crash-cycles");
        let done = match fs::read_to_string(&file) {
            Ok(text) => text.trim().parse().with_context(|| format!("{} holds no number", file.display()))?,
            Err(_) => 0,
        };
        // A finished run begins the next one, with seeds of its own.
        Ok(Self { done, target: (done / LONG_CYCLES + 1) * LONG_CYCLES, file: Some(file) })
    }

    fn count(&mut self) -> Result<()> {
        self.done += 1;
        self.file.as_ref().map_or(Ok(()), |file| Ok(fs::write(file, self.done.to_string())?))
    }
}

/// What the cycles did, to show that they did something.
#[derive(Debug, Default)]
struct Tally {
    issued: usize,
    refreshed: usize,
    revoked: usize,
    asked: usize,
    lost: usize,
}

impl Tally {
    fn add(&mut self, events: &[Event]) {
        for event in events {
            match &event.deed {
                Deed::Issue(Reply::Ok(_)) => self.issued += 1,
                Deed::Refresh(_, Reply::Ok(_)) => self.refreshed += 1,
                Deed::Revoke(_, Reply::Ok(())) => self.revoked += 1,
                Deed::Probe(..) => self.asked += 1,
                Deed::Issue(_) | Deed::Refresh(..) | Deed::Revoke(..) => {
                    self.lost += usize::from(event.is_unknown());
                }
            }
        }
    }
}

/// One cycle on a running server, which runs again afterwards; gives what the next cycle must know.
fn cycle(
    server: &mut Server,
    load: &Load,
    seed: u64,
    carried: Vec<Event>,
) -> Result<(Vec<Event>, Vec<Event>)> {
    let mut dice = Dice::new(seed);
    let stop = Stop::After(Duration::from_millis(5 + dice.below(300)));
    let plan = Plan { seed, clients: 8, keys: Keys::Shared, stop };
    let mut events = carried;
    let worked = load.until_killed(server, &plan, &events);
    events.extend(server.explain(worked)?.into_iter().flatten());
    while dice.chance(25) {
        server.stillbirth(Duration::from_micros(dice.below(60_000)))?;
    }
    server.restart()?;
    let audit = server.explain(load.audit(server, &mut events))?;
    let broken: Vec<String> = violations(&events).iter().take(5).map(ToString::to_string).collect();
    ensure!(broken.is_empty(), "broken rules:\n  {}", broken.join("\n  "));
    Ok((carry(&events, audit, DEAD), events))
}

#[test]
fn kill_9_under_load_loses_nothing_and_doubles_nothing() -> Result<()> {
    let mut counter = Counter::open()?;
    let mut server = Launch::new().start()?;
    let load = Load::new(&server)?;
    let (mut carried, mut tally, mut graveyard) = (Vec::new(), Tally::default(), Vec::new());
    let first = counter.done;
    while counter.done < counter.target {
        let seed = counter.done;
        let (next, events) =
            cycle(&mut server, &load, seed, carried).with_context(|| format!("cycle of seed {seed}"))?;
        carried = next;
        tally.add(&events);
        graveyard.extend(events.into_iter().filter(|event| matches!(event.deed, Deed::Probe(_, false))));
        counter.count()?;
    }
    load.audit(&server, &mut graveyard)?;
    let risen: Vec<String> = violations(&graveyard).iter().take(5).map(ToString::to_string).collect();
    ensure!(risen.is_empty(), "dead tokens live again:\n  {}", risen.join("\n  "));
    println!("{} kills: {tally:?}", counter.done - first);
    let busy = [tally.issued, tally.refreshed, tally.revoked, tally.asked, tally.lost];
    ensure!(busy.iter().all(|count| *count > 0), "the load did not do everything: {tally:?}");
    server.finish()
}
