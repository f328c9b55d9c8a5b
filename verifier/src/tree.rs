//! The Merkle tree from its definition: a stack of whole subtrees, and a root over what is on it.
//!
//! This is the verifier's own way of building the tree of RFC 6962 section 2.1; the ledger has another, so that one
//! mistake can't sign a wrong root and approve it too. Never keeps a leaf: memory is 64 hashes at most.

use lineal_schemas::{
    digest::{LeafHash, RootHash},
    merkle::{empty_root, node_hash},
};

/// A whole subtree of 2^height leaves.
#[derive(Debug, Clone, Copy)]
struct Subtree {
    height: u32,
    hash: [u8; 32],
}

/// The tree of the leaves so far, the largest subtree at the bottom of the stack.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subtrees {
    size: u64,
    stack: Vec<Subtree>,
}

impl Subtrees {
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf: two subtrees of one height are one of the next.
    pub(crate) fn push(&mut self, leaf: &LeafHash) {
        let mut whole = Subtree { height: 0, hash: *leaf.as_bytes() };
        while let Some(left) = self.stack.pop_if(|left| left.height == whole.height) {
            whole = Subtree { height: whole.height.saturating_add(1), hash: node_hash(&left.hash, &whole.hash) };
        }
        self.stack.push(whole);
        self.size = self.size.saturating_add(1);
    }

    /// The root: each subtree is the left side of everything after it.
    pub(crate) fn root(&self) -> RootHash {
        let over = |right: Option<[u8; 32]>, left: &Subtree| {
            Some(right.map_or(left.hash, |right| node_hash(&left.hash, &right)))
        };
        self.stack.iter().rev().fold(None, over).map_or_else(empty_root, RootHash::from_bytes)
    }
}

#[cfg(test)]
mod tests {
    use lineal_schemas::merkle::leaf_hash;
    use proptest::prelude::*;

    use super::*;

    /// RFC 6962 section 2.1, word for word.
    fn defined(leaves: &[LeafHash]) -> RootHash {
        fn mth(leaves: &[LeafHash]) -> [u8; 32] {
            if let [one] = leaves {
                return *one.as_bytes();
            }
            // The largest power of two below the number of leaves.
            let k = 1 << (leaves.len() - 1).ilog2();
            node_hash(&mth(&leaves[..k]), &mth(&leaves[k..]))
        }
        if leaves.is_empty() { empty_root() } else { RootHash::from_bytes(mth(leaves)) }
    }

    #[test]
    fn every_root_up_to_300_leaves_is_the_defined_one() {
        let leaves: Vec<_> = (0..300_u32).map(|number| leaf_hash(&number.to_be_bytes())).collect();
        let mut tree = Subtrees::default();
        for size in 0..=leaves.len() {
            assert_eq!(tree.root(), defined(&leaves[..size]), "size {size}");
            assert_eq!(tree.size(), size as u64);
            if let Some(leaf) = leaves.get(size) {
                tree.push(leaf);
            }
        }
    }

    proptest! {
        #[test]
        fn any_leaves_have_the_defined_root(leaves in prop::collection::vec(any::<[u8; 32]>(), 0..1500)) {
            let leaves: Vec<_> = leaves.into_iter().map(LeafHash::from_bytes).collect();
            let mut tree = Subtrees::default();
            for leaf in &leaves {
                tree.push(leaf);
            }
            prop_assert_eq!(tree.root(), defined(&leaves));
        }
    }
}
