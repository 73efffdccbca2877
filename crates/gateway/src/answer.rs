//! What the gateway answers itself: one table of WSO2's codes, one way to write them.
//!
//! Codes, texts and statuses are those of WSO2 API Manager 4.x where it has them, so that clients written
//! for it understand them. A body never holds anything of the call: no token, no path, no host.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use latchkey_oauth::clock::Timestamp;

pub use fault::{Fault, Row, ThrottledBy};
pub use request_fault::RequestFault;
pub use times::{http_date, wso2_time};

mod fault;
mod request_fault;
mod soap;
mod times;

/// In which form a caller reads answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `{"code":"900901","message":…,"description":…}`.
    Json,
    /// A SOAP 1.1 fault.
    Soap11,
    /// A SOAP 1.2 fault.
    Soap12,
}

impl Form {
    /// The form of the call itself: a POST of `application/soap+xml` is SOAP 1.2 and one of `text/xml` SOAP
    /// 1.1, with or without `SOAPAction`, as WSO2 tells them apart; everything else reads JSON. The body is
    /// not looked at, `Accept` neither.
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        if *method != Method::POST {
            return Self::Json;
        }
        let content_type =
            headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/soap+xml") {
            Self::Soap12
        } else if media_type.eq_ignore_ascii_case("text/xml") {
            Self::Soap11
        } else {
            Self::Json
        }
    }

    const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json; charset=UTF-8",
            Self::Soap11 => "text/xml; charset=UTF-8",
            Self::Soap12 => "application/soap+xml; charset=UTF-8",
        })
    }
}

/// A challenge of the gateway's realm; most are the same for every call.
macro_rules! challenge {
    ($rest:literal) => {
        concat!("Bearer realm=\"latchkey\"", $rest)
    };
}
/// What an answer takes from the call and the API besides the fault.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// How the caller reads.
    pub form: Form,
    /// The header that carries the token to this API, `Authorization` unless configured; none where it takes no
    /// tokens.
    pub token_header: Option<&'a str>,
    /// The header that carries an API key to it; none where it takes none.
    pub key_header: Option<&'a str>,
    /// The scopes of the resource, of which any one suffices.
    pub scopes: &'a [&'a str],
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self { form: Form::Json, token_header: Some("Authorization"), key_header: None, scopes: &[] }
    }
}

impl Fault {
    /// The answer to the caller.
    pub fn answer(&self, asked: &Asked<'_>) -> Response<Bytes> {
        let row = self.row();
        let description = self.description(&row, asked);
        let body = match asked.form {
            Form::Json => self.json(&row, &description),
            Form::Soap11 => soap::soap11(&row, &description),
            Form::Soap12 => soap::soap12(&row, &description),
        };
        let mut answer = Response::new(Bytes::from(body));
        *answer.status_mut() = row.status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, asked.form.content_type());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge(&row, asked).filter(|_| asked.token_header.is_some()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if row.status == StatusCode::UNAUTHORIZED && asked.key_header.is_some() {
            // WSO2's words. Their first is no scheme of RFC 9110, so they stand in a field of their own, where
            // they spoil no other challenge.
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("API Key realm=\"latchkey\""));
        }
        insert(headers, RETRY_AFTER, self.retry_after());
        insert(headers, ALLOW, self.allowed());
        answer
    }

    /// When the caller may come again, for a throttled call; a rule that denies does not end by waiting.
    fn until(&self) -> Option<Timestamp> {
        if let Self::Throttled { by, until } = self {
            (*by != ThrottledBy::Denied).then_some(*until)
        } else {
            None
        }
    }

    fn retry_after(&self) -> Option<String> {
        let soon = (*self == Self::TemporarilyUnavailable).then(|| "1".to_owned());
        soon.or_else(|| self.until().map(http_date))
    }

    /// RFC 9110 section 15.5.6: a 405 says what is allowed.
    fn allowed(&self) -> Option<String> {
        if let Self::MethodNotAllowed(methods) = self {
            let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
            return Some(methods.join(", "));
        }
        let forwarded = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
        (*self == Self::Request(RequestFault::Method)).then(|| forwarded.to_owned())
    }

    /// The description with what is known of this call.
    fn description(&self, row: &Row, asked: &Asked<'_>) -> String {
        let known = match self.until() {
            Some(until) if row.description.ends_with(' ') => wso2_time(until),
            _ if *self == Self::MissingCredentials => {
                let token = asked.token_header.map(|header| format!("'{header} : Bearer ACCESS_TOKEN'"));
                let key = asked.key_header.map(|header| format!("'{header} : API_KEY'"));
                token.into_iter().chain(key).collect::<Vec<_>>().join(" or ")
            }
            _ => String::new(),
        };
        format!("{}{known}", row.description)
    }

    /// The members in WSO2's order: some clients show the body as it stands.
    fn json(&self, row: &Row, description: &str) -> Vec<u8> {
        let mut body = Vec::with_capacity(256);
        body.extend_from_slice(b"{\"code\":\"");
        body.extend_from_slice(row.code.as_bytes());
        body.extend_from_slice(if row.is_runtime() { b"\",\"type\":\"Status report\"" } else { b"\"" });
        let mut member = |name: &[u8], text: &str| {
            body.extend_from_slice(name);
            // A list of bytes takes everything.
            let _ = serde_json::to_writer(&mut body, text);
        };
        member(b",\"message\":", row.message);
        member(b",\"description\":", description);
        if let Some(until) = self.until() {
            member(b",\"nextAccessTime\":", &wso2_time(until));
        }
        body.push(b'}');
        body
    }

    /// RFC 6750 section 3: no error where no token came, `invalid_token`, or `insufficient_scope`.
    fn challenge(&self, row: &Row, asked: &Asked<'_>) -> Option<HeaderValue> {
        if *self == Self::MissingCredentials {
            Some(HeaderValue::from_static(challenge!("")))
        } else if *self == Self::InsufficientScope {
            const LACKS: &str =
                challenge!(", error=\"insufficient_scope\", error_description=\"The token lacks the scope\"");
            let scopes = asked.scopes.join(" ");
            let scope = if scopes.is_empty() { String::new() } else { format!(", scope=\"{scopes}\"") };
            HeaderValue::try_from(format!("{LACKS}{scope}")).ok()
        } else if *self == Self::Request(RequestFault::SeveralTokens) {
            Some(HeaderValue::from_static(challenge!(
                ", error=\"invalid_request\", error_description=\"There is more than one token\""
            )))
        } else {
            (row.status == StatusCode::UNAUTHORIZED).then(|| {
                HeaderValue::from_static(challenge!(
                    ", error=\"invalid_token\", error_description=\"The provided token is invalid\""
                ))
            })
        }
    }
}

/// Sets a header to a text of ours; one that no header can hold is left out.
fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: Option<String>) {
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
