//! Signing keys and their public side (RFC 7517, RFC 7518, RFC 8037).

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey, RsaKeyPair, VerificationAlgorithm,
};
use aws_lc_rs::{digest, rsa};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::client::UnknownWord;

/// How a JWT is signed (RFC 7518 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256: the default, six times cheaper to sign than RSA.
    ES256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits: what older clients expect.
    RS256,
    /// RSASSA-PSS with SHA-256, 2048 bits.
    PS256,
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl SigningAlgorithm {
    /// Its name in a JWT header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(crate) fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::EdDsa => &signature::ED25519,
        }
    }
}

impl FromStr for SigningAlgorithm {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        [Self::ES256, Self::RS256, Self::PS256, Self::EdDsa]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == word)
            .ok_or_else(|| UnknownWord { word: word.to_owned(), expected: "ES256, RS256, PS256, EdDSA" })
    }
}

/// A private key that cannot be read or made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the private key is not a PKCS#8 key of its algorithm")]
pub struct BadKey;

enum Private {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair, &'static signature::RsaSignatureEncoding),
    Ed25519(Ed25519KeyPair),
}

/// A key pair, parsed once, with its ready-made JWT header.
pub struct SigningKey {
    algorithm: SigningAlgorithm,
    kid: String,
    header: String,
    assertion_header: String,
    public: Value,
    /// The public side as a verifier reads it.
    public_bytes: Vec<u8>,
    private: Private,
    verifier: ParsedPublicKey,
    random: SystemRandom,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SigningKey({} {})", self.algorithm.as_str(), self.kid)
    }
}

/// A new private key in PKCS#8.
pub fn generate(algorithm: SigningAlgorithm) -> Result<Zeroizing<Vec<u8>>, BadKey> {
    let random = SystemRandom::new();
    let document = match algorithm {
        SigningAlgorithm::ES256 => {
            EcdsaKeyPair::generate_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                .map_err(|_| BadKey)?
                .as_ref()
                .to_vec()
        }
        SigningAlgorithm::EdDsa => {
            Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| BadKey)?.as_ref().to_vec()
        }
        SigningAlgorithm::RS256 | SigningAlgorithm::PS256 => {
            let pair = rsa::KeyPair::generate(KeySize::Rsa2048).map_err(|_| BadKey)?;
            AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| BadKey)?.as_ref().to_vec()
        }
    };
    Ok(Zeroizing::new(document))
}

impl SigningKey {
    /// Parses a private key. Its `kid` is the thumbprint of its public side (RFC 7638).
    pub fn from_pkcs8(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Result<Self, BadKey> {
        let private = match algorithm {
            SigningAlgorithm::ES256 => Private::Ecdsa(
                EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
                    .map_err(|_| BadKey)?,
            ),
            SigningAlgorithm::EdDsa => {
                Private::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| BadKey)?)
            }
            SigningAlgorithm::RS256 => Private::Rsa(rsa_pair(pkcs8)?, &signature::RSA_PKCS1_SHA256),
            SigningAlgorithm::PS256 => Private::Rsa(rsa_pair(pkcs8)?, &signature::RSA_PSS_SHA256),
        };
        let (members, public_bytes) = private.public();
        let kid = thumbprint(&members);
        let header = json!({"alg": algorithm.as_str(), "kid": kid, "typ": "at+jwt"}).to_string();
        let assertion_header = json!({"alg": algorithm.as_str(), "kid": kid, "typ": "JWT"}).to_string();
        let mut public = members;
        public["use"] = "sig".into();
        public["alg"] = algorithm.as_str().into();
        public["kid"] = kid.as_str().into();
        Ok(Self {
            algorithm,
            header: URL_SAFE_NO_PAD.encode(header),
            assertion_header,
            kid,
            public,
            verifier: ParsedPublicKey::new(algorithm.verification(), &public_bytes).map_err(|_| BadKey)?,
            public_bytes,
            private,
            random: SystemRandom::new(),
        })
    }

    /// Its id: the RFC 7638 thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The first part of every JWT that it signs.
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// The header of every assertion that it signs, as JSON. It is another one than that of its tokens, so that
    /// an assertion is never taken for a token.
    pub(crate) fn assertion_header(&self) -> &str {
        &self.assertion_header
    }

    /// The first part of every internal key that it signs: another one than that of its tokens and assertions.
    pub(crate) fn internal_key_header(&self) -> String {
        let header = json!({"alg": self.algorithm.as_str(), "kid": self.kid, "typ": "internal-key+jwt"});
        URL_SAFE_NO_PAD.encode(header.to_string())
    }

    /// Signs `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.private {
            Private::Ecdsa(pair) => {
                pair.sign(&self.random, message).expect("P-256 signs any message").as_ref().to_vec()
            }
            Private::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Private::Rsa(pair, encoding) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &self.random, message, &mut out).expect("RSA signs any message");
                out
            }
        }
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify_sig(message, signature).is_ok()
    }
}

