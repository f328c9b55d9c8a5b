//! A kubeconfig's current context: which API server, and as whom. (kubeconfig v1)
//!
//! In YAML, as it is kept, or in JSON; before anything is looked at in a cluster. Promises that a file which asks for more than
//! is done here (a proxy, another name, no verification) is refused and not half followed, and that what is secret is not in
//! what is printed of it. Files that it names are not read here, and the program that it names is not run.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::yaml::{self, YamlError};

/// What needs more than is done here.
const UNSUPPORTED: [(&str, &str); 6] = [
    ("user", "auth-provider"),
    ("user", "username"),
    ("user", "as"),
    ("cluster", "proxy-url"),
    ("cluster", "tls-server-name"),
    ("cluster", "insecure-skip-tls-verify"),
];

/// The versions of a program's answer that are read.
pub const VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// Why a kubeconfig can't be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubeconfigError {
    /// It is no YAML.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// It begins as JSON, and is none.
    #[error("it is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is some other document, or several.
    #[error("it is no kubeconfig")]
    Other,
    /// The current context leads nowhere.
    #[error("no `{member}` named `{name}`")]
    Missing {
        /// What is missing: `context`, `cluster`, `user`.
        member: &'static str,
        /// The name that leads to it.
        name: String,
    },
    /// A member is not what it must be.
    #[error("`{member}`: {problem}")]
    Member {
        /// The member.
        member: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// It asks for more than is done here.
    #[error("`{of}.{member}` is not followed here")]
    Unsupported {
        /// Of what: `user`, `cluster`.
        of: &'static str,
        /// The member.
        member: &'static str,
    },
}

impl KubeconfigError {
    /// Whether the whole file is something else, and not a kubeconfig that can't be followed.
    pub const fn is_other(&self) -> bool {
        matches!(self, Self::Yaml(_) | Self::Json(_) | Self::Other)
    }
}

/// Where something is: in the kubeconfig itself, or in a file whose path begins where the kubeconfig is.
#[derive(Clone, PartialEq, Eq)]
pub enum Held {
    /// Its bytes, with the member that has them.
    Here(&'static str, Vec<u8>),
    /// A path.
    File(String),
}

/// What is secret stays out of it.
impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(member, _bytes) => f.debug_tuple("Here").field(member).finish_non_exhaustive(),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// The current context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The URL of the API server.
    pub server: String,
    /// The authority of its certificate, in PEM.
    pub ca: Option<Held>,
    /// Who we are.
    pub user: User,
}

/// Who we are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// As the file says; nobody, where it says nothing.
    Known {
        /// A certificate and its key, in PEM.
        client: Option<(Held, Held)>,
        /// A token. Of a text and a file, the file: it is renewed.
        token: Option<Held>,
    },
    /// As a program says.
    Told(Program),
}

impl User {
    fn known(user: &Value) -> Result<Self, KubeconfigError> {
        let certificate = held(user, "client-certificate-data", "client-certificate")?;
        let key = held(user, "client-key-data", "client-key")?;
        let file = text(user, "tokenFile").map(|path| Held::File(path.to_owned()));
        let own = || text(user, "token").map(|token| Held::Here("token", token.as_bytes().to_vec()));
        Ok(Self::Known { client: certificate.zip(key), token: file.or_else(own) })
    }
}

/// The program of `user.exec`.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    /// A name to look for on PATH; with a `/` in it, a path that begins where the kubeconfig is.
    pub command: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it is given in its environment beside what there is.
    pub variables: Vec<(String, String)>,
    /// The version of its answer, one of [`VERSIONS`].
    pub version: String,
    /// How somebody gets it who has not.
    pub hint: Option<String>,
    /// Whether it wants to know the cluster.
    wants_cluster: bool,
    cluster: Value,
}

/// What may be secret stays out of it: arguments and variables.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("command", &self.command).finish_non_exhaustive()
    }
}

