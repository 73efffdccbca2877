//! Administration: what operators do to users, applications, APIs, tokens and keys.
//!
//! A [`Command`] arrives over the control socket of a running server, or from the command line itself where
//! none runs; both end in [`execute`]. Listings come in pages, so that an answer is bounded however much
//! there is.

pub mod api;
pub mod api_key;
pub mod application;
pub mod approval;
pub mod catalogue;
pub mod consumer_keys;
pub mod deny;
pub mod developer;
pub mod device;
pub mod explanation;
pub mod key;
pub mod limit;
pub mod node;
pub mod ownership;
pub mod problem;
pub mod publisher;
pub mod registration;
pub mod session;
pub mod subscription;
pub mod text;
pub mod tier;
pub mod token;
pub mod usage;
pub mod user;
pub mod wso2;

#[cfg(test)]
mod tests;

use latchkey_catalog::name::BadName;
use latchkey_catalog::user::BadProfile;
use latchkey_oauth::refusal::Refusal;
use latchkey_store::StoreError;
use latchkey_store::unit::{CatalogueChange, Change, ChangeRefused};
use serde::{Deserialize, Serialize};

use problem::Problem;

use crate::app::App;
use crate::keys::{KeyChangeRefused, KeyError};

/// The most entries of one page.
pub const PAGE: u32 = 500;

/// Something to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// To users.
    User(user::Command),
    /// To applications and their keys.
    Application(application::Command),
    /// To tokens.
    Token(token::Command),
    /// To devices.
    Device(device::Command),
    /// To keys.
    Key(key::Command),
    /// To APIs.
    Api(api::Command),
    /// To API keys.
    ApiKey(api_key::Command),
    /// To subscriptions.
    Subscription(subscription::Command),
    /// Look at usage.
    Usage(usage::Command),
    /// To gateway nodes.
    Node(node::Command),
    /// To tiers.
    Tier(tier::Command),
    /// To what is used of limits.
    Limit(limit::Command),
    /// Take over what WSO2 kept.
    Wso2(wso2::Command),
    /// Look at the event log.
    Events(catalogue::EventRange),
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It was done; a sentence says what.
    Done(String),
    /// A user.
    User(user::UserView),
    /// A page of users.
    Users(Page<user::UserView>),
    /// A new application with its keys.
    Created(application::Created),
    /// An application.
    Application(application::Detail),
    /// A page of applications.
    Applications(Page<application::Summary>),
    /// The keys of an application.
    ConsumerKeys(Vec<application::ConsumerKeys>),
    /// What a token stands for.
    Token(Box<token::TokenView>),
    /// Token families.
    Families(Vec<token::FamilyView>),
    /// Why a call was refused.
    Explanation(Box<explanation::ExplanationView>),
    /// The token endpoint's answer.
    Issued(serde_json::Value),
    /// Devices.
    Devices(Vec<device::DeviceView>),
    /// Keys.
    Keys(key::KeyListing),
    /// An API.
    Api(Box<api::ApiDetail>),
    /// An `OpenAPI` document.
    Document(serde_json::Value),
    /// What an import made.
    Imported(Box<api::ImportView>),
    /// A page of APIs.
    Apis(Page<api::ApiView>),
    /// An API key with its value.
    ApiKey(api_key::Shown),
    /// The API keys of an application.
    ApiKeys(Vec<api_key::ApiKeyView>),
    /// A page of subscriptions.
    Subscriptions(Page<subscription::SubscriptionView>),
    /// A page of usage.
    Usage(Page<usage::UsageView>),
    /// A new gateway node with its secret.
    NodeCreated(node::Created),
    /// Gateway nodes.
    Nodes(Vec<node::NodeView>),
    /// Tiers.
    Tiers(Vec<tier::TierView>),
    /// What is used of limits.
    Limits(limit::LimitListing),
    /// What became of each entry that was to be taken over.
    TakenOver(wso2::TakenOver),
    /// Events in the order of their numbers.
    Events(Vec<catalogue::EventView>),
}

