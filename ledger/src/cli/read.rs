//! `lineal get`, `log`, `trace`, `running`: what the history says.

use std::{ops::Range, process::ExitCode, time::Duration};

use clap::Args;
use lineal_schemas::registry::Registry;

use super::{
    Asked, Failure, Place,
    access::{Reading, escape, get_json},
    maintain::whole_view,
    print, print_json, when,
};
use crate::{
    answers::{self, print::Style},
    data_dir::DataDir,
    ledger::{self, View},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal get 17 --dir ledger\n  lineal get 0199aabb-ccdd-7eef-8123-456789abcdef --dir ledger\n  lineal get 17 --receipt --dir ledger > 17.tlog-proof\n  lineal get 17 --body --dir ledger | sha256sum"
)]
pub(super) struct Get {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    known: when::KnownAt,
    /// An index, an event id, an event digest, or the beginning of one
    #[arg(value_name = "INDEX|ID|DIGEST")]
    what: String,
    /// Print the event's exact bytes alone
    #[arg(long, conflicts_with_all = ["receipt", "json"])]
    body: bool,
    /// Print the receipt alone
    #[arg(long, conflicts_with = "json")]
    receipt: bool,
}

impl Get {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let when = self.known.when()?;
        let path = when::path(&format!("/v1/entries/{}", escape(&self.what)), &[], when);
        let entry: answers::EntryAnswer = match Reading::of(&self.asked)? {
            Reading::Running(client) => get_json(&client, &path)?,
            Reading::View(view) => answers::get(&view, &self.what, when)?,
        };
        if self.body {
            let body = entry.body.as_ref().ok_or_else(|| Failure::new("its body has been erased"))?;
            return raw(body.as_str());
        }
        if self.receipt {
            return raw(&entry.receipt);
        }
        if self.asked.place.json {
            print_json(&entry)?;
        } else {
            print(&entry.to_text())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Exact bytes, without a newline of our own.
fn raw(text: &str) -> Result<ExitCode, Failure> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal log --dir ledger\n  lineal log --last 20 --follow --dir ledger\n  lineal log --last 20 --known-at 03:12 --dir ledger\n\nIt reads the record itself, so it takes no --url: GET /tile/bodies/... serves the events of a ledger elsewhere."
)]
pub(super) struct Log {
    #[command(flatten)]
    place: Place,
    /// Begin with this entry
    #[arg(long, value_name = "INDEX", default_value_t = 0, conflicts_with = "last")]
    from: u64,
    /// Only so many entries at the end
    #[arg(long, value_name = "COUNT")]
    last: Option<u64>,
    /// Go on as entries come
    #[arg(long, conflicts_with = "known_at")]
    follow: bool,
    #[command(flatten)]
    known: when::KnownAt,
}

/// Between two looks for new entries.
const POLL: Duration = Duration::from_millis(500);

impl Log {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let mut view = whole_view(&self.place)?;
        let known = answers::Moment::find(&view, self.known.when()?)?.size;
        let known = if self.known.is_given() { known } else { view.record.size() };
        let mut next = self.last.map_or(self.from, |count| known.saturating_sub(count));
        if self.known.is_given() {
            let registry = view.registry_at(known)?;
            self.print_from(&view, &registry, next..known)?;
            return Ok(ExitCode::SUCCESS);
        }
        loop {
            self.print_from(&view, &view.registry(), next..view.record.size())?;
            next = view.record.size().max(next);
            if !self.follow {
                return Ok(ExitCode::SUCCESS);
            }
            view = self.wait_for_more(next)?;
        }
    }

    fn print_from(&self, view: &View, registry: &Registry, entries: Range<u64>) -> Result<(), Failure> {
        let mut failed = None;
        let scanned = view.record.scan(entries.start, entries.end.max(entries.start), &mut |stored| {
            if failed.is_none() {
                let line = answers::log_line(registry, &stored)?;
                failed = self.print_line(&line).err();
            }
            Ok(())
        });
        scanned.map_err(|error| Failure::new(error.to_string()))?;
        failed.map_or(Ok(()), Err)
    }

    fn print_line(&self, line: &answers::LogLine) -> Result<(), Failure> {
        if self.place.json {
            return print(&serde_json::to_string(line).map_err(|error| Failure::new(error.to_string()))?);
        }
        print(&line.to_string())
    }

    /// A newer view once the head has moved.
    fn wait_for_more(&self, size: u64) -> Result<View, Failure> {
        let dir = DataDir::find(&self.place.dir)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        loop {
            runtime.block_on(tokio::time::sleep(POLL));
            if dir.head()?.size > size {
                return Ok(ledger::read_only(&dir)?);
            }
        }
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal trace service/payments/fraud@eu-1/prod --dir ledger\n  lineal trace model/payments/fraud --dir ledger\n  lineal trace sha256:ab12cd34 --dir ledger\n  lineal trace ./model.json --dir ledger\n  lineal trace model/payments/fraud --recheck --dir ledger\n  lineal trace service/payments/fraud@eu-1/prod --at 'yesterday 03:12' --dir ledger\n  lineal trace model/payments/fraud --url http://ledger.example:7311\n  lineal trace model/payments/fraud --dot --dir ledger | dot -Tsvg > trace.svg\n\nExit status: 0 complete, or up to a declared boundary; 1 broken, or other bytes where its own should be; 2 not found or ambiguous."
)]
pub(super) struct Trace {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    moment: when::Moment,
    /// A service, a name, a digest or the beginning of one, an entry (#17), or a file in hand
    #[arg(value_name = "WHAT")]
    what: String,
    /// Hash the bytes again that can be reached from here: files and folders that events name as `file:` addresses
    #[arg(long)]
    recheck: bool,
    /// Print the graph for Graphviz's dot
    #[arg(long, conflicts_with_all = ["mermaid", "json"])]
    dot: bool,
    /// Print the graph as a Mermaid flowchart
    #[arg(long, conflicts_with = "json")]
    mermaid: bool,
}

