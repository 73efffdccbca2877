//! Refreshing: D11, lost responses, two tabs, and reuse detection.

use latchkey_oauth::event::EventKind;
use latchkey_oauth::family::{Expiry, Validity};
use latchkey_oauth::id::Bucket;
use latchkey_oauth::revocation::Reason;
use latchkey_oauth::rotation::{RefreshRenewal, Rotation, RotationRefusal};

use crate::ask::{Ask, Turn};
use crate::lab::{Desk, Lab};

/// Presents a token that is expected to be refused without consequence.
async fn refused(desk: &Desk, turn: &Turn, why: RotationRefusal) {
    let before = desk.seq().await;
    let outcome = desk.refresh(turn).await;
    assert_eq!(outcome.rotation, Rotation::Refused(why));
    assert_eq!(outcome.family, None);
    assert_eq!(desk.seq().await, before, "a refusal writes nothing");
}

/// Presents a token that is expected to be answered as it was before.
async fn repeated(desk: &Desk, turn: &Turn, successor: &latchkey_oauth::family::Family) {
    let before = desk.seq().await;
    let outcome = desk.refresh(turn).await;
    assert_eq!(outcome.rotation, Rotation::Repeat);
    let family = outcome.family.expect("the successor");
    assert_eq!(
        (&family.access, family.refresh.unwrap().generation),
        (&successor.access, successor.refresh.unwrap().generation)
    );
    assert_eq!(desk.seq().await, before, "a repetition writes nothing");
}

pub(crate) async fn a_refresh_rotates_both_tokens(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let first = lab.issued(&Ask::user(&app, alice)).await;
    lab.clock.advance_seconds(100);
    let before = lab.seq().await;
    let second = lab.rotated(&Turn::of(&first)).await;
    assert_eq!((second.id, second.access.generation, second.refresh.unwrap().generation), (first.id, 2, 2));
    assert_eq!(second.access.expires, Expiry::At(lab.now().plus_seconds(3600)));
    assert_eq!(second.refresh.unwrap().expires, Expiry::At(lab.now().plus_seconds(86400)));
    assert!(lab.accepts(&second).await && !lab.accepts(&first).await);
    let events = lab.events_after(before).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event.kind, EventKind::Refresh);
    assert_eq!(events[0].event.family.unwrap().refresh_generation, 2);
}

pub(crate) async fn the_renewal_setting_rules_the_new_refresh_token(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let first = lab.issued(&Ask::user(&app, alice)).await;
    lab.clock.advance_seconds(100);
    let kept = lab.refresh(&Turn::of(&first).renewal(RefreshRenewal::Keep)).await;
    assert_eq!(kept.rotation, Rotation::RenewAccess);
    let kept = kept.family.unwrap();
    assert_eq!((kept.access.generation, kept.refresh), (2, first.refresh), "the refresh token stays");
    assert!(!lab.accepts(&first).await && lab.accepts(&kept).await);
    let absolute = lab.rotated(&Turn::of(&kept).renewal(RefreshRenewal::Absolute)).await;
    assert_eq!(absolute.refresh.unwrap().generation, 2);
    assert_eq!(absolute.refresh.unwrap().expires, first.refresh.unwrap().expires);
    let forever = Turn::of(&absolute).lives(Validity::Forever, Validity::Forever);
    let sliding = lab.rotated(&forever).await;
    assert_eq!((sliding.access.expires, sliding.refresh.unwrap().expires), (Expiry::Never, Expiry::Never));
}

pub(crate) async fn a_lost_response_may_be_asked_for_again(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let first = lab.issued(&Ask::user(&app, alice)).await;
    let second = lab.rotated(&Turn::of(&first)).await;
    for _ in 0..3 {
        lab.clock.advance_seconds(10);
        repeated(lab, &Turn::of(&first), &second).await;
    }
    lab.clock.advance_millis(1);
    assert_eq!(lab.refresh(&Turn::of(&first)).await.rotation, Rotation::Replayed, "30 seconds are over");
    assert!(!lab.is_alive(&second).await);
}

