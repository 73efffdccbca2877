use super::*;
use crate::sqlite::schema;

/// There is no index by client: writing one would cost each new holder, and a seek in each shard is few
/// enough for a listing.
#[test]
fn the_holders_of_a_client_are_found_by_a_seek_in_each_shard() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("latchkey.db");
    schema::prepare(&path).unwrap();
    let connection = schema::connect_reader(&path).unwrap();
    let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {HOLDERS_THROUGH}")).unwrap();
    let steps = plan.query_map(params![[0_u8; 16], 10], |row| row.get::<_, String>(3)).unwrap();
    let steps: Vec<String> = steps.collect::<rusqlite::Result<_>>().unwrap();
    let seeks = |step: &String| step.contains("SEARCH holder USING PRIMARY KEY (bucket=? AND client=?)");
    assert!(steps.iter().any(seeks), "{steps:?}");
    assert!(!steps.iter().any(|step| step.contains("SCAN holder")), "{steps:?}");
}
