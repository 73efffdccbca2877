//! What may happen: sequences of requests, resets and time, drawn at random.

use latchkey_oauth::holder::OnLimit;
use proptest::prelude::*;
use proptest::sample::Index;

/// A life in milliseconds; none: for ever.
pub(crate) type Life = Option<i64>;

/// What a repeated request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    SameTokens,
    NewPair,
    NewAccess,
}

/// What becomes of a refresh token when it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turning {
    Keep,
    Sliding,
    Absolute,
}

/// How a presented token differs from the one that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hands {
    Own,
    OtherClient,
    OtherBucket,
}

/// One thing that happens. Clients, users and scopes are numbers; a token is one of those given so far.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Issue { who: (usize, usize), scope: usize, repeat: Repeat, access: Life, refresh: Option<Life> },
    Refresh { token: Index, hands: Hands, scope: Option<&'static str>, turning: Turning, lives: (Life, Life) },
    Use { token: Index },
    Revoke { token: Index },
    RevokeDevice { who: (usize, usize), scope: usize },
    RevokeHolder { who: (usize, usize) },
    RevokeUser { user: usize },
    RevokeClient { client: usize },
    ResetUser { user: usize },
    Sweep { token: Index },
    Wait { millis: i64 },
}

/// A whole history with the settings that it happens under.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The most devices and families of a holder.
    pub(crate) limits: (u32, u32),
    /// Whether the request gives way at a limit.
    pub(crate) on_limit: OnLimit,
    /// Whether values are drawn and kept, and not derived.
    pub(crate) minted: bool,
    /// Whether neighbouring steps reach the store together, so that it folds them into one transaction.
    pub(crate) batched: bool,
    pub(crate) steps: Vec<Step>,
}

/// The scope sets that are asked for, in canonical form.
pub(crate) const SCOPES: [&str; 3] = ["read write", "device_phone read write", "device_pad read"];

/// Any history of up to `length` steps.
pub(crate) fn plans(length: usize) -> impl Strategy<Value = Plan> {
    let steps = prop::collection::vec(step(), 1..=length);
    (1..=3_u32, 1..=3_u32, any::<[bool; 3]>(), steps).prop_map(
        |(devices, families, [reject, minted, batched], steps)| Plan {
            limits: (devices, families),
            on_limit: if reject { OnLimit::Reject } else { OnLimit::EvictOldest },
            minted,
            batched,
            steps,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let who = || (0..2_usize, 0..2_usize);
    let token = || any::<Index>();
    let issue = (who(), 0..3_usize, repeat(), life(), prop::option::weighted(0.8, life())).prop_map(
        |(who, scope, repeat, access, refresh)| Step::Issue { who, scope, repeat, access, refresh },
    );
    let refresh = (token(), hands(), narrowing(), turning(), (life(), life())).prop_map(
        |(token, hands, scope, turning, lives)| Step::Refresh { token, hands, scope, turning, lives },
    );
    let millis = prop::sample::select(vec![1, 999, 4_000, 5_000, 29_000, 61_000, 3_600_000, 90_000_000]);
    prop_oneof![
        8 => issue,
        10 => refresh,
        3 => token().prop_map(|token| Step::Use { token }),
        2 => token().prop_map(|token| Step::Revoke { token }),
        1 => (who(), 0..3_usize).prop_map(|(who, scope)| Step::RevokeDevice { who, scope }),
        1 => who().prop_map(|who| Step::RevokeHolder { who }),
        1 => (0..2_usize).prop_map(|user| Step::RevokeUser { user }),
        1 => (0..2_usize).prop_map(|client| Step::RevokeClient { client }),
        1 => (0..2_usize).prop_map(|user| Step::ResetUser { user }),
        1 => token().prop_map(|token| Step::Sweep { token }),
        6 => millis.prop_map(|millis| Step::Wait { millis }),
    ]
}

fn life() -> impl Strategy<Value = Life> {
    prop_oneof![
        2 => Just(Some(60_000)),
        4 => Just(Some(3_600_000)),
        2 => Just(Some(86_400_000)),
        1 => Just(None),
    ]
}

fn repeat() -> impl Strategy<Value = Repeat> {
    prop_oneof![3 => Just(Repeat::SameTokens), 2 => Just(Repeat::NewPair), 1 => Just(Repeat::NewAccess)]
}

fn hands() -> impl Strategy<Value = Hands> {
    prop_oneof![8 => Just(Hands::Own), 1 => Just(Hands::OtherClient), 1 => Just(Hands::OtherBucket)]
}

fn turning() -> impl Strategy<Value = Turning> {
    prop_oneof![4 => Just(Turning::Sliding), 1 => Just(Turning::Absolute), 1 => Just(Turning::Keep)]
}

fn narrowing() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![6 => Just(None), 2 => Just(Some("read")), 1 => Just(Some("read write")), 1 => Just(Some("admin"))]
}
