//! Taking over what WSO2 kept.
//!
//! The dumps are read here, so that the server needs no right to them; what comes over goes to it in batches. While one
//! is written the next is made.

mod report;

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use latchkey_catalog::tier::Level;
use latchkey_catalog::user::UserState;
use latchkey_oauth::clock::{Clock, SystemClock};
use latchkey_oauth::entropy::SystemEntropy;
use latchkey_oauth::generator::TokenGenerator;
use latchkey_oauth::id::PrincipalId;
use latchkey_store::unit::{ImportOutcome, ImportRefused};
use latchkey_wso2::dump;
use latchkey_wso2::entry::{ApplicationEntry, Entry, Kind, SubscriptionEntry, TokenEntry};
use latchkey_wso2::plan::{Planned, Reason};
use latchkey_wso2::staging::{Principal, Staging, StagingError};
use tokio::sync::mpsc;

use super::access::{self, Access};
use super::arguments::{Common, Wso2};
use super::print::write;
use crate::admin::wso2::{Command as Batch, Mode};
use crate::admin::{AdminError, Command, Reply, Result};
use report::Report;

/// The most entries that go together.
const BATCH: usize = 1000;
/// About how long their text may be, in bytes.
const HEAVY: usize = 1024 * 1024;
/// The most verdicts that are gathered before they are counted.
const GATHERED: usize = 10_000;
/// How many batches may wait.
const WAITING: usize = 4;

/// Takes over what the dumps hold, or says what would come over.
pub(super) async fn wso2(
    common: &Common,
    generators: Vec<Box<dyn TokenGenerator>>,
    wanted: &Wso2,
) -> Result<ExitCode> {
    if let Some(url) = &wanted.url {
        return Err(no_connection(url));
    }
    let mode = if wanted.dry_run { Mode::Foresee } else { Mode::Write };
    let staging = put_aside(&wanted.dump)?;
    let access = access::open(common, generators).await?;
    let outcome = take_over(&access, staging, mode).await;
    access.close().await?;
    let report = outcome?;
    write(&if common.json { report.json() } else { report.text() })?;
    Ok(ExitCode::SUCCESS)
}

/// What to do instead of connecting. The address may hold a password, so nothing of it but its kind is shown.
fn no_connection(url: &str) -> AdminError {
    let kind = url.strip_prefix("jdbc:").and_then(|rest| rest.split(':').next()).unwrap_or_default();
    let dump = match kind {
        "mysql" | "mariadb" => "mysqldump --single-transaction --hex-blob apim_db > apim_db.sql",
        "postgresql" => "pg_dump --no-owner apim_db > apim_db.sql",
        "h2" => "java -cp h2.jar org.h2.tools.Script -url jdbc:h2:… -script apim_db.sql",
        _ => {
            return AdminError::wrong_use(
                "--url takes jdbc:mysql:, jdbc:postgresql: or jdbc:h2:; of another database, copy the tables into one of \
                 these, make a dump, and give it with --dump",
            );
        }
    };
    AdminError::refused(format!(
        "latchkey does not connect to WSO2's databases; make a dump with `{dump}`, the same of shared_db, and give both \
         with --dump"
    ))
}

