//! SCIM 2 (RFC 7643, RFC 7644): users, groups and roles, as Identity Server shows them.

mod bulk;
mod discovery;
mod emails;
mod fault;
mod filter;
mod group;
mod patch;
mod person;
mod search;
mod users;

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::call::Call;
use super::contract::Parameter;
use super::error::RestError;
use super::operation::Operation;
use super::surface::Surface;
use crate::app::App;
use crate::http::answer::{Whole, text};

pub(super) use fault::{ScimType, told};

const SURFACE: Surface = Surface::Scim;
/// The content type of answers (RFC 7644 section 3.1).
const MEDIA_TYPE: &str = "application/scim+json";
/// How many entries a page has unless more or fewer are asked for, and the most.
const PAGE: u32 = 100;
const MOST: u32 = 1000;

pub(super) fn operations() -> Vec<Operation> {
    [users::operations(), group::operations(), bulk::operations(), discovery::operations()].concat()
}

/// Where the interface lies, for links.
fn base(app: &App) -> String {
    format!("{}/scim2", app.base)
}

/// An answer of SCIM's content type.
fn json(status: StatusCode, value: &impl Serialize) -> Whole {
    text(status, MEDIA_TYPE, serde_json::to_vec(value).expect("answers are plain data"))
}

/// The part of a listing that is asked for (RFC 7644 section 3.4.2.4).
#[derive(Debug, Clone, Copy)]
struct Listed {
    start: u32,
    count: u32,
}

/// What of each entry is asked for.
const PROJECTED: [Parameter; 2] = [Parameter::text("attributes"), Parameter::text("excludedAttributes")];

impl Listed {
    /// What it is read from.
    const ASKS: [Parameter; 5] = [
        Parameter::number("startIndex", (i64::MIN, i64::MAX)),
        Parameter::number("count", (i64::MIN, i64::MAX)),
        Parameter::text("filter"),
        Parameter::text("sortBy"),
        Parameter::text("sortOrder"),
    ];

    fn of(call: &Call) -> Result<Self, RestError> {
        let number = |name: &str| match call.parameter(name) {
            None => Ok(None),
            Some(text) => match text.parse::<i64>() {
                Ok(number) => Ok(Some(u32::try_from(number.max(0)).unwrap_or(u32::MAX))),
                Err(_) => Err(ScimType::InvalidValue.told(format!("{name} is no number."))),
            },
        };
        let start = number("startIndex")?.unwrap_or(1).max(1);
        Ok(Self { start, count: number("count")?.unwrap_or(PAGE).min(MOST) })
    }

    const fn offset(self) -> usize {
        self.start as usize - 1
    }

    /// The entries of this page in a listing of `total` entries that is read from its end: their offset from its
    /// beginning, and how many they are.
    fn backwards(self, total: u64) -> (u64, u32) {
        let end = total.saturating_sub(self.offset() as u64);
        let offset = end.saturating_sub(u64::from(self.count));
        (offset, u32::try_from(end - offset).unwrap_or(self.count))
    }

    fn answer(self, call: &Call, page: Vec<Value>, total: u64) -> Whole {
        let page: Vec<Value> = page.into_iter().map(|one| projected(call, one)).collect();
        json(
            StatusCode::OK,
            &json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
                "totalResults": total,
                "startIndex": self.start,
                "itemsPerPage": page.len(),
                "Resources": page,
            }),
        )
    }
}

/// Whether a listing is to be read from its end. Entries have one order, that of their names.
fn descends(call: &Call, name: &str) -> Result<bool, RestError> {
    let by = call.parameter("sortBy").map(|by| by.trim_start_matches(person::USER).trim_start_matches(':'));
    if by.is_some_and(|by| !by.eq_ignore_ascii_case(name) && !by.eq_ignore_ascii_case("name")) {
        return Err(ScimType::InvalidValue.told(format!("Entries are sorted by {name}.")));
    }
    match call.parameter("sortOrder") {
        Some(order) if order.eq_ignore_ascii_case("descending") => Ok(by.is_some()),
        None => Ok(false),
        Some(order) if order.eq_ignore_ascii_case("ascending") => Ok(false),
        Some(_) => Err(ScimType::InvalidValue.told("sortOrder is ascending or descending.")),
    }
}

/// Of `resource` what `attributes` names, or what `excludedAttributes` does not; `id` and `schemas` always.
fn projected(call: &Call, mut resource: Value) -> Value {
    let named = |parameter: &str| -> Option<Vec<String>> {
        let list = call.parameter(parameter)?.split(',').map(|name| {
            let name = name.trim().trim_start_matches(person::USER).trim_start_matches(':');
            let whole = name.starts_with("urn:");
            let top = if whole { name } else { name.split('.').next().unwrap_or_default() };
            top.to_ascii_lowercase()
        });
        Some(list.collect())
    };
    let is_named = |names: &[String], member: &str| {
        let member = member.to_ascii_lowercase();
        names.iter().any(|name| *name == member || name.starts_with(&format!("{member}:")))
    };
    if let Value::Object(members) = &mut resource {
        if let Some(wanted) = named("attributes") {
            members.retain(|member, _| {
                ["id", "schemas"].contains(&member.as_str()) || is_named(&wanted, member)
            });
        } else if let Some(unwanted) = named("excludedAttributes") {
            members.retain(|member, _| {
                ["id", "schemas"].contains(&member.as_str()) || !is_named(&unwanted, member)
            });
        }
    }
    resource
}
