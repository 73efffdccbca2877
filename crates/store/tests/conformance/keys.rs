//! Keys of applications: generated, mapped, removed, and their secrets.

use latchkey_catalog::application::{Application, ApplicationKind, ApplicationStatus};
use latchkey_oauth::client::{
    Client, ClientMetadata, FurtherSecret, GrantType, KeyMode, KeyState, KeyType, MAX_FURTHER_SECRETS,
    TokenFormat,
};
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::keyring::SecretMac;
use latchkey_store::unit::{CatalogueChange, ChangeRefused, ClientUpdate, NewClient, Overlap};

use crate::ask::Ask;
use crate::catalogue::refused;
use crate::lab::{App, Desk, Lab, words};

/// A client as the next request sees it.
async fn kept(desk: &Desk, id: PrincipalId) -> Client {
    desk.store.client_by_id(id).await.unwrap().expect("the client is there").client.clone()
}

fn sandbox(desk: &Desk) -> NewClient {
    let mut new = desk.new_client();
    new.client.key_type = KeyType::Sandbox;
    new
}

/// A client that registered by itself, with its registration.
async fn registered(desk: &Desk, name: &str, owner: PrincipalId) -> (Application, NewClient) {
    let registration =
        Application { kind: ApplicationKind::Registration, ..desk.new_application(name, owner) };
    let new = desk.new_client();
    let client = Some(Box::new(new.clone()));
    desk.change(CatalogueChange::AddApplication(registration.clone(), client, Vec::new())).await;
    (registration, new)
}

pub(crate) async fn an_application_has_keys_of_each_type_once(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let new = sandbox(lab);
    let add = |id, new: &NewClient| CatalogueChange::AddClient(id, Box::new(new.clone()));
    refused(lab, add(lab.entry(), &new), ChangeRefused::NotFound).await;
    refused(lab, add(app.application, &lab.new_client()), ChangeRefused::HasKeys).await;
    let mut copied = new.clone();
    copied.client.consumer_key.clone_from(&app.key);
    refused(lab, add(app.application, &copied), ChangeRefused::NameTaken).await;
    lab.change(add(app.application, &new)).await;
    assert_eq!(kept(lab, new.client.id).await, new.client);
    let held = lab.store.clients_of(app.application).await.unwrap();
    assert_eq!(held.len(), 2);
    assert!(held.contains(&(new.client.clone(), new.sealed_secret.clone())));
    refused(lab, add(app.application, &sandbox(lab)), ChangeRefused::HasKeys).await;
    let waiting = Application { status: ApplicationStatus::Created, ..lab.new_application("Waits", alice) };
    let id = waiting.id;
    lab.change(CatalogueChange::AddApplication(waiting, None, Vec::new())).await;
    refused(lab, add(id, &lab.new_client()), ChangeRefused::WrongState).await;
    lab.change(CatalogueChange::SetApplicationStatus(id, ApplicationStatus::Approved)).await;
    lab.change(add(id, &lab.new_client())).await;
}

pub(crate) async fn removed_keys_are_dead(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let family = lab.issued(&Ask::application(&app)).await;
    lab.change(CatalogueChange::RemoveClient(app.client)).await;
    assert!(!lab.accepts(&family).await);
    assert!(lab.store.client(&app.key).await.unwrap().is_none());
    assert_eq!(lab.store.clients_of(app.application).await.unwrap(), []);
    refused(lab, CatalogueChange::RemoveClient(app.client), ChangeRefused::NotFound).await;
    let again = CatalogueChange::AddClient(app.application, Box::new(lab.new_client()));
    lab.change(again).await;
    assert!(!lab.accepts(&family).await);
}

pub(crate) async fn the_settings_of_keys_are_kept_whole(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let before = kept(lab, app.client).await;
    let metadata = ClientMetadata {
        redirect_uris: vec!["https://shop.example/callback".to_owned()],
        further_grants: words(&["authorization_code"]),
        mode: KeyMode::Mapped,
        state: KeyState::Completed,
        properties: [("pkceMandatory".to_owned(), "true".to_owned())].into(),
    };
    let update = ClientUpdate {
        id: app.client,
        grants: [GrantType::Password].into(),
        token_format: TokenFormat::Jwt,
        validities: before.validities,
        metadata: metadata.clone(),
    };
    lab.change(CatalogueChange::UpdateClient(Box::new(update.clone()))).await;
    let expected = Client {
        grants: update.grants.clone(),
        token_format: update.token_format,
        metadata: ClientMetadata { mode: KeyMode::Created, ..metadata },
        ..before
    };
    assert_eq!(kept(lab, app.client).await, expected, "an update does not say how the keys came");
    let nobody = ClientUpdate { id: lab.principal(), ..update };
    refused(lab, CatalogueChange::UpdateClient(Box::new(nobody)), ChangeRefused::NotFound).await;
}

