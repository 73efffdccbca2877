//! The applications that hold tokens for a user (Identity Server's `…/authorized-apps`).

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, StatusCode};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::user::User;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::revocation::{Reason, Selector};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::sessions::gone;
use super::{DELETE, OWN, VIEW, by, concerned};
use crate::admin::problem::Problem;
use crate::admin::session::{By, end_selected, of_user};
use crate::app::unavailable;
use crate::http::answer::json as answer;
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::error::RestError;
use crate::rest::operation::{Answer, Operation};
use crate::rest::surface::Surface;

pub(super) fn operations() -> Vec<Operation> {
    let (get, delete) = (Method::GET, Method::DELETE);
    let mut operations = Vec::new();
    for at in [Surface::UsersV2, Surface::UsersV1] {
        operations.extend([
            at.scoped(get.clone(), "/me/authorized-apps", OWN, list).answers::<Vec<Shown>>(),
            at.scoped(delete.clone(), "/me/authorized-apps", OWN, end_all)
                .answers_only(StatusCode::NO_CONTENT),
            at.scoped(get.clone(), "/me/authorized-apps/{applicationId}", OWN, one).answers::<Shown>(),
            at.scoped(delete.clone(), "/me/authorized-apps/{applicationId}", OWN, end_one)
                .answers_only(StatusCode::NO_CONTENT),
            at.scoped(get.clone(), "/{userId}/authorized-apps", VIEW, list).answers::<Vec<Shown>>(),
            at.scoped(delete.clone(), "/{userId}/authorized-apps", DELETE, end_all)
                .answers_only(StatusCode::NO_CONTENT),
            at.scoped(get.clone(), "/{userId}/authorized-apps/{applicationId}", VIEW, one).answers::<Shown>(),
            at.scoped(delete.clone(), "/{userId}/authorized-apps/{applicationId}", DELETE, end_one)
                .answers_only(StatusCode::NO_CONTENT),
        ]);
    }
    let tokens = "/authorized-apps/{applicationId}/tokens";
    operations.push(
        Surface::UsersV2
            .scoped(delete, tokens, DELETE, end_of_everybody)
            .answers_only(StatusCode::NO_CONTENT),
    );
    operations
}

/// An application that holds tokens for a user.
#[derive(Debug)]
struct Authorized {
    name: String,
    consumer_key: String,
    clients: BTreeSet<PrincipalId>,
    scopes: BTreeSet<String>,
}

async fn authorized(call: &Call, user: &User) -> Result<BTreeMap<EntryId, Authorized>, RestError> {
    let mut found: BTreeMap<EntryId, Authorized> = BTreeMap::new();
    for session in of_user(&call.app, user.id).await? {
        let one = found.entry(session.application.id).or_insert_with(|| Authorized {
            name: session.application.name,
            consumer_key: session.consumer_key,
            clients: BTreeSet::new(),
            scopes: BTreeSet::new(),
        });
        one.clients.insert(session.client);
        one.scopes.extend(session.scopes);
    }
    Ok(found)
}

/// Identity Server's `AuthorizedApp`; in the first version `appId` is the name.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged, rename_all_fields = "camelCase")]
#[schemars(rename = "AuthorizedApp")]
enum Shown {
    First {
        app_id: String,
        client_id: String,
    },
    Second {
        #[schemars(with = "Uuid")]
        id: EntryId,
        name: String,
        client_id: String,
        approved_scopes: BTreeSet<String>,
    },
}

fn shown(call: &Call, id: EntryId, one: Authorized) -> Shown {
    let Authorized { name, consumer_key, scopes, .. } = one;
    if call.surface == Surface::UsersV1 {
        return Shown::First { app_id: name, client_id: consumer_key };
    }
    Shown::Second { id, name, client_id: consumer_key, approved_scopes: scopes }
}

async fn list(call: Call, caller: Caller) -> Answer {
    let user = concerned(&call, &caller).await?;
    let found = authorized(&call, &user).await?;
    let list: Vec<Shown> = found.into_iter().map(|(id, one)| shown(&call, id, one)).collect();
    Ok(answer(&list))
}

/// The application that the path names, by its id or, in the first version, by its name.
async fn find(call: &Call, user: &User) -> Result<(EntryId, Authorized), RestError> {
    let named = call.path.get("applicationId").map(String::as_str).unwrap_or_default();
    let is_it = |id: &EntryId, one: &Authorized| {
        id.to_string() == named || call.surface == Surface::UsersV1 && one.name == named
    };
    let mut found = authorized(call, user).await?.into_iter();
    found.find(|(id, one)| is_it(id, one)).ok_or_else(|| Problem::NoSuchApplication.into())
}

async fn one(call: Call, caller: Caller) -> Answer {
    let user = concerned(&call, &caller).await?;
    let (id, one) = find(&call, &user).await?;
    Ok(answer(&shown(&call, id, one)))
}

async fn end_one(call: Call, caller: Caller) -> Answer {
    let user = concerned(&call, &caller).await?;
    let (_, one) = find(&call, &user).await?;
    for client in one.clients {
        let holder = Selector::Holder { client, subject: user.id };
        end_selected(&call.app, holder, by(&caller, &user)).await?;
    }
    Ok(gone())
}

async fn end_all(call: Call, caller: Caller) -> Answer {
    let user = concerned(&call, &caller).await?;
    end_selected(&call.app, Selector::User(user.id), by(&caller, &user)).await?;
    Ok(gone())
}

/// Every token of an application ends, whoever's it is.
async fn end_of_everybody(call: Call, caller: Caller) -> Answer {
    let id: EntryId = call.at("applicationId").ok_or(Problem::NoSuchApplication)?;
    let clients = call.app.store.clients_of(id).await.map_err(unavailable)?;
    if clients.is_empty() {
        return Err(Problem::NoSuchApplication.into());
    }
    for (client, _) in clients {
        let by = By { actor: caller.name(), reason: Reason::Administrator };
        end_selected(&call.app, Selector::Client(client.id), by).await?;
    }
    Ok(gone())
}
