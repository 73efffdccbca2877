//! Random sequences of sign-in, refresh, use, revocation, reset and time, carried out twice: by the token
//! core over a small store, with token values as clients present them, and by a model that keeps a list
//! of all tokens ever given out and knows neither families nor generations.

mod model;
mod system;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use latchkey_oauth::family::Validity;
use latchkey_oauth::issuance::{RefreshOnRenew, Renewal};
use latchkey_oauth::rotation::RefreshRenewal;
use proptest::prelude::*;

use model::{Model, Outcome};
use system::System;

/// Scope sets that a request may name; the second and third are two devices.
const SCOPES: [&str; 3] = ["a b", "a b device_ipad", "a b device_phone"];
/// The scopes that a refresh may ask for; the last is wider than any grant.
const ASKED: [Option<&str>; 4] = [None, Some("a"), Some("a b"), Some("a c")];
const RETRY_WINDOW: i64 = 30_000;
const OVERLAP: i64 = 5000;
const DAY: Validity = Validity::Seconds(86_400);

/// What one active token exists for: client, user, place in [`SCOPES`], and the number of the request where
/// it stands beside the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    client: u8,
    user: u8,
    scope: usize,
    beside: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct SignIn {
    key: Key,
    renewal: Renewal,
    access: Validity,
    /// None: no refresh token.
    refresh: Option<Validity>,
}

#[derive(Debug, Clone, Copy)]
struct Refreshing {
    /// Which of the refresh tokens ever given out, counted back from the newest, around.
    token: usize,
    /// Who presents it: its own client, or another.
    by_own: bool,
    asked: usize,
    renewal: RefreshRenewal,
    access: Validity,
    refresh: Validity,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    SignIn(SignIn),
    Refresh(Refreshing),
    /// A resource server sees an access token, counted back from the newest, around.
    Use(usize),
    /// The client revokes a token, counted back from the newest, around.
    Revoke(usize),
    /// Everything of one user ends.
    ResetUser(u8),
    ResetClient(u8),
    /// Milliseconds pass.
    Pass(i64),
}

/// Counted back from the newest: mostly one of the last few.
fn recent() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..4_usize, 1 => any::<usize>()]
}

fn lives() -> impl Strategy<Value = Validity> {
    prop_oneof![
        4 => Just(Validity::Seconds(3600)),
        2 => Just(Validity::Seconds(60)),
        1 => Just(Validity::Seconds(1)),
        1 => Just(Validity::Forever),
    ]
}

prop_compose! {
    fn sign_ins()(
        client in prop_oneof![5 => Just(0), 1 => Just(1_u8)], user in prop_oneof![5 => Just(0), 1 => Just(1_u8)],
        scope in prop_oneof![3 => Just(0), 1 => 0..SCOPES.len()], access in lives(),
        refresh in proptest::option::weighted(0.8, prop_oneof![2 => Just(DAY), 1 => lives()]),
        renewal in prop::sample::select(vec![
            Renewal::Reuse,
            Renewal::Reuse,
            Renewal::RevokePrevious(RefreshOnRenew::New),
            Renewal::RevokePrevious(RefreshOnRenew::Keep),
            Renewal::KeepPrevious,
        ]),
    ) -> SignIn {
        SignIn { key: Key { client, user, scope, beside: None }, renewal, access, refresh }
    }
}

prop_compose! {
    fn refreshings()(
        token in recent(), by_own in prop::bool::weighted(0.9),
        asked in prop_oneof![2 => Just(0), 1 => 0..ASKED.len()],
        access in lives(), refresh in prop_oneof![4 => Just(DAY), 1 => lives()],
        renewal in prop::sample::select(vec![
            RefreshRenewal::Sliding, RefreshRenewal::Sliding, RefreshRenewal::Absolute, RefreshRenewal::Keep,
        ]),
    ) -> Refreshing {
        Refreshing { token, by_own, asked, renewal, access, refresh }
    }
}

fn steps() -> impl Strategy<Value = Step> {
    let pauses = vec![1, 500, 1000, 4000, OVERLAP, 5001, 25_000, RETRY_WINDOW, 59_000, 3_600_000, 90_000_000];
    prop_oneof![
        5 => sign_ins().prop_map(Step::SignIn),
        8 => refreshings().prop_map(Step::Refresh),
        4 => recent().prop_map(Step::Use),
        1 => recent().prop_map(Step::Revoke),
        1 => (0..2_u8).prop_map(Step::ResetUser),
        1 => (0..2_u8).prop_map(Step::ResetClient),
        5 => prop::sample::select(pauses).prop_map(Step::Pass),
    ]
}

