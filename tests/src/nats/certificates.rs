//! Certificates for TLS on loopback, made by `openssl` when a test needs them, and good for two days.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::programs::{isolated, run};

/// What the certificates say beside their name. It stands alone, whatever the machine's own configuration is.
const CONFIGURATION: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = unnamed
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1
[elsewhere]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:nats.example
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
";

/// An authority that certifies servers and clients.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
}

/// A certificate and its private key, as paths of PEM files.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl Authority {
    /// A new one, unlike any other.
    #[track_caller]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the certificates");
        fs::write(folder.path().join("openssl.cnf"), CONFIGURATION).expect("the folder can be written");
        let authority = Self { folder };
        // Of its own name too, or its certificates would be taken for forged ones of another.
        let name = authority.folder.path().file_name().expect("a folder has a name").display().to_string();
        authority.make(&name, "authority", &[]);
        authority
    }

    /// The certificate that all others are checked against.
    pub fn ca(&self) -> String {
        shown(&self.file("authority.pem"))
    }

    /// A certificate of a server on loopback.
    #[track_caller]
    pub fn server(&self) -> Certificate {
        self.issue("server")
    }

    /// A certificate of a server that has another address than it is found under.
    #[track_caller]
    pub fn server_elsewhere(&self) -> Certificate {
        self.issue("elsewhere")
    }

    /// A certificate of a client.
    #[track_caller]
    pub fn client(&self) -> Certificate {
        self.issue("client")
    }

    #[track_caller]
    fn issue(&self, kind: &str) -> Certificate {
        self.make(kind, kind, &["-CA", "authority.pem", "-CAkey", "authority.key"])
    }

    #[track_caller]
    fn make(&self, name: &str, extensions: &str, issuer: &[&str]) -> Certificate {
        let (certificate, key) = (format!("{extensions}.pem"), format!("{extensions}.key"));
        let mut openssl: Command = isolated("openssl");
        openssl.current_dir(self.folder.path()).args(["req", "-x509", "-config", "openssl.cnf", "-days", "2"]);
        openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
        openssl.args(["-subj", &format!("/CN={name}"), "-extensions", extensions]).args(issuer);
        run(openssl.args(["-keyout", &key, "-out", &certificate])).with_code(0);
        Certificate { certificate: shown(&self.file(&certificate)), key: shown(&self.file(&key)) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Certificate {
    /// The block of a server's configuration that makes it use this certificate, with more of it.
    pub fn tls_block(&self, more: &str) -> String {
        let Self { certificate, key } = self;
        format!("tls {{\n  cert_file: \"{certificate}\"\n  key_file: \"{key}\"\n  {more}\n}}\n")
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
