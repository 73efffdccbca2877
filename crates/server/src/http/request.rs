//! Reading requests: bodies within their limit, forms, credentials.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use latchkey_oauth::client_authentication::{AuthenticatedClient, Credentials, authenticate};
use latchkey_oauth::form::Form;
use latchkey_oauth::refusal::Refusal;
use latchkey_oauth::secret::Secret;
use latchkey_store::facts::ClientFacts;
use zeroize::Zeroizing;

use crate::app::{App, unavailable};
use crate::network::Peer;

/// A body that a form may arrive in.
pub trait FormBody: Body<Data = Bytes> + Unpin + Send {}

impl<B: Body<Data = Bytes> + Unpin + Send> FormBody for B {}

/// A form as it arrived, with the rest of its request.
#[derive(Debug)]
pub struct FormRequest {
    /// Method, URL and headers.
    pub parts: Parts,
    /// The parameters.
    pub form: Form,
    /// Who sent it.
    pub peer: Peer,
}

impl FormRequest {
    /// Reads the form of `request`.
    pub async fn read(app: &App, request: Request<impl FormBody>, peer: Peer) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        if !is_form(&parts.headers) {
            return Err(Refusal::NotAForm);
        }
        let bytes = read_body(body, app.config.server.body_limit).await?;
        let form = Form::parse_with_query(&bytes, parts.uri.query())?;
        Ok(Self { parts, form, peer })
    }

    /// The value of the one `Authorization` header.
    pub fn authorization(&self) -> Result<Option<&str>, Refusal> {
        authorization(&self.parts.headers)
    }

    /// The client that the request says it is from, with its facts, not yet authenticated.
    pub async fn client(&self, app: &App) -> Result<(Credentials, Option<Arc<ClientFacts>>), Refusal> {
        let credentials = Credentials::from_request(self.authorization()?, &self.form)?;
        let facts = app.store.client(&credentials.consumer_key).await.map_err(unavailable)?;
        Ok((credentials, facts))
    }
}

/// The bytes of `body`, of which there are at most `limit`. What says that it is too large is not waited
/// for.
pub async fn read_body(mut body: impl FormBody, limit: usize) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Refusal::TooLarge);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::MalformedForm)?.into_data() else { continue };
        if data.len() > limit - bytes.len() {
            return Err(Refusal::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Compares the credentials of a request with the client's. The facts outlive the evidence.
pub fn prove<'a>(
    app: &App,
    credentials: &Credentials,
    facts: Option<&'a ClientFacts>,
) -> Result<(AuthenticatedClient<'a>, &'a ClientFacts), Refusal> {
    let client = facts.map(|facts| &facts.client);
    let evidence = authenticate(credentials, client, &app.keys().ring, app.now())?;
    Ok((evidence, facts.ok_or(Refusal::ClientCredentials)?))
}

/// The value of the one `Authorization` header; two are refused.
pub fn authorization(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::SeveralClientAuthentications);
    }
    value.to_str().map(Some).map_err(|_| Refusal::MalformedAuthorization)
}

/// The token of a bearer request, in the header or, in a form, in the body; in two places it is refused
/// (RFC 6750 section 2).
pub fn bearer(headers: &HeaderMap, form: Option<&Form>) -> Result<Secret, Refusal> {
    let header = authorization(headers).map_err(|_| Refusal::MalformedBearer)?;
    let in_header = header.map(bearer_value).transpose()?.flatten();
    let in_body = form.and_then(|form| form.secret("access_token")).cloned();
    match (in_header, in_body) {
        (Some(_), Some(_)) => Err(Refusal::MalformedBearer),
        (Some(token), None) | (None, Some(token)) => Ok(token),
        (None, None) => Err(Refusal::MissingBearer),
    }
}

fn bearer_value(header: &str) -> Result<Option<Secret>, Refusal> {
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Ok(None);
    }
    let token = token.trim_start_matches(' ');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(allowed) {
        return Err(Refusal::MalformedBearer);
    }
    Ok(Some(Secret::new(token)))
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}
