use latchkey_catalog::application::Application;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::{Subscription, UNLIMITED};
use latchkey_catalog::tier::Level;
use latchkey_catalog::user::search::UserSearch;
use latchkey_catalog::user::{Profile, UserState};
use latchkey_oauth::client::ClientMetadata;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::PrincipalId;
use tempfile::TempDir;

use super::super::catalogue;
use super::super::people;
use super::super::transaction::{Batch, SqliteRows};
use super::*;
use crate::people::ReadPeople;

/// The version of the newest migration.
fn newest() -> i64 {
    MIGRATIONS.last().unwrap().version
}

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
             INSERT INTO users (id, name, password, roles, state, created_at) VALUES
                (x'03030303030303030303030303030303', 'alice', 'p', '[\"admin\",\"reader\"]', 'locked', 7);
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
    assert_eq!(check_file(&path).unwrap().version, newest());
    let connection = connect_reader(&path).unwrap();
    let (application, api) = (EntryId::from_bytes([1; 16]), EntryId::from_bytes([2; 16]));
    let held = published::subscriptions_of(&connection, application).unwrap();
    let [one] = held.as_slice() else { panic!("one subscription is kept: {held:?}") };
    let at = Timestamp::from_millis(0);
    assert_eq!(*one, Subscription::new(one.id, (application, api), UNLIMITED, at));
    assert_ne!(one.id, EntryId::from_bytes([0; 16]), "it has an id of its own");
    let mut tiers = seeded();
    tiers.sort_by(|one, other| (one.level.as_str(), &one.name).cmp(&(other.level.as_str(), &other.name)));
    assert_eq!(published::tiers(&connection), Ok(tiers));
    let alice = people::user_by_name(&connection, "alice").unwrap().unwrap();
    assert_eq!((alice.state, alice.profile.clone()), (UserState::Locked, Profile::default()));
    assert_eq!((alice.created_at, alice.updated_at), (Timestamp::from_millis(7), Timestamp::from_millis(7)));
    let mut rows = SqliteRows::new(&connection, None, Batch::default());
    assert_eq!(rows.users_found(&UserSearch::holders_of("reader"), 0, 9).unwrap().users, [alice]);
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
    let (known, later) = (newest(), newest() + 1);
    change(&format!("INSERT INTO schema_migrations (version, name, checksum) VALUES ({later}, 'later', '')"));
    let newer = prepare(&path).unwrap_err().to_string();
    assert!(newer.contains(&format!("version {later}, this program knows {known}")), "{newer}");
    change(&format!("DELETE FROM schema_migrations WHERE version = {later}"));
    change("UPDATE schema_migrations SET checksum = 'SHA256:00'");
    let changed = prepare(&path).unwrap_err().to_string();
    assert!(changed.contains("migration 1 (init)"), "{changed}");
}

#[test]
fn the_registry_takes_over_what_was_there_before_it() {
    let place = tempfile::tempdir().unwrap();
    let path = version_1(&place);
    connect_writer(&path)
        .unwrap()
        .execute_batch(
            "INSERT INTO users (id, name, password, roles, state, created_at) VALUES
                (x'0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a', 'bob', '', '[\"reader\",\"writer\"]', 'active', 1);
             INSERT INTO application (id, owner, name, tier, created_at) VALUES
                (x'01010101010101010101010101010101', x'0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a', 'ÄRMEL', 'Unlimited', 7),
                (x'03030303030303030303030303030303', x'0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b', 'Orphan', 'Gold', 8);
             INSERT INTO client (id, consumer_key, application, key_type, secret_macs, secret_sealed, grants,
                token_format, application_validity, user_validity, refresh_validity) VALUES
                (x'0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c', 'key', x'01010101010101010101010101010101', 'SANDBOX', x'',
                x'05', 'password', 'jwt', 1, 2, -1);
             INSERT INTO api (id, name, context, version, definition) VALUES
                (x'02020202020202020202020202020202', 'Écho', '/echo', '1', '{\"resources\":[],\"scopes\":{},\"state\":\"BLOCKED\"}');",
        )
        .unwrap();
    prepare(&path).unwrap();
    let connection = connect_reader(&path).unwrap();
    let bob = PrincipalId::from_bytes([10; 16]);
    let held = catalogue::application(&connection, EntryId::from_bytes([1; 16])).unwrap();
    let expected =
        Application::registered(EntryId::from_bytes([1; 16]), "ÄRMEL", bob, Timestamp::from_millis(7));
    assert_eq!(held, Some(expected));
    let orphan = catalogue::application(&connection, EntryId::from_bytes([3; 16])).unwrap().unwrap();
    assert_eq!((orphan.name.as_str(), orphan.tier.as_str()), ("Orphan", "Gold"));
    let client = catalogue::client_by_key(&connection, "key").unwrap().unwrap();
    assert_eq!((client.metadata, client.further_secrets), (ClientMetadata::default(), Vec::new()));
    let subscription = published::subscriptions_of(&connection, EntryId::from_bytes([1; 16])).unwrap();
    assert_eq!(subscription[0].created_at, Timestamp::from_millis(7), "it is not older than its application");
    let texts = |query: &str| {
        let rows = catalogue::many(&connection, query, [], |row| row.get::<_, String>(0));
        rows.unwrap().join(" ")
    };
    assert_eq!(texts("SELECT folded FROM application ORDER BY folded"), "orphan ärmel");
    assert_eq!(texts("SELECT owner_name FROM application ORDER BY owner_name"), " bob");
    assert_eq!(texts("SELECT name FROM role ORDER BY name"), "admin reader writer");
    assert_eq!(texts("SELECT folded || ' ' || state FROM api_listing"), "écho BLOCKED");
    let counts = "SELECT kind || ' ' || hex(owner) || ' ' || entries FROM entry_count ORDER BY kind, owner";
    let (a, b, api) = ("0A".repeat(16), "0B".repeat(16), "02".repeat(16));
    let expected =
        format!("application  2 application {a} 1 application {b} 1 subscription  1 subscription {api} 1");
    assert_eq!(texts(counts), expected);
}
