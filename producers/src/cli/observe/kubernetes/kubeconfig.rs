//! A kubeconfig, with the files that it names. What it says is read by `lineal_workload::kubeconfig`.

use std::{fs, path::Path};

use lineal_producers::{delivery::chain, tls::Pem};
use lineal_workload::kubeconfig::{Context, Held, KubeconfigError, User};

use super::{
    super::super::console::Failure,
    access::{Access, Account, Token},
    plugin::Plugin,
};

/// The current context of a file.
pub(super) fn read(path: &Path) -> Result<Access, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
    let Context { server, ca, user } = Context::parse(&text).map_err(|error| failure(path, &error))?;
    // What paths in it begin at.
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let pem = |held: Held| match held {
        Held::Here(member, text) => Ok(Pem { name: format!("{}: `{member}`", path.display()), text }),
        Held::File(name) => Pem::read(&folder.join(name))
            .map_err(|error| Failure::usage(format!("{}: {}", path.display(), chain(&error)))),
    };
    let ca = ca.map(pem).transpose()?;
    let account = match user {
        User::Told(program) => Account::Told(Plugin::new(program, ca.as_ref(), folder)),
        User::Known { client, token } => Account::Known {
            client: client.map(|(certificate, key)| Ok::<_, Failure>((pem(certificate)?, pem(key)?))).transpose()?,
            token: token.map(|held| match held {
                Held::Here(_member, text) => Token::Text(String::from_utf8_lossy(&text).into_owned()),
                Held::File(name) => Token::File(folder.join(name)),
            }),
        },
    };
    Ok(Access { server, ca, account })
}

fn failure(path: &Path, error: &KubeconfigError) -> Failure {
    let problem = format!("{}: {error}", path.display());
    match error {
        error if error.is_other() => Failure::refused(problem)
            .with_hint("`kubectl config view --raw --flatten --minify` prints one that can be read"),
        KubeconfigError::Unsupported { .. } => {
            Failure::usage(problem).with_hint("`kubectl proxy` follows it: --kubernetes http://127.0.0.1:8001")
        }
        _ => Failure::usage(problem),
    }
}
