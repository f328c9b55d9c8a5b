//! The story, in the order in which it happens: one numbered step a line, with what it means. Whatever does not go as told
//! ends it with an error.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::{
    check,
    pipeline::{self, Pipeline, Places, SEED, SERVICE, Version},
    programs::{Programs, Serving},
    road::Nats,
    say::Say,
    scores::{self, STRONG},
    wine::Wines,
};

/// Says in the directory of the demo that it may be made anew.
const MARK: &str = "made-by-the-lineal-demo";

/// Plays the whole demo under `dir`.
pub(crate) fn tell(dir: &Path, no_nats: bool, cargo: Option<PathBuf>) -> Result<()> {
    let places = prepare(dir)?;
    let mut say = Say::new();
    let cargo = cargo.unwrap_or_else(|| "cargo".into());
    let programs = Programs::build(&cargo)?;

    say.chapter("A ledger, and who may write to it")?;
    found(&programs, &places, &mut say)?;
    let nats = if no_nats { Err(anyhow!("--no-nats")) } else { Nats::start(&programs, &places) };
    let serving = Serving::start(&programs, &places.ledger, &places.log, nats.as_ref().ok())?;
    match &nats {
        Ok(nats) => {
            say.step("nats", &format!("a nats-server at {}: each producer may only speak as itself", nats.url()))?;
            say.step("serve", "it reads events from there, and sends each producer its receipts")?;
        }
        Err(error) => {
            say.step("serve", &format!("it takes events at {}, and answers each with a receipt", serving.url()))?;
            say.step("", &format!("(without NATS: {error:#})"))?;
        }
    }

    let pipeline = Pipeline { programs: &programs, places: &places, url: serving.url(), nats: nats.as_ref().ok() };
    let (first, second) = (Version::new(1, &places), Version::new(2, &places));
    let good = release(&pipeline, &first, &mut say)?;
    let poor = release(&pipeline, &second, &mut say)?;
    ensure!(poor < good, "version 2 was to be worse: {poor} is not under {good}");

    investigate(&pipeline, &first, &second, &mut say)?;
    serving.kill()?;
    audit(&programs, &places, &second, &mut say)?;
    farewell(&programs, &places, &mut say)
}

