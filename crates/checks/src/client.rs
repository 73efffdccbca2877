//! The OAuth calls of a client, and of the administrator who introspects.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::canary::Canary;
use crate::document::Document;
use crate::server::Person;
use crate::wire::{self, Connection, Reply, Request};

/// An application's consumer key and secret.
#[derive(Debug, Clone, Deserialize)]
pub struct Application {
    /// The consumer key (client id).
    #[serde(rename = "consumer_key")]
    pub key: String,
    /// The consumer secret.
    #[serde(rename = "consumer_secret")]
    pub secret: String,
}

/// What the token endpoint handed out.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// The access token.
    pub access: String,
    /// The refresh token, where the grant gives one.
    pub refresh: Option<String>,
    /// The granted scopes, as rendered.
    pub scope: String,
    /// Remaining life of the access token in seconds.
    pub expires_in: u64,
    /// The whole answer.
    pub answer: Value,
}

impl Pair {
    /// The refresh token, which this grant must have given.
    pub fn refresh(&self) -> Result<&str> {
        self.refresh.as_deref().context("the answer has no refresh_token")
    }

    /// Whether the access token is a JWT.
    pub fn is_jwt(&self) -> bool {
        self.access.matches('.').count() == 2
    }

    fn read(reply: &Reply) -> Result<Self> {
        let answer = reply.json()?;
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        Ok(Self {
            access: text("access_token").context("the answer has no access_token")?,
            refresh: text("refresh_token"),
            scope: text("scope").unwrap_or_default(),
            expires_in: answer["expires_in"].as_u64().context("the answer has no expires_in")?,
            answer,
        })
    }
}

/// Calls to one server. Every token that passes is remembered by the canary.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    admin: Person,
    canary: Arc<Canary>,
    devices: Arc<AtomicU64>,
}

impl Client {
    /// Calls to `address`; `admin` introspects.
    pub fn new(address: SocketAddr, admin: Person, canary: Arc<Canary>) -> Self {
        Self { address, admin, canary, devices: Arc::default() }
    }

    /// The server has been started again, at `address`.
    pub fn moved_to(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A device scope that no check of this server has used yet.
    pub fn new_device(&self) -> String {
        format!("device_new{}", self.devices.fetch_add(1, Ordering::Relaxed))
    }

    /// Sends `request` on a connection of its own; tokens in the answer are remembered. An answer of an operation
    /// that the `OpenAPI` document does not declare is a failure.
    pub fn send(&self, request: &Request) -> Result<Reply> {
        let reply = wire::exchange(self.address, request)?;
        Document::checked_in().check(request, &reply)?;
        self.remember(&reply);
        Ok(reply)
    }

    /// Sends `request` on `connection`; tokens in the answer are remembered.
    pub fn send_on(&self, connection: &mut Connection, request: &Request) -> Result<Reply> {
        let reply = connection.send(request)?;
        self.remember(&reply);
        Ok(reply)
    }

    /// Fetches `path`.
    pub fn get(&self, path: &str) -> Result<Reply> {
        self.send(&Request::new("GET", path))
    }

    /// Posts a form to `path` as `application` (Basic).
    pub fn post(&self, path: &str, application: &Application, form: &[(&str, &str)]) -> Result<Reply> {
        self.send(&Request::new("POST", path).basic(&application.key, &application.secret).form(form))
    }

    /// Posts a form to the token endpoint as `application`, whatever comes of it.
    pub fn token(&self, application: &Application, form: &[(&str, &str)]) -> Result<Reply> {
        self.post("/oauth2/token", application, form)
    }

    /// An application token (client credentials) for `scope`.
    pub fn issue(&self, application: &Application, scope: &str) -> Result<Pair> {
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        Pair::read(&self.token(application, &form)?.expect(200)?)
    }

    /// A user token (password grant) for `scope`.
    pub fn sign_in(&self, application: &Application, person: &Person, scope: &str) -> Result<Pair> {
        Pair::read(&self.token(application, &password_form(person, scope))?.expect(200)?)
    }

    /// The next pair for `refresh_token`.
    pub fn refresh(&self, application: &Application, refresh_token: &str) -> Result<Pair> {
        Pair::read(&self.try_refresh(application, refresh_token)?.expect(200)?)
    }

    /// Presents `refresh_token`, whatever comes of it.
    pub fn try_refresh(&self, application: &Application, refresh_token: &str) -> Result<Reply> {
        self.token(application, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
    }

    /// Revokes `token`, which must be answered with 200 (RFC 7009 section 2.2).
    pub fn revoke(&self, application: &Application, token: &str) -> Result<()> {
        self.post("/oauth2/revoke", application, &[("token", token)])?.expect(200).map(drop)
    }

    /// The request by which the administrator asks about `token`.
    pub fn introspection(&self, token: &str) -> Request {
        Request::new("POST", "/oauth2/introspect")
            .basic(&self.admin.username, &self.admin.password)
            .form(&[("token", token)])
    }

    /// What introspection says about `token` to the administrator.
    pub fn introspect(&self, token: &str) -> Result<Value> {
        wire::exchange(self.address, &self.introspection(token))?.expect(200)?.json()
    }

    /// Whether `token` is active.
    pub fn active(&self, token: &str) -> Result<bool> {
        self.introspect(token)?["active"].as_bool().context("introspection says neither true nor false")
    }

    /// Fails unless `token`, called `name` in the message, is active or not as `expected`.
    pub fn expect_state(&self, name: &str, token: &str, expected: State) -> Result<()> {
        let active = self.active(token)?;
        ensure!(active == (expected == State::Active), "{name} is {}active", if active { "" } else { "in" });
        Ok(())
    }

    /// Userinfo with `token` as bearer.
    pub fn userinfo(&self, token: &str) -> Result<Reply> {
        self.send(
            &Request::new("GET", "/oauth2/userinfo").header("Authorization", &format!("Bearer {token}")),
        )
    }

    fn remember(&self, reply: &Reply) {
        let Ok(answer) = serde_json::from_slice::<Value>(&reply.body) else { return };
        for name in ["access_token", "refresh_token", "id_token"] {
            if let Some(token) = answer[name].as_str() {
                self.canary.remember(name, token);
            }
        }
    }
}

/// What introspection says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// `{"active":true,…}`
    Active,
    /// `{"active":false}`
    Inactive,
}

/// The pair that a 200 of the token endpoint holds.
pub fn pair_of(reply: &Reply) -> Result<Pair> {
    Pair::read(&reply.clone().expect(200)?)
}

/// The form of the password grant.
pub fn password_form<'a>(person: &'a Person, scope: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("grant_type", "password"),
        ("username", &person.username),
        ("password", &person.password),
        ("scope", scope),
    ]
}
