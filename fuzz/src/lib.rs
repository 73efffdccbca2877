//! The laws that the fuzz targets share with the tests on the stable toolchain.

#[path = "../../crates/oauth/tests/laws/parsers.rs"]
mod parsers;
#[path = "../../crates/gateway/tests/laws/readers.rs"]
mod readers;

/// Panics where `data` breaks a law of `target`.
pub fn check(target: &str, data: &[u8]) {
    if let Some((_, law)) = parsers::LAWS.iter().find(|(name, _)| *name == target) {
        law(data);
        return;
    }
    let (_, law) = readers::LAWS.iter().find(|(name, _)| *name == target).expect("the target has laws");
    law(data);
}
