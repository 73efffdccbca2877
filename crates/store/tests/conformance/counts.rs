//! What limits give out.

use latchkey_catalog::count::{CountKey, Grant, HandBack, Tally, WindowId};
use latchkey_catalog::tier::{Limit, Unit, Window};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::event::EventKind;
use latchkey_oauth::id::PrincipalId;
use latchkey_store::counts::{CountReset, CountsOf, Lease};

use crate::lab::{App, Desk, Lab};

const HOUR: i64 = 3_600_000;

fn hourly(calls: u64) -> Limit {
    Limit { calls, window: Window::one(Unit::Hour) }
}

/// The count of an application for one of its users.
fn key(app: &App, user: u8) -> CountKey {
    CountKey::Application(app.application, Some(PrincipalId::from_bytes([user; 16])))
}

async fn lease(desk: &Desk, key: CountKey, limit: Limit, count: u64) -> Grant {
    desk.store.lease(Lease { key, limit, count }).await.unwrap()
}

/// How many permits there are where `count` are asked for.
async fn given(desk: &Desk, key: CountKey, limit: Limit, count: u64) -> u64 {
    lease(desk, key, limit, count).await.permits
}

/// Sets the clock, forwards or back.
fn move_to(desk: &Desk, at: Timestamp) {
    desk.clock.advance_millis(at.millis_since(desk.now()));
}

fn reset(app: &App, which: Vec<CountsOf>) -> CountReset {
    CountReset { which, application: app.application, subject: None, actor: "admin".to_owned() }
}

pub(crate) async fn a_count_gives_what_is_left_of_its_limit(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let key = key(&app, 1);
    let start = hourly(1).window.around(lab.now()).start;
    let remaining = HOUR - lab.now().millis_since(start);
    let window = WindowId { start, resets: 0 };
    let expected = Grant { window, permits: 6, used: 6, remaining };
    assert_eq!(lease(lab, key, hourly(10), 6).await, expected);
    assert_eq!(lease(lab, key, hourly(10), 6).await, Grant { permits: 4, used: 10, ..expected });
    assert_eq!(lease(lab, key, hourly(10), 6).await, Grant { permits: 0, used: 10, ..expected });
    // Another number for the limit goes on with the count.
    assert_eq!(given(lab, key, hourly(12), 9).await, 2);
    assert_eq!(given(lab, key, hourly(5), 1).await, 0);
}

pub(crate) async fn each_key_has_a_count_of_its_own(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let other = lab.entry();
    let keys = [
        CountKey::Api(other),
        CountKey::Resource(other, 0),
        CountKey::Resource(other, 1),
        CountKey::Subscription(other, None),
        CountKey::Subscription(other, Some(app.application)),
        CountKey::SubscriptionBurst(other, Some(app.application)),
        CountKey::Application(app.application, None),
        key(&app, 1),
        key(&app, 2),
        CountKey::ApplicationBurst(app.application, None),
    ];
    for (number, key) in (1..).zip(keys) {
        assert_eq!(given(lab, key, hourly(100), number).await, number);
    }
    for (number, key) in (1..).zip(keys) {
        let found = lab.store.tallies(CountsOf::Key(key), 9).await.unwrap();
        assert_eq!(found.iter().map(|(key, tally)| (*key, tally.used)).collect::<Vec<_>>(), [(key, number)]);
    }
    let of_application = lab.store.tallies(CountsOf::Application(app.application), 9).await.unwrap();
    let mut used: Vec<u64> = of_application.iter().map(|(_, tally)| tally.used).collect();
    used.sort_unstable();
    assert_eq!(used, [7, 8, 9, 10]);
    assert_eq!(lab.store.tallies(CountsOf::Application(app.application), 2).await.unwrap().len(), 2);
}

pub(crate) async fn every_window_is_counted_for_itself(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let key = key(&app, 1);
    let (begun, limit) = (lab.now(), hourly(3));
    assert_eq!(given(lab, key, limit, 9).await, 3);
    let end = limit.window.around(begun).end;
    move_to(lab, end.plus_millis(-1));
    assert_eq!(given(lab, key, limit, 9).await, 0);
    move_to(lab, end);
    assert_eq!(given(lab, key, limit, 2).await, 2);
    // A clock that is set back finds the count of the window before.
    move_to(lab, begun);
    assert_eq!(given(lab, key, limit, 9).await, 0);
    move_to(lab, end.plus_millis(5));
    assert_eq!(given(lab, key, limit, 9).await, 1);
    let on: Vec<Timestamp> = lab
        .store
        .tallies(CountsOf::Key(key), 9)
        .await
        .unwrap()
        .into_iter()
        .map(|(_, Tally { window, .. })| window.start)
        .collect();
    assert_eq!(on, [end], "only the window that is on is told");
}

