//! People, applications and an API for each event, all made over REST.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use latchkey_checks::client::Application;
use latchkey_checks::server::{Person, Server};
use latchkey_checks::wire::{Request, short};
use serde_json::{Value, json};

use crate::probes::{Shown, bearing};
use crate::words::{Credential, Event};

/// What a patch of SCIM is.
pub(crate) const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The password of everybody, before it is changed.
const PASSWORD: &str = "correct horse battery staple";
/// The role that the API's scope asks for.
pub(crate) const READER: &str = "reader";
/// The role of who may use the developer portal.
pub(crate) const SUBSCRIBER: &str = "Internal/subscriber";
/// The role of who may try APIs out.
pub(crate) const PUBLISHER: &str = "Internal/publisher";
/// A role that opens nothing.
pub(crate) const KEEPER: &str = "keeper";
/// The device of every user.
pub(crate) const DEVICE: &str = "device_a";
/// Everything that the administrator of these checks does.
const ADMINISTRATION: &str = "apim:admin apim:api_create apim:api_delete apim:api_publish apim:api_manage \
    apim:shared_scope_manage apim:subscription_block apim:bl_manage apim:app_owner_change internal_session_delete \
    internal_user_mgt_create internal_user_mgt_update internal_user_mgt_delete internal_role_mgt_view \
    internal_role_mgt_create internal_role_mgt_update internal_application_mgt_view";

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum As<'a> {
    Admin,
    Bearer(&'a str),
    Person(&'a Person),
}

/// The REST interfaces of a server.
pub(crate) struct Rest<'a> {
    pub(crate) server: &'a Server,
    admin: String,
    roles: BTreeMap<String, String>,
}

impl<'a> Rest<'a> {
    /// Signs the administrator in.
    pub(crate) fn sign_in(server: &'a Server) -> Result<Self> {
        let pair = server.client.sign_in(&server.demo.application, &server.demo.admin, ADMINISTRATION)?;
        let mut rest = Self { server, admin: pair.access, roles: BTreeMap::new() };
        for role in [READER, SUBSCRIBER, PUBLISHER, KEEPER] {
            let found = rest.ask(As::Admin, "GET /scim2/v2/Roles?count=100", &Value::Null)?;
            let list = found["Resources"].as_array().context("roles")?;
            let id = if let Some(held) = list.iter().find(|one| one["displayName"] == role) {
                text(held, "id")?
            } else {
                let made = json!({ "displayName": role });
                text(&rest.ask(As::Admin, "POST /scim2/v2/Roles", &made)?, "id")?
            };
            rest.roles.insert(role.to_owned(), id);
        }
        Ok(rest)
    }

    /// Sends a request that must be answered with success; what is answered.
    pub(crate) fn ask(&self, who: As<'_>, line: &str, body: &Value) -> Result<Value> {
        let (method, path) = line.split_once(' ').context("method and path")?;
        let mut request = match who {
            As::Admin => bearing(method, path, &self.admin),
            As::Bearer(token) => bearing(method, path, token),
            As::Person(person) => Request::new(method, path).basic(&person.username, &person.password),
        };
        if !body.is_null() {
            let header = request.header("Content-Type", "application/json");
            request = header.body(body.to_string().as_bytes());
        }
        let reply = self.server.client.send(&request)?;
        ensure!((200..300).contains(&reply.status), "{line}: {} {}", reply.status, short(&reply.text()));
        if reply.body.is_empty() { Ok(Value::Null) } else { reply.json() }
    }

    /// Whether a token is active, as the administrator is told.
    pub(crate) fn introspect(&self, token: &str) -> Result<bool> {
        let request = bearing("POST", "/oauth2/introspect", &self.admin).form(&[("token", token)]);
        let answer = self.server.client.send(&request)?.expect(200)?.json()?;
        answer["active"].as_bool().context("active")
    }

