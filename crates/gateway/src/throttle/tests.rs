use std::collections::BTreeMap;

use latchkey_catalog::tier::{Unit, Window};
use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(28_000_000 * MINUTE + millis)
}

fn plan(calls: u64, nodes: u16) -> Plan {
    Plan { limit: Limit { calls, window: Window::one(Unit::Minute) }, nodes }
}

fn ledger() -> Ledger {
    Ledger::counting_from(0)
}

/// One call at a node that reaches the ledger at once.
fn call(lease: &mut Lease, ledger: &mut Ledger, plan: Plan, now: Timestamp) -> bool {
    loop {
        match decide(&mut [(lease, plan)], now) {
            Verdict::Admit => return true,
            Verdict::Refuse { .. } => return false,
            Verdict::Ask(asks) => {
                let ask = asks[0].1;
                lease.put(&ask, ledger.grant(ask.plan.limit, ask.count, now));
            }
        }
    }
}

#[test]
fn a_window_admits_exactly_the_limit() {
    for (calls, nodes) in [(1, 1), (20, 1), (20, 3), (5000, 1), (5000, 3), (100_000, 4)] {
        let (plan, mut ledger) = (plan(calls, nodes), ledger());
        let mut leases = vec![Lease::default(); usize::from(nodes)];
        for minute in 0..3 {
            let mut admitted = 0;
            for attempt in 0..calls + 500 {
                let node = usize::try_from(attempt % u64::from(nodes)).unwrap();
                let now = at(minute * MINUTE + i64::try_from(attempt % 59_000).unwrap());
                admitted += u64::from(call(&mut leases[node], &mut ledger, plan, now));
            }
            assert_eq!(admitted, calls, "{calls} over {nodes} nodes in minute {minute}");
        }
    }
}

#[test]
fn a_refusal_says_when_the_window_ends_and_asks_nobody() {
    let (mut lease, mut ledger) = (Lease::default(), ledger());
    assert!(call(&mut lease, &mut ledger, plan(1, 1), at(10)));
    assert!(!call(&mut lease, &mut ledger, plan(1, 1), at(20)));
    let refused = Verdict::Refuse { limit: 0, until: at(MINUTE) };
    assert_eq!(decide(&mut [(&mut lease, plan(1, 1))], at(59_999)), refused);
    assert!(matches!(decide(&mut [(&mut lease, plan(1, 1))], at(MINUTE)), Verdict::Ask(_)));
    let none = Verdict::Refuse { limit: 0, until: at(MINUTE) };
    assert_eq!(decide(&mut [(&mut Lease::default(), plan(0, 1))], at(5)), none);
}

#[test]
fn a_call_takes_of_all_limits_or_of_none() {
    let (mut narrow, mut wide) = (Lease::default(), Lease::default());
    let (mut narrow_ledger, mut wide_ledger) = (ledger(), ledger());
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        let mut verdict = decide(&mut [(&mut wide, plan(5, 1)), (&mut narrow, plan(2, 1))], at(0));
        while let Verdict::Ask(asks) = &verdict {
            for (place, ask) in asks {
                let (lease, ledger) = if *place == 0 {
                    (&mut wide, &mut wide_ledger)
                } else {
                    (&mut narrow, &mut narrow_ledger)
                };
                lease.put(ask, ledger.grant(ask.plan.limit, ask.count, at(0)));
            }
            verdict = decide(&mut [(&mut wide, plan(5, 1)), (&mut narrow, plan(2, 1))], at(0));
        }
        outcomes.push(verdict);
    }
    let refused = Verdict::Refuse { limit: 1, until: at(MINUTE) };
    assert_eq!(outcomes[..2], [Verdict::Admit, Verdict::Admit]);
    assert!(outcomes[2..].iter().all(|outcome| *outcome == refused), "{outcomes:?}");
    // Two calls were admitted, so the wide limit has three left.
    assert_eq!(wide.remaining(plan(5, 1), at(0)), (3, at(MINUTE)));
}

