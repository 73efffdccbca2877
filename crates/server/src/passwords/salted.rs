//! Passwords that came from WSO2: the SHA-256 of password and salt.
//!
//! They are kept as they came until their users sign in; then they are hashed anew with Argon2id. A user whose
//! password could not come over has none that is right.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use latchkey_oauth::secret::Secret;
use latchkey_wso2::entry::SaltedPassword;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Verdict;

/// What begins the stored form; salt and hash follow, each in base64 and after a `$`.
const LEAD: &str = "$wso2-sha256$";
/// The stored form of no password.
const NONE: &str = "$none$";

/// The form in which a user's row keeps it.
pub fn stored(password: Option<&SaltedPassword>) -> String {
    password.map_or_else(|| NONE.to_owned(), |kept| format!("{LEAD}{}${}", kept.salt, kept.hash))
}

/// The verdict on `password`, where `stored` is of this form.
pub fn verify(password: &Secret, stored: &str) -> Option<Verdict> {
    if stored == NONE {
        return Some(Verdict::Wrong);
    }
    let (salt, hash) = stored.strip_prefix(LEAD)?.split_once('$')?;
    let expected = STANDARD.decode(hash).ok()?;
    let text = Zeroizing::new([password.expose(), salt].concat());
    let found = digest(&SHA256, text.as_bytes());
    let is_right = bool::from(found.as_ref().ct_eq(&expected));
    Some(if is_right { Verdict::RightButRehash } else { Verdict::Wrong })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(salt: &str, hash: &str) -> String {
        stored(Some(&SaltedPassword { salt: salt.to_owned(), hash: hash.to_owned() }))
    }

    #[test]
    fn a_salted_password_is_verified() {
        // printf 'wonderlandc2FsdA==' | sha256sum, in base64.
        let stored = kept("c2FsdA==", &STANDARD.encode(digest(&SHA256, b"wonderlandc2FsdA==")));
        let says = |password: &str, stored: &str| verify(&Secret::new(password), stored);
        assert_eq!(says("wonderland", &stored), Some(Verdict::RightButRehash));
        for wrong in ["", "Wonderland", "wonderlandc2FsdA=="] {
            assert_eq!(says(wrong, &stored), Some(Verdict::Wrong), "{wrong:?}");
        }
        let unsalted = kept("", &STANDARD.encode(digest(&SHA256, b"wonderland")));
        assert_eq!(says("wonderland", &unsalted), Some(Verdict::RightButRehash));
    }

    #[test]
    fn who_has_no_password_has_none_that_is_right() {
        for password in ["", NONE, "wonderland"] {
            assert_eq!(verify(&Secret::new(password), &stored(None)), Some(Verdict::Wrong));
        }
        assert_eq!(verify(&Secret::new("x"), "$argon2id$v=19$x"), None);
        assert_eq!(verify(&Secret::new("x"), &kept("", "no base64")), None);
    }
}
