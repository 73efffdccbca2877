//! `POST /oauth2/token` (RFC 6749 section 3.2).

use std::collections::BTreeSet;

use http::Request;
use http::header::USER_AGENT;
use latchkey_gateway::record::Sight;
use latchkey_oauth::client::GrantType;
use latchkey_oauth::grant::{ScopeFacts, client_credentials, password};
use latchkey_oauth::refusal::Refusal;
use latchkey_oauth::token_request::{Grant, TokenRequest, grant_type};
use latchkey_store::facts::ClientFacts;
use latchkey_store::records::{DeviceKey, Sighting};

use crate::app::App;
use crate::http::answer::{Answered, Outcome, json};
use crate::http::request::{FormBody, FormRequest, prove};
use crate::network::Peer;
use crate::sign_in::{self, Attempt};
use crate::token::issue::{issue, refresh};
use crate::token::response::TokenResponse;

/// Answers a token request.
pub async fn post(app: &App, request: Request<impl FormBody>, peer: Peer) -> Answered {
    let mut outcome = Outcome::default();
    let answer = match FormRequest::read(app, request, peer).await {
        Ok(request) => {
            let answer = answer(app, &request, &mut outcome).await;
            if let Ok(tokens) = &answer {
                note(app, &request, tokens.device());
            }
            answer
        }
        Err(refusal) => Err(refusal),
    };
    app.metrics.token_request(outcome.grant_type, answer.as_ref().err().copied());
    Answered::new(answer.map(|tokens| json(&tokens)), outcome)
}

/// What is wrong with the form or the grant type beats what is wrong with the client, as in WSO2.
async fn answer(app: &App, request: &FormRequest, outcome: &mut Outcome) -> Result<TokenResponse, Refusal> {
    let grant = grant_type(&request.form)?;
    if !app.policy.grants.contains(&grant) {
        return Err(Refusal::UnsupportedGrantType);
    }
    outcome.grant_type = Some(grant.as_str());
    let (credentials, facts) = request.client(app).await?;
    let (client, facts) = prove(app, &credentials, facts.as_deref())?;
    outcome.client_id = Some(facts.client.consumer_key.clone());
    let TokenRequest { grant, common } = TokenRequest::parse(&request.form)?;
    match grant {
        Grant::ClientCredentials(client_credentials::Params) => {
            let scopes = scope_facts(app, facts, &facts.owner_roles);
            let authorization = client_credentials::authorize(client, common.scope.as_ref(), scopes)?;
            issue(app, facts, authorization, (&common, facts.epoch)).await
        }
        Grant::Password(params) => {
            client.permits(GrantType::Password)?;
            let attempt = Attempt::of(request.peer, &facts.client.consumer_key);
            let user = sign_in::verify(app, &params.username, &params.password, &attempt).await?;
            let user = user.ok_or(Refusal::UserCredentials)?;
            let scopes = scope_facts(app, facts, &user.user.roles);
            let authorization = password::authorize(client, user.user.id, common.scope.as_ref(), scopes)?;
            issue(app, facts, authorization, (&common, user.epoch)).await
        }
        Grant::RefreshToken(params) => {
            client.permits(GrantType::RefreshToken)?;
            refresh(app, facts, (&params.refresh_token, &common)).await
        }
    }
}

/// Notes from where a user's device got its tokens, as far as that is kept.
fn note(app: &App, request: &FormRequest, device: &DeviceKey) {
    let records = &app.config.records;
    if device.holder.subject == device.holder.client {
        return;
    }
    let address = records.addresses.then_some(request.peer.client);
    let agent = request.parts.headers.get(USER_AGENT).filter(|_| records.user_agents);
    let Sight { address, user_agent } = Sight::of(address, agent);
    let now = app.now();
    app.recorder.signed_in(Sighting { device: device.clone(), first_at: now, at: now, address, user_agent });
}

const fn scope_facts<'a>(
    app: &'a App,
    facts: &'a ClientFacts,
    roles: &'a BTreeSet<String>,
) -> ScopeFacts<'a> {
    ScopeFacts { policy: &app.policy.scope, known: &facts.known_scopes, roles }
}

#[cfg(test)]
mod tests;
