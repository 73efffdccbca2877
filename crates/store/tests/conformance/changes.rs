//! What those are told who keep facts elsewhere: everything that stopped being as it was, before it is
//! answered.

use std::collections::BTreeSet;

use latchkey_catalog::subscription::SubscriptionState;
use latchkey_catalog::user::Bar;
use latchkey_oauth::keyring::SecretMac;
use latchkey_oauth::revocation::Selector;
use latchkey_store::changes::{Changed, Mark};
use latchkey_store::unit::CatalogueChange;

use crate::api_keys;
use crate::ask::{Ask, Turn};
use crate::lab::{self, Desk, Lab, bar};

/// What was told since `mark`, which moves on.
fn told(desk: &Desk, mark: &mut Mark) -> Vec<Changed> {
    let (changes, next) = desk.store.changes().since(*mark, usize::MAX).unwrap();
    *mark = next;
    changes
}

pub(crate) async fn an_end_is_told_before_it_is_answered(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    for device in ["phone", "pad", "watch"] {
        let family = lab.issued(&Ask::user(&app, alice).device(device)).await;
        let mut mark = lab.store.changes().mark();
        lab.end(&family).await;
        assert_eq!(told(lab, &mut mark), [Changed::Family { id: family.id, access: None }]);
        lab.end(&family).await;
        assert_eq!(told(lab, &mut mark), [], "it had ended already");
    }
    let ask = Ask::user(&app, alice);
    let families =
        [lab.issued(&ask.clone().device("phone")).await, lab.issued(&ask.device("phone").scope("w")).await];
    let mut mark = lab.store.changes().mark();
    lab.end_all(Selector::Holder { client: app.client, subject: alice }).await;
    let mut all = told(lab, &mut mark);
    for family in families {
        all.retain(|change| *change != Changed::Family { id: family.id, access: None });
    }
    assert_eq!(all, []);
}

pub(crate) async fn another_token_is_told_and_the_first_is_not(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let ask = Ask::user(&app, alice);
    let mut mark = lab.store.changes().mark();
    let first = lab.issued(&ask).await;
    assert_eq!(told(lab, &mut mark), [], "nobody can know anything else of it");
    let second = lab.rotated(&Turn::of(&first)).await;
    assert_eq!(second.access.generation, 2);
    assert_eq!(told(lab, &mut mark), [Changed::Family { id: first.id, access: Some(2) }]);
    lab.clock.advance_seconds(1);
    lab.rotated(&Turn::of(&second)).await;
    assert_eq!(told(lab, &mut mark), [Changed::Family { id: first.id, access: Some(3) }]);
    // A replay ends the family.
    lab.clock.advance_seconds(1000);
    lab.refresh(&Turn::of(&first)).await;
    assert_eq!(told(lab, &mut mark), [Changed::Family { id: first.id, access: None }]);
}

pub(crate) async fn a_reset_is_told(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let bob = lab.user("bob").await;
    let mut mark = lab.store.changes().mark();
    lab.change(bar(bob, Bar::Locked)).await;
    assert_eq!(told(lab, &mut mark), [Changed::Epoch { principal: bob, epoch: Some(2) }]);
    lab.end_all(Selector::User(bob)).await;
    assert_eq!(told(lab, &mut mark), [Changed::Epoch { principal: bob, epoch: Some(3) }]);
    lab.change(CatalogueChange::DeleteUser(bob)).await;
    assert_eq!(told(lab, &mut mark), [Changed::Epoch { principal: bob, epoch: None }]);
    lab.end_all(Selector::Client(app.client)).await;
    assert_eq!(told(lab, &mut mark), [Changed::Epoch { principal: app.client, epoch: Some(2) }]);
    lab.change(CatalogueChange::DeleteApplication(app.application)).await;
    assert_eq!(told(lab, &mut mark), [Changed::Epoch { principal: app.client, epoch: None }]);
}

