//! How long the registry takes to answer when it is large.
//!
//! Fills a new SQLite store with applications and subscriptions through the store's own units, then asks it what
//! portals ask, from as many tasks as there would be connections, and prints how long each kind of question took as
//! one line of JSON.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use latchkey_catalog::api::{Api, ApiDefinition};
use latchkey_catalog::application::Application;
use latchkey_catalog::id::EntryId;
use latchkey_catalog::subscription::{Subscription, UNLIMITED};
use latchkey_catalog::user::{Profile, User, UserState};
use latchkey_oauth::client::{
    Client, ClientMetadata, GrantType, KeyType, TokenFormat, Validities, draw_consumer_key,
};
use latchkey_oauth::clock::{Clock, SystemClock};
use latchkey_oauth::entropy::{Entropy, SystemEntropy, random};
use latchkey_oauth::family::Validity;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::keyring::SecretMac;
use latchkey_store::Store;
use latchkey_store::publishing::{ApiQuery, ApiSort, Publishing, Viewer};
use latchkey_store::registry::{
    ApplicationQuery, ApplicationSort, Order, PageOf, Registry, SeenBy, SubscriptionsOf, TextMatch,
};
use latchkey_store::sqlite::{SqliteSettings, SqliteStore};
use latchkey_store::unit::{CatalogueChange, Change, NewClient};
use serde_json::json;
use tokio::task::JoinSet;

/// Changes under way at once: enough to fill the writer's batches, below its queue.
const IN_FLIGHT: usize = 1024;
/// How many APIs there are.
const APIS: usize = 200;

