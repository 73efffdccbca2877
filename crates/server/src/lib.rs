//! The Latchkey server: command line, configuration, wiring, OAuth and REST endpoints.

pub mod config;
pub mod data_directory;
pub mod keys;
pub mod listener;
pub mod network;
pub mod passwords;
pub mod tls;
