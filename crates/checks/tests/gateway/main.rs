//! The gateway from outside: what bad input gets, what an upstream sees, and that no cache keeps a token
//! alive.
//!
//! The upstream is a server of the check's own that records every byte, so "refused" means that nothing
//! reached it. `P10.3.05` is the fifth row of the table of bad inputs in the reference on gateways, section
//! 10.3; `P10.4.A` to `P10.4.H` are the groups of section 10.4 in their order; `V02` and the like are numbers
//! of the security reference. Rows of one exchange stand in `data/gateway-*.toml`, what takes several steps is
//! told here.
//!
//! `data/gateway-coverage.toml` says which line has which check.
//!
//! Not here, because the gateway does not have it yet: CORS of single APIs.

#![expect(clippy::excessive_nesting, reason = "a scene holds checks, and a check may hold cases")]

mod api_keys;
mod coverage;
mod deny;
mod http2;
mod limits;
mod multiplexed;
mod poisoned;
mod races;
mod records;
mod rows;
mod slow;
mod stage;
mod stream;
mod tables;
mod trouble;
mod upstreams;
