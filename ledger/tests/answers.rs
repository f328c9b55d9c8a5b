//! The answers over real ledgers: what was sent through intake, signed and enrolled, comes back as lineage.

#![expect(clippy::unwrap_used, reason = "a test fails where it breaks")]

use std::path::Path;

use lineal_ledger::{
    answers::{
        self, AnswerError, Style, Trace, Verdict,
        running::Status,
        trace::{EdgeKind, End, NodeKind},
    },
    clock::Clock as _,
    index::Index,
    ledger::read_only,
};
use lineal_schemas::{digest::EventDigest, timestamp::Timestamp};

#[path = "answers/admitted.rs"]
mod admitted;
#[path = "answers/counted.rs"]
mod counted;
#[path = "answers/diff.rs"]
mod diff;
#[path = "answers/evals.rs"]
mod evals;
#[path = "answers/explain.rs"]
mod explain;
#[path = "answers/findings.rs"]
mod findings;
#[path = "answers/findings_gated.rs"]
mod findings_gated;
#[path = "answers/flags.rs"]
mod flags;
#[path = "answers/gate.rs"]
mod gate;
#[path = "answers/gate_costs.rs"]
mod gate_costs;
#[path = "answers/gate_observed.rs"]
mod gate_observed;
#[path = "answers/histories.rs"]
mod histories;
#[path = "answers/inventories.rs"]
mod inventories;
#[path = "answers/key_impact.rs"]
mod key_impact;
#[path = "answers/moment.rs"]
mod moment;
#[path = "answers/names.rs"]
mod names;
#[path = "answers/order.rs"]
mod order;
#[path = "answers/impact.rs"]
mod impact;
#[path = "answers/in_hand.rs"]
mod in_hand;
#[path = "answers/rollback_patch.rs"]
mod rollback_patch;
#[path = "answers/rollback.rs"]
mod rollback;
#[path = "answers/running.rs"]
mod running;
#[path = "answers/schemas.rs"]
mod schemas;
#[path = "answers/walk_costs.rs"]
mod walk_costs;
#[path = "answers/world.rs"]
mod world;

use world::{ORIGIN, SERVICE, World, hash, serving, shared};

fn kinds(trace: &Trace) -> Vec<NodeKind> {
    trace.nodes.iter().map(|node| node.kind).collect()
}

