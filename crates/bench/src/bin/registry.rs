//! Fills the registry of a stopped server with APIs, users, applications and subscriptions, through the store's own
//! units, and prints what is there to be asked for as one line of JSON.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use latchkey_catalog::api::{Api, ApiDefinition};
use latchkey_catalog::application::Application;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::{Subscription, UNLIMITED};
use latchkey_catalog::user::{Profile, User, UserState};
use latchkey_oauth::clock::{Clock, SystemClock};
use latchkey_oauth::entropy::SystemEntropy;
use latchkey_oauth::id::PrincipalId;
use latchkey_store::Store;
use latchkey_store::sqlite::{SqliteSettings, SqliteStore};
use latchkey_store::unit::{CatalogueChange, Change};
use serde_json::json;
use tokio::task::JoinSet;

/// Changes under way at once: enough to fill the writer's batches, below its queue.
const IN_FLIGHT: usize = 1024;
/// How many APIs there are.
const APIS: usize = 200;

#[derive(Debug, Parser)]
#[command(about = "Fills the registry of a stopped Latchkey")]
struct Arguments {
    /// The data directory of the server.
    #[arg(long)]
    data_dir: PathBuf,
    /// Applications to make.
    #[arg(long, default_value_t = 100_000)]
    applications: usize,
    /// How many of them alice owns, and every further user.
    #[arg(long, default_value_t = 100)]
    each: usize,
    /// How many of them the administrator owns.
    #[arg(long, default_value_t = 20_000)]
    administrator: usize,
    /// Subscriptions of each.
    #[arg(long, default_value_t = 10)]
    subscriptions: usize,
}

/// What is there to be asked for.
#[derive(Debug, Default)]
struct Filled {
    apis: Vec<EntryId>,
    alices: Vec<EntryId>,
    administrators: Vec<EntryId>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let database = arguments.data_dir.join("latchkey.db");
    if !database.is_file() {
        let problem =
            format!("{} does not exist; start the server there once, and stop it", database.display());
        return Err(problem.into());
    }
    let store = Arc::new(SqliteStore::open(&SqliteSettings::at(&database), Arc::new(SystemClock))?);
    let begun = Instant::now();
    let Filled { apis, alices, administrators } = fill(&store, &arguments).await?;
    let report = json!({
        "seconds": begun.elapsed().as_secs_f64(),
        "apis": apis,
        "alices": alices,
        "administrators": administrators,
    });
    writeln!(io::stdout(), "{report}")?;
    Ok(())
}

async fn change(store: &SqliteStore, what: CatalogueChange) -> Result<(), Box<dyn Error + Send + Sync>> {
    store.change(Change { what, actor: "bench".to_owned() }).await??;
    Ok(())
}

async fn known(store: &SqliteStore, name: &str) -> Result<PrincipalId, Box<dyn Error>> {
    let user = store.user(name).await?.ok_or_else(|| format!("there is no user {name}"))?;
    Ok(user.user.id)
}

async fn add_user(store: &SqliteStore, number: usize) -> Result<PrincipalId, Box<dyn Error>> {
    let now = SystemClock.now();
    let user = User {
        id: PrincipalId::draw(&SystemEntropy),
        name: format!("user{number}"),
        password: String::new(),
        roles: [].into(),
        state: UserState::Active,
        profile: Profile::default(),
        created_at: now,
        updated_at: now,
    };
    let id = user.id;
    change(store, CatalogueChange::AddUser(user)).await.map_err(|error| error.to_string())?;
    Ok(id)
}

async fn add_apis(store: &SqliteStore) -> Result<Vec<EntryId>, Box<dyn Error>> {
    let mut apis = Vec::new();
    for number in 0..APIS {
        let id = EntryId::draw(&SystemEntropy);
        let (name, context) = (format!("Api {number}"), format!("/api{number}"));
        let (version, definition) = ("1.0.0".to_owned(), ApiDefinition::default());
        let api = Api { id, name, context, version, definition };
        change(store, CatalogueChange::PutApi(api)).await.map_err(|error| error.to_string())?;
        apis.push(id);
    }
    Ok(apis)
}

async fn fill(store: &Arc<SqliteStore>, arguments: &Arguments) -> Result<Filled, Box<dyn Error>> {
    let (alice, administrator) = (known(store, "alice").await?, known(store, "admin").await?);
    let mut filled = Filled { apis: add_apis(store).await?, ..Filled::default() };
    let mut under_way: JoinSet<Result<(), String>> = JoinSet::new();
    let mut further = alice;
    for number in 0..arguments.applications {
        let id = EntryId::draw(&SystemEntropy);
        let owner = if number < arguments.each {
            filled.alices.push(id);
            alice
        } else if number < arguments.each + arguments.administrator {
            filled.administrators.push(id);
            administrator
        } else {
            if number % arguments.each == 0 || further == alice {
                further = add_user(store, number).await?;
            }
            further
        };
        let now = SystemClock.now();
        let application = Application::registered(id, name_of(number), owner, now);
        let subscriptions = (0..arguments.subscriptions).map(|step| {
            let api = filled.apis[(number + step * 7) % APIS];
            Subscription::new(EntryId::draw(&SystemEntropy), (id, api), UNLIMITED, now)
        });
        let what = CatalogueChange::AddApplication(application, None, subscriptions.collect());
        while under_way.len() >= IN_FLIGHT {
            under_way.join_next().await.transpose()?.transpose()?;
        }
        let store = Arc::clone(store);
        under_way.spawn(async move { change(&store, what).await.map_err(|error| error.to_string()) });
    }
    while let Some(done) = under_way.join_next().await {
        done??;
    }
    Ok(filled)
}

/// Names as people give them: some words, and a number.
fn name_of(number: usize) -> String {
    const WORDS: [&str; 8] = ["Shop", "Phone", "Billing", "Portal", "Mobile", "Internal", "Batch", "Partner"];
    format!("{} {} {number}", WORDS[number % 8], WORDS[(number / 8) % 8])
}
