//! The stage of a situation: a ledger that serves, a team with its pipeline and its observer, and a folder of their files.
//!
//! The pipeline's key may speak of `…/shop/**` in every role but the observer's, which has a key of its own. Everything
//! goes over HTTP to the running ledger, and every question is asked of it. Times are counted back from the beginning.

use std::{fs, path::PathBuf, process::Command};

use lineal_ledger::clock::{Clock as _, SystemClock};
use lineal_schemas::{
    digest::{EventDigest, sha256},
    timestamp::Timestamp,
};
use lineal_tests::programs::{LedgerHome, LedgerProcess, emit, lineal, run};
use serde_json::{Value, json};

const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Kinds of names that a team's pipeline speaks of.
const KINDS: [&str; 7] = ["dataset", "model", "job", "transform", "alias", "artifact", "service"];

/// A ledger that serves, and who speaks to it.
pub(crate) struct Stage {
    home: LedgerHome,
    process: LedgerProcess,
    folder: PathBuf,
    begun: Timestamp,
}

impl Stage {
    /// A ledger that runs, with the pipeline of `shop` and its observer enrolled.
    pub(crate) fn begin() -> Self {
        let home = LedgerHome::init();
        let folder = home.folder().join("work");
        fs::create_dir(&folder).unwrap();
        let process = home.serve();
        let stage = Self { home, process, folder, begun: SystemClock::start().wall() };
        stage.team("shop");
        stage.enrol("probe", &["observer"], &["service/**".to_owned()]);
        stage
    }

    /// Enrols the pipeline of a team, which may speak of what is the team's.
    pub(crate) fn team(&self, name: &str) {
        let names: Vec<String> = KINDS.iter().map(|kind| format!("{kind}/{name}/**")).collect();
        self.enrol(name, &["data", "trainer", "evaluator", "deployer"], &names);
    }

    /// Makes a key and enrols it.
    pub(crate) fn enrol(&self, name: &str, roles: &[&str], names: &[String]) {
        run(emit().current_dir(&self.folder).arg("keygen").arg(format!("{name}.pem"))).succeeded();
        let mut enrol = self.home.lineal("enroll");
        enrol.arg("--root-key").arg(self.home.root_key()).arg("--key").arg(self.path(&format!("{name}.pub")));
        enrol.args(["--producer", name, "--source", &format!("https://{name}.example/**")]);
        enrol.args(roles.iter().flat_map(|role| ["--role", role]));
        run(enrol.args(names.iter().flat_map(|pattern| ["--name", pattern]))).succeeded();
    }

    /// So many minutes before the situation began, as the commands take it.
    pub(crate) fn ago(&self, minutes: i64) -> String {
        Timestamp::from_millis(self.begun.as_millis() - minutes * MINUTE).to_string()
    }

    /// A file or folder of theirs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file, with the folder that it is in.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// `lineal-emit …` of a team; it must be committed.
    #[track_caller]
    pub(crate) fn tell(&self, who: &str, arguments: &[&str]) -> Said {
        self.emitted(who, arguments, 0)
    }

    /// The same, where it ends with another code.
    #[track_caller]
    pub(crate) fn emitted(&self, who: &str, arguments: &[&str], code: i32) -> Said {
        let ended = run(self.emit(who).args(arguments));
        Said(serde_json::from_str(&ended.with_code(code).stdout).unwrap_or_default())
    }

    /// What an observer sees in the cluster `eu-1`, environment `prod`, where just these pods run.
    #[track_caller]
    pub(crate) fn look(&self, who: &str, minutes_ago: i64, pods: &[Value], options: &[&str]) -> Said {
        self.write("pods.json", &json!({"apiVersion": "v1", "kind": "List", "items": pods}).to_string());
        let (at, mut program) = (self.ago(minutes_ago), self.emit(who));
        program.args(["observe", "--stdin", "--environment", "environment/eu-1/prod", "--observed-at", &at]);
        let ended = run(program.args(options).stdin(fs::File::open(self.path("pods.json")).unwrap()));
        Said(serde_json::from_str(&ended.with_code(0).stdout).unwrap_or_default())
    }

    fn emit(&self, who: &str) -> Command {
        let mut program = emit();
        program.current_dir(&self.folder).env("HOME", &self.folder).env("TMPDIR", &self.folder);
        program.args(["--json", "--key", &format!("{who}.pem"), "--outbox", &format!("{who}.outbox")]);
        program.arg("--trust").arg(self.home.trust_path());
        program.args(["--source", &format!("https://{who}.example/ci"), "--to", self.process.http().base()]);
        program
    }

    /// `lineal-emit …` of the shop's pipeline.
    #[track_caller]
    pub(crate) fn ci(&self, arguments: &[&str]) -> Said {
        self.tell("shop", arguments)
    }

    /// A run of the shop's pipeline that writes `content` to `output`, which is `[NAME=]PATH`.
    #[track_caller]
    pub(crate) fn job(&self, job: &str, kind: &str, inputs: &[&str], (output, content): (&str, &str)) -> Said {
        let path = output.rsplit('=').next().unwrap();
        let script = format!("printf %s '{content}' > {path}");
        let inputs = inputs.iter().flat_map(|input| ["--input", input]);
        let run = ["run", "--no-capture", "--job", job, "--kind", kind, "--output", output];
        let arguments: Vec<&str> = run.into_iter().chain(inputs).chain(["--", "sh", "-c", &script]).collect();
        self.ci(&arguments)
    }

