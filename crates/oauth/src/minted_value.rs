//! Values of generators other than `derived`: sealed, so that they can be handed out again.
//!
//! A derived value names its master key and its incarnation itself. A minted one is a text that says nothing, so
//! what it was made under leads its sealed form:
//!
//! | bytes | what |
//! |---|---|
//! | 0–1 | incarnation |
//! | 2–3 | number of the master key |
//! | rest | the text under that key, for its kind and incarnation ([`Keyring::seal`]) |
//!
//! So raising the minimum key, or setting a database back, ends minted values as it ends derived ones: the
//! rules compare what leads the sealed form with the [`Era`] that now holds, and nothing has to be rewritten.
//!
//! A value that came from another server as a digest alone has no rest: it is recognised when somebody shows it, and can
//! never be handed out ([`MintedValue::can_be_given`]).

#[cfg(test)]
mod tests;

use aws_lc_rs::digest;

use crate::family::{Family, MintedValue};
use crate::keyring::{Keyring, Unsealable, ValueKind};
use crate::secret::Secret;

/// What values must have been made under to be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Era {
    /// This incarnation of the installation.
    pub incarnation: u16,
    /// A master key of this number or above.
    pub minimum_key: u16,
}

/// How long what leads a sealed form is.
const LEAD: usize = 4;

impl MintedValue {
    /// Whether the text is there to be handed out again, rather than its digest alone.
    pub const fn can_be_given(&self) -> bool {
        self.sealed.len() > LEAD
    }

    /// Whether it was made in `era`. One that is too short to say so was not.
    pub fn is_of(&self, era: Era) -> bool {
        let Some(([one, two, three, four], _)) = self.sealed.split_first_chunk() else { return false };
        u16::from_be_bytes([*one, *two]) == era.incarnation
            && u16::from_be_bytes([*three, *four]) >= era.minimum_key
    }
}

impl Family {
    fn minted_value(&self, kind: ValueKind) -> Option<&MintedValue> {
        self.minted.as_deref().and_then(|minted| match kind {
            ValueKind::Access => minted.access.as_ref(),
            ValueKind::Refresh => minted.refresh.as_ref(),
        })
    }

    /// Whether the value of its current token of `kind` is accepted in `era`. What is not minted says by
    /// itself under which key it was made, so nothing of the family speaks against it.
    pub fn value_is_of(&self, kind: ValueKind, era: Era) -> bool {
        self.minted_value(kind).is_none_or(|value| value.is_of(era))
    }

    /// Whether the value of its current token of `kind` is accepted in `era` and can be handed out again.
    pub fn can_give_again(&self, kind: ValueKind, era: Era) -> bool {
        self.minted_value(kind).is_none_or(|value| value.is_of(era) && value.can_be_given())
    }
}

impl Keyring {
    /// What values must have been made under to be accepted with these keys.
    pub const fn era(&self) -> Era {
        Era { incarnation: self.incarnation(), minimum_key: self.minimum() }
    }

    /// A generated value as a family keeps it.
    pub fn mint(&self, kind: ValueKind, value: &Secret) -> MintedValue {
        let mut sealed = self.incarnation().to_be_bytes().to_vec();
        sealed.extend(self.seal(value.expose(), &place(kind, self.incarnation())));
        MintedValue { digest: digest_of(value), sealed }
    }

    /// A value that another server gave out, of which only the SHA-256 is known.
    pub fn recognise(&self, digest: [u8; 32]) -> MintedValue {
        let mut sealed = self.incarnation().to_be_bytes().to_vec();
        sealed.extend(self.current().to_be_bytes());
        MintedValue { digest, sealed }
    }

    /// The value that [`Self::mint`] kept; refused where it is not of the present [`Era`].
    pub fn open_minted(&self, kind: ValueKind, minted: &MintedValue) -> Result<Secret, Unsealable> {
        let (_, sealed) = minted.sealed.split_at_checked(2).ok_or(Unsealable)?;
        self.open(sealed, &place(kind, self.incarnation()))
    }
}

/// The SHA-256 by which a minted value is found.
pub fn digest_of(value: &Secret) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, value.expose().as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Where a sealed value belongs; it opens nowhere else.
fn place(kind: ValueKind, incarnation: u16) -> String {
    let column = match kind {
        ValueKind::Access => "family.access_sealed",
        ValueKind::Refresh => "family.refresh_sealed",
    };
    format!("{column} {incarnation}")
}
