//! Who delivers, as far as this edge knows: the nodes whose echo proves a fresh subscription.
//!
//! With one NATS server the echo of any node would do: the server knows of a subscription before it takes the mark that
//! was sent behind it, whoever publishes. In a cluster each node may be connected to another server, which hears of the
//! subscription a little later; so every node that delivers must echo, and one that begins to deliver afterwards is a
//! doubt like a lost connection: what it published first may have gone nowhere. What a *node's* change to another server
//! of the cluster may lose in that moment is found by the clients' own slow sync only.

use std::collections::BTreeSet;
use uuid::Uuid;

/// The starts of the nodes that deliver.
#[derive(Clone, Default, Debug)]
pub struct Deliverers {
    nodes: BTreeSet<Uuid>,
    /// Whether it was ever asked.
    known: bool,
}

impl Deliverers {
    /// True where one has begun that was not known: what it published before is in doubt.
    pub fn learn(&mut self, nodes: BTreeSet<Uuid>) -> bool {
        let has_newcomer = self.known && !nodes.is_subset(&self.nodes);
        *self = Self { nodes, known: true };
        has_newcomer
    }

    /// Somebody delivers, and these are all who do.
    pub fn are_among(&self, echoed: &BTreeSet<Uuid>) -> bool {
        !self.nodes.is_empty() && self.nodes.is_subset(echoed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(numbers: &[u128]) -> BTreeSet<Uuid> {
        numbers.iter().map(|&number| Uuid::from_u128(number)).collect()
    }

    #[test]
    fn only_all_of_them_are_proof() {
        let mut deliverers = Deliverers::default();
        assert!(!deliverers.are_among(&nodes(&[1])), "nobody is known yet");
        deliverers.learn(nodes(&[1, 2]));
        assert!(!deliverers.are_among(&nodes(&[1, 3])));
        assert!(deliverers.are_among(&nodes(&[1, 2, 3])));
        deliverers.learn(nodes(&[2]));
        assert!(deliverers.are_among(&nodes(&[2])));
        deliverers.learn(nodes(&[]));
        assert!(!deliverers.are_among(&nodes(&[2])), "nobody delivers");
    }

    #[test]
    fn who_begins_is_told_apart_from_who_ends() {
        let mut deliverers = Deliverers::default();
        assert!(!deliverers.learn(nodes(&[1])), "those who were there first");
        assert!(!deliverers.learn(nodes(&[1])));
        assert!(deliverers.learn(nodes(&[1, 2])));
        assert!(!deliverers.learn(nodes(&[2])));
        assert!(deliverers.learn(nodes(&[3])));
    }
}
