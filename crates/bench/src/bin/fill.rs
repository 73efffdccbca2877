//! Fills the SQLite store of a stopped server with token families.
//!
//! For each client it makes the families that `client_credentials` with the scopes `device_0` …, and `--scope`
//! beside each, would have made, through the store's own `issue`, so that rows, holders, indexes and events are what real requests
//! leave. The tokens are never rendered, so no key file is needed. Prints one line of JSON.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use latchkey_oauth::clock::SystemClock;
use latchkey_oauth::entropy::{Entropy, SystemEntropy, random};
use latchkey_oauth::family::{Binding, Epochs, Seed, Subject, SubjectType, TokenKey, Validity};
use latchkey_oauth::holder::{HolderLimits, OnLimit};
use latchkey_oauth::id::FamilyId;
use latchkey_oauth::issuance::{Draft, RefreshOnRenew, Renewal};
use latchkey_oauth::minted_value::Era;
use latchkey_oauth::scope::Scope;
use latchkey_store::Store;
use latchkey_store::facts::ClientFacts;
use latchkey_store::sqlite::{SqliteSettings, SqliteStore};
use latchkey_store::unit::{Issue, IssueOutcome};
use serde_json::json;
use tokio::task::JoinSet;

/// Issues under way at once: enough to fill the writer's batches, below its queue.
const IN_FLIGHT: usize = 1024;
/// Long enough that nothing is swept away while a benchmark runs.
const VALIDITY_SECONDS: u32 = 30 * 86_400;

#[derive(Debug, Parser)]
#[command(about = "Fills the store of a stopped Latchkey with token families")]
struct Arguments {
    /// The data directory of the server.
    #[arg(long)]
    data_dir: PathBuf,
    /// A file with one consumer key a line.
    #[arg(long)]
    clients: PathBuf,
    /// Families to make for each client.
    #[arg(long)]
    devices: u32,
    /// Scopes that every family has beside its device.
    #[arg(long, default_value = "")]
    scope: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let database = arguments.data_dir.join("latchkey.db");
    if !database.is_file() {
        return Err(format!(
            "{} does not exist; start the server there once, and stop it",
            database.display()
        )
        .into());
    }
    let store = Arc::new(SqliteStore::open(&SqliteSettings::at(&database), Arc::new(SystemClock))?);
    let started = Instant::now();
    let families = fill(&store, &arguments).await?;
    let report = json!({ "families": families, "seconds": started.elapsed().as_secs_f64() });
    writeln!(io::stdout(), "{report}")?;
    Ok(())
}

/// Makes the families of every client that the file names; answers how many in all.
async fn fill(store: &Arc<SqliteStore>, arguments: &Arguments) -> Result<u64, Box<dyn Error>> {
    let mut under_way = JoinSet::new();
    let mut families = 0;
    for consumer_key in std::fs::read_to_string(&arguments.clients)?.lines() {
        let Some(client) = store.client(consumer_key).await? else {
            return Err(format!("no client has the consumer key {consumer_key}").into());
        };
        for device in 0..arguments.devices {
            if under_way.len() >= IN_FLIGHT {
                wait_for_one(&mut under_way).await?;
            }
            let scope = Scope::parse(&format!("{} device_{device}", arguments.scope))?;
            let (store, unit) = (Arc::clone(store), family(&client, scope, &SystemEntropy));
            under_way.spawn(async move { store.issue(unit).await });
            families += 1;
        }
    }
    while !under_way.is_empty() {
        wait_for_one(&mut under_way).await?;
    }
    Ok(families)
}

type Outcome = latchkey_store::Result<IssueOutcome>;

async fn wait_for_one(under_way: &mut JoinSet<Outcome>) -> Result<(), Box<dyn Error>> {
    match under_way.join_next().await {
        None | Some(Ok(Ok(IssueOutcome::Issued { .. }))) => Ok(()),
        Some(Ok(Ok(refused))) => Err(format!("a family was refused: {refused:?}").into()),
        Some(Ok(Err(error))) => Err(error.into()),
        Some(Err(panicked)) => Err(panicked.into()),
    }
}

/// What `client_credentials` of `client` with `scope` asks the store for.
fn family(client: &ClientFacts, scope: Scope, entropy: &dyn Entropy) -> Issue {
    let id = client.client.id;
    Issue {
        key: TokenKey {
            client: id,
            subject: Subject { kind: SubjectType::Application, id },
            scope,
            binding: Binding::None,
        },
        draft: Draft {
            id: FamilyId::from_bytes(random(entropy)),
            seed: Seed::from_bytes(random(entropy)),
            access_validity: Validity::Seconds(VALIDITY_SECONDS),
            refresh_validity: None,
            access_value: None,
            refresh_value: None,
            era: Era { incarnation: 1, minimum_key: 1 },
        },
        renewal: Renewal::RevokePrevious(RefreshOnRenew::New),
        limits: HolderLimits { devices: u32::MAX, families: u32::MAX, on_limit: OnLimit::Reject },
        seen: Epochs { client: client.epoch, subject: client.epoch },
        owner: None,
    }
}
