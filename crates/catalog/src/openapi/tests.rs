use std::fmt::Write as _;

use super::*;
use crate::api::{Scheme, Transports, Upgrades};
use crate::upstream::{Protocol, Retries};

const ORDERS: &str = r##"
openapi: 3.0.1
info: { title: "Orders: the API (v2)", version: "2.1" }
x-wso2-basePath: /shop/orders/2.1
x-wso2-production-endpoints:
  urls: [https://one.example/base, "https://two.example:8443/base/"]
  type: load_balance
x-wso2-sandbox-endpoints: "#/x-wso2-endpoints/sandbox"
x-wso2-endpoints:
  - other: { urls: [http://other.example] }
  - sandbox: { urls: [http://sandbox.example] }
x-wso2-auth-header: X-Token
x-wso2-transports: [https]
x-wso2-throttling-tier: 10KPerMin
x-wso2-cors:
  accessControlAllowOrigins: [https://app.example]
  accessControlAllowCredentials: true
x-wso2-security:
  apim:
    x-wso2-scopes:
      - { name: Old, key: orders.old, description: d, roles: "clerk, chief" }
security:
  - default: [orders.read]
paths:
  /orders:
    get:
      responses: { 200: { description: fine } }
    post:
      x-auth-type: Application User
      x-throttling-tier: Unlimited
      security:
        - default: [orders.write, orders.all]
        - key: [not-a-scope]
  /orders/{id}:
    parameters: [{ name: id, in: path }]
    summary: one order
    delete:
      x-auth-type: Application
      x-throttling-tier: 20KPerMin
      x-scope: orders.old
      security: []
  /health:
    x-wso2-disable-security: true
    get: {}
    trace: {}
  /public:
    get: { x-auth-type: None }
  x-hidden: { get: 1 }
components:
  securitySchemes:
    key: { type: apiKey, in: header, name: key }
    default:
      type: oauth2
      flows:
        implicit:
          authorizationUrl: https://test.example
          scopes: { orders.read: read, orders.write: write, orders.all: all }
          x-scopes-bindings: { orders.write: "clerk,chief" }
"##;

fn words(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|word| (*word).to_owned()).collect()
}

fn imported(text: &str) -> Imported {
    import(text, Wishes::default()).unwrap()
}

/// The resources as `METHOD template authentication scopes tier`.
fn resources(imported: &Imported) -> Vec<String> {
    let line = |one: &Resource| {
        let scopes: Vec<&str> = one.scopes.iter().map(String::as_str).collect();
        let tier = one.throttling.as_deref().unwrap_or("-");
        format!("{} {} {:?} [{}] {tier}", one.method, one.template, one.authentication, scopes.join(","))
    };
    imported.definition.resources.iter().map(line).collect()
}

#[test]
fn credentials_are_those_that_the_document_lists() {
    let of = |security: &str| {
        let text = format!(
            r#"{{"openapi":"3.0.1","info":{{"title":"A","version":"1"}},"paths":{{"/a":{{"get":{{}}}}}}{security}}}"#
        );
        import(&text, Wishes::default()).map(|found| {
            let noted = found.notes.iter().filter(|note| note.place.contains("security")).count();
            (found.definition.schemes.iter().map(Scheme::as_str).collect::<Vec<_>>().join(" "), noted)
        })
    };
    let listed =
        |types: &str| of(&format!(r#","x-wso2-application-security":{{"security-types":[{types}]}}"#));
    assert_eq!(of("").unwrap(), ("oauth2".to_owned(), 0));
    assert_eq!(of(r#","x-wso2-application-security":{"optional":false}"#).unwrap(), ("oauth2".to_owned(), 0));
    assert_eq!(listed(r#""api_key""#).unwrap(), ("api_key".to_owned(), 0));
    let words = r#""api_key","oauth2","basic_auth","oauth_basic_auth_api_key_mandatory""#;
    assert_eq!(listed(words).unwrap(), ("oauth2 api_key".to_owned(), 1));
    for bad in [r#""mutualssl""#, "", "1"] {
        assert!(listed(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_document_with_all_extensions() {
    let found = imported(ORDERS);
    assert_eq!(found.name, "Orders the API v2");
    assert_eq!((found.context.as_str(), found.version.as_str()), ("/shop/orders", "2.1"));
    let expected = [
        "GET /health None [orders.read] -",
        "GET /orders Any [orders.read] -",
        "POST /orders User [orders.all,orders.write] -",
        "DELETE /orders/{id} Application [orders.old] 20KPerMin",
        "GET /public None [orders.read] -",
    ];
    assert_eq!(resources(&found), expected);
    let definition = &found.definition;
    assert_eq!(definition.state, ApiState::Created);
    let urls = |upstream: &Option<crate::upstream::Upstream>| {
        upstream.as_ref().unwrap().urls.iter().map(ToString::to_string).collect::<Vec<String>>()
    };
    assert_eq!(urls(&definition.production), ["https://one.example/base", "https://two.example:8443/base"]);
    assert_eq!(urls(&definition.sandbox), ["http://sandbox.example"]);
    assert_eq!(definition.authorization_header.as_deref(), Some("X-Token"));
    assert_eq!(definition.transports, Transports { http: false, https: true });
    assert_eq!(definition.throttling.as_deref(), Some("10KPerMin"));
    assert!(definition.cors.enabled && definition.cors.credentials);
    assert_eq!(definition.cors.origins, words(&["https://app.example"]));
    assert!(definition.cors.methods.contains("PATCH"));
    let scopes: Vec<(&str, BTreeSet<String>)> =
        definition.scopes.iter().map(|(scope, roles)| (scope.as_str(), roles.clone())).collect();
    let both = words(&["chief", "clerk"]);
    let expected = [
        ("orders.all", BTreeSet::new()),
        ("orders.old", both.clone()),
        ("orders.read", BTreeSet::new()),
        ("orders.write", both),
    ];
    assert_eq!(scopes, expected);
    let places: Vec<&str> = found.notes.iter().map(|note| note.place.as_str()).collect();
    assert_eq!(places, ["#/paths/~1health/trace", "#/paths/~1orders~1{id}/delete/security"]);
}

#[test]
fn a_plain_document_is_enough() {
    let json = r#"{"openapi":"3.1.0","info":{"title":"Pet Store","version":"1.0.0"},
        "servers":[{"url":"/v1"},{"url":"https://{host}.example/{base}","variables":
            {"host":{"default":"pets"},"base":{"default":"v1"}}}],
        "paths":{"/pets":{"get":{"security":[{"login":["pets.read"]}]}}}}"#;
    let found = imported(json);
    assert_eq!((found.context.as_str(), found.version.as_str()), ("/pet-store", "1.0.0"));
    assert_eq!(resources(&found), ["GET /pets Any [pets.read] -"]);
    assert_eq!(found.definition.production.as_ref().unwrap().urls[0].to_string(), "https://pets.example/v1");
    assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
    assert!(found.notes[0].text.contains("pets.read is not defined"));
    let wishes = Wishes { name: Some("Pets"), context: Some("/pets"), version: Some("v9") };
    let renamed = import(json, wishes).unwrap();
    assert_eq!((&*renamed.name, &*renamed.context, &*renamed.version), ("Pets", "/pets", "v9"));
}

#[test]
fn the_base_path_is_the_whole_path() {
    let cases = [
        ("/petstore/1.0.0", "/petstore", "1.0.0"),
        ("/petstore/v1", "/petstore", "v1"),
        ("/petstore/v1/", "/petstore", "v1"),
        ("petstore/{version}", "/petstore", "1.0.0"),
        ("/petstore", "/petstore", "1.0.0"),
        ("/v1", "/v1", "1.0.0"),
        ("/shop/vault", "/shop/vault", "1.0.0"),
        ("/a/b/2.5", "/a/b", "2.5"),
    ];
    for (base, context, version) in cases {
        let text = format!(
            "openapi: 3.0.0\ninfo: {{title: Pets, version: 1.0.0}}\nx-wso2-basePath: {base}\npaths: {{/a: {{get: {{}}}}}}"
        );
        let text = text.replace(base, &format!("\"{base}\""));
        let found = imported(&text);
        assert_eq!((found.context.as_str(), found.version.as_str()), (context, version), "{base}");
        assert!(found.notes[0].text.contains("no server has an absolute address"));
    }
}

#[test]
fn our_own_extensions_are_read_and_checked() {
    let own = "x-latchkey-upgrades: websocket\nx-latchkey-upstream-protocol: http2\nx-latchkey-retries: idempotent\n";
    let definition = imported(&format!("{}{own}", ORDERS.trim_start())).definition;
    assert_eq!(definition.upgrades, Upgrades::WebSocket);
    for upstream in [definition.production, definition.sandbox] {
        let upstream = upstream.unwrap();
        assert_eq!((upstream.protocol, upstream.retries), (Protocol::Http2, Retries::Idempotent));
    }
    for (name, value) in
        [("upgrades", "h2c"), ("upstream-protocol", "http3"), ("retries", "always"), ("retries", "true")]
    {
        let text = format!("{}x-latchkey-{name}: {value}\n", ORDERS.trim_start());
        let refused = import(&text, Wishes::default()).unwrap_err();
        assert_eq!(refused.place, format!("#/x-latchkey-{name}"), "{refused}");
    }
}

#[test]
fn an_error_names_the_place() {
    let good = r#"{"openapi":"3.0.0","info":{"title":"A","version":"1"},"paths":{"/a":{"get":{"x":1}}}}"#;
    assert!(import(good, Wishes::default()).is_ok());
    let cases = [
        (r#""openapi":"3.0.0""#, r#""swagger":"2.0""#, "#/swagger: is Swagger 2.0"),
        (r#""openapi":"3.0.0""#, r#""a":1"#, "#: has no openapi"),
        (r#""3.0.0""#, r#""4.0""#, "#/openapi: is \"4.0\""),
        (r#""title":"A""#, r#""title":5"#, "#/info/title: must be a text"),
        (r#""title":"A""#, r#""title":"/""#, "#/info/title: the API name"),
        (r#""version":"1""#, r#""version":"1 b""#, "#/info/version: the API version"),
        (r#""version":"1""#, r#""version":1"#, "#/info/version: must be a text; in YAML, put quotes"),
        (r#","paths""#, r#","path""#, "#: has no paths"),
        (r#"{"get":{"x":1}}"#, "{}", "#/paths: has no operation"),
        (r#"{"get":{"x":1}}"#, "[]", "#/paths/~1a: must be an object"),
        (r#"{"get":{"x":1}}"#, r##"{"$ref":"#/b"}"##, "#/paths/~1a: is a reference"),
        (r#""/a":"#, r#""/a b":"#, "#/paths/~1a b/get: the resource \"/a b\""),
        (r#""/a":"#, r#""a":"#, "#/paths/a/get: the resource \"a\" must begin with /"),
        (r#""/a":"#, r#""/{a}/b":{"get":{}},"/{b}/b":"#, "#: the resource \"/{b}/b\" stands twice"),
        (r#""x":1"#, r#""x-auth-type":"User""#, "#/paths/~1a/get/x-auth-type: is \"User\""),
        (r#""x":1"#, r#""security":{}"#, "#/paths/~1a/get/security: must be a list"),
        (r#""x":1"#, r#""security":[{"s":["a b"]}]"#, "#: the scope \"a b\""),
        (r#""x":1"#, r#""security":[{"s":[1]}]"#, "#/paths/~1a/get/security/0/s/0: must be a text"),
        (r#""x":1"#, r#""x-throttling-tier":1"#, "#/paths/~1a/get/x-throttling-tier: must be a text"),
        (r#""info""#, r#""servers":[{"url":"ftp://a"}],"info""#, "#/servers/0/url: the upstream address"),
        (
            r#""info""#,
            r#""x-wso2-production-endpoints":{"urls":["a"]},"info""#,
            "#/x-wso2-production-endpoints/urls/0: the upstream address \"a\" has no scheme",
        ),
        (
            r#""info""#,
            r#""x-wso2-production-endpoints":{"urls":[]},"info""#,
            "#/x-wso2-production-endpoints: has no urls",
        ),
        (
            r#""info""#,
            r##""x-wso2-sandbox-endpoints":"#/x-wso2-endpoints/a","info""##,
            "#/x-wso2-sandbox-endpoints: refers to",
        ),
        (r#""info""#, r#""x-wso2-transports":["ws"],"info""#, "#/x-wso2-transports/0: is \"ws\""),
        (r#""info""#, r#""x-wso2-transports":[],"info""#, "#: the transports"),
        (r#""info""#, r#""x-wso2-basePath":"/a b","info""#, "#/x-wso2-basePath: the context"),
        (r#""info""#, r#""x-wso2-auth-header":"a b","info""#, "#: the authorization header"),
        (
            r#""info""#,
            r#""x-wso2-cors":{"accessControlAllowCredentials":"yes"},"info""#,
            "#/x-wso2-cors/accessControlAllowCredentials: must be true or false",
        ),
    ];
    for (from, to, expected) in cases {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let found =
            import(&text, Wishes::default()).map_or_else(|error| error.to_string(), |_| "good".to_owned());
        assert!(found.starts_with(expected), "{text}\n{found}\n{expected}");
    }
}

#[test]
fn what_is_no_document_is_refused_within_bounds() {
    let deep_json = format!("{{\"a\":{}{}}}", "[".repeat(110), "]".repeat(110));
    let deeper_json = format!("{{\"a\":{}", "[".repeat(100_000));
    let deep_yaml = format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_DOCUMENT));
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", [before.as_str(); 10].join(",")).unwrap();
    }
    let cases = [
        ("", "#: "),
        ("[]", "#: must be an object"),
        ("just text", "#: must be an object"),
        ("{\"a\":", "#: is not JSON"),
        ("a: [", "#: is not YAML"),
        ("a: *b", "#: is not YAML"),
        ("a: 1\na: 2", "#: is not YAML"),
        (&deep_json, "#: has more than 64 levels"),
        (&deeper_json, "#: is not JSON"),
        (&deep_yaml, "#: is not YAML"),
        (&bomb, "#: is not YAML"),
        (&large, "#: has 4194312 bytes"),
    ];
    for (text, expected) in cases {
        let found = import(text, Wishes::default()).unwrap_err().to_string();
        assert!(found.starts_with(expected), "{expected}: {found}");
    }
}
