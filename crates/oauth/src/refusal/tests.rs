use std::fmt::Write;

use super::*;

fn every_refusal() -> Vec<Refusal> {
    use Refusal::{
        ApplicationDisabled, BodyTooSlow, Busy, ClientCredentials, CredentialInUrl, Defect, GrantNotAllowed,
        InvalidBearer, InvalidParameter, InvalidValidityPeriod, LacksOpenid, Limit, MalformedAuthorization,
        MalformedBearer, MalformedForm, MayNotIntrospect, MissingBearer, MissingGrantType, MissingParameter,
        MissingToken, NoClientAuthentication, NotAForm, OtherClientsToken, Refresh, RefreshReplayed,
        RepeatedParameter, Scope, SeveralClientAuthentications, StoreUnavailable, TooLarge, TooManyAttempts,
        TookTooLong, UnsupportedGrantType, UserCredentials,
    };
    vec![
        MalformedForm,
        NotAForm,
        TooLarge,
        RepeatedParameter,
        CredentialInUrl,
        MissingGrantType,
        MissingParameter("username"),
        MissingParameter("password"),
        MissingParameter("refresh_token"),
        MissingParameter("another"),
        InvalidValidityPeriod,
        InvalidParameter("tokenBindingId"),
        InvalidParameter("username"),
        InvalidParameter("password"),
        InvalidParameter("another"),
        UnsupportedGrantType,
        SeveralClientAuthentications,
        NoClientAuthentication,
        MalformedAuthorization,
        ClientCredentials,
        ApplicationDisabled,
        GrantNotAllowed,
        UserCredentials,
        Refresh(RotationRefusal::Unknown),
        Refresh(RotationRefusal::Superseded),
        Refresh(RotationRefusal::Expired),
        Refresh(RotationRefusal::ScopeWidened),
        Refresh(RotationRefusal::ScopeChanged),
        RefreshReplayed,
        Scope(ScopeProblem::Character),
        Scope(ScopeProblem::TooLong),
        Scope(ScopeProblem::DeviceName),
        Scope(ScopeProblem::Unknown),
        Scope(ScopeProblem::Widened),
        Limit(LimitReached),
        MissingToken,
        OtherClientsToken,
        MayNotIntrospect,
        MissingBearer,
        MalformedBearer,
        InvalidBearer,
        LacksOpenid,
        TooManyAttempts { retry_after: 17 },
        Busy,
        StoreUnavailable,
        BodyTooSlow,
        TookTooLong,
        Defect,
    ]
}

/// The variants of an enum, as its source names them.
fn variants(source: &'static str, name: &str) -> Vec<&'static str> {
    let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    body.lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|line| line.split(|end: char| !end.is_ascii_alphanumeric()).next().unwrap())
        .collect()
}

#[test]
fn every_answer() {
    let mut table = String::new();
    for refusal in every_refusal() {
        let OAuthError { status, error, description, challenge, retry_after } = refusal.answer();
        let retry = retry_after.map_or("-".to_owned(), |seconds| format!("{seconds} s"));
        writeln!(
            table,
            "{:35} | {status} | {error:23} | {challenge:10} | {retry:4} | {description}",
            format!("{refusal:?}"),
            challenge = format!("{challenge:?}"),
        )
        .unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_table_is_complete() {
    let shown: Vec<String> = every_refusal().iter().map(|refusal| format!("{refusal:?}")).collect();
    for variant in variants(include_str!("../refusal.rs"), "Refusal") {
        assert!(shown.iter().any(|shown| shown.starts_with(variant)), "{variant}");
    }
    for variant in variants(include_str!("../rotation.rs"), "RotationRefusal") {
        assert!(shown.contains(&format!("Refresh({variant})")), "{variant}");
    }
    for variant in variants(include_str!("../scope.rs"), "ScopeProblem") {
        assert!(shown.contains(&format!("Scope({variant})")), "{variant}");
    }
}

/// C022: what stands in `error` and `error_description` (RFC 6749 section 5.2), and in the quoted strings of
/// a challenge (RFC 6750 section 3).
#[test]
fn answers_keep_to_the_characters_of_the_rfc() {
    let codes = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "invalid_scope",
        "invalid_token",
        "insufficient_scope",
        "unauthorized_client",
        "unsupported_grant_type",
        "access_denied",
        "temporarily_unavailable",
        "server_error",
    ];
    for refusal in every_refusal() {
        let answer = refusal.answer();
        let allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(answer.description.bytes().all(allowed), "{refusal:?}: {}", answer.description);
        assert!(!answer.description.is_empty());
        let bare = answer.challenge == Challenge::BareBearer;
        assert!(bare && answer.error.is_empty() || codes.contains(&answer.error), "{refusal:?}");
        assert!(answer.status != 401 || answer.challenge != Challenge::None, "{refusal:?}");
        assert_eq!(answer.retry_after.is_some(), matches!(answer.status, 429 | 503), "{refusal:?}");
        assert!(!refusal.to_string().is_empty());
    }
}

#[test]
fn what_must_not_be_told_apart_looks_alike() {
    let superseded = Refusal::Refresh(RotationRefusal::Superseded).answer();
    assert_eq!(superseded, Refusal::RefreshReplayed.answer(), "a thief learns nothing of the chain");
}
