//! What browsers of other origins may do with an API (the Fetch standard's CORS protocol).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The CORS settings of an API; the defaults are WSO2's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    /// Whether the gateway answers preflights and adds the headers; else both are the upstream's.
    pub enabled: bool,
    /// The origins that may call; `*` stands for all.
    pub origins: BTreeSet<String>,
    /// The request headers that they may send.
    pub headers: BTreeSet<String>,
    /// The methods that they may use, as far as the API has them.
    pub methods: BTreeSet<String>,
    /// Whether they may send cookies; never together with the origin `*`.
    pub credentials: bool,
}

impl Default for Cors {
    fn default() -> Self {
        let set = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        Self {
            enabled: true,
            origins: set(&["*"]),
            headers: set(&[
                "authorization",
                "Access-Control-Allow-Origin",
                "Content-Type",
                "SOAPAction",
                "apikey",
                "Internal-Key",
            ]),
            methods: set(&["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]),
            credentials: false,
        }
    }
}

impl Cors {
    /// What `Access-Control-Allow-Origin` says to `origin`; `None`: it may not call.
    pub fn allowed_origin<'a>(&self, origin: &'a str) -> Option<&'a str> {
        if !self.enabled {
            return None;
        }
        if self.origins.contains(origin) {
            return Some(origin);
        }
        // Cookies of every site would be a hole: with credentials, origins are named one by one.
        (self.origins.contains("*") && !self.credentials).then_some("*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_allowed_by_name_or_all() {
        let page = "https://app.example";
        let named = Cors { origins: BTreeSet::from([page.to_owned()]), credentials: true, ..Cors::default() };
        let all_with_cookies = Cors { credentials: true, ..Cors::default() };
        let off = Cors { enabled: false, ..Cors::default() };
        let cases = [
            (Cors::default(), page, Some("*")),
            (named.clone(), page, Some(page)),
            (named.clone(), "https://app.example:8443", None),
            (named, "null", None),
            (all_with_cookies, page, None),
            (off, page, None),
        ];
        for (cors, origin, expected) in cases {
            assert_eq!(cors.allowed_origin(origin), expected, "{cors:?} {origin}");
        }
    }
}
