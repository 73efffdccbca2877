//! Runs a plan against the stores and the model, and compares every answer and what is left at the end.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_oauth::clock::{Clock, ManualClock, Timestamp};
use latchkey_oauth::event::{Event, EventKind};
use latchkey_oauth::family::{
    Binding, Epochs, Expiry, Family, MintedValue, Seed, Subject, SubjectType, TokenKey, Validity,
};
use latchkey_oauth::holder::HolderLimits;
use latchkey_oauth::id::{Bucket, FamilyId};
use latchkey_oauth::issuance::{Draft, RefreshOnRenew, Renewal};
use latchkey_oauth::minted_value::Era;
use latchkey_oauth::revocation::{Reason, Selector};
use latchkey_oauth::rotation::{RefreshPolicy, RefreshRenewal, RefreshRequest, Rotation, RotationRefusal};
use latchkey_oauth::scope::Scope;
use latchkey_store::Store;
use latchkey_store::unit::{Ending, Issue, IssueOutcome, Refresh};
use proptest::sample::Index;

use crate::oracle::{Answer, Key, OVERLAP, Oracle, Presented, RETRY_WINDOW, Serial, Tokens, Wish};
use crate::plan::{Hands, Life, Plan, Repeat, SCOPES, Step, Turning};
use crate::world::{Deed, Outcome, World};

/// The era that every history plays in.
const ERA: Era = Era { incarnation: 1, minimum_key: 1 };

/// Tokens that were answered, as their bearer and as the model knows them.
#[derive(Debug, Clone)]
struct Given {
    who: (usize, usize),
    bucket: Bucket,
    family: FamilyId,
    access: (u32, Serial),
    refresh: Option<(u32, Serial)>,
    values: [Option<[u8; 32]>; 2],
}

/// What a step is expected to be answered.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Answer((usize, usize), Answer),
    Count(u64),
    Done,
}

/// A step in everybody's words: the stores' unit, and what the model makes of it.
type Told = (Deed, Box<dyn FnOnce(&mut Oracle) -> Expected>);

/// How many families an end ends, in the model.
type Ends = Box<dyn FnOnce(&mut Oracle) -> u64>;

struct History {
    world: World,
    oracle: Oracle,
    limits: HolderLimits,
    minted: bool,
    given: Vec<Given>,
    /// The serial of every access and refresh token that was seen, by family and generation.
    serials: [BTreeMap<(FamilyId, u32), Serial>; 2],
}

/// Runs `plan`; panics where an answer differs.
pub(crate) async fn run(plan: Plan) {
    let start = Timestamp::from_seconds(1_700_000_000);
    let on_limit = plan.on_limit;
    let mut history = History {
        world: World::new(ManualClock::at(start)).await,
        oracle: Oracle::new(start.as_millis(), plan.limits, plan.on_limit),
        limits: HolderLimits { devices: plan.limits.0, families: plan.limits.1, on_limit },
        minted: plan.minted,
        given: Vec::new(),
        serials: Default::default(),
    };
    let mut steps = plan.steps.as_slice();
    while !steps.is_empty() {
        let together = steps.iter().take_while(|step| plan.batched && may_wait(step)).count().max(1);
        history.take(&steps[..together]).await;
        steps = &steps[together..];
    }
    history.compare_what_is_left().await;
}

/// Whether a step goes through the writer's queue and nothing else, so that its place in the order is known
/// although nobody waits for it.
fn may_wait(step: &Step) -> bool {
    match step {
        Step::Wait { .. } | Step::Sweep { .. } => false,
        Step::Issue { repeat, .. } => *repeat != Repeat::SameTokens,
        Step::Refresh { .. }
        | Step::Use { .. }
        | Step::Revoke { .. }
        | Step::RevokeDevice { .. }
        | Step::RevokeHolder { .. }
        | Step::RevokeUser { .. }
        | Step::RevokeClient { .. }
        | Step::ResetUser { .. } => true,
    }
}

impl History {
    async fn take(&mut self, steps: &[Step]) {
        let mut deeds = Vec::new();
        let mut models = Vec::new();
        for step in steps {
            if let Step::Wait { millis } = step {
                self.world.clock.advance_millis(*millis);
                self.oracle.now += millis;
            }
            if let Some((deed, model)) = self.tell(step) {
                deeds.push(deed);
                models.push(model);
            }
        }
        let [one, other] = self.world.perform(&deeds).await;
        for (((deed, model), one), other) in deeds.iter().zip(models).zip(one).zip(other) {
            let expected = model(&mut self.oracle);
            for outcome in [one, other] {
                self.compare(deed, &expected, outcome);
            }
        }
    }

