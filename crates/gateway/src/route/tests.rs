use latchkey_catalog::api::{ApiDefinition, Deployed, Transports};
use latchkey_catalog::id::EntryId;

use super::*;

fn api(path: &str, resources: &[&str]) -> Api {
    let (context, version) = path.rsplit_once('/').unwrap();
    let resource = |line: &&str| {
        let (method, template) = line.split_once(' ').unwrap();
        Resource { method: method.to_owned(), template: template.to_owned(), ..Resource::default() }
    };
    Api {
        id: EntryId::from_bytes([1; 16]),
        name: "Echo".to_owned(),
        context: context.to_owned(),
        version: version.to_owned(),
        definition: ApiDefinition {
            resources: resources.iter().map(resource).collect(),
            ..ApiDefinition::default()
        },
    }
}

fn with(mut api: Api, change: impl FnOnce(&mut ApiDefinition)) -> Api {
    change(&mut api.definition);
    api
}

fn default_version(api: Api) -> Api {
    with(api, |definition| definition.versions = VersionRole::Default)
}

fn routes(apis: Vec<Api>) -> Routes {
    let (routes, unrouted) = Routes::build(apis);
    assert_eq!(unrouted, []);
    routes
}

/// The found route as `context/version METHOD template rest`, or the denial.
fn found(routes: &Routes, call: &str) -> String {
    let (method, path) = call.split_once(' ').unwrap();
    let target = Target::normalise(path).unwrap();
    match routes.find(&Method::from_bytes(method.as_bytes()).unwrap(), &target, Transport::Https) {
        Ok(route) => {
            let resource = route.resource();
            format!("{} {} {} {:?}", route.api.api().path(), resource.method, resource.template, route.rest)
        }
        Err(Denial::MethodNotAllowed(methods)) => {
            let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
            format!("allowed {}", methods.join(","))
        }
        Err(denial) => format!("{denial:?}"),
    }
}

fn assert_found(routes: &Routes, cases: &[(&str, &str)]) {
    for (call, expected) in cases {
        assert_eq!(found(routes, call), *expected, "{call}");
    }
}

#[test]
fn a_slash_at_the_end_leads_around_no_resource() {
    let resources = ["GET /a", "GET /b/", "GET /c", "GET /c/*", "GET /d/{id}", "POST /*", "GET /*"];
    let routes = routes(vec![api("/echo/1", &resources)]);
    let cases = [
        ("GET /echo/1/a/", "/echo/1 GET /a \"/a/\""),
        ("GET /echo/1/d/7/", "/echo/1 GET /d/{id} \"/d/7/\""),
        ("GET /echo/1/b/", "/echo/1 GET /b/ \"/b/\""),
        ("GET /echo/1/b", "/echo/1 GET /* \"/b\""),
        ("GET /echo/1/c/", "/echo/1 GET /c/* \"/c/\""),
        ("GET /echo/1/a/b", "/echo/1 GET /* \"/a/b\""),
        ("POST /echo/1/a/", "/echo/1 POST /* \"/a/\""),
        ("GET /echo/1/", "/echo/1 GET /* \"/\""),
    ];
    assert_found(&routes, &cases);
}

