//! Dumps of databases, as `mysqldump`, `pg_dump` and H2's `SCRIPT` write them, row by row.
//!
//! Statements that make or fill a table of [`TABLES`] are understood; everything else is passed over. Columns are
//! known by name: from the statement that fills the table, else from the one that makes it.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::BufRead;
use std::ops::Range;

use crate::lexer::{Backslash, Keep, LexError, Lexer, Token, code_points};
use crate::tables::{self, Alias, TABLES};

/// The most columns of a table.
const MAX_COLUMNS: usize = 512;
/// How much is looked at to tell who wrote a dump.
const LOOK: usize = 16 * 1024;

/// What is wrong with a dump, and where. Nothing of its text is shown.
#[derive(Debug, thiserror::Error)]
#[error("{file}, line {line}{}: {problem}", .table.as_ref().map(|table| format!(", table {table}")).unwrap_or_default())]
pub struct DumpError {
    /// The name of the file.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The table.
    pub table: Option<String>,
    /// What is wrong.
    pub problem: String,
}

/// A row of a table: the columns that [`TABLES`] names, in that order.
#[derive(Debug, Default)]
pub struct Row {
    bytes: Vec<u8>,
    fields: Vec<Option<Range<usize>>>,
}

impl Row {
    /// The value of a column; none: it is null, or the dump does not have it.
    pub fn get(&self, column: usize) -> Option<&[u8]> {
        self.fields.get(column)?.clone().map(|range| &self.bytes[range])
    }

    fn begin(&mut self, filled: &Filled) {
        self.bytes.clear();
        self.fields.clear();
        self.fields.resize(TABLES[filled.table].columns.len(), None);
        if let Some(alias) = filled.alias {
            self.set(0, alias.mark.as_bytes());
        }
    }

    fn set(&mut self, column: usize, value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.fields[column] = Some(start..self.bytes.len());
    }
}

/// A table that is being filled, and which of its columns go where.
#[derive(Debug, Clone)]
struct Filled {
    table: usize,
    alias: Option<Alias>,
    columns: Vec<Option<usize>>,
}

/// What takes the rows; a sentence is why it cannot.
pub trait Rows {
    /// Takes a row of the table of this number.
    fn take(&mut self, table: usize, row: &Row) -> Result<(), String>;

    /// How many bytes of the dump are read, told now and then.
    fn read(&mut self, bytes: u64);
}

/// Reads a dump, called `file` in errors, to its end; answers how many rows were taken.
pub fn read(mut input: impl BufRead, file: &str, rows: &mut dyn Rows) -> Result<u64, DumpError> {
    let backslash = match input.fill_buf() {
        Ok(head) => written_by(&head[..head.len().min(LOOK)]),
        Err(_) => Backslash::Plain,
    };
    let mut reader = Reader {
        lexer: Lexer::new(input, backslash),
        known: HashMap::new(),
        row: Row::default(),
        rows,
        taken: 0,
        table: None,
    };
    match reader.statements() {
        Ok(()) => Ok(reader.taken),
        Err(problem) => Err(DumpError {
            file: file.to_owned(),
            line: reader.lexer.line(),
            table: reader.table.take(),
            problem: problem.to_string(),
        }),
    }
}

/// `MySQL` and `MariaDB` say who they are in the first line, and put names in backticks.
fn written_by(head: &[u8]) -> Backslash {
    let has = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
    if has(b"MySQL dump") || has(b"MariaDB dump") || head.contains(&b'`') {
        Backslash::Escape
    } else {
        Backslash::Plain
    }
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Lex(#[from] LexError),
    #[error("the file ends inside a statement")]
    Unfinished,
    #[error("the columns are not known: no statement before makes the table or names them")]
    NoColumns,
    #[error("a row has more values than the table has columns")]
    TooManyValues,
    #[error("the table has more than {MAX_COLUMNS} columns")]
    TooManyColumns,
    #[error("{0}")]
    NotTaken(String),
}

type Read<T> = Result<T, Problem>;

struct Reader<'a, R> {
    lexer: Lexer<R>,
    known: HashMap<String, Vec<Option<usize>>>,
    row: Row,
    rows: &'a mut dyn Rows,
    taken: u64,
    table: Option<String>,
}

