//! `observe`: what runs, said by hand for one service, or looked at for a whole environment.
//!
//! One event for each service that changed, and an inventory often enough that silence is seen. Promises that nothing is
//! said of what was not seen: a part that can't be identified makes an observation incomplete, never a guess.

mod docker;
mod kubernetes;
mod layout;
mod report;
mod runtimes;
mod state;

use std::path::PathBuf;

use clap::Args;
use lineal_producers::{clock, object::Object};
use lineal_schemas::{timestamp::Timestamp, vocabulary::names::EnvironmentName};
use lineal_workload::{
    listing::{self, Pods},
    look::Look,
    naming::Naming,
};

use self::{report::Reporter, runtimes::Runtimes};
use super::{
    console::Failure,
    deployment::{ServingSet, raw},
    session::Session,
    values::read_bytes,
};

/// Say what runs: a complete state, not a change.
///
/// For one service, by what is named (with nothing named, it says that nothing runs). Or for an environment, by looking:
/// at what `kubectl` prints, at a cluster as it changes, at a Docker engine. What was seen is said when it differs from
/// what was said last, and all of it in an inventory before half of --next-within has passed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lineal-emit observe --service service/payments/fraud@eu-1/prod --model sha256:9f86…0a08 --instances 3 \\
    --observer eu-1-agent --next-within 3600
  kubectl get pods --all-namespaces -o json | lineal-emit observe --stdin --environment environment/eu-1/prod
  lineal-emit observe --kubernetes --environment environment/eu-1/prod --map prod=payments
  docker inspect $(docker ps -q) $(docker ps --format '{{.Image}}') |
    lineal-emit observe --docker - --environment environment/edge-7/prod")]
pub(crate) struct ObserveArguments {
    /// One service, `service/<owner>/<name>@<cluster>/<environment>`.
    #[arg(long, required_unless_present_any = ["stdin", "kubernetes", "docker"])]
    service: Option<String>,
    #[command(flatten)]
    serving: ServingSet,
    /// A folder in OCI image layout that holds the model, as DIR or DIR:NAME; its bytes are checked.
    #[arg(long, value_name = "DIR", requires = "service", conflicts_with = "file")]
    oci_layout: Option<String>,
    /// Who saw it, as a pseudonym.
    #[arg(long, value_name = "HANDLE", env = "LINEAL_OBSERVER", default_value = "lineal-emit")]
    observer: String,
    /// When it was seen; by default now.
    #[arg(long, value_name = "TIME")]
    observed_at: Option<String>,
    /// Not every instance was seen.
    #[arg(long)]
    partial: bool,
    /// When the next observation is due at the latest; silence after that is unknown. Of an environment, 600 by default.
    #[arg(long, value_name = "SECONDS")]
    next_within: Option<u64>,
    #[command(flatten)]
    looking: Looking,
    #[command(flatten)]
    cluster: kubernetes::ClusterArguments,
}

/// How an environment is looked at.
#[derive(Debug, Args)]
#[command(next_help_heading = "Looking at an environment")]
struct Looking {
    /// Read pods from standard input: the output of `kubectl get pods --all-namespaces -o json`. A list is all there is; a
    /// single pod is a part. With `pods,inferenceservices`, the shares of canaries are known.
    #[arg(long, conflicts_with_all = ["service", "kubernetes", "docker"], requires = "environment")]
    stdin: bool,
    /// Ask a Docker engine: its socket, or a file with the output of `docker inspect` (`-` for standard input).
    #[arg(
        long,
        value_name = "SOCKET|FILE",
        num_args = 0..=1,
        default_missing_value = docker::SOCKET,
        conflicts_with_all = ["service", "kubernetes"],
        requires = "environment"
    )]
    docker: Option<PathBuf>,
    /// Where, `environment/<cluster>/<environment>`. What is not seen there any more is gone.
    #[arg(long, env = "LINEAL_ENVIRONMENT", value_name = "NAME")]
    environment: Option<EnvironmentName>,
    /// The environment is this namespace, and no other; repeatable. By default all but those of the cluster itself.
    #[arg(long = "namespace", value_name = "NAME")]
    namespaces: Vec<String>,
    /// What services are called: NAMESPACE=OWNER, or NAMESPACE/WORKLOAD=OWNER/NAME; repeatable. By default a service is
    /// called after its namespace and its workload, unless its pods say another name.
    #[arg(long = "map", value_name = "FROM=TO")]
    mapped: Vec<String>,
    /// A server that is asked which models and adapters it has loaded: SERVICE=URL, repeatable; with --service just URL.
    #[arg(long = "runtime", value_name = "[SERVICE=]URL")]
    runtimes: Vec<String>,
    /// Ask the pods that say `lineal.dev/runtime: PORT` what they have loaded.
    #[arg(long)]
    ask_runtimes: bool,
    /// Say the inventory now, whether it is due or not.
    #[arg(long)]
    inventory: bool,
}

