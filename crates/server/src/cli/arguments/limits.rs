//! What can be said about tiers and limits.

use clap::{Args, Subcommand, ValueEnum};
use latchkey_catalog::tier::{Level, Limit, PastLimit};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum TierWords {
    /// List tiers with their limits
    List,
    /// Add a tier, or change one; it holds from the next call on
    #[command(after_help = "\
Examples:
  latchkey tier put Silver --level subscription --limit 2000/minute --burst 50/second
  latchkey tier put Partner --level application --limit \"100000/day\"
  latchkey tier put 10KPerMin --level resource --limit 10000/minute")]
    Put(PutTier),
    /// Delete a tier that nothing has
    Delete {
        /// Its name
        name: String,
        /// What it is given to
        #[arg(long)]
        level: LevelWord,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PutTier {
    /// Its name
    pub(in crate::cli) name: String,
    /// What it is given to
    #[arg(long)]
    pub(in crate::cli) level: LevelWord,
    /// How many calls in which window of the calendar, like 20/minute or 5000/2 hours [default: any number]
    #[arg(long, value_name = "CALLS/WINDOW")]
    pub(in crate::cli) limit: Option<Limit>,
    /// How many calls in a short window besides, like 5/second
    #[arg(long, value_name = "CALLS/WINDOW")]
    pub(in crate::cli) burst: Option<Limit>,
    /// What happens to calls past the limit; a burst always refuses
    #[arg(long, default_value = "refuse")]
    pub(in crate::cli) past_limit: PastLimitWord,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum LevelWord {
    /// Applications; each user of one is counted apart
    Application,
    /// Subscriptions of applications to APIs
    Subscription,
    /// APIs and resources; all callers together
    Resource,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum PastLimitWord {
    /// They are refused
    Refuse,
    /// They pass, and are counted
    Admit,
}

impl From<LevelWord> for Level {
    fn from(word: LevelWord) -> Self {
        match word {
            LevelWord::Application => Self::Application,
            LevelWord::Subscription => Self::Subscription,
            LevelWord::Resource => Self::Resource,
        }
    }
}

impl From<PastLimitWord> for PastLimit {
    fn from(word: PastLimitWord) -> Self {
        match word {
            PastLimitWord::Refuse => Self::Refuse,
            PastLimitWord::Admit => Self::Admit,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LimitWords {
    /// Show what an application has used, and when it begins anew
    List(WhoseLimits),
    /// Let an application's limits begin anew at once
    #[command(after_help = "\
Examples:
  latchkey limit reset --app Shop
  latchkey limit reset --app Shop --api /orders/1.0.0
  latchkey limit reset --app Shop --user alice")]
    Reset(WhoseLimits),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct WhoseLimits {
    /// The application: its name, id or consumer key
    #[arg(long, value_name = "APP")]
    pub(in crate::cli) app: String,
    /// Its owner, where several users' applications have the name
    #[arg(long, value_name = "USER")]
    pub(in crate::cli) owner: Option<String>,
    /// Only its subscription to this API
    #[arg(long, value_name = "CONTEXT/VERSION")]
    pub(in crate::cli) api: Option<String>,
    /// Only its own limits for this user
    #[arg(long, value_name = "USER")]
    pub(in crate::cli) user: Option<String>,
}
