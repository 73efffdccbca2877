//! API keys for people.

use crate::admin::api_key::{ApiKeyView, Shown};
use crate::cli::table::Table;

/// The value alone, so that it can be sent to a file.
pub(super) fn shown(shown: &Shown) -> String {
    format!("{}\n", shown.api_key.0.expose())
}

pub(super) fn list(keys: &[ApiKeyView]) -> String {
    let or = |text: &str, instead: &str| if text.is_empty() { instead.to_owned() } else { text.to_owned() };
    let mut table = Table::new(&["name", "type", "issued", "ends", "last used", "addresses", "pages", "id"]);
    for key in keys {
        table.row([
            key.name.clone(),
            key.key_type.as_str().to_owned(),
            key.issued_at.clone(),
            key.expires_at.clone(),
            key.last_used_at.clone().unwrap_or_else(|| "-".to_owned()),
            or(&key.permitted_addresses, "any"),
            or(&key.permitted_referers, "any"),
            key.id.to_string(),
        ]);
    }
    table.render("The application has no API keys.")
}
