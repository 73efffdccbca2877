use proptest::prelude::*;
use regex::Regex;

use super::*;
use crate::clock::Timestamp;
use crate::family::Seed;
use crate::samples::{family, keyring};

const KINDS: [ValueKind; 2] = [ValueKind::Access, ValueKind::Refresh];

/// A family of which every part is drawn.
fn drawn(id: [u8; 16], seed: [u8; 16], bucket: u16, generation: u32) -> Family {
    let mut family = family(1, "a");
    family.id = FamilyId::from_bytes(id);
    family.seed = Seed::from_bytes(seed);
    family.bucket = Bucket::new(bucket).unwrap();
    family.access.generation = generation;
    family.refresh.as_mut().unwrap().generation = generation;
    family
}

/// Whether the keys take the value for one of the family. What is remembered of a proof changes nothing: not for
/// another family, not for other keys.
fn accepts(keys: &Keyring, text: &str, family: &Family) -> bool {
    let accepted = keys.check(text).is_some_and(|value| keys.proves(&value, family));
    for time in ["first", "second"] {
        let again = keys.read(text).is_some_and(|value| keys.proves_read(&value, family));
        assert_eq!(again, accepted, "the {time} time");
    }
    accepted
}

fn bytes_of(text: &str) -> [u8; LENGTH] {
    base62::decode(&text[4..]).unwrap()
}

#[test]
fn the_layout_is_the_documented_one() {
    let keys = keyring(&[7, 0x0203], 0x0405);
    let family = drawn([0x11; 16], [0x22; 16], 0x0abc, 0x0607_0809);
    for (kind, prefix) in [(ValueKind::Access, "lka_"), (ValueKind::Refresh, "lkr_")] {
        let text = keys.render(kind, &family).unwrap();
        assert_eq!((text.expose().len(), &text.expose()[..4]), (70, prefix));
        let bytes = bytes_of(text.expose());
        assert_eq!(bytes[..2], [0x1a, 0xbc], "version and bucket");
        assert_eq!(bytes[2..4], [0x02, 0x03], "number of the newest key");
        assert_eq!(bytes[4..6], [0x04, 0x05], "incarnation");
        assert_eq!(bytes[6..22], [0x11; 16], "family");
        assert_eq!(bytes[22..26], [6, 7, 8, 9], "generation");
        let reference = keys.check(text.expose()).unwrap().reference;
        let expected =
            TokenReference { kind, bucket: family.bucket, family: family.id, generation: 0x0607_0809 };
        assert_eq!(reference, expected);
        insta::assert_snapshot!(format!("the_value_of_{prefix}"), text.expose());
    }
}

#[test]
fn a_value_of_another_version_is_refused() {
    let keys = keyring(&[1], 0);
    let text = keys.render(ValueKind::Access, &family(1, "a")).unwrap();
    for version in 0..16 {
        let mut bytes = bytes_of(text.expose());
        bytes[0] = version << 4 | bytes[0] & 0x0f;
        let check = tag(keys.current_keys().check(ValueKind::Access), &[b"lka_", &bytes[..CHECKED]]);
        bytes[CHECKED..].copy_from_slice(&check.as_ref()[..LENGTH - CHECKED]);
        let mut rendered = "lka_".to_owned();
        base62::encode_into(&bytes, &mut rendered);
        assert_eq!(keys.check(&rendered).is_some(), version == 1, "{version}");
    }
}

#[test]
fn a_family_without_a_refresh_token_has_no_value_of_one() {
    let mut family = family(1, "a");
    family.refresh = None;
    assert!(keyring(&[1], 0).render(ValueKind::Refresh, &family).is_none());
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let keys = keyring(&[1, 2], 3);
    let held = family(1, "a");
    for kind in KINDS {
        let value = keys.render(kind, &held).unwrap();
        let text = value.expose();
        assert!(accepts(&keys, text, &held));
        assert!(!accepts(&keyring(&[1, 2], 4), text, &held), "another incarnation");
        assert!(!accepts(&keyring(&[1], 3), text, &held), "a retired or unknown key");
        let other_keys = Keyring::new(&[(2, zeroize::Zeroizing::new([9; 32]))].into(), 0, 3).unwrap();
        assert!(!accepts(&other_keys, text, &held), "another key of the same number");
        let other_seed = Family { seed: Seed::from_bytes([0; 16]), ..held.clone() };
        assert!(!accepts(&keys, text, &other_seed), "a family of the same id made anew");
        let other_id = Family { id: FamilyId::from_bytes([0; 16]), ..held.clone() };
        assert!(!accepts(&keys, text, &other_id), "another family");
        let swapped = if kind == ValueKind::Access { "lkr_" } else { "lka_" };
        assert!(keys.check(&format!("{swapped}{}", &text[4..])).is_none(), "the other kind");
    }
}

#[test]
fn a_rotated_key_still_verifies_until_the_minimum_is_raised() {
    let held = family(1, "a");
    let old = keyring(&[1], 0).render(ValueKind::Access, &held).unwrap();
    let rotated = keyring(&[1, 2], 0);
    assert!(accepts(&rotated, old.expose(), &held));
    let new = rotated.render(ValueKind::Access, &held).unwrap();
    assert!(new != old, "the newest key makes values");

    let masters = [1_u16, 2].map(|number| (number, zeroize::Zeroizing::new([number.to_be_bytes()[1]; 32])));
    let raised = Keyring::new(&masters.into(), 2, 0).unwrap();
    assert!(!accepts(&raised, old.expose(), &held));
    assert!(accepts(&raised, new.expose(), &held));
}

