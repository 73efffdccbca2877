//! Puts the sources on top of each other and turns the result into a [`Config`].

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

use super::check;
use super::problem::{ConfigError, Problem};
use super::sections::{Config, Profile};
use super::settings::{self, SETTINGS, Setting};
use super::source::{Source, Sources};

/// One setting as it is in force.
#[derive(Debug, Clone)]
pub struct Effective {
    /// The setting.
    pub setting: &'static Setting,
    /// Its value.
    pub value: Value,
    /// Where the value comes from.
    pub source: Source,
}

/// A configuration and where each of its values comes from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The typed configuration.
    pub config: Config,
    /// Every setting in force, in the order of the list.
    pub effective: Vec<Effective>,
}

/// Values by key, with the source that won so far, and what went wrong meanwhile.
#[derive(Debug, Default)]
struct Layers {
    written: BTreeMap<&'static str, (Value, Source)>,
    problems: Vec<Problem>,
}

impl Config {
    /// Merges `sources` in their order and checks everything. The error names every problem found, each
    /// with key, value, source and what to do.
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
        let mut layers = Layers::default();
        if let Some((path, content)) = &sources.file {
            layers.file(path, content);
        }
        for (name, value) in &sources.environment {
            layers.variable(name, value);
        }
        for assignment in &sources.assignments {
            layers.assignment(assignment);
        }
        let effective = layers.effective();
        if !layers.problems.is_empty() {
            return Err(ConfigError::Wrong(layers.problems));
        }
        let config = typed(&effective)?;
        let problems: Vec<_> = check::across(&config)
            .into_iter()
            .map(|(key, advice)| in_context(&effective, key, advice))
            .collect();
        if problems.is_empty() { Ok(Loaded { config, effective }) } else { Err(ConfigError::Wrong(problems)) }
    }
}

impl Layers {
    fn file(&mut self, path: &str, content: &str) {
        let at = |offset: usize| Source::File {
            path: path.to_owned(),
            line: content[..offset.min(content.len())].matches('\n').count() + 1,
        };
        match DeTable::parse(content) {
            Ok(table) => self.table("", table.into_inner(), &at),
            Err(error) => self.problems.push(Problem {
                key: "the file".into(),
                value: None,
                source: at(error.span().map_or(0, |span| span.start)),
                advice: format!("it is not valid TOML: {}", error.message()),
            }),
        }
    }

    fn table(&mut self, section: &str, table: DeTable<'_>, at: &dyn Fn(usize) -> Source) {
        for (name, value) in table {
            let source = at(name.span().start);
            let dot = if section.is_empty() { "" } else { "." };
            let path = format!("{section}{dot}{}", name.get_ref());
            if settings::find(&path).is_some() {
                self.put(&path, plain(value), source);
            } else if let DeValue::Table(inner) = value.into_inner() {
                self.inner_table(&path, inner, source, at);
            } else if settings::is_section(&path) {
                let advice = format!("`{path}` is a section; write its settings under [{path}]");
                self.problems.push(Problem { key: path, value: None, source, advice });
            } else {
                self.put(&path, None, source);
            }
        }
    }

    /// Looks into a table even where no section has its name, so that each key in it is reported with the
    /// nearest whole key.
    fn inner_table(&mut self, path: &str, inner: DeTable<'_>, source: Source, at: &dyn Fn(usize) -> Source) {
        if inner.is_empty() && !settings::is_section(path) {
            self.put(path, None, source);
        }
        self.table(path, inner, at);
    }

    /// Takes `name` where it is the variable of a setting. A name with `__`, or one that differs from a
    /// variable in underscores only, was meant as one; other `LATCHKEY_` names are not ours (a container
    /// platform sets some for a service called latchkey).
    fn variable(&mut self, name: &str, text: &str) {
        let Some(rest) = name.strip_prefix("LATCHKEY_") else { return };
        let key = rest.to_lowercase().replace("__", ".");
        let source = Source::Environment(name.to_owned());
        let folded = |name: &str| name.replace("__", "_");
        if let Some(setting) = SETTINGS.iter().find(|setting| setting.variable() == name) {
            self.put(setting.key, Some(bare(setting, text)), source);
        } else if let Some(meant) =
            SETTINGS.iter().find(|setting| folded(&setting.variable()) == folded(&name.to_uppercase()))
        {
            let advice = format!("no such variable; write {}", meant.variable());
            self.problems.push(Problem { key: name.to_owned(), value: None, source, advice });
        } else if rest.contains("__") {
            self.put(&key, None, source);
        }
    }

