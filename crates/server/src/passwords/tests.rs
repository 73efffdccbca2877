//! The pool answers right and wrong alike, refuses early, and takes sources in turns.

use latchkey_oauth::entropy::SeededEntropy;

use super::*;

const CHEAP: Cost = Cost { memory_kib: 64, iterations: 1, parallelism: 1 };

fn settings(queue: usize) -> Settings {
    Settings { cost: CHEAP, threads: 1, queue }
}

fn source(client: &str) -> Source {
    Source { network: Network::V4(1), client: client.into() }
}

fn hashed(cost: Cost, password: &str) -> String {
    argon2id::hash(&cost, &Secret::new(password), &[7; argon2id::SALT_BYTES], &mut Memory::default())
}

fn judge(password: &str, stored: Option<&str>) -> Verdict {
    argon2id::verify(&CHEAP, &Secret::new(password), stored, &mut Memory::default())
}

/// A pool whose threads are the test itself.
fn idle_pool(queue: usize) -> Passwords {
    Passwords { pool: Arc::new(Pool::new(&settings(queue), 1)) }
}

/// Queues a check and returns what will hold its answer.
fn queue(pool: &Passwords, client: &str, password: &str) -> oneshot::Receiver<Verdict> {
    let (reply, answer) = oneshot::channel();
    let stored = Some(Secret::new(hashed(CHEAP, "right")));
    pool.pool.push(source(client), Job::Verify { password: Secret::new(password), stored, reply });
    answer
}

#[tokio::test]
async fn what_was_hashed_is_verified() {
    let pool = Passwords::start(&settings(4)).unwrap();
    let entropy = SeededEntropy::new(1);
    let stored = pool.hash(source("a"), Secret::new("correct horse"), &entropy).await.unwrap();
    assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
    for (password, stored, expected) in [
        ("correct horse", Some(stored.as_str()), Verdict::Right),
        ("correct house", Some(stored.as_str()), Verdict::Wrong),
        ("", Some(stored.as_str()), Verdict::Wrong),
        ("correct horse", None, Verdict::Wrong),
    ] {
        assert_eq!(pool.verify(source("a"), Secret::new(password), stored).await, Ok(expected));
    }
    let again = pool.hash(source("a"), Secret::new("correct horse"), &entropy).await.unwrap();
    assert_ne!(again, stored, "each hash has a salt of its own");
}

#[test]
fn the_published_vector_of_another_implementation_is_verified() {
    // From the test suite of the reference implementation: Argon2id, version 19, 2 passes, 64 MiB, 1 lane.
    let stored = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    assert_eq!(judge("password", Some(stored)), Verdict::RightButRehash);
    assert_eq!(judge("Password", Some(stored)), Verdict::Wrong);
}

#[test]
fn a_changed_cost_asks_for_a_new_hash() {
    for cost in
        [Cost { memory_kib: 128, ..CHEAP }, Cost { iterations: 2, ..CHEAP }, Cost { parallelism: 2, ..CHEAP }]
    {
        let stored = hashed(cost, "right");
        assert_eq!(judge("right", Some(&stored)), Verdict::RightButRehash, "{cost:?}");
        assert_eq!(judge("wrong", Some(&stored)), Verdict::Wrong, "{cost:?}");
    }
}

#[test]
fn what_is_no_argon2id_hash_is_unreadable() {
    let good = hashed(CHEAP, "right");
    for stored in [
        "",
        "right",
        "$2b$12$abc",
        &good.replace("argon2id", "argon2i"),
        &good.replace("v=19", "v=16"),
        &good.replace("m=64", "m=4194305"),
        &good.replace("m=64", "m=1"),
        &good[..good.len() - 30],
        good.rsplit_once('$').unwrap().0,
    ] {
        assert_eq!(judge("right", Some(stored)), Verdict::Unreadable, "{stored}");
    }
}

