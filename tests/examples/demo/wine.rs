//! The data of the demo: the red wines of Cortez et al. (2009), as `linfa-datasets` ships them, written as CSV files.
//!
//! A row goes to the holdout by a hash of its own values, so equal wines are never on both sides, and the same seed
//! gives the same files, byte for byte, on every machine. Nothing here knows of events or of the ledger.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use linfa_datasets::winequality;
use sha2::{Digest as _, Sha256};

/// Wines with their measurements, and whether their tasters called them good.
#[derive(Clone)]
pub(crate) struct Wines {
    /// Names of the measurements, in the order of `Wine::measures`.
    pub(crate) columns: Vec<String>,
    /// One wine a row.
    pub(crate) rows: Vec<Wine>,
}

/// One wine.
#[derive(Clone)]
pub(crate) struct Wine {
    /// One value a column.
    pub(crate) measures: Vec<f64>,
    /// The label: quality 6 or better, of 10.
    pub(crate) good: bool,
}

/// The lowest quality that counts as good.
const GOOD: usize = 6;
/// Of 256 wines, how many a split draws: a fifth.
const DRAWN: u8 = 51;
/// The wines whose labels the second snapshot gets wrong: from this much alcohol on, a third of them all.
const POISONED_FROM: f64 = 10.8;
/// The name of the label's column, the last one.
const LABEL: &str = "good";

impl Wines {
    /// All 1,599 wines.
    pub(crate) fn all() -> Self {
        let data = winequality();
        let columns = data.feature_names().iter().map(|name| name.replace(' ', "_")).collect();
        let rows = data.records().rows().into_iter().zip(data.targets().iter());
        let rows = rows.map(|(row, quality)| Wine { measures: row.to_vec(), good: *quality >= GOOD });
        Self { columns, rows: rows.collect() }
    }

    /// The same wines in two parts, each in the old order: about four fifths, and the fifth that `purpose` and `seed` draw.
    pub(crate) fn split(&self, purpose: &str, seed: u64) -> (Self, Self) {
        let hash = |wine: &Wine| Sha256::digest(format!("{purpose}:{seed}:{:?}", wine.measures));
        let (drawn, rest) = self.rows.iter().cloned().partition(|wine| hash(wine).first() < Some(&DRAWN));
        (Self { columns: self.columns.clone(), rows: rest }, Self { columns: self.columns.clone(), rows: drawn })
    }

    /// The same wines with the labels of the strongest third flipped.
    pub(crate) fn poisoned(&self) -> Result<Self> {
        let mut wines = self.clone();
        for index in 0..wines.rows.len() {
            if self.measure(index, "alcohol")? >= POISONED_FROM
                && let Some(wine) = wines.rows.get_mut(index)
            {
                wine.good = !wine.good;
            }
        }
        Ok(wines)
    }

    /// How many labels differ from those of `other`.
    pub(crate) fn labels_unlike(&self, other: &Self) -> usize {
        self.rows.iter().zip(&other.rows).filter(|(one, two)| one.good != two.good).count()
    }

    /// One measurement of one wine.
    pub(crate) fn measure(&self, row: usize, column: &str) -> Result<f64> {
        let at = self.columns.iter().position(|name| name == column);
        let value = at.and_then(|at| self.rows.get(row)?.measures.get(at));
        value.copied().with_context(|| format!("no {column} in row {row}"))
    }

    /// The file: a line of names, then a line a wine.
    pub(crate) fn to_csv(&self) -> Result<String> {
        let mut csv = format!("{},{LABEL}\n", self.columns.join(","));
        for wine in &self.rows {
            for value in &wine.measures {
                write!(csv, "{value},")?;
            }
            writeln!(csv, "{}", u8::from(wine.good))?;
        }
        Ok(csv)
    }

    /// The wines of a file that [`Wines::to_csv`] wrote.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mut lines = text.lines();
        let mut columns: Vec<String> = lines.next().context("no header")?.split(',').map(str::to_owned).collect();
        ensure!(columns.pop().as_deref() == Some(LABEL), "{}: the last column is not {LABEL}", path.display());
        let rows = lines.map(|line| Wine::parse(line, columns.len())).collect::<Result<_>>();
        Ok(Self { columns, rows: rows.with_context(|| path.display().to_string())? })
    }
}

impl Wine {
    fn parse(line: &str, columns: usize) -> Result<Self> {
        let (measures, label) = line.rsplit_once(',').context("no label")?;
        let measures: Vec<f64> = measures.split(',').map(str::parse).collect::<Result<_, _>>()?;
        ensure!(measures.len() == columns, "{} values under {columns} names", measures.len());
        let good = match label {
            "0" => false,
            "1" => true,
            other => bail!("the label {other:?} is neither 0 nor 1"),
        };
        Ok(Self { measures, good })
    }
}
