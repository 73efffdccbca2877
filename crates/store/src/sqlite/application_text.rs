//! The names of portal applications, found by any part of them: SQLite's full-text search by trigrams.

use latchkey_catalog::application::{Application, ApplicationKind, fold};
use rusqlite::{Connection, params};

use super::catalogue::run;
use crate::Result;

/// The fewest characters that can be searched.
const FEWEST: usize = 3;

/// `part` of a name as the search asks for it; none where it is too short, or holds what no name does.
pub(super) fn phrase(part: &str) -> Option<String> {
    let folded = fold(part);
    let is_searched = folded.chars().count() >= FEWEST && !folded.contains('\0');
    is_searched.then(|| format!("\"{}\"", folded.replace('"', "\"\"")))
}

/// What the search is to have of an application.
fn text(application: &Application) -> Option<String> {
    let text = application.folded_name();
    (application.kind == ApplicationKind::Portal && phrase(&text).is_some()).then_some(text)
}

/// Brings the search from what an application was to what it is; none: it was or is not there.
pub(super) fn put(
    connection: &Connection,
    before: Option<&Application>,
    now: Option<&Application>,
) -> Result<()> {
    let (old, new) = (before.and_then(text), now.and_then(text));
    if old == new {
        return Ok(());
    }
    if let (Some(application), Some(phrase)) = (before, old.as_deref().and_then(phrase)) {
        let delete = "DELETE FROM application_text WHERE rowid IN
            (SELECT rowid FROM application_text WHERE application_text MATCH $1 AND id = $2)";
        run(connection, delete, params![phrase, application.id.as_bytes()])?;
    }
    if let (Some(application), Some(text)) = (now, new) {
        let insert = "INSERT INTO application_text (folded, id) VALUES ($1, $2)";
        run(connection, insert, params![text, application.id.as_bytes()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_asked_for_word_for_word() {
        for (part, expected) in [
            ("Shop", Some("\"shop\"")),
            ("a\"b OR c*", Some("\"a\"\"b or c*\"")),
            ("ÄÖÜ", Some("\"äöü\"")),
            ("ab", None),
            ("äö", None),
            ("", None),
            ("ab\0c", None),
        ] {
            assert_eq!(phrase(part).as_deref(), expected, "{part:?}");
        }
    }
}
