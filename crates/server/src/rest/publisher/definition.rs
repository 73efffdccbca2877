//! `OpenAPI` documents of APIs: read, changed, imported, looked at.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart};
use http::Method;
use latchkey_catalog::api::Api;
use latchkey_catalog::openapi::{self, ImportError, Imported, MAX_DOCUMENT, Wishes};
use latchkey_store::publishing::PublisherApi;
use serde_json::{Map, Value, json};

use super::apis::{find, make};
use super::told::{self, edited, to_edit};
use super::wanted::WantedApi;
use super::{CREATE, SURFACE};
use crate::admin::publisher::{self, Wish};
use crate::app::App;
use crate::http::answer;
use crate::rest::answer::created;
use crate::rest::call::Call;
use crate::rest::caller::Caller;
use crate::rest::contract::Part;
use crate::rest::error::{Fault, RestError};
use crate::rest::operation::{Answer, Operation};

/// The largest form with a document, in bytes.
const BODY: usize = MAX_DOCUMENT + 64 * 1024;
/// The most parts of a form.
const MAX_PARTS: usize = 16;
const VIEW: &[&str] = &["apim:api_view", "apim:api_manage", "apim:api_definition_view"];

/// The parts of a form that are read: a document in one of three ways, and what is said besides.
const PARTS: [Part; 4] = [
    Part::File("file"),
    Part::Text("apiDefinition"),
    Part::Text("inlineAPIDefinition"),
    Part::Text("additionalProperties"),
];

pub(super) fn operations() -> Vec<Operation> {
    let swagger = "/apis/{apiId}/swagger";
    vec![
        SURFACE.scoped(Method::GET, swagger, VIEW, show).answers::<Map<String, Value>>(),
        SURFACE
            .scoped(Method::PUT, swagger, CREATE, update)
            .with_body(BODY)
            .takes_form(&PARTS)
            .answers::<Map<String, Value>>(),
        SURFACE
            .scoped(Method::POST, "/apis/import-openapi", CREATE, import)
            .with_body(BODY)
            .takes_form(&PARTS)
            .creates::<Map<String, Value>>(),
        SURFACE
            .scoped(Method::POST, "/apis/validate-openapi", CREATE, validate)
            .with_body(BODY)
            .takes_form(&PARTS)
            .answers::<Map<String, Value>>(),
    ]
}

/// The texts of a form by the names of its parts.
async fn parts(call: &Call) -> Result<BTreeMap<String, String>, RestError> {
    let mut request = http::Request::new(Body::from(call.body.to_vec()));
    *request.headers_mut() = call.headers.clone();
    DefaultBodyLimit::disable().apply(&mut request);
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|_| RestError::of(Fault::UnsupportedMediaType))?;
    let bad = |_| RestError::bad("The form is malformed.");
    let mut parts = BTreeMap::new();
    while let Some(part) = form.next_field().await.map_err(bad)? {
        let name = part.name().unwrap_or_default().to_owned();
        parts.insert(name, part.text().await.map_err(bad)?);
        if parts.len() > MAX_PARTS {
            return Err(RestError::bad("The form has too many parts."));
        }
    }
    Ok(parts)
}

/// The document among the parts of a form. The server fetches none: it would ask whatever address it is told.
fn document(parts: &mut BTreeMap<String, String>) -> Result<String, RestError> {
    let names = ["file", "apiDefinition", "inlineAPIDefinition"];
    let found = names.iter().filter_map(|name| parts.remove(*name)).find(|text| !text.trim().is_empty());
    found.ok_or_else(|| {
        RestError::bad("There is no document in the form: send it as file; one at a url is not fetched.")
    })
}

/// Reads a document away from the threads that serve: a large one takes a while.
async fn read(text: String, wishes: [Option<String>; 3]) -> Result<Result<Imported, ImportError>, RestError> {
    let read = tokio::task::spawn_blocking(move || {
        let [name, context, version] = &wishes;
        let (name, context, version) = (name.as_deref(), context.as_deref(), version.as_deref());
        openapi::import(&text, Wishes { name, context, version })
    });
    read.await.map_err(|_| RestError::of(Fault::Unavailable))
}

