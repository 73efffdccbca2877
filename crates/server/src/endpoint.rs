//! The protocol endpoints, one file each.

pub mod discovery;
pub mod introspect;
pub mod jwks;
pub mod node;
pub mod revoke;
pub mod token;
pub mod userinfo;
