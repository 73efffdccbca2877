use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::family::Expiry;
use crate::samples::{ERA, NOW, draft, family, key};
use crate::scope::Scope;

const RENEWALS: [Renewal; 4] = [
    Renewal::Reuse,
    Renewal::RevokePrevious(RefreshOnRenew::New),
    Renewal::RevokePrevious(RefreshOnRenew::Keep),
    Renewal::KeepPrevious,
];

const KINDS: [ValueKind; 2] = [ValueKind::Access, ValueKind::Refresh];

fn at(millis: i64) -> Expiry {
    Expiry::At(NOW.plus_millis(millis))
}

/// Every kind of family that may be held, with the words the table has for its two tokens.
fn held_families() -> Vec<(&'static str, &'static str, Option<Family>)> {
    let accesses = [
        ("live", at(3_000_000), "a b"),
        ("live, narrowed", at(3_000_000), "a"),
        ("1 s left", at(1000), "a b"),
        ("expired", at(0), "a b"),
        ("forever", Expiry::Never, "a b"),
    ];
    let refreshes = [
        ("none", None),
        ("live", Some(at(86_000_000))),
        ("30 min left", Some(at(1_800_000))),
        ("1 s left", Some(at(1000))),
        ("expired", Some(at(0))),
        ("forever", Some(Expiry::Never)),
    ];
    let mut all = vec![("none", "none", None)];
    for (access, access_ends, scope) in accesses {
        for (refresh, refresh_ends) in refreshes {
            let mut held = family(1, "a b");
            held.access.expires = access_ends;
            held.access.scope = Scope::parse(scope).unwrap();
            held.refresh =
                held.refresh.zip(refresh_ends).map(|(refresh, expires)| RefreshState { expires, ..refresh });
            all.push((access, refresh, Some(held)));
        }
    }
    all
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Reuse => "reuse",
        Decision::RenewAccess => "renew access",
        Decision::RenewPair => "renew pair",
        Decision::Create => "create",
    }
}

/// T8 of WSO2's published cases and more: every held pair against every request and every renewal.
#[test]
fn every_case() {
    let validities = [
        ("1 h", Validity::Seconds(3600)),
        ("20 min", Validity::Seconds(1200)),
        ("forever", Validity::Forever),
    ];
    let mut table = format!(
        "{:14} | {:11} || {:7} | {:3} || {:12} | {:12} | {:12} | {}\n",
        "held access", "refresh", "asks", "ref", "reuse", "revoke, new", "revoke, keep", "keep previous"
    );
    for (access, refresh, held) in held_families() {
        for (validity, access_validity) in validities {
            for (wanted, refresh_validity) in [("yes", Some(Validity::Seconds(86_400))), ("no", None)] {
                let draft = Draft { access_validity, refresh_validity, ..draft(2) };
                let [reuse, new, keep, beside] =
                    RENEWALS.map(|renewal| word(decide(held.as_ref(), &draft, renewal, NOW)));
                writeln!(
                    table,
                    "{access:14} | {refresh:11} || {validity:7} | {wanted:3} || {reuse:12} | {new:12} | {keep:12} | {beside}"
                )
                .unwrap();
            }
        }
    }
    insta::assert_snapshot!(table);
}

/// Which of the two values is of an earlier era, and what a repeated request gets by each renewal.
#[test]
fn a_value_of_an_earlier_era_is_never_given_again() {
    use Decision::{RenewAccess, RenewPair, Reuse};
    let value = |key| Some(MintedValue { digest: [key; 32], sealed: vec![0, 1, 0, key, 9] });
    let cases = [
        (2, 2, [Reuse, RenewPair, RenewAccess, RenewPair]),
        (1, 2, [RenewAccess, RenewPair, RenewAccess, RenewPair]),
        (2, 1, [RenewPair, RenewPair, RenewPair, RenewPair]),
        (1, 1, [RenewPair, RenewPair, RenewPair, RenewPair]),
    ];
    for (access, refresh, expected) in cases {
        let mut held = family(1, "a");
        held.minted = minted(value(access), value(refresh), Vec::new());
        for (era, expected) in [
            (Era { minimum_key: 2, ..ERA }, expected),
            (ERA, cases[0].2),
            (Era { incarnation: 2, ..ERA }, cases[3].2),
        ] {
            let draft = Draft { era, ..draft(2) };
            let decisions = RENEWALS.map(|renewal| decide(Some(&held), &draft, renewal, NOW));
            assert_eq!(decisions, expected, "access {access}, refresh {refresh}, {era:?}");
        }
    }
}

#[test]
fn a_family_that_cannot_count_further_is_replaced() {
    let mut held = family(1, "a");
    held.access.generation = u32::MAX;
    let mut spent_refresh = family(1, "a");
    spent_refresh.refresh.as_mut().unwrap().generation = u32::MAX;
    for held in [held, spent_refresh] {
        for renewal in RENEWALS {
            let decision = decide(Some(&held), &draft(2), renewal, NOW);
            assert_eq!(decision, Decision::Create, "{renewal:?}");
            let after = apply(decision, Some(&held), (&key("a"), &draft(2)), held.epochs, NOW);
            assert_eq!(after.id, draft(2).id);
        }
    }
}

#[test]
fn a_refresh_generation_never_comes_back() {
    let key = key("a");
    let without = Draft { refresh_validity: None, ..draft(2) };
    let first = family(1, "a");
    let paused = apply(Decision::RenewPair, Some(&first), (&key, &without), first.epochs, NOW);
    assert_eq!(paused.refresh, None);
    let again = apply(Decision::RenewPair, Some(&paused), (&key, &draft(2)), first.epochs, NOW);
    let generation = again.refresh.unwrap().generation;
    assert!(generation > first.refresh.unwrap().generation, "{generation}");
    assert!(!again.accepts_refresh(1, Some(first.epochs), NOW));
}

