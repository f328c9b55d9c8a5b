//! `lineal timeline`, `windows`: what happened, and from when to when something served.

use std::process::ExitCode;

use clap::Args;

use super::{
    Asked, Failure,
    access::{Reading, get_json},
    read::{show, style},
    when,
};
use crate::answers::{self, AnswerError, moment::spelling};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal timeline service/payments/fraud@eu-1/prod --dir ledger\n  lineal timeline model/payments/fraud --since '2h ago' --dir ledger\n  lineal timeline service/payments/fraud@eu-1/prod --from 'yesterday 18:00' --to 03:12 --dir ledger\n\nExit status: 0 something happened; 1 nothing did; 2 what runs in the end is unknown, or not found."
)]
pub(super) struct Timeline {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    moment: when::Moment,
    /// A service, a model, an artifact, or any name
    #[arg(value_name = "WHAT")]
    what: String,
    /// Only what happened from then on
    #[arg(long, visible_alias = "since", value_name = "TIME")]
    from: Option<String>,
    /// Only what happened until then
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
}

impl Timeline {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let what = answers::in_hand(&self.what)?.unwrap_or(self.what);
        let when = self.moment.when()?;
        let read = |text: Option<String>| text.map(|text| spelling::moment(&text, when.now)).transpose();
        let from = read(self.from).map_err(AnswerError::Moment)?;
        let to = read(self.to).map_err(AnswerError::Moment)?;
        let timeline: answers::Timeline = match Reading::of(&self.asked)? {
            Reading::Running(client) => {
                let (from, to) = (from.map(|from| from.to_string()), to.map(|to| to.to_string()));
                let parameters = [("x", Some(what.as_str())), ("from", from.as_deref()), ("to", to.as_deref())];
                get_json(&client, &when::path("/v1/timeline", &parameters, when))?
            }
            Reading::View(view) => answers::timeline(&view, &what, (from, to), when)?,
        };
        show(&self.asked, &timeline, |timeline| timeline.to_text(style()), timeline.exit_code())
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal windows model/payments/fraud --dir ledger\n  lineal windows sha256:ab12cd34 --json --dir ledger\n  lineal windows service/payments/fraud@eu-1/prod --at 03:12 --dir ledger\n\nExit status: 0 it served, and how each interval ended is known; 1 never seen to serve; 2 some interval ends in silence."
)]
pub(super) struct Windows {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    moment: when::Moment,
    /// A model, an artifact, a service, or any name
    #[arg(value_name = "WHAT")]
    what: String,
}

impl Windows {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let what = answers::in_hand(&self.what)?.unwrap_or(self.what);
        let when = self.moment.when()?;
        let windows: answers::Windows = match Reading::of(&self.asked)? {
            Reading::Running(client) => get_json(&client, &when::path("/v1/windows", &[("x", Some(&what))], when))?,
            Reading::View(view) => answers::windows(&view, &what, when)?,
        };
        show(&self.asked, &windows, |windows| windows.to_text(style()), windows.exit_code())
    }
}
