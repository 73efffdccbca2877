//! The token or the API key of a call, from its headers.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::answer::{Fault, RequestFault};

/// The header of internal keys, WSO2's name.
pub const INTERNAL_KEY: HeaderName = HeaderName::from_static("internal-key");
/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;

/// The token of a call, as it stood in the header.
#[derive(Clone, PartialEq, Eq)]
pub struct Carried<'a> {
    token: &'a str,
    leftover: Option<String>,
}

/// Why a call carries no token, or no API key, that can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CarriageProblem {
    /// No header, or for a token none of the scheme `Bearer`.
    #[error("there is none")]
    Missing,
    /// A token that no issuer can have made: other characters than RFC 6750 section 2.1 has, more than one
    /// word, too long.
    #[error("it is malformed")]
    Malformed,
    /// The header stands twice, holds two tokens, or the URL has one besides (RFC 6750 section 2).
    #[error("there is more than one")]
    Several,
}

impl From<CarriageProblem> for Fault {
    fn from(problem: CarriageProblem) -> Self {
        match problem {
            CarriageProblem::Missing => Self::MissingCredentials,
            CarriageProblem::Malformed => Self::InvalidCredentials,
            CarriageProblem::Several => Self::Request(RequestFault::SeveralTokens),
        }
    }
}

impl<'a> Carried<'a> {
    /// Finds the token in the header `name`. `query` is the request's: a token there is not taken, and
    /// refused beside one in the header.
    ///
    /// As WSO2 reads it: segments between commas, the scheme `Bearer` in any case, quotes around the token
    /// left out; what the other segments say is the upstream's ([`Self::leftover`]).
    pub fn find(
        headers: &'a HeaderMap,
        name: &HeaderName,
        query: Option<&str>,
    ) -> Result<Self, CarriageProblem> {
        let mut values = headers.get_all(name).iter();
        let value = values.next().ok_or(CarriageProblem::Missing)?;
        if values.next().is_some() {
            return Err(CarriageProblem::Several);
        }
        let carried = Self::read(value)?;
        if query.is_some_and(holds_token) {
            return Err(CarriageProblem::Several);
        }
        Ok(carried)
    }

    fn read(value: &'a HeaderValue) -> Result<Self, CarriageProblem> {
        if let Some(token) = plain(value) {
            return Ok(Self { token, leftover: None });
        }
        let text = value.to_str().map_err(|_| CarriageProblem::Malformed)?;
        let mut found = None;
        for segment in text.split(',') {
            if let Some(token) = of_segment(segment)
                && found.replace(token).is_some()
            {
                return Err(CarriageProblem::Several);
            }
        }
        let token = match found {
            None | Some("") => return Err(CarriageProblem::Missing),
            Some(token) => token.strip_prefix('"').and_then(|token| token.strip_suffix('"')).unwrap_or(token),
        };
        if !is_token(token) {
            return Err(CarriageProblem::Malformed);
        }
        Ok(Self { token, leftover: leftover(text) })
    }

    /// The token itself. A secret: it is looked up and forgotten, never written anywhere.
    pub const fn token(&self) -> &'a str {
        self.token
    }

    /// The other segments of the header, for the upstream: `Basic X` of `Bearer T, Basic X`.
    pub fn leftover(&self) -> Option<&str> {
        self.leftover.as_deref()
    }
}

/// Finds the API key in the header `name`. A secret, as a token is.
pub fn find_api_key<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, CarriageProblem> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(CarriageProblem::Missing)?;
    if values.next().is_some() {
        return Err(CarriageProblem::Several);
    }
    match value.to_str().map(str::trim) {
        Ok("") => Err(CarriageProblem::Missing),
        Ok(key) if is_token(key) => Ok(key),
        Ok(_) | Err(_) => Err(CarriageProblem::Malformed),
    }
}

impl fmt::Debug for Carried<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Carried(…)")
    }
}

/// The token of a header that holds nothing but `Bearer` and a token, as nearly every one does.
fn plain(value: &HeaderValue) -> Option<&str> {
    let token = value.as_bytes().strip_prefix(b"Bearer ")?;
    std::str::from_utf8(token).ok().filter(|token| is_token(token))
}

/// What follows the scheme `Bearer` in a segment.
fn of_segment(segment: &str) -> Option<&str> {
    let segment = segment.trim_matches([' ', '\t']);
    let (scheme, rest) = segment.split_once([' ', '\t']).unwrap_or((segment, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim_matches([' ', '\t']))
}

fn leftover(text: &str) -> Option<String> {
    if !text.contains(',') {
        return None;
    }
    let others: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|segment| !segment.is_empty() && of_segment(segment).is_none())
        .collect();
    (!others.is_empty()).then(|| others.join(", "))
}

/// RFC 6750 section 2.1, `b64token`.
fn is_token(text: &str) -> bool {
    let bare = text.trim_end_matches('=');
    !bare.is_empty() && text.len() <= MAX_TOKEN && bare.bytes().all(|byte| IN_TOKENS[usize::from(byte)])
}

/// Which bytes stand in tokens: every call's token is looked at byte by byte.
const IN_TOKENS: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], 0u8);
    loop {
        table[byte as usize] =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
        if byte == u8::MAX {
            break table;
        }
        byte += 1;
    }
};

