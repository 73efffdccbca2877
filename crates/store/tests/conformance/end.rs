//! Ending tokens, by each selector: whoever is told that something ended never sees it alive again.

use latchkey_oauth::event::EventKind;
use latchkey_oauth::revocation::{Reason, Selector};
use latchkey_oauth::rotation::{Rotation, RotationRefusal};

use crate::ask::{Ask, Turn};
use crate::lab::Lab;

pub(crate) async fn a_family_ends_whole(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice);
    let ended = lab.issued(&ask).await;
    let other = lab.issued(&ask.clone().device("pad")).await;
    let before = lab.seq().await;
    assert_eq!(lab.end(&ended).await, 1);
    let events = lab.events_after(before).await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].event.kind, events[0].event.reason), (EventKind::End, Some(Reason::ClientRequest)));
    let mark = events[0].event.family.unwrap();
    assert_eq!((mark.id, mark.access_generation, mark.refresh_generation), (ended.id, 0, 0));
    assert!(!lab.accepts(&ended).await && !lab.is_alive(&ended).await);
    let unknown = Rotation::Refused(RotationRefusal::Unknown);
    assert_eq!(lab.refresh(&Turn::of(&ended)).await.rotation, unknown);
    assert!(lab.accepts(&other).await);
    let anew = lab.issued(&ask).await;
    assert_ne!(anew.id, ended.id, "an id is never used again");
    assert!(!lab.is_alive(&ended).await);
}

pub(crate) async fn ending_twice_ends_nothing_more(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let family = lab.issued(&Ask::user(&app, alice)).await;
    assert_eq!(lab.end(&family).await, 1);
    let at = lab.seq().await;
    assert_eq!(lab.end(&family).await, 0);
    let nobody = lab.principal();
    assert_eq!(lab.end_all(Selector::Holder { client: app.client, subject: nobody }).await, 0);
    assert_eq!(lab.seq().await, at, "and nothing is noted");
}

pub(crate) async fn a_device_ends_with_all_its_families(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let ask = Ask::user(&app, alice);
    let phone = [
        lab.issued(&ask.clone().device("phone")).await,
        lab.issued(&ask.clone().scope("w device_phone")).await,
    ];
    let others = [
        lab.issued(&ask.clone().device("pad")).await,
        lab.issued(&ask.clone()).await,
        lab.issued(&ask.clone().device("phone2")).await,
        lab.issued(&Ask::user(&app, bob).device("phone")).await,
    ];
    let device = "device_phone".to_owned();
    assert_eq!(lab.end_all(Selector::Device { client: app.client, subject: alice, device }).await, 2);
    for family in &phone {
        assert!(!lab.is_alive(family).await);
    }
    for family in &others {
        assert!(lab.accepts(family).await, "{:?} is untouched", family.device);
    }
}

pub(crate) async fn a_holder_ends_with_everything(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let other = lab.app("Other", bob).await;
    let mut ended = Vec::new();
    for device in ["phone", "pad", "watch"] {
        ended.push(lab.issued(&Ask::user(&app, alice).device(device)).await);
    }
    let kept = [
        lab.issued(&Ask::user(&other, alice)).await,
        lab.issued(&Ask::user(&app, bob)).await,
        lab.issued(&Ask::application(&app)).await,
    ];
    assert_eq!(lab.end_all(Selector::Holder { client: app.client, subject: alice }).await, 3);
    for family in &ended {
        assert!(!lab.is_alive(family).await);
    }
    for family in &kept {
        assert!(lab.accepts(family).await);
    }
    assert_eq!(lab.end_all(Selector::Holder { client: app.client, subject: app.client }).await, 1);
    assert!(!lab.accepts(&kept[2]).await, "the client's own tokens have the client for a subject");
}

