//! The keys that token values, consumer secrets and sealed columns are made with.
//!
//! Each master key has a number; from it a key per purpose is derived by HKDF-SHA-256, so that what one
//! purpose reveals is worth nothing for another. The newest master key makes values, older ones still
//! verify until the minimum is raised above them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::{self, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A master key: 256 random bits.
pub type MasterKey = Zeroizing<[u8; 32]>;

/// What a token value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// An access token, `lka_…`.
    Access,
    /// A refresh token, `lkr_…`.
    Refresh,
}

/// The keys derived from one master key.
pub struct PurposeKeys {
    access: [hmac::Key; 2],
    refresh: [hmac::Key; 2],
    /// The key of the check part of access tokens as it is told to gateway nodes.
    access_check: MasterKey,
    api_key: [hmac::Key; 2],
    /// The same for API keys.
    api_key_check: MasterKey,
    consumer_secret: hmac::Key,
    consumer_secret_digest: hmac::Key,
    seal: RandomizedNonceKey,
}

/// A sealed text could not be opened: another key, another place, or damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value cannot be opened with the keys at hand")]
pub struct Unsealable;

impl PurposeKeys {
    fn derive(master: &MasterKey) -> Self {
        let mac = |purpose: &str| hmac::Key::new(hmac::HMAC_SHA256, &*expand(master, purpose));
        Self {
            access: [mac("access token secret"), mac("access token check")],
            refresh: [mac("refresh token secret"), mac("refresh token check")],
            access_check: expand(master, "access token check"),
            api_key: [mac("API key secret"), mac("API key check")],
            api_key_check: expand(master, "API key check"),
            consumer_secret: mac("consumer secret"),
            consumer_secret_digest: mac("consumer secret digest"),
            seal: RandomizedNonceKey::new(&aead::AES_256_GCM, &*expand(master, "seal"))
                .expect("AES-256-GCM takes 32 bytes"),
        }
    }

    /// The key of a value's secret part, which proves the server made it.
    pub(crate) fn secret(&self, kind: ValueKind) -> &hmac::Key {
        &self.of(kind)[0]
    }

    /// The key of a value's check part, which refuses garbage without a look into the store. A gateway
    /// that holds it alone cannot forge.
    pub(crate) fn check(&self, kind: ValueKind) -> &hmac::Key {
        &self.of(kind)[1]
    }

    /// The keys of the secret and of the check part of API keys.
    pub(crate) const fn api_key(&self) -> (&hmac::Key, &hmac::Key) {
        (&self.api_key[0], &self.api_key[1])
    }

    const fn of(&self, kind: ValueKind) -> &[hmac::Key; 2] {
        match kind {
            ValueKind::Access => &self.access,
            ValueKind::Refresh => &self.refresh,
        }
    }
}

impl std::fmt::Debug for PurposeKeys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("PurposeKeys(…)")
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand(master: &MasterKey, purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    let info = [b"latchkey 1 ".as_slice(), purpose.as_bytes()];
    Salt::new(HKDF_SHA256, b"latchkey")
        .extract(&**master)
        .expand(&info, Length(32))
        .and_then(|okm| okm.fill(&mut *out))
        .expect("HKDF expands to 32 bytes");
    out
}

/// The master keys in use, the incarnation, and the lowest key number still accepted.
#[derive(Debug)]
pub struct Keyring {
    keys: BTreeMap<u16, PurposeKeys>,
    current: u16,
    minimum: u16,
    incarnation: u16,
    /// Tells this keyring from every other one of the process: what was proven under another is not proven here.
    edition: u64,
}

/// The edition of the next keyring of this process.
static EDITIONS: AtomicU64 = AtomicU64::new(0);

/// A set of master keys that no keyring can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the keyring holds no master key at or above its minimum")]
pub struct EmptyKeyring;

impl Keyring {
    /// A keyring of the numbered `masters`. Those below `minimum` are left out; the highest number makes
    /// new values. `incarnation` counts the restored backups of this installation.
    pub fn new(
        masters: &BTreeMap<u16, MasterKey>,
        minimum: u16,
        incarnation: u16,
    ) -> Result<Self, EmptyKeyring> {
        let keys: BTreeMap<u16, PurposeKeys> =
            masters.range(minimum..).map(|(number, master)| (*number, PurposeKeys::derive(master))).collect();
        let current = *keys.keys().next_back().ok_or(EmptyKeyring)?;
        let edition = EDITIONS.fetch_add(1, Ordering::Relaxed);
        Ok(Self { keys, current, minimum, incarnation, edition })
    }