/// Some of many.
#[derive(Debug, Serialize, Deserialize)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// What to ask for next; none where this was the last page.
    pub next: Option<String>,
}

/// Whose fault it is that nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The command is not well-formed: a name that cannot be one, a number out of range.
    WrongUse,
    /// A rule or the state of things says no.
    Refused,
    /// It could not be done: the disk, the keys, the server.
    Failed,
}

/// Why nothing was done, for people: what was wrong, which value, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct AdminError {
    /// Whose fault it is.
    pub kind: ErrorKind,
    /// The sentence.
    pub message: String,
    /// What a rule said no to, where that has a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The result of a command.
pub type Result<T> = std::result::Result<T, AdminError>;

impl AdminError {
    /// The command is not well-formed.
    pub fn wrong_use(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::WrongUse, message: message.into(), problem: None }
    }

    /// A rule says no.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Refused, message: message.into(), problem: None }
    }

    /// It could not be done.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Failed, message: message.into(), problem: None }
    }

    /// The same with what has a code.
    #[must_use]
    pub fn about(self, problem: impl Into<Problem>) -> Self {
        Self { problem: Some(problem.into()), ..self }
    }
}

impl From<BadName> for AdminError {
    fn from(bad: BadName) -> Self {
        Self::wrong_use(bad.to_string())
    }
}

impl From<BadProfile> for AdminError {
    fn from(bad: BadProfile) -> Self {
        Self::wrong_use(bad.to_string())
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        let advice = match error {
            StoreError::Busy => "try again in a moment",
            StoreError::Unavailable(_) => "look for a full disk or a lost file system, then try again",
            StoreError::Damaged(_) => {
                "stop the server and put a backup back with `latchkey store restore FILE`"
            }
        };
        Self::failed(format!("{error}; {advice}"))
    }
}

impl From<KeyError> for AdminError {
    fn from(error: KeyError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<KeyChangeRefused> for AdminError {
    fn from(refused: KeyChangeRefused) -> Self {
        Self::refused(refused.to_string())
    }
}

impl From<Refusal> for AdminError {
    fn from(refusal: Refusal) -> Self {
        if matches!(refusal, Refusal::Busy | Refusal::StoreUnavailable) {
            return Self::failed(format!("{refusal}; see the server's log, then try again"));
        }
        Self::refused(refusal.to_string())
    }
}

/// Carries out `command` for `actor`, whose name the event log keeps.
pub async fn execute(app: &App, command: Command, actor: &str) -> Result<Reply> {
    match command {
        Command::User(command) => user::execute(app, command, actor).await,
        Command::Application(command) => application::execute(app, command, actor).await,
        Command::Token(command) => token::execute(app, command, actor).await,
        Command::Device(command) => device::execute(app, command, actor).await,
        Command::Key(command) => key::execute(app, command, actor).await,
        Command::Api(command) => api::execute(app, command, actor).await,
        Command::ApiKey(command) => api_key::execute(app, command, actor).await,
        Command::Subscription(command) => subscription::execute(app, command, actor).await,
        Command::Usage(command) => usage::execute(app, command).await,
        Command::Node(command) => node::execute(app, command, actor).await,
        Command::Tier(command) => tier::execute(app, command, actor).await,
        Command::Limit(command) => limit::execute(app, command, actor).await,
        Command::Wso2(command) => wso2::execute(app, command, actor).await,
        Command::Events(range) => catalogue::events(app, range).await,
    }
}

/// Makes a change of the catalogue; the inner error is the store's refusal, for the caller to explain.
pub(crate) async fn change(
    app: &App,
    what: CatalogueChange,
    actor: &str,
) -> Result<std::result::Result<(), ChangeRefused>> {
    Ok(app.store.change(Change { what, actor: actor.to_owned() }).await?)
}
