//! What rests on something: downstream to what was seen to run, and nothing else.

use lineal_ledger::answers::{
    Impact, When,
    impact::{Limits, UseKind, impact_within},
};
use lineal_ledger::index::mentions::Describing;
use lineal_schemas::strong::StrongDigest;

use super::*;

fn impact(world: &World, asked: &str) -> Impact {
    let impact = answers::impact(&world.view(), asked, world.clock.wall()).unwrap();
    let json = serde_json::to_string(&impact).unwrap();
    assert_eq!(serde_json::from_str::<Impact>(&json).unwrap(), impact, "the JSON holds all of it");
    let text = impact.to_text(Style::Plain);
    assert_eq!(text.lines().next(), Some(impact.answer.as_str()), "line 1 is the answer");
    assert!(text.trim_end().ends_with(ORIGIN), "{text}");
    assert_eq!(in_brief(world, asked), forgotten(&impact), "runs in brief give the same graph");
    impact
}

/// The same from completed runs in brief, none of whose events is read.
fn in_brief(world: &World, asked: &str) -> Impact {
    let limits = Limits { told: 0, ..Limits::default() };
    forgotten(&impact_within(&world.view(), asked, world.clock.wall(), limits).unwrap())
}

/// Without how runs ran.
fn forgotten(impact: &Impact) -> Impact {
    let mut impact = impact.clone();
    for node in &mut impact.nodes {
        node.run = node.run.take().map(|run| {
            Box::new(answers::trace::RunFacts {
                run_id: run.run_id,
                job_kind: run.job_kind,
                ..answers::trace::RunFacts::default()
            })
        });
    }
    impact
}

#[test]
fn runs_in_brief_are_read_from_the_index_alone() {
    let world = World::deployed();
    let limits = Limits { told: 0, ..Limits::default() };
    let found = impact_within(&world.view(), "dataset/wine/red", world.clock.wall(), limits).unwrap();
    let brief: Vec<bool> = found.nodes.iter().filter_map(|node| node.run.as_ref()).map(|run| run.brief).collect();
    assert_eq!(brief, [true]);
    let told = impact(&world, "dataset/wine/red");
    assert!(told.nodes.iter().filter_map(|node| node.run.as_ref()).all(|run| !run.brief));
}

/// The names of all runs and artifacts in the graph.
fn names(impact: &Impact) -> Vec<String> {
    impact.nodes.iter().filter_map(|node| node.name.clone()).collect()
}

#[test]
fn a_snapshot_leads_to_the_deployment_that_rests_on_it() {
    let world = World::deployed();
    let found = impact(&world, "dataset/wine/red");
    assert_eq!(found.exit_code(), 0);
    assert_eq!((found.live.len(), found.models, found.runs), (1, 1, 1));
    let live = &found.live[0];
    assert_eq!((live.name.as_str(), live.status, live.kind), (SERVICE, Status::Running, UseKind::Service));
    assert_eq!(found.nodes[live.serves].name.as_deref(), Some("model/wine/quality"));
    let data = &hash("red")[..12];
    let expected = format!("1 LIVE: {SERVICE} rests on dataset/wine/red v2026-11 sha256:{data}… (1 model, 1 run)");
    assert_eq!(found.answer, expected);
    let text = found.to_text(Style::Plain);
    let way = format!("<- job/wine/train run run-1 <- dataset/wine/red v2026-11 sha256:{data}…");
    assert!(text.contains(&way), "{text}");
    // Edges mean what they mean in a trace: each rests on the next.
    let trace = world.trace(SERVICE);
    for edge in &trace.edges {
        let ends = |nodes: &[answers::trace::Node], from: usize, to: usize| {
            (nodes[from].name.clone(), nodes[to].name.clone(), nodes[to].digests.clone())
        };
        let same = found.edges.iter().any(|other| {
            other.relation == edge.relation
                && ends(&found.nodes, other.from, other.to) == ends(&trace.nodes, edge.from, edge.to)
        });
        assert!(same || edge.relation == EdgeKind::Code, "{edge:?}");
    }
}

