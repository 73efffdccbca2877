//! Telling what may be an access token from what cannot, without any look elsewhere: what a gateway needs
//! that has no keys to make tokens with.
//!
//! What passes may be expired, revoked or forged by another who holds these keys; its server says. What does
//! not pass is not worth asking about.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::api_key_value::{self, UncheckedApiKey};
use crate::jwk::{SigningAlgorithm, SigningKeys};
use crate::jwt::MAX_LENGTH;
use crate::keyring::{Keyring, ValueKind};
use crate::token_value::UncheckedValue;

/// What a sieve is made of. The check keys are for gateways only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SieveKeys {
    incarnation: u16,
    /// The keys of the check parts, by the numbers of their master keys, in base 64.
    checks: BTreeMap<u16, String>,
    /// Those of API keys; empty from a server that knows none.
    #[serde(default)]
    api_key_checks: BTreeMap<u16, String>,
    signing: Vec<PublicKey>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PublicKey {
    /// What its JWTs begin with.
    header: String,
    algorithm: SigningAlgorithm,
    /// In base 64.
    key: String,
}

impl fmt::Debug for SieveKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SieveKeys(…)")
    }
}

impl SieveKeys {
    /// Those of this moment.
    pub fn of(ring: &Keyring, signing: &SigningKeys) -> Self {
        let check = |(number, key): (u16, &[u8; 32])| (number, URL_SAFE_NO_PAD.encode(key));
        let public = |(header, algorithm, key): (&str, SigningAlgorithm, &[u8])| PublicKey {
            header: header.to_owned(),
            algorithm,
            key: URL_SAFE_NO_PAD.encode(key),
        };
        Self {
            incarnation: ring.incarnation(),
            checks: ring.access_checks().map(check).collect(),
            api_key_checks: ring.api_key_checks().map(check).collect(),
            signing: signing.public_keys().map(public).collect(),
        }
    }
}

/// What is to be done about a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sifted {
    /// It may be an access token: ask.
    Passes,
    /// It is none.
    Garbage,
    /// It names a later master key than the sieve has: it may be of a moment ago.
    NewKey,
}

/// The sieve.
pub struct Sieve {
    incarnation: u16,
    checks: BTreeMap<u16, hmac::Key>,
    api_key_checks: BTreeMap<u16, hmac::Key>,
    signing: HashMap<String, ParsedPublicKey>,
}

impl fmt::Debug for Sieve {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sieve(…)")
    }
}

/// Keys that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the keys that tokens are sifted with are malformed")]
pub struct BadSieve;

impl Sieve {
    /// Of the keys that a server told.
    pub fn new(keys: &SieveKeys) -> Result<Self, BadSieve> {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| BadSieve);
        let check =
            |(number, key): (&u16, &String)| Ok((*number, hmac::Key::new(hmac::HMAC_SHA256, &bytes(key)?)));
        let public = |PublicKey { header, algorithm, key }: &PublicKey| {
            let parsed = ParsedPublicKey::new(algorithm.verification(), bytes(key)?).map_err(|_| BadSieve)?;
            Ok((header.clone(), parsed))
        };
        Ok(Self {
            incarnation: keys.incarnation,
            checks: keys.checks.iter().map(check).collect::<Result<_, BadSieve>>()?,
            api_key_checks: keys.api_key_checks.iter().map(check).collect::<Result<_, BadSieve>>()?,
            signing: keys.signing.iter().map(public).collect::<Result<_, BadSieve>>()?,
        })
    }

    /// Looks at a value. What has neither the shape of a derived value nor of a JWT passes: another generator
    /// may have made it.
    pub fn sift(&self, token: &str) -> Sifted {
        if token.starts_with(ValueKind::Refresh.prefix()) || token.starts_with(api_key_value::PREFIX) {
            return Sifted::Garbage;
        }
        if token.starts_with(ValueKind::Access.prefix()) {
            let Some(value) = UncheckedValue::read(token, self.incarnation) else { return Sifted::Garbage };
            return sift(&self.checks, value.key, |key| value.check(key).is_some());
        }
        if token.matches('.').count() == 2 { self.sift_jwt(token) } else { Sifted::Passes }
    }

    /// Looks at the value of an API key.
    pub fn sift_api_key(&self, value: &str) -> Sifted {
        let Some(value) = UncheckedApiKey::read(value, self.incarnation) else { return Sifted::Garbage };
        sift(&self.api_key_checks, value.key, |key| value.check(key).is_some())
    }

    fn sift_jwt(&self, token: &str) -> Sifted {
        let Some((message, signature)) = token.rsplit_once('.').filter(|_| token.len() <= MAX_LENGTH) else {
            return Sifted::Garbage;
        };
        let header = message.split('.').next().unwrap_or_default();
        // Keys are published before they sign.
        let Some(key) = self.signing.get(header) else { return Sifted::Garbage };
        let is_signed = URL_SAFE_NO_PAD
            .decode(signature)
            .is_ok_and(|signature| key.verify_sig(message.as_bytes(), &signature).is_ok());
        if is_signed { Sifted::Passes } else { Sifted::Garbage }
    }
}

