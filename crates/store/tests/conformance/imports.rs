//! What comes over from another server: whole or not at all, once, and without touching what is here.

use latchkey_catalog::listing::Listing;
use latchkey_catalog::subscription::UNLIMITED;
use latchkey_catalog::tier::{Level, PastLimit, Tier, TierDetails};
use latchkey_catalog::user::Bar;
use latchkey_oauth::client::KeyType;
use latchkey_oauth::family::{Binding, Expiry, MintedValue, Seed};
use latchkey_oauth::holder::{HolderLimits, OnLimit};
use latchkey_oauth::id::FamilyId;
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::rotation::Rotation;
use latchkey_oauth::scope::Scope;
use latchkey_oauth::token_value::TokenReference;
use latchkey_store::rows::Subscribed;
use latchkey_store::unit::ImportOutcome::{Held, Made, Refused};
use latchkey_store::unit::{
    Import, ImportItem, ImportOutcome, ImportRefused, ImportedApplication, ImportedSubscription,
    ImportedToken, NewApi,
};

use crate::ask::{Ask, Turn};
use crate::lab::{App, Desk, Lab, Setup, bar, subscription};

const LIMITS: HolderLimits = HolderLimits { devices: 100, families: 200, on_limit: OnLimit::EvictOldest };

/// A value of which only the digest is known, as of the era of every case.
fn value(byte: u8) -> MintedValue {
    MintedValue { digest: [byte; 32], sealed: vec![0, 1, 0, 1] }
}

/// A token of alice: its access token has the digest `byte`, its refresh token the one after it.
fn token(desk: &Desk, app: &App, byte: u8) -> ImportedToken {
    let now = desk.now();
    ImportedToken {
        id: FamilyId::from_bytes(desk.draw()),
        seed: Seed::from_bytes(desk.draw()),
        client: app.key.clone(),
        user: Some("alice".to_owned()),
        scope: Scope::parse("device_ipad read").unwrap(),
        binding: Binding::None,
        access: Some(value(byte)),
        issued_at: now.plus_seconds(-60),
        expires: Expiry::At(now.plus_seconds(3000)),
        refresh: Some((value(byte + 1), now.plus_seconds(-60), Expiry::At(now.plus_seconds(80_000)))),
    }
}

async fn import(desk: &Desk, items: Vec<ImportItem>) -> Vec<ImportOutcome> {
    import_within(desk, items, LIMITS).await
}

async fn import_within(desk: &Desk, items: Vec<ImportItem>, limits: HolderLimits) -> Vec<ImportOutcome> {
    let wanted = Import { items, limits, actor: "admin".to_owned() };
    let before = desk.seq().await;
    let foreseen = desk.store.foresee(wanted.clone()).await.unwrap();
    assert_eq!(desk.seq().await, before, "to foresee changes nothing");
    let outcomes = desk.store.import(wanted).await.unwrap();
    for (one, other) in foreseen.iter().zip(&outcomes) {
        assert!(one == other || matches!(one, Made | Refused(_)), "{one:?} was foreseen, {other:?} came");
    }
    outcomes
}

async fn import_token(desk: &Desk, token: &ImportedToken) -> ImportOutcome {
    import(desk, vec![ImportItem::Token(Box::new(token.clone()))]).await[0]
}

async fn found(desk: &Desk, byte: u8) -> Option<TokenReference> {
    desk.store.alias([byte; 32]).await.unwrap()
}

/// Everything of an application with keys of both types, in its order.
fn everything(desk: &Desk) -> Vec<ImportItem> {
    let alice = desk.new_user("alice", &["reader"]);
    let tier = Tier {
        name: "Own".to_owned(),
        level: Level::Subscription,
        limit: Some("20/minute".parse().unwrap()),
        burst: None,
        past_limit: PastLimit::Refuse,
        details: TierDetails::default(),
    };
    let api = latchkey_catalog::api::Api {
        id: desk.entry(),
        name: "Echo".to_owned(),
        context: "/echo".to_owned(),
        version: "1.0.0".to_owned(),
        definition: latchkey_catalog::api::ApiDefinition {
            state: latchkey_catalog::api::ApiState::Deprecated,
            ..Default::default()
        },
    };
    let api = NewApi { listing: Listing::of("alice", desk.now()), document: None, api };
    let application = desk.new_application("Shop", desk.principal());
    let (production, mut sandbox) = (desk.new_client(), desk.new_client());
    sandbox.client.key_type = KeyType::Sandbox;
    let wanted = subscription((application.id, api.api.id), "Own");
    let ends = (("alice".to_owned(), "Shop".to_owned()), ("/echo".to_owned(), "1.0.0".to_owned()));
    let clients = vec![production, sandbox];
    let application = ImportedApplication { application, owner: "alice".to_owned(), clients };
    let wanted = ImportedSubscription { subscription: wanted, application: ends.0, api: ends.1 };
    vec![
        ImportItem::User(Box::new(alice)),
        ImportItem::Tier(Box::new(tier)),
        ImportItem::Api(Box::new(api)),
        ImportItem::Application(Box::new(application)),
        ImportItem::Subscription(Box::new(wanted)),
    ]
}