#[test]
fn a_running_model_is_traced_to_its_exact_snapshot() {
    let mut world = World::deployed();
    let evaluation = r#"{"evaluationId":"ev-1","model":{"digest":{"sha256":"DIGEST(weights-1)"}},"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(held-out)"}},"role":"test"}],"results":[{"metric":"accuracy","value":"0.914"},{"metric":"accuracy","value":"0.80","slice":{"colour":"red"}}]}"#;
    world.send("evaluator", "evaluation.completed", "model/wine/quality", evaluation);
    let trace = world.trace(SERVICE);
    assert_eq!(trace.verdict, Verdict::Complete);
    assert_eq!(trace.exit_code(), 0);
    assert_eq!(kinds(&trace), [NodeKind::Service, NodeKind::Model, NodeKind::Run, NodeKind::Dataset]);
    let data = &trace.nodes[3];
    assert_eq!(data.digests[0].value, hash("red"), "the digest that sha256sum prints");
    assert_eq!((data.name.as_deref(), data.end), (Some("dataset/wine/red"), Some(End::Snapshot)));
    assert_eq!(data.events[0].signers[0].producer.as_deref(), Some("wine-data"));
    let (short_model, short_data) = (&hash("weights-1")[..12], &hash("red")[..12]);
    assert_eq!(
        trace.answer,
        format!(
            "{SERVICE} runs model/wine/quality v1 sha256:{short_model}…, made from dataset/wine/red v2026-11 sha256:{short_data}… (complete, 4 events)"
        )
    );
    assert_eq!(trace.measurements.len(), 1);
    assert_eq!(trace.measurements[0].overall["accuracy"], "0.914");
    assert!(!trace.measurements[0].inputs[0].in_ancestry);
    let run = trace.nodes[2].run.as_ref().unwrap();
    assert_eq!(
        (&*run.job_kind, run.dirty, run.unknown.as_slice()),
        ("train", Some(false), &["environment".to_owned()][..])
    );
    let text = trace.to_text(Style::Plain);
    for expected in
        ["└─ made by: job/wine/train run run-1", "training, observed", "seeds: rng=42", "1599 rows", "strong, declared"]
    {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    let size = world.view().index.stamp().unwrap().size;
    assert_eq!(text.lines().last(), Some(format!("as of tree size {size} of {ORIGIN}").as_str()));
}

#[test]
fn the_same_thing_is_found_under_every_name() {
    let mut world = World::deployed();
    world.send(
        "data",
        "alias.moved",
        "alias/wine/live",
        r#"{"alias":"alias/wine/live","to":{"digest":{"sha256":"DIGEST(weights-1)"}}}"#,
    );
    let model = hash("weights-1");
    let names = [
        "model/wine/quality".to_owned(),
        "model/wine/quality@1".to_owned(),
        "model/wine/quality@v1".to_owned(),
        "alias/wine/live".to_owned(),
        "wine/live".to_owned(),
        format!("sha256:{model}"),
        model[..8].to_owned(),
        format!("sha256:{}", &model[..9]),
    ];
    for name in names {
        let trace = world.trace(&name);
        assert_eq!(trace.nodes[0].digests[0].value, model, "{name}");
        assert_eq!(trace.verdict, Verdict::Complete, "{name}");
    }
    for name in ["service/wine/quality", "wine/quality@prod", "wine/quality@eu-1", "wine/quality@eu-1/prod"] {
        assert_eq!(world.trace(name).nodes[0].name.as_deref(), Some(SERVICE), "{name}");
    }
    let run = world.trace("job/wine/train");
    assert_eq!(run.nodes[0].kind, NodeKind::Run);
    let index = run.nodes[0].events[0].index;
    let digest = run.nodes[0].events[0].event.to_string();
    for name in [format!("#{index}"), digest[..10].to_owned(), digest] {
        assert_eq!(world.trace(&name).nodes, run.nodes, "{name}");
    }
    assert!(run.answer.starts_with("job/wine/train run run-1 used dataset/wine/red"), "{}", run.answer);
}

#[test]
fn data_made_of_data_leads_to_the_first_snapshot_and_its_source() {
    let mut world = World::begin();
    world.snapshot(
        "dataset/wine/raw",
        "raw",
        r#","sources":[{"name":"public archive","uri":"https://archive.example/wine"}]"#,
    );
    world.snapshot(
        "dataset/wine/clean",
        "clean",
        r#","derivedFrom":[{"digest":{"sha256":"DIGEST(raw)"}}],"transform":{"uri":"git+https://git.example/clean"}"#,
    );
    world.train("run-1", "clean", "weights-1");
    let trace = world.trace(&hash("weights-1"));
    assert_eq!(trace.verdict, Verdict::Boundary);
    assert_eq!(trace.exit_code(), 0);
    assert_eq!(trace.boundaries, ["public archive"]);
    assert!(trace.answer.contains("was made from dataset/wine/clean"), "{}", trace.answer);
    assert!(trace.answer.contains("which goes back to dataset/wine/raw"), "{}", trace.answer);
    let transform = trace.edges.iter().find(|edge| edge.relation == EdgeKind::Transform).unwrap();
    assert!(!transform.ancestry, "a transform is shown and not followed");
}

#[test]
fn a_missing_run_breaks_the_trace_and_is_named() {
    let mut world = World::begin();
    world.register("model/wine/quality", "1", "weights-1", "");
    world.observe(SERVICE, &serving("weights-1"), "");
    let trace = world.trace(SERVICE);
    assert_eq!(trace.verdict, Verdict::Broken);
    assert_eq!(trace.exit_code(), 1);
    assert_eq!(trace.missing.len(), 1);
    assert!(
        trace.missing[0].starts_with("no run.completed says what made model/wine/quality v1"),
        "{:?}",
        trace.missing
    );
    assert!(trace.to_text(Style::Plain).contains("MISSING no run.completed"));
}

#[test]
fn a_run_whose_data_nobody_described_is_broken_and_so_is_one_without_data() {
    let mut world = World::begin();
    world.train("run-1", "unseen", "weights-1");
    let trace = world.trace(&hash("weights-1"));
    assert!(trace.missing[0].starts_with("no dataset.snapshotted and no run describes"), "{:?}", trace.missing);
    let bare = r#"{"runId":"run-2","job":{"namespace":"wine","name":"train","kind":"train"},"outputs":[{"digest":{"sha256":"DIGEST(weights-2)"}}]}"#;
    world.send("trainer", "run.completed", "job/wine/train", bare);
    let trace = world.trace(&hash("weights-2"));
    assert_eq!(trace.missing, ["run run-2 names nothing that it used"]);
}

#[test]
fn a_vendors_model_ends_at_a_declared_boundary() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    world.register("model/vendor/base", "7", "base", r#","supplier":"Acme Models","external":true"#);
    let tuned = r#"{"runId":"run-1","job":{"namespace":"wine","name":"tune","kind":"finetune"},"outputs":[{"digest":{"sha256":"DIGEST(tuned)"}}],"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(base)"}},"role":"base-model"},{"artifact":{"digest":{"sha256":"DIGEST(red)"}},"role":"training"}]}"#;
    world.send("trainer", "run.completed", "job/wine/tune", tuned);
    let trace = world.trace(&hash("tuned"));
    assert_eq!(trace.verdict, Verdict::Boundary);
    assert!(trace.boundaries[0].starts_with("model/vendor/base v7"), "{:?}", trace.boundaries);
    assert!(trace.answer.contains("ends at a declared boundary: model/vendor/base v7"), "{}", trace.answer);
    assert!(trace.to_text(Style::Plain).contains("supplied by Acme Models"));
}

/// Asked for by its own name, it was broken: "no strong digest", as if somebody had forgotten it.
#[test]
fn a_vendors_model_that_nobody_has_a_digest_of_ends_at_a_declared_boundary() {
    let mut world = World::begin();
    let hosted = r#"{"model":{"uri":"https://vendor.example/scorer"},"name":"model/wine/scorer","version":"7","supplier":"Acme Models"}"#;
    let index = world.send("trainer", "model.registered", "model/wine/scorer", hosted);
    for asked in ["model/wine/scorer", "model/wine/scorer@7", &format!("#{index}")] {
        let trace = world.trace(asked);
        assert_eq!((trace.verdict, trace.exit_code()), (Verdict::Boundary, 0), "{asked}: {}", trace.answer);
        assert!(trace.boundaries[0].starts_with("model/wine/scorer v7"), "{:?}", trace.boundaries);
        assert!(trace.to_text(Style::Plain).contains("made outside, supplied by Acme Models"), "{asked}");
        assert_eq!(trace.nodes[0].events[0].index, index);
    }
    let own = r#"{"model":{"uri":"s3://models/x"},"name":"model/wine/own"}"#;
    world.send("trainer", "model.registered", "model/wine/own", own);
    let trace = world.trace("model/wine/own");
    assert_eq!(trace.verdict, Verdict::Broken);
    assert!(trace.missing[0].contains("has no strong digest"), "{:?}", trace.missing);
}

#[test]
fn a_circle_in_declared_lineage_is_finite_and_reported() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/a", "a", r#","derivedFrom":[{"digest":{"sha256":"DIGEST(b)"}}]"#);
    world.snapshot("dataset/wine/b", "b", r#","derivedFrom":[{"digest":{"sha256":"DIGEST(a)"}}]"#);
    let trace = world.trace("dataset/wine/a");
    assert_eq!((trace.verdict, trace.nodes.len()), (Verdict::Broken, 2));
    assert_eq!(trace.cycles, [vec![0, 1]]);
    assert!(trace.missing[0].contains("goes in a circle: dataset/wine/a"), "{:?}", trace.missing);
    assert!(trace.to_text(Style::Plain).contains("(closes a circle)"));
}

#[test]
fn a_weak_digest_never_joins() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    let weak = r#"{"dataset":{"digest":{"sha256":"DIGEST(other)","md5":"abc123"}},"name":"dataset/wine/other"}"#;
    world.send("data", "dataset.snapshotted", "dataset/wine/other", weak);
    let run = r#"{"runId":"run-1","job":{"namespace":"wine","name":"train","kind":"train"},"outputs":[{"digest":{"sha256":"DIGEST(weights-1)"}}],"inputs":[{"artifact":{"digest":{"md5":"abc123"}},"role":"training"},{"artifact":{"digest":{"sha256":"DIGEST(red)"}},"role":"training"}]}"#;
    world.send("trainer", "run.completed", "job/wine/train", run);
    let trace = world.trace(&hash("weights-1"));
    assert_eq!(trace.verdict, Verdict::Broken);
    assert!(trace.nodes.iter().all(|node| node.name.as_deref() != Some("dataset/wine/other")));
    assert!(trace.missing[0].contains("no strong digest (weak)"), "{:?}", trace.missing);
    assert!(trace.to_text(Style::Plain).contains("md5:abc123 (weak)"));
}

