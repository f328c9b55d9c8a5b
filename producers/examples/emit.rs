//! The library's one call: a data snapshot, signed and kept in an outbox until a ledger's receipt is verified.
//!
//! `cargo run -p lineal-producers --example emit -- KEY.pem ledger.trust https://ci.example.com/payments http://127.0.0.1:7311`

use std::{error::Error, fs, io::Write, path::PathBuf};

use lineal_producers::{Draft, Emitter, Settings, object::Object, tree::hash_file};
use lineal_schemas::{key::SecretKey, trust::Trust};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [key, trust, source, target] = arguments.as_slice() else {
        return Err("usage: emit KEY TRUST SOURCE TARGET".into());
    };
    let mut emitter = Emitter::open(Settings {
        key: SecretKey::from_pem(&fs::read_to_string(key)?)?,
        trust: Trust::parse(&fs::read_to_string(trust)?)?,
        source: source.clone(),
        target: Some(target.parse()?),
        outbox: PathBuf::from("outbox"),
    })?;

    let file = hash_file("Cargo.toml".as_ref(), &|_step| {})?;
    let data = Object::new().with("dataset", Object::new().with("digest", Object::new().with("sha256", file.sha256)));
    let sent = emitter.emit(Draft::new("dataset.snapshotted", "dataset/example/manifest", data.to_json()))?;
    writeln!(std::io::stdout(), "event {} number {}: {:?}", sent.event, sent.sequence, sent.delivery)?;
    Ok(())
}
