//! The configuration: typed, parsed once, unknown keys refused, and the only reader of the environment.
//!
//! Every setting stands once in [`settings::SETTINGS`], with its default, what each profile makes of it,
//! and what it means. From that list come the defaults, the checks, the names of the environment
//! variables, `latchkey config reference` and `latchkey config show`. A value is taken from the last of:
//! default, profile, file, environment, command line ([`Source`]).

pub mod check;
pub mod duration;
pub mod kind;
pub mod layers;
pub mod problem;
pub mod reference;
pub mod sections;
pub mod settings;
pub mod source;

#[cfg(test)]
mod tests;

pub use duration::Duration;
pub use layers::{Effective, Loaded};
pub use problem::{ConfigError, Problem};
pub use sections::*;
pub use source::{Source, Sources};
