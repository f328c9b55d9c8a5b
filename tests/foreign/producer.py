"""A producer of Lineal events without any code of Lineal: what docs/PRODUCERS.md says, and nothing else.

    producer.py SETTINGS.json make COUNT    sign events, and keep them
    producer.py SETTINGS.json send          send what has no receipt, verify what comes back, and say what became of it
    producer.py SETTINGS.json check EVENT   verify the receipt on standard input

Settings: `key`, `trust`, `outbox` (files), `source`, `producer`, `name` (of the data set that it speaks of), `to` (http://
or nats://), `nkey` (a file, for NATS), `attachment` (a file that the next events bring along), `patience` (seconds).
"""

import asyncio
import base64
import hashlib
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request

import nats
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PAYLOAD_TYPE = b"application/vnd.lineal.event.v1+json"


# --- what is signed


def keyid_of(public):
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def pae(event):
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE, len(event), event)


def sign(key, event):
    return keyid_of(key.public_key()) + ":" + base64.b64encode(key.sign(pae(event))).decode()


def uuid7():
    digits = f"{time.time_ns() // 1_000_000:012x}7{os.urandom(2).hex()[1:]}8{os.urandom(8).hex()[1:]}"
    return "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]])


def event_bytes(name, source, subject, ledger, sequence, previous, data):
    event = {
        "specversion": "1.0",
        "id": uuid7(),
        "source": source,
        "type": f"dev.lineal.{name}.v1",
        "subject": subject,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "datacontenttype": "application/json",
        "dataschema": f"https://lineal.dev/schemas/{name}.v1.json",
        "ledger": ledger,
        "sequence": f"{sequence:012}",
        "data": data,
    }
    if previous:
        event["previous"] = previous
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


# --- what is kept


class Outbox:
    """A folder with a file for each event, `<signature>\\n<event>`, and beside it the receipt that settled it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, name, content):
        new = self.folder / (name + ".new")
        with open(new, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.rename(self.folder / name)
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    def events(self):
        for path in sorted(self.folder.glob("*.event")):
            signature, event = path.read_bytes().split(b"\n", 1)
            yield path.stem, signature.decode(), event

    def pending(self):
        return [(number, *rest) for number, *rest in self.events() if not (self.folder / (number + ".receipt")).exists()]

    def attachments(self):
        """Those of events that are settled: a digest, and the file."""
        for path in sorted(self.folder.glob("*.attachment")):
            number, digest, _attachment = path.name.split(".")
            if (self.folder / (number + ".receipt")).exists():
                yield digest, path

    def head(self):
        """The last number, and its event's digest: what the next event follows."""
        last = list(self.events())[-1:]
        return (int(last[0][0]), hashlib.sha256(last[0][2]).hexdigest()) if last else (0, None)


# --- what is verified


class Trust:
    """A trust file: the genesis, and the ledger's keys by the four bytes that stand before a signature."""

    def __init__(self, text):
        first, *lines = text.splitlines()
        self.genesis = first.removeprefix("# lineal-trust v1 genesis=")
        self.keys = {}
        for line in lines:
            word, *rest = line.split(" ")
            if word == "log":
                self.origin, _, typed_key = rest[0].split("+", 2)
                typed_key = base64.b64decode(typed_key)
                short = hashlib.sha256(self.origin.encode() + b"\n" + typed_key).digest()[:4]
                self.keys[short] = Ed25519PublicKey.from_public_bytes(typed_key[1:])
            elif word == "quorum" and rest != ["none"]:
                raise ValueError("this trust file asks for witnesses, which this producer knows nothing of")


def verify_checkpoint(note, trust):
    """The size and the root that the ledger signed."""
    text, signatures = note.split("\n\n", 1)
    signed = False
    for line in signatures.splitlines():
        _dash, name, signature = line.split(" ")
        signature = base64.b64decode(signature)
        key = trust.keys.get(signature[:4]) if name == trust.origin else None
        if key:
            key.verify(signature[4:], text.encode() + b"\n")
            signed = True
    origin, size, root = text.split("\n")
    if not signed or origin != trust.origin:
        raise ValueError("the checkpoint is not by the ledger")
    return int(size), base64.b64decode(root)


