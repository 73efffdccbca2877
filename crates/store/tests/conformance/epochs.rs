//! What ends with a user's or a client's lifecycle: everything, at once, and no race brings it back.

use latchkey_catalog::lifecycle::LifecycleEvent;
use latchkey_catalog::user::{Bar, UserState};
use latchkey_oauth::family::Epochs;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::keyring::SecretMac;
use latchkey_oauth::revocation::Selector;
use latchkey_oauth::rotation::{Rotation, RotationRefusal};
use latchkey_store::unit::{CatalogueChange, IssueOutcome};

use crate::ask::{Ask, Turn};
use crate::lab::{App, Desk, Lab, bar, unbar, words};

/// Alice and Bob with tokens through two applications, on devices and off, and those of the applications.
struct Crowd {
    alice: PrincipalId,
    app: App,
    of_alice: Vec<Ask>,
    of_app: Vec<Ask>,
    of_others: Vec<Ask>,
}

impl Crowd {
    async fn gather(desk: &Desk) -> Self {
        let (alice, app) = desk.alice().await;
        let bob = desk.user("bob").await;
        let other = desk.app("Other", bob).await;
        let both = vec![Ask::user(&app, alice), Ask::user(&app, alice).device("pad")];
        Self {
            of_alice: [both.clone(), vec![Ask::user(&other, alice).device("pad").minted()]].concat(),
            of_app: [both, vec![Ask::user(&app, bob).device("pad"), Ask::application(&app)]].concat(),
            of_others: vec![Ask::user(&other, bob), Ask::application(&other)],
            alice,
            app,
        }
    }
}

/// What `reset` does to the tokens of `ended`, and to requests that looked before it: all of theirs end, and
/// none of `kept`.
async fn ends(desk: &Desk, ended: &[Ask], kept: &[Ask], reset: impl AsyncFnOnce()) {
    let mut doomed = Vec::new();
    let mut racing = Vec::new();
    for ask in ended {
        doomed.push(desk.issued(ask).await);
        racing.push(ask.clone().seen(desk.seen(ask).await));
        racing.push(ask.clone().seen(desk.seen(ask).await).scope("new"));
    }
    let mut safe = Vec::new();
    for ask in kept {
        safe.push(desk.issued(ask).await);
    }
    reset().await;
    for family in &doomed {
        assert!(!desk.is_alive(family).await, "{:?} of {:?}", family.device, family.subject);
        if family.refresh.is_some() {
            let unknown = Rotation::Refused(RotationRefusal::Unknown);
            assert_eq!(desk.refresh(&Turn::of(family)).await.rotation, unknown);
        }
    }
    let before = desk.seq().await;
    for ask in &racing {
        assert!(
            matches!(desk.issue(ask).await, IssueOutcome::Stale),
            "a request that looked before is stale"
        );
    }
    assert_eq!(desk.seq().await, before);
    for family in &safe {
        assert!(desk.accepts(family).await, "others are untouched");
    }
}

/// That tokens can be had again, under the same key, and that the old ones stay dead.
async fn goes_on(desk: &Desk, asks: &[Ask]) {
    for ask in asks {
        let family = desk.issued(ask).await;
        assert_eq!((family.access.generation, desk.accepts(&family).await), (1, true), "a family of its own");
        assert_eq!(desk.issued(ask).await, family);
    }
}

pub(crate) async fn deleting_a_user_ends_everything_of_the_user(lab: &mut Lab) {
    let crowd = Crowd::gather(lab).await;
    ends(lab, &crowd.of_alice, &crowd.of_others, async || {
        lab.change(CatalogueChange::DeleteUser(crowd.alice)).await;
    })
    .await;
    for ask in &crowd.of_alice {
        assert!(matches!(lab.issue(ask).await, IssueOutcome::Stale), "nobody is nobody's subject");
    }
    assert!(lab.store.user("alice").await.unwrap().is_none());
    assert!(lab.store.user_by_id(crowd.alice).await.unwrap().is_none());
}

pub(crate) async fn a_name_given_again_is_another_user(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let old = lab.issued(&Ask::user(&app, alice)).await;
    lab.change(CatalogueChange::DeleteUser(alice)).await;
    let again = lab.user("alice").await;
    assert_ne!(again, alice);
    assert!(!lab.is_alive(&old).await);
    let new = lab.issued(&Ask::user(&app, again)).await;
    assert!(new.id != old.id && lab.accepts(&new).await);
    assert!(!lab.is_alive(&old).await, "the first alice's token is not the second's");
    assert_eq!(lab.store.families_of(again, None, 10).await.unwrap(), [new]);
}

