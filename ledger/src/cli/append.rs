//! `lineal append`: events from a file, without a network.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use lineal_schemas::dsse::{MAX_ENVELOPE_BYTES, Signed};

use super::{Failure, Place, access::Writing, note, print};
use crate::outcome::Answer;

/// Events taken in at a time.
const PIECE: usize = 1000;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lineal append --dir ledger events.dsse\n  lineal-emit dataset data/ --to file:events.dsse && lineal append --dir ledger events.dsse\n\nEach line is a DSSE envelope. One answer a line; exit 1 if any event was not taken in."
)]
pub(super) struct Append {
    #[command(flatten)]
    place: Place,
    /// A file of DSSE envelopes, one a line; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Keep the receipts in this folder, one file an event
    #[arg(long, value_name = "DIR")]
    receipts: Option<PathBuf>,
}

impl Append {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let reader: Box<dyn BufRead> = if self.file.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            let open = File::open(&self.file);
            Box::new(BufReader::new(open.map_err(|error| Failure::new(format!("{}: {error}", self.file.display())))?))
        };
        let ledger = Writing::open(&self.place)?;
        let result = self.take_in(&ledger, reader);
        ledger.close();
        result
    }

    fn take_in(&self, ledger: &Writing, mut reader: Box<dyn BufRead>) -> Result<ExitCode, Failure> {
        let (mut number, mut taken, mut refused) = (0, 0_u64, 0_u64);
        loop {
            let mut piece = Vec::new();
            while piece.len() < PIECE
                && let Some(line) = read_line(&mut *reader)?
            {
                number += 1;
                match Signed::from_envelope(&line) {
                    Ok(signed) => piece.push(signed),
                    Err(error) => {
                        refused += 1;
                        note(&format!("line {number}: {} ({})", error, error.code()));
                    }
                }
            }
            if piece.is_empty() {
                break;
            }
            let answers = ledger.submit(&piece)?;
            for answer in &answers {
                if matches!(&*answer.outcome, "committed" | "duplicate") {
                    taken += 1;
                } else {
                    refused += 1;
                }
                self.show(answer)?;
            }
        }
        if !self.place.json {
            note(&format!("{taken} taken in, {refused} not"));
        }
        Ok(ExitCode::from(if refused == 0 { 0 } else { super::NO }))
    }

    fn show(&self, answer: &Answer) -> Result<(), Failure> {
        if let (Some(folder), Some(event), Some(receipt)) = (&self.receipts, answer.event, &answer.receipt) {
            keep_receipt(folder, &event.to_string(), receipt)?;
        }
        if self.place.json {
            return print(&serde_json::to_string(answer).map_err(|error| Failure::new(error.to_string()))?);
        }
        print(&text_of(answer))
    }
}

/// One answer as a line of text.
pub(super) fn text_of(answer: &Answer) -> String {
    let event = answer.event.map_or_else(|| "-".to_owned(), |event| event.to_string());
    let index = answer.index.map_or_else(|| "-".to_owned(), |index| index.to_string());
    match (&answer.code, &answer.message) {
        (Some(code), Some(message)) => format!("{:<10} {index:>8}  {event}  {code}: {message}", answer.outcome),
        _ => format!("{:<10} {index:>8}  {event}", answer.outcome),
    }
}

fn keep_receipt(folder: &Path, event: &str, receipt: &str) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    Ok(std::fs::write(folder.join(format!("{event}.tlog-proof")), receipt)?)
}

/// The next line that is not empty, without its newline, never longer than an envelope can be.
fn read_line(reader: &mut dyn BufRead) -> Result<Option<Vec<u8>>, Failure> {
    loop {
        let mut line = Vec::new();
        let limit = MAX_ENVELOPE_BYTES as u64 * 4;
        io::Read::take(&mut *reader, limit).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == limit {
            return Err(Failure::new(format!("a line of over {limit} bytes: not an envelope")));
        }
        while line.last().is_some_and(u8::is_ascii_whitespace) {
            line.pop();
        }
        if !line.is_empty() {
            return Ok(Some(line));
        }
    }
}
