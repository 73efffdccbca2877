use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::family::{Expiry, Family};
use crate::samples::{BOB, CLIENT, ERA, NOW, family};

const POLICY: RefreshPolicy =
    RefreshPolicy { renewal: RefreshRenewal::Sliding, retry_window_millis: 30_000, overlap_millis: 5000 };
const RENEWALS: [RefreshRenewal; 3] =
    [RefreshRenewal::Keep, RefreshRenewal::Sliding, RefreshRenewal::Absolute];

/// The fifth refresh token of a family whose third came from a sign-in; it arose `age` milliseconds ago.
fn held(age: i64, used_at: Option<Timestamp>) -> Family {
    let mut held = family(1, "a b");
    held.access.generation = 7;
    held.access.expires = Expiry::At(NOW.plus_seconds(3000));
    held.refresh = Some(RefreshState {
        generation: 5,
        chain_start: 3,
        issued_at: NOW.plus_millis(-age),
        expires: Expiry::At(NOW.plus_seconds(80_000)),
        used_at,
    });
    held
}

fn request(generation: u32) -> RefreshRequest {
    RefreshRequest {
        client: CLIENT,
        generation,
        scope: None,
        policy: POLICY,
        access_validity: Validity::Seconds(3600),
        refresh_validity: Validity::Seconds(86_400),
        access_value: None,
        refresh_value: None,
        era: ERA,
    }
}

fn word(rotation: Rotation) -> &'static str {
    match rotation {
        Rotation::Rotate => "rotate",
        Rotation::RenewAccess => "renew access",
        Rotation::Repeat => "repeat",
        Rotation::Replayed => "REPLAYED",
        Rotation::Refused(RotationRefusal::Unknown) => "unknown",
        Rotation::Refused(RotationRefusal::Superseded) => "superseded",
        Rotation::Refused(RotationRefusal::Expired) => "expired",
        Rotation::Refused(RotationRefusal::ScopeWidened) => "widened",
        Rotation::Refused(RotationRefusal::ScopeChanged) => "changed",
    }
}

const PRESENTED: [(&str, u32); 6] =
    [("current", 5), ("predecessor", 4), ("older", 3), ("before chain", 2), ("future", 6), ("zero", 0)];

