//! What the tests share: one client, two users, and the families that the client holds for them.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use zeroize::Zeroizing;

use crate::client::{Client, ClientMetadata, GrantType, KeyType, TokenFormat, Validities};
use crate::clock::Timestamp;
use crate::family::{Binding, Epochs, Family, Seed, Subject, SubjectType, TokenKey, Validity};
use crate::id::{FamilyId, PrincipalId};
use crate::issuance::{Decision, Draft, apply};
use crate::jwk::{self, SigningAlgorithm, SigningKey};
use crate::keyring::Keyring;
use crate::minted_value::Era;
use crate::scope::Scope;

/// The moment at which every table is printed.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// The era that every sample is made in.
pub(crate) const ERA: Era = Era { incarnation: 1, minimum_key: 1 };
/// The consumer key of [`CLIENT`].
pub(crate) const CONSUMER_KEY: &str = "sampleConsumerKey";
pub(crate) const CLIENT: PrincipalId = PrincipalId::from_bytes([0xc1; 16]);
pub(crate) const ALICE: PrincipalId = PrincipalId::from_bytes([0xa1; 16]);
pub(crate) const BOB: PrincipalId = PrincipalId::from_bytes([0xb0; 16]);

pub(crate) const ALGORITHMS: [SigningAlgorithm; 4] =
    [SigningAlgorithm::ES256, SigningAlgorithm::RS256, SigningAlgorithm::PS256, SigningAlgorithm::EdDsa];

/// The key of what the client holds for alice with `scope`.
pub(crate) fn key(scope: &str) -> TokenKey {
    TokenKey {
        client: CLIENT,
        subject: Subject { kind: SubjectType::ApplicationUser, id: ALICE },
        scope: Scope::parse(scope).unwrap(),
        binding: Binding::None,
    }
}

/// A draft of an hour's access token and a day's refresh token, for the family that `number` names.
pub(crate) fn draft(number: u8) -> Draft {
    Draft {
        id: FamilyId::from_bytes([number; 16]),
        seed: Seed::from_bytes([number.wrapping_add(0x50); 16]),
        access_validity: Validity::Seconds(3600),
        refresh_validity: Some(Validity::Seconds(86_400)),
        access_value: None,
        refresh_value: None,
        era: ERA,
    }
}

/// The family that `number` names, as first issued at [`NOW`] with `scope`.
pub(crate) fn family(number: u8, scope: &str) -> Family {
    apply(Decision::Create, None, (&key(scope), &draft(number)), Epochs::default(), NOW)
}

/// A key pair of each algorithm, the same in every test of a run.
pub(crate) fn signing_key(algorithm: SigningAlgorithm) -> Arc<SigningKey> {
    static KEYS: LazyLock<Vec<Arc<SigningKey>>> = LazyLock::new(|| {
        ALGORITHMS
            .iter()
            .map(|algorithm| {
                let pkcs8 = jwk::generate(*algorithm).unwrap();
                Arc::new(SigningKey::from_pkcs8(*algorithm, &pkcs8).unwrap())
            })
            .collect()
    });
    Arc::clone(KEYS.iter().find(|key| key.algorithm() == algorithm).unwrap())
}

/// A keyring of the numbered master keys, each filled with its own number.
pub(crate) fn keyring(numbers: &[u16], incarnation: u16) -> Keyring {
    let masters: BTreeMap<u16, _> = numbers
        .iter()
        .map(|number| (*number, Zeroizing::new([u8::try_from(number % 251).unwrap(); 32])))
        .collect();
    Keyring::new(&masters, 0, incarnation).unwrap()
}

/// The client [`CLIENT`], which may use every grant and has no secret yet.
pub(crate) fn client() -> Client {
    Client {
        id: CLIENT,
        consumer_key: CONSUMER_KEY.to_owned(),
        secrets: Vec::new(),
        further_secrets: Vec::new(),
        grants: GrantType::ALL.into(),
        token_format: TokenFormat::Jwt,
        key_type: KeyType::Production,
        validities: Validities {
            application: Validity::Seconds(3600),
            user: Validity::Seconds(1800),
            refresh: Validity::Seconds(86_400),
        },
        metadata: ClientMetadata::default(),
    }
}
