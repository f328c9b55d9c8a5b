//! The commands: read the files, ask the library, print the answer.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lineal_schemas::trust::Trust;
use lineal_verifier::{
    answer::Answer,
    checkpoint, event,
    log::{Question, Verification, verify},
    receipt,
    record::Record,
};

use super::{
    CheckpointArguments, EventArguments, Format, LogArguments, ReceiptArguments,
    input::{self, CliError},
};

pub(super) fn log(arguments: &LogArguments) -> Result<u8, CliError> {
    let trust = input::trust(&arguments.trust)?;
    let given = arguments.checkpoint.iter().map(|path| input::checkpoint(path, &trust));
    let question = Question { checkpoints: given.collect::<Result<_, _>>()?, ..Question::default() };
    let report = whole_record(&arguments.dir, &trust, &question, arguments.format)?.report;
    let mut out = Vec::new();
    if arguments.format.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        out.push(b'\n');
    } else if arguments.format.quiet {
        report.write_verdict(&mut out).map_err(CliError::Output)?;
    } else {
        report.write(&mut out).map_err(CliError::Output)?;
    }
    io::stdout().lock().write_all(&out).map_err(CliError::Output)?;
    Ok(report.verdict.exit_code())
}

pub(super) fn receipt(arguments: &ReceiptArguments) -> Result<u8, CliError> {
    let trust = input::trust(&arguments.trust)?;
    let text = input::text(&arguments.file)?;
    let events = arguments.event.as_deref().map(input::events).transpose()?;
    let event = events.as_ref().and_then(|events| events.first());
    print(&receipt::check(&text, &trust, event), arguments.format)
}

pub(super) fn event(arguments: &EventArguments) -> Result<u8, CliError> {
    let events = input::events(&arguments.file)?;
    let keys = arguments.key.iter().map(|path| input::key(path)).collect::<Result<Vec<_>, _>>()?;
    let record = match (&arguments.trust, &arguments.record) {
        (Some(trust), Some(dir)) => {
            let wanted = events.iter().map(event::Given::digest).collect();
            let question = Question { events: wanted, ..Question::default() };
            Some(whole_record(dir, &input::trust(trust)?, &question, arguments.format)?)
        }
        _ => None,
    };
    print(&event::check_all(&events, &keys, record.as_ref()), arguments.format)
}

pub(super) fn checkpoint(arguments: &CheckpointArguments) -> Result<u8, CliError> {
    let trust = input::trust(&arguments.trust)?;
    let new = match checkpoint::read(&input::text(&arguments.file)?, &trust) {
        Ok(new) => new,
        Err(finding) => return print(&checkpoint::refused(*finding), arguments.format),
    };
    let old = arguments.old.as_deref().map(|path| input::checkpoint(path, &trust)).transpose()?;
    let record = match &arguments.record {
        Some(dir) => {
            let checkpoints = old.iter().chain([&new]).cloned().collect();
            let question = Question { checkpoints, ..Question::default() };
            Some(whole_record(dir, &trust, &question, arguments.format)?)
        }
        None => None,
    };
    print(&checkpoint::check(&new, old.as_ref(), record.as_ref()), arguments.format)
}

/// Checks a whole record, with a progress bar where somebody sees it.
fn whole_record(dir: &Path, trust: &Trust, question: &Question, format: Format) -> Result<Verification, CliError> {
    let record = Record::open(dir)?;
    let bar = progress_bar(record.length(), format);
    let verification = verify(&record, trust, question, &|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    Ok(verification?)
}

fn progress_bar(bytes: u64, format: Format) -> ProgressBar {
    let is_seen = !format.quiet && io::stderr().is_terminal();
    let target = if is_seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let template = "{wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_template| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(bytes), target).with_style(style)
}

fn print(answer: &Answer, format: Format) -> Result<u8, CliError> {
    let mut out = Vec::new();
    if format.json {
        serde_json::to_writer_pretty(&mut out, answer)?;
        out.push(b'\n');
    } else if format.quiet {
        answer.write_verdict(&mut out).map_err(CliError::Output)?;
    } else {
        answer.write(&mut out).map_err(CliError::Output)?;
    }
    io::stdout().lock().write_all(&out).map_err(CliError::Output)?;
    Ok(answer.verdict.exit_code())
}