#[test]
fn a_checked_value_shows_nothing_that_could_be_presented() {
    let keys = keyring(&[1], 0);
    let text = keys.render(ValueKind::Access, &family(1, "a")).unwrap();
    let shown = format!("{:?}", keys.check(text.expose()).unwrap());
    let secret = format!("{:?}", &bytes_of(text.expose())[NAMED..CHECKED]);
    assert!(shown.contains("reference") && !shown.contains(&secret), "{shown}");
}

#[test]
fn scanners_find_values_and_nothing_else() {
    let scanner = Regex::new(&format!("(?-u){SCANNING_EXPRESSION}")).unwrap();
    let keys = keyring(&[1], 0);
    for kind in KINDS {
        let value = keys.render(kind, &family(1, "a")).unwrap();
        let text = value.expose();
        let log = format!("Authorization: Bearer {text}\n\"{text}\",token={text}&x");
        assert_eq!(scanner.find_iter(&log).filter(|found| found.as_str() == text).count(), 3);
        let others = [&text[..69], &format!("{text}0"), &text.replace("lk", "lx"), &text.replace('_', "-")];
        for not_one in others {
            assert!(!scanner.is_match(not_one), "{not_one}");
        }
    }
}

/// The chi-squared statistic of the bytes at `places` over many values: about 255 where they are uniform,
/// above 400 less than once in a hundred million.
#[test]
fn secret_and_check_are_uniform() {
    let keys = keyring(&[1], 0);
    let mut counts = vec![[0_u32; 256]; LENGTH - NAMED];
    let values = 25_600_u32;
    for number in 0..values {
        let mut family = family(1, "a");
        family.access.generation = number;
        let text = keys.render(ValueKind::Access, &family).unwrap();
        for (place, byte) in counts.iter_mut().zip(&bytes_of(text.expose())[NAMED..]) {
            place[usize::from(*byte)] += 1;
        }
    }
    let expected = f64::from(values) / 256.0;
    for (place, counts) in counts.iter().enumerate() {
        let statistic: f64 =
            counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum();
        assert!((150.0..400.0).contains(&statistic), "byte {}: {statistic}", NAMED + place);
    }
}

prop_compose! {
    fn families()(
        id in any::<[u8; 16]>(), seed in any::<[u8; 16]>(), bucket in 0..Bucket::COUNT, generation in any::<u32>(),
    ) -> Family {
        drawn(id, seed, bucket, generation)
    }
}

proptest! {
    #[test]
    fn values_come_back(family in families(), incarnation in any::<u16>(), later in any::<i32>()) {
        let keys = keyring(&[1, 2], incarnation);
        for kind in KINDS {
            let text = keys.render(kind, &family).unwrap();
            prop_assert_eq!(text.expose().len(), 70);
            let value = keys.check(text.expose()).unwrap();
            prop_assert!(keys.proves(&value, &family));
            prop_assert_eq!(value.reference.generation, family.access.generation);
            let mut moved = family.clone();
            moved.access.issued_at = Timestamp::from_seconds(i64::from(later));
            prop_assert!(keys.render(kind, &moved).unwrap() == text, "the value follows id, seed and generation only");
        }
    }

    #[test]
    fn two_seeds_or_generations_share_no_secret(one in families(), seed in any::<[u8; 16]>(), generation in any::<u32>()) {
        let keys = keyring(&[1], 0);
        for other in [
            Family { seed: Seed::from_bytes(seed), ..one.clone() },
            drawn(*one.id.as_bytes(), *one.seed.as_bytes(), one.bucket.number(), generation),
        ] {
            prop_assume!(other != one);
            let [a, b] = [&one, &other].map(|family| bytes_of(keys.render(ValueKind::Access, family).unwrap().expose()));
            prop_assert!(a[NAMED..CHECKED] != b[NAMED..CHECKED] && a[CHECKED..] != b[CHECKED..]);
        }
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let keys = keyring(&[1, 2], 3);
    let held = family(1, "a");
    for kind in KINDS {
        let text = keys.render(kind, &held).unwrap();
        let bytes = bytes_of(text.expose());
        for bit in 0..LENGTH * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let mut altered = kind.prefix().to_owned();
            base62::encode_into(&flipped, &mut altered);
            assert!(keys.check(&altered).is_none(), "bit {bit}");
        }
    }
}

#[test]
fn every_changed_missing_or_added_character_is_refused() {
    let keys = keyring(&[1], 0);
    let value = keys.render(ValueKind::Access, &family(1, "a")).unwrap();
    let text = value.expose();
    for place in 0..text.len() {
        for other in (0..=0x7f_u8).map(char::from).chain(['é', '０', '\u{feff}']) {
            let mut changed: Vec<char> = text.chars().collect();
            if std::mem::replace(&mut changed[place], other) == other {
                continue;
            }
            let changed: String = changed.into_iter().collect();
            assert!(keys.check(&changed).is_none(), "{place} {other:?}");
        }
        assert!(keys.check(&text[..place]).is_none(), "the first {place}");
        assert!(keys.check(&text[place + 1..]).is_none(), "from {place}");
    }
    for added in [" ", "0", "\n", "=", ".", "\0"] {
        assert!(keys.check(&format!("{text}{added}")).is_none(), "{added:?} behind");
        assert!(keys.check(&format!("{added}{text}")).is_none(), "{added:?} before");
    }
    assert!(keys.check("").is_none() && keys.check("lka_").is_none() && keys.check("lka_é").is_none());
}