#[test]
fn memory_is_used_again_for_any_cost_and_leaves_nothing_behind() {
    let mut memory = Memory::default();
    let small = hashed(CHEAP, "right");
    let large = hashed(Cost { memory_kib: 256, ..CHEAP }, "right");
    for stored in [&small, &large, &small, &large] {
        let verdict = argon2id::verify(&CHEAP, &Secret::new("right"), Some(stored), &mut memory);
        assert!(matches!(verdict, Verdict::Right | Verdict::RightButRehash));
    }
    assert_eq!(format!("{memory:?}"), "Memory(256 KiB)");
    memory.wipe();
    assert!(memory.is_empty());
}

#[tokio::test]
async fn a_password_that_is_too_long_is_refused_before_it_waits() {
    let pool = idle_pool(1);
    let long = Secret::new("x".repeat(MAX_BYTES + 1));
    assert_eq!(pool.verify(source("a"), long, None).await, Err(Refusal::TooLong));
    assert_eq!(pool.waiting(), 0);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
    let pool = idle_pool(2);
    let mut waiting = [queue(&pool, "a", "right"), queue(&pool, "a", "wrong")];
    let refused = pool.verify(source("a"), Secret::new("right"), None).await;
    assert_eq!(refused, Err(Refusal::Busy { retry_after: 1 }));
    pool.pool.usual_micros.store(1_500_000, Ordering::Relaxed);
    let refused = pool.verify(source("a"), Secret::new("right"), None).await;
    assert_eq!(refused, Err(Refusal::Busy { retry_after: 3 }));
    let mut memory = Memory::default();
    for (answer, expected) in waiting.iter_mut().zip([Verdict::Right, Verdict::Wrong]) {
        let job = pool.pool.waiting().queue.pop().unwrap();
        pool.pool.work(job, &mut memory);
        assert_eq!(answer.await, Ok(expected));
    }
}

#[tokio::test]
async fn a_flood_of_one_source_gives_way_to_another() {
    let pool = idle_pool(3);
    let mut flood: Vec<_> = (0..3).map(|_| queue(&pool, "flood", "wrong")).collect();
    let mut modest = queue(&pool, "modest", "right");
    assert!(flood[2].try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
    let mut memory = Memory::default();
    for _ in 0..2 {
        let job = pool.pool.waiting().queue.pop().unwrap();
        pool.pool.work(job, &mut memory);
    }
    assert_eq!((flood[0].try_recv(), modest.try_recv()), (Ok(Verdict::Wrong), Ok(Verdict::Right)));
    assert_eq!(flood[1].try_recv(), Err(oneshot::error::TryRecvError::Empty), "still waits its turn");
}

#[tokio::test]
async fn nobody_is_checked_who_went_away() {
    let pool = idle_pool(2);
    drop(queue(&pool, "a", "right"));
    let usual = pool.pool.usual_micros.load(Ordering::Relaxed);
    let job = pool.pool.waiting().queue.pop().unwrap();
    let mut memory = Memory::default();
    pool.pool.work(job, &mut memory);
    assert!(memory.is_empty(), "no hash was computed");
    assert_eq!(pool.pool.usual_micros.load(Ordering::Relaxed), usual);
}

#[tokio::test]
async fn an_ended_pool_refuses_what_waits_and_what_comes() {
    let pool = idle_pool(2);
    let (waiting, inner) = (queue(&pool, "a", "right"), Arc::clone(&pool.pool));
    drop(pool);
    assert!(waiting.await.is_err());
    inner.run();
    let late = Passwords { pool: inner };
    assert!(matches!(late.verify(source("a"), Secret::new("x"), None).await, Err(Refusal::Busy { .. })));
}

#[test]
fn no_password_is_shown_by_debug() {
    let (reply, _answer) = oneshot::channel();
    let job = Job::Verify { password: Secret::new("hunter2"), stored: None, reply };
    assert!(!format!("{job:?}").contains("hunter2"));
}
