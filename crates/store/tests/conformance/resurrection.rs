//! Nothing comes back: once an end was answered, or anybody saw something dead, nobody sees it alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use latchkey_catalog::user::Bar;
use latchkey_oauth::family::Family;
use latchkey_oauth::holder::OnLimit::EvictOldest;
use latchkey_oauth::revocation::Selector;
use latchkey_store::unit::{CatalogueChange, IssueOutcome};
use tokio::task::{JoinSet, yield_now};

use crate::ask::{Ask, Turn};
use crate::lab::{App, Desk, Lab, Setup, bar, words};

/// A store whose cache is so small that rows keep leaving it and coming back.
async fn with_a_small_cache(lab: &mut Lab) {
    lab.reopen(&Setup { cache_entries: 4, ..Setup::default() }).await;
}

/// What the tasks around one family know.
#[derive(Debug, Default)]
struct Watch {
    /// Set when the end was answered, or anybody saw the family dead.
    dead: AtomicBool,
    /// Set when everybody may go home.
    over: AtomicBool,
}

impl Watch {
    fn dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    fn over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

/// Looks at a family again and again.
async fn watch(desk: Desk, family: Arc<Family>, watch: Arc<Watch>) {
    while !watch.over() {
        let was_dead = watch.dead();
        let alive = desk.is_alive(&family).await;
        assert!(!(was_dead && alive), "dead, and alive again");
        if !alive {
            watch.dead.store(true, Ordering::SeqCst);
        }
        yield_now().await;
    }
}

/// Refreshes a family as long as that works.
async fn refresh(desk: Desk, mut family: Arc<Family>, watch: Arc<Watch>) {
    while !watch.over() {
        let was_dead = watch.dead();
        let outcome = desk.refresh(&Turn::of(&family)).await;
        assert!(!was_dead || outcome.family.is_none(), "a refresh after the end");
        family = outcome.family.unwrap_or(family);
        yield_now().await;
    }
}

/// Asks for tokens under the family's key; after its end they are of another family.
async fn sign_in(desk: Desk, (ask, family): (Ask, Arc<Family>), watch: Arc<Watch>) {
    while !watch.over() {
        let was_dead = watch.dead();
        if let IssueOutcome::Issued { family: issued, .. } = desk.issue(&ask).await {
            assert!(!was_dead || issued.id != family.id, "tokens of a family that ended");
        }
        yield_now().await;
    }
}

/// Looks at other families, so that rows are pushed out of a small cache.
async fn wander(desk: Desk, others: Vec<Arc<Family>>, watch: Arc<Watch>) {
    while !watch.over() {
        for family in &others {
            assert!(desk.is_alive(family).await, "the others live");
        }
        yield_now().await;
    }
}

/// One family, everybody who uses it, and `end`, which ends it.
async fn race(desk: &Desk, (ask, others): (&Ask, &[Arc<Family>]), end: impl AsyncFnOnce(&Family)) {
    let family = desk.issued(ask).await;
    let about = Arc::new(Watch::default());
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        tasks.spawn(watch(desk.clone(), Arc::clone(&family), Arc::clone(&about)));
    }
    tasks.spawn(refresh(desk.clone(), Arc::clone(&family), Arc::clone(&about)));
    tasks.spawn(sign_in(desk.clone(), (ask.clone(), Arc::clone(&family)), Arc::clone(&about)));
    tasks.spawn(wander(desk.clone(), others.to_vec(), Arc::clone(&about)));
    for _ in 0..20 {
        yield_now().await;
    }
    end(&family).await;
    about.dead.store(true, Ordering::SeqCst);
    for _ in 0..50 {
        assert!(!desk.is_alive(&family).await, "alive after its end was answered");
        yield_now().await;
    }
    about.over.store(true, Ordering::SeqCst);
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

/// Families of Bob's, to be looked at meanwhile.
async fn bystanders(desk: &Desk, app: &App) -> Vec<Arc<Family>> {
    let bob = desk.user("bob").await;
    let mut families = Vec::new();
    for device in ["a", "b", "c", "d", "e", "f"] {
        families.push(desk.issued(&Ask::user(app, bob).device(device)).await);
    }
    families
}

async fn ends_are_final(lab: &Lab, rounds: usize) {
    let (alice, app) = lab.alice().await;
    let others = bystanders(lab, &app).await;
    for round in 0..rounds {
        let ask = Ask::user(&app, alice).device(&format!("d{round}"));
        race(lab, (&ask, &others), async |family| {
            assert_eq!(lab.end(family).await, 1);
        })
        .await;
    }
}

pub(crate) async fn an_end_is_final(lab: &mut Lab) {
    ends_are_final(lab, 25).await;
}

pub(crate) async fn an_end_is_final_with_a_small_cache(lab: &mut Lab) {
    with_a_small_cache(lab).await;
    ends_are_final(lab, 25).await;
}

pub(crate) async fn a_reset_is_final(lab: &mut Lab) {
    with_a_small_cache(lab).await;
    let (alice, app) = lab.alice().await;
    let others = bystanders(lab, &app).await;
    for round in 0..20 {
        let ask = Ask::user(&app, alice).device(&format!("d{round}"));
        race(lab, (&ask, &others), async |_| match round % 3 {
            0 => drop(lab.end_all(Selector::User(alice)).await),
            1 => lab.change(CatalogueChange::SetPassword(alice, format!("new {round}"))).await,
            _ => lab.change(bar(alice, Bar::Locked)).await,
        })
        .await;
    }
}

pub(crate) async fn an_eviction_is_final(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let others = bystanders(lab, &app).await;
    for round in 0..20 {
        let ask = Ask::user(&app, alice).limits(1, 100, EvictOldest);
        let mine = ask.clone().device(&format!("d{round}"));
        let family = lab.issued(&mine).await;
        let about = Arc::new(Watch::default());
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            tasks.spawn(watch(lab.desk(), Arc::clone(&family), Arc::clone(&about)));
        }
        tasks.spawn(refresh(lab.desk(), Arc::clone(&family), Arc::clone(&about)));
        tasks.spawn(wander(lab.desk(), others.clone(), Arc::clone(&about)));
        yield_now().await;
        lab.issued(&ask.device(&format!("other{round}"))).await;
        about.dead.store(true, Ordering::SeqCst);
        for _ in 0..20 {
            assert!(!lab.is_alive(&family).await);
            yield_now().await;
        }
        about.over.store(true, Ordering::SeqCst);
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
    }
}

