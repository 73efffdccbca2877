//! What can be said of taking over.
#![expect(clippy::doc_markdown, reason = "these texts are the help, which would show the backticks")]

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// From where.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Import {
    /// Applications with their keys, subscriptions, tiers, APIs, users and live tokens of WSO2
    #[command(after_help = "\
Examples:
  latchkey import wso2 --dump apim_db.sql --dump shared_db.sql --dry-run
  latchkey import wso2 --dump apim_db.sql --dump shared_db.sql")]
    Wso2(Wso2),
}

/// What is taken over, and whether it is.
#[derive(Debug, Args)]
pub(in crate::cli) struct Wso2 {
    /// A dump of a WSO2 database, by mysqldump, pg_dump or H2's SCRIPT; several may be given, in any order
    #[arg(long, value_name = "FILE", required_unless_present = "url")]
    pub(in crate::cli) dump: Vec<PathBuf>,
    /// The JDBC address of a WSO2 database
    #[arg(long, value_name = "JDBC-URL")]
    pub(in crate::cli) url: Option<String>,
    /// Change nothing, and say what would come over and what would not
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
}