#[test]
fn equated_digests_and_digests_of_one_event_join() {
    let mut world = World::deployed();
    let equated = r#"{"a":{"digest":{"sha256":"DIGEST(image-manifest)"}},"b":{"digest":{"sha256":"DIGEST(unpacked)"}},"method":"oci-unpacked"}"#;
    world.send("data", "artifact.equated", "artifact/wine/quality", equated);
    let two = r#"{"a":{"digest":{"sha256":"DIGEST(unpacked)","dirHash":"DIGEST(tree)"}},"b":{"digest":{"sha256":"DIGEST(weights-1)"}},"method":"copied"}"#;
    world.send("data", "artifact.equated", "artifact/wine/quality", two);
    let other = "service/wine/quality@eu-2/prod";
    world.observe(other, &serving("image-manifest"), "");
    let trace = world.trace(other);
    assert_eq!(trace.verdict, Verdict::Complete);
    let model = &trace.nodes[1];
    assert_eq!(model.name.as_deref(), Some("model/wine/quality"));
    assert_eq!(model.digests[0].value, hash("image-manifest"), "the digest that was observed comes first");
    assert_eq!(model.digests.len(), 4);
    assert_eq!(world.trace(&format!("dirHash:{}", hash("tree"))).nodes[0].digests.len(), 4);
}

