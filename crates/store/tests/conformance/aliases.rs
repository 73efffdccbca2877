//! Values that are drawn instead of derived (D12): each is found by its digest while it matters, and no
//! longer.

use latchkey_oauth::family::{Family, MAX_SPENT, MintedValue};
use latchkey_oauth::holder::OnLimit::EvictOldest;
use latchkey_oauth::issuance::Decision;
use latchkey_oauth::keyring::ValueKind::{Access, Refresh};
use latchkey_oauth::rotation::{RefreshRenewal, Rotation, RotationRefusal};
use latchkey_oauth::token_value::TokenReference;
use latchkey_store::unit::CatalogueChange;

use crate::ask::{Ask, Turn};
use crate::lab::{Desk, Lab};

fn access(family: &Family) -> &MintedValue {
    family.minted.as_ref().unwrap().access.as_ref().unwrap()
}

fn refresh(family: &Family) -> &MintedValue {
    family.minted.as_ref().unwrap().refresh.as_ref().unwrap()
}

/// That both values of `family` are found, each under its generation.
async fn is_found(desk: &Desk, family: &Family) {
    let named = |kind, generation| {
        Some(TokenReference { kind, bucket: family.bucket, family: family.id, generation })
    };
    let found = desk.store.alias(access(family).digest).await.unwrap();
    assert_eq!(found, named(Access, family.access.generation));
    let found = desk.store.alias(refresh(family).digest).await.unwrap();
    assert_eq!(found, named(Refresh, family.refresh.unwrap().generation));
}

async fn is_gone(desk: &Desk, value: &MintedValue) {
    assert_eq!(desk.store.alias(value.digest).await.unwrap(), None);
}

pub(crate) async fn drawn_values_are_found_and_handed_out_again(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).minted();
    let first = lab.issued(&ask).await;
    is_found(lab, &first).await;
    let (again, decision) = lab.decided(&ask).await;
    assert_eq!((decision, &again), (Decision::Reuse, &first), "with the value as it was sealed");
    let held = lab.held(&first).await.unwrap().family;
    assert_eq!(access(&held).sealed, access(&first).sealed);
    assert_eq!(lab.store.alias([0; 32]).await.unwrap(), None);
}

pub(crate) async fn a_renewal_moves_them(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).minted();
    let first = lab.issued(&ask).await;
    lab.clock.advance_seconds(3600);
    let (second, decision) = lab.decided(&ask).await;
    assert_eq!((decision, refresh(&second)), (Decision::RenewAccess, refresh(&first)));
    is_found(lab, &second).await;
    is_gone(lab, access(&first)).await;
    let third = lab.issued(&ask.renewing()).await;
    is_found(lab, &third).await;
    is_gone(lab, access(&second)).await;
    is_gone(lab, refresh(&second)).await;
}

pub(crate) async fn a_refresh_keeps_those_before(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let first = lab.issued(&Ask::user(&app, alice).minted()).await;
    let second = lab.rotated(&Turn::of(&first)).await;
    is_found(lab, &second).await;
    is_gone(lab, access(&first)).await;
    let before = lab.store.alias(refresh(&first).digest).await.unwrap().expect("a retry is recognised");
    assert_eq!((before.kind, before.generation), (Refresh, 1));
    let retried = lab.refresh(&Turn::of(&first)).await;
    assert_eq!((retried.rotation, retried.family), (Rotation::Repeat, Some(second.clone())));
    let kept = lab.refresh(&Turn::of(&second).renewal(RefreshRenewal::Keep)).await.family.unwrap();
    is_found(lab, &kept).await;
    is_gone(lab, access(&second)).await;
    assert!(lab.store.alias(refresh(&first).digest).await.unwrap().is_some());
    let third = lab.rotated(&Turn::of(&kept)).await;
    is_found(lab, &third).await;
    assert_eq!(lab.store.alias(refresh(&first).digest).await.unwrap().unwrap().generation, 1);
    assert_eq!(lab.store.alias(refresh(&kept).digest).await.unwrap().unwrap().generation, 2);
    let mut last = third;
    for _ in 2..MAX_SPENT {
        last = lab.rotated(&Turn::of(&last)).await;
    }
    assert!(lab.store.alias(refresh(&first).digest).await.unwrap().is_some(), "the last of those kept");
    lab.rotated(&Turn::of(&last)).await;
    is_gone(lab, refresh(&first)).await;
}

pub(crate) async fn they_vanish_with_the_family(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).minted().limits(3, 100, EvictOldest);
    let mut gone = Vec::new();
    for device in ["ended", "replayed", "evicted"] {
        gone.push(lab.issued(&ask.clone().device(device)).await);
        lab.clock.advance_seconds(1);
    }
    lab.end(&gone[0]).await;
    let second = lab.rotated(&Turn::of(&gone[1])).await;
    let third = lab.rotated(&Turn::of(&second)).await;
    assert_eq!(lab.refresh(&Turn::of(&gone[1])).await.rotation, Rotation::Replayed);
    gone.push(third);
    for device in ["one", "two", "three"] {
        lab.issued(&ask.clone().device(device)).await;
    }
    let swept = lab.issued(&ask.scope("swept")).await;
    lab.change(CatalogueChange::SetPassword(alice, "another".to_owned())).await;
    is_found(lab, &swept).await;
    lab.store.sweep(swept.bucket).await.unwrap();
    gone.push(swept);
    for family in &gone {
        is_gone(lab, access(family)).await;
        is_gone(lab, refresh(family)).await;
    }
}

pub(crate) async fn a_new_family_under_the_key_has_values_of_its_own(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).minted();
    let first = lab.issued(&ask).await;
    lab.change(CatalogueChange::SetPassword(alice, "another".to_owned())).await;
    let second = lab.issued(&ask).await;
    assert_ne!(second.id, first.id);
    is_found(lab, &second).await;
    is_gone(lab, access(&first)).await;
    is_gone(lab, refresh(&first)).await;
}

pub(crate) async fn a_raised_minimum_ends_them(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).minted();
    let first = lab.issued(&ask).await;
    let refused = lab.refresh(&Turn::of(&first).since_key(2)).await;
    assert_eq!(refused.rotation, Rotation::Refused(RotationRefusal::Unknown));
    assert!(lab.is_alive(&first).await, "the key may still get new values");
    let (second, decision) = lab.decided(&ask.clone().since_key(2)).await;
    assert_eq!(decision, Decision::RenewPair);
    is_found(lab, &second).await;
    is_gone(lab, access(&first)).await;
    is_gone(lab, refresh(&first)).await;
    assert_eq!(lab.decided(&ask.since_key(2)).await, (second, Decision::Reuse));
}
