//! Laws of the gateway's readers that no single rule shows.

mod corpus;
mod readers;
