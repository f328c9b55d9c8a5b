//! Our C2SP formats before independent judges: `signed_note` and `tlog_tiles` (ports of the Go reference) and
//! `metamorphic-log`. What we write they read, what they write we read, and on proofs all of us agree.
#![cfg(test)]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lineal_schemas::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    digest::{LeafHash, RootHash},
    key::SecretKey,
    merkle,
    note::{self, Note, VerifierKey},
    proof::TlogProof,
    tile::{TileLevel, TilePath},
};
use metamorphic_log as third;
use proptest::prelude::*;
use signed_note::{Signer as _, Verifier as _};

const NAME: &str = "example.com/ledger";

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32]).unwrap()
}

fn vkey(seed: u8) -> VerifierKey {
    VerifierKey::new(NAME, key(seed).public().clone()).unwrap()
}

/// The key as `signed_note` wants it.
fn their_signer(seed: u8) -> signed_note::StandardSigner {
    let secret = [&[1][..], &[seed; 32]].concat();
    let skey = format!("PRIVATE+KEY+{NAME}+{:08x}+{}", vkey(seed).id(), STANDARD.encode(secret));
    signed_note::StandardSigner::new(&skey).unwrap()
}

fn their_verifiers(seed: u8) -> signed_note::VerifierList {
    let verifier = signed_note::StandardVerifier::new(&vkey(seed).to_string()).unwrap();
    signed_note::VerifierList::new(vec![Box::new(verifier)])
}

#[test]
fn verifier_keys_are_read_alike() {
    for seed in 1..20 {
        let ours = vkey(seed);
        let theirs = signed_note::StandardVerifier::new(&ours.to_string()).unwrap();
        assert_eq!((theirs.name(), theirs.key_id()), (ours.name(), ours.id()));
        assert_eq!(their_signer(seed).key_id(), ours.id());
        let third = third::note::VerifierKey::parse(&ours.to_string()).unwrap();
        assert_eq!((third.key_id(), third.encode()), (ours.id(), ours.to_string()));
        let cosigner = VerifierKey::cosigner(NAME, key(seed).public().clone()).unwrap();
        let third = third::note::VerifierKey::new_cosignature_ed25519(NAME, &key(seed).public().raw()).unwrap();
        assert_eq!(third.encode(), cosigner.to_string());
    }
}

#[test]
fn cosignatures_are_made_alike() {
    let text = "example.com/ledger\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    for timestamp in [0, 1, 1_679_315_147, u64::MAX >> 1] {
        let ours = note::cosign(text, "witness.example/w1", &key(7), timestamp);
        let third = third::note::sign_cosignature_ed25519(text, "witness.example/w1", &[7; 32], timestamp).unwrap();
        assert_eq!(ours.to_string(), third.marshal_line());
    }
}

