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

fn probe(began: Moment, name: &str, active: bool) -> Event {
    at(began, began + 1, Deed::Probe(token(name), active))
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
        (Rule::RevokedIsActive, vec![issue(1, 2, "a"), revoke(3, 4, "a"), probe(5, "a", true)]),
        (Rule::RevokedIsActive, vec![issue(1, 2, "a"), revoke(3, 4, "ra"), probe(5, "a", true)]),
        (Rule::RevokedIsActive, vec![issue(1, 2, "a"), revoke(3, 4, "a"), probe(5, "ra", true)]),
        // The previous token lives on after a new issue, or after a refresh.
        (Rule::SupersededIsActive, vec![issue(1, 2, "a"), issue(3, 4, "b"), probe(5, "a", true)]),
        (Rule::SupersededIsActive, vec![issue(1, 2, "a"), refresh(3, 4, "ra", "b"), probe(5, "ra", true)]),
        // Two parallel issues both live.
        (Rule::TwoActive, vec![issue(1, 4, "a"), issue(2, 5, "b"), probe(6, "a", true), probe(8, "b", true)]),
        (
            Rule::TwoActive,
            vec![issue(1, 4, "a"), issue(2, 5, "b"), probe(6, "ra", true), probe(8, "rb", true)],
        ),
        // Dead, then alive; dead, then handed out.
        (
            Rule::Resurrected,
            vec![issue(1, 2, "a"), unknown.clone(), probe(10, "a", false), probe(12, "a", true)],
        ),
        (Rule::Resurrected, vec![issue(1, 2, "a"), unknown, probe(10, "a", false), issue(12, 13, "a")]),
        (Rule::Resurrected, vec![issue(1, 2, "a"), revoke(3, 4, "a"), issue(5, 6, "a")]),
        // An acknowledged token is gone, by probe or by refusal, though a refused issue has no effect.
        (Rule::Lost, vec![issue(1, 2, "a"), probe(3, "a", false)]),
        (Rule::Lost, vec![issue(1, 2, "a"), probe(3, "ra", false)]),
        (Rule::Lost, vec![issue(1, 2, "a"), refused(3, "ra")]),
        (Rule::Lost, vec![issue(1, 2, "a"), at(3, 4, Deed::Issue(Reply::Refused)), probe(5, "a", false)]),
        (Rule::Lost, vec![refresh(1, 2, "r0", "a"), issue(3, 4, "a"), probe(5, "a", false)]),
        // Two parallel issues and neither lives.
        (Rule::AllLost, vec![issue(1, 4, "a"), issue(2, 5, "b"), probe(6, "a", false), probe(8, "b", false)]),
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
        vec![issue(1, 2, "a"), probe(3, "a", true), issue(5, 6, "a"), probe(7, "a", true)],
        vec![issue(1, 2, "a"), issue(3, 4, "b"), probe(5, "a", false), probe(7, "b", true)],
        // Parallel: either may be the last.
        vec![issue(1, 4, "a"), issue(2, 5, "b"), probe(6, "a", true), probe(8, "b", false)],
        vec![issue(1, 4, "a"), issue(2, 5, "b"), probe(6, "a", false), probe(8, "b", true)],
        vec![issue(1, 4, "a"), issue(2, 5, "b"), probe(6, "a", false)],
        // A revocation beside an issue: either order.
        vec![
            issue(1, 2, "a"),
            revoke(3, 6, "a"),
            issue(4, 5, "b"),
            probe(7, "a", false),
            probe(9, "b", true),
        ],
        vec![issue(1, 2, "a"), revoke(3, 6, "a"), issue(4, 5, "b"), probe(7, "b", false)],
        // In flight when the server died: both ways.
        vec![issue(1, 2, "a"), lost_issue(3, 9), probe(10, "a", true)],
        vec![issue(1, 2, "a"), lost_issue(3, 9), probe(10, "a", false)],
        vec![issue(1, 2, "a"), lost_revoke.clone(), probe(10, "a", true)],
        vec![issue(1, 2, "a"), lost_revoke, probe(10, "a", false)],
        // A probe beside the end of a token sees it or not.
        vec![issue(1, 2, "a"), revoke(3, 10, "a"), probe(5, "a", true), probe(12, "a", false)],
        // Two tokens seen active around a change.
        vec![issue(1, 2, "a"), probe(3, "a", true), issue(5, 6, "b"), probe(7, "b", true)],
        // A parallel refresh and a retry get one successor; an old one is refused as reuse.
        vec![issue(1, 2, "a"), refresh(3, 6, "ra", "b"), refresh(4, 7, "ra", "b"), probe(8, "b", true)],
        vec![issue(1, 2, "a"), refresh(3, 4, "ra", "b"), refused, probe(8, "b", false)],
        // A revocation of a token that is superseded already changes nothing.
        vec![
            issue(1, 2, "a"),
            issue(3, 4, "b"),
            revoke(5, 6, "a"),
            probe(7, "b", true),
            probe(9, "a", false),
        ],
        // An access token beside the refresh token of the next pair is no contradiction to look for.
        vec![issue(1, 4, "a"), issue(2, 5, "b"), probe(6, "a", true), probe(8, "ra", true)],
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
        probe(10, "a", false),
        probe(12, "b", false),
        probe(14, "c", true),
        probe(16, "rc", true),
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
    next.push(probe(20, "c", false));
    assert_eq!(rules_broken(&next), vec![Rule::Lost]);
    next.push(probe(22, "b", true));
    assert!(rules_broken(&next).contains(&Rule::Resurrected), "{next:?}");
}
