//! For which user a token asks the server's own interfaces.

use std::sync::Arc;

use latchkey_catalog::user::UserState;
use latchkey_oauth::family::{Family, SubjectType};
use latchkey_oauth::refusal::Refusal;
use latchkey_store::facts::UserFacts;

use crate::app::{App, unavailable};

/// The user that a token of `family` speaks for: an application's own speaks for its owner, as in WSO2. None where
/// that user is gone or may not sign in.
pub async fn speaker(app: &App, family: &Family) -> Result<Option<Arc<UserFacts>>, Refusal> {
    let user = match family.subject.kind {
        SubjectType::ApplicationUser => family.subject.id,
        SubjectType::Application => {
            let client = app.store.client_by_id(family.client).await.map_err(unavailable)?;
            let Some(client) = client else { return Ok(None) };
            client.application.owner
        }
    };
    let user = app.store.user_by_id(user).await.map_err(unavailable)?;
    Ok(user.filter(|user| user.user.state == UserState::Active))
}
