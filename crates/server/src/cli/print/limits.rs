//! Tiers and limits for people.

use latchkey_catalog::tier::PastLimit;

use crate::admin::limit::LimitListing;
use crate::admin::tier::TierView;
use crate::cli::table::Table;

fn or_dash(text: Option<&String>) -> String {
    text.map_or_else(|| "-".to_owned(), Clone::clone)
}

pub(super) fn tiers(tiers: &[TierView]) -> String {
    let mut table = Table::new(&["level", "name", "limit", "burst", "past the limit"]);
    for tier in tiers {
        let past = match tier.past_limit {
            PastLimit::Refuse => "refused",
            PastLimit::Admit => "counted",
        };
        table.row([
            tier.level.as_str().to_owned(),
            tier.name.clone(),
            tier.limit.clone().unwrap_or_else(|| "none".to_owned()),
            or_dash(tier.burst.as_ref()),
            past.to_owned(),
        ]);
    }
    table.render("There are no tiers.")
}

pub(super) fn limits(listing: &LimitListing) -> String {
    let mut table = Table::new(&["of", "api", "user", "tier", "used", "limit", "begins anew"]);
    for one in &listing.limits {
        table.row([
            one.kind.replace('_', " "),
            or_dash(one.api.as_ref()),
            or_dash(one.user.as_ref()),
            or_dash(one.tier.as_ref()),
            one.used.to_string(),
            or_dash(one.limit.as_ref()),
            one.resets_at.clone(),
        ]);
    }
    let more = "There are more; name a user or an API.\n";
    table.render("Nothing is used.") + if listing.has_more { more } else { "" }
}
