//! Looking for users, changing several things of them at once, and the labels of their devices.

use std::collections::BTreeSet;

use latchkey_catalog::user::search::{Comparison, Condition, Field, UserSearch};
use latchkey_catalog::user::{Bar, Email, Profile, User, UserChange, UserState};
use latchkey_oauth::event::EventKind;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::session::SessionId;
use latchkey_store::unit::{CatalogueChange, ChangeRefused};

use crate::ask::Ask;
use crate::catalogue::refused;
use crate::lab::{Desk, Lab, words};

fn email(value: &str) -> Email {
    Email { value: value.to_owned(), kind: Some("work".to_owned()), primary: true }
}

fn search(conditions: &[(Field, Comparison, &str)]) -> UserSearch {
    let condition = |(field, comparison, value): &(Field, Comparison, &str)| Condition {
        field: *field,
        comparison: *comparison,
        value: (*value).to_owned(),
    };
    UserSearch(conditions.iter().map(condition).collect())
}

/// The names of those who are found, and how many there are altogether.
async fn found(desk: &Desk, search: UserSearch, offset: u64, limit: u32) -> (Vec<String>, u64) {
    let found = desk.store.users_found(search, offset, limit).await.unwrap();
    (found.users.into_iter().map(|user| user.name).collect(), found.total)
}

async fn crowd(desk: &Desk) -> Vec<User> {
    let people = [
        ("alice", "Alice", "alice@example.org", "reader"),
        ("alice.2", "Alice", "alice@example.net", "writer"),
        ("bob", "Bob", "bob@example.org", "reader"),
        ("bo%b", "Bob", "100%@example.org", "Internal/reader"),
    ];
    let mut users = Vec::new();
    for (name, given, address, role) in people {
        let profile = Profile {
            given_name: Some(given.to_owned()),
            family_name: Some("Example".to_owned()),
            emails: vec![email(address)],
            ..Profile::default()
        };
        users.push(User { profile, ..desk.new_user(name, &[role]) });
        desk.change(CatalogueChange::AddUser(users.last().unwrap().clone())).await;
    }
    users
}

/// What the pure rule says is what every store finds, for every field and comparison.
pub(crate) async fn users_are_found_by_what_is_known_of_them(lab: &mut Lab) {
    use Comparison::{Contains, Equals, StartsWith};
    let users = crowd(lab).await;
    let fields = [Field::Id, Field::Name, Field::GivenName, Field::FamilyName, Field::Email, Field::Role];
    let id = users[1].id.to_string();
    let values =
        ["alice", "Alice", "bo", "b", "%", "_", "100%", "example.org", "reader", "Internal/", "", &id];
    let mut hits = 0;
    for (field, comparison, value) in fields.into_iter().flat_map(|field| {
        let each = move |comparison| values.map(|value| (field, comparison, value));
        [Equals, Contains, StartsWith].into_iter().flat_map(each)
    }) {
        let search = search(&[(field, comparison, value)]);
        let mut expected: Vec<String> =
            users.iter().filter(|user| search.finds(user)).map(|user| user.name.clone()).collect();
        expected.sort();
        hits += expected.len();
        let total = expected.len() as u64;
        let what = format!("{field:?} {comparison:?} {value:?}");
        assert_eq!(found(lab, search, 0, 100).await, (expected, total), "{what}");
    }
    assert!(hits > 40, "the table finds something: {hits}");
    let both = search(&[(Field::GivenName, Equals, "Alice"), (Field::Email, Contains, ".net")]);
    assert_eq!(found(lab, both, 0, 9).await, (vec!["alice.2".to_owned()], 1));
    let held = lab.store.user("bo%b").await.unwrap().unwrap();
    assert_eq!(held.user, users[3], "kept whole");
}

pub(crate) async fn users_come_in_pages_with_a_total(lab: &mut Lab) {
    crowd(lab).await;
    let page = async |offset, limit| found(lab, UserSearch::default(), offset, limit).await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(page(0, 3).await, (names(&["alice", "alice.2", "bo%b"]), 4));
    assert_eq!(page(3, 3).await, (names(&["bob"]), 4));
    assert_eq!(page(4, 3).await, (names(&[]), 4));
    assert_eq!(page(0, 0).await, (names(&[]), 4));
    let readers = UserSearch::holders_of("reader");
    assert_eq!(found(lab, readers.clone(), 1, 1).await, (names(&["bob"]), 2));
    let bob = lab.store.user("bob").await.unwrap().unwrap().user.id;
    lab.change(CatalogueChange::SetRoles(bob, words(&["writer"]))).await;
    assert_eq!(found(lab, readers.clone(), 0, 9).await, (names(&["alice"]), 1));
    let alice = lab.store.user("alice").await.unwrap().unwrap().user.id;
    lab.change(CatalogueChange::DeleteUser(alice)).await;
    assert_eq!(found(lab, readers, 0, 9).await, (names(&[]), 0));
}

