//! Who is to be woken when something stops being as it was.
//!
//! An open stream stands here under the family, the client and the subject of its token. A change of one of them
//! wakes it, and it then asks the source how its token stands: nothing is decided here, so a change that
//! comes twice, too early, or without need does no harm. Ordinary calls are over before they would come here.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchkey_oauth::id::{FamilyId, PrincipalId};
use tokio::sync::{Notify, watch};

/// What a change can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A token family.
    Family(FamilyId),
    /// A client or user.
    Principal(PrincipalId),
}

/// The open streams of a gateway process: as many as there are connections, or requests in them, at most.
#[derive(Debug, Default)]
pub struct OpenStreams {
    kept: Mutex<Kept>,
    closing: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Kept {
    next: u64,
    streams: HashMap<u64, Arc<Notify>>,
    by_topic: HashMap<Topic, HashSet<u64>>,
}

/// A stream's place. It is gone when this is dropped.
#[derive(Debug)]
pub struct Watch {
    at: Arc<OpenStreams>,
    number: u64,
    topics: Box<[Topic]>,
    woken: Arc<Notify>,
}

impl OpenStreams {
    /// A place for a stream that has to do with `topics`. Who looks how things stand *after* this call, and
    /// whenever it is woken, misses no change.
    pub fn watch(self: &Arc<Self>, topics: &[Topic]) -> Watch {
        let woken = Arc::<Notify>::default();
        let mut kept = self.kept();
        let number = kept.next;
        kept.next += 1;
        kept.streams.insert(number, Arc::clone(&woken));
        for topic in topics {
            kept.by_topic.entry(*topic).or_default().insert(number);
        }
        drop(kept);
        Watch { at: Arc::clone(self), number, topics: topics.into(), woken }
    }

    /// Something about `topic` has changed.
    pub fn wake(&self, topic: Topic) {
        let kept = self.kept();
        for number in kept.by_topic.get(&topic).into_iter().flatten() {
            if let Some(stream) = kept.streams.get(number) {
                stream.notify_one();
            }
        }
    }

    /// Nobody knows what has changed.
    pub fn wake_all(&self) {
        for stream in self.kept().streams.values() {
            stream.notify_one();
        }
    }

    /// The gateway ends, and with it every tunnel.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Waits until the gateway ends.
    pub async fn closing(&self) {
        // The sender is part of `self`, so the channel is open.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.kept().streams.len()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Waits for the next change. One that came while nobody waited counts.
    pub async fn woken(&self) {
        self.woken.notified().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut kept = self.at.kept();
        kept.streams.remove(&self.number);
        for topic in &self.topics {
            if let Some(numbers) = kept.by_topic.get_mut(topic) {
                numbers.remove(&self.number);
                if numbers.is_empty() {
                    kept.by_topic.remove(topic);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    const FAMILY: Topic = Topic::Family(FamilyId::from_bytes([1; 16]));
    const CLIENT: Topic = Topic::Principal(PrincipalId::from_bytes([2; 16]));
    const ALICE: Topic = Topic::Principal(PrincipalId::from_bytes([3; 16]));
    const BOB: Topic = Topic::Principal(PrincipalId::from_bytes([4; 16]));

    fn is_woken(watch: &Watch) -> bool {
        let mut waits = Box::pin(watch.woken());
        waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_change_wakes_those_it_is_about_even_if_they_do_not_wait_yet() {
        let open = Arc::<OpenStreams>::default();
        let one = open.watch(&[FAMILY, CLIENT, ALICE]);
        let other = open.watch(&[CLIENT, BOB, BOB]);
        assert!(!is_woken(&one) && !is_woken(&other));
        open.wake(FAMILY);
        assert!(is_woken(&one) && !is_woken(&other));
        assert!(!is_woken(&one), "once for each change");
        open.wake(CLIENT);
        assert!(is_woken(&one) && is_woken(&other));
        open.wake(BOB);
        assert!(!is_woken(&one) && is_woken(&other));
        open.wake_all();
        assert!(is_woken(&one) && is_woken(&other));
    }

    #[test]
    fn what_is_over_leaves_nothing() {
        let open = Arc::<OpenStreams>::default();
        let watches: Vec<_> = (0..3).map(|_| open.watch(&[CLIENT, ALICE, ALICE])).collect();
        assert_eq!(open.count(), 3);
        drop(watches);
        assert_eq!(open.count(), 0);
        assert!(open.kept().by_topic.is_empty());
        open.wake(ALICE);
    }
}
