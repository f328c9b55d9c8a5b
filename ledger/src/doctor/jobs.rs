//! Kubernetes Jobs that ask the gate: as hooks of Argo CD, before a Kustomization of Flux, and in analyses.

use super::{Findings, Rule, shell, yaml::Node};

/// The hooks of Argo CD that run before anything is applied.
const BEFORE: [&str; 1] = ["PreSync"];

/// A Job or a `CronJob`.
pub(super) fn job(node: &Node, findings: &mut Findings) {
    let own = node.at(&["spec", "jobTemplate", "spec"]).or_else(|| node.at(&["spec"]));
    let Some(own) = own else { return };
    if !spec(own, findings) {
        return;
    }
    let hook = node.at(&["metadata", "annotations", "argocd.argoproj.io/hook"]);
    if let Some(hook) = hook
        && !hook.text().unwrap_or_default().split(',').any(|name| BEFORE.contains(&name.trim()))
    {
        findings.add(hook, Rule::ArgoHookAfter, format!("the gate is a {} hook", hook.text().unwrap_or_default()));
    }
}

/// The `spec` of a Job; whether it asks the gate.
pub(super) fn spec(spec: &Node, findings: &mut Findings) -> bool {
    let Some(pod) = spec.at(&["template", "spec"]) else { return false };
    let mut asks = false;
    for container in pod.list_at(&["containers"]).into_iter().chain(pod.list_at(&["initContainers"])) {
        asks |= container_asks(container, findings);
    }
    if !asks {
        return false;
    }
    match spec.at(&["backoffLimit"]) {
        None => findings.add(spec, Rule::JobRetries, "no `backoffLimit`, which is 6 then"),
        Some(limit) if limit.number() != Some(0) => {
            findings.add(limit, Rule::JobRetries, format!("`backoffLimit: {}`", limit.text().unwrap_or_default()));
        }
        Some(_zero) => {}
    }
    if let Some(policy) = pod.at(&["restartPolicy"]).filter(|policy| policy.text() != Some("Never")) {
        findings.add(policy, Rule::JobRetries, format!("`restartPolicy: {}`", policy.text().unwrap_or_default()));
    }
    true
}

fn container_asks(container: &Node, findings: &mut Findings) -> bool {
    let words: Vec<&Node> = ["command", "args"].iter().flat_map(|key| container.list_at(&[key])).collect();
    let line = words.iter().filter_map(|word| word.text()).collect::<Vec<_>>().join(" ");
    if !shell::asks(&line) && !words.iter().any(|word| word.text().is_some_and(shell::asks)) {
        return false;
    }
    for word in &words {
        shell::script(word, findings);
    }
    let stops = words.iter().any(|word| matches!(word.text(), Some("-e" | "-ec" | "-euc" | "-exc" | "-euo")));
    for word in words.iter().filter(|_word| !stops) {
        shell::goes_on(word, findings);
    }
    if let Some(first) = words.first().filter(|_first| !words.iter().any(|word| word.text().is_some_and(shell::asks))) {
        shell::address(first, &line, findings);
    }
    if let Some(image) = container.at(&["image"])
        && image.text().is_some_and(|image| !image.contains("@sha256:"))
    {
        let name = image.text().unwrap_or_default();
        findings.add(image, Rule::JobImageByTag, format!("the gate runs as {name}, which can be moved"));
    }
    true
}