pub(crate) async fn what_comes_back_is_given_again(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let (key, limit) = (key(&app, 1), hourly(10));
    let Grant { window, .. } = lease(lab, key, limit, 10).await;
    let back = |permits, window| vec![(key, HandBack { window, permits })];
    lab.store.give_back(back(4, window)).await.unwrap();
    assert_eq!(given(lab, key, limit, 10).await, 4);
    // What is of another window, of a count that was set back, or of no count at all, is over.
    let earlier = WindowId { start: window.start.plus_millis(-HOUR), ..window };
    lab.store.give_back(back(4, earlier)).await.unwrap();
    lab.store.give_back(back(4, WindowId { resets: 1, ..window })).await.unwrap();
    let nobody = CountKey::Api(lab.entry());
    lab.store.give_back(vec![(nobody, HandBack { window, permits: 1 })]).await.unwrap();
    assert_eq!(given(lab, key, limit, 10).await, 0);
    lab.store.give_back(back(99, window)).await.unwrap();
    assert_eq!(given(lab, key, limit, 99).await, 10, "never more than the limit");
}

pub(crate) async fn a_count_that_is_set_back_begins_anew(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let (mine, other, limit) = (key(&app, 1), key(&app, 2), hourly(5));
    let subscription = CountKey::Subscription(lab.entry(), Some(app.application));
    for key in [mine, other, subscription] {
        assert_eq!(given(lab, key, limit, 5).await, 5);
    }
    let before = lease(lab, mine, limit, 1).await.window;
    let count = lab.store.reset_counts(reset(&app, vec![CountsOf::Key(mine)])).await.unwrap();
    assert_eq!(count, 1);
    let Grant { permits, window, .. } = lease(lab, mine, limit, 9).await;
    assert!(permits == 5 && window > before, "{window:?} after {before:?}");
    assert_eq!(given(lab, other, limit, 9).await, 0);
    // Permits from before cannot be handed back into the new count.
    lab.store.give_back(vec![(mine, HandBack { window: before, permits: 5 })]).await.unwrap();
    assert_eq!(given(lab, mine, limit, 9).await, 0);
    let all = vec![CountsOf::Application(app.application), CountsOf::Key(subscription)];
    assert_eq!(lab.store.reset_counts(reset(&app, all)).await.unwrap(), 3);
    for key in [mine, other, subscription] {
        assert_eq!(given(lab, key, limit, 9).await, 5);
    }
    let noted = lab.events().await.pop().unwrap().event;
    assert_eq!((noted.kind, noted.client), (EventKind::LimitReset, Some(app.client)));
    assert_eq!(noted.actor.as_deref(), Some("admin"));
}

pub(crate) async fn counts_that_are_over_are_removed(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    for user in 0..5 {
        assert_eq!(given(lab, key(&app, user), hourly(9), 9).await, 9);
    }
    let end = hourly(1).window.around(lab.now()).end;
    move_to(lab, end);
    assert_eq!(given(lab, key(&app, 9), hourly(9), 9).await, 9);
    assert_eq!(lab.store.trim_tallies(end).await.unwrap(), 0, "they ended at that moment, not before it");
    assert_eq!(lab.store.trim_tallies(end.plus_millis(1)).await.unwrap(), 5);
    assert_eq!(lab.store.trim_tallies(end.plus_millis(1)).await.unwrap(), 0);
    assert_eq!(given(lab, key(&app, 9), hourly(9), 9).await, 0, "the one that is on stays");
}

pub(crate) async fn many_who_ask_at_once_get_the_limit_together(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let (key, limit) = (key(&app, 1), hourly(100));
    let asking: Vec<_> = (0..40)
        .map(|number| {
            let desk = lab.desk();
            tokio::spawn(async move { given(&desk, key, limit, 1 + number % 7).await })
        })
        .collect();
    let mut sum = 0;
    for one in asking {
        sum += one.await.unwrap();
    }
    assert_eq!(sum, 100);
}