pub(crate) async fn locking_a_user_ends_everything_of_the_user(lab: &mut Lab) {
    let crowd = Crowd::gather(lab).await;
    ends(lab, &crowd.of_alice, &crowd.of_others, async || {
        lab.change(bar(crowd.alice, Bar::Locked)).await;
    })
    .await;
    let facts = lab.store.user_by_id(crowd.alice).await.unwrap().unwrap();
    assert_eq!(facts.user.state, UserState::Locked);
    lab.change(unbar(crowd.alice, Bar::Locked)).await;
    let unlocked = lab.store.user_by_id(crowd.alice).await.unwrap().unwrap();
    assert_eq!(
        (unlocked.epoch, unlocked.user.state),
        (facts.epoch, UserState::Active),
        "unlocking ends nothing"
    );
    goes_on(lab, &crowd.of_alice).await;
}

pub(crate) async fn a_new_password_ends_everything_of_the_user(lab: &mut Lab) {
    let crowd = Crowd::gather(lab).await;
    ends(lab, &crowd.of_alice, &crowd.of_others, async || {
        lab.change(CatalogueChange::SetPassword(crowd.alice, "another".to_owned())).await;
    })
    .await;
    goes_on(lab, &crowd.of_alice).await;
}

pub(crate) async fn a_stronger_hash_of_the_same_password_ends_nothing(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let family = lab.issued(&Ask::user(&app, alice)).await;
    let from = lab.store.user_by_id(alice).await.unwrap().unwrap().user.password.clone();
    let rehash = |from: &str, to: &str| CatalogueChange::RehashPassword {
        user: alice,
        from: from.to_owned(),
        to: to.to_owned(),
    };
    lab.change(rehash(&from, "stronger")).await;
    assert_eq!(lab.store.user_by_id(alice).await.unwrap().unwrap().user.password, "stronger");
    lab.change(rehash(&from, "late")).await;
    assert_eq!(
        lab.store.user("alice").await.unwrap().unwrap().user.password,
        "stronger",
        "not from what it was"
    );
    assert!(lab.accepts(&family).await);
}

pub(crate) async fn a_lost_role_ends_everything_and_a_new_one_nothing(lab: &mut Lab) {
    let crowd = Crowd::gather(lab).await;
    let roles = |names: &[&str]| CatalogueChange::SetRoles(crowd.alice, words(names));
    ends(lab, &[], &crowd.of_alice, async || {
        lab.change(roles(&["reader", "writer"])).await;
        lab.change(roles(&["reader", "writer"])).await;
    })
    .await;
    ends(lab, &crowd.of_alice, &crowd.of_others, async || lab.change(roles(&["writer", "new"])).await).await;
    let facts = lab.store.user_by_id(crowd.alice).await.unwrap().unwrap();
    assert_eq!(facts.user.roles, words(&["new", "writer"]));
    goes_on(lab, &crowd.of_alice).await;
}

/// What an application was issued by the roles of its owner ends with them, and so does what is being issued.
pub(crate) async fn an_application_loses_what_its_owner_loses(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let (second, other) = (lab.app("Second", alice).await, lab.app("Other", bob).await);
    let kept = [Ask::user(&app, bob), Ask::application(&other)];
    // What happens to alice, whether it ends what is there, and whether it ends what is being issued.
    for (number, (change, is_loss, is_reset)) in [
        (CatalogueChange::SetRoles(alice, words(&[])), true, true),
        (CatalogueChange::SetRoles(alice, words(&["writer"])), false, false),
        (CatalogueChange::SetPassword(alice, "another".to_owned()), false, true),
        (CatalogueChange::DeleteUser(alice), true, true),
    ]
    .into_iter()
    .enumerate()
    {
        let epoch = lab.store.client(&app.key).await.unwrap().unwrap().owner_epoch.unwrap();
        let mut own = Vec::new();
        for app in [&app, &second] {
            own.push(lab.issued(&Ask::application(app).owned(alice, epoch)).await);
        }
        let mut safe = Vec::new();
        for ask in &kept {
            safe.push(lab.issued(ask).await);
        }
        lab.change(change.clone()).await;
        for family in &own {
            assert_eq!(lab.is_alive(family).await, !is_loss, "{change:?}");
        }
        for family in &safe {
            assert!(lab.accepts(family).await, "{change:?}");
        }
        let racing = Ask::application(&app).owned(alice, epoch).scope(&format!("new{number}"));
        let is_stale = matches!(lab.issue(&racing).await, IssueOutcome::Stale);
        assert_eq!(is_stale, is_reset, "{change:?}");
        goes_on(lab, &[Ask::application(&app).scope(&format!("anew{number}"))]).await;
    }
    let owner = lab.store.client(&app.key).await.unwrap().unwrap().owner_epoch;
    assert_eq!(owner, None, "nobody's epoch");
}

