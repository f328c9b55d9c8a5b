//! The Merkle tree of RFC 6962 over SHA-256: hashing a leaf and a node, and *checking* proofs.
//!
//! Promises that a proof is accepted only if its hashes lead from what is claimed to the root, with none missing and
//! none left over. Never builds a tree: the ledger and the verifier each do that on their own, so that one mistake
//! cannot sign a wrong root and approve it too. (RFC 9162 sections 2.1.3.2 and 2.1.4.2)

use sha2::{Digest, Sha256};

use crate::digest::{LeafHash, RootHash, sha256};

/// Why a proof does not prove what it claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// No such entry in a tree of this size.
    #[error("index {index} lies outside a tree of size {size}")]
    IndexOutOfRange {
        /// The claimed index.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The tree would have shrunk.
    #[error("old size {old_size} is larger than the new size {new_size}")]
    SizesOutOfOrder {
        /// The size said to come first.
        old_size: u64,
        /// The size said to come later.
        new_size: u64,
    },
    /// Hashes are left over above the root.
    #[error("proof has more hashes than its place in the tree allows")]
    TooLong,
    /// The hashes end below the root.
    #[error("proof has fewer hashes than its place in the tree needs")]
    TooShort,
    /// The hashes lead to another root.
    #[error("proof leads to the root {computed}, the tree's is {expected}")]
    RootMismatch {
        /// The root that the proof's hashes give.
        computed: RootHash,
        /// The root that was to be reached.
        expected: RootHash,
    },
    /// The hashes give another root for the older tree.
    #[error("proof leads to the old root {computed}, the old tree's is {expected}")]
    OldRootMismatch {
        /// The root that the proof's hashes give.
        computed: RootHash,
        /// The root that was to be reached.
        expected: RootHash,
    },
}

impl ProofError {
    /// The stable name of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::IndexOutOfRange { .. } => "proof-index-out-of-range",
            Self::SizesOutOfOrder { .. } => "proof-sizes-out-of-order",
            Self::TooLong => "proof-too-long",
            Self::TooShort => "proof-too-short",
            Self::RootMismatch { .. } => "proof-root-mismatch",
            Self::OldRootMismatch { .. } => "proof-old-root-mismatch",
        }
    }
}

/// The root of the tree without entries: SHA-256 of nothing.
pub fn empty_root() -> RootHash {
    RootHash::from_bytes(sha256(b""))
}

/// SHA-256 of 0x00 and an entry's bytes.
pub fn leaf_hash(entry: &[u8]) -> LeafHash {
    let mut hasher = Sha256::new();
    hasher.update([0x00]);
    hasher.update(entry);
    LeafHash::from_bytes(hasher.finalize().into())
}

/// SHA-256 of 0x01 and the two hashes below.
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update([0x01]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// Checks that the entry at `index` is in the tree of `size` entries with this root.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &LeafHash,
    path: &[[u8; 32]],
    root: &RootHash,
) -> Result<(), ProofError> {
    let out_of_range = ProofError::IndexOutOfRange { index, size };
    let mut place = size.checked_sub(1).filter(|&last| index <= last).map(|last| Place { node: index, last });
    let place = place.as_mut().ok_or(out_of_range)?;
    let mut hash = *leaf.as_bytes();
    for sibling in path {
        hash = match place.climb()? {
            Sibling::Left => node_hash(sibling, &hash),
            Sibling::Right => node_hash(&hash, sibling),
        };
    }
    place.arrived()?;
    reaches(hash, root)
}

/// Checks that the tree of `new_size` entries begins with the one of `old_size` entries.
pub fn verify_consistency(
    old_size: u64,
    old_root: &RootHash,
    new_size: u64,
    new_root: &RootHash,
    path: &[[u8; 32]],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::SizesOutOfOrder { old_size, new_size });
    }
    let (Some(old_last), Some(new_last)) = (old_size.checked_sub(1), new_size.checked_sub(1)) else {
        return from_the_empty_tree(old_root, new_size, new_root, path);
    };
    if old_size == new_size {
        no_hashes(path)?;
        return reaches(*old_root.as_bytes(), new_root);
    }
    // A complete old tree is itself the first hash on the way up, and is not sent.
    let (start, path) = if old_size.is_power_of_two() {
        (old_root.as_bytes(), path)
    } else {
        path.split_first().ok_or(ProofError::TooShort)?
    };
    climb_both(Place::of_subtree(old_last, new_last), start, path, old_root, new_root)
}

