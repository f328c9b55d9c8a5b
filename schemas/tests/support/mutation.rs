//! Corpora of the fuzz targets, and changes to their texts: what the properties of parsers are held to on a stable toolchain.

use std::{fs, path::PathBuf};

use proptest::{prelude::*, sample::Index, test_runner::TestRunner};

/// A property of a parser: whether the bytes were read.
pub(crate) type Property = fn(&[u8]) -> bool;

/// The files of `tests/fuzz/corpus/<name>`, from the folder of a crate of the workspace.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no corpus in {}", folder.display());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// One change of a text: of a byte, of a stretch, or a piece of another text.
#[derive(Debug, Clone)]
enum Change {
    Byte(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Splice(Index, Index, usize),
}

fn any_change() -> impl Strategy<Value = Change> {
    let text =
        prop::sample::select(vec!["\"", "\\", "\n", "\t", " ", "+", "=", "0", "{", "}", "[", ",", ":", "\u{2014}"]);
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (any::<Index>(), text).prop_map(|(at, text)| Change::Insert(at, text.as_bytes().to_vec())),
        (any::<Index>(), 1..80_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<Index>(), 1..80_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        (any::<Index>(), any::<Index>(), 1..80_usize).prop_map(|(at, from, length)| Change::Splice(at, from, length)),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>, other: &[u8]) {
        let place = |at: &Index, length: usize| at.index(length + 1);
        let stretch =
            |bytes: &[u8], start: usize, length: usize| bytes[start..bytes.len().min(start + length)].to_vec();
        match self {
            Self::Byte(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Byte(_, byte) => bytes.push(*byte),
            Self::Insert(at, text) => insert(bytes, place(at, bytes.len()), text),
            Self::Remove(at, length) => {
                let start = place(at, bytes.len());
                bytes.drain(start..bytes.len().min(start + length));
            }
            Self::Repeat(at, length) => {
                let start = place(at, bytes.len());
                let again = stretch(bytes, start, *length);
                insert(bytes, start, &again);
            }
            Self::Splice(at, from, length) => {
                let piece = stretch(other, place(from, other.len()), *length);
                insert(bytes, place(at, bytes.len()), &piece);
            }
        }
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}

/// Of a corpus some texts are read and some are refused.
pub(crate) fn some_are_read(name: &str, property: Property) {
    let corpus = corpus(name);
    let read = corpus.iter().filter(|bytes| property(bytes)).count();
    assert!(read > 0 && read < corpus.len(), "{name}: {read} of {} are read", corpus.len());
}

/// Mutates texts of a corpus, so many times.
pub(crate) fn hold_under_mutation(name: &str, property: Property, cases: u32) {
    let seeds = corpus(name);
    let strategy = (any::<Index>(), any::<Index>(), prop::collection::vec(any_change(), 0..4));
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&strategy, |(seed, other, changes)| {
        let mut bytes = seed.get(&seeds).clone();
        let other: &Vec<u8> = other.get(&seeds);
        for change in &changes {
            change.apply(&mut bytes, other);
        }
        property(&bytes);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
}
