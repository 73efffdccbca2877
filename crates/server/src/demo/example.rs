//! The demo's API and application.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_catalog::api::{Api, ApiDefinition, Resource};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::upstream::{Upstream, UpstreamUrl};
use latchkey_gateway::echo;
use latchkey_oauth::client::GrantType;
use latchkey_store::unit::CatalogueChange;

use super::{ACTOR, DemoError, ROLE, USER};
use crate::admin::application::{
    Command as ApplicationCommand, ConsumerKeys, NewApplication, Reference, create, subscribe,
};
use crate::admin::text::SecretText;
use crate::admin::{AdminError, Command, Reply, change, execute};
use crate::app::App;

/// The application's name.
pub(super) const APPLICATION: &str = "DemoApp";
/// The scope that one resource of the API asks for.
const SCOPE: &str = "echo.read";

/// The demo's application.
#[derive(Debug)]
pub(super) struct DemoApplication {
    pub(super) id: EntryId,
    pub(super) consumer_key: String,
    pub(super) consumer_secret: SecretText,
}

/// The API, made where it is not there.
pub(crate) async fn put_api(app: &App) -> Result<Api, DemoError> {
    let found = app.store.apis().await?.into_iter().find(|api| api.path() == "/echo/1.0.0");
    if let Some(api) = found {
        return Ok(api);
    }
    let resource = |method: &str, template: &str, scopes: &[&str]| Resource {
        method: method.to_owned(),
        template: template.to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..Resource::default()
    };
    let api = Api {
        id: EntryId::draw(&*app.entropy),
        name: "Echo".to_owned(),
        context: "/echo".to_owned(),
        version: "1.0.0".to_owned(),
        definition: ApiDefinition {
            resources: vec![
                resource("GET", "/anything", &[]),
                resource("POST", "/anything", &[]),
                resource("GET", "/scoped", &[SCOPE]),
            ],
            scopes: BTreeMap::from([(SCOPE.to_owned(), BTreeSet::from([ROLE.to_owned()]))]),
            production: Some(Upstream::at(vec![
                UpstreamUrl::parse(echo::URL).map_err(|problem| AdminError::failed(problem.to_string()))?,
            ])),
            ..ApiDefinition::default()
        },
    };
    let put = change(app, CatalogueChange::PutApi(api.clone()), ACTOR).await?;
    put.map_err(|refused| AdminError::failed(refused.to_string()))?;
    Ok(api)
}

/// The application with its subscription, made as far as it is not there.
pub(super) async fn put_application(app: &App, api: EntryId) -> Result<DemoApplication, DemoError> {
    let owner = app.store.user(USER).await?.map(|facts| facts.user.id);
    let applications = app.store.applications(owner, None, 100).await?;
    if let Some(found) = applications.into_iter().find(|application| application.name == APPLICATION) {
        subscribe(app, (found.id, api), ACTOR).await?;
        return keys_of(app, found.id).await;
    }
    let new = NewApplication {
        name: APPLICATION.to_owned(),
        owner: USER.to_owned(),
        grants: GrantType::ALL.into(),
        subscriptions: vec!["/echo/1.0.0".to_owned()],
        ..NewApplication::default()
    };
    let made = create(app, &new, ACTOR).await?;
    Ok(DemoApplication {
        id: made.id,
        consumer_key: made.consumer_key,
        consumer_secret: made.consumer_secret,
    })
}

async fn keys_of(app: &App, id: EntryId) -> Result<DemoApplication, DemoError> {
    let reference = Reference { name: id.to_string(), owner: None };
    let command = Command::Application(ApplicationCommand::Keys(reference));
    let Reply::ConsumerKeys(keys) = execute(app, command, ACTOR).await? else {
        return Err(AdminError::failed("the keys of the demo's application cannot be read").into());
    };
    let missing =
        || AdminError::failed("the demo's application has no keys; start with a new data directory");
    let ConsumerKeys { consumer_key, consumer_secret, .. } = keys.into_iter().next().ok_or_else(missing)?;
    Ok(DemoApplication { id, consumer_key, consumer_secret })
}
