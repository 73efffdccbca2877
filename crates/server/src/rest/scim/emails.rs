//! One of a user's addresses, named by what holds of it: `emails[type eq "work"].value` (RFC 7644 section 3.5.2).

use latchkey_catalog::user::Email;
use serde_json::Value;

use super::fault::ScimType;
use super::patch::Op;
use super::person::OneEmail;
use crate::rest::error::RestError;

/// Some of the addresses of a user, and what of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    condition: Condition,
    part: Part,
}

#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Kind(String),
    Value(String),
    Primary(bool),
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Value,
    Kind,
    Primary,
}

impl Chosen {
    /// What `path` chooses; none: it is no path to addresses with a condition.
    pub(super) fn read(path: &str) -> Option<Result<Self, RestError>> {
        let rest = path.strip_prefix("emails[")?;
        Some(Self::parse(rest).ok_or_else(|| {
            ScimType::InvalidPath
                .told("An address is named by `emails[type eq \"…\"]`, by `value` or by `primary`.")
        }))
    }

    fn parse(rest: &str) -> Option<Self> {
        let (condition, part) = rest.rsplit_once(']')?;
        let mut words = condition.trim().splitn(3, ' ');
        let (name, operator, value) = (words.next()?, words.next()?, words.next()?.trim());
        if !operator.eq_ignore_ascii_case("eq") {
            return None;
        }
        let text = || serde_json::from_str::<String>(value).ok();
        let condition = match name {
            "type" => Condition::Kind(text()?),
            "value" => Condition::Value(text()?),
            "primary" => Condition::Primary(value.parse().ok()?),
            _ => return None,
        };
        let part = match part {
            "" => Part::Whole,
            ".value" => Part::Value,
            ".type" => Part::Kind,
            ".primary" => Part::Primary,
            _ => return None,
        };
        Some(Self { condition, part })
    }

    fn holds(&self, email: &Email) -> bool {
        match &self.condition {
            Condition::Kind(kind) => email.kind.as_ref() == Some(kind),
            Condition::Value(value) => email.value == *value,
            Condition::Primary(primary) => email.primary == *primary,
        }
    }

    /// `held` with what `op` makes of those that are chosen. What is added where nothing is chosen is a new address of
    /// that kind.
    pub(super) fn changed(
        &self,
        mut held: Vec<Email>,
        (op, value): (Op, Value),
    ) -> Result<Vec<Email>, RestError> {
        let bad = || ScimType::InvalidValue.told("The value is of another type than that of an address.");
        if op == Op::Remove {
            return self.removed(held);
        }
        let is_there = held.iter().any(|email| self.holds(email));
        if !is_there {
            let (Op::Add, Condition::Kind(kind)) = (op, &self.condition) else {
                return Err(ScimType::NoTarget.told("No address of the user is so."));
            };
            held.push(Email { value: String::new(), kind: Some(kind.clone()), primary: false });
        }
        for email in held.iter_mut().filter(|email| self.holds(email)) {
            match self.part {
                Part::Value => value.as_str().ok_or_else(bad)?.clone_into(&mut email.value),
                Part::Kind => email.kind = Some(value.as_str().ok_or_else(bad)?.to_owned()),
                Part::Primary => email.primary = value.as_bool().ok_or_else(bad)?,
                Part::Whole => match serde_json::from_value(value.clone()).map_err(|_| bad())? {
                    OneEmail::Text(text) => email.value = text,
                    OneEmail::Whole(whole) => {
                        let kind = whole.kind.or_else(|| email.kind.take());
                        *email = Email { kind, ..whole };
                    }
                },
            }
        }
        if held.iter().any(|email| email.value.is_empty()) { Err(bad()) } else { Ok(held) }
    }

    fn removed(&self, mut held: Vec<Email>) -> Result<Vec<Email>, RestError> {
        let before = held.len();
        match self.part {
            Part::Whole | Part::Value => held.retain(|email| !self.holds(email)),
            Part::Kind | Part::Primary => {
                return Err(ScimType::Mutability.told("An address is removed whole."));
            }
        }
        if held.len() == before {
            return Err(ScimType::NoTarget.told("No address of the user is so."));
        }
        Ok(held)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rest::error::Fault;

    fn email(value: &str, kind: Option<&str>) -> Email {
        Email { value: value.to_owned(), kind: kind.map(str::to_owned), primary: false }
    }

    fn held() -> Vec<Email> {
        vec![
            email("w@example.org", Some("work")),
            email("h@example.org", Some("home")),
            email("x@example.org", None),
        ]
    }

    fn changed(path: &str, op: Op, value: Value) -> Result<Vec<Email>, RestError> {
        Chosen::read(path).unwrap()?.changed(held(), (op, value))
    }

    #[test]
    fn one_address_of_several_is_changed() {
        let work = |new: Email| vec![new, held()[1].clone(), held()[2].clone()];
        let cases = [
            (
                "emails[type eq \"work\"].value",
                Op::Replace,
                json!("n@example.org"),
                work(email("n@example.org", Some("work"))),
            ),
            (
                "emails[type EQ \"work\"].type",
                Op::Replace,
                json!("old"),
                work(email("w@example.org", Some("old"))),
            ),
            (
                "emails[value eq \"w@example.org\"]",
                Op::Replace,
                json!({"value": "n@example.org"}),
                work(email("n@example.org", Some("work"))),
            ),
            ("emails[type eq \"work\"]", Op::Remove, Value::Null, held()[1..].to_vec()),
            ("emails[primary eq false]", Op::Remove, Value::Null, Vec::new()),
            (
                "emails[type eq \"other\"].value",
                Op::Add,
                json!("o@example.org"),
                [held(), vec![email("o@example.org", Some("other"))]].concat(),
            ),
        ];
        for (path, op, value, expected) in cases {
            assert_eq!(changed(path, op, value).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn what_is_meant_by_nothing_is_refused() {
        let cases = [
            ("emails[type eq \"other\"].value", Op::Replace, json!("o@example.org"), ScimType::NoTarget),
            ("emails[type eq \"other\"]", Op::Remove, Value::Null, ScimType::NoTarget),
            ("emails[value eq \"no\"].value", Op::Add, json!("o@example.org"), ScimType::NoTarget),
            ("emails[type eq \"work\"].primary", Op::Remove, Value::Null, ScimType::Mutability),
            ("emails[type eq \"work\"].value", Op::Replace, json!(7), ScimType::InvalidValue),
            ("emails[type eq \"work\"].value", Op::Replace, json!(""), ScimType::InvalidValue),
            ("emails[type eq \"work\"].primary", Op::Replace, json!("x"), ScimType::InvalidValue),
            ("emails[type eq work].value", Op::Replace, json!("x"), ScimType::InvalidPath),
            ("emails[type ne \"work\"]", Op::Remove, Value::Null, ScimType::InvalidPath),
            ("emails[display eq \"x\"]", Op::Remove, Value::Null, ScimType::InvalidPath),
            ("emails[type eq \"work\"].display", Op::Replace, json!("x"), ScimType::InvalidPath),
            ("emails[type eq \"work\"", Op::Remove, Value::Null, ScimType::InvalidPath),
        ];
        for (path, op, value, expected) in cases {
            assert_eq!(changed(path, op, value).unwrap_err().fault, Fault::Scim(expected), "{path}");
        }
        assert!(Chosen::read("emails").is_none() && Chosen::read("name").is_none());
    }
}
