use super::*;
use crate::api::Transports;
use crate::cors::Cors;
use crate::id::EntryId;
use crate::upstream::{Timeouts, UpstreamUrl};

fn resource(method: &str, template: &str) -> Resource {
    Resource { method: method.to_owned(), template: template.to_owned(), ..Resource::default() }
}

fn echo() -> Api {
    Api {
        id: EntryId::from_bytes([1; 16]),
        name: "Echo".to_owned(),
        context: "/echo".to_owned(),
        version: "1.0.0".to_owned(),
        definition: ApiDefinition {
            resources: vec![resource("GET", "/anything"), resource("POST", "/anything")],
            production: Some(Upstream::at(vec![UpstreamUrl::parse("http://localhost:1").unwrap()])),
            ..ApiDefinition::default()
        },
    }
}

fn problem(change: impl FnOnce(&mut Api)) -> String {
    let mut api = echo();
    change(&mut api);
    api.check().map_or_else(|problem| problem.to_string(), |()| "good".to_owned())
}

#[test]
fn an_api_is_named_by_plain_segments() {
    assert_eq!(problem(|_| {}), "good");
    for context in ["/a", "/a/b-c/d.e_f~g", "/t/alice.example/echo"] {
        assert_eq!(problem(|api| api.context = context.to_owned()), "good", "{context}");
    }
    let long = format!("/{}", "a".repeat(MAX_CONTEXT));
    for context in
        ["", "/", "echo", "/echo/", "//echo", "/a/../b", "/a b", "/a%20b", "/a;b", "/{version}/a", &long]
    {
        assert!(problem(|api| api.context = context.to_owned()).starts_with("the context"), "{context}");
    }
    for version in ["", ".", "..", "1/2", "v 1", "1;2", &"1".repeat(31)] {
        assert!(problem(|api| api.version = version.to_owned()).starts_with("the API version"), "{version}");
    }
    for name in ["", " Echo", "a/b", "a\tb", &"a".repeat(61)] {
        assert!(problem(|api| api.name = name.to_owned()).starts_with("the API name"), "{name}");
    }
}

#[test]
fn templates_say_what_is_wrong() {
    let good =
        ["/", "/a", "/a/", "/*", "/a/*", "/{id}", "/a/{id}/b", "/{id}.json", "/{a}-{b}", "/a/{id}:undo"];
    for template in good {
        assert_eq!(
            problem(|api| api.definition.resources[0] = resource("GET", template)),
            "good",
            "{template}"
        );
    }
    let cases = [
        ("", "must begin with /"),
        ("a", "must begin with /"),
        ("/a//b", "has an empty segment"),
        ("/a/../b", "has a dot segment"),
        ("/./b", "has a dot segment"),
        ("/{a", "has a brace that is not closed"),
        ("/{}", "or a brace without a name"),
        ("/{{a}}", "or a brace without a name"),
        ("/{a}{b}", "side by side"),
        ("/a}", "has a character"),
        ("/a*", "* may only be the last segment"),
        ("/*/b", "* may only be the last segment"),
        ("/a b", "has a character"),
        ("/a%2fb", "has a character"),
        ("/a;b", "has a character"),
        ("/a?b=c", "has a character"),
    ];
    for (template, expected) in cases {
        let found = problem(|api| api.definition.resources[0] = resource("GET", template));
        assert!(found.starts_with("the resource") && found.contains(expected), "{template}: {found}");
    }
}

#[test]
fn a_definition_says_what_is_wrong() {
    type Change = fn(&mut ApiDefinition);
    let cases: [(Change, &str); 19] = [
        (|api| api.resources[0].method = "get".to_owned(), "the method \"get\""),
        (|api| api.resources[0].method = "G T".to_owned(), "the method \"G T\""),
        (|api| api.resources[0].method = "CONNECT".to_owned(), "the method \"CONNECT\" is never forwarded"),
        (|api| api.resources[1] = api.resources[0].clone(), "the resource \"/anything\" stands twice"),
        (
            |api| api.resources = vec![resource("GET", "/{a}/b"), resource("GET", "/{c}/b")],
            "the resource \"/{c}/b\" stands twice",
        ),
        (
            |api| api.resources = vec![resource("GET", "/a"); MAX_RESOURCES + 1],
            "the number of resources \"5001\"",
        ),
        (|api| api.resources[0].scopes = BTreeSet::from(["x".to_owned()]), "the scope \"x\" is asked for"),
        (|api| api.scopes = [("a b".to_owned(), BTreeSet::new())].into(), "the scope \"a b\" must have"),
        (|api| api.production = Some(Upstream::at(Vec::new())), "the number of upstream addresses \"0\""),
        (
            |api| api.production.as_mut().unwrap().timeouts = Timeouts { connect: 0, ..Timeouts::default() },
            "the upstream timeout \"0\"",
        ),
        (|api| api.transports = Transports { http: false, https: false }, "the transports"),
        (|api| api.authorization_header = Some("a b".to_owned()), "the authorization header \"a b\""),
        (|api| api.authorization_header = Some("Host".to_owned()), "the authorization header \"Host\""),
        (|api| api.api_key_header = Some("a b".to_owned()), "the API key header \"a b\""),
        (|api| api.api_key_header = Some("Cookie".to_owned()), "the API key header \"Cookie\""),
        (
            |api| api.api_key_header = Some("authorization".to_owned()),
            "the API key header \"authorization\" is that",
        ),
        (|api| api.authorization_header = Some("apikey".to_owned()), "the API key header \"ApiKey\" is that"),
        (|api| api.schemes = [].into_iter().collect(), "the security schemes"),
        (|api| api.cors = Cors { credentials: true, ..Cors::default() }, "the CORS origin"),
    ];
    for (change, expected) in cases {
        let found = problem(|api| change(&mut api.definition));
        assert!(found.starts_with(expected), "{expected}: {found}");
    }
}