pub(crate) async fn a_user_ends_through_every_client(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let other = lab.app("Other", bob).await;
    let ended = [
        lab.issued(&Ask::user(&app, alice)).await,
        lab.issued(&Ask::user(&app, alice).device("pad")).await,
        lab.issued(&Ask::user(&other, alice)).await,
    ];
    let kept = [lab.issued(&Ask::user(&app, bob)).await, lab.issued(&Ask::application(&app)).await];
    let before = lab.seq().await;
    lab.end_all(Selector::User(alice)).await;
    for family in &ended {
        assert!(!lab.is_alive(family).await);
        let unknown = Rotation::Refused(RotationRefusal::Unknown);
        assert_eq!(lab.refresh(&Turn::of(family)).await.rotation, unknown);
    }
    for family in &kept {
        assert!(lab.accepts(family).await);
    }
    let events = lab.events_after(before).await;
    assert_eq!(events.len(), 1, "one event, however many end");
    let event = &events[0].event;
    assert_eq!(
        (event.kind, event.subject, event.actor.as_deref()),
        (EventKind::RevokeAll, Some(alice), Some("admin"))
    );
    let anew = lab.issued(&Ask::user(&app, alice)).await;
    assert!(lab.accepts(&anew).await, "the user may sign in again");
}

pub(crate) async fn a_client_ends_for_every_subject(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let other = lab.app("Other", bob).await;
    let ended = [
        lab.issued(&Ask::user(&app, alice)).await,
        lab.issued(&Ask::user(&app, bob)).await,
        lab.issued(&Ask::application(&app)).await,
    ];
    let kept = [lab.issued(&Ask::user(&other, alice)).await, lab.issued(&Ask::application(&other)).await];
    lab.end_all(Selector::Client(app.client)).await;
    for family in &ended {
        assert!(!lab.is_alive(family).await);
    }
    for family in &kept {
        assert!(lab.accepts(family).await);
    }
    let anew = lab.issued(&Ask::application(&app)).await;
    assert_ne!(anew.id, ended[2].id);
    assert!(lab.accepts(&anew).await);
}

pub(crate) async fn families_are_listed_by_subject_and_client(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let other = lab.app("Other", bob).await;
    let mut expected = Vec::new();
    for device in ["phone", "pad"] {
        expected.push(lab.issued(&Ask::user(&app, alice).device(device)).await);
    }
    let elsewhere = lab.issued(&Ask::user(&other, alice)).await;
    lab.issued(&Ask::user(&app, bob)).await;
    let own = lab.issued(&Ask::application(&app)).await;
    let list = async |subject, client, limit| {
        let mut families = lab.store.families_of(subject, client, limit).await.unwrap();
        families.sort_by_key(|family| family.id);
        families
    };
    expected.sort_by_key(|family| family.id);
    assert_eq!(list(alice, Some(app.client), 100).await, expected);
    expected.push(elsewhere);
    expected.sort_by_key(|family| family.id);
    assert_eq!(list(alice, None, 100).await, expected);
    assert_eq!(list(alice, None, 2).await.len(), 2);
    assert_eq!(list(app.client, Some(app.client), 100).await, std::slice::from_ref(&own));
    assert_eq!(list(lab.principal(), None, 100).await, []);
    lab.end(&own).await;
    assert_eq!(list(app.client, None, 100).await, []);
}

pub(crate) async fn families_are_listed_by_client_for_every_subject(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let other = lab.app("Other", bob).await;
    let mut expected = vec![lab.issued(&Ask::application(&app)).await];
    for (user, device) in [(alice, "phone"), (alice, "pad"), (bob, "phone")] {
        expected.push(lab.issued(&Ask::user(&app, user).device(device)).await);
    }
    lab.issued(&Ask::user(&other, alice)).await;
    let list = async |client, limit| {
        let mut families = lab.store.families_through(client, limit).await.unwrap();
        families.sort_by_key(|family| family.id);
        families
    };
    expected.sort_by_key(|family| family.id);
    assert_eq!(list(app.client, 100).await, expected);
    for limit in 0..4 {
        assert_eq!(list(app.client, limit).await.len(), limit as usize);
    }
    assert_eq!(list(lab.principal(), 100).await, []);
    for family in &expected {
        lab.end(family).await;
    }
    assert_eq!(list(app.client, 100).await, []);
}
