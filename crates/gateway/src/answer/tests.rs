use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::*;

fn text(answer: &Response<Bytes>) -> &str {
    std::str::from_utf8(answer.body()).unwrap()
}

fn header(answer: &Response<Bytes>, name: http::HeaderName) -> &str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn the_whole_table() {
    let mut table = String::new();
    for fault in Fault::table() {
        let answer = fault.answer(&Asked::default());
        writeln!(table, "{} {}", answer.status().as_u16(), text(&answer)).unwrap();
        for name in [WWW_AUTHENTICATE, RETRY_AFTER, ALLOW] {
            if answer.headers().contains_key(&name) {
                writeln!(table, "    {name}: {}", header(&answer, name.clone())).unwrap();
            }
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn every_answer_can_be_read() {
    for fault in Fault::table() {
        let answer = fault.answer(&Asked::default());
        let body: serde_json::Value = serde_json::from_str(text(&answer)).unwrap();
        let code = body["code"].as_str().unwrap();
        assert!(code.bytes().all(|digit| digit.is_ascii_digit()), "{body}");
        assert!(!body["message"].as_str().unwrap().is_empty(), "{body}");
        assert!(answer.status().is_client_error() || answer.status().is_server_error());
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json; charset=UTF-8");
        let is_challenged = answer.headers().contains_key(WWW_AUTHENTICATE);
        assert!(is_challenged || answer.status() != StatusCode::UNAUTHORIZED, "{fault:?}");
        for form in [Form::Soap11, Form::Soap12] {
            let soap = fault.answer(&Asked { form, ..Asked::default() });
            assert_eq!(soap.status(), answer.status());
            assert!(text(&soap).contains(&format!(":code>{code}</")), "{}", text(&soap));
            assert_eq!(text(&soap).matches("<soapenv:").count(), text(&soap).matches("</soapenv:").count());
        }
    }
}

#[test]
fn the_table_holds_every_code_that_wso2s_documents_list() {
    let held: BTreeSet<&str> = Fault::table().iter().map(|fault| fault.row().code).collect();
    let expected = [
        "700700", "900422", "900424", "900425", "900800", "900801", "900802", "900803", "900804", "900805",
        "900806", "900807", "900808", "900809", "900820", "900821", "900900", "900901", "900902", "900903",
        "900904", "900905", "900906", "900907", "900908", "900909", "900910", "900911", "900912", "900913",
        "900914", "101500", "101501", "101503", "101504", "101505", "101506", "101508", "303001",
    ];
    for code in expected {
        assert!(held.contains(code), "{code}");
    }
}

#[test]
fn soap_callers_read_faults() {
    let until = Timestamp::from_seconds(784_111_777);
    let faults = [
        Fault::InvalidCredentials,
        Fault::Throttled { by: ThrottledBy::Subscription, until },
        Fault::UpstreamConnect,
    ];
    let mut shown = String::new();
    for fault in faults {
        for form in [Form::Soap11, Form::Soap12] {
            let answer = fault.answer(&Asked { form, ..Asked::default() });
            let (status, kind) = (answer.status().as_u16(), header(&answer, CONTENT_TYPE));
            writeln!(shown, "{status} {kind}\n{}", text(&answer).replace("><", ">\n<")).unwrap();
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn who_sends_soap_reads_soap() {
    let cases = [
        (Method::POST, "text/xml; charset=utf-8", Form::Soap11),
        (Method::POST, "Text/XML", Form::Soap11),
        (Method::POST, "application/soap+xml;charset=utf-8;action=\"x\"", Form::Soap12),
        (Method::POST, "application/xml", Form::Json),
        (Method::POST, "application/json", Form::Json),
        (Method::POST, "", Form::Json),
        (Method::GET, "text/xml", Form::Json),
        (Method::DELETE, "application/soap+xml", Form::Json),
    ];
    for (method, content_type, form) in cases {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        assert_eq!(Form::of(&method, &headers), form, "{method} {content_type}");
    }
    assert_eq!(Form::of(&Method::POST, &HeaderMap::new()), Form::Json);
}

#[test]
fn an_answer_names_what_the_api_asks_for() {
    let asked =
        Asked { token_header: Some("X-Key"), scopes: &["orders.read", "orders.all"], ..Asked::default() };
    let missing = Fault::MissingCredentials.answer(&asked);
    assert!(text(&missing).contains("'X-Key : Bearer ACCESS_TOKEN'"), "{}", text(&missing));
    let scope = Fault::InsufficientScope.answer(&asked);
    assert!(header(&scope, WWW_AUTHENTICATE).ends_with("scope=\"orders.read orders.all\""));
}
