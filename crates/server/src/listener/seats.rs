//! How many connections there may be, in total and from one network.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::network::Network;

/// The caps, shared by the listeners that are given them.
#[derive(Debug)]
pub struct Seats {
    total: usize,
    free: Arc<Semaphore>,
    per_network: usize,
    taken: Mutex<HashMap<Network, usize>>,
    open: AtomicUsize,
    refused: AtomicU64,
}

/// How the seats are used at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatUse {
    /// Connections open now.
    pub open: usize,
    /// Connections that there may be.
    pub total: usize,
    /// Connections closed at once since the start, because their network had its share.
    pub refused: u64,
}

impl Seats {
    /// `total` connections at once, and at most `per_network` of them from one [`Network`]. Connections
    /// over loopback, from the machine itself, count in the total only.
    pub fn new(total: usize, per_network: usize) -> Arc<Self> {
        let total = total.min(Semaphore::MAX_PERMITS);
        let free = Arc::new(Semaphore::new(total));
        Arc::new(Self {
            total,
            free,
            per_network,
            taken: Mutex::default(),
            open: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// A seat, as soon as one is free.
    pub async fn wait(self: &Arc<Self>) -> Seat {
        let permit = Arc::clone(&self.free).acquire_owned().await.expect("the semaphore is never closed");
        Seat { seats: Arc::clone(self), place: Place::Free, _permit: permit }
    }

    /// How they are used now.
    pub fn in_use(&self) -> SeatUse {
        SeatUse {
            open: self.open.load(Ordering::Relaxed),
            total: self.total,
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place; dropping it makes room for another.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    place: Place,
    _permit: OwnedSemaphorePermit,
}

/// Who has a seat.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// Nobody yet.
    Free,
    /// A connection from the machine itself.
    Local,
    /// A connection from this network.
    Of(Network),
}

impl Seat {
    /// Counts the seat under the network of `peer`; `None` where that has its share.
    pub fn for_peer(mut self, peer: IpAddr) -> Option<Self> {
        self.place = if peer.to_canonical().is_loopback() {
            Place::Local
        } else {
            let network = Network::from(peer);
            let mut taken = self.seats.taken();
            let count = taken.entry(network).or_insert(0);
            if *count >= self.seats.per_network {
                self.seats.refused.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            *count += 1;
            Place::Of(network)
        };
        self.seats.open.fetch_add(1, Ordering::Relaxed);
        Some(self)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let network = match self.place {
            Place::Free => return,
            Place::Local => None,
            Place::Of(network) => Some(network),
        };
        self.seats.open.fetch_sub(1, Ordering::Relaxed);
        let Some(network) = network else { return };
        if let Entry::Occupied(mut count) = self.seats.taken().entry(network) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_network_has_its_share_and_gives_it_back() {
        let seats = Seats::new(10, 2);
        let (alice, bob) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let first = seats.wait().await.for_peer(alice).unwrap();
        let _second = seats.wait().await.for_peer(alice).unwrap();
        assert!(seats.wait().await.for_peer(alice).is_none());
        assert_eq!(seats.in_use(), SeatUse { open: 2, total: 10, refused: 1 });
        let _other = seats.wait().await.for_peer(bob).unwrap();
        drop(first);
        let third = seats.wait().await.for_peer(alice);
        assert!(third.is_some());
        let _waiting = seats.wait().await;
        assert_eq!(seats.in_use().open, 3, "an accept that waits is no connection");
    }

    #[tokio::test]
    async fn the_total_holds_for_loopback_too_and_nothing_is_left_behind() {
        let seats = Seats::new(2, 1);
        let local: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        let held = [seats.wait().await.for_peer(local).unwrap(), seats.wait().await.for_peer(local).unwrap()];
        let mut waiting = Box::pin(seats.wait());
        assert!(futures_now(&mut waiting).is_none(), "no third seat");
        drop(held);
        assert!(futures_now(&mut waiting).is_some());
        assert!(seats.taken().is_empty() && seats.in_use().open == 0);
    }

    /// What `future` gives without waiting.
    fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }
}