proptest! {
    #[test]
    fn what_we_sign_they_verify(text in "[^\\x00-\\x09\\x0b-\\x1f]{0,200}\n", seed in 1..9_u8) {
        let signed = Note { signatures: vec![note::sign(&text, NAME, &key(seed))], text };
        let theirs = signed_note::Note::from_bytes(signed.to_string().as_bytes()).unwrap();
        prop_assert_eq!(theirs.text(), signed.text.as_bytes());
        prop_assert_eq!(theirs.verify(&their_verifiers(seed)).unwrap().0.len(), 1);
        prop_assert!(theirs.verify(&their_verifiers(seed + 1)).is_err());
        let third = third::note::SignedNote::parse(&signed.to_string()).unwrap();
        let third_key = third::note::VerifierKey::parse(&vkey(seed).to_string()).unwrap();
        prop_assert_eq!(third.verify(&[third_key]).unwrap().len(), 1);
    }

    #[test]
    fn what_they_sign_we_verify(text in "[^\\x00-\\x09\\x0b-\\x1f]{0,200}\n", seed in 1..9_u8) {
        let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&their_signer(seed), &their_signer(seed + 1)]).unwrap();
        let bytes = String::from_utf8(theirs.to_bytes()).unwrap();
        let ours = Note::parse(&bytes).unwrap();
        prop_assert_eq!(ours.to_string(), bytes);
        prop_assert_eq!(&ours.text, &text);
        prop_assert_eq!(ours.verify(&[vkey(seed), vkey(seed + 1)]).unwrap().len(), 2);
        prop_assert_eq!(ours.verify(&[vkey(seed)]).unwrap().len(), 1);
        prop_assert!(ours.verify(&[vkey(seed + 2)]).is_err());
    }

    #[test]
    fn nothing_is_read_as_a_note_by_us_alone(note in "[a\n]{0,9}\n\n(\u{2014} [a+ ]{1,3} [A-D=]{0,12}\n){0,3}[\n ]?") {
        if let Ok(ours) = Note::parse(&note) {
            let theirs = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
            prop_assert_eq!(theirs.to_bytes(), note.as_bytes());
            prop_assert_eq!(theirs.text(), ours.text.as_bytes());
        }
    }

    #[test]
    fn checkpoints_are_read_alike(size in 1..=u64::MAX, root: [u8; 32]) {
        let ours = Checkpoint { origin: NAME.to_owned(), size, root: RootHash::from_bytes(root) };
        let theirs = tlog_tiles::Checkpoint::new(NAME, size, tlog_tiles::Hash(root), "").unwrap();
        prop_assert_eq!(ours.to_string().into_bytes(), theirs.to_bytes());
        prop_assert_eq!(tlog_tiles::Checkpoint::from_bytes(ours.to_string().as_bytes()).unwrap(), theirs);
        let signed = SignedCheckpoint::sign(&ours, &key(1));
        let third_key = third::note::VerifierKey::parse(&vkey(1).to_string()).unwrap();
        let third = third::checkpoint::Checkpoint::from_signed_note(&signed, &[third_key]).unwrap();
        prop_assert_eq!((third.size(), *third.root_hash(), third.marshal()), (size, root, ours.to_string()));
    }

    #[test]
    fn tile_paths_are_spelled_alike(level in 0..=63_u8, index: u64, shift in 0..64_u32, width in 1..=256_u16) {
        let index = index >> shift;
        let ours = TilePath::new(TileLevel::Hashes(level), index, width).unwrap();
        let theirs = tlog_tiles::Tile::new(8, level, index, u32::from(width), false);
        prop_assert_eq!(ours.to_string(), c2sp_spelling(&theirs));
        prop_assert_eq!(third::tile::Tile::new(level, index, width).unwrap().path(), ours.to_string());
        let entries = TilePath::new(TileLevel::Entries, index, width).unwrap();
        let theirs = tlog_tiles::Tile::new(8, 0, index, u32::from(width), true);
        prop_assert_eq!(entries.to_string(), c2sp_spelling(&theirs));
    }

    #[test]
    fn nothing_is_read_as_a_tile_path_by_us_alone(text in "tile/(0|1|01|64)(/x?[01]{2,4}){1,3}(\\.p/[0-2]{1,3})?") {
        // The third reader also takes `x000/000` for `000`: it has to print the very text to count as having read it.
        let third = third::tile::Tile::parse_path(&text).map(|tile| tile.path()).ok().filter(|path| *path == text);
        prop_assert_eq!(text.parse::<TilePath>().ok().map(|path| path.to_string()), third);
    }

    #[test]
    fn a_tree_has_the_same_tiles(size in 0..200_000_u64) {
        let mut theirs: Vec<_> = tlog_tiles::Tile::new_tiles(8, 0, size).iter().map(c2sp_spelling).collect();
        let mut ours: Vec<_> = TilePath::all(size)
            .filter(|tile| tile.level() != TileLevel::Entries)
            .map(|tile| tile.to_string())
            .collect();
        theirs.sort();
        ours.sort();
        prop_assert_eq!(ours, theirs);
    }
}

