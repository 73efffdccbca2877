//! Issuing: D6 to D10 and D13, and the decision table of the token core, through a store.

use latchkey_oauth::event::EventKind;
use latchkey_oauth::family::{Binding, Expiry, Family, Validity};
use latchkey_oauth::holder::OnLimit::EvictOldest;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::issuance::{Decision, RefreshOnRenew, Renewal};

use crate::ask::{Ask, Turn, binding};
use crate::lab::{App, Desk, Lab};

pub(crate) async fn a_first_request_makes_a_family(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let before = lab.seq().await;
    let (family, decision) = lab.decided(&Ask::user(&app, alice)).await;
    assert_eq!(decision, Decision::Create);
    assert_eq!((family.access.generation, family.refresh.unwrap().generation), (1, 1));
    assert_eq!(family.access.expires, Expiry::At(lab.now().plus_seconds(3600)));
    assert_eq!(family.refresh.unwrap().expires, Expiry::At(lab.now().plus_seconds(86400)));
    assert!(lab.accepts(&family).await);
    let events = lab.events_after(before).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event.kind, EventKind::Issue);
    assert_eq!(events[0].event.client, Some(app.client));
    assert_eq!(events[0].event.subject, Some(alice));
    assert_eq!(events[0].event.family.unwrap().id, family.id);
}

pub(crate) async fn an_opaque_token_is_handed_out_again_without_a_write(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    for ask in [Ask::user(&app, alice), Ask::application(&app), Ask::user(&app, alice).scope("w").minted()] {
        let first = lab.issued(&ask).await;
        let at = lab.store.position().await.unwrap();
        for _ in 0..5 {
            lab.clock.advance_seconds(600);
            let (again, decision) = lab.decided(&ask).await;
            assert_eq!(decision, Decision::Reuse);
            assert_eq!(again, first, "the same token, ending when it would have ended");
        }
        assert_eq!(lab.store.position().await.unwrap(), at, "nothing was written");
    }
}

/// Seconds left of what never ends.
const FOREVER: i64 = i64::MAX;

/// One row of the table: what is held, what is asked for, what comes of it.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// Seconds that the held access token has left.
    access_left: i64,
    /// Seconds that the held refresh token has left, where there is one.
    refresh_left: Option<i64>,
    renewal: Renewal,
    /// Seconds that the new access token would live.
    wanted: i64,
}

const RENEW: Renewal = Renewal::RevokePrevious(RefreshOnRenew::New);
const RENEW_KEEPING: Renewal = Renewal::RevokePrevious(RefreshOnRenew::Keep);

impl Row {
    /// The table of the design, in seconds: a second reading of it, apart from `decide`.
    fn expected(self) -> Decision {
        let access = self.access_left;
        let both_live = access > 1 && self.refresh_left.is_none_or(|left| left > 1);
        let outlives = self.refresh_left.is_none_or(|left| left > self.wanted || left == FOREVER);
        let keeps = match self.renewal {
            Renewal::Reuse => access <= 1,
            Renewal::RevokePrevious(keep) => keep == RefreshOnRenew::Keep,
            Renewal::KeepPrevious => false,
        };
        if self.renewal == Renewal::Reuse && both_live && access <= self.wanted {
            Decision::Reuse
        } else if keeps && outlives {
            Decision::RenewAccess
        } else {
            Decision::RenewPair
        }
    }

    fn all() -> Vec<Self> {
        let mut rows = Vec::new();
        for access_left in [3600, 2, 1, 0, -5, FOREVER] {
            for refresh_left in [None, Some(100_000), Some(1800), Some(1), Some(-5), Some(FOREVER)] {
                rows.extend([RENEW, RENEW_KEEPING, Renewal::Reuse].into_iter().flat_map(|renewal| {
                    [3600, 60, FOREVER].map(|wanted| Self { access_left, refresh_left, renewal, wanted })
                }));
            }
        }
        rows
    }
}

pub(crate) async fn the_decision_table_holds_through_the_store(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let life = |seconds: i64| match seconds {
        FOREVER => Validity::Forever,
        _ => Validity::Seconds(u32::try_from(seconds).unwrap()),
    };
    for (number, row) in Row::all().into_iter().enumerate() {
        let ask = Ask::user(&app, alice).scope(&format!("row_{number}")).limits(100, 1000, EvictOldest);
        // Ten seconds pass between the two requests, so that what is over can be made by issuing.
        let begins_with = |left: i64| life(left.saturating_add(10));
        let refresh = row.refresh_left.map(begins_with);
        let held = lab.issued(&ask.clone().lives(begins_with(row.access_left)).refresh_lives(refresh)).await;
        lab.clock.advance_seconds(10);
        let refresh = row.refresh_left.map(|_| Validity::Seconds(86400));
        let second = ask.lives(life(row.wanted)).renewal(row.renewal).refresh_lives(refresh);
        let (after, decision) = lab.decided(&second).await;
        assert_eq!(decision, row.expected(), "{row:?}");
        check_outcome(lab, &held, &after, decision).await;
    }
}

/// What each decision leaves of the pair that was held.
async fn check_outcome(desk: &Desk, held: &Family, after: &Family, decision: Decision) {
    assert_eq!((after.id, after.key), (held.id, held.key), "one family per key");
    let access_step = after.access.generation - held.access.generation;
    let generation = |family: &Family| family.refresh.map_or(0, |refresh| refresh.generation);
    let refresh_step = generation(after) - generation(held);
    match decision {
        Decision::Reuse => assert_eq!(after, held),
        Decision::RenewAccess => assert_eq!((access_step, refresh_step), (1, 0)),
        Decision::RenewPair => {
            assert_eq!((access_step, refresh_step), (1, u32::from(held.refresh.is_some())));
        }
        Decision::Create => panic!("the family was held"),
    }
    assert!(desk.accepts(after).await, "what was answered is in force");
    assert_eq!(desk.accepts(held).await, decision == Decision::Reuse, "and nothing else is");
}

