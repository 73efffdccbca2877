//! Bad input is refused with what was wrong, which value, and what to do; passwords are never repeated.

use super::super::ErrorKind::{self, Refused, WrongUse};
use super::*;

fn user_with(name: &str, password: &str, role: &str) -> Command {
    let roles = [role.to_owned()].into();
    Command::User(user::Command::Add { name: name.to_owned(), password: secret(password), roles })
}

fn application_with(alter: impl FnOnce(&mut NewApplication)) -> Command {
    let mut new = new_application("Shop");
    alter(&mut new);
    Command::Application(application::Command::Create(Box::new(new)))
}

fn cases() -> Vec<(Command, ErrorKind, &'static str)> {
    let long = "x".repeat(257);
    let holder = token::Holder { user: None, application: None };
    vec![
        (user_with("al", "correct horse", "reader"), WrongUse, "\"al\""),
        (user_with("a b c", "correct horse", "reader"), WrongUse, "\"a b c\""),
        (user_with("bob", "correct horse", "a b"), WrongUse, "\"a b\""),
        (user_with("bob", "seven77", "reader"), WrongUse, "8 characters"),
        (user_with("bob", &long, "reader"), WrongUse, "257 bytes"),
        (user_with("bob", "a\tb\tc\td\te", "reader"), WrongUse, "control character"),
        (application_with(|new| new.name = " Shop".to_owned()), WrongUse, "\" Shop\""),
        (application_with(|new| new.grants.clear()), WrongUse, "--grants"),
        (application_with(|new| new.owner = "nobody".to_owned()), Refused, "\"nobody\""),
        (application_with(|new| new.application_validity = Some(0)), WrongUse, "--application-validity 0"),
        (application_with(|new| new.user_validity = Some(0)), WrongUse, "--user-validity 0"),
        (application_with(|new| new.refresh_validity = Some(1 << 40)), WrongUse, "--refresh-validity"),
        (application_with(|new| new.subscriptions = vec!["/no/1".to_owned()]), Refused, "/no/1"),
        (application_with(|new| new.subscriptions = vec!["echo".to_owned()]), WrongUse, "\"echo\""),
        (application_with(|new| new.name = "Taken".to_owned()), Refused, "\"Taken\""),
        (Command::Application(application::Command::Show(named("None"))), Refused, "\"None\""),
        (Command::Token(token::Command::List(holder.clone())), WrongUse, "--user"),
        (Command::Token(token::Command::RevokeAll(holder)), WrongUse, "--app"),
        (
            Command::Token(token::Command::RevokeFamily { family: "seventeen".to_owned() }),
            WrongUse,
            "\"seventeen\"",
        ),
        (
            Command::Token(token::Command::RevokeFamily { family: format!("1-{}", "0".repeat(32)) }),
            Refused,
            "no token family 1-",
        ),
        (Command::Key(key::Command::Remove { kid: "none".to_owned() }), Refused, "`none`"),
        (Command::Key(key::Command::RaiseMinimum { minimum: 2 }), Refused, "between 1 and 1"),
    ]
}

#[tokio::test]
async fn every_refusal_names_what_was_wrong() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        create(&at, new_application("Taken")).await;
        let before = at.app.store.position().await.unwrap();
        for (command, kind, named) in cases() {
            let shown = format!("{command:?}");
            let refused = at.refusal(command).await;
            assert_eq!(refused.kind, kind, "{shown}: {refused}");
            assert!(refused.message.contains(named), "{shown}: {refused}");
            assert!(!refused.message.contains("seven77") && !shown.contains("seven77"), "{refused}");
        }
        assert_eq!(at.app.store.position().await.unwrap(), before, "nothing was written");
    }
}
