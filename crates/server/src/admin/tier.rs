//! Tiers: how many calls a subscription, an application, an API or a resource has.

use latchkey_catalog::name;
use latchkey_catalog::subscription::UNLIMITED;
use latchkey_catalog::tier::{Level, PastLimit, Tier};
use latchkey_store::unit::{CatalogueChange, ChangeRefused};
use serde::{Deserialize, Serialize};

use super::problem::Administration;
use super::{AdminError, Reply, Result, change};
use crate::app::App;

/// What to do to tiers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// List all of them.
    List,
    /// Add one, or change one.
    Put(Tier),
    /// Delete one that nothing names.
    Delete {
        /// What it is given to.
        level: Level,
        /// Its name.
        name: String,
    },
}

/// A tier.
#[derive(Debug, Serialize, Deserialize)]
pub struct TierView {
    /// Its name.
    pub name: String,
    /// What it is given to.
    pub level: Level,
    /// How many calls, `20/minute`; none: any number.
    pub limit: Option<String>,
    /// How many calls in a short window besides.
    pub burst: Option<String>,
    /// What happens to calls past the limit.
    pub past_limit: PastLimit,
}

impl From<Tier> for TierView {
    fn from(Tier { name, level, limit, burst, past_limit, .. }: Tier) -> Self {
        let (limit, burst) = (limit.map(|limit| limit.to_string()), burst.map(|burst| burst.to_string()));
        Self { name, level, limit, burst, past_limit }
    }
}

pub(super) async fn execute(app: &App, command: Command, actor: &str) -> Result<Reply> {
    match command {
        Command::List => Ok(Reply::Tiers(app.store.tiers().await?.into_iter().map(Into::into).collect())),
        Command::Put(tier) => {
            // The command says nothing of them.
            let held = app.store.tiers().await?.into_iter();
            let mut held = held.filter(|held| (held.level, &held.name) == (tier.level, &tier.name));
            let details = held.next().map(|held| held.details).unwrap_or_default();
            put(app, Tier { details, ..tier }, actor).await
        }
        Command::Delete { level, name } => delete(app, (level, name), actor).await,
    }
}

fn check(tier: &Tier) -> Result<()> {
    name::check_tier_name(&tier.name)?;
    tier.details.check().map_err(|bad| AdminError::wrong_use(bad.to_string()))?;
    if tier.name == UNLIMITED && tier.limit.is_some() {
        return Err(AdminError::refused(format!(
            "{UNLIMITED} is the tier without a limit; give this one another name"
        )));
    }
    Ok(())
}

/// Adds a tier, where there is none of this name at its level.
pub async fn add(app: &App, tier: Tier, actor: &str) -> Result<()> {
    check(&tier)?;
    let done = change(app, CatalogueChange::AddTier(tier), actor).await?;
    done.map_err(|refused| AdminError::refused(refused.to_string()).about(Administration::TierExists))
}

/// Adds a tier, or changes the one that there is.
pub async fn put(app: &App, tier: Tier, actor: &str) -> Result<Reply> {
    check(&tier)?;
    let sentence = describe(&tier);
    let done = change(app, CatalogueChange::PutTier(tier), actor).await?;
    done.map_err(|refused| AdminError::refused(refused.to_string()))?;
    Ok(Reply::Done(sentence))
}

fn describe(tier: &Tier) -> String {
    let (name, level) = (&tier.name, tier.level.as_str());
    let limit = match (tier.limit, tier.past_limit) {
        (None, _) => "any number of calls".to_owned(),
        (Some(limit), PastLimit::Refuse) => limit.to_string(),
        (Some(limit), PastLimit::Admit) => format!("{limit}, and lets more pass"),
    };
    let burst = tier.burst.map_or_else(String::new, |burst| format!(", at most {burst}"));
    format!("The {level} tier {name} has {limit}{burst}, from the next call on.")
}

/// Deletes a tier that nothing is given.
pub async fn delete(app: &App, (level, name): (Level, String), actor: &str) -> Result<Reply> {
    let done = change(app, CatalogueChange::DeleteTier(level, name.clone()), actor).await?;
    let level = level.as_str();
    done.map_err(|refused| {
        AdminError::refused(match refused {
            ChangeRefused::NotFound => {
                format!("there is no {level} tier {name:?}; `latchkey tier list` shows them")
            }
            ChangeRefused::InUse => format!(
                "the {level} tier {name} is given to something, or the gateway needs it; give that another tier first"
            ),
            ChangeRefused::NameTaken
            | ChangeRefused::UnknownUser
            | ChangeRefused::UnknownTier
            | ChangeRefused::HasKeys
            | ChangeRefused::UnknownScope
            | ChangeRefused::Full
            | ChangeRefused::BadProfile(_)
            | ChangeRefused::WrongState => refused.to_string(),
        })
    })?;
    Ok(Reply::Done(format!("The {level} tier {name} is deleted.")))
}