pub(crate) async fn a_second_or_less_counts_as_expired(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice);
    let first = lab.issued(&ask).await;
    lab.clock.advance_millis(3_600_000 - 1001);
    assert_eq!(lab.decided(&ask).await.1, Decision::Reuse);
    lab.clock.advance_millis(1);
    let (second, decision) = lab.decided(&ask).await;
    assert_eq!(decision, Decision::RenewAccess);
    assert_eq!(second.refresh, first.refresh, "the refresh token stays");
    assert!(!lab.accepts(&first).await, "one token per key, even in the old one's last second");
}

fn other_keys(app: &App, other: &App, ask: &Ask, bob: PrincipalId) -> Vec<Ask> {
    let of_bob = Ask::user(app, bob);
    vec![
        ask.clone().through(other),
        of_bob,
        ask.clone().scope("read write"),
        ask.clone().scope("rea"),
        ask.clone().bound(binding("one")),
        ask.clone().bound(binding("two")),
        ask.clone().bound(Binding::Random([7; 16])),
        Ask::application(app),
    ]
}

pub(crate) async fn every_part_of_the_key_tells_families_apart(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let other = lab.app("Other", bob).await;
    let ask = Ask::user(&app, alice);
    let first = lab.issued(&ask.clone().renewing()).await;
    let mut families = vec![first];
    for ask in other_keys(&app, &other, &ask, bob) {
        let (family, decision) = lab.decided(&ask.renewing()).await;
        assert_eq!(decision, Decision::Create);
        families.push(family);
    }
    for family in &families {
        assert!(lab.accepts(family).await, "no key ends another's token");
    }
    let mut ids: Vec<_> = families.iter().map(|family| family.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), families.len());
}

pub(crate) async fn equal_scope_sets_are_one_key(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice);
    let first = lab.issued(&ask.clone().scope("write read")).await;
    let at = lab.seq().await;
    for scope in ["read write", "write read write", " write  read "] {
        assert_eq!(lab.issued(&ask.clone().scope(scope)).await, first, "{scope:?}");
    }
    assert_eq!(lab.seq().await, at);
}

pub(crate) async fn each_device_has_a_token_of_its_own(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice);
    let phone = lab.issued(&ask.clone().device("phone")).await;
    let pad = lab.issued(&ask.clone().device("pad")).await;
    let plain = lab.issued(&ask).await;
    for (device, family) in [("phone", &phone), ("pad", &pad)] {
        assert_eq!(family.device.as_str(), format!("device_{device}"));
        assert_eq!(&lab.issued(&ask.clone().device(device)).await, family);
    }
    let renewed = lab.issued(&ask.clone().device("phone").renewing()).await;
    assert_eq!(renewed.id, phone.id);
    assert!(!lab.accepts(&phone).await && lab.accepts(&renewed).await);
    assert!(lab.accepts(&pad).await && lab.accepts(&plain).await, "other devices are untouched");
}

pub(crate) async fn keep_previous_leaves_the_others_alone(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).renewal(Renewal::KeepPrevious);
    let mut families = Vec::new();
    for _ in 0..4 {
        families.push(lab.issued(&ask.clone().bound(Binding::Random(lab.draw()))).await);
    }
    for family in &families {
        assert!(lab.accepts(family).await);
    }
    let bound = ask.bound(binding("till"));
    let first = lab.issued(&bound).await;
    let (second, decision) = lab.decided(&bound).await;
    assert_eq!((decision, second.id), (Decision::RenewPair, first.id), "a binding of the client's is a key");
    assert!(!lab.accepts(&first).await);
}

pub(crate) async fn tokens_that_never_expire_are_reused(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let forever = Some(Validity::Forever);
    for ask in [Ask::user(&app, alice).refresh_lives(forever), Ask::application(&app)] {
        let ask = ask.lives(Validity::from(-1));
        let first = lab.issued(&ask).await;
        assert_eq!(first.access.expires, Expiry::Never);
        lab.clock.advance_seconds(50 * 365 * 86400);
        let at = lab.seq().await;
        assert_eq!(lab.decided(&ask).await, (first.clone(), Decision::Reuse));
        assert_eq!(lab.seq().await, at);
        assert!(lab.accepts(&first).await);
    }
}

pub(crate) async fn a_key_whose_tokens_expired_keeps_its_family(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice);
    let first = lab.issued(&ask).await;
    lab.clock.advance_seconds(90_000);
    assert!(!lab.is_alive(&first).await);
    let (second, decision) = lab.decided(&ask).await;
    assert_eq!((decision, second.id), (Decision::RenewPair, first.id), "generations count on");
    assert_eq!((second.access.generation, second.refresh.unwrap().generation), (2, 2));
}

pub(crate) async fn a_token_after_a_narrowed_refresh_is_not_handed_out(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice).scope("read write");
    let first = lab.issued(&ask).await;
    let narrowed = lab.rotated(&Turn::of(&first).scope("read")).await;
    assert_eq!(narrowed.access.scope.as_str(), "read");
    let (full, decision) = lab.decided(&ask).await;
    assert_eq!((decision, full.id), (Decision::RenewPair, first.id));
    assert_eq!(full.access.scope.as_str(), "read write");
}
