use std::sync::atomic::AtomicUsize;

use latchkey_oauth::clock::ManualClock;
use latchkey_oauth::event::{Event, EventKind};
use latchkey_oauth::family::{Binding, Epochs, Seed, Subject, SubjectType, TokenKey, Validity};
use latchkey_oauth::holder::{HolderLimits, OnLimit};
use latchkey_oauth::id::{FamilyId, PrincipalId};
use latchkey_oauth::issuance::{Draft, Renewal};
use latchkey_oauth::minted_value::Era;
use latchkey_oauth::scope::Scope;
use tempfile::TempDir;
use tokio::sync::oneshot::Receiver as Answer;

use super::*;
use crate::execute;
use crate::unit::Issue;

/// A committer without its thread, so that a test says what a batch is.
struct Bench {
    committer: Committer,
    directory: TempDir,
}

type Reply = Answer<Result<()>>;

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = SqliteSettings::at(&directory.path().join("latchkey.db"));
        let position = schema::prepare(&settings.path).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_seconds(1)));
        let caches = Arc::new(Caches::new(100));
        Self { committer: Committer::new(&settings, position, &caches, &clock).unwrap(), directory }
    }

    /// Another process's connection to the file.
    fn stranger(&self) -> Connection {
        Connection::open(self.directory.path().join("latchkey.db")).unwrap()
    }

    fn seq(&self) -> u64 {
        self.committer.progress.seq.load(Ordering::Acquire)
    }

    /// What the file holds, past the store.
    fn count(&self, table: &str) -> u64 {
        let query = format!("SELECT count(*) FROM {table}");
        self.stranger().query_row(&query, [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned()
    }
}

fn unit(run: impl FnMut(&mut dyn Write, Timestamp) -> Result<()> + Send + 'static) -> (Box<dyn Unit>, Reply) {
    let (caller, answer) = oneshot::channel();
    (Box::new(Awaited { run, value: None, caller }), answer)
}

/// A unit that leaves an epoch and an event behind.
fn trace(number: u8) -> (Box<dyn Unit>, Reply) {
    unit(move |rows, now| {
        rows.put_epoch(PrincipalId::from_bytes([number; 16]), Some(1))?;
        rows.append(Event::of_principal(EventKind::KeyChange, now, &format!("{number}")))
    })
}

fn commit(bench: &mut Bench, units: Vec<(Box<dyn Unit>, Reply)>) -> Vec<Result<()>> {
    let (units, replies): (Vec<_>, Vec<_>) = units.into_iter().unzip();
    bench.committer.commit(units);
    replies.into_iter().map(|mut reply| reply.try_recv().expect("everybody is answered")).collect()
}

#[test]
fn a_damaged_row_takes_nobody_with_it() {
    let mut bench = Bench::new();
    let broken = || StoreError::Damaged("a row".to_owned());
    let units =
        vec![trace(1), unit(move |_, _| Err(broken())), trace(2), unit(move |_, _| Err(broken())), trace(3)];
    let answers = commit(&mut bench, units);
    assert_eq!(answers, [Ok(()), Err(broken()), Ok(()), Err(broken()), Ok(())]);
    assert_eq!((bench.seq(), bench.count("event"), bench.count("principal")), (3, 3, 3), "each once");
}

#[test]
fn after_a_failure_nothing_runs_and_nothing_stays() {
    let mut bench = Bench::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ran);
    let full = || StoreError::Unavailable("the disk is full".to_owned());
    let late = unit(move |rows, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        rows.put_epoch(PrincipalId::from_bytes([9; 16]), Some(1))
    });
    let answers = commit(&mut bench, vec![trace(1), unit(move |_, _| Err(full())), late]);
    assert_eq!(answers, [Err(full()), Err(full()), Err(full())]);
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    assert_eq!((bench.seq(), bench.count("event"), bench.count("principal")), (0, 0, 0));
    assert_eq!(commit(&mut bench, vec![trace(1)]), [Ok(())], "the next batch is none the worse");
    assert_eq!((bench.seq(), bench.count("principal")), (1, 1));
}

#[test]
fn without_a_transaction_nothing_runs() {
    let mut bench = Bench::new();
    bench.committer.connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let stranger = bench.stranger();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answers = commit(&mut bench, vec![trace(1), trace(2)]);
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))), "{answers:?}");
    stranger.execute_batch("ROLLBACK").unwrap();
    assert_eq!((bench.count("event"), bench.count("principal")), (0, 0));
    assert_eq!(commit(&mut bench, vec![trace(1)]), [Ok(())]);
}

