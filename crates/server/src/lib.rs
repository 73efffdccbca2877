//! The Latchkey server: command line, configuration, wiring, OAuth and REST endpoints.

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod control;
pub mod data_directory;
pub mod demo;
pub mod doctor;
pub mod endpoint;
pub mod gateway;
pub mod http;
pub mod job;
pub mod keys;
pub mod listener;
pub mod log;
pub mod maintenance;
pub mod metrics;
pub mod network;
pub mod node;
pub mod passwords;
pub mod policy;
pub mod request_summary;
pub mod rest;
pub mod serve;
pub mod sign_in;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod token;

pub use cli::Program;
