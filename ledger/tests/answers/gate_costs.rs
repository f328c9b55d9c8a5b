//! What a verdict reads, whatever a service has behind it: decisions, looks, measurements on the same data, words about others.
//!
//! A verdict once read every decision about its service five times over, and every look at a model that did not change.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use lineal_ledger::{
    answers::gate::decision,
    index::{
        Index,
        store::{Batch, RedbStore, Store, StoreError, Visit},
    },
    ledger::View,
    log::recover::{self, Mode},
    snapshot::Snapshot,
    storage::{Storage, StoredFile},
};
use lineal_schemas::vocabulary::{Payload, gate::GateVerdict};

use super::{
    gate::{RULES, alike, asked, measure, register},
    *,
};

/// Lines of the record that were read, and keys of the index that were looked at.
#[derive(Debug, Default)]
struct Counts {
    lines: AtomicU64,
    keys: AtomicU64,
}

impl Counts {
    fn take(&self) -> (u64, u64) {
        (self.lines.swap(0, Ordering::SeqCst), self.keys.swap(0, Ordering::SeqCst))
    }
}

#[derive(Debug)]
struct CountedStore(RedbStore, Arc<Counts>);

impl CountedStore {
    fn count(&self) {
        self.1.keys.fetch_add(1, Ordering::SeqCst);
    }
}

impl Store for CountedStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.count();
        self.0.get(key)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.0.scan(prefix, from, &mut |key, value| {
            self.count();
            visit(key, value)
        })
    }

    fn scan_back(&self, prefix: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.0.scan_back(prefix, end, &mut |key, value| {
            self.count();
            visit(key, value)
        })
    }

    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        self.0.apply(batch)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.0.flush()
    }

    fn bytes(&self) -> u64 {
        self.0.bytes()
    }
}

#[derive(Debug)]
struct CountedDisk(lineal_ledger::storage::Disk, Arc<Counts>);

impl Storage for CountedDisk {
    fn open(&self, name: &str) -> io::Result<Option<Box<dyn StoredFile>>> {
        let file = self.0.open(name)?;
        Ok(file.map(|file| Box::new(CountedFile(file, self.1.clone())) as Box<dyn StoredFile>))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        self.0.create(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.0.list(folder)
    }
}

#[derive(Debug)]
struct CountedFile(Box<dyn StoredFile>, Arc<Counts>);

impl StoredFile for CountedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.lines.fetch_add(1, Ordering::SeqCst);
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_length(length)
    }
}

/// A ledger that counts what is read of it.
struct Counted {
    view: View,
    counts: Arc<Counts>,
    now: Timestamp,
}

impl Counted {
    /// Of a world whose ledger is closed.
    fn open(world: &World, keys: Arc<std::sync::RwLock<Arc<lineal_schemas::registry::Registry>>>) -> Self {
        let (dir, counts) = (world.data_dir(), Arc::<Counts>::default());
        let store = CountedStore(RedbStore::open(&dir.index()).unwrap(), counts.clone());
        let disk: Arc<dyn Storage> = Arc::new(Snapshot::new(CountedDisk(dir.storage(), counts.clone())));
        let (log, _recovery) = recover::open(&disk, ORIGIN, Mode::Read, &|_checkpoint| true).unwrap();
        let attachments = lineal_ledger::attachments::Stored::of(&dir);
        let index = Index::new(Arc::new(store)).unwrap();
        let record = log.record().clone();
        let view = View { record, index, registry: keys, attachments, policies: Arc::default() };
        Self { view, counts, now: world.clock.wall() }
    }

    /// What a verdict is, and how many lines and keys are read for it.
    fn ask(&self, model: &str) -> (GateVerdict, u64, u64) {
        self.counts.take();
        let gate = answers::gate(&self.view, &asked(model), self.now).unwrap();
        let (lines, keys) = self.counts.take();
        (gate.document.verdict, lines, keys)
    }
}

