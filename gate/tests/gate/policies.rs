//! Policies that are read, and texts that are none: each refused with its line and column.

use lineal_gate::policy::{JSON_SCHEMA, Policy, PolicyError};
use lineal_schemas::vocabulary::names::ServiceName;

use crate::world::HEAD;

/// Every key that a policy can have.
const FULL: &str = r#"schema = 1
name = "policy/payments/fraud-prod"
applies = { service = "service/payments/**", environment = "prod" }

[identity]
digest = "required"
[lineage]
reach = ["dataset.snapshotted"]
unknown_inputs = 0
boundary = "refuse"
refuse = ["error"]
[evaluation]
data = ["dataset/payments/held-out", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]
harness = "evalkit"
harness_version = "2.1"
from = ["eval-team"]
repeats = 3
aggregate = "median"
max_retracted = 1
max_age = "30d"
disjoint_from_training = true
independent_signer = true
announced = true
registered_before = true
[incumbent]
from = "deployment.observed"
absent = "note"

[[metric]]
name = "auc"
better = "higher"
min = "0.90"
max = "0.995"
max_drop = "0.005"
max_drop_relative = "0.01"
min_gain = "-0.001"
max_gain = "0.1"
[[metric]]
name = "recall"
slice = { country = "BR" }
min = "0.80"
min_n = 500
[[gap]]
name = "fpr"
between = [{ sex = "f" }, { sex = "m" }]
max = "0.02"
min_n = 100

[approval]
count = 1
role = "model-risk"
from = ["risk-team"]
not = ["trainer", "evaluator"]
conditions = ["canary-only"]
[waivers]
rules = ["metric/recall[country=BR]"]
from = ["risk-team"]
expires = "7d"
[rollback]
allow = "previously-admitted"
[override]
from = ["incident-commanders"]
expires = "4h"
"#;

fn read(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(&text.parse().unwrap())
}

fn refused(rules: &str) -> PolicyError {
    match read(&format!("{HEAD}{rules}")) {
        Err(error) => error,
        Ok(_) => panic!("accepted: {rules}"),
    }
}

#[test]
fn a_policy_may_have_every_key_and_needs_few() {
    let policy = read(FULL).unwrap();
    assert_eq!(policy.rules().len(), 13, "{:?}", policy.rules());
    assert_eq!(read(HEAD).unwrap().rules(), ["identity", "flags"]);
    assert_eq!(policy.name().as_str(), "policy/payments/fraud-prod");
}

