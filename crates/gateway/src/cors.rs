//! Calls from pages of other origins (the Fetch standard, section 3.2, as WSO2 answers them).
//!
//! A preflight carries no token, so it is answered before any token is asked for, and never forwarded: it
//! names the methods that the API really has. An API whose CORS is off is left alone; its preflights are
//! calls like others.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use latchkey_catalog::cors::Cors;

use crate::explain;
use crate::route::RoutedApi;

/// The answer to a preflight; `None` when the call is none, or when the upstream answers it.
///
/// 200 with what the page may do, without any permission where its origin may not call; 405 when it does not
/// say which method it wants to use.
pub fn preflight(api: &RoutedApi, method: &Method, headers: &HeaderMap) -> Option<Response<Bytes>> {
    let cors = &api.api().definition.cors;
    if *method != Method::OPTIONS || !cors.enabled || !headers.contains_key(ORIGIN) {
        return None;
    }
    let mut answer = Response::new(Bytes::new());
    let methods = api.methods().iter().map(Method::as_str);
    let allowed: Vec<&str> = methods.filter(|method| cors.methods.contains(*method)).collect();
    if !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        set(answer.headers_mut(), ALLOW, &allowed.join(", "));
        return Some(answer);
    }
    if allow_origin(cors, headers, answer.headers_mut()) {
        let names: Vec<&str> = cors.headers.iter().map(String::as_str).collect();
        set(answer.headers_mut(), ACCESS_CONTROL_ALLOW_METHODS, &allowed.join(", "));
        set(answer.headers_mut(), ACCESS_CONTROL_ALLOW_HEADERS, &names.join(", "));
    }
    Some(answer)
}

/// Tells the page whether it may read an answer, the gateway's own or the upstream's: what the upstream said
/// about it is replaced. Does nothing for calls that no page made, or with CORS off.
pub fn permit(api: &RoutedApi, request: &HeaderMap, answer: &mut HeaderMap) {
    let cors = &api.api().definition.cors;
    if !cors.enabled || !request.contains_key(ORIGIN) {
        return;
    }
    for name in [
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_HEADERS,
    ] {
        answer.remove(name);
    }
    // Without this a page cannot read the id that explains a refusal.
    if allow_origin(cors, request, answer) && answer.contains_key(explain::HEADER) {
        answer.append(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(explain::HEADER));
    }
}

/// Allows the origin of `request`, when it may call; whether it may.
fn allow_origin(cors: &Cors, request: &HeaderMap, answer: &mut HeaderMap) -> bool {
    let origin = request.get(ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default();
    let allowed = cors.allowed_origin(origin);
    // A cache must not give one origin's answer to another.
    if allowed != Some("*") {
        answer.append(VARY, HeaderValue::from_static("Origin"));
    }
    let Some(allowed) = allowed else {
        return false;
    };
    set(answer, ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if cors.credentials {
        answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    true
}

fn set(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
