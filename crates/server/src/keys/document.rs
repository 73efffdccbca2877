//! What the key file holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::entropy::{Entropy, random};
use latchkey_oauth::jwk::{BadKey, SigningAlgorithm, SigningKeys};
use latchkey_oauth::keyring::{EmptyKeyring, Keyring, MasterKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::parse;

/// Secret bytes, Base64 in the file.
#[derive(Clone)]
pub struct SecretBytes(pub(super) Zeroizing<Vec<u8>>);

impl std::fmt::Debug for SecretBytes {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SecretBytes(…)")
    }
}

impl Serialize for SecretBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(&*self.0)))
    }
}

impl<'de> Deserialize<'de> for SecretBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| serde::de::Error::custom("not Base64"))?;
        Ok(Self(Zeroizing::new(bytes)))
    }
}

/// A master key with its number.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MasterEntry {
    /// Its number; the highest makes new values.
    pub number: u16,
    /// 32 random bytes.
    pub secret: SecretBytes,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Where a signing key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, so that every verifier knows it before it signs.
    Next,
    /// Signs.
    Active,
    /// Signs assertions for upstreams, and nothing else; published.
    Assertion,
    /// Signs no more; published until it is removed, for the tokens that it signed.
    Retired,
}

impl KeyState {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Assertion => "assertion",
            Self::Retired => "retired",
        }
    }
}

/// A signing key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningEntry {
    /// Its algorithm.
    pub algorithm: SigningAlgorithm,
    /// The private key.
    pub pkcs8: SecretBytes,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyDocument {
    /// How often the installation was set back to a backup.
    pub incarnation: u16,
    /// The lowest master key number that is still accepted.
    pub minimum: u16,
    /// The master keys.
    pub masters: Vec<MasterEntry>,
    /// The signing keys.
    pub signing: Vec<SigningEntry>,
}

impl KeyDocument {
    /// The keys of a new installation; signing keys come with the algorithm.
    pub(super) fn new(entropy: &dyn Entropy, now: Timestamp) -> Self {
        let masters = vec![MasterEntry::draw(1, entropy, now)];
        Self { incarnation: 1, minimum: 1, masters, signing: Vec::new() }
    }

    /// The keyring.
    pub(super) fn keyring(&self) -> Result<Keyring, EmptyKeyring> {
        let mut masters = BTreeMap::new();
        for entry in &self.masters {
            let secret: [u8; 32] = entry.secret.0.as_slice().try_into().map_err(|_| EmptyKeyring)?;
            masters.insert(entry.number, MasterKey::new(secret));
        }
        Keyring::new(&masters, self.minimum, self.incarnation)
    }

    /// The signing keys, parsed.
    pub(super) fn signing_keys(&self) -> Result<SigningKeys, BadKey> {
        let active = self.signing.iter().find(|entry| entry.state == KeyState::Active).ok_or(BadKey)?;
        let others = self.signing.iter();
        let others = others.filter(|entry| matches!(entry.state, KeyState::Next | KeyState::Retired));
        let others: Vec<Arc<_>> = others.map(parse).collect::<Result<_, _>>()?;
        let keys = SigningKeys::new(parse(active)?, &others);
        match self.signing.iter().find(|entry| entry.state == KeyState::Assertion) {
            Some(entry) => Ok(keys.with_assertion_key(parse(entry)?)),
            None => Ok(keys),
        }
    }
}

impl MasterEntry {
    pub(super) fn draw(number: u16, entropy: &dyn Entropy, now: Timestamp) -> Self {
        let secret = Zeroizing::new(random::<32>(entropy));
        Self { number, secret: SecretBytes(Zeroizing::new(secret.to_vec())), created_at: now }
    }
}

impl SigningEntry {
    /// Its id, as in JWT headers.
    pub fn kid(&self) -> Result<String, BadKey> {
        parse(self).map(|key| key.kid().to_owned())
    }
}