pub(crate) async fn an_application_loses_what_a_new_owner_lacks(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let second = lab.app("Second", alice).await;
    let bob = lab.user("bob").await;
    let owned = |app: &App, owner| CatalogueChange::SetApplicationOwner(app.application, owner);
    let (own, others) = (Ask::application(&app), Ask::application(&second));
    let (first, safe) = (lab.issued(&own).await, lab.issued(&others).await);
    lab.change(owned(&app, bob)).await;
    assert!(lab.accepts(&first).await, "bob has every role that alice has");
    lab.change(CatalogueChange::SetRoles(alice, words(&["writer"]))).await;
    assert!(lab.accepts(&first).await && !lab.is_alive(&safe).await, "it is bob's now, the other is alice's");
    let safe = lab.issued(&others).await;
    lab.change(owned(&app, alice)).await;
    assert!(!lab.is_alive(&first).await, "alice is no reader any more");
    assert!(lab.accepts(&safe).await);
    goes_on(lab, &[own]).await;
}

pub(crate) async fn an_administrator_ends_everything_of_a_user(lab: &mut Lab) {
    let crowd = Crowd::gather(lab).await;
    ends(lab, &crowd.of_alice, &crowd.of_others, async || {
        lab.end_all(Selector::User(crowd.alice)).await;
    })
    .await;
    ends(lab, &crowd.of_alice, &crowd.of_others, async || {
        lab.change(CatalogueChange::Lifecycle(crowd.alice, LifecycleEvent::UserRevoked)).await;
    })
    .await;
    goes_on(lab, &crowd.of_alice).await;
}

pub(crate) async fn an_administrator_ends_everything_of_a_client(lab: &mut Lab) {
    let crowd = Crowd::gather(lab).await;
    ends(lab, &crowd.of_app, &crowd.of_others, async || {
        lab.end_all(Selector::Client(crowd.app.client)).await;
    })
    .await;
    goes_on(lab, &crowd.of_app).await;
}

pub(crate) async fn a_new_secret_ends_everything_of_the_client(lab: &mut Lab) {
    let crowd = Crowd::gather(lab).await;
    let mac = SecretMac { key: 2, tag: [9; 32] };
    ends(lab, &crowd.of_app, &crowd.of_others, async || {
        let change = CatalogueChange::RegenerateSecret {
            client: crowd.app.client,
            mac,
            sealed: vec![1, 2, 3],
            overlap: None,
        };
        lab.change(change).await;
    })
    .await;
    let facts = lab.store.client(&crowd.app.key).await.unwrap().unwrap();
    assert_eq!(facts.client.secrets, [mac]);
    let clients = lab.store.clients_of(crowd.app.application).await.unwrap();
    assert_eq!(clients[0].1, [1, 2, 3], "the new secret is shown");
    goes_on(lab, &crowd.of_app).await;
}

pub(crate) async fn deleting_an_application_ends_everything_of_it(lab: &mut Lab) {
    let crowd = Crowd::gather(lab).await;
    ends(lab, &crowd.of_app, &crowd.of_others, async || {
        lab.change(CatalogueChange::DeleteApplication(crowd.app.application)).await;
    })
    .await;
    for ask in &crowd.of_app {
        assert!(matches!(lab.issue(ask).await, IssueOutcome::Stale));
    }
    assert!(lab.store.client(&crowd.app.key).await.unwrap().is_none());
    assert!(lab.store.client_by_id(crowd.app.client).await.unwrap().is_none());
}

pub(crate) async fn a_stale_or_invented_epoch_issues_nothing(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice);
    let now = lab.seen(&ask).await;
    let others = [
        Epochs { client: now.client + 1, ..now },
        Epochs { client: now.client - 1, ..now },
        Epochs { subject: now.subject + 1, ..now },
        Epochs { subject: now.subject - 1, ..now },
        Epochs::default(),
    ];
    for seen in others {
        assert!(matches!(lab.issue(&ask.clone().seen(seen)).await, IssueOutcome::Stale), "{seen:?}");
    }
    assert!(matches!(lab.issue(&Ask::user(&app, lab.principal())).await, IssueOutcome::Stale));
}
