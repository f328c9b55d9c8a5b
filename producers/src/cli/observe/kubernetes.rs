//! A cluster: its pods are listed, then watched, and listed again before an inventory is due.
//!
//! Promises that an inventory is always of a new list, so that a watch that has gone silent is never taken for a cluster in
//! which nothing happens. While the API server is away nothing is said, and what was promised runs out: silence is seen.
//! It ends at any moment without harm; what was said last is kept beside the outbox.

mod access;
mod api;
mod cache;
mod kubeconfig;
mod plugin;

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use lineal_producers::{Emitter, backoff::Backoff, clock};
use lineal_workload::change::Change;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

use self::{
    access::Access,
    api::{Api, ApiError, Watch},
    cache::Cache,
};
use super::{
    super::{
        console::{self, Failure, shown},
        session::{Session, report},
    },
    ObserveArguments,
    report::Reporter,
    runtimes::Runtimes,
};

/// How many lists there are in the time in which the next observation is promised.
const LISTS: u64 = 4;

/// The shortest time between two lists.
const SHORTEST_MS: u64 = 1_000;

/// The pause after a watch that ended: a server that ends each at once is not asked without rest.
const REST: Duration = Duration::from_millis(200);

/// Where a cluster is, and who we are there.
#[derive(Debug, Args)]
#[command(next_help_heading = "Looking at a cluster")]
pub(super) struct ClusterArguments {
    /// Watch the pods of a cluster until stopped: the one that it runs in, or the one at this URL, such as that of
    /// `kubectl proxy`.
    #[arg(
        long,
        value_name = "URL",
        num_args = 0..=1,
        default_missing_value = "",
        conflicts_with = "service",
        requires = "environment"
    )]
    kubernetes: Option<String>,
    /// The server and the account of a kubeconfig's current context, in YAML or JSON. The program that it names for a
    /// token or a certificate is run.
    #[arg(long, value_name = "FILE", requires = "kubernetes")]
    kubeconfig: Option<PathBuf>,
    /// Look once, and end.
    #[arg(long, requires = "kubernetes")]
    once: bool,
    /// Certificates of the authority of the API server.
    #[arg(long, value_name = "FILE", requires = "kubernetes")]
    api_ca: Option<PathBuf>,
    /// File with the token to show it; read again for each request.
    #[arg(long, value_name = "FILE", requires = "kubernetes")]
    api_token: Option<PathBuf>,
    /// Certificate to show it.
    #[arg(long, value_name = "FILE", requires = "api_key")]
    api_cert: Option<PathBuf>,
    /// The certificate's private key.
    #[arg(long, value_name = "FILE", requires = "api_cert")]
    api_key: Option<PathBuf>,
}

impl ClusterArguments {
    pub(super) const fn is_given(&self) -> bool {
        self.kubernetes.is_some()
    }
}

/// What a look over the watch needs.
struct Watching<'a, 'b> {
    api: Api,
    cache: Cache,
    reporter: Reporter<'b>,
    runtimes: &'a Runtimes,
    emitter: Emitter,
}

pub(super) fn watch(
    session: &Session<'_>,
    arguments: &ObserveArguments,
    mut reporter: Reporter<'_>,
    runtimes: &Runtimes,
) -> Result<u8, Failure> {
    let mut api = Api::open(Access::of(&arguments.cluster, session.variables)?, &arguments.looking.namespaces)?;
    let mut cache = Cache::default();
    if arguments.cluster.once {
        let listed = api.list()?;
        cache.replace(&listed.pods, Some(listed.version), reporter.naming());
        see(&mut api, &cache, runtimes, &mut reporter);
        return reporter.say();
    }
    for signal in [SIGINT, SIGTERM] {
        // The first process of a container has no handler of its own.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::new(true.into()))
            .map_err(|error| Failure::usage(format!("signals can't be handled: {error}")))?;
    }
    let mut watching = Watching { api, cache, reporter, runtimes, emitter: session.emitter()? };
    watching.list()?;
    watching.say()?;
    console::status("watching; a signal ends it");
    watching.run()
}

