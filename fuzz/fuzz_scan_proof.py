"""Fuzz proofs of closure: the closure that was signed, and no other, or a Violation, or Tampered.

The first byte of an input chooses a proof as it is, or the JSON of a `closure` that is then signed as if it
were true, so that what stands behind the signature is reached too. Besides the contract on exceptions: what
counts says what was signed, and is concluded from its own observations; a proof that was altered never
counts.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import seeded

from leadglass.errors import Tampered, Violation
from leadglass.note import Note, Signer
from leadglass.scan.closure import Closure, closure, encode, verify
from leadglass.scan.observation import Observation, Outcome

NOW = 1_800_000_000_000
SIGNER = Signer.from_seed("leadglass/scan/1", bytes(range(32)))
TITLES = {"called": "LGSCAN0000000000", "calling": "LGSCAN1111111111"}
FIND = "1.2.840.10008.5.1.4.1.2.2.1"


def seen(
    probe: str, outcome: Outcome, at: int, said: Any = None, sent: Any = None, port: int = 4242
) -> Observation:
    return Observation(probe, "127.0.0.1", port, at, 9, outcome, sent or {}, said or {})


def page(at: int, **said: Any) -> Observation:
    sent = {"method": "get", "path": "/", "about": "listing"}
    return seen("http", Outcome.RESPONDED, at, {"status": 200, "type": "text/html", **said}, sent, 80)


OPENED = [
    seen("associate", Outcome.ACCEPTED, NOW, {"accepted": ("1.2.840.10008.1.1",)}, TITLES),
    seen("offers", Outcome.ACCEPTED, NOW + 1, {"accepted": (FIND,), "accepts_unknown": True}, TITLES),
    seen("find-none", Outcome.ANSWERED, NOW + 2, {"status": 0, "pending": 0}, {**TITLES, "model": FIND}),
    seen("count", Outcome.ANSWERED, NOW + 3, {"studies": 12, "exact": True, "windows": (1, 2)}, TITLES),
    seen("tls", Outcome.SECURED, NOW + 4, {"version": "1.0", "cipher_bits": 128, "expires": NOW}),
]
REFUSING = [
    seen("associate", Outcome.REJECTED, NOW + 60_000, {"result": 1, "source": 1, "reason": 3}, TITLES)
]
MADE = (
    closure(OPENED, REFUSING, "here", "ab" * 32),
    closure([page(NOW, links=12, digests=("ab",))], [page(NOW + 60_000)], "here", "ab" * 32),
    closure(REFUSING, [seen("tcp", Outcome.REFUSED, NOW + 70_000)], "here", ""),
)
PROOFS = tuple(encode(made, SIGNER).encode() for made in MADE)
BODIES = tuple(json.dumps(json.loads(proof)["closure"]).encode() for proof in PROOFS)
TOKENS = (
    b"[]", b"{}", b"null", b"true", b"-1", b"0", b"1e999", b"-Infinity", b"NaN", b'""', b"9" * 5000,
    b"9" * 15, b"[" * 900, b'{"a":' * 400, b"\\ud800", b"\\u001b", b"\xff", b'"port": ', b'"at": ',
    b'"said": ', b'"sent": ', b'"observations": ', b"4242.0", b'"4242"', b"::1", b"fe80::1%x", b'"accepted"',
    b'"refused"', b'"responded"', b'"http"', b'"count"', b'"echo"', b'"worklist-none"', b'"identifiers"',
    b'"closed"', b'"kinds": [], ', b'"marker": "orthanc", ', b'"closure": ', b'"status": 65280, ',
    b'"tls": true, ', b'"studies": 0, ', b'"counts": [1], ', b'"fault": "endless", ', b",", b"]", b"}",
)  # fmt: skip


def one_input(data: bytes) -> None:
    if not data:
        return
    proof = as_if_true(data[1:]) if data[0] & 1 else data[1:]
    if proof is None:
        return
    try:
        made = verify(proof, SIGNER.key)
    except (Violation, Tampered) as error:
        fit_to_be_shown(str(error))
        return
    counts(made, proof)
    if not data[0] & 1:
        assert made in MADE, "a proof that nobody signed"


def fit_to_be_shown(sentence: str) -> None:
    assert sentence.isprintable() and len(sentence) < 400, sentence


def as_if_true(body: bytes) -> bytes | None:
    """Signed by whoever has the key and tells what is not so."""
    try:
        members = json.loads(body)
        canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode("ascii")
        text = f"leadglass closure 1\nsha256 {sha256(canonical).hexdigest()}\nport x\n"
        return json.dumps({"closure": members, "note": SIGNER.sign(text).encode()}).encode()
    except (ValueError, RecursionError):
        return None


def counts(made: Closure, proof: bytes) -> None:
    document = json.loads(proof)
    assert closure(made.before.observations, made.after.observations, made.vantage, made.scope) == made
    assert document["closure"]["before"]["level"] == made.before.level
    canonical = json.dumps(document["closure"], sort_keys=True, separators=(",", ":")).encode("ascii")
    assert sha256(canonical).hexdigest() in Note.decode(document["note"].encode()).text
    again = encode(made, SIGNER).encode()
    assert verify(again, SIGNER.key) == made


def corpus() -> list[bytes]:
    """Proofs of an archive, of a web server and of what was never open; what they say, to be signed."""
    return [b"\0" + proof for proof in PROOFS] + [b"\1" + body for body in BODIES]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
