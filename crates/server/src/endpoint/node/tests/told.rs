//! What nodes tell, and what is signed for them.

use latchkey_catalog::api::{Api, ApiDefinition};
use latchkey_catalog::id::EntryId;
use latchkey_catalog::usage::Day;
use latchkey_gateway::node::assertions::AssertionAnswer;
use latchkey_gateway::node::wire::Taken;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::family::Device;
use latchkey_oauth::id::PrincipalId;
use latchkey_store::records::{DeviceKey, Sighting, Usage, UsageOf};
use latchkey_store::rows::HolderId;

use super::*;
use crate::admin::explanation;

const API: EntryId = EntryId::from_bytes([7; 16]);
const HOLDER: HolderId =
    HolderId { client: PrincipalId::from_bytes([1; 16]), subject: PrincipalId::from_bytes([2; 16]) };

/// A batch of two calls of one device, which was seen `later` seconds after now.
fn batch(desk: &Desk, number: u64, later: i64) -> Value {
    let at = desk.at.app.now().plus_seconds(later);
    json!({
        "sender": format!("{:032x}", 1),
        "number": number,
        "usage": [{
            "day": Day::of(at).number(), "bucket": HOLDER.bucket().number(), "api": API,
            "subject": HOLDER.subject, "device": "device_a", "calls": 2, "denied": 1, "micros": 9,
        }],
        "sightings": [{
            "client": HOLDER.client, "subject": HOLDER.subject, "device": "device_a",
            "at": at, "first_at": at, "address": "192.0.2.7", "user_agent": "phone/7",
        }],
    })
}

async fn used(desk: &Desk) -> Vec<Usage> {
    desk.at.app.store.usage(UsageOf::Api(API), Day::from_number(0), None, 10).await.unwrap()
}

async fn seen(desk: &Desk) -> Sighting {
    let device = DeviceKey { holder: HOLDER, device: Device::from_stored("device_a") };
    desk.at.app.store.last_seen(vec![device]).await.unwrap().pop().flatten().unwrap()
}

#[tokio::test]
async fn calls_at_nodes_are_kept_once() {
    let desk = Desk::open().await;
    for (number, calls) in [(1, 2), (1, 2), (2, 4), (1, 4)] {
        let Taken {} = desk.ask(RECORDS, &batch(&desk, number, 0)).await;
        let found = used(&desk).await;
        assert_eq!((found.len(), found[0].counts.calls), (1, calls), "batch {number}");
        assert_eq!((found[0].counts.denied, found[0].counts.micros), (calls / 2, calls / 2 * 9));
        assert_eq!(
            (&found[0].key.device, found[0].key.subject),
            (&Device::from_stored("device_a"), Some(HOLDER.subject))
        );
    }
    let seen = seen(&desk).await;
    assert_eq!((seen.at, seen.user_agent.as_deref()), (desk.at.app.now(), Some("phone/7")));
    assert_eq!(seen.address, Some([192, 0, 2, 7].into()));
}

#[tokio::test]
async fn nothing_is_kept_of_a_time_to_come() {
    let desk = Desk::open().await;
    let Taken {} = desk.ask(RECORDS, &batch(&desk, 1, 1_000_000)).await;
    assert_eq!(used(&desk).await[0].key.day, Day::of(desk.at.app.now()));
    assert_eq!(seen(&desk).await.at, desk.at.app.now(), "a later one takes its place");
}

#[tokio::test]
async fn what_the_server_is_not_to_keep_no_node_brings_in() {
    let desk = Desk::open_with(&["records.addresses=false", "records.user_agents=false"]).await;
    let Taken {} = desk.ask(RECORDS, &batch(&desk, 1, 0)).await;
    let seen = seen(&desk).await;
    assert_eq!((seen.address, seen.user_agent), (None, None));
}

