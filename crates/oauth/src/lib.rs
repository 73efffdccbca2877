//! The OAuth 2.0 protocol as Latchkey speaks it: pure rules, no runtime, no HTTP, no SQL, no clock.
//!
//! # Glossary
//! - **Client**: what an application authenticates as; its `client_id` is WSO2's *consumer key*.
//! - **Subject**: whom a token speaks for, a user or the application itself ([`family::SubjectType`]).
//! - **Token key**: what one active token exists for ([`family::TokenKey`]).
//! - **Token family**: what is live for a token key ([`family::Family`]); its access and refresh tokens are counted
//!   by **generations**.
//! - **Holder**: a client with a subject; its **devices** and families are limited ([`holder`]).
//! - **Epoch**: counts the resets of a client or user; tokens of an earlier one are dead ([`family::Epochs`]).
//! - **Incarnation**: counts the restored backups; values of an earlier one are refused ([`keyring`]).
//! - **Era**: what a value must have been made under to be accepted: this incarnation, and a master key that is
//!   not below the minimum ([`minted_value::Era`]).
//! - **API key**: what an application calls APIs with instead of a token ([`api_key_value`]).
//! - **Draft**: what a request would be given if nothing held fits ([`issuance::Draft`]).
//! - **Refusal**: why a request was refused; the one table turns it into an answer ([`refusal`]).

pub mod api_key_value;
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
pub mod internal_key;
pub mod introspection;
pub mod issuance;
pub mod jwk;
pub mod jwt;
pub mod keyring;
pub mod metadata;
pub mod minted_value;
pub mod refusal;
pub mod revocation;
pub mod rotation;
#[cfg(test)]
mod samples;
pub mod scope;
pub mod secret;
pub mod session;
pub mod sieve;
pub mod token_request;
pub mod token_value;
