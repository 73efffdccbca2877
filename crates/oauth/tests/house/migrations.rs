//! Migrations stand in two languages and say the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::Fault;
use crate::files::File;

const FOLDERS: [&str; 2] = ["crates/store/migrations/sqlite/", "crates/store/migrations/postgres/"];

/// Tables with their columns, and indexes (a name and a mark).
type Schema = BTreeMap<String, BTreeSet<String>>;

/// The same numbered names in both folders, numbered without a gap, with the same tables, columns and
/// indexes.
pub(crate) fn twins(files: &[File]) -> Vec<Fault> {
    let [sqlite, postgres] = FOLDERS.map(|folder| {
        let inside = files.iter().filter_map(|file| Some((file.path.strip_prefix(folder)?, file)));
        inside.collect::<BTreeMap<&str, &File>>()
    });
    let mut faults = Vec::new();
    if sqlite.is_empty() {
        faults.push(format!("{} holds no migration", FOLDERS[0]));
    }
    for (place, name) in sqlite.keys().enumerate() {
        let expected = format!("{:04}_", place + 1);
        let words = name.strip_prefix(&expected).and_then(|rest| rest.strip_suffix(".sql"));
        let well_formed = words.is_some_and(|words| {
            !words.is_empty() && words.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        });
        if !well_formed {
            faults.push(format!("{}{name}: the next migration is {expected}name.sql", FOLDERS[0]));
        }
    }
    let names: BTreeSet<&str> = sqlite.keys().chain(postgres.keys()).copied().collect();
    for name in names {
        match (sqlite.get(name), postgres.get(name)) {
            (Some(one), Some(other)) => faults.extend(compared(one, other)),
            (None, _) => faults.push(format!("{}{name} has no twin for SQLite", FOLDERS[1])),
            (_, None) => faults.push(format!("{}{name} has no twin for PostgreSQL", FOLDERS[0])),
        }
    }
    faults
}

fn compared(sqlite: &File, postgres: &File) -> Vec<Fault> {
    let [one, other] = [sqlite, postgres].map(|file| schema(&file.text));
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let mut faults = Vec::new();
    for name in names {
        let (Some(here), Some(there)) = (one.get(name), other.get(name)) else {
            faults.push(format!("{}: `{name}` stands in one of the twins only", sqlite.path));
            continue;
        };
        let different: Vec<&str> = here.symmetric_difference(there).map(String::as_str).collect();
        if !different.is_empty() {
            let what = different.join(", ");
            faults.push(format!("{}: `{name}` has other columns in its twin: {what}", sqlite.path));
        }
    }
    faults
}

/// What the statements make, alter and drop.
fn schema(sql: &str) -> Schema {
    let without_comments: Vec<&str> =
        sql.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code)).collect();
    let mut schema = Schema::new();
    for statement in without_comments.join(" ").split(';') {
        let words: Vec<String> = statement
            .replace(['(', ')', ','], " ")
            .split_whitespace()
            .map(|word| word.trim_matches('"').to_lowercase())
            .filter(|word| {
                !["if", "not", "exists", "unique", "concurrently", "only"].contains(&word.as_str())
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["create", "table", name, ..] => {
                let columns = schema.entry((*name).to_owned()).or_default();
                columns.extend(columns_of(statement));
            }
            // How parts of texts are found is each engine's own.
            ["create", "virtual", "table", name, "using", "fts5", ..]
            | ["create", "index", name, "on", _, "using", "gin", ..] => {
                schema.entry(format!("search {name}")).or_default();
            }
            ["create", "index", name, "on", table, columns @ ..] => {
                let indexed = schema.entry(format!("index {name} on {table}")).or_default();
                indexed.extend(
                    columns.iter().take_while(|word| **word != "where").map(|word| (*word).to_owned()),
                );
            }
            ["alter", "table", name, change, rest @ ..] => {
                let words: Vec<&str> = rest.iter().copied().filter(|word| *word != "column").collect();
                let what = format!("{change} {}", words.first().copied().unwrap_or_default());
                schema.entry((*name).to_owned()).or_default().insert(what);
            }
            ["drop", kind, name, ..] => {
                schema.entry(format!("drop {kind} {name}")).or_default();
            }
            _ => {}
        }
    }
    schema
}

