//! The rules of a call through the gateway, without the call: no runtime, no clock, no store.
//!
//! In the order in which a call meets them: [`head`] refuses requests that are malformed, [`path`] makes one
//! spelling of the target, [`route`] finds the API and the resource, [`cors`] answers preflights, [`bearer`]
//! finds the token, [`throttle`] counts, [`forwarded`] makes the headers that the upstream sees. What is
//! refused on the way becomes an [`answer`].

pub mod answer;
pub mod bearer;
pub mod cors;
pub mod forwarded;
pub mod head;
pub mod path;
pub mod route;
pub mod throttle;
