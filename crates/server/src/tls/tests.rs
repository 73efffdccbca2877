//! The self-signed pair serves its names, is kept, and is renewed; configured files fail with reasons.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn place() -> (tempfile::TempDir, DataDirectory) {
    install_provider();
    let place = tempfile::tempdir().unwrap();
    let data = DataDirectory::open(&place.path().join("data")).unwrap();
    (place, data)
}

fn none() -> config::Tls {
    config::Tls { enabled: true, certificate: String::new(), private_key: String::new() }
}

fn days(days: i64) -> Timestamp {
    NOW.plus_seconds(days * 86_400)
}

#[test]
fn the_self_signed_pair_is_private_kept_and_serves_its_names() {
    let (_place, data) = place();
    let tls = server_config(&none(), &data, None, NOW).unwrap();
    assert_eq!(tls.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    let mode = fs::metadata(data.file(KEY)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let kept = data.read(CERTIFICATE).unwrap();
    assert!(serves(&data.file(CERTIFICATE), &LOCAL_NAMES, NOW));
    assert!(!serves(&data.file(CERTIFICATE), &["id.example.com"], NOW));
    server_config(&none(), &data, Some("localhost"), days(LIFE_DAYS - 31)).unwrap();
    assert_eq!(data.read(CERTIFICATE).unwrap(), kept);
}

#[test]
fn the_self_signed_pair_is_renewed_before_its_end_and_for_another_host() {
    let (_place, data) = place();
    server_config(&none(), &data, None, NOW).unwrap();
    let first = data.read(CERTIFICATE).unwrap();
    server_config(&none(), &data, None, days(LIFE_DAYS - 29)).unwrap();
    let second = data.read(CERTIFICATE).unwrap();
    assert_ne!(second, first);
    server_config(&none(), &data, Some("id.example.com"), days(LIFE_DAYS)).unwrap();
    assert_ne!(data.read(CERTIFICATE).unwrap(), second);
    assert!(serves(&data.file(CERTIFICATE), &["localhost", "id.example.com"], days(LIFE_DAYS)));
}

#[test]
fn a_lost_or_damaged_file_is_made_again() {
    let (_place, data) = place();
    for name in [CERTIFICATE, KEY] {
        server_config(&none(), &data, None, NOW).unwrap();
        fs::remove_file(data.file(name)).unwrap();
        server_config(&none(), &data, None, NOW).unwrap();
    }
    data.replace(CERTIFICATE, b"no certificate").unwrap();
    server_config(&none(), &data, None, NOW).unwrap();
}

#[test]
fn configured_files_fail_with_the_setting_and_the_reason() {
    let (place, data) = place();
    server_config(&none(), &data, None, NOW).unwrap();
    let path = |path: &Path| path.display().to_string();
    let (certificate, key) = (path(&data.file(CERTIFICATE)), path(&data.file(KEY)));
    let missing = path(&place.path().join("missing.pem"));
    let other = {
        let (_, key) = make(&["localhost"], NOW).unwrap();
        data.replace("other.pem", key.as_bytes()).unwrap();
        path(&data.file("other.pem"))
    };
    let cases = [
        (&missing, &key, "tls.certificate = \""),
        (&key, &key, "holds no certificate"),
        (&certificate, &missing, "tls.private_key = \""),
        (&certificate, &certificate, "tls.private_key = \""),
        (&certificate, &other, "cannot be used: keys may not be consistent"),
    ];
    for (certificate, private_key, expected) in cases {
        let settings =
            config::Tls { certificate: certificate.clone(), private_key: private_key.clone(), enabled: true };
        let error = server_config(&settings, &data, None, NOW).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("BEGIN"), "{error}");
    }
    let settings = config::Tls { certificate, private_key: key, enabled: true };
    server_config(&settings, &data, None, NOW).unwrap();
}
