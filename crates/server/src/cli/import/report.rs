//! What came over and what did not.

use std::collections::BTreeMap;

use latchkey_store::unit::ImportOutcome;
use latchkey_wso2::entry::Kind;
use latchkey_wso2::plan::Reason;
use serde_json::{Value, json};

use crate::admin::wso2::Mode;
use crate::cli::print::pretty;
use crate::cli::table::Table;

/// What became of the rows of one kind.
#[derive(Debug, Default)]
struct Tally {
    comes: u64,
    here: u64,
    stays: BTreeMap<String, u64>,
    lost: BTreeMap<String, u64>,
}

impl Tally {
    fn stay(&self) -> u64 {
        self.stays.values().sum()
    }
}

/// What became of all of them.
#[derive(Debug)]
pub(super) struct Report {
    mode: Mode,
    kinds: BTreeMap<Kind, Tally>,
}

impl Report {
    pub(super) const fn new(mode: Mode) -> Self {
        Self { mode, kinds: BTreeMap::new() }
    }

    fn tally(&mut self, kind: Kind) -> &mut Tally {
        self.kinds.entry(kind).or_default()
    }

    /// A row stays where it is.
    pub(super) fn stays(&mut self, kind: Kind, reason: &Reason) {
        *self.tally(kind).stays.entry(reason.to_string()).or_default() += 1;
    }

    /// Something of a row that comes over stays where it is.
    pub(super) fn lost(&mut self, kind: Kind, reason: &Reason) {
        *self.tally(kind).lost.entry(reason.to_string()).or_default() += 1;
    }

    /// A row was offered.
    pub(super) fn count(&mut self, kind: Kind, outcome: ImportOutcome) {
        let tally = self.tally(kind);
        match outcome {
            ImportOutcome::Made => tally.comes += 1,
            ImportOutcome::Held => tally.here += 1,
            ImportOutcome::Refused(refused) => *tally.stays.entry(refused.to_string()).or_default() += 1,
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let comes = match self.mode {
            Mode::Foresee => "would come over",
            Mode::Write => "came over",
        };
        let mut table = Table::new(&["", comes, "already here", "not"]);
        let mut reasons = Table::new(&["what does not", "rows", "why"]);
        for (kind, tally) in &self.kinds {
            let numbers = [tally.comes, tally.here, tally.stay()].map(|number| number.to_string());
            table.row(std::iter::once(kind.as_str().to_owned()).chain(numbers));
            for (reason, rows) in tally.stays.iter().chain(&tally.lost) {
                reasons.row([kind.as_str().to_owned(), rows.to_string(), reason.clone()]);
            }
        }
        let done = match self.mode {
            Mode::Foresee => "Nothing was changed.\n",
            Mode::Write => "",
        };
        let listed = table.render("The dumps hold nothing that could come over.");
        format!("{listed}\n{}{done}", reasons.render("Nothing is left behind."))
    }

    /// For programs.
    pub(super) fn json(&self) -> String {
        let kinds = self.kinds.iter().map(|(kind, tally)| {
            let value = json!({
                "comes": tally.comes, "here": tally.here, "stays": tally.stays, "loses": tally.lost,
            });
            (kind.as_str().to_owned(), value)
        });
        let kinds: serde_json::Map<String, Value> = kinds.collect();
        pretty(&json!({ "dry_run": self.mode == Mode::Foresee, "rows": kinds }))
    }
}
