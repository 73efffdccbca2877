//! Looking for users in maps, and the labels of devices.

use async_trait::async_trait;
use latchkey_catalog::user::search::UserSearch;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::session::SessionId;

use super::MemoryStore;
use super::rows::MemoryRows;
use crate::Result;
use crate::people::{Labels, People, ReadPeople, UsersFound, WritePeople};

#[async_trait]
impl People for MemoryStore {
    async fn users_found(&self, search: UserSearch, offset: u64, limit: u32) -> Result<UsersFound> {
        self.read(|rows| rows.users_found(&search, offset, limit))
    }

    async fn labels(&self, user: PrincipalId) -> Result<Labels> {
        self.read(|rows| rows.labels(user))
    }
}

impl ReadPeople for MemoryRows {
    fn users_found(&mut self, search: &UserSearch, offset: u64, limit: u32) -> Result<UsersFound> {
        let found: Vec<_> = self.users.values().filter(|user| search.finds(user)).collect();
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        let users = found.iter().skip(skipped).take(limit as usize).map(|user| (*user).clone()).collect();
        Ok(UsersFound { total: found.len() as u64, users })
    }

    fn labels(&mut self, user: PrincipalId) -> Result<Labels> {
        Ok(self.labels.get(&user).cloned().unwrap_or_default())
    }
}

impl WritePeople for MemoryRows {
    fn put_label(&mut self, user: PrincipalId, session: SessionId, label: Option<&str>) -> Result<()> {
        let labels = self.labels.entry(user).or_default();
        match label {
            Some(label) => labels.insert(session, label.to_owned()),
            None => labels.remove(&session),
        };
        Ok(())
    }
}