impl<R: BufRead> Reader<'_, R> {
    fn statements(&mut self) -> Read<()> {
        loop {
            self.table = None;
            self.rows.read(self.lexer.read());
            match self.lexer.next(Keep::Yes)? {
                Token::End => return Ok(()),
                Token::Mark(b';') => {}
                // A command of `psql`, which takes a line.
                Token::Mark(b'\\') => self.lexer.skip_line()?,
                Token::Word => match self.lexer.text().to_ascii_uppercase().as_slice() {
                    b"CREATE" => self.create()?,
                    b"INSERT" | b"REPLACE" => self.insert()?,
                    b"COPY" => self.copy()?,
                    b"DELIMITER" => self.skip_routines()?,
                    _ => self.skip()?,
                },
                Token::Name | Token::Text | Token::Number | Token::Mark(_) => self.skip()?,
            }
        }
    }

    /// Passes over the rest of a statement.
    fn skip(&mut self) -> Read<()> {
        loop {
            if matches!(self.lexer.next(Keep::No)?, Token::Mark(b';') | Token::End) {
                return Ok(());
            }
        }
    }

    /// Passes over what stands between `DELIMITER ;;` and `DELIMITER ;`.
    fn skip_routines(&mut self) -> Read<()> {
        self.lexer.skip_line()?;
        loop {
            match self.lexer.next(Keep::No)? {
                Token::End => return Ok(()),
                Token::Word if self.lexer.text().eq_ignore_ascii_case(b"DELIMITER") => {
                    self.lexer.skip_line()?;
                    return Ok(());
                }
                Token::Word | Token::Name | Token::Text | Token::Number | Token::Mark(_) => {}
            }
        }
    }

    fn word(&self) -> String {
        String::from_utf8_lossy(self.lexer.text()).to_ascii_uppercase()
    }

    /// A name, perhaps with schemas before it, of which the last part counts; and the token after it.
    fn name(&mut self, first: Token) -> Read<(String, Token)> {
        let mut token = first;
        let mut name = String::new();
        while matches!(token, Token::Word | Token::Name) {
            name = self.word();
            token = self.lexer.next(Keep::Yes)?;
            if token != Token::Mark(b'.') {
                break;
            }
            token = self.lexer.next(Keep::Yes)?;
        }
        Ok((name, token))
    }

    fn create(&mut self) -> Read<()> {
        // What a table may be called besides: `CREATE CACHED TABLE`.
        for _ in 0..4 {
            match self.lexer.next(Keep::Yes)? {
                Token::Word if self.lexer.text().eq_ignore_ascii_case(b"TABLE") => {
                    return self.create_table();
                }
                Token::Word => {}
                Token::Mark(b';') | Token::End => return Ok(()),
                Token::Name | Token::Text | Token::Number | Token::Mark(_) => break,
            }
        }
        self.skip()
    }

    fn create_table(&mut self) -> Read<()> {
        let mut first = self.lexer.next(Keep::Yes)?;
        while first == Token::Word && ["IF", "NOT", "EXISTS"].contains(&self.word().as_str()) {
            first = self.lexer.next(Keep::Yes)?;
        }
        let (name, token) = self.name(first)?;
        self.table = Some(name.clone());
        let Some((table, alias)) = tables::find(&name).filter(|_| token == Token::Mark(b'(')) else {
            return if token == Token::Mark(b';') { Ok(()) } else { self.skip() };
        };
        let mut columns = Vec::new();
        let (mut depth, mut begins) = (0_u32, true);
        loop {
            let token = self.lexer.next(Keep::Yes)?;
            match token {
                Token::End => return Err(Problem::Unfinished),
                Token::Mark(b'(') => depth += 1,
                Token::Mark(b')') if depth == 0 => break,
                Token::Mark(b')') => depth -= 1,
                Token::Mark(b',') if depth == 0 => {
                    begins = true;
                    continue;
                }
                Token::Name if begins => columns.push(tables::column(table, &self.word(), alias)),
                Token::Word if begins && !is_constraint(&self.word()) => {
                    columns.push(tables::column(table, &self.word(), alias));
                }
                Token::Word | Token::Name | Token::Text | Token::Number | Token::Mark(_) => {}
            }
            begins = false;
            if columns.len() > MAX_COLUMNS {
                return Err(Problem::TooManyColumns);
            }
        }
        self.known.insert(name, columns);
        self.skip()
    }

    /// The columns in parentheses, of which the first is open.
    fn column_list(&mut self, (table, alias): (usize, Option<Alias>)) -> Read<Vec<Option<usize>>> {
        let mut columns = Vec::new();
        loop {
            match self.lexer.next(Keep::Yes)? {
                Token::Word | Token::Name => columns.push(tables::column(table, &self.word(), alias)),
                Token::Mark(b')') => return Ok(columns),
                Token::End => return Err(Problem::Unfinished),
                Token::Text | Token::Number | Token::Mark(_) => {}
            }
            if columns.len() > MAX_COLUMNS {
                return Err(Problem::TooManyColumns);
            }
        }
    }

    /// The table that a statement fills and the token after it; none where nobody wants it.
    fn filled(&mut self) -> Read<Option<(Filled, Token)>> {
        let first = self.lexer.next(Keep::Yes)?;
        let (name, token) = self.name(first)?;
        let Some((table, alias)) = tables::find(&name) else {
            return Ok(None);
        };
        self.table = Some(name.clone());
        let (columns, token) = if token == Token::Mark(b'(') {
            let columns = self.column_list((table, alias))?;
            (Some(columns), self.lexer.next(Keep::Yes)?)
        } else {
            (self.known.get(&name).cloned(), token)
        };
        let columns = columns.ok_or(Problem::NoColumns)?;
        Ok(Some((Filled { table, alias, columns }, token)))
    }

    fn insert(&mut self) -> Read<()> {
        loop {
            match self.lexer.next(Keep::Yes)? {
                Token::Word if self.lexer.text().eq_ignore_ascii_case(b"INTO") => break,
                Token::Word => {}
                Token::Mark(b';') | Token::End => return Ok(()),
                Token::Name | Token::Text | Token::Number | Token::Mark(_) => return self.skip(),
            }
        }
        let Some((filled, mut token)) = self.filled()? else { return self.skip() };
        // `OVERRIDING SYSTEM VALUE` may stand before.
        while token == Token::Word && !self.lexer.text().eq_ignore_ascii_case(b"VALUES") {
            if self.lexer.text().eq_ignore_ascii_case(b"SELECT") {
                return self.skip();
            }
            token = self.lexer.next(Keep::Yes)?;
        }
        loop {
            match self.lexer.next(Keep::No)? {
                Token::Mark(b'(') => {
                    self.values(&filled)?;
                    self.hand_over(filled.table)?;
                }
                Token::Mark(b',') => {}
                Token::Mark(b';') => return Ok(()),
                Token::End => return Err(Problem::Unfinished),
                Token::Word | Token::Name | Token::Text | Token::Number | Token::Mark(_) => {
                    return self.skip();
                }
            }
        }
    }

    fn hand_over(&mut self, table: usize) -> Read<()> {
        self.rows.take(table, &self.row).map_err(Problem::NotTaken)?;
        self.taken += 1;
        if self.taken.is_multiple_of(1024) {
            self.rows.read(self.lexer.read());
        }
        Ok(())
    }

    /// The values of a row up to the parenthesis that closes it. A value is the first literal of its expression, so
    /// that casts and types before literals do not matter.
    fn values(&mut self, filled: &Filled) -> Read<()> {
        self.row.begin(filled);
        let (mut column, mut depth, mut found, mut decodes) = (0, 0_u32, false, false);
        loop {
            let Some(wanted) = filled.columns.get(column) else { return Err(Problem::TooManyValues) };
            let keep = if wanted.is_some() && !found { Keep::Yes } else { Keep::No };
            let token = self.lexer.next(keep)?;
            match token {
                Token::Text | Token::Number => {
                    if let Some(wanted) = wanted.filter(|_| !found) {
                        let plain = decodes.then(|| code_points(self.lexer.text(), b"\\u"));
                        self.row.set(wanted, plain.as_deref().unwrap_or(self.lexer.text()));
                    }
                    found = true;
                }
                Token::Word if !found => match self.word().as_str() {
                    "NULL" => found = true,
                    "STRINGDECODE" => decodes = true,
                    truth @ ("TRUE" | "FALSE") => {
                        found = true;
                        if let Some(wanted) = *wanted {
                            self.row.set(wanted, truth.as_bytes());
                        }
                    }
                    _ => {}
                },
                Token::Mark(b'(') => depth += 1,
                Token::Mark(b')') if depth == 0 => return Ok(()),
                Token::Mark(b')') => depth -= 1,
                Token::Mark(b',') if depth == 0 => {
                    column += 1;
                    (found, decodes) = (false, false);
                }
                Token::End => return Err(Problem::Unfinished),
                Token::Word | Token::Name | Token::Mark(_) => {}
            }
        }
    }

    /// Rows that follow the statement, one a line, with tabs between the values.
    fn copy(&mut self) -> Read<()> {
        let filled = self.filled()?;
        let is_wanted = filled.is_some();
        let mut copies = false;
        let mut token = filled.as_ref().map(|(_, token)| *token);
        loop {
            match token.take().map_or_else(|| self.lexer.next(Keep::Yes), Ok)? {
                Token::Word if self.lexer.text().eq_ignore_ascii_case(b"STDIN") => copies = true,
                Token::Mark(b';') => break,
                Token::End => return Err(Problem::Unfinished),
                Token::Word | Token::Name | Token::Text | Token::Number | Token::Mark(_) => {}
            }
        }
        self.lexer.skip_line()?;
        if !copies || !self.lexer.copied_line(Keep::No)? {
            return Ok(());
        }
        let keep = if is_wanted { Keep::Yes } else { Keep::No };
        while self.lexer.copied_line(keep)? {
            if let Some((filled, _)) = &filled {
                copied(self.lexer.text(), filled, &mut self.row)?;
                self.hand_over(filled.table)?;
            }
        }
        Ok(())
    }
}

