use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::entropy::SeededEntropy;
use latchkey_oauth::jwk::SigningAlgorithm::{self, ES256, EdDsa, PS256};
use latchkey_store::rows::Position;
use tempfile::TempDir;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

struct Place {
    _directory: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("keys.json");
        Self { _directory: directory, path }
    }

    fn open(&self, first: FirstStart, algorithm: SigningAlgorithm) -> Result<KeyFile, KeyError> {
        KeyFile::open(&self.path, first, algorithm, (&SeededEntropy::new(7), NOW))
    }

    fn made(&self) -> KeyFile {
        self.open(FirstStart::Yes, ES256).unwrap()
    }
}

fn states(file: &KeyFile) -> Vec<(SigningAlgorithm, KeyState)> {
    file.document().signing.iter().map(|entry| (entry.algorithm, entry.state)).collect()
}

fn published(file: &KeyFile) -> Vec<String> {
    let keys = file.keys().unwrap();
    let kid = |key: &serde_json::Value| key["kid"].as_str().unwrap().to_owned();
    keys.signing.published()["keys"].as_array().unwrap().iter().map(kid).collect()
}

#[test]
fn a_first_start_makes_the_file_for_its_owner_alone() {
    let place = Place::new();
    let file = place.made();
    assert_eq!(states(&file), [(ES256, KeyState::Active), (ES256, KeyState::Next)]);
    assert_eq!(fs::metadata(&place.path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = place.open(FirstStart::No, ES256).unwrap();
    assert_eq!(published(&again), published(&file), "what was made is what is read");
    assert!(!format!("{again:?}").contains(&fs::read_to_string(&place.path).unwrap()[20..60]));
}

#[test]
fn a_file_that_others_read_is_refused_with_the_cure() {
    let place = Place::new();
    place.made();
    for mode in [0o644, 0o640, 0o604] {
        fs::set_permissions(&place.path, fs::Permissions::from_mode(mode)).unwrap();
        let error = place.open(FirstStart::No, ES256).unwrap_err().to_string();
        assert!(error.contains("chmod 600") && error.contains(&format!("{mode:o}")), "{error}");
    }
}

#[test]
fn a_missing_file_is_made_only_where_nothing_was_stored() {
    let place = Place::new();
    let error = place.open(FirstStart::No, ES256).unwrap_err();
    assert!(matches!(error, KeyError::Missing(_)), "{error}");
    assert!(!place.path.exists());
}

#[test]
fn a_damaged_file_is_refused_without_its_content() {
    let place = Place::new();
    place.made();
    let text = fs::read_to_string(&place.path).unwrap().replace("\"minimum\"", "\"SECRET-WORD\"");
    fs::write(&place.path, text).unwrap();
    let error = place.open(FirstStart::No, ES256).unwrap_err().to_string();
    assert!(error.contains("backup") && !error.contains("SECRET-WORD"), "{error}");
}

#[test]
fn another_algorithm_retires_the_signing_key() {
    let place = Place::new();
    let before = published(&place.made());
    let file = place.open(FirstStart::No, EdDsa).unwrap();
    let retired = (ES256, KeyState::Retired);
    assert_eq!(states(&file), [retired, (EdDsa, KeyState::Active), (EdDsa, KeyState::Next)]);
    assert_eq!(file.keys().unwrap().signing.active().algorithm(), EdDsa);
    assert!(published(&file).contains(&before[0]), "tokens signed so far still verify");
}

#[test]
fn assertions_get_a_key_of_their_own_where_they_need_one() {
    let place = Place::new();
    let mut file = place.made();
    let tokens = states(&file);
    let use_them = |file: &mut KeyFile, algorithm| file.use_assertions(algorithm, NOW).unwrap();
    let refused = file.change(|keys| keys.rotate_assertion(NOW)).unwrap();
    assert_eq!(refused, Err(KeyChangeRefused::NoAssertionKey));
    use_them(&mut file, ES256);
    assert_eq!(states(&file), tokens, "the key of the tokens signs them");
    use_them(&mut file, EdDsa);
    let own = [&tokens[..], &[(EdDsa, KeyState::Assertion)]].concat();
    assert_eq!(states(&file), own);
    let kid = published(&file)[2].clone();
    let mut file = place.open(FirstStart::No, ES256).unwrap();
    use_them(&mut file, EdDsa);
    assert_eq!((states(&file), &published(&file)[2]), (own, &kid), "it is the same after a start");
    assert_eq!(file.keys().unwrap().signing.asserting(EdDsa).unwrap().kid(), kid);
    let in_use = file.change(|keys| keys.remove_signing(&kid)).unwrap();
    assert_eq!(in_use, Err(KeyChangeRefused::InUse(kid.clone())));
    use_them(&mut file, PS256);
    assert_eq!(states(&file)[2..], [(EdDsa, KeyState::Retired), (PS256, KeyState::Assertion)]);
    assert!(file.keys().unwrap().signing.asserting(EdDsa).is_none());
    assert!(published(&file).contains(&kid), "it stays published until it is removed");
    let before = file.keys().unwrap().signing.asserting(PS256).unwrap().kid().to_owned();
    file.change(|keys| keys.rotate_assertion(NOW)).unwrap().unwrap();
    assert_ne!(file.keys().unwrap().signing.asserting(PS256).unwrap().kid(), before);
    assert!(published(&file).contains(&before));
    file.change(|keys| keys.remove_signing(&kid)).unwrap().unwrap();
    assert!(!published(&file).contains(&kid));
}

#[test]
fn the_key_published_ahead_signs_next() {
    let place = Place::new();
    let mut file = place.made();
    let before = published(&file);
    file.change(|keys| keys.rotate_signing(NOW)).unwrap().unwrap();
    let keys = file.keys().unwrap();
    assert_eq!(keys.signing.active().kid(), before[1], "no key signs that was not published before");
    let after = published(&file);
    assert!(before.iter().all(|kid| after.contains(kid)) && after.len() == 3);
    assert_eq!(published(&place.open(FirstStart::No, ES256).unwrap()), after, "it was written down");

    let in_use = file.change(|keys| keys.remove_signing(&before[1])).unwrap();
    assert_eq!(in_use, Err(KeyChangeRefused::InUse(before[1].clone())));
    file.change(|keys| keys.remove_signing(&before[0])).unwrap().unwrap();
    assert!(!published(&file).contains(&before[0]));
    let gone = file.change(|keys| keys.remove_signing(&before[0])).unwrap();
    assert_eq!(gone, Err(KeyChangeRefused::NotFound(before[0].clone())));
}

#[test]
fn master_keys_overlap_until_the_minimum_is_raised() {
    let place = Place::new();
    let mut file = place.made();
    let old = file.keys().unwrap().ring.consumer_secret_mac("secret");
    file.change(|keys| keys.rotate_master(&SeededEntropy::new(8), NOW)).unwrap().unwrap();
    let ring = file.keys().unwrap().ring;
    assert_eq!((ring.current(), ring.minimum()), (2, 1));
    assert!(ring.verifies_consumer_secret("secret", &old));
    for minimum in [0, 3] {
        let refused = file.change(|keys| keys.raise_minimum(minimum)).unwrap();
        assert_eq!(refused, Err(KeyChangeRefused::Minimum { least: 1, most: 2 }));
    }
    file.change(|keys| keys.raise_minimum(2)).unwrap().unwrap();
    let ring = file.keys().unwrap().ring;
    assert!(!ring.verifies_consumer_secret("secret", &old));
    assert_eq!(file.document().masters.len(), 1, "the key is gone from the file");
}

#[test]
fn a_store_behind_its_mark_is_refused_or_starts_a_new_incarnation() {
    let place = Place::new();
    let mut file = place.made();
    let at = |epoch, seq| Position { epoch, seq };
    file.check_position(at(1, 0), Rollback::Refuse).unwrap();
    file.write_mark(at(3, 70)).unwrap();
    file.check_position(at(4, 70), Rollback::Refuse).unwrap();
    file.check_position(at(9, 99), Rollback::Refuse).unwrap();
    // The same file, copied back while the server ran on: fewer events, or as many but an earlier start.
    for found in [at(4, 69), at(3, 70), at(2, 500)] {
        let error = file.check_position(found, Rollback::Refuse).unwrap_err();
        assert!(error.to_string().contains("--accept-rollback"), "{error}");
        assert_eq!(file.document().incarnation, 1);
    }
    file.check_position(at(2, 5), Rollback::Accept).unwrap();
    assert_eq!(file.keys().unwrap().ring.incarnation(), 2);
    let mut again = place.open(FirstStart::No, ES256).unwrap();
    assert_eq!(again.document().incarnation, 2, "it was written down");
    again.check_position(at(3, 5), Rollback::Refuse).unwrap();
}
