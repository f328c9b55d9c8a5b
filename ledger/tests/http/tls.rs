//! The public address with TLS, asked by a client of another make, with a certificate that `openssl` made.

use std::{
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    sync::Arc,
};

use lineal_ledger::{
    clock::SystemClock,
    data_dir::DataDir,
    http::{Server, Serving, Tls, TlsError},
    ledger::{Ledger, Settings},
};

use super::served::Served;

/// Makes a certificate for the loopback address, and its key.
fn certificate(folder: &Path, name: &str) {
    let mut openssl = Command::new("openssl");
    openssl.current_dir(folder).args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ]);
    openssl.args(["-days", "2", "-subj", &format!("/CN={name}"), "-addext", "subjectAltName=IP:127.0.0.1"]);
    openssl.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
    let made = openssl.output().expect("these tests need openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Reads the checkpoint as Python does, which trusts the authorities of one file.
fn ask(url: &str, authority: &Path) -> Result<String, String> {
    let program = "import sys, urllib.request as web\nprint(web.urlopen(sys.argv[1], timeout=20).read().decode())";
    let mut python = Command::new("python3");
    python.args(["-c", program, &format!("{url}/checkpoint")]).env("SSL_CERT_FILE", authority);
    let asked = python.output().expect("these tests need python3");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if asked.status.success() { Ok(said(&asked.stdout)) } else { Err(said(&asked.stderr)) }
}

#[test]
fn tls_is_spoken_with_the_given_certificate_and_a_silent_connection_holds_up_no_other() {
    let (folder, trust, _root) = Served::start().stop();
    certificate(folder.path(), "ledger");
    certificate(folder.path(), "other");
    let file = |name: &str| folder.path().join(name);
    let tls = Tls::read(&file("ledger.pem"), &file("ledger.key")).unwrap();
    let serving = Serving { http: Some(SocketAddr::from(([127, 0, 0, 1], 0))), tls: Some(tls), ..Serving::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = DataDir::find(&file("data")).unwrap();
    let ledger = Ledger::open(&dir, Arc::new(SystemClock::start()), Settings { mirror: None, follow: true }).unwrap();
    let server = runtime.block_on(Server::bind(Arc::new(ledger), &dir, serving)).unwrap();
    let address = server.address().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = runtime.spawn(server.run(async move { stopped.await.unwrap_or_default() }));
    let silent: Vec<_> = (0..20).map(|_number| TcpStream::connect(address).unwrap()).collect();
    let url = format!("https://{address}");
    let checkpoint = ask(&url, &file("ledger.pem")).unwrap();
    assert!(checkpoint.starts_with(trust.origin()), "{checkpoint}");
    let refused = ask(&url, &file("other.pem")).unwrap_err();
    assert!(refused.contains("CERTIFICATE_VERIFY_FAILED"), "{refused}");
    assert!(ask(&format!("http://{address}"), &file("ledger.pem")).is_err(), "nothing is answered in the clear");
    drop(silent);
    stop.send(()).unwrap();
    runtime.block_on(running).unwrap().unwrap();
}

#[test]
fn files_that_can_not_be_used_are_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "one");
    certificate(folder.path(), "other");
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("empty"), "").unwrap();
    let read = |certificate: &str, key: &str| Tls::read(&file(certificate), &file(key)).map(drop);
    read("one.pem", "one.key").unwrap();
    assert!(matches!(read("nothing", "one.key"), Err(TlsError::File { .. })));
    assert!(matches!(read("one.pem", "nothing"), Err(TlsError::File { .. })));
    assert!(matches!(read("one.pem", "one.pem"), Err(TlsError::File { .. })));
    assert!(matches!(read("empty", "one.key"), Err(TlsError::Empty(_))));
    assert!(matches!(read("one.pem", "other.key"), Err(TlsError::Pair(_))));
}
