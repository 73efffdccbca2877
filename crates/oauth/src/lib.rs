//! The OAuth 2.0 protocol as Latchkey speaks it: pure rules, no runtime, no HTTP, no SQL, no clock.

pub mod base62;
pub mod clock;
pub mod entropy;
pub mod family;
pub mod holder;
pub mod id;
pub mod issuance;
pub mod keyring;
pub mod rotation;
pub mod scope;
pub mod secret;
pub mod token_value;