    /// Gives a role to users (`add`), or takes it from them (`remove`).
    pub(crate) fn change_role(&self, operation: &str, role: &str, users: &[&str]) -> Result<()> {
        let id = self.roles.get(role).context("a role that is there")?;
        let operations: Vec<Value> = if operation == "add" {
            let members: Vec<Value> = users.iter().map(|id| json!({ "value": id })).collect();
            vec![json!({ "op": operation, "path": "users", "value": members })]
        } else {
            let one = |id: &&str| json!({ "op": operation, "path": format!("users[value eq \"{id}\"]") });
            users.iter().map(one).collect()
        };
        let body = json!({ "schemas": [PATCH], "Operations": operations });
        self.ask(As::Admin, &format!("PATCH /scim2/v2/Roles/{id}"), &body).map(drop)
    }

    /// Makes a user.
    pub(crate) fn add_user(&self, name: &str) -> Result<User> {
        let body = json!({ "userName": name, "password": PASSWORD });
        let made = self.ask(As::Admin, "POST /scim2/Users", &body)?;
        let person = Person { username: name.to_owned(), password: PASSWORD.to_owned() };
        Ok(User { id: text(&made, "id")?, person })
    }
}

/// A member of an answer that is text.
pub(crate) fn text(answer: &Value, name: &str) -> Result<String> {
    Ok(answer[name].as_str().with_context(|| format!("no {name} in {answer}"))?.to_owned())
}

/// Somebody.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) person: Person,
}

/// What a publisher offers.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) id: String,
    /// Context and version.
    pub(crate) path: String,
    pub(crate) revision: String,
    /// The shared scope of its resource `/scoped`: name and id.
    pub(crate) scope: (String, String),
}

/// The keys of an application of one type.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) mapping: String,
    pub(crate) client: Application,
}

/// An application that subscribes to the API.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) production: Keys,
    pub(crate) subscription: String,
}

/// All that one event happens to.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) event: Event,
    /// Who owns the applications, and a token by which they are changed.
    pub(crate) owner: User,
    pub(crate) owner_token: String,
    /// Whom the tokens of users are of.
    pub(crate) user: User,
    pub(crate) api: Api,
    pub(crate) opaque: App,
    pub(crate) jwt: App,
    pub(crate) held: BTreeMap<Credential, Shown>,
}

/// Makes a scene for every event.
pub(crate) fn set(rest: &Rest<'_>) -> Result<Vec<Scene>> {
    rest.server.canary().remember("everybody's password", PASSWORD);
    let mut people = Vec::new();
    for number in 0..Event::ALL.len() {
        people.push((rest.add_user(&format!("alice.{number}"))?, rest.add_user(&format!("bob.{number}"))?));
    }
    let ids: Vec<&str> = people.iter().flat_map(|(owner, user)| [&*owner.id, &*user.id]).collect();
    rest.change_role("add", READER, &ids)?;
    rest.change_role("add", SUBSCRIBER, &ids)?;
    let users: Vec<&str> = people.iter().map(|(_, user)| &*user.id).collect();
    rest.change_role("add", PUBLISHER, &users)?;
    let scene = |(event, people): (&Event, (User, User))| {
        scene_of(rest, *event, people).with_context(|| event.as_str())
    };
    Event::ALL.iter().zip(people).map(scene).collect()
}

