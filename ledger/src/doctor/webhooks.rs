//! Kubernetes: the configuration of validating webhooks.

use super::{Findings, Rule, yaml::Node};

/// The label of a namespace that the API server sets to its name, and nobody else can.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The longest time, in seconds, after which nothing else gives up first.
const LONGEST_SECONDS: i64 = 10;

/// A `ValidatingWebhookConfiguration`.
pub(super) fn validating(node: &Node, findings: &mut Findings) {
    for webhook in node.list_at(&["webhooks"]) {
        policies(webhook, findings);
        selectors(webhook, findings);
        for rule in webhook.list_at(&["rules"]) {
            resources(rule, findings);
        }
    }
}

fn policies(webhook: &Node, findings: &mut Findings) {
    if let Some(policy) = webhook.at(&["failurePolicy"]).filter(|policy| policy.text() != Some("Fail")) {
        findings.add(policy, Rule::WebhookIgnore, format!("`failurePolicy: {}`", policy.text().unwrap_or_default()));
    }
    match webhook.at(&["sideEffects"]) {
        Some(effects) if effects.text() == Some("NoneOnDryRun") => {}
        effects => {
            let text = effects.and_then(Node::text).unwrap_or("none given");
            findings.add(effects.unwrap_or(webhook), Rule::WebhookSideEffects, format!("`sideEffects: {text}`"));
        }
    }
    let timeout = webhook.at(&["timeoutSeconds"]);
    if let Some(timeout) = timeout.filter(|timeout| timeout.number().is_none_or(|seconds| seconds > LONGEST_SECONDS)) {
        let text = timeout.text().unwrap_or_default();
        findings.add(timeout, Rule::WebhookTimeout, format!("`timeoutSeconds: {text}`"));
    }
    if let Some(policy) = webhook.at(&["matchPolicy"]).filter(|policy| policy.text() == Some("Exact")) {
        findings.add(policy, Rule::WebhookMatchPolicy, "`matchPolicy: Exact`");
    }
}

fn selectors(webhook: &Node, findings: &mut Findings) {
    match webhook.at(&["namespaceSelector"]).filter(|selector| selector.entries().next().is_some()) {
        None => findings.add(webhook, Rule::WebhookOwnNamespace, "it is asked about every namespace"),
        Some(selector) => by_name_alone(selector, "namespaceSelector", findings),
    }
    if let Some(selector) = webhook.at(&["objectSelector"]).filter(|selector| selector.entries().next().is_some()) {
        by_name_alone(selector, "objectSelector", findings);
    }
}

fn by_name_alone(selector: &Node, what: &str, findings: &mut Findings) {
    let labels = selector.at(&["matchLabels"]).into_iter().flat_map(Node::entries).map(|(key, _value)| key);
    let expressions = selector.list_at(&["matchExpressions"]);
    let keys = expressions.iter().filter_map(|expression| expression.at(&["key"]));
    for key in labels.chain(keys) {
        if key.text() != Some(NAME_LABEL) || what == "objectSelector" {
            let label = key.text().unwrap_or_default();
            findings.add(key, Rule::WebhookSelectorLabels, format!("the {what} goes by the label {label}"));
        }
    }
}

fn resources(rule: &Node, findings: &mut Findings) {
    for resource in rule.list_at(&["resources"]) {
        let text = resource.text().unwrap_or_default();
        let name = text.split('/').next().unwrap_or_default();
        if matches!(name, "pods" | "*") {
            findings.add(resource, Rule::WebhookOnPods, format!("it is asked about `{text}`"));
        }
    }
    let operations = rule.list_at(&["operations"]);
    let has =
        |wanted: &str| operations.iter().any(|one| matches!(one.text(), Some(text) if text == wanted || text == "*"));
    if !has("CREATE") || !has("UPDATE") {
        let given = operations.iter().filter_map(|one| one.text()).collect::<Vec<_>>().join(", ");
        findings.add(rule, Rule::WebhookOperations, format!("it is asked about {given} alone"));
    }
}
