//! What administrators change of applications that are other users'.

use latchkey_catalog::application::{Application, ApplicationDetails, TokenType};
use latchkey_catalog::id::EntryId;
use latchkey_oauth::client::TokenFormat;
use latchkey_store::unit::{CatalogueChange, ClientUpdate};

use super::developer::{self, Draft};
use super::{Result, change, user};
use crate::app::App;

/// Gives an application to another user, who has none of its name; keys, subscriptions and tokens stay.
pub async fn give(app: &App, id: EntryId, owner: &str, actor: &str) -> Result<()> {
    let owner = user::find(app, owner).await?.user.id;
    change(app, CatalogueChange::SetApplicationOwner(id, owner), actor).await?.map_err(developer::refused)
}

/// Gives an application signed tokens from now on, through whichever of its keys; those that are out stay as they are.
pub async fn sign_tokens(app: &App, held: Application, actor: &str) -> Result<Application> {
    let Application { id, name, tier, details, .. } = held;
    let details = ApplicationDetails { token_type: TokenType::Jwt, ..details };
    let changed = developer::update(app, id, Draft { name, tier, details }, actor).await?;
    for (client, _) in app.store.clients_of(id).await? {
        let update = ClientUpdate {
            id: client.id,
            grants: client.grants,
            token_format: TokenFormat::Jwt,
            validities: client.validities,
            metadata: client.metadata,
        };
        let done = change(app, CatalogueChange::UpdateClient(Box::new(update)), actor).await?;
        done.map_err(developer::refused)?;
    }
    Ok(changed)
}
