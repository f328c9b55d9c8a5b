//! Decisions of the gate, made again: what differs, and what is about long before it was recorded.

use lineal_schemas::{digest::EventDigest, timestamp::Timestamp};
use lineal_verifier::report::Report;
use serde_json::json;

use crate::record::{Ledger, Says, key, own_source};

const SERVICE: &str = "service/payments/fraud@eu-1/prod";
const MINUTE_MS: i64 = 60_000;

/// The ledger decides about a size and a moment, and the entry is taken when the ledger's clock says.
fn decide(ledger: &mut Ledger, size: u64, judged: Timestamp) {
    let set = json!([{"components": [{"role": "model", "artifact": {"digest": {"sha256": EventDigest::of(b"m")}}}]}]);
    let data = json!({"service": SERVICE, "servingSet": set, "verdict": "undecided", "treeSize": size,
        "judgedAt": judged.to_string(), "document": EventDigest::of(b"verdict").to_string()});
    let source = own_source();
    let event = ledger.event(&Says { source: &source, name: "gate.decided", subject: SERVICE.to_owned(), data });
    let signed = ledger.sign(&event, &[&key(2)]);
    ledger.append(&signed);
}

fn later(ledger: &Ledger, minutes: i64, more_ms: i64) -> Timestamp {
    Timestamp::from_millis(ledger.received.as_millis() + minutes * MINUTE_MS + more_ms)
}

/// What is said of decisions that lie behind.
fn behind(ledger: &mut Ledger) -> Vec<String> {
    ledger.commit();
    let report: Report = ledger.verify();
    let found = report.findings.iter().filter(|finding| finding.rule == "verdict-behind");
    found.map(|finding| finding.found.clone()).collect()
}

/// Whoever has the ledger decide about yesterday's record lets in what was flagged since.
#[test]
fn a_decision_about_a_moment_of_long_before_is_reported() {
    let mut ledger = Ledger::new();
    let judged = ledger.received;
    ledger.received = later(&ledger, 25, 0);
    let size = ledger.next;
    decide(&mut ledger, size, judged);
    assert_eq!(behind(&mut ledger), [""; 0], "a slow commit is none");
    ledger.received = later(&ledger, 0, 1);
    let size = ledger.next;
    decide(&mut ledger, size, judged);
    assert_eq!(behind(&mut ledger), [format!("judged at {judged}, recorded at {}", ledger.received)]);
}

#[test]
fn a_decision_that_leaves_out_what_was_long_there_is_reported() {
    let mut ledger = Ledger::new();
    let (size, taken) = (ledger.next, ledger.received);
    ledger.enrol(&key(11));
    ledger.received = later(&ledger, 25, 0);
    decide(&mut ledger, size, taken);
    let now = ledger.received;
    decide(&mut ledger, size, now);
    assert_eq!(behind(&mut ledger), [""; 0]);
    ledger.received = later(&ledger, 0, 1);
    let now = ledger.received;
    decide(&mut ledger, size, now);
    assert_eq!(behind(&mut ledger), [format!("without entry {size}, taken at {taken}, and recorded at {now}")]);
    // All of the record, however old its last entry is: what was not said cannot be left out.
    let mut ledger = Ledger::new();
    ledger.received = later(&ledger, 600, 0);
    let (size, now) = (ledger.next, ledger.received);
    decide(&mut ledger, size, now);
    assert_eq!(behind(&mut ledger), [""; 0]);
}
