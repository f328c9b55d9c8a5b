//! The API server: a list of pods in pages, and a watch from its version on, as Kubernetes' API concepts describe them.
//!
//! Only ever reads. Promises that a list whose pages do not belong together is made anew, and that a watch ends no later
//! than it was asked to.

use std::{
    fmt,
    io::{BufRead as _, BufReader, Read},
    path::PathBuf,
    time::Duration,
};

use lineal_producers::{
    clock,
    delivery::chain,
    tls::{self, Pem, TlsError},
};
use lineal_schemas::timestamp::Timestamp;
use lineal_workload::{
    change::{self, Change},
    listing,
};
use serde_json::Value;

use super::{
    super::super::console::Failure,
    access::{Access, Account, Token},
    plugin::{Credential, PluginError},
};

/// Pods in a page.
const PAGE: usize = 500;

/// The most pages of a list.
const MAX_PAGES: usize = 10_000;

/// The longest page, in bytes.
const MAX_PAGE_BYTES: u64 = 1024 * 1024 * 1024;

/// The longest line of a watch, in bytes: objects have at most some 1.5 MiB.
const MAX_LINE_BYTES: u64 = 8 * 1024 * 1024;

/// How long a connection, or a page, may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// How much longer than it was asked for a watch may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// Why the API server did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// The version, or the next page, is of a past that the server has forgotten.
    #[error("the list has expired (410)")]
    Expired,
    /// It said no.
    #[error("{url} answers with status {status}: {message}")]
    Refused { url: String, status: u16, message: String },
    /// It can't be reached, or stopped in the middle.
    #[error("{url}: {problem}")]
    Away { url: String, problem: String },
    /// It is no list.
    #[error("{url}: {problem}")]
    Malformed { url: String, problem: String },
    /// The token can't be read.
    #[error("{}: {source}", path.display())]
    Token { path: PathBuf, source: std::io::Error },
    /// The program that says who we are did not.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// What is to be shown over TLS can't be.
    #[error("{}", chain(.0))]
    Tls(#[from] TlsError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let hint = match &error {
            ApiError::Refused { status: 401 | 403, .. } => {
                "the account needs the verbs `list` and `watch` on `pods`, of all namespaces unless one --namespace is given"
            }
            ApiError::Token { .. } => "--api-token names the file",
            ApiError::Plugin(PluginError::NotRun { hint: Some(hint), .. }) => hint,
            ApiError::Plugin(_) => "`kubectl get pods` runs the same program, and shows what it asks for",
            _ => "`kubectl proxy` gives a URL that needs no TLS: --kubernetes http://127.0.0.1:8001",
        };
        Self::usage(error.to_string()).with_hint(hint)
    }
}

/// An API server.
pub(super) struct Api {
    pods: String,
    services: String,
    ca: Option<Pem>,
    account: Account,
    shown: Shown,
}

/// Who we are now.
struct Shown {
    agent: ureq::Agent,
    token: Option<Token>,
    until: Option<Timestamp>,
}

impl Shown {
    /// As an account says; its program is asked.
    fn of(account: &Account, ca: Option<&Pem>) -> Result<Self, ApiError> {
        match account {
            Account::Known { client, token } => Self::new(ca, client.as_ref(), token.clone(), None),
            Account::Told(plugin) => {
                let Credential { token, client, until } = plugin.ask()?;
                Self::new(ca, client.as_ref(), token, until)
            }
        }
    }

    fn new(
        ca: Option<&Pem>,
        client: Option<&(Pem, Pem)>,
        token: Option<Token>,
        until: Option<Timestamp>,
    ) -> Result<Self, ApiError> {
        let client = client.map(|(certificate, key)| (certificate, key));
        let tls = ca.map_or_else(|| Ok(tls::trusting_nobody()), |ca| tls::trusting_only(ca, client))?;
        let config = ureq::Agent::config_builder().timeout_connect(Some(TIMEOUT)).http_status_as_error(false);
        let config = config.max_redirects(0).proxy(None).user_agent(concat!("lineal-emit/", env!("CARGO_PKG_VERSION")));
        Ok(Self { agent: config.tls_config(tls).build().into(), token, until })
    }
}

/// The pods of one list.
pub(super) struct Listed {
    pub(super) pods: Vec<Value>,
    pub(super) version: String,
}

impl Api {
    /// No server is asked yet.
    pub(super) fn open(access: Access, namespaces: &[String]) -> Result<Self, ApiError> {
        let Access { server, ca, account } = access;
        let shown = Shown::of(&account, ca.as_ref())?;
        // One namespace can be seen by who may see no other.
        let within = match namespaces {
            [one] => format!("namespaces/{}/", escaped(one)),
            _ => String::new(),
        };
        let pods = format!("{server}/api/v1/{within}pods");
        let services = format!("{server}/apis/serving.kserve.io/v1beta1/{within}inferenceservices");
        Ok(Self { pods, services, ca, account, shown })
    }

