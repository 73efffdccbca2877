//! Gateway nodes: gateways that run beside no server and ask one for their facts.

use latchkey_oauth::base62;
use latchkey_oauth::clock::Timestamp;
use latchkey_oauth::entropy::{Entropy, random};
use latchkey_oauth::minted_value::digest_of;
use latchkey_oauth::secret::Secret;

/// What a node's secret begins with, for secret scanners.
pub const PREFIX: &str = "lkn_";

/// A gateway node as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name, unique.
    pub name: String,
    /// SHA-256 of its secret, by which it is found. The secret has 256 random bits, so the digest tells
    /// nothing about it, and how long a look takes tells nothing either.
    pub secret: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
}

impl Node {
    /// A node of that name with a new secret, which is shown once and kept nowhere.
    pub fn draw(name: &str, now: Timestamp, entropy: &dyn Entropy) -> (Self, Secret) {
        let mut text = PREFIX.to_owned();
        base62::encode_into(&random::<32>(entropy), &mut text);
        let secret = Secret::new(text);
        (Self { name: name.to_owned(), secret: digest_of(&secret), created_at: now }, secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_oauth::entropy::SeededEntropy;

    #[test]
    fn a_node_is_found_by_the_digest_of_its_secret() {
        let entropy = SeededEntropy::new(1);
        let (node, secret) = Node::draw("edge-1", Timestamp::from_seconds(1), &entropy);
        assert_eq!(node.secret, digest_of(&secret));
        assert!(secret.expose().starts_with("lkn_") && secret.expose().len() > 40);
        let (other, _) = Node::draw("edge-1", Timestamp::from_seconds(1), &entropy);
        assert_ne!(node.secret, other.secret);
    }
}
