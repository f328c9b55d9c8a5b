"""Verifies DSSE envelopes with securesystemslib, the reference implementation of in-toto and TUF.

Reads one JSON object from standard input, {"keys": [PEM, ...], "envelopes": [text, ...]}, and prints one line for each
envelope: `verified <keyids> <SHA-256 of the payload>`, or `refused <reason>`. All signatures must verify. The key ids
are computed here, from the DER of each key.
"""

import hashlib
import json
import sys

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey


def load(pem):
    key = load_pem_public_key(pem.encode())
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SSlibKey.from_crypto(key, keyid=hashlib.sha256(der).hexdigest())


def verdict(keys, text):
    try:
        envelope = Envelope.from_dict(json.loads(text))
        accepted = envelope.verify(keys, threshold=len(envelope.signatures))
    except (ValueError, KeyError, VerificationError) as error:
        return f"refused {error}"
    return f"verified {','.join(sorted(accepted))} {hashlib.sha256(envelope.payload).hexdigest()}"


asked = json.load(sys.stdin)
known = [load(pem) for pem in asked["keys"]]
for line in asked["envelopes"]:
    print(verdict(known, line))