pub(crate) async fn a_registered_client_is_mapped_and_goes_back(lab: &mut Lab) {
    let (alice, app) = lab.alice().await;
    let (registration, new) = registered(lab, "phone", alice).await;
    let (id, key) = (new.client.id, new.client.consumer_key.clone());
    let map = |application, key_type| CatalogueChange::MapClient { client: id, application, key_type };
    refused(lab, map(app.application, KeyType::Production), ChangeRefused::HasKeys).await;
    refused(lab, map(lab.entry(), KeyType::Sandbox), ChangeRefused::NotFound).await;
    lab.change(map(app.application, KeyType::Sandbox)).await;
    let facts = lab.store.client(&key).await.unwrap().unwrap();
    assert_eq!(facts.application.id, app.application, "it serves the application");
    assert_eq!((facts.client.metadata.mode, facts.client.key_type), (KeyMode::Mapped, KeyType::Sandbox));
    let held = lab.store.registered_client(registration.id).await.unwrap().unwrap();
    assert_eq!((held.0.id, held.1), (id, new.sealed_secret.clone()), "its registration still knows it");
    let other = lab.app("Other", alice).await;
    lab.change(CatalogueChange::RemoveClient(other.client)).await;
    refused(lab, map(other.application, KeyType::Sandbox), ChangeRefused::HasKeys).await;
    let generated = CatalogueChange::MapClient {
        client: app.client,
        application: other.application,
        key_type: KeyType::Sandbox,
    };
    refused(lab, generated, ChangeRefused::HasKeys).await;
    let mapped = App { application: app.application, client: id, key: key.clone() };
    let family = lab.issued(&Ask::application(&mapped)).await;
    lab.change(CatalogueChange::RemoveClient(id)).await;
    assert!(!lab.accepts(&family).await, "what it got for the application is dead");
    let facts = lab.store.client(&key).await.unwrap().unwrap();
    assert_eq!((facts.application.id, &facts.client), (registration.id, &new.client));
    lab.change(map(other.application, KeyType::Production)).await;
    lab.change(CatalogueChange::DeleteApplication(other.application)).await;
    assert_eq!(kept(lab, id).await, new.client, "the application is gone, the client is not");
    lab.change(map(app.application, KeyType::Sandbox)).await;
    lab.change(CatalogueChange::DeleteApplication(registration.id)).await;
    lab.change(CatalogueChange::RemoveClient(id)).await;
    assert!(lab.store.client(&key).await.unwrap().is_none(), "it has nowhere to go back to");
}

async fn regenerate(desk: &Desk, app: &App, number: u8, overlap: Option<Overlap>) {
    let mac = SecretMac { key: 1, tag: [number; 32] };
    let sealed = vec![number];
    desk.change(CatalogueChange::RegenerateSecret { client: app.client, mac, sealed, overlap }).await;
}

/// The first bytes of the secrets that are valid now.
async fn valid(desk: &Desk, app: &App) -> Vec<u8> {
    kept(desk, app.client).await.valid_secrets(desk.now()).map(|mac| mac.tag[0]).collect()
}

pub(crate) async fn a_regenerated_secret_may_overlap(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    regenerate(lab, &app, 1, None).await;
    let family = lab.issued(&Ask::application(&app)).await;
    let until = lab.now().plus_millis(1000);
    regenerate(lab, &app, 2, Some(Overlap { id: uuid::Uuid::from_u128(1), until })).await;
    assert_eq!(valid(lab, &app).await, [2, 1]);
    assert!(lab.accepts(&family).await, "nothing ends while both are valid");
    lab.clock.advance_millis(1000);
    assert_eq!(valid(lab, &app).await, [2]);
    let until = lab.now().plus_millis(1000);
    regenerate(lab, &app, 3, Some(Overlap { id: uuid::Uuid::from_u128(2), until })).await;
    assert_eq!(kept(lab, app.client).await.further_secrets.len(), 1, "what is over is gone");
    let held = lab.store.clients_of(app.application).await.unwrap();
    assert_eq!(held[0].1, [3], "the newest is sealed");
    regenerate(lab, &app, 4, None).await;
    assert_eq!(valid(lab, &app).await, [4], "without an overlap nothing before it is valid");
    assert!(!lab.accepts(&family).await);
}

pub(crate) async fn further_secrets_are_added_and_removed(lab: &mut Lab) {
    let (_, app) = lab.alice().await;
    let first = valid(lab, &app).await;
    let secret = |number: usize| FurtherSecret {
        id: uuid::Uuid::from_u128(number as u128),
        mac: SecretMac { key: 2, tag: [u8::try_from(number).unwrap(); 32] },
        description: format!("number {number}"),
        created_at: lab.now(),
        expires_at: None,
    };
    let add = |number| CatalogueChange::AddSecret(app.client, secret(number));
    for number in 0..MAX_FURTHER_SECRETS {
        lab.change(add(number)).await;
    }
    let all: Vec<FurtherSecret> = (0..MAX_FURTHER_SECRETS).map(secret).collect();
    assert_eq!(kept(lab, app.client).await.further_secrets, all);
    refused(lab, add(99), ChangeRefused::Full).await;
    let family = lab.issued(&Ask::application(&app)).await;
    let remove = |number| CatalogueChange::RemoveSecret(app.client, uuid::Uuid::from_u128(number));
    lab.change(remove(0)).await;
    assert!(lab.accepts(&family).await);
    refused(lab, remove(0), ChangeRefused::NotFound).await;
    regenerate(lab, &app, 200, None).await;
    assert_eq!(kept(lab, app.client).await.further_secrets, all[1..], "the others are not its successors");
    assert_ne!(valid(lab, &app).await[0], first[0]);
    let nobody = CatalogueChange::AddSecret(lab.principal(), secret(1));
    refused(lab, nobody, ChangeRefused::NotFound).await;
}
