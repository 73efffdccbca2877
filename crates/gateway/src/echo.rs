//! The built-in upstream: it answers what it received, so that a new installation can be tried without
//! any server behind it.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use latchkey_catalog::upstream::UpstreamUrl;
use serde::Serialize;

use crate::answer::{Fault, RequestFault};
use crate::call::Answer;
use crate::forwarded::to_upstream;
use crate::upstream::Outgoing;

/// The address by which an API has it for its upstream. No other host can have that name (RFC 6761 section
/// 6.4).
pub const URL: &str = "http://echo.latchkey.invalid";

/// The most bytes of a body that it takes, since it keeps all of it.
const MAX_BODY: usize = 1 << 20;

#[derive(Serialize)]
struct Echo<'a> {
    method: &'a str,
    path: &'a str,
    headers: serde_json::Map<String, serde_json::Value>,
    body: String,
}

/// Whether the address is that of the built-in upstream.
pub(crate) fn is_at(address: &UpstreamUrl) -> bool {
    address.host() == "echo.latchkey.invalid"
}

/// Answers method, path with query, headers and body as JSON. Bytes that are no UTF-8 are replaced.
pub(crate) async fn answer(
    address: &UpstreamUrl,
    outgoing: &Outgoing<'_>,
    body: Incoming,
) -> Result<Answer, Fault> {
    let (mut headers, mut path) = (HeaderMap::new(), Vec::new());
    to_upstream(outgoing.headers, outgoing.forwarding, &mut headers)?;
    outgoing.target.write(address, &mut path);
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body = body.map_err(|_| Fault::Request(RequestFault::BodyTooLarge))?.to_bytes();
    let echo = Echo {
        method: outgoing.method.as_str(),
        path: &String::from_utf8_lossy(&path),
        headers: readable(&headers),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let text = serde_json::to_vec(&echo).map_err(|_| Fault::UpstreamProtocol)?;
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(text))));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(answer)
}

/// Every header once; values of one that stands several times are joined by commas.
fn readable(headers: &HeaderMap) -> serde_json::Map<String, serde_json::Value> {
    let values = |name| {
        let values = headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect::<Vec<_>>()
    };
    headers.keys().map(|name| (name.as_str().to_owned(), values(name).join(", ").into())).collect()
}
