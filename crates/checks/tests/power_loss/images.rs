//! The server's own images.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use latchkey_checks::dice::Dice;
use latchkey_checks::history::{Event, Given, Moment, violations};
use latchkey_checks::image::{Disk, Replay};
use latchkey_checks::load::{Keys, Load, Plan, Stop};
use latchkey_checks::server::{Launch, program};
use latchkey_checks::syscalls::{Act, Call, Recorder};
use latchkey_checks::wire;
use rusqlite::Connection;

/// Answers that each of the clients waits for.
const DEEDS: usize = 40;
const CLIENTS: u64 = 4;
/// Time for the images of a run; the rest of the moments is left to other seeds.
const BUDGET: Duration = Duration::from_secs(35);
const LONG_BUDGET: Duration = Duration::from_mins(15);
/// Images of each kind that are checked however slow the machine is.
const FEWEST: usize = 5;

/// What a run left: the disk before it, the calls, and what the clients did, timed by lines of the log.
struct Recording {
    load: Load,
    base: Disk,
    calls: Vec<Call>,
    events: Vec<Event>,
}

/// The answers sent on one connection: where in the log each was complete, and what it said.
type Answers = Vec<(usize, wire::Reply)>;

/// The answers of each connection.
fn answers(calls: &[Call]) -> Result<Vec<Answers>> {
    let mut streams: BTreeMap<&str, (Answers, Vec<u8>)> = BTreeMap::new();
    for call in calls {
        let Act::Say(place, bytes) = &call.act else { continue };
        let (answers, unread) = streams.entry(place).or_default();
        unread.extend_from_slice(bytes);
        if !unread.starts_with(b"HTTP/1.1 ") {
            continue;
        }
        while let Some((reply, used)) = wire::first_answer(unread)? {
            unread.drain(..used);
            answers.push((call.began, reply));
        }
    }
    Ok(streams.into_values().map(|(answers, _)| answers).filter(|answers| !answers.is_empty()).collect())
}

/// Whether `answers` are those that led to `events`: as many, and with the same tokens in the same places.
fn belong(answers: &Answers, events: &[Event]) -> bool {
    let mut pairs = answers.iter().zip(events);
    answers.len() == events.len()
        && pairs.all(|((_, reply), event)| {
            event.given().is_none_or(|pair| reply.text().contains(&*pair.access.value))
        })
}

/// Finds the connection of a client and times its events by the log.
fn timed(events: Vec<Event>, connections: &[Answers]) -> Result<Vec<Event>> {
    let answers =
        connections.iter().find(|answers| belong(answers, &events)).context("a client's connection")?;
    let mut began: Moment = 0;
    let timed = events.into_iter().zip(answers).map(|(event, (sent, _))| {
        let ended = *sent as Moment;
        let timed = Event { began, ended, ..event };
        began = ended;
        timed
    });
    Ok(timed.collect())
}

/// What is known at `moment`: answers sent later are lost, requests not yet sent did not happen.
fn as_of(events: &[Event], moment: Moment) -> Vec<Event> {
    let known = events.iter().filter(|event| event.began <= moment).cloned();
    known
        .filter_map(|event| {
            let sent = event.ended <= moment;
            let deed = if sent { Some(event.deed) } else { event.deed.lost() };
            deed.map(|deed| Event { deed, ended: event.ended.min(moment), ..event })
        })
        .collect()
}

fn record(home: &Path, seed: u64, keys: Keys) -> Result<Recording> {
    let data = home.join("data");
    let mut first = Launch::new().data(&data).start()?;
    let load = Load::new(&first)?;
    first.terminate()?;
    let base = Disk::read(&data)?;
    let recorder = Recorder::new(&home.join("log"))?;
    let mut traced = Launch::new().data(&data).through(recorder.words()).start()?;
    let plan = Plan { seed, clients: CLIENTS, keys, stop: Stop::Deeds(DEEDS) };
    let worked = load.until_killed(&mut traced, &plan, &[]);
    let clients = traced.explain(worked)?;
    let calls = recorder.read(&data, base.files.keys().cloned().collect())?;
    let connections = answers(&calls)?;
    let events = clients.into_iter().map(|events| timed(events, &connections)).collect::<Result<Vec<_>>>()?;
    Ok(Recording { load, base, calls, events: events.into_iter().flatten().collect() })
}

