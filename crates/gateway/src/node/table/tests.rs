//! The table against a model of a server whose answers and changes arrive whenever they like.

use crate::node::wire::ApiKeyFacts;
use latchkey_catalog::id::EntryId;
use latchkey_oauth::client::KeyType;
use latchkey_oauth::family::SubjectType;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

use super::*;

const ROOM: Room = Room { entries: 100, ttl: Duration::from_mins(15) };
const NOW: Duration = Duration::from_secs(10);

/// A family as the server has it.
#[derive(Debug, Clone)]
struct Row {
    id: FamilyId,
    generation: u32,
    alive: bool,
    client: usize,
    epochs: (u64, u64),
}

/// A server with a few families of one user through two clients.
#[derive(Debug)]
struct Server {
    rows: Vec<Row>,
    /// Of the two clients and the user.
    epochs: [u64; 3],
    catalogue: u64,
    /// How often the application of each client was changed.
    applications: [u64; 2],
    log: Vec<Told>,
}

const USER: usize = 2;
const ROWS: usize = 3;

fn principal(number: usize) -> PrincipalId {
    PrincipalId::from_bytes([u8::try_from(number).unwrap(); 16])
}

impl Server {
    fn new() -> Self {
        let mut server =
            Self { rows: Vec::new(), epochs: [1; 3], catalogue: 0, applications: [0; 2], log: Vec::new() };
        for slot in 0..ROWS {
            server.issue(slot);
        }
        server
    }

    /// A new family in `slot`.
    fn issue(&mut self, slot: usize) {
        let client = slot % 2;
        let id = FamilyId::from_bytes(u128::try_from(self.rows.len()).unwrap().to_be_bytes());
        let epochs = (self.epochs[client], self.epochs[USER]);
        self.rows.push(Row { id, generation: 1, alive: true, client, epochs });
    }

    fn lives(&self, token: Token) -> bool {
        let row = &self.rows[token.row];
        row.alive
            && row.generation == token.generation
            && row.epochs == (self.epochs[row.client], self.epochs[USER])
    }

