//! Concurrent clients on few token keys, who write down what they did and saw.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::client::{Application, Client, Pair, pair_of, password_form};
use crate::dice::Dice;
use crate::history::{Deed, Event, Given, Moment, Reply, Token};
use crate::server::{self, Person, Server};
use crate::wire::{self, Connection, Request, short};

/// Devices per application and subject: few, so that clients meet on the same key.
const DEVICES: [&str; 3] = ["device_a", "device_b", "device_c"];
/// How many pairs of a key are remembered for later requests.
const REMEMBERED: usize = 4;
/// Connections of an audit.
const AUDITORS: usize = 8;

/// A token key, as a client reaches it.
#[derive(Debug, Clone)]
struct Key {
    application: Application,
    /// Whose token; the application's own where none.
    person: Option<Person>,
    scope: &'static str,
}

/// Clients of one server.
#[derive(Debug)]
pub struct Load {
    keys: Vec<Key>,
    origin: Instant,
}

/// One client at work.
struct Worker<'a> {
    load: &'a Load,
    client: &'a Client,
    connection: Connection,
    dice: Dice,
    known: &'a [Mutex<VecDeque<Given>>],
    keys: Vec<usize>,
    events: Vec<Event>,
}

impl Load {
    /// Makes an application for JWTs and one for opaque tokens; keys of theirs and of alice.
    pub fn new(server: &Server) -> Result<Self> {
        let mut keys = Vec::new();
        for format in ["jwt", "opaque"] {
            let application = server.application(&format!("Load {format}"), &["--token-format", format])?;
            for scope in DEVICES {
                let own = Key { application: application.clone(), person: None, scope };
                let user = Key { person: Some(server.demo.user.clone()), ..own.clone() };
                keys.extend([own, user]);
            }
        }
        Ok(Self { keys, origin: Instant::now() })
    }

    /// The present moment of this load's clock.
    pub fn now(&self) -> Moment {
        Moment::try_from(self.origin.elapsed().as_nanos()).unwrap_or(Moment::MAX)
    }

    /// Lets clients work by `plan` and kills the server when it is time; gives what each client did, in its
    /// order, one event for each answer. `carried` tells what an earlier round left. An answer lost before
    /// the kill is an error.
    pub fn until_killed(
        &self,
        server: &mut Server,
        plan: &Plan,
        carried: &[Event],
    ) -> Result<Vec<Vec<Event>>> {
        let known: Vec<_> = (0..self.keys.len()).map(|key| Mutex::new(given_to(key, carried))).collect();
        let (dying, client) = (AtomicBool::new(false), server.client.clone());
        let work = |number: u64| {
            let mut worker = Worker {
                load: self,
                client: &client,
                connection: Connection::open(client.address())?,
                dice: Dice::new(plan.seed.wrapping_mul(64).wrapping_add(number)),
                known: &known,
                keys: plan.keys_of(number, self.keys.len()),
                events: Vec::new(),
            };
            worker.work(&dying, plan)?;
            Ok::<_, anyhow::Error>(worker.events)
        };
        let work = &work;
        thread::scope(|scope| {
            let running: Vec<_> = (0..plan.clients).map(|number| scope.spawn(move || work(number))).collect();
            if let Stop::After(life) = plan.stop {
                server::pass(life);
                dying.store(true, Ordering::SeqCst);
                server.kill()?;
            }
            let joined =
                running.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a client panicked"))?);
            let events = joined.collect::<Result<Vec<_>>>()?;
            if matches!(plan.stop, Stop::Deeds(_)) {
                server.kill()?;
            }
            Ok(events)
        })
    }

