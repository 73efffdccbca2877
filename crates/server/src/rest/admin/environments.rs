//! The gateway environment: there is one, with every gateway of the installation in it.

use http::Method;
use serde_json::{Map, Value, json};

use super::super::call::Call;
use super::super::caller::Caller;
use super::super::error::{Fault, RestError};
use super::super::operation::{Answer, Operation};
use super::super::page::Listing;
use super::super::publisher::ENVIRONMENT;
use super::super::publisher::settings::environment;
use super::SURFACE;
use crate::app::App;
use crate::http::answer;

/// Who may look.
const VIEW: &[&str] = &["apim:admin", "apim:environment_read", "apim:environment_manage"];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE.scoped(Method::GET, "/environments", VIEW, list).answers::<Listing<Map<String, Value>>>(),
        SURFACE
            .scoped(Method::GET, "/environments/{environmentId}", VIEW, show)
            .answers::<Map<String, Value>>(),
    ]
}

/// WSO2's `Environment`, as administrators see it.
fn shown(app: &App) -> Value {
    let mut shown = environment(app);
    shown["description"] = json!("The gateways of this installation");
    shown["isReadOnly"] = json!(true);
    shown
}

async fn list(call: Call, _: Caller) -> Answer {
    Ok(answer::json(&Listing::whole(vec![shown(&call.app)])))
}

async fn show(call: Call, _: Caller) -> Answer {
    if call.path.get("environmentId").is_none_or(|id| id != ENVIRONMENT) {
        return Err(RestError::told(Fault::NotFound, "There is one environment, Default."));
    }
    Ok(answer::json(&shown(&call.app)))
}
