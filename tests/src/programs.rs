//! The three programs as a test runs them: built, started on free ports, killed, and held to how they end.
//!
//! A test talks to the ledger as producers and auditors do: by HTTP, by files, by commands. Programs get an environment
//! of their own, so that nothing that a developer has set changes a test. Whatever does not happen within [`PATIENCE`]
//! fails the test, with everything that the program has said.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use lineal_ledger::{
    clock::{Clock as _, SystemClock},
    outcome::Answer,
};
use lineal_schemas::{dsse::Signed, line::Line};

mod ended;
mod process;
mod ledger;

pub use self::{
    ended::{Ended, run},
    ledger::{LedgerHome, LedgerProcess},
    process::Process,
};

/// How long anything may take before the test fails.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The pause before something is asked for again.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer. None within [`PATIENCE`] fails the test.
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let clock = SystemClock::start();
    while u128::from(clock.monotonic_ms()) < PATIENCE.as_millis() {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::park_timeout(PAUSE);
    }
    panic!("{what}: not within {} s", PATIENCE.as_secs());
}

/// The ledger's program.
pub fn lineal() -> Command {
    program("lineal")
}

/// The producers' program.
pub fn emit() -> Command {
    program("lineal-emit")
}

/// The auditor's program.
pub fn verify() -> Command {
    program("lineal-verify")
}

/// `lineal-verify log DIR --trust FILE`.
pub fn verify_log(dir: &Path, trust: &Path) -> Command {
    let mut command = verify();
    command.arg("log").arg(dir).arg("--trust").arg(trust);
    command
}

fn program(name: &str) -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let path = BUILT.get_or_init(build).join(name).with_extension(std::env::consts::EXE_EXTENSION);
    isolated(path)
}

/// A command that sees `PATH` and nothing else of this process's environment.
pub fn isolated(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LINEAL_MIRROR", "off").env("NO_COLOR", "1");
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command
}

/// Builds the programs in the profile of this test, and gives their folder: the test is `target/<profile>/deps/<name>`,
/// they are `target/<profile>/lineal*`. Cargo knows what is out of date.
fn build() -> PathBuf {
    let own = std::env::current_exe().expect("a running test has a path");
    let folder = own.parent().and_then(Path::parent).expect("a test is in target/<profile>/deps");
    let profile = folder.file_name().and_then(OsStr::to_str).expect("profiles have plain names");
    let target = folder.parent().expect("a profile's folder is in the target folder");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([
        "build",
        "--quiet",
        "--manifest-path",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"),
        "--bins",
    ]);
    cargo.args(["-p", "lineal-ledger", "-p", "lineal-producers", "-p", "lineal-verifier"]);
    cargo.args(["--profile", if profile == "debug" { "dev" } else { profile }]).arg("--target-dir").arg(target);
    as_if_by_hand(&mut cargo);
    let status = cargo.status().unwrap_or_else(|error| panic!("{cargo:?}: {error}"));
    assert!(status.success(), "{cargo:?}: {status}");
    folder.to_owned()
}

/// Hides from a cargo what another cargo says of the program that runs it. Build scripts that look at it (ring's) would
/// run again, and much be compiled again, now and whenever cargo is run by hand.
pub fn as_if_by_hand(cargo: &mut Command) {
    let is_said = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _value) in std::env::vars_os().filter(|(name, _value)| name.to_str().is_some_and(is_said)) {
        cargo.env_remove(name);
    }
}

/// A response of the ledger.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the ledger answers in text here")
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _value)| found == name).map(|(_name, value)| value.as_str())
    }

    /// The answers about events, one a line.
    pub fn answers(&self) -> Vec<Answer> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.text().lines().map(read).collect()
    }

    /// The answer about a single event.
    pub fn answer(&self) -> Answer {
        let mut answers = self.answers();
        assert_eq!(answers.len(), 1, "{}", self.text());
        answers.remove(0)
    }
}

/// A client of a ledger, one connection after another.
#[derive(Debug, Clone)]
pub struct Http {
    agent: ureq::Agent,
    base: String,
}

