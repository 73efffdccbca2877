//! Everybody's API keys.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use http::Method;
use latchkey_catalog::id::EntryId;
use latchkey_store::registry::PageOf;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::answer::done;
use super::super::call::Call;
use super::super::caller::Caller;
use super::super::error::{Fault, RestError};
use super::super::operation::{Answer, Operation};
use super::super::page::{Listing, Window};
use super::SURFACE;
use crate::admin::api_key;
use crate::http::answer;
use latchkey_oauth::id::PrincipalId;

const ADMIN: &[&str] = &["apim:admin"];

pub(super) fn operations() -> Vec<Operation> {
    vec![
        SURFACE.scoped(Method::GET, "/api-keys", ADMIN, list).asks(&Window::ASKS).answers::<Listing<Value>>(),
        SURFACE.scoped(Method::POST, "/api-keys/revoke", ADMIN, revoke).takes::<Named>(),
    ]
}

/// WSO2's `APIKey` of administration. A key is its application's and is for no API in particular.
async fn list(call: Call, _: Caller) -> Answer {
    let window = Window::of(&call)?;
    let page = PageOf { offset: window.offset.into(), limit: window.limit };
    let found = api_key::list_all(&call.app, page).await?;
    let mut applications: BTreeMap<EntryId, (Value, Value)> = BTreeMap::new();
    let mut list = Vec::with_capacity(found.entries.len());
    for (key, seen) in found.entries {
        let (name, owner) = match applications.entry(key.application) {
            Entry::Occupied(held) => held.get().clone(),
            Entry::Vacant(place) => place.insert(names(&call, key.application).await?).clone(),
        };
        list.push(json!({
            "keyUUID": key.id,
            "keyName": key.name,
            "apiName": Value::Null,
            "applicationName": name,
            "keyType": key.keys,
            "user": owner,
            "issuedOn": key.issued_at.as_millis(),
            "validityPeriod": i64::from(key.validity),
            "lastUsed": seen.map(|sighting| sighting.at.as_millis()),
        }));
    }
    Ok(answer::json(&Listing::page(list, found.total, (window, &call))))
}

/// The names of an application and of its owner, as far as they are there.
async fn names(call: &Call, application: EntryId) -> Result<(Value, Value), RestError> {
    let Some(held) = call.app.store.application(application).await? else { return Ok(Default::default()) };
    let owner = call.app.store.user_by_id(held.owner).await?;
    Ok((held.name.into(), owner.map(|owner| owner.user.name.clone()).into()))
}

/// WSO2's `APIKeyRevokeRequest` of administration.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "RevokedApiKey")]
struct Named {
    #[serde(rename = "keyUUID")]
    id: String,
}

async fn revoke(call: Call, caller: Caller) -> Answer {
    let Named { id } = call.json()?;
    let absent = || RestError::told(Fault::NotFound, "There is no such API key.");
    let id = PrincipalId::parse(&id).ok_or_else(absent)?;
    api_key::revoke(&call.app, id, caller.name()).await??;
    Ok(done())
}
