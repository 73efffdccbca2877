//! Tiers, and what is used of limits.

use latchkey_catalog::count::CountKey;
use latchkey_catalog::tier::{Level, PastLimit, Tier, TierDetails};

use super::super::limit::{self, LimitListing, LimitView};
use super::super::tier::{self, TierView};
use super::super::{AdminError, ErrorKind, subscription};
use super::published::{PATH, published};
use super::*;

fn tier(name: &str, level: Level, limit: &str) -> Tier {
    let limit = Some(limit.parse().unwrap());
    Tier {
        name: name.to_owned(),
        level,
        limit,
        burst: None,
        past_limit: PastLimit::Refuse,
        details: TierDetails::default(),
    }
}

fn put(tier: Tier) -> Command {
    Command::Tier(tier::Command::Put(tier))
}

fn delete(level: Level, name: &str) -> Command {
    Command::Tier(tier::Command::Delete { level, name: name.to_owned() })
}

fn set_tier(name: &str, tier: &str) -> Command {
    Command::Application(application::Command::SetTier { application: named(name), tier: tier.to_owned() })
}

async fn tiers(at: &Installation) -> Vec<TierView> {
    match at.execute(Command::Tier(tier::Command::List)).await {
        Ok(Reply::Tiers(tiers)) => tiers,
        other => panic!("no tiers: {other:?}"),
    }
}

fn refused(error: &AdminError, word: &str) {
    assert!(error.message.contains(word), "{word} in {error}");
    assert_eq!(error.kind, ErrorKind::Refused);
}

#[tokio::test]
async fn tiers_come_change_and_go() {
    for (at, _home) in installations().await {
        let count = tiers(&at).await.len();
        let burst = Some("5/second".parse().unwrap());
        let small = Tier { burst, ..tier("Small", Level::Subscription, "20/minute") };
        let said = at.done(put(small)).await;
        assert_eq!(
            said,
            "The subscription tier Small has 20/minute, at most 5/second, from the next call on."
        );
        let said = at.done(put(tier("Small", Level::Subscription, "30/2 hours"))).await;
        assert!(said.contains("has 30/2 hours, from"), "{said}");
        let all = tiers(&at).await;
        let found = all.iter().find(|tier| tier.name == "Small").unwrap();
        assert_eq!((all.len(), found.limit.as_deref(), &found.burst), (count + 1, Some("30/2 hours"), &None));
        at.done(delete(Level::Subscription, "Small")).await;
        assert_eq!(tiers(&at).await.len(), count);
        refused(&at.refusal(delete(Level::Subscription, "Small")).await, "latchkey tier list");
        refused(&at.refusal(delete(Level::Subscription, "Unauthenticated")).await, "needs it");
        refused(&at.refusal(put(tier("Unlimited", Level::Resource, "1/day"))).await, "another name");
        let bad = at.refusal(put(tier("Small tier", Level::Resource, "1/day"))).await;
        assert_eq!(bad.kind, ErrorKind::WrongUse);
    }
}

#[tokio::test]
async fn an_application_gets_another_tier() {
    for (at, _home) in installations().await {
        at.done(add_user("alice")).await;
        let keys = create(&at, new_application("Shop")).await;
        at.done(set_tier("Shop", "20PerMin")).await;
        let facts = at.app.store.client(&keys.consumer_key).await.unwrap().unwrap();
        assert_eq!(facts.application.tier, "20PerMin");
        refused(&at.refusal(set_tier("Shop", "Gold")).await, "10PerMin, 20PerMin, 50PerMin, Unlimited");
        refused(&at.refusal(delete(Level::Application, "20PerMin")).await, "given to something");
    }
}

fn which(api: Option<&str>, user: Option<&str>) -> limit::Which {
    limit::Which { application: named("Shop"), api: api.map(str::to_owned), user: user.map(str::to_owned) }
}

async fn used(at: &Installation, which: limit::Which) -> Vec<LimitView> {
    match at.execute(Command::Limit(limit::Command::List(which))).await {
        Ok(Reply::Limits(LimitListing { limits, has_more: false })) => limits,
        other => panic!("no limits: {other:?}"),
    }
}

/// Makes calls: as many permits of `key` as there are, up to `count`; how many there were.
async fn calls(at: &Installation, key: CountKey, (limit, count): (&str, u64)) -> u64 {
    let counters = &at.app.kept_by_gateway.counters;
    let limit = limit.parse().unwrap();
    let mut admitted = 0;
    for _ in 0..count {
        admitted += counters.lend(key, (limit, 1), &*at.app.clock).await.unwrap().permits;
    }
    admitted
}

