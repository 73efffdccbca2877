//! From an authorization to tokens, and from a token back to what it stands for.

pub mod api_key;
pub mod internal_key;
pub mod issue;
pub mod resolve;
pub mod response;
pub mod speaker;