    /// Lists the pods, page by page; once more from the beginning where a page came too late.
    pub(super) fn list(&mut self) -> Result<Listed, ApiError> {
        let url = self.pods.clone();
        let page = match self.pages(&url) {
            Err(ApiError::Expired) => self.pages(&url),
            listed => listed,
        }?;
        let version = page.version.ok_or_else(|| malformed(&url, "a list without a resourceVersion"))?;
        Ok(Listed { pods: page.items, version })
    }

    /// The `InferenceService`s of now; none where there is no KServe.
    pub(super) fn services(&mut self) -> Result<Vec<Value>, ApiError> {
        match self.pages(&self.services.clone()) {
            Ok(page) => Ok(page.services),
            Err(ApiError::Refused { status: 404, .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// All pages of a list, as the last one with what is in all of them.
    fn pages(&mut self, url: &str) -> Result<listing::Page, ApiError> {
        let (mut pods, mut services, mut next) = (Vec::new(), Vec::new(), None::<String>);
        for number in 1..=MAX_PAGES {
            let more = next.take().map(|token| format!("&continue={}", escaped(&token))).unwrap_or_default();
            let body = self.get(&format!("{url}?limit={PAGE}{more}"), TIMEOUT)?;
            let document: Value = serde_json::from_reader(BufReader::new(body.take(MAX_PAGE_BYTES)))
                .map_err(|error| malformed(url, error))?;
            let page = listing::page(document, number).map_err(|error| malformed(url, error))?;
            pods.extend(page.items);
            services.extend(page.services);
            match page.next {
                None => return Ok(listing::Page { items: pods, services, ..page }),
                more => next = more,
            }
        }
        Err(malformed(url, format!("a list of more than {MAX_PAGES} pages")))
    }

    /// Watches from a version on, for at most so long.
    pub(super) fn watch(&mut self, version: &str, span: Duration) -> Result<Watch, ApiError> {
        let (version, seconds) = (escaped(version), span.as_secs().max(1));
        let pods = &self.pods;
        let url = format!("{pods}?watch=1&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds={seconds}");
        let body = self.get(&url, Duration::from_secs(seconds) + GRACE)?;
        Ok(Watch { lines: BufReader::new(Box::new(body)) })
    }

    /// Asks, and once more where what a program said is not taken any longer.
    fn get(&mut self, url: &str, timeout: Duration) -> Result<impl Read + use<>, ApiError> {
        let is_told = matches!(self.account, Account::Told(_));
        if is_told && self.shown.until.is_some_and(|until| until <= clock::now()) {
            self.shown = Shown::of(&self.account, self.ca.as_ref())?;
        }
        let mut response = self.ask(url, timeout)?;
        if is_told && response.status().as_u16() == 401 {
            self.shown = Shown::of(&self.account, self.ca.as_ref())?;
            response = self.ask(url, timeout)?;
        }
        let status = response.status().as_u16();
        let body = response.into_body().into_reader();
        match status {
            200 => Ok(body),
            410 => Err(ApiError::Expired),
            _ => Err(ApiError::Refused { url: place(url), status, message: message(body) }),
        }
    }

    fn ask(&self, url: &str, timeout: Duration) -> Result<ureq::http::Response<ureq::Body>, ApiError> {
        let mut request = self.shown.agent.get(url).config().timeout_global(Some(timeout)).build();
        if let Some(token) = &self.shown.token {
            let token = token.read().map_err(|(path, source)| ApiError::Token { path, source })?;
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let away = |error: ureq::Error| ApiError::Away { url: place(url), problem: error.to_string() };
        request.header("accept", "application/json").call().map_err(away)
    }
}

/// A URL without its query.
fn place(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

fn malformed(url: &str, problem: impl ToString) -> ApiError {
    ApiError::Malformed { url: url.to_owned(), problem: problem.to_string() }
}

/// The sentence of a `Status`; whatever it is, shortened.
fn message(body: impl Read) -> String {
    let mut text = String::new();
    if let Err(error) = body.take(64 * 1024).read_to_string(&mut text) {
        return error.to_string();
    }
    let status: Option<Value> = serde_json::from_str(&text).ok();
    let said = status.as_ref().and_then(|status| status.get("message")?.as_str()).unwrap_or(&text);
    said.chars().take(300).flat_map(char::escape_debug).collect()
}

/// As a part of a URL: everything but RFC 3986's unreserved characters is escaped.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(escape).collect()
}

/// A watch: one change a line, until the server ends it.
pub(super) struct Watch {
    lines: BufReader<Box<dyn Read>>,
}

impl Watch {
    /// The next change; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<(Change, Option<String>)>, String> {
        let mut line = Vec::new();
        let read = self.lines.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        match read {
            Err(error) => Err(error.to_string()),
            Ok(0) => Ok(None),
            Ok(_) if !line.ends_with(b"\n") => Err("in the middle of a line".to_owned()),
            Ok(_) => change::read(&line).map(Some),
        }
    }

    /// Whether another change has come already.
    pub(super) fn has_more(&self) -> bool {
        self.lines.buffer().contains(&b'\n')
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
