//! Secrets and moments as commands and replies carry them.

use std::borrow::Cow;

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::Expiry;
use latchkey_oauth::secret::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A secret that crosses the control socket, which only its owner can open. `Debug` shows nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretText(pub Secret);

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.expose())
    }
}

impl JsonSchema for SecretText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "password" })
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Secret::new(text)))
    }
}

/// A moment as RFC 3339 text in UTC with whole seconds.
pub fn moment(at: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp(at.as_seconds())
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{} s", at.as_seconds()))
}

/// The end of something: a moment, or `never`.
pub fn end(expiry: Expiry) -> String {
    match expiry {
        Expiry::At(at) => moment(at),
        Expiry::Never => "never".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_by_people() {
        assert_eq!(moment(Timestamp::from_seconds(1_700_000_000)), "2023-11-14T22:13:20Z");
        assert_eq!(moment(Timestamp::from_millis(i64::MAX)), "9223372036854775 s");
        assert_eq!(end(Expiry::Never), "never");
    }

    #[test]
    fn secrets_are_carried_and_never_shown() {
        let secret = SecretText(Secret::new("hidden"));
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"hidden\"");
        assert_eq!(serde_json::from_str::<SecretText>("\"hidden\"").unwrap(), secret);
        assert!(!format!("{secret:?}").contains("hidden"));
    }
}
