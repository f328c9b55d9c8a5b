//! `lineal gate`: may this model run there? And `--running`: may what runs?

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use lineal_gate::judge::Asked as AskedPolicy;
use lineal_schemas::vocabulary::{Payload, policy::PolicyText};
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Asked, Failure,
    access::{Reading, Writing, get_json, parse},
    note,
    read::{show, style},
    when,
};
use crate::{
    answers::{self, GateQuestion, When},
    client::Client,
    data_dir::read_secret_key,
    ledger::View,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal gate model/payments/fraud --service service/payments/fraud@eu-1/prod --dir ledger\n  lineal gate --model ./model.json --service service/payments/fraud@eu-1/prod --policy policy.toml --dir ledger\n  lineal gate --model sha256:ab12... --service service/payments/fraud@eu-1/prod --record --dir ledger\n  lineal gate --model model/payments/fraud@7 --service service/payments/fraud@eu-1/prod --known-at 4711 --dir ledger\n  lineal gate --model ./model.json --service service/payments/fraud@eu-1/prod --emit-vsa verdict.dsse --key gate.pem --dir ledger\n  lineal gate --running --env prod --dir ledger\n\nExit status: 0 it may run, also where somebody broke the glass; 1 it may not; 2 it could not be decided, which is no yes.\nWith --running: 0 all of what runs would be let through now; 1 some would not; 2 none is known not to be, and something could not be judged or is not known to run."
)]
pub(super) struct Gate {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    moment: when::Moment,
    /// What would run: a model's name, a digest, an entry (#17), a place, or a file or folder in hand
    #[arg(value_name = "MODEL", required_unless_present_any = ["model", "running"])]
    what: Option<String>,
    /// The same, by name
    #[arg(long, value_name = "MODEL", conflicts_with = "what")]
    model: Option<String>,
    /// Where it would run: service/OWNER/NAME@CLUSTER/ENVIRONMENT
    #[arg(long, value_name = "SERVICE", required_unless_present = "running")]
    service: Option<String>,
    /// A policy's file, or the name of a registered one; without it, the registered one that speaks for the service
    #[arg(long, value_name = "FILE|NAME")]
    policy: Option<String>,
    /// Commit the decision as the ledger's own event
    #[arg(long, conflicts_with_all = ["url", "at", "known_at"])]
    record: bool,
    /// Write the verdict as an in-toto statement, a SLSA verification summary, signed by --key (DSSE)
    #[arg(long, value_name = "FILE", requires = "key")]
    emit_vsa: Option<PathBuf>,
    /// The private key that signs it (PKCS#8 PEM): whoever asks answers for it, never the ledger
    #[arg(long, value_name = "FILE", requires = "emit_vsa")]
    key: Option<PathBuf>,
    /// Instead of one model: everything that runs where a policy speaks, judged afresh
    #[arg(long, conflicts_with_all = ["what", "model", "service", "policy", "record"])]
    running: bool,
    /// With --running, only in this environment: `prod`, `eu-1`, `eu-1/prod`
    #[arg(long, value_name = "ENV", requires = "running")]
    env: Option<String>,
}

/// Where a decision stands.
#[derive(Debug, Deserialize)]
struct Recorded {
    index: u64,
    #[serde(flatten)]
    gate: answers::Gate,
}

