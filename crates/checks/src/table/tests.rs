//! Each thing a row may ask for can be missing, and is then missed.

use super::*;

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Reply { status, headers: headers.iter().map(owned).collect(), body: body.as_bytes().to_vec() }
}

/// Whether a row with `asks` beside its status of 400 is content with `reply`.
fn content(asks: &str, reply: &Reply) -> bool {
    let text = format!("[[case]]\nid = \"T\"\nsays = \"\"\npath = \"/\"\nstatus = [400, 401]\n{asks}\n");
    Table::read(&text).unwrap().case[0].judge(reply).is_ok()
}

#[test]
fn a_row_misses_what_is_missing() {
    let good = reply(400, &[("allow", "POST, GET")], r#"{"error":"invalid_scope","scope":"a","n":1}"#);
    let asks = [
        ("", "error = \"invalid_scope\""),
        ("error = \"invalid_scope\"", "error = \"invalid_request\""),
        ("members = { scope = \"a\", n = 1 }", "members = { scope = \"b\" }"),
        ("members = { n = 1 }", "members = { n = 2 }"),
        ("lacks = [\"access_token\"]", "lacks = [\"scope\"]"),
        ("answers = { allow = \"post\" }", "answers = { allow = \"PUT\" }"),
        ("answers = { allow = \"GET\" }", "answers = { www-authenticate = \"Basic\" }"),
    ];
    for (right, wrong) in asks {
        assert!(content(right, &good), "{right}");
        let seen = if right.is_empty() { reply(400, &[], "no JSON") } else { good.clone() };
        assert!(!content(wrong, &seen), "{wrong}");
    }
    assert!(content("", &good) && !content("", &reply(200, &[], "")), "the status counts");
}

#[test]
fn manners_are_missed_too() {
    let json = [("content-type", "application/json"), ("cache-control", "no-store")];
    let polite = r#"{"error":"invalid_scope","error_description":"A scope is too long."}"#;
    manners(&reply(400, &json, polite)).unwrap();
    manners(&reply(200, &[], "anything")).unwrap();
    let rude = [
        reply(500, &json, polite),
        reply(400, &json[..1], polite),
        reply(400, &json[1..], polite),
        reply(400, &json, r#"{"error":"x","error_description":"a \"quoted\" word"}"#),
        reply(400, &json, r#"{"error":"x","error_description":"line\nfeed"}"#),
        reply(400, &json, "{\"error\":\"x\",\"error_description\":\"\u{202e}\"}"),
    ];
    for reply in rude {
        assert!(manners(&reply).is_err(), "{reply:?}");
    }
}

#[test]
fn tables_are_read_strictly() {
    let row = "[[case]]\nid = \"T\"\nsays = \"\"\npath = \"/\"\nstatus = [200]\n";
    assert!(Table::read(row).is_ok());
    assert!(Table::read(&format!("{row}stauts = [200]\n")).is_err(), "a misspelt key");
    assert!(Table::read("").is_err(), "no rows");
    let facts = BTreeMap::from([("key", "a b".to_owned())]);
    assert_eq!(fill("x={key}", &facts, encoded).unwrap(), "x=a+b");
    assert!(fill("x={kye}", &facts, encoded).is_err(), "a misspelt placeholder");
    assert_eq!(fill("{\"a\":1}", &facts, encoded).unwrap(), "{\"a\":1}");
}
