//! `POST /oauth2/revoke` (RFC 7009).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use latchkey_oauth::refusal::Refusal;
use latchkey_oauth::revocation::{Reason, Selector, ends_family};
use latchkey_store::unit::Ending;

use crate::app::{App, unavailable};
use crate::http::answer::{Outcome, Refused, text};
use crate::http::request::{FormRequest, prove};
use crate::token::resolve::Tokens;

/// Answers a revocation request: 200 once the token is durably dead, or if it was not alive.
pub async fn post(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let mut outcome = Outcome::default();
    match answer(&app, request, &mut outcome).await {
        Ok(()) => {
            let mut response = text(StatusCode::OK, "application/json", Body::empty());
            response.extensions_mut().insert(outcome);
            response
        }
        Err(refusal) => Refused { refusal, outcome }.into_response(),
    }
}

/// The hint is not needed: a value says itself what it is (RFC 7009 section 2.1).
async fn answer(app: &App, request: Request<Body>, outcome: &mut Outcome) -> Result<(), Refusal> {
    let request = FormRequest::read(app, request).await?;
    let (credentials, facts) = request.client(app).await?;
    let (_, facts) = prove(app, &credentials, facts.as_deref())?;
    outcome.client_id = Some(facts.client.consumer_key.clone());
    let token = request.form.secret("token").ok_or(Refusal::MissingToken)?;
    let Some(found) = Tokens::new(app).resolve(token).await? else { return Ok(()) };
    let family = &found.held.family;
    if family.client != facts.client.id {
        return Err(Refusal::OtherClientsToken);
    }
    if ends_family(found.reference.kind, found.reference.generation, family) {
        let selector = Selector::Family { bucket: family.bucket, id: family.id };
        let ending = Ending { selector, reason: Reason::ClientRequest, actor: None };
        app.store.end(ending).await.map_err(unavailable)?;
        app.metrics.revoked();
    }
    Ok(())
}
