"""Fuzz what a browser's script asks before it sends objects: which are here already. Or a Violation.

The first byte of an input chooses a question's body, or a header that says what somebody sends or takes.
Besides the contract on exceptions: what is asked can be asked of the index, is no more than may be asked at
once, and no more is said to be here than is; a media range can be written and read again.
"""

from __future__ import annotations

import fuzz_identifier
import orjson
import seeded

from leadglass.archive.already import MOST, Here, _here
from leadglass.errors import LimitExceeded, Violation
from leadglass.index import lookup
from leadglass.web import accept, upload

TOKENS = (
    b"[", b"]", b"{}", b"null", b"true", b"-1", b"1e999", b'""', b'["1.2.3",""]', b'"objects":', b"\\u0000",
    b"\\ud800", b"[" * 1200, b'["1","' + b"00" * 32 + b'"],', b"zz", b"00 00", "é".encode(), b"\xff", b",",
    b"*/*", b"; q=0.5", b";q=2", b'="', b"\\", b"multipart/related; type=", b'boundary="',
    b" " * 900, b"/" * 900,
)  # fmt: skip
DIGEST = bytes(32).hex()
KNOWN = "1.2.0.1.1"


def one_input(data: bytes) -> None:
    if not data:
        return
    if data[0] & 1:
        media(data[1:].decode("latin-1"))
        return
    try:
        asked = upload._asked(data[1:])
    except Violation:
        return
    assert len(asked) <= MOST
    assert all(isinstance(uid, str) and len(uid) <= 64 and len(digest) in (0, 32) for uid, digest in asked)
    known = lookup.digests(fuzz_identifier.INDEX, [uid for uid, _ in asked], 1)
    found = [_here(known.get(uid), digest) for uid, digest in asked]
    assert all(
        one is Here.ABSENT or uid.startswith("1.2.") for one, (uid, _) in zip(found, asked, strict=True)
    )
    assert lookup.digests(fuzz_identifier.INDEX, [uid for uid, _ in asked], 2) == {}
    orjson.dumps({"here": found})


def media(header: str) -> None:
    try:
        ranges = accept.parse(header)
    except LimitExceeded:
        return
    for each in ranges:
        assert 0 < each.quality <= 1.999 and each.kind == each.kind.lower()
        quoted = "".join(f'; {name}="{_escaped(value)}"' for name, value in each.parameters)
        (again,) = accept.parse(f"{each.kind}{quoted}; q={each.quality}") or (each,)
        assert again == each
    accept.takes(ranges, "application/dicom", "multipart/related")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


QUESTIONS = (
    {"objects": []},
    {"objects": [[KNOWN, DIGEST], [KNOWN, ""], ["1.2.99", DIGEST]]},
    {"objects": [[KNOWN, DIGEST]] * MOST},
    {"objects": [[KNOWN, DIGEST]] * (MOST + 1)},
    {"objects": {"00": "x"}},
    {"objects": "0011"},
    {"objects": [[KNOWN, DIGEST, ""]]},
    [KNOWN],
)
HEADERS = (
    b"", b"*/*", b"application/dicom+json, application/json;q=0.5, */*; q=0.1", b"text/html;q=0",
    b'multipart/related; type="application/dicom"; transfer-syntax=*; boundary=a/b', b'a/b; c="x\\"y"', b"-",
    b"multipart/form-data; boundary=----x", b", ,a/b,,", b"a/b; q=1.000", b"A/B; C=D",
)  # fmt: skip


def corpus() -> list[bytes]:
    """Questions that can be answered and others; headers as browsers, workstations and others send them."""
    return [b"\0" + orjson.dumps(each) for each in QUESTIONS] + [b"\1" + each for each in HEADERS]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
