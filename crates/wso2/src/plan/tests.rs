use std::collections::{BTreeMap, BTreeSet};

use latchkey_catalog::tier::{Level, PastLimit};
use latchkey_catalog::user::UserState;
use latchkey_oauth::client::KeyType;
use latchkey_oauth::minted_value::digest_of;
use latchkey_oauth::secret::Secret;

use super::*;
use crate::entry::{Kept, Origin, TokenBinding, TokenEntry};
use crate::rows::{
    ApiRow, ApplicationRow, ClientRow, PolicyRow, ResourceRow, SubscriptionRow, TokenRow, UserRow,
};

/// 2026-01-01T00:00:00Z.
const THEN: i64 = 1_767_225_600_000;
const HOUR: i64 = 3_600_000;
const OPAQUE: &str = "ed074839-7efc-3c07-a5a0-a06382eba5ac";
const REFRESH: &str = "0e8fd0d5-3bb2-3cb5-9c5a-5b9a5e9d3a51";
const JTI: &str = "0e8fd0d5-3bb2-4cb5-9c5a-5b9a5e9d3a51";

fn hashed(text: &str) -> String {
    use std::fmt::Write;
    let hex = digest_of(&Secret::new(text)).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!(r#"{{"hash":"{hex}","algorithm":"SHA-256"}}"#)
}

fn live_row() -> TokenRow {
    TokenRow {
        client_id: Some("key".to_owned()),
        token_type: "OAUTH".to_owned(),
        access: Secret::new(OPAQUE),
        refresh: Secret::new(REFRESH),
        access_hash: hashed(OPAQUE),
        refresh_hash: hashed(REFRESH),
        user: "alice".to_owned(),
        domain: "PRIMARY".to_owned(),
        tenant: SUPER_TENANT.to_owned(),
        user_type: "APPLICATION_USER".to_owned(),
        created: "2026-01-01 00:00:00.000".to_owned(),
        refresh_created: "2026-01-01 00:00:00".to_owned(),
        validity: "3600000".to_owned(),
        refresh_validity: "86400000".to_owned(),
        state: "ACTIVE".to_owned(),
        scopes: BTreeSet::from(["device_ipad".to_owned(), "a".to_owned()]),
        binding_ref: "NONE".to_owned(),
        binding: None,
    }
}

fn planned(row: &TokenRow, now: i64) -> Result<TokenEntry, Reason> {
    token(row, now).outcome.map(|entry| {
        let Entry::Token(token) = entry else { panic!("{entry:?}") };
        *token
    })
}

#[test]
fn the_vector_of_a_hash_holds() {
    let json = hashed(OPAQUE);
    assert!(json.contains("8e7590d771ab2dab8fc5e191e006ca119b30b04064142114b206b78fcdef6fbc"), "{json}");
}

#[test]
fn a_credential_is_known_by_text_or_by_digest() {
    let digest = digest_of(&Secret::new(OPAQUE));
    let plain = || Some(Kept::Plain(Secret::new(OPAQUE)));
    let cases = [
        (OPAQUE.to_owned(), hashed(OPAQUE), Ok(plain())),
        (OPAQUE.to_owned(), String::new(), Ok(plain())),
        (hashed(OPAQUE), hashed(OPAQUE), Ok(Some(Kept::Digest(digest)))),
        (hashed(OPAQUE), String::new(), Ok(Some(Kept::Digest(digest)))),
        ("ciphertext".to_owned(), hashed(OPAQUE), Ok(Some(Kept::Digest(digest)))),
        (String::new(), String::new(), Ok(None)),
        (hashed(OPAQUE).replace("SHA-256", "MD5"), String::new(), Err(Reason::Unreadable)),
        (OPAQUE.to_owned(), hashed(OPAQUE).replace("8e75", "zz75"), Err(Reason::Unreadable)),
    ];
    for (value, hash, expected) in cases {
        assert_eq!(kept(&Secret::new(value.as_str()), &hash), expected, "{value} {hash}");
    }
}

#[test]
fn a_live_token_comes_over() {
    let entry = planned(&live_row(), THEN + 1).unwrap();
    assert_eq!(
        (entry.client_id.as_str(), entry.user.as_deref(), entry.scope.as_str()),
        ("key", Some("alice"), "a device_ipad")
    );
    assert_eq!((entry.issued_at, entry.expires_at), (THEN, Some(THEN + HOUR)));
    assert_eq!(entry.access, Some(Kept::Plain(Secret::new(OPAQUE))));
    let refresh = entry.refresh.unwrap();
    assert_eq!((refresh.issued_at, refresh.expires_at), (THEN, Some(THEN + 24 * HOUR)));
    assert_eq!(entry.binding, TokenBinding::None);
    assert!(token(&live_row(), THEN).lost.is_empty());
}

#[test]
fn what_is_over_does_not_come() {
    type Case = (fn(&mut TokenRow), i64, Reason);
    let cases: [Case; 12] = [
        (|row| "REVOKED".clone_into(&mut row.state), 0, Reason::State("REVOKED".to_owned())),
        (|row| "INACTIVE".clone_into(&mut row.state), 0, Reason::State("INACTIVE".to_owned())),
        (|row| "<b>".clone_into(&mut row.state), 0, Reason::State("unknown".to_owned())),
        (|row| "1".clone_into(&mut row.tenant), 0, Reason::OtherTenant),
        (|row| row.client_id = None, 0, Reason::NoClient),
        (|row| "LDAP".clone_into(&mut row.domain), 0, Reason::OtherUserStore("LDAP".to_owned())),
        (|row| "LDAP/alice".clone_into(&mut row.user), 0, Reason::OtherUserStore("LDAP".to_owned())),
        (|_| (), 24 * HOUR, Reason::Expired),
        (|row| "APPLICATION".clone_into(&mut row.user_type), HOUR, Reason::Expired),
        (|row| "yesterday".clone_into(&mut row.created), 0, Reason::Malformed("time of issue")),
        (|row| "1e3".clone_into(&mut row.validity), 0, Reason::Malformed("validity period")),
        (
            |row| {
                "JWT".clone_into(&mut row.token_type);
                row.refresh = Secret::default();
                row.refresh_hash.clear();
            },
            0,
            Reason::Signed,
        ),
    ];
    for (change, later, expected) in cases {
        let mut row = live_row();
        change(&mut row);
        assert_eq!(planned(&row, THEN + later), Err(expected), "{row:?}");
    }
}

#[test]
fn the_id_of_a_signed_token_never_becomes_a_credential() {
    type Case = fn(&mut TokenRow);
    let cases: [Case; 4] = [
        |row| "JWT".clone_into(&mut row.token_type),
        |row| {
            row.access = Secret::new(JTI);
            row.access_hash = hashed(JTI);
        },
        |row| {
            row.access = Secret::new(hashed(JTI));
            row.token_type.clear();
        },
        |row| {
            row.access = Secret::new("a.b.c");
            row.access_hash.clear();
        },
    ];
    for change in cases {
        let mut row = live_row();
        change(&mut row);
        let planned = token(&row, THEN);
        let Ok(Entry::Token(entry)) = planned.outcome else { panic!("{row:?}") };
        assert_eq!((entry.access, entry.expires_at), (None, Some(THEN)), "{row:?}");
        assert!(entry.refresh.is_some());
        assert_eq!(planned.lost, [(Kind::Tokens, Reason::SignedButRefreshed)]);
    }
}

#[test]
fn a_refresh_token_outlives_its_access_token_and_a_client_has_none() {
    let entry = planned(&live_row(), THEN + HOUR).unwrap();
    assert_eq!((entry.access, entry.expires_at), (None, Some(THEN)));
    let own = TokenRow { user_type: "APPLICATION".to_owned(), domain: "LDAP".to_owned(), ..live_row() };
    let entry = planned(&own, THEN).unwrap();
    assert_eq!((entry.user, entry.refresh), (None, None));
    for endless in ["-1", "-1000", "9223372036854775807"] {
        let row = TokenRow { validity: endless.to_owned(), ..live_row() };
        assert_eq!(planned(&row, THEN + 1000 * HOUR).unwrap().expires_at, None, "{endless}");
    }
}

#[test]
fn bindings_keep_devices_apart() {
    let reference = "59ca44f6c749935e77f27f25aba0efd8".to_owned();
    let bound = |binding: Option<(&str, &str)>| {
        let binding = binding.map(|(kind, value)| (kind.to_owned(), value.to_owned()));
        planned(&TokenRow { binding, binding_ref: reference.clone(), ..live_row() }, THEN).unwrap().binding
    };
    assert_eq!(bound(Some(("client-request", "ipad-7"))), TokenBinding::Client("ipad-7".to_owned()));
    let other = bound(None);
    assert!(matches!(other, TokenBinding::Other(_)));
    assert_eq!(bound(Some(("cookie", "ipad-7"))), other);
    assert_eq!(bound(Some(("client-request", "not fit"))), other);
}

#[test]
fn moments_are_read() {
    let cases = [
        ("2026-01-01 00:00:00", Some(THEN)),
        ("2026-01-01 00:00:00.5", Some(THEN + 500)),
        ("2026-01-01 00:00:00.123456", Some(THEN + 123)),
        ("2026-01-01T01:00:00Z", Some(THEN + HOUR)),
        ("2026-01-01 00:00:01+00", Some(THEN + 1000)),
        ("2026-13-01 00:00:00", None),
        ("2026-01-01", None),
        ("0000-00-00 00:00:00", None),
        ("2026-01-01 00:00:00.x", None),
        ("", None),
        ("äääää ääääää", None),
    ];
    for (text, expected) in cases {
        assert_eq!(moment(text), expected, "{text}");
    }
}

#[test]
fn users_come_with_roles_and_state() {
    let set = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<BTreeSet<_>>();
    let row = UserRow {
        name: "alice".to_owned(),
        password: Secret::new("nBdGGhdvSBp4Y3N9L2mRWuYx2oVPxYbfIxMkrUqxW3Y="),
        salt: "cbyE1tOHAQBy0rC0SDhB6w==".to_owned(),
        tenant: SUPER_TENANT.to_owned(),
        roles: set(&["admin", "a b"]),
        hybrid_roles: set(&["everyone", "subscriber", "Application/x"]),
        attributes: BTreeMap::from([
            ("accountLocked".to_owned(), "true".to_owned()),
            ("mail".to_owned(), "alice@example.org".to_owned()),
            ("sn".to_owned(), "a\nb".to_owned()),
        ]),
    };
    let planned = user(&row);
    let Ok(Entry::User(entry)) = planned.outcome else { panic!() };
    assert_eq!(entry.roles, set(&["Application/x", "Internal/subscriber", "admin"]));
    assert_eq!((entry.state, entry.family_name, entry.email.is_some()), (UserState::Locked, None, true));
    assert!(entry.password.is_some());
    assert_eq!(planned.lost, [(Kind::Roles, Reason::Name)]);
    let other = user(&UserRow { password: Secret::new("PBKDF2:x"), ..row.clone() });
    assert_eq!(other.lost[0], (Kind::Users, Reason::Password));
    assert_eq!(user(&UserRow { name: "al".to_owned(), ..row.clone() }).outcome, Err(Reason::Name));
    assert_eq!(user(&UserRow { tenant: "1".to_owned(), ..row }).outcome, Err(Reason::OtherTenant));
}

#[test]
fn policies_become_tiers() {
    let row = |level: &str, quota_type: &str, quota: &str, stops: &str| PolicyRow {
        level: level.to_owned(),
        name: "Own".to_owned(),
        tenant: SUPER_TENANT.to_owned(),
        quota_type: quota_type.to_owned(),
        quota: quota.to_owned(),
        unit_time: "1".to_owned(),
        time_unit: "min".to_owned(),
        stops: stops.to_owned(),
        ..PolicyRow::default()
    };
    let Ok(Entry::Tier(tier)) = policy(&row("subscription", "requestCount", "20", "0")).outcome else {
        panic!()
    };
    assert_eq!((tier.level, tier.past_limit), (Level::Subscription, PastLimit::Admit));
    assert_eq!(tier.limit.unwrap().to_string(), "20/minute");
    let Ok(Entry::Tier(tier)) = policy(&row("application", "requestCount", "2147483647", "1")).outcome else {
        panic!()
    };
    assert_eq!((tier.limit, tier.past_limit), (None, PastLimit::Refuse));
    let refused = |row: PolicyRow| policy(&row).outcome.unwrap_err();
    assert_eq!(refused(row("resource", "bandwidthVolume", "20", "1")), Reason::Bandwidth);
    assert_eq!(refused(row("resource", "requestCount", "x", "1")), Reason::Malformed("quota"));
}

#[test]
fn apis_lose_the_version_of_their_context() {
    let resource = ResourceRow {
        method: "GET".to_owned(),
        pattern: "/anything".to_owned(),
        authentication: "Any".to_owned(),
        tier: "Unlimited".to_owned(),
        scopes: BTreeSet::from(["echo.read".to_owned()]),
    };
    let row = ApiRow {
        uuid: "0e8fd0d5-3bb2-4cb5-9c5a-5b9a5e9d3a51".to_owned(),
        provider: "admin".to_owned(),
        name: "Echo".to_owned(),
        version: "1.0.0".to_owned(),
        context: "/echo/1.0.0".to_owned(),
        status: "PUBLISHED".to_owned(),
        resources: vec![resource],
        scopes: BTreeMap::from([
            ("echo.read".to_owned(), BTreeSet::from(["reader".to_owned()])),
            ("unused".to_owned(), BTreeSet::new()),
        ]),
        ..ApiRow::default()
    };
    let Ok(Entry::Api(entry)) = api(&row).outcome else { panic!() };
    assert_eq!((entry.context.as_str(), entry.id.is_some()), ("/echo", true));
    assert_eq!(entry.definition.scopes.len(), 1);
    let refused = |row: ApiRow| api(&row).outcome.unwrap_err();
    assert_eq!(refused(ApiRow { context: "/1.0.0/echo".to_owned(), ..row.clone() }), Reason::Context);
    assert_eq!(refused(ApiRow { context: "/t/x/echo/1.0.0".to_owned(), ..row.clone() }), Reason::OtherTenant);
    assert!(matches!(refused(ApiRow { name: String::new(), ..row }), Reason::Api(_)));
}

#[test]
fn applications_come_with_their_keys_or_not_at_all() {
    let client = |key_type: &str, secret: &str| ClientRow {
        client_id: format!("{key_type}-key"),
        secret: Secret::new(secret),
        grants: "password refresh_token kerberos".to_owned(),
        state: "ACTIVE".to_owned(),
        key_type: key_type.to_owned(),
        user_validity: "3600".to_owned(),
        ..ClientRow::default()
    };
    let row = ApplicationRow {
        name: "Shop".to_owned(),
        owner: "alice@carbon.super".to_owned(),
        tenant: SUPER_TENANT.to_owned(),
        status: "APPROVED".to_owned(),
        token_type: "OAUTH".to_owned(),
        keys: vec![client("PRODUCTION", "s3cret"), client("SANDBOX", &hashed("s3cret"))],
        ..ApplicationRow::default()
    };
    let read = |row: &ApplicationRow, origin| application(row, origin);
    let Ok(Entry::Application(entry)) = read(&row, Origin::Portal).outcome else { panic!() };
    assert_eq!(
        (entry.owner.as_str(), entry.keys.len(), entry.keys[1].key_type),
        ("alice", 2, KeyType::Sandbox)
    );
    assert!(matches!(entry.keys[1].secret, Kept::Digest(_)));
    let revoked = ClientRow { state: "REVOKED".to_owned(), ..client("SANDBOX", "x") };
    let planned = read(
        &ApplicationRow { keys: vec![client("PRODUCTION", "x"), revoked], ..row.clone() },
        Origin::Portal,
    );
    assert_eq!(planned.lost.len(), 1);
    let Ok(Entry::Application(entry)) = planned.outcome else { panic!() };
    assert_eq!(entry.keys.len(), 1);
    let cases = [
        (
            ApplicationRow { keys: vec![client("PRODUCTION", &"x".repeat(300))], ..row.clone() },
            Reason::Unreadable,
        ),
        (
            ApplicationRow { keys: vec![client("OTHER", "x")], ..row.clone() },
            Reason::Malformed("type of keys"),
        ),
        (
            ApplicationRow { owner: "LDAP/bob".to_owned(), ..row.clone() },
            Reason::OtherUserStore("LDAP".to_owned()),
        ),
        (ApplicationRow { name: "a\n".to_owned(), ..row.clone() }, Reason::Name),
        (
            ApplicationRow { status: "REJECTED".to_owned(), ..row.clone() },
            Reason::State("REJECTED".to_owned()),
        ),
    ];
    for (row, expected) in cases {
        assert_eq!(read(&row, Origin::Portal).outcome, Err(expected));
    }
    let portal = ApplicationRow { name: "apim_publisher".to_owned(), ..row };
    assert_eq!(read(&portal, Origin::Registration).outcome, Err(Reason::OwnPortal));
}

#[test]
fn subscriptions_need_both_ends() {
    let row = SubscriptionRow {
        application: Some(("alice".to_owned(), "Shop".to_owned())),
        api: Some(("/echo/1.0.0".to_owned(), "1.0.0".to_owned())),
        tier: "Gold".to_owned(),
        status: "UNBLOCKED".to_owned(),
        ..SubscriptionRow::default()
    };
    let Ok(Entry::Subscription(entry)) = subscription(&row).outcome else { panic!() };
    assert_eq!(entry.api, ("/echo".to_owned(), "1.0.0".to_owned()));
    let refused = |row: SubscriptionRow| subscription(&row).outcome.unwrap_err();
    assert_eq!(refused(SubscriptionRow { api: None, ..row.clone() }), Reason::NoEnds);
    assert_eq!(refused(SubscriptionRow { status: "X".to_owned(), ..row }), Reason::State("X".to_owned()));
}

#[test]
fn entries_cross_as_they_are_and_show_nothing() {
    let entries = [
        Entry::Token(Box::new(planned(&live_row(), THEN).unwrap())),
        Entry::Token(Box::new(
            planned(&TokenRow { access: Secret::new(hashed(OPAQUE)), ..live_row() }, THEN).unwrap(),
        )),
    ];
    for entry in entries {
        let text = serde_json::to_string(&entry).unwrap();
        assert!(entry.weight() > text.len(), "{} for {}", entry.weight(), text.len());
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        assert!(!format!("{entry:?}").contains(OPAQUE));
    }
}
