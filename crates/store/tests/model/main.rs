//! Random histories against a sequential model: every answer of the stores, and what is left at the end, is
//! what the model says.
//!
//! A few histories by default, always the same. With `LATCHKEY_LONG=1`, many, from a fresh seed that is
//! printed; `LATCHKEY_SEED` repeats one.

#![expect(clippy::unwrap_used, reason = "a store that fails ends its test")]

mod history;
mod oracle;
mod plan;
mod world;

use latchkey_oauth::entropy::{SystemEntropy, random};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Histories by default, and in the long run.
const CASES: [u32; 2] = [24, 5_000];
/// The most steps of a history.
const STEPS: usize = 60;

#[expect(clippy::disallowed_methods, reason = "how long to run is said by whoever runs the test")]
fn said(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn stores_answer_as_the_model_does() {
    let long = said("LATCHKEY_LONG").is_some_and(|value| value == "1");
    let fresh = if long { u64::from_be_bytes(random(&SystemEntropy)) } else { 1 };
    let seed = said("LATCHKEY_SEED").map_or(fresh, |seed| seed.parse().expect("LATCHKEY_SEED is a number"));
    println!("LATCHKEY_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let config = Config { cases: CASES[usize::from(long)], failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let outcome = runner.run(&plan::plans(STEPS), |plan| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(history::run(plan));
        Ok(())
    });
    if let Err(problem) = outcome {
        panic!("{problem:#?}");
    }
}
