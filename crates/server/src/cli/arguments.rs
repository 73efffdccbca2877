//! What can be said on the command line.
#![expect(clippy::doc_markdown, reason = "these texts are the help, which would show the backticks")]

mod api_keys;
mod import;
mod limits;
mod published;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use latchkey_catalog::id::EntryId;
use latchkey_oauth::client::{GrantType, TokenFormat};

use crate::config::kind::LONGEST_VALIDITY;

pub(super) use api_keys::{ApiKeyWords, ApiSecurity, CreateApiKey, WhichApiKey};
pub(super) use import::{Import, Wso2};
pub(super) use limits::{LimitWords, PutTier, TierWords, WhoseLimits};
pub(super) use published::{
    Api, ApiPath, ImportApi, Node, SubscribeApp, Subscription, UnsubscribeApp, Usage, Which,
};

const EXAMPLES: &str = "\
Examples:
  latchkey serve --demo
  latchkey user add alice --password-stdin --role reader < password.txt
  latchkey app create Shop --owner alice --grants client_credentials,password,refresh_token
  latchkey device list --user alice
  latchkey doctor";

/// The OAuth 2.0 token server in which every device holds its own token.
#[derive(Debug, Parser)]
#[command(name = "latchkey", version, after_help = EXAMPLES, subcommand_required = true)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) area: Area,
}

impl Arguments {
    /// Reads the words of a command line, the program's name first.
    pub(super) fn read(words: Vec<OsString>) -> Result<Self, clap::Error> {
        let assignments = assignments(&words);
        let mut read = Self::try_parse_from(words)?;
        read.common.set = assignments;
        Ok(read)
    }
}

/// What follows each `--set`, wherever it stands. The parser keeps those of one place only: those before a
/// subcommand are lost to those behind it.
fn assignments(words: &[OsString]) -> Vec<String> {
    let mut options = words.iter().take_while(|word| *word != "--").filter_map(|word| word.to_str());
    let mut found = Vec::new();
    while let Some(word) = options.next() {
        if word == "--set" {
            found.extend(options.next().map(str::to_owned));
        } else if let Some(assignment) = word.strip_prefix("--set=") {
            found.push(assignment.to_owned());
        }
    }
    found
}

/// What every command takes.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// The directory that holds everything this installation keeps
    #[arg(long, global = true, value_name = "DIR", default_value = "./latchkey-data")]
    pub(super) data_dir: PathBuf,
    /// The configuration file [default: latchkey.toml, where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Set one setting; `latchkey config reference` lists them
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Area {
    /// Run the server
    Serve(Serve),
    /// Run a gateway beside no server; it asks the one that gateway.server names
    #[command(after_help = "\
Examples:
  latchkey gateway --config /etc/latchkey-node.toml --data-dir /var/lib/latchkey-node
  latchkey gateway --set gateway.server=https://id.example.com:9443 --set gateway.node_secret_file=/etc/latchkey-node.secret")]
    Gateway,
    /// Users
    #[command(
        subcommand,
        after_help = "Example:\n  latchkey user add alice --password-stdin --role reader < password.txt"
    )]
    User(User),
    /// Applications and their keys
    #[command(
        subcommand,
        after_help = "Example:\n  latchkey app create Shop --owner alice --grants client_credentials --subscribe /echo/1.0.0"
    )]
    App(App),
    /// APIs
    #[command(
        subcommand,
        after_help = "Example:\n  latchkey api import orders.yaml --upstream https://orders.example:8443 --publish"
    )]
    Api(Api),
    /// API keys, with which applications call APIs that take them
    #[command(subcommand, after_help = "Example:\n  latchkey apikey create Shop web > web.key")]
    Apikey(ApiKeyWords),
    /// Subscriptions of applications to APIs; `latchkey app subscribe` makes them
    #[command(
        subcommand,
        after_help = "Example:\n  latchkey subscription block --app Shop --api /orders/1.0.0"
    )]
    Subscription(Subscription),
    /// Tiers: how many calls a subscription, an application, an API or a resource has
    #[command(
        subcommand,
        after_help = "Example:\n  latchkey tier put Silver --level subscription --limit 2000/minute --burst 50/second"
    )]
    Tier(TierWords),
    /// What applications have used of their limits
    #[command(subcommand, after_help = "Example:\n  latchkey limit reset --app Shop --user alice")]
    Limit(LimitWords),
    /// Tokens
    #[command(subcommand, after_help = "Example:\n  latchkey token inspect < token.txt")]
    Token(Token),
    /// Devices; each holds its own tokens
    #[command(
        subcommand,
        after_help = "Example:\n  latchkey device revoke --user alice --app Shop device_iphone"
    )]
    Device(Device),
    /// Signing keys and master keys
    #[command(subcommand, after_help = "Example:\n  latchkey key rotate signing")]
    Key(Key),
    /// How much APIs were used
    #[command(
        subcommand,
        after_help = "Examples:\n  latchkey usage list --app Shop --days 30\n  latchkey usage list --api /orders/1.0.0 --json"
    )]
    Usage(Usage),
    /// Gateway nodes, which ask this server for their facts
    #[command(subcommand, after_help = "Example:\n  latchkey node create edge-1 > edge-1.secret")]
    Node(Node),
    /// Take over what another server keeps
    #[command(
        subcommand,
        after_help = "Example:\n  latchkey import wso2 --dump apim_db.sql --dump shared_db.sql --dry-run"
    )]
    Import(Import),
    /// The event log
    #[command(subcommand, after_help = "Example:\n  latchkey events list --after 1000 --limit 50 --json")]
    Events(Events),
    /// The database file
    #[command(subcommand, after_help = "Example:\n  latchkey store backup monday.db")]
    Store(Store),
    /// The configuration
    #[command(subcommand, after_help = "Example:\n  latchkey config show --set oauth.token.format=opaque")]
    Config(Config),
    /// Say what is wrong with this installation, and the fix
    Doctor,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  latchkey serve --demo
  latchkey serve --data-dir /var/lib/latchkey --config /etc/latchkey.toml
  latchkey serve --set server.listen=127.0.0.1:0 --set log.format=text")]
