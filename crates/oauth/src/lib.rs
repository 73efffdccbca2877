//! The OAuth 2.0 protocol as Latchkey speaks it: pure rules, no runtime, no HTTP, no SQL, no clock.

pub mod base62;
pub mod client;
pub mod client_authentication;
pub mod clock;
pub mod entropy;
pub mod event;
pub mod family;
pub mod form;
pub mod generator;
pub mod grant;
pub mod holder;
pub mod id;
pub mod introspection;
pub mod issuance;
pub mod jwk;
pub mod jwt;
pub mod keyring;
pub mod metadata;
pub mod refusal;
pub mod revocation;
pub mod rotation;
#[cfg(test)]
mod samples;
pub mod scope;
pub mod secret;
pub mod token_request;
pub mod token_value;
