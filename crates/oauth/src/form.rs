//! Form bodies (RFC 6749 appendix B), read strictly.

use zeroize::Zeroize;

use crate::refusal::Refusal;
use crate::secret::Secret;

/// The most parameters in one form.
pub const MAX_PARAMETERS: usize = 64;

/// Parameters that must never stand in a URL, where logs and proxies keep them.
const CREDENTIALS: [&str; 10] = [
    "username",
    "password",
    "client_secret",
    "token",
    "refresh_token",
    "access_token",
    "code",
    "code_verifier",
    "assertion",
    "client_assertion",
];

/// A form whose parameters each stand once.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, Secret)>);

impl Form {
    /// Parses `application/x-www-form-urlencoded` bytes. Broken percent-encoding and bytes that are not
    /// UTF-8 are refused rather than mended; a parameter twice is refused (RFC 6749 section 3.2).
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let mut pairs: Vec<(String, Secret)> = Vec::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MAX_PARAMETERS {
                return Err(Refusal::MalformedForm);
            }
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, [].as_slice()),
            };
            let name = decode(name).ok_or(Refusal::MalformedForm)?;
            let value = Secret::new(decode(value).ok_or(Refusal::MalformedForm)?);
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(Refusal::RepeatedParameter);
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Parses a body beside the URL's query: a credential in the query is refused, a parameter in both is
    /// a repeated one, anything else in the query is ignored.
    pub fn parse_with_query(body: &[u8], query: Option<&str>) -> Result<Self, Refusal> {
        let form = Self::parse(body)?;
        if let Some(query) = query {
            for (name, _) in Self::parse(query.as_bytes())?.0 {
                if CREDENTIALS.contains(&name.as_str()) {
                    return Err(Refusal::CredentialInUrl);
                }
                if form.0.iter().any(|(other, _)| *other == name) {
                    return Err(Refusal::RepeatedParameter);
                }
            }
        }
        Ok(form)
    }

    /// The parameter `name`; one without a value counts as absent (RFC 6749 section 3.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.secret(name).map(Secret::expose)
    }

    /// The parameter `name` as a secret.
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        self.0
            .iter()
            .find(|(other, value)| other == name && !value.expose().is_empty())
            .map(|(_, value)| value)
    }
}

/// Decodes one name or value: `+` is a space, `%` takes two hexadecimal digits, the result is UTF-8.
pub(crate) fn decode(text: &[u8]) -> Option<String> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return std::str::from_utf8(text).ok().map(str::to_owned);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |character: u8| char::from(character).to_digit(16);
                let value = digit(*high)? << 4 | digit(*low)?;
                out.push(u8::try_from(value).ok()?);
                after
            }
            (b'%', _) => return None,
            (b'+', after) => {
                out.push(b' ');
                after
            }
            (byte, after) => {
                out.push(*byte);
                after
            }
        };
    }
    String::from_utf8(out)
        .map_err(|problem| {
            let mut bytes = problem.into_bytes();
            bytes.zeroize();
        })
        .ok()
}

#[cfg(test)]
mod tests;
