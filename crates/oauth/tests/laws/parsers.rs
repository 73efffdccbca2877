//! What holds for every text that a stranger may send: one function for each reader, from any bytes to a
//! verdict, which panics where a law is broken. The fuzz targets call them with what they invent, a test
//! with what is kept in `fuzz/corpus`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use latchkey_oauth::client::KeyType;
use latchkey_oauth::client_authentication::{Basic, Credentials};
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::{Binding, Epochs, Family, Seed, Subject, SubjectType, TokenKey, Validity};
use latchkey_oauth::form::{Form, MAX_PARAMETERS};
use latchkey_oauth::id::{FamilyId, PrincipalId};
use latchkey_oauth::issuance::{Decision, Draft, apply};
use latchkey_oauth::jwk::{SigningAlgorithm, SigningKey, SigningKeys};
use latchkey_oauth::jwt::{AccessTokenClaims, ClaimFacts, sign, verify};
use latchkey_oauth::keyring::{Keyring, ValueKind};
use latchkey_oauth::scope::{self, KnownScopes, Scope, ScopePolicy, UnknownScope};
use latchkey_oauth::token_request::TokenRequest;

/// Whether a reader took a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// It did.
    Accepted,
    /// It did not.
    Refused,
}

impl Verdict {
    fn of<T>(read: Option<&T>) -> Self {
        if read.is_some() { Self::Accepted } else { Self::Refused }
    }
}

/// A reader with its laws.
pub(crate) type Law = fn(&[u8]) -> Verdict;

/// Every reader, under the name of its fuzz target.
pub(crate) const LAWS: [(&str, Law); 5] = [
    ("form", form),
    ("basic_header", basic_header),
    ("scope", scope),
    ("opaque_token", opaque_token),
    ("jwt", jwt),
];

/// A form is read as a second reader, written for clarity, reads it; what comes of it keeps its bounds. What
/// follows a `?` is taken for the query of the URL.
pub(crate) fn form(data: &[u8]) -> Verdict {
    let (body, query) = match data.iter().position(|byte| *byte == b'?') {
        Some(at) => (&data[..at], std::str::from_utf8(&data[at + 1..]).ok()),
        None => (data, None),
    };
    let parsed = Form::parse(body).ok();
    let expected = plainly_read(body);
    assert_eq!(parsed.is_some(), expected.is_some(), "the two readers agree");
    let (Some(parsed), Some(expected)) = (&parsed, expected) else { return Verdict::Refused };
    for (name, value) in &expected {
        assert_eq!(parsed.get(name), Some(value.as_str()).filter(|value| !value.is_empty()), "{name}");
    }
    if let Ok(request) = TokenRequest::parse(parsed) {
        let common = request.common;
        assert!(common.scope.is_none_or(|scope| Scope::parse(scope.as_str()) == Ok(scope)));
        assert!(common.binding.is_none_or(|binding| (1..=128).contains(&binding.len())));
    }
    if let (Some(query), true) = (query, Form::parse_with_query(body, query).is_ok()) {
        let names = plainly_read(query.as_bytes()).expect("a query that is taken is a form");
        assert!(names.keys().all(|name| !expected.contains_key(name)), "nothing stands in both");
        for credential in ["password", "client_secret", "token", "refresh_token", "code"] {
            assert!(!names.contains_key(credential), "{credential} in the URL");
        }
    }
    Verdict::Accepted
}

/// `application/x-www-form-urlencoded` by the letter: every name once, nothing mended.
fn plainly_read(body: &[u8]) -> Option<BTreeMap<String, String>> {
    let decoded = |text: &[u8]| -> Option<String> {
        let mut out = Vec::new();
        let mut place = 0;
        while place < text.len() {
            let (byte, length) = match text[place] {
                b'+' => (b' ', 1),
                b'%' => {
                    let digits = text.get(place + 1..place + 3)?;
                    let are_digits = digits.iter().all(u8::is_ascii_hexdigit);
                    let digits = std::str::from_utf8(digits).ok().filter(|_| are_digits)?;
                    (u8::from_str_radix(digits, 16).ok()?, 3)
                }
                byte => (byte, 1),
            };
            out.push(byte);
            place += length;
        }
        String::from_utf8(out).ok()
    };
    let mut pairs = BTreeMap::new();
    for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = decoded(halves.next().unwrap_or_default())?;
        let value = decoded(halves.next().unwrap_or_default())?;
        if pairs.insert(name, value).is_some() {
            return None;
        }
    }
    (pairs.len() <= MAX_PARAMETERS).then_some(pairs)
}

