//! Records on their way: to which device they belong, when they are written, and what becomes of them where
//! the store does not take them.

use latchkey_catalog::id::EntryId;
use latchkey_catalog::usage::{CallClass, Day};
use latchkey_gateway::record::{Called, Sight};
use latchkey_oauth::client::GrantType;
use latchkey_oauth::secret::Secret;
use latchkey_store::records::UsageOf;

use super::*;
use crate::admin::application::{self, NewApplication, Reference};
use crate::admin::text::SecretText;
use crate::admin::{Command, Reply, token, user};
use crate::testing::{Installation, home};
use crate::token::resolve::Tokens;

const API: EntryId = EntryId::from_bytes([7; 16]);

/// An installation with an application of alice's, and the application's id.
async fn installation() -> (Installation, EntryId, tempfile::TempDir) {
    let home = home();
    let at = Installation::open(&home, &["store.url=memory:", "records.pending=4"]).await;
    let password = SecretText(Secret::new("correct horse"));
    at.done(Command::User(user::Command::Add { name: "alice".to_owned(), password, roles: [].into() })).await;
    let new = NewApplication {
        name: "Shop".to_owned(),
        owner: "alice".to_owned(),
        grants: GrantType::ALL.into(),
        ..NewApplication::default()
    };
    let created = at.execute(Command::Application(application::Command::Create(Box::new(new)))).await;
    let Ok(Reply::Created(created)) = created else { panic!("not created: {created:?}") };
    (at, created.id, home)
}

/// The family of a new token with this scope.
async fn family(at: &Installation, scope: &str) -> FamilyKey {
    let application = Reference { name: "Shop".to_owned(), owner: None };
    let command = token::Command::Issue { application, scope: Some(scope.to_owned()), validity: None };
    let Ok(Reply::Issued(answer)) = at.execute(Command::Token(command)).await else { panic!("not issued") };
    let token = Secret::new(answer["access_token"].as_str().unwrap());
    let found = Tokens::new(&at.app).active(&token, at.app.now()).await.unwrap().unwrap();
    (found.held.family.bucket, found.held.family.id)
}

fn called(at: &Installation, by: Option<(EntryId, FamilyKey)>) -> Called {
    Called { at: at.app.now(), api: API, by, class: CallClass::Passed, micros: 10 }
}

fn sight(user_agent: &'static str) -> Sight {
    Sight { address: Some([192, 0, 2, 7].into()), user_agent: Some(user_agent.into()) }
}

async fn usage(at: &Installation) -> Vec<Usage> {
    at.app.store.usage(UsageOf::Api(API), Day::from_number(0), None, 100).await.unwrap()
}

#[tokio::test]
async fn families_of_one_device_are_one_row() {
    let (at, shop, _home) = installation().await;
    let one = family(&at, "device_a openid").await;
    let other = family(&at, "device_a").await;
    assert_ne!(one, other);
    let [first, second] = [at.app.recorder.thread(), at.app.recorder.thread()];
    first.push(called(&at, Some((shop, one))), || sight("one"));
    at.clock.advance_seconds(1);
    second.push(called(&at, Some((shop, other))), || sight("other"));
    second.push(called(&at, None), || sight("nobody"));
    at.app.recorder.flush(&at.app.store, at.app.now()).await.unwrap();

    let found = usage(&at).await;
    let device = found.iter().find(|usage| usage.key.subject.is_some()).unwrap();
    assert_eq!((found.len(), device.counts.calls, device.counts.micros), (2, 2, 20));
    assert_eq!((device.key.device.as_str(), device.key.application), ("device_a", Some(shop)));
    let family = at.app.store.family(one.0, one.1).await.unwrap().unwrap().family;
    let key = DeviceKey { holder: HolderId::of(&family), device: family.device.clone() };
    let seen = at.app.store.last_seen(vec![key]).await.unwrap().pop().flatten().unwrap();
    assert_eq!((seen.at, seen.user_agent.as_deref()), (at.app.now(), Some("other")));
    // What was written once is not written again.
    at.app.recorder.flush(&at.app.store, at.app.now()).await.unwrap();
    assert_eq!(usage(&at).await, found);
}

