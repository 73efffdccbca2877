//! Opaque token values: derived, not stored.
//!
//! A value is a prefix and 48 bytes in base 62:
//!
//! | bytes | what |
//! |---|---|
//! | 0–1 | version (4 bits) and bucket (12 bits) |
//! | 2–3 | number of the master key |
//! | 4–5 | incarnation |
//! | 6–21 | family id |
//! | 22–25 | generation |
//! | 26–41 | **secret**: HMAC-SHA-256 under the purpose's key over the prefix, bytes 0–25 and the family's seed, cut to 128 bits |
//! | 42–47 | **check**: HMAC-SHA-256 under the check key over the prefix and bytes 0–41, cut to 48 bits |
//!
//! The check refuses garbage without any look into the store; the secret needs the seed, which only the
//! store has, and the key, which only the key file has. So neither a stolen database nor a stolen key
//! file yields a usable value, and the same value can still be rendered again.

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use zeroize::Zeroize;

use crate::base62;
use crate::family::{Family, Seed};
use crate::id::{Bucket, FamilyId};
use crate::keyring::{Keyring, ValueKind};
use crate::secret::Secret;

/// What secret scanners should look for.
pub const SCANNING_EXPRESSION: &str = r"\blk[akr]_[0-9A-Za-z]{66}\b";

const VERSION: u16 = 1;
pub(crate) const LENGTH: usize = 48;
pub(crate) const NAMED: usize = 26;
pub(crate) const CHECKED: usize = 42;

/// What a token value or a JWT's `jti` names: one generation of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenReference {
    /// Access or refresh token.
    pub kind: ValueKind,
    /// The family's shard.
    pub bucket: Bucket,
    /// The family.
    pub family: FamilyId,
    /// The generation.
    pub generation: u32,
}

/// A value whose check part is right: this installation made it, or somebody who holds its check key. Its
/// secret part is still to be compared with the family's.
#[derive(Clone)]
pub struct CheckedValue {
    /// What the value names.
    pub reference: TokenReference,
    key: u16,
    named: [u8; NAMED],
    secret: [u8; 16],
}

impl std::fmt::Debug for CheckedValue {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("CheckedValue").field("reference", &self.reference).finish_non_exhaustive()
    }
}

/// The access token value that was last proven to be of a family, kept beside the family in memory: the two
/// MACs of a value cost more than all else that is looked at for a call. It holds for one family as it stands
/// and one keyring; a copy of a family, which is what another state of it begins as, knows of no proof. It is no
/// more of a secret than the seed beside it and the keys of the process, of which it is made.
#[derive(Default)]
pub struct LastProof(OnceLock<Box<Proof>>);

struct Proof {
    edition: u64,
    value: [u8; LENGTH],
}

impl Drop for Proof {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl Clone for LastProof {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for LastProof {
    /// It is no part of what a family is.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for LastProof {}

impl std::fmt::Debug for LastProof {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("LastProof(…)")
    }
}

impl ValueKind {
    /// What the values of this kind begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Access => "lka_",
            Self::Refresh => "lkr_",
        }
    }
}

impl Keyring {
    /// The value of the family's current token of `kind`; none where it has no such token.
    pub fn render(&self, kind: ValueKind, family: &Family) -> Option<Secret> {
        let generation = match kind {
            ValueKind::Access => family.access.generation,
            ValueKind::Refresh => family.refresh?.generation,
        };
        let named = self.named(family.bucket, family.id.as_bytes(), generation);
        let keys = self.current_keys();
        Some(write(kind.prefix(), &named, (keys.secret(kind), keys.check(kind)), &family.seed))
    }

    /// The first bytes of a value that is made now.
    pub(crate) fn named(&self, bucket: Bucket, id: &[u8; 16], generation: u32) -> [u8; NAMED] {
        let mut bytes = [0; NAMED];
        bytes[..2].copy_from_slice(&(VERSION << 12 | bucket.number()).to_be_bytes());
        bytes[2..4].copy_from_slice(&self.current().to_be_bytes());
        bytes[4..6].copy_from_slice(&self.incarnation().to_be_bytes());
        bytes[6..22].copy_from_slice(id);
        bytes[22..].copy_from_slice(&generation.to_be_bytes());
        bytes
    }

    /// Reads a value and compares its check part, without any look elsewhere. `None` is garbage, a value
    /// of another incarnation, or one under a key that is no longer accepted.
    pub fn check(&self, text: &str) -> Option<CheckedValue> {
        self.check_read(&self.read(text)?)
    }

    /// Reads a value of this incarnation, of which nothing is compared yet. `None` is garbage.
    pub fn read(&self, text: &str) -> Option<UncheckedValue> {
        UncheckedValue::read(text, self.incarnation())
    }

    /// [`Self::check`] of a value that was read.
    pub fn check_read(&self, value: &UncheckedValue) -> Option<CheckedValue> {
        value.check(self.keys(value.key)?.check(value.kind))
    }

