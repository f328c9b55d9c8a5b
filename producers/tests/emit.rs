//! The program as a person calls it: what it prints, what it writes, how it ends.
#![expect(clippy::unwrap_used, reason = "a test fails where its own set-up does")]

#[path = "emit/answers.rs"]
mod answers;
#[path = "emit/gate.rs"]
mod gate;
#[path = "emit/place.rs"]
mod place;

use std::fs;

use lineal_schemas::{digest::EventDigest, dsse::Signed, key::SecretKey};

use place::Place;

#[test]
fn a_folder_is_snapshotted_with_its_listing() {
    let place = Place::new();
    place.write("data/a.csv", "1\n");
    place.write("data/b/c.csv", "2\n");
    let (code, out, err) = place.run(&["dataset", "data", "--name", "dataset/payments/transactions"]);
    assert_eq!(code, 0, "{err}");
    let (name, subject, source, last, data) = place.events().remove(0);
    assert_eq!((name.as_str(), subject.as_str(), last), ("dataset.snapshotted", "dataset/payments/transactions", true));
    assert!(source.starts_with("https://ci.example.com/payments/jobs/"));
    let digest = data["dataset"]["digest"]["dirHash"].as_str().unwrap();
    assert_eq!(out, format!("dataset dirHash:{digest}\n"));
    assert_eq!((data["stats"]["fileCount"].as_u64(), data["origin"]["kind"].as_str()), (Some(2), Some("cli")));
    let listing = fs::read(place.path().join("events.jsonl.attachments").join(digest)).unwrap();
    assert_eq!(EventDigest::of(&listing).to_string(), digest);
}

#[test]
fn what_is_told_later_says_when_it_happened() {
    let place = Place::new();
    place.write("d.csv", "1\n");
    let time = ["--time", "2026-11-20T03:12:00Z"];
    let dataset = ["dataset", "d.csv", "--name", "dataset/site/d"];
    let (code, _, err) = place.run(&[&dataset[..], &time].concat());
    assert_eq!(code, 0, "{err}");
    let text = fs::read_to_string(place.path().join("events.jsonl")).unwrap();
    let signed = Signed::from_envelope(text.trim_end().as_bytes()).unwrap();
    let event: serde_json::Value = serde_json::from_slice(&signed.event).unwrap();
    assert_eq!(event["time"], "2026-11-20T03:12:00Z");
    // What is run now happens now, and what is no time is none.
    for arguments in [&["run", "--job", "a/b", "--output", "m", "--no-capture", "--", "true"][..], &["flush"]] {
        let (code, _, err) = place.run(&[&time[..], arguments].concat());
        assert!(code == 2 && err.contains("--time is for one event"), "{err}");
    }
    let (code, _, err) = place.run(&[&dataset[..], &["--time", "yesterday"]].concat());
    assert!(code == 1 && err.contains("time"), "{err}");
    assert_eq!(place.names().len(), 1);
}

#[test]
fn a_run_records_its_start_its_end_and_what_was_between() {
    let place = Place::new();
    place.write("train.csv", "1\n");
    let (code, _, err) = place.run(&[
        "run",
        "--job",
        "payments/train",
        "--input",
        "training=train.csv",
        "--output",
        "model/payments/fraud=model.bin",
        "--param",
        "lr=0.10",
        "--seed",
        "numpy=7",
        "--",
        "sh",
        "-c",
        "echo $LINEAL_RUN_ID > model.bin",
    ]);
    assert_eq!(code, 0, "{err}");
    let events = place.events();
    assert_eq!(place.names(), ["run.started", "run.completed"]);
    assert_eq!((events[0].3, events[1].3), (false, true));
    let data = &events[1].4;
    assert_eq!(data["inputs"][0]["role"], "training");
    assert_eq!(data["outputs"][0]["name"], "model/payments/fraud");
    assert_eq!(data["seeds"]["numpy"], 7);
    assert_eq!(data["runId"].as_str().unwrap(), fs::read_to_string(place.path().join("model.bin")).unwrap().trim());
    assert!(err.contains("output model/payments/fraud sha256:"), "{err}");
    assert!(data["annotations"].get("command").is_none());
}

#[test]
fn a_failed_command_is_a_failed_run_and_the_wrappers_exit_code() {
    for (script, expected, error_code) in
        [("exit 3", 3, "exit-3"), ("kill -TERM $$", 143, "signal-15"), ("true", 1, "output-missing")]
    {
        let place = Place::new();
        let (code, ..) = place.run(&["run", "--job", "a/b", "--output", "m", "--no-capture", "--", "sh", "-c", script]);
        assert_eq!(code, expected, "{script}");
        assert_eq!(place.names(), ["run.started", "run.failed"]);
        let (.., last, data) = place.events().remove(1);
        assert!(last);
        assert_eq!(data["errorCode"], error_code);
        assert_eq!(data["seeds"]["unknown"], "not-recorded");
    }
    let place = Place::new();
    let (code, ..) = place.run(&["run", "--job", "a/b", "--output", "m", "--no-capture", "--", "/no/such/program"]);
    assert_eq!((code, place.names().len()), (127, 2));
}

