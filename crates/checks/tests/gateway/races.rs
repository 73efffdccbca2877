//! I4, I8, I10 at the gateway: calls without a pause while their tokens are refreshed, revoked and issued
//! anew. Every call and every change is written down with its times, and the history is judged: no call that
//! began after a revocation was answered may pass, and none may be refused that nothing has ended.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use latchkey_checks::client::{Application, Client, Pair};
use latchkey_checks::dice::Dice;
use latchkey_checks::history::{Deed, Event, Given, Moment, Reply, violations};
use latchkey_checks::load::token;
use latchkey_checks::server::{Launch, Person};
use latchkey_checks::wire::{Connection, Request, short};

use crate::stage::{API, Stage, scene};

/// Changes to each key.
const CHANGES: usize = 30;
/// Callers for each key, of which one would already meet every change.
const CALLERS: usize = 2;
/// How many tokens of a key callers know: the newest, and some that ended.
const KNOWN: usize = 3;

/// Calls that callers of a key may make for each of its changes: judging a history takes more than twice as long
/// where it is twice as long.
const CALLS: usize = 16;

/// One token key, and what its callers know.
struct Key<'a> {
    number: usize,
    application: &'a Application,
    person: Option<&'a Person>,
    scope: String,
    known: Mutex<VecDeque<String>>,
    /// Calls that may still be made.
    calls: AtomicUsize,
}

impl Key<'_> {
    fn issue(&self, client: &Client) -> Result<Pair> {
        match self.person {
            Some(person) => client.sign_in(self.application, person, &self.scope),
            None => client.issue(self.application, &self.scope),
        }
    }

    fn tell(&self, value: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.push_front(value.to_owned());
        known.truncate(KNOWN);
    }

    /// Whether there is a call left; it is made then.
    fn may_call(&self) -> bool {
        self.calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    /// The newest token, or now and then an older one.
    fn choose(&self, dice: &mut Dice) -> Option<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = known.front()?.clone();
        let any = usize::try_from(dice.below(known.len() as u64)).unwrap_or_default();
        Some(if dice.chance(70) { newest } else { known[any].clone() })
    }
}

/// Writes down what `run` did, with its times.
fn written(key: &Key<'_>, origin: Instant, run: impl FnOnce() -> Result<Deed>) -> Result<Event> {
    let now = || Moment::try_from(origin.elapsed().as_nanos()).unwrap_or(Moment::MAX);
    let began = now();
    let deed = run()?;
    Ok(Event { key: key.number, began, ended: now(), deed })
}

fn given(pair: &Pair) -> Result<Given> {
    Ok(Given { access: token(&pair.access)?, refresh: pair.refresh.as_deref().map(token).transpose()? })
}

/// Refreshes, revokes and issues anew; each answer is known to the callers at once.
fn change(key: &Key<'_>, client: &Client, origin: Instant) -> Result<Vec<Event>> {
    let mut dice = Dice::new(key.number as u64);
    let mut events = Vec::new();
    let mut current: Option<Pair> = None;
    for _ in 0..CHANGES {
        let (held, choice) = (current.take(), dice.below(3));
        let event = match (held, choice) {
            (Some(Pair { refresh: Some(refresh), .. }), 0) => written(key, origin, || {
                let next = client.refresh(key.application, &refresh)?;
                let deed = Deed::Refresh(token(&refresh)?, Reply::Ok(given(&next)?));
                current = Some(next);
                Ok(deed)
            }),
            (Some(pair), 1) => written(key, origin, || {
                client.revoke(key.application, &pair.access)?;
                Ok(Deed::Revoke(token(&pair.access)?, Reply::Ok(())))
            }),
            _ => written(key, origin, || {
                let next = key.issue(client)?;
                let deed = Deed::Issue(Reply::Ok(given(&next)?));
                current = Some(next);
                Ok(deed)
            }),
        };
        events.push(event?);
        key.calls.fetch_add(CALLS, Ordering::Relaxed);
        if let Some(pair) = &current {
            key.tell(&pair.access);
        }
    }
    Ok(events)
}

