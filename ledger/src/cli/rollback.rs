//! `lineal rollback-plan`: what a service can go back to, checked where it lies, and as a patch.

use std::{ffi::OsString, process::ExitCode};

use clap::{Args, ValueEnum};

use super::{
    Asked, Failure,
    access::{Reading, get_json},
    print,
    read::{show, style},
    when,
};
use crate::{
    answers::{
        self,
        rollback::{Ask, MIN_RUN_SECONDS, check::check, patch},
    },
    clock::SystemClock,
    stores::Stores,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal rollback-plan service/payments/fraud@eu-1/prod --dir ledger\n  lineal rollback-plan service/payments/fraud@eu-1/prod --to model/payments/fraud@1 --check --dir ledger\n  lineal rollback-plan service/payments/fraud@eu-1/prod --format kustomize --dir ledger > kustomization.yaml\n  lineal rollback-plan service/payments/fraud@eu-1/prod --json --dir ledger > plan.json\n\nExit status: 0 the model can be put back, and its context is as it was; 1 one of the two is a no; 2 one is unknown, or the service was never observed.\n\n--check asks S3 by AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL_S3 or AWS_PROFILE, Cloud Storage by GOOGLE_OAUTH_ACCESS_TOKEN."
)]
pub(super) struct RollbackPlan {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    moment: when::Moment,
    /// The service: service/OWNER/NAME@CLUSTER/ENVIRONMENT, or OWNER/NAME@ENVIRONMENT where just one fits
    #[arg(value_name = "SERVICE@ENV")]
    service: String,
    /// What to go back to: a model, a digest or the beginning of one, an entry (#17), or a file or folder in hand
    ///
    /// By default the newest that ran long enough, without an incident or a flag, and that no gate refused.
    #[arg(long, value_name = "WHAT")]
    to: Option<String>,
    /// How long it must have run to be chosen by itself
    #[arg(long, value_name = "SECONDS", default_value_t = MIN_RUN_SECONDS)]
    min_run: u64,
    /// Read what is to be restored where it lies, and compare digests: files, http(s), s3, gs, images in registries
    ///
    /// Stores are asked as the environment says that their own tools ask; without an account, as anybody.
    #[arg(long)]
    check: bool,
    /// Print the change as a patch for a Git repository instead
    #[arg(long, value_name = "FORMAT", conflicts_with = "json")]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A Kustomize component
    Kustomize,
    /// Values of a Helm chart
    HelmValues,
    /// One JSON document
    Json,
}

impl From<Format> for patch::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Kustomize => Self::Kustomize,
            Format::HelmValues => Self::HelmValues,
            Format::Json => Self::Json,
        }
    }
}

impl RollbackPlan {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let when = self.moment.when()?;
        let to = self.to.map(|to| Ok::<_, Failure>(answers::in_hand(&to)?.unwrap_or(to))).transpose()?;
        let mut plan: answers::RollbackPlan = match Reading::of(&self.asked)? {
            Reading::Running(client) => {
                let min_run = self.min_run.to_string();
                let parameters =
                    [("x", Some(self.service.as_str())), ("to", to.as_deref()), ("minRun", Some(min_run.as_str()))];
                get_json(&client, &when::path("/v1/rollback-plan", &parameters, when))?
            }
            Reading::View(view) => {
                let ask = Ask { service: &self.service, to: to.as_deref(), min_run_seconds: self.min_run };
                answers::rollback_plan(&view, ask, when)?
            }
        };
        if self.check {
            check(&mut plan, &stores());
        }
        let Some(format) = self.format else {
            return show(&self.asked, &plan, |plan| plan.to_text(style()), plan.exit_code());
        };
        let patch = patch::patch(&plan, format.into()).map_err(|error| {
            Failure::undecided(error.to_string()).hint("without --format, the plan says what there is and why")
        })?;
        print(&patch)?;
        Ok(ExitCode::from(plan.exit_code()))
    }
}

/// Object stores as this program's environment says.
fn stores() -> Stores {
    let text = |text: OsString| text.into_string().ok();
    let variables = std::env::vars_os().filter_map(|(name, value)| text(name).zip(text(value)));
    Stores::new(variables.collect(), Box::new(SystemClock::start()))
}
