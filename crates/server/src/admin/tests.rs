//! Administration, told as stories over both kinds of store.

mod api_keys;
mod applications;
mod input;
mod keys;
mod limits;
mod published;
mod tokens;
mod users;

use latchkey_oauth::client::GrantType;
use latchkey_oauth::secret::Secret;
use tempfile::TempDir;

use super::application::{Created, NewApplication, Reference};
use super::text::SecretText;
use super::{Command, Reply, application, key, token, user};
use crate::testing::{Installation, home};

/// Both kinds of store, each with a home that lasts as long as the test.
async fn installations() -> Vec<(Installation, TempDir)> {
    let mut all = Vec::new();
    for url in ["store.url=memory:", "store.url=sqlite:latchkey.db"] {
        let home = home();
        all.push((Installation::open(&home, &[url]).await, home));
    }
    all
}

fn secret(text: &str) -> SecretText {
    SecretText(Secret::new(text))
}

fn add_user(name: &str) -> Command {
    let roles = ["reader".to_owned()].into();
    Command::User(user::Command::Add { name: name.to_owned(), password: secret("correct horse"), roles })
}

fn named(name: &str) -> Reference {
    Reference { name: name.to_owned(), owner: None }
}

fn new_application(name: &str) -> NewApplication {
    NewApplication {
        name: name.to_owned(),
        owner: "alice".to_owned(),
        grants: GrantType::ALL.into(),
        ..NewApplication::default()
    }
}

async fn create(at: &Installation, new: NewApplication) -> Created {
    let command = Command::Application(application::Command::Create(Box::new(new)));
    match at.execute(command).await {
        Ok(Reply::Created(created)) => created,
        other => panic!("not created: {other:?}"),
    }
}

/// The access token that `token issue` gives.
async fn issue(at: &Installation, name: &str, scope: &str) -> SecretText {
    let scope = (!scope.is_empty()).then(|| scope.to_owned());
    let command = token::Command::Issue { application: named(name), scope, validity: None };
    match at.execute(Command::Token(command)).await {
        Ok(Reply::Issued(answer)) => secret(answer["access_token"].as_str().expect("there is a token")),
        other => panic!("not issued: {other:?}"),
    }
}

async fn inspect(at: &Installation, token: &SecretText) -> Box<token::TokenView> {
    let command = token::Command::Inspect { token: token.clone() };
    match at.execute(Command::Token(command)).await {
        Ok(Reply::Token(view)) => view,
        other => panic!("not inspected: {other:?}"),
    }
}

async fn keys(at: &Installation) -> key::KeyListing {
    match at.execute(Command::Key(key::Command::List)).await {
        Ok(Reply::Keys(listing)) => listing,
        other => panic!("no keys: {other:?}"),
    }
}
