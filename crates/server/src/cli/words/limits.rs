//! The same for tiers and limits.

use latchkey_catalog::tier::{Tier, TierDetails};

use crate::admin::application::Reference;
use crate::admin::{limit, tier};
use crate::cli::arguments::{LimitWords, PutTier, TierWords, WhoseLimits};

impl From<TierWords> for tier::Command {
    fn from(words: TierWords) -> Self {
        match words {
            TierWords::List => Self::List,
            TierWords::Put(PutTier { name, level, limit, burst, past_limit }) => {
                let (level, past_limit, details) = (level.into(), past_limit.into(), TierDetails::default());
                Self::Put(Tier { name, level, limit, burst, past_limit, details })
            }
            TierWords::Delete { name, level } => Self::Delete { level: level.into(), name },
        }
    }
}

impl From<LimitWords> for limit::Command {
    fn from(words: LimitWords) -> Self {
        match words {
            LimitWords::List(whose) => Self::List(whose.into()),
            LimitWords::Reset(whose) => Self::Reset(whose.into()),
        }
    }
}

impl From<WhoseLimits> for limit::Which {
    fn from(WhoseLimits { app, owner, api, user }: WhoseLimits) -> Self {
        Self { application: Reference { name: app, owner }, api, user }
    }
}
