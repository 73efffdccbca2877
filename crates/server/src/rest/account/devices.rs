//! Devices: Latchkey's own listing of what a user is signed in on, with names that the user gives.

use http::{Method, StatusCode};
use latchkey_oauth::family::Expiry;
use latchkey_oauth::session::SessionId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::sessions::gone;
use super::{DELETE, OWN, VIEW, by, concerned, named};
use crate::admin::session::{Session, end, label, of_user};
use crate::admin::text::moment;
use crate::http::answer::json;
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::operation::{Answer, Operation};
use crate::rest::page::Listing;
use crate::rest::surface::Surface;

pub(super) fn operations() -> Vec<Operation> {
    let at = Surface::Latchkey;
    vec![
        at.scoped(Method::GET, "/me/devices", OWN, list).answers::<Listing<DeviceView>>(),
        at.scoped(Method::DELETE, "/me/devices", OWN, end_others).answers_only(StatusCode::NO_CONTENT),
        at.scoped(Method::GET, "/me/devices/{sessionId}", OWN, one).answers::<DeviceView>(),
        at.scoped(Method::PATCH, "/me/devices/{sessionId}", OWN, rename)
            .takes::<Rename>()
            .answers::<DeviceView>(),
        at.scoped(Method::DELETE, "/me/devices/{sessionId}", OWN, end_one)
            .answers_only(StatusCode::NO_CONTENT),
        at.scoped(Method::GET, "/users/{userId}/devices", VIEW, list).answers::<Listing<DeviceView>>(),
        at.scoped(Method::DELETE, "/users/{userId}/devices", DELETE, end_others)
            .answers_only(StatusCode::NO_CONTENT),
        at.scoped(Method::GET, "/users/{userId}/devices/{sessionId}", VIEW, one).answers::<DeviceView>(),
        at.scoped(Method::DELETE, "/users/{userId}/devices/{sessionId}", DELETE, end_one)
            .answers_only(StatusCode::NO_CONTENT),
    ]
}

/// A device.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Device")]
struct DeviceView {
    id: String,
    label: Option<String>,
    /// As the tokens name it; none where they name no device.
    device: Option<String>,
    application: ApplicationView,
    scopes: Vec<String>,
    created_time: String,
    last_seen_time: String,
    last_seen_address: Option<String>,
    user_agent: Option<String>,
    /// None where the tokens never end.
    expiry_time: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DeviceApplication")]
struct ApplicationView {
    id: String,
    name: String,
    client_id: String,
}

impl DeviceView {
    fn of(session: Session, current: Option<SessionId>) -> Self {
        let sighting = session.sighting.as_ref();
        Self {
            id: session.id.to_string(),
            label: session.label,
            device: session.device.0.as_deref().map(str::to_owned),
            application: ApplicationView {
                id: session.application.id.to_string(),
                name: session.application.name,
                client_id: session.consumer_key,
            },
            scopes: session.scopes.into_iter().collect(),
            created_time: moment(session.signed_in_at),
            last_seen_time: moment(session.seen_at),
            last_seen_address: sighting.and_then(|sighting| Some(sighting.address?.to_string())),
            user_agent: sighting.and_then(|sighting| Some(sighting.user_agent.as_deref()?.to_owned())),
            expiry_time: match session.expires {
                Expiry::At(at) => Some(moment(at)),
                Expiry::Never => None,
            },
            current: current == Some(session.id),
        }
    }
}

async fn list(call: Call, caller: Caller) -> Answer {
    let user = concerned(&call, &caller).await?;
    let sessions = of_user(&call.app, user.id).await?.into_iter();
    Ok(json(&Listing::whole(sessions.map(|session| DeviceView::of(session, caller.session)).collect())))
}

async fn one(call: Call, caller: Caller) -> Answer {
    let user = concerned(&call, &caller).await?;
    Ok(json(&DeviceView::of(named(&call, &user).await?, caller.session)))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "DeviceRename")]
struct Rename {
    label: Option<String>,
}

async fn rename(call: Call, caller: Caller) -> Answer {
    let Rename { label: new } = call.json()?;
    let user = concerned(&call, &caller).await?;
    let session = named(&call, &user).await?;
    let new = new.unwrap_or_default();
    label(&call.app, user.id, (session.id, &new), caller.name()).await?;
    Ok(json(&DeviceView::of(named(&call, &user).await?, caller.session)))
}

async fn end_one(call: Call, caller: Caller) -> Answer {
    let user = concerned(&call, &caller).await?;
    let session = named(&call, &user).await?;
    end(&call.app, user.id, &[&session], by(&caller, &user)).await?;
    Ok(gone())
}

/// Every device of the user ends but the one that asks, which is none where the password was shown.
async fn end_others(call: Call, caller: Caller) -> Answer {
    let user = concerned(&call, &caller).await?;
    let sessions = of_user(&call.app, user.id).await?;
    let others: Vec<&Session> =
        sessions.iter().filter(|session| Some(session.id) != caller.session).collect();
    end(&call.app, user.id, &others, by(&caller, &user)).await?;
    Ok(gone())
}
