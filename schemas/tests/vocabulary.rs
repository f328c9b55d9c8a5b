//! The Rust types and the JSON Schemas of the vocabulary give the same verdict on every sample and on every mutation of
//! every sample, at every depth: what a producer's editor accepts, the ledger accepts, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "vocabulary/mutations.rs"]
mod mutations;

use std::{collections::BTreeSet, fs, path::PathBuf, thread};

use jsonschema::{Registry, Validator};
use lineal_schemas::vocabulary::{Payload, Role, Signer, TYPES, TypeRule, json_schema, schemas};
use serde_json::{Value, json};

use self::mutations::{mutate, mutations, pointers};

/// Fewer mutants than this means that samples or mutations got lost.
const LEAST_MUTANTS: usize = 250_000;

struct Pair {
    rule: &'static TypeRule,
    schema: Validator,
}

impl Pair {
    fn of(rule: &'static TypeRule) -> Self {
        let common: Value = serde_json::from_str(schemas::COMMON).unwrap();
        let schema: Value = serde_json::from_str(json_schema(rule.kind).unwrap()).unwrap();
        assert_eq!(schema["$id"], rule.dataschema);
        let registry = Registry::new().add(schemas::COMMON_ID, common).unwrap().prepare().unwrap();
        let schema = jsonschema::options().with_registry(&registry).build(&schema).unwrap();
        Self { rule, schema }
    }

    /// The verdict of both, or what they disagree about.
    fn accepts(&self, data: &Value) -> Result<bool, String> {
        let parsed = Payload::parse(self.rule.kind, &data.to_string());
        match (parsed, self.schema.validate(data)) {
            (Ok(_), Ok(())) => Ok(true),
            (Err(_), Err(_)) => Ok(false),
            (Ok(_), Err(error)) => Err(format!("only the type accepts; {} at {}", error, error.instance_path())),
            (Err(error), Ok(())) => Err(format!("only the schema accepts; {error}")),
        }
    }
}

fn samples(name: &str) -> Vec<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples");
    [format!("{name}.json"), format!("{name}.minimal.json")]
        .iter()
        .map(|file| serde_json::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap())
        .collect()
}

#[test]
fn every_sample_is_accepted_by_type_and_schema() {
    for rule in TYPES {
        let pair = Pair::of(rule);
        for sample in samples(rule.name) {
            assert_eq!(pair.accepts(&sample), Ok(true), "{}", rule.name);
            let payload = Payload::parse(rule.kind, &sample.to_string()).unwrap();
            assert_eq!((payload.kind(), payload.name()), (rule.kind, rule.name));
            let written: Value = serde_json::from_str(&payload.to_json().unwrap()).unwrap();
            assert_eq!(written, sample, "{} changes on its way through the type", rule.name);
        }
    }
}

/// The verdicts on every mutant of one type's samples.
#[derive(Default)]
struct Verdicts {
    mutants: usize,
    accepted: usize,
    disagreements: Vec<String>,
}

impl Verdicts {
    fn of(rule: &'static TypeRule) -> Self {
        let pair = Pair::of(rule);
        let mut verdicts = Self::default();
        for sample in samples(rule.name) {
            let mut places = Vec::new();
            pointers(&sample, "", &mut places);
            for pointer in places {
                for (mutation, value) in mutations(sample.pointer(&pointer).unwrap()) {
                    let Some(mutant) = mutate(&sample, &pointer, value) else { continue };
                    let verdict = pair.accepts(&mutant);
                    verdicts.add(verdict.map_err(|why| format!("{} at `{pointer}`, {mutation}: {why}", rule.name)));
                }
            }
        }
        verdicts
    }

    fn add(&mut self, verdict: Result<bool, String>) {
        self.mutants += 1;
        match verdict {
            Ok(accepted) => self.accepted += usize::from(accepted),
            Err(why) => self.disagreements.push(why),
        }
    }
}

