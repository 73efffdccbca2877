//! What counters admit, alone and as one of several.

mod shared;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use latchkey_catalog::id::EntryId;
use latchkey_catalog::tier::{Level, Limit, PastLimit, Tier, TierDetails, Unit, Window};

use super::*;
use crate::throttle::{Counted, Tiers};

const MINUTE: i64 = 60_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(28_000_000 * MINUTE + millis)
}

fn tier(name: &str, calls: u64, burst: Option<u64>) -> Arc<Tier> {
    let limit = |calls, unit| Limit { calls, window: Window::one(unit) };
    Arc::new(Tier {
        name: name.to_owned(),
        level: Level::Subscription,
        limit: Some(limit(calls, Unit::Minute)),
        burst: burst.map(|calls| limit(calls, Unit::Second)),
        past_limit: PastLimit::Refuse,
        details: TierDetails::default(),
    })
}

/// A call of application `application`, to API 1.
fn call(application: u16) -> Counted {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&application.to_be_bytes());
    let application = Some(EntryId::from_bytes(id));
    Counted { api: EntryId::from_bytes([1; 16]), resource: 0, application, subject: None }
}

fn subscription(tier: &Arc<Tier>) -> Tiers<'_> {
    Tiers { subscription: Some(tier), ..Tiers::default() }
}

fn told(tier: &Arc<Tier>, remaining: u64, ends: Timestamp) -> RateLimit {
    RateLimit { tier: Arc::clone(tier), limit: tier.limit.unwrap(), remaining, ends }
}

#[test]
fn of_many_parallel_calls_exactly_the_limit_passes() {
    let (counters, bronze) = (Arc::new(Counters::default()), tier("Bronze", 1000, None));
    let (wide, admitted) = (tier("Wide", 100_000, Some(100_000)), AtomicU64::new(0));
    // Some callers name the keys of others first, so that locks taken in the order of the limits would
    // wait for each other.
    let callers = [
        Tiers { subscription: Some(&bronze), application: Some(&wide), ..Tiers::default() },
        Tiers { api: Some(&wide), subscription: Some(&bronze), ..Tiers::default() },
    ];
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (counters, admitted, tiers) = (&counters, &admitted, callers[thread % 2]);
            scope.spawn(move || {
                for _ in 0..1000 {
                    let passes = counters.count(tiers.limits(call(1)), at(5)).is_ok();
                    admitted.fetch_add(u64::from(passes), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 1000);
}

#[test]
fn the_next_window_counts_anew_and_the_clock_set_back_does_not() {
    let (counters, bronze) = (Arc::new(Counters::default()), tier("Bronze", 3, None));
    let admitted = |now| {
        let calls = (0..10).filter(|_| counters.count(subscription(&bronze).limits(call(1)), now).is_ok());
        calls.count()
    };
    assert_eq!(admitted(at(59_999)), 3);
    assert_eq!(admitted(at(MINUTE)), 3);
    assert_eq!(admitted(at(0)), 0);
    assert_eq!(admitted(at(2 * MINUTE + 17)), 3);
}

#[test]
fn what_is_told_is_the_limit_closest_to_its_end() {
    let (counters, narrow, wide) =
        (Arc::new(Counters::default()), tier("Narrow", 2, None), tier("Wide", 9, None));
    let tiers = Tiers { subscription: Some(&wide), application: Some(&narrow), ..Tiers::default() };
    let count = || counters.count(tiers.limits(call(1)), at(1));
    assert_eq!(count(), Ok(Some(told(&narrow, 1, at(MINUTE)))));
    assert_eq!(count(), Ok(Some(told(&narrow, 0, at(MINUTE)))));
    let reached = Denied::Reached(ThrottledBy::Application, told(&narrow, 0, at(MINUTE)));
    for _ in 0..20 {
        assert_eq!(count(), Err(reached.clone()));
    }
    // Refused calls were counted nowhere, so the wide limit has seven left.
    let alone = counters.count(subscription(&wide).limits(call(1)), at(1));
    assert_eq!(alone, Ok(Some(told(&wide, 6, at(MINUTE)))));
    assert_eq!(counters.count(Tiers::default().limits(call(1)), at(1)), Ok(None));
}

#[test]
fn a_burst_refuses_before_the_plan_is_used_up() {
    let (counters, tier) = (Arc::new(Counters::default()), tier("Bursting", 5, Some(2)));
    let count = |now| counters.count(subscription(&tier).limits(call(1)), now);
    let refused_by = |now| match count(now) {
        Err(Denied::Reached(by, limit)) => (by, limit.ends),
        other => panic!("{other:?}"),
    };
    assert!(count(at(0)).is_ok() && count(at(1)).is_ok());
    assert_eq!(refused_by(at(2)), (ThrottledBy::SubscriptionBurst, at(1000)));
    assert!(count(at(1000)).is_ok() && count(at(1999)).is_ok());
    assert!(count(at(2000)).is_ok());
    assert_eq!(refused_by(at(2001)), (ThrottledBy::Subscription, at(MINUTE)));
}

#[test]
fn another_plan_acts_on_the_next_call_and_a_reset_begins_anew() {
    let counters = Arc::new(Counters::default());
    let admitted = |calls| {
        let tier = tier("Plan", calls, None);
        (0..50).filter(|_| counters.count(subscription(&tier).limits(call(1)), at(9)).is_ok()).count()
    };
    assert_eq!([admitted(10), admitted(30), admitted(10)], [10, 20, 0]);
    let key = CountKey::Subscription(call(1).api, call(1).application);
    let reset = || counters.reset(|one| *one == key, at(9)).counts;
    assert_eq!([reset(), reset()], [1, 0]);
    assert_eq!(admitted(10), 10);
    let closed = tier("Closed", 0, None);
    let denied = counters.count(subscription(&closed).limits(call(2)), at(9));
    assert_eq!(denied, Err(Denied::Reached(ThrottledBy::Subscription, told(&closed, 0, at(MINUTE)))));
}

#[test]
fn a_full_store_of_counts_refuses_newcomers_until_windows_end() {
    let (counters, bronze) = (Arc::new(Counters::with_most_keys(SHARDS * 4)), tier("Bronze", 9, None));
    let count = |application, now| counters.count(subscription(&bronze).limits(call(application)), now);
    let refused = (0..2000).filter(|number| count(*number, at(0)) == Err(Denied::Full)).count();
    assert_eq!(counters.len(), SHARDS * 4);
    assert_eq!(refused, 2000 - counters.len());
    let known = (0..2000).find(|number| count(*number, at(1)).is_ok()).unwrap();
    let unknown = (0..2000).find(|number| count(*number, at(1)).is_err()).unwrap();
    // Who is counted goes on; who is not comes in once others' windows are over.
    assert!(count(known, at(59_000)).is_ok());
    assert_eq!(count(unknown, at(59_000)), Err(Denied::Full));
    assert!(count(unknown, at(MINUTE)).is_ok());
}
