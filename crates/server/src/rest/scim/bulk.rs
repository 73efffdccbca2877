//! `/Bulk` (RFC 7644 section 3.7): several new users in one request.

use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fault::{ScimError, ScimType};
use super::person::shown;
use super::{SURFACE, base, json as answer, users};
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::error::RestError;
use crate::rest::operation::{Answer, Operation};

/// The schema of the answer.
const RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
/// The most operations: each password costs a hash, and a request has its time.
pub(super) const MAX_OPERATIONS: usize = 100;
/// The largest body.
pub(super) const MAX_BODY: usize = 1024 * 1024;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE
            .scoped(
                Method::POST,
                "/Bulk",
                &["internal_bulk_resource_create", "internal_user_mgt_create"],
                bulk,
            )
            .with_body(MAX_BODY)
            .takes::<Bulk>()
            .answers::<Map<String, Value>>(),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ScimBulkRequest")]
struct Bulk {
    fail_on_errors: Option<u32>,
    #[serde(rename = "Operations", alias = "operations")]
    operations: Vec<Asked>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ScimBulkOperation")]
struct Asked {
    method: String,
    path: String,
    bulk_id: Option<String>,
    data: Option<Value>,
}

/// Each operation is done by itself, in order; after so many that failed, the rest is left.
async fn bulk(call: Call, caller: Caller) -> Answer {
    let Bulk { fail_on_errors, operations } = call.json()?;
    if operations.len() > MAX_OPERATIONS {
        return Err(ScimType::TooMany.told(format!("One request holds {MAX_OPERATIONS} operations at most.")));
    }
    let (mut done, mut failed) = (Vec::with_capacity(operations.len()), 0);
    for Asked { method, path, bulk_id, data } in operations {
        if fail_on_errors.is_some_and(|most| most > 0 && failed >= most) {
            break;
        }
        let made = match data {
            Some(data) if method.eq_ignore_ascii_case("POST") && path.trim_end_matches('/') == "/Users" => {
                users::make(&call.app, data, caller.name()).await
            }
            _ => Err(RestError::bad("Only POST of /Users with data is done in bulk.")),
        };
        let mut told = json!({ "method": method, "bulkId": bulk_id });
        match made {
            Ok(user) => {
                let shown = shown(&user, &base(&call.app));
                told["location"] = shown["meta"]["location"].clone();
                told["status"] = json!("201");
                told["response"] = shown;
            }
            Err(error) => {
                failed += 1;
                told["status"] = json!(error.fault.row().status.as_str());
                told["response"] = json!(ScimError::of(&error));
            }
        }
        done.push(told);
    }
    Ok(answer(StatusCode::OK, &json!({ "schemas": [RESPONSE], "Operations": done })))
}