fn refused(error: &ImportError) -> RestError {
    RestError::bad(format!("The document cannot be imported: {error}"))
}

async fn show(call: Call, _: Caller) -> Answer {
    Ok(answer::json(&written(&find(&call).await?)))
}

/// The document of an API as it is edited.
fn written(found: &PublisherApi) -> Value {
    let api = Api { definition: edited(found).clone(), ..found.api.clone() };
    match &found.document {
        Some(text) => openapi::export_onto(text, &api),
        None => openapi::export(&api),
    }
}

/// Scopes that the document names and that are shared are used as shared: what it says of their roles does not count.
async fn share(app: &App, imported: &mut Imported) -> Result<(), RestError> {
    let names: Vec<String> = imported.definition.scopes.keys().cloned().collect();
    for name in names {
        if let Some(scope) = app.store.shared_scope_named(&name).await? {
            imported.definition.scopes.insert(name.clone(), scope.roles);
            imported.definition.shared_scopes.insert(name);
        }
    }
    Ok(())
}

/// Resources and scopes come from the document; the rest of the API stays.
async fn update(call: Call, caller: Caller) -> Answer {
    let held = find(&call).await?;
    let text = document(&mut parts(&call).await?)?;
    let Api { name, context, version, .. } = held.api.clone();
    let read = read(text.clone(), [Some(name), Some(context), Some(version)]).await?;
    let mut imported = read.map_err(|error| refused(&error))?;
    share(&call.app, &mut imported).await?;
    let mut definition = to_edit(&held);
    definition.resources = imported.definition.resources;
    definition.scopes = imported.definition.scopes;
    definition.shared_scopes = imported.definition.shared_scopes;
    definition.throttling = imported.definition.throttling.or(definition.throttling);
    let mut listing = held.listing.clone();
    listing.details.scopes.retain(|name, _| definition.scopes.contains_key(name));
    let wish = Wish { definition, listing, document: Some(text) };
    let changed = publisher::edit(&call.app, &held, wish, caller.name()).await?;
    Ok(answer::json(&written(&changed)))
}

/// An API of a document, and of what is said besides.
async fn import(call: Call, caller: Caller) -> Answer {
    let mut parts = parts(&call).await?;
    let text = document(&mut parts)?;
    let said = parts.get("additionalProperties").map_or("{}", String::as_str);
    let wanted: WantedApi = serde_json::from_str(said)
        .map_err(|_| RestError::bad("The additionalProperties are no JSON that says an API."))?;
    let wishes = [wanted.name.clone(), wanted.context(), wanted.version.clone()];
    let mut imported = read(text.clone(), wishes).await?.map_err(|error| refused(&error))?;
    share(&call.app, &mut imported).await?;
    let Imported { name, context, version, definition, .. } = imported;
    let wanted = wanted.beside_document([name, context, version]);
    let made = make(&call, &caller, wanted, (definition, Some(text))).await?;
    Ok(created(&call, &format!("/apis/{}", made.api.id), &told::api(&made)))
}

/// What an import would make of a document: WSO2's `OpenAPIDefinitionValidationResponse`, with 200 for a bad one too.
async fn validate(call: Call, _: Caller) -> Answer {
    let text = document(&mut parts(&call).await?)?;
    Ok(answer::json(&match read(text.clone(), [None, None, None]).await? {
        Ok(imported) => {
            let production = imported.definition.production;
            let urls = production.iter().flat_map(|upstream| &upstream.urls).map(ToString::to_string);
            json!({
                "isValid": true,
                "content": text,
                "info": {
                    "name": imported.name,
                    "version": imported.version,
                    "context": imported.context,
                    "description": Value::Null,
                    "openAPIVersion": "3",
                    "endpoints": urls.collect::<Vec<_>>(),
                },
                "errors": [],
            })
        }
        Err(error) => json!({
            "isValid": false,
            "content": Value::Null,
            "info": Value::Null,
            "errors": [{
                "code": "900762", "message": "Invalid OpenAPI V3 definition found", "description": error.to_string(),
            }],
        }),
    }))
}