#[test]
fn the_longest_context_wins() {
    let all = ["GET /*"];
    let routes = routes(vec![
        api("/echo/1.0.0", &all),
        api("/echo/2.0.0", &["GET /only"]),
        api("/echo/1.0.0/inner/v1", &all),
        default_version(api("/shop/v2", &all)),
        api("/shop/v1", &all),
        default_version(api("/a/b/v1", &all)),
        api("/a/v1", &all),
    ]);
    assert_eq!(routes.len(), 9);
    assert_found(
        &routes,
        &[
            ("GET /echo/1.0.0/x", "/echo/1.0.0 GET /* \"/x\""),
            ("GET /echo/1.0.0/x?y", "/echo/1.0.0 GET /* \"/x\""),
            ("GET /echo/1.0.0/inner/v1/x", "/echo/1.0.0/inner/v1 GET /* \"/x\""),
            ("GET /echo/1.0.0/inner/v2/x", "/echo/1.0.0 GET /* \"/inner/v2/x\""),
            ("GET /echo/1.0.0", "/echo/1.0.0 GET /* \"\""),
            ("GET /echo/1.0.0/", "/echo/1.0.0 GET /* \"/\""),
            ("GET /echo/1.0.0x", "UnknownApi"),
            ("GET /echo", "UnknownApi"),
            ("GET /echo/", "UnknownApi"),
            ("GET /Echo/1.0.0/x", "UnknownApi"),
            ("GET /", "UnknownApi"),
            // A longer context that lacks the resource does not give way to a shorter one.
            ("GET /echo/2.0.0/x", "UnknownResource"),
            ("GET /shop/x/y", "/shop/v2 GET /* \"/x/y\""),
            ("GET /shop", "/shop/v2 GET /* \"\""),
            ("GET /shop/v1/x", "/shop/v1 GET /* \"/x\""),
            ("GET /shop/v2/x", "/shop/v2 GET /* \"/x\""),
            ("GET /shop/v3/x", "/shop/v2 GET /* \"/v3/x\""),
            ("GET /a/b/c", "/a/b/v1 GET /* \"/c\""),
            ("GET /a/v1/c", "/a/v1 GET /* \"/c\""),
        ],
    );
}

#[test]
fn the_most_specific_template_wins() {
    let templates = [
        "GET /*",
        "GET /orders/*",
        "GET /orders/{id}",
        "GET /orders/latest",
        "GET /orders/{id}/items",
        "GET /orders/{id}.json",
        "GET /orders/v{id}.json",
        "GET /{kind}/latest/items",
        "GET /ranges/{from}-{to}",
        "POST /orders",
        "POST /orders/{id}",
        "DELETE /orders/latest",
        "GET /",
        "GET /end/",
    ];
    let mut reversed = templates;
    reversed.reverse();
    for order in [templates, reversed] {
        let routes = routes(vec![api("/e/1", &order)]);
        let best = |call: &str| {
            let (method, rest) = call.split_once(' ').unwrap();
            let line = found(&routes, &format!("{method} /e/1{rest}"));
            line.split(' ').skip(1).take(2).collect::<Vec<&str>>().join(" ")
        };
        let cases = [
            ("GET /orders/latest", "GET /orders/latest"),
            ("GET /orders/7", "GET /orders/{id}"),
            ("GET /orders/7.json", "GET /orders/{id}.json"),
            ("GET /orders/v7.json", "GET /orders/v{id}.json"),
            ("GET /orders/v.json", "GET /orders/{id}.json"),
            ("GET /orders/.json", "GET /orders/{id}"),
            ("GET /orders/7/items", "GET /orders/{id}/items"),
            // Fixed text on the left goes before fixed text further on, and a way that fails is given up.
            ("GET /orders/latest/items", "GET /orders/{id}/items"),
            ("GET /things/latest/items", "GET /{kind}/latest/items"),
            ("GET /orders/7/other", "GET /orders/*"),
            ("GET /orders/", "GET /orders/*"),
            ("GET /orders", "GET /orders/*"),
            ("GET /orders/latest/", "GET /orders/latest"),
            ("GET /ranges/1-5", "GET /ranges/{from}-{to}"),
            ("GET /ranges/--5", "GET /ranges/{from}-{to}"),
            ("GET /ranges/-5", "GET /*"),
            ("GET /ranges/5-", "GET /*"),
            ("GET /else/where", "GET /*"),
            ("GET /end/", "GET /end/"),
            ("GET /end", "GET /*"),
            ("GET /", "GET /"),
            ("GET ", "GET /"),
            // The method counts first: a less specific template that has it beats one that has not.
            ("POST /orders/latest", "POST /orders/{id}"),
            ("DELETE /orders/latest", "DELETE /orders/latest"),
            ("HEAD /orders/7", "GET /orders/{id}"),
        ];
        for (call, expected) in cases {
            assert_eq!(best(call), expected, "{call}");
        }
    }
}