/// Alice's application Shop with a subscription of 50 calls an hour, and six of its own a minute; what each is
/// counted for: the subscription, alice, the application itself.
async fn shop(at: &Installation) -> [CountKey; 3] {
    at.done(add_user("alice")).await;
    let keys = create(at, new_application("Shop")).await;
    published(at).await;
    at.done(put(tier("Hourly", Level::Subscription, "50/hour"))).await;
    at.done(put(tier("Six", Level::Application, "6/minute"))).await;
    at.done(set_tier("Shop", "Six")).await;
    let named = subscription::Named { application: named("Shop"), api: PATH.to_owned() };
    let subscribe = subscription::Command::Subscribe { named, tier: "Hourly".to_owned() };
    at.done(Command::Subscription(subscribe)).await;
    let api = at.app.store.apis().await.unwrap()[0].id;
    let alice = at.app.store.user("alice").await.unwrap().unwrap().user.id;
    let client = at.app.store.client(&keys.consumer_key).await.unwrap().unwrap().client.id;
    let of = |subject| CountKey::Application(keys.id, Some(subject));
    [CountKey::Subscription(api, Some(keys.id)), of(alice), of(client)]
}

#[tokio::test]
async fn what_is_used_is_shown_and_begins_anew() {
    for (at, _home) in installations().await {
        let [subscription, alice, itself] = shop(&at).await;
        assert_eq!(used(&at, which(None, None)).await.len(), 0);
        assert_eq!(calls(&at, subscription, ("50/hour", 60)).await, 50);
        assert_eq!(calls(&at, alice, ("6/minute", 4)).await, 4);
        assert_eq!(calls(&at, itself, ("6/minute", 9)).await, 6);
        let mut shown: Vec<_> = used(&at, which(None, None))
            .await
            .into_iter()
            .map(|one| format!("{} {:?} {:?} {:?} {}", one.kind, one.api, one.user, one.limit, one.used))
            .collect();
        shown.sort();
        let limits = [
            r#"application None Some("alice") Some("6/minute") 4"#,
            r#"application None Some("the application itself") Some("6/minute") 6"#,
            r#"subscription Some("/orders/1.0.0") None Some("50/hour") 50"#,
        ];
        assert_eq!(shown, limits);
        assert_eq!(used(&at, which(None, Some("alice"))).await.len(), 1);
        assert_eq!(used(&at, which(Some(PATH), None)).await[0].resets_at, "2027-01-15T09:00:00Z");

        let reset = |which| Command::Limit(limit::Command::Reset(which));
        let said = at.done(reset(which(None, Some("alice")))).await;
        assert_eq!(said, "One limit of application Shop begins anew, from the next call on.");
        assert_eq!(calls(&at, alice, ("6/minute", 9)).await, 6);
        assert_eq!(calls(&at, itself, ("6/minute", 9)).await, 0);
        at.done(reset(which(Some(PATH), None))).await;
        assert_eq!(calls(&at, subscription, ("50/hour", 60)).await, 50);
        assert_eq!(calls(&at, itself, ("6/minute", 9)).await, 0);
        let said = at.done(reset(which(None, None))).await;
        assert_eq!(said, "3 limits of application Shop begin anew, from the next call on.");
        assert_eq!(calls(&at, subscription, ("50/hour", 60)).await, 50);
        assert_eq!(calls(&at, itself, ("6/minute", 9)).await, 6);
        let events = at.app.store.events(0, 1000).await.unwrap();
        let resets = events.iter().filter(|event| event.event.kind.as_str() == "limit_reset");
        assert_eq!(resets.map(|event| event.event.actor.as_deref()).collect::<Vec<_>>(), [Some("test"); 3]);
    }
}

#[tokio::test]
async fn a_long_window_survives_the_process_and_a_short_one_does_not() {
    let (home, settings) = (home(), ["store.url=sqlite:latchkey.db"]);
    let at = Installation::open(&home, &settings).await;
    let [subscription, alice, _] = shop(&at).await;
    assert_eq!(calls(&at, subscription, ("50/hour", 20)).await, 20);
    assert_eq!(calls(&at, alice, ("6/minute", 9)).await, 6);
    crate::gateway::limits::give_back(&at.app).await;
    drop(at);
    let at = Installation::open(&home, &settings).await;
    assert_eq!(used(&at, which(None, None)).await.iter().map(|one| one.used).collect::<Vec<_>>(), [20]);
    assert_eq!(calls(&at, subscription, ("50/hour", 10)).await, 10);
    assert_eq!(calls(&at, alice, ("6/minute", 9)).await, 6);
    // Killed: what it held ready is lost.
    drop(at);
    let at = Installation::open(&home, &settings).await;
    let left = calls(&at, subscription, ("50/hour", 60)).await;
    assert!((8..=20).contains(&left), "{left}");
    at.clock.advance_seconds(26 * 3600);
    crate::gateway::limits::trim(&at.app).await;
    assert_eq!(at.app.store.trim_tallies(at.app.now()).await.unwrap(), 0, "counts that are over are gone");
}
