use proptest::prelude::*;

use super::*;

/// A body and the names and values found in it.
type Case = (&'static [u8], Result<&'static [(&'static str, &'static str)], Refusal>);

fn names_and_values(form: &Form) -> Vec<(&str, &str)> {
    form.0.iter().map(|(name, value)| (name.as_str(), value.expose())).collect()
}

#[test]
fn bodies() {
    let malformed = Err(Refusal::MalformedForm);
    let repeated = Err(Refusal::RepeatedParameter);
    let cases: &[Case] = &[
        (b"", Ok(&[])),
        (b"&&", Ok(&[])),
        (b"a=b&c=d", Ok(&[("a", "b"), ("c", "d")])),
        (b"&a=b&&c=d&", Ok(&[("a", "b"), ("c", "d")])),
        (b"a", Ok(&[("a", "")])),
        (b"a=", Ok(&[("a", "")])),
        (b"=b", Ok(&[("", "b")])),
        (b"a=b=c", Ok(&[("a", "b=c")])),
        (b"a+b=c+d%2Be", Ok(&[("a b", "c d+e")])),
        (b"a=%c3%A4", Ok(&[("a", "\u{e4}")])),
        (b"a=\xc3\xa4", Ok(&[("a", "\u{e4}")])),
        (b"a=%00%0D%0a", Ok(&[("a", "\0\r\n")])),
        (b"a=%26%3D%25", Ok(&[("a", "&=%")])),
        (b"a=b;c=d", Ok(&[("a", "b;c=d")])),
        (b"a=%", malformed),
        (b"a=%4", malformed),
        (b"a=%4&b=c", malformed),
        (b"a=%zz", malformed),
        (b"a=%+4", malformed),
        (b"a=%u0041", malformed),
        (b"%=b", malformed),
        (b"a=%ff", malformed),
        (b"a=\xff", malformed),
        (b"a=%c0%80", malformed),
        (b"a=%ed%a0%80", malformed),
        (b"a=b&a=c", repeated),
        (b"a=b&a=b", repeated),
        (b"a=&a=b", repeated),
        (b"a&a", repeated),
        (b"a=b&%61=b", repeated),
        (b"=&=", repeated),
    ];
    for (body, expected) in cases {
        let parsed = Form::parse(body);
        let found = parsed.as_ref().map(names_and_values).map_err(|refusal| *refusal);
        assert_eq!(found, expected.map(<[_]>::to_vec), "{:?}", String::from_utf8_lossy(body));
    }
}

#[test]
fn the_number_of_parameters_is_bounded() {
    let body = |count: usize| (0..count).map(|number| format!("p{number}=x")).collect::<Vec<_>>().join("&");
    assert!(Form::parse(body(MAX_PARAMETERS).as_bytes()).is_ok());
    assert_eq!(Form::parse(body(MAX_PARAMETERS + 1).as_bytes()).unwrap_err(), Refusal::MalformedForm);
}

#[test]
fn credentials_stay_out_of_the_url() {
    let mut cases: Vec<(String, &str, Result<(), Refusal>)> = [
        ("", "", Ok(())),
        ("tenant=x&state", "a=b", Ok(())),
        ("client_id=x", "a=b", Ok(())),
        ("a=b", "a=b", Err(Refusal::RepeatedParameter)),
        ("a", "a=b", Err(Refusal::RepeatedParameter)),
        ("b=c&b=d", "a=b", Err(Refusal::RepeatedParameter)),
        ("b=%", "a=b", Err(Refusal::MalformedForm)),
        ("pass%77ord=x", "a=b", Err(Refusal::CredentialInUrl)),
        ("password", "a=b", Err(Refusal::CredentialInUrl)),
        ("password=x", "password=x", Err(Refusal::CredentialInUrl)),
        ("Password=x", "a=b", Ok(())),
    ]
    .map(|(query, body, expected)| (query.to_owned(), body, expected))
    .to_vec();
    for name in CREDENTIALS {
        cases.push((format!("a=b&{name}=x"), "grant_type=password", Err(Refusal::CredentialInUrl)));
    }
    for (query, body, expected) in cases {
        let parsed = Form::parse_with_query(body.as_bytes(), Some(&query)).map(|_| ());
        assert_eq!(parsed, expected, "{query} with {body}");
    }
}

#[test]
fn the_query_adds_nothing_to_the_form() {
    let form = Form::parse_with_query(b"a=b", Some("scope=x")).unwrap();
    assert_eq!(names_and_values(&form), [("a", "b")]);
    assert_eq!(names_and_values(&Form::parse_with_query(b"a=b", None).unwrap()), [("a", "b")]);
}

#[test]
fn an_empty_value_counts_as_absent() {
    let form = Form::parse(b"a=&b=c").unwrap();
    assert_eq!((form.get("a"), form.get("b"), form.get("c")), (None, Some("c"), None));
    assert_eq!(form.secret("a"), None);
}

#[test]
fn no_value_is_shown() {
    let shown = format!("{:?}", Form::parse(b"password=hunter2").unwrap());
    assert!(shown.contains("password") && !shown.contains("hunter2"), "{shown}");
}

/// Every byte but letters and digits as `%XX`, some spaces as `+`.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02x}"),
    };
    text.bytes().map(encode).collect()
}

proptest! {
    #[test]
    fn pairs_come_back(pairs in prop::collection::btree_map(".{0,12}", ".{0,40}", 0..12)) {
        let body: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let form = Form::parse(body.join("&").as_bytes()).unwrap();
        let expected: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        prop_assert_eq!(names_and_values(&form), expected);
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(prop_oneof![Just(b'%'), Just(b'&'), Just(b'='), any::<u8>()], 0..60)) {
        if let Ok(form) = Form::parse(&body) {
            prop_assert!(form.0.len() <= MAX_PARAMETERS);
            for (place, (name, _)) in form.0.iter().enumerate() {
                prop_assert!(form.0[..place].iter().all(|(other, _)| other != name));
            }
        }
    }
}
