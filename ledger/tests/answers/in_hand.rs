//! Files and folders in hand, commits and libraries: what they are a part of, and what rests on them.

use lineal_ledger::answers::{Impact, When};

use super::*;

impl World {
    fn tree(&mut self, version: &str, files: &[(&str, &str)]) -> String {
        let digest = self.store_listing(files);
        let data = format!(
            r#"{{"dataset":{{"digest":{{"dirHash":"{digest}"}}}},"name":"dataset/wine/tree","version":"{version}"}}"#
        );
        self.send("data", "dataset.snapshotted", "dataset/wine/tree", &data);
        digest
    }

    fn train_on_tree(&mut self, run: &str, tree: &str, model: &str, more: &str) -> EventDigest {
        let data = format!(
            r#"{{"runId":"{run}","job":{{"namespace":"wine","name":"train","kind":"train"}},"outputs":[{{"digest":{{"sha256":"DIGEST({model})"}}}}],"inputs":[{{"artifact":{{"digest":{{"dirHash":"{tree}"}}}},"role":"training"}}]{more}}}"#
        );
        self.send_event("trainer", "run.completed", "job/wine/train", &data).1
    }

    fn impact(&self, asked: &str) -> Impact {
        let impact = answers::impact(&self.view(), asked, self.clock.wall()).unwrap();
        assert_eq!(impact.to_text(Style::Plain).lines().next(), Some(impact.answer.as_str()));
        impact
    }
}

