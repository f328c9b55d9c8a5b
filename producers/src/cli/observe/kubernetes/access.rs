//! Which API server, and as whom: by options, by a kubeconfig in JSON, or as the account of the pod that this runs in.
//!
//! Promises that nothing is spoken over TLS to a server that nobody named an authority for, and that a kubeconfig that asks
//! for more than is done here (a program to run, a proxy, no verification) is refused and not half followed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use lineal_producers::{delivery::chain, tls::Pem};
use serde_json::Value;

use super::{super::super::console::Failure, ClusterArguments};

/// Where a pod finds who it is.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What needs more than is done here.
const UNSUPPORTED: [(&str, &str); 7] = [
    ("user", "exec"),
    ("user", "auth-provider"),
    ("user", "username"),
    ("user", "as"),
    ("cluster", "proxy-url"),
    ("cluster", "tls-server-name"),
    ("cluster", "insecure-skip-tls-verify"),
];

/// A server, and who we are there.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) server: String,
    pub(super) ca: Option<Pem>,
    pub(super) client: Option<(Pem, Pem)>,
    pub(super) token: Option<Token>,
}

/// What is shown with each request.
pub(super) enum Token {
    /// A file, which is read again each time: tokens of accounts are renewed.
    File(PathBuf),
    Text(String),
}

/// What is secret stays out of it.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_secret) => f.debug_tuple("Text").finish_non_exhaustive(),
        }
    }
}

impl Token {
    pub(super) fn read(&self) -> Result<String, (PathBuf, std::io::Error)> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => {
                fs::read_to_string(path).map(|text| text.trim().to_owned()).map_err(|error| (path.clone(), error))
            }
        }
    }
}

impl Access {
    /// What options say counts before what a kubeconfig or an account says.
    pub(super) fn of(arguments: &ClusterArguments, variables: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let given = arguments.kubernetes.as_deref().unwrap_or_default();
        let found = match (&arguments.kubeconfig, given) {
            (Some(path), _) => Self::of_kubeconfig(path)?,
            (None, "") => Self::of_account(variables)?,
            (None, url) => Self { server: url.to_owned(), ca: None, client: None, token: None },
        };
        let pem = |path: &PathBuf| Pem::read(path).map_err(|error| Failure::usage(chain(&error)));
        let client = match (&arguments.api_cert, &arguments.api_key) {
            (Some(certificate), Some(key)) => Some((pem(certificate)?, pem(key)?)),
            _ => found.client,
        };
        let access = Self {
            server: found.server.trim_end_matches('/').to_owned(),
            ca: arguments.api_ca.as_ref().map(pem).transpose()?.or(found.ca),
            client,
            token: arguments.api_token.clone().map(Token::File).or(found.token),
        };
        if access.server.starts_with("https://") && access.ca.is_none() {
            let problem = format!("nobody says whose certificate {} has to show", access.server);
            return Err(Failure::usage(problem).with_hint("give --api-ca FILE, the authority of the cluster"));
        }
        Ok(access)
    }

    /// The server of the cluster that this runs in.
    fn of_account(variables: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let get = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        let host = get("KUBERNETES_SERVICE_HOST").ok_or_else(|| {
            Failure::usage("this does not run in a cluster: KUBERNETES_SERVICE_HOST is not set")
                .with_hint("name a server: `kubectl proxy`, then --kubernetes http://127.0.0.1:8001")
        })?;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let port = get("KUBERNETES_SERVICE_PORT").map_or("443", String::as_str);
        let account = Path::new(ACCOUNT);
        let ca = Pem::read(&account.join("ca.crt")).map_err(|error| Failure::usage(chain(&error)))?;
        let token = Some(Token::File(account.join("token")));
        Ok(Self { server: format!("https://{host}:{port}"), ca: Some(ca), client: None, token })
    }

    /// The current context of a kubeconfig, as `kubectl config view --raw --flatten -o json` prints it.
    fn of_kubeconfig(path: &Path) -> Result<Self, Failure> {
        let text = fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
        let config: Value = serde_json::from_slice(&text).map_err(|error| {
            Failure::refused(format!("{} is not JSON: {error}", path.display()))
                .with_hint("`kubectl config view --raw --flatten --minify -o json` prints it as JSON")
        })?;
        let file = Kubeconfig { path, config: &config };
        let context = config.get("current-context").and_then(Value::as_str).unwrap_or_default();
        let context = file.entry("contexts", context, "context")?;
        let named = |member: &str| context.get(member).and_then(Value::as_str).unwrap_or_default();
        let cluster = file.entry("clusters", named("cluster"), "cluster")?;
        let user = file.entry("users", named("user"), "user")?;
        for (of, member) in UNSUPPORTED {
            let holder = if of == "user" { user } else { cluster };
            if holder.get(member).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false))) {
                return Err(file
                    .wrong(&format!("`{of}.{member}` is not followed here"))
                    .with_hint("`kubectl proxy` follows it: --kubernetes http://127.0.0.1:8001"));
            }
        }
        let server = cluster.get("server").and_then(Value::as_str).ok_or_else(|| file.wrong("no `cluster.server`"))?;
        let client = file.pem(user, "client-certificate-data")?.zip(file.pem(user, "client-key-data")?);
        let token = user.get("token").and_then(Value::as_str).map(|text| Token::Text(text.to_owned()));
        let from_file = user.get("tokenFile").and_then(Value::as_str).map(|path| Token::File(path.into()));
        let ca = file.pem(cluster, "certificate-authority-data")?;
        Ok(Self { server: server.to_owned(), ca, client, token: token.or(from_file) })
    }
}

struct Kubeconfig<'a> {
    path: &'a Path,
    config: &'a Value,
}

impl<'a> Kubeconfig<'a> {
    /// What a list has under a name.
    fn entry(&self, list: &str, name: &str, member: &str) -> Result<&'a Value, Failure> {
        let entries = self.config.get(list).and_then(Value::as_array).into_iter().flatten();
        let mut named = entries.filter(|entry| entry.get("name").and_then(Value::as_str) == Some(name));
        let found = named.next().and_then(|entry| entry.get(member));
        found.ok_or_else(|| self.wrong(&format!("no `{member}` named `{}`", name.escape_debug())))
    }

    fn pem(&self, holder: &Value, member: &str) -> Result<Option<Pem>, Failure> {
        let Some(data) = holder.get(member).and_then(Value::as_str).filter(|data| !data.is_empty()) else {
            return Ok(None);
        };
        let text = BASE64_STANDARD.decode(data).map_err(|error| self.wrong(&format!("`{member}`: {error}")))?;
        Ok(Some(Pem { name: format!("{}: `{member}`", self.path.display()), text }))
    }

    fn wrong(&self, problem: &str) -> Failure {
        Failure::usage(format!("{}: {problem}", self.path.display()))
    }
}