pub(crate) async fn what_a_client_is_known_by_is_told_of_it_alone(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let api = lab.api("/echo", &[]).await;
    let key = api_keys::new_key(lab, app.application, "web");
    lab.change(CatalogueChange::AddApiKey(Box::new(key.clone()))).await;
    let held = lab.store.client(&app.key).await.unwrap().unwrap().application.clone();
    let both: BTreeSet<_> = [app.client, key.id].into();
    let mut mark = lab.store.changes().mark();
    let of = |changes: Vec<Changed>| {
        let id = |change: &Changed| {
            let Changed::Client { id } = change else { panic!("{change:?} was told") };
            *id
        };
        changes.iter().map(id).collect::<BTreeSet<_>>()
    };
    let other = lab.app("Other", alice).await;
    assert_eq!(told(lab, &mut mark), [], "nobody can know anything of what is new");
    lab.subscribe(&other, &api).await;
    assert_eq!(of(told(lab, &mut mark)), [other.client].into());
    let (application, api) = (app.application, api.id);
    let blocked = SubscriptionState::Blocked;
    for change in [
        CatalogueChange::Subscribe(lab::subscription((application, api), "Gold")),
        CatalogueChange::SetSubscriptionState { application, api, state: blocked },
        CatalogueChange::Unsubscribe { application, api },
        CatalogueChange::SetApplicationTier(application, "10PerMin".to_owned()),
    ] {
        let name = format!("{change:?}");
        lab.change(change).await;
        assert_eq!(of(told(lab, &mut mark)), both, "{name}");
    }
    assert_ne!(lab.store.client(&app.key).await.unwrap().unwrap().application.tier, held.tier);
    let mac = SecretMac { key: 1, tag: [0; 32] };
    let secret =
        CatalogueChange::RegenerateSecret { client: app.client, mac, sealed: Vec::new(), overlap: None };
    lab.change(secret).await;
    assert!(told(lab, &mut mark).contains(&Changed::Client { id: app.client }));
}

pub(crate) async fn the_catalogue_is_told_of_and_users_are_not(lab: &mut Lab) {
    let mut mark = lab.store.changes().mark();
    let api = lab.api("/echo", &[("read", "reader")]).await;
    assert_eq!(told(lab, &mut mark), [Changed::Catalogue]);
    lab.change(CatalogueChange::DeleteApi(api.id)).await;
    assert_eq!(told(lab, &mut mark), [Changed::Catalogue]);
    let user = lab.new_user("bob", &["reader"]);
    let password = user.password.clone();
    let rehash =
        CatalogueChange::RehashPassword { user: user.id, from: password, to: "$argon2id$2".to_owned() };
    lab.change(CatalogueChange::AddUser(user)).await;
    lab.change(rehash).await;
    let told = told(lab, &mut mark);
    assert!(!told.contains(&Changed::Catalogue), "{told:?}");
}

pub(crate) async fn a_follower_hears_of_every_end(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let mut families = Vec::new();
    for number in 0..64 {
        families.push(lab.issued(&Ask::user(&app, alice).device(&format!("d{number}"))).await);
    }
    let mut mark = lab.store.changes().mark();
    let mut expected: BTreeSet<_> = families.iter().map(|family| family.id).collect();
    let desk = lab.desk();
    let follower = tokio::spawn(async move {
        while !expected.is_empty() {
            let soon =
                tokio::time::timeout(std::time::Duration::from_secs(5), desk.store.changes().wait(mark));
            soon.await.expect("every end is told of");
            let (changes, next) = desk.store.changes().since(mark, 5).unwrap();
            for change in changes {
                if let Changed::Family { id, access: None } = change {
                    expected.remove(&id);
                }
            }
            mark = next;
        }
    });
    let enders: Vec<_> = families
        .into_iter()
        .map(|family| {
            let desk = lab.desk();
            tokio::spawn(async move { desk.end(&family).await })
        })
        .collect();
    for ender in enders {
        assert_eq!(ender.await.unwrap(), 1);
    }
    follower.await.unwrap();
}