#[test]
fn a_larger_plan_and_a_reset_act_at_once() {
    let (mut lease, mut ledger) = (Lease::default(), ledger());
    let admitted = |lease: &mut Lease, ledger: &mut Ledger, plan| {
        (0..100).filter(|_| call(lease, ledger, plan, at(0))).count()
    };
    assert_eq!(admitted(&mut lease, &mut ledger, plan(10, 1)), 10);
    assert_eq!(admitted(&mut lease, &mut ledger, plan(30, 1)), 20);
    assert_eq!(admitted(&mut lease, &mut ledger, plan(10, 1)), 0);
    // A node that hears of a reset forgets what it holds; what it hands back of the old count is over.
    let window = ledger.tally().window;
    ledger.reset();
    ledger.take_back(HandBack { window, permits: 3 });
    assert_eq!(admitted(&mut Lease::default(), &mut ledger, plan(30, 1)), 30);
    // One that has not heard of it believes that the limit is reached, until its next answer.
    assert_eq!(admitted(&mut lease, &mut ledger, plan(30, 1)), 0);
}

#[test]
fn permits_of_a_quiet_node_come_back() {
    let (plan, mut ledger) = (plan(1600, 2), ledger());
    let (mut quiet, mut busy) = (Lease::default(), Lease::default());
    assert!(call(&mut quiet, &mut ledger, plan, at(0)));
    let admitted = (0..2000).filter(|_| call(&mut busy, &mut ledger, plan, at(10))).count();
    assert_eq!(admitted, 1500, "the quiet node holds 99 that it does not use");
    assert_eq!(quiet.idle(at(999)), None);
    ledger.take_back(quiet.idle(at(1000)).unwrap());
    assert_eq!(quiet.idle(at(5000)), None);
    let admitted = (0..2000).filter(|_| call(&mut busy, &mut ledger, plan, at(1010))).count();
    assert_eq!(admitted, 99);
}

#[test]
fn permits_end_with_their_window() {
    let (plan, mut ledger, mut lease) = (plan(800, 1), ledger(), Lease::default());
    let Standing::Ask(ask) = lease.look(plan, at(59_990)) else { panic!("nothing is held yet") };
    let grant = ledger.grant(ask.plan.limit, ask.count, at(59_995));
    assert_eq!((grant.permits, grant.remaining), (100, 5));
    lease.put(&ask, grant);
    assert_eq!(lease.look(plan, at(59_994)), Standing::Ready);
    // The node asked at :990 and the ledger, later, said 5 ms: the node counts them from its asking.
    assert!(matches!(lease.look(plan, at(59_995)), Standing::Ask(_)));
    // An answer that comes in the next window is of no use, and does not replace a later one.
    let Standing::Ask(next) = lease.look(plan, at(MINUTE)) else { panic!("the window is over") };
    lease.put(&next, ledger.grant(next.plan.limit, next.count, at(MINUTE)));
    let before = lease;
    lease.put(&ask, grant);
    assert_eq!(lease, before);
}

#[test]
fn a_ledger_whose_clock_is_set_back_gives_nothing_twice() {
    let (plan, mut ledger) = (plan(10, 1), ledger());
    assert_eq!(ledger.grant(plan.limit, 10, at(MINUTE)).permits, 10);
    assert_eq!(ledger.grant(plan.limit, 10, at(MINUTE - 5000)).permits, 0);
    assert_eq!(ledger.grant(plan.limit, 10, at(MINUTE + 5000)).permits, 0);
    assert_eq!(ledger.grant(plan.limit, 10, at(2 * MINUTE)).permits, 10);
}

