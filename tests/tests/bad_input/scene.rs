//! A ledger that runs, a producer whose good events must always go through, and what a test asks of every answer.

use std::{path::PathBuf, sync::Arc};

use lineal_ledger::outcome::Answer;
use lineal_schemas::{
    digest::EventDigest,
    dsse::Signed,
    facts::Facts,
    key::SecretKey,
    receipt::Receipt,
    trust::Trust,
    vocabulary::{Payload, ledger::EventRejected},
};
use lineal_tests::{
    programs::{Http, LedgerHome, LedgerProcess, Recorded, Response, recorded},
    signing::{Parts, Producer, key},
};

/// A running ledger.
pub(crate) struct Scene {
    pub(crate) home: LedgerHome,
    pub(crate) trust: Trust,
    process: Option<LedgerProcess>,
    good: Producer,
    worker: Arc<SecretKey>,
}

/// A kind of bad input, and what must become of it.
pub(crate) struct Expected<'a> {
    pub(crate) status: u16,
    pub(crate) code: &'a str,
    /// What the message names.
    pub(crate) says: &'a [&'a str],
}

impl Scene {
    /// A ledger with two keys: one for good events, one for a producer that goes wrong.
    pub(crate) fn new() -> Self {
        let home = LedgerHome::init();
        let (good, worker) = (key(1), key(2));
        for (key, name) in [(&good, "good"), (&worker, "worker")] {
            let (source, subject) = (format!("https://{name}.example/**"), format!("dataset/{name}/**"));
            home.enrol(key.public(), name, &["--source", &source, "--role", "data", "--name", &subject]);
        }
        let process = Some(home.serve());
        let good = Producer::new(good, home.genesis(), "https://good.example/a", "dataset/good/a");
        Self { trust: home.trust(), home, process, good, worker }
    }

    fn process(&self) -> &LedgerProcess {
        self.process.as_ref().expect("the ledger runs between all steps of a test")
    }

    pub(crate) fn http(&self) -> &Http {
        self.process().http()
    }

    /// Kills the ledger and starts it again.
    pub(crate) fn restart(&mut self) {
        self.restart_after(|_home| {});
    }