pub(super) struct Serve {
    /// On the first start, make a demo user, application and API, and print commands to copy
    #[arg(long)]
    pub(super) demo: bool,
    /// Start with a database that was set back to a backup; every token issued so far is refused
    #[arg(long)]
    pub(super) accept_rollback: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a user
    Add {
        /// 3 to 255 letters, digits and . - _ @ +
        name: String,
        #[command(flatten)]
        password: PasswordFromInput,
        /// A role of the user; repeat for several
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// List users
    List,
    /// Show a user
    Show { name: String },
    /// Keep a user from signing in; every token of the user ends
    Lock { name: String },
    /// Let a locked user sign in again
    Unlock { name: String },
    /// Disable an account, locked or not; every token of the user ends
    Disable { name: String },
    /// Enable a disabled account
    Enable { name: String },
    /// Give a user another password; every token of the user ends
    Password {
        name: String,
        #[command(flatten)]
        password: PasswordFromInput,
    },
    /// Give a user these roles and no others; losing one ends every token of the user
    Roles {
        name: String,
        /// A role of the user; repeat for several, leave out for none
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
    },
    /// Delete a user; every token of the user ends, applications of the user remain
    Delete { name: String },
}

#[derive(Debug, Args)]
pub(super) struct PasswordFromInput {
    /// Read the password from standard input, one line
    #[arg(long, required = true)]
    pub(super) password_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum App {
    /// Register an application with production keys
    Create(Box<CreateApp>),
    /// List applications
    List {
        /// Only this user's
        #[arg(long, value_name = "USER")]
        owner: Option<String>,
    },
    /// Show an application and the settings of its keys
    Show(AppName),
    /// Show an application's consumer keys and secrets
    Keys(AppName),
    /// Give an application another consumer secret; every token of it ends
    RegenerateSecret(AppName),
    /// Subscribe an application to an API, or give its subscription another tier
    #[command(after_help = "Example:\n  latchkey app subscribe Shop /orders/1.0.0 --tier Gold")]
    Subscribe(SubscribeApp),
    /// End an application's subscription to an API
    Unsubscribe(UnsubscribeApp),
    /// Give an application another tier; `latchkey tier list` shows them
    #[command(after_help = "Example:\n  latchkey app tier Shop 20PerMin")]
    Tier {
        #[command(flatten)]
        app: AppName,
        /// How many calls it has for each user
        tier: String,
    },
    /// Delete an application; every token of it ends
    Delete(AppName),
}

#[derive(Debug, Args)]
pub(super) struct CreateApp {
    /// Unique among its owner's
    pub(super) name: String,
    /// The user who owns it
    #[arg(long, value_name = "USER")]
    pub(super) owner: String,
    /// The grants it may use: client_credentials, password, refresh_token
    #[arg(long, value_name = "A,B", value_delimiter = ',', required = true)]
    pub(super) grants: Vec<GrantType>,
    /// The form of its access tokens, jwt or opaque [default: oauth.token.format]
    #[arg(long, value_name = "FORMAT")]
    pub(super) token_format: Option<TokenFormat>,
    /// Life of its own access tokens in seconds, negative for ever [default: oauth.token.application_validity]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = validity)]
    pub(super) application_validity: Option<i64>,
    /// Life of its users' access tokens in seconds, negative for ever [default: oauth.token.user_validity]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = validity)]
    pub(super) user_validity: Option<i64>,
    /// Life of refresh tokens in seconds, negative for ever [default: oauth.refresh.validity]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = validity)]
    pub(super) refresh_validity: Option<i64>,
    /// An API to subscribe to; repeat for several
    #[arg(long = "subscribe", value_name = "CONTEXT/VERSION")]
    pub(super) subscriptions: Vec<String>,
}

fn validity(text: &str) -> Result<i64, String> {
    match text.parse::<i64>() {
        Ok(seconds) if seconds != 0 && seconds <= LONGEST_VALIDITY => Ok(seconds),
        Ok(_) | Err(_) => Err(format!("give 1 to {LONGEST_VALIDITY} seconds, or -1 for \"never expires\"")),
    }
}

#[derive(Debug, Args)]
pub(super) struct AppName {
    /// The application: its name, id or consumer key
    #[arg(value_name = "APP")]
    pub(super) name: String,
    /// Its owner, where several users' applications have the name
    #[arg(long, value_name = "USER")]
    pub(super) owner: Option<String>,
}

/// Whose tokens or devices.
#[derive(Debug, Args)]
pub(super) struct Whose {
    /// The user
    #[arg(long, value_name = "USER")]
    pub(super) user: Option<String>,
    /// The application: its name, id or consumer key; alone: the application itself, and where something is listed its users too
    #[arg(long, value_name = "APP")]
    pub(super) app: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Say what a token, read from standard input, stands for
    Inspect,
    /// Say why the running gateway refused a call: which rule, whose call, and what to do
    Explain {
        /// The id in the header Latchkey-Explain of the answer
        id: String,
    },
    /// List the living tokens of a user, of an application and its users, or of a user through an application
    List(Whose),
    /// End tokens
    #[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["stdin", "family", "user", "app"])))]
    Revoke {
        /// The token on standard input, with its sibling
        #[arg(long, conflicts_with_all = ["family", "user", "app"])]
        stdin: bool,
        /// One family, as `token list` names it
        #[arg(long, value_name = "FAMILY", conflicts_with_all = ["user", "app"])]
        family: Option<String>,
        /// Everything of this user; with --app: through that application only
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        /// Everything of this application, of all its users too
        #[arg(long, value_name = "APP")]
        app: Option<String>,
    },
    /// Issue a token to an application itself (client_credentials) and print it
    Issue {
        #[command(flatten)]
        app: AppName,
        /// The scopes, joined by spaces
        #[arg(long)]
        scope: Option<String>,
        /// Its life in seconds, at most the application's own
        #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = validity)]
        validity: Option<i64>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Device {
    /// List devices
    List(Whose),
    /// End everything of one device; others are untouched
    Revoke {
        #[command(flatten)]
        whose: Whose,
        /// The device, as `device list` shows it
        device: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// List keys; never the keys themselves
    List,
    /// Use another key from now on; the older ones are still accepted
    Rotate {
        /// Which
        #[arg(value_enum, default_value_t = KeyKind::Signing)]
        kind: KeyKind,
    },
    /// Forget a retired signing key; what it signed is refused from now on
    Remove {
        /// As `key list` shows it
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
    /// Refuse every opaque value made under master keys below this number
    RaiseMinimum {
        /// The lowest number still accepted
        minimum: u16,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum KeyKind {
    /// The key that signs JWTs.
    Signing,
    /// The key that signs assertions for upstreams, where it is one of its own.
    Assertion,
    /// The key that opaque values and consumer secrets are made with.
    Master,
}

#[derive(Debug, Subcommand)]
pub(super) enum Events {
    /// List events in the order of their numbers
    List {
        /// The number that they follow
        #[arg(long, value_name = "N", default_value_t = 0)]
        after: u64,
        /// The most to list
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: u32,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Store {
    /// Read the whole database and say whether it holds together
    Check {
        /// Another file than this installation's, for example a backup
        file: Option<PathBuf>,
    },
    /// Copy the database to a new file, while the server runs or not
    Backup {
        /// The new file
        file: PathBuf,
    },
    /// Put a backup in the place of the database; every token issued so far is refused
    Restore {
        /// The backup
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Print every setting in force and where it comes from
    Show,
    /// Say whether the configuration is valid
    Check,
    /// Print every setting with its default and meaning, in Markdown
    Reference,
    /// Print the `OpenAPI` document of the REST interfaces
    Openapi,
}

/// The id after which a listing goes on.
pub(super) fn entry_id(text: &str) -> Option<EntryId> {
    text.parse().ok()
}
