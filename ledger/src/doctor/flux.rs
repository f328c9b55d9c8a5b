//! Flux: Kustomizations that wait for the gate's, and alerts that hint at what was asked for.

use super::{Findings, Rule, yaml::Node};

/// A Kustomization of Flux. One that others wait for by a name with `gate` in it has to wait itself.
pub(super) fn kustomization(node: &Node, all: &[&Node], findings: &mut Findings) {
    let name = node.at(&["metadata", "name"]).and_then(Node::text).unwrap_or_default();
    let is_awaited = all.iter().any(|other| {
        let kind = other.text_at("kind") == Some("Kustomization");
        kind && other.list_at(&["spec", "dependsOn"]).iter().any(|one| one.text_at("name") == Some(name))
    });
    let is_gate = name.contains("gate") && is_awaited;
    let waits = node.at(&["spec", "wait"]).is_some_and(Node::is_true);
    let checks = node.list_at(&["spec", "healthChecks"]).iter().any(|check| check.text_at("kind") == Some("Job"));
    if is_gate && !waits && !checks {
        findings.add(node, Rule::FluxNotWaited, format!("`{name}` does not wait for its Job"));
    }
    if is_gate {
        suspended(node, findings);
    }
}

/// An Alert of Flux.
pub(super) fn alert(node: &Node, findings: &mut Findings) {
    if let Some(severity) = node.at(&["spec", "eventSeverity"]).filter(|severity| severity.text() == Some("error")) {
        findings.add(severity, Rule::FluxAlertSeverity, "only failures are told");
    }
    suspended(node, findings);
}

fn suspended(node: &Node, findings: &mut Findings) {
    if let Some(suspend) = node.at(&["spec", "suspend"]).filter(|suspend| suspend.is_true()) {
        findings.add(suspend, Rule::FluxSuspended, "it is suspended");
    }
}
