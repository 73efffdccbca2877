//! The events, each over REST.

use anyhow::{Context, Result};
use latchkey_checks::server::Person;
use serde_json::{Value, json};

use crate::stage::{
    App, As, DEVICE, KEEPER, PATCH, READER, Rest, SUBSCRIBER, Scene, act, app, at, deploy, deploy_revision,
    resources, shared_scope, subscribe, text,
};
use crate::words::Event;

/// Where the state of an account is.
const ACCOUNT: &str = "urn:scim:wso2:schema";
const LOCKED: &str = "accountLocked";
const DISABLED: &str = "accountDisabled";
const NEW_PASSWORD: &str = "another fine password";
const PUBLISHER: &str = "/api/am/publisher/v4";

/// Makes the scene's event happen; it has happened when this returns.
pub(crate) fn happens(rest: &Rest<'_>, scene: &Scene) -> Result<()> {
    let it = Happening { rest, scene };
    let (owner, user, api) = (scene.owner.id.as_str(), scene.user.id.as_str(), scene.api.id.as_str());
    match scene.event {
        Event::Nothing => Ok(()),
        Event::UserDeleted => it.delete_user(user),
        Event::UserDeletedAndMadeAgain => it.make_user_again(),
        Event::UserDisabled => it.bar(user, DISABLED, &[true]),
        Event::UserEnabledAgain => it.bar(user, DISABLED, &[true, false]),
        Event::UserLocked => it.bar(user, LOCKED, &[true]),
        Event::UserUnlocked => it.bar(user, LOCKED, &[true, false]),
        Event::PasswordReset => it.replace(user, "password", &json!(NEW_PASSWORD)),
        Event::PasswordChanged => it.change_password(),
        Event::RoleLost => rest.change_role("remove", READER, &[user]),
        Event::RoleLostAndGivenBack => {
            ["remove", "add"].into_iter().try_for_each(|what| rest.change_role(what, READER, &[user]))
        }
        Event::RoleGiven => rest.change_role("add", KEEPER, &[user]),
        Event::SessionsEnded => it.end("/api/users/v1/me/sessions"),
        Event::ConsentWithdrawn => it.withdraw_consent(),
        Event::DeviceRemoved => it.remove_device(),
        Event::UserDenied => it.deny("USER", &scene.user.person.username).map(drop),
        Event::OwnerDeleted => it.delete_user(owner),
        Event::OwnerLocked => it.bar(owner, LOCKED, &[true]),
        Event::OwnerUnlocked => it.bar(owner, LOCKED, &[true, false]),
        Event::OwnerRoleLost => {
            [READER, SUBSCRIBER].iter().try_for_each(|role| rest.change_role("remove", role, &[owner]))
        }
        Event::OwnerChanged => it.each(|app| it.give_away(app, &rest.server.demo.user)),
        Event::OwnerChangedAndRoleLost => it.each(|app| it.give_away(app, &rest.server.demo.admin)),
        Event::ApplicationDenied => it.each(|app| it.deny_application(app).map(drop)),
        Event::ApplicationLetInAgain => it.each(|app| it.let_in(&it.deny_application(app)?)),
        Event::ApplicationRevoked => it.each(|app| it.revoke_all(app)),
        Event::ApplicationDeleted => it.each(|app| it.delete(app)),
        Event::ApplicationDeletedAndMadeAgain => it.each(|app| it.make_again(app)),
        Event::SecretRegenerated => it.each(|app| it.regenerate_secret(app, "")),
        Event::SecretRegeneratedWithOverlap => it.each(|app| it.regenerate_secret(app, "?overlap=600")),
        Event::FurtherSecretRemoved => it.each(|app| it.add_and_remove_secret(app)),
        Event::KeysRemoved => it.each(|app| it.remove_keys(app)),
        Event::ApiKeyRevoked => it.change_api_key("revoke"),
        Event::ApiKeyRegenerated => it.change_api_key("regenerate"),
        Event::SubscriptionBlocked => it.each(|app| it.block(app, "BLOCKED")),
        Event::SubscriptionBlockedForProduction => it.each(|app| it.block(app, "PROD_ONLY_BLOCKED")),
        Event::SubscriptionUnblocked => it.each(|app| it.block_and_unblock(app)),
        Event::SubscriptionRemoved => it.each(|app| it.unsubscribe(app)),
        Event::SubscriptionMadeAgain => it.each(|app| it.subscribe_again(app)),
        Event::ApiBlocked => act(rest, api, "Block"),
        Event::ApiRepublished => it.lead(&["Block", "Re-Publish"]),
        Event::ApiDeprecated => act(rest, api, "Deprecate"),
        Event::ApiRetired => it.lead(&["Deprecate", "Retire"]),
        Event::ApiUndeployed => it.undeploy(),
        Event::ApiDeployedAgain => {
            it.undeploy().and_then(|()| deploy_revision(rest, api, &scene.api.revision))
        }
        Event::ScopeTakenFromRole => it.rebind_scope(),
        Event::ScopeRemoved => it.remove_scope(),
        Event::ScopeAskedFor => it.ask_for_another_scope(),
    }
}

