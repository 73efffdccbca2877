//! Fabricated histories: each violation must be found, and what a correct server may do must not be.

use super::*;

fn token(name: &str) -> Token {
    Token { identity: name.into(), value: name.into() }
}

fn pair(name: &str) -> Given {
    Given { access: token(name), refresh: Some(token(&format!("r{name}"))) }
}

fn at(began: Moment, ended: Moment, deed: Deed) -> Event {
    Event { key: 0, began, ended, deed }
}

fn issue(began: Moment, ended: Moment, name: &str) -> Event {
    at(began, ended, Deed::Issue(Reply::Ok(pair(name))))
}

fn refresh(began: Moment, ended: Moment, presented: &str, name: &str) -> Event {
    at(began, ended, Deed::Refresh(token(presented), Reply::Ok(pair(name))))
}

fn revoke(began: Moment, ended: Moment, name: &str) -> Event {
    at(began, ended, Deed::Revoke(token(name), Reply::Ok(())))
}

fn active(began: Moment, name: &str) -> Event {
    at(began, began + 1, Deed::Probe(token(name), true))
}

fn inactive(began: Moment, name: &str) -> Event {
    at(began, began + 1, Deed::Probe(token(name), false))
}

fn rules_broken(events: &[Event]) -> Vec<Rule> {
    let mut rules: Vec<_> = violations(events).into_iter().map(|violation| violation.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

#[test]
fn each_planted_violation_is_found() {
    let refused =
        |began, presented: &str| at(began, began + 1, Deed::Refresh(token(presented), Reply::Refused));
    let unknown = at(3, 9, Deed::Issue(Reply::Unknown));
    let other_key = Event { key: 1, ..issue(3, 4, "a") };
    let planted: Vec<(Rule, Vec<Event>)> = vec![
        // A revocation is undone: of the token, by its refresh token, of the refresh token.
        (Rule::RevokedIsActive, vec![issue(1, 2, "a"), revoke(3, 4, "a"), active(5, "a")]),
        (Rule::RevokedIsActive, vec![issue(1, 2, "a"), revoke(3, 4, "ra"), active(5, "a")]),
        (Rule::RevokedIsActive, vec![issue(1, 2, "a"), revoke(3, 4, "a"), active(5, "ra")]),
        // The previous token lives on after a new issue, or after a refresh.
        (Rule::SupersededIsActive, vec![issue(1, 2, "a"), issue(3, 4, "b"), active(5, "a")]),
        (Rule::SupersededIsActive, vec![issue(1, 2, "a"), refresh(3, 4, "ra", "b"), active(5, "ra")]),
        // Two parallel issues both live.
        (Rule::TwoActive, vec![issue(1, 4, "a"), issue(2, 5, "b"), active(6, "a"), active(8, "b")]),
        (Rule::TwoActive, vec![issue(1, 4, "a"), issue(2, 5, "b"), active(6, "ra"), active(8, "rb")]),
        // Dead, then alive; dead, then handed out.
        (Rule::Resurrected, vec![issue(1, 2, "a"), unknown.clone(), inactive(10, "a"), active(12, "a")]),
        (Rule::Resurrected, vec![issue(1, 2, "a"), unknown, inactive(10, "a"), issue(12, 13, "a")]),
        (Rule::Resurrected, vec![issue(1, 2, "a"), revoke(3, 4, "a"), issue(5, 6, "a")]),
        // An acknowledged token is gone, by probe or by refusal, though a refused issue has no effect.
        (Rule::Lost, vec![issue(1, 2, "a"), inactive(3, "a")]),
        (Rule::Lost, vec![issue(1, 2, "a"), inactive(3, "ra")]),
        (Rule::Lost, vec![issue(1, 2, "a"), refused(3, "ra")]),
        (Rule::Lost, vec![issue(1, 2, "a"), at(3, 4, Deed::Issue(Reply::Refused)), inactive(5, "a")]),
        (Rule::Lost, vec![refresh(1, 2, "r0", "a"), issue(3, 4, "a"), inactive(5, "a")]),
        // Two parallel issues and neither lives.
        (Rule::AllLost, vec![issue(1, 4, "a"), issue(2, 5, "b"), inactive(6, "a"), inactive(8, "b")]),
        // Two successors of one refresh token.
        (Rule::Branched, vec![refresh(1, 4, "r0", "a"), refresh(2, 5, "r0", "b")]),
        (Rule::Shared, vec![issue(1, 2, "a"), other_key]),
    ];
    for (rule, events) in planted {
        let found = rules_broken(&events);
        assert!(found.contains(&rule), "{rule:?} was not found in {events:?}, but {found:?}");
    }
}

#[test]
fn what_a_correct_server_may_do_is_not_accused() {
    let lost_issue = |began, ended| at(began, ended, Deed::Issue(Reply::Unknown));
    let lost_revoke = at(3, 9, Deed::Revoke(token("a"), Reply::Unknown));
    let refused = at(5, 6, Deed::Refresh(token("ra"), Reply::Refused));
    let fair: Vec<Vec<Event>> = vec![
        vec![issue(1, 2, "a"), active(3, "a"), issue(5, 6, "a"), active(7, "a")],
        vec![issue(1, 2, "a"), issue(3, 4, "b"), inactive(5, "a"), active(7, "b")],
        // Parallel: either may be the last.
        vec![issue(1, 4, "a"), issue(2, 5, "b"), active(6, "a"), inactive(8, "b")],
        vec![issue(1, 4, "a"), issue(2, 5, "b"), inactive(6, "a"), active(8, "b")],
        vec![issue(1, 4, "a"), issue(2, 5, "b"), inactive(6, "a")],
        // A revocation beside an issue: either order.
        vec![issue(1, 2, "a"), revoke(3, 6, "a"), issue(4, 5, "b"), inactive(7, "a"), active(9, "b")],
        vec![issue(1, 2, "a"), revoke(3, 6, "a"), issue(4, 5, "b"), inactive(7, "b")],
        // In flight when the server died: both ways.
        vec![issue(1, 2, "a"), lost_issue(3, 9), active(10, "a")],
        vec![issue(1, 2, "a"), lost_issue(3, 9), inactive(10, "a")],
        vec![issue(1, 2, "a"), lost_revoke.clone(), active(10, "a")],
        vec![issue(1, 2, "a"), lost_revoke, inactive(10, "a")],
        // A probe beside the end of a token sees it or not.
        vec![issue(1, 2, "a"), revoke(3, 10, "a"), active(5, "a"), inactive(12, "a")],
        // Two tokens seen active around a change.
        vec![issue(1, 2, "a"), active(3, "a"), issue(5, 6, "b"), active(7, "b")],
        // A parallel refresh and a retry get one successor; an old one is refused as reuse.
        vec![issue(1, 2, "a"), refresh(3, 6, "ra", "b"), refresh(4, 7, "ra", "b"), active(8, "b")],
        vec![issue(1, 2, "a"), refresh(3, 4, "ra", "b"), refused, inactive(8, "b")],
        // A revocation of a token that is superseded already changes nothing.
        vec![issue(1, 2, "a"), issue(3, 4, "b"), revoke(5, 6, "a"), active(7, "b"), inactive(9, "a")],
        // An access token beside the refresh token of the next pair is no contradiction to look for.
        vec![issue(1, 4, "a"), issue(2, 5, "b"), active(6, "a"), active(8, "ra")],
    ];
    for events in fair {
        assert_eq!(violations(&events), vec![], "{events:?}");
    }
}

#[test]
fn a_round_carries_what_lives_and_some_of_what_is_dead() {
    let events = vec![
        issue(1, 2, "a"),
        issue(3, 4, "b"),
        issue(5, 6, "c"),
        inactive(10, "a"),
        inactive(12, "b"),
        active(14, "c"),
        active(16, "rc"),
    ];
    let carried = carry(&events, 10, 1);
    assert_eq!(
        carried,
        vec![
            at(10, 10, Deed::Issue(Reply::Ok(pair("c")))),
            at(10, 10, Deed::Probe(token("b"), false)),
            at(10, 10, Deed::Probe(token("rb"), false)),
        ]
    );
    let mut next = carried;
    next.push(inactive(20, "c"));
    assert_eq!(rules_broken(&next), vec![Rule::Lost]);
    next.push(active(22, "b"));
    assert!(rules_broken(&next).contains(&Rule::Resurrected), "{next:?}");
}