#[tokio::test]
async fn what_is_no_batch_is_refused_whole() {
    let desk = Desk::open().await;
    let mut bad = Vec::new();
    for (list, name, value) in [
        ("usage", "bucket", json!(u16::MAX)),
        ("usage", "calls", json!(0)),
        ("usage", "micros", json!(u64::MAX)),
        ("sightings", "address", json!("nowhere")),
        ("sightings", "user_agent", json!("\u{1b}")),
    ] {
        let mut batch = batch(&desk, 1, 0);
        batch[list][0][name] = value;
        bad.push(batch);
    }
    for batch in bad {
        let body = batch.to_string().into_bytes();
        let (status, _) = desk.send(RECORDS, Some(desk.secret.expose()), &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{batch}");
    }
    assert_eq!(used(&desk).await, []);
}

fn told_of(id: &str) -> Value {
    json!({"id": id, "at": Timestamp::from_seconds(5), "status": 401, "code": "900901", "rule": "A rule.", "fix": "A fix."})
}

#[tokio::test]
async fn a_question_reaches_the_nodes_and_the_answer_who_asked() {
    let desk = Desk::open().await;
    let id = "0123456789abcdef";
    let feed = async |since: Option<&Place>, inquiries: Option<u64>| -> FeedAnswer {
        let question = json!({"since": since, "nonce": 7, "wait": 60_000, "inquiries": inquiries});
        desk.ask(FEED, &question).await
    };
    let first = feed(None, Some(0)).await;
    assert_eq!((first.asked.len(), first.inquiries), (0, 0));
    let node = async {
        let begun = std::time::Instant::now();
        let heard = feed(Some(&first.place), Some(0)).await;
        assert!(begun.elapsed() < Duration::from_millis(200), "at once, not with the next heartbeat");
        assert_eq!(
            (heard.asked.as_slice(), heard.inquiries, heard.nonce),
            (&[id.to_owned()][..], 1, Some(7))
        );
        let again = feed(Some(&heard.place), Some(heard.inquiries)).await;
        assert!(again.asked.is_empty(), "it is told once");
        let older = feed(Some(&heard.place), None).await;
        assert!(older.asked.is_empty(), "a node that answers nothing is asked nothing");
        // Numbers of another opening say nothing here.
        let lost = Place { opening: "0".repeat(32), ..heard.place };
        assert_eq!(feed(Some(&lost), Some(9)).await.asked, [id]);
        let Taken {} = desk.ask(EXPLANATIONS, &told_of("ffffffffffffffff")).await;
        let Taken {} = desk.ask(EXPLANATIONS, &told_of(id)).await;
    };
    let (found, ()) = tokio::join!(explanation::find(&desk.at.app, id), node);
    let found = found.unwrap();
    assert_eq!((found.node.as_deref(), found.status, found.rule.as_str()), (Some("edge-1"), 401, "A rule."));
    let (status, _) =
        desk.send(EXPLANATIONS, Some(desk.secret.expose()), &told_of("7").to_string().into_bytes()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_nobody_knows_is_said_to_be_unknown() {
    let desk = Desk::open().await;
    let unknown = explanation::find(&desk.at.app, "0123456789abcdef").await.unwrap_err();
    assert!(unknown.to_string().contains("nothing is known of 0123456789abcdef"), "{unknown}");
}

#[tokio::test]
async fn an_assertion_is_signed_while_the_token_lives() {
    let desk = Desk::open_with(&["gateway.backend_jwt.enabled=true"]).await;
    let (_, facts) = desk.token().await;
    let ask = async |generation: u32, api: EntryId| -> AssertionAnswer {
        let (bucket, family) = (facts.bucket, facts.family.to_string());
        let question = json!({"bucket": bucket, "family": family, "generation": generation, "api": api});
        desk.ask(ASSERTIONS, &question).await
    };
    assert_eq!(ask(1, API).await, AssertionAnswer::Ended, "there is no such API");
    let (name, context, version) = ("Echo".to_owned(), "/check".to_owned(), "1.0.0".to_owned());
    let api = Api { id: API, name, context, version, definition: ApiDefinition::default() };
    let change = Change { what: CatalogueChange::PutApi(api), actor: "test".to_owned() };
    desk.at.app.store.change(change).await.unwrap().unwrap();
    let AssertionAnswer::Signed { assertion, until } = ask(1, API).await else { panic!("it is not signed") };
    assert_eq!(until, desk.at.app.now().plus_seconds(810), "a tenth of its life is left then");
    assert_eq!(assertion.split('.').count(), 3);
    assert_eq!(ask(2, API).await, AssertionAnswer::Ended, "no such generation");
    desk.at.clock.advance_seconds(1_000_000);
    assert_eq!(ask(1, API).await, AssertionAnswer::Ended, "expired");
}

#[tokio::test]
async fn a_server_that_asserts_nothing_says_so() {
    let desk = Desk::open().await;
    let question = json!({"bucket": 1, "family": "0".repeat(32), "generation": 1, "api": API});
    let answer: AssertionAnswer = desk.ask(ASSERTIONS, &question).await;
    assert_eq!(answer, AssertionAnswer::Off);
}
