//! Pipelines: workflows and actions of GitHub, jobs of GitLab. What comes after the gate must need it.

use super::{Findings, Rule, shell, yaml::Node};

/// Top-level keys of GitLab that are no jobs.
const NO_JOBS: [&str; 8] = ["stages", "variables", "include", "workflow", "default", "image", "cache", "services"];

/// Whether a document is a workflow, an action, or the jobs of a pipeline.
pub(super) fn is_known(node: &Node) -> bool {
    is_workflow(node) || steps_of_action(node).next().is_some() || jobs_of_gitlab(node).next().is_some()
}

fn is_workflow(node: &Node) -> bool {
    let on = node.at(&["on"]).or_else(|| node.at(&["true"]));
    on.is_some() && node.at(&["jobs"]).is_some_and(Node::is_map)
}

/// A workflow, an action, or the jobs of a pipeline.
pub(super) fn pipeline(node: &Node, findings: &mut Findings) {
    if is_workflow(node) {
        return github(node, findings);
    }
    let mut any = false;
    for step in steps_of_action(node) {
        any = true;
        github_step(step, findings);
    }
    if !any {
        gitlab(node, findings);
    }
}

fn steps_of_action(node: &Node) -> impl Iterator<Item = &Node> {
    node.list_at(&["runs", "steps"]).into_iter().filter(|step| step.is_map())
}

fn github(node: &Node, findings: &mut Findings) {
    let Some(jobs) = node.at(&["jobs"]) else { return };
    let mut gates: Vec<&str> = Vec::new();
    for (name, job) in jobs.entries() {
        let mut asks = false;
        for step in job.list_at(&["steps"]) {
            let own = github_step(step, findings);
            if asks && !own {
                anyway(step, "a step behind the gate", findings);
            }
            asks |= own;
        }
        if asks {
            gates.extend(name.text());
            continues(job, "continue-on-error", findings);
        }
    }
    for (name, job) in jobs.entries() {
        let needs = job.list_at(&["needs"]);
        if needs.iter().any(|need| need.text().is_some_and(|need| gates.contains(&need))) {
            anyway(job, &format!("`{}`, which needs the gate,", name.text().unwrap_or_default()), findings);
        }
    }
}

/// A step; whether it asks the gate.
fn github_step(step: &Node, findings: &mut Findings) -> bool {
    let Some(run) = step.at(&["run"]).filter(|run| run.text().is_some_and(shell::asks)) else { return false };
    shell::script(run, findings);
    continues(step, "continue-on-error", findings);
    true
}

fn continues(node: &Node, key: &str, findings: &mut Findings) {
    // An expression may be true as well as a list of exit codes may have the denial's.
    let Some(value) = node.at(&[key]).filter(|value| value.text().is_none_or(|text| text != "false")) else { return };
    let text = value.text().unwrap_or("…");
    findings.add(value, Rule::CiContinues, format!("`{key}: {text}` where the gate is asked"));
}

fn anyway(node: &Node, what: &str, findings: &mut Findings) {
    const ANYWAY: [&str; 3] = ["always()", "failure()", "cancelled()"];
    let condition = node.at(&["if"]);
    if let Some(condition) =
        condition.filter(|one| ANYWAY.iter().any(|how| one.text().unwrap_or_default().contains(how)))
    {
        let text = condition.text().unwrap_or_default();
        findings.add(condition, Rule::CiDeploysAnyway, format!("{what} runs `if: {text}`"));
    }
}

fn jobs_of_gitlab(node: &Node) -> impl Iterator<Item = (&Node, &Node)> {
    node.entries().filter(|(name, job)| {
        let is_job = !name.text().is_none_or(|name| NO_JOBS.contains(&name));
        is_job && job.is_map() && job.at(&["script"]).is_some()
    })
}

fn gitlab(node: &Node, findings: &mut Findings) {
    let mut gates: Vec<&str> = Vec::new();
    for (name, job) in jobs_of_gitlab(node) {
        let scripts: Vec<&Node> = ["before_script", "script"].iter().flat_map(|key| job.list_at(&[key])).collect();
        let lines: Vec<&Node> = scripts.into_iter().flat_map(Node::texts).collect();
        if !lines.iter().any(|line| line.text().is_some_and(shell::asks)) {
            continue;
        }
        gates.extend(name.text());
        for line in &lines {
            shell::script(line, findings);
            if line.text().is_some_and(|text| text.trim() == "set +e") {
                findings.add(line, Rule::ShellForgives, "`set +e` in the job that asks the gate");
            }
        }
        continues(job, "allow_failure", findings);
        for rule in job.list_at(&["rules"]) {
            continues(rule, "allow_failure", findings);
        }
    }
    for (name, job) in jobs_of_gitlab(node) {
        let own = name.text().unwrap_or_default();
        let when = job.at(&["when"]).filter(|when| matches!(when.text(), Some("always" | "on_failure")));
        if let Some(when) = when.filter(|_when| !gates.is_empty() && !gates.contains(&own)) {
            let text = when.text().unwrap_or_default();
            findings.add(when, Rule::CiDeploysAnyway, format!("`{own}` runs `when: {text}`"));
        }
        for need in job.list_at(&["needs"]) {
            let is_gate = need.text_at("job").is_some_and(|job| gates.contains(&job));
            if let Some(optional) = need.at(&["optional"]).filter(|optional| is_gate && optional.is_true()) {
                findings.add(
                    optional,
                    Rule::CiDeploysAnyway,
                    format!("`{own}` needs the gate only where there is one"),
                );
            }
        }
    }
}
