//! A ledger behind a proxy that speaks TLS: asked only where its certificate is trusted, and is for its name.
#![cfg(test)]

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use lineal_tests::{
    nats::{Authority, Certificate},
    programs::{LedgerHome, lineal, run},
};

/// Takes TLS off, for a ledger that speaks none: reads connections one at a time and passes bytes on.
const PROXY: &str = r#"
import socket, ssl, sys, threading
certificate, key, port = sys.argv[1:4]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
def carry(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, target):
            try: end.shutdown(socket.SHUT_RDWR)
            except OSError: pass
while True:
    plain, _ = listening.accept()
    try:
        inside = context.wrap_socket(plain, server_side=True)
    except (OSError, ssl.SSLError):
        continue
    outside = socket.create_connection(("127.0.0.1", int(port)))
    threading.Thread(target=carry, args=(inside, outside), daemon=True).start()
    threading.Thread(target=carry, args=(outside, inside), daemon=True).start()
"#;

struct Proxy {
    child: Child,
    port: u16,
}

impl Proxy {
    fn before(port: u16, certificate: &Certificate) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", PROXY, &certificate.certificate, &certificate.key, &port.to_string()]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("these tests need python3");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap() }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_ledger_is_asked_over_tls_only_where_its_certificate_is_trusted() {
    let home = LedgerHome::init();
    let process = home.serve();
    let port = process.http().base().rsplit(':').next().unwrap().parse().unwrap();
    let authority = Authority::new();
    let other = Authority::new();
    let proxy = Proxy::before(port, &authority.server());
    let ask = |proxy: &Proxy, ca: &str| {
        let mut program = lineal();
        let url = format!("https://127.0.0.1:{}", proxy.port);
        program.args(["keys", "--url", &url]).env("SSL_CERT_FILE", ca);
        run(&mut program)
    };
    let trusted = ask(&proxy, &authority.ca());
    assert_eq!(trusted.code, Some(0), "{}{}", trusted.stdout, trusted.stderr);
    assert!(trusted.stdout.contains("keys enrolled in ledger.example/test"), "{}", trusted.stdout);
    let unknown = ask(&proxy, &other.ca());
    assert_eq!((unknown.code, unknown.stdout.as_str()), (Some(2), ""), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("certificate"), "{}", unknown.stderr);
    let elsewhere = Proxy::before(port, &authority.server_elsewhere());
    let of_another = ask(&elsewhere, &authority.ca());
    assert_eq!(of_another.code, Some(2), "it is for another name: {}", of_another.stdout);
    process.stop();
}
