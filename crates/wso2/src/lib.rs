//! What WSO2's databases say, and what of it comes over.
//!
//! A dump of them ([`dump`]) is read row by row into tables put aside ([`staging`]), so that memory stays bounded and
//! the order of tables in the dump does not matter. From there each row gets a verdict ([`plan`]): an [`entry`] that
//! comes over, or why it does not.

pub mod dump;
pub mod entry;
mod lexer;
pub mod plan;
pub mod rows;
pub mod staging;
pub mod tables;
