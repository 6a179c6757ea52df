"""Fuzz what people fill in: filters of the record, and a patient's identity. An answer, or a Violation.

The first byte of an input chooses the form and the page, the rest is its body as a browser sends it. Besides
the contract on exceptions: what is asked of the record can be asked and is itself put on it; no more than a
page comes back, newest first, and all that was filtered by holds of it; an identity that is taken can be
taken again, and written into a data set; nothing that was filled in stands in the sentence that refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, quote_plus

import fuzz_identifier
import seeded
import sqlalchemy as sa

from leadglass.access.principal import Context, Kind, Principal, Role, Via
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.inquiry import Asked, Inquiry
from leadglass.archive.wishes import checked_reason, checked_values
from leadglass.db.engine import Transaction, metadata
from leadglass.dicom.charset import charset_for
from leadglass.errors import Violation
from leadglass.note import Signer
from leadglass.record.entry import Entry, encode_body
from leadglass.record.log import Log
from leadglass.web import record
from leadglass.web.portal import terms_of

DAY, NOW = 86_400_000, 1_800_000_000_000
PLANTED = "NOBODY^PLANTED"
LIMITS = (1, 3, 100)
ACTORS = ("user:1", "token:1", "ae:7", "nobody", "system")
TOKENS = (
    b"&", b"=", b"%00", b"%ED%A0%80", b"%F0%9F%A9%BB", b"%C3%A4", b"%E2%80%AE", b"+", b"*", b"%5C", b"^",
    b"==", b"2026-01-31", b"0001-01-01", b"9999-12-31", b"2026-02-30", b"20260131", b"user:1", b"token:",
    b"9" * 30, b"actor=", b"study=", b"outcome=denied", b"since=", b"until=", b"1.2.3", b"x" * 500, b"%0D%0A",
    b"M", b"%20", b"patient_name=", b"patient_id=", b"birth_date=", b"reason=", quote_plus(PLANTED).encode(),
)  # fmt: skip


class Records:
    """The index of `fuzz_identifier`, in memory, with a record."""

    def __init__(self) -> None:
        metadata.create_all(fuzz_identifier.INDEX)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        yield fuzz_identifier.INDEX


class Door(Doorkeeper):
    """Puts nothing on the record, but what it would put there must be fit for it."""

    def record(self, entry: Entry, now: int) -> int:
        return len(encode_body(0, now, entry))


def _door() -> Doorkeeper:
    log, database = Log(Signer.from_seed("fuzz/record", bytes(32))), Records()
    tx = Transaction(fuzz_identifier.INDEX)
    for number in range(40):
        actor, outcome = ACTORS[number % len(ACTORS)], ("allowed", "denied", "failed")[number % 3]
        about = {"patients": (str(number % 2),), "studies": (f"1.2.{number % 4}",)}
        log.append(tx, Entry(actor, actor, "x", "study.view", outcome=outcome, **about), NOW + number * DAY)
    tx.seal()
    opened: Any = database
    return Door(opened, log)


INQUIRY = Inquiry(_door())
AUDITOR = Principal(
    kind=Kind.USER,
    id=1,
    user_id=1,
    name="auditor",
    display_name="auditor",
    role=Role.AUDITOR,
    departments=frozenset(),
    credential="session:1",
)
HERE = Context("192.0.2.1", Via.WEB, NOW)


def one_input(data: bytes) -> None:
    if not data:
        return
    try:
        pairs = parse_qsl(data[1:].decode(), keep_blank_values=True, max_num_fields=128, errors="strict")
    except ValueError:
        return
    form = dict(pairs)
    try:
        if data[0] & 1:
            identity(form)
        else:
            asked(terms_of(form, record.FIELDS), data[0] >> 1)
    except Violation as error:
        if PLANTED in str(error) or PLANTED in error.code:
            raise AssertionError("a value is repeated") from error


def asked(terms: dict[str, str], choice: int) -> None:
    limit, below = LIMITS[choice % len(LIMITS)], choice if choice & 64 else None
    question: Asked = record._asked(terms)
    answer = INQUIRY.ask(AUDITOR, HERE, question, below=below, limit=limit)
    assert len(answer.lines) <= limit
    numbers = [line.seq for line in answer.lines]
    assert numbers == sorted(set(numbers), reverse=True) and all(n < (below or 1000) for n in numbers)
    for line in answer.lines:
        assert not question.outcome or line.outcome == question.outcome
        assert question.since is None or line.time >= question.since
        assert question.until is None or line.time < question.until


def identity(form: dict[str, str]) -> None:
    values = checked_values(form)
    assert checked_values(values) == values
    reason = checked_reason(form.get("reason", ""))
    assert checked_reason(reason) == reason and "\n" not in reason
    for name, value in values.items():
        assert len(value) <= 3 * 64 + 2 and "\\" not in value and not set(map(chr, range(32))) & set(value)
        _, writer = charset_for([value], [""])
        assert writer.encode(value, name=name == "patient_name") is not None
    about = {"detail": {"reason": reason}, "patients": tuple(filter(None, [values.get("patient_id", "")]))}
    INQUIRY._doorkeeper.record(Entry("user:1", "x", "x", "identity.change", **about), NOW)


FILTERS = (
    "", "actor=user%3A1", "actor=token%3A1", "actor=nobody", "patient=1", "study=1.2.3", "study=1.2.77",
    "study=A-1", "action=study.view", "outcome=denied", "since=2027-01-15&until=2027-02-01",
    "since=0001-01-01", "until=9999-12-31", f"actor={quote_plus(PLANTED)}", f"study={quote_plus(PLANTED)}",
    f"patient={quote_plus(PLANTED)}", f"since={quote_plus(PLANTED)}", "actor=system&outcome=failed&patient=0",
)  # fmt: skip
IDENTITIES = (
    "patient_name=Roth%5EAnna&patient_id=P-1&issuer=HOSP&birth_date=1970-01-31&sex=f&reason=typing+error",
    "patient_name=Yamada%5ETarou%3D%E5%B1%B1%E7%94%B0%5E%E5%A4%AA%E9%83%8E&reason=x",
    "patient_name=&birth_date=&sex=&issuer=&reason=x",
    f"patient_id={quote_plus(PLANTED)}%5C&reason=x", f"birth_date={quote_plus(PLANTED)}",
    f"sex={quote_plus(PLANTED)}", f"patient_name={quote_plus(PLANTED)}%3D%3D%3D", "reason=", "patient_id=%20",
)  # fmt: skip


def corpus() -> list[bytes]:
    """Every form, on every page."""
    asked = [bytes([choice]) + each.encode() for choice in (0, 2, 4, 140) for each in FILTERS]
    return asked + [b"\1" + each.encode() for each in IDENTITIES]


if __name__ == "__main__":
    seeded.main(__doc__, one_input, corpus, TOKENS)