#[tokio::test]
async fn a_family_that_is_gone_leaves_its_application() {
    let (at, shop, _home) = installation().await;
    let gone = (Bucket::new(5).unwrap(), latchkey_oauth::id::FamilyId::from_bytes([9; 16]));
    at.app.recorder.thread().push(called(&at, Some((shop, gone))), || sight("gone"));
    at.app.recorder.flush(&at.app.store, at.app.now()).await.unwrap();
    let found = usage(&at).await;
    let [one] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((one.key.application, one.key.subject, one.counts.calls), (Some(shop), None, 1));
}

#[tokio::test]
async fn a_device_is_written_once_a_minute_and_nothing_is_lost() {
    let (at, shop, _home) = installation().await;
    let device = family(&at, "device_a").await;
    let calls = at.app.recorder.thread();
    let counted = async || {
        at.app.recorder.move_on(&at.app.store, at.app.now()).await;
        usage(&at).await.iter().map(|usage| usage.counts.calls).sum::<u64>()
    };
    calls.push(called(&at, Some((shop, device))), || sight("first"));
    assert_eq!(counted().await, 1);
    for _ in 0..5 {
        calls.push(called(&at, Some((shop, device))), || sight("later"));
    }
    assert_eq!(counted().await, 1);
    at.clock.advance_seconds(59);
    assert_eq!(counted().await, 1);
    at.clock.advance_seconds(1);
    assert_eq!(counted().await, 6);
    // A clock that is set back does not stop them.
    calls.push(called(&at, Some((shop, device))), || sight("last"));
    at.clock.advance_seconds(-30);
    assert_eq!(counted().await, 7);
}

#[tokio::test]
async fn what_is_too_much_is_dropped_and_counted() {
    let (at, shop, _home) = installation().await;
    let calls = at.app.recorder.thread();
    for id in 0..6_u8 {
        let family = (Bucket::new(5).unwrap(), latchkey_oauth::id::FamilyId::from_bytes([id; 16]));
        calls.push(called(&at, Some((shop, family))), || sight("many"));
    }
    at.app.recorder.flush(&at.app.store, at.app.now()).await.unwrap();
    assert_eq!(at.app.recorder.dropped(), 2, "four of six found room");
    assert_eq!(usage(&at).await[0].counts.calls, 4);
}

/// An archive that answers as it is told, and remembers what came.
#[derive(Debug, Default)]
struct Moody {
    answers: Mutex<VecDeque<Unkept>>,
    came: Mutex<Vec<(u64, u64)>>,
}

#[async_trait]
impl Archive for Moody {
    async fn device(&self, _: FamilyKey) -> Option<DeviceKey> {
        None
    }

    async fn keep(&self, part: &Part) -> Result<(), Unkept> {
        let calls = part.recorded.usage.iter().map(|usage| usage.counts.calls).sum();
        self.came.lock().unwrap().push((part.number, calls));
        self.answers.lock().unwrap().pop_front().map_or(Ok(()), Err)
    }
}

#[tokio::test]
async fn a_part_comes_again_under_its_number_until_it_is_kept_or_given_up() {
    let (at, shop, _home) = installation().await;
    let (recorder, archive) = (Recorder::new(100), Moody::default());
    let calls = recorder.thread();
    let family = (Bucket::new(5).unwrap(), latchkey_oauth::id::FamilyId::from_bytes([9; 16]));
    let call = || calls.push(called(&at, Some((shop, family))), || sight("a"));
    let mut now = at.app.now();
    let lost = || Unkept::Now("no answer".to_owned());
    archive.answers.lock().unwrap().extend([lost(), lost()]);
    call();
    for _ in 0..3 {
        recorder.move_on(&archive, now).await;
        call();
        now = now.plus_seconds(1);
    }
    assert_eq!(*archive.came.lock().unwrap(), [(1, 1), (1, 1), (1, 1)], "what came since waits");
    archive.answers.lock().unwrap().push_back(Unkept::Ever("no batch".to_owned()));
    now = now.plus_seconds(60);
    recorder.move_on(&archive, now).await;
    assert_eq!(recorder.dropped(), 3, "those of the part that is given up");
    call();
    archive.answers.lock().unwrap().push_back(lost());
    assert!(recorder.flush(&archive, now).await.is_err());
    call();
    recorder.flush(&archive, now).await.unwrap();
    let came = archive.came.lock().unwrap().split_off(3);
    assert_eq!(came, [(2, 3), (3, 1), (3, 1), (4, 1)]);
}
