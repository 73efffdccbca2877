//! What RFC 8725 and the history of JWT libraries teach to refuse. Every forgery has a name and its text;
//! one test presents them all.

use aws_lc_rs::{hmac, signature};
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::*;
use crate::jwk::generate;

type Forgeries = Vec<(String, String)>;

/// A token of any header and payload.
fn assembled(header: &str, payload: &str, signature: &[u8]) -> String {
    let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The same, really signed by `key`: what somebody could present who gets the server to sign a text.
fn really_signed(key: &SigningKey, header: &str, payload: &str) -> String {
    let message = assembled(header, payload, b"");
    let signature = key.sign(message.trim_end_matches('.').as_bytes());
    assembled(header, payload, &signature)
}

fn valid() -> String {
    signed(SigningAlgorithm::ES256, &family(1, "a"))
}

fn parts(token: &str) -> (&str, &str, &str) {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    (header, payload, signature)
}

fn kid(algorithm: SigningAlgorithm) -> String {
    signing_key(algorithm).kid().to_owned()
}

fn header(algorithm: SigningAlgorithm) -> String {
    part(&signed(algorithm, &family(1, "a")), 0).to_string()
}

/// C118: algorithms that the server does not have, or does not have for that key.
fn algorithms() -> Forgeries {
    let token = valid();
    let (_, payload, signature) = parts(&token);
    let mut all = Forgeries::new();
    let words =
        ["none", "None", "NONE", "nOnE", "", "HS256", "es256", "ES384", "ES256K", "RS256", "EdDSA", "RSA1_5"];
    for alg in words {
        let header = json!({"alg": alg, "kid": kid(SigningAlgorithm::ES256), "typ": "at+jwt"}).to_string();
        let header = URL_SAFE_NO_PAD.encode(header);
        all.push((format!("alg {alg}, no signature"), format!("{header}.{payload}.")));
        all.push((format!("alg {alg}, no third part"), format!("{header}.{payload}")));
        all.push((format!("alg {alg}, the signature kept"), format!("{header}.{payload}.{signature}")));
    }
    for claimed in ALGORITHMS {
        for signing in ALGORITHMS.iter().filter(|signing| **signing != claimed) {
            let payload = part(&token, 1).to_string();
            let by_other = really_signed(&signing_key(*signing), &header(claimed), &payload);
            all.push((format!("header of {claimed:?}, signed with {signing:?}"), by_other));
        }
    }
    for (alg, key) in [("RS256", SigningAlgorithm::PS256), ("PS256", SigningAlgorithm::RS256)] {
        let header = json!({"alg": alg, "kid": kid(key), "typ": "at+jwt"}).to_string();
        all.push((format!("{alg} under {key:?}"), really_signed(&signing_key(key), &header, "{}")));
    }
    all
}

/// The texts and bytes under which a public key goes round.
fn encodings(algorithm: SigningAlgorithm) -> Vec<(String, Vec<u8>)> {
    let published = SigningKeys::new(signing_key(algorithm), &[]).published().clone();
    let jwk = &published["keys"][0];
    let member = |name: &str| jwk[name].as_str().map(|text| URL_SAFE_NO_PAD.decode(text).unwrap());
    let mut all = vec![
        ("the JWK".to_owned(), jwk.to_string().into_bytes()),
        ("the key set".to_owned(), published.to_string().into_bytes()),
        ("its kid".to_owned(), kid(algorithm).into_bytes()),
        ("nothing".to_owned(), Vec::new()),
    ];
    let mut der = Vec::new();
    if let (Some(x), Some(y)) = (member("x"), member("y")) {
        let point = [vec![4], x.clone(), y].concat();
        let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
        der = [hex(head), point.clone()].concat();
        all.push(("the point".to_owned(), point));
        all.push(("x".to_owned(), x));
    } else if let Some(n) = member("n") {
        let head = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
        der = [hex(head), n.clone(), hex("0203010001")].concat();
        all.push(("n".to_owned(), n));
    } else if let Some(x) = member("x") {
        der = [hex("302a300506032b6570032100"), x.clone()].concat();
        all.push(("x".to_owned(), x));
    }
    let body = STANDARD.encode(&der);
    let wrapped: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", wrapped.join("\n"));
    all.push(("PEM".to_owned(), pem.clone().into_bytes()));
    all.push(("PEM and a newline".to_owned(), format!("{pem}\n").into_bytes()));
    all.push(("PEM with CRLF".to_owned(), pem.replace('\n', "\r\n").into_bytes()));
    all.push(("base64 of DER".to_owned(), body.into_bytes()));
    all.push(("DER".to_owned(), der));
    all
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// C118: an HMAC keyed with what everybody knows.
fn public_key_as_hmac_key() -> Forgeries {
    let payload = part(&valid(), 1).to_string();
    let mut all = Forgeries::new();
    for algorithm in ALGORITHMS {
        let hs256 = json!({"alg": "HS256", "kid": kid(algorithm), "typ": "at+jwt"}).to_string();
        for (encoding, key) in encodings(algorithm) {
            for header in [&hs256, &header(algorithm)] {
                let message = assembled(header, &payload, b"");
                let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
                let tag = hmac::sign(&key, message.trim_end_matches('.').as_bytes());
                let name = format!("HMAC under {encoding} of {algorithm:?}, {header}");
                all.push((name, assembled(header, &payload, tag.as_ref())));
            }
        }
    }
    all
}

/// C118 and the psychic signatures: numbers that a careless verifier lets pass.
fn degenerate_signatures() -> Forgeries {
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let one = [vec![0; 31], vec![1]].concat();
    let numbers = [("0", vec![0; 32]), ("1", one), ("the order", order), ("the highest", vec![0xff; 32])];
    let token = valid();
    let (header, payload, signature) = parts(&token);
    let mut signatures = vec![
        ("none".to_owned(), Vec::new()),
        ("one zero".to_owned(), vec![0]),
        ("an empty DER sequence".to_owned(), vec![0x30, 0]),
        ("DER zeros".to_owned(), vec![0x30, 6, 2, 1, 0, 2, 1, 0]),
    ];
    for (r_name, r) in &numbers {
        for (s_name, s) in &numbers {
            signatures.push((format!("r is {r_name}, s is {s_name}"), [r.clone(), s.clone()].concat()));
        }
    }
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let integer = |half: &[u8]| [vec![2, 33, 0], half.to_vec()].concat();
    let der = [vec![0x30, 70], integer(&bytes[..32]), integer(&bytes[32..])].concat();
    signatures.push(("the right one in DER".to_owned(), der));
    signatures.push(("the right one and a zero".to_owned(), [bytes.clone(), vec![0]].concat()));
    signatures.push(("halves swapped".to_owned(), [&bytes[32..], &bytes[..32]].concat()));
    for length in [32, 64, 256] {
        signatures.push((format!("{length} zeros for EdDSA and RSA"), vec![0; length]));
    }
    let mut all: Forgeries = signatures
        .iter()
        .map(|(name, bytes)| {
            (format!("signature: {name}"), format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(bytes)))
        })
        .collect();
    for algorithm in [SigningAlgorithm::EdDsa, SigningAlgorithm::RS256, SigningAlgorithm::PS256] {
        let other = signed(algorithm, &family(1, "a"));
        let (header, payload, _) = parts(&other);
        all.extend(signatures.iter().map(|(name, bytes)| {
            let token = format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(bytes));
            (format!("{algorithm:?} signature: {name}"), token)
        }));
    }
    all
}