impl Http {
    /// A client of the ledger at `http://HOST:PORT`.
    pub fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        Self { agent: config.into(), base: base.to_owned() }
    }

    /// `http://HOST:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Reads a path; an error where the ledger is away.
    pub fn try_get(&self, path: &str) -> Result<Response, String> {
        received(self.agent.get(format!("{}{path}", self.base)).call().map_err(|error| error.to_string()))
    }

    /// Reads a path. A ledger that is away fails the test.
    pub fn get(&self, path: &str) -> Response {
        self.try_get(path).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Stores bytes at a path.
    pub fn put(&self, path: &str, body: &[u8]) -> Response {
        let response = self.agent.put(format!("{}{path}", self.base)).send(body).map_err(|error| error.to_string());
        received(response).unwrap_or_else(|error| panic!("PUT {path}: {error}"))
    }

    /// Posts JSON to a path.
    pub fn post_json(&self, path: &str, body: &str) -> Response {
        let request = self.agent.post(format!("{}{path}", self.base)).header("content-type", "application/json");
        let response = request.send(body.as_bytes()).map_err(|error| error.to_string());
        received(response).unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Posts a body to `/events`; an error where the ledger is away, or went away before it had answered.
    pub fn try_post(&self, headers: &[(&str, &str)], body: &[u8]) -> Result<Response, String> {
        let mut request = self.agent.post(format!("{}/events", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        received(request.send(body).map_err(|error| error.to_string()))
    }

    /// Posts a body to `/events`.
    pub fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Response {
        self.try_post(headers, body).unwrap_or_else(|error| panic!("POST /events: {error}"))
    }

    /// Posts one event in structured mode.
    pub fn try_post_event(&self, signed: &Signed) -> Result<Response, String> {
        let signatures: Vec<String> = signed.signatures.iter().map(ToString::to_string).collect();
        let mut headers = vec![("content-type", "application/cloudevents+json")];
        headers.extend(signatures.iter().map(|signature| ("lineal-signature", signature.as_str())));
        self.try_post(&headers, &signed.event)
    }

    /// Posts one event in structured mode.
    pub fn post_event(&self, signed: &Signed) -> Response {
        self.try_post_event(signed).unwrap_or_else(|error| panic!("POST /events: {error}"))
    }

    /// Posts envelopes, one a line.
    pub fn try_post_events<'e>(&self, events: impl IntoIterator<Item = &'e Signed>) -> Result<Response, String> {
        let lines: String = events.into_iter().map(|signed| signed.to_envelope() + "\n").collect();
        self.try_post(&[("content-type", "application/x-ndjson")], lines.as_bytes())
    }

    /// Posts envelopes, one a line, and gives the answers.
    pub fn post_events<'e>(&self, events: impl IntoIterator<Item = &'e Signed>) -> Vec<Answer> {
        self.try_post_events(events).unwrap_or_else(|error| panic!("POST /events: {error}")).answers()
    }

    /// Entries committed, as `/readyz` says.
    pub fn size(&self) -> u64 {
        let ready: serde_json::Value = serde_json::from_slice(&self.get("/readyz").body).expect("/readyz is JSON");
        ready["size"].as_u64().expect("/readyz tells the size")
    }
}

fn received(response: Result<ureq::http::Response<ureq::Body>, String>) -> Result<Response, String> {
    let mut response = response?;
    let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(256 * 1024 * 1024).read_to_vec();
    Ok(Response { status, headers, body: body.map_err(|error| error.to_string())? })
}

/// An entry as it stands in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The entry's exact bytes: the Merkle leaf.
    pub entry_bytes: Vec<u8>,
    /// The event's exact bytes.
    pub event: Vec<u8>,
}

/// Every entry of a record at rest, read by nothing but the definition of a line.
pub fn recorded(dir: &Path) -> Vec<Recorded> {
    let mut entries = Vec::new();
    for segment in segments(dir) {
        let bytes = std::fs::read(&segment).unwrap_or_else(|error| panic!("{}: {error}", segment.display()));
        let whole = bytes.strip_suffix(b"\n").expect("a record at rest ends in a whole line");
        for line in whole.split(|byte| *byte == b'\n') {
            match Line::parse(line).expect("every line of a record at rest can be read") {
                Line::Entry { entry_bytes, body, .. } => entries.push(Recorded {
                    entry_bytes: entry_bytes.to_vec(),
                    event: body.expect("nothing is erased here").to_vec(),
                }),
                Line::Checkpoint(_note) => {}
            }
        }
    }
    entries
}

/// The record's segments, in order.
pub fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir.join("record")).expect("a data directory has a record");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("the folder can be listed").path()).collect();
    paths.sort();
    paths
}
