//! What keys, mark and database say of each other when they are opened.

use std::fs;

use latchkey_oauth::clock::{ManualClock, Timestamp};
use latchkey_oauth::entropy::SeededEntropy;
use tempfile::TempDir;

use super::*;
use crate::admin::text::SecretText;
use crate::admin::{Command, user};
use crate::testing::{Installation, config, home};
use latchkey_oauth::secret::Secret;

const FILES: [&str; 3] = ["latchkey.db", "latchkey.db-wal", "latchkey.db-shm"];

/// An installation that was used and has ended.
async fn used() -> TempDir {
    let home = home();
    let at = Installation::open(&home, &[]).await;
    let password = SecretText(Secret::new("correct horse"));
    let add = user::Command::Add { name: "alice".to_owned(), password, roles: [].into() };
    at.done(Command::User(add)).await;
    home
}

fn path(home: &TempDir, name: &str) -> PathBuf {
    home.path().join("data").join(name)
}

fn remove_database(home: &TempDir) {
    for name in FILES {
        let _ = fs::remove_file(path(home, name));
    }
}

/// Opens it; the incarnation then in force, or what the operator is told.
async fn opened(home: &TempDir, rollback: Rollback) -> Result<u16, String> {
    let data = DataDirectory::open(&home.path().join("data")).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_seconds(1_800_000_000)));
    let opened = open(&config(&[]), &data, rollback, (&clock, &SeededEntropy::new(3))).await;
    opened.map(|opened| opened.key_file.document().incarnation).map_err(|error| error.to_string())
}

async fn refused(home: &TempDir, words: &[&str]) {
    let told = opened(home, Rollback::Refuse).await.expect_err("it is refused");
    for word in words {
        assert!(told.contains(word), "{word} is not in: {told}");
    }
}

#[tokio::test]
async fn a_database_that_vanished_is_refused_and_not_made_anew() {
    let home = used().await;
    remove_database(&home);
    let keys = fs::read(path(&home, "keys.json")).unwrap();
    refused(&home, &["latchkey.db", "missing", "latchkey store restore", "--accept-rollback"]).await;
    assert!(FILES.iter().all(|name| !path(&home, name).exists()), "nothing is left behind");
    fs::remove_file(path(&home, "keys.json")).unwrap();
    refused(&home, &["latchkey.db", "missing"]).await;
    assert!(!path(&home, "keys.json").exists(), "nor new keys");
    fs::write(path(&home, "keys.json"), keys).unwrap();
    fs::set_permissions(path(&home, "keys.json"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    assert_eq!(opened(&home, Rollback::Accept).await, Ok(2), "everything issued so far is refused");
    assert_eq!(opened(&home, Rollback::Refuse).await, Ok(2));
}

#[tokio::test]
async fn an_emptied_database_is_refused_and_stays_as_it_is() {
    let home = used().await;
    remove_database(&home);
    fs::write(path(&home, "latchkey.db"), []).unwrap();
    refused(&home, &["latchkey.db", "empty", "latchkey store restore", "--accept-rollback"]).await;
    assert_eq!(fs::metadata(path(&home, "latchkey.db")).unwrap().len(), 0);
    assert!(!path(&home, "latchkey.db-wal").exists());
}

#[tokio::test]
async fn a_missing_mark_is_refused_beside_a_database_that_holds_something() {
    let home = used().await;
    fs::remove_file(path(&home, "keys.mark")).unwrap();
    refused(&home, &["keys.mark", "missing", "--accept-rollback"]).await;
    assert!(!path(&home, "keys.mark").exists(), "a refusal makes no mark");
    assert_eq!(opened(&home, Rollback::Accept).await, Ok(2));
    assert!(path(&home, "keys.mark").exists());
    assert_eq!(opened(&home, Rollback::Refuse).await, Ok(2), "accepted once and for all");
}

/// A first start may end at any moment: keys alone, or keys with a database in which nothing happened yet,
/// are taken up where it ended.
#[tokio::test]
async fn an_interrupted_first_start_is_no_loss() {
    let home = home();
    assert_eq!(opened(&home, Rollback::Refuse).await, Ok(1));
    assert!(path(&home, "keys.mark").exists(), "there is a mark before anything is stored");
    fs::remove_file(path(&home, "keys.mark")).unwrap();
    assert_eq!(opened(&home, Rollback::Refuse).await, Ok(1), "nothing was stored yet");
    fs::remove_file(path(&home, "keys.mark")).unwrap();
    remove_database(&home);
    assert_eq!(opened(&home, Rollback::Refuse).await, Ok(1), "the database is new too");
}
