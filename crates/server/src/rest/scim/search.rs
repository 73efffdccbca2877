//! Listings asked for by POST (RFC 7644 section 3.4.3), so that what is looked for stands in no log.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Listed, PROJECTED};
use crate::rest::call::Call;
use crate::rest::error::RestError;
use crate::rest::operation::Operation;

/// The body of such a request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "ScimSearchRequest")]
pub(super) struct SearchRequest {
    filter: Option<String>,
    start_index: Option<i64>,
    count: Option<i64>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    attributes: Option<Vec<String>>,
    excluded_attributes: Option<Vec<String>>,
}

/// The same request with what its body asks for in the query, where listings read it.
pub(super) fn asked(call: Call) -> Result<Call, RestError> {
    let SearchRequest { filter, start_index, count, sort_by, sort_order, attributes, excluded_attributes } =
        call.json()?;
    let said = [
        ("filter", filter),
        ("startIndex", start_index.map(|number| number.to_string())),
        ("count", count.map(|number| number.to_string())),
        ("sortBy", sort_by),
        ("sortOrder", sort_order),
        ("attributes", attributes.map(|names| names.join(","))),
        ("excludedAttributes", excluded_attributes.map(|names| names.join(","))),
    ];
    let said = said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let operation = Operation::clone(&call.operation).asks(&Listed::ASKS).asks(&PROJECTED);
    Ok(Call { operation: Arc::new(operation), query: said.collect(), ..call })
}
