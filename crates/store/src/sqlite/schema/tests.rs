use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::{Subscription, SubscriptionState, UNLIMITED};
use latchkey_catalog::tier::Level;
use tempfile::TempDir;

use super::*;

/// A file as the first program made it: its schema, the note of its migration, a subscription.
fn version_1(place: &TempDir) -> std::path::PathBuf {
    let path = place.path().join("latchkey.db");
    let connection = connect_writer(&path).unwrap();
    connection.execute_batch(include_str!("../../../migrations/sqlite/0001_init.sql")).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE schema_migrations (
                version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL);
             INSERT INTO schema_migrations (version, name, checksum) VALUES
                (1, 'init', 'SHA256:5b4c0ede76380e0bab74dd24205213bcaa57b682fa12d324d01aa83a965f04cc');
             INSERT INTO writer (id, epoch, last_seq) VALUES (1, 4, 9);
             INSERT INTO subscription (application, api, tier) VALUES
                (x'01010101010101010101010101010101', x'02020202020202020202020202020202', 'Unlimited');",
        )
        .unwrap();
    path
}

#[test]
fn a_file_of_version_1_is_migrated_and_keeps_what_it_holds() {
    let place = tempfile::tempdir().unwrap();
    let path = version_1(&place);
    assert_eq!(prepare(&path), Ok(Position { epoch: 5, seq: 9 }));
    assert_eq!(check_file(&path).unwrap().version, 3);
    let connection = connect_reader(&path).unwrap();
    let (application, api) = (EntryId::from_bytes([1; 16]), EntryId::from_bytes([2; 16]));
    let held = published::subscriptions_of(&connection, application).unwrap();
    let expected =
        Subscription { application, api, tier: UNLIMITED.to_owned(), state: SubscriptionState::Unblocked };
    assert_eq!(held, [expected]);
    let mut tiers = seeded();
    tiers.sort_by(|one, other| (one.level.as_str(), &one.name).cmp(&(other.level.as_str(), &other.name)));
    assert_eq!(published::tiers(&connection), Ok(tiers));
}

#[test]
fn tiers_are_seeded_once() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("latchkey.db");
    prepare(&path).unwrap();
    let connection = connect_writer(&path).unwrap();
    assert_eq!(published::tiers(&connection).unwrap().len(), seeded().len());
    published::delete_tier(&connection, Level::Subscription, "Gold").unwrap();
    prepare(&path).unwrap();
    assert_eq!(published::tier(&connection, Level::Subscription, "Gold"), Ok(None));
}

#[test]
fn another_form_of_a_migration_and_a_newer_schema_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = version_1(&place);
    let change = |statement: &str| connect_writer(&path).unwrap().execute_batch(statement).unwrap();
    change("INSERT INTO schema_migrations (version, name, checksum) VALUES (99, 'later', '')");
    let newer = prepare(&path).unwrap_err().to_string();
    let known = MIGRATIONS.last().unwrap().version;
    assert!(newer.contains(&format!("version 99, this program knows {known}")), "{newer}");
    change(
        "DELETE FROM schema_migrations WHERE version = 99; UPDATE schema_migrations SET checksum = 'SHA256:00'",
    );
    let changed = prepare(&path).unwrap_err().to_string();
    assert!(changed.contains("migration 1 (init)"), "{changed}");
}
