//! Commands in scripts: whether they ask the gate, and whether their exit status counts.
//!
//! A shell's grammar is not parsed. Promises that a text is judged only where it asks the gate, line by line, and that
//! comments are no commands.

use super::{Findings, Rule, yaml::Node};

/// What throws an exit status away behind a command.
const FORGIVING: [&str; 7] = ["|| true", "|| :", "|| exit 0", "|| echo", "|| /bin/true", "; exit 0", "; true"];

/// Whether a text asks the gate, by the program or over HTTP.
pub(super) fn asks(text: &str) -> bool {
    lines(text).iter().any(|line| runs_gate(line) || reads_verdict(line))
}

/// `lineal gate`, wherever the program lies and whatever options stand between.
fn runs_gate(line: &str) -> bool {
    let words: Vec<&str> = line.split([' ', '\t', '"', '\'', '(', ')', '`', ';', '&', '|']).collect();
    let program = words.iter().position(|word| *word == "lineal" || word.ends_with("/lineal"));
    program.is_some_and(|at| words.iter().skip(at + 1).any(|word| *word == "gate"))
}

fn reads_verdict(line: &str) -> bool {
    line.contains("/v1/verdict")
}

/// The commands of a script: comments left out, lines that go on joined.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let (part, continues) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        match lines.last_mut().filter(|_last| goes_on) {
            Some(last) => *last = format!("{last} {part}"),
            None => lines.push(part.to_owned()),
        }
        goes_on = continues;
    }
    lines
}

/// Looks at a script that may ask the gate.
pub(super) fn script(node: &Node, findings: &mut Findings) {
    let Some(text) = node.text() else { return };
    let lines = lines(text);
    if !asks(text) {
        return;
    }
    if lines.iter().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").contains("set +e")) {
        findings.add(node, Rule::ShellForgives, "`set +e` before the gate is asked");
    }
    let has_pipefail = text.contains("pipefail");
    for line in lines.iter().filter(|line| runs_gate(line) || reads_verdict(line)) {
        let spaced = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(how) = FORGIVING.iter().find(|how| spaced.contains(**how)) {
            findings.add(node, Rule::ShellForgives, format!("`{how}` behind the question to the gate"));
        }
        let is_piped = spaced.replace("||", "").contains('|');
        if runs_gate(line) && is_piped && !has_pipefail {
            findings.add(node, Rule::ShellPipe, "the gate's answer goes through a pipe");
        }
        if reads_verdict(line) && !text.contains("jq -e") && !text.contains("jq --exit-status") {
            findings.add(node, Rule::VerdictNotRead, "a verdict is asked for and its `ok` is not read");
        }
        address(node, line, findings);
    }
}

/// Looks at a script that no `set -e` stops: behind the gate comes nothing, or the status is that of what comes.
pub(super) fn goes_on(node: &Node, findings: &mut Findings) {
    let text = node.text().unwrap_or_default();
    let lines: Vec<String> = lines(text).into_iter().filter(|line| !line.is_empty()).collect();
    let stops = text.contains("set -e") || text.contains("errexit");
    let asked = lines.iter().position(|line| runs_gate(line));
    let Some(at) = asked.filter(|at| !stops && at + 1 < lines.len()) else { return };
    let leaves = lines.get(at).is_some_and(|line| line.contains("|| exit ") || line.ends_with("&&"));
    if !leaves {
        findings.add(node, Rule::ShellForgives, "commands come behind the gate, and nothing stops before them");
    }
}

/// Looks at the addresses of a text that asks the gate.
pub(super) fn address(node: &Node, text: &str, findings: &mut Findings) {
    for word in text.split([' ', '"', '\'', '=', ',', '\n']).filter(|word| word.starts_with("http://")) {
        let host = word.trim_start_matches("http://");
        let is_here = ["localhost", "127.0.0.1", "[::1]"].iter().any(|here| host.starts_with(here));
        if !is_here {
            findings.add(node, Rule::VerdictWithoutTls, format!("the gate is asked at {word}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_found_wherever_it_stands() {
        for text in
            ["lineal gate --url x", "/usr/local/bin/lineal --json gate", "if ! lineal gate; then", "curl x/v1/verdict"]
        {
            assert!(asks(text), "{text}");
        }
        for text in ["lineal running", "# lineal gate", "echo gate", "delineal gate-keeper"] {
            assert!(!asks(text), "{text}");
        }
        assert_eq!(lines("a \\\n  b\n# c\nd"), ["a  b", "d"]);
    }
}
