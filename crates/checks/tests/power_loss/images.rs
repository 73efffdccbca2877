//! The server's own images.

use std::collections::BTreeMap;
use std::fs;
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
/// Time for images; the rest of the moments is left to other seeds.
const BUDGET: Duration = Duration::from_mins(1);
const LONG_BUDGET: Duration = Duration::from_mins(25);

/// What a run left: the disk before it, the calls, and what the clients did, timed by lines of the log.
struct Recording {
    load: Load,
    base: Disk,
    calls: Vec<Call>,
    events: Vec<Event>,
}

/// Where each answer on each connection was sent, and all bytes sent on it.
fn answers(calls: &[Call]) -> Result<Vec<(Vec<usize>, Vec<u8>)>> {
    let mut streams: BTreeMap<&str, (Vec<usize>, Vec<u8>, usize)> = BTreeMap::new();
    for call in calls {
        let Act::Say(place, bytes) = &call.act else { continue };
        let (ends, stream, read) = streams.entry(place).or_default();
        stream.extend_from_slice(bytes);
        if !stream.starts_with(b"HTTP/1.1 ") {
            continue;
        }
        while let Some((_, used)) = wire::first_answer(&stream[*read..])? {
            *read += used;
            ends.push(call.began);
        }
    }
    Ok(streams
        .into_values()
        .map(|(ends, stream, _)| (ends, stream))
        .filter(|(ends, _)| !ends.is_empty())
        .collect())
}

/// Finds the connection of a client by the first token it was given, and times its events by the log.
fn timed(events: Vec<Event>, connections: &[(Vec<usize>, Vec<u8>)]) -> Result<Vec<Event>> {
    let first = events.iter().find_map(Event::given).context("a client was given nothing")?;
    let value = first.access.value.as_bytes();
    let carries = |stream: &[u8]| stream.windows(value.len()).any(|part| part == value);
    let (ends, _) =
        connections.iter().find(|(_, stream)| carries(stream)).context("a client's connection")?;
    ensure!(ends.len() == events.len(), "{} answers in the log for {} deeds", ends.len(), events.len());
    let mut began: Moment = 0;
    let timed = events.into_iter().zip(ends).map(|(event, end)| {
        let ended = *end as Moment;
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

fn record(home: &std::path::Path, seed: u64) -> Result<Recording> {
    let data = home.join("data");
    let mut first = Launch::new().data(&data).start()?;
    let load = Load::new(&first)?;
    first.terminate()?;
    let base = Disk::read(&data)?;
    let recorder = Recorder::new(&home.join("log"))?;
    let mut traced = Launch::new().data(&data).through(recorder.words()).start()?;
    let plan = Plan { seed, clients: CLIENTS, keys: Keys::OwnEach, stop: Stop::Deeds(DEEDS) };
    let clients = load.until_killed(&mut traced, &plan, &[])?;
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
    recording.load.audit(&server, &mut seen)?;
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

/// How many runs came before this one, in the long tier.
fn seed() -> Result<u64> {
    if !program::long_tier() {
        return Ok(0);
    }
    let file = program::long_folder()?.join("power-loss-runs");
    let runs: u64 = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    fs::write(&file, (runs + 1).to_string())?;
    Ok(runs + 1)
}

#[test]
fn every_image_holds_what_was_acknowledged() -> Result<()> {
    let seed = seed()?;
    let budget = if program::long_tier() { LONG_BUDGET } else { BUDGET };
    let home = tempfile::tempdir()?;
    let recording = record(home.path(), seed)?;
    let replay = Replay::new(&recording.base, &recording.calls);
    let mut dice = Dice::new(seed);
    let mut moments = replay.moments();
    let all = moments.len();
    ensure!(all >= DEEDS / 2, "only {all} syncs for {} answers", recording.events.len());
    // The end first, then the others in any order, so that a budget that ends early leaves no stretch out.
    moments.reverse();
    for at in 2..moments.len() {
        let with = 1 + usize::try_from(dice.below(at as u64))?;
        moments.swap(at, with);
    }
    let (since, mut certain, mut torn) = (Instant::now(), 0, 0);
    for moment in moments.iter().copied() {
        if since.elapsed() > budget * 2 / 3 {
            break;
        }
        check(&recording, &replay.certain(moment), moment)
            .with_context(|| format!("seed {seed}, line {moment}"))?;
        certain += 1;
    }
    for moment in moments.iter().copied().cycle() {
        if since.elapsed() > budget {
            break;
        }
        let disk = replay.torn(moment, &mut dice);
        check(&recording, &disk, moment).with_context(|| format!("seed {seed}, line {moment}, torn"))?;
        torn += 1;
    }
    println!(
        "{} answers, {all} syncs; {certain} certain and {torn} torn images hold",
        recording.events.len()
    );
    ensure!(
        certain >= all.min(30) && torn >= 5,
        "too few images in {budget:?}: {certain} certain, {torn} torn"
    );
    Ok(())
}
