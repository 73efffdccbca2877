//! Argon2id (RFC 9106) in PHC strings, with memory that is used again.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use latchkey_oauth::secret::Secret;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::Verdict;

/// Bytes of a salt: what RFC 9106 section 3.1 recommends.
pub const SALT_BYTES: usize = 16;
/// Bytes of a hash.
const HASH_BYTES: usize = 32;
/// The most memory a stored hash may ask for: 4 GiB, the largest that can be configured.
const MOST_MEMORY_KIB: u32 = 4_194_304;

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
}

impl Cost {
    fn params(&self) -> Params {
        Params::new(self.memory_kib, self.iterations, self.parallelism, None)
            .expect("the configuration keeps the cost within what Argon2 allows")
    }
}

/// The memory of a hash. It holds what could be computed from a password until it is wiped or used again.
#[derive(Default)]
pub struct Memory(Vec<Block>);

impl Memory {
    /// Wipes it and gives it back to the system.
    pub fn wipe(&mut self) {
        self.0.zeroize();
        self.0 = Vec::new();
    }

    /// Whether it holds nothing.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of(&mut self, params: &Params) -> &mut [Block] {
        let blocks = params.block_count();
        if self.0.len() < blocks {
            self.0.resize(blocks, Block::new());
        }
        &mut self.0[..blocks]
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Memory({} KiB)", self.0.len())
    }
}

/// The PHC string of `password`.
pub fn hash(cost: &Cost, password: &Secret, salt: &[u8; SALT_BYTES], memory: &mut Memory) -> String {
    let params = cost.params();
    let mut out = [0; HASH_BYTES];
    let parts = || {
        Some(PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).ok()?,
            salt: Some(Salt::new(salt).ok()?),
            hash: None,
        })
    };
    let mut phc = parts().expect("numbers and sixteen bytes of salt fit a PHC string");
    fill(params, password, salt, (&mut out, memory)).expect("the lengths are within what Argon2 allows");
    phc.hash = Some(Output::new(&out).expect("thirty-two bytes fit a PHC string"));
    phc.to_string()
}

/// Checks `password` against the PHC string `stored`; without one it works as hard for nothing.
pub fn verify(cost: &Cost, password: &Secret, stored: Option<&str>, memory: &mut Memory) -> Verdict {
    let Some(stored) = stored else {
        let mut out = [0; HASH_BYTES];
        let _ = fill(cost.params(), password, &[0; SALT_BYTES], (&mut out, memory));
        out.zeroize();
        return Verdict::Wrong;
    };
    let Some((params, salt, expected)) = parse(stored) else { return Verdict::Unreadable };
    let same_cost = (params.m_cost(), params.t_cost(), params.p_cost())
        == (cost.memory_kib, cost.iterations, cost.parallelism);
    let mut out = vec![0; expected.len()];
    let filled = fill(params, password, salt.as_ref(), (&mut out, memory));
    let equal = bool::from(out.ct_eq(expected.as_bytes()));
    out.zeroize();
    match (filled, equal) {
        (Err(_), _) => Verdict::Unreadable,
        (Ok(()), false) => Verdict::Wrong,
        (Ok(()), true) if same_cost => Verdict::Right,
        (Ok(()), true) => Verdict::RightButRehash,
    }
}

/// Cost, salt and hash of a PHC string; `None` where it is none of Argon2id version 19 or asks for more
/// memory than there may be.
fn parse(stored: &str) -> Option<(Params, Salt, Output)> {
    let phc = PasswordHash::new(stored).ok()?;
    let current = phc.algorithm == ARGON2ID_IDENT && phc.version == Some(Version::V0x13.into());
    let params = Params::try_from(&phc).ok()?;
    let fits = current && params.m_cost() <= MOST_MEMORY_KIB;
    fits.then_some((params, phc.salt?, phc.hash?))
}

fn fill(
    params: Params,
    password: &Secret,
    salt: &[u8],
    (out, memory): (&mut [u8], &mut Memory),
) -> argon2::Result<()> {
    let blocks = memory.of(&params);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, out, blocks)
}
