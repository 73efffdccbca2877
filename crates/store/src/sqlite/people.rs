//! The rows of users, of what they are looked for by, and of their devices' labels.

use std::collections::BTreeSet;

use async_trait::async_trait;
use latchkey_catalog::user::search::{Comparison, Condition, Field, UserSearch, values};
use latchkey_catalog::user::{Profile, User, UserState};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::session::SessionId;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::SqliteStore;
use super::catalogue::{json, many, one, run, unknown};
use super::transaction::SqliteRows;
use crate::Result;
use crate::people::{Labels, People, ReadPeople, UsersFound, WritePeople};

const USER: &str = "SELECT id, name, password, roles, state, profile, created_at, updated_at FROM users";

#[async_trait]
impl People for SqliteStore {
    async fn users_found(&self, search: UserSearch, offset: u64, limit: u32) -> Result<UsersFound> {
        self.read(move |rows| rows.users_found(&search, offset, limit)).await
    }

    async fn labels(&self, user: PrincipalId) -> Result<Labels> {
        self.read(move |rows| rows.labels(user)).await
    }
}

impl ReadPeople for SqliteRows<'_> {
    fn users_found(&mut self, search: &UserSearch, offset: u64, limit: u32) -> Result<UsersFound> {
        let (mut clauses, mut bound) = (Vec::new(), Vec::new());
        for condition in &search.0 {
            clauses.push(clause(condition, &mut bound));
        }
        let which = if clauses.is_empty() { "true".to_owned() } else { clauses.join(" AND ") };
        let count = format!("SELECT count(*) FROM users WHERE {which}");
        let total: Option<i64> =
            one(self.connection(), &count, params_from_iter(&bound), |row| row.get::<_, i64>(0))?;
        let total = total.unwrap_or(0).cast_unsigned();
        if offset >= total || limit == 0 {
            return Ok(UsersFound { total, users: Vec::new() });
        }
        let page = format!("{USER} WHERE {which} ORDER BY name LIMIT {limit} OFFSET {offset}");
        Ok(UsersFound {
            total,
            users: many(self.connection(), &page, params_from_iter(&bound), user_from_row)?,
        })
    }

    fn labels(&mut self, user: PrincipalId) -> Result<Labels> {
        let query = "SELECT session, label FROM device_label WHERE subject = $1";
        let found = many(self.connection(), query, [user.as_bytes()], |row| {
            Ok((SessionId::from_bytes(row.get(0)?), row.get::<_, String>(1)?))
        })?;
        Ok(found.into_iter().collect())
    }
}

impl WritePeople for SqliteRows<'_> {
    fn put_label(&mut self, user: PrincipalId, session: SessionId, label: Option<&str>) -> Result<()> {
        let statement = if label.is_some() {
            "INSERT INTO device_label (subject, session, label) VALUES ($1, $2, $3)
             ON CONFLICT (subject, session) DO UPDATE SET label = excluded.label"
        } else {
            "DELETE FROM device_label WHERE subject = $1 AND session = $2 AND $3 IS NULL"
        };
        run(self.connection(), statement, params![user.as_bytes(), session.as_bytes(), label])?;
        Ok(())
    }
}

/// A condition in the words of the database; what it compares with is bound.
fn clause(Condition { field, comparison, value }: &Condition, bound: &mut Vec<Value>) -> String {
    let mut bind = |value: Value| {
        bound.push(value);
        format!("${}", bound.len())
    };
    let column = match (field.kind(), field) {
        (Some(_), _) => "value",
        (None, Field::Id) => {
            let id = PrincipalId::parse(value).filter(|_| *comparison == Comparison::Equals);
            return match id {
                Some(id) => format!("id = {}", bind(Value::Blob(id.as_bytes().to_vec()))),
                None => "false".to_owned(),
            };
        }
        (None, _) => "name",
    };
    let place = bind(Value::Text(value.clone()));
    let compared = match comparison {
        Comparison::Equals => format!("{column} = {place}"),
        Comparison::Contains => format!("instr({column}, {place}) > 0"),
        Comparison::StartsWith => format!("{column} >= {place} AND {column} < {place} || char(1114111)"),
    };
    match field.kind() {
        Some(kind) => format!("id IN (SELECT subject FROM user_value WHERE kind = '{kind}' AND {compared})"),
        None => compared,
    }
}

pub(super) fn user(connection: &Connection, id: PrincipalId) -> Result<Option<User>> {
    one(connection, &format!("{USER} WHERE id = $1"), [id.as_bytes()], user_from_row)
}

pub(super) fn user_by_name(connection: &Connection, name: &str) -> Result<Option<User>> {
    one(connection, &format!("{USER} WHERE name = $1"), [name], user_from_row)
}

pub(super) fn users(connection: &Connection, after: &str, limit: u32) -> Result<Vec<User>> {
    let query = format!("{USER} WHERE name > $1 ORDER BY name LIMIT $2");
    many(connection, &query, params![after, limit], user_from_row)
}

pub(super) fn put_user(connection: &Connection, user: &User) -> Result<()> {
    run(
        connection,
        "INSERT INTO users (id, name, password, roles, state, profile, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, password = excluded.password,
            roles = excluded.roles, state = excluded.state, profile = excluded.profile,
            updated_at = excluded.updated_at",
        params![
            user.id.as_bytes(),
            user.name,
            user.password,
            json(&user.roles)?,
            user.state.as_str(),
            json(&user.profile)?,
            user.created_at.as_millis(),
            user.updated_at.as_millis()
        ],
    )?;
    for role in &user.roles {
        run(connection, "INSERT INTO role (name) VALUES ($1) ON CONFLICT (name) DO NOTHING", [role])?;
    }
    run(connection, "DELETE FROM user_value WHERE subject = $1", [user.id.as_bytes()])?;
    for (kind, value) in values(user).into_iter().filter_map(|(field, value)| Some((field.kind()?, value))) {
        run(
            connection,
            "INSERT INTO user_value (kind, value, subject) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            params![kind, value, user.id.as_bytes()],
        )?;
    }
    Ok(())
}

pub(super) fn delete_user(connection: &Connection, id: PrincipalId) -> Result<()> {
    run(connection, "DELETE FROM users WHERE id = $1", [id.as_bytes()])?;
    run(connection, "DELETE FROM user_value WHERE subject = $1", [id.as_bytes()])?;
    run(connection, "DELETE FROM device_label WHERE subject = $1", [id.as_bytes()])?;
    Ok(())
}

fn user_from_row(row: &Row<'_>) -> rusqlite::Result<User> {
    let roles: BTreeSet<String> =
        serde_json::from_str(row.get_ref(3)?.as_str()?).map_err(|_| unknown(3, "roles"))?;
    let state = UserState::named(row.get_ref(4)?.as_str()?).ok_or_else(|| unknown(4, "state"))?;
    let profile: Profile =
        serde_json::from_str(row.get_ref(5)?.as_str()?).map_err(|_| unknown(5, "profile"))?;
    Ok(User {
        id: PrincipalId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        password: row.get(2)?,
        roles,
        state,
        profile,
        created_at: Timestamp::from_millis(row.get(6)?),
        updated_at: Timestamp::from_millis(row.get(7)?),
    })
}
