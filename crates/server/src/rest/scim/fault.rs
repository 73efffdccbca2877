//! How SCIM tells what went wrong (RFC 7644 section 3.12).

use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::admin::problem::Problem;
use crate::http::answer::text;
use crate::rest::error::{Fault, RestError};

/// The schema of an error.
pub(super) const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The keywords of RFC 7644 section 3.12 that have a use here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ScimType {
    /// A filter that is not understood.
    InvalidFilter,
    /// A body that is no message of its kind.
    InvalidSyntax,
    /// A path that leads to nothing that there is.
    InvalidPath,
    /// A condition that holds for nothing.
    NoTarget,
    /// A value that cannot be.
    InvalidValue,
    /// A change of what cannot be changed here.
    Mutability,
    /// A name that is given already.
    Uniqueness,
    /// More than one request may do at once.
    TooMany,
}

impl ScimType {
    /// The keyword.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::Mutability => "mutability",
            Self::Uniqueness => "uniqueness",
            Self::TooMany => "tooMany",
        }
    }

    /// The error with this keyword.
    pub(crate) fn told(self, description: impl Into<String>) -> RestError {
        RestError::told(Fault::Scim(self), description)
    }
}

/// An error as SCIM says it.
#[derive(Debug, Serialize)]
pub(super) struct ScimError {
    schemas: [&'static str; 1],
    status: String,
    #[serde(rename = "scimType", skip_serializing_if = "Option::is_none")]
    scim_type: Option<&'static str>,
    detail: String,
}

impl ScimError {
    /// What `error` is in SCIM's words.
    pub(super) fn of(error: &RestError) -> Self {
        let scim_type = if let Fault::Scim(scim_type) = error.fault {
            Some(scim_type)
        } else if error.fault == Fault::BadRequest {
            Some(ScimType::InvalidValue)
        } else {
            let given = [Problem::UserExists, Problem::RoleExists].map(Fault::Ruled);
            given.contains(&error.fault).then_some(ScimType::Uniqueness)
        };
        let status = error.fault.row().status.as_u16().to_string();
        let scim_type = scim_type.map(ScimType::as_str);
        Self { schemas: [ERROR], status, scim_type, detail: error.description().to_owned() }
    }
}

/// `error` with a body of SCIM's; head and log say what every interface says.
pub(crate) fn told(error: RestError) -> Response {
    let body = serde_json::to_vec(&ScimError::of(&error)).expect("an error is plain data");
    let (parts, _) = error.into_response().into_parts();
    let mut response = text(parts.status, super::MEDIA_TYPE, body).into_response();
    let kept = parts.headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
    for (name, value) in kept.filter(|(name, _)| *name != http::header::CONTENT_TYPE) {
        response.headers_mut().append(name, value);
    }
    *response.extensions_mut() = parts.extensions;
    response
}
