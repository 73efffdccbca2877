//! Users, looked for as badly as the fault says.

use latchkey_catalog::user::search::UserSearch;
use latchkey_store::people::{Labels, People, UsersFound};

use super::{Fault, Faulty, PrincipalId, Result, async_trait};

#[async_trait]
impl People for Faulty {
    /// With the fault, only those of the page are counted.
    async fn users_found(&self, search: UserSearch, offset: u64, limit: u32) -> Result<UsersFound> {
        let found = self.inner.users_found(search, offset, limit).await?;
        let total = if self.has(Fault::TotalOfPage) { found.users.len() as u64 } else { found.total };
        Ok(UsersFound { total, ..found })
    }

    async fn labels(&self, user: PrincipalId) -> Result<Labels> {
        self.inner.labels(user).await
    }
}