/// A scene with the ways to change it.
struct Happening<'a> {
    rest: &'a Rest<'a>,
    scene: &'a Scene,
}

impl Happening<'_> {
    fn admin(&self, line: &str, body: &Value) -> Result<Value> {
        self.rest.ask(As::Admin, line, body)
    }

    fn owner(&self, line: &str, body: &Value) -> Result<Value> {
        self.rest.ask(As::Bearer(&self.scene.owner_token), line, body)
    }

    fn user(&self, line: &str, body: &Value) -> Result<Value> {
        self.rest.ask(As::Person(&self.scene.user.person), line, body)
    }

    /// Does it to both applications.
    fn each(&self, what: impl Fn(&App) -> Result<()>) -> Result<()> {
        [&self.scene.opaque, &self.scene.jwt].into_iter().try_for_each(what)
    }

    fn delete_user(&self, id: &str) -> Result<()> {
        self.admin(&format!("DELETE /scim2/Users/{id}"), &Value::Null).map(drop)
    }

    fn make_user_again(&self) -> Result<()> {
        self.delete_user(&self.scene.user.id)?;
        let again = self.rest.add_user(&self.scene.user.person.username)?;
        [READER, SUBSCRIBER].iter().try_for_each(|role| self.rest.change_role("add", role, &[&again.id]))
    }

    fn replace(&self, id: &str, path: &str, value: &Value) -> Result<()> {
        self.rest.server.canary().remember("a new password", NEW_PASSWORD);
        let operation = json!({ "op": "replace", "path": path, "value": value });
        let body = json!({ "schemas": [PATCH], "Operations": [operation] });
        self.admin(&format!("PATCH /scim2/Users/{id}"), &body).map(drop)
    }

    /// Sets a bar of an account, and takes it back where that is said.
    fn bar(&self, id: &str, name: &str, values: &[bool]) -> Result<()> {
        let path = format!("{ACCOUNT}:{name}");
        values.iter().try_for_each(|value| self.replace(id, &path, &json!(value)))
    }

    fn change_password(&self) -> Result<()> {
        let before = &self.scene.user.person.password;
        let body = json!({ "currentPassword": before, "newPassword": NEW_PASSWORD });
        self.user("POST /api/am/devportal/v3/me/change-password", &body).map(drop)
    }

    /// Users end what they hold themselves.
    fn end(&self, place: &str) -> Result<()> {
        self.user(&format!("DELETE {place}"), &Value::Null).map(drop)
    }

    fn withdraw_consent(&self) -> Result<()> {
        let held = self.user("GET /api/users/v2/me/authorized-apps", &Value::Null)?;
        let key = self.scene.opaque.production.client.key.as_str();
        let one = held.as_array().and_then(|all| all.iter().find(|one| one["clientId"] == key));
        let id = text(one.context("the application")?, "id")?;
        self.end(&format!("/api/users/v2/me/authorized-apps/{id}"))
    }

    fn remove_device(&self) -> Result<()> {
        let held = self.user("GET /api/latchkey/v1/me/devices", &Value::Null)?;
        let key = self.scene.opaque.production.client.key.as_str();
        let is_it = |one: &&Value| one["device"] == DEVICE && one["application"]["clientId"] == key;
        let one = held["list"].as_array().and_then(|all| all.iter().find(is_it));
        self.end(&format!("/api/latchkey/v1/me/devices/{}", text(one.context("the device")?, "id")?))
    }

    fn deny(&self, kind: &str, value: &str) -> Result<String> {
        let body = json!({ "conditionType": kind, "conditionValue": value, "conditionStatus": true });
        text(&self.admin("POST /api/am/admin/v4/throttling/deny-policies", &body)?, "conditionId")
    }

    fn deny_application(&self, app: &App) -> Result<String> {
        self.deny("APPLICATION", &format!("{}:{}", self.scene.owner.person.username, app.name))
    }

    fn let_in(&self, policy: &str) -> Result<()> {
        let line = format!("DELETE /api/am/admin/v4/throttling/deny-policy/{policy}");
        self.admin(&line, &Value::Null).map(drop)
    }

    fn give_away(&self, app: &App, owner: &Person) -> Result<()> {
        let (base, owner) = ("POST /api/am/admin/v4/applications", &owner.username);
        self.admin(&format!("{base}/{}/change-owner?owner={owner}", app.id), &Value::Null).map(drop)
    }

    fn revoke_all(&self, app: &App) -> Result<()> {
        let line = format!("DELETE /api/users/v2/authorized-apps/{}/tokens", app.id);
        self.admin(&line, &Value::Null).map(drop)
    }

    fn delete(&self, app: &App) -> Result<()> {
        self.owner(&at(&app.id).replacen("POST", "DELETE", 1), &Value::Null).map(drop)
    }

    fn make_again(&self, held: &App) -> Result<()> {
        self.delete(held)?;
        let who = As::Bearer(&self.scene.owner_token);
        app(self.rest, who, (&held.name, "OAUTH", &self.scene.api.id)).map(drop)
    }

    fn regenerate_secret(&self, app: &App, query: &str) -> Result<()> {
        let made = self.owner(&format!("{}/regenerate-secret{query}", keys(app)), &json!({}))?;
        self.rest.server.canary().remember("a new consumer secret", &text(&made, "consumerSecret")?);
        Ok(())
    }

    fn add_and_remove_secret(&self, app: &App) -> Result<()> {
        let made = self.owner(&format!("{}/generate-secret", keys(app)), &json!({}))?;
        let body = json!({ "secretId": text(&made, "secretId")? });
        self.owner(&format!("{}/revoke-secret", keys(app)), &body).map(drop)
    }

    fn remove_keys(&self, app: &App) -> Result<()> {
        self.owner(&keys(app).replacen("POST", "DELETE", 1), &Value::Null).map(drop)
    }

    /// The API key for production.
    fn change_api_key(&self, action: &str) -> Result<()> {
        let place = format!("{}/api-keys/PRODUCTION", at(&self.scene.opaque.id));
        let listed = self.owner(&place.replacen("POST", "GET", 1), &Value::Null)?;
        let body = json!({ "keyUUID": text(&listed["list"][0], "keyUUID")? });
        let changed = self.owner(&format!("{place}/{action}"), &body)?;
        if let Some(value) = changed["apikey"].as_str() {
            self.rest.server.canary().remember("an API key", value);
        }
        Ok(())
    }

    fn block(&self, app: &App, state: &str) -> Result<()> {
        let query = format!("subscriptionId={}&blockState={state}", app.subscription);
        let line = format!("POST {PUBLISHER}/subscriptions/block-subscription?{query}");
        self.admin(&line, &Value::Null).map(drop)
    }

    fn block_and_unblock(&self, app: &App) -> Result<()> {
        self.block(app, "BLOCKED")?;
        let line = format!("POST {PUBLISHER}/subscriptions/unblock-subscription");
        self.admin(&format!("{line}?subscriptionId={}", app.subscription), &Value::Null).map(drop)
    }

    fn unsubscribe(&self, app: &App) -> Result<()> {
        let line = format!("DELETE /api/am/devportal/v3/subscriptions/{}", app.subscription);
        self.owner(&line, &Value::Null).map(drop)
    }

    fn subscribe_again(&self, app: &App) -> Result<()> {
        self.unsubscribe(app)?;
        let who = As::Bearer(&self.scene.owner_token);
        subscribe(self.rest, who, (&app.id, &self.scene.api.id)).map(drop)
    }

    fn lead(&self, actions: &[&str]) -> Result<()> {
        actions.iter().try_for_each(|action| act(self.rest, &self.scene.api.id, action))
    }

    fn undeploy(&self) -> Result<()> {
        let api = &self.scene.api;
        let line = format!("POST {PUBLISHER}/apis/{}/undeploy-revision?revisionId={}", api.id, api.revision);
        self.admin(&line, &json!([{ "name": "Default" }])).map(drop)
    }

    fn rebind_scope(&self) -> Result<()> {
        let (name, id) = &self.scene.api.scope;
        let body = json!({ "name": name, "displayName": name, "bindings": ["admin"] });
        self.admin(&format!("PUT {PUBLISHER}/scopes/{id}"), &body).map(drop)
    }

    /// Deploys the API with `scope` for that of its resource.
    fn define(&self, scope: Option<&str>) -> Result<()> {
        let id = &self.scene.api.id;
        self.admin(&format!("PUT {PUBLISHER}/apis/{id}"), &resources(scope))?;
        deploy(self.rest, id).map(drop)
    }

    fn remove_scope(&self) -> Result<()> {
        self.define(None)?;
        let line = format!("DELETE {PUBLISHER}/scopes/{}", self.scene.api.scope.1);
        self.admin(&line, &Value::Null).map(drop)
    }

    fn ask_for_another_scope(&self) -> Result<()> {
        let other = shared_scope(self.rest, &format!("{}.other", self.scene.api.scope.0))?;
        self.define(Some(&other.0))
    }
}

/// A POST below the keys for production.
fn keys(app: &App) -> String {
    format!("{}/oauth-keys/{}", at(&app.id), app.production.mapping)
}