    /// Whether `value` is one of `family`, check part and secret part, in constant time. The current access
    /// token's value is remembered with the family and then compared with what is remembered.
    pub fn proves_read(&self, value: &UncheckedValue, family: &Family) -> bool {
        if let Some(proof) = family.last_proof.0.get()
            && proof.edition == self.edition()
            && value.kind == ValueKind::Access
            && verify_slices_are_equal(&proof.value, &value.bytes).is_ok()
        {
            return true;
        }
        let Some(checked) = self.check_read(value).filter(|checked| self.proves(checked, family)) else {
            return false;
        };
        let TokenReference { kind, generation, .. } = checked.reference;
        if kind == ValueKind::Access && generation == family.access.generation && value.key == self.current()
        {
            let proof = Proof { edition: self.edition(), value: value.bytes };
            family.last_proof.0.get_or_init(|| Box::new(proof));
        }
        true
    }

    /// Whether the value's secret part is that of `family`; in constant time.
    pub fn proves(&self, value: &CheckedValue, family: &Family) -> bool {
        let Some(keys) = self.keys(value.key).filter(|_| family.id == value.reference.family) else {
            return false;
        };
        let kind = value.reference.kind;
        has_secret(kind.prefix(), (&value.named, &value.secret), (keys.secret(kind), &family.seed))
    }
}

/// A value of which nothing was compared yet. What it names may be looked for, and is worth nothing before it is
/// proven.
pub struct UncheckedValue {
    pub(crate) kind: ValueKind,
    /// The number of the master key that it names.
    pub(crate) key: u16,
    bytes: [u8; LENGTH],
}

impl std::fmt::Debug for UncheckedValue {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("UncheckedValue(…)")
    }
}

impl UncheckedValue {
    /// Reads a value of this incarnation.
    pub(crate) fn read(text: &str, incarnation: u16) -> Option<Self> {
        let (prefix, rest) = text.split_at_checked(4)?;
        let kind = match prefix {
            "lka_" => ValueKind::Access,
            "lkr_" => ValueKind::Refresh,
            _ => return None,
        };
        let (key, bytes) = read(rest, incarnation)?;
        Some(Self { kind, key, bytes })
    }

    /// What it says that it names.
    pub fn reference(&self) -> Option<TokenReference> {
        let bytes = &self.bytes;
        Some(TokenReference {
            kind: self.kind,
            bucket: Bucket::new(u16::from_be_bytes([bytes[0], bytes[1]]) & 0x0fff)?,
            family: FamilyId::from_bytes(bytes[6..22].try_into().ok()?),
            generation: u32::from_be_bytes(bytes[22..NAMED].try_into().ok()?),
        })
    }

    /// Compares the check part, whose key is `key`.
    pub(crate) fn check(&self, key: &hmac::Key) -> Option<CheckedValue> {
        let Self { kind, key: number, bytes } = *self;
        if !has_check(kind.prefix(), &bytes, key) {
            return None;
        }
        let reference = self.reference()?;
        let named = bytes[..NAMED].try_into().ok()?;
        Some(CheckedValue { reference, key: number, named, secret: bytes[NAMED..CHECKED].try_into().ok()? })
    }
}

/// The text of a value whose first bytes are `named`, with its secret and its check part.
pub(crate) fn write(
    prefix: &str,
    named: &[u8; NAMED],
    (secret, check): (&hmac::Key, &hmac::Key),
    seed: &Seed,
) -> Secret {
    let mut bytes = [0; LENGTH];
    bytes[..NAMED].copy_from_slice(named);
    let secret = tag(secret, &[prefix.as_bytes(), named, seed.as_bytes()]);
    bytes[NAMED..CHECKED].copy_from_slice(&secret.as_ref()[..16]);
    let check = tag(check, &[prefix.as_bytes(), &bytes[..CHECKED]]);
    bytes[CHECKED..].copy_from_slice(&check.as_ref()[..LENGTH - CHECKED]);
    let mut text = String::with_capacity(4 + base62::text_length(LENGTH));
    text.push_str(prefix);
    base62::encode_into(&bytes, &mut text);
    Secret::new(text)
}

/// The bytes of a value of this incarnation, from what follows its prefix, with the number of its master key.
pub(crate) fn read(rest: &str, incarnation: u16) -> Option<(u16, [u8; LENGTH])> {
    let bytes: [u8; LENGTH] = base62::decode(rest)?;
    let head = u16::from_be_bytes([bytes[0], bytes[1]]);
    let named = u16::from_be_bytes([bytes[4], bytes[5]]);
    let is_of_here = head >> 12 == VERSION && named == incarnation;
    is_of_here.then(|| (u16::from_be_bytes([bytes[2], bytes[3]]), bytes))
}

/// Whether the check part of a value is right.
pub(crate) fn has_check(prefix: &str, bytes: &[u8; LENGTH], key: &hmac::Key) -> bool {
    let check = tag(key, &[prefix.as_bytes(), &bytes[..CHECKED]]);
    verify_slices_are_equal(&check.as_ref()[..LENGTH - CHECKED], &bytes[CHECKED..]).is_ok()
}

/// Whether the secret part of a value is the one that `seed` makes.
pub(crate) fn has_secret(
    prefix: &str,
    bytes: (&[u8; NAMED], &[u8; 16]),
    (key, seed): (&hmac::Key, &Seed),
) -> bool {
    let secret = tag(key, &[prefix.as_bytes(), bytes.0, seed.as_bytes()]);
    verify_slices_are_equal(&secret.as_ref()[..16], bytes.1).is_ok()
}

fn tag(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign()
}
