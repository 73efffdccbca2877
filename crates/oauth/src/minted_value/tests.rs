use super::*;
use crate::issuance::minted;
use crate::keyring::ValueKind::{Access, Refresh};
use crate::samples::{family, keyring};

const TEXT: &str = "0a1b2c3d-0000-3000-8000-000000000000";

#[test]
fn a_minted_value_opens_as_what_it_is_and_nowhere_else() {
    let ring = keyring(&[1, 2], 3);
    let value = ring.mint(Access, &Secret::new(TEXT));
    assert_eq!(value.digest, digest_of(&Secret::new(TEXT)));
    assert_eq!(ring.open_minted(Access, &value).unwrap().expose(), TEXT);
    assert!(ring.open_minted(Refresh, &value).is_err(), "as another kind");
    assert!(keyring(&[1, 2], 4).open_minted(Access, &value).is_err(), "in another incarnation");
    assert!(keyring(&[1], 3).open_minted(Access, &value).is_err(), "without its key");
    for length in 0..4 {
        let cut = MintedValue { sealed: value.sealed[..length].to_vec(), ..value.clone() };
        assert!(!cut.is_of(ring.era()) && ring.open_minted(Access, &cut).is_err(), "{length} bytes");
    }
}

#[test]
fn what_it_was_made_under_decides_whether_it_is_accepted() {
    let value = keyring(&[2], 3).mint(Access, &Secret::new(TEXT));
    let cases = [(3, 0, true), (3, 2, true), (3, 3, false), (4, 2, false), (2, 0, false)];
    for (incarnation, minimum_key, accepted) in cases {
        let era = Era { incarnation, minimum_key };
        assert_eq!(value.is_of(era), accepted, "{era:?}");
    }
}

#[test]
fn each_value_of_a_family_is_judged_by_itself() {
    let (old, new) = (keyring(&[1], 1), keyring(&[1, 2], 1));
    let [by_old, by_new] = [&old, &new].map(|ring| Some(ring.mint(Access, &Secret::new(TEXT))));
    let era = Era { incarnation: 1, minimum_key: 2 };
    let mut held = family(1, "a");
    assert!(held.value_is_of(Access, era) && held.value_is_of(Refresh, era), "derived");
    held.minted = minted(by_old.clone(), by_new.clone(), Vec::new());
    assert!(!held.value_is_of(Access, era) && held.value_is_of(Refresh, era));
    held.minted = minted(by_new, by_old, Vec::new());
    assert!(held.value_is_of(Access, era) && !held.value_is_of(Refresh, era));
}

#[test]
fn what_is_known_by_its_digest_alone_is_accepted_and_never_given() {
    let ring = keyring(&[1, 2], 3);
    let digest = digest_of(&Secret::new(TEXT));
    let value = ring.recognise(digest);
    assert_eq!((value.digest, value.can_be_given()), (digest, false));
    assert!(value.is_of(ring.era()) && !value.is_of(keyring(&[1, 2], 4).era()));
    assert!(!value.is_of(Era { incarnation: 3, minimum_key: 3 }));
    assert!(ring.open_minted(Access, &value).is_err());
    let told = ring.mint(Access, &Secret::new(TEXT));
    assert!(told.can_be_given() && told.digest == digest, "both are found alike");
    let mut held = family(1, "a");
    assert!(held.can_give_again(Access, ring.era()), "derived");
    held.minted = minted(Some(told.clone()), Some(value), Vec::new());
    assert!(held.can_give_again(Access, ring.era()) && !held.can_give_again(Refresh, ring.era()));
    assert!(!held.can_give_again(Access, keyring(&[1], 4).era()));
}