def root_from(entry, index, size, hashes):
    """RFC 9162, section 2.1.3.2."""
    node, last, root = index, size - 1, hashlib.sha256(b"\0" + entry).digest()
    for sibling in hashes:
        if not last:
            raise ValueError("the proof is too long")
        if node & 1 or node == last:
            root = hashlib.sha256(b"\1" + sibling + root).digest()
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = hashlib.sha256(b"\1" + root + sibling).digest()
        node, last = node >> 1, last >> 1
    if index >= size or last:
        raise ValueError("the proof is too short")
    return root


def verify_receipt(receipt, trust):
    """The entry that the ledger committed."""
    proof, note = receipt.split("\n\n", 1)
    header, extra, index, *hashes = proof.split("\n")
    if header != "c2sp.org/tlog-proof@v1":
        raise ValueError("no receipt")
    index, entry = int(index.removeprefix("index ")), base64.b64decode(extra.removeprefix("extra "))
    size, root = verify_checkpoint(note, trust)
    if root_from(entry, index, size, [base64.b64decode(line) for line in hashes]) != root:
        raise ValueError("the entry is not in the tree")
    entry = json.loads(entry)
    if entry["index"] != index:
        raise ValueError("the entry stands elsewhere")
    return entry


def settles(digest, answer, trust):
    """What an answer proves about the event: `committed`, or the reason of a refusal. None if it proves nothing."""
    if "receipt" not in answer:
        return None
    entry = verify_receipt(answer["receipt"], trust)
    if entry["event"] == digest:
        return "committed"
    refusal = answer["refusal"].encode()
    said = json.loads(refusal)
    kinds = ["dev.lineal.event.rejected.v1", "dev.lineal.event.conflicted.v1"]
    is_the_ledgers = said["source"] == "lineal://" + trust.origin and said["type"] in kinds
    if not is_the_ledgers or hashlib.sha256(refusal).hexdigest() != entry["event"] or said["data"]["event"] != digest:
        raise ValueError("a receipt of something else")
    return said["data"]["reason"]


# --- how it is sent


def send_http(base, pending):
    """Answers, one an event."""
    for _number, signature, event in pending:
        headers = {"Content-Type": "application/cloudevents+json", "Lineal-Signature": signature}
        request = urllib.request.Request(base + "/events", data=event, headers=headers)
        try:
            with urllib.request.urlopen(request) as response:
                yield json.load(response)
        except urllib.error.HTTPError as refused:
            yield json.load(refused)


def attach_http(base, digest, path):
    request = urllib.request.Request(f"{base}/attachments/{digest}", data=path.read_bytes(), method="PUT")
    urllib.request.urlopen(request).close()
    path.unlink()


async def connect(settings):
    seed = {"nkeys_seed": settings["nkey"]} if "nkey" in settings else {}
    return await nats.connect(settings["to"], inbox_prefix=f"_INBOX_{settings['producer']}".encode(), **seed)


async def send_nats(client, settings, pending, settle):
    """Publishes, waits for answers, asks for those that don't come, and publishes again what the ledger doesn't know."""
    producer = settings["producer"]
    receipts = await client.subscribe(f"lineal.receipts.{producer}.*")
    waiting = {hashlib.sha256(event).hexdigest(): (signature, event) for _number, signature, event in pending}
    pause, deadline = 1, time.monotonic() + settings["patience"]
    await publish(client, producer, list(waiting.values()))
    while waiting and time.monotonic() < deadline:
        try:
            answer = json.loads((await receipts.next_msg(timeout=pause)).data)
            if settle(answer):
                waiting.pop(answer["event"], None)
        except nats.errors.TimeoutError:
            for digest in list(waiting):
                if settle(await ask(client, producer, "receipt", digest)):
                    waiting.pop(digest)
            await publish(client, producer, list(waiting.values()))
            pause = min(2 * pause, 30)


async def publish(client, producer, events):
    """A failure is no more than an event that is published again."""
    try:
        for first in range(0, len(events), 1000):
            some = events[first : first + 1000]
            if len(some) > 1:
                await publish_batch(client, producer, some)
            else:
                [(signature, event)] = some
                await client.jetstream().publish(subject_of(producer, event), event, headers=headers_of(signature))
    except nats.errors.Error as problem:
        print(f"not published: {problem!r}", file=sys.stderr)


async def ask(client, producer, what, digest):
    try:
        reply = await client.request(f"lineal.ask.{producer}.{what}.{digest}", timeout=5)
    except (nats.errors.NoRespondersError, nats.errors.TimeoutError):
        return {"outcome": "unknown"}
    return json.loads(reply.data)