pub(crate) async fn an_application_comes_with_all_that_is_its_own(lab: &mut Lab) {
    let items = everything(lab);
    let ImportItem::Application(wanted) = &items[3] else { panic!() };
    let id = wanted.application.id;
    assert_eq!(import(lab, items.clone()).await, [Made; 5]);
    let alice = lab.store.user("alice").await.unwrap().unwrap().user.id;
    let held = lab.store.application(id).await.unwrap().unwrap();
    assert_eq!((held.owner, held.name.as_str()), (alice, "Shop"));
    assert_eq!(lab.store.clients_of(id).await.unwrap().len(), 2);
    let subscriptions = lab.store.subscriptions(Subscribed::By(id), None, 10).await.unwrap();
    assert_eq!(subscriptions.iter().map(|held| held.tier.as_str()).collect::<Vec<_>>(), ["Own"]);
    let facts = lab.store.client(&wanted.clients[1].client.consumer_key).await.unwrap().unwrap();
    assert_eq!((facts.subscriptions.len(), facts.epoch), (1, 1), "of an API that takes no new ones");
    let before = lab.seq().await;
    assert_eq!(import(lab, items).await, [Held; 5]);
    assert_eq!(lab.seq().await, before, "the second time nothing changes");
}

pub(crate) async fn an_application_whose_key_is_taken_does_not_come(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let mut items = everything(lab);
    let ImportItem::Application(wanted) = &mut items[3] else { panic!() };
    wanted.clients[1].client.consumer_key.clone_from(&app.key);
    let id = wanted.application.id;
    let outcomes = import(lab, items).await;
    let refused = [Refused(ImportRefused::KeyTaken), Refused(ImportRefused::NoApplication)];
    assert_eq!((outcomes[0], &outcomes[3..]), (Held, refused.as_slice()));
    assert_eq!(lab.store.application(id).await.unwrap(), None, "and nothing of it is there");
    assert!(lab.store.clients_of(id).await.unwrap().is_empty());
}

pub(crate) async fn what_is_missing_is_said(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let good = token(lab, &app, 1);
    let cases = [
        (ImportedToken { client: "none".to_owned(), ..good.clone() }, ImportRefused::NoClient),
        (ImportedToken { user: Some("bob".to_owned()), ..good.clone() }, ImportRefused::NoUser),
        (ImportedToken { access: None, refresh: None, ..good.clone() }, ImportRefused::Unfit),
    ];
    for (token, expected) in cases {
        assert_eq!(import_token(lab, &token).await, Refused(expected));
    }
    lab.change(bar(alice, Bar::Locked)).await;
    assert_eq!(import_token(lab, &good).await, Refused(ImportRefused::Barred));
    assert_eq!(found(lab, 1).await, None);
    let mut items = everything(lab);
    items.drain(..2);
    let no_owner = |item: &mut ImportItem| match item {
        ImportItem::Application(wanted) => "bob".clone_into(&mut wanted.owner),
        ImportItem::Subscription(wanted) => "bob".clone_into(&mut wanted.application.0),
        ImportItem::User(_) | ImportItem::Tier(_) | ImportItem::Api(_) | ImportItem::Token(_) => {}
    };
    items.iter_mut().for_each(no_owner);
    let no_user = Refused(ImportRefused::NoUser);
    assert_eq!(import(lab, items).await, [Made, no_user, no_user]);
}