    /// Kills the ledger, changes something, and starts it again.
    pub(crate) fn restart_after(&mut self, change: impl FnOnce(&LedgerHome)) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
        change(&self.home);
        self.process = Some(self.home.serve());
    }

    /// The worker on a source of its own.
    pub(crate) fn worker(&self, source: &str) -> Producer {
        self.producer(&self.worker, "worker", source)
    }

    /// A producer with a key that may be enrolled.
    pub(crate) fn producer(&self, key: &Arc<SecretKey>, name: &str, source: &str) -> Producer {
        let (source, subject) = (format!("https://{name}.example/{source}"), format!("dataset/{name}/{source}"));
        Producer::new(key.clone(), self.trust.genesis(), &source, &subject)
    }

    /// A good event of somebody else is committed, as always.
    #[track_caller]
    pub(crate) fn others_go_on(&mut self) {
        let event = self.good.next_event();
        self.is_committed(&event);
    }

    /// It is committed, and its receipt proves it.
    #[track_caller]
    pub(crate) fn is_committed(&self, event: &Signed) -> Answer {
        let response = self.http().post_event(event);
        assert_eq!(response.status, 201, "{}", response.text());
        let answer = response.answer();
        assert_eq!((&*answer.outcome, answer.retry), ("committed", false), "{answer:?}");
        assert_eq!(self.receipt(&answer).event(), event.digest());
        answer
    }

    /// The receipt of an answer, verified.
    #[track_caller]
    pub(crate) fn receipt(&self, answer: &Answer) -> Receipt {
        let receipt = Receipt::parse(answer.receipt.as_ref().expect("an acknowledgement has a receipt")).unwrap();
        receipt.verify(&self.trust).unwrap();
        assert_eq!(Some(receipt.index()), answer.index);
        receipt
    }

    /// The ledger's own event that says the refusal, which the answer's receipt is for, as it stands in the record.
    #[track_caller]
    pub(crate) fn refusal(&self, answer: &Answer) -> Payload {
        let (refusal, receipt) =
            (answer.refusal.as_ref().expect("a refusal comes with its event"), self.receipt(answer));
        assert_eq!(receipt.event(), EventDigest::of(refusal.as_bytes()));
        assert_eq!(self.recorded(receipt.index()).event, refusal.as_bytes());
        Facts::read(refusal.as_bytes(), receipt.event()).unwrap().payload.unwrap()
    }

    /// It is refused for good: the refusal stands in the record and comes with its receipt, the bytes are kept beside,
    /// and the same event again gets the same answer. Gives the refusal.
    #[track_caller]
    pub(crate) fn is_rejected(&self, event: &Signed, expected: &Expected<'_>) -> Box<EventRejected> {
        let counted = self.counted(expected.code);
        let response = self.http().post_event(event);
        check(&response, "rejected", expected, event);
        let answer = response.answer();
        let Payload::EventRejected(said) = self.refusal(&answer) else { panic!("{answer:?}") };
        assert_eq!((said.event, said.reason.to_string()), (event.digest(), expected.code.to_owned()));
        assert!(said.message.is_some(), "{said:?}");
        assert_eq!(self.counted(expected.code), counted + 1);
        self.is_kept(event, expected.code);
        self.is_answered_alike(event, &response);
        said
    }

    /// It contradicts its source: that stands in the record, as with [`Self::is_rejected`].
    #[track_caller]
    pub(crate) fn is_conflicting(&self, event: &Signed, expected: &Expected<'_>) {
        let response = self.http().post_event(event);
        check(&response, "conflicted", expected, event);
        let Payload::EventConflicted(said) = self.refusal(&response.answer()) else { panic!("{}", response.text()) };
        assert_eq!((said.event, said.reason.to_string()), (event.digest(), expected.code.to_owned()));
        self.is_kept(event, expected.code);
        self.is_answered_alike(event, &response);
    }

    #[track_caller]
    fn is_answered_alike(&self, event: &Signed, before: &Response) {
        let (size, again) = (self.http().size(), self.http().post_event(event));
        assert_eq!((again.status, self.http().size()), (before.status, size));
        let (again, before) = (again.answer(), before.answer());
        assert_eq!((again.index, &again.receipt, &again.refusal), (before.index, &before.receipt, &before.refusal));
        assert_eq!((&again.code, &again.outcome), (&before.code, &before.outcome));
    }

    /// Nothing of it is acknowledged or recorded; it is counted.
    #[track_caller]
    pub(crate) fn is_refused(&self, event: &Signed, expected: &Expected<'_>) {
        let (size, counted) = (self.http().size(), self.counted(expected.code));
        let response = self.http().post_event(event);
        check(&response, "refused", expected, event);
        is_no_acknowledgement(&response.answer());
        assert_eq!((self.http().size(), self.counted(expected.code)), (size, counted + 1));
    }

    /// Its bytes are in the quarantine.
    #[track_caller]
    pub(crate) fn is_kept(&self, event: &Signed, code: &str) {
        let kept = std::fs::read_to_string(self.quarantined(event)).expect("it is in the quarantine");
        let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
        assert_eq!((kept["code"].as_str(), kept["event"].as_str()), (Some(code), Some(&*event.digest().to_string())));
        let envelope = Signed::from_envelope(kept["envelope"].to_string().as_bytes()).unwrap();
        assert_eq!(envelope, *event);
    }

    pub(crate) fn quarantined(&self, event: &Signed) -> PathBuf {
        self.home.dir().join("quarantine").join(format!("{}.json", event.digest()))
    }

    /// How often a rule was broken, as `/metrics` says.
    pub(crate) fn counted(&self, code: &str) -> u64 {
        let metrics = self.http().get("/metrics");
        let line = format!("lineal_quarantined_total{{code=\"{code}\"}} ");
        let count = metrics.text().lines().find_map(|found| found.strip_prefix(&line));
        count.map_or(0, |count| count.parse().unwrap())
    }

    /// An entry of the record.
    pub(crate) fn recorded(&self, index: u64) -> Recorded {
        recorded(self.home.dir()).swap_remove(usize::try_from(index).unwrap())
    }

    /// Whether an event stands in the record.
    pub(crate) fn has(&self, event: &Signed) -> bool {
        recorded(self.home.dir()).iter().any(|entry| entry.event == event.event)
    }

    /// The auditor finds nothing wrong; what he says.
    #[track_caller]
    pub(crate) fn is_verified(&self) -> String {
        self.home.verify(&["--json"]).succeeded()
    }
}

/// Status, outcome, code and words of an answer about `event`.
#[track_caller]
fn check(response: &Response, outcome: &str, expected: &Expected<'_>, event: &Signed) {
    let answer = response.answer();
    let found = (response.status, &*answer.outcome, answer.code.as_deref(), answer.event);
    assert_eq!(found, (expected.status, outcome, Some(expected.code), Some(event.digest())), "{}", response.text());
    let message = answer.message.expect("a refusal says why");
    for word in expected.says {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
    assert!(!message.contains(lineal_schemas::vocabulary::names::is_hidden), "{message:?}");
}

/// Nothing that a producer could take for a proof.
#[track_caller]
pub(crate) fn is_no_acknowledgement(answer: &Answer) {
    assert_eq!((answer.index, &answer.receipt, &answer.refusal), (None, &None, &None));
}

/// The next event of `producer`, with other `data`.
pub(crate) fn with_data(producer: &Producer, data: &str) -> Parts {
    Parts { data: data.to_owned(), ..producer.draft() }
}
