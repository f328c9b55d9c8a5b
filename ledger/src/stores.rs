//! Objects in stores: which request asks for `s3://bucket/key` or `gs://bucket/key`, and as whom.
//!
//! For whoever asks from a command, with the settings that every tool of these stores reads: variables, and the shared
//! files of a profile. Promises that what is secret goes to the endpoint of those settings and nowhere else (a redirection
//! is never followed, and no error shows a signed address), and that an address which two readers could take for two
//! objects is refused. Without an account the request is not signed, which public objects answer.
//! (AWS Signature Version 4 in the query; Cloud Storage's XML API)

use std::{borrow::Cow, collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use axum::http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use rusty_s3::{Bucket, BucketError, Credentials, S3Action as _, UrlStyle, actions::GetObject};

use crate::{
    clock::Clock,
    remote::{self, RemoteError},
};

mod profile;

/// How long a signature holds: reading may take longer, it is looked at only when reading begins.
const VALID: Duration = Duration::from_mins(15);

/// Where Cloud Storage is.
const GOOGLE: &str = "https://storage.googleapis.com";

/// Variables with a token for Cloud Storage, the first that is set.
const GOOGLE_TOKENS: [&str; 2] = ["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"];

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address names no single object.
    #[error("`{place}` names no object: {problem}")]
    Address {
        /// The address.
        place: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The settings do not say where to ask, or as whom.
    #[error("{0}")]
    Settings(String),
    /// The address and the settings come to no URL.
    #[error("bucket and endpoint come to no URL ({0}): see AWS_ENDPOINT_URL_S3 and AWS_REGION")]
    Url(BucketError),
    /// The store said no to somebody without an account.
    #[error("{0}, and no account is set: {1}")]
    Anonymous(RemoteError, &'static str),
    /// The exchange.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

/// Where stores are, and who we are there.
pub struct Stores {
    variables: BTreeMap<String, String>,
    clock: Box<dyn Clock>,
}

/// What is secret stays out of it.
impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").finish_non_exhaustive()
    }
}

/// What is asked, and whether as somebody.
struct Request {
    url: String,
    headers: HeaderMap,
    /// What to set, where nobody is named.
    anonymous: Option<&'static str>,
}

impl Stores {
    /// By these variables of the environment, and the files that they lead to. Signatures are dated by the clock.
    pub fn new(variables: BTreeMap<String, String>, clock: Box<dyn Clock>) -> Self {
        Self { variables, clock }
    }

    /// SHA-256 of what an `s3:` or `gs:` address holds, in hex.
    pub fn sha256_of(&self, place: &str) -> Result<String, StoreError> {
        let Request { url, headers, anonymous } = self.request(place)?;
        remote::sha256_of_object(&url, &headers).map_err(|error| match (error, anonymous) {
            // What an address is asked by may hold a signature.
            (RemoteError::Address(_url), _) => RemoteError::Address(place.to_owned()).into(),
            (error @ RemoteError::Store { status: 401 | 403, .. }, Some(set)) => StoreError::Anonymous(error, set),
            (error, _) => error.into(),
        })
    }

    fn request(&self, place: &str) -> Result<Request, StoreError> {
        let object = Object::parse(place)?;
        if object.is_google { self.google(&object) } else { self.amazon(&object) }
    }

    /// A variable, where it is set to something.
    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn amazon(&self, object: &Object<'_>) -> Result<Request, StoreError> {
        let profile = self.profile()?;
        let set = |names: &[&str], own: Option<&String>| {
            let variable = names.iter().find_map(|name| self.variable(name));
            variable.map(str::to_owned).or_else(|| own.cloned())
        };
        let region = set(&["AWS_REGION", "AWS_DEFAULT_REGION"], profile.settings.get("region"));
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        if !is_label(&region) {
            return Err(StoreError::Settings(format!("`{}` is no region: set AWS_REGION", region.escape_debug())));
        }
        let own = set(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"], profile.settings.get("endpoint_url"));
        // Servers of others are often known by one name alone, and certificates know one label before Amazon's.
        let style = if own.is_none() && is_label(object.bucket) { UrlStyle::VirtualHost } else { UrlStyle::Path };
        let endpoint = own.unwrap_or_else(|| {
            let china = if region.starts_with("cn-") { ".cn" } else { "" };
            format!("https://s3.{region}.amazonaws.com{china}")
        });
        let credentials = self.credentials(&profile)?;
        let endpoint = endpoint.parse().map_err(|error| StoreError::Url(BucketError::ParseError(error)))?;
        let bucket = Bucket::new(endpoint, style, object.bucket.to_owned(), region).map_err(StoreError::Url)?;
        let mut action = GetObject::new(&bucket, credentials.as_ref(), &object.key);
        if let Some(version) = &object.version {
            action.query_mut().insert("versionId", version.as_ref());
        }
        let now = Timestamp::from_millisecond(self.clock.wall().as_millis()).unwrap_or_default();
        let url = action.sign_with_time(VALID, &now).into();
        let anonymous = credentials.is_none().then_some("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE");
        Ok(Request { url, headers: HeaderMap::new(), anonymous })
    }

    /// The account of the variables, or of the profile.
    fn credentials(&self, profile: &profile::Profile) -> Result<Option<Credentials>, StoreError> {
        let variable = |name| self.variable(name).map(str::to_owned);
        let account = |key: Option<String>, secret: Option<String>, token: Option<String>| {
            let (key, secret) = key.zip(secret)?;
            Some(match token {
                Some(token) => Credentials::new_with_token(key, secret, token),
                None => Credentials::new(key, secret),
            })
        };
        let named =
            account(variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"), variable("AWS_SESSION_TOKEN"));
        if named.is_some() {
            return Ok(named);
        }
        let own = |name: &str| profile.account.get(name).cloned();
        let account = account(own("aws_access_key_id"), own("aws_secret_access_key"), own("aws_session_token"));
        if account.is_none() && (profile.is_named || !profile.account.is_empty()) {
            return Err(StoreError::Settings(format!(
                "profile `{}` has no keys in its file: `aws configure export-credentials --profile {0} --format env` \
                 prints those that it leads to",
                profile.name.escape_debug()
            )));
        }
        Ok(account)
    }

    fn profile(&self) -> Result<profile::Profile, StoreError> {
        // Without a home there is no folder to look in: never the one that this happens to run in.
        let home = self.variable("HOME").map(|home| PathBuf::from(home).join(".aws"));
        let file = |variable, name| {
            self.variable(variable).map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(name)))
        };
        let (account, settings) =
            (file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), file("AWS_CONFIG_FILE", "config"));
        profile::read(self.variable("AWS_PROFILE"), account.as_deref(), settings.as_deref())
            .map_err(|(path, error)| StoreError::Settings(format!("{}: {error}", path.display())))
    }

    fn google(&self, object: &Object<'_>) -> Result<Request, StoreError> {
        let emulator = self.variable("STORAGE_EMULATOR_HOST");
        let endpoint: Cow<'_, str> = match emulator {
            Some(host) if !host.contains("://") => format!("http://{host}").into(),
            other => other.unwrap_or(GOOGLE).into(),
        };
        let endpoint = endpoint.parse().map_err(|error| StoreError::Url(BucketError::ParseError(error)))?;
        let bucket =
            Bucket::new(endpoint, UrlStyle::Path, object.bucket.to_owned(), "auto").map_err(StoreError::Url)?;
        let mut action = GetObject::new(&bucket, None, &object.key);
        if let Some(generation) = &object.version {
            action.query_mut().insert("generation", generation.as_ref());
        }
        let url = action.sign_with_time(VALID, &Timestamp::UNIX_EPOCH).into();
        let mut headers = HeaderMap::new();
        // What is stored compressed is given as it is stored, and not unpacked on the way.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        // An emulator knows nobody, and is shown nothing.
        let token = GOOGLE_TOKENS.iter().find_map(|name| self.variable(name)).filter(|_token| emulator.is_none());
        if let Some(token) = token {
            let value = HeaderValue::try_from(format!("Bearer {token}"));
            let mut value =
                value.map_err(|_error| StoreError::Settings("the token for Cloud Storage is no token".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let set = "GOOGLE_OAUTH_ACCESS_TOKEN, such as `gcloud auth print-access-token` prints";
        Ok(Request { url, headers, anonymous: token.is_none().then_some(set) })
    }
}

/// Whether a text is one label of a host's name, as regions and most buckets are.
fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-') && !text.ends_with('-')
}

/// An object, as an address names it: `s3://bucket/key?versionId=…`, `gs://bucket/key#generation`.
struct Object<'a> {
    is_google: bool,
    bucket: &'a str,
    key: String,
    version: Option<Cow<'a, str>>,
}

