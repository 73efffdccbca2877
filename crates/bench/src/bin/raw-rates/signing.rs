//! The operations of the token server that have a price of their own, one call each.

use std::hint::black_box;

use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};

/// About the length of header and claims of a JWT access token, in base64url.
const JWT_BYTES: usize = 540;
/// About the length of the fields that an opaque token's secret is derived from.
const TOKEN_BYTES: usize = 64;

/// A name and one call of the operation.
type Operation = (&'static str, Box<dyn FnMut()>);

/// Every measured operation, its keys parsed beforehand.
pub(crate) fn operations() -> Vec<Operation> {
    let hmac_key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    vec![
        ("rsa2048_pkcs1_sha256_sign", rsa_sign()),
        ("es256_sign", es256_sign()),
        ("ed25519_sign", ed25519_sign()),
        (
            "hmac_sha256_64_bytes",
            Box::new(move || {
                black_box(hmac::sign(&hmac_key, black_box(&[1; TOKEN_BYTES])));
            }),
        ),
        (
            "sha256_64_bytes",
            Box::new(|| {
                black_box(digest::digest(&SHA256, black_box(&[1; TOKEN_BYTES])));
            }),
        ),
    ]
}

fn rsa_sign() -> Box<dyn FnMut()> {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).expect("the library generates RSA keys");
    let random = SystemRandom::new();
    let mut signature = vec![0; key.public_modulus_len()];
    Box::new(move || {
        key.sign(&RSA_PKCS1_SHA256, &random, black_box(&[1; JWT_BYTES]), &mut signature)
            .expect("the buffer holds a signature");
        black_box(&signature);
    })
}

fn es256_sign() -> Box<dyn FnMut()> {
    let key =
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("the library generates P-256 keys");
    let random = SystemRandom::new();
    Box::new(move || {
        black_box(key.sign(&random, black_box(&[1; JWT_BYTES])).expect("a P-256 key signs"));
    })
}

fn ed25519_sign() -> Box<dyn FnMut()> {
    let key = Ed25519KeyPair::generate().expect("the library generates Ed25519 keys");
    black_box(key.public_key().as_ref());
    Box::new(move || {
        black_box(key.sign(black_box(&[1; JWT_BYTES])));
    })
}