fn scene_of(rest: &Rest<'_>, event: Event, (owner, user): (User, User)) -> Result<Scene> {
    let (client, name) = (&rest.server.client, event.as_str().replace('_', "-"));
    let portal = client.sign_in(&rest.server.demo.application, &owner.person, "apim:subscribe")?;
    let owner_token = portal.access;
    let who = As::Bearer(&owner_token);
    let api = api(rest, &name)?;
    let opaque = app(rest, who, (&format!("{name} opaque"), "OAUTH", &api.id))?;
    let jwt = app(rest, who, (&format!("{name} jwt"), "JWT", &api.id))?;
    let sandbox = keys(rest, who, (&opaque.id, "SANDBOX"))?.client;
    let mut held = BTreeMap::new();
    let (all, some) = (format!("openid apim:subscribe {}", api.scope.0), format!("openid {}", api.scope.0));
    let with_device = |scopes: &str| format!("{scopes} {DEVICE}");
    let (opaque_client, jwt_client) = (&opaque.production.client, &jwt.production.client);
    for (credential, application, scopes) in [
        (Credential::UserOpaque, opaque_client, all.clone()),
        (Credential::UserJwt, jwt_client, all.clone()),
        (Credential::DeviceOpaque, opaque_client, with_device(&all)),
        (Credential::DeviceJwt, jwt_client, with_device(&all)),
    ] {
        let pair = client.sign_in(application, &user.person, &scopes)?;
        let is_jwt = matches!(credential, Credential::UserJwt | Credential::DeviceJwt);
        ensure!(pair.is_jwt() == is_jwt, "the form of {}", credential.as_str());
        held.insert(credential, Shown::Token(pair.access));
    }
    for (credential, application, scopes) in [
        (Credential::UserOpaqueRefresh, opaque_client, some.clone()),
        (Credential::UserJwtRefresh, jwt_client, some.clone()),
        (Credential::DeviceRefresh, opaque_client, with_device(&some)),
    ] {
        let pair = client.sign_in(application, &user.person, &scopes)?;
        held.insert(credential, Shown::Refresh(application.clone(), pair.refresh()?.to_owned()));
    }
    for (credential, application) in [
        (Credential::ApplicationOpaque, opaque_client),
        (Credential::ApplicationJwt, jwt_client),
        (Credential::ApplicationSandbox, &sandbox),
    ] {
        held.insert(credential, Shown::Token(client.issue(application, &all)?.access));
    }
    for (credential, keys) in [(Credential::ApiKey, "PRODUCTION"), (Credential::ApiKeySandbox, "SANDBOX")] {
        let line = format!("{}/api-keys/{keys}/generate", at(&opaque.id));
        let made = rest.ask(who, &line, &json!({ "keyName": "web", "validityPeriod": -1 }))?;
        rest.server.canary().remember("an API key", &text(&made, "apikey")?);
        held.insert(credential, Shown::ApiKey(text(&made, "apikey")?));
    }
    let line = format!("POST /api/am/publisher/v4/apis/{}/generate-key", api.id);
    let made = text(&rest.ask(As::Person(&user.person), &line, &Value::Null)?, "apikey")?;
    rest.server.canary().remember("an internal key", &made);
    held.insert(Credential::InternalKey, Shown::InternalKey(made));
    held.insert(Credential::Password, Shown::Password(user.person.clone()));
    held.insert(Credential::ConsumerSecret, Shown::ConsumerSecret(opaque_client.clone()));
    Ok(Scene { event, owner, owner_token, user, api, opaque, jwt, held })
}

/// A POST below an application.
pub(crate) fn at(application: &str) -> String {
    format!("POST /api/am/devportal/v3/applications/{application}")
}

/// What the API is at the gateway: the resource `/scoped` asks for `scope`, where there is one.
pub(crate) fn resources(scope: Option<&str>) -> Value {
    let shared: Vec<Value> =
        scope.into_iter().map(|name| json!({ "scope": { "name": name }, "shared": true })).collect();
    json!({
        "scopes": shared,
        "operations": [
            { "target": "/scoped", "verb": "GET", "scopes": scope.into_iter().collect::<Vec<_>>() },
            { "target": "/anything", "verb": "GET", "scopes": [] },
        ],
    })
}

/// Deploys the API as it now is; the revision's id.
pub(crate) fn deploy(rest: &Rest<'_>, api: &str) -> Result<String> {
    let base = format!("POST /api/am/publisher/v4/apis/{api}");
    let revision = rest.ask(As::Admin, &format!("{base}/revisions"), &json!({ "description": "" }))?;
    let revision = text(&revision, "id")?;
    deploy_revision(rest, api, &revision)?;
    Ok(revision)
}