pub(crate) async fn several_changes_of_a_user_are_one(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let held = lab.issued(&Ask::user(&app, alice)).await;
    let rename =
        vec![UserChange::GivenName(Some("Alice".to_owned())), UserChange::GiveRole("writer".to_owned())];
    lab.clock.advance_millis(5);
    lab.change(CatalogueChange::UpdateUsers(vec![(alice, rename)])).await;
    assert!(lab.accepts(&held).await, "neither ends anything");
    let user = lab.store.user("alice").await.unwrap().unwrap().user.clone();
    assert_eq!((user.updated_at, user.profile.given_name.as_deref()), (lab.now(), Some("Alice")));
    let before = lab.seq().await;
    let shut = vec![UserChange::Bar(Bar::Disabled), UserChange::Password("another".to_owned())];
    lab.change(CatalogueChange::UpdateUsers(vec![(alice, shut)])).await;
    assert!(!lab.is_alive(&held).await);
    let kinds: Vec<_> = lab.events_after(before).await.iter().map(|stored| stored.event.kind).collect();
    assert_eq!(kinds, [EventKind::UserDisable, EventKind::PasswordChange]);
    let user = lab.store.user_by_id(alice).await.unwrap().unwrap().user.clone();
    assert_eq!((user.state, user.password.as_str()), (UserState::Disabled, "another"));
    lab.change(CatalogueChange::UpdateUsers(vec![(alice, vec![UserChange::Bar(Bar::Locked)])])).await;
    lab.change(CatalogueChange::UpdateUsers(vec![(alice, vec![UserChange::Unbar(Bar::Disabled)])])).await;
    let user = lab.store.user("alice").await.unwrap().unwrap().user.clone();
    assert_eq!(user.state, UserState::Locked, "the lock stays");
}

pub(crate) async fn changes_of_many_users_are_made_together_or_not_at_all(lab: &mut Lab) {
    let (alice, bob, nobody) = (lab.user("alice").await, lab.user("bob").await, lab.principal());
    let give = |user: PrincipalId| (user, vec![UserChange::GiveRole("writer".to_owned())]);
    refused(lab, CatalogueChange::UpdateUsers(vec![give(alice), give(nobody)]), ChangeRefused::NotFound)
        .await;
    let long = UserChange::DisplayName(Some("x".repeat(1000)));
    let bad = CatalogueChange::UpdateUsers(vec![give(alice), (bob, vec![long])]);
    assert!(matches!(lab.try_change(bad).await, Err(ChangeRefused::BadProfile(_))));
    let writers = UserSearch::holders_of("writer");
    assert_eq!(found(lab, writers.clone(), 0, 9).await.1, 0, "nothing of it was made");
    lab.change(CatalogueChange::UpdateUsers(vec![give(alice), give(bob)])).await;
    assert_eq!(found(lab, writers.clone(), 0, 9).await.1, 2);
    let take = |role: &str| (alice, vec![UserChange::TakeRole(role.to_owned())]);
    lab.change(CatalogueChange::UpdateUsers(vec![take("writer"), give(bob), take("reader")])).await;
    let user = lab.store.user("alice").await.unwrap().unwrap().user.clone();
    assert_eq!(user.roles, words(&[]), "what is said of one user twice is done twice");
    assert_eq!(found(lab, writers, 0, 9).await.0, ["bob"]);
}

pub(crate) async fn devices_have_labels_as_long_as_they_live(lab: &mut Lab) {
    let alice = lab.user("alice").await;
    let id = |number| SessionId::from_bytes([number; 16]);
    let living = |numbers: &[u8]| numbers.iter().map(|number| id(*number)).collect::<BTreeSet<_>>();
    let label = |session, label: Option<&str>, numbers: &[u8]| CatalogueChange::LabelDevice {
        user: alice,
        session,
        label: label.map(str::to_owned),
        living: living(numbers),
    };
    refused(lab, label(id(3), Some("none"), &[1, 2]), ChangeRefused::NotFound).await;
    lab.change(label(id(1), Some("pad"), &[1, 2])).await;
    lab.change(label(id(2), Some("phone"), &[1, 2])).await;
    lab.change(label(id(2), Some("the phone"), &[1, 2])).await;
    let held = async || lab.store.labels(alice).await.unwrap().into_values().collect::<Vec<_>>();
    assert_eq!(held().await, ["pad", "the phone"]);
    lab.change(label(id(3), Some("desk"), &[2, 3])).await;
    assert_eq!(held().await, ["the phone", "desk"], "a device that is gone takes its label along");
    lab.change(label(id(2), None, &[2, 3])).await;
    assert_eq!(held().await, ["desk"]);
    lab.change(CatalogueChange::DeleteUser(alice)).await;
    assert_eq!(held().await, [""; 0]);
}