    fn token(&self, index: Index) -> Option<Given> {
        (!self.given.is_empty()).then(|| index.get(&self.given).clone())
    }

    /// The step in the stores' words and in the model's; none where it needs a token and none was given.
    fn tell(&self, step: &Step) -> Option<Told> {
        let told: Told = match step {
            Step::Issue { .. } => self.tell_issue(step)?,
            Step::Refresh { .. } => self.tell_refresh(step)?,
            Step::Wait { .. } => return None,
            Step::Use { token } => {
                let given = self.token(*token)?;
                let (generation, serial) = given.refresh?;
                let model = move |oracle: &mut Oracle| {
                    oracle.mark_used(serial);
                    Expected::Done
                };
                (Deed::Use(given.bucket, given.family, generation), Box::new(model))
            }
            Step::Sweep { token } => {
                let given = self.token(*token)?;
                let model = move |oracle: &mut Oracle| Expected::Count(oracle.sweep(given.who));
                (Deed::Sweep(given.bucket), Box::new(model))
            }
            Step::ResetUser { user } => {
                let user = *user;
                let model = move |oracle: &mut Oracle| {
                    oracle.reset_user(user);
                    Expected::Done
                };
                (Deed::Change(Box::new(self.world.reset(user))), Box::new(model))
            }
            Step::Revoke { .. }
            | Step::RevokeDevice { .. }
            | Step::RevokeHolder { .. }
            | Step::RevokeUser { .. }
            | Step::RevokeClient { .. } => self.tell_end(step)?,
        };
        Some(told)
    }

    fn tell_end(&self, step: &Step) -> Option<Told> {
        let (clients, users) = (self.world.clients, self.world.users);
        let (selector, model): (Selector, Ends) = match step {
            Step::Revoke { token } => {
                let given = self.token(*token)?;
                let id = *given.family.as_bytes();
                let selector = Selector::Family { bucket: given.bucket, id: given.family };
                (selector, Box::new(move |oracle| oracle.end(|_, family| *family == id)))
            }
            Step::RevokeDevice { who, scope } => {
                let (who, scope) = (*who, *scope);
                let (client, subject) = (clients[who.0], users[who.1]);
                let devices = SCOPES[scope].split(' ').filter(|word| word.starts_with("device_"));
                let device = devices.collect::<String>();
                let selector = Selector::Device { client, subject, device };
                (selector, Box::new(move |oracle| oracle.end_device(who, scope)))
            }
            Step::RevokeHolder { who } => {
                let who = *who;
                let selector = Selector::Holder { client: clients[who.0], subject: users[who.1] };
                (selector, Box::new(move |oracle| oracle.end(|key, _| (key.0, key.1) == who)))
            }
            Step::RevokeUser { user } => {
                let user = *user;
                (
                    Selector::User(users[user]),
                    Box::new(move |oracle| {
                        oracle.reset_user(user);
                        0
                    }),
                )
            }
            Step::RevokeClient { client } => {
                let client = *client;
                (
                    Selector::Client(clients[client]),
                    Box::new(move |oracle| {
                        oracle.reset_client(client);
                        0
                    }),
                )
            }
            Step::Issue { .. }
            | Step::Refresh { .. }
            | Step::Use { .. }
            | Step::ResetUser { .. }
            | Step::Sweep { .. }
            | Step::Wait { .. } => return None,
        };
        let ending = Ending { selector, reason: Reason::Administrator, actor: None };
        Some((Deed::End(ending), Box::new(move |oracle| Expected::Count(model(oracle)))))
    }

    fn value(&self) -> Option<MintedValue> {
        self.minted.then(|| MintedValue { digest: self.world.draw(), sealed: vec![0, 1, 0, 1, 7] })
    }