#[test]
fn a_full_disk_leaves_nothing_half_done() {
    let mut bench = Bench::new();
    let pages: i64 = bench.committer.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    bench.committer.connection.pragma_update(None, "max_page_count", pages + 1).unwrap();
    let much = unit(|rows, now| {
        for number in 0..2000_u32 {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&number.to_be_bytes());
            rows.put_epoch(PrincipalId::from_bytes(id), Some(1))?;
        }
        rows.append(Event::of_principal(EventKind::KeyChange, now, "much"))
    });
    let answers = commit(&mut bench, vec![trace(1), much, trace(2)]);
    assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))), "{answers:?}");
    assert_eq!((bench.seq(), bench.count("event"), bench.count("principal")), (0, 0, 0));
    assert_eq!(commit(&mut bench, vec![trace(1)]), [Ok(())], "what fits is done");
    bench.committer.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    assert_eq!(commit(&mut bench, vec![trace(2), trace(3)]), [Ok(()), Ok(())]);
    assert_eq!((bench.seq(), bench.count("event"), bench.count("principal")), (3, 3, 3));
}

#[test]
fn a_second_writer_is_noticed() {
    let mut bench = Bench::new();
    assert_eq!(commit(&mut bench, vec![trace(1)]), [Ok(())]);
    bench.stranger().execute_batch("UPDATE writer SET last_seq = last_seq + 1").unwrap();
    let quiet = unit(|rows, _| rows.put_epoch(PrincipalId::from_bytes([7; 16]), Some(1)));
    for units in [vec![trace(2)], vec![quiet]] {
        let answers = commit(&mut bench, units);
        assert!(matches!(&answers[0], Err(StoreError::Unavailable(why)) if why.contains("another process")));
    }
    assert_eq!((bench.count("event"), bench.count("principal")), (1, 1), "nothing of it was kept");
}

#[test]
fn a_probe_writes() {
    let mut bench = Bench::new();
    let before = bench.committer.connection.total_changes();
    assert_eq!(commit(&mut bench, vec![unit(|rows, _| rows.users("", 1).map(drop))]), [Ok(())]);
    assert_eq!(
        bench.committer.connection.total_changes(),
        before,
        "a unit that changes nothing writes nothing"
    );
    assert_eq!(commit(&mut bench, vec![unit(|rows, _| rows.prove())]), [Ok(())]);
    assert!(bench.committer.connection.total_changes() > before);
    assert_eq!((bench.seq(), bench.count("event")), (0, 0), "and leaves no event");
}

/// What an application holds for itself, handed out again and again.
fn reused() -> Issue {
    let client = PrincipalId::from_bytes([0xc1; 16]);
    let hour = Validity::Seconds(3600);
    Issue {
        key: TokenKey {
            client,
            subject: Subject { kind: SubjectType::Application, id: client },
            scope: Scope::parse("default").unwrap(),
            binding: Binding::None,
        },
        draft: Draft {
            id: FamilyId::from_bytes([0xfa; 16]),
            seed: Seed::from_bytes([0x5e; 16]),
            access_validity: hour,
            refresh_validity: None,
            access_value: None,
            refresh_value: None,
            era: Era { incarnation: 1, minimum_key: 1 },
        },
        renewal: Renewal::Reuse,
        limits: HolderLimits { devices: 9, families: 9, on_limit: OnLimit::Reject },
        seen: Epochs { client: 1, subject: 1 },
        owner: None,
    }
}

fn issue() -> (Box<dyn Unit>, Reply) {
    unit(|rows, now| execute::issue(rows, &reused(), now).map(drop))
}

#[test]
fn what_the_writer_fetched_is_cached_when_the_commit_stands() {
    let mut bench = Bench::new();
    let client = reused().key.client;
    let founded = unit(move |rows, _| rows.put_epoch(client, Some(1)));
    assert_eq!(commit(&mut bench, vec![founded, issue()]), [Ok(()), Ok(())]);
    let known = |bench: &Bench| {
        let caches = &bench.committer.caches;
        (caches.epoch(client), caches.family_by_key(reused().key.digest()).is_some())
    };
    let restart = |bench: &mut Bench| bench.committer.caches = Arc::new(Caches::new(100));

    restart(&mut bench);
    let failed = unit(|_, _| Err(StoreError::Unavailable("the disk is full".to_owned())));
    let answers = commit(&mut bench, vec![issue(), failed]);
    assert!(answers[0].is_err());
    assert_eq!(known(&bench), (None, false), "nothing of a failed commit");
    assert_eq!(commit(&mut bench, vec![issue()]), [Ok(())]);
    assert_eq!(known(&bench), (Some(1), true));

    restart(&mut bench);
    let reset = unit(move |rows, _| rows.put_epoch(client, Some(2)));
    assert_eq!(commit(&mut bench, vec![issue(), reset]), [Ok(()), Ok(())]);
    assert_eq!(known(&bench).0, Some(2), "what the batch changed stands, not what it fetched before");
}
