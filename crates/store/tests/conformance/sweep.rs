//! Sweeping: what is dead goes, what lives stays.

use latchkey_oauth::event::EventKind;
use latchkey_oauth::holder::OnLimit::Reject;
use latchkey_oauth::id::Bucket;
use latchkey_oauth::revocation::{Reason, Selector};
use latchkey_store::unit::{CatalogueChange, IssueOutcome};

use crate::ask::Ask;
use crate::lab::{Desk, Lab};

async fn sweep_all(desk: &Desk) -> u64 {
    let mut reclaimed = 0;
    for number in 0..Bucket::COUNT {
        reclaimed += desk.store.sweep(Bucket::new(number).unwrap()).await.unwrap();
    }
    reclaimed
}

pub(crate) async fn the_dead_are_reclaimed_and_the_living_stay(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let expired = lab.issued(&Ask::application(&app)).await;
    let reset = lab.issued(&Ask::user(&app, bob).lives(-1)).await;
    let refreshable = lab.issued(&Ask::user(&app, alice)).await;
    let forever = lab.issued(&Ask::user(&app, alice).scope("w").lives(-1).refresh_lives(None)).await;
    assert_eq!(sweep_all(lab).await, 0, "all of them live");
    lab.clock.advance_seconds(3600);
    lab.change(CatalogueChange::SetPassword(bob, "another".to_owned())).await;
    let before = lab.seq().await;
    assert_eq!(sweep_all(lab).await, 2);
    for family in [&expired, &reset] {
        assert!(lab.held(family).await.is_none());
    }
    for family in [&refreshable, &forever] {
        assert!(lab.is_alive(family).await);
    }
    let events = lab.events_after(before).await;
    assert_eq!(events.len(), 2);
    assert!(
        events
            .iter()
            .all(|event| (event.event.kind, event.event.reason) == (EventKind::End, Some(Reason::Expired)))
    );
    assert_eq!(sweep_all(lab).await, 0);
    assert_eq!(lab.seq().await, before + 2, "a sweep that finds nothing writes nothing");
}

pub(crate) async fn a_swept_holder_has_room(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).limits(2, 2, Reject);
    let dead = lab.issued(&ask.clone().device("a").refresh_lives(None)).await;
    let kept = lab.issued(&ask.clone().device("b")).await;
    lab.clock.advance_seconds(3600);
    assert_eq!(lab.store.sweep(dead.bucket).await.unwrap(), 1);
    lab.issued(&ask.clone().device("c")).await;
    assert!(matches!(lab.issue(&ask.device("d")).await, IssueOutcome::LimitReached), "and no more than that");
    assert!(lab.is_alive(&kept).await);
}

pub(crate) async fn nothing_is_left_of_the_gone(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let other = lab.app("Other", bob).await;
    for ask in
        [Ask::user(&app, alice), Ask::user(&app, bob), Ask::application(&app), Ask::user(&other, alice)]
    {
        lab.issued(&ask.lives(-1).minted()).await;
    }
    lab.change(CatalogueChange::DeleteApplication(app.application)).await;
    lab.change(CatalogueChange::DeleteUser(alice)).await;
    assert_eq!(sweep_all(lab).await, 4);
    for subject in [alice, bob, app.client] {
        assert_eq!(lab.store.families_of(subject, None, 10).await.unwrap(), []);
        assert_eq!(lab.end_all(Selector::Holder { client: app.client, subject }).await, 0);
    }
}