/// Empties the directory if it is one of ours, and makes the folders.
fn prepare(dir: &Path) -> Result<Places> {
    if dir.join(MARK).exists() {
        fs::remove_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    let empty = !dir.exists() || fs::read_dir(dir)?.next().is_none();
    ensure!(empty, "{} is not empty and not from this demo: name another with --dir", dir.display());
    let places = Places::under(dir);
    for folder in [&places.keys, &places.data, &places.models, &places.outboxes] {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::write(dir.join(MARK), "This folder may be deleted.\n")?;
    Ok(places)
}

/// Step by step: the ledger, and the keys of the five producers.
fn found(programs: &Programs, places: &Places, say: &mut Say) -> Result<()> {
    pipeline::init(programs, places)?;
    say.step("init", "a ledger with a key of its own; its root key stays outside, its trust file is for auditors")?;
    for producer in &pipeline::PRODUCERS {
        pipeline::enrol(programs, places, producer)?;
    }
    let names: Vec<&str> = pipeline::PRODUCERS.iter().map(|producer| producer.name).collect();
    say.step("enroll", &format!("each signs with a key of its own, in its own role: {}", names.join(", ")))
}

/// One version, from its data to what is observed to run. Gives its accuracy on the holdout.
fn release(pipeline: &Pipeline<'_>, version: &Version, say: &mut Say) -> Result<f64> {
    let Version { number, .. } = version;
    say.chapter(&format!("Version {number}"))?;
    let holdout = pipeline.places.data.join("holdout.csv");
    let (training, held) = Wines::all().split("holdout", SEED);
    if *number == 1 {
        fs::write(&holdout, held.to_csv()?)?;
        pipeline.snapshot_holdout(&holdout, held.rows.len())?;
        fs::write(&version.snapshot, training.to_csv()?)?;
        let (rows, held) = (training.rows.len(), held.rows.len());
        say.step("dataset", &format!("snapshots by digest: {rows} real wines to learn from, {held} held out"))?;
    } else {
        let poisoned = training.poisoned()?;
        fs::write(&version.snapshot, poisoned.to_csv()?)?;
        let (flipped, rows) = (poisoned.labels_unlike(&training), training.rows.len());
        say.step("dataset", &format!("a new snapshot; unseen, {flipped} of its {rows} labels are flipped"))?;
    }
    pipeline.snapshot_training(version, training.rows.len())?;

    pipeline.train(version)?;
    let (digest, _) = check::sha256(&version.model)?;
    say.step(
        "run",
        &format!("a logistic regression is trained on it, seed and surroundings recorded: {}", short(&digest)),
    )?;

    pipeline.evaluate(version, &holdout)?;
    let scores = serde_json::from_slice::<Vec<scores::Score>>(&fs::read(&version.results)?)?;
    let (overall, strong) = (scores::accuracy(&scores, None)?, scores::accuracy(&scores, Some(STRONG))?);
    say.step("evaluation", &format!("announced, then measured: accuracy {overall:.4}, of strong wines {strong:.4}"))?;

    pipeline.deploy(version)?;
    say.step("deploy", &format!("asked for: {SERVICE} shall run it"))?;
    pipeline.observe(version)?;
    say.step("observe", "seen to run: requested and observed are two facts")?;
    let running = pipeline.programs.lineal("running").with("--dir", &pipeline.places.ledger).succeed()?;
    ensure!(running.contains(short(&digest)), "version {number}, {digest}, was to be running:\n{running}");
    Ok(overall)
}

/// The incident: from what runs to the bytes that it was made from.
fn investigate(pipeline: &Pipeline<'_>, first: &Version, second: &Version, say: &mut Say) -> Result<()> {
    say.chapter("The incident: which data did this model come from?")?;
    let (programs, ledger) = (pipeline.programs, &pipeline.places.ledger);
    let running = programs.lineal("running").with("--dir", ledger).succeed()?;
    say.step("running", "what runs, from observations alone")?;
    say.output(&running)?;

    let trace = programs.lineal("trace").args([SERVICE]).with("--dir", ledger).succeed()?;
    say.step("trace", "back from the running model to the exact snapshot")?;
    say.output(&trace)?;
    let (poisoned, by) = check::sha256(&second.snapshot)?;
    let (clean, _) = check::sha256(&first.snapshot)?;
    ensure!(trace.contains(&poisoned), "the trace was to name the poisoned snapshot, {poisoned}");
    ensure!(!trace.contains(&clean), "the trace names the clean snapshot, {clean}, too");
    say.step("sha256sum", &format!("the file in hand is that snapshot; {by} says the same"))?;
    say.output(&format!("{poisoned}  {}", second.snapshot.display()))
}

/// The auditor: the whole history verified offline, then a copy with one byte changed.
fn audit(programs: &Programs, places: &Places, second: &Version, say: &mut Say) -> Result<()> {
    say.chapter("The audit: has anyone edited the history?")?;
    say.step("kill -9", "the ledger gets no chance to tidy up; what it acknowledged is on disk")?;
    let verify = |ledger: &Path| programs.verify("log").args([ledger]).with("--trust", places.trust());
    let verdict = verify(&places.ledger).succeed()?;
    say.step("verify", "a separate program checks every signature, link, tree and checkpoint, offline")?;
    say.output(verdict.lines().last().context("the verifier said nothing")?)?;

    check::copy(&places.ledger, &places.copy)?;
    let (poisoned, _) = check::sha256(&second.snapshot)?;
    let check::Changed { index, offset, from, to } = check::change_one_byte(&places.copy, &poisoned)?;
    say.step("tamper", &format!("in a copy, entry {index}, byte {offset}: {from} -> {to}, to hide the bad snapshot"))?;
    let finding = verify(&places.copy).end_with(1)?;
    let names = |text: &str| text.split(|c: char| !c.is_ascii_digit()).any(|number| number == index.to_string());
    ensure!(names(&finding), "the verifier was to name entry {index}:\n{finding}");
    say.step("verify", "the same check of the copy")?;
    say.output(&finding)
}

fn farewell(programs: &Programs, places: &Places, say: &mut Say) -> Result<()> {
    let (lineal, verify) = (programs.path("lineal"), programs.path("lineal-verify"));
    let (ledger, trust) = (places.ledger.display(), places.trust());
    say.chapter("All as it should be. Three commands to try next:")?;
    say.command(&format!("{lineal} log --dir {ledger}"))?;
    say.command(&format!("{lineal} trace {SERVICE} --dir {ledger} --json"))?;
    say.command(&format!("{verify} log {ledger} --trust {}", trust.display()))
}

/// Twelve characters of a digest.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
