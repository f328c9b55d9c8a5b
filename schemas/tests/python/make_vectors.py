#!/usr/bin/env python3
"""Writes schemas/vectors/{event,envelope,signature,authority,sequence,entry,line}, one JSON file a case.

It knows the formats from docs/FORMAT.md alone and signs with `cryptography`: nothing of Lineal runs here, and every
expected `error` below is written by hand. The committed JSON files are what counts; run this only to add to them:

    python3 -m venv /tmp/v && /tmp/v/bin/pip install --require-hashes -r schemas/tests/python/requirements.txt
    /tmp/v/bin/python schemas/tests/python/make_vectors.py

schemas/vectors/README.md says what the members of a file mean.
"""

import base64
import hashlib
import json
import pathlib
import shutil

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ROOT = pathlib.Path(__file__).resolve().parents[2] / "vectors"
PAYLOAD_TYPE = "application/vnd.lineal.event.v1+json"
ORIGIN = "ledger.example/main"
RECEIVED = "2026-11-23T21:50:12.345Z"


# --- bytes, digests and keys -----------------------------------------------------------------------------------------


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def b64(data):
    return base64.b64encode(data).decode()


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def pae(payload, payload_type=PAYLOAD_TYPE):
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)


SPKI = bytes.fromhex("302a300506032b6570032100")


def pem(raw, prefix=SPKI):
    return f"-----BEGIN PUBLIC KEY-----\n{b64(prefix + raw)}\n-----END PUBLIC KEY-----\n"


class Key:
    def __init__(self, name, seed=None):
        self.name = name
        self.seed = seed or hashlib.sha256(f"lineal vector key: {name}".encode()).digest()
        self.private = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.pem = pem(self.raw)
        self.keyid = sha256(SPKI + self.raw)

    def sign(self, event):
        return self.private.sign(pae(event))

    def header(self, event):
        return f"{self.keyid}:{b64(self.sign(event))}"

    def shown(self):
        return {"name": self.name, "seed": self.seed.hex(), "publicKey": self.pem, "keyid": self.keyid}

    def vkey(self, origin=ORIGIN):
        key = b"\x01" + self.raw
        keyhash = sha256(origin.encode() + b"\n" + key)[:8]
        return f"{origin}+{keyhash}+{b64(key)}"


def headers(event, *keys):
    return [key.header(event) for key in sorted(keys, key=lambda key: key.keyid)]


# --- events ----------------------------------------------------------------------------------------------------------

LEDGER_DIGEST = sha256(b"some ledger's genesis")
COUNTER = 0


def event(name, subject, data, source="https://ci.example/payments/train", sequence=1, previous=None,
          ledger=LEDGER_DIGEST, time="2026-11-23T21:50:12Z", extra=()):
    """One event as bytes: attributes in the order in which docs/FORMAT.md lists them."""
    global COUNTER
    COUNTER += 1
    members = {
        "specversion": "1.0",
        "id": f"0199aabb-ccdd-7eef-8123-{COUNTER:012x}",
        "source": source,
        "type": f"dev.lineal.{name}.v1",
        "subject": subject,
        "time": time,
        "datacontenttype": "application/json",
        "dataschema": f"https://lineal.dev/schemas/{name}.v1.json",
    }
    if ledger:
        members["ledger"] = ledger
    members["sequence"] = f"{sequence:012d}"
    if previous:
        members["previous"] = previous
    members.update(extra)
    members["data"] = data
    return compact(members).encode()


DATASET = {"dataset": {"digest": {"sha256": sha256(b"transactions")}}}
SNAPSHOT = ("dataset.snapshotted", "dataset/payments/transactions")


def snapshot(**more):
    return event(*SNAPSHOT, DATASET, **more)


# --- files -----------------------------------------------------------------------------------------------------------


def spelled(data):
    """Bytes as text where they are text, else as base64."""
    if not isinstance(data, bytes):
        return data
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": b64(data)}


WRITTEN = set()


def write(folder, name, what, inputs, error):
    assert (folder, name) not in WRITTEN, (folder, name)
    WRITTEN.add((folder, name))
    case = {"name": name, "what": what}
    case.update({key: spelled(value) for key, value in inputs.items()})
    case["error"] = error
    path = ROOT / folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(case, indent=2, ensure_ascii=True) + "\n")


# --- event/ ----------------------------------------------------------------------------------------------------------


