//! Where a credential is shown, and what comes of it.

use std::time::Instant;

use anyhow::{Result, bail, ensure};
use latchkey_checks::client::{Application, password_form};
use latchkey_checks::node::Node;
use latchkey_checks::server::{Person, pass};
use latchkey_checks::wire::{self, PATIENCE, Reply, Request, short};

use crate::BOUND;
use crate::stage::{Rest, Scene};
use crate::table::Table;
use crate::words::Probe;

/// A credential as it is shown.
#[derive(Debug)]
pub(crate) enum Shown {
    Token(String),
    Refresh(Application, String),
    ApiKey(String),
    InternalKey(String),
    Password(Person),
    ConsumerSecret(Application),
}

/// What is asked of the developer portal.
const PORTAL: &str = "/api/am/devportal/v3/applications?limit=1";
/// A scope of no other token, so that what is issued to a probe takes nobody's place.
const OF_A_PROBE: &str = "device_probe";

impl Scene {
    /// Lets the gateway and the node see each credential pass, so that whatever they keep of it is warm; what is not
    /// alive before the event says nothing about it.
    pub(crate) fn warm_up(&self, (rest, node): (&Rest<'_>, &Node), table: &Table) -> Result<()> {
        for (credential, shown) in &self.held {
            for probe in Probe::ALL.iter().copied().filter(|probe| *probe != Probe::Refresh) {
                if !table.applies((self.event, *credential, probe)) {
                    continue;
                }
                let since = Instant::now();
                // The node hears of what was just made.
                while probe == Probe::Node && self.show((rest, node), shown, probe)? != "alive" {
                    ensure!(since.elapsed() < PATIENCE, "the node never lets {} pass", credential.as_str());
                    pass(BOUND / 50);
                }
                for _ in 0..2 {
                    let outcome = self.show((rest, node), shown, probe)?;
                    let (credential, probe) = (credential.as_str(), probe.as_str());
                    ensure!(outcome == "alive", "{credential} × {probe} before the event: {outcome}");
                }
            }
        }
        Ok(())
    }

    /// Shows the credential once: `alive`, or how it is refused.
    pub(crate) fn show(
        &self,
        (rest, node): (&Rest<'_>, &Node),
        shown: &Shown,
        probe: Probe,
    ) -> Result<String> {
        let client = &rest.server.client;
        let call = |address, request: Request| wire::exchange(address, &request);
        let reply = match (probe, shown) {
            (Probe::Introspect, Shown::Token(token) | Shown::Refresh(_, token)) => {
                let is_active = rest.introspect(token)?;
                return Ok(if is_active { "alive" } else { "inactive" }.to_owned());
            }
            (Probe::Gateway, _) => call(rest.server.gateway(), self.call(shown)?)?,
            (Probe::Node, _) => call(node.gateway(), self.call(shown)?)?,
            (Probe::Refresh, Shown::Refresh(application, token)) => client.try_refresh(application, token)?,
            (Probe::Userinfo, Shown::Token(token)) => client.userinfo(token)?,
            (Probe::Rest, Shown::Token(token)) => client.send(&bearing("GET", PORTAL, token))?,
            (Probe::Rest, Shown::Password(person)) => {
                client.send(&Request::new("GET", PORTAL).basic(&person.username, &person.password))?
            }
            (Probe::Token, Shown::Password(person)) => {
                client.token(&rest.server.demo.application, &password_form(person, OF_A_PROBE))?
            }
            (Probe::Token, Shown::ConsumerSecret(application)) => {
                let form = [("grant_type", "client_credentials"), ("scope", OF_A_PROBE)];
                client.token(application, &form)?
            }
            _ => bail!("{} does not take that", probe.as_str()),
        };
        outcome(&reply)
    }

    fn anything(&self) -> Request {
        Request::new("GET", &format!("{}/anything", self.api.path))
    }

    /// A call of the API: with a token of a resource that asks for a scope, with a key of one that asks for none.
    fn call(&self, shown: &Shown) -> Result<Request> {
        Ok(match shown {
            Shown::Token(token) => bearing("GET", &format!("{}/scoped", self.api.path), token),
            Shown::ApiKey(key) => self.anything().header("ApiKey", key),
            Shown::InternalKey(key) => self.anything().header("Internal-Key", key),
            Shown::Refresh(..) | Shown::Password(_) | Shown::ConsumerSecret(_) => {
                bail!("gateways do not take that")
            }
        })
    }
}

/// A request with a bearer token.
pub(crate) fn bearing(method: &str, target: &str, token: &str) -> Request {
    Request::new(method, target).header("Authorization", &format!("Bearer {token}"))
}

/// `alive` for 200; else the status, with the code of the answer where it has one that says more.
fn outcome(reply: &Reply) -> Result<String> {
    let status = reply.status.to_string();
    if reply.status == 200 {
        return Ok("alive".to_owned());
    }
    ensure!((400..500).contains(&reply.status) || reply.status == 503, "{status} {}", short(&reply.text()));
    let answer = reply.json().unwrap_or_default();
    let code = ["code", "error"].into_iter().map(|name| &answer[name]).find(|code| !code.is_null());
    let code = code.map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
    Ok(match code.filter(|code| *code != status) {
        Some(code) => format!("{status}/{code}"),
        None => status,
    })
}
