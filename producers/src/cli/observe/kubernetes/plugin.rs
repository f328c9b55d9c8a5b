//! A program that says who we are: `user.exec` of a kubeconfig, asked as `kubectl` asks it.
//! (client.authentication.k8s.io/v1 and v1beta1, `ExecCredential`)
//!
//! Promises that it has nobody to ask at a terminal and an end to its time, and that what is secret is neither printed nor
//! kept on disk.

use std::{
    fmt,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use lineal_producers::{clock, tls::Pem};
use lineal_schemas::timestamp::Timestamp;
use lineal_workload::kubeconfig::Program;
use serde_json::Value;

use super::{super::super::console::shown, access::Token};

/// How long it may take: it may ask a cloud.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long its last words are waited for, once it has ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The longest that it may print, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// The pause between two looks at whether it has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// Why it did not say who we are.
#[derive(Debug, thiserror::Error)]
pub(super) enum PluginError {
    /// It is not there, or no program.
    #[error("`{program}` of the kubeconfig's `user.exec` can't be run: {source}")]
    NotRun { program: String, source: io::Error, hint: Option<String> },
    /// It ended badly.
    #[error("`{program}` of the kubeconfig's `user.exec` ended with {status}: {last}")]
    Failed { program: String, status: ExitStatus, last: String },
    /// It did not end.
    #[error("`{program}` of the kubeconfig's `user.exec` did not answer within {} s", patience.as_secs())]
    Slow { program: String, patience: Duration },
    /// It said something else.
    #[error("what `{program}` of the kubeconfig's `user.exec` printed is no ExecCredential: {problem}")]
    Malformed { program: String, problem: String },
}

/// How it is asked.
pub(super) struct Plugin {
    program: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    version: String,
    hint: Option<String>,
    patience: Duration,
}

/// What is secret stays out of it: variables and arguments may be.
impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("program", &self.program).finish_non_exhaustive()
    }
}

/// What it said.
pub(super) struct Credential {
    pub(super) token: Option<Token>,
    pub(super) client: Option<(Pem, Pem)>,
    /// Until when; without it, until the server refuses it.
    pub(super) until: Option<Timestamp>,
}

impl Plugin {
    /// What `user.exec` says. `folder` is where the kubeconfig is.
    pub(super) fn new(program: Program, ca: Option<&Pem>, folder: &Path) -> Self {
        let asked = program.asked(ca.map(|ca| ca.text.as_slice())).to_string();
        let Program { command, arguments, mut variables, version, hint, .. } = program;
        variables.push(("KUBERNETES_EXEC_INFO".to_owned(), asked));
        let program = if command.contains('/') { folder.join(command) } else { command.into() };
        Self { program, arguments, variables, version, hint: hint.as_deref().map(shown), patience: PATIENCE }
    }

    /// Asks it.
    pub(super) fn ask(&self) -> Result<Credential, PluginError> {
        let printed = self.run()?;
        self.read(&printed).map_err(|problem| PluginError::Malformed { program: self.name(), problem })
    }

    fn name(&self) -> String {
        shown(&self.program.display().to_string())
    }

    fn run(&self) -> Result<Vec<u8>, PluginError> {
        let not_run = |source| PluginError::NotRun { program: self.name(), source, hint: self.hint.clone() };
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(not_run)?;
        let (out, err) = (heard(child.stdout.take()), heard(child.stderr.take()));
        let until_ms = now_ms().saturating_add(u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX));
        let printed = out.recv_timeout(self.patience).ok();
        let Some((printed, status)) = printed.zip(ended(&mut child, until_ms).map_err(not_run)?) else {
            // It may have ended in between.
            child.kill().unwrap_or_default();
            child.wait().map_err(not_run)?;
            return Err(PluginError::Slow { program: self.name(), patience: self.patience });
        };
        if status.success() {
            return Ok(printed);
        }
        // Whatever it started may still hold its other end.
        let last = err.recv_timeout(LAST_WORDS).unwrap_or_default();
        let last = String::from_utf8_lossy(&last);
        let last = last.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        let last = shown(&last.chars().take(300).collect::<String>());
        Err(PluginError::Failed { program: self.name(), status, last })
    }

    fn read(&self, printed: &[u8]) -> Result<Credential, String> {
        let said: Value = serde_json::from_slice(printed).map_err(|error| error.to_string())?;
        let is = |member: &str, expected: &str| said.get(member).and_then(Value::as_str) == Some(expected);
        if !is("kind", "ExecCredential") || !is("apiVersion", &self.version) {
            return Err(format!("its `kind` and `apiVersion` are not those of {}", self.version));
        }
        let text = |member: &str| said.get("status")?.get(member)?.as_str().filter(|text| !text.is_empty());
        let pem = |member: &str| {
            let name = format!("what `{}` printed: `{member}`", self.name());
            text(member).map(|text| Pem { name, text: text.as_bytes().to_vec() })
        };
        let client = match (pem("clientCertificateData"), pem("clientKeyData")) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("it has a certificate without its key, or a key without its certificate".to_owned()),
        };
        let token = text("token").map(|token| Token::Text(token.to_owned()));
        if token.is_none() && client.is_none() {
            return Err("it has neither `status.token` nor a certificate".to_owned());
        }
        // A time that can't be read has passed: it is asked again each time.
        let read = |time| Timestamp::from_rfc3339(time).unwrap_or_else(|_unread| Timestamp::from_millis(0));
        let until = text("expirationTimestamp").map(read);
        Ok(Credential { token, client, until })
    }
}