    /// The answer about a token; none where it is dead.
    fn answer(&self, token: Token) -> Option<(Arc<Known>, Arc<HolderFacts>)> {
        if !self.lives(token) {
            return None;
        }
        let row = &self.rows[token.row];
        let holder = HolderFacts {
            application: EntryId::from_bytes([9; 16]),
            application_tier: format!("{} {}", self.catalogue, self.applications[row.client]),
            consumer_key: None,
            api_key: None,
            keys: KeyType::Production,
            subscriptions: Vec::new(),
        };
        let facts = TokenFacts {
            bucket: 1,
            family: row.id,
            generation: row.generation,
            expires: None,
            scope: String::new(),
            device: None,
            client: principal(row.client),
            client_epoch: row.epochs.0,
            subject_type: SubjectType::ApplicationUser,
            subject: principal(USER),
            subject_epoch: row.epochs.1,
            holder: holder.clone(),
        };
        Some((Arc::new(Known::from_facts(&facts, NOW).unwrap()), Arc::new(holder)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token {
    row: usize,
    generation: u32,
}

impl Token {
    fn digest(self) -> Digest {
        let mut digest = [0; 32];
        digest[0] = u8::try_from(self.row).unwrap();
        digest[1..5].copy_from_slice(&self.generation.to_be_bytes());
        digest
    }
}

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Step {
    Issue(usize),
    Renew(usize),
    End(usize),
    Reset(usize),
    Application(usize),
    Catalogue,
    Keys,
    /// The node hears of so many changes.
    Hear(usize),
    /// The node missed something and begins at the end of the log.
    Gap,
    /// The node asks about a token, `back` generations old.
    Ask(usize, u32),
    /// The server looks, for one of the questions.
    Serve(usize),
    /// An answer arrives.
    Arrive(usize),
    /// A call comes with a token, `back` generations old.
    Call(usize, u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let slot = 0..6_usize;
    let step = prop_oneof![
        1 => slot.clone().prop_map(Step::Issue),
        2 => slot.clone().prop_map(Step::Renew),
        2 => slot.clone().prop_map(Step::End),
        1 => (0..3_usize).prop_map(Step::Reset),
        1 => (0..2_usize).prop_map(Step::Application),
        1 => Just(Step::Catalogue),
        1 => Just(Step::Keys),
        4 => (1..4_usize).prop_map(Step::Hear),
        1 => Just(Step::Gap),
        6 => (slot.clone(), 0..2_u32).prop_map(|(slot, back)| Step::Ask(slot, back)),
        6 => slot.clone().prop_map(Step::Serve),
        6 => slot.clone().prop_map(Step::Arrive),
        6 => (slot, 0..3_u32).prop_map(|(slot, back)| Step::Call(slot, back)),
    ];
    proptest::collection::vec(step, 1..80)
}

/// What is wrong with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Answers are kept whatever was told while they were under way.
    LateFill,
    /// Resets are not heard.
    DeafToResets,
    /// Changes of applications are not heard.
    DeafToApplications,
    /// After a gap, what was known is kept.
    Remembers,
}

/// A question under way, and what the server said, once it looked.
struct Asked {
    token: Token,
    fence: Fence,
    answer: Answer,
}

enum Answer {
    Pending,
    Alive(Arc<Known>, Arc<HolderFacts>),
    Dead,
}

struct World {
    server: Server,
    table: FamilyTable,
    heard: usize,
    asked: Vec<Asked>,
    fault: Fault,
}

impl World {
    fn new(room: Room, fault: Fault) -> Self {
        let (server, table) = (Server::new(), FamilyTable::new(room));
        Self { server, table, heard: 0, asked: Vec::new(), fault }
    }

    fn token(&self, slot: usize, back: u32) -> Token {
        let row = slot % self.server.rows.len();
        Token { row, generation: self.server.rows[row].generation.saturating_sub(back).max(1) }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let server = &mut self.server;
        let rows = server.rows.len();
        match step {
            Step::Issue(slot) => server.issue(slot % ROWS),
            Step::Renew(slot) => {
                let row = &mut server.rows[slot % rows];
                if row.alive {
                    row.generation += 1;
                    server.log.push(Told::Family { id: row.id, access: Some(row.generation) });
                }
            }
            Step::End(slot) => {
                let row = &mut server.rows[slot % rows];
                row.alive = false;
                server.log.push(Told::Family { id: row.id, access: None });
            }
            Step::Reset(number) => {
                server.epochs[number] += 1;
                let (principal, epoch) = (principal(number), Some(server.epochs[number]));
                server.log.push(Told::Epoch { principal, epoch });
            }
            Step::Application(number) => {
                server.applications[number] += 1;
                server.log.push(Told::Client { id: principal(number) });
            }
            Step::Catalogue => {
                server.catalogue += 1;
                server.log.push(Told::Catalogue);
            }
            Step::Keys => server.log.push(Told::Keys),
            Step::Hear(count) => self.hear(count),
            Step::Gap => {
                self.heard = server.log.len();
                if self.fault != Fault::Remembers {
                    self.table.forget();
                }
            }
            Step::Ask(slot, back) => {
                let (token, fence) = (self.token(slot, back), self.table.fence());
                self.asked.push(Asked { token, fence, answer: Answer::Pending });
            }
            Step::Serve(at) => {
                let count = self.asked.len();
                if let Some(asked) = self.asked.get_mut(at % count.max(1)) {
                    asked.answer = match self.server.answer(asked.token) {
                        Some((known, holder)) => Answer::Alive(known, holder),
                        None => Answer::Dead,
                    };
                }
            }
            Step::Arrive(at) => self.arrive(at),
            Step::Call(slot, back) => return self.call(self.token(slot, back)),
        }
        Ok(())
    }

    fn hear(&mut self, count: usize) {
        for change in self.server.log.iter().skip(self.heard).take(count) {
            let is_missed = match self.fault {
                Fault::DeafToResets => matches!(change, Told::Epoch { .. }),
                Fault::DeafToApplications => matches!(change, Told::Client { .. }),
                Fault::None | Fault::LateFill | Fault::Remembers => false,
            };
            if !is_missed {
                self.table.apply(*change);
            }
            self.heard += 1;
        }
    }

    fn arrive(&mut self, at: usize) {
        let is_ready = |index: &usize| !matches!(self.asked[*index].answer, Answer::Pending);
        let ready: Vec<usize> = (0..self.asked.len()).filter(is_ready).collect();
        if ready.is_empty() {
            return;
        }
        let Asked { token, fence, answer } = self.asked.swap_remove(ready[at % ready.len()]);
        let fence = if self.fault == Fault::LateFill { self.table.fence() } else { fence };
        match answer {
            Answer::Pending => {}
            Answer::Alive(known, holder) => {
                let _ = self.table.keep(fence, token.digest(), (known, holder));
            }
            Answer::Dead => self.table.bury(fence, token.digest(), Standing::Revoked),
        }
    }

    /// What was heard is never contradicted, and nothing that lives is called dead.
    fn call(&self, token: Token) -> Result<(), TestCaseError> {
        match self.table.look(&token.digest(), NOW) {
            Look::Absent => {}
            Look::Dead(_) => prop_assert!(!self.server.lives(token), "{token:?} lives"),
            Look::Known(known, holder) => {
                let heard = &self.server.log[..self.heard];
                prop_assert_eq!(known.family, self.server.rows[token.row].id);
                prop_assert_eq!(known.generation, token.generation);
                let denied = heard
                    .iter()
                    .filter(|change| **change != Told::Unknown)
                    .find(|change| ends(change, &known));
                prop_assert!(denied.is_none(), "{token:?} was let pass after {denied:?} was heard");
                let (catalogue, application) = holder.application_tier.split_once(' ').unwrap();
                for (told, seen) in
                    [(Told::Catalogue, catalogue), (Told::Client { id: known.client }, application)]
                {
                    let count = heard.iter().filter(|change| **change == told).count();
                    let seen: usize = seen.parse().unwrap();
                    prop_assert!(seen >= count, "{told:?} {seen} was used after {count} was heard");
                }
            }
        }
        Ok(())
    }
}

fn try_many(room: Room, fault: Fault) -> Result<(), TestError<Vec<Step>>> {
    let config = Config { cases: 600, max_shrink_iters: 100, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&steps(), |steps| {
        let mut world = World::new(room, fault);
        steps.into_iter().try_for_each(|step| world.step(step))
    })
}

#[test]
fn no_order_of_answers_and_changes_lets_a_revoked_token_pass() {
    for entries in [100, 1, 0] {
        try_many(Room { entries, ..ROOM }, Fault::None).unwrap();
    }
}

#[test]
fn the_model_finds_planted_faults() {
    for fault in [Fault::LateFill, Fault::DeafToResets, Fault::DeafToApplications, Fault::Remembers] {
        let found = try_many(ROOM, fault);
        assert!(matches!(found, Err(TestError::Fail(..))), "{fault:?} is not found");
    }
}

/// A world in which the first family's token was asked about and answered.
fn answered(room: Room) -> (World, Token) {
    let mut world = World::new(room, Fault::None);
    for step in [Step::Ask(0, 0), Step::Serve(0), Step::Arrive(0)] {
        world.step(step).unwrap();
    }
    let token = world.token(0, 0);
    (world, token)
}

#[test]
fn what_was_answered_is_known_until_something_is_told() {
    let (mut world, token) = answered(ROOM);
    let looks = |world: &World| world.table.look(&token.digest(), NOW);
    assert!(matches!(looks(&world), Look::Known(known, _) if known.generation == 1));
    world.step(Step::End(1)).unwrap();
    world.hear(1);
    assert!(matches!(looks(&world), Look::Known(..)), "another family is another matter");
    world.step(Step::End(0)).unwrap();
    world.hear(1);
    assert!(matches!(looks(&world), Look::Absent));
    for step in [Step::Ask(0, 0), Step::Serve(0), Step::Arrive(0)] {
        world.step(step).unwrap();
    }
    assert!(matches!(looks(&world), Look::Dead(Standing::Revoked)), "the dead need not be asked about again");
    assert_eq!(world.table.in_use().0, 1);
}

#[test]
fn an_open_stream_hears_of_the_end_of_its_own_token_only() {
    let (mut world, token) = answered(ROOM);
    let Look::Known(known, _) = world.table.look(&token.digest(), NOW) else { panic!("it was answered") };
    let mut fence = world.table.fence();
    let mut heard = |world: &World| world.table.heard(&mut fence, Some(&known));
    world.step(Step::End(1)).unwrap();
    world.hear(1);
    world.table.apply(Told::Limits);
    assert_eq!(heard(&world), Heard::Nothing, "another family, and limits, are another matter");
    world.table.apply(Told::Catalogue);
    world.table.apply(Told::Limits);
    assert_eq!(heard(&world), Heard::Catalogue);
    world.step(Step::End(0)).unwrap();
    world.hear(1);
    world.table.apply(Told::Catalogue);
    assert_eq!(heard(&world), Heard::End);
    assert_eq!(heard(&world), Heard::Nothing, "what was heard is heard once");
    world.table.forget();
    assert_eq!(heard(&world), Heard::End, "what was missed may have been its end");
    for _ in 0..=RECENT {
        world.table.apply(Told::Limits);
    }
    assert_eq!(heard(&world), Heard::End, "more was told than is known");
    let mut without_token = world.table.fence();
    world.step(Step::End(2)).unwrap();
    world.hear(1);
    assert_eq!(world.table.heard(&mut without_token, None), Heard::Nothing);
    world.table.apply(Told::Catalogue);
    assert_eq!(world.table.heard(&mut without_token, None), Heard::Catalogue);
    let mut with_token = world.table.fence();
    let other = if known.client == principal(0) { principal(1) } else { principal(0) };
    world.table.apply(Told::Client { id: other });
    assert_eq!(world.table.heard(&mut with_token, Some(&known)), Heard::Nothing, "another's application");
    world.table.apply(Told::Client { id: known.client });
    assert_eq!(world.table.heard(&mut without_token, None), Heard::Nothing);
    assert_eq!(world.table.heard(&mut with_token, Some(&known)), Heard::Catalogue);
}

#[test]
fn an_application_is_known_until_it_or_the_catalogue_changes() {
    let (world, token) = answered(ROOM);
    let Look::Known(known, facts) = world.table.look(&token.digest(), NOW) else { panic!("it was answered") };
    let another = principal(77);
    for change in [Told::Catalogue, Told::Client { id: known.client }] {
        assert_eq!(world.table.holder(known.client).as_deref(), Some(&*facts));
        let before = world.table.fence();
        world.table.apply(Told::Client { id: another });
        assert_eq!(world.table.holder(known.client).as_deref(), Some(&*facts), "another's application");
        world.table.keep_holder(before, known.client, Arc::clone(&facts)).unwrap();
        world.table.apply(change);
        assert_eq!(world.table.holder(known.client), None);
        assert_eq!(world.table.keep_holder(before, known.client, Arc::clone(&facts)), Err(Overtaken));
        assert_eq!(world.table.holder(known.client), None);
        world.table.keep_holder(world.table.fence(), known.client, Arc::clone(&facts)).unwrap();
    }
    assert_eq!(world.table.holder(known.client), Some(facts));
}

#[test]
fn knowledge_ages_and_may_be_switched_off() {
    let (world, token) = answered(ROOM);
    let at = |millis| world.table.look(&token.digest(), NOW + Duration::from_millis(millis));
    assert!(matches!(at(899_999), Look::Known(..)));
    assert!(matches!(at(900_000), Look::Absent));
    let (world, token) = answered(Room { entries: 0, ..ROOM });
    assert!(matches!(world.table.look(&token.digest(), NOW), Look::Absent));
}

#[test]
fn facts_must_make_sense() {
    let server = Server::new();
    let (known, holder) = server.answer(Token { row: 0, generation: 1 }).unwrap();
    let good = TokenFacts {
        bucket: 4095,
        family: known.family,
        generation: 1,
        expires: None,
        scope: "read device_a".to_owned(),
        device: Some("device_a".to_owned()),
        client: known.client,
        client_epoch: 1,
        subject_type: SubjectType::ApplicationUser,
        subject: known.subject.id,
        subject_epoch: 1,
        holder: (*holder).clone(),
    };
    let read = Known::from_facts(&good, NOW).unwrap();
    assert_eq!((read.scope.as_str(), read.device.as_deref()), ("device_a read", Some("device_a")));
    assert_eq!(Known::from_facts(&TokenFacts { bucket: 4096, ..good.clone() }, NOW), Err(Senseless));
    assert_eq!(
        Known::from_facts(&TokenFacts { scope: "a\"b".to_owned(), ..good.clone() }, NOW),
        Err(Senseless)
    );
    let restricted = |addresses: &str| {
        let referers = "*.gef.com/*".to_owned();
        let api_key = ApiKeyFacts { name: "web".to_owned(), addresses: addresses.to_owned(), referers };
        let holder = HolderFacts { api_key: Some(api_key), ..good.holder.clone() };
        Known::from_facts(&TokenFacts { holder, ..good.clone() }, NOW).map(|known| known.api_key)
    };
    let key = restricted("1.2.3.4").unwrap().unwrap();
    assert_eq!((&*key.name, key.restrictions.addresses().as_str()), ("web", "1.2.3.4"));
    assert_eq!(restricted("1.2.3"), Err(Senseless), "what restricts a key must be understood");
}