#[test]
fn a_ledger_that_is_away_changes_nothing_for_the_command() {
    let place = Place::new();
    let arguments = ["--to", "http://127.0.0.1:1", "run", "--job", "a/b", "--output", "m", "--no-capture", "--"];
    let (code, _, err) = place.run(&[&arguments[..], &["sh", "-c", "echo 1 > m"]].concat());
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("waits in the outbox") && place.events().is_empty());
    assert_eq!(place.run(&["outbox"]).1.lines().next(), Some("2 waiting, 0 refused, 0 attachments to send"));
    let (code, out, _) = place.run(&["flush", "--follow"]);
    assert_eq!((code, out.trim()), (0, "2 settled, 0 refused, 0 waiting"));
    assert_eq!(place.names(), ["run.started", "run.completed"]);
}

#[test]
fn flush_follows_until_somebody_takes_what_waits() {
    let place = Place::new();
    place.write("d.csv", "1\n");
    let target = ["--to", "file:later/events.jsonl"];
    place.run(&[&target[..], &["dataset", "d.csv", "--name", "dataset/site/d"]].concat());
    let mut follow = std::process::Command::new(assert_cmd::cargo::cargo_bin("lineal-emit"));
    follow.args(target).args(["flush", "--follow"]).current_dir(place.path());
    let mut follow = follow.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(follow.stderr.take().unwrap()), &mut line).unwrap();
    assert!(line.starts_with("again in ") && line.contains("cannot append"), "{line}");
    fs::create_dir(place.path().join("later")).unwrap();
    assert_eq!(follow.wait().unwrap().code(), Some(0));
    assert_eq!(fs::read_to_string(place.path().join("later/events.jsonl")).unwrap().lines().count(), 1);
}

#[test]
fn nats_needs_the_producers_name() {
    let place = Place::new();
    let to = ["--to", "nats://127.0.0.1:1"];
    let (code, _, err) = place.run(&[&to[..], &["flush"]].concat());
    assert!(code == 2 && err.contains("producer's name") && err.contains("--producer NAME"), "{err}");
    let (code, _, err) = place.run(&[&to[..], &["--producer", "ci", "--nats-user", "ci", "flush"]].concat());
    assert!(code == 2 && err.contains("--nats-user needs --nats-password"), "{err}");
    place.write(
        "lineal-emit.toml",
        &format!(
            "{}producer = \"ci\"\nnats.nkey = \"ci.nk\"\n",
            fs::read_to_string(place.path().join("lineal-emit.toml")).unwrap()
        ),
    );
    place.write("d.csv", "1\n");
    let (code, _, err) = place.run(&[&to[..], &["dataset", "d.csv", "--name", "dataset/site/d"]].concat());
    assert!(code == 0 && err.contains("waits in the outbox") && err.contains("ci.nk: "), "{err}");
}

#[test]
fn a_receipt_that_is_not_there_is_said() {
    let place = Place::new();
    let (code, _, err) = place.run(&["receipt", &EventDigest::of(b"x").to_string()]);
    assert!(code == 1 && err.contains("no receipt of event"), "{err}");
    let (code, _, err) = place.run(&["receipt", "b5ab"]);
    assert!(code == 2 && err.contains("no digest"), "{err}");
}

