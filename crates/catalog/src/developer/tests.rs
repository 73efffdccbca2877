//! What developers may say, and who sees what they have.

use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::id::PrincipalId;

use super::*;
use crate::id::EntryId;
use crate::user::{Profile, UserState};

const DEFAULT: Validities = Validities {
    application: Validity::Seconds(1),
    user: Validity::Seconds(2),
    refresh: Validity::Seconds(3),
};

fn user(id: u8, roles: &[&str]) -> User {
    User {
        id: PrincipalId::from_bytes([id; 16]),
        name: "alice".to_owned(),
        password: String::new(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        state: UserState::Active,
        profile: Profile::default(),
        created_at: Timestamp::from_seconds(0),
        updated_at: Timestamp::from_seconds(0),
    }
}

#[test]
fn an_application_is_seen_by_its_owner_and_by_its_groups() {
    let alice = user(1, &[]);
    let mut application =
        Application::registered(EntryId::from_bytes([9; 16]), "Shop", alice.id, Timestamp::from_seconds(0));
    let seen = |application: &Application| {
        [user(1, &[]), user(2, &["team"]), user(3, &["other"])].map(|user| sight(application, &user))
    };
    assert_eq!(seen(&application), [Some(Sight::Own), None, None]);
    application.details.groups.insert("team".to_owned());
    assert_eq!(seen(&application), [Some(Sight::Own), Some(Sight::Shared), None]);
    application.details.groups = BTreeSet::from([EVERYONE_ROLE.to_owned()]);
    assert_eq!(seen(&application), [Some(Sight::Own), Some(Sight::Shared), Some(Sight::Shared)]);
}

/// What is said of the life of application tokens, and what comes of it.
const LIVES: [(&str, Result<Validity, BadWish>); 10] = [
    ("N/A", Ok(DEFAULT.application)),
    ("", Ok(DEFAULT.application)),
    ("0", Ok(DEFAULT.application)),
    ("3600", Ok(Validity::Seconds(3600))),
    ("9223372036854775807", Ok(Validity::Forever)),
    ("4294967296", Ok(Validity::Forever)),
    ("-1", Err(BadWish::Negative)),
    ("-9223372036854775808", Err(BadWish::Negative)),
    ("soon", Err(BadWish::NoNumber)),
    ("1e3", Err(BadWish::NoNumber)),
];

#[test]
fn lives_of_tokens_are_read_as_wso2_reads_them() {
    for (text, expected) in LIVES {
        for (name, pick) in [
            (APPLICATION_LIFE, (|read| read.application) as fn(Validities) -> Validity),
            (USER_LIFE, |read| read.user),
            (REFRESH_LIFE, |read| read.refresh),
            (ID_LIFE, |_| Validity::Seconds(0)),
        ] {
            let said = BTreeMap::from([(name.to_owned(), text.to_owned())]);
            let read = validities(&said, DEFAULT);
            assert_eq!(read.is_ok(), expected.is_ok(), "{name} {text}");
            match (read, expected) {
                (Ok(read), Ok(life)) if name != ID_LIFE && life != DEFAULT.application => {
                    assert_eq!(pick(read), life, "{name} {text}");
                }
                (Ok(read), Ok(_)) => assert_eq!(read, DEFAULT, "{name} {text}"),
                (read, _) => assert_eq!(read, Err(expected.unwrap_err()), "{name} {text}"),
            }
        }
    }
}

#[test]
fn properties_are_shown_with_their_defaults() {
    let said = BTreeMap::from([
        ("pkceMandatory".to_owned(), "true".to_owned()),
        (USER_LIFE.to_owned(), "60".to_owned()),
        ("colour".to_owned(), "red".to_owned()),
    ]);
    let shown = shown(&said);
    let expected = [
        ("pkceMandatory", "true"),
        ("pkceSupportPlain", "false"),
        (USER_LIFE, "60"),
        (REFRESH_LIFE, "N/A"),
        ("colour", "red"),
    ];
    assert!(expected.iter().all(|(name, value)| shown[name] == *value), "{shown:?}");
    assert_eq!(shown.len(), 8);
}

#[test]
fn grants_that_lead_through_a_browser_need_a_callback() {
    let callback = ["https://app.example/back".to_owned()];
    let read = Grants::read(["password", " refresh_token", "", "authorization_code"], &callback).unwrap();
    assert_eq!(read.known, BTreeSet::from([GrantType::Password, GrantType::RefreshToken]));
    assert_eq!(read.further, BTreeSet::from(["authorization_code".to_owned()]));
    assert_eq!(
        Grants::names(&read.known, &read.further),
        ["password", "refresh_token", "authorization_code"]
    );
    for name in ["authorization_code", "implicit"] {
        assert_eq!(Grants::read([name], &[]), Err(BadWish::NoCallback));
    }
    assert!(Grants::read(["client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer"], &[]).is_ok());
}

#[test]
fn what_is_said_is_bounded() {
    let long = "x".repeat(MAX_VALUE + 1);
    let with = |change: fn(&mut ApplicationDetails, String)| {
        let mut details = ApplicationDetails::default();
        change(&mut details, long.clone());
        check_details(&details)
    };
    assert_eq!(check_details(&ApplicationDetails::default()), Ok(()));
    assert_eq!(with(|details, text| details.description = text), Err(BadWish::Description));
    assert_eq!(
        with(|details, text| details.attributes = BTreeMap::from([("a".to_owned(), text)])),
        Err(BadWish::TooMuch)
    );
    assert_eq!(
        with(|details, text| details.attributes = BTreeMap::from([(text, "a".to_owned())])),
        Err(BadWish::TooMuch)
    );
    assert_eq!(with(|details, text| details.groups = BTreeSet::from([text])), Err(BadWish::TooMuch));
    let many = (0..=MOST).map(|number| (number.to_string(), String::new())).collect();
    assert_eq!(validities(&many, DEFAULT), Err(BadWish::TooMuch));
    let names: Vec<_> = many.keys().map(String::as_str).collect();
    assert_eq!(Grants::read(names, &[]), Err(BadWish::TooMuch));
}
