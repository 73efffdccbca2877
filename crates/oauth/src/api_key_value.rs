//! The values of API keys: derived, not stored, as those of tokens are ([`crate::token_value`]).
//!
//! The bytes are laid out as a token's, with the key's own id in the place of the family and keys of their
//! own for the secret and the check part. So neither a stolen database nor a stolen key file yields a usable
//! value, and no value of the one kind is ever one of the other. A key that is regenerated keeps its id and
//! gets the next generation.

use aws_lc_rs::hmac;

use crate::family::Seed;
use crate::id::{Bucket, PrincipalId};
use crate::keyring::Keyring;
use crate::secret::Secret;
use crate::token_value::{CHECKED, LENGTH, NAMED, has_check, has_secret, read, write};

/// What the values begin with.
pub const PREFIX: &str = "lkk_";

/// A value whose check part is right: this installation made it, or somebody who holds its check key. Its
/// secret part is still to be compared with the key's seed.
#[derive(Clone)]
pub struct CheckedApiKey {
    /// The API key that it names.
    pub id: PrincipalId,
    /// The generation that it names.
    pub generation: u32,
    key: u16,
    named: [u8; NAMED],
    secret: [u8; 16],
}

impl std::fmt::Debug for CheckedApiKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = out.debug_struct("CheckedApiKey");
        out.field("id", &self.id).field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl Keyring {
    /// The value of this generation of an API key.
    pub fn render_api_key(&self, id: PrincipalId, generation: u32, seed: &Seed) -> Secret {
        let named = self.named(Bucket::of(id, id), id.as_bytes(), generation);
        write(PREFIX, &named, self.current_keys().api_key(), seed)
    }

    /// Reads the value of an API key and compares its check part, without any look elsewhere. `None` is
    /// garbage, a value of another incarnation, or one under a key that is no longer accepted.
    pub fn check_api_key(&self, text: &str) -> Option<CheckedApiKey> {
        let value = UncheckedApiKey::read(text, self.incarnation())?;
        value.check(self.keys(value.key)?.api_key().1)
    }

    /// Whether the value's secret part is the one that `seed` makes; in constant time.
    pub fn proves_api_key(&self, value: &CheckedApiKey, seed: &Seed) -> bool {
        self.keys(value.key)
            .is_some_and(|keys| has_secret(PREFIX, (&value.named, &value.secret), (keys.api_key().0, seed)))
    }
}

/// A value whose check part was not yet compared.
pub(crate) struct UncheckedApiKey {
    /// The number of the master key that it names.
    pub(crate) key: u16,
    bytes: [u8; LENGTH],
}

impl UncheckedApiKey {
    /// Reads a value of this incarnation.
    pub(crate) fn read(text: &str, incarnation: u16) -> Option<Self> {
        let (key, bytes) = read(text.strip_prefix(PREFIX)?, incarnation)?;
        Some(Self { key, bytes })
    }

    /// Compares the check part, whose key is `key`.
    pub(crate) fn check(&self, key: &hmac::Key) -> Option<CheckedApiKey> {
        let bytes = &self.bytes;
        if !has_check(PREFIX, bytes, key) {
            return None;
        }
        let named = bytes[..NAMED].try_into().ok()?;
        Some(CheckedApiKey {
            id: PrincipalId::from_bytes(bytes[6..22].try_into().ok()?),
            generation: u32::from_be_bytes(bytes[22..NAMED].try_into().ok()?),
            key: self.key,
            named,
            secret: bytes[NAMED..CHECKED].try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;
    use crate::keyring::ValueKind;
    use crate::samples::{family, keyring};
    use crate::token_value::SCANNING_EXPRESSION;

    const ID: PrincipalId = PrincipalId::from_bytes([0x11; 16]);

    fn seed(byte: u8) -> Seed {
        Seed::from_bytes([byte; 16])
    }

    fn accepts(keys: &Keyring, text: &str, seed: &Seed) -> bool {
        keys.check_api_key(text).is_some_and(|value| keys.proves_api_key(&value, seed))
    }

    #[test]
    fn a_value_names_its_key_and_generation() {
        let keys = keyring(&[7, 0x0203], 5);
        let text = keys.render_api_key(ID, 3, &seed(1));
        let value = keys.check_api_key(text.expose()).unwrap();
        assert_eq!((value.id, value.generation), (ID, 3));
        assert!(keys.proves_api_key(&value, &seed(1)));
        assert_eq!(keys.render_api_key(ID, 3, &seed(1)).expose(), text.expose(), "it is derived");
        let scanner = Regex::new(&format!("(?-u){SCANNING_EXPRESSION}")).unwrap();
        assert!(scanner.is_match(text.expose()), "scanners for leaked secrets find it");
        let shown = format!("{value:?}");
        assert!(!shown.contains("secret") && !shown.contains("named"), "{shown}");
    }

    #[test]
    fn a_value_of_other_origin_is_refused() {
        let keys = keyring(&[1, 2], 5);
        let text = keys.render_api_key(ID, 1, &seed(1));
        assert!(!accepts(&keys, text.expose(), &seed(2)), "another seed");
        assert!(!accepts(&keyring(&[3], 5), text.expose(), &seed(1)), "another installation");
        assert!(!accepts(&keyring(&[1, 2], 6), text.expose(), &seed(1)), "from before a restored backup");
        assert!(accepts(&keyring(&[1, 2, 3], 5), text.expose(), &seed(1)), "a newer key came");
    }

    #[test]
    fn one_character_makes_another_value() {
        let keys = keyring(&[1], 5);
        let text = keys.render_api_key(ID, 1, &seed(1));
        let text = text.expose();
        for place in 0..text.len() {
            for other in ["0", "Z", "_", "é"] {
                let mut changed = text.to_owned();
                changed.replace_range(place..=place, other);
                assert_eq!(keys.check_api_key(&changed).is_some(), changed == text, "{place} {other}");
            }
        }
        for cut in [&text[..text.len() - 1], &format!("{text}0"), &text[4..], "lkk_", ""] {
            assert!(keys.check_api_key(cut).is_none(), "{cut}");
        }
    }

    #[test]
    fn tokens_and_api_keys_are_never_one_another() {
        let keys = keyring(&[1], 5);
        let family = family(1, "read");
        for kind in [ValueKind::Access, ValueKind::Refresh] {
            let token = keys.render(kind, &family).unwrap();
            assert!(keys.check_api_key(token.expose()).is_none());
            assert!(keys.check_api_key(&format!("{PREFIX}{}", &token.expose()[4..])).is_none());
        }
        let key = keys.render_api_key(PrincipalId::from_bytes(*family.id.as_bytes()), 1, &family.seed);
        assert!(keys.check(key.expose()).is_none());
        assert!(keys.check(&format!("lka_{}", &key.expose()[4..])).is_none());
    }
}