pub(crate) async fn a_token_works_on_until_it_is_refreshed(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let token = token(lab, &app, 1);
    assert_eq!(import_token(lab, &token).await, Made);
    let access = found(lab, 1).await.unwrap();
    assert_eq!((access.kind, access.family), (ValueKind::Access, token.id));
    let refresh = found(lab, 2).await.unwrap();
    assert_eq!((refresh.kind, refresh.generation), (ValueKind::Refresh, 1));
    let held = lab.store.family(access.bucket, access.family).await.unwrap().unwrap();
    assert!(held.family.accepts_access(1, held.epochs, lab.now()));
    assert_eq!(held.family.device.as_str(), "device_ipad");
    let rotated = lab.rotated(&Turn::of(&held.family)).await;
    assert_eq!((rotated.access.generation, found(lab, 1).await), (2, None));
    assert!(found(lab, 2).await.is_some(), "a lost answer is recognised");
    let again = lab.refresh(&Turn::of(&held.family)).await;
    assert_eq!(again.rotation, Rotation::Repeat);
    // Who signs in on the same device holds the same family.
    let ask = Ask::user(&app, alice).device("ipad");
    assert_eq!(lab.issued(&ask).await.id, token.id);
}

pub(crate) async fn who_signs_in_again_gets_tokens_that_can_be_told(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    assert_eq!(import_token(lab, &token(lab, &app, 1)).await, Made);
    let family = lab.issued(&Ask::user(&app, alice).device("ipad")).await;
    assert_eq!((family.access.generation, family.minted.is_none()), (2, true));
    assert_eq!((found(lab, 1).await, found(lab, 2).await), (None, None), "one token for one key");
}

pub(crate) async fn what_ended_since_does_not_come_again(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let first = token(lab, &app, 1);
    assert_eq!(import_token(lab, &first).await, Made);
    let access = found(lab, 1).await.unwrap();
    let held = lab.store.family(access.bucket, access.family).await.unwrap().unwrap();
    assert_eq!(lab.end(&held.family).await, 1);
    let again = ImportedToken { id: FamilyId::from_bytes(lab.draw()), ..first };
    assert_eq!(import_token(lab, &again).await, Held);
    assert_eq!((found(lab, 1).await, found(lab, 2).await), (None, None));
    lab.clock.advance_seconds(80_001);
    assert_eq!(import_token(lab, &again).await, Refused(ImportRefused::Unfit), "its time is over");
}

pub(crate) async fn the_newest_token_has_the_key_and_older_ones_stand_beside(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let newest = token(lab, &app, 1);
    let older = ImportedToken { issued_at: newest.issued_at.plus_seconds(-5), ..token(lab, &app, 3) };
    assert_eq!((import_token(lab, &newest).await, import_token(lab, &older).await), (Made, Made));
    for byte in 1..=4 {
        assert!(found(lab, byte).await.is_some(), "{byte}");
    }
    assert_ne!(found(lab, 1).await.unwrap().family, found(lab, 3).await.unwrap().family);
    let later = ImportedToken { issued_at: lab.now(), ..token(lab, &app, 5) };
    assert_eq!(import_token(lab, &later).await, Made);
    assert_eq!((found(lab, 1).await, found(lab, 2).await), (None, None), "a newer one took its place");
    assert!(found(lab, 3).await.is_some() && found(lab, 5).await.is_some());
}

pub(crate) async fn what_is_held_here_does_not_give_way(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let phone = lab.issued(&Ask::user(&app, alice).device("phone").minted()).await;
    let narrow = HolderLimits { devices: 1, ..LIMITS };
    let wanted = token(lab, &app, 1);
    let outcome = import_within(lab, vec![ImportItem::Token(Box::new(wanted.clone()))], narrow).await;
    assert_eq!(outcome, [Refused(ImportRefused::Full)]);
    assert!(lab.is_alive(&phone).await);
    let access = phone.minted.as_ref().unwrap().access.clone().unwrap();
    let same = ImportedToken { access: Some(access), ..wanted };
    assert_eq!(import_token(lab, &same).await, Refused(ImportRefused::ValueTaken));
    let own = ImportedToken { user: None, refresh: None, ..token(lab, &app, 7) };
    assert_eq!(import_token(lab, &own).await, Made, "the application's own");
    let items = vec![ImportItem::Subscription(Box::new(ImportedSubscription {
        subscription: subscription((app.application, lab.entry()), UNLIMITED),
        application: ("alice".to_owned(), "Phone book".to_owned()),
        api: ("/none".to_owned(), "1".to_owned()),
    }))];
    assert_eq!(import(lab, items).await, [Refused(ImportRefused::NoApi)]);
}

pub(crate) async fn what_came_over_is_known_after_a_restart(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let wanted = token(lab, &app, 1);
    assert_eq!(import_token(lab, &wanted).await, Made);
    lab.reopen(&Setup::default()).await;
    assert!(found(lab, 1).await.is_some() && found(lab, 2).await.is_some());
    assert_eq!(import_token(lab, &wanted).await, Held);
}
