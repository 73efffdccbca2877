//! Identifiers: immutable, random, never reused.

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::entropy::{Entropy, random};

/// The id of something that can hold or ask for tokens: a client or a user.
///
/// Names may be given again (a user deleted and created anew), ids never are, so a token issued to the
/// first bearer of a name never works for the second. Renders as a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrincipalId(Uuid);

impl PrincipalId {
    /// A new id.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self(uuid::Builder::from_random_bytes(random(entropy)).into_uuid())
    }

    /// From the sixteen bytes that a store keeps.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The sixteen bytes that a store keeps.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// From its text: a UUID with hyphens.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Uuid::try_parse(text).ok().filter(|_| text.len() == 36)?;
        Some(Self(id))
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// The random 128-bit id of a token family. Renders as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FamilyId([u8; 16]);

impl FamilyId {
    /// From the sixteen bytes that a store or a token value carries.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for FamilyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for FamilyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "FamilyId({self})")
    }
}

/// The shard of everything that one client holds for one subject: 0 to 4095.
///
/// It leads every hot primary key and travels in every token value, so that a value finds its shard
/// without an index of values, and all families of one holder lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u16);

impl Bucket {
    /// How many buckets there are.
    pub const COUNT: u16 = 4096;

    /// The bucket of what `client` holds for `subject`.
    pub fn of(client: PrincipalId, subject: PrincipalId) -> Self {
        let mut both = [0; 32];
        both[..16].copy_from_slice(client.as_bytes());
        both[16..].copy_from_slice(subject.as_bytes());
        Self::of_digest(digest::digest(&digest::SHA256, &both).as_ref())
    }

    /// The bucket that a digest falls into by its first twelve bits.
    pub fn of_digest(digest: &[u8]) -> Self {
        Self(u16::from_be_bytes([digest[0], digest[1]]) >> 4)
    }

    /// From a number, if it is one of the [`Bucket::COUNT`].
    pub const fn new(number: u16) -> Option<Self> {
        if number < Self::COUNT { Some(Self(number)) } else { None }
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn ids_have_one_text_each() {
        let id = PrincipalId::from_bytes([0xab; 16]);
        assert_eq!(id.to_string(), "abababab-abab-abab-abab-abababababab");
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{id}\""));
        assert_eq!(PrincipalId::from_bytes(*id.as_bytes()), id);
        assert_eq!(PrincipalId::parse(&id.to_string()), Some(id));
        for bad in ["", "alice", &"ab".repeat(16), "{abababab-abab-abab-abab-abababababab}"] {
            assert_eq!(PrincipalId::parse(bad), None, "{bad:?}");
        }
        let family = FamilyId::from_bytes([0x0c; 16]);
        assert_eq!(format!("{family} {family:?}"), format!("{0} FamilyId({0})", "0c".repeat(16)));
    }

    #[test]
    fn drawn_ids_differ() {
        let entropy = SeededEntropy::new(1);
        assert_ne!(PrincipalId::draw(&entropy), PrincipalId::draw(&entropy));
    }

    #[test]
    fn buckets_are_4096_and_even() {
        assert_eq!(Bucket::new(4095).map(Bucket::number), Some(4095));
        assert_eq!(Bucket::new(4096), None);
        assert_eq!(Bucket::of_digest(&[0xab, 0xcd, 0xff]).number(), 0xabc);
        let client = PrincipalId::from_bytes([1; 16]);
        let mut counts = [0_u32; 16];
        for number in 0..16_000_u128 {
            let bucket = Bucket::of(client, PrincipalId::from_bytes(number.to_be_bytes()));
            counts[usize::from(bucket.number() / 256)] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        let subject = PrincipalId::from_bytes([2; 16]);
        assert_eq!(Bucket::of(client, subject), Bucket::of(client, subject));
        assert_ne!(Bucket::of(client, subject), Bucket::of(subject, client), "the two are not mixed up");
    }
}
