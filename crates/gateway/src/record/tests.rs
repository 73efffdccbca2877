//! What is kept of calls, and what is not.

use super::*;

const API: EntryId = EntryId::from_bytes([1; 16]);
const APPLICATION: EntryId = EntryId::from_bytes([2; 16]);

fn family(id: u128) -> FamilyKey {
    (Bucket::new(7).unwrap(), FamilyId::from_bytes(id.to_be_bytes()))
}

fn called(seconds: i64, id: Option<u128>) -> Called {
    Called {
        at: Timestamp::from_seconds(seconds),
        api: API,
        by: id.map(|id| (APPLICATION, family(id))),
        class: CallClass::Passed,
        micros: 3,
    }
}

fn drained(calls: &Calls) -> Drained {
    let mut drained = Vec::new();
    calls.drain(&mut drained);
    drained
}

#[test]
fn a_device_is_looked_at_once_a_minute() {
    let calls = Calls::default();
    let looks = std::cell::Cell::new(0);
    let push = |seconds, id| {
        calls.push(called(seconds, id), || {
            looks.set(looks.get() + 1);
            Sight::default()
        });
        looks.get()
    };
    // A call without a known caller, then two devices in two minutes.
    let told =
        [push(60, None), push(60, Some(1)), push(119, Some(1)), push(119, Some(2)), push(119, Some(1))];
    assert_eq!(told, [0, 1, 1, 2, 2]);
    assert_eq!([push(120, Some(1)), push(121, Some(1)), push(121, Some(2))], [3, 3, 4]);
    let with_sight: Vec<bool> = drained(&calls).iter().map(|(_, sight)| sight.is_some()).collect();
    assert_eq!(with_sight, [false, true, false, true, false, true, false, true]);
    assert_eq!(drained(&calls), []);
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let calls = Calls::default();
    for _ in 0..WAITING + 5 {
        calls.push(called(0, None), Sight::default);
    }
    assert_eq!((drained(&calls).len(), calls.dropped()), (WAITING, 5));
    calls.push(called(0, None), Sight::default);
    assert_eq!((drained(&calls).len(), calls.dropped()), (1, 5), "a drain makes room");

    let mut tally = Tally::new(2);
    let told = [1, 2, 3, 1].map(|id| tally.add(&called(0, Some(id)), None));
    assert_eq!(told, [Some(family(1)), Some(family(2)), None, None], "a family is new once");
    assert_eq!(tally.dropped(), 1, "what is counted already goes on");
    let sums = tally.take();
    let mut calls: Vec<u64> = sums.counts.values().map(|counts| counts.calls).collect();
    calls.sort_unstable();
    assert_eq!((calls, sums.seen.len()), (vec![1, 2], 2));
    tally.add(&called(0, Some(3)), None);
    assert_eq!((tally.dropped(), tally.is_empty()), (1, false));
}

#[test]
fn calls_are_added_up_by_day_api_and_family() {
    let mut tally = Tally::new(100);
    let sight = |text: &'static str| Some(Box::new(Sight { address: None, user_agent: Some(text.into()) }));
    tally.add(&called(86_399, Some(1)), sight("first"));
    tally.add(&called(86_400, Some(1)), None);
    tally.add(&called(86_410, Some(1)), sight("second"));
    tally.add(&called(86_405, Some(1)), None);
    tally.add(&called(86_400, Some(2)), None);
    tally.add(&Called { class: CallClass::Limited, ..called(86_400, None) }, None);
    let Sums { counts, seen } = tally.take();
    let of = |day, id: Option<u128>| {
        counts[&TallyKey { day: Day::from_number(day), api: API, by: id.map(|id| (APPLICATION, family(id))) }]
    };
    assert_eq!((of(0, Some(1)).calls, of(1, Some(1)).calls, of(1, Some(1)).micros), (1, 3, 9));
    assert_eq!((of(1, Some(2)).calls, of(1, None).limited, counts.len()), (1, 1, 4));
    let (at, last) = &seen[&family(1)];
    assert_eq!((at.as_seconds(), last.user_agent.as_deref()), (86_410, Some("second")));
    assert!(tally.is_empty() && tally.take() == Sums::default());
}

#[test]
fn a_user_agent_is_cut_and_made_printable() {
    let long = HeaderValue::from_str(&format!("agent/1 {}", "x".repeat(500))).unwrap();
    let kept = Sight::of(None, Some(&long)).user_agent.unwrap();
    assert_eq!((kept.len(), kept.starts_with("agent/1 xx")), (256, true));
    let odd = HeaderValue::from_bytes(b"caf\xc3\xa9\ttab").unwrap();
    assert_eq!(Sight::of(None, Some(&odd)).user_agent.as_deref(), Some("caf???tab"));
    assert_eq!(Sight::of(None, None), Sight::default());
}

#[test]
fn each_fault_has_its_phase_and_its_class() {
    for fault in Fault::table() {
        let (row, class) = (fault.row(), class(Some(&fault)));
        let expected = match row.code {
            "900800" | "900802" | "900803" | "900804" | "900806" | "900807" | "900808" | "900809" => {
                &[CallClass::Limited][..]
            }
            "900805" => &[CallClass::Limited],
            "900422" | "900425" | "900820" | "900821" | "900906" => &[CallClass::Unfit],
            code if code.starts_with("9009") && !row.status.is_server_error() => &[CallClass::Denied],
            _ if row.status.is_server_error() => &[CallClass::Failed, CallClass::Unfit],
            _ => &[CallClass::Unfit],
        };
        assert!(expected.contains(&class), "{} {class:?}", row.code);
        assert_ne!(class, CallClass::Passed);
    }
    assert_eq!(class(None), CallClass::Passed);
    assert_eq!(Phase::of(&Fault::NoSubscription).as_str(), "authorize");
}