    fn tell_issue(&self, step: &Step) -> Option<Told> {
        let Step::Issue { who, scope, repeat, access, refresh } = step.clone() else { return None };
        let key: Key = (who.0, who.1, scope);
        let (id, seen) = (self.world.draw(), self.oracle.epochs(key));
        let subject = Subject { kind: SubjectType::ApplicationUser, id: self.world.users[who.1] };
        let issue = Issue {
            key: TokenKey {
                client: self.world.clients[who.0],
                subject,
                scope: Scope::parse(SCOPES[scope]).unwrap(),
                binding: Binding::None,
            },
            draft: Draft {
                id: FamilyId::from_bytes(id),
                seed: Seed::from_bytes(self.world.draw()),
                access_validity: validity(access),
                refresh_validity: refresh.map(validity),
                access_value: self.value(),
                refresh_value: self.value().filter(|_| refresh.is_some()),
                era: ERA,
            },
            renewal: match repeat {
                Repeat::SameTokens => Renewal::Reuse,
                Repeat::NewPair => Renewal::RevokePrevious(RefreshOnRenew::New),
                Repeat::NewAccess => Renewal::RevokePrevious(RefreshOnRenew::Keep),
            },
            limits: self.limits,
            seen: Epochs { client: seen.0, subject: seen.1 },
            owner: None,
        };
        let wish = Wish { key, id, repeat, access, refresh, seen };
        let model = move |oracle: &mut Oracle| Expected::Answer(who, oracle.issue(&wish));
        Some((Deed::Issue(Box::new(issue)), Box::new(model)))
    }

    fn tell_refresh(&self, step: &Step) -> Option<Told> {
        let Step::Refresh { token, hands, scope, turning, lives } = step.clone() else { return None };
        let given = self.token(token)?;
        let (generation, serial) = given.refresh?;
        let client = if hands == Hands::OtherClient { 1 - given.who.0 } else { given.who.0 };
        let elsewhere = Bucket::new(given.bucket.number() ^ 1).unwrap();
        let request = RefreshRequest {
            client: self.world.clients[client],
            generation,
            scope: scope.map(|scope| Scope::parse(scope).unwrap()),
            policy: RefreshPolicy {
                renewal: match turning {
                    Turning::Keep => RefreshRenewal::Keep,
                    Turning::Sliding => RefreshRenewal::Sliding,
                    Turning::Absolute => RefreshRenewal::Absolute,
                },
                retry_window_millis: RETRY_WINDOW,
                overlap_millis: OVERLAP,
            },
            access_validity: validity(lives.0),
            refresh_validity: validity(lives.1),
            access_value: self.value(),
            refresh_value: self.value(),
            era: ERA,
        };
        let bucket = if hands == Hands::OtherBucket { elsewhere } else { given.bucket };
        let refresh = Refresh { bucket, family: given.family, request };
        let client = (hands != Hands::OtherBucket).then_some(client);
        let presented = Presented { serial, client, scope, turning, lives };
        let model = move |oracle: &mut Oracle| Expected::Answer(given.who, oracle.refresh(&presented));
        Some((Deed::Refresh(Box::new(refresh)), Box::new(model)))
    }

    fn compare(&mut self, deed: &Deed, expected: &Expected, outcome: Outcome) {
        let (family, answer) = match (outcome, expected) {
            (Outcome::Count(count), _) => return assert_eq!(&Expected::Count(count), expected, "{deed:?}"),
            (Outcome::Done, _) => return assert_eq!(&Expected::Done, expected, "{deed:?}"),
            (Outcome::Issue(IssueOutcome::Issued { family, .. }), _) => (Some(family), None),
            (Outcome::Issue(IssueOutcome::Stale), _) => (None, Some(Answer::Stale)),
            (Outcome::Issue(IssueOutcome::LimitReached), _) => (None, Some(Answer::LimitReached)),
            (Outcome::Refresh(refreshed), _) => (refreshed.family, refusal(refreshed.rotation)),
        };
        let Expected::Answer(who, expected) = expected else { panic!("{deed:?} was answered with tokens") };
        match (family, expected) {
            (Some(family), Answer::Tokens(tokens)) => self.compare_tokens(*who, tokens, &family),
            (family, expected) => assert_eq!((family, answer.as_ref()), (None, Some(expected)), "{deed:?}"),
        }
    }

