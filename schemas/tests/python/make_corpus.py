#!/usr/bin/env python3
"""Writes tests/fuzz/corpus/<target>: the inputs of schemas/vectors as plain files, small ones only.

    python3 schemas/tests/python/make_corpus.py
"""

import base64
import json
import pathlib
import shutil

SCHEMAS = pathlib.Path(__file__).resolve().parents[2]
CORPUS = SCHEMAS.parent / "tests" / "fuzz" / "corpus"
TOTAL_BYTES = 18_000
ONE_BYTES = 4_096


def flat(value):
    """The bytes that a vector spells as text, base64, hex, zeros, a repeated text or a list of these."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, list):
        return b"".join(flat(part) for part in value)
    if "base64" in value:
        return base64.b64decode(value["base64"])
    if "hex" in value:
        return bytes.fromhex(value["hex"])
    if "zeros" in value:
        return bytes(value["zeros"])
    return value["repeat"].encode() * value["times"]


def inputs(folder, member):
    """Valid ones first: they are what mutations start from."""
    cases = [json.loads(path.read_text()) for path in sorted((SCHEMAS / "vectors" / folder).glob("*.json"))]
    cases.sort(key=lambda case: case["error"] is not None)
    return [(case["name"], case["error"] is None, flat(case[member])) for case in cases]


def write(target, found):
    folder = CORPUS / target
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    room = TOTAL_BYTES
    for valid in [True, False]:
        for name, is_valid, data in found:
            # Half of the room is for what is refused.
            if is_valid == valid and len(data) <= ONE_BYTES and len(data) <= room - (TOTAL_BYTES // 3 if valid else 0):
                (folder / f"seed-{name}").write_bytes(data)
                room -= len(data)


MEMBER = {"event": "event", "envelope": "envelope", "entry": "entry", "line": "line"}
for target in ["event", "envelope", "entry", "line", "note", "checkpoint", "proof", "trust"]:
    write(target, inputs(target, MEMBER.get(target, "input")))
# A slot without its checksum and its zeros: the target adds both.
write("head", [(name, valid, data[:72]) for name, valid, data in inputs("head", "input")])
write("json", [(name, valid, data[data.index(b'"data"') + 7:-1]) for name, valid, data in inputs("event", "event") if b'"data":{' in data])
