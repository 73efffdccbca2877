//! `demo.json`, and the commands to copy.

use std::io::Write;

use latchkey_catalog::api::Api;
use latchkey_catalog::id::EntryId;
use serde::{Deserialize, Serialize};

use super::example::{APPLICATION, DemoApplication};
use super::{ADMINISTRATOR, USER};
use crate::admin::text::SecretText;
use crate::app::App;
use crate::data_directory::Addresses;

/// What the demo made, and where to reach it. An address that nothing listens on is left out.
#[derive(Debug, Serialize, Deserialize)]
pub struct Facts {
    issuer: String,
    token_url: String,
    introspect_url: String,
    revoke_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_https: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_http: Option<String>,
    portal_url: String,
    admin: Person,
    user: Person,
    application: ApplicationFacts,
    api: ApiFacts,
}

#[derive(Debug, Serialize, Deserialize)]
struct Person {
    username: String,
    password: SecretText,
}

#[derive(Debug, Serialize, Deserialize)]
struct ApplicationFacts {
    id: EntryId,
    name: String,
    consumer_key: String,
    consumer_secret: SecretText,
}

#[derive(Debug, Serialize, Deserialize)]
struct ApiFacts {
    id: EntryId,
    context: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl Facts {
    pub(super) fn new(
        app: &App,
        (administrator, user): (SecretText, SecretText),
        application: DemoApplication,
        api: &Api,
    ) -> Self {
        let facts = Self {
            issuer: String::new(),
            token_url: String::new(),
            introspect_url: String::new(),
            revoke_url: String::new(),
            gateway_https: None,
            gateway_http: None,
            portal_url: String::new(),
            admin: Person { username: ADMINISTRATOR.to_owned(), password: administrator },
            user: Person { username: USER.to_owned(), password: user },
            application: ApplicationFacts {
                id: application.id,
                name: APPLICATION.to_owned(),
                consumer_key: application.consumer_key,
                consumer_secret: application.consumer_secret,
            },
            api: ApiFacts {
                id: api.id,
                context: api.context.clone(),
                version: api.version.clone(),
                url: None,
            },
        };
        facts.at(app, &Addresses::default())
    }

    /// The same with the addresses in force.
    #[must_use]
    pub(super) fn at(mut self, app: &App, addresses: &Addresses) -> Self {
        let base = &app.base;
        self.issuer.clone_from(&app.issuer);
        self.token_url = format!("{base}/oauth2/token");
        self.introspect_url = format!("{base}/oauth2/introspect");
        self.revoke_url = format!("{base}/oauth2/revoke");
        self.portal_url = format!("{base}/devportal");
        self.gateway_https.clone_from(&addresses.gateway_https);
        self.gateway_http.clone_from(&addresses.gateway_http);
        let gateway = self.gateway_https.as_ref().or(self.gateway_http.as_ref());
        self.api.url = gateway.map(|url| format!("{url}{}/{}", self.api.context, self.api.version));
        self
    }

    pub(super) fn to_json(&self) -> zeroize::Zeroizing<Vec<u8>> {
        let mut json =
            zeroize::Zeroizing::new(serde_json::to_vec_pretty(self).expect("a struct of texts is JSON"));
        json.push(b'\n');
        json
    }

    /// Writes what there is and how to get tokens for two devices.
    pub(super) fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Self { token_url, introspect_url, admin, user, application, .. } = self;
        let client = format!("{}:{}", application.consumer_key, application.consumer_secret.0.expose());
        let insecure = if token_url.starts_with("https:") { " -k" } else { "" };
        let device = |scope: &str| {
            format!(
                "curl{insecure} -u {client} -d grant_type=password -d username={} -d password={} -d scope={scope} {token_url}",
                user.username,
                user.password.0.expose()
            )
        };
        writeln!(out, "The demo is set up; the facts for scripts are in demo.json of the data directory.")?;
        writeln!(out, "  administrator  {}  {}", admin.username, admin.password.0.expose())?;
        writeln!(out, "  user           {}  {}", user.username, user.password.0.expose())?;
        writeln!(out, "\n# a token for alice's iPhone, and one for her iPad: each device holds its own")?;
        writeln!(out, "{}", device("device_iphone"))?;
        writeln!(out, "{}", device("device_ipad"))?;
        writeln!(out, "\n# a token for the application itself")?;
        writeln!(out, "curl{insecure} -u {client} -d grant_type=client_credentials {token_url}")?;
        if let Some(url) = &self.api.url {
            writeln!(out, "\n# a call of the demo's API through the gateway")?;
            writeln!(out, "curl{insecure} -H 'Authorization: Bearer TOKEN' {url}/anything")?;
        }
        writeln!(out, "\n# what a token stands for")?;
        writeln!(out, "curl{insecure} -u {client} -d token=TOKEN {introspect_url}\n")?;
        out.flush()
    }
}
