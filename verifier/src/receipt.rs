//! A receipt by itself: its checkpoint under the trust file, its entry in that checkpoint's tree, its event if given.
//!
//! Promises that a verified receipt names an entry that the trusted ledger has signed for. Never says that the ledger
//! was right to admit the event: that takes the record. (C2SP tlog-proof; docs/AUDIT.md)

use lineal_schemas::{receipt::Receipt, trust::Trust};

use crate::{answer::Answer, event::Given, finding::Finding};

/// Checks a receipt, and that it is the one of `event` where that is given.
pub fn check(text: &str, trust: &Trust, event: Option<&Given>) -> Answer {
    let receipt = match Receipt::parse(text) {
        Ok(receipt) => receipt,
        Err(error) => {
            let mut answer = Answer::about("receipt");
            answer.fails(Finding::error(error.code(), "a receipt (C2SP tlog-proof with the entry as extra)", error));
            return answer;
        }
    };
    let tree = receipt.checkpoint().checkpoint();
    let about = format!("receipt of event {} as entry {} of {}", receipt.event(), receipt.index(), tree.size);
    let mut answer = Answer::about(about);
    match receipt.verify(trust) {
        Ok(()) => {
            answer.holds(format!(
                "the checkpoint of {} at size {} is signed as the trust file asks",
                tree.origin, tree.size
            ));
            answer.holds(format!("entry {} is in its tree, root {}", receipt.index(), tree.root));
        }
        Err(error) => {
            let mut finding = Finding::error(error.code(), "an entry under a checkpoint to trust", &error);
            finding.index = Some(receipt.index());
            answer.fails(finding);
        }
    }
    match event {
        Some(event) => compare(&receipt, event, &mut answer),
        None => answer.leaves_open("which event it is: give --event FILE to compare the digest"),
    }
    answer.leaves_open("whether the event's signers had the authority: that takes the record (`lineal-verify log`)");
    answer
}

fn compare(receipt: &Receipt, event: &Given, answer: &mut Answer) {
    let found = event.digest();
    if !receipt.is_for(&found) {
        answer.fails(Finding::error("receipt-other-event", format_args!("the event {}", receipt.event()), found));
        return;
    }
    answer.holds(format!("the event's SHA-256 is {found}"));
    if !event.signatures().is_empty() && event.signatures() != receipt.entry().signatures {
        let expected = "the signatures that the entry commits to";
        answer.fails(Finding::error("receipt-other-signatures", expected, "others beside the event"));
    }
}
