//! The three programs as subprocesses: built if need be, run, and held to the outcome that the story tells.
//!
//! Nothing of Lineal is linked into the demo: what works here works from a shell. A program that ends otherwise than told
//! is an error with its command line and everything that it printed.

use std::{
    ffi::OsStr,
    fs::File,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::road::Nats;

/// Where the three programs are.
pub(crate) struct Programs {
    directory: PathBuf,
    /// This very program. The path is taken before the build: cargo lays the file anew, and the one that runs is then gone.
    own: PathBuf,
}

impl Programs {
    /// Builds the programs in the profile of the demo itself, and finds them beside it: the demo is
    /// `target/<profile>/examples/demo`, they are `target/<profile>/lineal*`.
    pub(crate) fn build(cargo: &Path) -> Result<Self> {
        let own = std::env::current_exe().context("the demo's own path")?;
        let mut build = Command::new(cargo);
        // A build script that looks at what cargo says to the demo of itself would see a change, and build half the tree again.
        for (name, _value) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
                build.env_remove(name);
            }
        }
        build.args(["build", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"), "--bins"]);
        // The demo itself among them: so cargo chooses the same features as when it built the demo, and builds nothing twice.
        build.args(["-p", "lineal-ledger", "-p", "lineal-producers", "-p", "lineal-verifier"]);
        build.args(["-p", "lineal-tests", "--example", "demo"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        lineal_tests::programs::as_if_by_hand(&mut build);
        ensure!(build.status().with_context(|| line(&build))?.success(), "{} failed", line(&build));
        let directory = own.parent().and_then(Path::parent).context("the demo is not in a target directory")?;
        Ok(Self { directory: directory.to_owned(), own })
    }

    /// A job of this very program.
    pub(crate) fn own(&self, job: &str) -> Call {
        Call::of(&self.own, job)
    }

    /// The ledger.
    pub(crate) fn lineal(&self, command: &str) -> Call {
        self.call("lineal", command)
    }

    /// The producers' program.
    pub(crate) fn emit(&self, command: &str) -> Call {
        self.call("lineal-emit", command)
    }

    /// The auditor's program.
    pub(crate) fn verify(&self, command: &str) -> Call {
        self.call("lineal-verify", command)
    }

    /// How to type a program's name in a shell.
    pub(crate) fn path(&self, program: &str) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let path = self.directory.join(program);
        path.strip_prefix(here).unwrap_or(&path).display().to_string()
    }

    fn call(&self, program: &str, command: &str) -> Call {
        Call::of(&self.directory.join(program).with_extension(std::env::consts::EXE_EXTENSION), command)
    }
}

/// One call of a program, before it runs.
pub(crate) struct Call {
    command: Command,
}

impl Call {
    /// A call of another program.
    pub(crate) fn of(program: &Path, command: &str) -> Self {
        let mut call = Command::new(program);
        call.arg(command).env("NO_COLOR", "1");
        Self { command: call }
    }

    /// Adds `--` and a whole command line, to be run by this call.
    pub(crate) fn wrapping(self, inner: Self) -> Self {
        let words = std::iter::once(inner.command.get_program()).chain(inner.command.get_args());
        self.args(["--"]).args(words)
    }

    /// Adds an option and its value.
    pub(crate) fn with(mut self, option: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.arg(option).arg(value);
        self
    }

    /// Adds plain arguments.
    pub(crate) fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Runs it; it must end with 0. Gives what it wrote to standard output.
    pub(crate) fn succeed(self) -> Result<String> {
        self.end_with(0)
    }

    /// Runs it; it must end with `code`. Gives what it wrote to standard output.
    pub(crate) fn end_with(mut self, code: i32) -> Result<String> {
        let Output { status, stdout, stderr } = self.command.output().with_context(|| line(&self.command))?;
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        if status.code() == Some(code) {
            return Ok(stdout.into_owned());
        }
        bail!("{}\nended with {status}, not {code}\n{stdout}{stderr}", line(&self.command))
    }
}

/// A ledger that serves, until it is killed.
pub(crate) struct Serving {
    child: Child,
    address: SocketAddr,
}

/// How often a starting ledger is asked whether it is ready, and the pause between: ten seconds in all.
const ASKED: u32 = 500;
const PAUSE: Duration = Duration::from_millis(20);

impl Serving {
    /// Starts `lineal serve` on a free port of this machine, and waits until it says that it is ready.
    pub(crate) fn start(programs: &Programs, ledger: &Path, log: &Path, nats: Option<&Nats>) -> Result<Self> {
        // Asking for port 0 and letting go of it leaves a moment in which another program may take it; then `serve` fails.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let output = File::create(log)?;
        let serve = programs.lineal("serve").with("--dir", ledger).with("--http", address.to_string());
        let mut serve = match nats {
            Some(nats) => nats.serve(serve).command,
            None => serve.command,
        };
        serve.stdout(output.try_clone()?).stderr(output);
        let mut serving = Self { child: serve.spawn().with_context(|| line(&serve))?, address };
        for _ in 0..ASKED {
            if serving.ready(nats.is_some()) {
                return Ok(serving);
            }
            ensure!(serving.child.try_wait()?.is_none(), "{} ended:\n{}", line(&serve), end(log)?);
            std::thread::park_timeout(PAUSE);
        }
        bail!("{} is not ready:\n{}", line(&serve), end(log)?)
    }

    /// What producers send to.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends the ledger as a crash would, with SIGKILL, and no chance to tidy up.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Whether it takes events, from NATS as well if it is to.
    fn ready(&self, nats: bool) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&self.address, PAUSE)?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            let request = format!("GET /readyz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
            stream.write_all(request.as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200") && (!nats || answer.contains("\"reading\":true")))
    }
}

impl Drop for Serving {
    /// A demo that fails leaves no ledger running.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// The command line, to be read by a person.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The last lines of a file.
fn end(log: &Path) -> Result<String> {
    let text = std::fs::read_to_string(log)?;
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines.get(lines.len().saturating_sub(10)..).unwrap_or(&lines).join("\n"))
}