impl<'a> Object<'a> {
    /// Addresses are URIs: what a key has that a URI can't is percent-encoded (RFC 3986 section 2.1).
    fn parse(place: &'a str) -> Result<Self, StoreError> {
        let wrong = |problem| StoreError::Address { place: place.to_owned(), problem };
        let (scheme, rest) = place.split_once("://").unwrap_or_default();
        let is_google = scheme == "gs";
        let (path, version) = match rest.split_once(if is_google { '#' } else { '?' }) {
            Some((path, version)) => (path, Some(version)),
            None => (rest, None),
        };
        let version = match (version, is_google) {
            (Some(number), true) => Some(number),
            (Some(query), false) => {
                let id = query.strip_prefix("versionId=").filter(|id| !id.contains('&'));
                Some(id.ok_or_else(|| wrong("its query is more than `versionId=`"))?)
            }
            (None, _) => None,
        };
        let version = version.map(decoded).map(|version| version.ok_or_else(|| wrong("it is badly percent-encoded")));
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !matches!(scheme, "s3" | "gs") || bucket.is_empty() || bucket.starts_with('.') || !bucket.bytes().all(plain)
        {
            return Err(wrong("it has no bucket"));
        }
        let key = decoded(key).ok_or_else(|| wrong("it is badly percent-encoded"))?.into_owned();
        if key.is_empty() || key.ends_with('/') {
            return Err(wrong("it is a folder"));
        }
        if path.contains(['?', '#']) || key.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(wrong("readers differ in which it is"));
        }
        Ok(Self { is_google, bucket, key, version: version.transpose()? })
    }
}

fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('%') { remote::percent_decoded(text).map(Cow::Owned) } else { Some(Cow::Borrowed(text)) }
}

#[cfg(test)]
mod tests;