def make_events():
    def case(name, what, data, error):
        inputs = {"event": data}
        if error is None:
            inputs["digest"] = sha256(flat(data))
        write("event", name, what, inputs, error)

    base = event(*SNAPSHOT, DATASET, sequence=2, previous=sha256(b"the event before"),
                 extra={"traceparent": "00-ab"}).decode()

    def changed(name, what, old, new, error):
        assert base.count(old) == 1, (name, old)
        case(name, what, base.replace(old, new).encode(), error)

    def with_data(data, subject="dataset/payments/transactions"):
        return event(SNAPSHOT[0], subject, data)

    def annotated(text):
        """The base event with this JSON text as the annotations of its data."""
        return base[:-2] + f',"annotations":{text}}}}}'

    # Valid.
    case("valid-second-event", "a second event, with an extension attribute", base.encode(), None)
    case("valid-first-event", "the first event of a source has no `previous`", snapshot(), None)
    case("valid-last-event", "`sequenceend` is JSON true", snapshot(extra={"sequenceend": True}), None)
    case("valid-extensions", "extension attributes of all three CloudEvents types are kept and signed",
         snapshot(extra={"traceparent": "00-ab-cd-01", "replayed": False, "attempt": -2147483648}), None)
    case("valid-nanoseconds", "a time with nine digits of fraction", snapshot(time="2026-11-23T21:50:12.123456789Z"), None)
    case("valid-names-of-any-script", "what a thing is called for people may be of any script",
         with_data({"dataset": {"name": "取引 €", "digest": {"sha256": sha256(b"x")}}}), None)
    case("valid-escapes-in-data", "strings inside `data` may hold any JSON escape, also a surrogate pair",
         annotated(r'{"a":"\u00e9\n\t\"\\\/\ud83d\ude00"}').encode(), None)
    case("valid-depth-32", "32 levels of nesting; the root is level 1",
         annotated('{"a":' + "[" * 29 + "]" * 29 + "}").encode(), None)
    case("valid-empty-strings-in-annotations", "empty strings are refused in attributes only",
         annotated('{"a":"","":0}').encode(), None)
    fill = 256 * 1024 - len(annotated('{"a":""}').encode())
    case("valid-256-kib", "262,144 bytes are the most",
         [base[:-2] + ',"annotations":{"a":"', {"repeat": "x", "times": fill}, '"}}}'], None)
    genesis = World().genesis
    case("valid-genesis", "a genesis names no ledger and is number 1", genesis, None)
    case("valid-run-completed", "a run with inputs and outputs",
         event("run.completed", "job/payments/train-fraud", {
             "runId": "run-17", "job": {"namespace": "payments", "name": "train-fraud", "kind": "train"},
             "inputs": [{"artifact": {"digest": {"sha256": sha256(b"transactions")}}, "role": "training"}],
             "seeds": {"numpy": 42, "torch": "0x1f"},
             "outputs": [{"name": "fraud", "digest": {"sha256": sha256(b"weights")}}]}), None)
    case("valid-evaluation-with-exact-numbers", "numbers keep their text; evidence that is missing is said",
         event("evaluation.completed", "model/payments/fraud", {
             "evaluationId": "ev-3", "model": {"digest": {"sha256": sha256(b"weights")}},
             "results": [{"metric": "auc", "value": "0.91", "sampleSize": 9000},
                         {"metric": "recall", "slice": {"country": "BR"}, "missing": {"reason": "below-min-n", "n": 41}}]}), None)

    # Size and text.
    case("of-257-kib", "257 KiB, one fault: its length",
         [base[:-2] + ',"annotations":{"a":"', {"repeat": "x", "times": 257 * 1024}, '"}}}'], "too-large")
    case("one-byte-over-256-kib", "262,145 bytes",
         [base[:-2] + ',"annotations":{"a":"', {"repeat": "x", "times": fill + 1}, '"}}}'], "too-large")
    case("not-utf8", "a lone 0xff in a string of data", annotated('{"a":"?"}').encode().replace(b"?", b"\xff"), "invalid-utf8")
    case("overlong-utf8", "a slash as two bytes, 0xc0 0xaf", annotated('{"a":"?"}').encode().replace(b"?", b"\xc0\xaf"), "invalid-utf8")
    case("surrogate-in-utf8", "U+D800 as three raw bytes", annotated('{"a":"?"}').encode().replace(b"?", b"\xed\xa0\x80"), "invalid-utf8")

    # JSON.
    case("nan", "NaN is no JSON", annotated('{"auc":NaN}').encode(), "malformed-json")
    case("infinity", "-Infinity is no JSON", annotated('{"auc":-Infinity}').encode(), "malformed-json")
    case("leading-zero", "a number with a leading zero", annotated('{"n":01}').encode(), "malformed-json")
    case("plus-sign", "a number with a plus", annotated('{"n":+1}').encode(), "malformed-json")
    case("bare-point", "a number that ends in its point", annotated('{"n":1.}').encode(), "malformed-json")
    case("trailing-comma", "a comma before a closing brace", annotated('{"n":1,}').encode(), "malformed-json")
    case("single-quotes", "a string in single quotes", annotated("{'n':1}").encode(), "malformed-json")
    case("unknown-escape", "an escape that JSON does not have", annotated(r'{"a":"\x41"}').encode(), "malformed-json")
    case("short-unicode-escape", "three hex digits after \\u", annotated(r'{"a":"\u041"}').encode(), "malformed-json")
    case("truncated", "the last brace is missing", base[:-1].encode(), "malformed-json")
    case("an-array", "an array of one event", b"[" + base.encode() + b"]", "not-an-object")
    case("duplicate-attribute", "`subject` twice; most readers keep the last",
         base.replace('"time"', '"subject":"dataset/other","time"').encode(), "duplicate-key")
    case("duplicate-attribute-escaped", "`subject` and `\\u0073ubject` are one name",
         base.replace('"time"', r'"\u0073ubject":"dataset/other","time"').encode(), "duplicate-key")
    case("duplicate-data", "`data` twice", base.replace('"data"', '"data":{},"data"').encode(), "duplicate-key")
    case("duplicate-member-in-data", "a digest twice in the artifact",
         base.replace('{"sha256":', '{"sha256":"00","sha256":').encode(), "duplicate-key")
    case("duplicate-metric", "the auc twice: 0.10 for one reader, 0.99 for another",
         annotated('{"auc":"0.10","auc":"0.99"}').encode(), "duplicate-key")
    case("duplicate-deep-in-a-list", "twice the same name, six levels down",
         annotated('{"a":[[{"b":{"c":1,"c":2}}]]}').encode(), "duplicate-key")
    case("duplicate-deep-escaped", "`auc` and `a\\u0075c` inside a list", annotated(r'{"a":[{"auc":1,"a\u0075c":2}]}').encode(), "duplicate-key")
    case("duplicate-empty-name", "the empty name twice", annotated('{"":1,"":2}').encode(), "duplicate-key")
    case("lone-high-surrogate", "half of a pair", annotated(r'{"a":"\ud83d"}').encode(), "lone-surrogate")
    case("lone-low-surrogate", "the other half alone", annotated(r'{"a":"\ude00"}').encode(), "lone-surrogate")
    case("swapped-surrogates", "both halves in the wrong order", annotated(r'{"a":"\ude00\ud83d"}').encode(), "lone-surrogate")
    case("raw-newline", "a newline inside a string", annotated('{"a":"x\ny"}').encode(), "raw-control-character")
    case("raw-tab", "a tab inside a string", annotated('{"a":"x\ty"}').encode(), "raw-control-character")
    case("raw-nul", "a zero byte inside a string", annotated('{"a":"x\0y"}').encode(), "raw-control-character")
    case("trailing-newline", "an event ends with its brace", base.encode() + b"\n", "trailing-bytes")
    case("trailing-brace", "one brace too many", base.encode() + b"}", "trailing-bytes")
    case("two-events", "a second event behind the first", base.encode() * 2, "trailing-bytes")
    case("depth-33", "33 levels of nesting", annotated('{"a":' + "[" * 30 + "]" * 30 + "}").encode(), "too-deep")
    case("depth-10000", "10,000 levels of nesting: refused without recursing into it",
         [base[:-2] + ',"annotations":{"a":', {"repeat": "[", "times": 10000}, {"repeat": "]", "times": 10000}, "}}}"], "too-deep")
    changed("space-after-colon", "compact JSON has no white space outside strings", '"specversion":', '"specversion": ', "not-compact")
    changed("newline-between-members", "an event is one line", ',"time"', ',\n"time"', "not-compact")
    case("leading-space", "a space before the brace", b" " + base.encode(), "not-compact")
    case("number-of-65-characters", "a number has at most 64 characters", annotated('{"n":' + "1" * 65 + "}").encode(), "number-too-long")
    case("exponent-of-4-digits", "an exponent has at most 3 digits", annotated('{"n":1e1000}').encode(), "number-too-long")

    # Attributes: names.
    changed("attribute-in-upper-case", "attribute names are lower case", '"traceparent"', '"traceParent"', "attribute-name")
    changed("attribute-with-underscore", "attribute names are a-z and 0-9", '"traceparent"', '"trace_parent"', "attribute-name")
    changed("attribute-of-21-characters", "attribute names have at most 20 characters", '"traceparent"', '"abcdefghijklmnopqrstu"', "attribute-name")
    changed("attribute-without-a-name", "the empty name", '"traceparent"', '""', "attribute-name")
    changed("attribute-outside-ascii", "a name that only looks like `id2`", '"traceparent"', '"\u0456d2"', "attribute-name")
    changed("attribute-name-escaped", "an attribute's name has one spelling", '"traceparent"', r'"tr\u0061ceparent"', "attribute-name")

    # Attributes: missing, forbidden, empty.
    for name in ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "ledger", "sequence", "previous", "data"]:
        members = json.loads(base)
        del members[name]
        case(f"without-{name}", f"`{name}` is required", compact(members).encode(), "attribute-missing")
    changed("binary-data", "`data_base64` in place of `data`", '"data":' + compact(DATASET), '"data_base64":"eyJhIjoxfQ=="', "attribute-forbidden")
    case("previous-on-the-first", "number 1 has nothing before it", snapshot(sequence=1, previous=sha256(b"?")), "attribute-forbidden")
    case("ledger-in-a-genesis", "a genesis names no ledger",
         genesis.replace(b'"sequence"', f'"ledger":"{LEDGER_DIGEST}","sequence"'.encode()), "attribute-forbidden")
    changed("empty-subject", "an empty subject", '"subject":"dataset/payments/transactions"', '"subject":""', "attribute-empty")
    changed("empty-source", "an empty source", '"source":"https://ci.example/payments/train"', '"source":""', "attribute-empty")
    changed("empty-extension", "an empty extension attribute", '"00-ab"', '""', "attribute-empty")

    # Attributes: characters.
    changed("bidi-in-subject", "a right-to-left override in the subject", "dataset/payments/transactions", "dataset/payments/\u202etransactions", "attribute-characters")
    changed("bidi-escaped-in-subject", "the same as an escape", "dataset/payments/transactions", r"dataset/payments/\u202etransactions", "attribute-characters")
    changed("control-in-subject", "an escaped bell in the subject", "dataset/payments/transactions", r"dataset/payments/\u0007", "attribute-characters")
    changed("look-alike-in-subject", "a Cyrillic a: identifiers are ASCII", "dataset/payments", "dataset/p\u0430yments", "attribute-characters")
    changed("outside-ascii-in-source", "a source outside ASCII", "https://ci.example/payments/train", "https://ci.example/z\u00fcrich", "attribute-characters")
    changed("space-in-subject", "a space in the subject", "dataset/payments/transactions", "dataset/payments/my data", "attribute-characters")
    changed("escaped-letter-in-subject", "an identifier has one spelling", "dataset/payments/transactions", r"dataset/payments/\u0074ransactions", "attribute-characters")
    changed("control-in-extension", "CloudEvents strings hold no control characters, escaped or not", '"00-ab"', r'"00\u0007ab"', "attribute-characters")
    changed("bidi-in-extension", "a right-to-left override in an extension attribute", '"00-ab"', '"00\u202eab"', "attribute-characters")

    # Attributes: values.
    changed("specversion-0.3", "CloudEvents 0.3", '"specversion":"1.0"', '"specversion":"0.3"', "attribute-malformed")
    changed("id-of-version-4", "a random UUID", "0199aabb-ccdd-7eef", "0199aabb-ccdd-4eef", "attribute-malformed")
    changed("id-in-upper-case", "a UUID has one spelling", "0199aabb-ccdd-7eef", "0199AABB-ccdd-7eef", "attribute-malformed")
    changed("source-no-uri", "a brace in the source", "https://ci.example/payments/train", "https://ci.example/{job}", "attribute-malformed")
    changed("type-of-someone-else", "another vocabulary's type", "dev.lineal.dataset.snapshotted.v1", "com.example.snapshotted.v1", "attribute-malformed")
    changed("type-without-version", "a type without its version", "dev.lineal.dataset.snapshotted.v1", "dev.lineal.dataset.snapshotted", "attribute-malformed")
    changed("dataschema-of-another-type", "the schema of another type", "schemas/dataset.snapshotted", "schemas/run.completed", "attribute-malformed")
    changed("time-with-offset", "a time of another zone", "21:50:12Z", "22:50:12+01:00", "attribute-malformed")
    changed("time-without-zone", "a time without its Z", "21:50:12Z", "21:50:12", "attribute-malformed")
    changed("time-of-no-day", "the 30th of February", "2026-11-23T", "2026-02-30T", "attribute-malformed")
    changed("time-as-a-number", "milliseconds in place of a text", '"time":"2026-11-23T21:50:12Z"', '"time":1795470612', "attribute-malformed")
    changed("sequence-of-11-digits", "a sequence has 12 digits", '"000000000002"', '"00000000002"', "attribute-malformed")
    changed("sequence-zero", "sequences count from 1", '"000000000002"', '"000000000000"', "attribute-malformed")
    changed("sequence-as-a-number", "a sequence is a text", '"000000000002"', "2", "attribute-malformed")
    changed("ledger-in-upper-case", "hexadecimal digits are lower case", LEDGER_DIGEST, LEDGER_DIGEST.upper(), "attribute-malformed")
    changed("previous-of-63-digits", "a digest has 64 digits", sha256(b"the event before"), sha256(b"the event before")[1:], "attribute-malformed")
    changed("sequenceend-false", "`sequenceend` is true or absent", '"traceparent":"00-ab"', '"sequenceend":false', "attribute-malformed")
    changed("sequenceend-as-text", "`sequenceend` is JSON true", '"traceparent":"00-ab"', '"sequenceend":"true"', "attribute-malformed")
    changed("data-null", "`data` is an object", compact(DATASET), "null", "attribute-malformed")
    changed("data-as-text", "`data` is an object, not its text", compact(DATASET), '"{}"', "attribute-malformed")
    changed("data-of-another-media-type", "`datacontenttype` is application/json", '"application/json"', '"text/plain"', "attribute-malformed")
    changed("extension-float", "CloudEvents has no floating point type", '"00-ab"', "1.5", "attribute-malformed")
    changed("extension-of-33-bits", "CloudEvents integers have 32 bits", '"00-ab"', "2147483648", "attribute-malformed")
    changed("extension-null", "an attribute without a value is absent", '"00-ab"', "null", "attribute-malformed")
    changed("extension-object", "attributes are not nested", '"00-ab"', '{"a":1}', "attribute-malformed")
    changed("attribute-of-1025-characters", "an attribute has at most 1,024 characters", '"00-ab"', '"' + "x" * 1025 + '"', "attribute-malformed")

    # The vocabulary.
    case("unknown-type", "a type that the vocabulary does not have", event("dataset.deleted", "dataset/a/b", DATASET), "unknown-type")
    case("schema-missing-member", "`dataset` is required", with_data({}), "schema-violation")
    case("schema-unknown-member", "unknown members belong under `annotations`", with_data({**DATASET, "rows": 3}), "schema-violation")
    case("schema-null-member", "a member without a value is absent", with_data({**DATASET, "version": None}), "schema-violation")
    case("schema-weak-digest", "a snapshot has a digest of its full content", with_data({"dataset": {"digest": {"md5": "0" * 32}}}), "schema-violation")
    case("schema-array-for-object", "an artifact as a list of its values", with_data({"dataset": [None, None, {"sha256": sha256(b"x")}]}), "schema-violation")
    case("schema-digest-in-upper-case", "hexadecimal digits are lower case", with_data({"dataset": {"digest": {"sha256": sha256(b"x").upper()}}}), "schema-violation")
    case("bidi-in-a-name", "a right-to-left override in what a thing is called",
         with_data({"dataset": {"name": "fraud\u202egnp.exe", "digest": {"sha256": sha256(b"x")}}}), "schema-violation")
    case("control-in-a-name", "an escape sequence for terminals in what a thing is called",
         with_data({"dataset": {"name": "fraud\u001b[2J", "digest": {"sha256": sha256(b"x")}}}), "schema-violation")
    case("look-alike-in-a-dataset-name", "names that decide are ASCII", with_data({**DATASET, "name": "dataset/p\u0430yments/x"}), "schema-violation")
    case("subject-of-another-kind", "a model as the subject of a snapshot", with_data(DATASET, "model/payments/fraud"), "subject-mismatch")
    case("subject-unlike-its-payload", "another data set than the payload names",
         with_data({**DATASET, "name": "dataset/payments/refunds"}), "subject-mismatch")


