//! A checkpoint by itself, beside an older one, or against a record: one history, or two.
//!
//! Promises that two checkpoints of one size with two roots are called what they are, a split view. Two sizes can be
//! compared only through a record that holds both trees. (C2SP tlog-checkpoint; docs/AUDIT.md)

use lineal_schemas::{checkpoint::SignedCheckpoint, trust::Trust};

use crate::{
    answer::Answer,
    finding::Finding,
    log::Verification,
    report::{Verdict, in_short},
    rule::Rule,
};

/// Reads a checkpoint and checks its signatures under the trust file; refused is one that can't be read.
pub fn read(text: &str, trust: &Trust) -> Result<SignedCheckpoint, Box<Finding>> {
    let refused =
        |code, error: &dyn std::fmt::Display| Finding::error(code, "a checkpoint signed as the trust file asks", error);
    let signed = SignedCheckpoint::parse(text).map_err(|error| Box::new(refused(error.code(), &error)))?;
    match trust.verify_checkpoint(&signed).map(drop) {
        Ok(()) => Ok(signed),
        Err(error) => Err(Box::new(refused(error.code(), &error))),
    }
}

/// The answer about a checkpoint that [`read`] refused.
pub fn refused(finding: Finding) -> Answer {
    let mut answer = Answer::about("checkpoint");
    answer.fails(finding);
    answer
}

/// Checks a checkpoint, an older one beside it, and both against a record that was asked about them.
pub fn check(new: &SignedCheckpoint, old: Option<&SignedCheckpoint>, record: Option<&Verification>) -> Answer {
    let tree = new.checkpoint();
    let mut answer = Answer::about(format!("checkpoint of {}, size {}, root {}", tree.origin, tree.size, tree.root));
    answer.holds("its signatures, as the trust file asks");
    if let Some(old) = old {
        compare(new, old, record.is_some(), &mut answer);
    }
    match record {
        Some(record) => against_record(record, &mut answer),
        None => answer.leaves_open("the entries under its root: give --record DIR"),
    }
    answer
}

fn compare(new: &SignedCheckpoint, old: &SignedCheckpoint, has_record: bool, answer: &mut Answer) {
    let (new, old) = (new.checkpoint(), old.checkpoint());
    if old.size == new.size && old.root != new.root {
        let expected = format!("root {} at size {}, as the other checkpoint says", old.root, old.size);
        answer.fails(Finding::error("split-view", expected, format_args!("root {}, signed too", new.root)));
    } else if old.size == new.size {
        answer.holds("the older checkpoint has the same size and root");
    } else if old.size > new.size {
        let expected = format!("a size of at least {}", old.size);
        answer.fails(Finding::error("checkpoint-older", expected, new.size));
    } else if !has_record {
        answer.lacks("whether the older checkpoint's tree is the beginning of this one: give --record DIR");
    }
}

fn against_record(record: &Verification, answer: &mut Answer) {
    let report = &record.report;
    let given = report.findings.iter().filter(|finding| finding.rule == Rule::GivenCheckpoint.name());
    let findings: Vec<_> = given.cloned().collect();
    match report.verdict {
        _ if !findings.is_empty() => findings.into_iter().for_each(|finding| answer.fails(finding)),
        Verdict::Verified => {
            answer.holds(format!("a verified record of {} entries has that root at that size", report.entries));
        }
        Verdict::NotVerified => {
            let found = report.findings.first().map_or_else(|| "a finding".to_owned(), in_short);
            answer.fails(Finding::error("record-not-verified", "a record that is verified", found));
        }
        Verdict::CouldNotTell => answer.lacks("the whole record: it could not be verified to its end"),
    }
}
