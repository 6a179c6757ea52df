"""What an entry of the record says, and the one way its bytes are written.

A body is JSON with sorted keys, no white space and UTF-8 text unescaped; empty fields are left out. It also
carries its own number and time, so that a row put in another's place says so by itself. Reading refuses
every other spelling.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import orjson

from leadglass.errors import BrokenInvariant, LimitExceeded, Violation

VERSION: Final = 1
MAX_BODY: Final = 256 * 1024
MAX_SUBJECTS: Final = 1000  # patients and studies each: five pages of a result list
MAX_TEXT: Final = 1024
MAX_KEYS: Final = 32
MAX_NUMBER: Final = (1 << 63) - 1
MIN_SALT: Final = 16
MAX_SALT: Final = 64

PHASES: Final = frozenset({"open", "close", "single"})
OUTCOMES: Final = frozenset({"allowed", "denied", "failed"})
VIAS: Final = frozenset({"web", "dicomweb", "command", "dimse", "receive"})

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what with whose studies, from where, and how it ended.

    An access is one `single` entry, or an `open` one that is durable before the first byte of the answer
    and a `close` one with the counts after the last.
    """

    actor: str  # "user:3", "token:9", "operator:1000", "ae:2", "jwt:3", "system"
    actor_name: str
    role: str
    action: str  # a slug such as "study.view"
    phase: str = "single"
    outcome: str = "allowed"
    address: str = ""
    via: str = "web"
    reason: str = ""
    department: int | None = None
    patients: tuple[str, ...] = ()  # patient IDs
    studies: tuple[str, ...] = ()  # Study Instance UIDs
    counts: Mapping[str, int] = field(default_factory=dict)
    opens: int | None = None  # of a closing entry: the number of the one it closes
    detail: Mapping[str, str | int] = field(default_factory=dict)

    def closing(
        self,
        seq: int,
        *,
        outcome: str = "allowed",
        counts: Mapping[str, int] | None = None,
        detail: Mapping[str, str | int] | None = None,
    ) -> Entry:
        """The entry that closes this one, which was appended as number `seq`: the same actor and action."""
        return replace(
            self,
            phase="close",
            outcome=outcome,
            opens=seq,
            reason="",
            patients=(),
            studies=(),
            counts=counts or {},
            detail=detail or {},
        )

    def subjects(self) -> frozenset[tuple[str, str]]:
        """(kind, value) of all this entry is found by. A closing entry is found through its opening one."""
        if self.phase == "close":
            return frozenset()
        return frozenset((kind, value) for kind, of in SUBJECT_KINDS.items() for value in of(self))


SUBJECT_KINDS: Final[Mapping[str, Callable[[Entry], tuple[str, ...]]]] = {
    "actor": lambda entry: (entry.actor,),
    "action": lambda entry: (entry.action,),
    "patient": lambda entry: entry.patients,
    "study": lambda entry: entry.studies,
}


