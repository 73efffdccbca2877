//! Limits that are counted elsewhere: nodes, a server, and a store, with everything between them that can go
//! wrong.

use std::collections::HashMap;
use std::time::Duration;

use latchkey_catalog::count::{HandBack, Tally};
use latchkey_oauth::clock::{Clock, ManualClock};
use proptest::prelude::*;

use super::*;
use crate::throttle::{Allotments, Ask, Grant, Unallotted};

const HOUR: i64 = 60 * MINUTE;

fn hourly(calls: u64) -> Arc<Tier> {
    let limit = Some(Limit { calls, window: Window::one(Unit::Hour) });
    Arc::new(Tier { limit, ..(*tier("Hourly", calls, None)).clone() })
}

/// Numbers that look random and are the same every time.
#[derive(Debug)]
struct Dice(AtomicU64);

impl Dice {
    fn roll(&self, sides: u64) -> u64 {
        let step = |state: u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695));
        let state = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step).unwrap();
        (state >> 33) % sides
    }
}

/// What a store does: one count for each key and window, changed in one step.
#[derive(Debug)]
struct Book {
    clock: Arc<ManualClock>,
    rows: Mutex<HashMap<(CountKey, Timestamp), Tally>>,
    leases: AtomicU64,
    is_away: AtomicU64,
}

impl Book {
    fn new(clock: &Arc<ManualClock>) -> Arc<Self> {
        let (leases, is_away) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { clock: Arc::clone(clock), rows: Mutex::default(), leases, is_away })
    }

    fn used(&self) -> u64 {
        self.rows.lock().unwrap().values().map(|tally| tally.used).sum()
    }
}

#[async_trait::async_trait]
impl Allotments for Book {
    async fn lease(&self, key: CountKey, Ask { plan, count, .. }: Ask) -> Result<Grant, Unallotted> {
        tokio::task::yield_now().await;
        if self.is_away.load(Ordering::SeqCst) > 0 {
            return Err(Unallotted);
        }
        self.leases.fetch_add(1, Ordering::SeqCst);
        let now = self.clock.now();
        let span = plan.limit.window.around(now);
        let mut rows = self.rows.lock().unwrap();
        let row = rows.entry((key, span.start)).or_insert(Tally::begin(span, 0));
        Ok(row.grant(plan.limit, count, now))
    }

    async fn give_back(&self, backs: Vec<(CountKey, HandBack)>) -> Result<(), Unallotted> {
        let mut rows = self.rows.lock().unwrap();
        for (key, back) in backs {
            if let Some(row) = rows.get_mut(&(key, back.window.start)) {
                row.take_back(back);
            }
        }
        Ok(())
    }
}

/// A server as a node sees it: far away, over a network that loses things.
#[derive(Debug)]
struct Server {
    clock: Arc<ManualClock>,
    counters: Mutex<Arc<Counters>>,
    book: Arc<Book>,
    dice: Dice,
    /// Of so many messages one is lost; none: the network is sound.
    loses_one_of: Option<u64>,
}

impl Server {
    fn start(clock: &Arc<ManualClock>, loses_one_of: Option<u64>, seed: u64) -> Arc<Self> {
        let book = Book::new(clock);
        let counters = Mutex::new(Self::process(&book, clock));
        Arc::new(Self {
            clock: Arc::clone(clock),
            counters,
            book,
            dice: Dice(AtomicU64::new(seed)),
            loses_one_of,
        })
    }

    fn process(book: &Arc<Book>, clock: &Arc<ManualClock>) -> Arc<Counters> {
        let supply: Arc<dyn Allotments> = book.clone();
        Arc::new(Counters::default().supplied(supply, Supplied::Long).begun_at(clock.now()))
    }

