//! Limits of devices and families: they hold at every instant, and what gives way is chosen.

use std::sync::Arc;

use latchkey_oauth::event::EventKind;
use latchkey_oauth::family::Family;
use latchkey_oauth::holder::OnLimit::{self, EvictOldest, Reject};
use latchkey_oauth::revocation::Reason;
use latchkey_store::unit::{CatalogueChange, IssueOutcome};

use crate::ask::Ask;
use crate::lab::{Desk, Lab};

/// Issues on each of the devices, a second apart.
async fn on_devices(desk: &Desk, ask: &Ask, devices: &[&str]) -> Vec<Arc<Family>> {
    let mut families = Vec::new();
    for device in devices {
        families.push(desk.issued(&ask.clone().device(device)).await);
        desk.clock.advance_seconds(1);
    }
    families
}

/// Which of the families still live.
async fn living(desk: &Desk, families: &[Arc<Family>]) -> Vec<bool> {
    let mut living = Vec::new();
    for family in families {
        living.push(desk.accepts(family).await);
    }
    living
}

async fn is_refused(desk: &Desk, ask: &Ask) -> bool {
    let before = desk.seq().await;
    let refused = matches!(desk.issue(ask).await, IssueOutcome::LimitReached);
    assert!(!refused || desk.seq().await == before, "a refusal writes nothing");
    refused
}

pub(crate) async fn the_oldest_device_gives_way(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).limits(3, 100, EvictOldest);
    let families = on_devices(lab, &ask, &["a", "b", "c"]).await;
    let before = lab.seq().await;
    let fourth = lab.issued(&ask.clone().device("d")).await;
    assert_eq!(living(lab, &families).await, [false, true, true]);
    assert!(lab.accepts(&fourth).await);
    let events = lab.events_after(before).await;
    let kinds: Vec<_> = events.iter().map(|event| (event.event.kind, event.event.reason)).collect();
    assert_eq!(kinds, [(EventKind::End, Some(Reason::Limit)), (EventKind::Issue, None)], "in that order");
    assert_eq!(events[0].event.family.unwrap().id, families[0].id);
}

pub(crate) async fn age_is_counted_from_the_last_issue(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).limits(3, 100, EvictOldest);
    let families = on_devices(lab, &ask, &["a", "b", "c"]).await;
    let renewed = lab.issued(&ask.clone().device("a").renewing()).await;
    lab.issued(&ask.clone().device("d")).await;
    assert!(lab.accepts(&renewed).await, "a was signed in to last");
    assert_eq!(living(lab, &families[1..]).await, [false, true]);
}

pub(crate) async fn a_device_counts_once_and_leaves_whole(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).limits(2, 100, EvictOldest);
    let mut first = Vec::new();
    for scope in ["one device_a", "two device_a", "three device_a"] {
        first.push(lab.issued(&ask.clone().scope(scope)).await);
    }
    lab.clock.advance_seconds(1);
    let rest = on_devices(lab, &ask, &["b"]).await;
    assert_eq!(living(lab, &first).await, [true; 3], "three families, one device");
    let unnamed = lab.issued(&ask).await;
    let third = lab.issued(&ask.clone().device("c")).await;
    assert_eq!(living(lab, &first).await, [false; 3]);
    assert_eq!(living(lab, &rest).await, [true]);
    assert!(lab.accepts(&unnamed).await, "what names no device is not counted among them");
    assert!(lab.accepts(&third).await);
}

pub(crate) async fn the_oldest_family_gives_way(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).limits(100, 3, EvictOldest);
    let mut families = Vec::new();
    for scope in ["a", "b", "c device_x", "d"] {
        families.push(lab.issued(&ask.clone().scope(scope)).await);
        lab.clock.advance_seconds(1);
    }
    assert_eq!(living(lab, &families).await, [false, true, true, true]);
    families.push(lab.issued(&ask.clone().scope("e device_x")).await);
    assert_eq!(living(lab, &families).await, [false, false, true, true, true]);
}