    /// Asks about every token of `events` and adds the answers; gives the moment before the first question.
    pub fn audit(&self, server: &Server, events: &mut Vec<Event>) -> Result<Moment> {
        let began = self.now();
        let mut tokens: BTreeSet<(usize, Token)> = BTreeSet::new();
        for event in &*events {
            tokens.extend(
                event.given().into_iter().flat_map(Given::tokens).map(|token| (event.key, token.clone())),
            );
            if let Deed::Probe(token, _) = &event.deed {
                tokens.insert((event.key, token.clone()));
            }
        }
        let tokens: Vec<_> = tokens.into_iter().collect();
        let client = &server.client;
        let ask = |first: usize| {
            let mut connection = Connection::open(client.address())?;
            let asked = tokens.iter().skip(first).step_by(AUDITORS);
            asked
                .map(|(key, token)| self.probe(client, &mut connection, (*key, token)))
                .collect::<Result<Vec<_>>>()
        };
        let answers = thread::scope(|scope| {
            let running: Vec<_> = (0..AUDITORS).map(|first| scope.spawn(move || ask(first))).collect();
            let joined = running
                .into_iter()
                .map(|thread| thread.join().map_err(|_| anyhow!("an auditor panicked"))?);
            joined.collect::<Result<Vec<_>>>()
        })?;
        events.extend(answers.into_iter().flatten());
        Ok(began)
    }

    fn probe(&self, client: &Client, connection: &mut Connection, what: (usize, &Token)) -> Result<Event> {
        let (key, token) = what;
        let began = self.now();
        let answer = connection.send(&client.introspection(&token.value))?.expect(200)?.json()?;
        let active = answer["active"].as_bool().context("introspection says neither true nor false")?;
        Ok(Event { key, began, ended: self.now(), deed: Deed::Probe(token.clone(), active) })
    }
}

/// How long and with how many clients a round works.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Names the choices of every client.
    pub seed: u64,
    /// How many clients.
    pub clients: u64,
    /// Who works on which key.
    pub keys: Keys,
    /// When the server is killed.
    pub stop: Stop,
}

impl Plan {
    /// The keys on which client `number` works, of `count`.
    fn keys_of(&self, number: u64, count: usize) -> Vec<usize> {
        let all = 0..count;
        match self.keys {
            Keys::Shared => all.collect(),
            Keys::Few => all.take(3).collect(),
            Keys::OwnEach => all.filter(|key| *key as u64 % self.clients == number).collect(),
        }
    }
}

/// Who works on which key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Every client on every key: they meet.
    Shared,
    /// Every client on the same three keys: they meet all the time.
    Few,
    /// Each client on keys of its own: what must hold is nearly always certain.
    OwnEach,
}

/// When the server is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// After this time, whatever is in flight.
    After(Duration),
    /// When each client has had so many answers.
    Deeds(usize),
}

/// The pairs of `key` in `events`, the newest first.
fn given_to(key: usize, events: &[Event]) -> VecDeque<Given> {
    let given = events.iter().rev().filter(|event| event.key == key).filter_map(Event::given);
    given.take(REMEMBERED).cloned().collect()
}