    /// The process that runs now.
    fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters.lock().unwrap())
    }

    /// The process is killed, and another begins.
    fn crash(&self) {
        *self.counters.lock().unwrap() = Self::process(&self.book, &self.clock);
    }

    /// A new node of this server.
    fn node(self: &Arc<Self>) -> Arc<Counters> {
        let supply: Arc<dyn Allotments> = self.clone();
        let node = Counters::default().supplied(supply, Supplied::All);
        node.set_nodes(3);
        Arc::new(node)
    }

    async fn travel(&self) -> Result<(), Unallotted> {
        for _ in 0..self.dice.roll(5) {
            tokio::task::yield_now().await;
        }
        match self.loses_one_of {
            Some(sides) if self.dice.roll(sides) == 0 => Err(Unallotted),
            Some(_) | None => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl Allotments for Server {
    async fn lease(&self, key: CountKey, ask: Ask) -> Result<Grant, Unallotted> {
        self.travel().await?;
        let asked = self.counters();
        let grant = asked.lend(key, (ask.plan.limit, ask.count), &*self.clock).await;
        self.travel().await?;
        grant.map_err(|_| Unallotted)
    }

    async fn give_back(&self, backs: Vec<(CountKey, HandBack)>) -> Result<(), Unallotted> {
        self.travel().await?;
        self.counters().take_back(&backs);
        self.travel().await
    }
}

/// How many of `calls` at once a gateway admits.
async fn admitted(
    counters: &Arc<Counters>,
    tier: &Arc<Tier>,
    (calls, clock): (usize, &Arc<ManualClock>),
) -> u64 {
    let attempts: Vec<_> = (0..calls)
        .map(|_| {
            let (counters, tier, clock) = (Arc::clone(counters), Arc::clone(tier), Arc::clone(clock));
            tokio::spawn(async move {
                let limits = || subscription(&tier).limits(call(1));
                counters.count_when_allotted(limits, &*clock).await.is_ok()
            })
        })
        .collect();
    let mut admitted = 0;
    for attempt in attempts {
        admitted += u64::from(attempt.await.unwrap());
    }
    admitted
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(at(7)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_nodes_and_a_thousand_calls_at_each_come_to_exactly_the_limit() {
    for calls in [1, 20, 333, 2500] {
        for tier in [tier("Minute", calls, None), hourly(calls)] {
            let clock = clock();
            let server = Server::start(&clock, None, calls);
            let mut nodes = vec![server.node(), server.node(), server.node(), server.counters()];
            let own = nodes.pop().unwrap();
            let at_once = nodes.iter().map(|node| admitted(node, &tier, (1000, &clock)));
            let (one, two, three, four) = {
                let mut at_once: Vec<_> = at_once.collect();
                let (three, two, one) =
                    (at_once.pop().unwrap(), at_once.pop().unwrap(), at_once.pop().unwrap());
                tokio::join!(one, two, three, admitted(&own, &tier, (200, &clock)))
            };
            let mut sum = one + two + three + four;
            assert!(sum <= calls, "{sum} of {calls}");
            // Permits that a node took ahead of calls that did not come are back after a second.
            clock.advance_millis(1_000);
            for node in &nodes {
                server.give_back(node.idle(clock.now())).await.unwrap();
            }
            for node in &nodes {
                sum += admitted(node, &tier, (1000, &clock)).await;
            }
            assert_eq!(sum, calls, "{}", tier.name);
        }
    }
}

#[tokio::test]
async fn a_long_window_goes_on_after_the_process_ended() {
    let (clock, day) = (clock(), hourly(100));
    let server = Server::start(&clock, None, 1);
    assert_eq!(admitted(&server.counters(), &day, (30, &clock)).await, 30);
    // Killed: what it held is lost, and never counted twice.
    let held = server.book.used() - 30;
    assert!((1..=24).contains(&held), "{held}");
    server.crash();
    assert_eq!(admitted(&server.counters(), &day, (20, &clock)).await, 20);
    // Ended in order: nothing is lost.
    let backs = server.counters().hand_back(clock.now());
    server.book.give_back(backs).await.unwrap();
    assert_eq!(server.book.used(), 50 + held);
    server.crash();
    assert_eq!(admitted(&server.counters(), &day, (200, &clock)).await, 50 - held);
    clock.advance_millis(HOUR);
    assert_eq!(admitted(&server.counters(), &day, (200, &clock)).await, 100);
}

#[tokio::test]
async fn a_large_limit_asks_rarely_and_ahead() {
    let (clock, tier) = (clock(), hourly(1_000_000));
    let server = Server::start(&clock, None, 1);
    let counters = server.counters();
    assert_eq!(admitted(&counters, &tier, (1, &clock)).await, 1);
    for _ in 0..5_000 {
        // No call waits: each finds a permit at once, while the next lease is under way.
        assert!(counters.count(subscription(&tier).limits(call(1)), clock.now()).is_ok());
        tokio::task::yield_now().await;
    }
    let leases = server.book.leases.load(Ordering::SeqCst);
    assert!((6..=8).contains(&leases), "{leases}");
    assert_eq!(counters.in_use().leases, leases);
}

#[tokio::test]
async fn a_refusal_is_remembered_until_the_window_ends() {
    let (clock, tier) = (clock(), hourly(3));
    let server = Server::start(&clock, None, 1);
    let counters = server.counters();
    assert_eq!(admitted(&counters, &tier, (9, &clock)).await, 3);
    let asked = server.book.leases.load(Ordering::SeqCst);
    for _ in 0..100 {
        let denied = counters.count(subscription(&tier).limits(call(1)), clock.now());
        let limit =
            RateLimit { tier: Arc::clone(&tier), limit: tier.limit.unwrap(), remaining: 0, ends: at(0) };
        let ends = tier.limit.unwrap().window.around(clock.now()).end;
        assert_eq!(denied, Err(Denied::Reached(ThrottledBy::Subscription, RateLimit { ends, ..limit })));
    }
    assert_eq!(server.book.leases.load(Ordering::SeqCst), asked);
}

#[tokio::test(start_paused = true)]
async fn without_the_store_what_is_held_is_used_up_and_then_calls_are_refused() {
    let (clock, tier) = (clock(), hourly(80));
    let server = Server::start(&clock, None, 1);
    let counters = server.counters();
    assert_eq!(admitted(&counters, &tier, (1, &clock)).await, 1);
    server.book.is_away.store(1, Ordering::SeqCst);
    assert_eq!(admitted(&counters, &tier, (30, &clock)).await, 9);
    let denied = counters.count_when_allotted(|| subscription(&tier).limits(call(1)), &*clock).await;
    assert_eq!(denied, Err(Denied::Unallotted));
    // While it just failed, nobody asks again.
    let asked = counters.in_use();
    assert_eq!(admitted(&counters, &tier, (50, &clock)).await, 0);
    assert_eq!(counters.in_use(), asked);
    server.book.is_away.store(0, Ordering::SeqCst);
    tokio::time::advance(Duration::from_millis(260)).await;
    assert_eq!(admitted(&counters, &tier, (100, &clock)).await, 70);
    assert_eq!(counters.in_use().failures, asked.failures);
}

#[tokio::test]
async fn a_reset_acts_on_the_next_call_and_gives_no_permit_twice() {
    let (clock, tier) = (clock(), hourly(80));
    let server = Server::start(&clock, None, 1);
    let counters = server.counters();
    assert_eq!(admitted(&counters, &tier, (90, &clock)).await, 80);
    server.book.rows.lock().unwrap().values_mut().for_each(Tally::reset);
    let was = counters.reset(|_| true, clock.now());
    assert_eq!((was.counts, was.unused), (1, Vec::new()));
    assert_eq!(admitted(&counters, &tier, (5, &clock)).await, 5);
    // What is held goes back, and what was asked for meanwhile too.
    let was = counters.reset(|_| true, clock.now());
    assert_eq!(was.unused.iter().map(|(_, back)| back.permits).sum::<u64>(), 5);
    server.book.give_back(was.unused).await.unwrap();
    assert_eq!(server.book.used(), 5);
    assert_eq!(admitted(&counters, &tier, (90, &clock)).await, 75);
}

#[tokio::test]
async fn an_answer_that_a_reset_overtook_goes_back() {
    let (clock, tier) = (clock(), hourly(80));
    let server = Server::start(&clock, None, 1);
    let counters = server.counters();
    let waits = counters.count(subscription(&tier).limits(call(1)), clock.now());
    assert!(matches!(waits, Err(Denied::Wanting(_))), "{waits:?}");
    counters.reset(|_| true, clock.now());
    while counters.in_use().leases > server.book.leases.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    assert_eq!(server.book.used(), 0);
}

/// What happens to nodes that share a limit by a server.
#[derive(Debug, Clone)]
enum Event {
    /// So many calls at once at a node; node 3 is the server itself.
    Calls(usize, usize),
    /// The server is killed.
    ServerCrash,
    /// The server ends in order.
    ServerEnd,
    /// A node is killed.
    NodeCrash(usize),
    /// A node gives back what it does not use.
    NodeIdle(usize),
    /// Milliseconds pass.
    Pass(i64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        10 => (0_usize..4, 1_usize..40).prop_map(|(node, calls)| Event::Calls(node, calls)),
        1 => Just(Event::ServerCrash),
        1 => Just(Event::ServerEnd),
        1 => (0_usize..3).prop_map(Event::NodeCrash),
        2 => (0_usize..3).prop_map(Event::NodeIdle),
        2 => (0_i64..20 * MINUTE).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..40)
}

/// Plays `events`; how many calls each hour admitted.
async fn play(events: Vec<Event>, calls: u64, seed: u64) -> HashMap<i64, u64> {
    let (clock, tier) = (clock(), hourly(calls));
    let server = Server::start(&clock, Some(4), seed);
    let mut nodes = [server.node(), server.node(), server.node()];
    let mut sums: HashMap<i64, u64> = HashMap::new();
    for event in events {
        match event {
            Event::Calls(node, count) => {
                let own = server.counters();
                let at = nodes.get(node).unwrap_or(&own);
                let hour = clock.now().as_millis() / HOUR;
                *sums.entry(hour).or_default() += admitted(at, &tier, (count, &clock)).await;
            }
            Event::ServerCrash => server.crash(),
            Event::ServerEnd => {
                let backs = server.counters().hand_back(clock.now());
                server.crash();
                server.book.give_back(backs).await.unwrap();
            }
            Event::NodeCrash(node) => nodes[node] = server.node(),
            Event::NodeIdle(node) => {
                let _ = server.give_back(nodes[node].idle(clock.now())).await;
            }
            Event::Pass(millis) => clock.advance_millis(millis),
        }
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is lost on the way, whoever is killed: no hour admits more than its limit.
    #[test]
    fn no_interleaving_admits_more(events in events(), calls in 1_u64..200, seed in any::<u64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let sums = runtime.unwrap().block_on(play(events, calls, seed));
        for (hour, sum) in sums {
            prop_assert!(sum <= calls, "{sum} of {calls} in hour {hour}");
        }
    }
}
