//! Races, with tasks on several threads: one active token per key, limits that hold at every instant, and
//! nothing that ended seen alive again.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use latchkey_oauth::event::EventKind;
use latchkey_oauth::family::Family;
use latchkey_oauth::holder::OnLimit::{EvictOldest, Reject};
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::rotation::Rotation;
use latchkey_store::unit::IssueOutcome;
use tokio::sync::Barrier;

use crate::ask::{Ask, Turn};
use crate::lab::{App, Desk, Lab};

/// Runs `count` tasks that begin together; their answers in order.
pub(crate) async fn together<T, Task>(count: usize, task: impl Fn(usize) -> Task) -> Vec<T>
where
    T: Send + 'static,
    Task: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|number| {
            let (start, task) = (Arc::clone(&start), task(number));
            tokio::spawn(async move {
                start.wait().await;
                task.await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

/// The same request from `count` tasks at once.
async fn ask_together(desk: &Desk, ask: &Ask, count: usize) -> Vec<Arc<Family>> {
    let (desk, ask) = (desk.clone(), ask.clone());
    together(count, move |_| {
        let (desk, ask) = (desk.clone(), ask.clone());
        async move { desk.issued(&ask).await }
    })
    .await
}

pub(crate) async fn opaque_requests_agree_on_one_token(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    for round in 0..10 {
        let ask = Ask::user(&app, alice).device(&format!("d{round}"));
        let before = lab.seq().await;
        let families = ask_together(lab, &ask, 64).await;
        assert!(families.iter().all(|family| *family == families[0]), "one token for all");
        assert_eq!(families[0].access.generation, 1);
        let events = lab.events_after(before).await;
        assert_eq!(events.len(), 1, "made once");
        assert!(lab.accepts(&families[0]).await);
    }
    assert_eq!(lab.store.families_of(alice, None, 100).await.unwrap().len(), 10, "a family for each device");
}

pub(crate) async fn renewing_requests_leave_one_token(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    for round in 0..10 {
        let ask = Ask::user(&app, alice).device(&format!("d{round}")).renewing();
        let families = ask_together(lab, &ask, 32).await;
        let generations: BTreeSet<u32> = families.iter().map(|family| family.access.generation).collect();
        assert_eq!(generations, (1..=32).collect(), "no two answers are the same");
        assert!(families.iter().all(|family| family.id == families[0].id));
        assert_eq!(lab.accepted(&families).await, 1, "the last one only");
    }
}

pub(crate) async fn parallel_refreshes_get_one_successor(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    for round in 0..10 {
        let family = lab.issued(&Ask::user(&app, alice).device(&format!("d{round}"))).await;
        let (desk, turn) = (lab.desk(), Turn::of(&family));
        let outcomes = together(32, move |_| {
            let (desk, turn) = (desk.clone(), turn.clone());
            async move { desk.refresh(&turn).await }
        })
        .await;
        let rotated = outcomes.iter().filter(|outcome| outcome.rotation == Rotation::Rotate).count();
        let repeated = outcomes.iter().filter(|outcome| outcome.rotation == Rotation::Repeat).count();
        assert_eq!((rotated, repeated), (1, 31));
        for outcome in &outcomes {
            let successor = outcome.family.as_ref().unwrap();
            assert_eq!((successor.access.generation, successor.refresh.unwrap().generation), (2, 2));
        }
    }
}

/// Creates families on `count` devices at once, with a limit of five, while somebody keeps counting.
async fn crowd_in(lab: &Lab, (alice, app): (PrincipalId, &App), ask: Ask) -> Vec<IssueOutcome> {
    let (desk, client) = (lab.desk(), app.client);
    let watcher = tokio::spawn(async move {
        loop {
            let families = desk.store.families_of(alice, Some(client), 1000).await.unwrap();
            let devices: BTreeSet<_> = families.iter().map(|family| family.device.clone()).collect();
            assert!(devices.len() <= 5, "{} devices at once", devices.len());
            tokio::task::yield_now().await;
        }
    });
    let desk = lab.desk();
    let outcomes = together(32, move |number| {
        let (desk, ask) = (desk.clone(), ask.clone().device(&format!("d{number}")));
        async move { desk.issue(&ask).await }
    })
    .await;
    watcher.abort();
    assert!(watcher.await.unwrap_err().is_cancelled(), "the watcher saw nothing wrong");
    outcomes
}

fn issued(outcomes: Vec<IssueOutcome>) -> Vec<Arc<Family>> {
    let family = |outcome| match outcome {
        IssueOutcome::Issued { family, .. } => Some(family),
        IssueOutcome::LimitReached => None,
        IssueOutcome::Stale => panic!("nobody was reset"),
    };
    outcomes.into_iter().filter_map(family).collect()
}

pub(crate) async fn the_device_limit_holds_while_many_sign_in(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let families =
        issued(crowd_in(lab, (alice, &app), Ask::user(&app, alice).limits(5, 100, EvictOldest)).await);
    assert_eq!(families.len(), 32);
    assert_eq!(lab.accepted(&families).await, 5, "all but five gave way");
}

pub(crate) async fn a_full_holder_refuses_all_but_the_first(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let families = issued(crowd_in(lab, (alice, &app), Ask::user(&app, alice).limits(5, 100, Reject)).await);
    assert_eq!((families.len(), lab.accepted(&families).await), (5, 5));
}

pub(crate) async fn the_family_limit_holds_while_many_sign_in(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let (desk, ask) = (lab.desk(), Ask::user(&app, alice).limits(100, 7, EvictOldest));
    let families = together(32, move |number| {
        let (desk, ask) = (desk.clone(), ask.clone().scope(&format!("s{number}")));
        async move {
            let family = desk.issued(&ask).await;
            assert!(desk.store.families_of(family.subject.id, None, 1000).await.unwrap().len() <= 7);
            family
        }
    })
    .await;
    assert_eq!(lab.accepted(&families).await, 7);
}

pub(crate) async fn a_follower_misses_nothing(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let from = lab.seq().await;
    let desk = lab.desk();
    let follower = tokio::spawn(async move {
        let mut cursor = from;
        while cursor < from + 16 * 25 {
            for event in desk.store.events(cursor, 10).await.unwrap() {
                assert_eq!(event.position.seq, cursor + 1, "no number is passed over");
                cursor += 1;
            }
            tokio::task::yield_now().await;
        }
    });
    let desk = lab.desk();
    together(16, move |number| {
        let (desk, ask) =
            (desk.clone(), Ask::user(&app, alice).scope(&format!("s{}", number % 4)).renewing());
        async move {
            for _ in 0..25 {
                desk.issued(&ask).await;
            }
        }
    })
    .await;
    follower.await.unwrap();
}

pub(crate) async fn the_log_tells_the_order_of_each_family(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let before = lab.seq().await;
    let desk = lab.desk();
    together(16, move |number| {
        let (desk, ask) =
            (desk.clone(), Ask::user(&app, alice).scope(&format!("s{}", number % 3)).renewing());
        async move {
            for _ in 0..10 {
                let family = desk.issued(&ask).await;
                let _ = desk.refresh(&Turn::of(&family)).await;
            }
        }
    })
    .await;
    let families = lab.store.families_of(alice, None, 10).await.unwrap();
    assert_eq!(families.len(), 3);
    let events = lab.events_after(before).await;
    for family in families {
        let of_it = events.iter().filter(|event| event.event.family.is_some_and(|mark| mark.id == family.id));
        let marks: Vec<_> = of_it.map(|event| (event.event.kind, event.event.family.unwrap())).collect();
        assert_eq!(marks[0].0, EventKind::Issue);
        let steps = marks.windows(2);
        assert!(steps.into_iter().all(|two| two[1].1.access_generation == two[0].1.access_generation + 1));
        assert_eq!(marks.last().unwrap().1.access_generation, family.access.generation, "up to what now is");
    }
}
