use super::*;
use crate::samples::client;
use crate::scope::ScopeProblem;

fn parse(body: &str) -> Result<TokenRequest, Refusal> {
    TokenRequest::parse(&Form::parse(body.as_bytes()).unwrap())
}

#[test]
fn requests_that_are_refused() {
    let long = |name: &str, length: usize| {
        format!("grant_type=password&username=u&password=p&{name}={}", "x".repeat(length))
    };
    let cases: Vec<(String, Refusal)> = [
        ("", Refusal::MissingGrantType),
        ("grant_type=", Refusal::MissingGrantType),
        ("grant_type=implicit", Refusal::UnsupportedGrantType),
        ("grant_type=Password", Refusal::UnsupportedGrantType),
        ("grant_type=password+", Refusal::UnsupportedGrantType),
        ("grant_type=password", Refusal::MissingParameter("username")),
        ("grant_type=password&username=alice", Refusal::MissingParameter("password")),
        ("grant_type=password&username=alice&password=", Refusal::MissingParameter("password")),
        ("grant_type=refresh_token", Refusal::MissingParameter("refresh_token")),
        ("grant_type=client_credentials&scope=a%22", Refusal::Scope(ScopeProblem::Character)),
        ("grant_type=client_credentials&scope=device_", Refusal::Scope(ScopeProblem::DeviceName)),
        ("grant_type=client_credentials&validity_period=0", Refusal::InvalidValidityPeriod),
        ("grant_type=client_credentials&validity_period=-0", Refusal::InvalidValidityPeriod),
        ("grant_type=client_credentials&validity_period=1.5", Refusal::InvalidValidityPeriod),
        ("grant_type=client_credentials&validity_period=+1", Refusal::InvalidValidityPeriod),
        ("grant_type=client_credentials&validity_period=1h", Refusal::InvalidValidityPeriod),
        (
            "grant_type=client_credentials&validity_period=99999999999999999999",
            Refusal::InvalidValidityPeriod,
        ),
        ("grant_type=client_credentials&tokenBindingId=a+b", Refusal::InvalidParameter("tokenBindingId")),
        ("grant_type=client_credentials&tokenBindingId=%C3%A4", Refusal::InvalidParameter("tokenBindingId")),
        ("grant_type=client_credentials&tokenBindingId=%0a", Refusal::InvalidParameter("tokenBindingId")),
    ]
    .map(|(body, refusal)| (body.to_owned(), refusal))
    .into_iter()
    .chain([
        (long("tokenBindingId", 129), Refusal::InvalidParameter("tokenBindingId")),
        (
            format!("grant_type=password&password=p&username={}", "x".repeat(256)),
            Refusal::InvalidParameter("username"),
        ),
        (
            format!("grant_type=password&username=u&password={}", "x".repeat(257)),
            Refusal::InvalidParameter("password"),
        ),
    ])
    .collect();
    for (body, refusal) in cases {
        assert_eq!(parse(&body).unwrap_err(), refusal, "{body}");
    }
    assert!(parse(&long("tokenBindingId", 128)).is_ok());
}

#[test]
fn a_password_request() {
    let body = "grant_type=password&username=PRIMARY%2Falice%40carbon.super&password=p%26q+r&scope=b++a+b\
                &validity_period=-5&tokenBindingId=phone-1&other=ignored";
    let TokenRequest { grant, common } = parse(body).unwrap();
    assert_eq!(grant.grant_type(), GrantType::Password);
    let Grant::Password(params) = grant else { panic!("{grant:?}") };
    assert_eq!((params.username.as_str(), params.password.expose()), ("PRIMARY/alice@carbon.super", "p&q r"));
    assert_eq!(common.scope, Some(Scope::parse("a b").unwrap()));
    assert_eq!(common.validity_period, Some(Validity::Forever));
    assert_eq!(common.binding.as_deref(), Some("phone-1"));
}

#[test]
fn what_is_left_out_is_none() {
    for body in [
        "grant_type=client_credentials",
        "grant_type=client_credentials&scope=&validity_period=&tokenBindingId=",
    ] {
        let TokenRequest { grant, common } = parse(body).unwrap();
        assert_eq!(grant.grant_type(), GrantType::ClientCredentials);
        assert_eq!(common, Common { scope: None, validity_period: None, binding: None });
    }
    assert_eq!(parse("grant_type=client_credentials&scope=++").unwrap().common.scope, None);
}

#[test]
fn a_refresh_request_shows_no_token() {
    let request = parse("grant_type=refresh_token&refresh_token=hunter2").unwrap();
    let shown = format!("{request:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let Grant::RefreshToken(params) = request.grant else { panic!("{shown}") };
    assert_eq!(params.refresh_token.expose(), "hunter2");
}

/// D13: negative only where the application's own tokens never expire; longer is cut, shorter is taken.
#[test]
fn the_life_that_a_request_gets() {
    let limited = client().validities;
    let endless = Validities { user: Validity::Forever, ..limited };
    let refused = Err(Refusal::InvalidValidityPeriod);
    let cases = [
        (limited, None, Ok(Validity::Seconds(1800))),
        (limited, Some(Validity::Seconds(60)), Ok(Validity::Seconds(60))),
        (limited, Some(Validity::Seconds(9999)), Ok(Validity::Seconds(1800))),
        (limited, Some(Validity::Forever), refused),
        (endless, Some(Validity::Forever), Ok(Validity::Forever)),
        (endless, Some(Validity::Seconds(60)), Ok(Validity::Seconds(60))),
        (endless, None, Ok(Validity::Forever)),
    ];
    for (validities, validity_period, expected) in cases {
        let common = Common { scope: None, validity_period, binding: None };
        let found = common.access_validity(&validities, SubjectType::ApplicationUser);
        assert_eq!(found, expected, "{validity_period:?}");
    }
}