/// The last look that named it is found among many that did not, at every moment, also where a correction names it.
#[test]
fn the_last_look_at_something_that_has_gone_is_found_among_many() {
    let mut world = World::deployed();
    let last = world.observe(SERVICE, &serving("weights-1"), "");
    let while_there = world.clock.wall();
    world.clock.advance(1);
    let mut looked = Vec::new();
    for number in 0..40 {
        looked.push(world.clock.wall());
        world.observe(SERVICE, &serving(&format!("other-{}", number % 7)), "");
    }
    let after = world.clock.wall();
    let former = |world: &World, at| {
        let when = When { at: Some(at), ..world.clock.wall().into() };
        let found = answers::impact(&world.view(), "dataset/wine/red", when).unwrap();
        found.former.iter().map(|former| (former.event.index, former.observed)).collect::<Vec<_>>()
    };
    assert_eq!(former(&world, while_there), [], "it is live");
    assert_eq!(former(&world, after), [(last, true)]);
    // One of the other looks was wrong, and saw it as well.
    let wrong = world.view().record.get(last + 9).unwrap().entry().event;
    let at = looked[8];
    let right = format!(
        r#"{{"service":"{SERVICE}","servingSet":[{}],"observedAt":"{at}","observer":"probe-1","complete":true}}"#,
        serving("weights-1")
    );
    let data = format!(r#"{{"corrects":"{wrong}","data":{right}}}"#);
    world.send("observer", "record.corrected", SERVICE, &data);
    assert_eq!(former(&world, world.clock.wall()), [(last + 9, true)]);
}

#[test]
fn what_was_replaced_or_only_asked_for_is_not_live() {
    let mut world = World::deployed();
    world.train("run-2", "white", "weights-2");
    world.observe(SERVICE, &serving("weights-2"), "");
    let found = impact(&world, "dataset/wine/red");
    assert_eq!((found.live.len(), found.exit_code()), (0, 1));
    assert_eq!((found.former.len(), found.former[0].observed), (1, true));
    assert!(found.answer.starts_with("nothing that is seen to run rests on dataset/wine/red"), "{}", found.answer);
    let service = "service/wine/other@eu-1/prod";
    let sets = serving("weights-1");
    world.send(
        "deployer",
        "deployment.requested",
        service,
        &format!(r#"{{"service":"{service}","servingSet":[{sets}]}}"#),
    );
    let found = impact(&world, "dataset/wine/red");
    assert_eq!(found.exit_code(), 1);
    let asked = found.former.iter().find(|former| former.name == service).unwrap();
    assert!(!asked.observed && found.to_text(Style::Plain).contains("asked for, never seen"));
}

/// What was live at a moment is asked for long after, as it is known now or as it was known then.
#[test]
fn what_was_live_then_is_told_as_of_then() {
    let mut world = World::deployed();
    let then = world.clock.wall();
    world.clock.advance(600);
    world.train("run-2", "white", "weights-2");
    world.observe(SERVICE, &serving("weights-2"), "");
    let when = When { at: Some(then), ..world.clock.wall().into() };
    let past = answers::impact(&world.view(), "dataset/wine/red", when).unwrap();
    assert_eq!((past.live.len(), past.exit_code()), (1, 0));
    assert_eq!(impact(&world, "dataset/wine/red").exit_code(), 1);
    // It was looked at a second before the event said so.
    let before = When { at: Some(Timestamp::from_millis(then.as_millis() - 1_001)), ..when };
    let before = answers::impact(&world.view(), "dataset/wine/red", before).unwrap();
    assert_eq!((before.live.len(), before.runs), (0, 1), "it was trained, and not seen yet");
}

#[test]
fn whom_to_call_is_said_and_a_batch_of_decisions_descends() {
    let mut world = World::deployed();
    let registered = format!(r#"{{"service":"{SERVICE}","owner":"team-wine","contactRef":"oncall-7"}}"#);
    world.send("deployer", "service.registered", SERVICE, &registered);
    let at = world.clock.wall();
    let batch = format!(
        r#"{{"service":"{SERVICE}","from":"{at}","to":"{at}","count":12,"pointer":{{"uri":"s3://wine/decisions"}},"inputs":[{{"artifact":{{"digest":{{"sha256":"DIGEST(weights-1)"}}}},"role":"model"}}],"outputs":[{{"digest":{{"sha256":"DIGEST(decisions)"}}}}]}}"#
    );
    world.send("deployer", "decisions.recorded", SERVICE, &batch);
    let found = impact(&world, "dataset/wine/red");
    let live = &found.live[0];
    assert_eq!((live.owner.as_deref(), live.contact.as_deref()), (Some("team-wine"), Some("oncall-7")));
    assert!(found.to_text(Style::Plain).contains("(owner team-wine, contact oncall-7)"));
    let made =
        found.nodes.iter().position(|node| node.digests.iter().any(|one| one.value == hash("decisions"))).unwrap();
    assert!(found.edges.iter().any(|edge| edge.from == made && edge.to == live.serves));
}

/// A service whose observer fell silent is no reason to sleep on.
#[test]
fn a_silent_observer_is_never_a_no() {
    let mut world = World::deployed();
    world.observe(SERVICE, &serving("weights-1"), r#","nextWithinSeconds":60"#);
    world.clock.advance(62);
    let found = impact(&world, "dataset/wine/red");
    assert_eq!((found.live[0].status, found.exit_code()), (Status::Unknown, 2));
    assert!(found.answer.contains(&format!("UNKNOWN of {SERVICE}")), "{}", found.answer);
}

#[test]
fn derived_data_fine_tunes_and_quantised_copies_descend() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/raw", "raw", "");
    world.snapshot("dataset/wine/clean", "clean", r#","derivedFrom":[{"digest":{"sha256":"DIGEST(raw)"}}]"#);
    world.train("run-1", "clean", "base");
    let tuned = r#"{"runId":"run-2","job":{"namespace":"wine","name":"tune","kind":"finetune"},"outputs":[{"digest":{"sha256":"DIGEST(tuned)"}}],"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(base)"}},"role":"base-model"},{"artifact":{"digest":{"sha256":"DIGEST(other)"}},"role":"training"}]}"#;
    world.send("trainer", "run.completed", "job/wine/tune", tuned);
    let small = r#"{"runId":"run-3","job":{"namespace":"wine","name":"small","kind":"quantize"},"outputs":[{"digest":{"sha256":"DIGEST(small)"}}],"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(tuned)"}},"role":"source-model"}]}"#;
    world.send("trainer", "run.completed", "job/wine/small", small);
    world.observe(SERVICE, &shared("1", "small"), "");
    let evaluation = r#"{"evaluationId":"ev-1","model":{"digest":{"sha256":"DIGEST(elsewhere)"}},"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(raw)"}},"role":"test"}],"results":[{"metric":"accuracy","value":"0.914"}]}"#;
    world.send("evaluator", "evaluation.completed", "model/wine/elsewhere", evaluation);
    let found = impact(&world, "dataset/wine/raw");
    assert_eq!((found.runs, found.models, found.live.len()), (3, 3, 1));
    assert_eq!(found.live[0].distance, 8, "raw, clean, run, base, run, tuned, run, small, service");
    assert_eq!(found.evaluations.len(), 1, "measured with it, and not made of it");
    assert!(!names(&found).contains(&"model/wine/elsewhere".to_owned()));
    // The base model of a fine-tune is asked for like any other.
    let found = impact(&world, &format!("sha256:{}", hash("base")));
    assert_eq!((found.runs, found.exit_code()), (2, 0));
    assert!(!names(&found).contains(&"dataset/wine/raw".to_owned()), "upstream is the trace's");
}

#[test]
fn a_batch_scorer_is_live_until_its_newest_run_used_something_else() {
    let mut world = World::deployed();
    let score = |run: &str, model: &str| {
        format!(
            r#"{{"runId":"{run}","job":{{"namespace":"wine","name":"score","kind":"score"}},"outputs":[{{"digest":{{"sha256":"DIGEST(scores-{run})"}}}}],"inputs":[{{"artifact":{{"digest":{{"sha256":"DIGEST({model})"}}}},"role":"source-model"}}]}}"#
        )
    };
    world.send("trainer", "run.completed", "job/wine/score", &score("s-1", "weights-1"));
    world.snapshot("dataset/wine/scores", "scores-s-1", "");
    let found = impact(&world, "dataset/wine/red");
    assert!(names(&found).contains(&"dataset/wine/scores".to_owned()), "its outputs descend");
    let batch = found.live.iter().find(|live| live.kind == UseKind::Batch).unwrap();
    assert_eq!(batch.name, "job/wine/score");
    assert_eq!(found.nodes[batch.serves].name.as_deref(), Some("model/wine/quality"));
    world.send("trainer", "run.completed", "job/wine/score", &score("s-2", "weights-2"));
    let found = impact(&world, "dataset/wine/red");
    assert!(found.live.iter().all(|live| live.kind == UseKind::Service));
}

#[test]
fn a_run_that_is_not_over_yet_is_shown_until_it_is() {
    let mut world = World::begin();
    world.snapshot("dataset/wine/red", "red", "");
    let started = r#"{"runId":"run-1","job":{"namespace":"wine","name":"train","kind":"train"},"inputs":[{"artifact":{"digest":{"sha256":"DIGEST(red)"}},"role":"training"}]}"#;
    world.send("trainer", "run.started", "job/wine/train", started);
    let found = impact(&world, "dataset/wine/red");
    assert!(found.to_text(Style::Plain).contains("(started, and not finished)"));
    world.train("run-1", "red", "weights-1");
    let found = impact(&world, "dataset/wine/red");
    assert_eq!(names(&found).iter().filter(|name| *name == "job/wine/train").count(), 1);
    assert!(!found.to_text(Style::Plain).contains("not finished"));
}

#[test]
fn what_was_left_out_is_never_a_no() {
    let world = World::deployed();
    let found =
        impact_within(&world.view(), "dataset/wine/red", world.clock.wall(), Limits { nodes: 2, told: 2 }).unwrap();
    assert!(found.truncated && found.exit_code() == 2);
    assert!(found.answer.starts_with("UNKNOWN what that runs rests on dataset/wine/red"), "{}", found.answer);
    assert!(found.to_text(Style::Plain).contains("the limit of 2 nodes was reached"));
    let error = answers::impact(&world.view(), SERVICE, world.clock.wall()).unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("nothing-downstream", 2));
}

/// What a trace reads ahead is what the index says that runs were made from. A run that only measured with something, or
/// ran in it, would have all of that thing's history read for nothing; a correction that the index forgets would be passed
/// over in silence, since answers look for corrections only where it says that there may be some.
#[test]
fn the_index_leads_upstream_and_knows_which_subjects_are_corrected() {
    let mut world = World::begin();
    let raw = world.snapshot("dataset/wine/a", "A", "");
    let derived =
        r#","derivedFrom":[{"digest":{"sha256":"DIGEST(A)"}}],"subset":{"of":{"digest":{"sha256":"DIGEST(B)"}}}"#;
    let derived = world.snapshot("dataset/wine/derived", "E", derived);
    let tuned = world.register("model/team/wine", "2", "F", r#","baseModel":{"digest":{"sha256":"DIGEST(M)"}}"#);
    let input = |content: &str, role: &str| {
        format!(r#"{{"artifact":{{"digest":{{"sha256":"{}"}}}},"role":"{role}"}}"#, hash(content))
    };
    let inputs = [input("A", "training"), input("B", "test"), input("C", "environment"), input("D", "validation")];
    let run = format!(
        r#"{{"runId":"1","job":{{"namespace":"wine","name":"fit","kind":"train"}},"inputs":[{}],"outputs":[{{"digest":{{"sha256":"{}"}}}}]}}"#,
        inputs.join(","),
        hash("M")
    );
    let (_index, event) = world.send_event("trainer", "run.completed", "job/wine/fit", &run);
    let strong = |content: &str| StrongDigest::of("sha256", &hash(content)).unwrap();
    let read = |world: &World| {
        let view = world.view();
        let lineage = view.index.lineage(&strong("M")).unwrap();
        let ancestors = lineage.into_iter().flat_map(|said| said.made_from).collect::<Vec<_>>();
        (ancestors, view.index.is_corrected("job/wine/fit"), view.index.is_corrected("dataset/wine/a"))
    };
    assert_eq!(read(&world), (vec![strong("A"), strong("D")], false, false));
    for (content, index, made_from) in
        [("A", raw, vec![]), ("E", derived, vec![strong("A"), strong("B")]), ("F", tuned, vec![strong("M")])]
    {
        let lineage = world.view().index.lineage(&strong(content)).unwrap();
        assert_eq!(lineage, [Describing { index, made_from }], "{content}");
    }

    let corrected = run.replace("\"1\"", "\"2\"");
    let said = format!(r#"{{"corrects":"{event}","data":{corrected}}}"#);
    world.send("trainer", "record.corrected", "job/wine/fit", &said);
    assert_eq!(read(&world), (vec![strong("A"), strong("D")], true, false));
    world.ledger = None;
    world.open();
    world.ledger.as_ref().unwrap().wait_for_index();
    assert_eq!(read(&world), (vec![strong("A"), strong("D")], true, false), "opened again");
    let trace = world.trace(&hash("M"));
    assert!(trace.nodes.iter().any(|node| node.run.as_ref().is_some_and(|run| run.run_id == "2")), "{}", trace.answer);
}

/// Of what very many runs used, the next thousand runs are looked up on other cores while the walk takes these. What is said
/// about one of them, or about what it made, long after its thousand must show all the same.
#[test]
fn what_is_looked_up_beside_the_walk_says_what_the_events_say() {
    let mut world = World::deployed();
    let odd = |made: &str| {
        format!(
            r#"{{"runId":"odd","job":{{"namespace":"wine","name":"odd","kind":"train"}},"inputs":[{{"artifact":{{"digest":{{"sha256":"DIGEST(red)"}}}},"role":"training"}}],"outputs":[{{"digest":{{"sha256":"{}"}}}}]}}"#,
            hash(made)
        )
    };
    let mut corrected = None;
    for number in 0..2300 {
        world.train(&format!("many-{number}"), "red", &format!("made-{number}"));
        if number == 1900 {
            corrected = Some(world.send_event("trainer", "run.completed", "job/wine/odd", &odd("made wrong")).1);
        }
    }
    world.train("next", "made-2100", "made of that");
    world.register("model/team/named", "2", "made-2200", "");
    world.observe("service/wine/other@eu-1/prod", &serving("made-2250"), "");
    world.flag("made-1500", "quality", "");
    let data = format!(r#"{{"corrects":"{}","data":{}}}"#, corrected.unwrap(), odd("made instead"));
    world.send("trainer", "record.corrected", "job/wine/odd", &data);

    let found = impact(&world, "dataset/wine/red");
    let limits = Limits { told: usize::MAX, ..Limits::default() };
    let told = impact_within(&world.view(), "dataset/wine/red", world.clock.wall(), limits).unwrap();
    assert_eq!(forgotten(&found), forgotten(&told));
    assert_eq!((found.runs, found.live.len()), (2303, 2));
    let digests: Vec<&str> =
        found.nodes.iter().flat_map(|node| &node.digests).map(|digest| digest.value.as_str()).collect();
    for (content, is_there) in [("made instead", true), ("made wrong", false), ("made of that", true)] {
        assert_eq!(digests.contains(&hash(content).as_str()), is_there, "{content}");
    }
    assert!(names(&found).iter().any(|name| name == "model/team/named"));
    assert!(found.nodes.iter().any(|node| !node.flags.is_empty()));
    let brief = found.nodes.iter().filter_map(|node| node.run.as_ref()).filter(|run| run.brief).count();
    assert!(brief > 1700, "{brief}");
}
