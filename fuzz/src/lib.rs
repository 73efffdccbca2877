//! The laws that the fuzz targets share with the tests on the stable toolchain.

#[path = "../../crates/oauth/tests/laws/parsers.rs"]
mod parsers;

/// Panics where `data` breaks a law of `target`.
pub fn check(target: &str, data: &[u8]) {
    let (_, law) = parsers::LAWS.iter().find(|(name, _)| *name == target).expect("the target has laws");
    law(data);
}
