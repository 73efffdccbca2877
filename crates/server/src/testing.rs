//! An installation for tests: a data directory of its own, a clock that the test moves, cheap passwords.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use latchkey_oauth::clock::{Clock, ManualClock, Timestamp};
use latchkey_oauth::entropy::{Entropy, SystemEntropy};
use latchkey_oauth::generator::TokenGenerator;
use serde_json::Value;
use tempfile::TempDir;

use crate::admin::application::Created;
use crate::admin::{self, AdminError, Command, Reply};
use crate::app::App;
use crate::config::{Config, Sources};
use crate::data_directory::DataDirectory;
use crate::http::front::Front;
use crate::keys::Rollback;
use crate::network::Peer;
use crate::serve;

/// A new home for an installation.
pub(crate) fn home() -> TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

/// The configuration of tests with `settings`, each `SECTION.KEY=VALUE`.
pub(crate) fn config(settings: &[&str]) -> Config {
    let cheap = ["passwords.memory_kib=7168", "passwords.iterations=1", "passwords.threads=1"];
    let assignments = cheap.iter().chain(settings).map(|setting| (*setting).to_owned()).collect();
    let sources = Sources { assignments, ..Sources::default() };
    Config::load(&sources).expect("the settings of tests are valid").config
}

/// An opened installation.
#[derive(Debug)]
pub(crate) struct Installation {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) data: DataDirectory,
}

impl Installation {
    /// Opens the one in `home`, as a server does.
    pub(crate) async fn open(home: &TempDir, settings: &[&str]) -> Self {
        Self::open_with(home, settings, Vec::new()).await
    }

    /// The same with token generators of one's own.
    pub(crate) async fn open_with(
        home: &TempDir,
        settings: &[&str],
        generators: Vec<Box<dyn TokenGenerator>>,
    ) -> Self {
        let config = config(settings);
        let data = DataDirectory::open(&home.path().join("data")).expect("the directory is free");
        let manual = Arc::new(ManualClock::at(Timestamp::from_seconds(1_800_000_000)));
        let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
            (Arc::clone(&manual) as _, Arc::new(SystemEntropy));
        let opened = serve::open(&config, &data, Rollback::Refuse, (&clock, &*entropy)).await;
        let opened = opened.expect("the installation opens");
        let issuer = "https://localhost:9443/oauth2/token".to_owned();
        let app = serve::assemble(config, generators, issuer, (opened, clock, entropy));
        Self { app: Arc::new(app.expect("the app is assembled")), clock: manual, data }
    }

    /// Carries out a command as `test`.
    pub(crate) async fn execute(&self, command: Command) -> Result<Reply, AdminError> {
        admin::execute(&self.app, command, "test").await
    }

    /// The sentence of a command that is done.
    pub(crate) async fn done(&self, command: Command) -> String {
        match self.execute(command).await {
            Ok(Reply::Done(sentence)) => sentence,
            other => panic!("not done: {other:?}"),
        }
    }

    /// The answer of the server's routes to a form that the client of `keys` posts: its status and its body.
    pub(crate) async fn post(&self, path: &str, keys: &Created, form: &str) -> (StatusCode, Value) {
        let secret = keys.consumer_secret.0.expose();
        let basic = STANDARD.encode(format!("{}:{secret}", keys.consumer_key));
        let request = Request::post(path)
            .header(AUTHORIZATION, format!("Basic {basic}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form.to_owned())))
            .expect("the parts of the request are well-formed");
        let peer = Peer { socket: "127.0.0.1:5".parse().expect("an address"), client: [127, 0, 0, 1].into() };
        let answer = Front::new(Arc::clone(&self.app)).answer_path(request, peer).await;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.expect("the body is in memory").to_bytes();
        (parts.status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// The refusal of a command.
    pub(crate) async fn refusal(&self, command: Command) -> AdminError {
        self.execute(command).await.expect_err("the command is refused")
    }
}

/// The names and kinds of what a page of metrics exposes, as `OpenMetrics` has them.
pub(crate) fn exposed(page: &str) -> Vec<(String, String)> {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let named = types.map(|line| {
        let (name, kind) = line.split_once(' ').unwrap();
        let total = if kind == "counter" { "_total" } else { "" };
        (format!("{name}{total}"), kind.to_owned())
    });
    named.collect()
}