/// The empty tree begins every tree; there is nothing to send.
fn from_the_empty_tree(
    old_root: &RootHash,
    new_size: u64,
    new_root: &RootHash,
    path: &[[u8; 32]],
) -> Result<(), ProofError> {
    no_hashes(path)?;
    reaches_old(*empty_root().as_bytes(), old_root)?;
    if new_size == 0 { reaches(*empty_root().as_bytes(), new_root) } else { Ok(()) }
}

/// Climbs from the last complete subtree of the old tree, keeping both roots.
fn climb_both(
    mut place: Place,
    start: &[u8; 32],
    path: &[[u8; 32]],
    old_root: &RootHash,
    new_root: &RootHash,
) -> Result<(), ProofError> {
    let (mut old, mut new) = (*start, *start);
    for sibling in path {
        match place.climb()? {
            Sibling::Left => (old, new) = (node_hash(sibling, &old), node_hash(sibling, &new)),
            Sibling::Right => new = node_hash(&new, sibling),
        }
    }
    place.arrived()?;
    reaches_old(old, old_root)?;
    reaches(new, new_root)
}

fn no_hashes(path: &[[u8; 32]]) -> Result<(), ProofError> {
    if path.is_empty() { Ok(()) } else { Err(ProofError::TooLong) }
}

fn reaches(hash: [u8; 32], root: &RootHash) -> Result<(), ProofError> {
    let computed = RootHash::from_bytes(hash);
    if computed == *root { Ok(()) } else { Err(ProofError::RootMismatch { computed, expected: *root }) }
}

fn reaches_old(hash: [u8; 32], root: &RootHash) -> Result<(), ProofError> {
    let computed = RootHash::from_bytes(hash);
    if computed == *root { Ok(()) } else { Err(ProofError::OldRootMismatch { computed, expected: *root }) }
}

/// On which side of the hash so far the proof's next one stands.
enum Sibling {
    Left,
    Right,
}

/// A node on the way up: its number within its level, and the number of that level's last node (RFC 9162: fn, sn).
struct Place {
    node: u64,
    last: u64,
}

impl Place {
    /// The largest complete subtree that ends at the leaf `node`.
    fn of_subtree(node: u64, last: u64) -> Self {
        let height = node.trailing_ones();
        Self { node: node.checked_shr(height).unwrap_or(0), last: last.checked_shr(height).unwrap_or(0) }
    }

    /// Goes up to the node that the next hash makes, skipping levels where this node has no sibling.
    fn climb(&mut self) -> Result<Sibling, ProofError> {
        if self.last == 0 {
            return Err(ProofError::TooLong);
        }
        let is_right = self.node & 1 == 1;
        let is_last = self.node == self.last;
        if is_last && !is_right {
            // Not both zero: `last` is not. So an odd node comes.
            while self.node & 1 == 0 {
                self.up();
            }
        }
        self.up();
        Ok(if is_right || is_last { Sibling::Left } else { Sibling::Right })
    }

