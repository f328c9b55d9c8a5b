//! `lineal diff`, `evals`: what differs between two things, and how a model was measured.

use std::process::ExitCode;

use clap::Args;

use super::{
    Asked, Failure,
    access::{Reading, get_json},
    read::{show, style},
    when,
};
use crate::answers;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal diff service/payments/fraud@eu-1/prod --dir ledger\n  lineal diff model/payments/fraud@1 model/payments/fraud@2 --dir ledger\n  lineal diff dataset/payments/transactions@2026-11-22 ./transactions --dir ledger\n  lineal diff '#17' service/payments/fraud@eu-1/prod --at 03:12 --dir ledger\n\nExit status: 0 the same; 1 something differs; 2 no difference is known and something is unknown, not found or ambiguous."
)]
pub(super) struct Diff {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    moment: when::Moment,
    /// A service, a name, a digest or the beginning of one, an entry (#17), or a file or folder in hand
    ///
    /// A service alone is compared with what ran there before.
    #[arg(value_name = "ONE")]
    one: String,
    /// What it is compared with
    #[arg(value_name = "OTHER")]
    other: Option<String>,
}

impl Diff {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let one = answers::in_hand(&self.one)?.unwrap_or(self.one);
        let other = self.other.map(|other| Ok::<_, Failure>(answers::in_hand(&other)?.unwrap_or(other))).transpose()?;
        let when = self.moment.when()?;
        let diff: answers::Diff = match Reading::of(&self.asked)? {
            Reading::Running(client) => {
                let parameters = [("x", Some(one.as_str())), ("y", other.as_deref())];
                get_json(&client, &when::path("/v1/diff", &parameters, when))?
            }
            Reading::View(view) => answers::diff(&view, &one, other.as_deref(), when)?,
        };
        show(&self.asked, &diff, |diff| diff.to_text(style()), diff.exit_code())
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal evals model/payments/fraud --dir ledger\n  lineal evals service/payments/fraud@eu-1/prod --slice country=BR --dir ledger\n  lineal evals ./model.json --dir ledger\n\nEvery attempt counts, also those that were announced and not finished. Exit status: 0 there is a number for what was asked; 1 there is none; 2 there is none and an attempt is not finished, or not found or ambiguous."
)]
pub(super) struct Evals {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    moment: when::Moment,
    /// A model, a service, a digest or the beginning of one, an entry (#17), or a file or folder in hand
    #[arg(value_name = "WHAT")]
    what: String,
    /// Only the results for this slice of the data; repeat it for a slice of several features
    #[arg(long = "slice", value_name = "NAME=VALUE")]
    slice: Vec<String>,
}

impl Evals {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let what = answers::in_hand(&self.what)?.unwrap_or(self.what);
        let slice = answers::slice_of(self.slice.iter().map(String::as_str))?;
        let when = self.moment.when()?;
        let evals: answers::Evals = match Reading::of(&self.asked)? {
            Reading::Running(client) => {
                let slices = self.slice.iter().map(|part| ("slice", Some(part.as_str())));
                let parameters: Vec<_> = std::iter::once(("x", Some(what.as_str()))).chain(slices).collect();
                get_json(&client, &when::path("/v1/evals", &parameters, when))?
            }
            Reading::View(view) => answers::evals(&view, &what, &slice, when)?,
        };
        show(&self.asked, &evals, |evals| evals.to_text(style()), evals.exit_code())
    }
}
