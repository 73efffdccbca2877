//! From what was said to what is to be done.

mod api_keys;
mod limits;
mod published;

use std::io::Read;

use latchkey_catalog::user::Bar;
use latchkey_oauth::secret::Secret;
use zeroize::Zeroizing;

use super::arguments::{App, AppName, Area, CreateApp, Device, Events, Key, KeyKind, Token, User, Whose};
use crate::admin::application::{NewApplication, Reference};
use crate::admin::catalogue::EventRange;
use crate::admin::text::SecretText;
use crate::admin::token::Holder;
use crate::admin::{
    AdminError, Command, PAGE, api, application, device, key, subscription, token, usage, user,
};

/// The longest line read from standard input, in bytes.
const MAX_LINE: usize = 16 * 1024;

/// The command of `area`, with what belongs to it on `input`.
pub(super) fn command(area: Area, input: &mut dyn Read) -> Result<Command, AdminError> {
    Ok(match area {
        Area::User(command) => Command::User(user(command, input)?),
        Area::App(command) => app(command),
        Area::Api(command) => Command::Api(published::api(command, input)?),
        Area::Apikey(command) => Command::ApiKey(command.into()),
        Area::Subscription(command) => Command::Subscription(published::subscription(command)),
        Area::Tier(command) => Command::Tier(command.into()),
        Area::Limit(command) => Command::Limit(command.into()),
        Area::Token(command) => Command::Token(token(command, input)?),
        Area::Device(Device::List(whose)) => Command::Device(device::Command::List(whose.into())),
        Area::Device(Device::Revoke { whose, device }) => {
            Command::Device(device::Command::Revoke { holder: whose.into(), device })
        }
        Area::Key(command) => Command::Key(key(command)),
        Area::Usage(command) => Command::Usage(published::usage(command)?),
        Area::Node(command) => Command::Node(published::node(command)),
        Area::Events(Events::List { after, limit }) => Command::Events(EventRange { after, limit }),
        Area::Serve(_)
        | Area::Gateway
        | Area::Store(_)
        | Area::Config(_)
        | Area::Doctor
        | Area::Import(_) => {
            return Err(AdminError::wrong_use("this is no command of administration"));
        }
    })
}

fn user(command: User, input: &mut dyn Read) -> Result<user::Command, AdminError> {
    Ok(match command {
        User::Add { name, roles, .. } => user::Command::Add {
            name,
            password: line("password", input)?,
            roles: roles.into_iter().collect(),
        },
        User::List => user::Command::List { after: String::new() },
        User::Show { name } => user::Command::Show { name },
        User::Lock { name } => user::Command::Bar { name, bar: Bar::Locked },
        User::Unlock { name } => user::Command::Unbar { name, bar: Bar::Locked },
        User::Disable { name } => user::Command::Bar { name, bar: Bar::Disabled },
        User::Enable { name } => user::Command::Unbar { name, bar: Bar::Disabled },
        User::Password { name, .. } => {
            user::Command::SetPassword { name, password: line("password", input)? }
        }
        User::Roles { name, roles } => user::Command::SetRoles { name, roles: roles.into_iter().collect() },
        User::Delete { name } => user::Command::Delete { name },
    })
}

fn app(command: App) -> Command {
    Command::Application(match command {
        App::Create(create) => application::Command::Create(Box::new((*create).into())),
        App::List { owner } => application::Command::List { owner, after: None },
        App::Show(name) => application::Command::Show(name.into()),
        App::Keys(name) => application::Command::Keys(name.into()),
        App::RegenerateSecret(name) => application::Command::RegenerateSecret(name.into()),
        App::Subscribe(words) => return Command::Subscription(words.into()),
        App::Unsubscribe(words) => return Command::Subscription(words.into()),
        App::Tier { app, tier } => application::Command::SetTier { application: app.into(), tier },
        App::Delete(name) => application::Command::Delete(name.into()),
    })
}

