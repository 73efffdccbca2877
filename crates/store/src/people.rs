//! Looking for users, and the names that they give to their devices.

use std::collections::BTreeMap;

use async_trait::async_trait;
use latchkey_catalog::user::User;
use latchkey_catalog::user::search::UserSearch;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::session::SessionId;

use crate::Result;

/// Some of the users who were looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsersFound {
    /// How many there are altogether.
    pub total: u64,
    /// Those of this page, by name.
    pub users: Vec<User>,
}

/// The labels of a user's devices.
pub type Labels = BTreeMap<SessionId, String>;

/// The part of a store that looks for users.
#[async_trait]
pub trait People {
    /// Those of the users who are looked for that follow the first `offset`, at most `limit`, by name.
    async fn users_found(&self, search: UserSearch, offset: u64, limit: u32) -> Result<UsersFound>;

    /// How a user calls the devices.
    async fn labels(&self, user: PrincipalId) -> Result<Labels>;
}

/// Reading rows of people.
pub trait ReadPeople {
    /// As [`People::users_found`].
    fn users_found(&mut self, search: &UserSearch, offset: u64, limit: u32) -> Result<UsersFound>;
    /// As [`People::labels`].
    fn labels(&mut self, user: PrincipalId) -> Result<Labels>;
}

/// Writing rows of people.
pub trait WritePeople {
    /// Gives a device a label, or takes it away.
    fn put_label(&mut self, user: PrincipalId, session: SessionId, label: Option<&str>) -> Result<()>;
}
