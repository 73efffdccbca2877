//! What is around the tokens: applications, API keys, APIs, subscriptions, tiers, users and nodes. Types and rules, pure.

pub mod api;
pub mod api_key;
pub mod application;
pub mod cors;
pub mod count;
pub mod deny;
pub mod developer;
pub mod id;
pub mod lifecycle;
pub mod listing;
pub mod name;
pub mod node;
pub mod openapi;
pub mod resource;
pub mod scheme;
pub mod subscription;
pub mod system_scope;
pub mod tier;
pub mod upstream;
pub mod usage;
pub mod user;
pub mod workflow;
