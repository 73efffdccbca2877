//! API keys: what an application calls APIs with where no token is wanted.
//!
//! A key is opaque, has a name, belongs to an application and a key type, and may be restricted to callers'
//! addresses and to pages. What it stands for is looked up at each call, so revoking it ends it.

mod restrictions;

use latchkey_oauth::client::KeyType;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::entropy::{Entropy, random};
use latchkey_oauth::family::{Device, Expiry, Seed, Subject, SubjectType, Validity};
use latchkey_oauth::id::{Bucket, FamilyId, PrincipalId};

use crate::id::EntryId;

pub use restrictions::{BadRestriction, Forbidden, MAX_RESTRICTIONS, RefererPattern, Restrictions, Visit};

/// The most API keys of one application and key type.
pub const MAX_API_KEYS: usize = 1000;

/// An API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, WSO2's `keyUUID`; its value names it.
    pub id: PrincipalId,
    /// The application.
    pub application: EntryId,
    /// Production or sandbox.
    pub keys: KeyType,
    /// Its name, unique among those of the application and key type.
    pub name: String,
    /// Counts its values: a regenerated one has the next number.
    pub generation: u32,
    /// What its values are derived from, together with their generations.
    pub seed: Seed,
    /// When the value was made.
    pub issued_at: Timestamp,
    /// How long the value lives from then on.
    pub validity: Validity,
    /// From where it may be used.
    pub restrictions: Restrictions,
}

impl ApiKey {
    /// When its value ends.
    pub fn expires(&self) -> Expiry {
        self.validity.ends(self.issued_at)
    }

    /// The key with another value, made at `now`; the one before is dead.
    #[must_use]
    pub fn regenerated(self, now: Timestamp) -> Self {
        Self { generation: self.generation.saturating_add(1), issued_at: now, ..self }
    }

    /// What calls with the key are noted and told under, where a token's have its family. It names the key
    /// without being a credential.
    pub fn family(&self) -> (Bucket, FamilyId) {
        (Bucket::of(self.id, self.id), FamilyId::from_bytes(*self.id.as_bytes()))
    }

    /// Whom calls with any key of the application speak for: the application itself. Limits are counted for
    /// it, so that more keys are no more calls.
    pub const fn subject(&self) -> Subject {
        Subject { kind: SubjectType::Application, id: PrincipalId::from_bytes(*self.application.as_bytes()) }
    }
}

/// What calls with the key of that name are counted under, where those with a token have its device.
pub fn device_of(name: &str) -> Device {
    Device(Some(format!("api_key:{name}").into()))
}

/// A seed for a new value.
pub fn draw_seed(entropy: &dyn Entropy) -> Seed {
    Seed::from_bytes(random(entropy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regenerated_key_keeps_its_name_and_lives_anew() {
        let at = Timestamp::from_seconds;
        let key = ApiKey {
            id: PrincipalId::from_bytes([1; 16]),
            application: EntryId::from_bytes([2; 16]),
            keys: KeyType::Sandbox,
            name: "web".to_owned(),
            generation: 1,
            seed: Seed::from_bytes([3; 16]),
            issued_at: at(100),
            validity: Validity::Seconds(60),
            restrictions: Restrictions::default(),
        };
        assert_eq!(key.expires(), Expiry::At(at(160)));
        let next = key.clone().regenerated(at(150));
        assert_eq!((next.generation, next.expires(), next.id), (2, Expiry::At(at(210)), key.id));
        assert_eq!((&next.name, next.family(), next.subject()), (&key.name, key.family(), key.subject()));
        assert_eq!(ApiKey { validity: Validity::Forever, ..key }.expires(), Expiry::Never);
    }
}
