//! Rules about `Cargo.toml`.

use toml::{Table, Value};

use crate::Fault;
use crate::files::File;

/// Our own crates that each crate may build on: arrows point down only. A crate that is not named here may
/// build on any.
const ARROWS: [(&str, &[&str]); 6] = [
    ("latchkey-oauth", &[]),
    ("latchkey-catalog", &["latchkey-oauth"]),
    ("latchkey-store", &["latchkey-catalog", "latchkey-oauth"]),
    ("latchkey-gateway", &["latchkey-catalog", "latchkey-oauth"]),
    ("latchkey-portal", &["latchkey-catalog", "latchkey-oauth"]),
    ("latchkey-wso2", &["latchkey-catalog", "latchkey-oauth"]),
];

/// The crates that know no runtime, no HTTP, no SQL and no clock, and what of others would bring them in.
const PURE: [&str; 2] = ["latchkey-oauth", "latchkey-catalog"];
const IMPURE: [&str; 20] = [
    "async-trait",
    "axum",
    "chrono",
    "deadpool-postgres",
    "futures",
    "getrandom",
    "http",
    "hyper",
    "hyper-util",
    "postgres",
    "rand",
    "reqwest",
    "rusqlite",
    "rustls",
    "sqlx",
    "tokio",
    "tokio-postgres",
    "tokio-util",
    "tower",
    "ureq",
];

fn table<'a>(value: Option<&'a Value>, name: &str) -> Option<&'a Table> {
    value?.get(name)?.as_table()
}

fn manifest(file: &File) -> Result<Value, Vec<Fault>> {
    let parsed = file.text.parse::<Table>();
    parsed.map(Value::Table).map_err(|problem| vec![format!("{}: {problem}", file.path)])
}

/// Every dependency but those of tests, under the name of its package, whatever the target.
fn depended_on(manifest: &Value) -> Vec<String> {
    let mut tables: Vec<&Table> = Vec::new();
    let targets = table(Some(manifest), "target").into_iter().flat_map(Table::values);
    for section in std::iter::once(manifest).chain(targets) {
        tables.extend(
            ["dependencies", "build-dependencies"].iter().filter_map(|name| table(Some(section), name)),
        );
    }
    let package = |(name, value): (&String, &Value)| {
        value.get("package").and_then(Value::as_str).unwrap_or(name).to_owned()
    };
    tables.into_iter().flatten().map(package).collect()
}

/// The arrows between our crates, and what the pure ones must not know.
pub(crate) fn dependencies(file: &File) -> Vec<Fault> {
    let manifest = match manifest(file) {
        Ok(manifest) => manifest,
        Err(faults) => return faults,
    };
    let package = table(Some(&manifest), "package").and_then(|package| package.get("name"));
    let name = package.and_then(Value::as_str).unwrap_or_default();
    let arrows = ARROWS.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, below)| *below);
    let mut faults = Vec::new();
    for dependency in depended_on(&manifest) {
        let is_ours = dependency.starts_with("latchkey-");
        if is_ours && arrows.is_some_and(|below| !below.contains(&dependency.as_str())) {
            faults.push(format!("{}: {name} must not know {dependency}; arrows point down", file.path));
        }
        if PURE.contains(&name) && IMPURE.contains(&dependency.as_str()) {
            faults.push(format!("{}: {name} is pure and must not know {dependency}", file.path));
        }
    }
    faults
}

/// Each member of the workspace takes its lints.
pub(crate) fn lints(file: &File) -> Vec<Fault> {
    let manifest = match manifest(file) {
        Ok(manifest) => manifest,
        Err(faults) => return faults,
    };
    let taken = table(Some(&manifest), "lints").and_then(|lints| lints.get("workspace"));
    let is_member = file.path.starts_with("crates/");
    if is_member && taken != Some(&Value::Boolean(true)) {
        return vec![format!("{}: add [lints] workspace = true", file.path)];
    }
    Vec::new()
}

#[cfg(test)]
mod planted {
    use super::*;

    fn found(rule: impl Fn(&File) -> Vec<Fault>, name: &str, rest: &str) -> usize {
        rule(&File::planted("crates/a/Cargo.toml", &format!("[package]\nname = \"{name}\"\n{rest}"))).len()
    }

    #[test]
    fn arrows() {
        let cases = [
            ("latchkey-oauth", "[dependencies]\nserde = \"1\"", 0),
            ("latchkey-oauth", "[dependencies]\ntokio = \"1\"", 1),
            ("latchkey-oauth", "[dependencies.tokio]\nversion = \"1\"", 1),
            ("latchkey-oauth", "[dependencies]\nruntime = { package = \"tokio\", version = \"1\" }", 1),
            ("latchkey-oauth", "[target.'cfg(unix)'.dependencies]\nrusqlite.workspace = true", 1),
            ("latchkey-oauth", "[build-dependencies]\nhttp = \"1\"", 1),
            ("latchkey-oauth", "[dev-dependencies]\ntokio = \"1\"", 0),
            ("latchkey-catalog", "[dependencies]\nlatchkey-oauth.workspace = true\naxum = \"1\"", 1),
            ("latchkey-oauth", "[dependencies]\nlatchkey-catalog.workspace = true", 1),
            ("latchkey-store", "[dependencies]\nlatchkey-catalog.workspace = true\ntokio = \"1\"", 0),
            ("latchkey-store", "[dependencies]\nlatchkey-server.workspace = true", 1),
            ("latchkey-gateway", "[dependencies]\nlatchkey-store.workspace = true", 1),
            ("latchkey-portal", "[dependencies]\nlatchkey-store.workspace = true", 1),
            ("latchkey-server", "[dependencies]\nlatchkey-store.workspace = true", 0),
            ("latchkey-oauth", "[dependencies\n", 1),
        ];
        for (name, rest, faults) in cases {
            assert_eq!(found(dependencies, name, rest), faults, "{name}: {rest}");
        }
    }

    #[test]
    fn missing_lints() {
        for (rest, faults) in [("[lints]\nworkspace = true", 0), ("", 1), ("[lints]\nworkspace = false", 1)] {
            assert_eq!(found(lints, "latchkey-new", rest), faults, "{rest}");
        }
    }
}
