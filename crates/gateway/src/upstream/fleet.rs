//! The servers behind all published APIs, as all threads of a gateway know them together: how each stands, and
//! how many calls are under way there.
//!
//! A call to an upstream of one address looks at nothing here, unless some address anywhere has failed.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use latchkey_catalog::upstream::UpstreamUrl;

use super::balance::{Candidate, Tried, choose};
use super::health::{Change, Fitness, Health, Outcome};

/// What is known of the servers of one gateway process.
#[derive(Debug, Default)]
pub struct Fleet {
    servers: RwLock<HashMap<UpstreamUrl, Arc<Server>>>,
    /// The addresses with anything against them. It moves only under a lock of `servers`.
    troubled: AtomicUsize,
}

#[derive(Debug, Default)]
struct Server {
    health: Mutex<Health>,
    pending: AtomicUsize,
    failures: AtomicU64,
}

/// How one address stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReading {
    /// The address.
    pub address: UpstreamUrl,
    /// Whether calls go there.
    pub is_fit: bool,
    /// Calls that failed there since the gateway knows it.
    pub failures: u64,
    /// Calls under way, where the address is one of several.
    pub pending: usize,
}

/// A call under way at one of several addresses; it is over when this is dropped.
#[derive(Debug)]
pub struct Pending(Arc<Server>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Server {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn candidate(&self, now: Instant) -> Candidate {
        Candidate { fitness: self.health().fitness(now), pending: self.pending.load(Ordering::Relaxed) }
    }
}

impl Fleet {
    /// The place of the address that a call goes to whose turn it is, with the call's count there; none when it
    /// was at every address before.
    pub fn choose(
        &self,
        urls: &[UpstreamUrl],
        turn: usize,
        tried: Tried,
        clock: impl FnOnce() -> Instant,
    ) -> Option<(usize, Option<Pending>)> {
        if let [only] = urls {
            if self.is_troubled() {
                self.with(only, |server| server.health().begin(clock()));
            }
            return (!tried.has(0)).then_some((0, None));
        }
        let now = clock();
        let servers: Vec<Arc<Server>> = urls.iter().map(|url| self.server(url)).collect();
        let place = choose(servers.len(), turn, tried, |place| servers[place].candidate(now))?;
        let server = Arc::clone(&servers[place]);
        server.health().begin(now);
        server.pending.fetch_add(1, Ordering::Relaxed);
        Some((place, Some(Pending(server))))
    }

    /// Takes note of what became of a call, and says it to the operator when an address goes out or comes back.
    pub fn note(&self, address: &UpstreamUrl, outcome: Outcome, clock: impl FnOnce() -> Instant) {
        if outcome == Outcome::Answered && !self.is_troubled() {
            return;
        }
        if outcome != Outcome::Answered {
            // Makes it known if it is not.
            self.server(address);
        }
        let change = self.with(address, |server| {
            if outcome != Outcome::Answered {
                server.failures.fetch_add(1, Ordering::Relaxed);
            }
            let mut health = server.health();
            let was_spotless = health.is_spotless();
            let change = health.note(outcome, clock());
            match (was_spotless, health.is_spotless()) {
                (true, false) => _ = self.troubled.fetch_add(1, Ordering::Relaxed),
                (false, true) => _ = self.troubled.fetch_sub(1, Ordering::Relaxed),
                (true, true) | (false, false) => {}
            }
            change
        });
        match change.flatten() {
            Some(Change::WentOut(length)) => {
                tracing::warn!(upstream = %address, seconds = length.as_secs(), ?outcome, "an upstream's address is out");
            }
            Some(Change::CameBack) => {
                tracing::info!(upstream = %address, "an upstream's address answers again");
            }
            None => {}
        }
    }

    /// Knows these addresses from now on, and forgets all others.
    pub fn publish<'a>(&self, addresses: impl IntoIterator<Item = &'a UpstreamUrl>) {
        let published: HashSet<&UpstreamUrl> = addresses.into_iter().collect();
        let mut servers = self.servers.write().unwrap_or_else(PoisonError::into_inner);
        servers.retain(|address, _| published.contains(address));
        for address in published {
            if !servers.contains_key(address) {
                servers.insert(address.clone(), Arc::default());
            }
        }
        let troubled = servers.values().filter(|server| !server.health().is_spotless()).count();
        self.troubled.store(troubled, Ordering::Relaxed);
    }

    /// How every address stands, in their order.
    pub fn readings(&self) -> Vec<ServerReading> {
        let servers = self.servers.read().unwrap_or_else(PoisonError::into_inner);
        let reading = |(address, server): (&UpstreamUrl, &Arc<Server>)| ServerReading {
            address: address.clone(),
            is_fit: server.health().is_fit(),
            failures: server.failures.load(Ordering::Relaxed),
            pending: server.pending.load(Ordering::Relaxed),
        };
        let mut readings: Vec<_> = servers.iter().map(reading).collect();
        drop(servers);
        readings.sort_by(|one, other| one.address.cmp(&other.address));
        readings
    }

    /// How far an address may be called.
    pub fn fitness(&self, address: &UpstreamUrl, now: Instant) -> Fitness {
        self.with(address, |server| server.health().fitness(now)).unwrap_or(Fitness::Fit)
    }

    fn is_troubled(&self) -> bool {
        self.troubled.load(Ordering::Relaxed) > 0
    }

    /// Does something with what is known of an address, which is not forgotten meanwhile.
    fn with<T>(&self, address: &UpstreamUrl, act: impl FnOnce(&Server) -> T) -> Option<T> {
        let servers = self.servers.read().unwrap_or_else(PoisonError::into_inner);
        servers.get(address).map(|server| act(server))
    }

    fn server(&self, address: &UpstreamUrl) -> Arc<Server> {
        let servers = self.servers.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = servers.get(address) {
            return Arc::clone(server);
        }
        drop(servers);
        let mut servers = self.servers.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(servers.entry(address.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::health::{FIRST_REST, REFUSALS};
    use super::*;

    fn urls(hosts: &[&str]) -> Vec<UpstreamUrl> {
        hosts.iter().map(|host| UpstreamUrl::parse(&format!("http://{host}")).unwrap()).collect()
    }

    fn fail(fleet: &Fleet, address: &UpstreamUrl, now: Instant) {
        for _ in 0..REFUSALS {
            fleet.note(address, Outcome::NoConnection, || now);
        }
    }

    #[test]
    fn a_failing_address_is_left_out_and_tried_again() {
        let (fleet, urls, now) = (Fleet::default(), urls(&["a", "b"]), Instant::now());
        let places = |now| -> Vec<usize> {
            let choice = |turn| fleet.choose(&urls, turn, Tried::default(), || now).unwrap().0;
            (0..4).map(choice).collect()
        };
        assert_eq!(places(now), [0, 1, 0, 1]);
        fail(&fleet, &urls[0], now);
        assert_eq!(places(now), [1, 1, 1, 1]);
        let later = now + FIRST_REST;
        assert_eq!(places(later), [0, 1, 1, 1], "one call tries it");
        fleet.note(&urls[0], Outcome::Answered, || later);
        assert_eq!(places(later), [0, 1, 0, 1]);
        assert!(!fleet.is_troubled());
    }

    #[test]
    fn the_busy_one_gets_less() {
        let (fleet, urls, now) = (Fleet::default(), urls(&["a", "b"]), Instant::now());
        let (place, held) = fleet.choose(&urls, 0, Tried::default(), || now).unwrap();
        assert_eq!((place, fleet.readings()[0].pending), (0, 1));
        assert_eq!(fleet.choose(&urls, 0, Tried::default(), || now).unwrap().0, 1);
        drop(held);
        assert_eq!(fleet.readings()[0].pending, 0);
    }

    #[test]
    fn a_single_address_is_called_however_it_stands() {
        let (fleet, urls, now) = (Fleet::default(), urls(&["a"]), Instant::now());
        assert!(fleet.choose(&urls, 5, Tried::default(), || now).is_some());
        assert_eq!(fleet.readings(), [], "nothing is kept of what works");
        fail(&fleet, &urls[0], now);
        assert!(fleet.choose(&urls, 6, Tried::default(), || now).is_some());
        let reading = ServerReading { address: urls[0].clone(), is_fit: false, failures: 3, pending: 0 };
        assert_eq!(fleet.readings(), [reading]);
        let later = now + Duration::from_secs(2);
        fleet.choose(&urls, 7, Tried::default(), || later);
        fail(&fleet, &urls[0], later);
        assert_eq!(fleet.fitness(&urls[0], later), Fitness::Out(later + 2 * FIRST_REST));
    }

    #[test]
    fn only_published_addresses_are_kept() {
        let (fleet, urls, now) = (Fleet::default(), urls(&["a", "b", "c"]), Instant::now());
        fail(&fleet, &urls[0], now);
        fail(&fleet, &urls[1], now);
        fleet.publish(&urls[1..]);
        let kept: Vec<_> =
            fleet.readings().into_iter().map(|reading| (reading.address, reading.is_fit)).collect();
        assert_eq!(kept, [(urls[1].clone(), false), (urls[2].clone(), true)]);
        assert!(fleet.is_troubled());
        fleet.publish(&urls[2..]);
        assert!(!fleet.is_troubled());
    }
}
