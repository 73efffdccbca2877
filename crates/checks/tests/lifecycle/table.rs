//! The reviewed table, and what it says of what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;

use crate::words::{Cell, Credential, Event, Probe};

/// A cell in which a credential cannot be shown.
const NOT_APPLICABLE: &str = "-";

/// `data/lifecycle.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    not_applicable: Vec<NotApplicable>,
    event: Vec<Block>,
}

/// Cells of every event in which nothing can be shown.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotApplicable {
    credentials: Vec<String>,
    probes: Vec<String>,
    reason: String,
}

/// The cells of one event: a line for each credential, a column for each probe.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    id: String,
    says: String,
    cells: String,
}

/// What each cell must come to; none where it cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table(BTreeMap<Cell, Option<String>>);

/// What was seen.
pub(crate) type Seen = BTreeMap<Cell, String>;

impl Table {
    /// Reads a table that has each cell of the whole matrix once. Everything that is wrong comes at once.
    pub(crate) fn read(text: &str) -> Result<Self, Vec<String>> {
        let file: File = toml::from_str(text).map_err(|bad| vec![bad.to_string()])?;
        let mut reader = Reader::default();
        reader.not_applicable(&file.not_applicable);
        for block in &file.event {
            reader.block(block);
        }
        for event in Event::ALL.iter().filter(|event| !reader.events.contains(event)) {
            reader.problems.push(format!("{} is not listed", event.as_str()));
        }
        if reader.problems.is_empty() { Ok(Self(reader.cells)) } else { Err(reader.problems) }
    }

    /// Whether a credential can be shown there.
    pub(crate) fn applies(&self, cell: Cell) -> bool {
        self.0.get(&cell).is_some_and(Option::is_some)
    }

    /// What was seen otherwise than it must be, what was not seen, and what was seen though it cannot be.
    pub(crate) fn differences(&self, seen: &Seen) -> Vec<String> {
        let name = |(event, credential, probe): Cell| {
            format!("{} × {} × {}", event.as_str(), credential.as_str(), probe.as_str())
        };
        let mut found = Vec::new();
        for (cell, expected) in &self.0 {
            match (expected, seen.get(cell)) {
                (None, None) => {}
                (Some(expected), Some(seen)) if expected == seen => {}
                (expected, seen) => {
                    let word = |word: Option<&String>| word.map_or(NOT_APPLICABLE, String::as_str).to_owned();
                    let (expected, seen) = (word(expected.as_ref()), word(seen));
                    found.push(format!("{}: {seen}, not {expected}", name(*cell)));
                }
            }
        }
        found.extend(seen.keys().filter(|cell| !self.0.contains_key(cell)).map(|cell| name(*cell)));
        found
    }
}

/// The lines of an event as the table would have them after what was seen.
pub(crate) fn drawn(event: Event, seen: &Seen) -> String {
    let mut text = format!("{:<20}", "");
    for probe in Probe::ALL {
        let _ = write!(text, " {:<18}", probe.as_str());
    }
    for credential in Credential::ALL {
        let _ = write!(text, "\n{:<20}", credential.as_str());
        for probe in Probe::ALL {
            let word = seen.get(&(event, *credential, *probe)).map_or(NOT_APPLICABLE, String::as_str);
            let _ = write!(text, " {word:<18}");
        }
    }
    text
}

/// A table as far as it was read.
#[derive(Default)]
struct Reader {
    empty: BTreeSet<(Credential, Probe)>,
    events: BTreeSet<Event>,
    cells: BTreeMap<Cell, Option<String>>,
    problems: Vec<String>,
}

impl Reader {
    fn not_applicable(&mut self, rows: &[NotApplicable]) {
        for row in rows {
            if row.reason.is_empty() {
                self.problems.push("something cannot be shown for no reason".to_owned());
            }
            for (credential, probe) in
                row.credentials.iter().flat_map(|one| row.probes.iter().map(move |probe| (one, probe)))
            {
                match (Credential::parse(credential), Probe::parse(probe)) {
                    (Some(one), Some(place)) if self.empty.insert((one, place)) => {}
                    (Some(_), Some(_)) => {
                        self.problems.push(format!("{credential} × {probe} is there twice"));
                    }
                    _ => self.problems.push(format!("{credential} × {probe} is nothing")),
                }
            }
        }
    }

    fn block(&mut self, block: &Block) {
        let Some(event) = Event::parse(&block.id) else {
            self.problems.push(format!("{:?} is no event", block.id));
            return;
        };
        if block.says.is_empty() || !self.events.insert(event) {
            self.problems.push(format!("{} is there twice, or says nothing", block.id));
            return;
        }
        let mut lines = block.cells.lines().map(str::trim).filter(|line| !line.is_empty());
        let heads: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
        if !heads.iter().copied().eq(Probe::ALL.iter().map(|probe| probe.as_str())) {
            self.problems.push(format!("{}: the columns are {heads:?}", block.id));
            return;
        }
        let mut listed = BTreeSet::new();
        for line in lines {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or_default();
            match Credential::parse(name) {
                Some(credential) if listed.insert(credential) => {
                    self.row((event, credential), &words.collect::<Vec<_>>());
                }
                Some(_) => self.problems.push(format!("{}: {name} is there twice", block.id)),
                None => self.problems.push(format!("{}: {name:?} is no credential", block.id)),
            }
        }
        for missing in Credential::ALL.iter().filter(|one| !listed.contains(one)) {
            self.problems.push(format!("{}: {} is not listed", block.id, missing.as_str()));
        }
    }

