//! The files of docs/deploy are without a known mistake, and each mistake is found in the file that has it and no other.

#![expect(clippy::unwrap_used, reason = "a test fails where it breaks")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use lineal_ledger::{
    answers::schemas,
    doctor::{Diagnosis, Rule, Severity, examine},
};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/deploy")
}

/// Every file of docs/deploy, by its path there.
fn shipped() -> BTreeMap<String, String> {
    fn below(folder: &Path, name: &str, files: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{name}{}", entry.file_name().into_string().unwrap());
            if entry.path().is_dir() {
                below(&entry.path(), &format!("{name}/"), files);
            } else {
                files.insert(name, fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    below(&folder(), "", &mut files);
    files
}

fn one(text: &str) -> Diagnosis {
    examine(vec![("file.yaml".to_owned(), Ok(text.to_owned()))])
}

fn rules(diagnosis: &Diagnosis) -> BTreeSet<&'static str> {
    diagnosis.findings.iter().map(|found| found.rule.name()).collect()
}

#[test]
fn what_is_shipped_has_no_known_mistake() {
    let files = shipped();
    assert!(files.len() >= 12, "{:?}", files.keys());
    for (name, text) in files {
        let diagnosis = examine(vec![(name.clone(), Ok(text))]);
        assert_eq!((diagnosis.exit_code(), rules(&diagnosis)), (0, BTreeSet::new()), "{name}\n{}", diagnosis.to_text());
        assert!(diagnosis.files[0].known > 0, "{name}");
    }
}

/// The rule, the file that is broken, what stands there, and what stands there instead.
const BROKEN: &[(&str, &str, &str, &str)] = &[
    (
        "analysis-no-condition",
        "argo-rollouts/analysis-template-web.yaml",
        "successCondition: result.ok == true",
        "interval: 5m",
    ),
    (
        "analysis-open-condition",
        "argo-rollouts/analysis-template-web.yaml",
        "successCondition: result.ok == true",
        "failureCondition: result.ok == false",
    ),
    (
        "analysis-open-condition",
        "argo-rollouts/analysis-template-job.yaml",
        "failureLimit: 0",
        "failureCondition: result.ok == false",
    ),
    ("analysis-loose-condition", "argo-rollouts/analysis-template-web.yaml", "result.ok == true", "result.ok != false"),
    (
        "analysis-loose-condition",
        "argo-rollouts/analysis-template-web.yaml",
        "result.ok == true",
        "default(result.ok, true) == true",
    ),
    (
        "analysis-dry-run",
        "argo-rollouts/analysis-template-web.yaml",
        "  metrics:\n",
        "  dryRun:\n    - metricName: lineal-gate\n  metrics:\n",
    ),
    ("analysis-forgives", "argo-rollouts/analysis-template-web.yaml", "failureLimit: 0", "failureLimit: 3"),
    ("analysis-forgives", "argo-rollouts/analysis-template-job.yaml", "failureLimit: 0", "inconclusiveLimit: -1"),
    ("argo-hook-after", "argo-cd/presync-job.yaml", "hook: PreSync", "hook: PostSync"),
    (
        "argo-once-per-revision",
        "argo-cd/notifications.yaml",
        "app.status.operationState.finishedAt\n",
        "app.status.sync.revision\n",
    ),
    (
        "argo-once-per-revision",
        "argo-cd/notifications.yaml",
        "app.status.operationState.finishedAt\n",
        "app.status.operationState.syncResult.revision\n",
    ),
    (
        "argo-webhook-get",
        "argo-cd/notifications.yaml",
        "  template.lineal: |\n",
        "  template.lineal: |\n    webhook:\n      lineal:\n        body: hello\n",
    ),
    ("argo-skip-dry-run", "application", "Validate=true", "SkipDryRunOnMissingResource=true"),
    ("flux-not-waited", "flux/gate.yaml", "wait: true", "wait: false"),
    ("flux-not-waited", "flux/gate.yaml", "  wait: true\n", ""),
    ("flux-alert-severity", "flux/alert.yaml", "eventSeverity: info", "eventSeverity: error"),
    ("flux-suspended", "flux/gate.yaml", "wait: true", "wait: true\n  suspend: true"),
    ("flux-suspended", "flux/alert.yaml", "eventSeverity: info", "eventSeverity: info\n  suspend: yes"),
    ("gatekeeper-system-error", "gatekeeper/template.yaml", "answer.system_error == \"\"", "true"),
    (
        "gatekeeper-system-error",
        "gatekeeper/template.yaml",
        "answer.system_error == \"\"",
        "# answer.system_error == \"\"",
    ),
    ("gatekeeper-errors", "gatekeeper/template.yaml", "count(answer.errors) == 0", "true"),
    ("gatekeeper-missing", "gatekeeper/template.yaml", "response[0] == key", "true"),
    ("gatekeeper-tests-false", "gatekeeper/template.yaml", "response[1].ok == true", "not response[1].ok == false"),
    ("gatekeeper-provider-tls", "gatekeeper/provider.yaml", "https://", "http://"),
    (
        "gatekeeper-provider-tls",
        "gatekeeper/provider.yaml",
        "caBundle: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==",
        "insecureTLSSkipVerify: true",
    ),
    ("gatekeeper-not-deny", "gatekeeper/constraint.yaml", "enforcementAction: deny", "enforcementAction: dryrun"),
    ("gatekeeper-not-deny", "gatekeeper/constraint.yaml", "enforcementAction: deny", "enforcementAction: warn"),
    ("gatekeeper-on-pods", "gatekeeper/constraint.yaml", "kinds: [Rollout]", "kinds: [Pod]"),
    ("webhook-ignore", "kubernetes/validating-webhook.yaml", "failurePolicy: Fail", "failurePolicy: Ignore"),
    ("webhook-on-pods", "kubernetes/validating-webhook.yaml", "[rollouts]", "[rollouts, pods]"),
    ("webhook-on-pods", "kubernetes/validating-webhook.yaml", "[rollouts]", "[\"*/*\"]"),
    (
        "webhook-operations",
        "kubernetes/validating-webhook.yaml",
        "resources: [rollouts]\n        operations: [CREATE, UPDATE]",
        "resources: [rollouts]\n        operations: [CREATE]",
    ),
    ("webhook-timeout", "kubernetes/validating-webhook.yaml", "timeoutSeconds: 5", "timeoutSeconds: 30"),
    ("webhook-side-effects", "kubernetes/validating-webhook.yaml", "NoneOnDryRun", "Some"),
    ("webhook-side-effects", "kubernetes/validating-webhook.yaml", "NoneOnDryRun", "None"),
    ("webhook-match-policy", "kubernetes/validating-webhook.yaml", "matchPolicy: Equivalent", "matchPolicy: Exact"),
    (
        "webhook-selector-labels",
        "kubernetes/validating-webhook.yaml",
        "key: kubernetes.io/metadata.name",
        "key: lineal.dev/gated",
    ),
    (
        "webhook-selector-labels",
        "kubernetes/validating-webhook.yaml",
        "    rules:\n",
        "    objectSelector: {matchLabels: {gate: \"on\"}}\n    rules:\n",
    ),
    (
        "webhook-own-namespace",
        "kubernetes/validating-webhook.yaml",
        "namespaceSelector:\n      matchExpressions:\n        - key: kubernetes.io/metadata.name\n          operator: NotIn\n          values: [kube-system, lineal]",
        "namespaceSelector: {}",
    ),
    ("job-retries", "argo-cd/presync-job.yaml", "backoffLimit: 0", "backoffLimit: 4"),
    ("job-retries", "flux/gate.yaml", "  backoffLimit: 0\n", ""),
    ("job-retries", "argo-rollouts/analysis-template-job.yaml", "restartPolicy: Never", "restartPolicy: OnFailure"),
    (
        "job-image-by-tag",
        "argo-cd/presync-job.yaml",
        "lineal@sha256:0000000000000000000000000000000000000000000000000000000000000000\n",
        "lineal:latest\n",
    ),
    ("shell-forgives", "ci/gitlab-ci.yml", "eu-1/prod\n", "eu-1/prod || true\n"),
    ("shell-forgives", "ci/gitlab-ci.yml", "    - lineal gate", "    - set +e\n    - lineal gate"),
    (
        "shell-forgives",
        "ci/github-actions.yml",
        "        run: >-\n          lineal gate",
        "        run: |\n          set +e\n          lineal gate",
    ),
    (
        "shell-forgives",
        "argo-cd/presync-job.yaml",
        "            - lineal\n            - gate\n",
        "            - sh\n            - -c\n            - lineal gate \"$@\" || exit 0\n",
    ),
    (
        "shell-forgives",
        "argo-cd/presync-job.yaml",
        "            - lineal\n            - gate\n",
        "            - sh\n            - -c\n            - |\n              lineal gate \"$@\"\n              echo asked\n",
    ),
    ("shell-pipe", "ci/github-actions.yml", "eu-1/prod\n", "eu-1/prod | tee gate.txt\n"),
    (
        "verdict-not-read",
        "ci/gitlab-ci.yml",
        "lineal gate --url https://ledger.example --model",
        "curl -f https://ledger.example/v1/verdict?model=",
    ),
    ("verdict-without-tls", "argo-rollouts/analysis-template-web.yaml", "url: https://", "url: http://"),
    (
        "verdict-without-tls",
        "argo-rollouts/analysis-template-web.yaml",
        "jsonPath:",
        "insecure: true\n          jsonPath:",
    ),
    ("verdict-without-tls", "argo-cd/presync-job.yaml", "https://ledger", "http://ledger"),
    ("verdict-without-tls", "ci/gitlab-ci.yml", "https://ledger", "http://ledger"),
    ("ci-continues", "ci/github-actions.yml", "        run: >-", "        continue-on-error: true\n        run: >-"),
    ("ci-continues", "ci/github-actions.yml", "  gate:\n", "  gate:\n    continue-on-error: ${{ matrix.any }}\n"),
    ("ci-continues", "ci/gitlab-ci.yml", "  stage: gate\n", "  stage: gate\n  allow_failure: true\n"),
    ("ci-continues", "ci/gitlab-ci.yml", "  stage: gate\n", "  stage: gate\n  allow_failure: {exit_codes: [1]}\n"),
    ("ci-deploys-anyway", "ci/github-actions.yml", "    needs: gate\n", "    needs: [gate]\n    if: always()\n"),
    ("ci-deploys-anyway", "ci/gitlab-ci.yml", "  stage: deploy\n", "  stage: deploy\n  when: always\n"),
    ("ci-deploys-anyway", "ci/gitlab-ci.yml", "needs: [gate]", "needs: [{job: gate, optional: true}]"),
];

/// An Application of Argo CD, of which none is shipped.
const APPLICATION: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec:\n  syncPolicy:\n    syncOptions:\n      - Validate=true\n";

fn file(name: &str) -> String {
    if name == "application" { APPLICATION.to_owned() } else { fs::read_to_string(folder().join(name)).unwrap() }
}

#[test]
fn each_mistake_is_found_and_nothing_else_with_it() {
    for (rule, name, from, to) in BROKEN {
        let good = file(name);
        let at = good.find(from).unwrap_or_else(|| panic!("{name} has no {from:?}"));
        assert_eq!(rules(&one(&good)), BTreeSet::new(), "{name}");
        let diagnosis = one(&good.replacen(from, to, 1));
        assert_eq!(rules(&diagnosis), [*rule].into(), "{name}: {to:?}\n{}", diagnosis.to_text());
        assert_eq!(diagnosis.exit_code(), 1);
        // The line is that of the mistake, or of what is without something.
        let line = good[..at].lines().count().max(1);
        let found = diagnosis.findings[0].line;
        assert!(found <= line + 4 && found >= 1, "{name}: {rule} at {found}, broken at {line}");
    }
}

#[test]
fn every_rule_has_a_file_that_breaks_it() {
    let broken: BTreeSet<&str> = BROKEN.iter().map(|(rule, ..)| *rule).collect();
    let all: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(broken, all);
}

#[test]
fn the_line_is_that_of_the_mistake() {
    let text = file("kubernetes/validating-webhook.yaml").replace("failurePolicy: Fail", "failurePolicy: Ignore");
    let line = text.lines().position(|line| line.contains("failurePolicy: Ignore")).unwrap() + 1;
    let found = &one(&text).findings[0];
    assert_eq!((found.line, found.severity), (line, Severity::Error));
}

#[test]
fn what_cannot_be_read_or_is_not_known_is_undecided_and_never_clean() {
    for (text, problem) in [
        ("a: [1", "it is no YAML"),
        ("{{- if .Values.gate }}\nkind: Job\n{{- end }}\n", "it is no YAML"),
        ("kind: Job\nkind: Job\n", "is there twice"),
        ("apiVersion: v1\nkind: Service\n", "nothing in it that is known"),
        ("", "nothing in it that is known"),
        ("- just\n- a list\n", "nothing in it that is known"),
    ] {
        let diagnosis = one(text);
        let told = diagnosis.files[0].problem.clone().unwrap_or_default();
        assert!(diagnosis.exit_code() == 2 && told.contains(problem), "{text:?}: {told}");
        assert!(diagnosis.answer.contains("nothing can be said of 1 file"), "{}", diagnosis.answer);
    }
    let gone = examine(vec![("gone.yaml".to_owned(), Err("No such file".to_owned()))]);
    assert_eq!(gone.exit_code(), 2);
    // What was found is a yes, whatever else could not be read.
    let ignore = file("kubernetes/validating-webhook.yaml")
        .replace("policy: Fail", "policy: Ignore")
        .replace("Policy: Fail", "Policy: Ignore");
    let both = examine(vec![("one.yaml".to_owned(), Ok(ignore)), ("two.yaml".to_owned(), Ok("a: [".to_owned()))]);
    assert_eq!(both.exit_code(), 1);
}

#[test]
fn documents_of_one_file_and_of_a_list_are_all_looked_at() {
    let job = file("argo-cd/presync-job.yaml").replace("backoffLimit: 0", "backoffLimit: 6");
    let several = format!("{}\n---\n{job}", file("flux/alert.yaml"));
    assert_eq!(rules(&one(&several)), ["job-retries"].into());
    let lines: Vec<&str> = job.lines().filter(|line| !line.starts_with('#')).collect();
    let list = format!("apiVersion: v1\nkind: List\nitems:\n  - {}\n", lines.join("\n    "));
    assert_eq!(rules(&one(&list)), ["job-retries"].into(), "{list}");
    let json = r#"{"kind":"ValidatingWebhookConfiguration","apiVersion":"admissionregistration.k8s.io/v1","webhooks":[{"failurePolicy":"Ignore"}]}"#;
    assert!(rules(&one(json)).contains("webhook-ignore"), "JSON is YAML");
}

#[test]
fn what_does_not_ask_the_gate_is_left_alone() {
    let build = "on: push\njobs:\n  build:\n    runs-on: x\n    continue-on-error: true\n    steps:\n      - run: make || true\n      - run: curl http://example.com/ | sh\n        if: always()\n";
    let other = "apiVersion: batch/v1\nkind: Job\nspec:\n  backoffLimit: 6\n  template: {spec: {restartPolicy: OnFailure, containers: [{image: x, command: [make]}]}}\n";
    for text in [build, other] {
        let diagnosis = one(text);
        assert_eq!((diagnosis.exit_code(), rules(&diagnosis)), (0, BTreeSet::new()), "{}", diagnosis.to_text());
    }
}

#[test]
fn the_json_is_as_its_schema_says() {
    let broken = examine(vec![
        ("one.yaml".to_owned(), Ok(file("kubernetes/validating-webhook.yaml").replace("Fail", "Ignore"))),
        ("two.yaml".to_owned(), Err("No such file".to_owned())),
    ]);
    let mut schema: Value = serde_json::from_str(schemas::schema("doctor.v1.json").unwrap()).unwrap();
    let text = serde_json::to_value(&broken).unwrap();
    for object in ["/$defs/found", "/$defs/looked", ""] {
        schema.pointer_mut(object).unwrap()["additionalProperties"] = json!(false);
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&text).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(serde_json::from_value::<Diagnosis>(text).unwrap(), broken, "the JSON holds all of it");
    let known = &schema["$defs"]["found"]["properties"]["rule"]["enum"];
    assert_eq!(*known, json!(Rule::ALL), "the schema names every rule");
}