/// C121, C122, C123, C125: headers that want to choose the key, the type or the rules. Signed by a key of
/// the attacker's, and by ours.
fn headers() -> Forgeries {
    let attacker = generate(SigningAlgorithm::ES256).unwrap();
    let attacker = SigningKey::from_pkcs8(SigningAlgorithm::ES256, &attacker).unwrap();
    let ours = signing_key(SigningAlgorithm::ES256);
    let attacker_keys = SigningKeys::new(
        Arc::new(
            SigningKey::from_pkcs8(SigningAlgorithm::ES256, &generate(SigningAlgorithm::ES256).unwrap())
                .unwrap(),
        ),
        &[],
    );
    let own_jwk = attacker_keys.published()["keys"][0].clone();
    let kid = ours.kid();
    let with = |name: &str, value: Value| {
        let mut header = json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"});
        header[name] = value;
        header.to_string()
    };
    let mut headers = vec![
        with("jwk", own_jwk),
        with("jku", json!("https://attacker.example/keys")),
        with("x5u", json!("file:///etc/passwd")),
        with("x5c", json!(["MIIB"])),
        with("crit", json!(["exp"])),
        with("crit", json!([])),
        with("b64", json!(false)),
        with("zip", json!("DEF")),
        with("typ", json!("JWT")),
        with("typ", json!("jwt")),
        with("typ", json!("application/at+jwt")),
        with("typ", json!("AT+JWT")),
        with("typ", Value::Null),
        with("kid", json!("../../../../dev/null")),
        with("kid", json!("' OR 1=1 --")),
        with("kid", json!("\0")),
        with("kid", json!("|id")),
        with("kid", Value::Null),
        with("kid", json!([kid])),
        with("p2c", json!(i64::from(i32::MAX))),
        json!({"alg": "ES256", "typ": "at+jwt"}).to_string(),
        json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF"}).to_string(),
        json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": i64::from(i32::MAX), "p2s": "AA"})
            .to_string(),
        format!(r#"{{"alg":"none","alg":"ES256","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"ES256","alg":"none","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"kid":"{kid}","alg":"ES256","typ":"at+jwt"}}"#),
        format!(r#"{{ "alg": "ES256", "kid": "{kid}", "typ": "at+jwt" }}"#),
        format!(r#"{{"\u0061lg":"ES256","kid":"{kid}","typ":"at+jwt"}}"#),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        String::new(),
    ];
    headers.push(format!("{}\n", header(SigningAlgorithm::ES256)));
    let payload = part(&valid(), 1).to_string();
    let mut all = Forgeries::new();
    for header in headers {
        all.push((format!("{header}, signed by us"), really_signed(&ours, &header, &payload)));
        all.push((format!("{header}, signed by the attacker"), really_signed(&attacker, &header, &payload)));
    }
    let mine = header(SigningAlgorithm::ES256);
    all.push(("our header, the attacker's key".to_owned(), really_signed(&attacker, &mine, &payload)));
    all
}

/// C123, C124: payloads that our own key signed and that are still no claims of ours.
fn payloads() -> Forgeries {
    let right = part(&valid(), 1);
    let mut payloads = Vec::new();
    let wrong = ["\"1\"", "1.5", "1e400", "null", "[1]", "{}", "true", "\"\"", "99999999999999999999"];
    for name in ["exp", "iat", "nbf"] {
        payloads.extend(wrong.iter().map(|value| (name, *value)));
    }
    for name in ["iss", "sub", "aud", "azp", "client_id", "jti", "scope"] {
        payloads.extend(["1", "null", "[\"a\"]", "{}"].map(|value| (name, value)));
    }
    payloads.extend(["\"\"", "\"application\"", "\"USER\"", "0"].map(|value| ("aut", value)));
    payloads.extend(["\"\"", "\"production\"", "0"].map(|value| ("keytype", value)));
    let short = format!("\"{}\"", "0".repeat(32));
    let beyond = format!("\"{}\"", "z".repeat(33));
    let no_bucket = format!("\"{}\"", jti_of([0, 3, 0x10, 0]));
    payloads.extend(["\"\"", "\"0\"", &short, &beyond, &no_bucket].map(|value| ("jti", value)));
    let mut texts: Vec<String> = payloads
        .into_iter()
        .map(|(name, value)| {
            let mut claims = right.clone();
            claims[name] = "HERE".into();
            claims.to_string().replace("\"HERE\"", value)
        })
        .collect();
    for name in right.as_object().unwrap().keys().filter(|name| *name != "exp") {
        let mut claims = right.clone();
        claims.as_object_mut().unwrap().remove(name);
        texts.push(claims.to_string());
    }
    let text = right.to_string();
    for (name, value) in right.as_object().unwrap() {
        texts.push(text.replacen('{', &format!("{{\"{name}\":{value},"), 1));
    }
    texts.extend([format!("{text}{text}"), format!("{text}x"), format!("\u{feff}{text}")]);
    texts.extend([String::new(), "[]".to_owned(), "null".to_owned(), text[1..].to_owned()]);
    let header = header(SigningAlgorithm::ES256);
    let key = signing_key(SigningAlgorithm::ES256);
    texts.iter().map(|text| (format!("payload {text}"), really_signed(&key, &header, text))).collect()
}

/// A `jti` that begins with these bytes.
fn jti_of(head: [u8; 4]) -> String {
    let mut bytes = [0; 24];
    bytes[..4].copy_from_slice(&head);
    let mut text = String::new();
    base62::encode_into(&bytes, &mut text);
    text
}

/// C123: other spellings of the same token.
fn spellings() -> Forgeries {
    let token = valid();
    let (header, payload, signature) = parts(&token);
    let mut all: Forgeries = [
        ("in front", format!(" {token}")),
        ("behind", format!("{token}\n")),
        ("a dot in front", format!(".{token}")),
        ("a dot behind", format!("{token}.")),
        ("two dots", format!("{header}..{payload}.{signature}")),
        ("four parts", format!("{header}.{payload}.{signature}.{signature}")),
        ("five parts", format!("{header}.{payload}.{signature}.{payload}.{signature}")),
        ("parts swapped", format!("{payload}.{header}.{signature}")),
        ("no payload", format!("{header}..{signature}")),
        ("no header", format!(".{payload}.{signature}")),
        ("padding", format!("{header}.{payload}.{signature}==")),
        ("a line break", format!("{header}.{payload}.{}\n{}", &signature[..8], &signature[8..])),
        ("too long", format!("{token}{}", "A".repeat(MAX_LENGTH))),
        ("a megabyte", "A".repeat(1 << 20)),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .to_vec();
    let standard = signature.replace('-', "+").replace('_', "/");
    if standard != signature {
        all.push(("the other alphabet".to_owned(), format!("{header}.{payload}.{standard}")));
    }
    // 64 bytes leave four unused bits in the last character; other values of them are the same bytes to a
    // lenient reader.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.find(signature.chars().last().unwrap()).unwrap();
    for other in 1..16 {
        let changed = &alphabet[last + other..=last + other];
        let spelled = format!("{header}.{payload}.{}{changed}", &signature[..signature.len() - 1]);
        all.push((format!("trailing bits {other}"), spelled));
    }
    let key = signing_key(SigningAlgorithm::ES256);
    let mut claims = part(&token, 1);
    claims["iss"] = "x".into();
    while claims.to_string().len().is_multiple_of(3) {
        claims["iss"] = format!("{}x", claims["iss"].as_str().unwrap()).into();
    }
    let padded = format!("{header}.{}", URL_SAFE.encode(claims.to_string()));
    let unpadded = padded.trim_end_matches('=');
    let last = alphabet.find(unpadded.chars().last().unwrap()).unwrap();
    let bits = format!("{}{}", &unpadded[..unpadded.len() - 1], &alphabet[last + 1..last + 2]);
    for (name, message) in [("payload with padding", padded), ("payload with trailing bits", bits)] {
        let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
        all.push((name.to_owned(), format!("{message}.{signature}")));
    }
    all
}

/// The tools of the forger make what is accepted where nothing is forged.
#[test]
fn nothing_forged_is_accepted() {
    let keys = keys(SigningAlgorithm::ES256);
    let right = part(&valid(), 1).to_string();
    for algorithm in ALGORITHMS {
        let key = signing_key(algorithm);
        assert!(verify(&keys, 3, &really_signed(&key, &header(algorithm), &right)).is_some());
        let (_, der) = encodings(algorithm).pop().unwrap();
        let verification: &dyn signature::VerificationAlgorithm = match algorithm {
            SigningAlgorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
            SigningAlgorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            SigningAlgorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
            SigningAlgorithm::EdDsa => &signature::ED25519,
        };
        let public = signature::ParsedPublicKey::new(verification, der).unwrap();
        assert!(public.verify_sig(b"text", &key.sign(b"text")).is_ok(), "{algorithm:?}");
    }
    let mut other = part(&valid(), 1);
    other["jti"] = jti_of([0, 3, 0x0f, 0xff]).into();
    other["exp"] = (-1).into();
    let header = header(SigningAlgorithm::ES256);
    let token = really_signed(&signing_key(SigningAlgorithm::ES256), &header, &other.to_string());
    assert!(verify(&keys, 3, &token).is_some());
}

#[test]
fn every_forgery_is_refused() {
    let keys = keys(SigningAlgorithm::ES256);
    let groups =
        [algorithms(), public_key_as_hmac_key(), degenerate_signatures(), headers(), payloads(), spellings()];
    let forgeries = groups.concat();
    for (name, token) in &forgeries {
        assert_eq!(verify(&keys, 3, token), None, "{name}: {token}");
    }
    assert!(forgeries.len() > 300, "{}", forgeries.len());
}

#[test]
fn every_changed_or_missing_character_is_refused() {
    for algorithm in [SigningAlgorithm::ES256, SigningAlgorithm::EdDsa] {
        let keys = keys(algorithm);
        let token = signed(algorithm, &family(1, "a"));
        for place in 0..token.len() {
            let other = if token.as_bytes()[place] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &token[..place], &token[place + 1..]);
            assert_eq!(verify(&keys, 3, &changed), None, "{place}");
            assert_eq!(verify(&keys, 3, &token[..place]), None, "the first {place}");
        }
    }
}

/// ECDSA signatures come in pairs: whoever has one knows its mirror image. It is another text for the same
/// token and names the same family, so nothing may take two texts for two tokens.
#[test]
fn a_mirrored_signature_names_the_same_token() {
    let token = valid();
    let (header, payload, signature) = parts(&token);
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let mut borrow = 0;
    for place in (0..32).rev() {
        let difference = i16::from(order[place]) - i16::from(bytes[32 + place]) - borrow;
        borrow = i16::from(difference < 0);
        bytes[32 + place] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let mirrored = format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(bytes));
    let keys = keys(SigningAlgorithm::ES256);
    assert_ne!(mirrored, token);
    assert_eq!(verify(&keys, 3, &mirrored), verify(&keys, 3, &token));
}
