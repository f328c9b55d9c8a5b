//! What an operator lives through: a second process on the same data, a damaged record, a torn tail, a restored backup, a
//! full disk. Each is said in words that tell what to do, and no acknowledged event is lost by any of them.
#![cfg(test)]

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use lineal_ledger::outcome::Answer;
use lineal_schemas::{digest::EventDigest, dsse::Signed, receipt::Receipt};
use lineal_tests::{
    programs::{Http, LedgerHome, LedgerProcess, isolated, recorded, run, segments},
    signing::{Producer, key},
};

/// The producer of a ledger with its key enrolled.
fn producer(home: &LedgerHome) -> Producer {
    let options = ["--source", "https://ops.example/**", "--role", "data", "--name", "dataset/ops/**"];
    home.enrol(key(1).public(), "ops", &options);
    Producer::new(key(1), home.genesis(), "https://ops.example/a", "dataset/ops/a")
}

/// Has events committed, each in a batch of its own.
#[track_caller]
fn commit(http: &Http, events: &[Signed]) {
    for event in events {
        let response = http.post_event(event);
        assert_eq!(response.status, 201, "{}", response.text());
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

#[test]
fn a_second_process_is_told_that_the_directory_is_open_and_stops() {
    let home = LedgerHome::init();
    let mut producer = producer(&home);
    let process = home.serve();
    let second = home.serve_to_its_end();
    second.with_code(1).saying(&["error: ", "is open in another process", "hint: "]);
    assert!(second.stderr.contains(&home.dir().display().to_string()), "{}", second.stderr);
    run(&mut home.lineal("rebuild")).with_code(1).saying(&["is open in another process"]);
    commit(process.http(), &[producer.next_event()]);
    process.stop();
    home.serve().stop();
    home.verify(&["--quiet"]).succeeded();
}

/// A ledger at rest, with a batch for each of a few events.
fn at_rest() -> LedgerHome {
    let home = LedgerHome::init();
    let mut producer = producer(&home);
    let process = home.serve();
    commit(process.http(), &producer.next_events(4));
    process.stop();
    home
}

/// It refuses to start, says where the damage is, and leaves every byte as it is.
#[track_caller]
fn is_refused_untouched(home: &LedgerHome, words: &[&str]) {
    let before = files(home.dir());
    home.serve_to_its_end().with_code(1).saying(words).saying(&["damaged", "hint: nothing was changed"]);
    let from = home.folder().join("one.dsse");
    fs::write(&from, "{}\n").unwrap();
    run(home.lineal("append").arg(from)).with_code(1).saying(words);
    run(&mut home.lineal("log")).with_code(1).saying(words);
    let after = files(home.dir());
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (path, bytes) in before {
        assert!(after[&path] == bytes, "{} was changed", path.display());
    }
    let found = home.verify::<&str>(&[]);
    found.with_code(1);
    assert!(found.stdout.lines().last().is_some_and(|line| line.starts_with("NOT VERIFIED")), "{}", found.stdout);
}

#[test]
fn a_flipped_byte_up_to_the_head_keeps_the_ledger_from_starting() {
    let home = at_rest();
    let segment = &segments(home.dir())[0];
    let text = fs::read(segment).unwrap();
    for (entry, index) in recorded(home.dir()).iter().zip(0_u64..) {
        let place = |bytes: &[u8]| text.windows(bytes.len()).position(|window| window == bytes).unwrap();
        let (in_entry, in_event) = (place(&entry.entry_bytes) + 20, place(&entry.event) + 40);
        for at in [in_entry, in_event] {
            let mut damaged = text.clone();
            damaged[at] ^= 1;
            fs::write(segment, &damaged).unwrap();
            is_refused_untouched(&home, &[&format!("index {index}")]);
        }
    }
    fs::write(segment, &text).unwrap();
    home.serve().stop();
    home.verify(&["--quiet"]).succeeded();
}

#[test]
fn a_record_that_ends_too_early_or_a_head_that_is_gone_keeps_the_ledger_from_starting() {
    let home = at_rest();
    let segment = &segments(home.dir())[0];
    let (text, head) = (fs::read(segment).unwrap(), fs::read(home.dir().join("head")).unwrap());
    let last_line = text[..text.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for length in [last_line, last_line + 50, text.len() - 1] {
        fs::write(segment, &text[..length]).unwrap();
        is_refused_untouched(&home, &["index 6"]);
    }
    fs::write(segment, &text).unwrap();
    fs::write(home.dir().join("head"), vec![0; head.len()]).unwrap();
    is_refused_untouched(&home, &["head"]);
    fs::write(home.dir().join("head"), &head).unwrap();
    home.serve().stop();
}

#[test]
fn a_torn_tail_beyond_the_head_is_set_aside_and_said() {
    let home = LedgerHome::init();
    let mut producer = producer(&home);
    let process = home.serve();
    commit(process.http(), &producer.next_events(3));
    process.kill();
    let segment = &segments(home.dir())[0];
    let length = fs::metadata(segment).unwrap().len();
    let tail = br#"{"index":5,"received":"2026-11-23T21:50:12.345Z","prev"#;
    fs::File::options().write(true).open(segment).unwrap().write_all_at(tail, length).unwrap();
    home.verify(&["--quiet"]).with_code(2);

    let process = home.serve();
    assert!(process.said().contains("torn tail"), "{}", process.said());
    assert_eq!(fs::metadata(segment).unwrap().len(), length);
    let aside: Vec<_> = files(&home.dir().join("torn")).into_values().collect();
    assert_eq!(aside, [tail.to_vec()]);
    commit(process.http(), &producer.next_events(2));
    home.verify(&["--quiet"]).succeeded();
    process.stop();
}

#[test]
fn a_restored_backup_is_noticed() {
    let mut home = LedgerHome::init();
    let mirror = home.folder().join("mirror");
    home.mirror_to(mirror.clone());
    let mut producer = producer(&home);
    let process = home.serve();
    commit(process.http(), &producer.next_events(2));
    process.stop();
    let backup = files(home.dir());
    let process = home.serve();
    commit(process.http(), &producer.next_events(2));
    process.stop();

    fs::remove_dir_all(home.dir()).unwrap();
    for (path, bytes) in &backup {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let refused = home.serve_to_its_end();
    refused.with_code(1).saying(&["ends at 4 entries", "6 were committed", "backup", "Remove that file"]);
    let mirrored: Vec<_> = files(&mirror).into_keys().collect();
    assert!(refused.stderr.contains(&mirrored[0].display().to_string()), "{}", refused.stderr);
    assert_eq!(files(home.dir())[&home.dir().join("head")], backup[&home.dir().join("head")]);

    // Whoever knows better says so, and then another history grows.
    fs::remove_file(&mirrored[0]).unwrap();
    let process = home.serve();
    let mut other = Producer::new(key(1), home.genesis(), "https://ops.example/b", "dataset/ops/b");
    commit(process.http(), &other.next_events(2));
    process.stop();
    home.verify(&["--quiet"]).succeeded();
}

/// An attachment that every large event names.
static LISTING: [u8; 3 << 20] = [b'x'; 3 << 20];

/// Events of 200 KiB: a small disk is soon full.
fn large_event(producer: &mut Producer) -> Signed {
    let mut parts = producer.draft();
    let (digest, size) = (EventDigest::of(&LISTING), LISTING.len());
    let listing =
        format!(r#"{{"role":"listing","digest":{{"sha256":"{digest}"}},"size":{size},"mediaType":"text/plain"}}"#);
    let padding = "x".repeat(200 * 1024);
    parts.data.insert_str(1, &format!(r#""annotations":{{"padding":"{padding}"}},"attachments":[{listing}],"#));
    producer.say(&parts)
}

/// What became of large events until one was refused.
struct Filled {
    acknowledged: Vec<(Signed, String)>,
    refused: Signed,
    answer: Answer,
}

/// Sends events until one is refused.
fn fill(http: &Http, producer: &mut Producer) -> Filled {
    let mut acknowledged = Vec::new();
    while acknowledged.len() < 1000 {
        let event = large_event(producer);
        let response = http.post_event(&event);
        let answer = response.answer();
        if let Some(receipt) = answer.receipt {
            assert_eq!((response.status, &*answer.outcome), (201, "committed"));
            acknowledged.push((event, receipt));
            continue;
        }
        assert_eq!((response.status, &*answer.outcome, answer.retry), (503, "refused", true), "{answer:?}");
        return Filled { acknowledged, refused: event, answer };
    }
    panic!("the disk does not get full");
}

impl Filled {
    /// What the refusal says.
    #[track_caller]
    fn says(&self, code: &str, words: &str) {
        assert_eq!((self.answer.code.as_deref(), self.answer.index), (Some(code), None));
        assert!(self.answer.message.as_ref().is_some_and(|said| said.contains(words)), "{:?}", self.answer);
    }

    /// Everything that was acknowledged is there, and what was refused is taken in now.
    #[track_caller]
    fn is_all_there(&self, home: &LedgerHome, http: &Http) {
        let (record, trust) = (recorded(home.dir()), home.trust());
        for (event, receipt) in &self.acknowledged {
            let proof = Receipt::parse(receipt).unwrap();
            proof.verify(&trust).unwrap();
            assert_eq!(record[usize::try_from(proof.index()).unwrap()].event, event.event);
            let again = http.post_event(event).answer();
            assert_eq!((&*again.outcome, again.receipt.as_ref()), ("duplicate", Some(receipt)));
        }
        commit(http, std::slice::from_ref(&self.refused));
    }
}

#[track_caller]
fn is_not_ready(http: &Http, reason: &str) {
    let ready = http.get("/readyz");
    assert!(ready.status == 503 && ready.text().contains(reason), "{}", ready.text());
}

fn reads_go_on(home: &LedgerHome, http: &Http, acknowledged: &[(Signed, String)]) {
    assert_eq!(http.get("/healthz").status, 200);
    assert!(http.get("/checkpoint").text().contains(&format!("\n{}\n", 2 + acknowledged.len())));
    assert_eq!(http.get(&format!("/tile/entries/000.p/{}", 2 + acknowledged.len())).status, 200);
    for (event, receipt) in acknowledged {
        let found = http.get(&format!("/receipts/{}", event.digest()));
        assert_eq!((found.status, found.text()), (200, receipt.as_str()));
    }
    let listed = run(&mut home.lineal("log")).succeeded();
    assert_eq!(listed.lines().count(), 2 + acknowledged.len(), "{listed}");
}

/// A file that may not grow is what every machine can give a test: the system refuses the write in the middle.
#[test]
fn a_write_that_the_system_refuses_ends_intake_and_nothing_else() {
    let home = LedgerHome::init();
    let mut producer = producer(&home);
    let serve = home.serve_command();
    let mut limited = isolated("sh");
    limited
        .args(["-c", r#"trap "" XFSZ; ulimit -f 8192; exec "$0" "$@""#])
        .arg(serve.get_program())
        .args(serve.get_args());
    let process = LedgerProcess::start(limited);
    let filled = fill(process.http(), &mut producer);
    filled.says("intake-stopped", "File too large");
    // It stays so, whatever comes, and says what to do.
    let again = process.http().post_event(&large_event(&mut producer)).answer();
    assert!(again.message.as_ref().is_some_and(|said| said.contains("restart")), "{again:?}");
    is_not_ready(process.http(), "File too large");
    reads_go_on(&home, process.http(), &filled.acknowledged);
    process.stop();

    let process = home.serve();
    assert!(process.said().contains("torn tail"), "{}", process.said());
    filled.is_all_there(&home, process.http());
    process.stop();
    home.verify(&["--quiet"]).succeeded();
}

/// A file system of a test's own.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one, if this user may.
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "lineal-test"]).arg(&at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }

    fn grow(&self) {
        run(isolated("mount").args(["-o", "remount,size=256m"]).arg(&self.0)).succeeded();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(std::thread::panicking() || unmounted.is_ok_and(|status| status.success()), "{}", self.0.display());
    }
}

/// A disk with nothing but the ledger on it. Where nobody may mount one, the test before and those of the log stand for it.
#[test]
fn a_full_disk_refuses_intake_and_nothing_else_until_there_is_room() {
    let mut disk = None;
    let home = LedgerHome::init_at(|folder| {
        disk = SmallDisk::mount(folder.join("disk"));
        folder.join("disk/ledger")
    });
    let Some(disk) = disk else {
        println!("this user may not mount a file system");
        return;
    };
    let mut producer = producer(&home);
    let process = home.serve();
    let filled = fill(process.http(), &mut producer);
    filled.says("disk-full", "the disk is full");
    reads_go_on(&home, process.http(), &filled.acknowledged);
    process.kill();
    // Not one byte is left, and it opens and answers all the same.
    fill_up(&disk.0.join("others"));
    run(home.lineal("get").arg("2")).succeeded();
    let process = LedgerProcess::listening(home.serve_command());
    is_not_ready(process.http(), "the disk is full");
    reads_go_on(&home, process.http(), &filled.acknowledged);
    let again = process.http().post_event(&filled.refused);
    assert_eq!((again.status, again.answer().code.as_deref()), (503, Some("disk-full")));
    let attachment = format!("/attachments/{}", EventDigest::of(&LISTING));
    let stored = process.http().put(&attachment, &LISTING);
    assert_eq!((stored.status, stored.header("lineal-error")), (503, Some("disk-full")), "{}", stored.text());

    disk.grow();
    assert_eq!(process.http().put(&attachment, &LISTING).status, 201);
    filled.is_all_there(&home, process.http());
    process.stop();
    home.verify(&["--quiet"]).succeeded();
    drop(disk);
}

/// Writes until the disk takes no more.
fn fill_up(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
}