/// Takes a look at what is known, as of now. How traffic is split is asked only where a pod is one of several revisions.
fn see(api: &mut Api, cache: &Cache, runtimes: &Runtimes, reporter: &mut Reporter<'_>) {
    let mut look = cache.look();
    if look.instances.iter().any(|instance| instance.revision.is_some()) {
        match api.services() {
            Ok(services) => services.iter().for_each(|service| look.split(service)),
            Err(error) => {
                look.remarks.push(format!("how InferenceServices split their traffic can't be seen: {error}"));
            }
        }
    }
    runtimes.ask(&mut look, reporter.naming());
    reporter.see(look, true, clock::now());
}

impl Watching<'_, '_> {
    /// Until a signal comes. What can't be signed or kept ends it; what the network does does not.
    fn run(&mut self) -> Result<u8, Failure> {
        let mut backoff = Backoff::default();
        loop {
            let problem = match self.follow() {
                Ok(()) => self.list().err(),
                Err(FollowError::Api(error)) => Some(error),
                Err(FollowError::Failure(failure)) => return Err(failure),
            };
            match problem {
                None => {
                    backoff = Backoff::default();
                    self.say()?;
                }
                Some(error) => {
                    console::status(format!("warning: the pods can't be seen: {error}"));
                    rest(backoff.pause());
                    self.cache.forget_version();
                }
            }
        }
    }

    /// Lists all pods, in place of what was known.
    fn list(&mut self) -> Result<(), ApiError> {
        let listed = self.api.list()?;
        self.cache.replace(&listed.pods, Some(listed.version), self.reporter.naming());
        Ok(())
    }

    /// Follows the watch until it is time for a new list.
    fn follow(&mut self) -> Result<(), FollowError> {
        let span_ms = (self.reporter.next_within_seconds() * 1_000 / LISTS).max(SHORTEST_MS);
        let until_ms = now_ms().saturating_add(span_ms);
        while let Some(version) = self.cache.version().map(str::to_owned) {
            let left_ms = until_ms.saturating_sub(now_ms());
            if left_ms == 0 {
                return Ok(());
            }
            let mut watch = match self.api.watch(&version, Duration::from_millis(left_ms)) {
                Ok(watch) => watch,
                Err(ApiError::Expired) => {
                    rest(REST);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            self.changes(&mut watch)?;
            rest(REST);
        }
        Ok(())
    }

    /// Takes the changes of one watch in, and says what they come to. A watch may end at any time.
    fn changes(&mut self, watch: &mut Watch) -> Result<(), FollowError> {
        let mut is_unsaid = false;
        loop {
            let read = watch.next();
            let is_over = !matches!(read, Ok(Some(_)));
            match read {
                Ok(Some((Change::Expired, _none))) => self.cache.forget_version(),
                Ok(Some((change, version))) => {
                    is_unsaid |= self.cache.take(change, version, self.reporter.naming());
                }
                Ok(None) => {}
                Err(problem) => console::status(format!("note: the watch ended: {}", shown(&problem))),
            }
            // What has already come is taken in first: a rollout is many changes.
            if is_unsaid && (is_over || !watch.has_more()) {
                self.say().map_err(FollowError::Failure)?;
                is_unsaid = false;
            }
            if is_over || self.cache.version().is_none() {
                return Ok(());
            }
        }
    }

    /// Says what is known, as of now. A refusal is said, and the next event may fare better.
    fn say(&mut self) -> Result<(), Failure> {
        see(&mut self.api, &self.cache, self.runtimes, &mut self.reporter);
        report(&self.reporter.say_over(&mut self.emitter)?);
        Ok(())
    }
}

enum FollowError {
    Api(ApiError),
    Failure(Failure),
}

impl From<ApiError> for FollowError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

fn now_ms() -> u64 {
    u64::try_from(clock::now().as_millis()).unwrap_or_default()
}

/// Waits; being woken early does no harm.
fn rest(pause: Duration) {
    std::thread::park_timeout(pause);
}