/// Both sides, and what was seen of them.
#[derive(Default)]
struct Run {
    system: System,
    model: Model,
    /// Which refresh tokens were ever handed out for one presented.
    successors: BTreeMap<usize, BTreeSet<usize>>,
    steps: usize,
}

impl Run {
    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        self.steps += 1;
        match step {
            Step::SignIn(mut sign_in) => {
                if sign_in.renewal == Renewal::KeepPrevious {
                    sign_in.key.beside = Some(self.steps);
                }
                let given = self.system.sign_in(sign_in);
                let expected = self.model.sign_in(sign_in);
                self.compare(Some(given), Outcome::Given(expected))?;
            }
            Step::Refresh(mut refreshing) => {
                let Some(token) = self.model.nth_refresh_token(refreshing.token) else { return Ok(()) };
                refreshing.token = token;
                let before = self.model.accepted();
                let given = self.system.refresh(self.model.text(token), refreshing);
                let expected = self.model.refresh(refreshing);
                if expected == Outcome::Replayed {
                    let key = self.model.key(token);
                    let after = self.model.accepted();
                    let lost = before.difference(&after).all(|lost| self.model.key(*lost) == key);
                    prop_assert!(lost, "a replay ends what belongs to its family only");
                    prop_assert!(after.iter().all(|left| self.model.key(*left) != key), "and all of that");
                }
                if let Outcome::Given((_, Some(successor))) = expected
                    && successor != token
                {
                    self.successors.entry(token).or_default().insert(successor);
                }
                self.compare(given, expected)?;
            }
            Step::Use(number) => {
                let Some(token) = self.model.nth_access_token(number) else { return Ok(()) };
                self.system.use_token(self.model.text(token));
                self.model.use_token(token);
            }
            Step::Revoke(number) => {
                let Some(token) = self.model.nth_token(number) else { return Ok(()) };
                self.system.revoke(self.model.text(token));
                self.model.revoke(token);
            }
            Step::ResetUser(user) => {
                self.system.reset_user(user);
                self.model.end_all(|key| key.user == user);
            }
            Step::ResetClient(client) => {
                self.system.reset_client(client);
                self.model.end_all(|key| key.client == client);
            }
            Step::Pass(millis) => {
                self.system.pass(millis);
                self.model.pass(millis);
            }
        }
        self.check()
    }

    /// The answer of the system is the one that the model expects: the same texts for tokens given before,
    /// new texts for new ones.
    fn compare(&mut self, given: Option<system::Answer>, expected: Outcome) -> Result<(), TestCaseError> {
        let (given, (access, refresh)) = match (given, expected) {
            (Some(given), Outcome::Given(tokens)) => (given, tokens),
            (None, Outcome::Refused | Outcome::Replayed) => return Ok(()),
            (given, expected) => {
                let answered = given.is_some();
                return Err(TestCaseError::fail(format!("answered: {answered}, expected: {expected:?}")));
            }
        };
        prop_assert_eq!(given.refresh.is_some(), refresh.is_some());
        for (text, token) in std::iter::once((given.access, access)).chain(given.refresh.zip(refresh)) {
            prop_assert!(self.model.names(token, &text), "token {token} is another text");
        }
        prop_assert_eq!(given.scope, self.model.scope(access));
        Ok(())
    }

    /// What holds after every step.
    fn check(&self) -> Result<(), TestCaseError> {
        let accepted = self.model.accepted();
        let mut per_key: HashMap<_, usize> = HashMap::new();
        for token in self.model.tokens() {
            let accepts = self.system.accepts(self.model.text(token));
            prop_assert_eq!(accepts, accepted.contains(&token), "token {} is accepted: {}", token, accepts);
            if accepts {
                *per_key.entry((self.model.key(token), self.model.kind(token))).or_default() += 1;
            }
        }
        prop_assert!(per_key.values().all(|count| *count == 1), "one active token for one key");
        prop_assert!(self.successors.values().all(|successors| successors.len() == 1), "no branch");
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_core_does_what_the_model_does(steps in prop::collection::vec(steps(), 1..60)) {
        let mut run = Run::default();
        for step in steps {
            run.step(step)?;
        }
    }
}