pub(crate) async fn a_used_successor_shortens_the_retry_window(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let first = lab.issued(&Ask::user(&app, alice)).await;
    let second = lab.rotated(&Turn::of(&first)).await;
    lab.store.mark_used(second.bucket, second.id, 2).await.unwrap();
    assert_eq!(lab.held(&second).await.unwrap().family.refresh.unwrap().used_at, Some(lab.now()));
    lab.clock.advance_seconds(5);
    repeated(lab, &Turn::of(&first), &second).await;
    lab.clock.advance_millis(1);
    let outcome = lab.refresh(&Turn::of(&first)).await;
    assert_eq!(outcome.rotation, Rotation::Replayed);
    assert_eq!(outcome.family, None);
}

pub(crate) async fn use_is_noted_once_and_for_the_current_generation(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let first = lab.issued(&Ask::user(&app, alice)).await;
    lab.store.mark_used(first.bucket, first.id, 1).await.unwrap();
    assert_eq!(lab.held(&first).await.unwrap().family, first, "a first sign-in has no predecessor");
    let second = lab.rotated(&Turn::of(&first)).await;
    for generation in [1, 3] {
        lab.store.mark_used(first.bucket, first.id, generation).await.unwrap();
        assert_eq!(lab.held(&first).await.unwrap().family, second);
    }
    lab.store.mark_used(first.bucket, first.id, 2).await.unwrap();
    let used_at = Some(lab.now());
    lab.clock.advance_seconds(3);
    lab.store.mark_used(first.bucket, first.id, 2).await.unwrap();
    assert_eq!(
        lab.held(&first).await.unwrap().family.refresh.unwrap().used_at,
        used_at,
        "the first use counts"
    );
    let third = lab.rotated(&Turn::of(&second)).await;
    assert_eq!(third.refresh.unwrap().used_at, None, "the next token is unused");
    lab.end(&third).await;
    lab.store.mark_used(first.bucket, first.id, 3).await.unwrap();
    assert_eq!(lab.held(&third).await.map(|held| held.family), None, "use revives nothing");
}

pub(crate) async fn a_replay_ends_that_device_only(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice);
    let phone = lab.issued(&ask.clone().device("phone")).await;
    let pad = lab.issued(&ask.clone().device("pad")).await;
    let second = lab.rotated(&Turn::of(&phone)).await;
    let third = lab.rotated(&Turn::of(&second)).await;
    let before = lab.seq().await;
    assert_eq!(
        lab.refresh(&Turn::of(&phone)).await.rotation,
        Rotation::Replayed,
        "two steps behind, at once"
    );
    assert!(!lab.is_alive(&third).await);
    assert!(lab.accepts(&pad).await);
    let events = lab.events_after(before).await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].event.kind, events[0].event.reason), (EventKind::End, Some(Reason::RefreshReuse)));
    assert_eq!(events[0].event.family.unwrap().id, phone.id);
    refused(lab, &Turn::of(&third), RotationRefusal::Unknown).await;
    let anew = lab.issued(&ask.device("phone")).await;
    assert_ne!(anew.id, phone.id, "the next sign-in starts afresh");
}

pub(crate) async fn a_token_superseded_by_a_sign_in_changes_nothing(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).renewing();
    let first = lab.issued(&ask).await;
    let second = lab.rotated(&Turn::of(&first)).await;
    let third = lab.issued(&ask).await;
    for old in [&first, &second] {
        refused(lab, &Turn::of(old), RotationRefusal::Superseded).await;
    }
    assert!(lab.accepts(&third).await);
    let fourth = lab.rotated(&Turn::of(&third)).await;
    refused(lab, &Turn::of(&second), RotationRefusal::Superseded).await;
    assert!(lab.accepts(&fourth).await);
}