pub(crate) async fn a_full_holder_may_refuse(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let ask = Ask::user(&app, alice).limits(2, 3, Reject);
    let families = on_devices(lab, &ask, &["a", "b"]).await;
    assert!(is_refused(lab, &ask.clone().device("c")).await, "the third device");
    let plain = lab.issued(&ask).await;
    assert!(is_refused(lab, &ask.clone().scope("write")).await, "the fourth family");
    assert!(is_refused(lab, &ask.clone().scope("write device_a")).await, "even on a known device");
    assert_eq!(living(lab, &families).await, [true, true]);
    assert_eq!(lab.issued(&ask).await, plain, "what is held is handed out");
    assert_eq!(lab.issued(&ask.clone().renewing()).await.id, plain.id, "and renewed");
    let of_bob = Ask::user(&app, bob).limits(2, 3, Reject).device("c");
    assert!(!is_refused(lab, &of_bob).await, "another subject has room of its own");
    lab.end(&families[0]).await;
    assert!(!is_refused(lab, &ask.clone().device("c")).await, "an end makes room");
    assert!(is_refused(lab, &ask.device("d")).await);
}

pub(crate) async fn a_device_stays_while_a_family_of_it_does(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).limits(1, 100, Reject);
    let one = lab.issued(&ask.clone().scope("one device_a")).await;
    let two = lab.issued(&ask.clone().scope("two device_a")).await;
    lab.end(&one).await;
    assert!(is_refused(lab, &ask.clone().device("b")).await);
    lab.end(&two).await;
    assert!(!is_refused(lab, &ask.device("b")).await);
}

/// Whether dead families make room, after what `kill` does to them.
async fn dead_make_room(lab: &Lab, on_limit: OnLimit, kill: impl AsyncFn(&Lab)) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).limits(3, 3, on_limit);
    let dead = on_devices(lab, &ask, &["a", "b"]).await;
    kill(lab).await;
    let living = lab.issued(&ask.clone().device("c")).await;
    let before = lab.seq().await;
    let fourth = lab.issued(&ask.clone().device("d")).await;
    assert!(lab.accepts(&living).await && lab.accepts(&fourth).await, "the dead go, not the living");
    for family in &dead {
        assert!(lab.held(family).await.is_none(), "all of the dead are reclaimed");
    }
    let ended: Vec<_> =
        lab.events_after(before).await.into_iter().filter_map(|event| event.event.reason).collect();
    assert_eq!(ended, [Reason::Expired; 2]);
    lab.issued(&ask.clone().device("e")).await;
    let full = is_refused(lab, &ask.clone().device("f").limits(3, 3, Reject)).await;
    assert!(full, "three live: the count is exact");
}

pub(crate) async fn expired_families_make_room_first(lab: &mut Lab) {
    dead_make_room(lab, EvictOldest, async |lab: &Lab| lab.clock.advance_seconds(100_000)).await;
}

pub(crate) async fn expired_families_make_room_even_where_the_request_gives_way(lab: &mut Lab) {
    dead_make_room(lab, Reject, async |lab: &Lab| lab.clock.advance_seconds(100_000)).await;
}

pub(crate) async fn families_from_before_a_reset_make_room(lab: &mut Lab) {
    dead_make_room(lab, Reject, async |lab: &Lab| {
        let alice = lab.store.user("alice").await.unwrap().unwrap().user.id;
        lab.change(CatalogueChange::SetPassword(alice, "another".to_owned())).await;
    })
    .await;
}

pub(crate) async fn a_lowered_limit_is_reached_by_the_next_family(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let wide = Ask::user(&app, alice).limits(100, 100, EvictOldest);
    let families = on_devices(lab, &wide, &["a", "b", "c", "d", "e"]).await;
    let narrow = wide.limits(2, 100, EvictOldest);
    let last = lab.issued(&narrow.clone().device("f")).await;
    assert_eq!(living(lab, &families).await, [false, false, false, false, true]);
    assert!(lab.accepts(&last).await);
    assert!(is_refused(lab, &narrow.limits(2, 100, Reject).device("g")).await);
}
