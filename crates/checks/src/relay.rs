//! A network between two processes that fails when told: it takes connections, passes bytes on, and stops
//! doing so in one direction or in both, as a partition does. What it held back arrives when it goes on.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

/// How long a look at what is to be done next may take.
const LOOK: Duration = Duration::from_millis(5);

/// What passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passes {
    /// Everything.
    All,
    /// Bytes to the server; none come back.
    ToServer,
    /// Bytes from the server; none go there.
    FromServer,
    /// Nothing; connections are taken all the same.
    Nothing,
    /// No connection either: there is nobody.
    Nobody,
}

impl Passes {
    const fn goes(self, way: Way) -> bool {
        matches!((self, way), (Self::All, _) | (Self::ToServer, Way::Up) | (Self::FromServer, Way::Down))
    }
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Up,
    Down,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    passes: Passes,
}

/// The network.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    ended: Arc<AtomicBool>,
}

impl Relay {
    /// One that leads to `target`.
    pub fn start(target: SocketAddr, passes: Passes) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let (address, ended) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
        let state = Arc::new(Mutex::new(State { target, passes }));
        let relay = Self { address, state: Arc::clone(&state), ended: Arc::clone(&ended) };
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((from, _)) => connect(&from, &state, &ended),
                    Err(_) => thread::park_timeout(LOOK),
                }
            }
        });
        Ok(relay)
    }

    /// Where it takes connections.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this passes.
    pub fn pass(&self, passes: Passes) {
        lock(&self.state).passes = passes;
    }

    /// From now on connections lead to `target`.
    pub fn lead_to(&self, target: SocketAddr) {
        lock(&self.state).target = target;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(from: &TcpStream, state: &Arc<Mutex<State>>, ended: &Arc<AtomicBool>) {
    let (target, passes) = {
        let state = lock(state);
        (state.target, state.passes)
    };
    // Dropping it closes it.
    let Some(Ok(to)) = (passes != Passes::Nobody).then(|| TcpStream::connect(target)) else { return };
    for (way, from, to) in [(Way::Up, from, &to), (Way::Down, &to, from)] {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
        let (state, ended) = (Arc::clone(state), Arc::clone(ended));
        thread::spawn(move || {
            pump((from, to), way, (&state, &ended));
        });
    }
}

/// Passes bytes on until one side ends or nobody needs the network any more.
fn pump((mut from, mut to): (TcpStream, TcpStream), way: Way, (state, ended): (&Mutex<State>, &AtomicBool)) {
    let _ = from.set_nonblocking(false).and_then(|()| from.set_read_timeout(Some(LOOK)));
    let mut bytes = [0; 16 * 1024];
    loop {
        let count = match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => count,
            Err(problem) if matches!(problem.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(_) => break,
        };
        while !lock(state).passes.goes(way) {
            if ended.load(Ordering::Relaxed) {
                return;
            }
            thread::park_timeout(LOOK);
        }
        if ended.load(Ordering::Relaxed) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // Either may be closed already.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