prop_compose! {
    fn validities()(seconds in prop_oneof![Just(-1), 1..90_000_i64]) -> Validity {
        Validity::from(seconds)
    }
}

prop_compose! {
    fn drafts()(
        access_validity in validities(),
        refresh_validity in proptest::option::of(validities()),
        minted in proptest::option::of(any::<[u8; 32]>()),
    ) -> Draft {
        let value = minted.map(|digest| MintedValue { digest, sealed: vec![0, 1, 0, 1, 9] });
        let refresh_value = value.clone().filter(|_| refresh_validity.is_some());
        Draft { access_validity, refresh_validity, access_value: value, refresh_value, ..draft(2) }
    }
}

fn renewals() -> impl Strategy<Value = Renewal> {
    proptest::sample::select(RENEWALS.to_vec())
}

proptest! {
    /// What every answer owes, after any history of issues and pauses.
    #[test]
    fn apply_keeps_its_laws(
        steps in prop::collection::vec((drafts(), renewals(), 0..100_000_i64, 0..4_u8), 1..20),
    ) {
        let key = key("a b");
        let (mut now, mut minimum_key) = (NOW, 1_u8);
        let mut held: Option<Family> = None;
        let mut refresh_generations = Vec::new();
        for (mut draft, renewal, pause, raise) in steps {
            now = now.plus_seconds(pause);
            minimum_key += u8::from(raise == 0);
            draft.era.minimum_key = minimum_key.into();
            for value in draft.access_value.iter_mut().chain(&mut draft.refresh_value) {
                value.sealed[3] = minimum_key;
            }
            let decision = decide(held.as_ref(), &draft, renewal, now);
            let after = apply(decision, held.as_ref(), (&key, &draft), Epochs::default(), now);
            prop_assert_eq!(after.refresh.is_some(), draft.refresh_validity.is_some());
            prop_assert!(after.access.expires.is_live(now) || draft.access_validity == Validity::Seconds(1));
            prop_assert!(after.access.expires <= draft.access_validity.ends(now));
            prop_assert_eq!(&after.access.scope, &key.scope);
            prop_assert!(KINDS.iter().all(|kind| after.value_is_of(*kind, draft.era)), "a dead value is given");
            prop_assert_eq!((after.key, after.bucket, after.device.clone()), (key.digest(), key.bucket(), key.device()));
            match &held {
                None => prop_assert_eq!(decision, Decision::Create),
                Some(held) => check_step(decision, held, &after, &draft)?,
            }
            if decision != Decision::Reuse && decision != Decision::RenewAccess {
                let fresh = after.refresh.map(|refresh| refresh.generation);
                prop_assert!(fresh.is_none_or(|fresh| !refresh_generations.contains(&fresh)), "a generation came back");
                refresh_generations.extend(fresh);
            }
            held = Some(after);
        }
    }
}

fn check_step(decision: Decision, held: &Family, after: &Family, draft: &Draft) -> Result<(), TestCaseError> {
    prop_assert_eq!((held.id, &held.seed), (after.id, &after.seed));
    match decision {
        Decision::Create => prop_assert!(false, "a living family is never replaced"),
        Decision::Reuse => prop_assert_eq!(held, after),
        Decision::RenewAccess => {
            prop_assert_eq!(after.access.generation, held.access.generation + 1);
            prop_assert_eq!(after.refresh, held.refresh);
            prop_assert!(after.refresh.is_none_or(|kept| kept.expires.outlives(after.access.expires)));
            let values = |family: &Family| family.minted.as_deref().cloned().unwrap_or_default();
            prop_assert_eq!(values(after).access, draft.access_value.clone());
            prop_assert_eq!(values(after).refresh, values(held).refresh);
            prop_assert_eq!(values(after).spent_refresh, values(held).spent_refresh);
        }
        Decision::RenewPair => {
            prop_assert_eq!(after.access.generation, held.access.generation + 1);
            let values = after.minted.as_deref().cloned().unwrap_or_default();
            prop_assert_eq!(values.access, draft.access_value.clone());
            prop_assert_eq!(values.refresh, draft.refresh_value.clone());
            prop_assert!(values.spent_refresh.is_empty());
            if let Some(refresh) = after.refresh {
                prop_assert_eq!(refresh.chain_start, refresh.generation);
                prop_assert!(!refresh.arose_by_refresh());
            }
        }
    }
    Ok(())
}

/// The tokens of another server of which only digests are known work on, and whoever asks again gets new ones.
#[test]
fn what_cannot_be_told_is_renewed() {
    let digests = |access: bool, refresh: bool| {
        let value = |is_told: bool| {
            let sealed = if is_told { vec![0, 0, 0, 0, 9] } else { vec![0; 4] };
            Some(MintedValue { digest: [7; 32], sealed })
        };
        let era = Era { incarnation: 0, minimum_key: 0 };
        let draft = Draft { era, ..draft(2) };
        let mut held = family(1, "a b");
        held.minted = minted(value(access), value(refresh), Vec::new());
        decide(Some(&held), &draft, Renewal::Reuse, NOW)
    };
    assert_eq!(digests(true, true), Decision::Reuse);
    assert_eq!(digests(false, true), Decision::RenewAccess);
    assert_eq!(digests(true, false), Decision::RenewPair);
    assert_eq!(digests(false, false), Decision::RenewPair);
}
