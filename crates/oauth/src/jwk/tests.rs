use super::*;
use crate::samples::{ALGORITHMS, signing_key};

/// RFC 7638 section 3.1 and RFC 8037 appendix A.3.
#[test]
fn thumbprints_of_the_rfcs() {
    let rsa = json!({
        "e": "AQAB",
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRX\
              jBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaS\
              qzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksIN\
              HaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    });
    assert_eq!(thumbprint(&rsa), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    let ed25519 = json!({"crv": "Ed25519", "kty": "OKP", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    assert_eq!(thumbprint(&ed25519), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

/// RFC 8037 appendices A.1, A.3 and A.4.
#[test]
fn an_ed25519_signature_is_that_of_the_rfc() {
    let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let pkcs8_head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let key = SigningKey::from_pkcs8(SigningAlgorithm::EdDsa, &[&pkcs8_head[..], &seed].concat()).unwrap();
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let signature = key.sign(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
    assert_eq!(
        URL_SAFE_NO_PAD.encode(signature),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
}

#[test]
fn a_published_key_has_its_public_members_and_no_other() {
    for algorithm in ALGORITHMS {
        let key = signing_key(algorithm);
        let published = SigningKeys::new(Arc::clone(&key), &[]).published().clone();
        let mut members: Vec<&str> =
            published["keys"][0].as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        let expected = match algorithm {
            SigningAlgorithm::ES256 => vec!["alg", "crv", "kid", "kty", "use", "x", "y"],
            SigningAlgorithm::RS256 | SigningAlgorithm::PS256 => vec!["alg", "e", "kid", "kty", "n", "use"],
            SigningAlgorithm::EdDsa => vec!["alg", "crv", "kid", "kty", "use", "x"],
        };
        assert_eq!(members, expected, "{algorithm:?}");
        assert_eq!(published["keys"][0]["alg"], algorithm.as_str());
        assert_eq!(published["keys"][0]["kid"], key.kid());
        assert_eq!(format!("{key:?}"), format!("SigningKey({} {})", algorithm.as_str(), key.kid()));
    }
}

#[test]
fn a_private_key_serves_its_own_algorithm_only() {
    let ec = generate(SigningAlgorithm::ES256).unwrap();
    let others = [SigningAlgorithm::RS256, SigningAlgorithm::PS256, SigningAlgorithm::EdDsa];
    for algorithm in others {
        assert_eq!(SigningKey::from_pkcs8(algorithm, &ec).unwrap_err(), BadKey, "{algorithm:?}");
    }
    for algorithm in ALGORITHMS {
        assert_eq!(SigningKey::from_pkcs8(algorithm, &[]).unwrap_err(), BadKey);
        assert_eq!(SigningKey::from_pkcs8(algorithm, &ec[1..]).unwrap_err(), BadKey);
    }
}

#[test]
fn algorithms_have_names() {
    for algorithm in ALGORITHMS {
        assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        assert_eq!(serde_json::to_value(algorithm).unwrap(), algorithm.as_str());
    }
    for word in ["none", "HS256", "es256", "ES384", ""] {
        let problem = word.parse::<SigningAlgorithm>().unwrap_err();
        assert_eq!(problem.to_string(), format!("`{word}` is none of ES256, RS256, PS256, EdDSA"));
    }
}
