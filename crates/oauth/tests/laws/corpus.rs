//! What the fuzz targets start from, replayed without a fuzzer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::parsers::{JWTS, LAWS, VALUES, Verdict};

/// Each target has a corpus of twenty texts or more, of which some are taken and some are not; no text
/// breaks a law.
#[test]
fn every_corpus_keeps_the_laws() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, law) in LAWS {
        let files = fs::read_dir(corpora.join(target)).unwrap();
        let mut verdicts: BTreeMap<Verdict, usize> = BTreeMap::new();
        for file in files.map(Result::unwrap) {
            let text = fs::read(file.path()).unwrap();
            *verdicts.entry(law(&text)).or_default() += 1;
        }
        let count = |verdict| verdicts.get(&verdict).copied().unwrap_or_default();
        let (accepted, refused) = (count(Verdict::Accepted), count(Verdict::Refused));
        assert!(accepted + refused >= 20, "{target} starts from {verdicts:?}");
        assert!(
            accepted >= 2 && refused >= 5,
            "{target}: {verdicts:?}; texts that are taken: {:?} {:?}",
            VALUES.first(),
            JWTS.first(),
        );
    }
}

/// A text of each target with its fate, so that a law that takes or refuses everything is noticed.
#[test]
fn the_laws_tell_good_from_bad() {
    let value = VALUES.first().unwrap().as_str();
    let jwt = JWTS.first().unwrap().as_str();
    let broken = |text: &str| format!("{}A", &text[..text.len() - 1]);
    let cases = [
        ("form", "a=b&c=%20".to_owned(), Verdict::Accepted),
        ("form", "a=b&a=c".to_owned(), Verdict::Refused),
        ("form", "a=b?password=x".to_owned(), Verdict::Accepted),
        ("basic_header", "Basic a2V5OnNlY3JldA==".to_owned(), Verdict::Accepted),
        ("basic_header", "Basic a2V5".to_owned(), Verdict::Refused),
        ("scope", "b a device_x".to_owned(), Verdict::Accepted),
        ("scope", "device_!".to_owned(), Verdict::Refused),
        ("opaque_token", value.to_owned(), Verdict::Accepted),
        ("opaque_token", broken(value), Verdict::Refused),
        ("opaque_token", "0123456789".repeat(4), Verdict::Refused),
        ("jwt", jwt.to_owned(), Verdict::Accepted),
        ("jwt", broken(jwt), Verdict::Refused),
        ("jwt", "{\"iss\":1}".to_owned(), Verdict::Refused),
    ];
    for (target, text, verdict) in cases {
        let (_, law) = LAWS.iter().find(|(name, _)| *name == target).unwrap();
        assert_eq!(law(text.as_bytes()), verdict, "{target}: {text}");
    }
}
