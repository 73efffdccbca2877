//! Usage for people.

use super::or_dash;
use crate::admin::usage::{SeenView, UsageView};
use crate::cli::table::Table;

pub(super) fn usage(usage: &[UsageView]) -> String {
    let mut table = Table::new(&[
        "day",
        "api",
        "application",
        "user",
        "device",
        "calls",
        "denied",
        "limited",
        "unfit",
        "failed",
        "mean ms",
    ]);
    for one in usage {
        table.row([
            one.day.clone(),
            one.api.clone(),
            or_dash(one.application.as_ref()),
            or_dash(one.user.as_ref()),
            or_dash(one.device.as_ref()),
            one.calls.to_string(),
            one.denied.to_string(),
            one.limited.to_string(),
            one.unfit.to_string(),
            one.failed.to_string(),
            mean(one),
        ]);
    }
    table.render("There were no calls in these days.")
}

/// The mean time of a call in milliseconds, with one decimal.
fn mean(usage: &UsageView) -> String {
    let tenths = usage.micros / 100 / usage.calls.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// When something was last seen, and from where.
pub(super) fn seen(seen: Option<&SeenView>) -> [String; 2] {
    let at = seen.map(|seen| seen.at.clone());
    let address = seen.and_then(|seen| seen.address).map(|address| address.to_string());
    [or_dash(at.as_ref()), or_dash(address.as_ref())]
}