#[test]
fn a_correction_by_somebody_who_may_replaces_what_was_said() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    let (_index, wrong) = world.train("run-1", "wrong", "weights-1");
    assert_eq!(world.trace(&hash("weights-1")).verdict, Verdict::Broken);
    let right = r#"{"runId":"run-1","job":{"namespace":"wine","name":"train","kind":"train"},"outputs":[{"digest":{"sha256":"DIGEST(weights-1)"}}],"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(red)"}},"role":"training"}]}"#;
    let correction = format!(r#"{{"corrects":"{wrong}","data":{right}}}"#);
    // The evaluator may speak of this subject, but not say that a run completed.
    world.send("evaluator", "record.corrected", "job/wine/train", &correction);
    assert_eq!(world.trace(&hash("weights-1")).verdict, Verdict::Broken);
    let by = world.send("trainer", "record.corrected", "job/wine/train", &correction);
    let trace = world.trace(&hash("weights-1"));
    assert_eq!(trace.verdict, Verdict::Complete, "{}", trace.answer);
    assert_eq!(trace.nodes[1].events[0].corrected_by, Some(by));
}

#[test]
fn a_compromised_key_is_said_wherever_an_answer_rests_on_it() {
    let mut world = World::deployed();
    let keyid = world.senders["data"].key.keyid();
    let since = Timestamp::from_millis(world.clock.wall().as_millis() - 3_600_000);
    let revoked = format!(r#"{{"keyid":"{keyid}","reason":"compromised","compromisedSince":"{since}"}}"#);
    world.send("root", "key.revoked", &format!("key/{keyid}"), &revoked);
    let trace = world.trace(SERVICE);
    assert_eq!(trace.verdict, Verdict::Complete, "what was admitted stays");
    assert!(trace.warnings[0].contains("(wine-data), revoked since: compromised"), "{:?}", trace.warnings);
    assert!(trace.to_text(Style::Plain).contains("COMPROMISED when it signed"));
}

#[test]
fn bytes_that_are_gone_are_said_to_be_gone() {
    let mut world = World::deployed();
    let at = r#"{"artifact":{"digest":{"sha256":"DIGEST(red)"}},"uri":"s3://bucket/red.csv"}"#;
    world.send("data", "artifact.destroyed", "artifact/wine/red", at);
    let trace = world.trace("dataset/wine/red");
    assert_eq!(trace.verdict, Verdict::Complete);
    assert!(trace.nodes[0].notes[0].starts_with("its bytes are gone from s3://bucket/red.csv"));
    world.send("data", "artifact.located", "artifact/wine/red", at);
    assert!(world.trace("dataset/wine/red").nodes[0].notes.is_empty());
}

#[test]
fn a_limit_of_nodes_is_said_when_it_is_hit() {
    let world = World::deployed();
    let trace = answers::trace_within(&world.view(), SERVICE, world.clock.wall(), 2).unwrap();
    assert!(trace.truncated);
    assert_eq!(trace.verdict, Verdict::Broken);
    assert!(trace.missing[0].starts_with("the limit of 2 nodes"), "{:?}", trace.missing);
}

#[test]
fn a_long_chain_is_walked_and_printed_without_recursion() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/day-0", "0", "");
    for day in 1..300 {
        let from = format!(r#","derivedFrom":[{{"digest":{{"sha256":"DIGEST({})"}}}}]"#, day - 1);
        world.snapshot(&format!("dataset/wine/day-{day}"), &day.to_string(), &from);
    }
    let trace = world.trace("dataset/wine/day-299");
    assert_eq!((trace.nodes.len(), trace.snapshots.as_slice()), (300, &[299][..]));
    assert!(trace.answer.contains("which goes back to dataset/wine/day-0"), "{}", trace.answer);
}

#[test]
fn an_entry_is_given_whole_and_in_a_line() {
    let world = World::deployed();
    let view = world.view();
    let index = world.trace("dataset/wine/red").nodes[0].events[0].index;
    let entry = answers::get(&view, &index.to_string(), world.clock.wall()).unwrap();
    let body = entry.body.as_ref().unwrap().as_str();
    assert_eq!(EventDigest::of(body.as_bytes()), entry.event, "the bytes that were signed");
    assert_eq!(entry.signers[0].producer.as_deref(), Some("wine-data"));
    lineal_schemas::receipt::Receipt::parse(&entry.receipt).unwrap();
    let json = serde_json::to_string(&entry).unwrap();
    assert_eq!(serde_json::from_str::<answers::EntryAnswer>(&json).unwrap(), entry);
    let id = serde_json::from_str::<serde_json::Value>(body).unwrap()["id"].as_str().unwrap().to_owned();
    for asked in [format!("#{index}"), id, entry.event.to_string(), entry.event.to_string()[..9].to_owned()] {
        assert_eq!(answers::get(&view, &asked, world.clock.wall()).unwrap().index, index, "{asked}");
    }
    assert_eq!(answers::get(&view, "4711", world.clock.wall()).unwrap_err().code(), "no-such-entry");
    let line = answers::log_line(&view.registry(), &view.record.get(index).unwrap()).unwrap();
    let digest = &entry.event.to_string()[..12];
    let (received, subject) = (entry.received, "dataset/wine/red");
    assert_eq!(line.to_string(), format!("#{index}  {received}  wine-data  dataset.snapshotted  {subject}  {digest}…"));
    let genesis = answers::log_line(&view.registry(), &view.record.get(0).unwrap()).unwrap();
    assert_eq!(genesis.producers, ["root"]);
}

fn fingerprint(index: &Index) -> [u8; 32] {
    index.fingerprint().unwrap()
}

fn remove_index(path: &Path) {
    std::fs::remove_dir_all(path.join("derived/index")).unwrap();
}

#[test]
fn an_index_made_again_is_the_live_one() {
    let mut world = World::deployed();
    // What was seen, of each kind: late, in part, at the end, and corrected.
    let late = format!(
        r#"{{"service":"{SERVICE}","servingSet":[{}],"observedAt":"{}","observer":"probe-2","complete":false}}"#,
        serving("weights-0"),
        Timestamp::from_millis(world.clock.wall().as_millis() - 60_000)
    );
    let (_index, event) = world.send_event("observer", "deployment.observed", SERVICE, &late);
    world.send("observer", "record.corrected", SERVICE, &format!(r#"{{"corrects":"{event}","data":{late}}}"#));
    world.send("deployer", "deployment.removed", SERVICE, &format!(r#"{{"service":"{SERVICE}"}}"#));
    world.observe(SERVICE, &serving("weights-1"), r#","nextWithinSeconds":600"#);
    // What findings are looked up in: flags, incidents, inventories, what came late, who signed.
    world.flag("red", "poisoned", "");
    world.incident(
        "opened",
        &format!(r#","services":["{SERVICE}"],"artifacts":[{{"digest":{{"sha256":"DIGEST(red)"}}}}]"#),
    );
    world.inventory(&[("service/wine/quality", &serving("weights-1"))], true, r#","part":{"number":1,"of":2}"#);
    let at = Timestamp::from_millis(world.clock.wall().as_millis() - 7_200_000);
    let late = world.sign(
        "data",
        "dataset.snapshotted",
        "dataset/wine/late",
        r#"{"dataset":{"digest":{"sha256":"DIGEST(late)"}}}"#,
        at,
    );
    world.submit(late);
    let run = r#","environment":{"versions":{"numpy":"2.1.0"}}"#;
    world.run("run-9", "red", "weights-9", run);
    let live = fingerprint(&world.view().index);
    let now = world.clock.wall();
    let (trace, running) = (world.trace(SERVICE), world.running());
    let read = read_only(&world.data_dir()).unwrap();
    assert_eq!(fingerprint(&read.index), live, "read beside the writer");
    assert_eq!(answers::trace(&read, SERVICE, now).unwrap(), trace);
    assert_eq!(answers::running(&read, None, now).unwrap(), running);
    world.ledger.take().unwrap().close();
    world.open();
    assert_eq!(fingerprint(&world.view().index), live, "opened again");
    world.ledger.take().unwrap().close();
    remove_index(&world.path());
    world.open();
    world.ledger.as_ref().unwrap().wait_for_index();
    assert_eq!(fingerprint(&world.view().index), live, "made again from the record");
    assert_eq!(world.trace(SERVICE), trace);
}

#[test]
fn a_part_of_a_snapshot_leads_to_the_whole() {
    let mut world = World::begin();
    let split = r#","splits":[{"name":"train","artifact":{"digest":{"sha256":"DIGEST(red-train)"}}}]"#;
    world.snapshot("dataset/wine/red", "red", split);
    world.train("run-1", "red-train", "weights-1");
    let trace = world.trace(&hash("weights-1"));
    assert_eq!(trace.verdict, Verdict::Complete, "{}", trace.answer);
    assert!(trace.edges.iter().any(|edge| edge.relation == EdgeKind::PartOf));
    let last = &trace.nodes[trace.snapshots[0]];
    assert_eq!(last.name.as_deref(), Some("dataset/wine/red"));
}

#[test]
fn a_run_that_changes_nothing_makes_no_circle() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    let run = r#"{"runId":"check","job":{"namespace":"wine","name":"check","kind":"transform"},"outputs":[{"digest":{"sha256":"DIGEST(red)"}}],"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(red)"}},"role":"corpus"}]}"#;
    world.send("trainer", "run.completed", "job/wine/check", run);
    let trace = world.trace("dataset/wine/red");
    assert_eq!((trace.verdict, trace.cycles.len()), (Verdict::Complete, 0));
    assert!(trace.nodes[0].notes[0].contains("passed it through unchanged"), "{:?}", trace.nodes[0].notes);
}

/// The store checks no page that it reads: an answer from a damaged one could be a false "nothing". So all of them are
/// checked when the index is opened.
#[test]
fn a_damaged_index_is_made_again_whatever_byte_it_is() {
    let mut world = World::deployed();
    let live = fingerprint(&world.view().index);
    let file = world.path().join("derived/index/pairs.redb");
    let digest = hex::decode(hash("weights-1").trim_start_matches("sha256:")).unwrap();
    world.ledger.take().unwrap().close();
    let whole = std::fs::read(&file).unwrap();
    let places: Vec<usize> = (0..whole.len() - 32).filter(|at| whole[*at..].starts_with(&digest)).collect();
    assert!(!places.is_empty(), "the digest stands in a key");
    let mut bytes = whole;
    for at in places {
        bytes[at] ^= 1;
    }
    std::fs::write(&file, bytes).unwrap();
    world.open();
    world.ledger.as_ref().unwrap().wait_for_index();
    assert_eq!(fingerprint(&world.view().index), live);
    assert!(world.path().join("derived/index.unusable").exists(), "what was damaged is kept");
}
