//! The gate over a real ledger: the index gives the verdict that one pass over the record gives, byte for byte, at every size.

use lineal_gate::{
    judge::{Asked, Question, judge},
    memory::Memory,
    verdict::Verdict as Decision,
};
use lineal_ledger::answers::{
    Gate, GateQuestion, Known, When,
    gate::{decision, decision_on},
    vsa,
};
use lineal_schemas::{
    key::SecretKey,
    vocabulary::{Payload, gate::GateVerdict},
};

use super::*;

const HEAD: &str =
    "schema = 1\\nname = \\\"policy/wine/prod\\\"\\napplies = { service = \\\"service/wine/quality\\\" }\\n";
pub(crate) const RULES: &str = "[lineage]\\nreach = [\\\"dataset.snapshotted\\\"]\\n[evaluation]\\ndisjoint_from_training = true\\n\
    independent_signer = true\\n[incumbent]\\nabsent = \\\"note\\\"\\n[[metric]]\\nname = \\\"accuracy\\\"\\n\
    better = \\\"higher\\\"\\nmin = \\\"0.9\\\"\\nmax_drop = \\\"0.01\\\"\\n[approval]\\ncount = 1\\nrole = \\\"model-risk\\\"\\n\
    [waivers]\\nrules = [\\\"approval\\\"]\\n[rollback]\\nallow = \\\"previously-admitted\\\"\\n[override]\\nexpires = \\\"4h\\\"\\n";

pub(crate) fn asked(model: &str) -> GateQuestion {
    GateQuestion { model: format!("sha256:{}", hash(model)), service: SERVICE.to_owned(), policy: Asked::Registered }
}

fn ask(world: &World, model: &str, when: impl Into<When>) -> Gate {
    let gate = answers::gate(&world.view(), &asked(model), when).unwrap();
    let json = serde_json::to_string(&gate).unwrap();
    assert_eq!(serde_json::from_str::<Gate>(&json).unwrap(), gate, "the JSON holds all of it");
    assert_eq!(gate.to_text(Style::Plain).lines().next(), Some(gate.answer.as_str()), "line 1 is the answer");
    gate
}