/// Whether an item of `CREATE TABLE` is no column.
fn is_constraint(word: &str) -> bool {
    [
        "PRIMARY",
        "UNIQUE",
        "KEY",
        "INDEX",
        "CONSTRAINT",
        "FOREIGN",
        "CHECK",
        "FULLTEXT",
        "SPATIAL",
        "EXCLUDE",
        "LIKE",
    ]
    .contains(&word)
}

/// Takes a copied line apart.
fn copied(line: &[u8], filled: &Filled, row: &mut Row) -> Read<()> {
    row.begin(filled);
    let mut value = Vec::new();
    for (column, field) in line.split(|byte| *byte == b'\t').enumerate() {
        let wanted = filled.columns.get(column).ok_or(Problem::TooManyValues)?;
        let (Some(wanted), false) = (*wanted, field == b"\\N") else { continue };
        value.clear();
        unescape_copied(field, &mut value);
        row.set(wanted, &value);
    }
    Ok(())
}

fn unescape_copied(field: &[u8], out: &mut Vec<u8>) {
    let mut rest = field;
    while let Some(place) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..place]);
        let escaped = rest.get(place + 1).copied().unwrap_or(b'\\');
        let digits = rest[(place + 1).min(rest.len())..]
            .iter()
            .take(3)
            .take_while(|byte| (b'0'..b'8').contains(byte))
            .count();
        if digits > 0 {
            let octal = &rest[place + 1..place + 1 + digits];
            out.push(octal.iter().fold(0, |code: u8, digit| code.wrapping_mul(8).wrapping_add(digit - b'0')));
            rest = &rest[place + 1 + digits..];
            continue;
        }
        out.push(match escaped {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            other => other,
        });
        rest = &rest[(place + 2).min(rest.len())..];
    }
    out.extend_from_slice(rest);
}
