use proptest::prelude::*;

use super::*;
use crate::minted_value::digest_of;
use crate::samples::keyring;
use crate::secret::Secret;

fn master(byte: u8) -> MasterKey {
    Zeroizing::new([byte; 32])
}

#[test]
fn the_newest_key_at_or_above_the_minimum_makes_values() {
    let masters = BTreeMap::from([(1, master(1)), (2, master(2)), (9, master(9))]);
    for (minimum, current, held) in [(0, 9, vec![1, 2, 9]), (2, 9, vec![2, 9]), (9, 9, vec![9])] {
        let keys = Keyring::new(&masters, minimum, 4).unwrap();
        assert_eq!((keys.current(), keys.minimum(), keys.incarnation()), (current, minimum, 4));
        assert_eq!(keys.keys.keys().copied().collect::<Vec<_>>(), held);
    }
    assert_eq!(Keyring::new(&masters, 10, 0).unwrap_err(), EmptyKeyring);
    assert_eq!(Keyring::new(&BTreeMap::new(), 0, 0).unwrap_err(), EmptyKeyring);
}

/// Every purpose has a key of its own, and so has every master key.
#[test]
fn purposes_and_masters_share_no_key() {
    let macs: Vec<[u8; 32]> = [1, 2]
        .iter()
        .map(|byte| PurposeKeys::derive(&master(*byte)))
        .flat_map(|keys| {
            let [a, b] = keys.access;
            let [c, d] = keys.refresh;
            [a, b, c, d, keys.consumer_secret]
                .map(|key| hmac::sign(&key, b"text").as_ref().try_into().unwrap())
        })
        .collect();
    for (place, mac) in macs.iter().enumerate() {
        assert!(!macs[..place].contains(mac), "purpose {place}");
    }
}

#[test]
fn a_consumer_secret_is_verified_by_its_own_key_only() {
    let old = keyring(&[1], 0);
    let mac = old.consumer_secret_mac("secret");
    let rotated = keyring(&[1, 2], 0);
    assert_eq!(mac.key, 1);
    assert!(rotated.verifies_consumer_secret("secret", &mac));
    assert!(!rotated.verifies_consumer_secret("Secret", &mac));
    assert!(!rotated.verifies_consumer_secret("", &mac));
    assert!(!rotated.verifies_consumer_secret("secret", &SecretMac { key: 2, ..mac }));
    assert!(!keyring(&[2], 0).verifies_consumer_secret("secret", &mac), "its key is retired");
    for bit in 0..256 {
        let mut altered = mac;
        altered.tag[bit / 8] ^= 1 << (bit % 8);
        assert!(!rotated.verifies_consumer_secret("secret", &altered), "bit {bit}");
    }
}

#[test]
fn a_sealed_text_opens_in_its_place_only() {
    let keys = keyring(&[1, 2], 0);
    let place = "client.secret.c1";
    let sealed = keys.seal("consumer secret", place);
    assert_eq!(keys.open(&sealed, place).unwrap().expose(), "consumer secret");
    assert_eq!(keys.open(&sealed, "client.secret.c2").unwrap_err(), Unsealable);
    assert_eq!(keyring(&[1], 0).open(&sealed, place).unwrap_err(), Unsealable, "its key is retired");
    assert_eq!(keyring(&[1, 2, 3], 0).open(&sealed, place).unwrap().expose(), "consumer secret");
    for bit in 0..sealed.len() * 8 {
        let mut altered = sealed.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(keys.open(&altered, place).unwrap_err(), Unsealable, "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert_eq!(keys.open(&sealed[..length], place).unwrap_err(), Unsealable, "{length} bytes");
    }
}

#[test]
fn nothing_shows_a_key() {
    let shown = format!("{:?}", keyring(&[1], 0));
    assert!(shown.contains("PurposeKeys(…)") && !shown.contains("1, 1"), "{shown}");
}

proptest! {
    #[test]
    fn sealing_comes_back_and_never_repeats(text in ".{0,80}", place in ".{0,40}") {
        let keys = keyring(&[1], 0);
        let sealed = keys.seal(&text, &place);
        prop_assert_ne!(&sealed, &keys.seal(&text, &place));
        prop_assert_eq!(sealed.len(), 2 + NONCE_LEN + text.len() + 16);
        let opened = keys.open(&sealed, &place).unwrap();
        prop_assert_eq!(opened.expose(), text);
    }
}

#[test]
fn a_consumer_secret_is_verified_by_its_digest_and_the_digest_is_no_secret() {
    let ring = keyring(&[1, 2], 0);
    let digest = digest_of(&Secret::new("s3cret"));
    let mac = ring.consumer_secret_digest_mac(&digest);
    assert!(ring.verifies_consumer_secret("s3cret", &mac));
    for wrong in ["", "s3cret2", &String::from_utf8_lossy(&digest)] {
        assert!(!ring.verifies_consumer_secret(wrong, &mac), "{wrong}");
    }
    assert_ne!(mac, ring.consumer_secret_mac("s3cret"));
    assert!(ring.verifies_consumer_secret("s3cret", &ring.consumer_secret_mac("s3cret")));
}