fn rsa_pair(pkcs8: &[u8]) -> Result<RsaKeyPair, BadKey> {
    RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| BadKey)
}

impl Private {
    /// The members that a thumbprint is made of, and the key as its verifier reads it.
    fn public(&self) -> (Value, Vec<u8>) {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ecdsa(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = point[1..].split_at(32);
                (json!({"crv": "P-256", "kty": "EC", "x": encode(x), "y": encode(y)}), point.to_vec())
            }
            Self::Ed25519(pair) => {
                let point = pair.public_key().as_ref();
                (json!({"crv": "Ed25519", "kty": "OKP", "x": encode(point)}), point.to_vec())
            }
            Self::Rsa(pair, _) => {
                let key = pair.public_key();
                let (n, e) = (key.modulus(), key.exponent());
                let members = json!({
                    "e": encode(e.big_endian_without_leading_zero()),
                    "kty": "RSA",
                    "n": encode(n.big_endian_without_leading_zero()),
                });
                (members, key.as_ref().to_vec())
            }
        }
    }
}

/// RFC 7638: SHA-256 of the required members in the order of their names, which is how they are written.
fn thumbprint(members: &Value) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.to_string().as_bytes()))
}

/// All signing keys at one moment: the one that signs, one published ahead of its turn, and retired ones
/// whose tokens may still live.
#[derive(Debug, Clone)]
pub struct SigningKeys {
    active: Arc<SigningKey>,
    by_header: HashMap<String, Arc<SigningKey>>,
    assertion: Option<Arc<SigningKey>>,
    published: Value,
}

impl SigningKeys {
    /// The `active` key, with `others` that verify and are published too.
    pub fn new(active: Arc<SigningKey>, others: &[Arc<SigningKey>]) -> Self {
        let all = || std::iter::once(&active).chain(others);
        let published = json!({"keys": all().map(|key| key.public.clone()).collect::<Vec<_>>()});
        let by_header = all().map(|key| (key.header.clone(), Arc::clone(key))).collect();
        Self { active, by_header, assertion: None, published }
    }

    /// The same with a key that signs assertions only. It is published, and no token is taken that it signed.
    #[must_use]
    pub fn with_assertion_key(mut self, key: Arc<SigningKey>) -> Self {
        if let Some(keys) = self.published["keys"].as_array_mut() {
            keys.push(key.public.clone());
        }
        self.assertion = Some(key);
        self
    }

    /// The key that signs assertions with `algorithm`: the one of the tokens, where it has that algorithm.
    pub fn asserting(&self, algorithm: SigningAlgorithm) -> Option<&SigningKey> {
        let keys = [Some(&self.active), self.assertion.as_ref()];
        keys.into_iter().flatten().find(|key| key.algorithm == algorithm).map(AsRef::as_ref)
    }

    /// The key that signs.
    pub fn active(&self) -> &SigningKey {
        &self.active
    }

    /// The key whose JWTs begin with `header`. As headers are compared whole, no header can choose an
    /// algorithm, a key or an extension of its own.
    pub(crate) fn by_header(&self, header: &str) -> Option<&SigningKey> {
        self.by_header.get(header).map(AsRef::as_ref)
    }

    /// The key whose internal keys begin with `header`, likewise.
    pub(crate) fn by_internal_key_header(&self, header: &str) -> Option<&SigningKey> {
        self.by_header.values().find(|key| key.internal_key_header() == header).map(AsRef::as_ref)
    }

    /// All of them, the public sides alone.
    pub(crate) fn public_keys(&self) -> impl Iterator<Item = (&str, SigningAlgorithm, &[u8])> {
        self.by_header.values().map(|key| (key.header(), key.algorithm, key.public_bytes.as_slice()))
    }

    /// The key set document (RFC 7517 section 5).
    pub const fn published(&self) -> &Value {
        &self.published
    }
}
