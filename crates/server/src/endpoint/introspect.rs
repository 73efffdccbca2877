//! `POST /oauth2/introspect` (RFC 7662).

use http::{Request, StatusCode};
use latchkey_catalog::system_scope::{INTROSPECTION_SCOPES, find};
use latchkey_oauth::client_authentication::{Basic, Credentials};
use latchkey_oauth::family::SubjectType;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::introspection::{ActiveToken, INACTIVE, IntrospectionFacts};
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::refusal::Refusal;

use crate::app::{App, unavailable};
use crate::http::answer::{Answered, Outcome, Whole, json, text};
use crate::http::request::{FormBody, FormRequest, bearer, prove};
use crate::network::Peer;
use crate::sign_in::{self, Attempt};
use crate::token::resolve::{ResolvedToken, Tokens};
use crate::token::speaker::speaker;

/// Answers an introspection request.
pub async fn post(app: &App, request: Request<impl FormBody>, peer: Peer) -> Answered {
    let mut outcome = Outcome::default();
    let answer = match FormRequest::read(app, request, peer).await {
        Ok(request) => answer(app, &request, &mut outcome).await,
        Err(refusal) => Err(refusal),
    };
    let inactive = || text(StatusCode::OK, "application/json", INACTIVE);
    Answered::new(answer.map(|active| active.unwrap_or_else(inactive)), outcome)
}

/// Who asks.
enum Asker {
    /// May see every token.
    Anyone,
    /// May see the tokens of this client: its own.
    Client(PrincipalId),
}

async fn answer(app: &App, request: &FormRequest, outcome: &mut Outcome) -> Result<Option<Whole>, Refusal> {
    let asker = asker(app, request, outcome).await?;
    let token = request.form.secret("token").ok_or(Refusal::MissingToken)?;
    let Some(found) = Tokens::new(app).active(token, app.now()).await? else { return Ok(None) };
    match asker {
        Asker::Client(id) if id != found.held.family.client => Ok(None),
        Asker::Client(_) | Asker::Anyone => describe(app, &found).await,
    }
}

/// A client by its own credentials, an administrator by Basic, or a bearer whose token has the scope.
async fn asker(app: &App, request: &FormRequest, outcome: &mut Outcome) -> Result<Asker, Refusal> {
    let authorization = request.authorization()?;
    if authorization.is_some_and(|value| value.len() > 7 && value[..7].eq_ignore_ascii_case("bearer ")) {
        return bearer_asker(app, request).await;
    }
    let claimed = request.client(app).await;
    // Who is no client may be an administrator.
    if !matches!(claimed, Ok((_, Some(_))))
        && let Some(basic) = authorization.and_then(Basic::parse).transpose()?
        && request.form.secret("client_secret").is_none()
        && let Some(asker) = administrator(app, request, &basic).await?
    {
        return Ok(asker);
    }
    let (credentials, facts) = claimed?;
    let (_, facts) = prove(app, &credentials, facts.as_deref())?;
    outcome.client_id = Some(facts.client.consumer_key.clone());
    Ok(Asker::Client(facts.client.id))
}

/// An administrator; `None` where the name is that of a client, or of nobody who may ask.
async fn administrator(app: &App, request: &FormRequest, basic: &Basic) -> Result<Option<Asker>, Refusal> {
    let named = Credentials::from_basic(basic).map(|credentials| credentials.consumer_key);
    if let Some(key) = named
        && app.store.client(&key).await.map_err(unavailable)?.is_some()
    {
        return Ok(None);
    }
    let attempt = Attempt::of(request.peer, "");
    let user = sign_in::verify_basic(app, basic, &attempt).await?;
    match user {
        Some(user) if user.user.is_administrator() => Ok(Some(Asker::Anyone)),
        Some(_) => Err(Refusal::MayNotIntrospect),
        None => Ok(None),
    }
}

/// The token holds the scope, and the roles of whom it speaks for give it at this moment: an application's token
/// outlives the roles of its owner.
async fn bearer_asker(app: &App, request: &FormRequest) -> Result<Asker, Refusal> {
    let token = bearer(&request.parts.headers, None)?;
    let found = Tokens::new(app).active(&token, app.now()).await?.ok_or(Refusal::InvalidBearer)?;
    let family = &found.held.family;
    let user = speaker(app, family).await?.filter(|_| found.reference.kind == ValueKind::Access);
    let user = user.ok_or(Refusal::MayNotIntrospect)?;
    let may = |needed: &&str| {
        let is_given = find(needed).is_some_and(|scope| scope.is_open_to(&user.user.roles));
        is_given && family.access.scope.contains(needed)
    };
    if INTROSPECTION_SCOPES.iter().any(may) { Ok(Asker::Anyone) } else { Err(Refusal::MayNotIntrospect) }
}

async fn describe(app: &App, found: &ResolvedToken) -> Result<Option<Whole>, Refusal> {
    let family = &found.held.family;
    let Some(client) = app.store.client_by_id(family.client).await.map_err(unavailable)? else {
        return Ok(None);
    };
    let user = match family.subject.kind {
        SubjectType::Application => None,
        SubjectType::ApplicationUser => {
            let user = app.store.user_by_id(family.subject.id).await.map_err(unavailable)?;
            let Some(user) = user else { return Ok(None) };
            Some(user)
        }
    };
    let facts = IntrospectionFacts {
        issuer: &app.issuer,
        client_id: &client.client.consumer_key,
        username: user.as_deref().map(|user| user.user.name.as_str()),
    };
    Ok(Some(json(&ActiveToken::of(found.reference.kind, family, facts))))
}