fn ran_with(numpy: &str, commit: &str) -> String {
    format!(
        r#","environment":{{"versions":{{"NumPy":"{numpy}"}}}},"code":{{"artifact":{{"uri":"git+https://git.example/wine","digest":{{"gitCommit":"{commit}"}}}}}}"#
    )
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "0123456789abcdef0123456789abcdef01234568";

#[test]
fn one_file_of_a_folder_leads_to_all_that_rests_on_it() {
    let mut world = World::begin();
    let first = world.tree("1", &[("part-0016.parquet", "16"), ("part-0017.parquet", "17")]);
    let second = world.tree("2", &[("old/part-0017.parquet", "17"), ("part-0018.parquet", "18")]);
    world.tree("3", &[("part-0018.parquet", "18")]);
    world.train_on_tree("run-1", &first, "weights-1", "");
    world.observe(SERVICE, &serving("weights-1"), "");
    let folder = world.dir.path().join("hand");
    std::fs::create_dir(&folder).unwrap();
    for (path, content) in [("part-0016.parquet", "16"), ("part-0017.parquet", "17")] {
        std::fs::write(folder.join(path), content).unwrap();
    }
    let file = folder.join("part-0017.parquet");
    let asked = answers::in_hand(file.to_str().unwrap()).unwrap().unwrap();
    let found = world.impact(&asked);
    let trees: Vec<&str> = found.listings.iter().map(|listing| listing.tree.value.as_str()).collect();
    let mut expected = [first.as_str(), &second];
    expected.sort_unstable();
    assert_eq!(trees, expected);
    assert!(found.listings.iter().any(|listing| listing.paths == ["old/part-0017.parquet"]));
    assert_eq!((found.live.len(), found.runs, found.exit_code()), (1, 1, 0), "{}", found.answer);
    assert!(found.answer.contains("(part of 2 folders, "), "{}", found.answer);
    assert_eq!(found.live[0].distance, 4, "file, folder, run, model, service");
    // The folder itself is known by its dirHash.
    let asked = answers::in_hand(folder.to_str().unwrap()).unwrap().unwrap();
    assert_eq!(asked, format!("dirHash:{first}"));
    assert_eq!(world.impact(&asked).exit_code(), 0);
    assert_eq!(answers::in_hand(&format!("{}/", folder.display())).unwrap().unwrap(), asked);
    // A file that is an artifact of its own as well is both.
    let both = format!("sha256:{}", hash("17"));
    world.snapshot("dataset/wine/part", "17", "");
    let found = world.impact(&both);
    assert_eq!((found.nodes[0].name.as_deref(), found.listings.len()), (Some("dataset/wine/part"), 2));
}

/// What is wrong with one file of a folder is wrong with the folder, and with what runs of it.
#[test]
fn a_flag_on_one_file_of_a_folder_taints_what_was_made_of_the_folder() {
    let mut world = World::begin();
    let poisoned = world.tree("1", &[("part-0016.parquet", "16"), ("part-0017.parquet", "17")]);
    let clean = world.tree("2", &[("part-0016.parquet", "16"), ("part-0018.parquet", "18")]);
    world.train_on_tree("run-1", &poisoned, "weights-1", "");
    world.train_on_tree("run-2", &clean, "weights-2", "");
    world.observe(SERVICE, &serving("weights-1"), "");
    world.observe("service/wine/other@eu-1/prod", &serving("weights-2"), "");
    world.flag("other", "licence", "");
    let (flag, _event) = world.flag("17", "poisoned", "");
    let running = world.running();
    let flagged: Vec<_> = running.services.iter().map(|service| (service.service.as_str(), &service.flagged)).collect();
    let [(other, clean), (service, tainted)] = flagged[..] else { panic!("{flagged:?}") };
    assert_eq!((other, clean.len(), service), ("service/wine/other@eu-1/prod", 0, SERVICE));
    assert_eq!((tainted.len(), tainted[0].flags[0].event.index), (1, flag));
    assert_eq!(tainted[0].way.len(), 4, "model, run, folder, file: {:?}", tainted[0].way);
    let findings = answers::findings(&world.view(), None, None, world.clock.wall()).unwrap();
    let live = findings.findings.iter().filter(|finding| finding.rule.as_str() == "live-on-flagged-data");
    assert_eq!(live.count(), 1, "{}", findings.to_text(Style::Plain));
    world.clear("17", "");
    assert!(world.running().services.iter().all(|service| service.flagged.is_empty()));
}

#[test]
fn a_file_that_only_folders_have_is_traced_with_them_and_has_no_history_of_its_own() {
    let mut world = World::begin();
    let tree = world.tree("1", &[("a", "1")]);
    let asked = format!("sha256:{}", hash("1"));
    let trace = world.trace(&asked);
    assert_eq!(trace.verdict, Verdict::Complete, "{}", trace.answer);
    assert!(trace.edges.iter().any(|edge| edge.relation == EdgeKind::PartOf && edge.event.is_none()));
    assert_eq!(trace.nodes[1].name.as_deref(), Some("dataset/wine/tree"));
    let error = answers::timeline(&world.view(), &asked, (None, None), world.clock.wall()).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("only-in-listings", 2));
    assert!(error.hints()[0].starts_with(&format!("dirHash:{tree} has it as a")), "{:?}", error.hints());
    let error = answers::trace(&world.view(), &hash("nowhere"), world.clock.wall()).unwrap_err();
    assert_eq!(error.code(), "unknown-name");
}

#[test]
fn a_listing_that_is_not_there_or_not_what_it_says_is_told() {
    let mut world = World::begin();
    let tree = world.tree("1", &[("a", "1"), ("b", "2")]);
    world.snapshot("dataset/wine/file", "1", "");
    let gone = format!(r#"{{"dataset":{{"digest":{{"dirHash":"{}"}}}},"name":"dataset/wine/gone"}}"#, hash("gone"));
    world.send("data", "dataset.snapshotted", "dataset/wine/gone", &gone);
    let found = world.impact("dataset/wine/file");
    assert!(found.warnings[0].starts_with("of 1 folders no listing is stored"), "{:?}", found.warnings);
    let path = world.view().attachments.path(&tree.parse().unwrap());
    std::fs::write(path, format!("{}  a\n", hash("1"))).unwrap();
    let found = world.impact("dataset/wine/file");
    assert_eq!(found.listings, []);
    assert!(
        found.warnings.iter().any(|warning| warning.ends_with("is not what its name says")),
        "{:?}",
        found.warnings
    );
}

/// The folder was said later than what may be known: its listing, stored or not, is none of what was known.
#[test]
fn a_folder_that_was_not_known_then_has_no_file() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/file", "1", "");
    let known = answers::Known::Entry(world.view().index.stamp().unwrap().size - 1);
    world.tree("1", &[("a", "1")]);
    let when = When { known: Some(known), ..world.clock.wall().into() };
    let found = answers::impact(&world.view(), "dataset/wine/file", when).unwrap();
    assert_eq!((found.listings.len(), world.impact("dataset/wine/file").listings.len()), (0, 1));
}