impl Program {
    /// What it is told of the request, as `KUBERNETES_EXEC_INFO`: that nobody sits at a terminal, and the cluster with the PEM
    /// of its authority, where it wants to know.
    pub fn asked(&self, ca: Option<&[u8]>) -> Value {
        let mut spec = json!({"interactive": false});
        if self.wants_cluster {
            let mut cluster = self.cluster.clone();
            if let (Some(ca), Some(members)) = (ca, cluster.as_object_mut()) {
                members.insert("certificate-authority-data".to_owned(), json!(BASE64_STANDARD.encode(ca)));
            }
            if let Some(members) = spec.as_object_mut() {
                members.insert("cluster".to_owned(), cluster);
            }
        }
        json!({"kind": "ExecCredential", "apiVersion": self.version, "spec": spec})
    }

    fn read(exec: &Value, cluster: &Value) -> Result<Self, KubeconfigError> {
        let wrong = |problem: &str| KubeconfigError::Member { member: "user.exec", problem: problem.to_owned() };
        let version = text(exec, "apiVersion").unwrap_or_default();
        if !VERSIONS.contains(&version) {
            return Err(wrong(&format!("`apiVersion` is none of {}", VERSIONS.join(" and "))));
        }
        if text(exec, "interactiveMode") == Some("Always") {
            return Err(wrong("it wants to ask somebody at a terminal (`interactiveMode: Always`)"));
        }
        let list = |member: &str| match exec.get(member) {
            None | Some(Value::Null) => Ok(&[][..]),
            Some(value) => value.as_array().map(Vec::as_slice).ok_or_else(|| wrong(&format!("`{member}` is no list"))),
        };
        let argument = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| wrong("`args` are no texts"));
        let variable = |entry: &Value| {
            let member = |member: &str| entry.get(member).and_then(Value::as_str).map(str::to_owned);
            let name = member("name").filter(|name| !name.is_empty() && !name.contains(['=', '\0']));
            name.zip(member("value")).ok_or_else(|| wrong("`env` has an entry that is no variable"))
        };
        let extensions = cluster.get("extensions").and_then(Value::as_array).into_iter().flatten();
        let mut own = extensions.filter(|entry| text(entry, "name") == Some("client.authentication.k8s.io/exec"));
        let mut told = json!({"server": cluster.get("server")});
        if let (Some(config), Some(members)) = (own.find_map(|entry| entry.get("extension")), told.as_object_mut()) {
            members.insert("config".to_owned(), config.clone());
        }
        Ok(Self {
            command: text(exec, "command").ok_or_else(|| wrong("no `command`"))?.to_owned(),
            arguments: list("args")?.iter().map(argument).collect::<Result<_, _>>()?,
            variables: list("env")?.iter().map(variable).collect::<Result<_, _>>()?,
            version: version.to_owned(),
            hint: text(exec, "installHint").map(str::to_owned),
            wants_cluster: exec.get("provideClusterInfo").and_then(Value::as_bool) == Some(true),
            cluster: told,
        })
    }
}

impl Context {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, KubeconfigError> {
        if text.trim_start().starts_with('{') {
            return Self::read(&serde_json::from_str(text)?);
        }
        match yaml::parse(text)?.as_slice() {
            [document] if document.is_map() => Self::read(&document.into()),
            _ => Err(KubeconfigError::Other),
        }
    }

    fn read(config: &Value) -> Result<Self, KubeconfigError> {
        let named = |holder, member| text(holder, member).unwrap_or_default();
        let context = entry(config, "contexts", named(config, "current-context"), "context")?;
        let cluster = entry(config, "clusters", named(context, "cluster"), "cluster")?;
        let user = entry(config, "users", named(context, "user"), "user")?;
        for (of, member) in UNSUPPORTED {
            let holder = if of == "user" { user } else { cluster };
            if holder.get(member).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false))) {
                return Err(KubeconfigError::Unsupported { of, member });
            }
        }
        let problem = || KubeconfigError::Member { member: "cluster.server", problem: "it is not there".to_owned() };
        let server = text(cluster, "server").ok_or_else(problem)?.to_owned();
        let ca = held(cluster, "certificate-authority-data", "certificate-authority")?;
        let exec = user.get("exec").filter(|exec| !exec.is_null());
        let user = exec.map_or_else(|| User::known(user), |exec| Program::read(exec, cluster).map(User::Told))?;
        Ok(Self { server, ca, user })
    }
}

