//! Which API server, and as whom: by options, by a kubeconfig, or as the account of the pod that this runs in.
//!
//! Promises that nothing is spoken over TLS to a server that nobody named an authority for.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use lineal_producers::{delivery::chain, tls::Pem};

use super::{super::super::console::Failure, ClusterArguments, kubeconfig, plugin::Plugin};

/// Where a pod finds who it is.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A server, and who we are there.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) server: String,
    pub(super) ca: Option<Pem>,
    pub(super) account: Account,
}

/// Who we are.
#[derive(Debug)]
pub(super) enum Account {
    /// As files and options say; nobody, where they say nothing.
    Known { client: Option<(Pem, Pem)>, token: Option<Token> },
    /// As a program says, which is asked again when that has run out.
    Told(Plugin),
}

/// What is shown with each request.
#[derive(Clone)]
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
            (Some(path), _) => kubeconfig::read(path)?,
            (None, "") => Self::of_account(variables)?,
            (None, url) => {
                Self { server: url.to_owned(), ca: None, account: Account::Known { client: None, token: None } }
            }
        };
        let pem = |path: &PathBuf| Pem::read(path).map_err(|error| Failure::usage(chain(&error)));
        let client = match (&arguments.api_cert, &arguments.api_key) {
            (Some(certificate), Some(key)) => Some((pem(certificate)?, pem(key)?)),
            _ => None,
        };
        let token = arguments.api_token.clone().map(Token::File);
        let account = match found.account {
            Account::Known { client: own, token: own_token } => {
                Account::Known { client: client.or(own), token: token.or(own_token) }
            }
            Account::Told(plugin) if client.is_none() && token.is_none() => Account::Told(plugin),
            Account::Told(_unasked) => Account::Known { client, token },
        };
        let access = Self {
            server: found.server.trim_end_matches('/').to_owned(),
            ca: arguments.api_ca.as_ref().map(pem).transpose()?.or(found.ca),
            account,
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
        Ok(Self {
            server: format!("https://{host}:{port}"),
            ca: Some(ca),
            account: Account::Known { client: None, token },
        })
    }
}