/// Their paths are those of the Go checksum database: the height comes first, and entries are called data.
fn c2sp_spelling(tile: &tlog_tiles::Tile) -> String {
    tile.path().replacen("tile/8/data/", "tile/entries/", 1).replacen("tile/8/", "tile/", 1)
}

/// A tree kept by `tlog_tiles`, which also makes the proofs.
#[derive(Default)]
struct Tree {
    hashes: Vec<tlog_tiles::Hash>,
}

impl tlog_tiles::HashReader for Tree {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        let hash = |&index| usize::try_from(index).ok().and_then(|index| self.hashes.get(index).copied());
        indexes.iter().map(|index| hash(index).ok_or(tlog_tiles::Error::IndexesNotInTree)).collect()
    }
}

impl Tree {
    fn of(size: u64) -> Self {
        let mut tree = Self::default();
        for index in 0..size {
            let hashes = tlog_tiles::stored_hashes(index, &entry(index), &tree).unwrap();
            tree.hashes.extend(hashes);
        }
        tree
    }

    fn root(&self, size: u64) -> RootHash {
        RootHash::from_bytes(tlog_tiles::tree_hash(size, self).unwrap().0)
    }

    fn inclusion(&self, index: u64, size: u64) -> Vec<[u8; 32]> {
        tlog_tiles::prove_record(size, index, self).unwrap().into_iter().map(|hash| hash.0).collect()
    }

