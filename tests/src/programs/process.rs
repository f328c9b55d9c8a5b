//! A program that runs beside a test: what it says, the line by which it tells that it is there, and how it ends.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStderr, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use super::{Ended, PATIENCE, run};

/// A program that runs, until it is stopped, killed or dropped.
#[derive(Debug)]
pub struct Process {
    command: String,
    child: Child,
    said: Arc<Mutex<String>>,
    /// Gives what followed the mark, and ends with the process.
    events: mpsc::Receiver<String>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts a program, and waits for nothing. A line of its standard error with `mark` in it tells that it is there.
    #[track_caller]
    pub fn spawn(mut command: Command, mark: &'static str) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stderr = child.stderr.take().expect("standard error was piped");
        let (said, (sender, events)) = (Arc::default(), mpsc::channel());
        let reader = std::thread::spawn({
            let said = Arc::clone(&said);
            move || listen(stderr, mark, &said, &sender)
        });
        Self { command: format!("{command:?}"), child, said, events, reader: Some(reader) }
    }

    /// Waits until it is there, and gives the rest of the line that told so; or how it ended before.
    #[track_caller]
    pub fn settled(&mut self) -> Result<String, Ended> {
        match self.events.recv_timeout(PATIENCE) {
            Ok(rest) => Ok(rest),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(self.ended()),
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("neither ready nor ended:\n{}", self.said()),
        }
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn ends(mut self) -> Ended {
        loop {
            match self.events.recv_timeout(PATIENCE) {
                Ok(_mark) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return self.ended(),
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it goes on:\n{}", self.said()),
            }
        }
    }

    /// Its number at the system.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on standard error.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets it live on for a while, as a crash comes at any moment.
    pub fn live_for(&self, time: Duration) {
        // The only thing that can come is its end.
        match self.events.recv_timeout(time) {
            Ok(_) | Err(_) => {}
        }
    }

    /// Sends it a signal, by its name.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        run(Command::new("kill").args([&format!("-{name}"), &self.id().to_string()])).succeeded();
    }

    /// Kills it (SIGKILL), and waits until it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    /// Stops it (SIGTERM), and tells how it ended.
    #[track_caller]
    pub fn stop(mut self) -> Ended {
        self.signal("TERM");
        while let Ok(_mark) = self.events.recv_timeout(PATIENCE) {}
        self.ended()
    }

    fn ended(&mut self) -> Ended {
        let status = self.child.wait().expect("a child can be waited for");
        self.join();
        let (stderr, stdout) = (self.said(), String::new());
        Ended { code: status.code(), stdout, stderr, command: self.command.clone() }
    }

    fn end(&mut self) {
        // It may be gone already.
        match self.child.kill() {
            Ok(()) | Err(_) => {}
        }
        match self.child.wait() {
            Ok(_) | Err(_) => {}
        }
        self.join();
    }

    fn join(&mut self) {
        if let Some(reader) = self.reader.take() {
            // The reader does nothing that can panic.
            match reader.join() {
                Ok(()) | Err(_) => {}
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

fn listen(stderr: ChildStderr, mark: &str, said: &Mutex<String>, events: &mpsc::Sender<String>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_str(&line);
            said.push('\n');
        }
        if let Some((_before, rest)) = line.split_once(mark) {
            // A test that has gone does not want it any more.
            match events.send(rest.trim().to_owned()) {
                Ok(()) | Err(_) => {}
            }
        }
    }
}
