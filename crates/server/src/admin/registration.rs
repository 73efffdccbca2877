//! Dynamic client registration: an application with its one client, asked for again and again by scripts.

use std::collections::BTreeSet;

use latchkey_catalog::application::Application;
use latchkey_oauth::client::{GrantType, TokenFormat};
use latchkey_oauth::id::PrincipalId;

use super::application::{self, ConsumerKeys, NewApplication};
use super::problem::Problem;
use super::{AdminError, Result};
use crate::app::App;

/// A client to be registered.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Its name.
    pub name: String,
    /// The name of the user who owns it.
    pub owner: String,
    /// The grants it may use.
    pub grants: BTreeSet<GrantType>,
    /// The form of its access tokens.
    pub token_format: Option<TokenFormat>,
}

/// A client that is registered.
#[derive(Debug)]
pub struct Registered {
    /// The application around it.
    pub application: Application,
    /// The form of its access tokens.
    pub token_format: TokenFormat,
    /// The grants it may use.
    pub grants: BTreeSet<GrantType>,
    /// Its keys.
    pub keys: ConsumerKeys,
}

/// Registers a client, or finds the one that the owner has under that name, as it is: who asks twice gets the same
/// keys.
pub async fn register(app: &App, wanted: &Registration, actor: &str) -> Result<Registered> {
    let owner = super::user::find(app, &wanted.owner).await?.user.id;
    if let Some(held) = held(app, owner, &wanted.name).await? {
        return Ok(held);
    }
    let new = NewApplication {
        name: wanted.name.clone(),
        owner: wanted.owner.clone(),
        grants: wanted.grants.clone(),
        token_format: wanted.token_format,
        ..NewApplication::default()
    };
    match application::create(app, &new, actor).await {
        // Somebody asked for the same at the same time.
        Err(AdminError { problem: Some(Problem::ApplicationExists), .. }) => {}
        other => drop(other?),
    }
    let vanished = || AdminError::refused("the registration was deleted meanwhile; try again");
    held(app, owner, &wanted.name).await?.ok_or_else(vanished)
}

async fn held(app: &App, owner: PrincipalId, name: &str) -> Result<Option<Registered>> {
    let Some(application) = application::by_name(app, name, Some(owner)).await?.pop() else {
        return Ok(None);
    };
    let Some((client, sealed)) = app.store.clients_of(application.id).await?.into_iter().next() else {
        return Ok(None);
    };
    let keys = application::opened(app, &client, &sealed)?;
    Ok(Some(Registered { application, token_format: client.token_format, grants: client.grants, keys }))
}