    /// An event that a tool of the shop's wrote itself, and that happened so many minutes ago.
    #[track_caller]
    pub(crate) fn say_at(&self, minutes_ago: i64, kind: &str, subject: &str, data: &str) -> Said {
        let at = self.ago(minutes_ago);
        self.write("draft.json", &format!(r#"{{"type":"{kind}","subject":"{subject}","time":"{at}","data":{data}}}"#));
        self.ci(&["send", "draft.json"])
    }

    /// What the observer sees at a service: `what` is the rest of `lineal-emit observe`.
    #[track_caller]
    pub(crate) fn observe(&self, service: &str, minutes_ago: i64, what: &[&str]) -> Said {
        let at = self.ago(minutes_ago);
        self.tell("probe", &[&["observe", "--service", service, "--observed-at", &at], what].concat())
    }

    /// Asks the running ledger, and holds what every answer promises.
    #[track_caller]
    pub(crate) fn ask(&self, arguments: &[&str]) -> Answer {
        let ask = |more: &[&str]| {
            let mut program: Command = lineal();
            program.current_dir(&self.folder).args(arguments).args(more);
            run(program.args(["--url", self.process.http().base()]))
        };
        let (text, json) = (ask(&[]), ask(&["--json"]));
        assert_eq!(
            text.code, json.code,
            "{arguments:?}\n{}{}\n{}{}",
            text.stdout, text.stderr, json.stdout, json.stderr
        );
        let last = text.stdout.lines().last().unwrap_or_default();
        assert!(text.stdout.is_empty() || last.starts_with("as of tree size "), "{}", text.stdout);
        Answer {
            asked: arguments.join(" "),
            code: text.code.unwrap_or(-1),
            text: text.stdout,
            error: text.stderr,
            json: serde_json::from_str(&json.stdout).unwrap_or_default(),
        }
    }

    /// Stops the ledger; the auditor finds the record whole, without a word against it.
    #[track_caller]
    pub(crate) fn end(self) {
        self.process.stop();
        self.home.verify(&["--quiet"]).succeeded();
    }

    /// `sha256:…` of a content.
    pub(crate) fn digest(content: &str) -> String {
        format!("sha256:{}", EventDigest::from_bytes(sha256(content.as_bytes())))
    }

    /// The running ledger's program, for what is not an answer.
    pub(crate) fn operator(&self, command: &str) -> Command {
        self.home.lineal(command)
    }
}

/// What a command of `lineal-emit` told of its events.
pub(crate) struct Said(Value);

impl Said {
    /// The entry of its last event.
    #[track_caller]
    pub(crate) fn index(&self) -> u64 {
        self.last()["index"].as_u64().unwrap_or_else(|| panic!("not committed: {}", self.0))
    }

    /// The digest of its last event.
    #[track_caller]
    pub(crate) fn event(&self) -> String {
        self.last()["event"].as_str().unwrap().to_owned()
    }

    /// The last event, as the command told it.
    #[track_caller]
    pub(crate) fn last(&self) -> &Value {
        let events = self.0["events"].as_array().and_then(|events| events.last());
        events.unwrap_or_else(|| panic!("it told of no event: {}", self.0))
    }

    /// The entries of its events of a type.
    #[track_caller]
    pub(crate) fn indices(&self, name: &str) -> Vec<u64> {
        let events = self.0["events"].as_array().map_or(&[][..], Vec::as_slice);
        events.iter().filter(|event| event["type"] == name).map(|event| event["index"].as_u64().unwrap()).collect()
    }

    /// The `dirHash` of the folder that it hashed.
    #[track_caller]
    pub(crate) fn dir_hash(&self) -> String {
        self.0["artifact"]["digest"]["dirHash"].as_str().unwrap().to_owned()
    }
}

/// What a question was answered.
pub(crate) struct Answer {
    asked: String,
    code: i32,
    text: String,
    error: String,
    /// The same as `--json`.
    pub(crate) json: Value,
}

impl Answer {
    /// It must have ended with this code.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "lineal {}\n{}{}", self.asked, self.text, self.error);
        self
    }

    /// Line 1 must have all of this in it.
    #[track_caller]
    pub(crate) fn answers(&self, words: &[&str]) -> &Self {
        let first = self.text.lines().next().unwrap_or_default();
        for word in words {
            assert!(first.contains(word), "lineal {}: line 1 says nothing of `{word}`\n{}", self.asked, self.text);
        }
        self
    }

    /// One line must have all of this in it.
    #[track_caller]
    pub(crate) fn has_line(&self, words: &[&str]) -> &Self {
        let found = self.text.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "lineal {}: no line with {words:?}\n{}", self.asked, self.text);
        self
    }

    /// None of this may stand anywhere.
    #[track_caller]
    pub(crate) fn is_silent_on(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(!self.text.contains(word), "lineal {}: it says `{word}`\n{}", self.asked, self.text);
        }
        self
    }

    /// Without an answer, standard error must have all of this.
    #[track_caller]
    pub(crate) fn fails_with(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.error.contains(word), "lineal {}: nothing of `{word}`\n{}", self.asked, self.error);
        }
        self
    }

    /// A list of the JSON.
    #[track_caller]
    pub(crate) fn list(&self, member: &str) -> &[Value] {
        self.json[member].as_array().map_or(&[], Vec::as_slice)
    }
}