/// Reads the dumps.
fn put_aside(dumps: &[impl AsRef<Path>]) -> Result<Staging> {
    let unreadable = |path: &Path, error: &std::io::Error| {
        AdminError::refused(format!("{} cannot be read: {error}", path.display()))
    };
    let mut inputs = Vec::new();
    for path in dumps.iter().map(AsRef::as_ref) {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let length = file.metadata().map_err(|error| unreadable(path, &error))?.len();
        inputs.push((path, file, length));
    }
    let bar = bar("reading {wide_bar} {bytes} of {total_bytes}, {eta}");
    bar.set_length(inputs.iter().map(|(.., length)| *length).sum());
    let (seen, before) = (bar.clone(), Arc::new(AtomicU64::new(0)));
    let base = Arc::clone(&before);
    let told = move |read| seen.set_position(base.load(Ordering::Relaxed) + read);
    let mut staging = Staging::open(&SystemEntropy, told).map_err(failed)?;
    for (path, file, length) in inputs {
        let input = BufReader::with_capacity(1 << 20, file);
        let rows = dump::read(input, &path.display().to_string(), &mut staging)
            .map_err(|error| AdminError::refused(error.to_string()))?;
        before.fetch_add(length, Ordering::Relaxed);
        say(&bar, &format!("{}: {rows} rows that matter", path.display()));
    }
    staging.complete().map_err(failed)?;
    bar.finish_and_clear();
    Ok(staging)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn failed(error: StagingError) -> AdminError {
    AdminError::failed(error.to_string())
}

/// Shown on a terminal only.
fn bar(template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A line for people, above the bar where there is one.
fn say(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() {
        let _ = writeln!(std::io::stderr(), "latchkey: {line}");
    } else {
        bar.println(line);
    }
}

/// What was planned of some rows.
#[derive(Debug, Default)]
struct Plans {
    entries: Vec<Entry>,
    weight: usize,
    left: Vec<(Kind, Reason)>,
    lost: Vec<(Kind, Reason)>,
}

impl Plans {
    fn take(&mut self, kind: Kind, planned: Planned) {
        match planned.outcome {
            Ok(entry) => {
                self.weight += entry.weight();
                self.entries.push(entry);
            }
            Err(reason) => self.left.push((kind, reason)),
        }
        self.lost.extend(planned.lost);
    }

    const fn is_full(&self) -> bool {
        self.entries.len() >= BATCH || self.weight >= HEAVY || self.left.len() + self.lost.len() >= GATHERED
    }
}

/// One half of the work: tokens need the ids of what comes before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    /// Everything but tokens.
    Catalogue,
    /// Tokens.
    Tokens,
}

type Staged<T> = latchkey_wso2::staging::Result<T>;

/// Plans what was put aside, batch by batch.
fn plan(staging: &Staging, (half, now): (Half, i64), batches: &mpsc::Sender<Plans>) -> Staged<()> {
    type Each<'a> = &'a dyn Fn(&mut dyn FnMut(Planned) -> Staged<()>) -> Staged<()>;
    let tokens = |sink: &mut dyn FnMut(Planned) -> Staged<()>| {
        staging.order_tokens()?;
        staging.tokens(now, sink)
    };
    let kinds: [(Kind, Each<'_>); 6] = [
        (Kind::Users, &|sink| staging.users(sink)),
        (Kind::Tiers, &|sink| staging.policies(sink)),
        (Kind::Apis, &|sink| staging.apis(sink)),
        (Kind::Applications, &|sink| staging.applications(sink)),
        (Kind::Subscriptions, &|sink| staging.subscriptions(sink)),
        (Kind::Tokens, &tokens),
    ];
    let send =
        |plans: &mut Plans| batches.blocking_send(std::mem::take(plans)).map_err(|_| StagingError::Stopped);
    let of_half = |kind| (kind == Kind::Tokens) == (half == Half::Tokens);
    for (kind, each) in kinds.into_iter().filter(|(kind, _)| of_half(*kind)) {
        let mut plans = Plans::default();
        each(&mut |planned| {
            plans.take(kind, planned);
            if plans.is_full() { send(&mut plans) } else { Ok(()) }
        })?;
        send(&mut plans)?;
    }
    Ok(())
}

async fn take_over(access: &Access, staging: Staging, mode: Mode) -> Result<Report> {
    let mut passage = Passage {
        access,
        mode,
        bar: bar("{spinner} {pos} looked at, {elapsed}"),
        report: Report::new(mode),
        coming: Coming::default(),
        users: Vec::new(),
        clients: Vec::new(),
    };
    let staging = passage.pass(staging, Half::Catalogue).await?;
    for (kind, ids) in [(Principal::User, &passage.users), (Principal::Client, &passage.clients)] {
        for (name, id) in ids {
            staging.learn(kind, name, *id).map_err(failed)?;
        }
    }
    passage.users = Vec::new();
    passage.pass(staging, Half::Tokens).await?;
    passage.bar.finish_and_clear();
    Ok(passage.report)
}

/// What is on its way.
struct Passage<'a> {
    access: &'a Access,
    mode: Mode,
    bar: ProgressBar,
    report: Report,
    coming: Coming,
    users: Vec<(String, PrincipalId)>,
    clients: Vec<(String, PrincipalId)>,
}

impl Passage<'_> {
    /// Sends one half; while a batch is written the next is planned.
    async fn pass(&mut self, staging: Staging, half: Half) -> Result<Staging> {
        let (sender, mut batches) = mpsc::channel(WAITING);
        let now = SystemClock.now().as_millis();
        let planner = tokio::task::spawn_blocking(move || {
            let planned = plan(&staging, (half, now), &sender);
            planned.map(|()| staging)
        });
        while let Some(plans) = batches.recv().await {
            self.send(plans).await?;
        }
        planner.await.map_err(|error| AdminError::failed(error.to_string()))?.map_err(failed)
    }

    async fn send(&mut self, Plans { entries, left, lost, .. }: Plans) -> Result<()> {
        self.bar.inc((entries.len() + left.len()) as u64);
        for (kind, reason) in &left {
            self.report.stays(*kind, reason);
        }
        for (kind, reason) in &lost {
            self.report.lost(*kind, reason);
        }
        if entries.is_empty() {
            return Ok(());
        }
        let batch = Command::Wso2(Batch { entries, mode: self.mode });
        let reply = self.access.execute(&batch).await?;
        let (Command::Wso2(Batch { entries, .. }), Reply::TakenOver(taken)) = (batch, reply) else {
            return Err(AdminError::failed("the server's answer is another one than was asked for"));
        };
        for (entry, outcome) in entries.iter().zip(taken.outcomes) {
            let is_dry = self.mode == Mode::Foresee;
            let outcome = if is_dry { self.coming.judge(entry, outcome) } else { outcome };
            self.report.count(entry.kind(), outcome);
        }
        self.users.extend(taken.users);
        self.clients.extend(taken.clients);
        Ok(())
    }
}