impl Gate {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let model = self.what.as_ref().or(self.model.as_ref());
        let (Some(model), Some(service)) = (model, &self.service) else { return self.run_running() };
        let model = answers::in_hand(model)?.unwrap_or_else(|| model.clone());
        let policy = policy(self.policy.as_deref())?;
        let question = GateQuestion { model, service: service.clone(), policy };
        if self.record {
            return self.run_recorded(&question);
        }
        let when = self.moment.when()?;
        let gate: answers::Gate = match Reading::of(&self.asked)? {
            Reading::Running(client) => ask(&client, &when::path("/v1/gate", &[], when), &question, 200)?,
            Reading::View(view) => {
                not_stale(&view, when)?;
                answers::gate(&view, &question, when)?
            }
        };
        self.tell(&gate)
    }

    /// Prints the verdict, and exports it where that is asked for. Nothing is written of a verdict that says neither yes nor no.
    fn tell(&self, gate: &answers::Gate) -> Result<ExitCode, Failure> {
        if let Some((file, key)) = self.emit_vsa.as_ref().zip(self.key.as_ref()) {
            let key = read_secret_key(key)?;
            let summary = answers::vsa::signed(gate, &key).map_err(|error| Failure::undecided(error.to_string()))?;
            std::fs::write(file, summary + "\n")
                .map_err(|error| Failure::undecided(format!("{}: {error}", file.display())))?;
        }
        show(&self.asked, gate, |gate| gate.to_text(style()), gate.exit_code())
    }

    /// Judges what runs.
    fn run_running(&self) -> Result<ExitCode, Failure> {
        let (when, env) = (self.moment.when()?, self.env.as_deref());
        let running: answers::GateRunning = match Reading::of(&self.asked)? {
            Reading::Running(client) => get_json(&client, &when::path("/v1/gate/running", &[("env", env)], when))?,
            Reading::View(view) => answers::gate_running(&view, env, when)?,
        };
        show(&self.asked, &running, |running| running.to_text(style()), running.exit_code())
    }

    /// Decides, and commits the decision: where a ledger runs, it does both.
    fn run_recorded(&self, question: &GateQuestion) -> Result<ExitCode, Failure> {
        let when = self.moment.when()?;
        let recorded = match Writing::open(&self.asked.place)? {
            Writing::Running(client) => ask::<Recorded>(&client, "/admin/gate", question, 201)?,
            Writing::Own(ledger) => {
                ledger.wait_for_index();
                let decided = not_stale(&ledger.view, when)
                    .and_then(|()| answers::gate(&ledger.view, question, when).map_err(Failure::from));
                let recorded = decided.and_then(|gate| {
                    let (subject, payload) = answers::gate::decision_on(question, &gate, "cli")?;
                    let index = ledger.say(&subject, Payload::from(payload)).map_err(Failure::undecided)?;
                    Ok(Recorded { index, gate })
                });
                ledger.close();
                recorded?
            }
        };
        note(&format!("recorded as entry {}", recorded.index));
        let gate = recorded.gate;
        self.tell(&gate)
    }
}

/// A record that stands still decides nothing about now.
fn not_stale(view: &View, when: When) -> Result<(), Failure> {
    match answers::gate::stale(view, when)? {
        Some(why) => Err(Failure::undecided(format!("{why}; `--at` asks about a moment that it knows"))),
        None => Ok(()),
    }
}

/// Asks a running ledger.
fn ask<T: DeserializeOwned>(client: &Client, path: &str, question: &GateQuestion, done: u16) -> Result<T, Failure> {
    let body = answers::gate::to_json(question).to_string().into_bytes();
    let answered = client.post(path, "application/json", body);
    let (status, body) = answered.map_err(|error| Failure::undecided(error.to_string()))?;
    if status == done {
        parse(&body)
    } else {
        Err(Failure::undecided(String::from_utf8_lossy(&body).trim().to_owned()))
    }
}

/// A registered policy by its name, or the text of a file.
fn policy(asked: Option<&str>) -> Result<AskedPolicy, Failure> {
    let Some(asked) = asked else { return Ok(AskedPolicy::Registered) };
    if let Some(name) = asked.parse().ok().filter(|_name| asked.starts_with("policy/")) {
        return Ok(AskedPolicy::Named(name));
    }
    let text = std::fs::read_to_string(PathBuf::from(asked))
        .map_err(|error| Failure::undecided(format!("the policy {asked}: {error}")))?;
    let text: PolicyText = text.parse().map_err(|error| Failure::undecided(format!("the policy {asked}: {error}")))?;
    // What can't be read is told here, with its place; the gate would only say that it could not decide.
    lineal_gate::policy::Policy::parse(&text)
        .map_err(|error| Failure::undecided(format!("the policy {asked}: {error}")))?;
    Ok(AskedPolicy::Text(text))
}
