//! Laws of the token core that no single rule shows.

#![expect(clippy::unwrap_used, reason = "tests")]

mod corpus;
mod parsers;
mod sequences;