def encode_body(seq: int, now: int, entry: Entry) -> bytes:
    """The canonical body of entry number `seq` at `now` (ms since the epoch, UTC).

    LimitExceeded for more than an entry may hold, BrokenInvariant for what the program must not write.
    """
    _check(entry)
    members = {name: value for name in _NAMES if (value := getattr(entry, name)) not in _EMPTY}
    members.update(v=VERSION, seq=seq, time=format_time(now))
    try:
        body = orjson.dumps(members, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        raise Violation("An entry of the record holds text that is not Unicode.", code="entry-text") from None
    if len(body) > MAX_BODY:
        raise LimitExceeded("An entry of the record is larger than one may be.", code="entry-length")
    return body


def decode_body(body: bytes) -> tuple[int, int, Entry]:
    """Number, time and entry of a body; a Violation for what `encode_body` would not have written."""
    if len(body) > MAX_BODY:
        raise LimitExceeded("An entry of the record is larger than one may be.", code="entry-length")
    try:
        members = orjson.loads(body)
    except ValueError:
        raise Violation("An entry of the record is not JSON.", code="entry-json") from None
    if not isinstance(members, dict):
        raise Violation("An entry of the record is not a JSON object.", code="entry-json")
    version, seq, time = (members.pop(name, None) for name in ("v", "seq", "time"))
    if version != VERSION:
        raise Violation("An entry of the record is of a version we do not know.", code="entry-version")
    if not _is_number(seq) or seq < 0 or not isinstance(time, str):
        raise Violation("An entry of the record has no number or no time.", code="entry-fields")
    now, entry = parse_time(time), _entry(members)
    try:
        same = encode_body(seq, now, entry) == body
    except BrokenInvariant as error:
        raise Violation(str(error), code="entry-fields") from None
    if not same:
        raise Violation("An entry of the record is not in its canonical form.", code="entry-canonical")
    return seq, now, entry


def commitment_of(salt: bytes, body: bytes) -> bytes:
    """SHA-256(salt ‖ body): what goes into the tree, and stays when the body has expired."""
    return sha256(salt + body).digest()


def format_time(now: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    try:
        moment = _EPOCH + now * _MILLISECOND
    except OverflowError:
        raise LimitExceeded("The clock is outside of the years 1 to 9999.", code="entry-time") from None
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def parse_time(text: str) -> int:
    """The inverse of `format_time`."""
    if not _TIME.fullmatch(text):
        raise Violation("A time is not RFC 3339 in UTC with milliseconds.", code="entry-time")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Violation("A time names a moment there is not.", code="entry-time") from None
    return (moment - _EPOCH) // _MILLISECOND


_NAMES = tuple(member.name for member in fields(Entry))
_EMPTY: Final[tuple[object, ...]] = (None, "", (), {})


def _is_number(value: object) -> bool:
    return type(value) is int and abs(value) <= MAX_NUMBER


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT and "\0" not in value  # PostgreSQL stores no NUL


def _is_texts(value: object) -> bool:
    return isinstance(value, tuple) and len(value) <= MAX_SUBJECTS and all(map(_is_text, value))


def _is_counts(value: object) -> bool:
    return _is_detail(value) and all(map(_is_number, value.values()))  # type: ignore[attr-defined]


def _is_detail(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) <= MAX_KEYS
        and all(map(_is_text, value))
        and all(_is_text(item) or _is_number(item) for item in value.values())
    )


_RULES: Final[dict[str, Callable[[object], bool]]] = {
    "department": lambda value: value is None or _is_number(value),
    "opens": lambda value: value is None or _is_number(value),
    "patients": _is_texts,
    "studies": _is_texts,
    "counts": _is_counts,
    "detail": _is_detail,
}


_TEXTS: Final = tuple(name for name in _NAMES if name not in _RULES)


def _too_large(name: str) -> LimitExceeded:
    return LimitExceeded(f"The field {name} of a record entry is too large.", code="entry-field")


def _check(entry: Entry) -> None:
    for name in _TEXTS:
        text = getattr(entry, name)
        if type(text) is not str or len(text) > MAX_TEXT or "\0" in text:
            raise _too_large(name)
    for name, rule in _RULES.items():
        if not rule(getattr(entry, name)):
            raise _too_large(name)
    if not (entry.actor and entry.action):
        raise BrokenInvariant("An entry of the record names no actor or no action.")
    if entry.phase not in PHASES or entry.outcome not in OUTCOMES or entry.via not in VIAS:
        raise BrokenInvariant("An entry of the record has an unknown phase, outcome or way in.")
    if (entry.phase == "close") != (entry.opens is not None):
        raise BrokenInvariant("A closing entry, and no other, names the one it closes.")
    if entry.phase == "close" and (entry.patients or entry.studies):
        raise BrokenInvariant("A closing entry has the subjects of its opening one, and none of its own.")


def _entry(members: dict[str, Any]) -> Entry:
    """From JSON; types and limits are checked when the entry is encoded again for comparison."""
    for name in ("patients", "studies"):
        if isinstance(members.get(name), list):
            members[name] = tuple(members[name])
    try:
        return Entry(**{"actor_name": "", "role": "", **members})
    except TypeError:
        raise Violation("An entry of the record has unknown fields.", code="entry-fields") from None