#[test]
fn a_library_leads_to_the_runs_that_declare_it() {
    let mut world = World::begin();
    let tree = world.tree("1", &[("a", "1")]);
    world.train_on_tree("run-1", &tree, "weights-1", &ran_with("2.1.0", COMMIT));
    world.train_on_tree("run-2", &tree, "weights-2", &ran_with("2.2.0", COMMIT));
    world.observe(SERVICE, &serving("weights-1"), "");
    let found = world.impact("pkg:pypi/numpy@2.1.0");
    assert_eq!((found.runs, found.live.len(), found.exit_code()), (1, 1, 0), "{}", found.answer);
    assert!(found.answer.starts_with(&format!("1 LIVE: {SERVICE} rests on numpy v2.1.0 (")), "{}", found.answer);
    assert!(found.edges.iter().any(|edge| edge.relation == EdgeKind::Environment && edge.to == 0));
    assert!(found.warnings[0].contains("a run that declares none may have had it"));
    assert_eq!(world.impact("pkg:pypi/NumPy").runs, 2, "every version, by any spelling of the name");
    assert_eq!(world.impact("pkg:pypi/numpy@2.2.0").exit_code(), 1, "nothing that runs");
    let error = answers::impact(&world.view(), "pkg:pypi/numpy@9", world.clock.wall()).unwrap_err();
    assert_eq!((error.code(), error.hints()[0].as_str()), ("unknown-name", "did you mean `pkg:pypi/numpy@2.1.0`?"));
    let error = answers::trace(&world.view(), "pkg:pypi/numpy", world.clock.wall()).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("impact-only", 2));
}

#[test]
fn a_commit_leads_to_its_runs_and_to_what_was_built_from_it() {
    let mut world = World::begin();
    let tree = world.tree("1", &[("a", "1")]);
    world.train_on_tree("run-1", &tree, "weights-1", &ran_with("2.1.0", COMMIT));
    world.train_on_tree("run-2", &tree, "weights-2", &ran_with("2.1.0", OTHER));
    let published = format!(
        r#"{{"kind":"tokenizer","artifact":{{"digest":{{"sha256":"DIGEST(tokenizer)"}}}},"name":"transform/wine/tokens","code":{{"digest":{{"gitCommit":"{COMMIT}"}}}}}}"#
    );
    world.send("data", "transform.published", "transform/wine/tokens", &published);
    world.observe(SERVICE, &serving("weights-1"), "");
    let found = world.impact(&format!("gitCommit:{COMMIT}"));
    assert_eq!((found.runs, found.live.len()), (1, 1), "{}", found.answer);
    assert!(found.nodes.iter().any(|node| node.name.as_deref() == Some("transform/wine/tokens")));
    let error = answers::impact(&world.view(), "gitCommit:01234567", world.clock.wall()).unwrap_err();
    let AnswerError::Ambiguous { found, .. } = error else { panic!("{error}") };
    assert_eq!(found, [format!("gitCommit:{COMMIT}"), format!("gitCommit:{OTHER}")]);
    for (asked, code) in [("gitCommit:0123456", "prefix-too-short"), ("gitCommit:ffffffff", "unknown-name")] {
        assert_eq!(answers::impact(&world.view(), asked, world.clock.wall()).unwrap_err().code(), code);
    }
}

