//! A synthetic history of a company that trains: what the benchmarks of the answers ask about, here and of the peers.
//!
//! Every day brings the same: snapshots, eight levels of data made of data, training runs on the last level, and fine-tunes
//! of models of the days before. So the ancestry of a fine-tune is ten levels deep, and some inputs are used far more often
//! than others. One snapshot of features, [`Shape::hot`], is used by 10,000 runs where the history has a million. Promises the
//! same history for the same number of runs; runs come after what they use. Knows nothing of events: [`ledger`] says it as events.

use std::ops::Range;

pub mod ledger;

/// Snapshots a day that nothing of ours was made from.
const SNAPSHOTS: u64 = 20;

/// Levels of data that is made of data.
const DATA_LEVELS: u64 = 8;

/// Runs a day on each of these levels.
const DATA_RUNS: u64 = 20;

/// Training runs a day.
const TRAININGS: u64 = 740;

/// Fine-tunes a day.
const FINETUNES: u64 = 100;

/// The first so many training runs of a day may use the hot snapshot; none of these is fine-tuned.
const HOT_A_DAY: u64 = 100;

/// Runs a day.
pub const RUNS_A_DAY: u64 = DATA_LEVELS * DATA_RUNS + TRAININGS + FINETUNES;

/// Artifacts a day: what the runs made, and the snapshots.
const ARTIFACTS_A_DAY: u64 = SNAPSHOTS + RUNS_A_DAY;

/// A number that stands for an artifact.
pub type Artifact = u64;

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Makes data of data.
    Transform,
    /// Fits weights from the start.
    Train,
    /// Fits the weights of a model further.
    Finetune,
}

/// What an input is used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Data.
    Data,
    /// The model that is fine-tuned.
    BaseModel,
}

/// One run, with what it used and what it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Counted from 0.
    pub number: u64,
    /// The day, counted from 0.
    pub day: u64,
    /// What it does.
    pub kind: Kind,
    /// The job, of which this is one of many runs.
    pub job: String,
    /// What it used.
    pub inputs: Vec<(Artifact, Use)>,
    /// What it made.
    pub output: Artifact,
}

/// How large a history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Runs; whole days of them.
    runs: u64,
}

impl Shape {
    /// At least so many runs, and at least three days of them.
    pub fn of(runs: u64) -> Self {
        Self { runs: runs.div_ceil(RUNS_A_DAY).max(3) * RUNS_A_DAY }
    }

    /// Runs.
    pub const fn runs(self) -> u64 {
        self.runs
    }

    /// Days.
    pub const fn days(self) -> u64 {
        self.runs / RUNS_A_DAY
    }

    /// The snapshots of a day that nothing of ours was made from.
    pub fn snapshots(day: u64) -> Range<Artifact> {
        day * ARTIFACTS_A_DAY..day * ARTIFACTS_A_DAY + SNAPSHOTS
    }

    /// The runs of a day in their order.
    pub fn runs_of(self, day: u64) -> impl Iterator<Item = Run> {
        (0..RUNS_A_DAY).map(move |place| self.run(day, place))
    }

    /// The snapshot of features that a hundredth of all runs use.
    pub const fn hot(self) -> Artifact {
        data(self.hot_day(), DATA_LEVELS, 0)
    }

    /// How many runs use the hot snapshot.
    pub const fn hot_runs(self) -> u64 {
        self.runs / 100
    }

    const fn hot_day(self) -> u64 {
        self.days() / 2
    }

    /// A model that is `place` permille of the way through the history: fine-tuned, and so ten levels deep.
    pub const fn deep(self, place: u64) -> Artifact {
        let day = 1 + (self.days() - 2) * (place % 1000) / 999;
        made(day, RUNS_A_DAY - 1 - place % FINETUNES)
    }