/// Reads a stream to its end, beside.
fn heard(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = stream.map(|stream| stream.take(MAX_BYTES).read_to_end(&mut text));
        // Half of an answer is none; who waited may have gone.
        if matches!(read, Some(Ok(_))) {
            sender.send(text).unwrap_or_default();
        }
    });
    receiver
}

/// How it ended; nothing where it has not by then.
fn ended(child: &mut Child, until_ms: u64) -> io::Result<Option<ExitStatus>> {
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if now_ms() >= until_ms => return Ok(None),
            None => std::thread::park_timeout(PAUSE),
        }
    }
}

fn now_ms() -> u64 {
    u64::try_from(clock::now().as_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use lineal_workload::kubeconfig::{Context, User};
    use serde_json::json;

    use super::*;

    fn plugin(script: &str) -> Plugin {
        let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script],
            "env": [{"name": "A", "value": "b"}]});
        let config = json!({"current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "b", "user": "c"}}],
            "clusters": [{"name": "b", "cluster": {"server": "https://x"}}], "users": [{"name": "c", "user": {"exec": exec}}]});
        let User::Told(program) = Context::parse(&config.to_string()).unwrap().user else { panic!("{config}") };
        Plugin::new(program, None, Path::new(""))
    }

    fn error(plugin: &Plugin) -> String {
        plugin.ask().err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn it_is_asked_with_its_variables_and_what_it_says_is_read() {
        let said = r#"{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\"$A\",\"expirationTimestamp\":\"2026-01-02T03:04:05Z\"}}"#;
        let credential = plugin(&format!("printf '%s' \"{said}\"")).ask().unwrap();
        assert_eq!(credential.token.map(|token| token.read().unwrap()).as_deref(), Some("b"));
        assert_eq!(credential.until.map(|until| until.to_string()).as_deref(), Some("2026-01-02T03:04:05.000Z"));
        assert!(credential.client.is_none());
    }

    #[test]
    fn whatever_else_it_does_is_said() {
        let failed = error(&plugin("echo one >&2; printf 'log \\033[2Jin first' >&2; exit 7"));
        assert!(failed.contains("exit status: 7: log \u{fffd}[2Jin first"), "{failed}");
        assert!(error(&plugin("exit 1")).ends_with("it said nothing"));
        let slow = Plugin { patience: Duration::from_millis(300), ..plugin("exec sleep 600") };
        assert!(error(&slow).contains("did not answer within 0 s"), "{}", error(&slow));
        let closed = Plugin { patience: Duration::from_millis(300), ..plugin("exec sleep 600 >&-") };
        assert!(error(&closed).contains("did not answer"), "{}", error(&closed));
        let gone = Plugin { program: "/no/such/program".into(), hint: Some("install it".to_owned()), ..plugin("") };
        assert!(matches!(gone.ask(), Err(PluginError::NotRun { hint: Some(_), .. })));
        for (printed, problem) in [
            ("", "EOF"),
            ("{}", "`kind` and `apiVersion`"),
            (
                r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","status":{"token":"x"}}"#,
                "`apiVersion`",
            ),
            (r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}"#, "neither"),
            (
                r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":""}}"#,
                "neither",
            ),
            (
                r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"x","clientKeyData":"y"}}"#,
                "without its certificate",
            ),
        ] {
            let told = error(&plugin(&format!("printf '%s' '{printed}'")));
            assert!(told.contains(problem), "{printed}: {told}");
        }
    }

    /// A program that leaves another behind, which keeps its error stream open, has still answered.
    #[test]
    fn what_it_leaves_behind_is_not_waited_for() {
        let left = plugin("sleep 2 >&- <&- & exit 3");
        assert!(error(&left).contains("exit status: 3"), "{}", error(&left));
    }
}