pub(crate) fn deploy_revision(rest: &Rest<'_>, api: &str, revision: &str) -> Result<()> {
    let line = format!("POST /api/am/publisher/v4/apis/{api}/deploy-revision?revisionId={revision}");
    let places = json!([{ "name": "Default", "vhost": "localhost", "displayOnDevportal": true }]);
    rest.ask(As::Admin, &line, &places).map(drop)
}

/// A shared scope that readers may have: its name and its id.
pub(crate) fn shared_scope(rest: &Rest<'_>, name: &str) -> Result<(String, String)> {
    let body = json!({ "name": name, "displayName": name, "bindings": [READER] });
    let made = rest.ask(As::Admin, "POST /api/am/publisher/v4/scopes", &body)?;
    Ok((name.to_owned(), text(&made, "id")?))
}

fn api(rest: &Rest<'_>, name: &str) -> Result<Api> {
    let scope = shared_scope(rest, &format!("{name}.read"))?;
    let url = json!({ "url": "http://echo.latchkey.invalid" });
    let mut body = resources(Some(&scope.0));
    body["name"] = json!(name);
    body["context"] = json!(format!("/{name}"));
    body["version"] = json!("1.0.0");
    body["securityScheme"] = json!(["oauth2", "api_key", "oauth_basic_auth_api_key_mandatory"]);
    body["policies"] = json!(["Unlimited"]);
    body["endpointConfig"] =
        json!({ "endpoint_type": "http", "production_endpoints": url, "sandbox_endpoints": url });
    let made = rest.ask(As::Admin, "POST /api/am/publisher/v4/apis", &body)?;
    let id = text(&made, "id")?;
    let revision = deploy(rest, &id)?;
    act(rest, &id, "Publish")?;
    Ok(Api { path: format!("/{name}/1.0.0"), id, revision, scope })
}

/// Leads the API on in its life.
pub(crate) fn act(rest: &Rest<'_>, api: &str, action: &str) -> Result<()> {
    let line = format!("POST /api/am/publisher/v4/apis/change-lifecycle?action={action}&apiId={api}");
    rest.ask(As::Admin, &line, &Value::Null).map(drop)
}

/// An application of that name and form of tokens, with production keys, subscribed to the API.
pub(crate) fn app(rest: &Rest<'_>, who: As<'_>, (name, form, api): (&str, &str, &str)) -> Result<App> {
    let body = json!({ "name": name, "throttlingPolicy": "Unlimited", "tokenType": form });
    let made = rest.ask(who, "POST /api/am/devportal/v3/applications", &body)?;
    let id = text(&made, "applicationId")?;
    let subscription = subscribe(rest, who, (&id, api))?;
    let production = keys(rest, who, (&id, "PRODUCTION"))?;
    Ok(App { id, name: name.to_owned(), production, subscription })
}

pub(crate) fn subscribe(rest: &Rest<'_>, who: As<'_>, (application, api): (&str, &str)) -> Result<String> {
    let body = json!({ "applicationId": application, "apiId": api, "throttlingPolicy": "Unlimited" });
    text(&rest.ask(who, "POST /api/am/devportal/v3/subscriptions", &body)?, "subscriptionId")
}

fn keys(rest: &Rest<'_>, who: As<'_>, (application, key_type): (&str, &str)) -> Result<Keys> {
    let grants = ["client_credentials", "password", "refresh_token"];
    let body = json!({ "keyType": key_type, "grantTypesToBeSupported": grants });
    let made = rest.ask(who, &format!("{}/generate-keys", at(application)), &body)?;
    let client = Application { key: text(&made, "consumerKey")?, secret: text(&made, "consumerSecret")? };
    rest.server.canary().remember_basic("a consumer secret", &client.key, &client.secret);
    Ok(Keys { mapping: text(&made, "keyMappingId")?, client })
}
