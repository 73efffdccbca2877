//! The `query` of listings: words, each perhaps for one field, as `name:Echo version:1.0.0`.

use super::super::error::RestError;

/// The most words of a query.
const MOST: usize = 10;
/// The longest query, in characters.
const LONGEST: usize = 500;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Query {
    words: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    /// The field; none: the entry's main one.
    field: Option<String>,
    text: String,
    whole: Whole,
}

/// How much of a value a word must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// Some part.
    Part,
    /// Its end: the word ends with `$`.
    End,
    /// All of it: the word stands in double quotes.
    All,
}

impl Query {
    /// Reads a query: words with spaces between them, in double quotes where they hold spaces.
    pub(crate) fn parse(text: &str) -> Result<Self, RestError> {
        if text.chars().count() > LONGEST {
            return Err(RestError::bad("The query is too long."));
        }
        let mut words = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            if words.len() == MOST {
                return Err(RestError::bad("The query has too many words."));
            }
            let (word, after) = word(rest);
            words.push(word);
            rest = after.trim_start();
        }
        Ok(Self { words })
    }

    /// Whether every word is found: `values` gives the values of a field, or nothing where there is no such field.
    pub(crate) fn finds<'a>(&self, values: impl Fn(Option<&str>) -> Vec<&'a str>) -> bool {
        self.words.iter().all(|word| values(word.field.as_deref()).iter().any(|value| word.is_in(value)))
    }
}

impl Word {
    fn is_in(&self, value: &str) -> bool {
        let value = value.to_lowercase();
        match self.whole {
            Whole::Part => value.contains(&self.text),
            Whole::End => value.ends_with(&self.text),
            Whole::All => value == self.text,
        }
    }
}

/// The first word of `text`, and what follows it.
fn word(text: &str) -> (Word, &str) {
    let plain_end = text.find(char::is_whitespace).unwrap_or(text.len());
    let colon = text[..plain_end].find(':').filter(|_| !text.starts_with('"'));
    let (field, value) = match colon {
        Some(at) => (Some(text[..at].to_lowercase()), &text[at + 1..]),
        None => (None, text),
    };
    let (found, whole, rest) =
        if let Some((inner, rest)) = value.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
            (inner, Whole::All, rest)
        } else {
            let end = value.find(char::is_whitespace).unwrap_or(value.len());
            let (found, rest) = value.split_at(end);
            let found = found.trim_matches('*');
            found.strip_suffix('$').map_or((found, Whole::Part, rest), |found| (found, Whole::End, rest))
        };
    (Word { field, text: found.to_lowercase(), whole }, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(query: &str) -> bool {
        let values = |field: Option<&str>| match field {
            None | Some("name") => vec!["Pizza Shack"],
            Some("version") => vec!["1.0.0"],
            Some("tags") => vec!["food", "cheap"],
            Some(_) => Vec::new(),
        };
        Query::parse(query).unwrap().finds(values)
    }

    #[test]
    fn words_are_looked_for_in_their_fields() {
        let found = [
            "",
            "  ",
            "pizza",
            "SHACK",
            "*shack*",
            "name:shack$",
            "name:\"pizza shack\"",
            "\"Pizza Shack\"",
            "version:1.0",
            "name:pizza version:1.0.0",
            "tags:cheap tags:food",
            "name:",
        ];
        let absent = [
            "burger",
            "name:pizza$",
            "\"pizza\"",
            "name:\"shack\"",
            "version:2",
            "name:pizza version:2",
            "flavour:any",
            "tags:expensive",
        ];
        assert_eq!(found.map(finds), [true; 12], "{found:?}");
        assert_eq!(absent.map(finds), [false; 8], "{absent:?}");
    }

    #[test]
    fn queries_are_bounded() {
        assert!(Query::parse(&"a ".repeat(10)).is_ok());
        assert!(Query::parse(&"a ".repeat(11)).is_err());
        assert!(Query::parse(&"a".repeat(501)).is_err());
    }
}
