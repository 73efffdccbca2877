//! The REST interfaces: WSO2's, for portals, scripts and administrators, and Latchkey's own.
//!
//! | module | what |
//! |---|---|
//! | [`operation`] | a row for each operation: who may use it, and what answers |
//! | [`contract`] | what each takes and answers |
//! | [`surface`] | where each interface lies, in every version |
//! | [`caller`] | who asks |
//! | [`call`], [`page`] | what is asked |
//! | [`error`] | the one table of codes |
//! | [`openapi`] | the operations as an `OpenAPI` document |
//! | `devportal/`, `publisher/`, `registration`, `clients`, `gateway`, `scim/`, `admin/`, `account/`, `latchkey` | the operations, one file for each kind of resource |
//!
//! An operation answers in WSO2's shapes; what it does is a use case of [`crate::admin`], which the command line
//! carries out too.

mod account;
mod admin;
mod answer;
mod call;
mod caller;
mod clients;
mod contract;
mod devportal;
mod error;
mod gateway;
mod latchkey;
pub mod openapi;
mod operation;
mod page;
mod publisher;
mod registration;
mod scim;
mod surface;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, any};
use http::Method;
use zeroize::Zeroizing;

use self::call::{Call, ORGANIZATION, query, takes_json};
use self::caller::Caller;
use self::error::{Fault, RestError};
use self::operation::{Answer, Operation};
use self::surface::Surface;
use crate::app::App;
use crate::http::request::read_body;
use crate::network::Peer;

/// Every operation there is.
fn operations() -> Vec<Operation> {
    [
        registration::operations(),
        devportal::operations(),
        publisher::operations(),
        admin::operations(),
        clients::operations(),
        gateway::operations(),
        scim::operations(),
        account::operations(),
        latchkey::operations(),
    ]
    .concat()
}

/// The routes of the server listener that are operations.
pub fn routes() -> Router<Arc<App>> {
    let mut paths: BTreeMap<String, MethodRouter<Arc<App>>> = BTreeMap::new();
    for operation in operations() {
        let operation = Arc::new(operation);
        for base in operation.surface.bases() {
            let path = format!("{base}{}", operation.path);
            let surface = operation.surface;
            let wrong = async move || surface.told(RestError::of(Fault::MethodNotAllowed));
            let held = paths.remove(&path).unwrap_or_else(|| MethodRouter::new().fallback(wrong));
            paths.insert(path, held.on(filter(&operation.method), route(&operation, base)));
        }
    }
    let absent = async || RestError::of(Fault::NotFound);
    let mut router = Router::new();
    for (path, methods) in paths {
        router = router.route(&path, methods);
    }
    let below = ["/api/{*rest}", "/client-registration/{*rest}", "/internal/{*rest}"];
    let router = below.into_iter().fold(router, |router, path| router.route(path, any(absent)));
    let absent = async || Surface::Scim.told(RestError::of(Fault::NotFound));
    Surface::Scim
        .bases()
        .iter()
        .fold(router, |router, base| router.route(&format!("{base}/{{*rest}}"), any(absent)))
}

impl Surface {
    /// How the interface tells an error.
    fn told(self, error: RestError) -> Response {
        match self {
            Self::Scim => scim::told(error),
            Self::Clients => clients::refused(error),
            Self::Devportal
            | Self::Publisher
            | Self::Admin
            | Self::Registration
            | Self::Gateway
            | Self::UsersV1
            | Self::UsersV2
            | Self::Server
            | Self::Scopes
            | Self::SignUp
            | Self::Latchkey => error.into_response(),
        }
    }
}

fn filter(method: &Method) -> MethodFilter {
    MethodFilter::try_from(method.clone()).expect("operations have methods that routers know")
}

/// What answers `operation` at one of its bases.
fn route(
    operation: &Arc<Operation>,
    base: &'static str,
) -> impl Fn(State<Arc<App>>, RawPathParams, Request) -> ResponseFuture + Clone + Send + Sync + 'static {
    let operation = Arc::clone(operation);
    move |State(app), places, request| {
        let operation = Arc::clone(&operation);
        Box::pin(async move {
            let answer = attend(app, &operation, (base, places, request)).await;
            answer.map_or_else(
                |error| {
                    let status = error.fault.row().status;
                    debug_assert!(
                        operation.refusals().contains(&status),
                        "{operation:?} says nothing of {status}"
                    );
                    operation.surface.told(error)
                },
                IntoResponse::into_response,
            )
        })
    }
}

type ResponseFuture = std::pin::Pin<Box<dyn Future<Output = Response> + Send>>;

/// Who asks is settled before the rest of the request is read.
async fn attend(
    app: Arc<App>,
    operation: &Arc<Operation>,
    (base, places, request): (&'static str, RawPathParams, Request<Body>),
) -> Answer {
    let (parts, body) = request.into_parts();
    let peer = *parts.extensions.get::<Peer>().ok_or(RestError::of(Fault::Unavailable))?;
    let caller = Caller::of(&app, &parts.headers, peer).await?;
    operation.admits(caller.as_ref())?;
    let tenant = parts.headers.get("x-wso2-tenant");
    if tenant.is_some_and(|name| name.as_bytes() != ORGANIZATION.as_bytes()) {
        return Err(RestError::told(Fault::NotFound, "There is no such tenant."));
    }
    if !takes_json(&parts.headers) {
        return Err(RestError::of(Fault::NotAcceptable));
    }
    let body = if matches!(parts.method, Method::GET | Method::HEAD) {
        Zeroizing::default()
    } else {
        read_body(body, operation.body).await?
    };
    let relative = parts.uri.path().strip_prefix(base).unwrap_or_default().to_owned();
    let path = places.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let query = query(&parts.uri)?;
    let answer = operation
        .answer(
            Call {
                operation: Arc::clone(operation),
                app,
                relative,
                base,
                surface: operation.surface,
                peer,
                headers: parts.headers,
                path,
                query,
                body,
            },
            caller,
        )
        .await?;
    debug_assert!(operation.comes_to(&answer), "{operation:?} says nothing of {answer:?}");
    Ok(answer)
}

#[cfg(test)]
mod tests;
