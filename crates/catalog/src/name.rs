//! What names may look like.

/// A name that cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {what} {name:?} {problem}")]
pub struct BadName {
    what: &'static str,
    name: String,
    problem: &'static str,
}

/// A user name: 3 to 255 bytes of letters, digits and `.-_@+`, beginning with a letter or digit. It is
/// compared as it stands, case and all.
pub fn check_user_name(name: &str) -> Result<(), BadName> {
    let bad = |problem| BadName { what: "user name", name: name.to_owned(), problem };
    if !(3..=255).contains(&name.len()) {
        return Err(bad("must have 3 to 255 characters"));
    }
    if !name.starts_with(|first: char| first.is_alphanumeric())
        || !name.chars().all(|letter| letter.is_alphanumeric() || ".-_@+".contains(letter))
    {
        return Err(bad("may hold letters, digits and . - _ @ + only, and begins with a letter or digit"));
    }
    Ok(())
}

/// An application's name: 1 to 100 printable characters, no spaces around it.
pub fn check_application_name(name: &str) -> Result<(), BadName> {
    let bad = |problem| BadName { what: "application name", name: name.to_owned(), problem };
    if name.is_empty() || name.chars().count() > 100 {
        return Err(bad("must have 1 to 100 characters"));
    }
    if name.trim() != name || name.chars().any(char::is_control) {
        return Err(bad("must not hold control characters or begin or end with a space"));
    }
    Ok(())
}

/// An API key's name: 1 to 100 printable characters, no spaces around it.
pub fn check_api_key_name(name: &str) -> Result<(), BadName> {
    check_application_name(name).map_err(|bad| BadName { what: "API key name", ..bad })
}

/// A role's name: as a user's.
pub fn check_role_name(name: &str) -> Result<(), BadName> {
    let allowed = |letter: char| letter.is_alphanumeric() || ".-_/".contains(letter);
    if (1..=100).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    let problem = "may hold 1 to 100 letters, digits and . - _ / only";
    Err(BadName { what: "role name", name: name.to_owned(), problem })
}

/// A gateway node's name: 1 to 100 letters, digits and `.-_`.
pub fn check_node_name(name: &str) -> Result<(), BadName> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    if (1..=100).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    let problem = "may hold 1 to 100 letters, digits and . - _ only";
    Err(BadName { what: "node name", name: name.to_owned(), problem })
}

/// A tier's name: 1 to 60 letters, digits, `.`, `-`, `_`, as WSO2 allows.
pub fn check_tier_name(name: &str) -> Result<(), BadName> {
    let allowed = |letter: char| letter.is_alphanumeric() || ".-_".contains(letter);
    if (1..=60).contains(&name.chars().count()) && name.chars().all(allowed) {
        return Ok(());
    }
    let problem = "must have 1 to 60 letters, digits, dots, dashes or underscores";
    Err(BadName { what: "tier name", name: name.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let long = "x".repeat(256);
        for good in ["alice", "bob.the-2nd_x", "alice@example.org", "Åsa"] {
            assert_eq!(check_user_name(good), Ok(()), "{good}");
        }
        for bad in ["", "al", ".alice", "ali ce", "alice\n", "<b>x</b>", &long] {
            assert!(check_user_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_application_name("My App (2)").is_ok());
        for bad in ["", " x", "x\u{7}", &long] {
            assert!(check_application_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_role_name("Internal/subscriber").is_ok());
        assert!(check_role_name("a b").is_err());
        assert!(check_node_name("edge-1.eu_2").is_ok());
        for bad in ["", "a b", "a/b", &long] {
            assert!(check_node_name(bad).is_err(), "{bad:?}");
        }
    }
}