/// What a list has under a name.
fn entry<'a>(config: &'a Value, list: &str, name: &str, member: &'static str) -> Result<&'a Value, KubeconfigError> {
    let entries = config.get(list).and_then(Value::as_array).into_iter().flatten();
    let mut named = entries.filter(|entry| text(entry, "name") == Some(name));
    let found = named.next().and_then(|entry| entry.get(member));
    found.ok_or_else(|| KubeconfigError::Missing { member, name: name.escape_debug().to_string() })
}

/// What a member holds itself, in base64, or the file that another names.
fn held(holder: &Value, data: &'static str, file: &str) -> Result<Option<Held>, KubeconfigError> {
    match text(holder, data) {
        Some(encoded) => {
            let problem =
                |error: base64::DecodeError| KubeconfigError::Member { member: data, problem: error.to_string() };
            Ok(Some(Held::Here(data, BASE64_STANDARD.decode(encoded).map_err(problem)?)))
        }
        None => Ok(text(holder, file).map(|path| Held::File(path.to_owned()))),
    }
}

/// A text that says something.
fn text<'a>(holder: &'a Value, member: &str) -> Option<&'a str> {
    holder.get(member).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(cluster: &Value, user: &Value) -> Result<Context, KubeconfigError> {
        let config = json!({"current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "b", "user": "c"}}],
            "clusters": [{"name": "b", "cluster": cluster}], "users": [{"name": "c", "user": user}]});
        Context::parse(&config.to_string())
    }

    #[test]
    fn a_file_is_yaml_or_json_and_one_document() {
        let yaml = "current-context: a\ncontexts:\n- name: a\n  context: {cluster: b, user: c}\nclusters:\n- name: b\n  \
                    cluster: {server: 'https://x', insecure-skip-tls-verify: false}\nusers:\n- {name: c, user: {token: s}}\n";
        let server = json!({"server": "https://x"});
        assert_eq!(Context::parse(yaml).unwrap(), context(&server, &json!({"token": "s"})).unwrap());
        for text in ["", "x", "- x", "a: 1\n---\nb: 2\n", "{\"a\":", "a: [", "a: 1\na: 2\n"] {
            assert!(Context::parse(text).unwrap_err().is_other(), "{text}");
        }
        assert!(matches!(Context::parse("a: 1\n"), Err(KubeconfigError::Missing { member: "context", .. })));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let server = json!({"server": "https://x"});
        let exec = json!({"apiVersion": VERSIONS[0], "command": "cloud", "args": ["secret"],
            "env": [{"name": "A", "value": "secret"}]});
        let data = BASE64_STANDARD.encode("secret");
        for user in [
            json!({"token": "secret"}),
            json!({"client-certificate-data": data, "client-key-data": data}),
            json!({"exec": exec}),
        ] {
            let printed = format!("{:?}", context(&server, &user).unwrap());
            assert!(!printed.contains("secret") && !printed.contains("115, 101, 99"), "{printed}");
        }
    }

    #[test]
    fn a_file_counts_before_a_text_and_data_before_a_file() {
        let user = json!({"token": "old", "tokenFile": "t", "client-certificate": "c.pem", "client-key": "k.pem",
            "client-key-data": BASE64_STANDARD.encode("k")});
        let User::Known { client, token } = context(&json!({"server": "s"}), &user).unwrap().user else { panic!() };
        assert_eq!(token, Some(Held::File("t".to_owned())));
        let key = Held::Here("client-key-data", b"k".to_vec());
        assert_eq!(client, Some((Held::File("c.pem".to_owned()), key)));
    }

    #[test]
    fn a_program_that_can_not_be_asked_is_refused() {
        let own = json!({"apiVersion": VERSIONS[1], "command": "x"});
        let of = |member: &str, value: Value| {
            let mut exec = own.clone();
            exec[member] = value;
            context(&json!({"server": "s"}), &json!({"exec": exec}))
        };
        assert!(of("args", Value::Null).is_ok());
        for (member, value) in [
            ("apiVersion", json!("client.authentication.k8s.io/v1alpha1")),
            ("command", json!("")),
            ("interactiveMode", json!("Always")),
            ("args", json!("x")),
            ("args", json!([1])),
            ("env", json!([{"name": "a=b", "value": "c"}])),
            ("env", json!([{"name": "a"}])),
        ] {
            assert!(of(member, value.clone()).is_err(), "{member} {value}");
        }
    }
}
