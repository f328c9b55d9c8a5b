//! Every parser gives an error or a round trip, for whatever bytes: over the corpora of the fuzz targets, over mutations
//! of them, and over noise. The same properties run without end under cargo-fuzz. (docs/TESTING.md)
#![cfg(test)]

use std::{fs, path::PathBuf};

use proptest::{prelude::*, sample::Index, test_runner::TestRunner};

#[path = "support/properties.rs"]
pub mod properties;

use properties::{ALL, Property};

/// The files of `tests/fuzz/corpus/<name>`.
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

#[test]
fn every_corpus_is_read_or_refused_and_holds_some_of_both() {
    for (name, property) in ALL {
        let read = corpus(name).iter().filter(|bytes| property(bytes)).count();
        assert!(read > 0 && read < corpus(name).len(), "{name}: {read} of {} are read", corpus(name).len());
    }
}

/// Mutates texts of the corpus: 3,000 cases for each parser.
fn hold_under_mutation(name: &str, property: Property) {
    let seeds = corpus(name);
    let strategy = (any::<Index>(), any::<Index>(), prop::collection::vec(any_change(), 0..4));
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() });
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

#[test]
fn mutated_texts_are_refused_or_come_back_as_they_went() {
    for (name, property) in ALL {
        hold_under_mutation(name, property);
    }
}

proptest! {
    #[test]
    fn noise_is_refused_or_comes_back_as_it_went(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, property) in ALL {
            property(&bytes);
        }
    }

    #[test]
    fn text_like_noise_is_refused_or_comes_back_as_it_went(text in "[\\[\\]{}\",:0-9a-f\\\\u .eE+/=\n\u{2014}-]{0,120}") {
        for (_, property) in ALL {
            property(text.as_bytes());
        }
    }
}
