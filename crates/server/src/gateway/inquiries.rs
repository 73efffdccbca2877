//! Questions of administrators to gateway nodes, why one of them refused a call.
//!
//! Nodes hear of a question with the answer that they wait for anyway; the one that knows tells. Nobody answers
//! for a node that does not, so who asks waits for a while and then knows that no node that is heard has it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use latchkey_gateway::explain::ExplanationId;
use latchkey_gateway::node::explanations::Explained;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

/// The most questions at once.
pub const OPEN: usize = 64;

/// Questions that are open.
#[derive(Debug, Default)]
pub struct Inquiries {
    open: Mutex<Vec<Inquiry>>,
    /// How many there were, told to those who wait for the next one.
    count: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inquiry {
    number: u64,
    id: ExplanationId,
    asker: oneshot::Sender<Told>,
}

/// What a node tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its name.
    pub node: String,
    /// Why it refused the call.
    pub explained: Explained,
}

/// As many questions are open as can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{OPEN} questions to the gateway nodes are open already; ask again in a few seconds")]
pub struct TooMany;

/// A question, as long as somebody waits for its answer.
struct Asking<'a>(&'a Inquiries, u64);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let Self(inquiries, number) = self;
        inquiries.open().retain(|inquiry| inquiry.number != *number);
    }
}

impl Inquiries {
    /// Asks all nodes about `id` and waits for an answer, at most for `patience`.
    pub async fn ask(&self, id: ExplanationId, patience: Duration) -> Result<Option<Told>, TooMany> {
        let (asker, answer) = oneshot::channel();
        let number = {
            let mut open = self.open();
            if open.len() >= OPEN {
                return Err(TooMany);
            }
            let number = *self.count.borrow() + 1;
            open.push(Inquiry { number, id, asker });
            self.count.send_replace(number);
            number
        };
        let _asking = Asking(self, number);
        Ok(timeout(patience, answer).await.ok().and_then(Result::ok))
    }

    /// What is open and follows the question numbered `heard`, and the number of the last question.
    pub fn since(&self, heard: u64) -> (Vec<ExplanationId>, u64) {
        let open = self.open();
        let new = open.iter().filter(|inquiry| inquiry.number > heard);
        (new.map(|inquiry| inquiry.id).collect(), *self.count.borrow())
    }

    /// Waits until a question follows the one numbered `heard`.
    pub async fn wait(&self, heard: u64) {
        // It ends only with `self`, which is borrowed.
        let _ = self.count.subscribe().wait_for(|count| *count > heard).await;
    }

    /// Passes the answer about `id` on to everybody who asked; what nobody asked for is forgotten.
    pub fn answer(&self, id: ExplanationId, told: &Told) {
        let mut open = self.open();
        while let Some(place) = open.iter().position(|inquiry| inquiry.id == id) {
            // Who went away needs no answer.
            let _ = open.swap_remove(place).asker.send(told.clone());
        }
    }

    fn open(&self) -> MutexGuard<'_, Vec<Inquiry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use latchkey_oauth::clock::Timestamp;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    fn told(id: &str) -> (ExplanationId, Told) {
        let explained = Explained {
            id: id.to_owned(),
            at: Timestamp::from_seconds(1),
            status: 401,
            code: "900901".to_owned(),
            rule: "A rule.".to_owned(),
            fix: "A fix.".to_owned(),
            api: None,
            resource: None,
            until: None,
            caller: None,
        };
        (id.parse().unwrap(), Told { node: "edge-1".to_owned(), explained })
    }

    #[tokio::test(start_paused = true)]
    async fn the_answer_comes_to_everybody_who_asked() {
        let inquiries = Inquiries::default();
        let (id, told_of) = told("0123456789abcdef");
        let (other, _) = told("00000000000000ff");
        let answers = async {
            inquiries.wait(2).await;
            assert_eq!(inquiries.since(0), (vec![id, id, other], 3));
            assert_eq!(inquiries.since(2), (vec![other], 3));
            inquiries.answer(id, &told_of);
            inquiries.answer(id, &told_of);
        };
        let asks = async {
            let one = inquiries.ask(id, PATIENCE);
            let again = inquiries.ask(id, PATIENCE);
            tokio::join!(one, again, inquiries.ask(other, PATIENCE))
        };
        let ((one, again, unknown), ()) = tokio::join!(asks, answers);
        assert_eq!([one, again], [Ok(Some(told_of.clone())), Ok(Some(told_of))]);
        assert_eq!(unknown, Ok(None), "nobody knows");
        assert_eq!(inquiries.since(0), (vec![], 3), "nothing stays open");
    }

    #[tokio::test(start_paused = true)]
    async fn the_questions_are_bounded_and_end_with_who_asked() {
        let inquiries = Arc::new(Inquiries::default());
        let (id, _) = told("0123456789abcdef");
        let ask = |_| {
            let inquiries = Arc::clone(&inquiries);
            tokio::spawn(async move { inquiries.ask(id, PATIENCE).await })
        };
        let asking: Vec<_> = (0..OPEN).map(ask).collect();
        inquiries.wait(OPEN as u64 - 1).await;
        assert_eq!(inquiries.ask(id, PATIENCE).await, Err(TooMany));
        asking[0].abort();
        for asking in asking.into_iter().take(1) {
            assert!(asking.await.is_err_and(|error| error.is_cancelled()));
        }
        assert_eq!(inquiries.ask(id, Duration::from_millis(1)).await, Ok(None), "one went away");
    }
}
