//! The same for APIs, subscriptions and gateway nodes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use latchkey_catalog::api::{ApiState, VersionRole};
use latchkey_catalog::openapi::MAX_DOCUMENT;
use latchkey_catalog::subscription::SubscriptionState;

use crate::admin::application::Reference;
use crate::admin::{AdminError, api, node, subscription, usage};
use crate::cli::arguments::{
    Api, ApiPath, ApiSecurity, ImportApi, Node, SubscribeApp, Subscription, UnsubscribeApp, Usage, Which,
};

pub(super) fn api(command: Api, input: &mut dyn Read) -> Result<api::Command, AdminError> {
    let set = |ApiPath { path }, state| api::Command::SetState { path, state };
    Ok(match command {
        Api::Import(words) => api::Command::Import(Box::new(import(*words, input)?)),
        Api::List => api::Command::List { after: None },
        Api::Show(ApiPath { path }) => api::Command::Show { path },
        Api::Export(ApiPath { path }) => api::Command::Export { path },
        Api::Publish(path) => set(path, ApiState::Published),
        Api::Prototype(path) => set(path, ApiState::Prototyped),
        Api::Deprecate(path) => set(path, ApiState::Deprecated),
        Api::Demote(path) => set(path, ApiState::Created),
        Api::DefaultVersion { api: ApiPath { path }, off } => {
            let role = if off { VersionRole::Named } else { VersionRole::Default };
            api::Command::SetVersionRole { path, role }
        }
        // With `--anybody` no key can be given.
        Api::Audience { api: ApiPath { path }, allow, anybody: _ } => {
            api::Command::SetAudiences { path, audiences: allow.into_iter().collect() }
        }
        Api::Security(ApiSecurity { api: ApiPath { path }, allow, api_key_header }) => {
            api::Command::SetSchemes { path, schemes: allow.into_iter().collect(), api_key_header }
        }
        Api::Block(path) => set(path, ApiState::Blocked),
        Api::Retire(path) => set(path, ApiState::Retired),
        Api::Delete(ApiPath { path }) => api::Command::Delete { path },
    })
}

fn import(words: ImportApi, input: &mut dyn Read) -> Result<api::Import, AdminError> {
    let document = if words.file == Path::new("-") {
        text("standard input", input)?
    } else {
        let name = words.file.display().to_string();
        let mut file = File::open(&words.file).map_err(|error| {
            AdminError::failed(format!("{name} cannot be opened: {error}; name an OpenAPI document"))
        })?;
        text(&name, &mut file)?
    };
    Ok(api::Import {
        document,
        name: words.name,
        context: words.context,
        version: words.version,
        production: words.production,
        sandbox: words.sandbox,
        state: words.publish.then_some(ApiState::Published),
        existing: if words.update { api::Existing::Update } else { api::Existing::Keep },
    })
}

/// All of `from`, which messages call `name`.
fn text(name: &str, from: &mut dyn Read) -> Result<String, AdminError> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_DOCUMENT).unwrap_or(u64::MAX);
    from.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| AdminError::failed(format!("{name} cannot be read: {error}")))?;
    if bytes.len() > MAX_DOCUMENT {
        return Err(AdminError::refused(format!(
            "{name} is longer than the {MAX_DOCUMENT} bytes that are read; split the API"
        )));
    }
    String::from_utf8(bytes).map_err(|_| AdminError::refused(format!("{name} is not UTF-8 text")))
}

pub(super) fn node(command: Node) -> node::Command {
    match command {
        Node::Create { name } => node::Command::Create { name },
        Node::List => node::Command::List,
        Node::Delete { name } => node::Command::Delete { name },
    }
}

pub(super) fn subscription(command: Subscription) -> subscription::Command {
    let set = |which: Which, state| subscription::Command::SetState { named: which.into(), state };
    match command {
        Subscription::List { app, api } => subscription::Command::List {
            application: app.map(|name| Reference { name, owner: None }),
            api,
            after: None,
        },
        Subscription::Block { which, production_only: true } => {
            set(which, SubscriptionState::ProdOnlyBlocked)
        }
        Subscription::Block { which, production_only: false } => set(which, SubscriptionState::Blocked),
        Subscription::Unblock(which) => set(which, SubscriptionState::Unblocked),
    }
}

pub(super) fn usage(Usage::List { app, api, days }: Usage) -> Result<usage::Command, AdminError> {
    let of = match (app, api) {
        (Some(name), _) => usage::Of::Application(Reference { name, owner: None }),
        (None, Some(path)) => usage::Of::Api(path),
        (None, None) => {
            return Err(AdminError::wrong_use("usage of what? give --app APP or --api CONTEXT/VERSION"));
        }
    };
    Ok(usage::Command::List { of, days, after: None })
}

impl From<SubscribeApp> for subscription::Command {
    fn from(SubscribeApp { app, api, tier }: SubscribeApp) -> Self {
        let named = subscription::Named { application: app.into(), api: api.path };
        Self::Subscribe { named, tier }
    }
}

impl From<UnsubscribeApp> for subscription::Command {
    fn from(UnsubscribeApp { app, api }: UnsubscribeApp) -> Self {
        Self::Unsubscribe(subscription::Named { application: app.into(), api: api.path })
    }
}

impl From<Which> for subscription::Named {
    fn from(Which { app, api }: Which) -> Self {
        Self { application: Reference { name: app, owner: None }, api }
    }
}
