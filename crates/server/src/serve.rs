//! Starting, serving, ending.

mod operations;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;
use latchkey_gateway::call::Kept;
use latchkey_gateway::explain::Explanations;
use latchkey_gateway::source::Source;
use latchkey_gateway::throttle::{Counters, Supplied};
use latchkey_oauth::clock::{Clock, SystemClock};
use latchkey_oauth::entropy::{Entropy, SystemEntropy};
use latchkey_oauth::generator::{Derived, TokenGenerator, UuidShape};
use latchkey_store::memory::MemoryStore;
use latchkey_store::sqlite::{SqliteSettings, SqliteStore};
use latchkey_store::{Store, StoreError};
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::config::Config;
use crate::data_directory::{Addresses, DataDirectory, DataDirectoryError};
use crate::gateway::inquiries::Inquiries;
use crate::gateway::limits::{self, StoreAllotments};
use crate::gateway::{Assertions, Edge, Recorder, StoreSource, follow};
use crate::http::front::Front;
use crate::keys::{self, FirstStart, KeyError, KeyFile, Rollback};
use crate::listener::{BindError, Listener, Place, Seats, Terms, Workers};
use crate::log::LostLines;
use crate::policy::Policy;
use crate::sign_in::SignIn;
use crate::tls::{self, TlsError};
use crate::token::resolve::TokenCaches;
use crate::{control, demo, job};
use operations::Watched;

/// Connections of the operations listener: seats of its own, so that health can be asked for while the
/// server is full.
pub(crate) const OPERATIONS_SEATS: usize = 64;

/// How the server is started.
#[derive(Debug)]
pub struct ServeOptions {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Whether the demo is set up.
    pub demo: demo::Demo,
    /// What to do with a database that was set back.
    pub rollback: Rollback,
    /// Token generators beside the built-in ones.
    pub generators: Vec<Box<dyn TokenGenerator>>,
    /// Log lines that were lost.
    pub lost_lines: LostLines,
}