    fn assignment(&mut self, text: &str) {
        let Some((key, value)) = text.split_once('=') else {
            let advice = format!("`--set {text}` has no value; write --set SECTION.KEY=VALUE");
            let key = text.to_owned();
            return self.problems.push(Problem { key, value: None, source: Source::CommandLine, advice });
        };
        let key = key.trim();
        self.put(key, settings::find(key).map(|setting| bare(setting, value)), Source::CommandLine);
    }

    /// Notes that `key` was set; the latest call wins. `value` is `None` where it could not be read.
    fn put(&mut self, key: &str, value: Option<Value>, source: Source) {
        let (advice, shown) = match (settings::find(key), value) {
            (Some(setting), Some(value)) if setting.kind.accepts(&value) => {
                self.written.insert(setting.key, (value, source));
                return;
            }
            (Some(setting), value) => {
                (format!("it must be {}", setting.kind.expectation()), value.map(|value| value.to_string()))
            }
            (None, _) => (unknown(key), None),
        };
        self.problems.push(Problem { key: key.to_owned(), value: shown, source, advice });
    }

    fn effective(&self) -> Vec<Effective> {
        let written = self.written.get("compat.profile").and_then(|(value, _)| value.as_str());
        let profile = written.and_then(Profile::named).unwrap_or(Profile::Apim4);
        let one = |setting: &'static Setting| {
            let (value, source) = self.written.get(setting.key).cloned().unwrap_or_else(|| {
                match setting.profile_value(profile) {
                    Some(value) => (value, Source::profile(profile)),
                    None => (setting.default_value(), Source::Default),
                }
            });
            Effective { setting, value, source }
        };
        SETTINGS.iter().map(one).collect()
    }
}

/// A value of the file without its place; `None` where TOML's own types cannot hold it.
fn plain(value: Spanned<DeValue<'_>>) -> Option<Value> {
    Value::deserialize(toml::de::ValueDeserializer::from(value)).ok()
}

/// A value from the environment or the command line: TOML, else the text as it stands. Settings that are
/// text take it as it stands, unless it is quoted.
fn bare(setting: &Setting, text: &str) -> Value {
    let text = text.trim();
    match text.parse::<Value>() {
        Ok(value) if value.is_str() || !setting.kind.is_text() => value,
        Ok(_) | Err(_) => Value::String(text.to_owned()),
    }
}

/// What to say of a key that does not exist: the nearest one that does, if one is near.
fn unknown(key: &str) -> String {
    let name = |key: &str| key.rsplit('.').next().map(str::to_owned);
    let likeness = |setting: &&Setting| {
        let same_name = if name(key) == name(setting.key) { 0.15 } else { 0.0 };
        strsim::jaro_winkler(key, setting.key) + same_name
    };
    let nearest = SETTINGS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|setting| likeness(setting) > 0.8) {
        Some(setting) => format!("no such setting; did you mean `{}`?", setting.key),
        None => "no such setting; `latchkey config reference` lists them all".into(),
    }
}

/// Reads the checked values into the typed form.
fn typed(effective: &[Effective]) -> Result<Config, ConfigError> {
    let mut root = toml::Table::new();
    for Effective { setting, value, .. } in effective {
        let (sections, name) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
        let mut table = &mut root;
        for section in sections.split('.') {
            let inner = table.entry(section).or_insert_with(|| Value::Table(toml::Table::new()));
            table = inner.as_table_mut().expect("no key of the list is the section of another");
        }
        table.insert(name.to_owned(), value.clone());
    }
    root.try_into().map_err(|error: toml::de::Error| {
        let key = "the configuration".to_owned();
        let advice = error.message().to_owned();
        ConfigError::Wrong(vec![Problem { key, value: None, source: Source::Default, advice }])
    })
}

/// A broken rule, with the value and source of the setting it is about.
fn in_context(effective: &[Effective], key: &'static str, advice: String) -> Problem {
    let found = effective.iter().find(|one| one.setting.key == key);
    Problem {
        key: key.to_owned(),
        value: found.map(|one| one.value.to_string()),
        source: found.map_or(Source::Default, |one| one.source.clone()),
        advice,
    }
}