pub(crate) fn measure(world: &mut World, id: &str, model: &str, value: &str) -> (EventDigest, String) {
    let shared = format!(
        r#""evaluationId":"{id}","model":{{"digest":{{"sha256":"DIGEST({model})"}}}},"harness":{{"name":"kit"}},"inputs":[{{"artifact":{{"digest":{{"sha256":"DIGEST(held-out)"}}}},"role":"test"}}]"#
    );
    world.send("assessor", "evaluation.started", "model/wine/quality", &format!("{{{shared}}}"));
    let results = format!(r#"{{{shared},"results":[{{"metric":"accuracy","value":"{value}"}}]}}"#);
    (world.send_event("assessor", "evaluation.completed", "model/wine/quality", &results).1, results)
}

pub(crate) fn register(world: &mut World, rules: &str) {
    let data = format!(r#"{{"policy":"policy/wine/prod","text":"{HEAD}{rules}"}}"#);
    world.send("approver", "policy.registered", "policy/wine/prod", &data);
}

pub(crate) fn say(world: &mut World, name: &str, model: &str, more: &str) -> EventDigest {
    let data = format!(r#"{{"service":"{SERVICE}","artifact":{{"digest":{{"sha256":"DIGEST({model})"}}}}{more}}}"#);
    world.send_event("approver", name, SERVICE, &data).1
}

/// Everything that a verdict can depend on, one event at a time.
fn eventful() -> World {
    let mut world = World::deployed().with_approver();
    world.snapshot("dataset/wine/held-out", "held-out", "");
    register(&mut world, RULES);
    measure(&mut world, "ev-1", "weights-1", "0.95");
    world.train("run-2", "red", "weights-2");
    measure(&mut world, "ev-2", "weights-2", "0.80");
    let retracted =
        r#"{"evaluationId":"ev-2","model":{"digest":{"sha256":"DIGEST(weights-2)"}},"reason":"wrong-data"}"#;
    world.send("assessor", "evaluation.retracted", "model/wine/quality", retracted);
    let (event, results) = measure(&mut world, "ev-3", "weights-2", "0.944");
    let corrected = format!(r#"{{"corrects":"{event}","data":{}}}"#, results.replace("0.944", "0.945"));
    world.send("evaluator", "record.corrected", "model/wine/quality", &corrected);
    let approval = say(&mut world, "approval.granted", "weights-2", r#","role":"model-risk""#);
    let other = format!(
        r#"{{"corrects":"{approval}","data":{{"service":"{SERVICE}","artifact":{{"digest":{{"sha256":"DIGEST(weights-1)"}}}},"role":"model-risk"}}}}"#
    );
    world.send("approver", "record.corrected", SERVICE, &other);
    say(&mut world, "approval.granted", "weights-2", r#","role":"model-risk""#);
    let equal =
        r#"{"a":{"digest":{"sha256":"DIGEST(weights-2)"}},"b":{"digest":{"sha256":"DIGEST(copy)"}},"method":"copied"}"#;
    world.send("data", "artifact.equated", "artifact/wine/copy", equal);
    world.observe(SERVICE, &shared("0.5", "weights-1"), r#","nextWithinSeconds":4"#);
    world.inventory(&[("service/wine/quality", &serving("weights-2"))], true, "");
    world.inventory(&[], true, "");
    world.observe(SERVICE, &serving("weights-1"), "");
    world.flag("red", "poisoned", "");
    world.clear("red", "");
    say(&mut world, "approval.refused", "weights-2", r#","role":"model-risk""#);
    world
}

fn memory(world: &World) -> Memory {
    let (view, mut memory) = (world.view(), Memory::default());
    let all = view.record.scan(0, view.record.size(), &mut |stored| {
        let index = stored.entry().index;
        if let Some(facts) = stored.facts() {
            memory.push(index, stored.entry(), facts);
        }
        Ok(())
    });
    all.unwrap();
    memory
}

/// The verdict of one pass over the record.
fn passed(world: &World, memory: &Memory, like: &Decision, asked: Asked) -> Decision {
    let registry = world.view().registry();
    let question = Question { service: like.service.clone(), serving_set: like.serving_set.clone(), policy: asked };
    let Ok(verdict) = judge(&mut memory.at(&registry, like.tree_size, like.judged_at), &question);
    verdict
}

/// How often each verdict is given, by index and pass alike, at every size.
pub(crate) fn alike(world: &World, models: &[&str]) -> std::collections::BTreeMap<GateVerdict, usize> {
    let memory = memory(world);
    let mut verdicts = std::collections::BTreeMap::new();
    for index in 6..world.view().record.size() {
        for model in models {
            let when = When { known: Some(Known::Entry(index)), ..world.clock.wall().into() };
            let gate = ask(world, model, when);
            let other = passed(world, &memory, &gate.document, Asked::Registered);
            let spelled = |verdict: &Decision| String::from_utf8(verdict.bytes().unwrap()).unwrap();
            assert_eq!(spelled(&gate.document), spelled(&other), "{model} at entry {index}");
            *verdicts.entry(gate.document.verdict).or_insert(0) += 1;
        }
    }
    verdicts
}

/// The index and one pass give the same bytes about any of these moments, all that is on the record being known.
pub(crate) fn alike_at(world: &World, models: &[&str], moments: &[Timestamp]) {
    let memory = memory(world);
    for (model, at) in models.iter().flat_map(|model| moments.iter().map(move |at| (model, *at))) {
        let gate = ask(world, model, When { at: Some(at), ..world.clock.wall().into() });
        let other = passed(world, &memory, &gate.document, Asked::Registered);
        let spelled = |verdict: &Decision| String::from_utf8(verdict.bytes().unwrap()).unwrap();
        assert_eq!(spelled(&gate.document), spelled(&other), "{model} at {at}");
    }
}

#[test]
fn the_index_and_one_pass_over_the_record_give_the_same_bytes_at_every_size() {
    let verdicts = alike(&eventful(), &["weights-1", "weights-2", "copy", "stranger"]);
    assert_eq!(verdicts.len(), 3, "{verdicts:?}");
}

#[test]
fn they_do_so_over_the_stories_of_those_who_try_to_fool_it() {
    let mut world = World::begin().with_approver();
    world.inventory(&[], true, "");
    register(&mut world, RULES);
    world.snapshot("dataset/wine/red", "red", "");
    world.snapshot("dataset/wine/held-out", "held-out", "");
    world.train("run-1", "red", "weights-1");
    measure(&mut world, "ev-1", "weights-1", "0.95");
    say(&mut world, "approval.granted", "weights-1", r#","role":"model-risk""#);
    let approved = ask(&world, "weights-1", world.clock.wall());
    assert_eq!(approved.document.verdict, GateVerdict::Allow, "{}", approved.to_text(Style::Plain));
    assert_eq!(approved.document.incumbent, None, "what was never seen has not ended");
    world.observe(SERVICE, &serving("weights-1"), "");
    world.inventory(&[], true, "");
    world.inventory(&[], true, "");
    let (event, results) = measure(&mut world, "ev-2", "weights-1", "0.10");
    let moved = format!(r#"{{"corrects":"{event}","data":{}}}"#, results.replace("DIGEST(weights-1)", "DIGEST(other)"));
    world.send("evaluator", "record.corrected", "model/wine/quality", &moved);
    world.send("assessor", "record.corrected", "model/wine/quality", &moved);
    let denied = ask(&world, "weights-1", world.clock.wall());
    assert!(denied.to_text(Style::Plain).contains("corrected to one of another model"), "{denied:?}");
    let keyid = world.senders["approver"].key.keyid();
    let revoked = format!(r#"{{"keyid":"{keyid}","reason":"stolen","compromisedSince":"2020-01-01T00:00:00Z"}}"#);
    world.send("root", "key.revoked", &format!("key/{keyid}"), &revoked);
    let undecided = ask(&world, "weights-1", world.clock.wall());
    assert_eq!(undecided.document.verdict, GateVerdict::Undecided);
    let verdicts = alike(&world, &["weights-1", "other"]);
    assert_eq!(verdicts.len(), 3, "{verdicts:?}");
}

#[test]
fn a_verdict_is_the_same_whenever_it_is_asked_for() {
    let mut world = eventful();
    say(&mut world, "approval.granted", "weights-2", r#","role":"model-risk""#);
    let now = ask(&world, "weights-2", world.clock.wall());
    assert_eq!(now.document.verdict, GateVerdict::Allow, "{}", now.to_text(Style::Plain));
    assert_eq!((now.exit_code(), now.as_of.asked), (0, false));
    let (size, at) = (now.document.tree_size, now.document.judged_at);
    world.clock.advance(1_000_000);
    world.flag("weights-2", "poisoned", "");
    let when = When { now: world.clock.wall(), at: Some(at), known: Some(Known::Entry(size - 1)) };
    let then = ask(&world, "weights-2", when);
    assert_eq!(then.document.bytes().unwrap(), now.document.bytes().unwrap());
    assert_eq!(then.digest, now.digest);
    assert_eq!(ask(&world, "weights-2", world.clock.wall()).exit_code(), 1);
}

#[test]
fn a_decision_is_committed_by_the_ledger_and_opens_the_way_back() {
    let mut world = eventful();
    say(&mut world, "approval.granted", "weights-1", r#","role":"model-risk""#);
    let gate = ask(&world, "weights-1", world.clock.wall());
    assert_eq!(gate.document.verdict, GateVerdict::Allow, "{}", gate.to_text(Style::Plain));
    let (subject, payload) = decision(&gate, "cli").unwrap();
    world.clock.advance(1);
    let index = world.ledger.as_ref().unwrap().say(&subject, Payload::from(payload)).unwrap();
    world.ledger.as_ref().unwrap().wait_for_index();
    let entry = answers::get(&world.view(), &index.to_string(), world.clock.wall()).unwrap();
    let body: serde_json::Value = serde_json::from_str(entry.body.as_ref().unwrap().as_str()).unwrap();
    assert_eq!((body["subject"].as_str(), body["data"]["verdict"].as_str()), (Some(SERVICE), Some("allow")));
    assert_eq!(body["data"]["document"].as_str(), Some(gate.digest.as_str()));
    assert_eq!(body["source"], format!("lineal://{ORIGIN}"));
    measure(&mut world, "ev-9", "weights-1", "0.10");
    let back = ask(&world, "weights-1", world.clock.wall());
    assert_eq!(back.document.verdict, GateVerdict::Allow);
    assert!(back.document.notes.iter().any(|note| note.starts_with("ROLLBACK")), "{}", back.to_text(Style::Plain));
    let memory = memory(&world);
    let other = passed(&world, &memory, &back.document, Asked::Registered);
    assert_eq!(other.bytes().unwrap(), back.document.bytes().unwrap());
}

#[test]
fn what_nobody_could_make_again_is_not_recorded() {
    let world = eventful();
    let text = format!("{HEAD}{RULES}# another text\\n").replace("\\n", "\n").replace("\\\"", "\"");
    let question = GateQuestion { policy: Asked::Text(text.parse().unwrap()), ..asked("weights-1") };
    let gate = answers::gate(&world.view(), &question, world.clock.wall()).unwrap();
    assert_eq!(decision(&gate, "cli").unwrap_err().code(), "unregistered-policy");
}

/// A misspelt `--policy policy/…` with `--record` once put an undecided decision on the record, which an auditor makes again
/// under the policy that does speak for the service: an honest record was NOT VERIFIED for good.
#[test]
fn a_verdict_under_a_misspelt_policy_is_not_recorded() {
    let world = eventful();
    let misspelt = GateQuestion { policy: Asked::Named("policy/wine/typo".parse().unwrap()), ..asked("weights-1") };
    let gate = answers::gate(&world.view(), &misspelt, world.clock.wall()).unwrap();
    assert_eq!(gate.exit_code(), 2);
    assert_eq!(decision_on(&misspelt, &gate, "cli").unwrap_err().code(), "unregistered-policy");
    // Where it was not asked for by name, that nothing speaks is a decision like any other.
    let vendor = GateQuestion { service: "service/other/x@eu-1/prod".to_owned(), ..asked("weights-1") };
    let undecided = answers::gate(&world.view(), &vendor, world.clock.wall()).unwrap();
    assert_eq!(undecided.exit_code(), 2);
    decision_on(&vendor, &undecided, "cli").unwrap();
}

/// A record that stands still may lack the flag that would stop a model: nothing is decided over it, whoever stopped it.
#[test]
fn a_record_whose_last_entry_is_older_than_25_minutes_decides_nothing_about_now() {
    let mut world = eventful();
    let stale = |world: &World, when: When| answers::gate::stale(&world.view(), when).unwrap();
    let last = world.clock.wall();
    assert_eq!(stale(&world, last.into()), None);
    world.clock.advance(25 * 60);
    assert_eq!(stale(&world, world.clock.wall().into()), None, "two heartbeats and a little are waited for");
    world.clock.advance(1);
    let now = world.clock.wall();
    let why = stale(&world, now.into()).unwrap();
    assert_eq!(why, format!("the last entry was taken at {last}: has the ledger stopped?"));
    assert_eq!(stale(&world, When { at: Some(last), ..now.into() }), None, "a moment that it knows");
    assert_eq!(stale(&world, When { known: Some(Known::Entry(6)), ..now.into() }), None);
    world.observe(SERVICE, &serving("weights-1"), "");
    assert_eq!(stale(&world, world.clock.wall().into()), None, "it goes on");
}

#[test]
fn an_unknown_model_is_denied_with_the_reason_and_a_name_that_means_nothing_is_not_decided() {
    let world = eventful();
    let gate = ask(&world, "never-seen", world.clock.wall());
    assert_eq!(gate.exit_code(), 1);
    assert!(gate.data.reasons.iter().any(|reason| reason.contains("no run says what made it")), "{:?}", gate.data);
    let place = GateQuestion { model: "s3://models/latest".to_owned(), ..asked("x") };
    let gate = answers::gate(&world.view(), &place, world.clock.wall()).unwrap();
    assert!(gate.exit_code() == 1 && gate.data.reasons[0].contains("identity weak"), "{:?}", gate.data);
    let pinned = format!("oci://registry.example/m@sha256:{}", hash("weights-1"));
    let gate = answers::gate(&world.view(), &GateQuestion { model: pinned, ..asked("x") }, world.clock.wall()).unwrap();
    assert!(gate.document.rules[0].outcome == lineal_gate::verdict::Outcome::Pass, "{:?}", gate.data);
    let name = GateQuestion { model: "model/wine/nothing".to_owned(), ..asked("x") };
    assert_eq!(answers::gate(&world.view(), &name, world.clock.wall()).unwrap_err().exit_code(), 2);
    let service = GateQuestion { service: "service/other/x@eu-1/prod".to_owned(), ..asked("weights-1") };
    let gate = answers::gate(&world.view(), &service, world.clock.wall()).unwrap();
    assert_eq!((gate.exit_code(), gate.data.ok), (2, false));
    assert!(gate.answer.starts_with("UNDECIDED: no policy speaks for"), "{}", gate.answer);
}

#[test]
fn a_verdict_as_text_has_a_line_for_each_rule() {
    let world = eventful();
    let gate = ask(&world, "weights-2", world.clock.wall());
    let text = gate.to_text(Style::Plain);
    let short = &hash("weights-2")[..12];
    assert!(
        text.starts_with(&format!(
            "DENY: 1 of 8 rules did not pass (sha256:{short}… at {SERVICE}, policy/wine/prod sha256:"
        )),
        "{text}"
    );
    assert!(text.contains("\n  FAIL        approval "), "{text}");
    assert!(text.contains("refused by wine-approver  (wanted: 1 as model-risk, and no refusal)  by "), "{text}");
    assert!(text.contains("\n  ! evaluation ev-2 is retracted by wine-assessor: wrong-data\n"), "{text}");
    assert!(text.contains(&format!("\nverdict sha256:{}, resting on ", gate.digest)), "{text}");
}

#[test]
fn a_verdict_is_what_its_schema_says() {
    let world = eventful();
    for model in ["weights-1", "weights-2", "never-seen"] {
        schemas::check("gate.v1.json", &ask(&world, model, world.clock.wall()));
    }
}

/// The members of the predicate, as the specification lists them.
const REQUIRED: [&str; 6] =
    ["verifier", "timeVerified", "resourceUri", "policy", "verificationResult", "verifiedLevels"];
const OPTIONAL: [&str; 3] = ["inputAttestations", "dependencyLevels", "slsaVersion"];

/// The statement of a summary, whose signature holds and whose members are those that are published.
fn statement(gate: &Gate) -> serde_json::Value {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let key = SecretKey::from_seed([9; 32]).unwrap();
    let envelope: serde_json::Value = serde_json::from_str(&vsa::signed(gate, &key).unwrap()).unwrap();
    assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
    assert_eq!(envelope["signatures"][0]["keyid"], key.keyid().to_string());
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let signature = STANDARD.decode(envelope["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    let signed = lineal_schemas::dsse::pae("application/vnd.in-toto+json", &payload);
    assert!(key.public().verify(&signed, &signature.try_into().unwrap()), "the key that was given signed it");
    let statement: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://slsa.dev/verification_summary/v1");
    let predicate = statement["predicate"].as_object().unwrap();
    assert!(REQUIRED.iter().all(|member| predicate.contains_key(*member)), "{predicate:?}");
    let is_known =
        |member: &str| [&REQUIRED[..], &OPTIONAL].concat().contains(&member) || member.starts_with("https://");
    assert!(predicate.keys().all(|member| is_known(member)), "an extension is named by a URI: {predicate:?}");
    statement
}

#[test]
fn a_verdict_goes_out_as_a_verification_summary_with_the_published_fields() {
    let mut world = eventful();
    say(&mut world, "approval.granted", "weights-2", r#","role":"model-risk""#);
    let allowed = ask(&world, "weights-2", world.clock.wall());
    let said = statement(&allowed);
    let predicate = &said["predicate"];
    assert_eq!(said["subject"][0]["digest"]["sha256"], hash("weights-2"));
    assert_eq!(predicate["verifier"]["id"], format!("lineal://{ORIGIN}"));
    assert_eq!(predicate["timeVerified"], allowed.document.judged_at.to_string());
    assert_eq!(predicate["policy"]["uri"], format!("lineal://{ORIGIN}/policy/wine/prod"));
    assert_eq!(
        allowed.data.policy,
        predicate["policy"]["digest"]["sha256"].as_str().map(|hex| format!("sha256:{hex}"))
    );
    assert_eq!(predicate["inputAttestations"].as_array().unwrap().len(), allowed.document.inputs.len(), "all of them");
    assert_eq!(predicate["verificationResult"], "PASSED");
    assert_eq!(predicate["verifiedLevels"], serde_json::json!(["LINEAL_GATE_ALLOW"]));
    let own = &predicate["https://lineal.dev/verdict/v1"];
    assert_eq!((own["document"]["sha256"].as_str(), own["service"].as_str()), (Some(&*allowed.digest), Some(SERVICE)));
    let denied = ask(&world, "never-seen", world.clock.wall());
    let failed = statement(&denied)["predicate"].clone();
    assert_eq!(failed["verificationResult"], "FAILED");
    assert_eq!(failed["verifiedLevels"], serde_json::json!(["FAILED"]));
}

#[test]
fn a_broken_glass_is_no_pass_and_what_is_undecided_has_no_summary() {
    let world = eventful();
    let mut glass = ask(&world, "never-seen", world.clock.wall());
    let waiver =
        serde_json::json!({"waiver": hash("waiver"), "reason": "fraud-wave", "expires": "2026-11-24T00:00:00Z"});
    glass.document.overridden = Some(serde_json::from_value(waiver).unwrap());
    let said = statement(&glass)["predicate"].clone();
    assert_eq!(said["verificationResult"], "FAILED");
    assert_eq!(said["https://lineal.dev/verdict/v1"]["overridden"]["reason"], "fraud-wave");
    let key = SecretKey::from_seed([9; 32]).unwrap();
    let service = GateQuestion { service: "service/other/x@eu-1/prod".to_owned(), ..asked("weights-1") };
    let undecided = answers::gate(&world.view(), &service, world.clock.wall()).unwrap();
    assert!(matches!(vsa::signed(&undecided, &key), Err(vsa::VsaError::Undecided)));
    let place = GateQuestion { model: "s3://models/latest".to_owned(), ..asked("x") };
    let weak = answers::gate(&world.view(), &place, world.clock.wall()).unwrap();
    assert!(matches!(vsa::signed(&weak, &key), Err(vsa::VsaError::NoDigest(_))));
}

fn rejudge(world: &World) -> answers::GateRunning {
    let running = answers::gate_running(&world.view(), None, world.clock.wall()).unwrap();
    schemas::check("gate-running.v1.json", &running);
    assert_eq!(running.to_text(Style::Plain).lines().next(), Some(running.answer.as_str()), "line 1 is the answer");
    running
}

/// What was admitted and has lost its evidence since: by a flag, by a waiver that ended; the way back is no evidence.
#[test]
fn what_runs_is_judged_afresh() {
    let mut world = eventful();
    say(&mut world, "approval.granted", "weights-1", r#","role":"model-risk""#);
    world.observe(SERVICE, &serving("weights-1"), r#","nextWithinSeconds":600"#);
    let (subject, payload) = decision(&ask(&world, "weights-1", world.clock.wall()), "cli").unwrap();
    world.clock.advance(1);
    world.ledger.as_ref().unwrap().say(&subject, Payload::from(payload)).unwrap();
    world.ledger.as_ref().unwrap().wait_for_index();
    let holds = rejudge(&world);
    assert_eq!((holds.exit_code(), holds.parts.len(), holds.parts[0].holds), (0, 1, true), "{holds:?}");
    assert_eq!(holds.answer, "what runs: none of 1 part would be denied now");
    // It was measured again, and badly: it could come back, and would not be let in.
    measure(&mut world, "ev-9", "weights-1", "0.10");
    let lost = rejudge(&world);
    assert_eq!((lost.exit_code(), lost.parts[0].holds, lost.parts[0].way_back), (1, false, true), "{lost:?}");
    assert_eq!(lost.answer, "what runs: 1 of 1 part would be DENIED now");
    assert!(lost.to_text(Style::Plain).contains("metric/accuracy: "), "{}", lost.to_text(Style::Plain));
    world.flag("red", "poisoned", "");
    let flagged = rejudge(&world);
    assert_eq!((flagged.exit_code(), flagged.parts[0].way_back), (1, false));
    // A part of a place that no policy speaks for is counted, and not judged; of a silent one nothing is known.
    world.observe("service/vendor/x@eu-1/prod", &serving("weights-1"), "");
    assert_eq!(rejudge(&world).ungated, ["service/vendor/x@eu-1/prod"]);
    // Under a policy that asks for no comparison, what is not known to run is in doubt; two policies decide nothing.
    let mut world = World::deployed().with_approver();
    register(&mut world, "");
    world.observe(SERVICE, &serving("weights-1"), r#","nextWithinSeconds":60"#);
    assert_eq!(rejudge(&world).exit_code(), 0);
    world.clock.advance(61);
    let silent = rejudge(&world);
    assert_eq!((silent.exit_code(), silent.parts[0].holds), (2, true), "{}", silent.answer);
    assert!(silent.answer.ends_with(", 1 not known to run"), "{}", silent.answer);
    let second = HEAD.replace("policy/wine/prod", "policy/wine/second");
    let data = format!(r#"{{"policy":"policy/wine/second","text":"{second}"}}"#);
    world.send("approver", "policy.registered", "policy/wine/second", &data);
    world.observe(SERVICE, &serving("weights-1"), "");
    let undecided = rejudge(&world);
    assert_eq!((undecided.exit_code(), undecided.parts[0].holds), (2, false), "{}", undecided.answer);
    assert!(undecided.answer.ends_with(", 1 UNDECIDED"), "{}", undecided.answer);
}