    /// The number of the key that makes new values.
    pub const fn current(&self) -> u16 {
        self.current
    }

    /// The lowest key number accepted.
    pub const fn minimum(&self) -> u16 {
        self.minimum
    }

    /// How often this installation was set back to a backup.
    pub const fn incarnation(&self) -> u16 {
        self.incarnation
    }

    pub(crate) const fn edition(&self) -> u64 {
        self.edition
    }

    /// The keys of the check parts of access tokens, each with the number of its master key. Who holds them can
    /// tell garbage from values, and cannot make a value that a server takes.
    pub fn access_checks(&self) -> impl Iterator<Item = (u16, &[u8; 32])> {
        self.keys.iter().map(|(number, keys)| (*number, &*keys.access_check))
    }

    /// The keys of the check parts of API keys, likewise.
    pub fn api_key_checks(&self) -> impl Iterator<Item = (u16, &[u8; 32])> {
        self.keys.iter().map(|(number, keys)| (*number, &*keys.api_key_check))
    }

    pub(crate) fn current_keys(&self) -> &PurposeKeys {
        &self.keys[&self.current]
    }

    pub(crate) fn keys(&self, number: u16) -> Option<&PurposeKeys> {
        self.keys.get(&number)
    }

    /// The key number and HMAC by which a consumer secret is verified.
    pub fn consumer_secret_mac(&self, secret: &str) -> SecretMac {
        let tag = hmac::sign(&self.current_keys().consumer_secret, secret.as_bytes());
        SecretMac { key: self.current, tag: tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes") }
    }

    /// The same of a secret of which only the SHA-256 is known. It is made with a key of its own, so that the digest
    /// itself is no secret.
    pub fn consumer_secret_digest_mac(&self, digest: &[u8; 32]) -> SecretMac {
        let tag = hmac::sign(&self.current_keys().consumer_secret_digest, digest);
        SecretMac { key: self.current, tag: tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes") }
    }

    /// Whether `secret` is the one that `mac` was made of, itself or by its digest; in constant time.
    pub fn verifies_consumer_secret(&self, secret: &str, mac: &SecretMac) -> bool {
        self.keys(mac.key).is_some_and(|keys| {
            let digest = digest::digest(&digest::SHA256, secret.as_bytes());
            let by_digest = hmac::verify(&keys.consumer_secret_digest, digest.as_ref(), &mac.tag).is_ok();
            hmac::verify(&keys.consumer_secret, secret.as_bytes(), &mac.tag).is_ok() | by_digest
        })
    }

    /// Seals `text` for `place` (table, column and row), which must be given again to open it. The key's
    /// number leads the result.
    pub fn seal(&self, text: &str, place: &str) -> Vec<u8> {
        let mut sealed = text.as_bytes().to_vec();
        let nonce = self
            .current_keys()
            .seal
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut sealed)
            .expect("AES-256-GCM seals texts of this length");
        let mut out = self.current.to_be_bytes().to_vec();
        out.extend_from_slice(nonce.as_ref());
        out.append(&mut sealed);
        out
    }

    /// Opens what [`Self::seal`] sealed for the same `place`.
    pub fn open(&self, sealed: &[u8], place: &str) -> Result<crate::secret::Secret, Unsealable> {
        let (number, rest) = sealed.split_first_chunk::<2>().ok_or(Unsealable)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unsealable)?;
        let keys = self.keys(u16::from_be_bytes(*number)).ok_or(Unsealable)?;
        let mut text = Zeroizing::new(ciphertext.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened =
            keys.seal.open_in_place(nonce, Aad::from(place.as_bytes()), &mut text).map_err(|_| Unsealable)?;
        Ok(crate::secret::Secret::new(std::str::from_utf8(opened).map_err(|_| Unsealable)?))
    }
}

/// What a consumer secret is verified by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretMac {
    /// The number of the master key.
    pub key: u16,
    /// HMAC-SHA-256 of the secret.
    pub tag: [u8; 32],
}