#[test]
fn what_has_no_route_is_told_apart() {
    let on = |transports| with(api("/plain/1", &["GET /a"]), |definition| definition.transports = transports);
    let state = |path: &str, state| with(api(path, &["GET /a"]), |definition| definition.state = state);
    let routes = routes(vec![
        api("/e/1", &["GET /a", "POST /a", "POST /b/{id}", "PUT /b/c", "HEAD /h"]),
        on(Transports { http: true, https: false }),
        state("/created/1", ApiState::Created),
        state("/blocked/1", ApiState::Blocked),
        state("/deprecated/1", ApiState::Deprecated),
        state("/prototyped/1", ApiState::Prototyped),
        state("/retired/1", ApiState::Retired),
        with(api("/undeployed/1", &["GET /a"]), |definition| definition.deployment = Deployed::No),
    ]);
    assert_found(
        &routes,
        &[
            ("DELETE /e/1/a", "allowed GET,POST,HEAD"),
            ("GET /e/1/b/c", "allowed POST,PUT"),
            ("HEAD /e/1/b/c", "allowed POST,PUT"),
            ("GET /e/1/h", "allowed HEAD"),
            ("get /e/1/a", "allowed GET,POST,HEAD"),
            ("GET /e/1/A", "UnknownResource"),
            ("GET /e/1/a/", "UnknownResource"),
            ("GET /e/1", "UnknownResource"),
            ("GET /plain/1/a", "UnknownApi"),
            ("GET /created/1/a", "UnknownApi"),
            ("GET /retired/1/a", "UnknownApi"),
            ("GET /undeployed/1/a", "UnknownApi"),
            ("GET /blocked/1/a", "ApiBlocked"),
            ("GET /deprecated/1/a", "/deprecated/1 GET /a \"/a\""),
            ("GET /prototyped/1/a", "/prototyped/1 GET /a \"/a\""),
        ],
    );
    let target = Target::normalise("/plain/1/a").unwrap();
    assert!(routes.find(&Method::GET, &target, Transport::Http).is_ok());
    assert_eq!(
        Routes::default().find(&Method::GET, &target, Transport::Http).unwrap_err(),
        Denial::UnknownApi
    );
}

#[test]
fn an_api_without_a_route_is_reported_and_harms_no_other() {
    let broken = api("/broken/1", &["GET a"]);
    let twice = api("/e/1", &["GET /twice"]);
    let first = default_version(api("/e/2", &["GET /a"]));
    let second = default_version(api("/e/3", &["GET /a"]));
    let shadowing = default_version(api("/e/1/x", &["GET /b"]));
    let apis = vec![api("/e/1", &["GET /a"]), broken, twice, first, second, shadowing];
    let (routes, unrouted) = Routes::build(apis);
    let problems: Vec<String> = unrouted.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(
        problems[0].contains("/broken/1") && problems[0].contains("must begin with /"),
        "{}",
        problems[0]
    );
    assert!(problems[1].contains("/e/1 has that path already"), "{}", problems[1]);
    assert!(problems[2].contains("/e/2 has that path already"), "{}", problems[2]);
    assert!(problems[3].contains("the API /e/1 has no route: /e/1 has"), "{}", problems[3]);
    assert_found(
        &routes,
        &[
            ("GET /e/1/a", "/e/1 GET /a \"/a\""),
            ("GET /e/a", "/e/2 GET /a \"/a\""),
            ("GET /e/3/a", "/e/3 GET /a \"/a\""),
            ("GET /e/1/x/b", "/e/1/x GET /b \"/b\""),
        ],
    );
}

#[test]
fn a_search_costs_no_more_than_the_templates_are_many() {
    // Every level offers a fixed text and a name; a search that tried all combinations would not end.
    let deep: Vec<String> =
        ["a", "{x}"].iter().map(|segment| format!("GET /{}", [*segment; 200].join("/"))).collect();
    let deep: Vec<&str> = deep.iter().map(String::as_str).collect();
    let routes = routes(vec![api("/e/1", &deep)]);
    assert_eq!(found(&routes, &format!("GET /e/1{}/b/c", "/a".repeat(199))), "UnknownResource");
    let many: Vec<String> = (0..5000).map(|number| format!("GET /{{x}}/{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let routes = Routes::build([api("/e/1", &many)]).0;
    assert_eq!(found(&routes, "GET /e/1/a/4999"), "/e/1 GET /{x}/4999 \"/a/4999\"");
}
