//! `incident open`, `update` and `close`: something is wrong, more is known, it is over.

use clap::{Args, Subcommand};
use lineal_producers::object::Object;

use super::{console::Failure, reference::Reference, session::Session};

/// Open, update or close an incident.
///
/// The record holds its name, codes and references; the story is in the ticket.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit incident open incident/payments/INC-7 --severity sev-1 --service service/payments/fraud@eu-1/prod \\
    --artifact data/part-0017.csv --aware-at 2026-11-23T20:10:00Z --reference https://tickets.example.com/INC-7
  lineal-emit incident update incident/payments/INC-7 --severity sev-2
  lineal-emit incident close incident/payments/INC-7 --resolution rolled-back")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Say that something is wrong.
    #[command(after_help = "Example:
  lineal-emit incident open incident/payments/INC-7 --severity sev-1 --aware-at 2026-11-23T20:10:00Z")]
    Open(Known),
    /// Say what is known now: what is given takes the place of what was said before, a list as a whole.
    #[command(after_help = "Example:\n  lineal-emit incident update incident/payments/INC-7 --severity sev-2")]
    Update(Known),
    /// Say that it is over.
    #[command(after_help = "Example:\n  lineal-emit incident close incident/payments/INC-7 --resolution rolled-back")]
    Close(CloseArguments),
}

#[derive(Debug, Args)]
struct Known {
    /// What it is called, `incident/<owner>/<name>`.
    incident: String,
    /// How bad it is: sev-1, critical, …
    #[arg(long, value_name = "CODE")]
    severity: Option<String>,
    /// A service that it touches; repeatable.
    #[arg(long = "service", value_name = "SERVICE")]
    services: Vec<String>,
    /// An artifact that it is about; a file is hashed; repeatable.
    #[arg(long = "artifact", value_name = "ARTIFACT")]
    artifacts: Vec<String>,
    /// When somebody became aware of it: periods for reports count from here.
    #[arg(long, value_name = "TIME")]
    aware_at: Option<String>,
    /// Where more is said about it; repeatable.
    #[arg(long = "reference", value_name = "URI")]
    references: Vec<String>,
}

#[derive(Debug, Args)]
struct CloseArguments {
    /// What it is called, `incident/<owner>/<name>`.
    incident: String,
    /// How it ended: rolled-back, false-alarm, unknown, …
    #[arg(long, value_name = "CODE")]
    resolution: String,
    /// Where more is said about it; repeatable.
    #[arg(long = "reference", value_name = "URI")]
    references: Vec<String>,
}

pub(crate) fn incident(session: &Session<'_>, arguments: &Arguments) -> Result<u8, Failure> {
    match &arguments.step {
        Step::Open(known) => emit(session, "incident.opened", &known.incident, known.payload()?),
        Step::Update(known) => emit(session, "incident.updated", &known.incident, known.payload()?),
        Step::Close(close) => {
            let payload = Object::new()
                .with("incident", &close.incident)
                .with("resolution", &close.resolution)
                .with_list("references", &close.references);
            emit(session, "incident.closed", &close.incident, payload)
        }
    }
}

fn emit(session: &Session<'_>, name: &str, incident: &str, payload: Object) -> Result<u8, Failure> {
    session.emit_one(session.draft(name, incident, payload, Vec::new()), None)
}

impl Known {
    fn payload(&self) -> Result<Object, Failure> {
        let object = |text: &String| Reference::resolve(text).map(|found| found.object());
        let artifacts = self.artifacts.iter().map(object).collect::<Result<Vec<_>, _>>()?;
        Ok(Object::new()
            .with("incident", &self.incident)
            .with_some("severity", self.severity.as_ref())
            .with_list("services", &self.services)
            .with_list("artifacts", &artifacts)
            .with_some("awareAt", self.aware_at.as_ref())
            .with_list("references", &self.references))
    }
}
