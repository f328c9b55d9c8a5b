//! The Merkle tree, grown leaf by leaf: the right edge in memory, every finished subtree's hash in one flat file.
//!
//! This is the ledger's way of building the tree of RFC 6962; the verifier has its own. The file is derived state:
//! hash (level, k), which covers leaves k·2^level and on, stands at a place that only depends on level and k, so the
//! file only ever grows. Never checks a proof: that is `lineal_schemas::merkle`.

use std::{cell::RefCell, collections::HashMap, io};

use lineal_schemas::{
    digest::{LeafHash, RootHash},
    merkle::{empty_root, node_hash},
};

use crate::storage::StoredFile;

/// Bytes of a hash.
pub const HASH_BYTES: u64 = 32;

/// The right edge of a tree: the roots of its complete subtrees, largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<[u8; 32]>,
}

impl Frontier {
    /// Leaves so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, and appends to `stored` every hash that it completes, in the order of the file.
    pub fn push(&mut self, leaf: LeafHash, stored: &mut Vec<u8>) {
        let mut hash = *leaf.as_bytes();
        stored.extend_from_slice(&hash);
        for _level in 0..self.size.trailing_ones() {
            // A set bit of the size is a peak, so there is one for each trailing one.
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            stored.extend_from_slice(&hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree as it stands.
    pub fn root(&self) -> RootHash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        RootHash::from_bytes(peaks.fold(*last, |right, left| node_hash(left, &right)))
    }
}

/// How many hashes stand in the file for a tree of `size` leaves.
pub fn stored_count(size: u64) -> u64 {
    2 * size - u64::from(size.count_ones())
}

/// Where hash (level, k) stands in the file, counted in hashes.
fn place(level: u32, k: u64) -> u64 {
    // It is written right after the last leaf that it covers, behind the lower levels that this leaf completes.
    let last_leaf = ((k + 1) << level) - 1;
    stored_count(last_leaf) + u64::from(level)
}

/// Hashes read at a time: neighbours are wanted next.
const BLOCK_HASHES: u64 = 128;

/// The file of hashes, for reading: one of these for each question, since it keeps what it has read.
#[derive(Debug)]
pub struct Hashes<'a> {
    file: &'a dyn StoredFile,
    blocks: RefCell<HashMap<u64, Vec<u8>>>,
}

impl<'a> Hashes<'a> {
    /// Reads `file`.
    pub fn new(file: &'a dyn StoredFile) -> Self {
        Self { file, blocks: RefCell::default() }
    }

    /// The root of the complete subtree `k` of height `level`.
    pub fn subtree(&self, level: u32, k: u64) -> io::Result<[u8; 32]> {
        let place = place(level, k);
        let (block, at) = (place / BLOCK_HASHES, usize::try_from(place % BLOCK_HASHES).unwrap_or(0) * 32);
        let mut blocks = self.blocks.borrow_mut();
        let read = blocks.entry(block).or_default();
        if read.len() < at + 32 {
            *read = self.read_block(block)?;
        }
        let hash = read.get(at..at + 32).and_then(|hash| hash.try_into().ok());
        hash.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn read_block(&self, block: u64) -> io::Result<Vec<u8>> {
        let offset = block * BLOCK_HASHES * HASH_BYTES;
        let length = self.file.length()?.saturating_sub(offset).min(BLOCK_HASHES * HASH_BYTES);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file.read_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// The right edge of the tree of `size` leaves.
    pub fn frontier(&self, size: u64) -> io::Result<Frontier> {
        let mut peaks = Vec::new();
        let mut covered = 0;
        for level in (0..u64::BITS).rev().filter(|level| size & (1 << level) != 0) {
            peaks.push(self.subtree(level, covered >> level)?);
            covered += 1 << level;
        }
        Ok(Frontier { size, peaks })
    }

    /// MTH(D\[from:to\]) of RFC 6962, where `from` is a multiple of the power of two that spans it.
    fn range(&self, from: u64, to: u64) -> io::Result<[u8; 32]> {
        let width = to - from;
        if width.is_power_of_two() {
            return self.subtree(width.trailing_zeros(), from >> width.trailing_zeros());
        }
        let split = from + (1 << width.ilog2());
        Ok(node_hash(&self.range(from, split)?, &self.range(split, to)?))
    }

    /// The inclusion proof of leaf `index` in the tree of `size` leaves: the leaf's sibling first.
    pub fn inclusion(&self, index: u64, size: u64) -> io::Result<Vec<[u8; 32]>> {
        let (mut from, mut to, mut path) = (0, size, Vec::new());
        while to - from > 1 {
            let width = to - from;
            let split = from + (width - 1).checked_ilog2().map_or(1, |level| 1 << level);
            if index < split {
                path.push(self.range(split, to)?);
                to = split;
            } else {
                path.push(self.range(from, split)?);
                from = split;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// The consistency proof between the trees of `old` and `size` leaves (RFC 6962 section 2.1.2).
    pub fn consistency(&self, old: u64, size: u64) -> io::Result<Vec<[u8; 32]>> {
        let mut path = Vec::new();
        if old == 0 || old == size {
            return Ok(path);
        }
        let (mut from, mut to) = (0, size);
        while old != to {
            let split = from + (to - from - 1).checked_ilog2().map_or(1, |level| 1 << level);
            if old <= split {
                path.push(self.range(split, to)?);
                to = split;
            } else {
                path.push(self.range(from, split)?);
                from = split;
            }
        }
        if from != 0 {
            path.push(self.range(from, to)?);
        }
        path.reverse();
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use lineal_schemas::merkle::{leaf_hash, verify_consistency, verify_inclusion};

    use super::*;

    fn leaf(index: u64) -> LeafHash {
        leaf_hash(&index.to_be_bytes())
    }

    /// The recursive definition of RFC 6962 section 2.1.
    fn root_by_definition(from: u64, to: u64) -> [u8; 32] {
        match to - from {
            0 => *empty_root().as_bytes(),
            1 => *leaf(from).as_bytes(),
            width => {
                let split = from + width.next_power_of_two() / 2;
                node_hash(&root_by_definition(from, split), &root_by_definition(split, to))
            }
        }
    }

    #[test]
    fn every_small_tree_has_the_root_of_the_definition_and_proofs_that_check() {
        let folder = tempfile::tempdir().unwrap();
        let options = std::fs::File::options().read(true).write(true).create_new(true).clone();
        let file = options.open(folder.path().join("hashes")).unwrap();
        let (mut frontier, mut stored, mut roots) = (Frontier::default(), Vec::new(), vec![empty_root()]);
        for size in 1..=70_u64 {
            frontier.push(leaf(size - 1), &mut stored);
            assert_eq!(stored.len() as u64, stored_count(size) * HASH_BYTES);
            assert_eq!(*frontier.root().as_bytes(), root_by_definition(0, size), "size {size}");
            roots.push(frontier.root());
        }
        file.write_at(&stored, 0).unwrap();
        let hashes = Hashes::new(&file);
        for size in 1..=70_u64 {
            let root = roots[usize::try_from(size).unwrap()];
            assert_eq!(hashes.frontier(size).unwrap().root(), root);
            for index in 0..size {
                let path = hashes.inclusion(index, size).unwrap();
                verify_inclusion(index, size, &leaf(index), &path, &root).unwrap();
            }
            for old in 1..=size {
                let path = hashes.consistency(old, size).unwrap();
                verify_consistency(old, &roots[usize::try_from(old).unwrap()], size, &root, &path).unwrap();
            }
        }
    }
}
