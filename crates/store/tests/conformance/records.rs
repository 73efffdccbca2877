//! What is kept of calls: added up, read in pages, forgotten in time.

use std::sync::Arc;

use latchkey_catalog::id::EntryId;
use latchkey_catalog::usage::{CallClass, Counts, Day};
use latchkey_oauth::family::Device;
use latchkey_oauth::id::{Bucket, PrincipalId};
use latchkey_store::records::{Batch, DeviceKey, Recorded, SENDERS, Sighting, Usage, UsageKey, UsageOf};
use latchkey_store::rows::HolderId;

use crate::ask::Ask;
use crate::lab::{Desk, Lab};

const API: EntryId = EntryId::from_bytes([1; 16]);
const OTHER_API: EntryId = EntryId::from_bytes([2; 16]);
const APPLICATION: EntryId = EntryId::from_bytes([3; 16]);
const OTHER_APPLICATION: EntryId = EntryId::from_bytes([4; 16]);

fn device(name: &str) -> Device {
    Device::from_stored(name)
}

fn key(day: Day, subject: u8, name: &str) -> UsageKey {
    let subject = PrincipalId::from_bytes([subject; 16]);
    let bucket = Bucket::of(PrincipalId::from_bytes([9; 16]), subject);
    let (application, subject) = (Some(APPLICATION), Some(subject));
    UsageKey { day, bucket, api: API, application, subject, device: device(name) }
}

fn used(key: UsageKey, calls: u64) -> Usage {
    let mut counts = Counts::one(CallClass::Limited, 7);
    for _ in 1..calls {
        counts.add(&Counts::one(CallClass::Passed, 5));
    }
    Usage { key, counts }
}

async fn record(desk: &Desk, usage: Vec<Usage>, sightings: Vec<Sighting>) {
    desk.store.record(Arc::new(Recorded { usage, sightings, batch: None })).await.unwrap();
}