#[test]
fn the_schema_for_editors_takes_what_the_gate_takes_and_no_key_more() {
    let schema = jsonschema::validator_for(&serde_json::from_str(JSON_SCHEMA).unwrap()).unwrap();
    let as_json = |text: &str| serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap();
    for text in [FULL, HEAD] {
        let errors: Vec<String> = schema.iter_errors(&as_json(text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
    let mut without = 0;
    for line in FULL.lines().filter(|line| line.contains(" = ")) {
        let (key, value) = line.split_once(" = ").unwrap();
        let wrong = FULL.replace(line, &format!("{key}_x = {value}"));
        assert!(read(&wrong).is_err() && !schema.is_valid(&as_json(&wrong)), "{line}");
        without += 1;
    }
    assert!(without > 40, "{without}");
}

#[test]
fn an_unknown_key_is_refused_with_line_and_column() {
    let error = refused("[lineage]\nreach = [\"dataset.snapshotted\"]\nunkown_inputs = 0\n");
    assert_eq!((error.line, error.column), (6, 1), "{error}");
    assert!(error.what.contains("unkown_inputs"), "{error}");
    assert!(error.to_string().starts_with("line 6, column 1: "));
    for wrong in ["scheme = 2\n", "[[metrics]]\n", "[overide]\n", "[evaluation]\ncount_all_runs = false\n"] {
        refused(wrong);
    }
}

#[test]
fn a_rule_that_can_never_fail_is_refused() {
    let error = refused("\n[[metric]]\nname = \"auc\"\nbetter = \"higher\"\n");
    assert!(error.what.contains("`auc` has no condition, so it can never fail"), "{error}");
    assert_eq!(error.line, 5);
    for wrong in [
        "[[metric]]\nname = \"auc\"\nmin_n = 5\n",
        "[[gap]]\nname = \"fpr\"\nbetween = [{ sex = \"f\" }]\nmax = \"0.1\"\n",
        "[approval]\ncount = 0\nrole = \"model-risk\"\n",
        "[lineage]\nreach = []\n",
        "[evaluation]\nrepeats = 0\n",
    ] {
        refused(wrong);
    }
}

#[test]
fn a_rule_that_can_never_pass_is_refused() {
    let error = refused("[[metric]]\nname = \"auc\"\nmin = \"0.9\"\nmax = \"0.89\"\n");
    assert!(error.what.contains("can never pass: min 0.9 is above max 0.89"), "{error}");
    for wrong in [
        "[incumbent]\nabsent = \"note\"\n[[metric]]\nname = \"auc\"\nbetter = \"higher\"\nmin_gain = \"1\"\nmax_gain = \"0.5\"\n",
        "[[gap]]\nname = \"fpr\"\nbetween = [{ sex = \"f\" }, { sex = \"m\" }]\nmax = \"-0.1\"\n",
        "[evaluation]\ndata = []\n",
        "[evaluation]\nfrom = []\n",
        "[approval]\ncount = 2\nrole = \"model-risk\"\nfrom = [\"risk-team\"]\n",
    ] {
        refused(wrong);
    }
    assert!(read(&format!("{HEAD}[[metric]]\nname = \"auc\"\nmin = \"0.90\"\nmax = \"0.9\"\n")).is_ok());
}

#[test]
fn what_stands_twice_is_refused() {
    let metric = "[[metric]]\nname = \"auc\"\nmin = \"0.9\"\n";
    assert!(refused(&format!("{metric}{metric}")).what.contains("stands twice"));
    let sliced = "[[metric]]\nname = \"auc\"\nslice = { country = \"BR\" }\nmin = \"0.9\"\n";
    assert!(read(&format!("{HEAD}{metric}{sliced}")).is_ok());
    refused("[identity]\ndigest = \"required\"\n[identity]\ndigest = \"weak-ok\"\n");
    refused("[[gap]]\nname = \"fpr\"\nbetween = [{ sex = \"f\" }, { sex = \"f\" }]\nmax = \"0.1\"\n");
}

#[test]
fn a_number_is_text_and_never_a_float() {
    for wrong in ["0.9", "1", "nan", "inf", "\"\"", "\"0,9\"", "\"NaN\"", "\" 0.9\"", "[]", "{}", "true"] {
        let error = refused(&format!("[[metric]]\nname = \"auc\"\nmin = {wrong}\n"));
        assert_eq!(error.line, 6, "{wrong}: {error}");
    }
    assert!(refused("[[metric]]\nname = \"auc\"\nmin = 0.9\n").what.contains("a number as text, like \"0.90\""));
}

#[test]
fn an_empty_slice_is_no_way_to_ask_about_everything() {
    assert!(refused("[[metric]]\nname = \"auc\"\nslice = {}\nmin = \"0.9\"\n").what.contains("leave it out"));
}

#[test]
fn a_comparison_says_which_way_is_good_and_what_becomes_of_the_first() {
    let compared = "[[metric]]\nname = \"auc\"\nmax_drop = \"0.1\"\n";
    assert!(refused(&format!("[incumbent]\nabsent = \"note\"\n{compared}")).what.contains("better"));
    assert!(refused(&format!("{compared}better = \"higher\"\n")).what.contains("[incumbent]"));
    assert!(
        refused("[[metric]]\nname = \"auc\"\nbetter = \"higher\"\nmax_drop = \"-0.1\"\n").what.contains("min_gain")
    );
}

#[test]
fn only_a_rule_of_the_policy_can_be_waived() {
    let error = refused("[waivers]\nrules = [\"metric/auc\"]\n");
    assert!(error.what.contains("`metric/auc` is no rule of this policy: it has identity, flags"), "{error}");
}

#[test]
fn a_policy_speaks_for_services_of_its_own_owner() {
    let named = |name: &str, service: &str| {
        read(&format!("schema = 1\nname = \"{name}\"\napplies = {{ service = \"{service}\" }}\n"))
    };
    for (name, service) in [
        ("policy/payments/a", "service/payments/fraud"),
        ("policy/payments/a", "service/payments/**"),
        ("policy/payments/a", "service/payments/eu/**"),
        ("policy/payments/eu/a", "service/payments/eu/fraud"),
    ] {
        assert!(named(name, service).is_ok(), "{name} {service}");
    }
    for (name, service) in [
        ("policy/payments/a", "service/other/fraud"),
        ("policy/payments/a", "service/payments2/**"),
        ("policy/payments/eu/a", "service/payments/fraud"),
        ("policy/payments/a", "service/payments/fraud@eu-1/prod"),
        ("policy/payments/a", "service/**"),
        ("policy/payments/a", "model/payments/fraud"),
        ("policy/a", "service/payments/fraud"),
    ] {
        assert!(named(name, service).is_err(), "{name} {service}");
    }
}

#[test]
fn an_environment_narrows_where_it_speaks() {
    let policy = read(HEAD).unwrap();
    let applies = |service: &str| policy.applies_to(&service.parse::<ServiceName>().unwrap());
    assert!(applies("service/payments/fraud@eu-1/prod") && applies("service/payments/fraud@us-1/prod"));
    assert!(!applies("service/payments/fraud@eu-1/stage") && !applies("service/payments/refunds@eu-1/prod"));
    let policy = read(FULL).unwrap();
    assert!(policy.applies_to(&"service/payments/cards/fraud@eu-1/prod".parse().unwrap()));
}

#[test]
fn another_version_of_the_language_is_not_guessed_at() {
    let error =
        read("schema = 2\nname = \"policy/payments/a\"\napplies = { service = \"service/payments/a\" }\n").unwrap_err();
    assert_eq!((error.line, error.column, error.code()), (1, 10, "malformed-policy"));
}