    fn run(self, day: u64, place: u64) -> Run {
        let number = day * RUNS_A_DAY + place;
        let mut chance = Chance(number);
        let (kind, job, inputs) = if place < DATA_LEVELS * DATA_RUNS {
            let (level, line) = (1 + place / DATA_RUNS, place % DATA_RUNS);
            let mut inputs = vec![(data(day, level - 1, line), Use::Data)];
            if chance.below(4) == 0 {
                let earlier = day - chance.below(8).min(day);
                inputs.push((data(earlier, level - 1, chance.below(DATA_RUNS)), Use::Data));
            }
            (Kind::Transform, format!("level-{level}/line-{line}"), inputs)
        } else if place < DATA_LEVELS * DATA_RUNS + TRAININGS {
            let line = place - DATA_LEVELS * DATA_RUNS;
            let mut inputs = vec![(data(day, DATA_LEVELS, chance.skewed(DATA_RUNS)), Use::Data)];
            if chance.below(2) == 0 {
                inputs.push((data(day, 3, chance.below(DATA_RUNS)), Use::Data));
            }
            if self.is_hot(day, line) {
                inputs.push((self.hot(), Use::Data));
            }
            (Kind::Train, format!("train/line-{line}"), inputs)
        } else {
            let line = place - DATA_LEVELS * DATA_RUNS - TRAININGS;
            let earlier = day - (1 + chance.below(7)).min(day);
            let base = DATA_LEVELS * DATA_RUNS + HOT_A_DAY + chance.skewed(TRAININGS - HOT_A_DAY);
            let inputs = vec![
                (made(earlier, base), Use::BaseModel),
                (data(day, DATA_LEVELS, chance.skewed(DATA_RUNS)), Use::Data),
            ];
            (Kind::Finetune, format!("finetune/line-{line}"), inputs)
        };
        let mut inputs = inputs;
        inputs.dedup();
        Run { number, day, kind, job, inputs, output: made(day, place) }
    }

    const fn is_hot(self, day: u64, line: u64) -> bool {
        line < HOT_A_DAY && day > self.hot_day() && (day - self.hot_day() - 1) * HOT_A_DAY + line < self.hot_runs()
    }
}

/// What the run at a place of a day made.
const fn made(day: u64, place: u64) -> Artifact {
    day * ARTIFACTS_A_DAY + SNAPSHOTS + place
}

/// Data of a day: at level 0 the snapshots.
const fn data(day: u64, level: u64, line: u64) -> Artifact {
    match level {
        0 => day * ARTIFACTS_A_DAY + line,
        _ => made(day, (level - 1) * DATA_RUNS + line),
    }
}

/// Numbers that look random and are the same each time: `SplitMix64`.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Small numbers more often than large ones.
    fn skewed(&mut self, bound: u64) -> u64 {
        let chosen = self.below(bound);
        chosen * self.below(bound) / bound
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Level by level from what nothing was made from; the deepest of all.
    fn depths(shape: Shape) -> BTreeMap<Artifact, u64> {
        let mut depths = BTreeMap::new();
        for day in 0..shape.days() {
            depths.extend(Shape::snapshots(day).map(|snapshot| (snapshot, 0)));
            for run in shape.runs_of(day) {
                let below = run.inputs.iter().map(|(input, _use)| depths[input]).max().unwrap();
                assert_eq!(depths.insert(run.output, below + 1), None, "{run:?}");
            }
        }
        depths
    }

    #[test]
    fn runs_come_after_what_they_use_and_fine_tunes_are_ten_levels_deep() {
        let shape = Shape::of(10_000);
        let depths = depths(shape);
        assert_eq!(depths.len() as u64, shape.days() * ARTIFACTS_A_DAY);
        for place in [0, 17, 500, 999] {
            assert_eq!(depths[&shape.deep(place)], 10, "{place}");
        }
    }

    #[test]
    fn a_hundredth_of_the_runs_use_the_hot_snapshot_and_nothing_goes_on_from_their_models() {
        for runs in [2_000, 10_000, 50_000] {
            let shape = Shape::of(runs);
            let all: Vec<Run> = (0..shape.days()).flat_map(|day| shape.runs_of(day)).collect();
            let uses = |run: &&Run, artifact| run.inputs.iter().any(|(input, _use)| *input == artifact);
            let hot: BTreeSet<Artifact> = all
                .iter()
                .filter(|run| uses(run, shape.hot()) && run.day > shape.hot_day())
                .map(|run| run.output)
                .collect();
            assert_eq!(hot.len() as u64, shape.hot_runs(), "{runs}");
            assert!(!all.iter().any(|run| run.inputs.iter().any(|(input, _use)| hot.contains(input))));
        }
    }
}