    fn row(&mut self, (event, credential): (Event, Credential), words: &[&str]) {
        let place = format!("{}: {}", event.as_str(), credential.as_str());
        if words.len() != Probe::ALL.len() {
            self.problems.push(format!("{place} has {} cells", words.len()));
            return;
        }
        for (probe, word) in Probe::ALL.iter().copied().zip(words.iter().copied()) {
            let is_empty = word == NOT_APPLICABLE;
            if is_empty != self.empty.contains(&(credential, probe)) || !(is_empty || is_outcome(probe, word))
            {
                self.problems.push(format!("{place} × {}: {word:?} cannot be", probe.as_str()));
            }
            self.cells.insert((event, credential, probe), (!is_empty).then(|| word.to_owned()));
        }
    }
}

/// `alive`, or how a dead credential is answered: `inactive` by introspection, elsewhere a status, with the answer's
/// code behind a slash where it has one.
fn is_outcome(probe: Probe, word: &str) -> bool {
    let is_refusal = |word: &str| {
        let status = word.split('/').next().and_then(|status| status.parse().ok());
        status.is_some_and(|status| (400..600).contains(&status))
    };
    word == "alive" || if probe == Probe::Introspect { word == "inactive" } else { is_refusal(word) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table in which everything is alive, after `edit`.
    fn table(edit: impl Fn(String) -> String) -> Result<Table, Vec<String>> {
        let mut text =
            "[[not_applicable]]\ncredentials = [\"api_key\"]\nprobes = [\"refresh\"]\nreason = \"none\"\n"
                .to_owned();
        for event in Event::ALL {
            let _ = write!(text, "[[event]]\nid = \"{}\"\nsays = \"it\"\ncells = '''\n", event.as_str());
            text.push_str(&drawn(*event, &seen()));
            text.push_str("\n'''\n");
        }
        Table::read(&edit(text))
    }

    /// Everything alive, but for what cannot be shown.
    fn seen() -> Seen {
        let mut seen = Seen::new();
        for event in Event::ALL {
            for credential in Credential::ALL {
                for probe in Probe::ALL {
                    if (*credential, *probe) != (Credential::ApiKey, Probe::Refresh) {
                        seen.insert((*event, *credential, *probe), "alive".to_owned());
                    }
                }
            }
        }
        seen
    }

    #[test]
    fn a_cell_that_was_seen_otherwise_is_named() {
        let table = table(|text| text).unwrap();
        assert_eq!(table.differences(&seen()), Vec::<String>::new());
        let cell = (Event::UserLocked, Credential::UserJwt, Probe::Gateway);
        let mut corrupt = seen();
        corrupt.insert(cell, "401/900901".to_owned());
        let told = "user_locked × user_jwt × gateway: 401/900901, not alive".to_owned();
        assert_eq!(table.differences(&corrupt), [told]);
        corrupt.remove(&cell);
        assert_eq!(table.differences(&corrupt), ["user_locked × user_jwt × gateway: -, not alive"]);
        let mut more = seen();
        let cell = (Event::UserLocked, Credential::ApiKey, Probe::Refresh);
        more.insert(cell, "alive".to_owned());
        assert_eq!(table.differences(&more), ["user_locked × api_key × refresh: alive, not -"]);
        assert!(!table.applies(cell) && table.applies((cell.0, cell.1, Probe::Gateway)));
    }

    #[test]
    fn a_table_has_each_cell_once() {
        let faults: [(&str, &str, usize); 9] = [
            ("id = \"user_locked\"", "id = \"user_unheard\"", 2),
            ("id = \"user_locked\"", "id = \"user_deleted\"", 2),
            ("says = \"it\"", "says = \"\"", 2),
            ("api_key_sandbox ", "api_key ", 2),
            ("api_key_sandbox ", "nothing ", 2),
            ("introspect ", "inspect ", 1),
            ("alive ", "alive alive ", 1),
            ("alive ", "- ", 1),
            ("alive ", "dead ", 1),
        ];
        for (from, to, least) in faults {
            let problems = table(|text| text.replacen(from, to, 1)).expect_err(to);
            assert!(problems.len() >= least, "{to}: {problems:?}");
        }
        let twice = table(|text| text.replace("[\"refresh\"]", "[\"refresh\", \"refresh\"]"));
        assert!(twice.expect_err("twice")[0].contains("twice"));
    }

    #[test]
    fn an_outcome_is_one_of_its_probe() {
        for (probe, word, is_one) in [
            (Probe::Introspect, "inactive", true),
            (Probe::Introspect, "401", false),
            (Probe::Gateway, "inactive", false),
            (Probe::Gateway, "401/900901", true),
            (Probe::Gateway, "401", true),
            (Probe::Gateway, "200", false),
            (Probe::Gateway, "dead", false),
        ] {
            assert_eq!(is_outcome(probe, word), is_one, "{word}");
        }
    }
}
