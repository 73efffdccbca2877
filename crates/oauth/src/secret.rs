//! Text that must not be seen: passwords, consumer secrets, token values.

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// A secret text. `Debug` shows nothing, dropping it wipes the memory, comparing takes the same time
/// whatever differs; reading it needs [`Secret::expose`], which can be searched for.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes `text` over; the caller keeps no copy.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_the_text() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "Secret(…) Some(\n    Secret(…),\n)");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn comparing_is_by_text() {
        let cases =
            [("", "", true), ("a", "a", true), ("a", "b", false), ("a", "ab", false), ("", "a", false)];
        for (one, other, same) in cases {
            assert_eq!(Secret::new(one) == Secret::new(other), same, "{one} {other}");
        }
    }
}
