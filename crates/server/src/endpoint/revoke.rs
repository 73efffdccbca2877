//! `POST /oauth2/revoke` (RFC 7009).

use http::{Request, StatusCode};
use latchkey_oauth::refusal::Refusal;
use latchkey_oauth::revocation::{Reason, Selector, ends_family};
use latchkey_store::unit::Ending;

use crate::app::{App, unavailable};
use crate::http::answer::{Answered, Outcome, text};
use crate::http::request::{FormBody, FormRequest, prove};
use crate::network::Peer;
use crate::token::resolve::Tokens;

/// Answers a revocation request: 200 once the token is durably dead, or if it was not alive.
pub async fn post(app: &App, request: Request<impl FormBody>, peer: Peer) -> Answered {
    let mut outcome = Outcome::default();
    let answer = match FormRequest::read(app, request, peer).await {
        Ok(request) => answer(app, &request, &mut outcome).await,
        Err(refusal) => Err(refusal),
    };
    Answered::new(answer.map(|()| text(StatusCode::OK, "application/json", "")), outcome)
}

/// The hint is not needed: a value says itself what it is (RFC 7009 section 2.1).
async fn answer(app: &App, request: &FormRequest, outcome: &mut Outcome) -> Result<(), Refusal> {
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
