//! The standards as a black-box checklist, and bad input: `C016 …` and the like name the numbers of the
//! security reference, `S06 …` its device semantics, `V05 …` the conformance vectors of WSO2's behaviour,
//! `D13 …` the rows of the product page, `input …` what a hostile or careless caller sends.
//!
//! Rows of one request stand in `data/*.toml`; what takes several steps is told here, by subject.
//!
//! Numbers without a check, because what they speak of does not exist yet:
//! - C001, C004-C009: the authorization endpoint and its codes.
//! - C010, C024, C025 at PAR and at the gateway; here they are checked where the endpoints exist
//!   (token, revoke, introspect, userinfo).
//! - C018 for public clients: there is no way to register one.
//! - C031-C032 "within the bound" at gateways; S11 and S14: there is no gateway.
//! - S04's second half (a resource that requires a device scope): resources are enforced by a gateway.
//! - S08 for codes, device codes, consents and login sessions: none of them exists.
//! - V04 (authorization code), V15 and V17 (gateway, throttling).

#![expect(clippy::excessive_nesting, reason = "a scene holds checks, and a check may hold cases")]

mod devices;
mod discovery;
mod disk;
mod echo;
mod input;
mod introspection;
mod lifecycle;
mod operations;
mod passwords;
mod refresh;
mod renewal;
mod scenes;
mod start;
mod tables;
mod validity;
mod values;
