//! Rotating keys, with overlap.

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::entropy::Entropy;
use latchkey_oauth::jwk::{BadKey, SigningAlgorithm, generate};

use super::document::SecretBytes;
use super::{KeyDocument, KeyState, MasterEntry, SigningEntry, parse};

/// Why a key was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyChangeRefused {
    /// There is no such key.
    #[error("there is no key `{0}`; `latchkey key list` shows them")]
    NotFound(String),
    /// Assertions have no key of their own.
    #[error(
        "assertions have no key of their own: the signing key makes them, where they are made; rotate that"
    )]
    NoAssertionKey,
    /// The key is in use.
    #[error("the key `{0}` is in use; only a retired key can be removed")]
    InUse(String),
    /// The minimum would leave no key, or accept fewer keys again.
    #[error("the minimum must lie between {least} and {most}")]
    Minimum {
        /// The present minimum.
        least: u16,
        /// The newest key.
        most: u16,
    },
    /// All numbers are used up.
    #[error("no further master key can be numbered")]
    Exhausted,
    /// The cryptographic library made no key.
    #[error(transparent)]
    Bad(#[from] BadKey),
}

impl KeyDocument {
    /// Makes sure that the active and the next signing key are of `algorithm`; whether anything changed.
    pub(super) fn use_algorithm(
        &mut self,
        algorithm: SigningAlgorithm,
        now: Timestamp,
    ) -> Result<bool, BadKey> {
        let has =
            |state| self.signing.iter().any(|entry| entry.state == state && entry.algorithm == algorithm);
        let (has_active, has_next) = (has(KeyState::Active), has(KeyState::Next));
        if !has_active {
            self.retire_active();
            self.signing.push(SigningEntry::generate(algorithm, KeyState::Active, now)?);
        }
        if !has_next {
            self.signing.retain(|entry| entry.state != KeyState::Next);
            self.signing.push(SigningEntry::generate(algorithm, KeyState::Next, now)?);
        }
        Ok(!(has_active && has_next))
    }

    /// The key published ahead becomes the one that signs, and another is published ahead. The one that
    /// signed so far stays published until it is removed.
    pub fn rotate_signing(&mut self, now: Timestamp) -> Result<(), KeyChangeRefused> {
        let next = self
            .signing
            .iter()
            .position(|entry| entry.state == KeyState::Next)
            .ok_or_else(|| KeyChangeRefused::NotFound("next".to_owned()))?;
        let following = SigningEntry::generate(self.signing[next].algorithm, KeyState::Next, now)?;
        self.retire_active();
        self.signing[next].state = KeyState::Active;
        self.signing.push(following);
        Ok(())
    }

    /// Makes sure that there is a key that signs assertions with `algorithm`: the one of the tokens, where it has
    /// that algorithm, else one of its own. Whether anything changed.
    pub(super) fn use_assertions(
        &mut self,
        algorithm: SigningAlgorithm,
        now: Timestamp,
    ) -> Result<bool, BadKey> {
        let signs = |entry: &&SigningEntry| match entry.state {
            KeyState::Active | KeyState::Assertion => entry.algorithm == algorithm,
            KeyState::Next | KeyState::Retired => false,
        };
        if self.signing.iter().any(|entry| signs(&entry)) {
            return Ok(false);
        }
        for entry in self.signing.iter_mut().filter(|entry| entry.state == KeyState::Assertion) {
            // It signed no token, so nothing is taken that it signed.
            entry.state = KeyState::Retired;
        }
        self.signing.push(SigningEntry::generate(algorithm, KeyState::Assertion, now)?);
        Ok(true)
    }

    /// Another key signs assertions; the one that did so far stays published until it is removed, for the
    /// assertions that upstreams still hold.
    pub fn rotate_assertion(&mut self, now: Timestamp) -> Result<(), KeyChangeRefused> {
        let held = self.signing.iter_mut().find(|entry| entry.state == KeyState::Assertion);
        let held = held.ok_or(KeyChangeRefused::NoAssertionKey)?;
        held.state = KeyState::Retired;
        let next = SigningEntry::generate(held.algorithm, KeyState::Assertion, now)?;
        self.signing.push(next);
        Ok(())
    }

    /// Removes a retired signing key: what it signed is refused from now on.
    pub fn remove_signing(&mut self, kid: &str) -> Result<(), KeyChangeRefused> {
        let mut found = None;
        for (place, entry) in self.signing.iter().enumerate() {
            if parse(entry)?.kid() == kid {
                found = Some((place, entry.state));
            }
        }
        match found {
            Some((place, KeyState::Retired)) => {
                self.signing.remove(place);
                Ok(())
            }
            Some((_, KeyState::Active | KeyState::Next | KeyState::Assertion)) => {
                Err(KeyChangeRefused::InUse(kid.to_owned()))
            }
            None => Err(KeyChangeRefused::NotFound(kid.to_owned())),
        }
    }

    /// Adds a master key, which makes values from now on; older ones are still accepted.
    pub fn rotate_master(&mut self, entropy: &dyn Entropy, now: Timestamp) -> Result<(), KeyChangeRefused> {
        let number = self.newest().checked_add(1).ok_or(KeyChangeRefused::Exhausted)?;
        self.masters.push(MasterEntry::draw(number, entropy, now));
        Ok(())
    }

    /// Refuses every value and secret made under keys below `minimum`.
    pub fn raise_minimum(&mut self, minimum: u16) -> Result<(), KeyChangeRefused> {
        let (least, most) = (self.minimum, self.newest());
        if !(least..=most).contains(&minimum) {
            return Err(KeyChangeRefused::Minimum { least, most });
        }
        self.minimum = minimum;
        self.masters.retain(|entry| entry.number >= minimum);
        Ok(())
    }

    fn newest(&self) -> u16 {
        self.masters.iter().map(|entry| entry.number).max().unwrap_or_default()
    }

    fn retire_active(&mut self) {
        for entry in self.signing.iter_mut().filter(|entry| entry.state == KeyState::Active) {
            entry.state = KeyState::Retired;
        }
    }
}

impl SigningEntry {
    fn generate(algorithm: SigningAlgorithm, state: KeyState, now: Timestamp) -> Result<Self, BadKey> {
        Ok(Self { algorithm, pkcs8: SecretBytes(generate(algorithm)?), state, created_at: now })
    }
}
