//! The tiers that there are, as they were when the routes were built.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use latchkey_catalog::subscription::UNLIMITED;
use latchkey_catalog::tier::{Level, Tier};

/// All tiers by level and name. It never changes; another state of the catalogue has another one.
#[derive(Debug, Default)]
pub struct TierTable {
    application: Named,
    subscription: Named,
    resource: Named,
}

type Named = HashMap<Box<str>, Arc<Tier>, RandomState>;

/// A name that no tier of its level has: the tier is younger than this table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no tier of that name")]
pub struct UnknownTier;

impl FromIterator<Tier> for TierTable {
    fn from_iter<I: IntoIterator<Item = Tier>>(tiers: I) -> Self {
        let mut table = Self::default();
        for tier in tiers {
            let level = match tier.level {
                Level::Application => &mut table.application,
                Level::Subscription => &mut table.subscription,
                Level::Resource => &mut table.resource,
            };
            level.insert(tier.name.as_str().into(), Arc::new(tier));
        }
        table
    }
}

impl TierTable {
    /// An application's tier; none for [`UNLIMITED`] where the table has no such tier.
    pub fn application(&self, name: &str) -> Result<Option<&Arc<Tier>>, UnknownTier> {
        find(&self.application, name)
    }

    /// A subscription's tier, likewise.
    pub fn subscription(&self, name: &str) -> Result<Option<&Arc<Tier>>, UnknownTier> {
        find(&self.subscription, name)
    }

    /// The policy of an API or a resource, likewise.
    pub fn resource(&self, name: &str) -> Result<Option<&Arc<Tier>>, UnknownTier> {
        find(&self.resource, name)
    }
}

fn find<'a>(tiers: &'a Named, name: &str) -> Result<Option<&'a Arc<Tier>>, UnknownTier> {
    match tiers.get(name) {
        Some(tier) => Ok(Some(tier)),
        None if name == UNLIMITED => Ok(None),
        None => Err(UnknownTier),
    }
}
