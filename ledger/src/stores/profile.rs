//! A profile in the files that tools of S3 share: its keys, its region, its endpoint.
//!
//! Only what is written there: no program is run, no role is taken on and nobody is signed on to find a key.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// What the files say of a profile.
#[derive(Default)]
pub(super) struct Profile {
    pub(super) name: String,
    /// Whether somebody asked for it by name.
    pub(super) is_named: bool,
    /// Its section of the credentials file.
    pub(super) account: BTreeMap<String, String>,
    /// Its section of the configuration file.
    pub(super) settings: BTreeMap<String, String>,
}

/// Reads a profile: the named one, or `default`. A file that is not there says nothing.
pub(super) fn read(
    name: Option<&str>,
    account: Option<&Path>,
    settings: Option<&Path>,
) -> Result<Profile, (PathBuf, io::Error)> {
    let is_named = name.is_some();
    let name = name.unwrap_or("default").to_owned();
    let text = |path: Option<&Path>| match path.map(|path| (path, fs::read_to_string(path))) {
        Some((_path, Ok(text))) => Ok(text),
        Some((path, Err(error))) if error.kind() != io::ErrorKind::NotFound => Err((path.to_owned(), error)),
        _ => Ok(String::new()),
    };
    let (account, settings) = (section(&text(account)?, &name), section(&text(settings)?, &name));
    Ok(Profile { name, is_named, account, settings })
}

/// The settings below `[name]` or `[profile name]`. What is indented belongs to a setting of several lines.
fn section(text: &str, name: &str) -> BTreeMap<String, String> {
    let (mut settings, mut is_own) = (BTreeMap::new(), false);
    for line in text.lines().filter(|line| !line.starts_with(['#', ';', ' ', '\t'])) {
        let line = line.trim_end();
        if let Some(title) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            let mut words = title.split_whitespace();
            let (first, last) = (words.next(), words.next_back());
            is_own = last.or(first) == Some(name) && matches!((first, last), (Some("profile"), Some(_)) | (_, None));
        } else if let Some((key, value)) = line.split_once('=').filter(|_pair| is_own) {
            settings.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    settings.retain(|_key, value| !value.is_empty());
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_read_and_no_other() {
        let text = "# keys\n[default]\naws_access_key_id = A\n[profile two]\nregion=eu-1\ns3 =\n  region = no\n\
                    [sso-session two]\nregion = no\n[twofold]\nregion = no\n";
        let read = |name| section(text, name).into_iter().collect::<Vec<_>>();
        let pair = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
        assert_eq!(read("default"), pair("aws_access_key_id", "A"));
        assert_eq!(read("two"), pair("region", "eu-1"));
        assert_eq!(read("three"), []);
    }
}