def make_vocabulary():
    """What the vocabulary asks of names and of single types. Last of all, so that earlier cases keep their ids."""
    def case(name, what, kind, subject, data, error):
        data = event(kind, subject, data)
        write("event", name, what, {"event": data} | ({} if error else {"digest": sha256(data)}), error)

    file = {"digest": {"sha256": sha256(b"weights")}}
    elsewhere = {"uri": "s3://models/fraud"}
    run = {"runId": "run-17", "job": {"namespace": "payments", "name": "train", "kind": "train"}}
    key = Key("producer one")
    enrolled = {"keyid": key.keyid, "publicKey": key.pem, "producer": "one", "sources": ["https://ci.example/**"],
                "roles": ["data"], "types": ["dataset.snapshotted"], "names": ["dataset/payments/**"]}

    # Names and subjects.
    case("name-without-owner", "a name is `<kind>/<owner>/<name>`", *SNAPSHOT, {**DATASET, "name": "dataset/transactions"}, "schema-violation")
    case("name-with-a-step-up", "no segment is of dots alone", "model.registered", "model/payments/../fraud",
         {"model": file, "name": "model/payments/../fraud"}, "schema-violation")
    case("service-without-owner", "a service has an owner as well", "deployment.removed", "service/fraud@eu-1/prod",
         {"service": "service/fraud@eu-1/prod"}, "schema-violation")
    case("job-with-a-dot", "no segment is of dots alone", "run.started", "job/payments/.",
         {**run, "job": {"namespace": "payments", "name": ".", "kind": "train"}}, "schema-violation")
    case("pattern-with-a-step-up", "a name pattern is a path", "key.enrolled", f"key/{key.keyid}",
         {**enrolled, "names": ["dataset/payments/../**"]}, "schema-violation")
    case("subject-without-owner", "a subject is `<kind>/<owner>/<name>`", SNAPSHOT[0], "dataset/transactions", DATASET, "subject-mismatch")
    case("subject-with-a-step-up", "no segment is of dots alone", SNAPSHOT[0], "dataset/payments/../transactions", DATASET, "subject-mismatch")
    case("heartbeat-about-no-path", "any subject, but a path", "producer.heartbeat", "dataset/payments/../x", {}, "subject-mismatch")
    case("valid-name-with-dots", "dots within a segment", "model.registered", "model/payments/..fraud/v1.2..",
         {"model": file, "name": "model/payments/..fraud/v1.2.."}, None)

    # Single types.
    case("equated-without-digest", "a place can change: what is equated has a digest", "artifact.equated", "artifact/payments/fraud",
         {"a": file, "b": elsewhere, "method": "copied"}, "schema-violation")
    case("filter-in-words", "a filter is a code, its text an attachment", *SNAPSHOT,
         {**DATASET, "subset": {"filter": "rows of jo@example.com"}}, "schema-violation")
    case("valid-run-that-made-nothing", "an empty list of outputs", "run.completed", "job/payments/train", {**run, "outputs": []}, None)
    case("valid-alias-of-a-reference", "an alias that stands for a floating reference", "alias.moved", "alias/payments/fraud/latest",
         {"alias": "alias/payments/fraud/latest", "to": file, "uri": "oci://registry.example/fraud:latest"}, None)
    case("valid-revocation-without-reason", "nobody has to say why", "key.revoked", f"key/{key.keyid}", {"keyid": key.keyid}, None)
    case("valid-annotated-heartbeat", "every event but a genesis may have annotations and attachments", "producer.heartbeat",
         "service/payments/fraud@eu-1/prod", {"attachments": [{"role": "note", "digest": {"sha256": sha256(b"")}, "size": 0}],
                                              "annotations": {"shift": "night"}}, None)

    # Flags, services and incidents.
    flagged = {"artifact": file, "category": "poisoned", "justification": "labels-flipped", "knownSince": RECEIVED}
    flag = ("artifact.flagged", "artifact/payments/part-0017")
    service = "service/payments/fraud@eu-1/prod"
    batch = {"service": service, "from": "2026-11-22T00:00:00Z", "to": "2026-11-23T00:00:00Z", "count": 3,
             "pointer": {"uri": "s3://decisions/1"}}
    drift = {"service": service, "referenceData": file, "window": {"from": batch["from"], "to": batch["to"]},
             "statistics": [{"feature": "amount", "test": "psi", "value": "0.10", "threshold": 0.2, "status": "pass"}]}
    incident = "incident/payments/INC-7"
    inventory = {"environment": "environment/eu-1/prod", "observedAt": RECEIVED, "observer": "agent", "complete": True,
                 "services": [{"service": "service/payments/fraud", "servingSet": [
                     {"instances": 10000, "components": [{"role": "model", "artifact": file}]}]}],
                 "part": {"number": 1, "of": 1}}
    place = inventory["environment"]
    case("valid-flag", "a file of a listing is flagged by its digest", *flag, flagged, None)
    case("valid-flag-on-a-weak-digest", "the name of the digest says how weak it is", *flag,
         {**flagged, "artifact": {"digest": {"mlflowDigest": "653f63f1"}}}, None)
    case("flag-on-a-place", "a place can come to hold other bytes", *flag, {**flagged, "artifact": elsewhere}, "schema-violation")
    case("flag-of-no-category", "the list is closed; what is not in it is `other`", *flag, {**flagged, "category": "biased"}, "schema-violation")
    case("flag-in-words", "why is a code, the story an attachment", *flag,
         {**flagged, "justification": "jo@example.com says so"}, "schema-violation")
    case("flag-since-some-day", "a time is one", *flag, {**flagged, "knownSince": "2026-11-23"}, "schema-violation")
    case("flag-about-a-model", "a flag is about an artifact", flag[0], "model/payments/fraud", flagged, "subject-mismatch")
    case("valid-clearing", "all flags of an artifact", "artifact.cleared", flag[1], {"artifact": file, "justification": "false-alarm"}, None)
    case("clearing-without-artifact", "what is cleared is named beside its flag", "artifact.cleared", flag[1],
         {"flag": sha256(b"a flag"), "justification": "false-alarm"}, "schema-violation")
    case("valid-service", "who answers for a service, as a pseudonym", "service.registered", service,
         {"service": service, "owner": "team-fraud", "tier": "tier-1", "contactRef": "oncall-fraud"}, None)
    case("service-with-an-address", "a contact is a reference, and no address", "service.registered", service,
         {"service": service, "contactRef": "jo@example.com"}, "schema-violation")
    case("service-unlike-its-subject", "another service than the payload names", "service.registered",
         "service/payments/refunds@eu-1/prod", {"service": service}, "subject-mismatch")
    case("valid-decisions", "a batch, the model that scored it and what it made", "decisions.recorded", service,
         {**batch, "inputs": [{"artifact": file, "role": "model"}], "outputs": [{"digest": {"sha256": sha256(b"scores")}}]}, None)
    case("decisions-nowhere", "a batch of decisions is somewhere", "decisions.recorded", service, {**batch, "pointer": file}, "schema-violation")
    case("decisions-in-part", "a count is a whole number", "decisions.recorded", service, {**batch, "count": 2.5}, "schema-violation")
    case("valid-drift", "numbers keep their text", "drift.observed", service, drift, None)
    case("drift-without-statistics", "at least one number", "drift.observed", service, {**drift, "statistics": []}, "schema-violation")
    case("drift-of-an-open-window", "a window has both of its ends", "drift.observed", service,
         {**drift, "window": {"from": batch["from"]}}, "schema-violation")
    case("valid-incident", "something is wrong, and nothing else is known yet", "incident.opened", incident, {"incident": incident}, None)
    case("valid-closing", "how it ended is a code", "incident.closed", incident, {"incident": incident, "resolution": "unknown"}, None)
    case("closing-without-resolution", "how it ended is said", "incident.closed", incident, {"incident": incident}, "schema-violation")
    case("incident-without-owner", "an incident has an owner", "incident.opened", "incident/INC-7", {"incident": "incident/INC-7"}, "schema-violation")
    case("valid-inventory", "ten thousand instances are one number", "inventory.observed", place, inventory, None)
    case("valid-empty-inventory", "nothing is there", "inventory.observed", place, {**inventory, "services": []}, None)
    case("inventory-of-another-place", "services are listed without their place", "inventory.observed", place,
         {**inventory, "services": [{"service": service, "servingSet": []}]}, "schema-violation")
    case("inventory-part-zero", "parts count from 1", "inventory.observed", place, {**inventory, "part": {"number": 0, "of": 1}}, "schema-violation")
    case("inventory-unlike-its-subject", "another environment than the payload names", "inventory.observed", "environment/us-1/prod",
         inventory, "subject-mismatch")

    # Policies and decisions.
    policy = {"policy": "policy/payments/fraud-prod", "text": "schema = 1\n\tname = \"policy/payments/fraud-prod\"\n"}
    registered = ("policy.registered", policy["policy"])
    serving = [{"components": [{"role": "model", "artifact": file}]}]
    decided = {"service": service, "servingSet": serving, "verdict": "deny", "treeSize": 17, "judgedAt": RECEIVED,
               "document": sha256(b"a verdict")}
    decision = ("gate.decided", service)
    approval = {"service": service, "artifact": file, "role": "model-risk"}
    waiver = {"service": service, "artifact": file, "policy": sha256(policy["text"].encode()), "rule": "metric/recall[country=BR]",
              "reason": "small-market", "expires": RECEIVED}
    retracted = {"evaluationId": "eval-17", "model": file, "reason": "wrong-data"}
    case("valid-policy", "lines of text; whether they are a policy, the gate says", *registered, policy, None)
    case("policy-with-a-carriage-return", "one spelling of a line's end", *registered, {**policy, "text": "schema = 1\r\n"}, "schema-violation")
    case("policy-without-text", "a verdict is made again from the record alone", *registered, {"policy": policy["policy"]}, "schema-violation")
    case("policy-without-owner", "a policy has an owner", "policy.registered", "policy/fraud", {**policy, "policy": "policy/fraud"}, "schema-violation")
    case("policy-unlike-its-subject", "another policy than the payload names", "policy.registered", "policy/payments/other", policy, "subject-mismatch")
    case("valid-decision", "what was asked, at which size and moment", *decision, decided, None)
    case("valid-overridden-decision", "the glass is broken, and the verdict stays what it is", *decision,
         {**decided, "overridden": {"waiver": sha256(b"a waiver"), "reason": "fraud-wave", "expires": RECEIVED}}, None)
    case("decision-of-another-word", "three verdicts and no more", *decision, {**decided, "verdict": "promote"}, "schema-violation")
    case("decision-about-nothing", "a decision is about something", *decision, {**decided, "servingSet": []}, "schema-violation")
    case("decision-at-no-size", "a verdict can be made again", *decision,
         {key: value for key, value in decided.items() if key != "treeSize"}, "schema-violation")
    case("decision-at-half-a-size", "a size is a whole number", *decision, {**decided, "treeSize": 16.5}, "schema-violation")
    case("valid-approval", "somebody who may says yes", "approval.granted", service, approval, None)
    case("approval-of-a-place", "a place can come to hold other bytes", "approval.granted", service, {**approval, "artifact": elsewhere}, "schema-violation")
    case("approval-of-a-weak-digest", "a weak digest is that of other bytes as well", "approval.granted", service,
         {**approval, "artifact": {"digest": {"mlflowDigest": "653f63f1"}}}, "schema-violation")
    case("valid-refusal", "somebody who may says no", "approval.refused", service, approval, None)
    case("refusal-with-an-end", "a refusal ends when somebody grants", "approval.refused", service, {**approval, "expires": RECEIVED}, "schema-violation")
    case("valid-waiver", "one rule, one artifact, one service, for a time", "waiver.granted", service, waiver, None)
    case("waiver-without-end", "a waiver ends", "waiver.granted", service,
         {key: value for key, value in waiver.items() if key != "expires"}, "schema-violation")
    case("waiver-in-words", "why is a code, the story an attachment", "waiver.granted", service, {**waiver, "reason": "Jo said so"}, "schema-violation")
    case("valid-retraction", "a measurement does not count", "evaluation.retracted", "model/payments/fraud", retracted, None)
    case("retraction-without-reason", "why is said", "evaluation.retracted", "model/payments/fraud",
         {key: value for key, value in retracted.items() if key != "reason"}, "schema-violation")