/// Calls until `is_over`.
fn call(key: &Key<'_>, stage: &Stage, (origin, is_over): (Instant, &AtomicBool)) -> Result<Vec<Event>> {
    let mut dice = Dice::new(1_000 + key.number as u64);
    let mut events = Vec::new();
    let mut connection = Connection::open(stage.gateway())?;
    while !is_over.load(Ordering::Relaxed) {
        let Some(value) = key.may_call().then(|| key.choose(&mut dice)).flatten() else {
            thread::yield_now();
            continue;
        };
        let request = Request::new("GET", &format!("{API}/race"));
        let request = request.header("Authorization", &format!("Bearer {value}"));
        let event = written(key, origin, || {
            let reply = connection.send(&request)?;
            match reply.status {
                200 => Ok(Deed::Probe(token(&value)?, true)),
                401 => Ok(Deed::Probe(token(&value)?, false)),
                other => bail!("status {other}: {}", short(&reply.text())),
            }
        })?;
        // Of a run of equal verdicts, the first and the last say all.
        if events.len() > 1 && events.iter().rev().take(2).all(|before: &Event| before.deed == event.deed) {
            events.pop();
        }
        events.push(event);
    }
    Ok(events)
}

fn race(stage: &Stage) -> Result<Vec<Event>> {
    let mut keys = Vec::new();
    for application in [&stage.opaque, &stage.jwt] {
        for person in [None, Some(&stage.server.demo.user)] {
            let number = keys.len();
            let scope = format!("device_race{number}");
            keys.push(Key {
                number,
                application,
                person,
                scope,
                known: Mutex::default(),
                calls: AtomicUsize::new(CALLS),
            });
        }
    }
    let (origin, is_over) = (Instant::now(), AtomicBool::new(false));
    thread::scope(|scope| {
        let (keys, is_over, client) = (&keys, &is_over, &stage.server.client);
        let callers: Vec<_> = (0..CALLERS)
            .flat_map(|_| keys)
            .map(|key| scope.spawn(move || call(key, stage, (origin, is_over))))
            .collect();
        let changers: Vec<_> =
            keys.iter().map(|key| scope.spawn(move || change(key, client, origin))).collect();
        let mut events = Vec::new();
        let changed: Vec<_> = changers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        is_over.store(true, Ordering::Relaxed);
        let called = callers.into_iter().map(thread::ScopedJoinHandle::join);
        for joined in changed.into_iter().chain(called) {
            events.extend(joined.map_err(|_| anyhow::anyhow!("a client panicked"))??);
        }
        Ok(events)
    })
}

#[test]
fn i4_calls_beside_revocations() -> Result<()> {
    for settings in [&[][..], &["store.cache_entries=1", "gateway.token_cache.entries=1"]] {
        let launch = settings.iter().fold(Launch::new(), |launch, setting| launch.set(setting));
        scene(launch, |stage, report| {
            let events = race(stage)?;
            // Runs of equal verdicts, that is.
            let calls = |passed| {
                events
                    .iter()
                    .filter(|event| matches!(event.deed, Deed::Probe(_, seen) if seen == passed))
                    .count()
            };
            report.check("I4", "calls passed and were refused, or the race says nothing", || {
                ensure!(calls(true) > 50 && calls(false) > 50, "{}, {}", calls(true), calls(false));
                Ok(())
            });
            report.check("I4", &format!("{settings:?}: no rule is broken"), || {
                let broken = violations(&events);
                let first: Vec<String> = broken.iter().take(3).map(ToString::to_string).collect();

                ensure!(broken.is_empty(), "{} of {} events: {first:#?}", broken.len(), events.len());
                Ok(())
            });
            Ok(())
        })?;
    }
    Ok(())
}
