//! The data plane: what happens to a call of an API, from its head to the upstream's answer.
//!
//! [`call`] has the phases, one line each. Their rules are pure, in the order in which a call meets them:
//! [`framing`] refuses bytes that could be read in two ways, [`head`] requests that are malformed, [`path`]
//! makes one spelling of the target, [`route`] finds the API and the resource, [`cors`] answers preflights,
//! [`bearer`] finds the token, [`authorize`] decides, [`throttle`] counts, [`forwarded`] makes the headers
//! that the upstream sees. What is refused on the way becomes an [`answer`] and is kept to [`explain`] it.
//! Facts come from a [`source`]; [`upstream`] has the connections. What lasts longer than a call is a
//! [`stream`]. [`node`] is what a gateway keeps that runs beside no server.

pub mod answer;
pub mod assertion;
pub mod authorize;
pub mod bearer;
pub mod call;
pub mod cors;
pub mod echo;
pub mod explain;
pub mod forwarded;
pub mod framing;
pub mod head;
pub mod node;
pub mod path;
pub mod record;
pub mod route;
pub mod source;
pub mod stream;
pub mod throttle;
pub mod upstream;