async def publish_batch(client, producer, events):
    """2 to 1,000 events: all of them or none, for one sync of the server."""
    batch = os.urandom(16).hex()
    for number, (signature, event) in enumerate(events, 1):
        headers = headers_of(signature) | {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
        if number == len(events):
            headers["Nats-Batch-Commit"] = "1"
        if number in (1, len(events)):
            reply = await client.request(subject_of(producer, event), event, headers=headers, timeout=5)
            if problem := json.loads(reply.data or b"{}").get("error"):
                raise nats.errors.Error(f"JetStream refused the batch: {problem}")
        else:
            await client.publish(subject_of(producer, event), event, headers=headers)


def subject_of(producer, event):
    noun_and_verb = json.loads(event)["type"].removeprefix("dev.lineal.").removesuffix(".v1")
    return f"lineal.events.{producer}.{noun_and_verb}"


def headers_of(signature):
    return {"Content-Type": "application/cloudevents+json", "Lineal-Signature": signature}


async def attach_nats(client, settings, digest, path):
    """The file goes once the ledger says that it has it."""
    bucket = await client.jetstream().object_store("lineal-attachments")
    await bucket.put(digest, path.read_bytes())
    deadline = time.monotonic() + settings["patience"]
    while time.monotonic() < deadline:
        if (await ask(client, settings["producer"], "attachment", digest)).get("stored"):
            path.unlink()
            return
        await asyncio.sleep(0.5)


# --- the commands


def make(settings, trust, outbox, count):
    key = serialization.load_pem_private_key(pathlib.Path(settings["key"]).read_bytes(), None)
    for _ in range(count):
        last, previous = outbox.head()
        sequence, name = last + 1, settings["name"]
        digest = hashlib.sha256(f"{name} {sequence}".encode()).hexdigest()
        data = {"dataset": {"digest": {"sha256": digest}}, "name": name}
        if "attachment" in settings:
            attached = pathlib.Path(settings["attachment"]).read_bytes()
            digest = hashlib.sha256(attached).hexdigest()
            data["attachments"] = [{"role": "original", "digest": {"sha256": digest}, "size": len(attached)}]
            outbox.write(f"{sequence:012}.{digest}.attachment", attached)
        event = event_bytes("dataset.snapshotted", settings["source"], name, trust.genesis, sequence, previous, data)
        outbox.write(f"{sequence:012}.event", sign(key, event).encode() + b"\n" + event)


def send(settings, trust, outbox):
    pending = outbox.pending()
    numbers = {hashlib.sha256(event).hexdigest(): number for number, _signature, event in pending}
    became = {}

    def settle(answer):
        digest = answer.get("event")
        if digest not in numbers:
            return False
        became.setdefault(digest, answer["outcome"])
        try:
            proved = settles(digest, answer, trust)
        except (InvalidSignature, AttributeError, KeyError, TypeError, ValueError) as problem:
            print(f"an answer proves nothing: {problem!r}", file=sys.stderr)
            return False
        if proved:
            became[digest] = proved
            outbox.write(f"{numbers[digest]}.receipt", answer["receipt"].encode())
        return bool(proved)

    async def over_nats():
        client = await connect(settings)
        await send_nats(client, settings, pending, settle)
        for digest, path in outbox.attachments():
            await attach_nats(client, settings, digest, path)
        await client.close()

    if settings["to"].startswith("http"):
        for answer in send_http(settings["to"], pending):
            settle(answer)
        for digest, path in outbox.attachments():
            attach_http(settings["to"], digest, path)
    else:
        asyncio.run(over_nats())
    for digest, number in numbers.items():
        print(int(number), digest, became.get(digest, "unanswered"))


def main():
    settings = json.loads(pathlib.Path(sys.argv[1]).read_text())
    trust, outbox = Trust(pathlib.Path(settings["trust"]).read_text()), Outbox(settings["outbox"])
    match sys.argv[2:]:
        case ["make", count]:
            make(settings, trust, outbox, int(count))
        case ["send"]:
            send(settings, trust, outbox)
        case ["check", digest]:
            entry = verify_receipt(sys.stdin.read(), trust)
            if entry["event"] != digest:
                sys.exit("a receipt of something else")


if __name__ == "__main__":
    main()
