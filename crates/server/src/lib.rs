//! The Latchkey server: command line, configuration, wiring, OAuth and REST endpoints.

pub mod config;