def flat(data):
    if isinstance(data, bytes):
        return data
    parts = [part.encode() if isinstance(part, str) else part["repeat"].encode() * part["times"] for part in data]
    return b"".join(parts)


# --- envelope/ -------------------------------------------------------------------------------------------------------


def make_envelopes():
    one, two = sorted([Key("producer one"), Key("producer two")], key=lambda key: key.keyid)
    body = snapshot()

    def entry(key, **more):
        return {"keyid": key.keyid, "sig": b64(key.sign(body)), **more}

    good = {"payload": b64(body), "payloadType": PAYLOAD_TYPE, "signatures": [entry(one)]}

    def case(name, what, envelope, error):
        data = envelope if isinstance(envelope, (bytes, list)) else compact(envelope).encode()
        inputs = {"envelope": data}
        if error is None:
            inputs["event"] = body
        write("envelope", name, what, inputs, error)

    case("valid-one-signature", "the standard DSSE JSON envelope", good, None)
    case("valid-two-signatures", "sorted by keyid", {**good, "signatures": [entry(one), entry(two)]}, None)
    case("valid-white-space", "an envelope is not signed: other tools may write it with white space", json.dumps(good).encode(), None)
    case("valid-other-order", "an envelope's members stand in any order", dict(reversed(list(good.items()))), None)

    text = compact(good)
    case("not-json", "a cut envelope", text[:-1].encode(), "malformed-envelope")
    case("trailing-bytes", "two envelopes on one line", (text + text).encode(), "malformed-envelope")
    case("duplicate-payload", "the payload twice", text.replace("{", '{"payload":"e30=",', 1).encode(), "malformed-envelope")
    case("duplicate-payload-escaped", "the payload twice, once escaped", text.replace("{", r'{"p\u0061yload":"e30=",', 1).encode(), "malformed-envelope")
    case("duplicate-sig", "a signature's bytes twice", text.replace('"sig"', '"sig":"AA==","sig"').encode(), "malformed-envelope")
    case("unknown-member", "a member that nobody signed and nobody reads", {**good, "note": "x"}, "malformed-envelope")
    case("unknown-member-of-a-signature", "a certificate beside a signature", {**good, "signatures": [entry(one, cert="x")]}, "malformed-envelope")
    case("without-payload-type", "the payload type is required", {key: good[key] for key in ["payload", "signatures"]}, "malformed-envelope")
    case("without-keyid", "a key id is required here", {**good, "signatures": [{"sig": b64(one.sign(body))}]}, "malformed-envelope")
    case("null-payload", "a payload is a text", {**good, "payload": None}, "malformed-envelope")
    case("array-for-envelope", "the envelope as a list of its values", compact(list(good.values())).encode(), "malformed-envelope")
    case("array-for-signature", "a signature as a list of its values",
         {**good, "signatures": [[one.keyid, b64(one.sign(body))]]}, "malformed-envelope")
    case("longer-than-its-limit", "400 KiB of white space after the envelope",
         [text, {"repeat": " ", "times": 400 * 1024}], "malformed-envelope")
    case("payload-type-of-in-toto", "another tool's envelope", {**good, "payloadType": "application/vnd.in-toto+json"}, "wrong-payload-type")
    case("payload-type-in-upper-case", "a payload type has one spelling", {**good, "payloadType": PAYLOAD_TYPE.upper()}, "wrong-payload-type")
    case("payload-without-padding", "base64 has its padding", {**good, "payload": b64(body + b" " * ((1 - len(body)) % 3))[:-2]}, "malformed-base64")
    case("payload-url-safe", "base64 is of the standard alphabet", {**good, "payload": base64.urlsafe_b64encode(b"\xfb\xef\xff" + body).decode()}, "malformed-base64")
    case("payload-with-spare-bits", "base64 has one spelling: spare bits are zero", {**good, "payload": "e31="}, "malformed-base64")
    case("payload-with-newline", "base64 on one line", {**good, "payload": b64(body)[:64] + "\n" + b64(body)[64:]}, "malformed-base64")
    case("signature-of-63-bytes", "a signature has 64 bytes", {**good, "signatures": [{**entry(one), "sig": b64(one.sign(body)[:63])}]}, "malformed-signature")
    case("signature-not-base64", "a signature in hexadecimal digits", {**good, "signatures": [{**entry(one), "sig": one.sign(body).hex()}]}, "malformed-signature")
    case("keyid-in-upper-case", "hexadecimal digits are lower case", {**good, "signatures": [{**entry(one), "keyid": one.keyid.upper()}]}, "malformed-signature")
    case("keyid-of-40-digits", "a SHA-1 key id", {**good, "signatures": [{**entry(one), "keyid": one.keyid[:40]}]}, "malformed-signature")
    case("unsigned", "an empty list of signatures", {**good, "signatures": []}, "unsigned")
    case("unsorted", "signatures are sorted by keyid", {**good, "signatures": [entry(two), entry(one)]}, "unsorted-signatures")


# --- signature/ ------------------------------------------------------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def x_of(y):
    """The even x of a point with this y, or nothing (RFC 8032 section 5.1.3)."""
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return None if (x * x - square) % P else min(x, P - x, key=lambda x: x & 1)


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2 % P
    x3 = (x1 * y2 + x2 * y1) * pow(1 + k, P - 2, P) % P
    y3 = (y1 * y2 + x1 * x2) * pow(1 - k, P - 2, P) % P
    return x3, y3


def multiply(n, point):
    total = (0, 1)
    while n:
        if n & 1:
            total = add(total, point)
        point, n = add(point, point), n >> 1
    return total