#[test]
fn a_signal_reaches_the_command() {
    use std::process::Stdio;
    let place = Place::new();
    let script = "trap 'echo stopped > m; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("lineal-emit"))
        .args(["run", "--job", "a/b", "--output", "m", "--no-capture", "--", "sh", "-c", script])
        .current_dir(place.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    assert_eq!(line, "ready\n");
    std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
    assert_eq!(place.names(), ["run.started", "run.failed"]);
    assert_eq!(fs::read_to_string(place.path().join("m")).unwrap(), "stopped\n");
}

#[test]
fn a_measurement_is_announced_before_it_is_made() {
    let place = Place::new();
    place.write("model.bin", "m");
    let base = ["evaluation", "--name", "model/payments/fraud", "--model", "model.bin", "--data", "sha256:"];
    let data = format!("sha256:{}", EventDigest::of(b"holdout"));
    let base = [&base[..6], &[data.as_str()]].concat();
    let script = r#"printf '[{"metric":"auc","value":0.9120,"sampleSize":10}]' > "$LINEAL_RESULTS""#;
    let (code, _, err) = place.run(&[&base[..], &["--", "sh", "-c", script]].concat());
    assert_eq!(code, 0, "{err}");
    assert_eq!(place.names(), ["evaluation.started", "evaluation.completed"]);
    let (.., data) = place.events().remove(1);
    assert_eq!((&data["inputs"][0]["role"], &data["harness"]["name"]), (&"evaluation".into(), &"sh".into()));
    let text = fs::read_to_string(place.path().join("events.jsonl")).unwrap();
    let completed = Signed::from_envelope(text.lines().nth(1).unwrap().as_bytes()).unwrap();
    assert!(String::from_utf8(completed.event).unwrap().contains("\"value\":0.9120"), "digits are kept");

    // A command that fails leaves the announcement standing.
    let (code, ..) = place.run(&[&base[..], &["--", "sh", "-c", "exit 4"]].concat());
    assert_eq!((code, place.names().len()), (4, 3));

    // A file of results from before is another measurement's.
    place.write("results.json", "[]");
    let (code, _, err) = place.run(&[&base[..], &["--results", "results.json", "--", "true"]].concat());
    assert!(code == 2 && err.contains("before the command has run"), "{err}");
}

/// An evaluation that was killed left its folder behind, and one with the same id could never be made again on that
/// machine: "File exists". Two at once were in each other's way, too.
#[test]
fn what_an_evaluation_left_behind_is_not_in_the_way_of_the_next_with_its_id() {
    let place = Place::new();
    place.write("model.bin", "m");
    place.write("lineal-evaluation-nightly/results.json", "[]");
    let data = format!("sha256:{}", EventDigest::of(b"holdout"));
    let script = r#"echo '[{"metric":"auc","value":0.9}]' > "$LINEAL_RESULTS""#;
    let base = ["evaluation", "--name", "model/payments/fraud", "--model", "model.bin", "--data", &data];
    let arguments = [&base[..], &["--evaluation-id", "nightly", "--", "sh", "-c", script]].concat();
    let output = place.command(&arguments).env("TMPDIR", place.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(place.events()[1].4["results"][0]["value"], 0.9);
}

#[test]
fn the_short_events_are_sound() {
    let place = Place::new();
    place.write("model.bin", "m");
    place.write("corrected.json", "{\"licence\": \"CC-BY-4.0\"}");
    let digest = format!("sha256:{}", EventDigest::of(b"other"));
    let image = format!("registry.example/payments/fraud@{digest}");
    let event = EventDigest::of(b"event").to_string();
    let service = "service/payments/fraud@eu-1/prod";
    for (arguments, name) in [
        (vec!["transform", "model.bin", "--kind", "tokenizer", "--name", "transform/a/b"], "transform.published"),
        (vec!["alias", "alias/a/b", &digest, "--uri", "oci://registry.example/fraud:latest"], "alias.moved"),
        (vec!["equate", &image, "model.bin", "--method", "copied"], "artifact.equated"),
        (vec!["locate", &digest, "s3://b/k", "--mutable", "false", "--subject", "artifact/a/b"], "artifact.located"),
        (vec!["destroy", "s3://b/k", "s3://b/k", "--reason", "retention"], "artifact.destroyed"),
        (vec!["model", "model.bin", "--name", "model/a/b", "--version", "3", "--run", "r1"], "model.registered"),
        (vec!["deploy", "--service", service, "--model", "model.bin", "--share", "0.10"], "deployment.requested"),
        (vec!["observe", "--service", service, "--model", &digest, "--instances", "3"], "deployment.observed"),
        (vec!["observe", "--service", service], "deployment.observed"),
        (
            vec!["rollback", "--service", service, "--restores", &event, "--context", "features=s3://f/1"],
            "deployment.rolledback",
        ),
        (vec!["remove", "--service", service, "--reason", "retired"], "deployment.removed"),
        (vec!["correct", &event, "--subject", "dataset/a/b", "--data", "corrected.json"], "record.corrected"),
        (vec!["heartbeat", "--subject", service, "--next-within", "60"], "producer.heartbeat"),
    ] {
        let (code, _, err) = place.run(&arguments);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        assert_eq!(place.names().last().map(String::as_str), Some(name));
    }
}

#[test]
fn a_fault_is_named_with_field_and_rule_and_nothing_is_sent() {
    let place = Place::new();
    let (code, _, err) = place.run(&["deploy", "--service", "service/fraud", "--model", "sha256:12"]);
    assert!(code == 2 && err.contains("names no artifact") && err.contains("hint: "), "{err}");
    let digest = format!("sha256:{}", EventDigest::of(b"m"));
    let (code, _, err) = place.run(&["deploy", "--service", "service/fraud", "--model", &digest]);
    assert!(code == 1 && err.contains("`service`") && err.contains("schema-violation"), "{err}");
    let (code, _, err) = place.run(&["--trust", "nowhere", "remove", "--service", "service/a/b@c/d"]);
    assert!(code == 2 && err.starts_with("error: nowhere: "), "{err}");
    place.write("d.csv", "1\n");
    let (code, _, err) = place.run(&["dataset", "d.csv"]);
    assert!(code == 2 && err.contains("whose it is") && err.contains("--name dataset/<owner>/<name>"), "{err}");
    let (code, _, err) = place.run(&["equate", &digest, "s3://b/k", "--method", "copied"]);
    assert!(code == 2 && err.contains("`s3://b/k` is a place") && err.contains("hint: "), "{err}");
    assert!(place.events().is_empty());
    assert_eq!(fs::read_dir(place.path().join("outbox/sources")).unwrap().count(), 0);
}

#[test]
fn check_names_each_fault_with_its_line() {
    let place = Place::new();
    place.write("d.csv", "1\n");
    place.run(&["dataset", "d.csv", "--name", "dataset/a/b"]);
    let envelope = fs::read_to_string(place.path().join("events.jsonl")).unwrap();
    let event = String::from_utf8(Signed::from_envelope(envelope.trim_end().as_bytes()).unwrap().event).unwrap();
    let draft = r#"{"type":"alias.moved","subject":"alias/a/b","data":{"alias":"alias/a/b"}}"#;
    let spaced = event.replacen(',', ", ", 1);
    place.write("all.jsonl", &format!("{envelope}{event}\n{draft}\n{spaced}\n"));
    SecretKey::from_seed([2; 32]).map(|key| place.write("key.pub", &key.public().to_pem())).unwrap();
    let (code, out, _) = place.run(&["check", "all.jsonl", "--public-key", "key.pub"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((code, lines[0]), (1, "4 checked, 2 refused"));
    assert!(lines[1].starts_with("line 1: ok") && lines[1].contains("1 of 1 signatures verified"), "{out}");
    assert!(lines[2].starts_with("line 2: ok"), "{out}");
    assert!(lines[3].starts_with("line 3: schema-violation") && lines[3].contains("`to`"), "{out}");
    assert!(lines[4].starts_with("line 4: ") && lines[4].contains("byte"), "{out}");
}

#[test]
fn drafts_and_envelopes_are_sent_and_an_envelope_can_be_taken_apart() {
    let place = Place::new();
    let digest = EventDigest::of(b"x");
    let draft = |name: &str| {
        format!(
            r#"{{"type":"alias.moved","subject":"alias/{name}","data":{{"alias":"alias/{name}","to":{{"digest":{{"sha256":"{digest}"}}}}}}}}"#
        )
    };
    place.write("drafts.jsonl", &format!("{}\n{}\n", draft("a/a"), draft("a/b")));
    let (code, out, err) = place.run(&["send", "drafts.jsonl"]);
    assert_eq!((code, out.as_str()), (0, "2 sent\n"), "{err}");
    let events = place.events();
    assert_eq!((events[0].2.clone(), events[0].3, events[1].3), (events[1].2.clone(), false, true));

    fs::rename(place.path().join("events.jsonl"), place.path().join("elsewhere.jsonl")).unwrap();
    let (code, _, err) = place.run(&["send", "elsewhere.jsonl"]);
    assert_eq!(code, 0, "{err}");
    let sent = fs::read_to_string(place.path().join("events.jsonl")).unwrap();
    assert_eq!(sent, fs::read_to_string(place.path().join("elsewhere.jsonl")).unwrap());

    place.write("one.dsse", sent.lines().next().unwrap());
    let (code, ..) = place.run(&["convert", "one.dsse", "--event", "one.json", "--signatures", "one.sig"]);
    assert_eq!(code, 0);
    let (code, out, err) = place.run(&["convert", "one.json", "--signatures", "one.sig"]);
    assert_eq!((code, out.trim_end()), (0, sent.lines().next().unwrap()), "{err}");
}

#[test]
fn a_new_key_is_readable_by_its_owner_only_and_never_written_over() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let (code, out, _) = place.run(&["keygen", "new.pem"]);
    let key = SecretKey::from_pem(&fs::read_to_string(place.path().join("new.pem")).unwrap()).unwrap();
    assert_eq!((code, out), (0, format!("key {}\n", key.keyid())));
    let mode = fs::metadata(place.path().join("new.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_to_string(place.path().join("new.pub")).unwrap(), key.public().to_pem());
    assert_eq!(place.run(&["keygen", "new.pem"]).0, 2);
}

#[test]
fn completions_and_manual_pages_are_printed() {
    let place = Place::new();
    assert!(place.run(&["completions", "bash"]).1.contains("lineal-emit"));
    assert!(place.run(&["man"]).1.contains(".TH lineal-emit"));
    assert!(place.run(&["man", "run"]).1.contains("lineal"));
}
