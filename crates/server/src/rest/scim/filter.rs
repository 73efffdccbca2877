//! Filters (RFC 7644 section 3.4.2.2), as far as they are of use here: `eq`, `co` and `sw`, joined by `and`.
//! Everything else is refused by name, never taken for something else.

use latchkey_catalog::user::search::{Comparison, Condition, Field, UserSearch};
use latchkey_oauth::introspection::unqualified;

use super::fault::ScimType;
use crate::rest::error::RestError;

/// The longest filter, in bytes.
const MAX_FILTER: usize = 2048;
/// The most conditions of one filter.
const MAX_CONDITIONS: usize = 10;

/// The schema of users, which may stand before an attribute.
const USER_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:user:";

/// What a filter of users asks for.
pub(super) fn users(filter: &str) -> Result<UserSearch, RestError> {
    let conditions = parse(filter)?.into_iter().map(|(attribute, comparison, value)| {
        let name = attribute.strip_prefix(USER_SCHEMA).unwrap_or(&attribute);
        let field = match name {
            "id" => Field::Id,
            "username" => Field::Name,
            "name.givenname" => Field::GivenName,
            "name.familyname" => Field::FamilyName,
            "emails" | "emails.value" => Field::Email,
            "groups" | "groups.display" | "roles" | "roles.display" => Field::Role,
            _ => return Err(refused("users are not looked for by that attribute")),
        };
        if field == Field::Id && comparison != Comparison::Equals {
            return Err(refused("an id is compared by eq only"));
        }
        let value = if field == Field::Name { unqualified(&value).to_owned() } else { value };
        Ok(Condition { field, comparison, value })
    });
    Ok(UserSearch(conditions.collect::<Result<_, _>>()?))
}

/// The names, of those of groups or roles, that a filter lets through.
pub(super) fn names(filter: &str) -> Result<impl Fn(&str) -> bool + use<>, RestError> {
    let conditions = parse(filter)?;
    if conditions.iter().any(|(attribute, ..)| attribute != "displayname") {
        return Err(refused("groups and roles are looked for by displayName only"));
    }
    Ok(move |name: &str| {
        conditions.iter().all(|(_, comparison, value)| match comparison {
            Comparison::Equals => name == value,
            Comparison::Contains => name.contains(value),
            Comparison::StartsWith => name.starts_with(value),
        })
    })
}

fn refused(why: &str) -> RestError {
    ScimType::InvalidFilter.told(format!("The filter is not understood: {why}."))
}

/// The conditions, each with its attribute in lower case.
fn parse(filter: &str) -> Result<Vec<(String, Comparison, String)>, RestError> {
    if filter.len() > MAX_FILTER {
        return Err(refused("it is too long"));
    }
    let mut conditions = Vec::new();
    let mut rest = filter.trim_start();
    loop {
        let (attribute, after) = word(rest);
        let (operator, after) = word(after);
        let comparison = match operator.to_ascii_lowercase().as_str() {
            "eq" => Comparison::Equals,
            "co" => Comparison::Contains,
            "sw" => Comparison::StartsWith,
            _ => return Err(refused("a condition is an attribute, one of eq, co and sw, and a value")),
        };
        let (value, after) = value(after)?;
        conditions.push((attribute.to_ascii_lowercase(), comparison, value));
        if conditions.len() > MAX_CONDITIONS {
            return Err(refused("it has too many conditions"));
        }
        if after.is_empty() {
            return Ok(conditions);
        }
        let (joint, after) = word(after);
        if !joint.eq_ignore_ascii_case("and") {
            return Err(refused("conditions are joined by `and` only"));
        }
        rest = after;
    }
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    (word, rest.trim_start())
}

/// A JSON string, or a bare word, which WSO2 takes too.
fn value(text: &str) -> Result<(String, &str), RestError> {
    if !text.starts_with('"') {
        let (word, rest) = word(text);
        let is_bare = !word.is_empty() && !word.contains(['"', '(', ')', '[', ']']);
        return if is_bare {
            Ok((word.to_owned(), rest))
        } else {
            Err(refused("a value is missing or malformed"))
        };
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let Some(Ok(value)) = values.next() else { return Err(refused("a value is no JSON string")) };
    let rest = &text[values.byte_offset()..];
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(refused("after a value comes `and` or nothing"));
    }
    Ok((value, rest.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(field: Field, comparison: Comparison, value: &str) -> Condition {
        Condition { field, comparison, value: value.to_owned() }
    }

    #[test]
    fn conditions_are_read() {
        use Comparison::{Contains, Equals, StartsWith};
        let table = [
            ("userName eq alice", vec![of(Field::Name, Equals, "alice")]),
            ("userName eq \"PRIMARY/alice\"", vec![of(Field::Name, Equals, "alice")]),
            ("  USERNAME Eq  \"al ice\" ", vec![of(Field::Name, Equals, "al ice")]),
            (
                "urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"a\\\"b\"",
                vec![of(Field::Name, StartsWith, "a\"b")],
            ),
            (
                "emails.value co \".org\" and name.familyName eq \"O and E\" AND groups eq reader",
                vec![
                    of(Field::Email, Contains, ".org"),
                    of(Field::FamilyName, Equals, "O and E"),
                    of(Field::Role, Equals, "reader"),
                ],
            ),
        ];
        for (text, expected) in table {
            assert_eq!(users(text).unwrap(), UserSearch(expected), "{text}");
        }
        let fits = names("displayName sw \"Internal/\"").unwrap();
        assert_eq!(["Internal/x", "admin"].map(fits), [true, false]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let many = ["id eq x"; MAX_CONDITIONS + 1].join(" and ");
        let long = format!("id eq {}", "x".repeat(MAX_FILTER));
        for bad in [
            "",
            "userName",
            "userName eq",
            "userName pr",
            "userName ne x",
            "userName eq x or userName eq y",
            "not (userName eq x)",
            "(userName eq x)",
            "userName eq \"x",
            "userName eq \"x\"y",
            "userName eq x and",
            "emails[type eq \"work\"] eq x",
            "password eq x",
            "id sw x",
            "userName eq x y",
            &many,
            &long,
        ] {
            assert_eq!(
                users(bad).unwrap_err().fault,
                crate::rest::error::Fault::Scim(ScimType::InvalidFilter),
                "{bad}"
            );
        }
        assert!(names("members eq x").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = users(&text);
            let _ = names(&text);
        }

        #[test]
        fn any_value_is_read_as_it_was_written(value in "\\PC{0,100}", other in "\\PC{0,100}") {
            let written = |value: &str| serde_json::to_string(value).unwrap();
            let text = format!("emails eq {} and roles sw {}", written(&value), written(&other));
            let expected = UserSearch(vec![
                of(Field::Email, Comparison::Equals, &value),
                of(Field::Role, Comparison::StartsWith, &other),
            ]);
            proptest::prop_assert_eq!(users(&text).unwrap(), expected);
        }
    }
}
