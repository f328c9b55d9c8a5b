//! A kubeconfig's current context: its server, and who we are there. (kubeconfig v1)
//!
//! In YAML, as it is kept, or in JSON. Promises that a file which asks for more than is done here (a proxy, another name,
//! no verification) is refused and not half followed.

use std::{fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use lineal_producers::{delivery::chain, tls::Pem};
use lineal_workload::yaml;
use serde_json::Value;

use super::{
    super::super::console::Failure,
    access::{Access, Account, Token},
    plugin::Plugin,
};

/// What needs more than is done here.
const UNSUPPORTED: [(&str, &str); 6] = [
    ("user", "auth-provider"),
    ("user", "username"),
    ("user", "as"),
    ("cluster", "proxy-url"),
    ("cluster", "tls-server-name"),
    ("cluster", "insecure-skip-tls-verify"),
];

/// The current context of a file.
pub(super) fn read(path: &Path) -> Result<Access, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
    let config = parse(&text).map_err(|problem| {
        Failure::refused(format!("{}: {problem}", path.display()))
            .with_hint("`kubectl config view --raw --flatten --minify` prints one that can be read")
    })?;
    Kubeconfig { path, config: &config }.access()
}

/// One document, of either kind.
fn parse(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"));
    }
    let documents = yaml::parse(text).map_err(|error| error.to_string())?;
    match documents.as_slice() {
        [document] if document.is_map() => Ok(document.into()),
        _ => Err("it is no kubeconfig".to_owned()),
    }
}

struct Kubeconfig<'a> {
    path: &'a Path,
    config: &'a Value,
}

impl<'a> Kubeconfig<'a> {
    fn access(&self) -> Result<Access, Failure> {
        let context = text(self.config, "current-context").unwrap_or_default();
        let context = self.entry("contexts", context, "context")?;
        let cluster = self.entry("clusters", text(context, "cluster").unwrap_or_default(), "cluster")?;
        let user = self.entry("users", text(context, "user").unwrap_or_default(), "user")?;
        for (of, member) in UNSUPPORTED {
            let holder = if of == "user" { user } else { cluster };
            if holder.get(member).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false))) {
                return Err(self
                    .wrong(&format!("`{of}.{member}` is not followed here"))
                    .with_hint("`kubectl proxy` follows it: --kubernetes http://127.0.0.1:8001"));
            }
        }
        let server = text(cluster, "server").ok_or_else(|| self.wrong("no `cluster.server`"))?;
        let ca = self.pem(cluster, "certificate-authority")?;
        let account = match user.get("exec").filter(|exec| !exec.is_null()) {
            None => self.known(user)?,
            Some(exec) => {
                let plugin = Plugin::of(exec, cluster, ca.as_ref(), self.folder());
                Account::Told(plugin.map_err(|problem| self.wrong(&format!("`user.exec`: {problem}")))?)
            }
        };
        Ok(Access { server: server.to_owned(), ca, account })
    }

    /// Of a token and a file with one, the file: it is renewed.
    fn known(&self, user: &Value) -> Result<Account, Failure> {
        let client = self.pem(user, "client-certificate")?.zip(self.pem(user, "client-key")?);
        let from_file = text(user, "tokenFile").map(|path| Token::File(self.folder().join(path)));
        let token = from_file.or_else(|| text(user, "token").map(|text| Token::Text(text.to_owned())));
        Ok(Account::Known { client, token })
    }

    /// What a list has under a name.
    fn entry(&self, list: &str, name: &str, member: &str) -> Result<&'a Value, Failure> {
        let entries = self.config.get(list).and_then(Value::as_array).into_iter().flatten();
        let mut named = entries.filter(|entry| text(entry, "name") == Some(name));
        let found = named.next().and_then(|entry| entry.get(member));
        found.ok_or_else(|| self.wrong(&format!("no `{member}` named `{}`", name.escape_debug())))
    }

    /// What a member holds itself (`…-data`), or the file that it names.
    fn pem(&self, holder: &Value, member: &str) -> Result<Option<Pem>, Failure> {
        let own = format!("{member}-data");
        if let Some(data) = text(holder, &own) {
            let text = BASE64_STANDARD.decode(data).map_err(|error| self.wrong(&format!("`{own}`: {error}")))?;
            return Ok(Some(Pem { name: format!("{}: `{own}`", self.path.display()), text }));
        }
        let file = text(holder, member).map(|path| Pem::read(&self.folder().join(path)));
        file.transpose().map_err(|error| self.wrong(&chain(&error)))
    }

    /// What paths in it begin at.
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or_else(|| Path::new(""))
    }

    fn wrong(&self, problem: &str) -> Failure {
        Failure::usage(format!("{}: {problem}", self.path.display()))
    }
}

/// A text that says something.
fn text<'a>(holder: &'a Value, member: &str) -> Option<&'a str> {
    holder.get(member).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_yaml_or_json_and_one_document() {
        let expected = serde_json::json!({"kind": "Config", "users": [{"name": "1"}]});
        assert_eq!(parse("kind: Config\nusers:\n- name: 1\n").unwrap(), expected);
        assert_eq!(parse(" {\"kind\":\"Config\",\"users\":[{\"name\":\"1\"}]}").unwrap(), expected);
        for text in ["", "x", "- x", "a: 1\n---\nb: 2\n", "{\"a\":", "a: [", "a: 1\na: 2\n"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
