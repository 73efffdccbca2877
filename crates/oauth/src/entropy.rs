//! The one door through which chance comes in.

use std::sync::Mutex;

use aws_lc_rs::{digest, rand};

/// A source of random bytes fit for keys and credentials.
pub trait Entropy: Send + Sync + std::fmt::Debug {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);
}

/// `N` bytes from `source`.
pub fn random<const N: usize>(source: &dyn Entropy) -> [u8; N] {
    let mut out = [0; N];
    source.fill(&mut out);
    out
}

/// The operating system's generator, through the cryptographic library.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the one door")]
    fn fill(&self, out: &mut [u8]) {
        rand::fill(out).expect("the operating system's random generator answers");
    }
}

/// A repeatable sequence for tests: SHA-256 of a seed and a counter. Never for credentials.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    counter: Mutex<u64>,
}

impl SeededEntropy {
    /// The sequence named by `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { seed, counter: Mutex::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, out: &mut [u8]) {
        let mut counter = self.counter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for chunk in out.chunks_mut(32) {
            *counter += 1;
            let mut block = [0; 16];
            block[..8].copy_from_slice(&self.seed.to_be_bytes());
            block[8..].copy_from_slice(&counter.to_be_bytes());
            chunk.copy_from_slice(&digest::digest(&digest::SHA256, &block).as_ref()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_one_sequence() {
        let draw = |seed| {
            let entropy = SeededEntropy::new(seed);
            (random::<40>(&entropy), random::<16>(&entropy))
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let (long, next) = draw(1);
        assert!(long[..8] != long[32..] && long[..16] != next);
    }

    #[test]
    fn the_system_draws_anew() {
        assert_ne!(random::<16>(&SystemEntropy), random::<16>(&SystemEntropy));
    }
}