/// Starts the server on the image, asks about every token and checks the rules; then the file's soundness.
fn check(recording: &Recording, disk: &Disk, moment: usize) -> Result<()> {
    let home = tempfile::Builder::new().prefix("latchkey-image-").tempdir()?;
    disk.write(home.path())?;
    let mut server = Launch::new().data(home.path()).start()?;
    let mut events = as_of(&recording.events, moment as Moment);
    let tokens = events.iter().filter_map(Event::given).flat_map(Given::tokens).count();
    let mut seen = events.clone();
    server.explain(recording.load.audit(&server, &mut seen))?;
    server.kill()?;
    // The audit's own clock means nothing here: what it saw, it saw after everything else.
    let after = Moment::MAX - 1;
    events.extend(seen.split_off(events.len()).into_iter().map(|event| Event {
        began: after,
        ended: after,
        ..event
    }));
    let broken: Vec<String> = violations(&events).iter().take(3).map(ToString::to_string).collect();
    ensure!(broken.is_empty(), "{tokens} tokens, broken rules:\n  {}", broken.join("\n  "));
    let database = Connection::open(home.path().join("latchkey.db"))?;
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(sound == "ok", "the image is corrupt: {sound}");
    Ok(())
}

/// How many runs called `name` came before this one, in the long tier.
fn seed(name: &str) -> Result<u64> {
    if !program::long_tier() {
        return Ok(0);
    }
    let file = program::long_folder()?.join(name);
    let runs: u64 = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    fs::write(&file, (runs + 1).to_string())?;
    Ok(runs + 1)
}

/// The end first, then the others in any order, so that a budget that ends early leaves no stretch out.
fn shuffled(mut moments: Vec<usize>, dice: &mut Dice) -> Result<Vec<usize>> {
    moments.reverse();
    for at in 2..moments.len() {
        let with = 1 + usize::try_from(dice.below(at as u64))?;
        moments.swap(at, with);
    }
    Ok(moments)
}

/// Records a run and checks as many of its images as the budget allows; says how many.
fn images(name: &str, keys: Keys) -> Result<String> {
    let seed = seed(name)?;
    let budget = if program::long_tier() { LONG_BUDGET } else { BUDGET };
    let home = tempfile::tempdir()?;
    let recording = record(home.path(), seed, keys)?;
    let replay = Replay::new(&recording.base, &recording.calls);
    let mut dice = Dice::new(seed);
    let moments = shuffled(replay.moments(), &mut dice)?;
    let (since, mut certain, mut torn) = (Instant::now(), 0, 0);
    for moment in moments.iter().copied() {
        if certain >= FEWEST && since.elapsed() > budget * 2 / 3 {
            break;
        }
        check(&recording, &replay.certain(moment), moment)
            .with_context(|| format!("seed {seed}, line {moment}"))?;
        certain += 1;
    }
    for moment in moments.iter().copied().cycle() {
        if torn >= FEWEST && since.elapsed() > budget {
            break;
        }
        let disk = replay.torn(moment, &mut dice);
        check(&recording, &disk, moment).with_context(|| format!("seed {seed}, line {moment}, torn"))?;
        torn += 1;
    }
    let all = moments.len();
    ensure!(all >= DEEDS / 2, "only {all} syncs for {} answers", recording.events.len());
    Ok(format!(
        "{} answers, {all} syncs; {certain} certain and {torn} torn images hold",
        recording.events.len()
    ))
}

/// Each client on keys of its own: what must hold in an image is nearly always certain.
#[test]
fn every_image_holds_what_was_acknowledged() -> Result<()> {
    println!("{}", images("power-loss-own", Keys::OwnEach)?);
    Ok(())
}

/// All clients on the same keys: what one has seen of another's request must hold too, though that request
/// has not been answered yet.
#[test]
fn every_image_holds_what_was_seen() -> Result<()> {
    println!("{}", images("power-loss-few", Keys::Few)?);
    Ok(())
}
