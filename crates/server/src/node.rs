//! A gateway beside no server: `latchkey gateway`.
//!
//! It has no store and no keys. What it knows of tokens and APIs it asks the server that `gateway.server`
//! names ([`source`]), which it also follows ([`follow`]), so that what was revoked there is refused here: in
//! milliseconds, and within `revocation.bound` where the server or the network fails. Until it has heard from
//! its server, and whenever it does not know how things stand, it answers 503.

mod assertions;
mod clock;
mod ended;
mod follow;
mod limits;
mod link;
mod lookup;
mod operations;
mod records;
mod settings;
mod source;

use std::path::Path;
use std::sync::Arc;

use latchkey_gateway::call::Kept;
use latchkey_gateway::throttle::{Counters, Supplied};
use latchkey_oauth::clock::Clock;
use latchkey_oauth::entropy::{Entropy, SystemEntropy};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::data_directory::{Addresses, DataDirectory};
use crate::gateway::{Edge, Recorder, Surroundings};
use crate::listener::{Listener, Seats, Terms, Workers};
use crate::log::LostLines;
use crate::metrics::Metrics;
use crate::request_summary::{Lines, Summaries};
use crate::serve::{
    EndSignals, GatewayListeners, OPERATIONS_SEATS, ServeError, announce_ready, gateway_threads,
};
use crate::tls;
use assertions::RemoteAssertions;
use lookup::Lookups;
use operations::Watched;
use records::ServerArchive;
use source::RemoteSource;

/// Runs the node until it is told to end.
pub async fn run(config: Config, data_dir: &Path, lost_lines: LostLines) -> Result<(), ServeError> {
    tls::install_provider();
    let signals = EndSignals::catch()?;
    let link = settings::link(&config.gateway)?;
    let data = DataDirectory::open(data_dir)?;
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let seats = Seats::new(config.server.max_connections, config.server.max_connections_per_address);
    let gateway = GatewayListeners::bind(&config, &seats).await?;
    let operations_seats = Seats::new(OPERATIONS_SEATS, OPERATIONS_SEATS);
    let operations =
        Listener::bind("operations.listen", config.operations.listen, Arc::clone(&operations_seats)).await?;
    let addresses = Addresses {
        server: None,
        operations: Some(format!("http://{}", operations.address())),
        gateway_http: Some(format!("http://{}", gateway.http.address())),
        gateway_https: gateway.https.as_ref().map(|https| format!("https://{}", https.address())),
    };

    let (lookups, waiting) = Lookups::queue();
    let source = Arc::new(RemoteSource::new(&config, link, lookups, Arc::clone(&entropy)));
    let tls = if config.tls.enabled {
        Some(tls::server_config(&config.tls, &data, None, source.clock.now())?)
    } else {
        None
    };
    let stop = CancellationToken::new();
    tokio::spawn(lookup::answer(Arc::clone(&source), waiting));
    let kept = kept(&source, Arc::clone(&entropy));
    let recorder = Arc::new(Recorder::new(config.records.pending));
    let chores = Chores::begin((&source, &kept, &recorder), entropy, &stop);

    let metrics = Arc::new(Metrics::default());
    let lines = if config.log.requests { Lines::Write } else { Lines::Omit };
    let trust = tls::upstream_trust(&config.gateway.upstream_ca_files)?;
    let surroundings = Surroundings {
        config: &config,
        kept: kept.clone(),
        summaries: Summaries::new(Arc::clone(&metrics), lines),
        assertion_header: source.assertions.as_ref().map(RemoteAssertions::header),
        trust: &trust,
        recorder: &recorder,
    };
    let workers = Workers::start("gateway", gateway_threads(&config))?;
    let edge = |own: &_| Edge::over(Arc::clone(&source), surroundings.clone(), own);
    let edges = workers.runtimes().map(|own| (own.clone(), edge(own))).collect();
    let terms = Arc::new(Terms::from(&config.server));
    let tasks = TaskTracker::new();
    gateway.serve(edges, tls.as_ref(), (&terms, &stop), &tasks);
    let listeners = vec![("gateway", seats), ("operations", operations_seats)];
    let watched = Watched { source, kept: kept.clone(), metrics, recorder, listeners, lost_lines };
    tasks.spawn(operations.serve(operations::router(watched), None, terms, stop.clone()));
    data.publish(&addresses)?;
    announce_ready();

    signals.arrive().await;
    tracing::info!("ending: running calls may finish");
    stop.cancel();
    kept.streams.close();
    tasks.close();
    tasks.wait().await;
    chores.end().await?;
    drop(workers);
    tracing::info!("ended");
    Ok(())
}

/// What a node does beside calls.
struct Chores {
    source: Arc<RemoteSource>,
    counters: Arc<Counters>,
    recorder: Arc<Recorder>,
    archive: Arc<ServerArchive>,
    tasks: Vec<JoinHandle<()>>,
}

impl Chores {
    /// Follows the server, keeps limits and moves records until `stop`.
    fn begin(
        (source, kept, recorder): (&Arc<RemoteSource>, &Kept, &Arc<Recorder>),
        entropy: Arc<dyn Entropy>,
        stop: &CancellationToken,
    ) -> Self {
        let (source, recorder) = (Arc::clone(source), Arc::clone(recorder));
        let counters = Arc::clone(&kept.counters);
        let archive = Arc::new(ServerArchive::new(Arc::clone(&source), &*entropy));
        let tasks = vec![
            tokio::spawn(follow::follow(Arc::clone(&source), entropy, stop.clone())),
            tokio::spawn(limits::keep(Arc::clone(&counters), Arc::clone(&source), stop.clone())),
            tokio::spawn(Arc::clone(&archive).follow(Arc::clone(&recorder), stop.clone())),
        ];
        Self { source, counters, recorder, archive, tasks }
    }

    /// Ends them once no call runs any more, and tells the server what it is to know.
    async fn end(self) -> std::io::Result<()> {
        for task in self.tasks {
            task.await.map_err(std::io::Error::other)?;
        }
        limits::end(&self.counters, self.source).await;
        self.archive.end(&self.recorder).await;
        Ok(())
    }
}

/// What the gateway of a node keeps from one call to the next.
fn kept(source: &Arc<RemoteSource>, entropy: Arc<dyn Entropy>) -> Kept {
    let server = Arc::new(limits::ServerAllotments(Arc::clone(source)));
    Kept {
        clock: Arc::clone(&source.clock) as Arc<dyn Clock>,
        counters: Arc::new(Counters::default().supplied(server, Supplied::All)),
        entropy,
        explanations: Arc::clone(&source.explanations),
        fleet: Arc::default(),
        streams: Arc::clone(&source.streams),
    }
}