/// How long an environment may be silent, where nothing is said.
const NEXT_WITHIN_SECONDS: u64 = 600;

pub(crate) fn observe(session: &Session<'_>, arguments: ObserveArguments) -> Result<u8, Failure> {
    match arguments.service.clone() {
        Some(service) => one(session, &service, arguments),
        None => environment(session, &arguments),
    }
}

/// One service, as it is named.
fn one(session: &Session<'_>, service: &str, arguments: ObserveArguments) -> Result<u8, Failure> {
    let (mut more, mut complete) = (Vec::new(), !arguments.partial);
    if let Some(layout) = &arguments.oci_layout {
        more.push(raw(layout::component(layout)?)?);
    }
    if let Some(url) = arguments.looking.runtimes.first() {
        let names_a_model = arguments.serving.names_a_model() || !more.is_empty();
        match runtimes::ask_one(url, names_a_model)? {
            Some(loaded) => more.extend(loaded),
            None => complete = false,
        }
    }
    let sets = arguments.serving.read_with(more)?;
    let payload = Object::new()
        .with("service", service)
        .with("servingSet", sets)
        .with("observedAt", arguments.observed_at.unwrap_or_else(|| clock::now().to_string()))
        .with("observer", arguments.observer)
        .with("complete", complete)
        .with_some("nextWithinSeconds", arguments.next_within);
    session.emit_one(session.draft("deployment.observed", service, payload, Vec::new()), None)
}

fn environment(session: &Session<'_>, arguments: &ObserveArguments) -> Result<u8, Failure> {
    let looking = &arguments.looking;
    if arguments.serving.is_given() {
        return Err(Failure::usage("what runs in an environment is looked at, not named")
            .with_hint("leave out --model and its like, or name one --service"));
    }
    let naming = Naming::new(looking.namespaces.clone(), &looking.mapped).map_err(Failure::usage)?;
    let runtimes = Runtimes::new(&looking.runtimes, looking.ask_runtimes)?;
    let mut reporter = Reporter::open(session, arguments, naming)?;
    if arguments.cluster.is_given() {
        return kubernetes::watch(session, arguments, reporter, &runtimes);
    }
    let looks = match &looking.docker {
        Some(place) => vec![(docker::look(place, reporter.naming())?, true)],
        None => pods(reporter.naming())?,
    };
    for (mut look, listed) in looks {
        runtimes.ask(&mut look, reporter.naming());
        reporter.see(look, listed && !arguments.partial, at(arguments)?);
    }
    reporter.say()
}

/// The looks on standard input, each with whether it is of all that there is.
fn pods(naming: &Naming) -> Result<Vec<(Look, bool)>, Failure> {
    let text = read_bytes("-".as_ref())?;
    let read = listing::read(&text);
    let looks = read.map_err(|error| {
        Failure::refused(format!("{error} ({})", error.code()))
            .with_hint("nothing was said: what runs is not known from it")
    })?;
    let look = |pods: &Pods| {
        let mut look = Look::of(&pods.items, pods.whole, naming);
        pods.services.iter().for_each(|service| look.split(service));
        (look, pods.whole)
    };
    Ok(looks.iter().map(look).collect())
}

/// When it was seen.
fn at(arguments: &ObserveArguments) -> Result<Timestamp, Failure> {
    match &arguments.observed_at {
        None => Ok(clock::now()),
        Some(text) => Timestamp::from_rfc3339(text).map_err(|error| {
            Failure::usage(format!("--observed-at {text}: {error}; a time is like 2026-11-23T21:50:12Z"))
        }),
    }
}
