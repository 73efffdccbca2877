use std::collections::BTreeSet;
use std::sync::Arc;

use latchkey_catalog::api::{Api, ApiDefinition, Resource};
use latchkey_catalog::id::EntryId;

use super::*;
use crate::path::Target;
use crate::route::Routes;

const PAGE: &str = "https://app.example";

fn api(cors: Cors) -> Arc<RoutedApi> {
    let resource = |method: &str| Resource {
        method: method.to_owned(),
        template: "/a".to_owned(),
        ..Resource::default()
    };
    let api = Api {
        id: EntryId::from_bytes([1; 16]),
        name: "Echo".to_owned(),
        context: "/echo".to_owned(),
        version: "1".to_owned(),
        definition: ApiDefinition {
            resources: ["GET", "DELETE", "REPORT"].map(resource).into(),
            cors,
            ..ApiDefinition::default()
        },
    };
    let (routes, problems) = Routes::build([api]);
    assert_eq!(problems, []);
    Arc::clone(routes.api(&Target::normalise("/echo/1/a").unwrap()).unwrap().0)
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
}

fn lines(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    lines
}

fn named() -> Cors {
    let set = |text: &str| BTreeSet::from([text.to_owned()]);
    Cors { origins: set(PAGE), headers: set("X-A"), credentials: true, ..Cors::default() }
}

#[test]
fn a_preflight_names_the_methods_of_the_api() {
    let asks = headers(&[("origin", PAGE), ("access-control-request-method", "GET")]);
    let answer = preflight(&api(named()), &Method::OPTIONS, &asks).unwrap();
    assert_eq!(answer.status(), 200);
    let expected = [
        "access-control-allow-credentials: true",
        "access-control-allow-headers: X-A",
        "access-control-allow-methods: GET, DELETE",
        "access-control-allow-origin: https://app.example",
        "vary: Origin",
    ];
    assert_eq!(lines(answer.headers()), expected);
    let open = preflight(&api(Cors::default()), &Method::OPTIONS, &asks).unwrap();
    assert_eq!(open.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert!(!open.headers().contains_key(VARY));
}

#[test]
fn a_preflight_of_another_origin_gets_no_permission() {
    let asks = headers(&[("origin", "https://evil.example"), ("access-control-request-method", "GET")]);
    let answer = preflight(&api(named()), &Method::OPTIONS, &asks).unwrap();
    assert_eq!((answer.status().as_u16(), lines(answer.headers())), (200, vec!["vary: Origin".to_owned()]));
    let vague = preflight(&api(named()), &Method::OPTIONS, &headers(&[("origin", PAGE)])).unwrap();
    assert_eq!(
        (vague.status().as_u16(), lines(vague.headers())),
        (405, vec!["allow: GET, DELETE".to_owned()])
    );
}

#[test]
fn what_is_no_preflight_goes_on() {
    let asks = headers(&[("origin", PAGE), ("access-control-request-method", "GET")]);
    assert!(preflight(&api(named()), &Method::GET, &asks).is_none());
    assert!(preflight(&api(named()), &Method::OPTIONS, &headers(&[])).is_none());
    let off = Cors { enabled: false, ..Cors::default() };
    assert!(preflight(&api(off), &Method::OPTIONS, &asks).is_none());
}

#[test]
fn an_answer_is_for_the_pages_that_may_read_it() {
    let from_upstream = headers(&[
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "PUT"),
        ("content-type", "text/plain"),
    ]);
    let permitted = |cors: Cors, request: &[(&'static str, &str)]| {
        let mut answer = from_upstream.clone();
        permit(&api(cors), &headers(request), &mut answer);
        lines(&answer)
    };
    let expected = [
        "access-control-allow-credentials: true",
        "access-control-allow-origin: https://app.example",
        "content-type: text/plain",
        "vary: Origin",
    ];
    assert_eq!(permitted(named(), &[("origin", PAGE)]), expected);
    let expected = ["content-type: text/plain", "vary: Origin"];
    assert_eq!(permitted(named(), &[("origin", "null")]), expected);
    assert_eq!(permitted(named(), &[]), lines(&from_upstream));
    let off = Cors { enabled: false, ..Cors::default() };
    assert_eq!(permitted(off, &[("origin", PAGE)]), lines(&from_upstream));
}

#[test]
fn a_page_that_may_read_an_answer_may_read_its_explanation() {
    let exposed = |cors: Cors, answer: &[(&'static str, &str)]| {
        let mut answer = headers(answer);
        permit(&api(cors), &headers(&[("origin", PAGE)]), &mut answer);
        let all = answer.get_all(ACCESS_CONTROL_EXPOSE_HEADERS).iter();
        all.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let explained = [("latchkey-explain", "0123456789abcdef")];
    assert_eq!(exposed(named(), &explained), ["latchkey-explain"]);
    assert_eq!(exposed(Cors::default(), &explained), ["latchkey-explain"]);
    assert_eq!(exposed(named(), &[("access-control-expose-headers", "X-B")]), ["X-B"]);
    assert_eq!(exposed(Cors { origins: BTreeSet::new(), ..named() }, &explained), [""; 0]);
    assert_eq!(exposed(Cors { enabled: false, ..Cors::default() }, &explained), [""; 0]);
}