/// Why the server does not start, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data directory.
    #[error(transparent)]
    Data(#[from] DataDirectoryError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The store.
    #[error("{0}{advice}", advice = advice(.0))]
    Store(#[from] StoreError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A setting that only shows to be wrong now.
    #[error("{0}")]
    Setting(String),
    /// The first start.
    #[error(transparent)]
    Demo(#[from] demo::DemoError),
    /// The system.
    #[error("the server cannot start: {0}")]
    System(#[from] std::io::Error),
}

const fn advice(error: &StoreError) -> &'static str {
    match error {
        StoreError::Damaged(_) => "\nPut a backup back with: latchkey store restore FILE",
        StoreError::Busy | StoreError::Unavailable(_) => "",
    }
}

/// What is opened before any address is bound.
#[derive(Debug)]
pub struct Opened {
    /// The key file.
    pub key_file: KeyFile,
    /// The store.
    pub store: Arc<dyn Store>,
}

/// Opens keys and store in the data directory, and compares them.
pub async fn open(
    config: &Config,
    data: &DataDirectory,
    rollback: Rollback,
    (clock, entropy): (&Arc<dyn Clock>, &dyn Entropy),
) -> Result<Opened, ServeError> {
    let database = config.store.url.strip_prefix("sqlite:").map(|name| data.file(name));
    let key_path = key_path(config, data);
    if let Some(path) = &database {
        keys::check_presence(&key_path, path, rollback)?;
    }
    let first = match &database {
        Some(path) if path.exists() => FirstStart::No,
        Some(_) | None => FirstStart::Yes,
    };
    let algorithm = config.oauth.token.signing_algorithm;
    let mut key_file = KeyFile::open(&key_path, first, algorithm, (entropy, clock.now()))?;
    let assertions = &config.gateway.backend_jwt;
    if assertions.enabled {
        key_file.use_assertions(assertions.algorithm, clock.now())?;
    }
    let store: Arc<dyn Store> = match &database {
        None => Arc::new(MemoryStore::new(Arc::clone(clock), config.store.event_max)),
        Some(path) => Arc::new(open_sqlite(config, path, clock)?),
    };
    if database.is_some() {
        key_file.check_position(store.position().await?, rollback)?;
    }
    Ok(Opened { key_file, store })
}

/// Where the key file is.
pub(crate) fn key_path(config: &Config, data: &DataDirectory) -> PathBuf {
    key_path_in(config, data.path())
}

/// Where the key file is for the data directory at `data_dir`.
pub(crate) fn key_path_in(config: &Config, data_dir: &Path) -> PathBuf {
    if config.keys.file.is_empty() { data_dir.join("keys.json") } else { PathBuf::from(&config.keys.file) }
}

fn open_sqlite(config: &Config, path: &Path, clock: &Arc<dyn Clock>) -> Result<SqliteStore, StoreError> {
    let settings = SqliteSettings {
        path: path.to_owned(),
        queue: config.store.queue,
        batch: config.store.batch,
        cache_entries: config.store.cache_entries,
        event_max: config.store.event_max,
    };
    SqliteStore::open(&settings, Arc::clone(clock))
}

/// Runs the server until it is told to end.
pub async fn run(config: Config, options: ServeOptions) -> Result<(), ServeError> {
    tls::install_provider();
    let signals = EndSignals::catch()?;
    let data = DataDirectory::open(&options.data_dir)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let opened = open(&config, &data, options.rollback, (&clock, &*entropy)).await?;
    let seats = Seats::new(config.server.max_connections, config.server.max_connections_per_address);
    let server = Listener::bind("server.listen", config.server.listen, Arc::clone(&seats)).await?;
    let operations_seats = Seats::new(OPERATIONS_SEATS, OPERATIONS_SEATS);
    let operations =
        Listener::bind("operations.listen", config.operations.listen, Arc::clone(&operations_seats)).await?;
    let gateway = GatewayListeners::bind(&config, &seats).await?;
    let issuer = config.server.issuer_at(server.address(), &config.tls);
    let tls = if config.tls.enabled {
        Some(tls::server_config(&config.tls, &data, host_of(&issuer), clock.now())?)
    } else {
        None
    };
    let trust = tls::upstream_trust(&config.gateway.upstream_ca_files)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let addresses = Addresses {
        server: Some(format!("{scheme}://{}", server.address())),
        operations: Some(format!("http://{}", operations.address())),
        gateway_http: Some(format!("http://{}", gateway.http.address())),
        gateway_https: gateway.https.as_ref().map(|https| format!("https://{}", https.address())),
    };
    let urls = gateway.urls(host_of(&issuer).unwrap_or("localhost"));
    let app = Arc::new(assemble(config, options.generators, issuer, (opened, clock, entropy))?);
    app.gateway.get_or_init(|| urls);
    demo::first_start(&app, &data, options.demo, (&addresses, &mut std::io::stdout())).await?;

    let stop = CancellationToken::new();
    let terms = Arc::new(Terms::from(&app.config.server));
    let tasks = TaskTracker::new();
    tasks.spawn(control::serve(Arc::clone(&app), data.control_socket()?, stop.clone()));
    let jobs = tokio::spawn(job::run(Arc::clone(&app), stop.clone()));
    let records = tokio::spawn(record(Arc::clone(&app), stop.clone()));
    let front = Arc::new(Front::new(Arc::clone(&app)));
    let workers = Workers::start("gateway", gateway_threads(&app.config))?;
    let source = Arc::new(StoreSource::new(Arc::clone(&app)));
    let follower = tokio::spawn(follow(Arc::clone(&app)));
    let edges = workers.runtimes().map(|own| (own.clone(), Edge::new(&app, &source, &front, (own, &trust))));
    gateway.serve(edges.collect(), tls.as_ref(), (&terms, &stop), &tasks);
    tasks.spawn(server.serve(front, tls, Arc::clone(&terms), stop.clone()));
    let listeners = vec![("server", seats), ("operations", operations_seats)];
    let watched = Watched { app: Arc::clone(&app), listeners, lost_lines: options.lost_lines };
    tasks.spawn(operations.serve(operations::router(watched), None, terms, stop.clone()));
    data.publish(&addresses)?;
    announce_ready();

    signals.arrive().await;
    tracing::info!("ending: running requests may finish");
    stop.cancel();
    app.kept_by_gateway.streams.close();
    tasks.close();
    tasks.wait().await;
    follower.abort();
    records.await.map_err(std::io::Error::other)?;
    if let Err(problem) = app.recorder.flush(&app.store, app.now()).await {
        tracing::error!(%problem, "the last records of calls are lost");
    }
    jobs.await.map_err(std::io::Error::other)?;
    limits::give_back(&app).await;
    drop(workers);
    tracing::info!("ended");
    Ok(())
}

/// Moves records of calls to the store.
async fn record(app: Arc<App>, stop: CancellationToken) {
    app.recorder.run(&app.store, &*app.clock, stop).await;
}

/// The app around what was opened.
pub(crate) fn assemble(
    config: Config,
    generators: Vec<Box<dyn TokenGenerator>>,
    issuer: String,
    (opened, clock, entropy): (Opened, Arc<dyn Clock>, Arc<dyn Entropy>),
) -> Result<App, ServeError> {
    let generator = choose_generator(&config.oauth.token.generator, generators)?;
    let policy = Policy::new(&config, generator.renewal())
        .map_err(|problem| ServeError::Setting(problem.to_string()))?;
    let sign_in = SignIn::start(&config.passwords, &*entropy)?;
    let keys = ArcSwap::from_pointee(opened.key_file.keys()?);
    let of_store = Arc::new(StoreAllotments(Arc::clone(&opened.store)));
    let counters = Counters::default().supplied(of_store, Supplied::Long);
    let kept_by_gateway = Kept {
        clock: Arc::clone(&clock),
        counters: Arc::new(counters.begun_at(clock.now())),
        entropy: Arc::clone(&entropy),
        explanations: Arc::new(Explanations::new(Arc::clone(&entropy))),
        fleet: Arc::default(),
        streams: Arc::default(),
    };
    Ok(App {
        base: origin_of(&issuer).to_owned(),
        gateway: OnceLock::new(),
        policy,
        store: opened.store,
        clock,
        entropy,
        generator,
        sign_in,
        metrics: Arc::default(),
        kept_by_gateway,
        recorder: Recorder::new(config.records.pending),
        assertions: Assertions::start(&config.gateway.backend_jwt)?,
        inquiries: Inquiries::default(),
        token_caches: TokenCaches::default(),
        issuer,
        key_file: Mutex::new(opened.key_file),
        keys,
        config,
    })
}

/// How many threads the gateway has: as many as configured, else one for each core.
pub(crate) fn gateway_threads(config: &Config) -> usize {
    match config.gateway.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

/// The gateway's listeners, bound.
pub(crate) struct GatewayListeners {
    pub(crate) http: Listener,
    /// None where TLS is switched off.
    pub(crate) https: Option<Listener>,
}

impl GatewayListeners {
    pub(crate) async fn bind(config: &Config, seats: &Arc<Seats>) -> Result<Self, BindError> {
        let (http, https) = (config.gateway.http_listen, config.gateway.https_listen);
        let http = Listener::bind("gateway.http_listen", http, Arc::clone(seats)).await?;
        let https = if config.tls.enabled {
            Some(Listener::bind("gateway.https_listen", https, Arc::clone(seats)).await?)
        } else {
            None
        };
        Ok(Self { http, https })
    }

    /// Where API calls arrive, for who knows this server as `host`.
    fn urls(&self, host: &str) -> Vec<String> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let at =
            |scheme: &str, listener: &Listener| format!("{scheme}://{host}:{}", listener.address().port());
        let https = self.https.as_ref().map(|https| at("https", https));
        https.into_iter().chain([at("http", &self.http)]).collect()
    }

    pub(crate) fn serve<S: Source + Clone>(
        self,
        edges: Vec<(Handle, Edge<S>)>,
        tls: Option<&Arc<rustls::ServerConfig>>,
        (terms, stop): (&Arc<Terms>, &CancellationToken),
        tasks: &TaskTracker,
    ) {
        if let Some(https) = self.https {
            let place = |(runtime, edge): &(Handle, Edge<S>)| Place {
                runtime: runtime.clone(),
                answers: Arc::new(edge.over_tls()),
            };
            let places = edges.iter().map(place).collect();
            tasks.spawn(https.serve_on(places, tls.cloned(), Arc::clone(terms), stop.clone()));
        }
        let place = |(runtime, edge)| Place { runtime, answers: Arc::new(edge) };
        let places = edges.into_iter().map(place).collect();
        tasks.spawn(self.http.serve_on(places, None, Arc::clone(terms), stop.clone()));
    }
}

fn choose_generator(
    name: &str,
    own: Vec<Box<dyn TokenGenerator>>,
) -> Result<Box<dyn TokenGenerator>, ServeError> {
    let built_in: [Box<dyn TokenGenerator>; 2] = [Box::new(Derived), Box::new(UuidShape)];
    let all: Vec<_> = built_in.into_iter().chain(own).collect();
    let names: Vec<String> = all.iter().map(|generator| generator.name().to_owned()).collect();
    all.into_iter().find(|generator| generator.name() == name).ok_or_else(|| {
        ServeError::Setting(format!(
            "oauth.token.generator = \"{name}\": there is no such token generator; there are {}",
            names.join(", ")
        ))
    })
}

/// Scheme, host and port of a URL.
fn origin_of(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let end = url[after_scheme..].find('/').map_or(url.len(), |at| after_scheme + at);
    &url[..end]
}

/// The host of a URL, without its port.
fn host_of(url: &str) -> Option<&str> {
    let (_, authority) = origin_of(url).split_once("://")?;
    if authority.starts_with('[') {
        return authority.split_once(']').map(|(host, _)| &host[1..]);
    }
    Some(authority.rsplit_once(':').map_or(authority, |(host, _)| host))
}

/// What scripts wait for. A reader who went away does not keep the server from serving.
pub(crate) fn announce_ready() {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "latchkey ready").and_then(|()| out.flush());
}

/// The signals that end the server. They are caught from before the ready line on, so that whoever has read
/// it can end the server in order.
pub(crate) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    pub(crate) fn catch() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(crate) async fn arrive(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
