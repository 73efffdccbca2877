//! What the fuzz targets start from, replayed without a fuzzer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::readers::{LAWS, Verdict};

/// Each target has a corpus of twenty texts or more, of which some are taken and some are not; no text
/// breaks a law.
#[test]
fn every_corpus_keeps_the_laws() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, law) in LAWS {
        let files = fs::read_dir(corpora.join(target)).unwrap();
        let mut verdicts: BTreeMap<Verdict, usize> = BTreeMap::new();
        for file in files.map(Result::unwrap) {
            *verdicts.entry(law(&fs::read(file.path()).unwrap())).or_default() += 1;
        }
        let count = |verdict| verdicts.get(&verdict).copied().unwrap_or_default();
        let (accepted, refused) = (count(Verdict::Accepted), count(Verdict::Refused));
        assert!(accepted + refused >= 20 && accepted >= 5 && refused >= 5, "{target}: {verdicts:?}");
    }
}