/// Signs in on new devices until the user is gone; what was issued meanwhile.
async fn keep_signing_in(desk: Desk, ask: Ask, gone: Arc<AtomicBool>) -> Vec<Arc<Family>> {
    let mut issued = Vec::new();
    for number in 0.. {
        let was_gone = gone.load(Ordering::SeqCst);
        match desk.issue(&ask.clone().scope(&format!("n{number}"))).await {
            IssueOutcome::Issued { family, .. } => {
                assert!(!was_gone, "a token for a user who is gone");
                issued.push(family);
            }
            IssueOutcome::Stale if was_gone => break,
            IssueOutcome::Stale | IssueOutcome::LimitReached => {}
        }
        yield_now().await;
    }
    issued
}

pub(crate) async fn whoever_is_deleted_holds_nothing(lab: &mut Lab) {
    let owner = lab.user("bob").await;
    let app = lab.app("Phone book", owner).await;
    for _ in 0..10 {
        let alice = lab.user("alice").await;
        let gone = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..8 {
            let ask = Ask::user(&app, alice).bound(crate::ask::binding(&format!("b{number}")));
            tasks.spawn(keep_signing_in(lab.desk(), ask, Arc::clone(&gone)));
        }
        for _ in 0..10 {
            yield_now().await;
        }
        lab.change(CatalogueChange::DeleteUser(alice)).await;
        gone.store(true, Ordering::SeqCst);
        let mut issued = Vec::new();
        while let Some(task) = tasks.join_next().await {
            issued.extend(task.unwrap());
        }
        for family in &issued {
            assert!(!lab.is_alive(family).await, "issued, and alive after the user's deletion");
        }
    }
}

/// Reads the roles of an owner again and again: they only go forward.
async fn follow_roles(desk: Desk, key: String, (acknowledged, over): (Arc<AtomicU64>, Arc<AtomicBool>)) {
    while !over.load(Ordering::SeqCst) {
        let floor = acknowledged.load(Ordering::SeqCst);
        let facts = desk.store.client(&key).await.unwrap().unwrap();
        let version: u64 = facts.owner_roles.first().unwrap()[1..].parse().unwrap();
        assert!(version >= floor, "version {version} after {floor} was acknowledged");
        acknowledged.fetch_max(version, Ordering::SeqCst);
        yield_now().await;
    }
}

pub(crate) async fn the_catalogue_never_goes_back(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let version = |number: u64| words(&[&format!("v{number:04}")]);
    lab.change(CatalogueChange::SetRoles(alice, version(0))).await;
    let (acknowledged, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let shared = (Arc::clone(&acknowledged), Arc::clone(&over));
        tasks.spawn(follow_roles(lab.desk(), app.key.clone(), shared));
    }
    for number in 1..=60 {
        lab.change(CatalogueChange::SetRoles(alice, version(number))).await;
        acknowledged.fetch_max(number, Ordering::SeqCst);
        for _ in 0..5 {
            yield_now().await;
        }
    }
    over.store(true, Ordering::SeqCst);
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}