/// A Basic header that is read says the same when it is written anew; its client credentials are bounded.
pub(crate) fn basic_header(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else { return Verdict::Refused };
    let read = Basic::parse(text).and_then(Result::ok);
    let credentials = Credentials::from_request(Some(text), &Form::default()).ok();
    if let Some(basic) = &read {
        let (name, password) = (&basic.name, basic.password.expose());
        assert!(text.as_bytes()[..5].eq_ignore_ascii_case(b"basic") && !name.contains(':'));
        let anew = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
        let again = Basic::parse(&anew).and_then(Result::ok).expect("what was read can be written");
        assert_eq!((&again.name, again.password.expose()), (name, password));
        assert_eq!(anew.trim_start_matches("Basic "), text[5..].trim_start(), "it has one spelling");
    }
    if let Some(credentials) = &credentials {
        let basic = read.as_ref().expect("credentials come from a header that is read");
        assert!(credentials.consumer_key.len() <= 255);
        assert!(credentials.consumer_key.len() <= basic.name.len());
        assert!(credentials.secret.expose().len() <= basic.password.expose().len());
    }
    Verdict::of(credentials.as_ref())
}

static POLICY: LazyLock<ScopePolicy> = LazyLock::new(|| {
    let allowed = ["^device_.*", "openid"].map(str::to_owned);
    ScopePolicy::new(&allowed, UnknownScope::Drop).expect("the patterns are well-formed")
});

/// A scope that is read is canonical, holds the words of the text, and nothing more than these is granted.
pub(crate) fn scope(data: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(data) else { return Verdict::Refused };
    let Ok(read) = Scope::parse(text) else { return Verdict::Refused };
    let words: BTreeSet<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let members: Vec<&str> = read.members().collect();
    assert!(members.iter().copied().eq(words.iter().copied()), "each word once, in order");
    assert_eq!(read.as_str(), members.join(" "));
    assert_eq!(Scope::parse(read.as_str()).as_ref(), Ok(&read));
    let backwards: Vec<&str> = words.iter().rev().copied().collect();
    assert_eq!(Scope::parse(&backwards.join("  ")).as_ref(), Ok(&read));
    assert!(read.is_subset_of(&read) && Scope::empty().is_subset_of(&read));
    assert!(members.len() <= scope::MAX_SCOPES);
    assert!(members.iter().all(|member| member.len() <= scope::MAX_SCOPE_LENGTH));
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    assert!(members.iter().all(|member| member.bytes().all(allowed)));
    assert!(read.device_scopes().all(|device| (8..=71).contains(&device.len())));

    let known = KnownScopes::from([("echo.read".to_owned(), BTreeSet::from(["reader".to_owned()]))]);
    let granted = POLICY.grant(&read, &known, &BTreeSet::new()).expect("unknown scopes are dropped");
    assert!(granted.as_str() == scope::DEFAULT || granted.is_subset_of(&read));
    assert!(!granted.contains("echo.read"), "nobody here is a reader");
    assert!(read.device_scopes().all(|device| granted.contains(device)));
    Verdict::Accepted
}

fn family(number: u8) -> Family {
    let key = TokenKey {
        client: PrincipalId::from_bytes([0xc1; 16]),
        subject: Subject { kind: SubjectType::ApplicationUser, id: PrincipalId::from_bytes([0xa1; 16]) },
        scope: Scope::from_canonical("a device_phone"),
        binding: Binding::None,
    };
    let draft = Draft {
        id: FamilyId::from_bytes([number; 16]),
        seed: Seed::from_bytes([number ^ 0xff; 16]),
        access_validity: Validity::Seconds(3600),
        refresh_validity: Some(Validity::Seconds(86_400)),
        access_value: None,
        refresh_value: None,
        era: KEYRING.era(),
    };
    let now = Timestamp::from_seconds(1_800_000_000);
    apply(Decision::Create, None, (&key, &draft), Epochs::default(), now)
}

const FAMILIES: std::ops::Range<u8> = 0..8;

static KEYRING: LazyLock<Keyring> =
    LazyLock::new(|| Keyring::new(&[(1, [7; 32].into())].into(), 0, 3).expect("there is a master key"));