/// What happens to nodes that share a limit.
#[derive(Debug, Clone)]
enum Event {
    /// A call at a node; it is admitted, refused, or sends a question.
    Call(usize),
    /// The ledger reads the oldest question that it has not read.
    Read,
    /// The oldest answer arrives.
    Arrive,
    /// The oldest question or answer is lost.
    Lose,
    /// Milliseconds pass.
    Pass(i64),
    /// A node hands its permits back.
    HandBack(usize),
    /// A node forgets everything.
    Crash(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let node = 0_usize..3;
    let event = prop_oneof![
        12 => node.clone().prop_map(Event::Call),
        6 => Just(Event::Read),
        6 => Just(Event::Arrive),
        1 => Just(Event::Lose),
        2 => (0_i64..20_000).prop_map(Event::Pass),
        1 => node.clone().prop_map(Event::HandBack),
        1 => node.prop_map(Event::Crash),
    ];
    prop::collection::vec(event, 1..400)
}

/// Three nodes and a ledger with messages under way. `skews` are what the nodes' clocks are ahead.
struct World {
    plan: Plan,
    ledger: Ledger,
    leases: [Lease; 3],
    skews: [i64; 3],
    questions: Vec<(usize, Ask)>,
    answers: Vec<(usize, Ask, Grant)>,
    now: i64,
    admitted: BTreeMap<i64, u64>,
}

impl World {
    fn step(&mut self, event: &Event) {
        match *event {
            Event::Call(node) => {
                let now = at(self.now + self.skews[node]);
                match decide(&mut [(&mut self.leases[node], self.plan)], now) {
                    Verdict::Admit => *self.admitted.entry(self.now / MINUTE).or_default() += 1,
                    Verdict::Ask(asks) => self.questions.push((node, asks[0].1)),
                    Verdict::Refuse { .. } => {}
                }
            }
            Event::Read if !self.questions.is_empty() => {
                let (node, ask) = self.questions.remove(0);
                self.answers.push((node, ask, self.ledger.grant(ask.plan.limit, ask.count, at(self.now))));
            }
            Event::Arrive if !self.answers.is_empty() => {
                let (node, ask, grant) = self.answers.remove(0);
                self.leases[node].put(&ask, grant);
            }
            Event::Lose if !self.questions.is_empty() => drop(self.questions.remove(0)),
            Event::Lose if !self.answers.is_empty() => drop(self.answers.remove(0)),
            Event::Read | Event::Arrive | Event::Lose => {}
            Event::Pass(millis) => self.now += millis,
            Event::HandBack(node) => {
                if let Some(back) = self.leases[node].hand_back() {
                    self.ledger.take_back(back);
                }
            }
            Event::Crash(node) => self.leases[node] = Lease::default(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is delayed or lost, whoever crashes, however wrong the nodes' clocks: no window admits more.
    #[test]
    fn never_more_than_the_limit(
        events in events(), calls in 1_u64..120, skews in prop::array::uniform3(-90_000_i64..90_000),
    ) {
        let mut world = World {
            plan: plan(calls, 3), ledger: ledger(), leases: [Lease::default(); 3], skews,
            questions: Vec::new(), answers: Vec::new(), now: 0, admitted: BTreeMap::new(),
        };
        for event in &events {
            world.step(event);
        }
        for (minute, admitted) in world.admitted {
            prop_assert!(admitted <= calls, "{admitted} of {calls} in minute {minute}");
        }
    }

    /// While every node reaches the ledger, and each has calls enough, the limit is reached exactly.
    #[test]
    fn exactly_the_limit_when_all_are_connected(
        nodes in prop::collection::vec(0_usize..3, 1..300), calls in 1_u64..3000,
    ) {
        let (plan, mut ledger, mut leases) = (plan(calls, 3), ledger(), [Lease::default(); 3]);
        let mut admitted = 0;
        let rest = (0..3 * usize::try_from(calls).unwrap() + 3).map(|attempt| attempt % 3);
        for node in nodes.into_iter().chain(rest) {
            admitted += u64::from(call(&mut leases[node], &mut ledger, plan, at(admitted.try_into().unwrap())));
        }
        prop_assert_eq!(admitted, calls);
        prop_assert_eq!(ledger.tally().used, calls);
    }
}