impl Worker<'_> {
    fn work(&mut self, dying: &AtomicBool, plan: &Plan) -> Result<()> {
        let enough = |done: usize| matches!(plan.stop, Stop::Deeds(deeds) if done >= deeds);
        while !dying.load(Ordering::SeqCst) && !enough(self.events.len()) {
            let (key, deed) = self.choose();
            let began = self.load.now();
            let request = self.request(key, &deed);
            let reply = self.client.send_on(&mut self.connection, &request);
            let deed = match reply {
                Ok(reply) => self.outcome(key, deed, &reply)?,
                Err(_) if dying.load(Ordering::SeqCst) => deed.lost(),
                Err(problem) => return Err(problem.context("an answer was lost while the server lived")),
            };
            let Some(deed) = deed else { continue };
            self.events.push(Event { key, began, ended: self.load.now(), deed });
        }
        Ok(())
    }

    /// What to do next: on a user's key mostly refreshes (sign-ins are slow by design), else issues.
    fn choose(&mut self) -> (usize, Deed) {
        let key = *self.dice.pick(&self.keys);
        let known = self.known[key].lock().unwrap_or_else(PoisonError::into_inner);
        let newest = known.front().cloned();
        let any = known.get(usize::try_from(self.dice.below(known.len() as u64)).unwrap_or(0)).cloned();
        drop(known);
        let (Some(newest), Some(any)) = (newest, any) else { return (key, Deed::Issue(Reply::Unknown)) };
        let roll = self.dice.below(100);
        let is_user = self.load.keys[key].person.is_some();
        let stale = self.dice.chance(15);
        let refresh = if stale { any.refresh.clone() } else { newest.refresh.clone() };
        let asked = if self.dice.chance(60) { newest } else { any.clone() };
        let deed = match (roll, refresh) {
            (0..10, Some(token)) if self.dice.chance(50) => Deed::Revoke(token, Reply::Unknown),
            (0..10, _) => Deed::Revoke(any.access, Reply::Unknown),
            (10..30, _) => Deed::Probe(asked.access, false),
            (30..40, _) if asked.refresh.is_some() => Deed::Probe(asked.refresh.unwrap_or(any.access), false),
            (40..97, Some(token)) if is_user => Deed::Refresh(token, Reply::Unknown),
            _ => Deed::Issue(Reply::Unknown),
        };
        (key, deed)
    }

    fn request(&self, key: usize, deed: &Deed) -> Request {
        let Key { application, person, scope } = &self.load.keys[key];
        let post = |path: &str, form: &[(&str, &str)]| {
            Request::new("POST", path).basic(&application.key, &application.secret).form(form)
        };
        match deed {
            Deed::Probe(token, _) => self.client.introspection(&token.value),
            Deed::Revoke(token, _) => post("/oauth2/revoke", &[("token", &token.value)]),
            Deed::Refresh(token, _) => {
                post("/oauth2/token", &[("grant_type", "refresh_token"), ("refresh_token", &token.value)])
            }
            Deed::Issue(_) => match person {
                Some(person) => post("/oauth2/token", &password_form(person, scope)),
                None => post("/oauth2/token", &[("grant_type", "client_credentials"), ("scope", scope)]),
            },
        }
    }

    /// What the answer says about the deed; none where a probe was not answered.
    fn outcome(&self, key: usize, deed: Deed, reply: &wire::Reply) -> Result<Option<Deed>> {
        ensure!(reply.status != 500, "{deed:?}: status 500: {}", short(&reply.text()));
        if reply.status == 503 {
            return Ok(deed.lost());
        }
        let deed = match deed {
            Deed::Issue(_) => Deed::Issue(Reply::Ok(self.given(key, reply)?)),
            Deed::Refresh(token, _) if reply.status == 400 => {
                reply.refused(400, "invalid_grant")?;
                Deed::Refresh(token, Reply::Refused)
            }
            Deed::Refresh(token, _) => Deed::Refresh(token, Reply::Ok(self.given(key, reply)?)),
            Deed::Revoke(token, _) => {
                ensure!(reply.status == 200, "revocation: {}: {}", reply.status, short(&reply.text()));
                Deed::Revoke(token, Reply::Ok(()))
            }
            Deed::Probe(token, _) => {
                let active = reply.json()?["active"].as_bool().context("neither active nor inactive")?;
                Deed::Probe(token, active)
            }
        };
        Ok(Some(deed))
    }

    fn given(&self, key: usize, reply: &wire::Reply) -> Result<Given> {
        let pair: Pair = pair_of(reply)?;
        let scope = self.load.keys[key].scope;
        ensure!(pair.scope == scope, "asked for {scope}, got {:?}", pair.scope);
        let given =
            Given { access: token(&pair.access)?, refresh: pair.refresh.as_deref().map(token).transpose()? };
        let mut known = self.known[key].lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&given) {
            known.push_front(given.clone());
            known.truncate(REMEMBERED);
        }
        Ok(given)
    }
}

/// `value` with its identity: the `jti` of a JWT, which may be signed anew for the same generation.
pub fn token(value: &str) -> Result<Token> {
    if value.matches('.').count() != 2 {
        return Ok(Token { identity: value.into(), value: value.into() });
    }
    let claims = value.split('.').nth(1).context("not a JWT")?;
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims)?)?;
    let Some(jti) = claims["jti"].as_str() else { bail!("a JWT without jti") };
    Ok(Token { identity: jti.into(), value: value.into() })
}
