//! The log as the outside reads it: tiles over HTTP, and the same as files.

use std::{fs, path::Path};

use lineal_ledger::export::{self, ExportError};
use lineal_schemas::{
    checkpoint::SignedCheckpoint,
    digest::EventDigest,
    entry::Entry,
    merkle::{leaf_hash, node_hash},
    tile::{self, TileLevel, TilePath},
    trust::Trust,
};

use crate::served::{LINES, Served, lines_of};

/// MTH of RFC 6962 section 2.1, as it is defined there.
fn root_of(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => panic!("no leaves"),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&root_of(left), &root_of(right))
        }
    }
}

/// Reads a log through its tiles alone, and checks everything against everything.
fn check_log(trust: &Trust, read: &dyn Fn(&str) -> Vec<u8>) -> Vec<Entry> {
    let checkpoint = SignedCheckpoint::parse(&String::from_utf8(read("checkpoint")).unwrap()).unwrap();
    trust.verify_checkpoint(&checkpoint).unwrap();
    let size = checkpoint.checkpoint().size;
    let (mut entries, mut leaves) = (Vec::new(), Vec::new());
    for path in TilePath::all(size) {
        let bytes = read(&path.to_string());
        let TileLevel::Hashes(level) = path.level() else {
            let bodies = read(&path.to_string().replace("tile/entries/", "tile/bodies/"));
            let bodies: Vec<_> = bodies.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n').collect();
            let bundle = tile::parse_bundle(&bytes, path.width()).unwrap();
            assert_eq!(bodies.len(), bundle.len());
            for (entry, body) in bundle.into_iter().zip(bodies) {
                leaves.push(*leaf_hash(entry).as_bytes());
                let entry = Entry::parse(entry).unwrap();
                assert_eq!((entry.index, entry.event), (entries.len() as u64, EventDigest::of(body)));
                entries.push(entry);
            }
            continue;
        };
        let hashes = tile::parse_tile(&bytes, path.width()).unwrap();
        let span = 256_usize.pow(u32::from(level));
        for (at, hash) in hashes.iter().enumerate() {
            let first = (usize::try_from(path.index()).unwrap() * 256 + at) * span;
            assert_eq!(*hash, root_of(&leaves[first..first + span]), "{path}, hash {at}");
        }
    }
    assert_eq!(root_of(&leaves), *checkpoint.checkpoint().root.as_bytes());
    entries
}

#[test]
fn all_of_the_log_is_there_through_its_tiles_and_gives_the_root_that_is_signed() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let events: Vec<_> = (0..598).map(|_| source.snapshot()).collect();
    served.post_lines(&lines_of(&events[..250]));
    served.post_lines(&lines_of(&events[250..]));
    let entries = check_log(&served.trust, &|path| served.found(&format!("/{path}")));
    assert_eq!(entries.len(), 600);
    assert!(entries[2..].iter().zip(&events).all(|(entry, event)| entry.event == event.digest()));
    let part = served.found("/tile/0/000.p/252");
    assert_eq!(part, served.found("/tile/0/000")[..252 * 32], "parts stay there after their tile is full");
    assert_eq!(served.found("/tile/entries/002.p/7").len(), served.found("/tile/entries/002.p/88").len() / 88 * 7);
    for nowhere in [
        "/tile/0/003",
        "/tile/0/002",
        "/tile/0/002.p/89",
        "/tile/1/000",
        "/tile/1/000.p/3",
        "/tile/2/000.p/1",
        "/tile/0/0",
        "/tile/00/000",
        "/tile/0/000.p/256",
        "/tile/0/000.p/0",
        "/tile/8/data/000",
        "/tile/bodies/0",
        "/tile/bodies/003",
        "/tile/bodies/002",
        "/tile/63/000",
        "/tile/0/x018/x446/x744/x073/x709/x551/615",
    ] {
        assert_eq!(served.get(nowhere).status, 404, "{nowhere}");
    }
}

