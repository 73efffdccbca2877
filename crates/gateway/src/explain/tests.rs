use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::entropy::{SeededEntropy, SystemEntropy};

use super::*;

fn refusal(fault: Fault) -> Refusal {
    Refusal { at: Timestamp::from_millis(7), fault, cause: None, who: None, limit: None, place: None }
}

#[test]
fn the_last_refusals_are_found_and_older_ones_gave_way() {
    let kept = Explanations::keeping(3, Arc::new(SystemEntropy));
    let faults = Fault::table();
    let ids: Vec<_> = faults.iter().map(|fault| kept.note(refusal(fault.clone()))).collect();
    let found = ids.iter().map(|id| kept.find(*id)).collect::<Vec<_>>();
    let (gone, last) = found.split_at(faults.len() - 3);
    assert!(gone.iter().all(Option::is_none));
    for (found, fault) in last.iter().zip(&faults[faults.len() - 3..]) {
        assert_eq!(found.as_deref(), Some(&refusal(fault.clone())));
    }
}

#[test]
fn ids_are_read_back_and_nothing_else_is() {
    let kept = Explanations::new(Arc::new(SeededEntropy::new(1)));
    let id = kept.note(refusal(Fault::UnknownApi));
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    for bad in ["", "12", "+123456789abcdef", "0123456789abcdefa", "0123456789abcdeg"] {
        assert_eq!(bad.parse::<ExplanationId>(), Err(NoExplanationId), "{bad}");
    }
}

#[test]
fn every_refusal_has_a_rule_and_a_fix_in_sentences() {
    let is_sentence = |text: &str| {
        let begins = text.starts_with(|letter: char| letter.is_ascii_uppercase());
        begins && text.ends_with('.') && !text.ends_with("..") && !text.contains("  ")
    };
    let by_cause =
        Cause::ALL.map(|cause| Refusal { cause: Some(cause), ..refusal(Fault::InvalidCredentials) });
    for refusal in Fault::table().into_iter().map(refusal).chain(by_cause) {
        let (rule, fix) = (refusal.rule(), refusal.fix());
        assert!(is_sentence(&rule) && is_sentence(fix), "{rule:?} {fix:?} of {refusal:?}");
    }
}
