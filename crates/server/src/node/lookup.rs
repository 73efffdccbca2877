//! Asking the server about tokens and applications, several at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use latchkey_gateway::node::table::{Digest, Fence, Known, Senseless};
use latchkey_gateway::node::wire::{
    HolderFacts, LOOKUP, Looked, LookupAnswer, LookupRequest, MOST_TOKENS, Standing,
};
use latchkey_gateway::source::Unavailable;
use latchkey_oauth::api_key_value;
use latchkey_oauth::id::PrincipalId;
use latchkey_oauth::keyring::ValueKind;
use latchkey_oauth::secret::Secret;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::clock::uptime;
use super::link::{Ask, LinkError};
use super::source::RemoteSource;

/// The most questions that wait; calls beyond are answered 503.
const WAITING: usize = 8192;
/// The most questions at once. While they are under way, those that come wait and are asked about together.
const AT_ONCE: usize = 8;

/// What the server said of a token.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) standing: Standing,
    /// Whose it is; always with a living one.
    pub(super) holder: Option<(Arc<Known>, Arc<HolderFacts>)>,
}

/// What is to be asked about.
#[derive(Debug)]
pub(super) enum Asked {
    /// A token.
    Token { digest: Digest, token: Secret, caller: oneshot::Sender<Answer> },
    /// The application of a client.
    Holder { client: PrincipalId, caller: oneshot::Sender<Option<Arc<HolderFacts>>> },
}

/// Where questions wait to be asked.
#[derive(Debug, Clone)]
pub(super) struct Lookups(mpsc::Sender<Asked>);

impl Lookups {
    /// The queue and its other end, for [`answer`].
    pub(super) fn queue() -> (Self, mpsc::Receiver<Asked>) {
        let (sender, waiting) = mpsc::channel(WAITING);
        (Self(sender), waiting)
    }

    /// What the server says, when it looks after this moment.
    pub(super) async fn ask(&self, digest: Digest, token: &Secret) -> Result<Answer, Unavailable> {
        let (caller, answer) = oneshot::channel();
        let asked = Asked::Token { digest, token: token.clone(), caller };
        self.0.try_send(asked).map_err(|_| Unavailable)?;
        answer.await.map_err(|_| Unavailable)
    }

    /// What the server says of the application of `client`, when it looks after this moment; none: the client is
    /// gone.
    pub(super) async fn holder(&self, client: PrincipalId) -> Result<Option<Arc<HolderFacts>>, Unavailable> {
        let (caller, answer) = oneshot::channel();
        self.0.try_send(Asked::Holder { client, caller }).map_err(|_| Unavailable)?;
        answer.await.map_err(|_| Unavailable)
    }
}

/// Asks about what waits, as long as anybody may come.
pub(super) async fn answer(source: Arc<RemoteSource>, mut waiting: mpsc::Receiver<Asked>) {
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        let mut batch = Vec::new();
        if waiting.recv_many(&mut batch, MOST_TOKENS).await == 0 {
            return;
        }
        let source = Arc::clone(&source);
        tokio::spawn(async move {
            source.counts.lookups.fetch_add(1, Ordering::Relaxed);
            if let Err(problem) = ask_about(&source, batch).await {
                source.counts.lookups_failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%problem, "tokens could not be asked about; their calls are answered 503");
            }
            drop(seat);
        });
    }
}

/// Those who wait for the answers to one request. Who is not answered finds that out when the senders are dropped.
#[derive(Default)]
struct Waiting {
    tokens: HashMap<Digest, Vec<oneshot::Sender<Answer>>>,
    holders: HashMap<PrincipalId, Vec<oneshot::Sender<Option<Arc<HolderFacts>>>>>,
    /// Of the request's tokens, in their order.
    digests: Vec<Digest>,
    request: LookupRequest,
}

impl Waiting {
    /// Each token and each client is asked about once.
    fn of(batch: Vec<Asked>) -> Self {
        let mut all = Self::default();
        for asked in batch {
            match asked {
                Asked::Token { digest, token, caller } => {
                    let waiting = all.tokens.entry(digest).or_default();
                    if waiting.is_empty() {
                        all.digests.push(digest);
                        all.request.tokens.push(token.expose().to_owned());
                    }
                    waiting.push(caller);
                }
                Asked::Holder { client, caller } => {
                    let waiting = all.holders.entry(client).or_default();
                    if waiting.is_empty() {
                        all.request.clients.push(client);
                    }
                    waiting.push(caller);
                }
            }
        }
        all
    }
}

async fn ask_about(source: &RemoteSource, batch: Vec<Asked>) -> Result<(), LinkError> {
    let Waiting { mut tokens, mut holders, digests, request } = Waiting::of(batch);
    let fence = source.table.fence();
    let ask = Ask { path: LOOKUP, question: Some(&request), patience: source.bound };
    let answer: LookupAnswer = source.link.ask(ask).await?;
    let senseless = || LinkError::Senseless("it is not about the tokens that were asked about".to_owned());
    if answer.tokens.len() != digests.len() {
        return Err(senseless());
    }
    let asked = digests.into_iter().zip(&request.tokens);
    for ((digest, token), looked) in asked.zip(answer.tokens) {
        let answer = learn(source, (fence, digest), &looked).map_err(|_| senseless())?;
        if answer.standing == Standing::Revoked || (answer.standing == Standing::Unknown && is_ours(token)) {
            source.table.bury(fence, digest, answer.standing);
        }
        for caller in tokens.remove(&digest).unwrap_or_default() {
            // Who went away needs no answer.
            let _ = caller.send(answer.clone());
        }
    }
    // A server of an earlier version says nothing about clients, and those who asked go without.
    for (client, found) in request.clients.iter().zip(answer.holders) {
        let found = found.map(Arc::new);
        if let Some(found) = &found {
            // What was overtaken was true when the server looked, which was after the question came.
            let _ = source.table.keep_holder(fence, *client, Arc::clone(found));
        }
        for caller in holders.remove(client).unwrap_or_default() {
            let _ = caller.send(found.clone());
        }
    }
    Ok(())
}

/// Keeps what was said of a token.
fn learn(
    source: &RemoteSource,
    (fence, digest): (Fence, Digest),
    looked: &Looked,
) -> Result<Answer, Senseless> {
    let holder = match &looked.facts {
        Some(facts) => {
            let known = Arc::new(Known::from_facts(facts, uptime())?);
            source.seen.insert(known.family, Arc::clone(&known));
            Some((known, Arc::new(facts.holder.clone())))
        }
        None => None,
    };
    match (looked.standing, &holder) {
        (Standing::Alive, Some(holder)) => {
            // What was overtaken was true when the server looked, which was after the call came.
            let _ = source.table.keep(fence, digest, holder.clone());
        }
        (Standing::Alive, None) => return Err(Senseless),
        // A server whose clock is set back may call what is expired alive again.
        (Standing::Expired | Standing::Revoked | Standing::Unknown, _) => {}
    }
    Ok(Answer { standing: looked.standing, holder })
}

/// Whether a value that is unknown stays so: derived values, API keys' too, and JWTs are made once. Another generator may
/// come to make a value that was asked about before.
fn is_ours(token: &str) -> bool {
    token.starts_with(ValueKind::Access.prefix())
        || token.starts_with(ValueKind::Refresh.prefix())
        || token.starts_with(api_key_value::PREFIX)
        || token.matches('.').count() == 2
}