pub(crate) async fn scope_may_narrow_and_never_widen(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let first = lab.issued(&Ask::user(&app, alice).scope("a b device_x")).await;
    for scope in ["c", "a b c device_x", "device_y"] {
        refused(lab, &Turn::of(&first).scope(scope), RotationRefusal::ScopeWidened).await;
    }
    let narrowed = lab.rotated(&Turn::of(&first).scope("b")).await;
    assert_eq!(narrowed.access.scope.as_str(), "b");
    assert_eq!(narrowed.scope, first.scope, "the family keeps what was granted");
    assert_eq!(lab.held(&narrowed).await.unwrap().family, narrowed);
    for other in [Turn::of(&first), Turn::of(&first).scope("a b"), Turn::of(&first).scope("a")] {
        refused(lab, &other, RotationRefusal::ScopeChanged).await;
    }
    let again = lab.refresh(&Turn::of(&first).scope("b")).await;
    assert_eq!((again.rotation, again.family.as_ref()), (Rotation::Repeat, Some(&narrowed)));
    let full = lab.rotated(&Turn::of(&narrowed)).await;
    assert_eq!(full.access.scope, first.scope);
    let same = lab.rotated(&Turn::of(&full).scope("device_x b a")).await;
    assert_eq!(same.access.scope, first.scope);
}

pub(crate) async fn a_token_in_other_hands_is_unknown(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let other = lab.app("Other", alice).await;
    let first = lab.issued(&Ask::user(&app, alice)).await;
    refused(lab, &Turn::of(&first).client(other.client), RotationRefusal::Unknown).await;
    let second = lab.rotated(&Turn::of(&first)).await;
    let third = lab.rotated(&Turn::of(&second)).await;
    refused(lab, &Turn::of(&first).client(other.client), RotationRefusal::Unknown).await;
    assert!(lab.accepts(&third).await, "a stranger's replay ends nothing");
}

pub(crate) async fn tokens_that_never_were_are_unknown(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let first = lab.issued(&Ask::user(&app, alice)).await;
    for generation in [0, 2, 99, u32::MAX] {
        refused(lab, &Turn::of(&first).generation(generation), RotationRefusal::Unknown).await;
    }
    let elsewhere = Bucket::new(first.bucket.number() ^ 1).unwrap();
    refused(lab, &Turn::of(&first).bucket(elsewhere), RotationRefusal::Unknown).await;
    assert!(lab.store.family(elsewhere, first.id).await.unwrap().is_none());
    let without = lab.issued(&Ask::application(&app)).await;
    let turn = Turn::of(&first).bucket(without.bucket);
    refused(lab, &turn, RotationRefusal::Unknown).await;
    assert!(lab.accepts(&first).await);
}

pub(crate) async fn an_expired_refresh_token_is_refused(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let first = lab.issued(&Ask::user(&app, alice)).await;
    let second = lab.rotated(&Turn::of(&first)).await;
    lab.clock.advance_millis(86_400_000 - 1);
    let third = lab.rotated(&Turn::of(&second)).await;
    lab.clock.advance_millis(86_400_000);
    refused(lab, &Turn::of(&third), RotationRefusal::Expired).await;
}

pub(crate) async fn a_retry_after_a_short_access_token_gets_a_fresh_one(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let first = lab.issued(&Ask::user(&app, alice)).await;
    let short = Turn::of(&first).lives(Validity::Seconds(2), Validity::Seconds(86400));
    let second = lab.rotated(&short).await;
    lab.clock.advance_seconds(10);
    let outcome = lab.refresh(&Turn::of(&first)).await;
    assert_eq!(outcome.rotation, Rotation::RenewAccess);
    let third = outcome.family.unwrap();
    assert_eq!(third.refresh.unwrap().generation, second.refresh.unwrap().generation, "no branch");
    assert_eq!(third.access.generation, second.access.generation + 1);
    assert!(lab.accepts(&third).await);
}
