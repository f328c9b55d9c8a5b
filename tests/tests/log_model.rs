//! R6: random histories of commits, faults, restarts, crashes and lost derived files, against a list of batches.
//!
//! After every opening the log shows exactly what the model holds: all that was acknowledged, and of a batch that was
//! not, all or nothing. Every receipt is checked by the schemas when the model makes it, and compared byte by byte.
#![cfg(test)]

use lineal_ledger::log::{Log, Sequenced};
use lineal_tests::{
    model::Model,
    simdisk::{Errno, Fault, SimDisk, Tail},
    workload::{commit, event, new_record, open, open_to_read, received_by},
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// A batch of so many events.
    Commit(u64),
    /// A batch whose step of that number goes wrong, and what the machine does then.
    Fail {
        events: u64,
        step: usize,
        fault: Fault,
        then: Then,
    },
    /// An opening whose step of that number goes wrong.
    FailOpening {
        step: usize,
        fault: Fault,
        then: Then,
    },
    /// The program ends and is started again.
    Reopen(Then),
    Stamp,
    /// A stamp whose step of that number goes wrong.
    FailStamp {
        step: usize,
        fault: Fault,
        then: Then,
    },
    /// One of the derived files is gone.
    Lose(usize),
    /// Somebody reads while the writer is at work.
    Read,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    Restart,
    Crash(Tail),
    CrashAndLoseNames,
}

impl Then {
    fn apply(self, disk: &SimDisk) -> SimDisk {
        SimDisk::of(match self {
            Self::Restart => disk.image(),
            Self::Crash(tail) => disk.image().crash(tail),
            Self::CrashAndLoseNames => disk.image().without_new_names().crash(Tail::Dropped),
        })
    }
}

fn any_then() -> impl Strategy<Value = Then> {
    prop_oneof![
        2 => Just(Then::Restart),
        1 => Just(Then::CrashAndLoseNames),
        4 => prop_oneof![
            Just(Tail::Kept),
            Just(Tail::Dropped),
            (0..6_usize).prop_map(Tail::Prefix),
            (0..6_usize).prop_map(Tail::PrefixThenZeros),
            Just(Tail::EvenSectors),
            Just(Tail::OddSectors),
        ]
        .prop_map(Then::Crash),
    ]
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Failed(Errno::Io)),
        Just(Fault::FailedButApplied(Errno::Io)),
        (1..3000_usize).prop_map(|bytes| Fault::Short { bytes, errno: Errno::NoSpace }),
        Just(Fault::CrashedAfter),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..6_u64).prop_map(Step::Commit),
        3 => (1..6_u64, 0..9_usize, any_fault(), any_then())
            .prop_map(|(events, step, fault, then)| Step::Fail { events, step, fault, then }),
        2 => (0..9_usize, any_fault(), any_then()).prop_map(|(step, fault, then)| Step::FailOpening { step, fault, then }),
        2 => any_then().prop_map(Step::Reopen),
        2 => Just(Step::Stamp),
        1 => (0..7_usize, any_fault(), any_then()).prop_map(|(step, fault, then)| Step::FailStamp { step, fault, then }),
        1 => (0..4_usize).prop_map(Step::Lose),
        1 => Just(Step::Read),
    ]
}

struct World {
    disk: SimDisk,
    log: Log,
    model: Model,
    events: u64,
}

impl World {
    fn new() -> Self {
        let disk = SimDisk::of(new_record());
        let (log, _recovery) = open(&disk).unwrap();
        Self { disk, log, model: Model::default(), events: 0 }
    }

    fn next_batch(&mut self, count: u64) -> Vec<Sequenced> {
        let first = self.events;
        self.events += count;
        received_by(&self.log, (first..first + count).map(event).collect())
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Commit(count) => {
                let batch = self.next_batch(count);
                self.commit(&batch);
            }
            Step::Fail { events, step, fault, then } => self.fail_commit(events, step, fault, then),
            Step::FailOpening { step, fault, then } => {
                let disk = SimDisk::of(self.disk.image());
                disk.fail_at(step, fault);
                // Where the step does not come, the opening succeeds; its log is let go.
                drop(open(&disk));
                self.disk = disk;
                self.reopen(then, None);
            }
            Step::Reopen(then) => self.reopen(then, None),
            Step::Stamp => drop(self.log.stamp_derived()),
            Step::FailStamp { step, fault, then } => {
                let due = self.disk.steps() + step;
                self.disk.fail_at(due, fault);
                let stamped = self.log.stamp_derived();
                // A stamp that failed stops nothing; without the step, or without the machine, there is no going on.
                if stamped.is_ok() || fault == Fault::CrashedAfter || self.disk.steps() <= due {
                    self.reopen(then, None);
                }
            }
            Step::Lose(number) => {
                let mut image = self.disk.image();
                image.remove(["derived/offsets", "derived/batches", "derived/hashes", "derived/stamp"][number]);
                self.disk = SimDisk::of(image);
                self.reopen(Then::Restart, None);
            }
            Step::Read => {
                let (log, _recovery) = open_to_read(&SimDisk::of(self.disk.image())).unwrap();
                self.model.check(&log);
            }
        }
    }

    fn commit(&mut self, batch: &[Sequenced]) {
        assert_eq!(commit(&mut self.log, batch).unwrap(), self.model.size());
        self.model.push(batch);
    }

    fn fail_commit(&mut self, events: u64, step: usize, fault: Fault, then: Then) {
        self.disk.fail_at(self.disk.steps() + step, fault);
        let batch = self.next_batch(events);
        if commit(&mut self.log, &batch).is_ok() {
            // The step lies behind the batch.
            self.model.push(&batch);
            self.reopen(then, None);
        } else {
            assert!(commit(&mut self.log, &batch).is_err(), "a log that failed refuses");
            self.reopen(then, Some(&batch));
        }
    }

    /// Opens again; the batch that was not acknowledged may be there.
    fn reopen(&mut self, then: Then, pending: Option<&[Sequenced]>) {
        self.disk = then.apply(&self.disk);
        self.log = open(&self.disk).unwrap().0;
        if let Some(batch) = pending.filter(|_batch| self.log.size() > self.model.size()) {
            self.model.push(batch);
        }
        self.model.check(&self.log);
        self.model.check_disk(&self.disk.image());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_leaves_what_was_acknowledged(steps in prop::collection::vec(any_step(), 1..40)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        world.reopen(Then::Crash(Tail::Dropped), None);
    }
}
