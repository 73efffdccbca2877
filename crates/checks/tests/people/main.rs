//! Users, their login sessions, applications and devices over HTTP: `T17 …` and the like name the test cases of
//! the reference of WSO2's interfaces.

mod account;
mod devices;
mod hostile;
mod scim;
mod stage;