/// What is to be done about a value that names the master key `number`.
fn sift(
    checks: &BTreeMap<u16, hmac::Key>,
    number: u16,
    has_check: impl FnOnce(&hmac::Key) -> bool,
) -> Sifted {
    match checks.get(&number) {
        Some(key) if has_check(key) => Sifted::Passes,
        None if checks.keys().next_back().is_none_or(|last| number > *last) => Sifted::NewKey,
        Some(_) | None => Sifted::Garbage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Seed;
    use crate::id::PrincipalId;
    use crate::samples::{self, ALGORITHMS, keyring};

    fn signing(algorithm: SigningAlgorithm) -> SigningKeys {
        SigningKeys::new(samples::signing_key(algorithm), &[])
    }

    /// Made of keys that crossed a wire.
    fn sieve(ring: &Keyring, signing: &SigningKeys) -> Sieve {
        let told = serde_json::to_string(&SieveKeys::of(ring, signing)).unwrap();
        Sieve::new(&serde_json::from_str(&told).unwrap()).unwrap()
    }

    #[test]
    fn values_pass_and_garbage_does_not() {
        let family = samples::family(1, "read");
        let (old, new) = (keyring(&[1], 3), keyring(&[1, 2], 3));
        let sieve = sieve(&old, &signing(SigningAlgorithm::ES256));
        let value = old.render(ValueKind::Access, &family).unwrap();
        let value = value.expose();
        assert_eq!(sieve.sift(value), Sifted::Passes);
        let last = if value.ends_with('a') { "b" } else { "a" };
        assert_eq!(sieve.sift(&format!("{}{last}", &value[..value.len() - 1])), Sifted::Garbage);
        assert_eq!(sieve.sift(&value[..value.len() - 1]), Sifted::Garbage);
        let newer = new.render(ValueKind::Access, &family).unwrap();
        assert_eq!(sieve.sift(newer.expose()), Sifted::NewKey);
        let restored = keyring(&[1], 4).render(ValueKind::Access, &family).unwrap();
        assert_eq!(sieve.sift(restored.expose()), Sifted::Garbage);
        assert_eq!(sieve.sift("lkr_anything"), Sifted::Garbage);
        assert_eq!(sieve.sift("0b1fd7d5-0e3c-4bde-8f5f-1d1f6d8f4a0e"), Sifted::Passes);
    }

    #[test]
    fn api_keys_are_sifted_by_keys_of_their_own() {
        let (old, new) = (keyring(&[1], 3), keyring(&[1, 2], 3));
        let (id, seed) = (PrincipalId::from_bytes([7; 16]), Seed::from_bytes([8; 16]));
        let signing = signing(SigningAlgorithm::ES256);
        let sieve = sieve(&old, &signing);
        let value = old.render_api_key(id, 1, &seed);
        assert_eq!(sieve.sift_api_key(value.expose()), Sifted::Passes);
        assert_eq!(sieve.sift(value.expose()), Sifted::Garbage, "it is no token");
        let token = old.render(ValueKind::Access, &samples::family(1, "read")).unwrap();
        let access_in_disguise = format!("lkk_{}", &token.expose()[4..]);
        for garbage in [token.expose(), &access_in_disguise, "lkk_", "", "a.b.c"] {
            assert_eq!(sieve.sift_api_key(garbage), Sifted::Garbage, "{garbage}");
        }
        assert_eq!(sieve.sift_api_key(new.render_api_key(id, 1, &seed).expose()), Sifted::NewKey);
        let mut without: serde_json::Value = serde_json::to_value(SieveKeys::of(&old, &signing)).unwrap();
        without.as_object_mut().unwrap().remove("api_key_checks");
        let earlier = Sieve::new(&serde_json::from_value(without).unwrap()).unwrap();
        assert_eq!(earlier.sift_api_key(value.expose()), Sifted::NewKey, "an earlier server is asked");
    }

    #[test]
    fn signatures_are_looked_at() {
        for algorithm in ALGORITHMS {
            let keys = signing(algorithm);
            let sieve = sieve(&keyring(&[1], 1), &keys);
            let message = format!("{}.e30", keys.active().header());
            let signed = URL_SAFE_NO_PAD.encode(keys.active().sign(message.as_bytes()));
            assert_eq!(sieve.sift(&format!("{message}.{signed}")), Sifted::Passes, "{algorithm:?}");
            assert_eq!(sieve.sift(&format!("{message}0.{signed}")), Sifted::Garbage);
            assert_eq!(sieve.sift(&format!("{message}.")), Sifted::Garbage);
            assert_eq!(sieve.sift(&format!("e30.e30.{signed}")), Sifted::Garbage);
        }
    }

    #[test]
    fn nothing_shows_the_keys() {
        let keys = SieveKeys::of(&keyring(&[1], 1), &signing(SigningAlgorithm::ES256));
        assert_eq!(format!("{keys:?} {:?}", Sieve::new(&keys).unwrap()), "SieveKeys(…) Sieve(…)");
        let broken = SieveKeys { checks: BTreeMap::from([(1, "?".to_owned())]), ..keys };
        assert_eq!(Sieve::new(&broken).unwrap_err(), BadSieve);
    }
}