/// Whether a query has the parameter of RFC 6750 section 2.3, however it is encoded.
fn holds_token(query: &str) -> bool {
    const NAME: &[u8] = b"access_token";
    query.split('&').any(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        // Shorter than the name even when every byte of it were encoded.
        if name.len() < NAME.len() || name.len() > 3 * NAME.len() {
            return false;
        }
        decoded(name).eq(NAME.iter().copied())
    })
}

/// The bytes of a name in a query, percent-encoding undone; a broken encoding stays as it stands.
fn decoded(name: &str) -> impl Iterator<Item = u8> + '_ {
    let mut rest = name.as_bytes();
    std::iter::from_fn(move || {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (byte, used) = match *rest {
            [] => return None,
            [b'%', high, low, ..] => match digit(high).zip(digit(low)) {
                Some((high, low)) => (high << 4 | low, 3),
                None => (b'%', 1),
            },
            [byte, ..] => (byte, 1),
        };
        rest = &rest[used..];
        Some(byte)
    })
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::CarriageProblem::{Malformed, Missing, Several};
    use super::*;

    type Found = Result<(String, Option<String>), CarriageProblem>;

    fn find(values: &[&str], query: Option<&str>) -> Found {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let carried = Carried::find(&headers, &AUTHORIZATION, query)?;
        assert_eq!(format!("{carried:?}"), "Carried(…)");
        Ok((carried.token().to_owned(), carried.leftover().map(str::to_owned)))
    }

    #[test]
    fn a_token_is_read_as_wso2_reads_it() {
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN));
        let cases = [
            ("Bearer T", "T", None),
            ("bearer T", "T", None),
            ("BEARER T", "T", None),
            ("Bearer   T  ", "T", None),
            ("Bearer \"T\"", "T", None),
            ("Bearer lka_a-b._~+/c==", "lka_a-b._~+/c==", None),
            ("Bearer T, Basic X", "T", Some("Basic X")),
            ("Basic X,Bearer T", "T", Some("Basic X")),
            ("Basic X, bearer T , Digest a=b", "T", Some("Basic X, Digest a=b")),
            ("Bearer T,", "T", None),
            (&long, &long[7..], None),
        ];
        for (value, token, leftover) in cases {
            let expected = Ok((token.to_owned(), leftover.map(str::to_owned)));
            assert_eq!(find(&[value], None), expected, "{value}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let long = format!("Bearer {}", "a".repeat(MAX_TOKEN + 1));
        let cases: [(&[&str], CarriageProblem); 20] = [
            (&[], Missing),
            (&[""], Missing),
            (&["Basic X"], Missing),
            (&["T"], Missing),
            (&["BearerT"], Missing),
            (&["Bearer"], Missing),
            (&["Bearer "], Missing),
            (&["Bearer:T"], Missing),
            (&["Bearer T U"], Malformed),
            (&["Bearer Bearer T"], Malformed),
            (&["Bearer \"T"], Malformed),
            (&["Bearer \"\""], Malformed),
            (&["Bearer T\u{e9}"], Malformed),
            (&["Bearer ="], Malformed),
            (&["Bearer a=b"], Malformed),
            (&["Bearer <T>"], Malformed),
            (&[&long], Malformed),
            (&["Bearer T", "Bearer T"], Several),
            (&["Bearer T", "Basic X"], Several),
            (&["Bearer T, Bearer U"], Several),
        ];
        for (values, problem) in cases {
            assert_eq!(find(values, None), Err(problem), "{values:?}");
        }
    }

    #[test]
    fn a_token_in_the_url_is_not_taken_and_not_carried_along() {
        let twice =
            ["access_token=U", "a=b&access_token=U", "access%5Ftoken=U", "%61ccess_token", "access_token="];
        for query in twice {
            assert_eq!(find(&["Bearer T"], Some(query)), Err(Several), "{query}");
            assert_eq!(find(&[], Some(query)), Err(Missing), "{query}");
        }
        for query in ["", "a=access_token", "access_tokens=U", "my_access_token=U", "access_toke%6", "a&&=%"]
        {
            assert!(find(&["Bearer T"], Some(query)).is_ok(), "{query}");
        }
    }

    #[test]
    fn an_api_key_is_the_whole_header() {
        let name = HeaderName::from_static("apikey");
        let long = "a".repeat(MAX_TOKEN + 1);
        let cases: [(&[&str], Result<&str, CarriageProblem>); 9] = [
            (&["lkk_a"], Ok("lkk_a")),
            (&["  lkk_a "], Ok("lkk_a")),
            (&[], Err(Missing)),
            (&[""], Err(Missing)),
            (&["Bearer lkk_a"], Err(Malformed)),
            (&["lkk_a, lkk_b"], Err(Malformed)),
            (&["lkk_\u{e9}"], Err(Malformed)),
            (&[&long], Err(Malformed)),
            (&["lkk_a", "lkk_a"], Err(Several)),
        ];
        for (values, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            assert_eq!(find_api_key(&headers, &name), expected, "{values:?}");
        }
    }

    #[test]
    fn an_api_may_have_a_header_of_its_own() {
        let name = HeaderName::from_static("x-token");
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer U"));
        assert_eq!(Carried::find(&headers, &name, None), Err(Missing));
        headers.insert(&name, HeaderValue::from_static("Bearer T"));
        assert_eq!(Carried::find(&headers, &name, None).unwrap().token(), "T");
    }
}
