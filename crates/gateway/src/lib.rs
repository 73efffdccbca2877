//! The rules of a call through the gateway, without the call: no runtime, no clock, no store.
//!
//! In the order in which a call meets them: [`path`] makes one spelling of the request target, [`route`]
//! finds the API and the resource, [`bearer`] the token; [`forwarded`] makes the headers that the upstream
//! sees. What is refused on the way becomes an [`answer`]. [`throttle`] counts.

pub mod answer;
pub mod bearer;
pub mod forwarded;
pub mod path;
pub mod route;
pub mod throttle;