/// What costs what, of a model that runs already, of one that may come back, and of one that nobody measured.
fn costs(world: &mut World) -> Vec<(GateVerdict, u64, u64)> {
    let keys = world.view().registry;
    world.ledger.take().unwrap().close();
    let counted = Counted::open(world, keys);
    let costs = ["weights-2", "weights-1", "weights-3"].map(|model| counted.ask(model));
    drop(counted);
    world.open();
    costs.to_vec()
}

fn decide(world: &mut World, by: &str, set: &str, verdict: &str) -> lineal_schemas::dsse::Signed {
    let at = world.clock.wall();
    let data = format!(
        r#"{{"service":"{SERVICE}","servingSet":[{}],"verdict":"{verdict}","treeSize":1,"judgedAt":"{at}","document":"{}"}}"#,
        serving(set),
        hash(set)
    );
    world.sign(by, "gate.decided", SERVICE, &data, at)
}

/// So many more decisions, looks, measurements on the same data, and approvals of others.
fn grow(world: &mut World, count: usize) {
    let mut batch = Vec::new();
    for number in 0..count {
        world.clock.advance(1);
        let at = world.clock.wall();
        let verdict = if number % 3 == 0 { "allow" } else { "deny" };
        batch.push(decide(world, "approver", "weights-3", verdict));
        let look = format!(
            r#"{{"service":"{SERVICE}","servingSet":[{}],"observedAt":"{at}","observer":"probe-1","complete":true}}"#,
            serving("weights-2")
        );
        batch.push(world.sign("observer", "deployment.observed", SERVICE, &look, at));
        let other = format!(r#"{{"digest":{{"sha256":"DIGEST(other-{number})"}}}}"#);
        let measured = format!(
            r#"{{"evaluationId":"other-{number}","model":{other},"results":[{{"metric":"accuracy","value":"0.5"}}],"inputs":[{{"artifact":{{"digest":{{"sha256":"DIGEST(held-out)"}}}},"role":"test"}}]}}"#
        );
        batch.push(world.sign("assessor", "evaluation.completed", "model/wine/other", &measured, at));
        let approved = format!(r#"{{"service":"{SERVICE}","artifact":{other},"role":"model-risk"}}"#);
        batch.push(world.sign("approver", "approval.granted", SERVICE, &approved, at));
    }
    let ledger = world.ledger.as_ref().unwrap();
    for outcome in ledger.submit_and_wait(batch) {
        assert!(matches!(outcome, lineal_ledger::outcome::Outcome::Committed { .. }), "{outcome:?}");
    }
    ledger.wait_for_index();
}

#[test]
fn a_verdict_reads_no_more_however_much_is_behind_a_service() {
    let mut world = World::deployed().with_approver();
    world.snapshot("dataset/wine/held-out", "held-out", "");
    register(&mut world, RULES);
    for (run, model) in [("run-2", "weights-2"), ("run-3", "weights-3")] {
        world.train(run, "red", model);
    }
    measure(&mut world, "ev-1", "weights-1", "0.95");
    measure(&mut world, "ev-2", "weights-2", "0.96");
    for model in ["weights-1", "weights-2"] {
        let data = format!(
            r#"{{"service":"{SERVICE}","artifact":{{"digest":{{"sha256":"DIGEST({model})"}}}},"role":"model-risk"}}"#
        );
        world.send("approver", "approval.granted", SERVICE, &data);
    }
    let gate = answers::gate(&world.view(), &asked("weights-1"), world.clock.wall());
    let (subject, allowed) = decision(&gate.unwrap(), "cli").unwrap();
    measure(&mut world, "ev-3", "weights-1", "0.10");
    world.observe(SERVICE, &serving("weights-2"), "");
    let mut costs_after = |count| {
        grow(&mut world, count);
        world.ledger.as_ref().unwrap().say(&subject, Payload::from(allowed.clone())).unwrap();
        costs(&mut world)
    };
    let (few, many) = (costs_after(10), costs_after(5000));
    let verdicts: Vec<GateVerdict> = many.iter().map(|cost| cost.0).collect();
    assert_eq!(verdicts, [GateVerdict::Allow, GateVerdict::Allow, GateVerdict::Deny]);
    for (few, many) in few.iter().zip(&many) {
        assert_eq!(few.0, many.0);
        assert!(many.1 <= few.1 + 2, "lines of the record: {few:?}, {many:?}");
        // Of those that came meanwhile each kind has keys of shelves.
        assert!(many.2 <= few.2 + 20, "keys of the index: {few:?}, {many:?}");
    }
}

#[test]
fn what_ran_before_is_found_past_days_of_the_same_model_late_looks_and_corrections() {
    let mut world = World::deployed().with_approver();
    world.inventory(&[], true, "");
    register(&mut world, "[incumbent]\\nabsent = \\\"note\\\"\\n[rollback]\\nallow = \\\"previously-admitted\\\"\\n");
    let look = |world: &World, model: &str, hours: i64, complete: bool| {
        let at = Timestamp::from_millis(world.clock.wall().as_millis() - hours * 3_600_000);
        format!(
            r#"{{"service":"{SERVICE}","servingSet":[{}],"observedAt":"{at}","observer":"probe-1","complete":{complete}}}"#,
            serving(model)
        )
    };
    for model in ["weights-2", "weights-1", "weights-1", "weights-1", "weights-3", "weights-1"] {
        world.clock.advance(20 * 3600);
        world.observe(SERVICE, &serving(model), "");
    }
    let late = look(&world, "weights-4", 30, true);
    let (_index, late) = world.send_event("observer", "deployment.observed", SERVICE, &late);
    let part = look(&world, "weights-5", 1, false);
    world.send("observer", "deployment.observed", SERVICE, &part);
    for (model, hours) in [("weights-1", 30), ("weights-5", 70), ("weights-4", 1)] {
        let corrected = format!(r#"{{"corrects":"{late}","data":{}}}"#, look(&world, model, hours, true));
        world.send("observer", "record.corrected", SERVICE, &corrected);
    }
    world.inventory(&[("service/wine/quality", &serving("weights-1"))], true, "");
    world.inventory(&[], true, "");
    world.observe(SERVICE, &serving("weights-1"), "");
    alike(&world, &["weights-1", "weights-2", "weights-3", "weights-4"]);
}

/// `running` read a thousand decisions of each service, whoever had made them and whenever: over a million runs that took a
/// tenth of a second for ten services, and a question about the past read all that was decided since to leave it out.
#[test]
fn running_reads_no_decision_that_was_made_after_its_moment_or_by_others() {
    let mut world = World::deployed().with_approver();
    admitted::decide(&world, "weights-1", "allow", "");
    let then = world.clock.wall();
    world.clock.advance(60);
    let mut lines_after = |count: usize| {
        for _decision in 0..count {
            admitted::decide(&world, "weights-9", "deny", "");
            let signed = decide(&mut world, "approver", "weights-1", "deny");
            world.submit(signed);
        }
        world.ledger.as_ref().unwrap().wait_for_index();
        let keys = world.view().registry;
        world.ledger.take().unwrap().close();
        let counted = Counted::open(&world, keys);
        counted.counts.take();
        let when = answers::When { at: Some(then), ..counted.now.into() };
        let running = answers::running(&counted.view, None, when).unwrap();
        let (lines, _keys) = counted.counts.take();
        drop(counted);
        world.open();
        let gated: Vec<_> =
            running.services.iter().flat_map(|service| &service.serving_sets).map(|set| set.admission.gated).collect();
        (lines, gated)
    };
    let (few, many) = (lines_after(1), lines_after(100));
    assert_eq!(few.1, [answers::Gated::Admitted]);
    assert_eq!(many.1, few.1);
    assert!(many.0 <= few.0 + 2, "lines of the record: {few:?}, {many:?}");
}
