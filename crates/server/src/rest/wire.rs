//! Values that clients write in more ways than one.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A member that may be `null`, which says as much as its absence.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// A text, a number or a truth value, as text: scripts write `3600` where WSO2 says `"3600"`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Word(pub(crate) String);

impl Word {
    /// The value, where it is a `T`.
    pub(crate) fn read<T: FromStr>(&self) -> Option<T> {
        self.0.trim().parse().ok()
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyWord)
    }
}

impl JsonSchema for Word {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean", "null"] })
    }
}

/// The schema of a member that is one of `all`.
pub(crate) fn words(all: &[impl Serialize]) -> Schema {
    json_schema!({ "type": "string", "enum": all })
}

struct AnyWord;

impl Visitor<'_> for AnyWord {
    type Value = Word;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text, a number or a truth value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Word, E> {
        Ok(Word(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Word, E> {
        Ok(Word(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Word, E> {
        Ok(Word(number.to_string()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Word, E> {
        Ok(Word(number.to_string()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Word, E> {
        Ok(Word(value.to_string()))
    }

    fn visit_unit<E: Error>(self) -> Result<Word, E> {
        Ok(Word::default())
    }
}

/// The texts of a map of words.
pub(crate) fn texts(words: BTreeMap<String, Word>) -> BTreeMap<String, String> {
    words.into_iter().map(|(name, Word(value))| (name, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_written_in_several_ways() {
        let read = |text: &str| serde_json::from_str::<Word>(text).map(|word| word.0).ok();
        let cases = [
            ("\"3600\"", Some("3600")),
            ("3600", Some("3600")),
            ("-1", Some("-1")),
            ("9223372036854775807", Some("9223372036854775807")),
            ("true", Some("true")),
            ("null", Some("")),
            ("[]", None),
            ("{}", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).as_deref(), expected, "{text}");
        }
        assert_eq!(Word(" 5 ".to_owned()).read::<u64>(), Some(5));
        assert_eq!(Word("five".to_owned()).read::<u64>(), None);
    }
}