/// The names of the columns between the outer parentheses of a `CREATE TABLE`.
fn columns_of(statement: &str) -> Vec<String> {
    let (Some(open), Some(close)) = (statement.find('('), statement.rfind(')')) else {
        return Vec::new();
    };
    let mut depth = 0_i32;
    let parts = statement[open + 1..close].split(|character: char| {
        depth += i32::from(character == '(') - i32::from(character == ')');
        character == ',' && depth == 0
    });
    let constraints = ["primary", "unique", "check", "foreign", "constraint", "exclude"];
    parts
        .filter_map(|part| part.split_whitespace().next())
        .map(|word| word.trim_matches('"').to_lowercase())
        .filter(|word| !constraints.contains(&word.split('(').next().unwrap_or_default()))
        .collect()
}

#[cfg(test)]
mod planted {
    use super::*;

    const SQLITE: &str = "-- a table\nCREATE TABLE family (bucket INTEGER NOT NULL, id BLOB, -- the id, drawn\n\
                          scope TEXT CHECK (scope IN ('a', 'b')), PRIMARY KEY (bucket, id)) WITHOUT ROWID;\n\
                          CREATE UNIQUE INDEX family_id ON family (bucket, id);";
    const POSTGRES: &str = "create table if not exists \"family\" (bucket integer, id bytea, scope text, \
                            primary key(bucket, id), check(bucket >= 0));\n\
                            create unique index family_id on family (bucket, id);";

    fn found(pairs: &[(usize, &str, &str)]) -> Vec<Fault> {
        let plant = |(folder, name, sql): &(usize, &str, &str)| {
            File::planted(&format!("{}{name}", FOLDERS[*folder]), sql)
        };
        twins(&pairs.iter().map(plant).collect::<Vec<File>>())
    }

    #[test]
    fn twins_that_agree() {
        assert_eq!(found(&[(0, "0001_init.sql", SQLITE), (1, "0001_init.sql", POSTGRES)]), [""; 0]);
        let schema = schema(SQLITE);
        let columns: Vec<&str> = schema["family"].iter().map(String::as_str).collect();
        assert_eq!(columns, ["bucket", "id", "scope"]);
        assert!(schema.contains_key("index family_id on family"));
    }

    #[test]
    fn twins_that_do_not() {
        let changed = [
            POSTGRES.replace("scope text", "scopes text"),
            POSTGRES.replace("scope text, ", ""),
            POSTGRES.replace("id bytea", "id bytea, added text"),
            POSTGRES.replace("\"family\"", "families"),
            POSTGRES.replace("family_id on", "family_ids on"),
            POSTGRES.replace("on family (bucket, id)", "on family (bucket)"),
            format!("{POSTGRES} create table more (id bytea);"),
            format!("{POSTGRES} alter table family add column more text;"),
            format!("{POSTGRES} drop table family;"),
        ];
        for sql in &changed {
            let faults = found(&[(0, "0001_init.sql", SQLITE), (1, "0001_init.sql", sql)]);
            assert!(!faults.is_empty(), "{sql}");
        }
        let searched = "create virtual table family_text using fts5 (scope);";
        let gin = "create index family_text on family using gin (scope gin_trgm_ops);";
        let (one, other) = (format!("{SQLITE} {searched}"), format!("{POSTGRES} {gin}"));
        assert_eq!(found(&[(0, "0001_init.sql", &one), (1, "0001_init.sql", &other)]), [""; 0]);
        assert_eq!(found(&[(0, "0001_init.sql", &one), (1, "0001_init.sql", POSTGRES)]).len(), 1);
        let altered = |sql: &str, change: &str| format!("{sql}\nALTER TABLE family ADD COLUMN {change};");
        let (one, other) = (altered(SQLITE, "a TEXT"), altered(POSTGRES, "a TEXT NOT NULL"));
        assert_eq!(found(&[(0, "0001_init.sql", &one), (1, "0001_init.sql", &other)]), [""; 0]);
        let other = altered(POSTGRES, "b TEXT");
        assert_eq!(found(&[(0, "0001_init.sql", &one), (1, "0001_init.sql", &other)]).len(), 1);
    }

    #[test]
    fn missing_and_misnumbered_ones() {
        assert_eq!(found(&[(0, "0001_init.sql", SQLITE)]).len(), 1);
        assert_eq!(found(&[(1, "0001_init.sql", POSTGRES)]).len(), 2);
        for name in
            ["0002_init.sql", "1_init.sql", "0001init.sql", "0001_.sql", "0001_Init.sql", "0001_init.txt"]
        {
            assert_eq!(found(&[(0, name, SQLITE), (1, name, POSTGRES)]).len(), 1, "{name}");
        }
    }
}