    fn compare_tokens(&mut self, who: (usize, usize), tokens: &Tokens, family: &Family) {
        let access = (family.access.generation, tokens.access);
        self.is_one(0, (family.id, access.0), access.1);
        assert_eq!(
            (life(family.access.expires), family.access.scope.as_str()),
            (tokens.access_ends, &*tokens.scope)
        );
        let refresh = family.refresh.map(|refresh| (refresh.generation, life(refresh.expires)));
        assert_eq!(
            refresh.map(|(_, ends)| ends),
            tokens.refresh.map(|(_, ends)| ends),
            "the refresh token's end"
        );
        let refresh = refresh.zip(tokens.refresh).map(|((generation, _), (serial, _))| (generation, serial));
        if let Some((generation, serial)) = refresh {
            self.is_one(1, (family.id, generation), serial);
        }
        let minted = family.minted.as_deref();
        let values = [
            minted.and_then(|minted| minted.access.as_ref()).map(|value| value.digest),
            minted.and_then(|minted| minted.refresh.as_ref()).map(|value| value.digest),
        ];
        self.given.push(Given { who, bucket: family.bucket, family: family.id, access, refresh, values });
    }

    /// One generation of one family is one token of the model, and the other way round.
    fn is_one(&mut self, kind: usize, named: (FamilyId, u32), serial: Serial) {
        let serials = &mut self.serials[kind];
        let known = *serials.entry(named).or_insert(serial);
        assert_eq!(known, serial, "another token under the same name");
        let holders = serials.values().filter(|known| **known == serial).count();
        assert_eq!(holders, 1, "the same token under another name");
    }

    /// Who is active, by every door.
    async fn compare_what_is_left(&self) {
        let now = self.world.clock.now();
        for store in &self.world.stores {
            for given in &self.given {
                let held = store.family(given.bucket, given.family).await.unwrap();
                let accepted =
                    held.is_some_and(|held| held.family.accepts_access(given.access.0, held.epochs, now));
                assert_eq!(accepted, self.oracle.accepts(given.access.1), "{given:?}");
                let expected = [
                    self.oracle.recognises_access(given.access.1),
                    given.refresh.is_some_and(|(_, serial)| self.oracle.recognises_refresh(serial)),
                ];
                let values = given.values.iter().zip(expected);
                for (digest, expected) in values.filter_map(|(value, expected)| Some(((*value)?, expected))) {
                    let found = store.alias(digest).await.unwrap();
                    assert_eq!(found.map(|names| names.family), expected.then_some(given.family));
                }
            }
            for who in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let (client, user) = (self.world.clients[who.0], self.world.users[who.1]);
                let families = store.families_of(user, Some(client), 100).await.unwrap();
                let listed: BTreeSet<_> = families.iter().map(|family| *family.id.as_bytes()).collect();
                let expected = self.oracle.held_by(who).into_iter().filter_map(|key| self.oracle.id(key));
                assert_eq!(listed, expected.collect());
            }
        }
        let [one, other] = &self.world.stores;
        let logs = [log(one.as_ref()).await, log(other.as_ref()).await];
        for (one, other) in logs[0].iter().zip(&logs[1]) {
            assert_eq!(one, other, "both logs tell the same");
        }
        assert_eq!(logs[0].len(), logs[1].len());
    }
}

/// The events in order, but for families that ended one after another: they may have ended together.
async fn log(store: &dyn Store) -> Vec<Event> {
    let stored = store.events(0, 100_000).await.unwrap();
    let mut events: Vec<Event> = stored.into_iter().map(|stored| stored.event).collect();
    for ends in events.chunk_by_mut(|one, next| (one.kind, next.kind) == (EventKind::End, EventKind::End)) {
        ends.sort_by_key(|event| event.family.map(|mark| mark.id));
    }
    events
}

fn validity(life: Life) -> Validity {
    life.map_or(Validity::Forever, |millis| Validity::from(millis / 1000))
}

fn life(expires: Expiry) -> Life {
    match expires {
        Expiry::At(end) => Some(end.as_millis()),
        Expiry::Never => None,
    }
}

fn refusal(rotation: Rotation) -> Option<Answer> {
    match rotation {
        Rotation::Rotate | Rotation::RenewAccess | Rotation::Repeat => None,
        Rotation::Replayed => Some(Answer::Replayed),
        Rotation::Refused(RotationRefusal::Unknown) => Some(Answer::Unknown),
        Rotation::Refused(RotationRefusal::Superseded) => Some(Answer::Superseded),
        Rotation::Refused(RotationRefusal::Expired) => Some(Answer::Expired),
        Rotation::Refused(RotationRefusal::ScopeWidened) => Some(Answer::Widened),
        Rotation::Refused(RotationRefusal::ScopeChanged) => Some(Answer::Changed),
    }
}
