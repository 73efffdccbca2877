//! The rules of the house, checked over the whole repository.
//!
//! Every rule is a function from a file, or from all files, to faults; each module proves its rules with a
//! planted text that must be found and a harmless one beside it that must not. What clippy already holds
//! (see `clippy.toml` and the lints in `Cargo.toml`) is not repeated here.

mod files;
mod manifests;
mod migrations;
mod source;
mod words;

use files::{File, repository};

/// Something against a rule: where, what, and what to do.
type Fault = String;

/// Fails with all faults at once.
fn assert_clean(faults: &[Fault]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// Every fault that `rule` finds in a file whose name ends with `ending`.
fn check(ending: &str, rule: impl Fn(&File) -> Vec<Fault>) {
    let concerned: Vec<&File> = repository().iter().filter(|file| file.path.ends_with(ending)).collect();
    assert!(!concerned.is_empty(), "no file ends with {ending}: the rule has lost what it is about");
    assert_clean(&concerned.into_iter().flat_map(rule).collect::<Vec<Fault>>());
}

#[test]
fn files_and_functions_are_short() {
    check(".rs", source::lengths);
}

#[test]
fn signatures_are_small_and_take_no_bool() {
    check(".rs", source::signatures);
}

#[test]
fn time_and_chance_come_in_at_one_door() {
    check(".rs", source::doors);
}

#[test]
fn nothing_is_left_undone() {
    check(".rs", source::undone);
    let endings =
        [".rs", ".toml", ".sql", ".sh", ".py", ".js", ".css", ".html", "/test", "/run", "/latchkey"];
    let files = repository();
    let code = files.iter().filter(|file| {
        let path = format!("/{}", file.path);
        endings.iter().any(|ending| path.ends_with(ending))
    });
    assert_clean(&code.flat_map(words::unfinished).collect::<Vec<Fault>>());
}

#[test]
fn names_say_what_things_are() {
    check(".rs", source::names);
}

#[test]
fn no_file_names_a_place_of_its_making() {
    check("", words::places);
}

#[test]
fn arrows_point_down_and_pure_crates_stay_pure() {
    check("/Cargo.toml", manifests::dependencies);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    check("/Cargo.toml", manifests::lints);
}

#[test]
fn migrations_are_twins() {
    assert_clean(&migrations::twins(repository()));
}

#[test]
fn what_must_be_there_is_there() {
    assert_clean(&words::required(repository()));
}

#[test]
fn every_decision_is_listed() {
    assert_clean(&words::decisions(repository()));
}

#[test]
fn the_changelog_has_a_head() {
    let files = repository();
    let changelog = files.iter().filter(|file| file.path == "CHANGELOG.md");
    assert_clean(&changelog.flat_map(words::changelog).collect::<Vec<Fault>>());
}
