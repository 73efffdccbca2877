//! The token core over a map.

use std::collections::BTreeMap;

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::{Binding, Epochs, Family, KeyDigest, Seed, Subject, SubjectType, TokenKey};
use latchkey_oauth::id::{FamilyId, PrincipalId};
use latchkey_oauth::issuance::{self, Decision, Draft, decide};
use latchkey_oauth::keyring::{Keyring, ValueKind};
use latchkey_oauth::revocation::ends_family;
use latchkey_oauth::rotation::{self, RefreshPolicy, RefreshRequest, Rotation, rotate};
use latchkey_oauth::scope::Scope;

use super::{ASKED, Key, OVERLAP, RETRY_WINDOW, Refreshing, SCOPES, SignIn};

/// What a token response holds.
pub(crate) struct Answer {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    pub(crate) scope: String,
}

pub(crate) struct System {
    keyring: Keyring,
    families: BTreeMap<KeyDigest, Family>,
    epochs: BTreeMap<PrincipalId, u64>,
    now: Timestamp,
    drawn: u8,
}

impl Default for System {
    fn default() -> Self {
        Self {
            keyring: Keyring::new(&[(1, [7; 32].into())].into(), 0, 0).unwrap(),
            families: BTreeMap::new(),
            epochs: BTreeMap::new(),
            now: Timestamp::from_seconds(1_800_000_000),
            drawn: 0,
        }
    }
}

fn client(number: u8) -> PrincipalId {
    PrincipalId::from_bytes([0xc0 + number; 16])
}

fn user(number: u8) -> PrincipalId {
    PrincipalId::from_bytes([0xa0 + number; 16])
}

fn token_key(key: Key) -> TokenKey {
    let random = |number: usize| Binding::Random([u8::try_from(number).unwrap(); 16]);
    TokenKey {
        client: client(key.client),
        subject: Subject { kind: SubjectType::ApplicationUser, id: user(key.user) },
        scope: Scope::parse(SCOPES[key.scope]).unwrap(),
        binding: key.beside.map_or(Binding::None, random),
    }
}

impl System {
    pub(crate) fn pass(&mut self, millis: i64) {
        self.now = self.now.plus_millis(millis);
    }

    fn epochs(&self, client: PrincipalId, subject: PrincipalId) -> Epochs {
        let of = |id| self.epochs.get(&id).copied().unwrap_or_default();
        Epochs { client: of(client), subject: of(subject) }
    }

    fn answer(&self, family: &Family) -> Answer {
        let text = |kind| self.keyring.render(kind, family).map(|value| value.expose().to_owned());
        Answer {
            access: text(ValueKind::Access).unwrap(),
            refresh: text(ValueKind::Refresh),
            scope: family.access.scope.to_string(),
        }
    }

    pub(crate) fn sign_in(&mut self, sign_in: SignIn) -> Answer {
        let key = token_key(sign_in.key);
        self.drawn += 1;
        let draft = Draft {
            id: FamilyId::from_bytes([self.drawn; 16]),
            seed: Seed::from_bytes([self.drawn; 16]),
            access_validity: sign_in.access,
            refresh_validity: sign_in.refresh,
            access_value: None,
            refresh_value: None,
            era: self.keyring.era(),
        };
        let epochs = self.epochs(key.client, key.subject.id);
        let held = self.families.get(&key.digest()).filter(|held| held.epochs == epochs);
        let decision = decide(held, &draft, sign_in.renewal, self.now);
        let family = issuance::apply(decision, held, (&key, &draft), epochs, self.now);
        assert!(decision != Decision::Reuse || held == Some(&family));
        let answer = self.answer(&family);
        self.families.insert(key.digest(), family);
        answer
    }

    /// The family that a text proves to be of, with the generation that it names.
    fn found(&self, text: &str) -> Option<(&Family, ValueKind, u32)> {
        let value = self.keyring.check(text).expect("every text was made here");
        let family = self.families.values().find(|family| family.id == value.reference.family)?;
        let epochs = self.epochs(family.client, family.subject.id);
        let proven = self.keyring.proves(&value, family) && family.epochs == epochs;
        proven.then_some((family, value.reference.kind, value.reference.generation))
    }

    pub(crate) fn accepts(&self, text: &str) -> bool {
        self.found(text).is_some_and(|(family, kind, generation)| {
            let epochs = Some(self.epochs(family.client, family.subject.id));
            match kind {
                ValueKind::Access => family.accepts_access(generation, epochs, self.now),
                ValueKind::Refresh => family.accepts_refresh(generation, epochs, self.now),
            }
        })
    }

    pub(crate) fn refresh(&mut self, text: &str, refreshing: Refreshing) -> Option<Answer> {
        let (held, _, generation) = self.found(text)?;
        let held = held.clone();
        let other = PrincipalId::from_bytes([0; 16]);
        let request = RefreshRequest {
            client: if refreshing.by_own { held.client } else { other },
            generation,
            scope: ASKED[refreshing.asked].map(|scope| Scope::parse(scope).unwrap()),
            policy: RefreshPolicy {
                renewal: refreshing.renewal,
                retry_window_millis: RETRY_WINDOW,
                overlap_millis: OVERLAP,
            },
            access_validity: refreshing.access,
            refresh_validity: refreshing.refresh,
            access_value: None,
            refresh_value: None,
            era: self.keyring.era(),
        };
        let rotation = rotate(&held, &request, self.now);
        match (rotation, rotation::apply(rotation, &held, &request, self.now)) {
            (_, Some(next)) => {
                let answer = self.answer(&next);
                self.families.insert(next.key, next);
                Some(answer)
            }
            (Rotation::Repeat, None) => Some(self.answer(&held)),
            (Rotation::Replayed, None) => {
                self.families.remove(&held.key);
                None
            }
            (Rotation::Refused(_), None) => None,
            (Rotation::Rotate | Rotation::RenewAccess, None) => panic!("{rotation:?} makes tokens"),
        }
    }

    pub(crate) fn use_token(&mut self, text: &str) {
        let now = self.now;
        if !self.accepts(text) {
            return;
        }
        let key = self.found(text).map(|(family, ..)| family.key);
        let family = key.and_then(|key| self.families.get_mut(&key));
        if let Some(refresh) = family.and_then(|family| family.refresh.as_mut())
            && refresh.arose_by_refresh()
        {
            refresh.used_at = refresh.used_at.or(Some(now));
        }
    }

    pub(crate) fn revoke(&mut self, text: &str) {
        let ended = self.found(text).and_then(|(family, kind, generation)| {
            ends_family(kind, generation, family).then_some(family.key)
        });
        if let Some(key) = ended {
            self.families.remove(&key);
        }
    }

    pub(crate) fn reset_user(&mut self, number: u8) {
        *self.epochs.entry(user(number)).or_default() += 1;
    }

    pub(crate) fn reset_client(&mut self, number: u8) {
        *self.epochs.entry(client(number)).or_default() += 1;
    }
}