/// All counts from `from` on, read in pages of two.
async fn pages(desk: &Desk, of: UsageOf, from: Day) -> Vec<Usage> {
    let mut all: Vec<Usage> = Vec::new();
    loop {
        let after = all.last().map(|usage| usage.key.clone());
        let page = desk.store.usage(of, from, after, 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

pub(crate) async fn counts_are_added_up_for_each_key(lab: &mut Lab) {
    let today = Day::of(lab.now());
    let keys = [key(today, 1, "device_a"), key(today, 1, "device_b"), key(today, 1, ""), key(today, 2, "")];
    for _ in 0..3 {
        let usage = keys.iter().zip(1..).map(|(key, calls)| used(key.clone(), calls)).collect();
        record(lab, usage, Vec::new()).await;
    }
    let mut expected: Vec<Usage> = Vec::new();
    for (key, calls) in keys.iter().zip(1..) {
        let mut usage = used(key.clone(), calls);
        for _ in 0..2 {
            usage.counts.add(&used(key.clone(), calls).counts);
        }
        expected.push(usage);
    }
    expected.sort_by(|one, other| one.key.cmp(&other.key));
    let of = UsageOf::Application(APPLICATION);
    assert_eq!(lab.store.usage(of, today, None, 100).await.unwrap(), expected);
    let before = lab.seq().await;
    record(lab, vec![used(keys[0].clone(), 1)], Vec::new()).await;
    assert_eq!(lab.seq().await, before, "records are no events");
}

pub(crate) async fn usage_is_read_by_application_and_api_in_pages(lab: &mut Lab) {
    let today = Day::of(lab.now());
    let mut mine = Vec::new();
    for (number, back) in (0..9_u8).zip([0, 1, 2].into_iter().cycle()) {
        mine.push(used(key(today.minus(back), number, "device_a"), 2));
    }
    let nobody = UsageKey {
        application: None,
        subject: None,
        device: device(""),
        bucket: Bucket::new(0).unwrap(),
        ..key(today, 1, "")
    };
    let elsewhere = UsageKey { api: OTHER_API, ..key(today, 1, "") };
    let of_other = UsageKey { application: Some(OTHER_APPLICATION), ..key(today, 1, "") };
    let others = [nobody, elsewhere, of_other].map(|key| used(key, 1));
    record(lab, mine.iter().chain(&others).cloned().collect(), Vec::new()).await;

    let [nobody, elsewhere, of_other] = others;
    let cases = [
        (UsageOf::Application(APPLICATION), today.minus(2), [mine.clone(), vec![elsewhere.clone()]].concat()),
        (UsageOf::Api(API), today.minus(2), [mine.clone(), vec![nobody, of_other.clone()]].concat()),
        (UsageOf::Api(OTHER_API), today.minus(2), vec![elsewhere]),
        (UsageOf::Application(OTHER_APPLICATION), today, vec![of_other]),
        (UsageOf::Application(EntryId::from_bytes([8; 16])), today, vec![]),
        (UsageOf::Api(API), Day::of(lab.now().plus_seconds(86_400)), vec![]),
    ];
    for (of, from, mut expected) in cases {
        expected.sort_by(|one, other| one.key.cmp(&other.key));
        assert_eq!(pages(lab, of, from).await, expected, "{of:?} from {from}");
    }
    let recent = pages(lab, UsageOf::Application(APPLICATION), today.minus(1)).await;
    assert!(recent.iter().all(|usage| usage.key.day >= today.minus(1)), "{recent:?}");
    assert_eq!(recent.len(), 7);
}

pub(crate) async fn the_last_sighting_of_a_device_stays(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let holder = HolderId { client: app.client, subject: alice };
    let seen = |name: &str, seconds: i64, address: Option<&str>| Sighting {
        device: DeviceKey { holder, device: device(name) },
        first_at: lab.now(),
        at: lab.now().plus_seconds(seconds),
        address: address.map(|address| address.parse().unwrap()),
        user_agent: address.map(|_| "agent/1".into()),
    };
    let later = seen("device_a", 60, Some("2001:db8::1"));
    let unnamed = seen("", 5, Some("192.0.2.1"));
    record(lab, Vec::new(), vec![seen("device_a", 0, Some("192.0.2.7")), unnamed.clone()]).await;
    record(lab, Vec::new(), vec![Sighting { first_at: later.at, ..later.clone() }]).await;
    record(lab, Vec::new(), vec![seen("device_a", 30, None)]).await;
    let of = |name: &str| DeviceKey { holder, device: device(name) };
    let found = lab.store.last_seen(vec![of("device_b"), of("device_a"), of("")]).await.unwrap();
    assert_eq!(found, [None, Some(later), Some(unnamed)]);
    let private = Sighting { address: None, user_agent: None, ..seen("device_a", 90, None) };
    record(lab, Vec::new(), vec![private.clone()]).await;
    assert_eq!(lab.store.last_seen(vec![of("device_a")]).await.unwrap(), [Some(private)]);
}

pub(crate) async fn records_go_when_their_time_is_over(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let family = lab.issued(&Ask::user(&app, alice)).await;
    lab.issued(&Ask::user(&app, bob)).await;
    let now = lab.now();
    let today = Day::of(now);
    let seen = |subject, days: i64| Sighting {
        device: DeviceKey { holder: HolderId { client: app.client, subject }, device: device("device_a") },
        first_at: now,
        at: now.plus_seconds(-86_400 * days),
        address: None,
        user_agent: None,
    };
    let days = [0, 1, 2, 3].map(|back| used(key(today.minus(back), 1, ""), 1));
    record(lab, days.to_vec(), vec![seen(alice, 0), seen(bob, 3)]).await;

    let mut trimmed = 0;
    for number in 0..Bucket::COUNT {
        trimmed += lab.store.trim_records(Bucket::new(number).unwrap(), today.minus(1)).await.unwrap();
    }
    assert_eq!(trimmed, 2, "the oldest day, and bob's device");
    let bucket = days[0].key.bucket;
    assert_eq!(lab.store.trim_records(bucket, today.minus(1)).await, Ok(1), "the next day");
    assert_eq!(lab.store.trim_records(bucket, today.minus(1)).await, Ok(0));
    let of = UsageOf::Application(APPLICATION);
    let left: Vec<Day> = pages(lab, of, today.minus(9)).await.iter().map(|one| one.key.day).collect();
    assert_eq!(left, [today.minus(1), today]);

    let devices = vec![seen(alice, 0).device, seen(bob, 0).device];
    assert_eq!(lab.store.last_seen(devices.clone()).await.unwrap(), [Some(seen(alice, 0)), None]);
    lab.end(&family).await;
    assert_eq!(lab.store.trim_records(family.bucket, today.minus(1)).await, Ok(1), "alice holds nothing");
    assert_eq!(lab.store.last_seen(devices).await.unwrap(), [None, None]);
}

/// How many calls are counted after a node sent one call in this batch.
pub(crate) async fn after_batch(lab: &Lab, node: &str, sender: u8, number: u64) -> u64 {
    let today = Day::of(lab.now());
    let batch = Some(Batch { node: node.to_owned(), sender: [sender; 16], number });
    let usage = vec![used(key(today, 1, "device_a"), 1)];
    lab.store.record(Arc::new(Recorded { usage, sightings: Vec::new(), batch })).await.unwrap();
    let held = lab.store.usage(UsageOf::Application(APPLICATION), today, None, 100).await.unwrap();
    held.iter().map(|usage| usage.counts.calls).sum()
}

pub(crate) async fn a_batch_of_a_node_counts_once(lab: &mut Lab) {
    let cases = [
        (("edge-1", 1, 1), 1, "the first one"),
        (("edge-1", 1, 1), 1, "its answer was lost, and it comes again"),
        (("edge-1", 1, 2), 2, "the next one"),
        (("edge-1", 1, 1), 2, "one that was held up on the way"),
        (("edge-1", 2, 1), 3, "another process of the node"),
        (("edge-2", 1, 1), 4, "another node"),
        (("edge-1", 1, 2), 4, "the first process goes on where it was"),
        (("edge-1", 1, 9), 5, "with whatever number"),
    ];
    for ((node, sender, number), expected, what) in cases {
        assert_eq!(after_batch(lab, node, sender, number).await, expected, "{what}");
    }
}

pub(crate) async fn the_processes_of_a_node_that_are_remembered_are_few(lab: &mut Lab) {
    let most = u8::try_from(SENDERS).unwrap();
    for sender in 0..most {
        lab.clock.advance_seconds(1);
        after_batch(lab, "edge-1", sender, 1).await;
    }
    let full = u64::from(most);
    assert_eq!(after_batch(lab, "edge-1", 0, 1).await, full, "all of them are remembered");
    lab.clock.advance_seconds(1);
    assert_eq!(after_batch(lab, "edge-1", 0, 2).await, full + 1);
    lab.clock.advance_seconds(1);
    assert_eq!(after_batch(lab, "edge-1", most, 1).await, full + 2, "one more");
    assert_eq!(after_batch(lab, "edge-1", 0, 2).await, full + 2, "who was heard lately is remembered");
    assert_eq!(after_batch(lab, "edge-1", 1, 1).await, full + 3, "who was silent longest is not");
}
