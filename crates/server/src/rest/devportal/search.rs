//! The `query` of listings: words, each perhaps for one field, as `name:Echo version:1.0.0`.

use latchkey_store::publishing::ApiCondition;
use latchkey_store::registry::TextMatch;

use super::super::error::RestError;

/// The most words of a query.
const MOST: usize = 10;
/// The longest query, in characters.
const LONGEST: usize = 500;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sought {
    /// APIs of which all of this holds.
    Apis(Vec<ApiCondition>),
    /// Something that no API has.
    Nothing,
}

/// Reads a query: words with spaces between them, in double quotes where they hold spaces or are to be the whole
/// value, as are those that end with `$`.
pub(crate) fn read(text: &str) -> Result<Sought, RestError> {
    if text.chars().count() > LONGEST {
        return Err(RestError::bad("The query is too long."));
    }
    let mut conditions = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if conditions.len() == MOST {
            return Err(RestError::bad("The query has too many words."));
        }
        let (condition, after) = word(rest);
        let Some(condition) = condition else { return Ok(Sought::Nothing) };
        conditions.push(condition);
        rest = after.trim_start();
    }
    Ok(Sought::Apis(conditions))
}

/// The condition of the first word of `text`, none where its field is none of ours, and what follows it.
fn word(text: &str) -> (Option<ApiCondition>, &str) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let colon = text[..end].find(':').filter(|_| !text.starts_with('"'));
    let (field, value) = colon.map_or((None, text), |at| (Some(&text[..at]), &text[at + 1..]));
    let quoted = value.strip_prefix('"').and_then(|rest| rest.split_once('"'));
    let (found, wanted, rest) = if let Some((inner, rest)) = quoted {
        (inner, TextMatch::Exactly(inner.to_owned()), rest)
    } else {
        let end = value.find(char::is_whitespace).unwrap_or(value.len());
        let (found, rest) = value.split_at(end);
        let found = found.trim_matches('*');
        let wanted = match found.strip_suffix('$') {
            Some(found) => TextMatch::Exactly(found.to_owned()),
            None => TextMatch::Containing(found.to_owned()),
        };
        (found, wanted, rest)
    };
    let condition = match field.map(str::to_ascii_lowercase).as_deref() {
        None => Some(ApiCondition::Anything(wanted)),
        Some("name") => Some(ApiCondition::Name(wanted)),
        Some("context") => Some(ApiCondition::Context(wanted)),
        Some("version") => Some(ApiCondition::Version(wanted)),
        Some("provider") => Some(ApiCondition::Provider(wanted)),
        Some("description") => Some(ApiCondition::Description(wanted)),
        Some("tag" | "tags") => Some(ApiCondition::Tag(found.to_owned())),
        Some(_) => None,
    };
    (condition, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_conditions_on_their_fields() {
        use ApiCondition::{Anything, Name, Tag, Version};
        let part = |text: &str| TextMatch::Containing(text.to_owned());
        let whole = |text: &str| TextMatch::Exactly(text.to_owned());
        let cases = [
            ("", vec![]),
            ("  ", vec![]),
            ("Pizza", vec![Anything(part("Pizza"))]),
            ("*shack*", vec![Anything(part("shack"))]),
            ("name:Echo$", vec![Name(whole("Echo"))]),
            ("Name:\"Pizza Shack\" version:1.0.0", vec![Name(whole("Pizza Shack")), Version(part("1.0.0"))]),
            ("\"Pizza Shack\"", vec![Anything(whole("Pizza Shack"))]),
            ("tags:cheap tag:Food", vec![Tag("cheap".to_owned()), Tag("Food".to_owned())]),
            ("name:", vec![Name(part(""))]),
            ("\"open", vec![Anything(part("\"open"))]),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), Ok(Sought::Apis(expected)), "{text}");
        }
        assert_eq!(read("name:x flavour:any"), Ok(Sought::Nothing));
    }

    #[test]
    fn queries_are_bounded() {
        assert!(read(&"a ".repeat(10)).is_ok());
        assert!(read(&"a ".repeat(11)).is_err());
        assert!(read(&"a".repeat(501)).is_err());
    }
}
