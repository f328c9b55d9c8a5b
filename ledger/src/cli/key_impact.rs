//! `lineal key-impact`: what rests on a key.

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
    after_help = "Examples:\n  lineal key-impact payments-ci --dir ledger\n  lineal key-impact ab12cd34 --since 'yesterday 03:12' --dir ledger\n\nExit status: 0 something that runs rests on it, 1 nothing does, 2 unknown, not found or ambiguous."
)]
pub(super) struct KeyImpact {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    moment: when::Moment,
    /// A key's id or the beginning of it, `key/<id>`, or a producer for all of its keys
    #[arg(value_name = "KEY")]
    key: String,
    /// Only events that the ledger took from then on: since the key may have been somebody else's
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

impl KeyImpact {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let when = self.moment.when()?;
        let since = self.since.map(|text| spelling::moment(&text, when.now)).transpose();
        let since = since.map_err(AnswerError::Moment)?;
        let impact: answers::KeyImpact = match Reading::of(&self.asked)? {
            Reading::Running(client) => {
                let since = since.map(|since| since.to_string());
                let parameters = [("x", Some(self.key.as_str())), ("since", since.as_deref())];
                get_json(&client, &when::path("/v1/key-impact", &parameters, when))?
            }
            Reading::View(view) => answers::key_impact(&view, &self.key, since, when)?,
        };
        show(&self.asked, &impact, |impact| impact.to_text(style()), impact.exit_code())
    }
}