#[derive(Debug, Parser)]
#[command(about = "Measures what portals ask of a large registry")]
struct Arguments {
    /// Where the store is made; it must not be there yet.
    #[arg(long)]
    database: PathBuf,
    /// Applications to make.
    #[arg(long, default_value_t = 100_000)]
    applications: usize,
    /// How many of them each user owns.
    #[arg(long, default_value_t = 100)]
    each: usize,
    /// Subscriptions of each.
    #[arg(long, default_value_t = 10)]
    subscriptions: usize,
    /// Questions under way at once.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// How long each kind of question is asked.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// What is there to be asked for.
#[derive(Debug, Default)]
struct Filled {
    users: Vec<PrincipalId>,
    apis: Vec<EntryId>,
    applications: Vec<EntryId>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if arguments.database.exists() {
        return Err(format!("{} is there already; name another file", arguments.database.display()).into());
    }
    let store = Arc::new(SqliteStore::open(&SqliteSettings::at(&arguments.database), Arc::new(SystemClock))?);
    let begun = Instant::now();
    let filled = Arc::new(fill(&store, &arguments).await?);
    let mut report = BTreeMap::from([("fill_seconds".to_owned(), json!(begun.elapsed().as_secs_f64()))]);
    for question in Question::ALL {
        let times = ask(&store, &filled, question, &arguments).await?;
        report.insert(format!("{question:?}"), times);
    }
    report.insert("GenerateKeys".to_owned(), generate_keys(&store, &filled, &arguments).await?);
    writeln!(io::stdout(), "{}", serde_json::to_string(&report)?)?;
    Ok(())
}

async fn change(store: &SqliteStore, what: CatalogueChange) -> Result<(), Box<dyn Error + Send + Sync>> {
    store.change(Change { what, actor: "bench".to_owned() }).await??;
    Ok(())
}

async fn fill(store: &Arc<SqliteStore>, arguments: &Arguments) -> Result<Filled, Box<dyn Error>> {
    let (clock, entropy) = (SystemClock, SystemEntropy);
    let mut filled = Filled::default();
    for number in 0..APIS {
        let id = EntryId::draw(&entropy);
        let (name, context) = (format!("Api {number}"), format!("/api{number}"));
        let (version, definition) = ("1.0.0".to_owned(), ApiDefinition::default());
        let api = Api { id, name, context, version, definition };
        change(store, CatalogueChange::PutApi(api)).await.map_err(|error| error.to_string())?;
        filled.apis.push(id);
    }
    let mut under_way: JoinSet<Result<(), String>> = JoinSet::new();
    for number in 0..arguments.applications {
        if number % arguments.each == 0 {
            let user = User {
                id: PrincipalId::draw(&entropy),
                name: format!("user{number}"),
                password: String::new(),
                roles: [].into(),
                state: UserState::Active,
                profile: Profile::default(),
                created_at: clock.now(),
                updated_at: clock.now(),
            };
            filled.users.push(user.id);
            change(store, CatalogueChange::AddUser(user)).await.map_err(|error| error.to_string())?;
        }
        let owner = filled.users.last().copied().unwrap_or(PrincipalId::from_bytes([0; 16]));
        let id = EntryId::draw(&entropy);
        filled.applications.push(id);
        let application = Application::registered(id, name_of(number), owner, clock.now());
        let subscriptions = (0..arguments.subscriptions).map(|step| {
            let api = filled.apis[(number + step * 7) % APIS];
            Subscription::new(EntryId::draw(&entropy), (id, api), UNLIMITED, clock.now())
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

/// What portals ask.
#[derive(Debug, Clone, Copy)]
enum Question {
    OwnApplications,
    OwnSearch,
    AllApplications,
    AllByOwnerBackwards,
    AllFarBehind,
    AllSearchCommon,
    AllSearchRare,
    OneApplication,
    SubscriptionsOfApplication,
    SubscriptionsToApi,
    MySubscriptionsToApi,
    AllSubscriptions,
    Apis,
}

impl Question {
    const ALL: [Self; 13] = [
        Self::OwnApplications,
        Self::OwnSearch,
        Self::AllApplications,
        Self::AllByOwnerBackwards,
        Self::AllFarBehind,
        Self::AllSearchCommon,
        Self::AllSearchRare,
        Self::OneApplication,
        Self::SubscriptionsOfApplication,
        Self::SubscriptionsToApi,
        Self::MySubscriptionsToApi,
        Self::AllSubscriptions,
        Self::Apis,
    ];

    /// Asks it for the `turn`th time; how many entries came.
    async fn ask(self, store: &SqliteStore, filled: &Filled, turn: usize) -> latchkey_store::Result<usize> {
        let page = PageOf { offset: 0, limit: 25 };
        let owner = filled.users[turn % filled.users.len()];
        let (application, api) =
            (filled.applications[turn % filled.applications.len()], filled.apis[turn % APIS]);
        let all = ApplicationQuery {
            seen_by: SeenBy::Everybody,
            name: None,
            sort: ApplicationSort::Name,
            order: Order::Ascending,
            page,
        };
        let own = ApplicationQuery { seen_by: SeenBy::Owner(owner), ..all.clone() };
        let part = |text: String| Some(TextMatch::Containing(text));
        let query = match self {
            Self::OwnApplications => own,
            Self::OwnSearch => ApplicationQuery { name: part("shop".to_owned()), ..own },
            Self::AllApplications => all,
            Self::AllByOwnerBackwards => {
                ApplicationQuery { sort: ApplicationSort::Owner, order: Order::Descending, ..all }
            }
            Self::AllFarBehind => {
                let offset = filled.applications.len() as u64 - 50;
                ApplicationQuery { page: PageOf { offset, limit: 25 }, ..all }
            }
            Self::AllSearchCommon => ApplicationQuery { name: part("phone".to_owned()), ..all },
            Self::AllSearchRare => ApplicationQuery { name: part(format!(" {}", turn % 9_973)), ..all },
            Self::OneApplication => return Ok(usize::from(store.application(application).await?.is_some())),
            Self::SubscriptionsOfApplication => {
                let of = SubscriptionsOf::Application(application);
                return Ok(store.find_subscriptions(of, page).await?.entries.len());
            }
            Self::SubscriptionsToApi => {
                return Ok(store.find_subscriptions(SubscriptionsOf::Api(api), page).await?.entries.len());
            }
            Self::MySubscriptionsToApi => {
                let of = SubscriptionsOf::Subscriber(owner, api);
                return Ok(store.find_subscriptions(of, page).await?.entries.len());
            }
            Self::AllSubscriptions => {
                return Ok(store.find_subscriptions(SubscriptionsOf::All, page).await?.entries.len());
            }
            Self::Apis => {
                let (viewer, sort, order) = (Viewer::Anonymous, ApiSort::Name, Order::Ascending);
                let (states, conditions) = (Vec::new(), Vec::new());
                let query = ApiQuery { viewer, states, conditions, sort, order, page };
                return Ok(store.find_apis(query).await?.entries.len());
            }
        };
        let found = store.find_applications(query).await?;
        let ids: Vec<EntryId> = found.entries.iter().map(|one| one.id).collect();
        Ok(store.subscription_counts(ids).await?.len())
    }
}

async fn ask(
    store: &Arc<SqliteStore>,
    filled: &Arc<Filled>,
    question: Question,
    arguments: &Arguments,
) -> Result<serde_json::Value, Box<dyn Error>> {
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut tasks: JoinSet<latchkey_store::Result<Vec<Duration>>> = JoinSet::new();
    for first in 0..arguments.connections {
        let (store, filled) = (Arc::clone(store), Arc::clone(filled));
        tasks.spawn(async move {
            let (mut times, mut turn) = (Vec::new(), first * 7919);
            while Instant::now() < end {
                let begun = Instant::now();
                question.ask(&store, &filled, turn).await?;
                times.push(begun.elapsed());
                turn += 1;
            }
            Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    Ok(summary(times, arguments.seconds))
}

fn summary(mut times: Vec<Duration>, seconds: u64) -> serde_json::Value {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).map(|time| time.as_secs_f64() * 1000.0);
    json!({ "per_second": times.len() as u64 / seconds.max(1), "p50_ms": at(50), "p99_ms": at(99) })
}

/// Keys for applications that have none, each durable before the next of its task.
async fn generate_keys(
    store: &Arc<SqliteStore>,
    filled: &Arc<Filled>,
    arguments: &Arguments,
) -> Result<serde_json::Value, Box<dyn Error>> {
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut tasks: JoinSet<Result<Vec<Duration>, String>> = JoinSet::new();
    for first in 0..arguments.connections {
        let (store, filled, step) = (Arc::clone(store), Arc::clone(filled), arguments.connections);
        tasks.spawn(async move {
            let mut times = Vec::new();
            for application in filled.applications.iter().skip(first).step_by(step) {
                if Instant::now() >= end {
                    break;
                }
                let begun = Instant::now();
                let what = CatalogueChange::AddClient(*application, Box::new(new_client(&SystemEntropy)));
                change(&store, what).await.map_err(|error| error.to_string())?;
                times.push(begun.elapsed());
            }
            Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    Ok(summary(times, arguments.seconds))
}

fn new_client(entropy: &dyn Entropy) -> NewClient {
    let life = Validity::Seconds(3600);
    let client = Client {
        id: PrincipalId::draw(entropy),
        consumer_key: draw_consumer_key(entropy),
        secrets: vec![SecretMac { key: 1, tag: random(entropy) }],
        further_secrets: Vec::new(),
        grants: [GrantType::ClientCredentials].into(),
        token_format: TokenFormat::Jwt,
        key_type: KeyType::Production,
        validities: Validities { application: life, user: life, refresh: life },
        metadata: ClientMetadata::default(),
    };
    NewClient { client, sealed_secret: vec![0; 72] }
}
