//! A vendor's model without lineage: as a file, behind an address, and as the base of a model of our own.
//!
//! The file was registered as the vendor's. The model behind the address has no digest that anybody could know, and the
//! address can come to answer with another one. A third file was registered without a word about where it is from.
//!
//! Told must be: of the vendor's file, that its lineage ends outside, and with whom; of our fine-tune, our data and that end;
//! of what is behind an address, that nothing can be known, also not that nothing rests on it; of the third, that something
//! is missing. Wrong would be `complete` for any of them, or "nothing rests on it" about an address that is seen to serve.

use super::stage::Stage;

const ADDRESS: &str = "https://api.vendor.example/v1/models/reader";
const CHAT: &str = "service/shop/chat@eu-1/prod";
const READER: &str = "service/shop/reader@eu-1/prod";
const FOUND: &str = "service/shop/found@eu-1/prod";
const TUNED: &str = "service/shop/tuned@eu-1/prod";

fn told() -> Stage {
    let stage = Stage::begin();
    stage.write("vendor.bin", "weights of the vendor");
    let outside = ["--external", "--supplier", "Example Inc."];
    stage.ci(&[&["model", "vendor.bin", "--name", "model/shop/reader", "--version", "7"][..], &outside].concat());
    stage.ci(&[&["model", ADDRESS, "--name", "model/shop/chat", "--version", "2026-10"][..], &outside].concat());
    stage.write("found.bin", "weights from somewhere");
    stage.ci(&["model", "found.bin", "--name", "model/shop/found", "--version", "1"]);
    stage.write("forms.csv", "forms");
    stage.ci(&["dataset", "forms.csv", "--name", "dataset/shop/forms"]);
    let inputs = ["base-model=vendor.bin", "training=forms.csv"];
    stage.job("shop/tune", "finetune", &inputs, ("tuned.bin", "weights of ours"));
    for (service, model) in [(READER, "vendor.bin"), (CHAT, ADDRESS), (FOUND, "found.bin"), (TUNED, "tuned.bin")] {
        stage.observe(service, 30, &["--model", model, "--next-within", "7200"]);
    }
    stage
}

#[test]
fn a_vendors_file_ends_at_a_declared_boundary() {
    let stage = told();
    let reader = stage.ask(&["trace", READER]);
    reader.exits(0).answers(&["model/shop/reader v7", "ends at a declared boundary: model/shop/reader v7"]);
    reader.has_line(&["! made outside, supplied by Example Inc."]).is_silent_on(&["complete", "MISSING"]);
    assert_eq!((reader.json["verdict"].as_str(), reader.list("snapshots").len()), (Some("boundary"), 0));
    let tuned = stage.ask(&["trace", TUNED]);
    tuned.exits(0).answers(&["made from dataset/shop/forms", "ends at a declared boundary: model/shop/reader v7"]);
    let impact = stage.ask(&["impact", "vendor.bin"]);
    impact.exits(0).answers(&["2 LIVE", READER, TUNED]);
    let found = stage.ask(&["trace", FOUND]);
    found.exits(1).answers(&["broken: no run.completed says what made model/shop/found v1"]);
    stage.end();
}

#[test]
fn behind_an_address_nothing_is_known_and_that_is_no_no() {
    let stage = told();
    let running = stage.ask(&["running"]);
    running.exits(0).answers(&["4 services run"]).has_line(&["model", ADDRESS, "pointer, floating"]);
    let chat = stage.ask(&["trace", CHAT]);
    chat.exits(1).answers(&[ADDRESS, "broken", "has no strong digest (pointer): nothing can be joined to it"]);
    // What the registration says of it is told where that is asked for.
    let registered = stage.ask(&["trace", "model/shop/chat"]);
    registered.exits(0).answers(&["model/shop/chat v2026-10", "ends at a declared boundary"]);
    registered.has_line(&[ADDRESS, "(pointer)"]).has_line(&["supplied by Example Inc."]);
    let impact = stage.ask(&["impact", "model/shop/chat"]);
    impact.exits(2).answers(&["UNKNOWN what rests on", ADDRESS, "no strong digest (pointer)"]);
    impact.is_silent_on(&["nothing that is seen"]);
    let windows = stage.ask(&["windows", "model/shop/chat"]);
    windows
        .exits(2)
        .answers(&["UNKNOWN where model/shop/chat serves", "no strong digest"])
        .has_line(&["warning", ADDRESS]);
    assert_eq!(windows.json["unjoined"].as_bool(), Some(true));
    stage.ask(&["timeline", "model/shop/chat"]).has_line(&["warning", ADDRESS, "no strong digest"]);
    let findings = stage.ask(&["findings"]);
    findings.exits(1).has_line(&["weak-identity"]).has_line(&[CHAT, "the model", "pointer"]);
    // A file that never served is a plain no.
    stage.ask(&["windows", "forms.csv"]).exits(1).answers(&["was never seen to serve"]).is_silent_on(&["UNKNOWN"]);
    stage.end();
}
