//! The rows of gateway nodes.

use latchkey_catalog::node::Node;
use latchkey_oauth::clock::Timestamp;
use rusqlite::{Connection, Row, params};

use super::catalogue::{many, one, run};
use crate::Result;

const NODE: &str = "SELECT name, secret, created_at FROM node";

pub(super) fn by_secret(connection: &Connection, digest: [u8; 32]) -> Result<Option<Node>> {
    one(connection, &format!("{NODE} WHERE secret = $1"), [digest], from_row)
}

pub(super) fn all(connection: &Connection) -> Result<Vec<Node>> {
    many(connection, &format!("{NODE} ORDER BY name"), [], from_row)
}

pub(super) fn put(connection: &Connection, node: &Node) -> Result<()> {
    run(
        connection,
        "INSERT INTO node (name, secret, created_at) VALUES ($1, $2, $3)",
        params![node.name, node.secret, node.created_at.as_millis()],
    )?;
    Ok(())
}

pub(super) fn delete(connection: &Connection, name: &str) -> Result<bool> {
    run(connection, "DELETE FROM node_batch WHERE node = $1", [name])?;
    Ok(run(connection, "DELETE FROM node WHERE name = $1", [name])? == 1)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Node> {
    let created_at = Timestamp::from_millis(row.get(2)?);
    Ok(Node { name: row.get(0)?, secret: row.get(1)?, created_at })
}
