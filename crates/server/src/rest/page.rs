//! Listings in pages, as WSO2 counts them: from an offset, so many at most.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::call::Call;
use super::contract::Parameter;
use super::error::RestError;

/// How many entries a page has unless more or fewer are asked for.
const USUAL: u32 = 25;
/// The most entries of one page; a wish for more is cut.
const MOST: u32 = 500;
/// The farthest that a page may begin.
const FARTHEST: u32 = 100_000_000;

/// The part of a listing that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// How many entries are passed over.
    pub(crate) offset: u32,
    /// The most entries to give.
    pub(crate) limit: u32,
}

/// WSO2's `Pagination`.
#[derive(Debug, Serialize, PartialEq, Eq, JsonSchema)]
pub(crate) struct Pagination {
    offset: u32,
    limit: u32,
    total: u64,
    next: String,
    previous: String,
}

/// A page.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}List")]
pub(crate) struct Listing<T> {
    count: usize,
    list: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
}

impl Window {
    /// What it is read from.
    pub(crate) const ASKS: [Parameter; 2] =
        [Parameter::number("offset", (0, FARTHEST as i64)), Parameter::number("limit", (0, u32::MAX as i64))];

    /// What the query of `call` asks for.
    pub(crate) fn of(call: &Call) -> Result<Self, RestError> {
        let number = |name: &str| match call.parameter(name) {
            None => Ok(None),
            Some(text) => text
                .parse::<u32>()
                .map(Some)
                .map_err(|_| RestError::bad(format!("The parameter {name} is no number that it can be."))),
        };
        let offset = number("offset")?.unwrap_or(0);
        let limit = number("limit")?.unwrap_or(USUAL).min(MOST);
        if offset > FARTHEST {
            return Err(RestError::bad("The parameter offset is too large."));
        }
        Ok(Self { offset, limit })
    }

    /// This window's part of `all`.
    pub(crate) fn cut<T>(self, all: Vec<T>) -> Vec<T> {
        all.into_iter().skip(self.offset as usize).take(self.limit as usize).collect()
    }

    /// Where the pages beside this one lie, for a listing of `total` entries that `call` asked for.
    fn pagination(self, call: &Call, total: u64) -> Pagination {
        let Self { offset, limit } = self;
        let end = u64::from(offset) + u64::from(limit);
        let next = if limit > 0 && end < total { link(call, (offset + limit, limit)) } else { String::new() };
        let before = if limit > 0 && offset > 0 {
            link(call, (offset.saturating_sub(limit), limit))
        } else {
            String::new()
        };
        Pagination { offset, limit, total, next, previous: before }
    }
}

impl<T> Listing<T> {
    /// All that there is.
    pub(crate) fn whole(list: Vec<T>) -> Self {
        Self { count: list.len(), list, pagination: None }
    }

    /// The entries in `window` of `total`.
    pub(crate) fn page(list: Vec<T>, total: u64, (window, call): (Window, &Call)) -> Self {
        Self { count: list.len(), list, pagination: Some(window.pagination(call, total)) }
    }

    /// The page in `window` of `all`.
    pub(crate) fn cut(all: Vec<T>, (window, call): (Window, &Call)) -> Self {
        let total = all.len() as u64;
        Self::page(window.cut(all), total, (window, call))
    }
}

/// The address of a page relative to the interface, with everything else that was asked for.
fn link(call: &Call, (offset, limit): (u32, u32)) -> String {
    let mut query: BTreeMap<&str, String> =
        call.query.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    query.insert("offset", offset.to_string());
    query.insert("limit", limit.to_string());
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("{}?{query}", call.relative)
}
