use proptest::prelude::*;

use super::*;
use crate::family::Subject;
use crate::samples::{CLIENT, CONSUMER_KEY, family};
use crate::scope::Scope;

fn facts(username: Option<&str>) -> IntrospectionFacts<'_> {
    IntrospectionFacts { issuer: "https://localhost:9443/oauth2/token", client_id: CONSUMER_KEY, username }
}

#[test]
fn the_answers_about_active_tokens() {
    let mut user = family(1, "a device_ipad");
    user.access.scope = Scope::parse("a").unwrap();
    let mut application = family(2, "default");
    application.subject = Subject { kind: SubjectType::Application, id: CLIENT };
    application.refresh = None;
    application.access.expires = Expiry::Never;
    let answers = [
        ActiveToken::of(ValueKind::Access, &user, facts(Some("alice"))),
        ActiveToken::of(ValueKind::Refresh, &user, facts(Some("alice"))),
        ActiveToken::of(ValueKind::Access, &application, facts(None)),
    ];
    insta::assert_snapshot!(serde_json::to_string_pretty(&answers).unwrap());
    assert_eq!(INACTIVE, serde_json::json!({"active": false}).to_string());
}

#[test]
fn names_with_and_without_tenant_and_store() {
    let cases = [
        ("alice", "alice"),
        ("alice@carbon.super", "alice"),
        ("PRIMARY/alice", "alice"),
        ("PRIMARY/alice@carbon.super", "alice"),
        ("alice@example.org", "alice@example.org"),
        ("alice@example.org@carbon.super", "alice@example.org"),
        ("carbon.super", "carbon.super"),
        ("alicecarbon.super", "alicecarbon.super"),
        ("primary/alice", "primary/alice"),
        ("", ""),
    ];
    for (given, name) in cases {
        assert_eq!(unqualified(given), name, "{given}");
    }
}

proptest! {
    #[test]
    fn a_qualified_name_comes_back(name in "[a-z@./]{1,20}") {
        prop_assume!(!name.starts_with("PRIMARY/"));
        let qualified = qualified(&name);
        prop_assert_eq!(unqualified(&qualified), name);
    }
}
