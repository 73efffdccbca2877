//! What is around the tokens: applications, APIs, subscriptions, tiers, users and nodes. Types and rules, pure.

pub mod api;
pub mod application;
pub mod cors;
pub mod count;
pub mod deny;
pub mod id;
pub mod lifecycle;
pub mod listing;
pub mod name;
pub mod node;
pub mod openapi;
pub mod resource;
pub mod subscription;
pub mod system_scope;
pub mod tier;
pub mod upstream;
pub mod usage;
pub mod user;
pub mod workflow;