#[test]
fn every_mutant_gets_one_verdict() {
    let all: Vec<Verdicts> = thread::scope(|scope| {
        let threads: Vec<_> = TYPES.iter().map(|rule| scope.spawn(|| Verdicts::of(rule))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let disagreements: Vec<&str> =
        all.iter().flat_map(|verdicts| &verdicts.disagreements).map(String::as_str).collect();
    let (mutants, accepted) = all.iter().fold((0, 0), |(m, a), verdicts| (m + verdicts.mutants, a + verdicts.accepted));
    println!("{mutants} mutants, {accepted} of them accepted");
    let shown: Vec<&str> = disagreements.iter().take(40).copied().collect();
    assert!(disagreements.is_empty(), "{} disagreements:\n{}", disagreements.len(), shown.join("\n"));
    assert!(mutants >= LEAST_MUTANTS, "only {mutants} mutants");
    assert!(accepted > mutants / 100 && accepted < mutants / 2, "{accepted} of {mutants} accepted");
}

/// What nobody would want on a record for good, as text that takes the shape of a rule as well.
const ADDRESSES: [&str; 4] = [
    "jo@example.com",
    "x, expected jo@example.com",
    "x`, expected y, found `jo@example.com",
    "missing field `jo@example.com` at line 1",
];

/// `sample` with an address at a place: as the value there, as a member, and as the name of one.
fn with_addresses(sample: &Value, pointer: &str) -> Vec<Value> {
    let there = sample.pointer(pointer).unwrap();
    let long = "jo@example.com".repeat(40);
    let mut values = vec![json!(4_915_112_345_678_i64), json!(-4_915_112_345_678_i64), json!(4_915_112_345_678.5)];
    for address in ADDRESSES.into_iter().chain([long.as_str()]) {
        values.extend([json!(address), json!([address]), json!({ address: there }), json!({ address: [1] })]);
        if let Value::Object(members) = there {
            let added = members.clone().into_iter().chain([(address.to_owned(), json!(5))]);
            values.push(Value::Object(added.collect()));
        }
    }
    values.into_iter().filter_map(|value| mutate(sample, pointer, Some(value))).collect()
}

/// A refusal is on the record for good, and its message once held the value found: the address of a data set's steward.
#[test]
fn what_the_record_says_of_a_refusal_never_repeats_the_event() {
    let mut refused = 0;
    for rule in TYPES {
        for sample in samples(rule.name) {
            let mut places = Vec::new();
            pointers(&sample, "", &mut places);
            for mutant in places.iter().flat_map(|pointer| with_addresses(&sample, pointer)) {
                let Err(error) = Payload::parse(rule.kind, &mutant.to_string()) else { continue };
                let recorded = error.without_values();
                let repeats = ["jo@", "4915112345678"].iter().any(|value| recorded.contains(value));
                assert!(!repeats, "{recorded}\nfor {mutant}");
                assert!(!recorded.contains("does not have its form"), "it names no rule: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 10_000, "only {refused}");
}

/// Every member that the schemas have, as (schema, member).
fn members_of_schemas() -> BTreeSet<(String, String)> {
    let common: Value = serde_json::from_str(schemas::COMMON).unwrap();
    let own =
        TYPES.iter().map(|rule| (rule.name.to_owned(), serde_json::from_str(json_schema(rule.kind).unwrap()).unwrap()));
    let shared = common["$defs"].as_object().unwrap().clone().into_iter();
    let names = |(schema, value): (String, Value)| {
        let members = value["properties"].as_object().cloned().unwrap_or_default();
        members.into_iter().map(move |(member, _)| (schema.clone(), member)).collect::<Vec<_>>()
    };
    own.chain(shared).flat_map(names).collect()
}

/// The members that `value` uses, read along its schema.
fn used(value: &Value, name: &str, schema: &Value, common: &Value, found: &mut BTreeSet<(String, String)>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.rsplit('/').next().unwrap();
        used(value, target, &common["$defs"][target], common, found);
    }
    for (member, inner) in value.as_object().into_iter().flatten() {
        if !schema["properties"][member].is_null() {
            found.insert((name.to_owned(), member.clone()));
            used(inner, name, &schema["properties"][member], common, found);
        }
    }
    for item in value.as_array().into_iter().flatten() {
        used(item, name, &schema["items"], common, found);
    }
}

#[test]
fn the_samples_use_every_member_of_every_schema() {
    let common: Value = serde_json::from_str(schemas::COMMON).unwrap();
    let mut found = BTreeSet::new();
    for rule in TYPES {
        let schema: Value = serde_json::from_str(json_schema(rule.kind).unwrap()).unwrap();
        for sample in samples(rule.name) {
            used(&sample, rule.name, &schema, &common, &mut found);
        }
    }
    let all = members_of_schemas();
    let unused: Vec<_> = all.difference(&found).filter(|(schema, _)| schema != "strongArtifact").collect();
    assert!(unused.is_empty(), "{unused:?}");
    assert!(all.len() > 200, "{}", all.len());
}

/// A section of docs/EVENTS.md, with those whose members it says that it has.
fn section(text: &str, title: &str) -> String {
    let (_, rest) =
        text.split_once(&format!("\n### {title}\n")).unwrap_or_else(|| panic!("docs/EVENTS.md lacks {title}"));
    let own = rest.split("\n### ").next().unwrap();
    let other = own.split("The members of [").nth(1).and_then(|rest| rest.split(']').next());
    own.to_owned() + &other.map_or_else(String::new, |other| section(text, other))
}

#[test]
fn the_documentation_has_every_member_of_every_schema() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/EVENTS.md");
    let text = fs::read_to_string(path).unwrap();
    for (schema, member) in members_of_schemas() {
        let shared = ["origin", "actor", "attachments", "annotations"].contains(&member.as_str());
        if schema == "strongArtifact" || schema.contains('.') && shared && schema != "ledger.created" {
            continue;
        }
        let title =
            if schema.contains('.') { format!("`{schema}`") } else { schema[..1].to_uppercase() + &schema[1..] };
        let row = format!("`{member}`");
        assert!(section(&text, &title).contains(&row), "docs/EVENTS.md lacks {row} of {schema}");
    }
}

/// Who may sign, as docs/EVENTS.md says it.
fn spelled(roles: &[Role]) -> String {
    let without: Vec<&Role> = Role::ALL.iter().filter(|role| !roles.contains(role)).collect();
    match without[..] {
        [] => "any role".to_owned(),
        [role] => format!("any role but `{role}`"),
        _ => roles.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(" or "),
    }
}

#[test]
fn the_documentation_says_who_may_sign_what() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/EVENTS.md");
    let text = fs::read_to_string(path).unwrap();
    for rule in TYPES.iter().filter(|rule| rule.signer == Signer::Producer) {
        let (who, name) = (spelled(rule.roles), rule.name);
        let row = text.lines().find(|line| line.starts_with(&format!("| [`{name}`]"))).unwrap();
        assert!(row.contains(&format!(" | {who} | ")), "{name} is signed by {who}:\n{row}");
        assert!(section(&text, &format!("`{name}`")).contains(&format!("Signed by: {who}. ")), "{name}: {who}");
    }
}

#[test]
fn the_samples_in_the_documentation_are_accepted() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/EVENTS.md");
    let text = fs::read_to_string(path).unwrap();
    for rule in TYPES {
        let heading = format!("\n### `{}`\n", rule.name);
        let (_, section) = text.split_once(&heading).unwrap_or_else(|| panic!("docs/EVENTS.md lacks {}", rule.name));
        let (_, sample) = section.split_once("```json\n").unwrap();
        let (sample, _) = sample.split_once("```").unwrap();
        if let Err(error) = Payload::parse(rule.kind, sample) {
            panic!("docs/EVENTS.md: {error}");
        }
    }
}
