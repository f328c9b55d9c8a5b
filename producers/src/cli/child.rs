//! The command that `run` and `evaluation` wrap: started, passed signals, and its end read as a shell reads it.
//!
//! Promises that the wrapper outlives the command, so that its end is always recorded, and never signals another process:
//! the command's id is given up before the command is reaped.

use std::{
    ffi::{OsStr, OsString},
    io::{self, IsTerminal},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus},
    sync::{Mutex, PoisonError},
    thread,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM},
    iterator::Signals,
};

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// What a shell calls its exit code: 128 and the number for a signal, 126 and 127 if it never ran.
    pub(crate) code: u8,
    /// Why, as a code of the vocabulary; none if it ended well.
    pub(crate) failure: Option<String>,
    /// What the system said, if it never ran.
    pub(crate) message: Option<String>,
}

/// Runs a command to its end.
pub(crate) fn run(command: &[OsString], variables: &[(&str, &OsStr)]) -> io::Result<Ended> {
    let Some((program, arguments)) = command.split_first() else { return Ok(not_started(&io::Error::other("empty"))) };
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT])?;
    let handle = signals.handle();
    let mut child = match Command::new(program).args(arguments).envs(variables.iter().copied()).spawn() {
        Ok(child) => child,
        Err(error) => return Ok(not_started(&error)),
    };
    let running = Mutex::new(Some(Pid::from_child(&child)));
    thread::scope(|scope| {
        scope.spawn(|| signals.forever().for_each(|signal| forward(signal, &running)));
        let status = wait(&mut child, &running);
        handle.close();
        status.map(ended)
    })
}

/// A terminal sends its own Ctrl-C and Ctrl-\ to the command as well; sent twice, the command could not clean up.
fn forward(signal: i32, running: &Mutex<Option<Pid>>) {
    let from_terminal = matches!(signal, SIGINT | SIGQUIT) && io::stdin().is_terminal();
    let running = running.lock().unwrap_or_else(PoisonError::into_inner);
    if let (false, Some(pid), Some(signal)) = (from_terminal, *running, Signal::from_named_raw(signal)) {
        // A command that has ended in between needs no signal.
        kill_process(pid, signal).unwrap_or_default();
    }
}

/// Waits without reaping, gives up the id, then reaps: from there on the id may be another process's.
fn wait(child: &mut Child, running: &Mutex<Option<Pid>>) -> io::Result<ExitStatus> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(error) = waitid(WaitId::Pid(Pid::from_child(child)), options) {
        if error != rustix::io::Errno::INTR {
            return Err(error.into());
        }
    }
    *running.lock().unwrap_or_else(PoisonError::into_inner) = None;
    child.wait()
}

fn ended(status: ExitStatus) -> Ended {
    let (code, failure) = match (status.code(), status.signal()) {
        (Some(0), _) => (0, None),
        (Some(code), _) => (code, Some(format!("exit-{code}"))),
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            (128 + signal, Some(format!("signal-{signal}")))
        }
    };
    Ended { code: u8::try_from(code).unwrap_or(1), failure, message: None }
}

fn not_started(error: &io::Error) -> Ended {
    let (code, failure) =
        if error.kind() == io::ErrorKind::NotFound { (127, "command-not-found") } else { (126, "command-not-started") };
    Ended { code, failure: Some(failure.to_owned()), message: Some(error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Ended {
        run(&["sh", "-c", script].map(OsString::from), &[("SAID", OsStr::new("7"))]).unwrap()
    }

    #[test]
    fn an_end_is_read_as_a_shell_reads_it() {
        assert_eq!(shell("exit 0"), Ended { code: 0, failure: None, message: None });
        assert_eq!(shell("exit $SAID"), Ended { code: 7, failure: Some("exit-7".to_owned()), message: None });
        assert_eq!(shell("kill -KILL $$").code, 137);
        assert_eq!(run(&["/no/such/program".into()], &[]).unwrap().code, 127);
        assert_eq!(run(&["/".into()], &[]).unwrap().code, 126);
    }
}
