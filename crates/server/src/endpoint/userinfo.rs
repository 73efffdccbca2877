//! `GET` and `POST /oauth2/userinfo` (OpenID Connect Core 1.0 section 5.3).

use std::borrow::Cow;

use http::{Method, Request};
use latchkey_oauth::family::SubjectType;
use latchkey_oauth::form::Form;
use latchkey_oauth::jwt::subject;
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::refusal::Refusal;
use serde::Serialize;

use crate::app::{App, unavailable};
use crate::http::answer::{Answered, Outcome, Whole, json};
use crate::http::request::{FormBody, FormRequest, bearer};
use crate::network::Peer;
use crate::token::resolve::Tokens;

#[derive(Serialize)]
struct UserInfo<'a> {
    sub: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
}

/// Answers the claims of whom the token speaks for.
pub async fn answer(app: &App, request: Request<impl FormBody>, peer: Peer) -> Answered {
    Answered::new(claims(app, request, peer).await, Outcome::default())
}

async fn claims(app: &App, request: Request<impl FormBody>, peer: Peer) -> Result<Whole, Refusal> {
    // A token in the URL lies in logs and histories already (RFC 9700 section 4.3.2).
    let in_query = request.uri().query().map(|query| Form::parse(query.as_bytes())).transpose()?;
    if in_query.is_some_and(|query| query.secret("access_token").is_some()) {
        return Err(Refusal::MalformedBearer);
    }
    let has_form = request.method() == Method::POST && request.headers().contains_key("content-type");
    let token = if has_form {
        let request = FormRequest::read(app, request, peer).await?;
        bearer(&request.parts.headers, Some(&request.form))?
    } else {
        bearer(request.headers(), None)?
    };
    let found = Tokens::new(app).active(&token, app.now()).await?;
    let found = found.filter(|found| found.reference.kind == ValueKind::Access);
    let found = found.ok_or(Refusal::InvalidBearer)?;
    let family = &found.held.family;
    if !family.access.scope.contains("openid") {
        return Err(Refusal::LacksOpenid);
    }
    let client = app.store.client_by_id(family.client).await.map_err(unavailable)?;
    let client = client.ok_or(Refusal::InvalidBearer)?;
    let preferred_username = match family.subject.kind {
        SubjectType::Application => None,
        SubjectType::ApplicationUser => {
            let user = app.store.user_by_id(family.subject.id).await.map_err(unavailable)?;
            Some(user.ok_or(Refusal::InvalidBearer)?.user.name.clone())
        }
    };
    Ok(json(&UserInfo { sub: subject(family, &client.client.consumer_key), preferred_username }))
}
