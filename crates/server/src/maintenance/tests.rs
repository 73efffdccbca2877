//! A database copied, checked and put back.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::data_directory::Addresses;
use crate::demo::{Demo, first_start};
use crate::testing::{Installation, config, home};

async fn used(home: &tempfile::TempDir) -> Installation {
    let at = Installation::open(home, &[]).await;
    let out = &mut Vec::new();
    first_start(&at.app, &at.data, Demo::Yes, (&Addresses::default(), out)).await.unwrap();
    at
}

fn ignore(_: u64, _: u64) {}

#[tokio::test]
async fn a_copy_is_taken_while_the_store_is_open() {
    let home = home();
    let at = used(&home).await;
    let from = at.data.file("latchkey.db");
    let to = home.path().join("copy.db");
    let mut seen = Vec::new();
    let found = backup(&from, &to, &mut |done, all| seen.push((done, all))).unwrap();
    assert_eq!(found.position, at.app.store.position().await.unwrap());
    assert_eq!(check(&to).unwrap(), found);
    assert!(seen.iter().all(|(done, all)| done <= all));
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    let refused = backup(&from, &to, &mut ignore).unwrap_err();
    assert!(refused.message.contains("copy.db is there already"), "{refused}");
    assert!(!beside(&to, "-wal").exists(), "a copy is one file");
}

#[tokio::test]
async fn a_restore_brings_the_entries_back_and_no_token() {
    let home = home();
    let data_dir = home.path().join("data");
    let copy = home.path().join("copy.db");
    let config = config(&[]);
    let at = used(&home).await;
    let incarnation = at.app.keys().ring.incarnation();
    backup(&at.data.file("latchkey.db"), &copy, &mut ignore).unwrap();
    let kept = at.app.store.users("", 10).await.unwrap();
    let delete = crate::admin::user::Command::Delete { name: "alice".to_owned() };
    at.done(crate::admin::Command::User(delete)).await;
    let held = restore(&config, &data_dir, &copy).unwrap_err();
    assert!(held.message.contains("in use"), "{held}");
    let position = at.app.store.position().await.unwrap();
    at.app.key_file.lock().unwrap().write_mark(position).unwrap();
    drop(at);

    restore(&config, &data_dir, &copy).unwrap();
    let at = Installation::open(&home, &[]).await;
    assert_eq!(at.app.store.users("", 10).await.unwrap(), kept, "as it was");
    assert!(at.app.keys().ring.incarnation() > incarnation, "nothing issued before is accepted");
}

#[test]
fn what_is_no_database_is_refused_and_changes_nothing() {
    let home = home();
    let config = config(&[]);
    let data_dir = home.path().join("data");
    let file = home.path().join("notes.txt");
    fs::write(&file, "no database at all, but long enough to have a head of a hundred bytes: ".repeat(10))
        .unwrap();
    let failed = restore(&config, &data_dir, &file).unwrap_err();
    assert!(failed.message.contains("notes.txt"), "{failed}");
    assert!(!data_dir.exists());
    let missing = home.path().join("missing.db");
    assert!(check(&missing).unwrap_err().message.contains("missing.db"));
    assert!(backup(&missing, &home.path().join("to.db"), &mut ignore).is_err());
    assert!(!home.path().join("to.db").exists());
}

#[test]
fn without_a_file_there_is_nothing_to_copy() {
    assert_eq!(database(&config(&["store.url=memory:"]), Path::new("data")), None);
    assert_eq!(database(&config(&[]), Path::new("data")), Some(PathBuf::from("data/latchkey.db")));
}
