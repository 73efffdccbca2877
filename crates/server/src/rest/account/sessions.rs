//! Login sessions (Identity Server's `/api/users/v1/…/sessions`).

use http::{Method, StatusCode};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::user::User;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::revocation::Selector;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{DELETE, OWN, VIEW, by, concerned, named};
use crate::admin::session::{Session, end, end_selected, of_user};
use crate::http::answer::{json as answer, text};
use crate::rest::answer::millis;
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::operation::{Answer, Operation};
use crate::rest::surface::Surface;

pub(super) fn operations() -> Vec<Operation> {
    let at = Surface::UsersV1;
    vec![
        at.scoped(Method::GET, "/me/sessions", OWN, list).answers::<Told>(),
        at.scoped(Method::DELETE, "/me/sessions", OWN, end_all).answers_only(StatusCode::NO_CONTENT),
        at.scoped(Method::DELETE, "/me/sessions/{sessionId}", OWN, end_one)
            .answers_only(StatusCode::NO_CONTENT),
        at.scoped(Method::GET, "/{userId}/sessions", VIEW, list).answers::<Told>(),
        at.scoped(Method::DELETE, "/{userId}/sessions", DELETE, end_all).answers_only(StatusCode::NO_CONTENT),
        at.scoped(Method::DELETE, "/{userId}/sessions/{sessionId}", DELETE, end_one)
            .answers_only(StatusCode::NO_CONTENT),
    ]
}

/// Identity Server's `SessionsList`: a user without a session gets an object without members, as there.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SessionsList")]
struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Uuid")]
    user_id: Option<PrincipalId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sessions: Vec<Shown>,
}

/// Identity Server's `Session`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Session")]
struct Shown {
    applications: [OfApplication; 1],
    user_agent: String,
    ip: String,
    login_time: String,
    last_access_time: String,
    id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SessionApplication")]
struct OfApplication {
    #[schemars(with = "Uuid")]
    id: EntryId,
    subject: String,
    app_name: String,
    #[schemars(with = "Uuid")]
    app_id: EntryId,
}

async fn list(call: Call, caller: Caller) -> Answer {
    let user = concerned(&call, &caller).await?;
    let sessions = of_user(&call.app, user.id).await?;
    if sessions.is_empty() {
        return Ok(answer(&Told::default()));
    }
    let sessions = sessions.iter().map(|session| shown(session, &user)).collect();
    Ok(answer(&Told { user_id: Some(user.id), sessions }))
}

/// A sight that was not kept, or has not been, is told as an empty text: clients read text.
fn shown(session: &Session, user: &User) -> Shown {
    let sighting = session.sighting.as_ref();
    let agent = sighting.and_then(|sighting| sighting.user_agent.as_deref()).unwrap_or_default();
    let address = sighting.and_then(|sighting| sighting.address).map(|address| address.to_string());
    let application = &session.application;
    let of_application = OfApplication {
        id: application.id,
        subject: user.name.clone(),
        app_name: application.name.clone(),
        app_id: application.id,
    };
    Shown {
        applications: [of_application],
        user_agent: agent.to_owned(),
        ip: address.unwrap_or_default(),
        login_time: millis(session.signed_in_at),
        last_access_time: millis(session.seen_at),
        id: session.id.to_string(),
    }
}

/// Everything of the user ends at once, what is issued at this moment included.
async fn end_all(call: Call, caller: Caller) -> Answer {
    let user = concerned(&call, &caller).await?;
    end_selected(&call.app, Selector::User(user.id), by(&caller, &user)).await?;
    Ok(gone())
}

async fn end_one(call: Call, caller: Caller) -> Answer {
    let user = concerned(&call, &caller).await?;
    let session = named(&call, &user).await?;
    end(&call.app, user.id, &[&session], by(&caller, &user)).await?;
    Ok(gone())
}

/// 204.
pub(super) fn gone() -> crate::http::answer::Whole {
    text(StatusCode::NO_CONTENT, "application/json", "")
}
