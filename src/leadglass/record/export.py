"""The record in a file that a stranger can verify with the public key and nothing else of ours.

One JSON object per line and per entry, in order, then one line with the checkpoint that covers exactly these:

    {"body":"{…}","commitment":"<base64>","salt":"<base64>","seq":0}
    {"checkpoint":"<origin>\\n<size>\\n<root>\\n\\n— <name> <signature>\\n"}

`body` is the text of the body, to the byte: SHA-256(salt ‖ body) = commitment. When retention has removed a
body, `salt` and `body` are null.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

import orjson
import sqlalchemy as sa

from leadglass.errors import LimitExceeded, Tampered, Violation
from leadglass.note import VerifierKey, from_base64
from leadglass.record.chain import Chain, Findings, Verdict
from leadglass.record.entry import MAX_BODY, MAX_NUMBER, MAX_SALT, decode_body
from leadglass.record.log import read_head
from leadglass.record.merkle import HASH_SIZE
from leadglass.record.reader import Row, open_row, rows

MAX_LINE: Final = 2 * MAX_BODY + 4096
"""Bytes. A body that is text inside JSON grows by its quotes."""

_ENTRY_KEYS = frozenset({"body", "commitment", "salt", "seq"})
_ENCODED_SALT = 4 * MAX_SALT


def export_lines(connection: sa.Connection) -> Iterator[bytes]:
    """The whole record as lines, read in bounded batches inside the caller's transaction."""
    head = read_head(connection)
    for batch in rows(connection):
        for row in batch:
            yield encode_line(row)
    if head is not None:
        yield orjson.dumps({"checkpoint": head.checkpoint}) + b"\n"


def encode_line(row: Row) -> bytes:
    """One entry; Tampered when its body is not even text, for then the line could not say what is stored."""
    try:
        body = None if row.body is None else row.body.decode("utf-8")
    except UnicodeDecodeError:
        raise Tampered(f"Entry {row.seq} of the access record was altered: its body is not text.") from None
    members = {
        "seq": row.seq,
        "salt": _base64(row.salt),
        "body": body,
        "commitment": _base64(row.commitment),
    }
    return orjson.dumps(members, option=orjson.OPT_SORT_KEYS) + b"\n"


def decode_line(line: bytes) -> Row | str:
    """An entry's row, or the text of the checkpoint; a Violation for any other line.

    Time and what it closes are read from the body itself, so there is nothing they could disagree with.
    """
    if len(line) > MAX_LINE:
        raise LimitExceeded("A line is longer than an entry can be.", code="export-length")
    try:
        members = orjson.loads(line)
    except ValueError:
        raise Violation("A line is not JSON.", code="export-json") from None
    if not isinstance(members, dict):
        raise Violation("A line is not a JSON object.", code="export-json")
    if members.keys() == {"checkpoint"} and isinstance(members["checkpoint"], str):
        return str(members["checkpoint"])
    return _row(members)


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, never holding more than one entry could fill."""
    while line := file.readline(MAX_LINE + 1):
        yield line


def verify_export(
    lines: Iterable[bytes], key: VerifierKey, *, origin: str | None = None, checkpoint: str | None = None
) -> Verdict:
    """Verify an exported record with nothing but the public key.

    A `checkpoint` kept from earlier, or got from a witness, must be one the exported record grew from.
    """
    findings, origin = Findings(), origin or key.name
    earlier = findings.opened(checkpoint, key, origin, "given") if checkpoint is not None else None
    chain = Chain(findings, {earlier.size} if earlier else ())
    text = _read_all(lines, chain, findings)
    if text is None:
        findings.add("The export ends without a checkpoint: it was cut off.", chain.next)
    elif last := findings.opened(text, key, origin, "at the end"):
        if last.size < chain.next:
            findings.add(f"Entries from {last.size} on are not covered by the checkpoint.", last.size)
        chain.frontiers.setdefault(chain.builder.size, chain.builder.frontier())
        chain.compare(last, "the checkpoint at the end")
    if earlier is not None:
        chain.compare(earlier, "the checkpoint given")
    return chain.verdict()


def _read_all(lines: Iterable[bytes], chain: Chain, findings: Findings) -> str | None:
    """Every entry into the chain; returns the checkpoint's text."""
    closing: str | None = None
    for number, line in enumerate(lines, 1):
        try:
            said = decode_line(line)
        except Violation as error:
            findings.add(f"Line {number} is no entry: {error}", chain.next)
            continue
        if closing is not None:
            findings.add(f"Line {number} follows the checkpoint, which is the last.")
        elif isinstance(said, str):
            closing = said
        else:
            chain.push(said)
            try:
                open_row(said)
            except Tampered as error:
                findings.add(str(error), said.seq)
    return closing


def _row(members: dict[str, Any]) -> Row:
    seq, salt, body = members.get("seq"), members.get("salt"), members.get("body")
    if members.keys() != _ENTRY_KEYS or type(seq) is not int or not 0 <= seq <= MAX_NUMBER:
        raise Violation("A line has not the members of an entry.", code="export-members")
    if (salt is None) != (body is None) or not isinstance(body, str | None):
        raise Violation("A line has a salt without a body, or a body without a salt.", code="export-members")
    commitment = _bytes(members["commitment"], HASH_SIZE * 2)
    if salt is None or body is None:
        return Row(seq, 0, None, None, None, commitment)
    try:
        raw = body.encode("utf-8")
    except UnicodeEncodeError:
        raise Violation("A body is not Unicode.", code="export-members") from None
    _, time, entry = decode_body(raw)
    return Row(seq, time, entry.opens, _bytes(salt, _ENCODED_SALT), raw, commitment)


def _bytes(text: object, limit: int) -> bytes:
    if not isinstance(text, str) or len(text) > limit:
        raise Violation("A line has a field that is not base64 or too long.", code="export-base64")
    return from_base64(text, "export-base64")


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode("ascii")