impl Trace {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let what = answers::in_hand(&self.what)?.unwrap_or(self.what);
        let when = self.moment.when()?;
        let mut trace: answers::Trace = match Reading::of(&self.asked)? {
            Reading::Running(client) => get_json(&client, &when::path("/v1/trace", &[("x", Some(&what))], when))?,
            Reading::View(view) => answers::trace(&view, &what, when)?,
        };
        if self.recheck {
            answers::recheck(&mut trace);
        }
        let text = |trace: &answers::Trace| match (self.dot, self.mermaid) {
            (true, _) => trace.to_dot(),
            (_, true) => trace.to_mermaid(),
            _ => trace.to_text(style()),
        };
        show(&self.asked, &trace, text, trace.exit_code())
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal running --dir ledger\n  lineal running --env prod --dir ledger\n  lineal running --at 03:12 --dir ledger\n  lineal running --at '2h ago' --known-at '2h ago' --dir ledger\n  lineal running --url http://ledger.example:7311\n\nFrom observation alone: what was asked for is not what runs. Exit status: 0 something runs, 1 nothing, 2 unknown."
)]
pub(super) struct Running {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    moment: when::Moment,
    /// Only services of this environment
    #[arg(long, value_name = "ENV")]
    env: Option<String>,
}

impl Running {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let (when, env) = (self.moment.when()?, self.env.as_deref());
        let running: answers::Running = match Reading::of(&self.asked)? {
            Reading::Running(client) => get_json(&client, &when::path("/v1/running", &[("env", env)], when))?,
            Reading::View(view) => answers::running(&view, env, when)?,
        };
        show(&self.asked, &running, |running| running.to_text(style()), running.exit_code())
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal impact dataset/payments/transactions --dir ledger\n  lineal impact sha256:ab12cd34 --dir ledger\n  lineal impact ./transactions.csv --dir ledger\n  lineal impact dataset/payments/transactions --at 'yesterday 03:12' --dir ledger\n\nExit status: 0 something that runs rests on it, 1 nothing does, 2 unknown, not found or ambiguous."
)]
pub(super) struct Impact {
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    moment: when::Moment,
    /// A name, a digest or the beginning of one, an entry (#17), or a file in hand
    #[arg(value_name = "WHAT")]
    what: String,
}

impl Impact {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let what = answers::in_hand(&self.what)?.unwrap_or(self.what);
        let when = self.moment.when()?;
        let impact: answers::Impact = match Reading::of(&self.asked)? {
            Reading::Running(client) => get_json(&client, &when::path("/v1/impact", &[("x", Some(&what))], when))?,
            Reading::View(view) => answers::impact(&view, &what, when)?,
        };
        show(&self.asked, &impact, |impact| impact.to_text(style()), impact.exit_code())
    }
}

/// Prints an answer as it was asked for, and ends as it says.
pub(super) fn show<A: serde::Serialize>(
    asked: &Asked,
    answer: &A,
    text: impl FnOnce(&A) -> String,
    exit_code: u8,
) -> Result<ExitCode, Failure> {
    if asked.place.json {
        print_json(answer)?;
    } else {
        print(&text(answer))?;
    }
    Ok(ExitCode::from(exit_code))
}

/// Colours on a terminal only, and not where they are unwanted.
pub(super) fn style() -> Style {
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    if terminal && std::env::var_os("NO_COLOR").is_none() { Style::Coloured } else { Style::Plain }
}
