//! `lineal findings`, `explain`: what is wrong, what shows it, and what an event led to.

use std::process::ExitCode;

use clap::Args;

use super::{
    Asked, Failure,
    access::{Reading, get_json},
    read::{show, style},
    when,
};
use crate::answers::{self, findings::Severity};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal findings --dir ledger\n  lineal findings --env prod --severity high --dir ledger\n  lineal findings --at 'yesterday 03:12' --json --dir ledger\n\nExit status: 0 nothing was found; 1 something was; 2 nothing was, and something is unknown or could not be looked at."
)]
pub(super) struct Findings {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    moment: when::Moment,
    /// Only services in this environment: `prod`, `eu-1`, `eu-1/prod`
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
    /// Only what is at least as severe: low, medium, high or critical
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<String>,
}

impl Findings {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let when = self.moment.when()?;
        let least: Option<Severity> = self.severity.map(|text| text.parse::<Severity>()).transpose()?;
        let env = self.env.as_deref();
        let findings: answers::Findings = match Reading::of(&self.asked)? {
            Reading::Running(client) => {
                let parameters = [("env", env), ("severity", least.map(Severity::as_str))];
                get_json(&client, &when::path("/v1/findings", &parameters, when))?
            }
            Reading::View(view) => answers::findings(&view, env, least, when)?,
        };
        show(&self.asked, &findings, |findings| findings.to_text(style()), findings.exit_code())
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal explain f-1a2b3c4d5e6f --dir ledger\n  lineal explain '#17' --dir ledger\n  lineal explain 17 --known-at 40 --json --dir ledger\n\nExit status: 0 it is explained; 2 not found, or erased."
)]
pub(super) struct Explain {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    moment: when::Moment,
    /// A finding (f-...), or an event: an entry's index, an event's id, its digest or the beginning of it
    #[arg(value_name = "FINDING|EVENT")]
    what: String,
}

impl Explain {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let when = self.moment.when()?;
        let explanation: answers::Explanation = match Reading::of(&self.asked)? {
            Reading::Running(client) => {
                get_json(&client, &when::path("/v1/explain", &[("x", Some(self.what.as_str()))], when))?
            }
            Reading::View(view) => answers::explain(&view, &self.what, when)?,
        };
        show(&self.asked, &explanation, |explanation| explanation.to_text(style()), 0)
    }
}
