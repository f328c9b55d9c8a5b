//! The evaluation of the demo: accuracy and recall on the holdout, overall and per band of alcohol, as the results of an
//! `evaluation.completed` event (docs/EVENTS.md, metric result).
//!
//! A slice that is too small to say anything is named with its reason, never left out.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{
    model::Model,
    wine::{Wine, Wines},
};

/// One metric result, as the event spells it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Score {
    metric: String,
    /// An exact decimal; absent where the evidence could not be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    slice: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Missing>,
}

#[derive(Serialize, Deserialize)]
struct Missing {
    reason: String,
    n: usize,
}

/// The name of the slice, and its values with the alcohol (percent by volume) that each begins and ends before.
const SLICE: &str = "alcohol";
const BANDS: [(&str, f64, f64); 4] =
    [("under-9.8", 0.0, 9.8), ("9.8-to-10.8", 9.8, 10.8), ("10.8-to-13", 10.8, 13.0), ("13-and-over", 13.0, 100.0)];
/// The band whose labels the second snapshot gets wrong.
pub(crate) const STRONG: &str = "10.8-to-13";
/// Fewer wines than this say nothing.
const FEWEST: usize = 30;

/// Every score of a model on the holdout.
pub(crate) fn evaluate(model: &Model, holdout: &Wines) -> Result<Vec<Score>> {
    let all: Vec<&Wine> = holdout.rows.iter().collect();
    let good: Vec<&Wine> = holdout.rows.iter().filter(|wine| wine.good).collect();
    let mut scores = vec![score(model, "accuracy", None, &all)?, score(model, "recall", None, &good)?];
    for (band, from, before) in BANDS {
        let mut wines = Vec::new();
        for (row, wine) in holdout.rows.iter().enumerate() {
            if (from..before).contains(&holdout.measure(row, SLICE)?) {
                wines.push(wine);
            }
        }
        scores.push(score(model, "accuracy", Some(band), &wines)?);
    }
    Ok(scores)
}

/// The share of wines that the model gets right, to four places.
fn score(model: &Model, metric: &str, band: Option<&str>, wines: &[&Wine]) -> Result<Score> {
    let slice = band.map(|band| (SLICE.to_owned(), band.to_owned())).into_iter().collect();
    let n = wines.len();
    let metric = metric.to_owned();
    if n < FEWEST {
        let missing = Some(Missing { reason: "below-min-n".into(), n });
        return Ok(Score { metric, value: None, slice, sample_size: None, missing });
    }
    let hits = wines.iter().filter(|wine| model.says_good(wine) == wine.good).count();
    let tenthousandths = hits.checked_mul(10_000).and_then(|hits| hits.checked_div(n)).context("too many wines")?;
    let value = format!("{}.{:04}", tenthousandths / 10_000, tenthousandths % 10_000);
    Ok(Score { metric, value: Some(value), slice, sample_size: Some(n), missing: None })
}

/// The accuracy in a file of scores, overall or in one band.
pub(crate) fn accuracy(scores: &[Score], band: Option<&str>) -> Result<f64> {
    let wanted = |score: &&Score| score.metric == "accuracy" && score.slice.get(SLICE).map(String::as_str) == band;
    let value = scores.iter().find(wanted).and_then(|score| score.value.as_ref());
    value.with_context(|| format!("no accuracy for {band:?}"))?.parse().context("accuracy")
}