def encoded(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def make_signatures():
    keys = sorted([Key(f"producer {n}") for n in ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]],
                  key=lambda key: key.keyid)
    one, two = keys[0], keys[1]
    body = snapshot()

    def case(name, what, signatures, error, known=(one, two), data=body, public_keys=()):
        shown = [key.shown() for key in known] + [{"name": "given", "publicKey": text} for text in public_keys]
        write("signature", name, what, {"keys": shown, "event": data, "signatures": signatures}, error)

    def line(key, sig):
        return f"{key.keyid}:{b64(sig)}"

    good = one.header(body)
    case("valid-one", "one signature", [good], None)
    case("valid-two", "two, sorted by keyid", headers(body, one, two), None)
    case("valid-eight", "eight are the most", headers(body, *keys[:8]), None, known=keys[:8])
    rfc = Key("RFC 8032 test 1", bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
    case("valid-rfc8032-key", "the key of RFC 8032 section 7.1, test 1", [rfc.header(body)], None, known=[rfc])

    case("unsigned", "no signature", [], "unsigned")
    case("nine", "nine good signatures", headers(body, *keys), "too-many-signatures", known=keys)
    case("unsorted", "two good signatures, the larger keyid first", [two.header(body), good], "unsorted-signatures")
    case("same-signer-twice", "one good signature, twice", [good, good], "unsorted-signatures")

    flipped = bytearray(one.sign(body))
    flipped[0] ^= 1
    case("one-bit-flipped", "one bit of R is flipped", [line(one, bytes(flipped))], "wrong-signature")
    case("one-good-one-bad", "all must verify", [good, line(two, two.sign(body + b" "))], "wrong-signature")
    case("event-changed", "one letter of the event is changed", [good], "wrong-signature", data=body.replace(b"payments/transactions", b"payments/transactionz"))
    case("of-another-key", "another key's signature under this key's id", [line(one, two.sign(body))], "wrong-signature")
    case("over-the-bare-event", "the event's bytes signed without their DSSE encoding", [line(one, one.private.sign(body))], "wrong-signature")
    case("over-another-payload-type", "signed as something else", [line(one, one.private.sign(pae(body, "application/vnd.in-toto+json")))], "wrong-signature")
    case("over-the-digest", "the event's digest signed in place of its bytes", [line(one, one.private.sign(pae(hashlib.sha256(body).digest())))], "wrong-signature")
    case("of-zeros", "64 zero bytes", [line(one, bytes(64))], "wrong-signature")
    sig = one.sign(body)
    large = sig[:32] + (int.from_bytes(sig[32:], "little") + ORDER).to_bytes(32, "little")
    case("s-not-reduced", "S plus the group's order: the same signature in a second spelling", [line(one, large)], "wrong-signature")
    # R is the neutral element, which lenient checks accept: S*B = R + k*A holds.
    digest = hashlib.sha512(one.seed).digest()
    secret = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254
    neutral = encoded((0, 1))
    k = int.from_bytes(hashlib.sha512(neutral + one.raw + pae(body)).digest(), "little") % ORDER
    case("r-of-small-order", "R is the neutral element: lenient checks accept it, the strict one does not",
         [line(one, neutral + (k * secret % ORDER).to_bytes(32, "little"))], "wrong-signature")

    case("unknown-key", "a good signature under a key that nobody knows", [two.header(body)], "unknown-key", known=[one])
    case("one-known-one-unknown", "two good signatures, one under a key that nobody knows", headers(body, one, two), "unknown-key", known=[one])
    case("one-bad-one-unknown", "a bad signature counts before an unknown key", [line(one, bytes(flipped)), two.header(body)], "wrong-signature", known=[one])

    case("without-colon", "key id and signature without their colon", [good.replace(":", "")], "malformed-signature")
    case("keyid-in-upper-case", "hexadecimal digits are lower case", [good.replace(one.keyid, one.keyid.upper())], "malformed-signature")
    case("keyid-of-63-digits", "a key id has 64 digits", [good[1:]], "malformed-signature")
    case("without-padding", "base64 has its padding", [good.rstrip("=")], "malformed-signature")
    case("url-safe", "base64 is of the standard alphabet", [f"{one.keyid}:{'-' + good[66:]}"], "malformed-signature")
    spare = good[:-3] + chr(ord(good[-3]) + 1) + "=="
    case("with-spare-bits", "base64 has one spelling: spare bits are zero", [spare], "malformed-signature")
    case("of-63-bytes", "a signature has 64 bytes", [line(one, sig[:63])], "malformed-signature")
    case("of-65-bytes", "a signature has 64 bytes", [line(one, sig + b"\0")], "malformed-signature")
    case("with-a-space", "nothing stands around a signature", [" " + good], "malformed-signature")

    base_y = 4 * pow(5, P - 2, P) % P
    case("key-neutral", "the neutral element as a key verifies what nobody signed", [good], "weak-key", public_keys=[pem(neutral)])
    case("key-of-order-4", "a key of order 4: y is 0", [good], "weak-key", public_keys=[pem(bytes(32))])
    torsion = None
    for y in range(2, 60):
        if x_of(y) is not None:
            torsion = multiply(ORDER, (x_of(y), y))
            if multiply(4, torsion) != (0, 1):
                break
    case("key-of-order-8", "a key of order 8", [good], "weak-key", public_keys=[pem(encoded(torsion))])
    assert multiply(ORDER, (x_of(base_y), base_y)) == (0, 1) and encoded(multiply(secret, (x_of(base_y), base_y))) == one.raw
    off_curve = next(y for y in range(2, 60) if x_of(y) is None)
    case("key-off-the-curve", "no point has this y", [good], "malformed-public-key", public_keys=[pem(off_curve.to_bytes(32, "little"))])
    not_reduced = next(y for y in range(2, 19) if x_of(y) is not None)
    case("key-not-reduced", "y is not below p: a second spelling of a point (RFC 8032 section 5.1.3)", [good], "malformed-public-key",
         public_keys=[pem((not_reduced + P).to_bytes(32, "little"))])
    case("key-of-x25519", "a key of another algorithm", [good], "malformed-public-key",
         public_keys=[pem(one.raw, bytes.fromhex("302a300506032b656e032100"))])
    case("key-private", "a private key in place of a public one", [good], "malformed-public-key", public_keys=[
        f"-----BEGIN PRIVATE KEY-----\n{b64(bytes.fromhex('302e020100300506032b657004220420') + one.seed)}\n-----END PRIVATE KEY-----\n"])


# --- authority/ and sequence/ ----------------------------------------------------------------------------------------

ALL_TYPES = ["dataset.snapshotted", "run.completed", "model.registered", "producer.heartbeat", "record.corrected"]


def at(minute):
    return f"2026-11-23T21:{minute:02d}:00.000Z"


class World:
    """A ledger with its keys, and what it has admitted so far."""

    def __init__(self, threshold=1, roots=("root",)):
        self.roots = sorted([Key(name) for name in roots], key=lambda key: key.keyid)
        self.ledger = Key("ledger")
        self.threshold = threshold
        self.keys = [*self.roots, self.ledger]
        self.history = []
        self.heads = {}
        self.genesis = self.make_genesis()
        self.digest = sha256(self.genesis)

    def make_genesis(self, origin=ORIGIN, source=None, **changes):
        data = {
            "origin": origin, "formatVersion": 1,
            "ledgerKey": {"verifierKey": self.ledger.vkey(origin), "publicKey": self.ledger.pem},
            "roots": [{"keyid": key.keyid, "publicKey": key.pem} for key in self.roots],
            "threshold": self.threshold,
        }
        more = {name: changes.pop(name) for name in ["sequence", "previous", "extra"] if name in changes}
        data.update(changes)
        return event("ledger.created", f"ledger/{origin}", data, source=source or f"lineal://{origin}", ledger=None, **more)

    def begin(self):
        self.add(self.genesis, *self.roots, minute=0)
        return self

    def add(self, data, *keys, minute, outcome="admitted"):
        self.history.append({"received": at(minute), "event": data.decode(), "signatures": headers(data, *keys), "outcome": outcome})
        source = json.loads(data)["source"]
        self.heads[source] = (int(json.loads(data)["sequence"]), sha256(data))
        self.keys += [key for key in keys if key not in self.keys]
        return data

    def next(self, name, subject, data, source, **more):
        """The next event of a source."""
        head, digest = self.heads.get(source, (0, None))
        more = {"sequence": head + 1, "previous": digest, "ledger": self.digest, **more}
        return event(name, subject, data, source=source, **more)

    def root_source(self, root=None):
        return f"lineal://{ORIGIN}/root/{(root or self.roots[0]).keyid}"

    def enrolment(self, key, **more):
        data = {
            "keyid": key.keyid, "publicKey": key.pem, "producer": "payments-ci",
            "sources": ["https://ci.example/payments/**"], "roles": ["trainer", "data"],
            "types": ALL_TYPES, "names": ["dataset/payments/**", "model/payments/**", "job/payments/**"],
        }
        data.update(more)
        return data

    def enroll_event(self, key, source=None, **more):
        return self.next("key.enrolled", f"key/{key.keyid}", self.enrolment(key, **more), source or self.root_source())

    def enroll(self, key, minute=1, by=None, source=None, **more):
        self.add(self.enroll_event(key, source, **more), *(by or self.roots[:max(1, self.threshold)]), minute=minute)
        self.keys += [key]
        return self

    def rotate_event(self, old, new, **more):
        data = {"keyid": new.keyid, "publicKey": new.pem, "replaces": old.keyid, **more}
        return self.next("key.rotated", f"key/{new.keyid}", data, self.root_source())

    def revoke_event(self, key, **more):
        return self.next("key.revoked", f"key/{key.keyid}", {"keyid": key.keyid, "reason": "compromised", **more}, self.root_source())

    def ledger_rotation(self, new, replaces=None, subject=f"ledger/{ORIGIN}", **more):
        data = {"verifierKey": new.vkey(), "publicKey": new.pem, "replaces": (replaces or self.ledger).keyid, **more}
        return self.next("ledgerkey.rotated", subject, data, self.root_source())

    def case(self, folder, name, what, data, keys, outcome, error, minute=30, fills=None, signatures=None):
        shown, seen = [], set()
        for key in [*self.keys, *keys]:
            if key.keyid not in seen:
                seen.add(key.keyid)
                shown.append(key.shown())
        inputs = {
            "keys": shown, "history": self.history, "received": at(minute), "event": data,
            "signatures": signatures or headers(data, *keys), "outcome": outcome,
        }
        if outcome == "rejected":
            inputs["fills"] = fills
        write(folder, name, what, inputs, error)


SOURCE = "https://ci.example/payments/train"


def make_authority():
    trainer = Key("trainer")

    def world(**more):
        return World().begin().enroll(trainer, **more)

    def says(w, name="dataset.snapshotted", subject="dataset/payments/transactions", data=DATASET, source=SOURCE, **more):
        return w.next(name, subject, data, source, **more)

    def case(w, name, what, data, keys, outcome, error, **more):
        w.case("authority", name, what, data, keys, outcome, error, **more)

    # Who is who.
    w = world()
    case(w, "valid-producer", "an enrolled key within its scope", says(w), [trainer], "admitted", None)
    stranger = Key("stranger")
    case(w, "unknown-key", "nobody enrolled this key yet: parked until somebody does", says(w), [stranger], "parked", "unknown-key")
    case(w, "unknown-key-breaking-its-schema", "parked is only what is otherwise sound", says(w, data={}), [stranger], "refused", "unknown-key")
    case(w, "enrolled-and-unknown-key", "all signers are judged", says(w), [trainer, stranger], "parked", "unknown-key")
    case(w, "wrong-signature", "a wrong signature touches nothing", says(w), [trainer], "refused", "wrong-signature",
         signatures=[f"{trainer.keyid}:{b64(bytes(64))}"])
    case(w, "root-as-producer", "roots are never enrolled: they sign key events only", says(w), [w.roots[0]], "rejected", "unknown-key", fills=False)
    case(w, "ledger-as-producer", "the ledger's key speaks under the ledger's source only", says(w), [w.ledger], "rejected", "unknown-key", fills=False)
    w2 = world()
    second = Key("second")
    w2.enroll(second, minute=2)
    case(w2, "valid-two-signers", "two keys, both within their scopes", says(w2), [trainer, second], "admitted", None)
    w2 = world()
    w2.enroll(second, minute=2, names=["model/other/**"])
    case(w2, "one-signer-outside-its-scope", "each signer must be allowed to say it", says(w2), [trainer, second], "rejected", "name-not-allowed", fills=True)

    # Validity, against `received`.
    w = world(notBefore="2026-11-23T21:30:00Z")
    case(w, "valid-from-its-first-moment", "a key is valid from `notBefore` on", says(w), [trainer], "admitted", None)
    case(w, "not-yet-valid", "a minute before `notBefore`; the event's own time does not count", says(w, time="2026-11-23T22:00:00Z"), [trainer], "rejected", "key-not-yet-valid", minute=29, fills=False)
    w = world(notAfter="2026-11-23T21:30:00Z")
    case(w, "valid-before-its-end", "a minute before `notAfter`", says(w), [trainer], "admitted", None, minute=29)
    case(w, "expired", "after `notAfter`; the event's own time does not count", says(w, time="2026-11-23T21:00:00Z"), [trainer], "rejected", "key-expired", minute=31, fills=False)
    w = world()
    w.add(w.revoke_event(trainer), *w.roots, minute=5)
    case(w, "revoked", "after its revocation", says(w), [trainer], "rejected", "key-revoked", fills=False)
    case(w, "revoked-again", "a key is revoked once", w.revoke_event(trainer), w.roots, "rejected", "key-revoked", fills=True)
    case(w, "rotating-a-revoked-key", "a revoked key has no successor", w.rotate_event(trainer, second), w.roots, "rejected", "key-revoked", fills=True)
    w = world()
    before = w.add(says(w), trainer, minute=3)
    w.add(w.revoke_event(trainer, compromisedSince="2026-11-23T21:04:00Z"), *w.roots, minute=5)
    case(w, "valid-duplicate-of-a-revoked-key", "what was admitted gets its receipt again", before, [trainer], "duplicate", None)
    w = world()
    w.add(w.rotate_event(trainer, second), *w.roots, minute=5)
    case(w, "retired", "after its rotation", says(w), [trainer], "rejected", "key-retired", fills=False)
    case(w, "valid-successor", "the new key has the old one's rights", says(w), [second], "admitted", None)
    w = world()
    w.add(w.rotate_event(trainer, second, retiresAt="2026-11-23T21:20:00Z"), *w.roots, minute=5)
    case(w, "valid-until-it-retires", "both are valid until `retiresAt`", says(w), [trainer], "admitted", None, minute=19)
    case(w, "retired-at-its-moment", "from `retiresAt` on the old one is not", says(w), [trainer], "rejected", "key-retired", minute=20, fills=False)
    third = Key("third")
    case(w, "rotating-a-retired-key", "a second successor would let the retired key speak again",
         w.rotate_event(trainer, third, retiresAt="2030-01-01T00:00:00Z"), w.roots, "rejected", "key-retired", fills=True)

    # Scope.
    w = world()
    case(w, "wrong-source", "a source outside the key's sources", says(w, source="https://ci.example/other/train"), [trainer], "rejected", "source-not-allowed", fills=False)
    case(w, "source-beside-its-pattern", "`payments/**` is not `payments2/...`", says(w, source="https://ci.example/payments2/train"), [trainer], "rejected", "source-not-allowed", fills=False)
    case(w, "source-above-its-pattern", "`payments/**` is not `payments`", says(w, source="https://ci.example/payments"), [trainer], "rejected", "source-not-allowed", fills=False)
    case(w, "wrong-subject", "a name outside the key's names", says(w, subject="dataset/other/transactions"), [trainer], "rejected", "name-not-allowed", fills=True)
    case(w, "subject-beside-its-pattern", "`dataset/payments/**` is not `dataset/payments2/...`", says(w, subject="dataset/payments2/transactions"), [trainer], "rejected", "name-not-allowed", fills=True)
    observed = {"service": "service/payments/fraud@eu-1/prod", "servingSet": [{"components": [{"role": "model", "artifact": {"digest": {"sha256": sha256(b"weights")}}}]}],
                "observedAt": "2026-11-23T21:50:00Z", "observer": "cluster-eu-1", "complete": True}
    OBSERVED = ("deployment.observed", "service/payments/fraud@eu-1/prod", observed)
    case(w, "wrong-type", "a type outside the key's types", says(w, *OBSERVED), [trainer], "rejected", "type-not-allowed", fills=True)
    w = world(types=ALL_TYPES + ["deployment.observed"], names=["service/payments/**"])
    case(w, "wrong-role", "no role of the key says that type, though the type is among its types", says(w, *OBSERVED), [trainer], "rejected", "role-not-allowed", fills=True)
    w = world(roles=["observer"], types=["deployment.observed"], names=["service/payments/**"])
    case(w, "valid-observer", "type, role and name fit", says(w, *OBSERVED), [trainer], "admitted", None)
    w = world()
    case(w, "breaks-its-schema", "under an enrolled key it fills its number", says(w, data={}), [trainer], "rejected", "schema-violation", fills=True)
    case(w, "unknown-type", "a type that the vocabulary does not have", says(w, "dataset.deleted"), [trainer], "rejected", "unknown-type", fills=True)
    unreadable = says(w).replace(b'"time"', b'"time":"2026-11-23T21:50:12Z","time"')
    case(w, "duplicate-key-under-an-enrolled-key", "it can't be read, so it fills nothing", unreadable, [trainer], "rejected", "duplicate-key", fills=False)
    correction = {"corrects": sha256(b"some event"), "data": {}}
    case(w, "correcting-a-key-event", "no producer's key speaks about keys", says(w, "record.corrected", f"key/{trainer.keyid}", correction), [trainer], "rejected", "name-not-allowed", fills=True)
    case(w, "heartbeat-about-a-key", "no producer's key speaks about keys", says(w, "producer.heartbeat", f"key/{trainer.keyid}", {}), [trainer], "rejected", "name-not-allowed", fills=True)

    # Which ledger.
    case(w, "for-another-ledger", "the genesis of another ledger", says(w, ledger=LEDGER_DIGEST), [trainer], "rejected", "wrong-ledger", fills=False)
    case(w, "second-genesis", "a genesis names no ledger, so that it is meant for none that has begun", w.make_genesis(threshold=1), w.roots, "rejected", "wrong-ledger", fills=False)
    case(w, "second-genesis-from-a-root", "the same under a root's own source", w.make_genesis(source=w.root_source()), w.roots, "rejected", "wrong-ledger", fills=False)

    # Reserved sources.
    ledger_source = f"lineal://{ORIGIN}"
    rejection = {"event": sha256(b"refused"), "keyid": trainer.keyid, "reason": "schema-violation", "fills": True}
    REJECTED = ("event.rejected", f"event/{sha256(b'refused')}", rejection)
    case(w, "valid-ledger-rejection", "the ledger says so under its own source and key", says(w, *REJECTED, source=ledger_source), [w.ledger], "admitted", None)
    case(w, "producer-as-the-ledger", "the ledger's source is reserved", says(w, *REJECTED, source=ledger_source), [trainer], "rejected", "not-the-ledger", fills=False)
    case(w, "root-as-the-ledger", "not even roots speak for it", says(w, *REJECTED, source=ledger_source), w.roots, "rejected", "not-the-ledger", fills=False)
    case(w, "producer-as-a-root", "a root's source is reserved", says(w, source=w.root_source()), [trainer], "rejected", "not-a-root", fills=False)
    case(w, "producer-below-the-ledger", "everything under lineal:// is reserved", says(w, source=f"lineal://{ORIGIN}/jobs/1"), [trainer], "rejected", "not-a-root", fills=False)
    case(w, "ledger-as-a-root", "the ledger's key decides about no keys", w.enroll_event(second), [w.ledger], "rejected", "not-a-root", fills=False)
    w2 = World().begin().enroll(trainer, sources=["lineal://ledger.example/**"])
    case(w2, "enrolled-for-a-reserved-source", "no enrolment opens a reserved source", says(w2, *REJECTED, source=ledger_source), [trainer], "rejected", "not-the-ledger", fills=False)
    case(w, "producer-saying-what-the-ledger-says", "refusals are the ledger's own", says(w, *REJECTED), [trainer], "rejected", "type-not-allowed", fills=True)
    case(w, "root-saying-what-producers-say", "roots sign key events only", says(w, source=w.root_source()), w.roots, "rejected", "type-not-allowed", fills=True)
    case(w, "ledger-saying-what-producers-say", "the ledger records no data", says(w, source=ledger_source), [w.ledger], "rejected", "type-not-allowed", fills=True)
    case(w, "ledger-enrolling-a-key", "the ledger decides about no keys", w.enroll_event(second, ledger_source), [w.ledger], "rejected", "type-not-allowed", fills=True)
    case(w, "valid-ledger-heartbeat", "an idle ledger says so", says(w, "producer.heartbeat", f"ledger/{ORIGIN}", {}, source=ledger_source), [w.ledger], "admitted", None)
    case(w, "ledger-heartbeat-for-another", "its heartbeat is about itself", says(w, "producer.heartbeat", "ledger/other", {}, source=ledger_source), [w.ledger], "rejected", "name-not-allowed", fills=True)

    # Keys.
    case(w, "valid-enrolment", "a root enrols a key", w.enroll_event(second), w.roots, "admitted", None)
    case(w, "enrolled-twice", "a key is enrolled once", w.enroll_event(trainer), w.roots, "rejected", "key-already-known", fills=True)
    case(w, "enrolling-a-root", "roots are never enrolled", w.enroll_event(w.roots[0]), w.roots, "rejected", "key-already-known", fills=True)
    case(w, "enrolling-the-ledger", "the ledger's key is never enrolled", w.enroll_event(w.ledger), w.roots, "rejected", "key-already-known", fills=True)
    weak = Key("second")
    weak.raw, weak.pem = bytes([1]) + bytes(31), pem(bytes([1]) + bytes(31))
    weak.keyid = sha256(SPKI + weak.raw)
    case(w, "enrolling-a-weak-key", "the neutral element verifies what nobody signed", w.enroll_event(weak), w.roots, "rejected", "weak-key", fills=True)
    swapped = Key("second")
    swapped.pem = third.pem
    case(w, "keyid-of-another-key", "a key id is the hash of its key", w.enroll_event(swapped), w.roots, "rejected", "wrong-keyid", fills=True)
    case(w, "enrolling-with-an-inner-wildcard", "a pattern is a literal, optionally ending in /**", w.enroll_event(second, sources=["https://*/payments"]), w.roots, "rejected", "malformed-pattern", fills=True)
    case(w, "enrolling-under-another-subject", "the subject names the key",
         w.next("key.enrolled", f"key/{trainer.keyid}", w.enrolment(second), w.root_source()), w.roots, "rejected", "subject-mismatch", fills=True)
    case(w, "revoking-an-unknown-key", "only an enrolled key is revoked", w.revoke_event(second), w.roots, "rejected", "unknown-key", fills=True)
    case(w, "rotating-an-unknown-key", "only an enrolled key is rotated", w.rotate_event(second, third), w.roots, "rejected", "unknown-key", fills=True)
    case(w, "rotating-to-a-known-key", "the new key is new", w.rotate_event(trainer, w.roots[0]), w.roots, "rejected", "key-already-known", fills=True)
    case(w, "producer-revoking", "only roots revoke", w.next("key.revoked", f"key/{trainer.keyid}", {"keyid": trainer.keyid, "reason": "retired"}, SOURCE), [trainer], "rejected", "type-not-allowed", fills=True)
    case(w, "producer-enrolling", "only roots and enrollers enrol", w.enroll_event(second, SOURCE), [trainer], "rejected", "type-not-allowed", fills=True)

    # Delegation.
    enroller = Key("enroller")
    ci = "https://ci.example/enroller"

    def delegating():
        return World().begin().enroll(
            enroller, sources=[ci, "https://ci.example/payments/**"], roles=["enroller", "trainer"],
            types=["key.enrolled", "run.completed", "model.registered"], names=["job/payments/**", "model/payments/**"])

    child = Key("short-lived job")
    within = {"sources": ["https://ci.example/payments/job-17"], "roles": ["trainer"], "types": ["run.completed"],
              "names": ["job/payments/train"], "notAfter": "2026-11-23T22:00:00Z"}
    w = delegating()
    case(w, "valid-delegation", "an enroller enrols within its own scope, for a time", w.enroll_event(child, ci, **within), [enroller], "admitted", None)
    for name, what, change in [
        ("wider-source", "a source outside the enroller's own", {"sources": ["https://ci.example/**"]}),
        ("wider-name", "a name outside the enroller's own", {"names": ["model/**"]}),
        ("wider-role", "a role that the enroller does not have", {"roles": ["deployer"]}),
        ("wider-type", "a type that the enroller does not have", {"types": ["dataset.snapshotted"]}),
        ("of-enrolling", "an enroller makes no enrollers", {"roles": ["enroller"]}),
    ]:
        case(w, f"delegation-{name}", what, w.enroll_event(child, ci, **{**within, **change}), [enroller], "rejected", "outside-delegation", fills=True)
    endless = {key: value for key, value in within.items() if key != "notAfter"}
    case(w, "delegation-without-end", "a delegated key is short-lived: it has its `notAfter`", w.enroll_event(child, ci, **endless), [enroller], "rejected", "outside-delegation", fills=True)
    w.add(w.enroll_event(child, ci, **within), enroller, minute=6)
    RUN = {"runId": "r1", "job": {"namespace": "payments", "name": "train", "kind": "train"}, "outputs": [{"digest": {"sha256": sha256(b"weights")}}]}
    case(w, "valid-delegated-key", "the delegated key speaks within its scope",
         says(w, "run.completed", "job/payments/train", RUN, source="https://ci.example/payments/job-17"), [child], "admitted", None)
    case(w, "delegated-key-outside-its-scope", "not within the enroller's, but within its own",
         says(w, "run.completed", "job/payments/train", RUN, source="https://ci.example/payments/job-18"), [child], "rejected", "source-not-allowed", fills=False)

    # The ledger's key.
    w = world()
    new = Key("next ledger key")
    case(w, "valid-ledger-rotation", "roots give the ledger another key", w.ledger_rotation(new), w.roots, "admitted", None)
    case(w, "ledger-rotation-of-another", "the replaced key is the current one", w.ledger_rotation(new, replaces=trainer), w.roots, "rejected", "unknown-key", fills=True)
    case(w, "ledger-rotation-to-a-known-key", "the new key is new", w.ledger_rotation(trainer), w.roots, "rejected", "key-already-known", fills=True)
    mixed = Key("next ledger key")
    mixed.pem = third.pem
    case(w, "ledger-rotation-of-two-keys", "both spellings are of one key", w.ledger_rotation(mixed), w.roots, "rejected", "wrong-verifier-key", fills=True)
    case(w, "ledger-rotation-about-another-ledger", "its subject is this ledger", w.ledger_rotation(new, subject="ledger/other"), w.roots, "rejected", "name-not-allowed", fills=True)
    w.add(w.ledger_rotation(new), *w.roots, minute=6)
    heartbeat = ("producer.heartbeat", f"ledger/{ORIGIN}", {})
    case(w, "valid-new-ledger-key", "the new key speaks for the ledger", says(w, *heartbeat, source=ledger_source), [new], "admitted", None)
    case(w, "retired-ledger-key", "the old one does not any more", says(w, *heartbeat, source=ledger_source), [w.ledger], "rejected", "not-the-ledger", fills=False)

    # The threshold of the roots.
    roots = ("root", "root two", "root three")
    w = World(threshold=2, roots=roots).begin()
    case(w, "valid-threshold", "two of three roots", w.enroll_event(trainer), w.roots[:2], "admitted", None)
    case(w, "threshold-not-met", "one root where two are needed", w.enroll_event(trainer), w.roots[:1], "rejected", "threshold-not-met", fills=False)
    case(w, "root-source-of-no-signer", "a root speaks under its own source", w.enroll_event(trainer, w.root_source(w.roots[2])), w.roots[:2], "rejected", "source-not-allowed", fills=False)
    case(w, "root-and-producer", "a producer's signature does not count as a root's", w.enroll_event(second), [w.roots[0], stranger], "parked", "unknown-key")

    # Genesis.
    def genesis(name, what, error, signers=None, world=None, **changes):
        w = world or World()
        outcome = "admitted" if error is None else "refused"
        data = w.make_genesis(**changes)
        w.case("authority", f"genesis-{name}" if error else f"valid-genesis{name}", what, data, w.roots if signers is None else signers, outcome, error, minute=0)

    genesis("", "signed by its one root", None)
    genesis("-of-three-roots", "signed by all roots", None, world=World(threshold=2, roots=roots))
    w3 = World(threshold=2, roots=roots)
    genesis("not-signed-by-all-roots", "one of three roots did not sign", "not-signed-by-all-roots", signers=w3.roots[:2], world=w3)
    genesis("signed-by-another-too", "a signer that is no root", "not-signed-by-all-roots", signers=[World().roots[0], stranger])
    genesis("with-wrong-signature-source", "its source is lineal:// and the origin", "source-not-allowed", source="lineal://other")
    genesis("with-too-high-a-threshold", "two of one root", "threshold-not-met", threshold=2)
    genesis("with-a-root-as-ledger-key", "the ledger's key is no root", "key-already-known",
            ledgerKey={"verifierKey": World().roots[0].vkey(), "publicKey": World().roots[0].pem})
    genesis("with-another-verifier-key", "both spellings are of one key", "wrong-verifier-key",
            ledgerKey={"verifierKey": trainer.vkey(), "publicKey": World().ledger.pem})
    genesis("with-a-verifier-key-of-another-name", "the key's name is the origin", "wrong-verifier-key",
            ledgerKey={"verifierKey": World().ledger.vkey("other.example/x"), "publicKey": World().ledger.pem})
    genesis("with-wrong-keyid", "a root's id is the hash of its key", "wrong-keyid", roots=[{"keyid": World().roots[0].keyid, "publicKey": trainer.pem}])
    genesis("without-roots", "somebody must decide about keys", "schema-violation", roots=[])
    genesis("of-format-2", "a format that is not this one", "schema-violation", formatVersion=2)
    genesis("with-number-2", "a genesis is number 1 of its source", "not-a-genesis", sequence=2, previous=sha256(b"?"))
    genesis("that-ends-its-source", "the ledger goes on under the genesis' source", "not-a-genesis", extra={"sequenceend": True})
    first = World()
    first.case("authority", "genesis-is-something-else", "a ledger begins with its genesis", snapshot(), [trainer], "refused", "not-a-genesis", minute=0)


def make_sequence():
    trainer = Key("trainer")

    def begin(*numbers, end=None):
        """A source that has sent these numbers of one honest chain; returns the world and the chain by number."""
        w = World().begin().enroll(trainer)
        chain, previous = {}, None
        for number in range(1, max(numbers, default=0) + 3):
            extra = {"sequenceend": True} if number == end else {}
            chain[number] = event(*SNAPSHOT, DATASET, source=SOURCE, sequence=number, previous=previous, ledger=w.digest, extra=extra)
            previous = sha256(chain[number])
        for number in numbers:
            w.add(chain[number], trainer, minute=2)
        return w, chain

    def says(w, **more):
        return event(*SNAPSHOT, DATASET, source=SOURCE, ledger=w.digest, **more)

    def case(w, name, what, data, outcome, error, **more):
        w.case("sequence", name, what, data, [trainer], outcome, error, **more)

    w, chain = begin()
    case(w, "valid-first", "number 1", chain[1], "admitted", None)
    case(w, "valid-skip-at-the-start", "a source may begin with a gap", chain[2], "admitted", None)
    w, chain = begin(1)
    case(w, "valid-next", "number 2 names number 1", chain[2], "admitted", None)
    case(w, "valid-skip", "number 3 opens a gap", chain[3], "admitted", None)
    case(w, "valid-duplicate", "the same bytes again", chain[1], "duplicate", None)
    case(w, "next-with-wrong-previous", "number 2 names something else than number 1", says(w, sequence=2, previous=sha256(b"?")), "conflicted", "wrong-previous")
    case(w, "number-taken", "a second story about number 1", says(w, sequence=1), "conflicted", "sequence-taken")
    w, chain = begin(1, 2)
    case(w, "number-in-the-middle-taken", "another number 2 that names the same number 1", says(w, sequence=2, previous=sha256(chain[1])), "conflicted", "sequence-taken")
    w, chain = begin(1, 4)
    case(w, "valid-late-fill-left", "number 2 agrees with number 1", chain[2], "admitted", None)
    case(w, "valid-late-fill-right", "number 3 is what number 4 names", chain[3], "admitted", None)
    case(w, "fill-with-wrong-previous", "number 2 does not name number 1", says(w, sequence=2, previous=sha256(b"?")), "conflicted", "wrong-previous")
    case(w, "fill-unlike-what-follows", "number 4 names another number 3", says(w, sequence=3, previous=sha256(chain[2])), "conflicted", "wrong-next")
    w, chain = begin(1, 3)
    case(w, "valid-late-fill-between", "number 2 agrees with both sides", chain[2], "admitted", None)
    case(w, "fill-between-unlike-what-follows", "number 2 agrees with number 1 and not with number 3", says(w, sequence=2, previous=sha256(chain[1])), "conflicted", "wrong-next")
    w, chain = begin(1, 5, 3)
    case(w, "late-fill-next-to-a-late-fill", "number 4 does not name number 3", says(w, sequence=4, previous=sha256(b"?")), "conflicted", "wrong-previous")
    w, chain = begin(2)
    case(w, "valid-first-comes-late", "number 1 is what number 2 names", chain[1], "admitted", None)
    case(w, "first-unlike-what-follows", "number 2 names another number 1", says(w, sequence=1), "conflicted", "wrong-next")

    w = World().begin().enroll(trainer)
    last = event(*SNAPSHOT, DATASET, source=SOURCE, sequence=3, previous=sha256(b"second"), ledger=w.digest, extra={"sequenceend": True})
    w.add(last, trainer, minute=2)
    case(w, "after-the-end", "nothing follows `sequenceend`", says(w, sequence=4, previous=sha256(last)), "rejected", "after-end", fills=False)
    case(w, "skip-after-the-end", "not with a gap either", says(w, sequence=9, previous=sha256(b"?")), "rejected", "after-end", fills=False)
    case(w, "valid-late-fill-before-the-end", "what is missing before the end may still come", says(w, sequence=1), "admitted", None)
    # An end in the middle of a gap: number 2 is known to be followed by 4, through 3.
    w, chain = begin(1, 4)
    ending = says(w, sequence=2, previous=sha256(chain[1]), extra={"sequenceend": True})
    case(w, "end-before-the-head", "number 2 says it is the last, but number 4 is there", ending, "conflicted", "end-before-head")

    w, chain = begin(1)
    case(w, "valid-1024-open", "1,024 numbers may be open", says(w, sequence=1026, previous=sha256(b"?")), "admitted", None)
    case(w, "1025-open", "one more is refused until some are filled", says(w, sequence=1027, previous=sha256(b"?")), "later", "too-many-open")
    w, chain = begin()
    case(w, "1025-open-at-the-start", "a source that begins with number 1,026", says(w, sequence=1026, previous=sha256(b"?")), "later", "too-many-open")
    w.add(says(w, sequence=1025, previous=sha256(b"?")), trainer, minute=2)
    full = w.history[-1]["event"].encode()
    case(w, "valid-next-while-1024-are-open", "the next number opens none", says(w, sequence=1026, previous=sha256(full)), "admitted", None)
    case(w, "skip-while-1024-are-open", "one more gap", says(w, sequence=1027, previous=sha256(b"?")), "later", "too-many-open")

    # A refused event fills its number.
    w, chain = begin(1)
    refused = event(*SNAPSHOT, {}, source=SOURCE, sequence=2, previous=sha256(chain[1]), ledger=w.digest)
    w.add(refused, trainer, minute=3, outcome="rejected")
    case(w, "valid-after-a-refusal", "the next event names the refused one", says(w, sequence=3, previous=sha256(refused)), "admitted", None)
    case(w, "valid-duplicate-of-a-refusal", "the refused event again gets its refusal again", refused, "duplicate", None)
    case(w, "after-a-refusal-naming-the-one-before", "a refused event is not skipped", says(w, sequence=3, previous=sha256(chain[1])), "conflicted", "wrong-previous")
    case(w, "in-place-of-a-refusal", "the refused number is taken", chain[2], "conflicted", "sequence-taken")
    w, chain = begin(1)
    ending = event(*SNAPSHOT, {}, source=SOURCE, sequence=2, previous=sha256(chain[1]), ledger=w.digest, extra={"sequenceend": True})
    w.add(ending, trainer, minute=3, outcome="rejected")
    case(w, "valid-after-a-refused-end", "a refused event ends nothing", says(w, sequence=3, previous=sha256(ending)), "admitted", None)
    # Sources are apart.
    w, chain = begin(1)
    case(w, "valid-other-source", "each source counts for itself",
         event(*SNAPSHOT, DATASET, source="https://ci.example/payments/other", sequence=1, ledger=w.digest), "admitted", None)


# --- entry/ and line/ ------------------------------------------------------------------------------------------------


def make_entries():
    keys = sorted([Key(f"producer {n}") for n in ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]], key=lambda key: key.keyid)
    body = snapshot()

    def entry(index="4711", received=RECEIVED, previous=sha256(b"the entry before"), digest=sha256(body), signatures=None):
        listed = ",".join(f'"{line}"' for line in (headers(body, keys[0]) if signatures is None else signatures))
        return f'{{"index":{index},"received":"{received}","previous":"{previous}","event":"{digest}","signatures":[{listed}]}}'

    def case(name, what, text, error):
        inputs = {"entry": text.encode()}
        if error is None:
            inputs["hash"] = sha256(text.encode())
        write("entry", name, what, inputs, error)

    good = entry()
    case("valid", "an entry", good, None)
    case("valid-index-0", "the first entry calls the hash of its origin previous", entry("0", previous=sha256(f"{ORIGIN}\n".encode())), None)
    case("valid-largest-index", "2^64 - 1", entry("18446744073709551615"), None)
    case("valid-eight-signatures", "eight are the most", entry(signatures=headers(body, *keys[:8])), None)

    bad = "malformed-entry"
    case("index-with-leading-zero", "decimal has one spelling", entry("04711"), bad)
    case("index-of-2-to-the-64", "an index has 64 bits", entry("18446744073709551616"), bad)
    case("index-negative", "indexes count from 0", entry("-1"), bad)
    case("index-as-text", "an index is a number", entry('"4711"'), bad)
    case("index-with-point", "an index is whole", entry("4711.0"), bad)
    case("received-without-milliseconds", "a time has three digits of fraction", entry(received="2026-11-23T21:50:12Z"), bad)
    case("received-with-microseconds", "a time has three digits of fraction", entry(received="2026-11-23T21:50:12.345678Z"), bad)
    case("received-of-no-day", "the 31st of November", entry(received="2026-11-31T21:50:12.345Z"), bad)
    case("received-with-lower-case-z", "a time has one spelling", entry(received="2026-11-23T21:50:12.345z"), bad)
    case("previous-in-upper-case", "hexadecimal digits are lower case", entry(previous=sha256(b"the entry before").upper()), bad)
    case("event-of-63-digits", "a digest has 64 digits", entry(digest=sha256(body)[1:]), bad)
    case("keys-in-another-order", "one order", good.replace('"index":4711,', "").replace('"previous"', '"index":4711,"previous"'), bad)
    case("with-a-space", "no white space", good.replace(',"event"', ', "event"'), bad)
    case("with-another-member", "no other members", good[:-1] + ',"note":"x"}', bad)
    case("without-received", "all members", good.replace(f'"received":"{RECEIVED}",', ""), bad)
    case("duplicate-member", "a member twice", good.replace('"event"', f'"previous":"{sha256(b"?")}","event"'), bad)
    case("escaped-member", "one spelling", good.replace('"event"', r'"\u0065vent"'), bad)
    case("with-trailing-newline", "an entry ends with its brace", good + "\n", bad)
    case("truncated", "the last brace is missing", good[:-1], bad)
    case("empty", "no bytes", "", bad)
    case("nine-signatures", "eight are the most", entry(signatures=headers(body, *keys)), "too-many-signatures")
    case("unsorted-signatures", "signatures are sorted by keyid", entry(signatures=headers(body, *keys[:2])[::-1]), "unsorted-signatures")
    case("same-signer-twice", "signers are distinct", entry(signatures=headers(body, keys[0]) * 2), "unsorted-signatures")
    case("signature-with-spare-bits", "base64 has one spelling",
         entry(signatures=[keys[0].header(body)[:-3] + chr(ord(keys[0].header(body)[-3]) + 1) + "=="]), "malformed-signature")
    case("keyid-in-upper-case", "hexadecimal digits are lower case",
         entry(signatures=[keys[0].header(body).replace(keys[0].keyid, keys[0].keyid.upper())]), "malformed-signature")
    case("without-signatures", "an entry has at least one", entry(signatures=[]), "unsigned")

    def line(name, what, text, kind, error):
        inputs = {"line": text.encode() if isinstance(text, str) else text}
        if error is None:
            inputs["kind"] = kind
        write("line", name, what, inputs, error)

    # Signed notes are judged elsewhere (vectors/note): a line only carries one.
    note = "ledger.example/main\n4712\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\u2014 ledger.example/main AAAA\n"
    quoted = '"' + note.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    line("valid-entry", "an entry, a tab, the event's bytes", good + "\t" + body.decode(), "entry", None)
    line("valid-erased", "an erased body leaves its entry, a tab and nothing", good + "\t", "erased", None)
    line("valid-checkpoint", "a checkpoint as a JSON string", quoted, "checkpoint", None)
    line("valid-checkpoint-with-quotes", "quote and backslash are escaped", '"a\\"b\\\\c\\n"', "checkpoint", None)
    line("empty", "no bytes", "", None, "unknown-line")
    line("a-number", "neither an entry nor a checkpoint", "4711", None, "unknown-line")
    line("a-space-first", "one spelling", " " + good + "\t", None, "unknown-line")
    line("the-event-alone", "an event without its entry", body.decode(), None, "line-without-tab")
    line("entry-without-tab", "an entry that was cut before its tab", good, None, "line-without-tab")
    line("space-for-tab", "the columns are divided by a tab", good + " " + body.decode(), None, "line-without-tab")
    line("columns-swapped", "the entry comes first", body.decode() + "\t" + good, None, "malformed-entry")
    line("entry-cut-at-its-end", "a brace is missing before the tab", good[:-1] + "\t" + body.decode(), None, "malformed-entry")
    line("two-tabs-first", "an empty entry", "{}\t" + body.decode(), None, "malformed-entry")
    line("entry-with-unsorted-signatures", "what is wrong with the entry is said", entry(signatures=headers(body, *keys[:2])[::-1]) + "\t", None, "unsorted-signatures")
    cp = "malformed-checkpoint-line"
    line("checkpoint-without-its-end", "a cut string", quoted[:-1], None, cp)
    line("checkpoint-of-one-quote", "a quote alone", '"', None, cp)
    line("checkpoint-with-unicode-escape", "only newline, quote and backslash are escaped", quoted.replace("\u2014", "\\u2014"), None, cp)
    line("checkpoint-with-escaped-letter", "one spelling", quoted.replace("main", "m\\u0061in"), None, cp)
    line("checkpoint-with-escaped-slash", "a slash is not escaped", quoted.replace("/", "\\/"), None, cp)
    line("checkpoint-with-escaped-tab", "only newline, quote and backslash are escaped", quoted.replace("4712", "4712\\t"), None, cp)
    line("checkpoint-with-raw-tab", "a JSON string holds no raw control character", quoted.replace("4712", "4712\t"), None, cp)
    line("checkpoint-with-raw-quote", "a quote inside is escaped", quoted.replace("4712", '47"12'), None, cp)
    line("checkpoint-and-more", "nothing after the closing quote", quoted + " ", None, cp)
    line("checkpoint-ending-in-a-backslash", "the last quote is escaped", quoted[:-1] + '\\"', None, cp)
    line("checkpoint-not-utf8", "a lone 0xff", quoted.encode().replace(b"4712", b"47\xff12"), None, cp)


def main():
    for folder in ["event", "envelope", "signature", "authority", "sequence", "entry", "line"]:
        shutil.rmtree(ROOT / folder, ignore_errors=True)
    make_events()
    make_envelopes()
    make_signatures()
    make_authority()
    make_sequence()
    make_entries()
    make_vocabulary()
    folders = sorted({folder for folder, _ in WRITTEN})
    print({folder: sum(1 for other, _ in WRITTEN if other == folder) for folder in folders}, len(WRITTEN))


if __name__ == "__main__":
    main()
