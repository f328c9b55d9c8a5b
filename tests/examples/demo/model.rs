//! The model of the demo: a logistic regression over standardised measurements, fitted by `linfa`, kept as JSON text.
//!
//! The file holds every number that a prediction needs, so the deployed artifact is the file and nothing else. Nothing
//! here knows of events or of the ledger: `lineal-emit run` wraps it from outside.

use std::path::Path;

use anyhow::{Context as _, Result};
use linfa::{Dataset, traits::Fit as _};
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use crate::wine::{Wine, Wines};

/// A trained classifier, exactly as its file spells it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Model {
    kind: String,
    library: String,
    predicts: String,
    /// What the split into training and validation rows was drawn with.
    seed: u64,
    training_rows: usize,
    validation_rows: usize,
    /// The strength of regularisation that did best on the validation rows.
    alpha: f64,
    intercept: f64,
    features: Vec<Feature>,
}

/// One measurement: how it is standardised, and what it weighs.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    name: String,
    mean: f64,
    deviation: f64,
    weight: f64,
}

/// Strengths of regularisation to choose from.
const ALPHAS: [f64; 4] = [0.01, 0.1, 1.0, 10.0];
/// Iterations of the solver at most.
const ITERATIONS: u64 = 200;

impl Model {
    /// Fits one model a strength on what `seed` leaves for training, and keeps the one that does best on the rest.
    pub(crate) fn train(wines: &Wines, seed: u64) -> Result<Self> {
        let (training, validation) = wines.split("validation", seed);
        let mut best: Option<(usize, Self)> = None;
        for alpha in ALPHAS {
            let model = Self::fit(&training, &validation, alpha, seed)?;
            let hits = model.hits(&validation);
            if best.as_ref().is_none_or(|(most, _)| hits > *most) {
                best = Some((hits, model));
            }
        }
        best.map(|(_, model)| model).context("nothing was trained")
    }

    fn fit(training: &Wines, validation: &Wines, alpha: f64, seed: u64) -> Result<Self> {
        let mut features = standards(training)?;
        let records: Vec<f64> = training.rows.iter().flat_map(|wine| standardised(&features, wine)).collect();
        let records = Array2::from_shape_vec((training.rows.len(), features.len()), records)?;
        let labels: Array1<u8> = training.rows.iter().map(|wine| u8::from(wine.good)).collect();
        let fitted = LogisticRegression::default()
            .alpha(alpha)
            .max_iterations(ITERATIONS)
            .fit(&Dataset::new(records, labels))
            .with_context(|| format!("alpha {alpha}"))?;
        // The solver's positive class is whichever is more frequent; the file's is always "good".
        let sign = if fitted.labels().pos.class == 1 { 1.0 } else { -1.0 };
        for (feature, weight) in features.iter_mut().zip(fitted.params()) {
            feature.weight = sign * weight;
        }
        Ok(Self {
            kind: "logistic-regression".into(),
            library: "linfa-logistic 0.8".into(),
            predicts: "quality 6 or better".into(),
            seed,
            training_rows: training.rows.len(),
            validation_rows: validation.rows.len(),
            alpha,
            intercept: sign * fitted.intercept(),
            features,
        })
    }

    /// Whether the model calls a wine good.
    pub(crate) fn says_good(&self, wine: &Wine) -> bool {
        let weighed =
            standardised(&self.features, wine).zip(&self.features).map(|(value, feature)| value * feature.weight);
        self.intercept + weighed.sum::<f64>() >= 0.0
    }

    fn hits(&self, wines: &Wines) -> usize {
        wines.rows.iter().filter(|wine| self.says_good(wine) == wine.good).count()
    }

    /// The file: indented JSON and a newline.
    pub(crate) fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// The model of a file that [`Model::to_json`] wrote.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }
}

/// Mean and standard deviation of each measurement; no weights yet.
fn standards(wines: &Wines) -> Result<Vec<Feature>> {
    let measured = |row: usize, name: &String| wines.measure(row, name);
    let standard = |name: &String| {
        let values: Array1<f64> = (0..wines.rows.len()).map(|row| measured(row, name)).collect::<Result<_>>()?;
        let mean = values.mean().context("no rows")?;
        Ok(Feature { name: name.clone(), mean, deviation: values.std(0.0), weight: 0.0 })
    };
    wines.columns.iter().map(standard).collect()
}

fn standardised<'a>(features: &'a [Feature], wine: &'a Wine) -> impl Iterator<Item = f64> + 'a {
    wine.measures.iter().zip(features).map(|(value, feature)| (value - feature.mean) / feature.deviation)
}
