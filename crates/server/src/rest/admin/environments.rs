//! The gateway environment: there is one, with every gateway of the installation in it.

use http::{Method, Uri};
use serde_json::{Value, json};

use super::super::call::Call;
use super::super::caller::Caller;
use super::super::error::{Fault, RestError};
use super::super::operation::{Answer, Operation};
use super::super::page::Listing;
use super::SURFACE;
use crate::app::App;
use crate::http::answer;

/// Its name, which is its id.
const DEFAULT: &str = "Default";
/// Who may look.
const VIEW: &[&str] = &["apim:admin", "apim:environment_read", "apim:environment_manage"];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE.scoped(Method::GET, "/environments", VIEW, list),
        SURFACE.scoped(Method::GET, "/environments/{environmentId}", VIEW, show),
    ]
}

/// WSO2's `Environment`.
fn environment(app: &App) -> Value {
    let urls = app.gateway_urls().iter().filter_map(|url| url.parse::<Uri>().ok());
    let urls: Vec<Uri> = urls.collect();
    let of = |scheme: &str| urls.iter().find(|url| url.scheme_str() == Some(scheme));
    let host = urls.first().and_then(Uri::host).unwrap_or("localhost");
    json!({
        "id": DEFAULT,
        "name": DEFAULT,
        "displayName": DEFAULT,
        "type": "hybrid",
        "description": "The gateways of this installation",
        "provider": "wso2",
        "gatewayType": "Regular",
        "isReadOnly": true,
        "mode": "READ_WRITE",
        "vhosts": [{
            "host": host,
            "httpContext": "",
            "httpPort": of("http").and_then(Uri::port_u16),
            "httpsPort": of("https").and_then(Uri::port_u16),
        }],
        "endpointURIs": [],
        "additionalProperties": [],
        "permissions": { "permissionType": "PUBLIC", "roles": [] },
    })
}

async fn list(call: Call, _: Caller) -> Answer {
    Ok(answer::json(&Listing::whole(vec![environment(&call.app)])))
}

async fn show(call: Call, _: Caller) -> Answer {
    if call.path.get("environmentId").is_none_or(|id| id != DEFAULT) {
        return Err(RestError::told(Fault::NotFound, "There is one environment, Default."));
    }
    Ok(answer::json(&environment(&call.app)))
}