/// A correction changes which library a run is found by, both ways.
#[test]
fn a_corrected_run_is_found_by_what_is_true_of_it() {
    let mut world = World::begin();
    let tree = world.tree("1", &[("a", "1")]);
    let wrong = world.train_on_tree("run-1", &tree, "weights-1", &ran_with("2.1.0", COMMIT));
    let right = format!(
        r#"{{"runId":"run-1","job":{{"namespace":"wine","name":"train","kind":"train"}},"outputs":[{{"digest":{{"sha256":"DIGEST(weights-1)"}}}}],"inputs":[{{"artifact":{{"digest":{{"dirHash":"{tree}"}}}},"role":"training"}}]{}}}"#,
        ran_with("2.2.0", OTHER)
    );
    world.send("trainer", "record.corrected", "job/wine/train", &format!(r#"{{"corrects":"{wrong}","data":{right}}}"#));
    assert_eq!(world.impact("pkg:pypi/numpy@2.1.0").runs, 0);
    assert_eq!(world.impact("pkg:pypi/numpy@2.2.0").runs, 1);
    assert_eq!(world.impact(&format!("gitCommit:{COMMIT}")).runs, 0);
    assert_eq!(world.impact(&format!("gitCommit:{OTHER}")).runs, 1);
}

#[test]
fn bytes_that_can_be_reached_are_rechecked() {
    let mut world = World::begin();
    let folder = world.dir.path().join("my data");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a"), "1").unwrap();
    std::fs::write(folder.join("b"), "2").unwrap();
    let tree = world.store_listing(&[("a", "1"), ("b", "2")]);
    let place = format!("file://{}", folder.to_str().unwrap().replace(' ', "%20"));
    let data =
        format!(r#"{{"dataset":{{"uri":"{place}","digest":{{"dirHash":"{tree}"}}}},"name":"dataset/wine/tree"}}"#);
    world.send("data", "dataset.snapshotted", "dataset/wine/tree", &data);
    let model = world.dir.path().join("model.bin");
    std::fs::write(&model, "weights-1").unwrap();
    world.train_on_tree("run-1", &tree, "weights-1", "");
    for uri in [format!("file://{}", model.display()), "s3://models/1".to_owned()] {
        let located = format!(r#"{{"artifact":{{"digest":{{"sha256":"DIGEST(weights-1)"}}}},"uri":"{uri}"}}"#);
        world.send("data", "artifact.located", "artifact/wine/model", &located);
    }
    let asked = hash("weights-1");
    let rechecked = |world: &World| {
        let mut trace = world.trace(&asked);
        assert_eq!(trace.exit_code(), 0);
        answers::recheck(&mut trace);
        trace
    };
    let trace = rechecked(&world);
    assert!(trace.answer.ends_with("; bytes of 2 places rechecked, 1 not reachable"), "{}", trace.answer);
    assert_eq!(trace.exit_code(), 0);
    let text = trace.to_text(Style::Plain);
    assert!(text.contains(&format!("dirHash:{tree} (strong, rechecked)")), "{text}");
    assert!(text.contains(&format!("sha256:{asked} (strong, rechecked)")), "{text}");
    assert!(text.contains("not reachable: s3://models/1: it is no file or folder here"), "{text}");
    // One byte more in one file of the folder.
    std::fs::write(folder.join("b"), "2 ").unwrap();
    std::fs::remove_file(&model).unwrap();
    let trace = rechecked(&world);
    assert!(trace.answer.contains("0 places rechecked, 1 place MISMATCHED, 2 not reachable"), "{}", trace.answer);
    assert_eq!(trace.exit_code(), 1);
    let text = trace.to_text(Style::Plain);
    assert!(text.contains(&format!("MISMATCH: the bytes at {place} have dirHash:")), "{text}");
    assert!(text.contains(&format!("dirHash:{tree} (strong, declared)")), "{text}");
    // What is said to be gone is not looked for.
    let gone = format!(r#"{{"artifact":{{"digest":{{"dirHash":"{tree}"}}}},"uri":"{place}"}}"#);
    world.send("data", "artifact.destroyed", "artifact/wine/tree", &gone);
    assert_eq!(rechecked(&world).exit_code(), 0);
}
