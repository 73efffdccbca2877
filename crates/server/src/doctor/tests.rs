//! What is wrong is found and named, each with its fix.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::data_directory::Addresses;
use crate::demo::{Demo, first_start};
use crate::testing::{Installation, config, home};

fn found(findings: &[Finding], about: &str) -> (Level, String) {
    let finding = findings.iter().find(|finding| finding.about == about).expect("it was looked at");
    let fix = finding.fix.clone().unwrap_or_default();
    assert_eq!(finding.level == Level::Good, fix.is_empty(), "{finding:?}: what is wrong has a fix");
    (finding.level, format!("{} / {fix}", finding.text))
}

#[tokio::test]
async fn a_sound_installation_is_good_and_each_fault_is_found() {
    let home = home();
    let at = Installation::open(&home, &[]).await;
    let out = &mut Vec::new();
    first_start(&at.app, &at.data, Demo::No, (&Addresses::default(), out)).await.unwrap();
    let data_dir = at.data.path().to_owned();
    drop(at);
    let look = || {
        examine(
            Ok(config(&["server.max_connections=100", "server.max_connections_per_address=100"])),
            &data_dir,
        )
    };
    let sound = look();
    let wrong: Vec<_> = sound.iter().filter(|finding| finding.level == Level::Fault).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(found(&sound, "server").0, Level::Good);

    let mode = |name: &str, mode| {
        fs::set_permissions(data_dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("keys.json", 0o644);
    let (level, text) = found(&look(), "keys");
    assert!(level == Level::Fault && text.contains("chmod 600") && text.contains("644"), "{text}");
    mode("keys.json", 0o600);
    mode("", 0o755);
    let (level, text) = found(&look(), "data directory");
    assert!(level == Level::Fault && text.contains("chmod 700"), "{text}");
    mode("", 0o700);

    fs::write(data_dir.join("setup.json"), "{}").unwrap();
    assert_eq!(found(&look(), "first start").0, Level::Warning);

    let mark = fs::read(data_dir.join("keys.mark")).unwrap();
    fs::remove_file(data_dir.join("keys.mark")).unwrap();
    let (level, text) = found(&look(), "database");
    assert!(
        level == Level::Fault && text.contains("keys.mark") && text.contains("--accept-rollback"),
        "{text}"
    );
    fs::write(data_dir.join("keys.mark"), mark).unwrap();
    let database = data_dir.join("latchkey.db");
    fs::write(&database, []).unwrap();
    let (level, text) = found(&look(), "database");
    assert!(level == Level::Fault && text.contains("empty") && text.contains("restore"), "{text}");
    fs::write(&database, vec![0x5a; 8192]).unwrap();
    let (level, text) = found(&look(), "database");
    assert!(level == Level::Fault && text.contains("latchkey.db") && text.contains("restore"), "{text}");

    fs::write(data_dir.join("keys.json"), "{}").unwrap();
    let (level, text) = found(&look(), "keys");
    assert!(level == Level::Fault && text.contains("damaged"), "{text}");
    fs::remove_file(data_dir.join("keys.json")).unwrap();
    let (level, text) = found(&look(), "keys");
    assert!(level == Level::Fault && text.contains("missing"), "{text}");
}

#[test]
fn what_is_not_there_yet_is_no_fault() {
    let home = home();
    let findings = examine(Ok(config(&[])), &home.path().join("data"));
    assert!(findings.iter().all(|finding| finding.level != Level::Fault), "{findings:?}");
    assert_eq!(found(&findings, "data directory").0, Level::Warning);
}

#[test]
fn a_wrong_configuration_is_told_first() {
    let home = home();
    let wrong = crate::admin::AdminError::refused("no such setting");
    let findings = examine(Err(wrong), home.path());
    assert_eq!(findings.len(), 1);
    assert_eq!(
        found(&findings, "configuration"),
        (Level::Fault, format!("no such setting / {}", findings[0].fix.clone().unwrap()))
    );
}

#[test]
fn a_missing_certificate_is_found() {
    let home = home();
    let file = home.path().join("chain.pem");
    let named = |key: &str| format!("{key}='{}'", file.display());
    let settings = [named("tls.certificate"), named("tls.private_key")];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let (level, text) = found(&examine(Ok(config(&settings)), home.path()), "TLS");
    assert!(level == Level::Fault && text.contains("chain.pem"), "{text}");
}