/// What a dry run would have written so far, which the server cannot know.
#[derive(Debug, Default)]
struct Coming {
    users: HashSet<String>,
    barred: HashSet<String>,
    tiers: HashSet<(Level, String)>,
    apis: HashSet<(String, String)>,
    applications: HashSet<(String, String)>,
    clients: HashSet<String>,
}

impl Coming {
    /// What would become of `entry`, for which the server alone foresees `outcome`.
    fn judge(&mut self, entry: &Entry, outcome: ImportOutcome) -> ImportOutcome {
        let outcome = match outcome {
            ImportOutcome::Refused(refused) => self.again(entry, refused),
            ImportOutcome::Made | ImportOutcome::Held => outcome,
        };
        if !matches!(outcome, ImportOutcome::Refused(_)) {
            self.note(entry);
        }
        outcome
    }

    /// What an entry misses, of which the server said `refused`, once everything before it is there.
    fn again(&self, entry: &Entry, refused: ImportRefused) -> ImportOutcome {
        let misses = match entry {
            Entry::User(_) | Entry::Tier(_) | Entry::Api(_) => Some(refused),
            Entry::Application(entry) => self.missed_by_application(entry, refused),
            Entry::Subscription(entry) => self.missed_by_subscription(entry, refused),
            Entry::Token(entry) => self.missed_by_token(entry, refused),
        };
        misses.map_or(ImportOutcome::Made, ImportOutcome::Refused)
    }

    fn missed_by_application(
        &self,
        entry: &ApplicationEntry,
        refused: ImportRefused,
    ) -> Option<ImportRefused> {
        use ImportRefused::{NoTier, NoUser};
        let is_there = (refused == NoUser && self.users.contains(&entry.owner))
            || (refused == NoTier && self.tiers.contains(&(Level::Application, entry.tier.clone())));
        (!is_there).then_some(refused)
    }

    fn missed_by_subscription(
        &self,
        entry: &SubscriptionEntry,
        refused: ImportRefused,
    ) -> Option<ImportRefused> {
        use ImportRefused::{NoApi, NoApplication, NoTier, NoUser};
        if refused == NoTier {
            let is_there = self.tiers.contains(&(Level::Subscription, entry.tier.clone()));
            return (!is_there).then_some(NoTier);
        }
        let misses_application = matches!(refused, NoUser | NoApplication);
        if misses_application && !self.applications.contains(&entry.application) {
            return Some(NoApplication);
        }
        if misses_application || refused == NoApi {
            return (!self.apis.contains(&entry.api)).then_some(NoApi);
        }
        Some(refused)
    }

    fn missed_by_token(&self, entry: &TokenEntry, refused: ImportRefused) -> Option<ImportRefused> {
        use ImportRefused::{Barred, NoClient, NoUser};
        if !matches!(refused, NoClient | NoUser) {
            return Some(refused);
        }
        if refused == NoClient && !self.clients.contains(&entry.client_id) {
            return Some(NoClient);
        }
        let user = entry.user.as_ref()?;
        if self.barred.contains(user) {
            return Some(Barred);
        }
        // Without the users' tables it is not known here who is there.
        let is_there = self.users.contains(user) || (refused == NoClient && self.users.is_empty());
        (!is_there).then_some(NoUser)
    }

    fn note(&mut self, entry: &Entry) {
        match entry {
            Entry::User(entry) => {
                self.users.insert(entry.name.clone());
                if entry.state != UserState::Active {
                    self.barred.insert(entry.name.clone());
                }
            }
            Entry::Tier(tier) => {
                self.tiers.insert((tier.level, tier.name.clone()));
            }
            Entry::Api(entry) => {
                self.apis.insert((entry.context.clone(), entry.version.clone()));
            }
            Entry::Application(entry) => {
                self.applications.insert((entry.owner.clone(), entry.name.clone()));
                self.clients.extend(entry.keys.iter().map(|key| key.client_id.clone()));
            }
            Entry::Subscription(_) | Entry::Token(_) => {}
        }
    }
}
