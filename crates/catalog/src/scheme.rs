//! With which credentials an API may be called: WSO2's `securityScheme`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use latchkey_oauth::client::UnknownWord;
use serde::{Deserialize, Serialize};

/// The header that carries an API key, unless an API has another.
pub const API_KEY_HEADER: &str = "ApiKey";

/// A kind of credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scheme {
    /// An access token.
    #[serde(rename = "oauth2")]
    OAuth2,
    /// An API key.
    #[serde(rename = "api_key")]
    ApiKey,
}

impl Scheme {
    /// WSO2's name for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OAuth2 => "oauth2",
            Self::ApiKey => "api_key",
        }
    }
}

impl FromStr for Scheme {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        [Self::OAuth2, Self::ApiKey]
            .into_iter()
            .find(|scheme| scheme.as_str() == word)
            .ok_or_else(|| UnknownWord { word: word.to_owned(), expected: "oauth2, api_key" })
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The kinds that an API takes, any of which suffices; tokens alone unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schemes(BTreeSet<Scheme>);

impl Schemes {
    /// Whether calls with this kind of credential are let in.
    pub fn takes(&self, scheme: Scheme) -> bool {
        self.0.contains(&scheme)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Scheme> + '_ {
        self.0.iter().copied()
    }

    /// Whether it is what an API has that says nothing.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Schemes {
    fn default() -> Self {
        Self(BTreeSet::from([Scheme::OAuth2]))
    }
}

impl FromIterator<Scheme> for Schemes {
    fn from_iter<I: IntoIterator<Item = Scheme>>(schemes: I) -> Self {
        Self(schemes.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_have_wso2s_names_and_tokens_are_the_default() {
        let both: Schemes = [Scheme::ApiKey, Scheme::OAuth2].into_iter().collect();
        assert_eq!(serde_json::to_string(&both).unwrap(), r#"["oauth2","api_key"]"#);
        assert_eq!(serde_json::from_str::<Schemes>(r#"["api_key","oauth2"]"#).unwrap(), both);
        assert!(serde_json::from_str::<Schemes>(r#"["basic_auth"]"#).is_err());
        for scheme in both.iter() {
            assert_eq!(scheme.to_string().parse(), Ok(scheme));
        }
        assert!("mutualssl".parse::<Scheme>().is_err());
        let default = Schemes::default();
        assert!(default.takes(Scheme::OAuth2) && !default.takes(Scheme::ApiKey) && default.is_default());
    }
}
