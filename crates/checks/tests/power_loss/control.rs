//! The control: a loss is seen where there is one, and only there.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use latchkey_checks::dice::Dice;
use latchkey_checks::image::{Disk, Replay};
use latchkey_checks::syscalls::{Act, Call, Recorder};
use rusqlite::Connection;

const ROWS: usize = 20;

/// How many images were made, and in how many an acknowledged row was missing.
#[derive(Debug, Default)]
struct Outcome {
    images: usize,
    lost: usize,
}

/// Where in the log each row was acknowledged.
fn acknowledgements(calls: &[Call]) -> Vec<usize> {
    let acks =
        calls.iter().filter(|call| matches!(&call.act, Act::Say(_, bytes) if bytes.starts_with(b"ack ")));
    acks.map(|call| call.began).collect()
}

/// Opens the database as a restarted program would; gives its rows, after a check of its soundness.
fn rows(disk: &Disk, name: &str) -> Result<i64> {
    let home = tempfile::tempdir()?;
    disk.write(home.path())?;
    let database = Connection::open(home.path().join(name))?;
    let sound: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(sound == "ok", "the image is corrupt: {sound}");
    let exists: i64 = database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if exists == 0 {
        return Ok(0);
    }
    Ok(database.query_row("SELECT count(*) FROM row", [], |row| row.get(0))?)
}

fn run(home: &Path, synchronous: &str) -> Result<Outcome> {
    let data = home.join("data");
    std::fs::create_dir(&data)?;
    let base = Disk::read(&data)?;
    let recorder = Recorder::new(&home.join("log"))?;
    let words = recorder.words();
    let done = Command::new(&words[0])
        .args(&words[1..])
        .arg(env!("CARGO_BIN_EXE_latchkey-durability-control"))
        .arg(data.join("rows.db"))
        .args([synchronous, &ROWS.to_string()])
        .stdout(Stdio::piped())
        .output()?;
    ensure!(done.status.success(), "the control ended with {}", done.status);
    let calls = recorder.read(&data, BTreeSet::new())?;
    let acks = acknowledgements(&calls);
    ensure!(acks.len() == ROWS, "{} acknowledgements in the log, not {ROWS}", acks.len());
    let replay = Replay::new(&base, &calls);
    let mut outcome = Outcome::default();
    let mut dice = Dice::new(1);
    for moment in replay.moments() {
        let owed = i64::try_from(acks.iter().filter(|ack| **ack <= moment).count())?;
        for disk in [replay.certain(moment), replay.torn(moment, &mut dice), replay.torn(moment, &mut dice)] {
            outcome.images += 1;
            outcome.lost += usize::from(rows(&disk, "rows.db")? < owed);
        }
    }
    Ok(outcome)
}

#[test]
fn the_replayer_sees_a_loss_where_there_is_one() -> Result<()> {
    let home = tempfile::tempdir()?;
    let normal = run(home.path(), "NORMAL")?;
    println!("synchronous=NORMAL: {normal:?}");
    ensure!(normal.lost > 0, "NORMAL must lose acknowledged rows: {normal:?}");
    Ok(())
}

#[test]
fn the_replayer_sees_no_loss_where_there_is_none() -> Result<()> {
    let home = tempfile::tempdir()?;
    let full = run(home.path(), "FULL")?;
    println!("synchronous=FULL: {full:?}");
    ensure!(full.images > ROWS && full.lost == 0, "FULL must keep every acknowledged row: {full:?}");
    Ok(())
}
