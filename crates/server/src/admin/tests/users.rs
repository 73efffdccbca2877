//! Users: added, listed, locked, given other passwords and roles, deleted.

use latchkey_catalog::user::{Bar, Profile, User, UserState};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::PrincipalId;
use latchkey_store::unit::CatalogueChange;

use super::super::{ErrorKind, Page, change};
use super::*;

async fn page(at: &Installation, after: &str) -> Page<user::UserView> {
    match at.execute(Command::User(user::Command::List { after: after.to_owned() })).await {
        Ok(Reply::Users(page)) => page,
        other => panic!("no page: {other:?}"),
    }
}

async fn epoch(at: &Installation, name: &str) -> u64 {
    at.app.store.user(name).await.unwrap().expect("the user is there").epoch
}

#[tokio::test]
async fn a_user_from_beginning_to_end() {
    for (at, _home) in installations().await {
        assert_eq!(at.done(add_user("alice")).await, "User alice is added.");
        let again = at.refusal(add_user("alice")).await;
        assert_eq!(again.kind, ErrorKind::Refused);
        assert!(again.message.contains("\"alice\""), "{again}");
        let users = page(&at, "").await;
        assert_eq!((users.items.len(), users.next), (1, None));
        assert_eq!(users.items[0].name, "alice");
        assert!(users.items[0].roles.contains("reader"));

        let bar = |bar| Command::User(user::Command::Bar { name: "alice".to_owned(), bar });
        let unbar = |bar| Command::User(user::Command::Unbar { name: "alice".to_owned(), bar });
        let first = epoch(&at, "alice").await;
        assert!(at.done(bar(Bar::Locked)).await.contains("locked; every token"));
        assert!(epoch(&at, "alice").await > first, "locking ends tokens");
        let locked = epoch(&at, "alice").await;
        assert!(at.done(bar(Bar::Locked)).await.contains("already"));
        assert!(at.done(bar(Bar::Disabled)).await.contains("disabled_and_locked; every token"));
        let shut = epoch(&at, "alice").await;
        assert!(shut > locked, "disabling ends tokens");
        assert!(at.done(unbar(Bar::Locked)).await.contains("still disabled"), "unlocking enables nobody");
        assert!(at.done(unbar(Bar::Disabled)).await.contains("again"));
        assert_eq!(epoch(&at, "alice").await, shut, "unlocking and enabling end nothing");

        let password = secret("another password");
        let set = Command::User(user::Command::SetPassword { name: "alice".to_owned(), password });
        let before = at.app.store.user("alice").await.unwrap().unwrap();
        assert!(at.done(set).await.contains("every token"));
        let after = at.app.store.user("alice").await.unwrap().unwrap();
        assert_ne!(before.user.password, after.user.password);
        assert!(after.user.password.starts_with("$argon2id$") && after.epoch > before.epoch);

        create(&at, new_application("Left")).await;
        let delete = || Command::User(user::Command::Delete { name: "alice".to_owned() });
        let said = at.done(delete()).await;
        assert!(said.contains("application remains: Left"), "{said}");
        assert!(at.refusal(delete()).await.message.contains("no user \"alice\""));
    }
}

#[tokio::test]
async fn losing_a_role_ends_tokens_and_gaining_one_does_not() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        let set = |roles: &[&str]| {
            let roles = roles.iter().map(|role| (*role).to_owned()).collect();
            Command::User(user::Command::SetRoles { name: "alice".to_owned(), roles })
        };
        let first = epoch(&at, "alice").await;
        assert_eq!(at.done(set(&["reader", "writer"])).await, "User alice now has reader, writer.");
        assert_eq!(epoch(&at, "alice").await, first);
        assert!(at.done(set(&["writer", "reader"])).await.contains("already"));
        assert!(at.done(set(&[])).await.contains("no role; a role was lost"));
        assert!(epoch(&at, "alice").await > first);
    }
}

#[tokio::test]
async fn many_users_come_in_pages() {
    for (at, _home) in installations().await {
        for number in 0..super::super::PAGE + 2 {
            let user = User {
                id: PrincipalId::draw(&*at.app.entropy),
                name: format!("user{number:04}"),
                password: String::new(),
                roles: std::collections::BTreeSet::new(),
                state: UserState::Active,
                profile: Profile::default(),
                created_at: Timestamp::from_seconds(0),
                updated_at: Timestamp::from_seconds(0),
            };
            change(&at.app, CatalogueChange::AddUser(user), "test").await.unwrap().unwrap();
        }
        let first = page(&at, "").await;
        let rest = page(&at, first.next.as_deref().expect("there is more")).await;
        assert_eq!((first.items.len(), rest.items.len(), rest.next), (500, 2, None));
        assert_eq!(rest.items[1].name, "user0501");
    }
}