#[test]
fn only_what_never_changes_may_be_cached_for_good() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    served.post(&source.snapshot());
    let headers = |path: &str| {
        let reply = served.get(path);
        (reply.header("content-type").unwrap().to_owned(), reply.header("cache-control").unwrap().to_owned())
    };
    let said = |kind: &str, cached: &str| (kind.to_owned(), cached.to_owned());
    let forever = "public, max-age=31536000, immutable";
    assert_eq!(headers("/checkpoint"), said("text/plain; charset=utf-8", "no-cache"));
    assert_eq!(headers("/tile/0/000.p/3"), said("application/octet-stream", forever));
    assert_eq!(headers("/tile/entries/000.p/3"), said("application/octet-stream", forever));
    assert_eq!(headers("/tile/bodies/000.p/3"), said(LINES, "no-cache"));
    assert_eq!(headers("/tile/0/000").1, "no-store", "it may be there soon");
}

fn files_in(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            files.extend(files_in(&path).into_iter().map(|file| format!("{name}/{file}")));
        } else {
            files.push(name);
        }
    }
    files.sort();
    files
}

#[test]
fn an_export_is_the_log_as_files_and_is_brought_up_to_date() {
    let mut served = Served::start();
    let mut source = served.producer(10);
    let folder = served.folder.path().join("public");
    let read = |path: &str| fs::read(folder.join(path)).unwrap();
    let events: Vec<_> = (0..298).map(|_| source.snapshot()).collect();
    served.post_lines(&lines_of(&events[..100]));
    assert_eq!(export::tiles(&served.ledger.view.record, &folder).unwrap(), 102);
    assert_eq!(check_log(&served.trust, &read).len(), 102);
    served.post_lines(&lines_of(&events[100..]));
    assert_eq!(export::tiles(&served.ledger.view.record, &folder).unwrap(), 300);
    assert_eq!(check_log(&served.trust, &read).len(), 300);
    let expected = [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/bodies/000",
        "tile/bodies/001.p/44",
        "tile/entries/000",
        "tile/entries/001.p/44",
    ];
    assert_eq!(files_in(&folder), expected, "one part a level at most");
    let untouched = fs::metadata(folder.join("tile/0/000")).unwrap().modified().unwrap();
    fs::write(folder.join("tile/entries/000"), "rotten").unwrap();
    assert_eq!(export::tiles(&served.ledger.view.record, &folder).unwrap(), 300);
    assert_eq!(check_log(&served.trust, &read).len(), 300);
    assert_eq!(fs::metadata(folder.join("tile/0/000")).unwrap().modified().unwrap(), untouched);
}

#[test]
fn an_export_leaves_alone_what_is_not_its_own() {
    let mut served = Served::start();
    let folder = served.folder.path().join("public");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("thesis.txt"), "years of work").unwrap();
    let refused = export::tiles(&served.ledger.view.record, &folder).unwrap_err();
    assert!(matches!(refused, ExportError::Foreign { .. }), "{refused}");
    assert_eq!(files_in(&folder), ["thesis.txt"]);
    fs::remove_file(folder.join("thesis.txt")).unwrap();
    let mut source = served.producer(10);
    served.post(&source.snapshot());
    export::tiles(&served.ledger.view.record, &folder).unwrap();
    let before = files_in(&folder);
    let mut other = Served::start();
    let refused = export::tiles(&other.ledger.view.record, &folder).unwrap_err();
    assert!(refused.to_string().contains("only 1 entries"), "{refused}");
    let mut source = other.producer(11);
    other.post_lines(&lines_of(&[source.snapshot(), source.snapshot()]));
    let refused = export::tiles(&other.ledger.view.record, &folder).unwrap_err();
    assert!(matches!(refused, ExportError::OtherHistory { size: 3, .. }), "{refused}");
    assert_eq!(files_in(&folder), before);
}
