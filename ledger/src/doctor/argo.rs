//! Argo: analyses of Rollouts, applications, and what notifications send.

use super::{
    Findings, Rule, jobs, shell,
    yaml::{self, Node},
};

/// An `AnalysisTemplate`, one of the cluster, or a run.
pub(super) fn analysis(node: &Node, findings: &mut Findings) {
    for metric in node.list_at(&["spec", "metrics"]) {
        conditions(metric, findings);
        limits(metric, findings);
        if let Some(job) = metric.at(&["provider", "job", "spec"]) {
            jobs::spec(job, findings);
        }
        if let Some(web) = metric.at(&["provider", "web"]) {
            web_metric(web, findings);
        }
    }
    for metric in node.list_at(&["spec", "dryRun"]) {
        let name = metric.text_at("metricName").unwrap_or_default();
        findings.add(metric, Rule::AnalysisDryRun, format!("`{name}` is measured and decides nothing"));
    }
}

fn conditions(metric: &Node, findings: &mut Findings) {
    let name = metric.text_at("name").unwrap_or("a metric");
    let of = |key| metric.at(&[key]).filter(|condition| condition.text().is_some_and(|text| !text.trim().is_empty()));
    let (success, failure) = (of("successCondition"), of("failureCondition"));
    // Of a job, the exit status is the measurement.
    let is_job = metric.at(&["provider", "job"]).is_some();
    match (success, failure) {
        (None, None) if !is_job => {
            findings.add(metric, Rule::AnalysisNoCondition, format!("`{name}` has no condition"));
        }
        (None, Some(failure)) => {
            findings.add(failure, Rule::AnalysisOpenCondition, format!("`{name}` has a failureCondition alone"));
        }
        _ => {}
    }
    let loose = |text: &str| text.contains("!= false") || text.contains("default(") || text.contains("isNil(");
    if let Some(success) = success.filter(|success| success.text().is_some_and(loose)) {
        let text = success.text().unwrap_or_default();
        findings.add(success, Rule::AnalysisLooseCondition, format!("`{name}` is Successful with `{text}`"));
    }
}

fn limits(metric: &Node, findings: &mut Findings) {
    for key in ["failureLimit", "inconclusiveLimit"] {
        if let Some(limit) = metric.at(&[key]).filter(|limit| limit.number() != Some(0)) {
            let value = limit.text().unwrap_or_default();
            findings.add(limit, Rule::AnalysisForgives, format!("`{key}: {value}`"));
        }
    }
}

fn web_metric(web: &Node, findings: &mut Findings) {
    if let Some(url) = web.at(&["url"]) {
        shell::address(url, url.text().unwrap_or_default(), findings);
    }
    if let Some(insecure) = web.at(&["insecure"]).filter(|insecure| insecure.is_true()) {
        findings.add(insecure, Rule::VerdictWithoutTls, "the certificate is not checked");
    }
}

/// An Application of Argo CD.
pub(super) fn application(node: &Node, findings: &mut Findings) {
    for option in node.list_at(&["spec", "syncPolicy", "syncOptions"]) {
        if option.text() == Some("SkipDryRunOnMissingResource=true") {
            findings.add(option, Rule::ArgoSkipDryRun, "the sync is not tried first");
        }
    }
}

/// Whether a `ConfigMap` is that of Argo CD's notifications, or of Rollouts'.
pub(super) fn is_notifications(node: &Node) -> bool {
    let name = node.at(&["metadata", "name"]).and_then(Node::text);
    matches!(name, Some("argocd-notifications-cm" | "argo-rollouts-notification-configmap"))
}

/// What notifications send, and when.
pub(super) fn notifications(node: &Node, findings: &mut Findings) {
    let Some(data) = node.at(&["data"]) else { return };
    for (key, value) in data.entries() {
        let (name, text) = (key.text().unwrap_or_default(), value.text().unwrap_or_default());
        // Each is YAML in a text. What is in there has the line of its key.
        let Ok(documents) = yaml::parse(text) else { continue };
        for document in &documents {
            if name.starts_with("trigger.") {
                trigger(name, value, document, findings);
            } else if name.starts_with("template.") {
                template(name, value, document, findings);
            }
        }
    }
}

fn trigger(name: &str, value: &Node, document: &Node, findings: &mut Findings) {
    for rule in document.list() {
        let Some(once) = rule.text_at("oncePer").filter(|once| once.contains("evision")) else { continue };
        findings.add(value, Rule::ArgoOncePerRevision, format!("`{name}` is sent once per `{once}`"));
    }
}

fn template(name: &str, value: &Node, document: &Node, findings: &mut Findings) {
    let Some(webhooks) = document.at(&["webhook"]) else { return };
    for (service, webhook) in webhooks.entries() {
        let method = webhook.text_at("method").unwrap_or("GET");
        if webhook.at(&["body"]).is_some() && method.eq_ignore_ascii_case("GET") {
            let service = service.text().unwrap_or_default();
            findings.add(value, Rule::ArgoWebhookGet, format!("`{name}` has a body for `{service}` and no method"));
        }
    }
}
