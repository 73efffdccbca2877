//! The event log: ordered, without gaps, bounded at every instant.

use latchkey_oauth::event::{Event, EventKind};
use latchkey_oauth::revocation::Reason;
use latchkey_store::unit::CatalogueChange;

use crate::ask::{Ask, Turn};
use crate::lab::{Lab, Setup, words};

pub(crate) async fn every_change_is_noted_in_order(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).renewing();
    lab.issued(&ask).await;
    let held = lab.issued(&ask).await;
    let next = lab.rotated(&Turn::of(&held)).await;
    lab.end(&next).await;
    lab.change(CatalogueChange::SetRoles(alice, words(&[]))).await;
    let api = lab.api("/echo", &[]).await;
    lab.subscribe(&app, &api).await;
    lab.store.append(Event::of_principal(EventKind::SignInFailure, lab.now(), "bob")).await.unwrap();
    lab.change(CatalogueChange::DeleteApplication(app.application)).await;
    lab.change(CatalogueChange::DeleteUser(alice)).await;
    let events = lab.events().await;
    let kinds: Vec<EventKind> = events.iter().map(|event| event.event.kind).collect();
    let expected = [
        EventKind::UserCreate,
        EventKind::ApplicationCreate,
        EventKind::Issue,
        EventKind::Renew,
        EventKind::Refresh,
        EventKind::End,
        EventKind::RoleChange,
        EventKind::ApiChange,
        EventKind::SubscriptionChange,
        EventKind::SignInFailure,
        EventKind::ApplicationDelete,
        EventKind::UserDelete,
    ];
    assert_eq!(kinds, expected);
    let seqs: Vec<u64> = events.iter().map(|event| event.position.seq).collect();
    assert_eq!(seqs, (1..=12).collect::<Vec<_>>());
    assert_eq!(events.last().unwrap().position, lab.store.position().await.unwrap());
    assert_eq!(events[9].event.actor.as_deref(), Some("bob"));
    assert_eq!(events[10].event.client, Some(app.client));
    assert_eq!(events[11].event.subject, Some(alice));
    assert_eq!(events[11].event.reason, Some(Reason::UserDeleted));
}

pub(crate) async fn the_generations_of_a_family_are_noted(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).renewing();
    let first = lab.issued(&ask).await;
    let second = lab.issued(&ask).await;
    lab.rotated(&Turn::of(&second)).await;
    let own = lab.issued(&Ask::application(&app)).await;
    let marks: Vec<_> =
        lab.events_after(2).await.into_iter().map(|event| event.event.family.unwrap()).collect();
    let generations: Vec<_> =
        marks.iter().map(|mark| (mark.id, mark.access_generation, mark.refresh_generation)).collect();
    assert_eq!(generations, [(first.id, 1, 1), (first.id, 2, 2), (first.id, 3, 3), (own.id, 1, 0)]);
    let last = lab.events().await.pop().unwrap().event;
    assert_eq!((last.client, last.subject), (Some(app.client), Some(app.client)));
    assert_eq!(marks[3].bucket, own.bucket);
}

pub(crate) async fn a_follower_reads_on_from_where_it_was(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    for _ in 0..20 {
        lab.issued(&Ask::user(&app, alice).renewing()).await;
    }
    let mut cursor = 0;
    let mut seen = Vec::new();
    loop {
        let page = lab.store.events(cursor, 7).await.unwrap();
        assert!(page.len() <= 7);
        let Some(last) = page.last() else { break };
        cursor = last.position.seq;
        seen.extend(page);
    }
    assert_eq!(seen, lab.events().await);
    assert_eq!(cursor, lab.seq().await);
}

pub(crate) async fn the_log_never_holds_more_than_its_bound(lab: &mut Lab) {
    lab.reopen(&Setup { event_max: 10, ..Setup::default() }).await;
    let (alice, app) = lab.alice().await;
    for number in 0..60 {
        lab.issued(&Ask::user(&app, alice).renewing()).await;
        let events = lab.events().await;
        assert_eq!(events.len(), 10.min(number + 3), "after {number} issues");
        assert_eq!(events.last().unwrap().position.seq, lab.seq().await, "the newest are kept");
    }
}

pub(crate) async fn the_bound_holds_while_many_write(lab: &mut Lab) {
    lab.reopen(&Setup { event_max: 40, ..Setup::default() }).await;
    let (alice, app) = lab.alice().await;
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let (desk, ask) = (lab.desk(), Ask::user(&app, alice).scope(&format!("s{writer}")).renewing());
            tokio::spawn(async move {
                for _ in 0..25 {
                    desk.issued(&ask).await;
                    assert!(desk.events().await.len() <= 40);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let kept = lab.events().await.len();
    assert!((36..=40).contains(&kept), "{kept} of 40");
}

pub(crate) async fn old_events_are_trimmed_by_time(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    for _ in 0..8 {
        lab.clock.advance_seconds(10);
        lab.issued(&Ask::user(&app, alice).renewing()).await;
    }
    let cut = lab.now().plus_seconds(-30);
    let kept: Vec<_> = lab.events().await.into_iter().filter(|event| event.event.at >= cut).collect();
    assert_eq!(kept.len(), 4);
    let position = lab.store.position().await.unwrap();
    assert_eq!(lab.store.trim_events(cut).await.unwrap(), 6);
    assert_eq!(lab.events().await, kept);
    assert_eq!(lab.store.trim_events(cut).await.unwrap(), 0);
    assert_eq!(lab.store.position().await.unwrap(), position, "numbers are not given again");
    assert_eq!(lab.store.trim_events(lab.now().plus_seconds(1)).await.unwrap(), 4);
    lab.issued(&Ask::user(&app, alice).renewing()).await;
    assert_eq!(lab.events().await[0].position.seq, position.seq + 1);
}

pub(crate) async fn a_trim_takes_a_thousand_at_most(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).renewing();
    let writers: Vec<_> = (0..16)
        .map(|_| {
            let (desk, ask) = (lab.desk(), ask.clone());
            tokio::spawn(async move {
                for _ in 0..75 {
                    desk.issued(&ask).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let cut = lab.now().plus_seconds(1);
    assert_eq!(lab.store.trim_events(cut).await.unwrap(), 1000);
    assert_eq!(lab.store.trim_events(cut).await.unwrap(), 202);
}
