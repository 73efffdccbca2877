//! What can be said about APIs, subscriptions and gateway nodes.
#![expect(clippy::doc_markdown, reason = "these texts are the help, which would show the backticks")]

use std::path::PathBuf;

use clap::{Args, Subcommand};
use latchkey_catalog::subscription::UNLIMITED;

use super::{ApiSecurity, AppName};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Api {
    /// Take an API from an OpenAPI 3 document, JSON or YAML
    Import(Box<ImportApi>),
    /// List APIs with their states, upstreams and scopes
    List,
    /// Show an API and its resources
    Show(ApiPath),
    /// Print an API as an OpenAPI document, which imports as the same API
    Export(ApiPath),
    /// Let applications subscribe to an API and call it
    Publish(ApiPath),
    /// Let subscribers try an API out before it is published
    Prototype(ApiPath),
    /// Take no new subscriptions to an API; those that there are go on
    Deprecate(ApiPath),
    /// Take an API from the gateway until it is published again; subscriptions stay
    Demote(ApiPath),
    /// Send calls of the API's context without a version to this version
    DefaultVersion {
        #[command(flatten)]
        api: ApiPath,
        /// Do so no longer
        #[arg(long)]
        off: bool,
    },
    /// Let only tokens of some consumer keys call an API
    #[command(group(clap::ArgGroup::new("whose").required(true).args(["allow", "anybody"])))]
    Audience {
        #[command(flatten)]
        api: ApiPath,
        /// A consumer key; repeat for several
        #[arg(long, value_name = "CONSUMER_KEY")]
        allow: Vec<String>,
        /// Let tokens of every application call it that subscribes
        #[arg(long)]
        anybody: bool,
    },
    /// Choose the credentials that an API takes: tokens, API keys or both
    Security(ApiSecurity),
    /// Refuse every call of an API for a while; subscriptions stay
    Block(ApiPath),
    /// Take an API from the gateway for good; its subscriptions end
    Retire(ApiPath),
    /// Delete an API that nobody subscribes to
    Delete(ApiPath),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  latchkey api import orders.yaml --upstream https://orders.example:8443 --publish
  latchkey api import orders.yaml --context /orders --version 2.0.0
  latchkey api import orders.yaml --update")]
pub(in crate::cli) struct ImportApi {
    /// The document; - for standard input
    pub(in crate::cli) file: PathBuf,
    /// The API's name [default: the document's title]
    #[arg(long)]
    pub(in crate::cli) name: Option<String>,
    /// The path before the version, like /orders [default: x-wso2-basePath, or made of the name]
    #[arg(long)]
    pub(in crate::cli) context: Option<String>,
    /// The version [default: the document's]
    #[arg(long)]
    pub(in crate::cli) version: Option<String>,
    /// Where calls go; repeat for several servers [default: as the document says]
    #[arg(long = "upstream", value_name = "URL")]
    pub(in crate::cli) production: Vec<String>,
    /// Where calls with sandbox keys go; repeat for several servers [default: as the document says]
    #[arg(long = "sandbox-upstream", value_name = "URL")]
    pub(in crate::cli) sandbox: Vec<String>,
    /// Publish it at once
    #[arg(long)]
    pub(in crate::cli) publish: bool,
    /// Replace the definition of the API that has this path; its subscriptions stay
    #[arg(long)]
    pub(in crate::cli) update: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ApiPath {
    /// The API, like /echo/1.0.0
    #[arg(value_name = "CONTEXT/VERSION")]
    pub(in crate::cli) path: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SubscribeApp {
    #[command(flatten)]
    pub(in crate::cli) app: AppName,
    #[command(flatten)]
    pub(in crate::cli) api: ApiPath,
    /// How many calls it has
    #[arg(long, default_value = UNLIMITED)]
    pub(in crate::cli) tier: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct UnsubscribeApp {
    #[command(flatten)]
    pub(in crate::cli) app: AppName,
    #[command(flatten)]
    pub(in crate::cli) api: ApiPath,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Subscription {
    /// List subscriptions with their tiers and states
    List {
        /// Only those of this application: its name, id or consumer key
        #[arg(long, value_name = "APP")]
        app: Option<String>,
        /// Only those to this API
        #[arg(long, value_name = "CONTEXT/VERSION")]
        api: Option<String>,
    },
    /// Refuse every call of an application to an API
    Block {
        #[command(flatten)]
        which: Which,
        /// Only calls with production keys
        #[arg(long)]
        production_only: bool,
    },
    /// Let the calls pass again
    Unblock(Which),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Which {
    /// The application: its name, id or consumer key
    #[arg(long, value_name = "APP")]
    pub(in crate::cli) app: String,
    /// The API
    #[arg(long, value_name = "CONTEXT/VERSION")]
    pub(in crate::cli) api: String,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Usage {
    /// List calls by day, API, application, user and device, with what became of them
    #[command(group(clap::ArgGroup::new("of").required(true).args(["app", "api"])))]
    List {
        /// By this application: its name, id or consumer key
        #[arg(long, value_name = "APP")]
        app: Option<String>,
        /// Of this API
        #[arg(long, value_name = "CONTEXT/VERSION")]
        api: Option<String>,
        /// How many days of UTC, today among them
        #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Node {
    /// Add a gateway node and print the secret that it asks this server with
    Create {
        /// 1 to 100 letters, digits and . - _
        name: String,
    },
    /// List gateway nodes
    List,
    /// Remove a gateway node; it lets no call pass any more
    Delete { name: String },
}