/// Every opaque value that the families of this file have.
pub(crate) static VALUES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let kinds = [ValueKind::Access, ValueKind::Refresh];
    let value = |number: u8, kind| {
        let value = KEYRING.render(kind, &family(number)).expect("the families have both tokens");
        value.expose().to_owned()
    };
    FAMILIES.flat_map(|number| kinds.map(|kind| value(number, kind))).collect()
});

/// No value checks but those that were made, and these are proven by their own family only. Bytes of the
/// right number are taken for a family, whose values come back and lose their worth with any character.
pub(crate) fn opaque_token(data: &[u8]) -> Verdict {
    if let Ok(parts) = <&[u8; 40]>::try_from(data) {
        drawn_family(parts);
    }
    let text = String::from_utf8_lossy(data);
    let checked = KEYRING.check(&text);
    assert_eq!(checked.is_some(), VALUES.contains(&*text), "only what was made checks");
    if let Some(value) = &checked {
        let proven: Vec<u8> = FAMILIES.filter(|number| KEYRING.proves(value, &family(*number))).collect();
        let [number] = proven[..] else { panic!("proven by {proven:?}") };
        let again = KEYRING.render(value.reference.kind, &family(number)).expect("it was made once");
        assert_eq!(again.expose(), &*text, "it comes back");
    }
    Verdict::of(checked.as_ref())
}

fn drawn_family(parts: &[u8; 40]) {
    let mut drawn = family(0);
    drawn.id = FamilyId::from_bytes(parts[..16].try_into().expect("16 bytes"));
    drawn.seed = Seed::from_bytes(parts[16..32].try_into().expect("16 bytes"));
    drawn.access.generation = u32::from_be_bytes(parts[32..36].try_into().expect("4 bytes"));
    let value = KEYRING.render(ValueKind::Access, &drawn).expect("it has an access token");
    let checked = KEYRING.check(value.expose()).expect("what was made checks");
    assert!(KEYRING.proves(&checked, &drawn));
    assert_eq!(checked.reference.generation, drawn.access.generation);
    let place = usize::from(parts[36]) % value.expose().len();
    let other = char::from(parts[37] & 0x7f);
    let changed: String = value
        .expose()
        .char_indices()
        .map(|(at, character)| if at == place { other } else { character })
        .collect();
    assert_eq!(KEYRING.check(&changed).is_some(), changed == value.expose());
}

/// The private key of RFC 8037 appendix A.1: everybody knows it.
const ED25519: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const PKCS8_HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const INCARNATION: u16 = 3;

static PKCS8: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let seed = URL_SAFE_NO_PAD.decode(ED25519).expect("the RFC writes base64url");
    [&PKCS8_HEAD[..], &seed].concat()
});

static KEYS: LazyLock<SigningKeys> = LazyLock::new(|| {
    let key = SigningKey::from_pkcs8(SigningAlgorithm::EdDsa, &PKCS8).expect("it is an Ed25519 key");
    SigningKeys::new(key.into(), &[])
});

/// Every JWT that the families of this file have.
pub(crate) static JWTS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let facts = ClaimFacts {
        issuer: "issuer",
        client_id: "client",
        key_type: KeyType::Production,
        incarnation: INCARNATION,
    };
    FAMILIES
        .map(|number| {
            let family = family(number);
            sign(KEYS.active(), &AccessTokenClaims::of(&family, facts)).expose().to_owned()
        })
        .collect()
});

/// No text verifies but those that were made. As a payload that our key signed, any bytes are refused or
/// are claims that say the same when they are written anew.
pub(crate) fn jwt(data: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(data);
    let verified = verify(&KEYS, INCARNATION, &text);
    assert_eq!(verified.is_some(), JWTS.contains(&*text), "only what was made verifies");

    let signed = signed_by_us(data);
    if let Some(taken) = verify(&KEYS, INCARNATION, &signed) {
        let anew = sign(KEYS.active(), &taken.claims);
        let again = verify(&KEYS, INCARNATION, anew.expose()).expect("claims can be written");
        assert_eq!(again, taken);
        assert_eq!(taken.reference.kind, ValueKind::Access);
        return Verdict::Accepted;
    }
    Verdict::of(verified.as_ref())
}

fn signed_by_us(payload: &[u8]) -> String {
    let made = JWTS.first().expect("there are families");
    let (header, _) = made.split_once('.').expect("a JWT has parts");
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
    let key = Ed25519KeyPair::from_pkcs8(&PKCS8).expect("it is an Ed25519 key");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}