#[test]
fn every_generation_use_and_age() {
    let mut table = format!(
        "{:12} | {:9} | {:8} | {:7} || {:12} | {:12} | {}\n",
        "presented", "successor", "arose", "access", "keep", "sliding", "absolute"
    );
    let uses = [("unused", None), ("used", Some(NOW))];
    let ages = [0, 5000, 5001, 30_000, 30_001];
    for (presented, generation) in PRESENTED {
        for ((used, used_at), age) in uses.iter().flat_map(|used| ages.map(|age| (*used, age))) {
            for (access, left) in [("live", 3000), ("expired", 0)] {
                let mut held = held(age, used_at);
                held.access.expires = Expiry::At(NOW.plus_seconds(left));
                let [keep, sliding, absolute] = RENEWALS.map(|renewal| {
                    let policy = RefreshPolicy { renewal, ..POLICY };
                    word(rotate(&held, &RefreshRequest { policy, ..request(generation) }, NOW))
                });
                writeln!(
                    table,
                    "{presented:12} | {used:9} | {age:5} ms | {access:7} || {keep:12} | {sliding:12} | {absolute}"
                )
                .unwrap();
            }
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn every_client_scope_and_expiry() {
    let scopes = [("none", ""), ("all", "a b"), ("fewer", "a"), ("more", "a c"), ("other", "c")];
    let refreshes =
        [("live", Some(1)), ("expired", Some(0)), ("forever", None), ("none held", Some(i64::MIN))];
    let mut table = format!(
        "{:6} | {:9} | {:6} || {}\n",
        "client",
        "refresh",
        "scope",
        PRESENTED.map(|(word, _)| format!("{word:12}")).join(" | ").trim_end()
    );
    let clients = [("own", CLIENT), ("other", BOB)];
    for ((whose, client), (refresh, left)) in clients.iter().flat_map(|one| refreshes.map(|two| (*one, two)))
    {
        for (asked, scope) in scopes {
            let mut held = held(1000, None);
            held.refresh = held.refresh.filter(|_| left != Some(i64::MIN)).map(|refresh| {
                let expires = left.map_or(Expiry::Never, |left| Expiry::At(NOW.plus_millis(left)));
                RefreshState { expires, ..refresh }
            });
            let scope = Some(Scope::parse(scope).unwrap()).filter(|scope| !scope.is_empty());
            let words = PRESENTED.map(|(_, generation)| {
                let request = RefreshRequest { client, scope: scope.clone(), ..request(generation) };
                format!("{:12}", word(rotate(&held, &request, NOW)))
            });
            writeln!(table, "{whose:6} | {refresh:9} | {asked:6} || {}", words.join(" | ").trim_end())
                .unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

/// A refresh token that was minted in an earlier era is unknown, and so is the whole chain before it.
#[test]
fn a_refresh_token_of_an_earlier_era_is_unknown() {
    let value = |key| Some(MintedValue { digest: [key; 32], sealed: vec![0, 1, 0, key, 9] });
    let raised = Era { minimum_key: 2, ..ERA };
    let unknown = Rotation::Refused(RotationRefusal::Unknown);
    let cases = [
        ((1, 1), [unknown, unknown, unknown]),
        ((2, 1), [unknown, unknown, unknown]),
        ((1, 2), [Rotation::Rotate, Rotation::RenewAccess, Rotation::Replayed]),
        ((2, 2), [Rotation::Rotate, Rotation::Repeat, Rotation::Replayed]),
    ];
    for ((access, refresh), expected) in cases {
        let mut held = held(0, None);
        held.minted = minted(value(access), value(refresh), vec![[3; 32]]);
        let answers = [5, 4, 3]
            .map(|generation| rotate(&held, &RefreshRequest { era: raised, ..request(generation) }, NOW));
        assert_eq!(answers, expected, "access {access}, refresh {refresh}");
        let restored = RefreshRequest { era: Era { incarnation: 2, ..ERA }, ..request(5) };
        assert_eq!(rotate(&held, &restored, NOW), unknown, "of an earlier incarnation");
    }
}

#[test]
fn an_issue_supersedes_without_consequence() {
    let mut held = held(0, None);
    held.refresh.as_mut().unwrap().chain_start = 5;
    for generation in 1..5 {
        let answer = rotate(&held, &request(generation), NOW);
        assert_eq!(answer, Rotation::Refused(RotationRefusal::Superseded), "{generation}");
    }
}

#[test]
fn a_family_that_cannot_count_further_ends_like_an_expired_one() {
    let mut held = held(0, None);
    held.access.generation = u32::MAX;
    assert_eq!(rotate(&held, &request(5), NOW), Rotation::Refused(RotationRefusal::Expired));
    assert_eq!(apply(Rotation::Rotate, &held, &request(5), NOW), None);
}

/// What a retry gets by the scopes that the first use asked for and those that it asks for itself.
#[test]
fn a_retry_that_asks_for_other_scopes_is_refused() {
    let scopes = [("none", ""), ("all", "a b"), ("fewer", "a"), ("others", "b"), ("more", "a c")];
    let mut table = format!(
        "{:15} || {}\n",
        "first use",
        scopes.map(|(asked, _)| format!("{asked:12}")).join(" | ").trim_end()
    );
    let scope = |text: &str| Some(Scope::parse(text).unwrap()).filter(|scope| !scope.is_empty());
    for (access, left) in [("live", 3000), ("expired", 0)] {
        for (first, asked_first) in &scopes[..4] {
            let use_it = RefreshRequest { scope: scope(asked_first), ..request(5) };
            let mut after = apply(Rotation::Rotate, &held(0, None), &use_it, NOW).unwrap();
            after.access.expires = Expiry::At(NOW.plus_seconds(left));
            let retries = scopes.map(|(_, asked)| {
                let retry = RefreshRequest { scope: scope(asked), ..request(5) };
                format!("{:12}", word(rotate(&after, &retry, NOW)))
            });
            let first = format!("{first}, {access}");
            writeln!(table, "{first:15} || {}", retries.join(" | ").trim_end()).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_narrowed_refresh_narrows_the_access_token_only() {
    let held = held(0, None);
    let narrow = RefreshRequest { scope: Some(Scope::parse("a").unwrap()), ..request(5) };
    let after = apply(rotate(&held, &narrow, NOW), &held, &narrow, NOW).unwrap();
    assert_eq!((after.access.scope.as_str(), after.scope.as_str()), ("a", "a b"));
    let wide = apply(rotate(&after, &request(6), NOW), &after, &request(6), NOW).unwrap();
    assert_eq!(wide.access.scope.as_str(), "a b");
}

prop_compose! {
    fn families()(
        chain_start in 1..4_u32, arisen in 0..4_u32, ahead in 0..3_u32, age in 0..40_000_i64,
        used in any::<bool>(), access_left in -10..4000_i64, refresh_left in -10..90_000_i64,
        minted in any::<bool>(),
    ) -> Family {
        let mut held = held(age, used.then_some(NOW));
        held.access.generation = chain_start + arisen + ahead;
        held.access.expires = Expiry::At(NOW.plus_seconds(access_left));
        held.refresh = held.refresh.map(|refresh| RefreshState {
            generation: chain_start + arisen,
            chain_start,
            expires: Expiry::At(NOW.plus_seconds(refresh_left)),
            ..refresh
        });
        let value = |byte: u8| Some(MintedValue { digest: [byte; 32], sealed: vec![0, 1, 0, byte, 9] });
        held.minted = minted.then(|| crate::issuance::minted(value(1), value(2), vec![[3; 32]])).flatten();
        held
    }
}

prop_compose! {
    fn requests()(
        generation in 0..9_u32, scope in prop::sample::select(vec!["", "a", "b", "a b", "a c"]),
        renewal in prop::sample::select(RENEWALS.to_vec()), own in prop::bool::weighted(0.9),
        seconds in 1..90_000_i64,
    ) -> RefreshRequest {
        let value = |byte: u8| Some(MintedValue { digest: [byte; 32], sealed: vec![0, 1, 0, byte, 9] });
        RefreshRequest {
            client: if own { CLIENT } else { BOB },
            scope: Some(Scope::parse(scope).unwrap()).filter(|scope| !scope.is_empty()),
            policy: RefreshPolicy { renewal, ..POLICY },
            refresh_validity: Validity::from(seconds),
            access_value: value(11),
            refresh_value: value(12),
            ..request(generation)
        }
    }
}

proptest! {
    #[test]
    fn apply_keeps_its_laws(held in families(), request in requests()) {
        let rotation = rotate(&held, &request, NOW);
        let before = held.refresh.unwrap();
        let Some(after) = apply(rotation, &held, &request, NOW) else {
            prop_assert!(!matches!(rotation, Rotation::Rotate | Rotation::RenewAccess));
            return Ok(());
        };
        let refresh = after.refresh.unwrap();
        prop_assert_eq!(request.client, held.client);
        prop_assert_eq!(after.access.generation, held.access.generation + 1);
        prop_assert_eq!(after.access.expires, request.access_validity.ends(NOW));
        prop_assert!(after.access.scope.is_subset_of(&held.scope));
        prop_assert_eq!(&after.access.scope, request.scope.as_ref().unwrap_or(&held.scope));
        prop_assert_eq!(refresh.chain_start, before.chain_start);
        let values = |family: &Family| family.minted.as_deref().cloned().unwrap_or_default();
        prop_assert_eq!(values(&after).access, request.access_value.clone());
        if rotation == Rotation::Rotate {
            prop_assert_eq!(request.generation, before.generation);
            prop_assert_eq!(refresh.generation, before.generation + 1);
            prop_assert!(refresh.arose_by_refresh() && refresh.used_at.is_none());
            prop_assert_eq!(refresh.issued_at, NOW);
            let absolute = request.policy.renewal == RefreshRenewal::Absolute;
            prop_assert_eq!(refresh.expires, if absolute { before.expires } else { request.refresh_validity.ends(NOW) });
            prop_assert_eq!(values(&after).refresh, request.refresh_value.clone());
            let newest = values(&held).refresh.map(|value| value.digest);
            let spent: Vec<_> = newest.into_iter().chain(values(&held).spent_refresh).collect();
            prop_assert_eq!(values(&after).spent_refresh, spent);
        } else {
            prop_assert_eq!(refresh, before);
            prop_assert_eq!(values(&after).refresh, values(&held).refresh);
            prop_assert_eq!(values(&after).spent_refresh, values(&held).spent_refresh);
        }
        let untouched = Family { access: held.access.clone(), refresh: held.refresh, minted: held.minted.clone(), ..after };
        prop_assert_eq!(untouched, held);
    }
}

/// A refresh token of another server of which only the digest is known is exchanged even where tokens are kept.
#[test]
fn what_cannot_be_told_is_exchanged() {
    let era = Era { incarnation: 0, minimum_key: 0 };
    for (sealed, expected) in [(vec![0; 4], Rotation::Rotate), (vec![0, 0, 0, 0, 9], Rotation::RenewAccess)] {
        let mut family = held(60_000, None);
        family.minted = minted(None, Some(MintedValue { digest: [7; 32], sealed }), Vec::new());
        let policy = RefreshPolicy { renewal: RefreshRenewal::Keep, ..POLICY };
        let request = RefreshRequest { policy, era, ..request(5) };
        assert_eq!(rotate(&family, &request, NOW), expected);
        let after = apply(expected, &family, &request, NOW).unwrap();
        assert_eq!(after.refresh.unwrap().expires, family.refresh.unwrap().expires, "it lives no longer");
    }
}
