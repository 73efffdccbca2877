//! What can be said about API keys.
#![expect(clippy::doc_markdown, reason = "these texts are the help, which would show the backticks")]

use clap::{Args, Subcommand};
use latchkey_catalog::api::Scheme;

use super::{ApiPath, AppName, validity};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ApiKeyWords {
    /// Make an API key for an application and print its value, which is shown this once
    Create(Box<CreateApiKey>),
    /// List an application's API keys
    List(AppName),
    /// Give an API key another value and print it; the one before ends
    Regenerate(WhichApiKey),
    /// End an API key
    Revoke(WhichApiKey),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  latchkey apikey create Shop web --referer 'https://shop.example/*,*.shop.example/*'
  latchkey apikey create Shop batch --address 192.0.2.0/24,2001:db8::/32 --validity 2592000")]
pub(in crate::cli) struct CreateApiKey {
    #[command(flatten)]
    pub(in crate::cli) which: WhichApiKey,
    /// Its life in seconds, negative for ever
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = validity, default_value_t = -1)]
    pub(in crate::cli) validity: i64,
    /// The addresses and networks that it may be used from [default: any]
    #[arg(long, value_name = "A,B", default_value = "", hide_default_value = true)]
    pub(in crate::cli) address: String,
    /// The pages that it may be used from, by the header Referer [default: any]
    #[arg(long, value_name = "A,B", default_value = "", hide_default_value = true)]
    pub(in crate::cli) referer: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct WhichApiKey {
    #[command(flatten)]
    pub(in crate::cli) app: AppName,
    /// The API key's name, unique among those of the application and key type
    #[arg(value_name = "KEY")]
    pub(in crate::cli) key: String,
    /// For the sandbox instead of production
    #[arg(long)]
    pub(in crate::cli) sandbox: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  latchkey api security /echo/1.0.0 --allow oauth2 --allow api_key")]
pub(in crate::cli) struct ApiSecurity {
    #[command(flatten)]
    pub(in crate::cli) api: ApiPath,
    /// A kind of credential, oauth2 or api_key; repeat for both
    #[arg(long, value_name = "KIND", required = true)]
    pub(in crate::cli) allow: Vec<Scheme>,
    /// The header that carries API keys [default: ApiKey]
    #[arg(long, value_name = "HEADER")]
    pub(in crate::cli) api_key_header: Option<String>,
}