    const fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    /// The root has been reached.
    const fn arrived(&self) -> Result<(), ProofError> {
        if self.last == 0 { Ok(()) } else { Err(ProofError::TooShort) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAVES: [&str; 3] = [
        "2a158d8afd48e3f88cb4195dfdb2a9e4817d95fa57fd34440d93f9aae5c4f82b",
        "798e6a07734241cb4ee9e30a512d3ac722a5fde3cbf9340755301d2715fd7810",
        "f931962f0917c346d447293c07b687ae1609f7003f8a44a06a75c4145b1e1929",
    ];
    const ROOT: &str = "d4186e3c05a620ce61397e838bfbd76e6f27e6d7daa13c59eb82a8e094608e1c";

    fn leaf(index: usize) -> LeafHash {
        LEAVES[index].parse().unwrap()
    }

    fn pair(left: usize, right: usize) -> [u8; 32] {
        node_hash(leaf(left).as_bytes(), leaf(right).as_bytes())
    }

    #[test]
    fn the_vectors_hashes() {
        assert_eq!([leaf_hash(b"alpha"), leaf_hash(b"bravo"), leaf_hash(b"charlie")], [leaf(0), leaf(1), leaf(2)]);
        assert_eq!(RootHash::from_bytes(node_hash(&pair(0, 1), leaf(2).as_bytes())), ROOT.parse().unwrap());
        assert_eq!(empty_root().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn the_vectors_inclusion() {
        let root = ROOT.parse().unwrap();
        let path = [*leaf(0).as_bytes(), *leaf(2).as_bytes()];
        assert_eq!(verify_inclusion(1, 3, &leaf(1), &path, &root), Ok(()));
        assert_eq!(verify_inclusion(2, 3, &leaf(2), &[pair(0, 1)], &root), Ok(()));
        let check = |index, size, leaf, path: &[_]| verify_inclusion(index, size, &leaf, path, &root);
        for (found, code) in [
            (check(1, 3, leaf(0), &path), "proof-root-mismatch"),
            (check(0, 3, leaf(1), &path), "proof-root-mismatch"),
            (check(1, 3, leaf(1), &path[..1]), "proof-too-short"),
            (check(1, 2, leaf(1), &path), "proof-too-long"),
            (check(3, 3, leaf(1), &path), "proof-index-out-of-range"),
            (check(0, 0, leaf(1), &[]), "proof-index-out-of-range"),
            (check(0, 1, leaf(1), &[]), "proof-root-mismatch"),
        ] {
            assert_eq!(found.map_err(|error| error.code()), Err(code));
        }
    }

    #[test]
    fn growth_is_proved_and_its_opposite_is_not() {
        let one = RootHash::from_bytes(*leaf(0).as_bytes());
        let two = RootHash::from_bytes(pair(0, 1));
        let three: RootHash = ROOT.parse().unwrap();
        let to_two = [*leaf(1).as_bytes()];
        let to_three = [*leaf(2).as_bytes()];
        assert_eq!(verify_consistency(1, &one, 2, &two, &to_two), Ok(()));
        assert_eq!(verify_consistency(2, &two, 3, &three, &to_three), Ok(()));
        assert_eq!(verify_consistency(1, &one, 3, &three, &[to_two[0], to_three[0]]), Ok(()));
        assert_eq!(verify_consistency(3, &three, 3, &three, &[]), Ok(()));
        assert_eq!(verify_consistency(0, &empty_root(), 3, &three, &[]), Ok(()));
        for (found, code) in [
            (verify_consistency(3, &three, 2, &two, &to_three), "proof-sizes-out-of-order"),
            (verify_consistency(2, &two, 3, &three, &[]), "proof-too-short"),
            (verify_consistency(2, &two, 3, &three, &[to_three[0]; 2]), "proof-too-long"),
            (verify_consistency(2, &one, 3, &three, &to_three), "proof-root-mismatch"),
            (verify_consistency(3, &two, 3, &three, &[]), "proof-root-mismatch"),
            (verify_consistency(3, &three, 3, &three, &to_two), "proof-too-long"),
            (verify_consistency(0, &one, 3, &three, &[]), "proof-old-root-mismatch"),
            (verify_consistency(0, &empty_root(), 0, &one, &[]), "proof-root-mismatch"),
            (verify_consistency(0, &empty_root(), 3, &three, &to_two), "proof-too-long"),
            (verify_consistency(3, &three, 4, &three, &[]), "proof-too-short"),
        ] {
            assert_eq!(found.map_err(|error| error.code()), Err(code));
        }
    }

    #[test]
    fn the_largest_tree_is_climbed_without_overflow() {
        let path = [[0; 32]; 64];
        let leaf = leaf_hash(b"");
        let root = empty_root();
        let last = verify_inclusion(u64::MAX - 1, u64::MAX, &leaf, &path, &root);
        assert_eq!(last.map_err(|error| error.code()), Err("proof-too-long"));
        let first = verify_inclusion(0, u64::MAX, &leaf, &path, &root);
        assert_eq!(first.map_err(|error| error.code()), Err("proof-root-mismatch"));
        let grown = verify_consistency(u64::MAX - 1, &root, u64::MAX, &root, &path[..63]);
        assert!(grown.is_err());
    }
}
