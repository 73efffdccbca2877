//! Who the client is (RFC 6749 section 2.3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::client::{Client, GrantType};
use crate::clock::Timestamp;
use crate::form::{Form, decode};
use crate::keyring::Keyring;
use crate::refusal::Refusal;
use crate::secret::Secret;

/// The longest consumer key that is looked up, in bytes.
const MAX_CONSUMER_KEY: usize = 255;

/// A client id and secret as they came in.
#[derive(Debug)]
pub struct Credentials {
    /// The consumer key.
    pub consumer_key: String,
    /// The consumer secret.
    pub secret: Secret,
}

/// Name and password of an `Authorization: Basic` header.
#[derive(Debug)]
pub struct Basic {
    /// What stands before the first colon.
    pub name: String,
    /// What stands after it.
    pub password: Secret,
}

impl Basic {
    /// Reads the value of an `Authorization` header (RFC 7617). `None` is another scheme.
    pub fn parse(authorization: &str) -> Option<Result<Self, Refusal>> {
        let (scheme, encoded) = authorization.split_once(' ').unwrap_or((authorization, ""));
        scheme.eq_ignore_ascii_case("Basic").then(|| {
            Self::parse_encoded(encoded.trim_start_matches(' ')).ok_or(Refusal::MalformedAuthorization)
        })
    }

    fn parse_encoded(encoded: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(encoded).ok()?);
        let (name, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
        Some(Self { name: name.to_owned(), password: Secret::new(password) })
    }
}

impl Credentials {
    /// The client's credentials: from the `Authorization` header, else from the body, never from both.
    ///
    /// In a Basic header key and secret are form-encoded first (RFC 6749 section 2.3.1). A `client_id` in the
    /// body beside it is allowed where it says the same.
    pub fn from_request(authorization: Option<&str>, form: &Form) -> Result<Self, Refusal> {
        let in_body = form.get("client_id");
        let asserted =
            form.secret("client_assertion").is_some() || form.get("client_assertion_type").is_some();
        if asserted && (authorization.is_some() || form.secret("client_secret").is_some()) {
            return Err(Refusal::SeveralClientAuthentications);
        }
        let Some(authorization) = authorization else {
            let consumer_key = in_body.ok_or(Refusal::NoClientAuthentication)?.to_owned();
            let secret = form.secret("client_secret").ok_or(Refusal::NoClientAuthentication)?.clone();
            return Self { consumer_key, secret }.bounded();
        };
        let basic = Basic::parse(authorization).ok_or(Refusal::NoClientAuthentication)??;
        if form.secret("client_secret").is_some() {
            return Err(Refusal::SeveralClientAuthentications);
        }
        let credentials = Self::from_basic(&basic).ok_or(Refusal::MalformedAuthorization)?.bounded()?;
        if in_body.is_some_and(|id| id != credentials.consumer_key) {
            return Err(Refusal::SeveralClientAuthentications);
        }
        Ok(credentials)
    }

    /// The client credentials that a Basic header holds; `None` where they are not form-encoded.
    pub fn from_basic(basic: &Basic) -> Option<Self> {
        let consumer_key = decode(basic.name.as_bytes())?;
        let secret = Secret::new(decode(basic.password.expose().as_bytes())?);
        Some(Self { consumer_key, secret })
    }

    fn bounded(self) -> Result<Self, Refusal> {
        if self.consumer_key.len() > MAX_CONSUMER_KEY {
            return Err(Refusal::ClientCredentials);
        }
        Ok(self)
    }
}

/// Evidence that a client has proved to be itself. Only [`authenticate`] makes one.
#[derive(Debug, Clone, Copy)]
pub struct AuthenticatedClient<'a>(&'a Client);

/// Compares the secret with those of the client that are valid at `now`. An unknown client costs as much time as a wrong secret and gets
/// the same answer.
pub fn authenticate<'a>(
    credentials: &Credentials,
    client: Option<&'a Client>,
    keyring: &Keyring,
    now: Timestamp,
) -> Result<AuthenticatedClient<'a>, Refusal> {
    let secret = credentials.secret.expose();
    let Some(client) = client else {
        let _ = keyring.consumer_secret_mac(secret);
        return Err(Refusal::ClientCredentials);
    };
    let matches = |known: &&_| keyring.verifies_consumer_secret(secret, known);
    let valid = client.valid_secrets(now).find(matches);
    valid.map(|_| AuthenticatedClient(client)).ok_or(Refusal::ClientCredentials)
}

impl<'a> AuthenticatedClient<'a> {
    /// The client.
    pub const fn client(self) -> &'a Client {
        self.0
    }

    /// Refuses a grant type that is not among the client's.
    pub fn permits(self, grant: GrantType) -> Result<(), Refusal> {
        if self.0.grants.contains(&grant) { Ok(()) } else { Err(Refusal::GrantNotAllowed) }
    }
}

#[cfg(test)]
mod tests;