fn token(command: Token, input: &mut dyn Read) -> Result<token::Command, AdminError> {
    Ok(match command {
        Token::Inspect => token::Command::Inspect { token: line("token", input)? },
        Token::Explain { id } => token::Command::Explain { id },
        Token::List(whose) => token::Command::List(whose.into()),
        Token::Revoke { stdin: true, .. } => token::Command::RevokeToken { token: line("token", input)? },
        Token::Revoke { family: Some(family), .. } => token::Command::RevokeFamily { family },
        Token::Revoke { user, app, .. } => token::Command::RevokeAll(Whose { user, app }.into()),
        Token::Issue { app, scope, validity } => {
            token::Command::Issue { application: app.into(), scope, validity }
        }
    })
}

fn key(command: Key) -> key::Command {
    match command {
        Key::List => key::Command::List,
        Key::Rotate { kind: KeyKind::Signing } => key::Command::RotateSigning,
        Key::Rotate { kind: KeyKind::Assertion } => key::Command::RotateAssertion,
        Key::Rotate { kind: KeyKind::Master } => key::Command::RotateMaster,
        Key::Remove { kid } => key::Command::Remove { kid },
        Key::RaiseMinimum { minimum } => key::Command::RaiseMinimum { minimum },
    }
}

impl From<CreateApp> for NewApplication {
    fn from(create: CreateApp) -> Self {
        Self {
            name: create.name,
            owner: create.owner,
            grants: create.grants.into_iter().collect(),
            token_format: create.token_format,
            application_validity: create.application_validity,
            user_validity: create.user_validity,
            refresh_validity: create.refresh_validity,
            subscriptions: create.subscriptions,
        }
    }
}

impl From<AppName> for Reference {
    fn from(AppName { name, owner }: AppName) -> Self {
        Self { name, owner }
    }
}

impl From<Whose> for Holder {
    fn from(Whose { user, app }: Whose) -> Self {
        Self { user, application: app.map(|name| Reference { name, owner: None }) }
    }
}

/// The one line of `input`, without its end.
fn line(what: &str, input: &mut dyn Read) -> Result<SecretText, AdminError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    input
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| AdminError::failed(format!("standard input cannot be read: {error}")))?;
    if bytes.len() > MAX_LINE {
        return Err(AdminError::wrong_use(format!(
            "the {what} on standard input is longer than {MAX_LINE} bytes"
        )));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| AdminError::wrong_use(format!("the {what} on standard input is not UTF-8")))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(AdminError::wrong_use(format!(
            "there is no {what} on standard input; give it as one line"
        )));
    }
    if text.contains(['\n', '\r']) {
        return Err(AdminError::wrong_use(format!(
            "standard input has several lines; give the {what} as one"
        )));
    }
    Ok(SecretText(Secret::new(text)))
}

/// The command for what follows a full page; `None` where `reply` was the last one or `command` has none.
pub(super) fn following(command: &Command, page: &Shown) -> Option<Command> {
    match (command, page) {
        (Command::User(user::Command::List { .. }), Shown::More(next)) => {
            Some(Command::User(user::Command::List { after: next.clone() }))
        }
        (Command::Application(application::Command::List { owner, .. }), Shown::More(next)) => {
            let after = Some(super::arguments::entry_id(next)?);
            Some(Command::Application(application::Command::List { owner: owner.clone(), after }))
        }
        (Command::Api(api::Command::List { .. }), Shown::More(next)) => {
            Some(Command::Api(api::Command::List { after: Some(next.clone()) }))
        }
        (Command::Subscription(subscription::Command::List { application, api, .. }), Shown::More(next)) => {
            let (application, api, after) = (application.clone(), api.clone(), Some(next.clone()));
            Some(Command::Subscription(subscription::Command::List { application, api, after }))
        }
        (Command::Usage(usage::Command::List { of, days, .. }), Shown::More(next)) => {
            let (of, days, after) = (of.clone(), *days, Some(next.clone()));
            Some(Command::Usage(usage::Command::List { of, days, after }))
        }
        (Command::Events(range), Shown::Events { count, last: Some(last) }) => {
            let left = range.limit.saturating_sub(*count);
            (*count == PAGE && left > 0).then_some(Command::Events(EventRange { after: *last, limit: left }))
        }
        _ => None,
    }
}

/// What of a listing has been shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// All of it.
    All,
    /// A page; this comes next.
    More(String),
    /// This many events, and the number of the last.
    Events {
        /// How many.
        count: u32,
        /// The last number.
        last: Option<u64>,
    },
}
