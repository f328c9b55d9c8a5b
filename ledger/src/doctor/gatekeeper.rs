//! Gatekeeper: templates that ask a provider, the provider, and constraints.
//!
//! Rego is not parsed: a template is asked for the words without which it cannot be closed. Promises that comments are
//! left out of that.

use super::{Findings, Rule, yaml::Node};

/// A `ConstraintTemplate` that asks a provider.
pub(super) fn template(node: &Node, findings: &mut Findings) {
    for target in node.list_at(&["spec", "targets"]) {
        let code = target.list_at(&["code"]);
        let sources = code.iter().filter_map(|code| code.at(&["source", "rego"]));
        for rego in target.at(&["rego"]).into_iter().chain(sources) {
            source(rego, findings);
        }
    }
}

fn source(node: &Node, findings: &mut Findings) {
    let text: String = node
        .text()
        .unwrap_or_default()
        .lines()
        .filter(|line| !line.trim().starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n");
    if !text.contains("external_data(") {
        return;
    }
    if !text.contains(".system_error") {
        findings.add(node, Rule::GatekeeperSystemError, "`system_error` is not looked at");
    }
    if !text.contains(".errors") {
        findings.add(node, Rule::GatekeeperErrors, "`errors` is not looked at");
    }
    let squeezed: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    let by_count = ["count(", ".responses)!=count("].iter().all(|part| squeezed.contains(part));
    let by_key = squeezed.contains("[0]==key") || squeezed.contains("key==") && squeezed.contains("[0]");
    if !by_count && !by_key {
        findings.add(node, Rule::GatekeeperMissing, "a key without a response is not looked for");
    }
    if squeezed.contains("ok==false") || squeezed.contains("ok!=true}") && !squeezed.contains("ok==true") {
        findings.add(node, Rule::GatekeeperTestsFalse, "a verdict is compared with `false`");
    }
}

/// A provider of external data.
pub(super) fn provider(node: &Node, findings: &mut Findings) {
    let spec = node.at(&["spec"]).unwrap_or(node);
    if let Some(url) = spec.at(&["url"]).filter(|url| !url.text().unwrap_or_default().starts_with("https://")) {
        findings.add(url, Rule::GatekeeperProviderTls, "the address is not https");
    }
    if spec.text_at("caBundle").is_none_or(str::is_empty) {
        findings.add(spec, Rule::GatekeeperProviderTls, "there is no `caBundle`");
    }
    if let Some(skip) = spec.at(&["insecureTLSSkipVerify"]).filter(|skip| skip.is_true()) {
        findings.add(skip, Rule::GatekeeperProviderTls, "the certificate is not checked");
    }
}

/// A constraint of any kind.
pub(super) fn constraint(node: &Node, findings: &mut Findings) {
    let action = node.at(&["spec", "enforcementAction"]);
    if let Some(action) = action.filter(|action| !matches!(action.text(), Some("deny" | "scoped"))) {
        let text = action.text().unwrap_or_default();
        findings.add(action, Rule::GatekeeperNotDeny, format!("`enforcementAction: {text}`"));
    }
    for kinds in node.list_at(&["spec", "match", "kinds"]) {
        for kind in kinds.list_at(&["kinds"]) {
            if matches!(kind.text(), Some("Pod" | "*")) {
                findings.add(kind, Rule::GatekeeperOnPods, "it is asked about pods");
            }
        }
    }
}
