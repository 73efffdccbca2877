//! The configuration told to people: the reference page, and what is in force.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::layers::{Effective, Loaded};
use super::sections::Profile;
use super::settings::{EMPTY_SECTIONS, SETTINGS, Setting};

const HEAD: &str = "\
# Configuration

<!-- Made by `latchkey config reference`; a test compares. Change crates/server/src/config/settings.rs instead. -->

Latchkey reads `latchkey.toml` from the working directory, or the file named with `--config`. Every
setting can also be given as an environment variable, `LATCHKEY_` and the key in capitals with two
underscores for each dot (`LATCHKEY_OAUTH__TOKEN__FORMAT=opaque`), and on the command line
(`--set oauth.token.format=opaque`). Text needs no quotes there.

The last of these wins: default, profile, file, environment, command line. `latchkey config show` prints
the value in force and where it comes from. A key that does not exist is an error, and so is a value out
of range.

A duration is a whole number and a unit: `ms`, `s`, `m`, `h` or `d`.
";

/// The reference page in Markdown: every setting by section, then what the profiles change.
pub fn page() -> String {
    let mut out = HEAD.to_owned();
    let mut section = "";
    for setting in SETTINGS {
        let (of, _) = setting.key.rsplit_once('.').unwrap_or_default();
        if of != section {
            section = of;
            write!(out, "\n## {section}\n\n| key | default | accepts | meaning |\n|---|---|---|---|\n")
                .expect("text grows");
        }
        let (key, default, meaning) = (setting.key, setting.default_value(), setting.meaning);
        let accepts = setting.kind.expectation().replace('|', "\\|");
        writeln!(out, "| `{key}` | `{default}` | {accepts} | {meaning} |").expect("text grows");
    }
    let sections = EMPTY_SECTIONS.map(|name| format!("`{name}`")).join(" and ");
    write!(out, "\nThe sections {sections} are accepted and have no settings yet.\n").expect("text grows");
    out + "\n" + &profiles()
}

/// What each profile changes, as a table: a row per setting, a column per profile.
pub fn profiles() -> String {
    let names = Profile::ALL.map(|profile| format!("`{}`", profile.name())).join(" | ");
    let mut out = format!(
        "## Profiles\n\n`compat.profile` changes these defaults; each can still be set by itself.\n\n\
         | key | {names} |\n|---{}|\n",
        "|---".repeat(Profile::ALL.len())
    );
    for setting in SETTINGS.iter().filter(|setting| !setting.profiles.is_empty()) {
        let values = Profile::ALL.map(|profile| format!("`{}`", under(setting, profile))).join(" | ");
        writeln!(out, "| `{}` | {values} |", setting.key).expect("text grows");
    }
    out
}

fn under(setting: &Setting, profile: Profile) -> toml::Value {
    setting.profile_value(profile).unwrap_or_else(|| setting.default_value())
}

impl Loaded {
    /// Every setting in force as a line of TOML with its source as a comment.
    pub fn show(&self) -> String {
        let line = |one: &Effective| format!("{} = {}", one.setting.key, one.value);
        let width = self.effective.iter().map(|one| line(one).chars().count()).max().unwrap_or(0).min(60);
        let mut out = String::new();
        for one in &self.effective {
            writeln!(out, "{:width$}  # {}", line(one), one.source).expect("text grows");
        }
        out
    }

    /// The same as JSON: `{"KEY": {"value": …, "source": "…"}}`.
    pub fn show_json(&self) -> Json {
        let entry = |one: &Effective| {
            let source = one.source.to_string();
            (one.setting.key.to_owned(), json!({ "value": one.value, "source": source }))
        };
        Json::Object(self.effective.iter().map(entry).collect::<Map<_, _>>())
    }
}