    fn consistency(&self, old: u64, new: u64) -> Vec<[u8; 32]> {
        tlog_tiles::prove_tree(new, old, self).unwrap().into_iter().map(|hash| hash.0).collect()
    }
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn leaf(index: u64) -> LeafHash {
    merkle::leaf_hash(&entry(index))
}

fn theirs(path: &[[u8; 32]]) -> Vec<tlog_tiles::Hash> {
    path.iter().map(|&hash| tlog_tiles::Hash(hash)).collect()
}

fn thirds(path: &[[u8; 32]]) -> Vec<Vec<u8>> {
    path.iter().map(|hash| hash.to_vec()).collect()
}

/// Every way to spoil a list of hashes a little.
fn mutations(path: &[[u8; 32]]) -> Vec<Vec<[u8; 32]>> {
    let mut mutated = vec![[path, &[[0; 32]]].concat(), [&[[0; 32]], path].concat()];
    for at in 0..path.len() {
        let mut flipped = path.to_vec();
        flipped[at][at % 32] ^= 0x10;
        mutated.push(flipped);
        let mut shorter = path.to_vec();
        shorter.remove(at);
        mutated.push(shorter);
        let mut twice = path.to_vec();
        twice.insert(at, path[at]);
        mutated.push(twice);
        let mut swapped = path.to_vec();
        swapped.swap(at, 0);
        mutated.push(swapped);
    }
    mutated.retain(|mutation| mutation != path);
    mutated
}

/// Asks all three whether the proof holds; they must agree.
fn holds_inclusion(index: u64, size: u64, leaf: &LeafHash, path: &[[u8; 32]], root: &RootHash) -> bool {
    let ours = merkle::verify_inclusion(index, size, leaf, path, root).is_ok();
    let (their_root, their_leaf) = (tlog_tiles::Hash(*root.as_bytes()), tlog_tiles::Hash(*leaf.as_bytes()));
    let theirs = tlog_tiles::check_record(&theirs(path), size, their_root, index, their_leaf).is_ok();
    let third = third::verify_inclusion(index, size, leaf.as_bytes(), &thirds(path), root.as_bytes()).is_ok();
    assert_eq!((ours, ours), (theirs, third), "index {index} size {size}");
    ours
}

/// Asks all three whether the proof holds; they must agree.
fn holds_consistency(old: u64, old_root: &RootHash, new: u64, new_root: &RootHash, path: &[[u8; 32]]) -> bool {
    let ours = merkle::verify_consistency(old, old_root, new, new_root, path).is_ok();
    let (old_hash, new_hash) = (tlog_tiles::Hash(*old_root.as_bytes()), tlog_tiles::Hash(*new_root.as_bytes()));
    let theirs = tlog_tiles::check_tree(&theirs(path), new, new_hash, old, old_hash).is_ok();
    let third = third::verify_consistency(old, new, &thirds(path), old_root.as_bytes(), new_root.as_bytes()).is_ok();
    assert_eq!((ours, ours), (theirs, third), "old {old} new {new}");
    ours
}

const SIZES: u64 = 41;

#[test]
fn leaves_and_nodes_hash_alike() {
    assert_eq!(merkle::empty_root().as_bytes(), &tlog_tiles::EMPTY_HASH.0);
    for length in 0..300 {
        let entry = vec![0x61; length];
        assert_eq!(merkle::leaf_hash(&entry).as_bytes(), &tlog_tiles::record_hash(&entry).0);
        assert_eq!(merkle::leaf_hash(&entry).as_bytes(), &third::merkle::hash_leaf(&entry));
    }
    let (left, right) = ([1; 32], [2; 32]);
    let node = tlog_tiles::node_hash(tlog_tiles::Hash(left), tlog_tiles::Hash(right));
    assert_eq!(merkle::node_hash(&left, &right), node.0);
}

#[test]
fn every_inclusion_proof_of_every_small_tree_is_judged_alike() {
    let tree = Tree::of(SIZES);
    for size in 1..SIZES {
        let root = tree.root(size);
        for index in 0..size {
            let path = tree.inclusion(index, size);
            assert!(holds_inclusion(index, size, &leaf(index), &path, &root));
            assert!(!holds_inclusion(index, size, &leaf(index + 1), &path, &root));
            assert!(!holds_inclusion(index, size, &leaf(index), &path, &tree.root(size + 1)));
            for mutation in mutations(&path) {
                assert!(!holds_inclusion(index, size, &leaf(index), &mutation, &root));
            }
            for other in (0..size + 2).filter(|&other| other != index) {
                assert!(!holds_inclusion(other, size, &leaf(index), &path, &root));
            }
            // Under another size a path may lead to the same root: there it only matters that all agree.
            for other in 0..SIZES {
                holds_inclusion(index, other, &leaf(index), &path, &root);
            }
        }
    }
}

#[test]
fn every_consistency_proof_of_every_small_tree_is_judged_alike() {
    let tree = Tree::of(SIZES);
    for new in 1..SIZES {
        let new_root = tree.root(new);
        for old in 1..=new {
            let (old_root, path) = (tree.root(old), tree.consistency(old, new));
            assert!(holds_consistency(old, &old_root, new, &new_root, &path));
            assert!(!holds_consistency(old, &old_root, new, &tree.root(new + 1), &path));
            assert!(!holds_consistency(old, &tree.root(old + 1), new, &new_root, &path));
            for mutation in mutations(&path) {
                assert!(!holds_consistency(old, &old_root, new, &new_root, &mutation));
            }
            for other in 1..SIZES {
                holds_consistency(other, &old_root, new, &new_root, &path);
                holds_consistency(old, &old_root, other, &new_root, &path);
            }
        }
    }
}

#[test]
fn a_tlog_proof_of_a_foreign_tree_is_believed() {
    let tree = Tree::of(300);
    let checkpoint = Checkpoint { origin: NAME.to_owned(), size: 300, root: tree.root(300) };
    let checkpoint = SignedCheckpoint::parse(&SignedCheckpoint::sign(&checkpoint, &key(1))).unwrap();
    for index in [0, 1, 255, 256, 299] {
        let proof =
            TlogProof { extra: None, index, hashes: tree.inclusion(index, 300), checkpoint: checkpoint.clone() };
        let proof = TlogProof::parse(&proof.to_string()).unwrap();
        assert_eq!(proof.verify_inclusion(&leaf(index)), Ok(()));
        assert!(proof.verify_inclusion(&leaf(index + 1)).is_err());
    }
}
