//! What a setting's value may be.

use std::net::SocketAddr;

use ipnet::IpNet;
use regex::Regex;
use toml::Value;

use super::duration::Duration;

/// What values a setting accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number from the first to the second, both included.
    Integer(i64, i64),
    /// A token's life in seconds; negative for one that never expires. Zero would be dead at birth.
    Validity,
    /// A [`Duration`] from the first to the second, both included.
    Span(Duration, Duration),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An IP address and a port; port 0 takes any free one.
    Address,
    /// Any text.
    Text,
    /// A list of networks such as `10.0.0.0/8`.
    Networks,
    /// A list of regular expressions.
    Patterns,
    /// A list of files.
    Files,
}

/// The longest finite token life: a hundred years. What is to live longer shall say that it never ends.
pub const LONGEST_VALIDITY: i64 = 3_153_600_000;

impl Kind {
    /// Whether a value is text, so that it needs no quotes in the environment and on the command line.
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Span(..) | Self::Choice(_) | Self::Address | Self::Text)
    }

    /// Whether `value` is of this kind.
    pub fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Flag, Value::Boolean(_)) | (Self::Text, Value::String(_)) => true,
            (Self::Integer(least, most), Value::Integer(number)) => (least..=most).contains(number),
            (Self::Validity, Value::Integer(number)) => *number != 0 && *number <= LONGEST_VALIDITY,
            (Self::Span(least, most), Value::String(text)) => {
                Duration::parse(text).is_some_and(|duration| (least..=most).contains(&duration))
            }
            (Self::Choice(words), Value::String(text)) => words.contains(&text.as_str()),
            (Self::Address, Value::String(text)) => text.parse::<SocketAddr>().is_ok(),
            (Self::Networks, Value::Array(items)) => all_text(items, |text| text.parse::<IpNet>().is_ok()),
            (Self::Patterns, Value::Array(items)) => all_text(items, |text| Regex::new(text).is_ok()),
            (Self::Files, Value::Array(items)) => all_text(items, |text| !text.is_empty()),
            _ => false,
        }
    }

    /// What a value must be, as the end of the sentence "it must be …".
    pub fn expectation(self) -> String {
        match self {
            Self::Flag => "true or false".into(),
            Self::Integer(least, most) => format!("a whole number from {least} to {most}"),
            Self::Validity => {
                format!(
                    "a whole number of seconds from 1 to {LONGEST_VALIDITY}, or negative for \"never expires\""
                )
            }
            Self::Span(least, most) => {
                format!("a duration from \"{least}\" to \"{most}\": a whole number and ms, s, m, h or d")
            }
            Self::Choice(words) => {
                let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                format!("one of {}", quoted.join(", "))
            }
            Self::Address => "an IP address and a port, such as \"127.0.0.1:9443\"".into(),
            Self::Text => "text".into(),
            Self::Networks => "a list of networks, such as [\"10.0.0.0/8\", \"::1/128\"]".into(),
            Self::Patterns => "a list of regular expressions, such as [\"^device_.*\", \"openid\"]".into(),
            Self::Files => "a list of files, such as [\"/etc/latchkey/ca.pem\"]".into(),
        }
    }
}

/// Whether every item is text and satisfies `rule`.
fn all_text(items: &[Value], rule: impl Fn(&str) -> bool) -> bool {
    items.iter().all(|item| item.as_str().is_some_and(&rule))
}
