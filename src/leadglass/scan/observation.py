"""What one probe sent to one port and what came of it. Everything that is concluded rests on these alone.

An observation is made to be kept, signed and handed on, so it has no room for a patient: `said` takes the
names that `PROBES` lists for its probe and nothing else, as numbers, as words from a list, as UIDs, or, for
what products call themselves, as short printable text. Whatever carries a data set has no name here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, Final

from leadglass.errors import BrokenInvariant, Violation
from leadglass.scan.addresses import in_bytes

METHOD: Final = 1  # what is probed and how it is judged; figures of two methods are never compared unsaid

Value = int | bool | str | tuple[str, ...] | tuple[int, ...]


class Level(IntEnum):
    """How far a stranger got (exposure level). A survey goes no further than its scope allows."""

    CLOSED = 0
    ASSOCIATES = 1
    ECHOES = 2
    ANSWERS = 3
    COUNTED = 4


class Outcome(StrEnum):
    """What came of a probe, before anything is concluded from it."""

    # the connection
    REFUSED = "refused"  # nobody listens
    SILENT = "silent"  # no answer to the attempt in time: filtered, or nobody there
    UNREACHABLE = "unreachable"  # the network says that there is no way
    OPEN = "open"  # somebody listens; nothing was asked
    # the other side
    CLOSED = "closed"  # it closed without a word
    MUTE = "mute"  # it took what was sent and says nothing in time
    FOREIGN = "foreign"  # it speaks, but something else
    MISBEHAVES = "misbehaves"  # it breaks its protocol's rules or a limit of ours
    # DICOM (PS3.8 9.3.3, 9.3.4, 9.3.8; PS3.7)
    ACCEPTED = "accepted"  # associated, with at least one context
    EMPTY = "empty"  # associated, and took no context that was proposed
    REJECTED = "rejected"
    ABORTED = "aborted"
    ANSWERED = "answered"  # an operation's final status arrived
    STOPPED = "stopped"  # we ended the operation, for the reason in `said`
    # TLS and HTTP
    SECURED = "secured"  # the handshake came about
    ALERTED = "alerted"  # the handshake was refused
    UNTRIED = "untried"  # this machine cannot speak it: nothing was sent, nothing is known
    RESPONDED = "responded"  # an HTTP status arrived


class Form(StrEnum):
    """What a value may look like."""

    NUMBER = "number"
    YES = "yes"
    WORD = "word"  # lower case, from lists of ours
    WORDS = "words"
    NUMBERS = "numbers"
    UID = "uid"
    UIDS = "uids"
    TITLE = "title"  # an AE title of ours, or one that the scope names
    PRODUCT = "product"  # what a program calls itself
    TIME = "time"  # ms since the epoch, UTC
    DIGEST = "digest"  # hexadecimal


_WORD = re.compile(r"[a-z0-9][a-z0-9_.+/:-]{0,63}", re.ASCII)
_UID = re.compile(r"[0-9.]{1,64}", re.ASCII)
_TITLE = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}", re.ASCII)
_PRODUCT = re.compile(r"[\x20-\x7e]{1,128}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{1,128}", re.ASCII)
_MOST_MEMBERS: Final = 256
_END_OF_TIME: Final = 253_402_300_800_000  # the year 10000, in ms
_LARGEST: Final = 1 << 53  # JSON's whole numbers


def _text(pattern: re.Pattern[str]) -> Any:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _many(fits: Any) -> Any:
    return lambda value: isinstance(value, tuple) and len(value) <= _MOST_MEMBERS and all(map(fits, value))


def _number(value: Value) -> bool:
    return type(value) is int and abs(value) < _LARGEST


_FITS: Final[Mapping[Form, Any]] = MappingProxyType(
    {
        Form.NUMBER: _number,
        Form.YES: lambda value: isinstance(value, bool),
        Form.WORD: _text(_WORD),
        Form.WORDS: _many(_text(_WORD)),
        Form.NUMBERS: _many(_number),
        Form.UID: _text(_UID),
        Form.UIDS: _many(_text(_UID)),
        Form.TITLE: _text(_TITLE),
        Form.PRODUCT: _text(_PRODUCT),
        Form.TIME: _number,
        Form.DIGEST: _text(_DIGEST),
    }
)


@dataclass(frozen=True, slots=True)
class Probe:
    """One kind of probe: what it needs, what it says that it sent, what it may say of the answer."""

    id: str
    level: Level  # of the scope below which it is not sent
    sends: str  # in words, for reports and transcripts
    sent: Mapping[str, Form] = field(default_factory=dict)
    said: Mapping[str, Form] = field(default_factory=dict)
    opt_in: bool = False


# Whoever answers in another protocol is told apart by its first bytes.
_FOREIGN: Final = {"looks_like": Form.WORD}
# Of the connection, for every probe: how long until it stood, why it misbehaves, how it was ended.
_ALWAYS: Final = {
    "connect_us": Form.NUMBER,
    "fault": Form.WORD,
    "tls": Form.YES,
    "alert": Form.WORD,  # of TLS; after the handshake too, as TLS 1.3 has it
    "result": Form.NUMBER,  # of an A-ASSOCIATE-RJ
    "source": Form.NUMBER,  # of an A-ASSOCIATE-RJ or an A-ABORT
    "reason": Form.NUMBER,
    **_FOREIGN,
}
_TITLES: Final = {"called": Form.TITLE, "calling": Form.TITLE}
_ASKED: Final = {**_TITLES, "model": Form.UID, "keys": Form.WORDS}
_ANSWER: Final = {
    "implementation_class_uid": Form.UID,
    "implementation_version_name": Form.PRODUCT,
    "maximum_length": Form.NUMBER,
    "accepted": Form.UIDS,  # abstract syntaxes
    "accepts_unknown": Form.YES,  # one that was made up for this probe
}
_STATUS: Final = {"status": Form.NUMBER, "pending": Form.NUMBER, "answer_us": Form.NUMBER}

_ALL: Final = (
    Probe("tcp", Level.CLOSED, "a TCP connection, and nothing on it"),
    Probe(
        "associate",
        Level.ASSOCIATES,
        "A-ASSOCIATE-RQ for Verification under AE titles made up for this probe",
        _TITLES,
        _ANSWER,
    ),
    Probe(
        "associate-named",
        Level.ASSOCIATES,
        "A-ASSOCIATE-RQ for Verification under an AE title that the scope names",
        _TITLES,
        _ANSWER,
        opt_in=True,
    ),
    Probe(
        "associate-own",
        Level.ASSOCIATES,
        "A-ASSOCIATE-RQ for Verification under the calling AE title of every survey",
        _TITLES,
        _ANSWER,
    ),
    Probe("echo", Level.ECHOES, "C-ECHO-RQ", _TITLES, _STATUS),
    Probe(
        "offers",
        Level.ASSOCIATES,
        "A-ASSOCIATE-RQ for query, retrieve, storage, worklist and other services; none is used",
        _TITLES,
        _ANSWER,
    ),
    Probe(
        "find-none",
        Level.ANSWERS,
        "C-FIND-RQ for studies of a day on which there are none, asking for Study Instance UIDs only",
        _ASKED,
        {**_STATUS, "cause": Form.WORD},
    ),
    Probe(
        "worklist-none",
        Level.ANSWERS,
        "C-FIND-RQ for scheduled procedure steps that do not exist",
        _ASKED,
        {**_STATUS, "cause": Form.WORD},
    ),
    Probe(
        "count",
        Level.COUNTED,
        "C-FIND-RQs for studies; responses are counted by their command sets, data sets dropped undecoded",
        _ASKED,
        {
            **_STATUS,
            "studies": Form.NUMBER,  # at least; exactly where `exact`
            "exact": Form.YES,
            "dated": Form.NUMBER,  # exactly so many have a date; absent where nobody knows
            "undated": Form.NUMBER,
            "queries": Form.NUMBER,
            "cap": Form.NUMBER,  # matches after which it stops or refuses
            "images": Form.NUMBER,
            "people": Form.NUMBER,
            "cause": Form.WORD,
            "rate": Form.NUMBER,  # matches a second
            "mark": Form.DIGEST,  # of its answers, keyed: in one run, who gives the same has the same
            "windows": Form.NUMBERS,  # matches of the first windows of dates that were asked for
        },
    ),
    Probe(
        "identifiers",
        Level.COUNTED,
        "C-FIND-RQ for a few studies; kinds of identifiers with values are noted, values dropped",
        _ASKED,
        {**_STATUS, "records": Form.NUMBER, "kinds": Form.WORDS, "shares": Form.NUMBERS},
        opt_in=True,
    ),
    Probe(
        "tls",
        Level.ASSOCIATES,
        "a TLS handshake of one protocol version, without a certificate",
        {"version": Form.WORD, "ciphers": Form.WORD},  # any, weak
        {
            "version": Form.WORD,
            "cipher": Form.PRODUCT,
            "cipher_bits": Form.NUMBER,
            "asks_certificate": Form.YES,  # seen up to TLS 1.2; whether it insists shows in the outcome
            "expires": Form.TIME,
            "begins": Form.TIME,
            "self_signed": Form.YES,
            "key_type": Form.WORD,
            "key_bits": Form.NUMBER,
            "signature": Form.WORD,
            "certificate": Form.DIGEST,  # SHA-256
        },
    ),
    Probe(
        "http",
        Level.ASSOCIATES,
        "GET or OPTIONS of a path that shows no patient",
        {"method": Form.WORD, "path": Form.PRODUCT, "about": Form.WORD},
        {
            "status": Form.NUMBER,
            "server": Form.PRODUCT,
            "type": Form.WORD,
            "bytes": Form.NUMBER,
            "marker": Form.WORD,  # a product's page or answer that was recognised
            "version": Form.PRODUCT,
            "count": Form.NUMBER,
            "counts": Form.NUMBERS,
            "methods": Form.WORDS,
            "allow_origin": Form.WORD,  # none, any, reflected, other
            "allow_credentials": Form.YES,
            "links": Form.NUMBER,  # to DICOM files or a DICOMDIR, on an index page
            "digests": Form.WORDS,  # of their names
            "realm": Form.WORD,  # none, basic, bearer, digest, other
            "roots": Form.WORDS,
            "answer_us": Form.NUMBER,
        },
    ),
)
PROBES: Final[Mapping[str, Probe]] = MappingProxyType({probe.id: probe for probe in _ALL})


@dataclass(frozen=True, slots=True)
class Observation:
    """One probe of one port. `at`: ms since the epoch, UTC, when it began; `took_us`: until its outcome."""

    probe: str
    address: str
    port: int
    at: int
    took_us: int
    outcome: Outcome
    sent: Mapping[str, Value] = field(default_factory=dict)
    said: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """BrokenInvariant for what has no place in an observation, whoever put it there."""
        probe = PROBES.get(self.probe)
        if probe is None:
            raise BrokenInvariant("There is no such probe.")
        _require(self.sent, probe.sent)
        _require(self.said, {**_ALWAYS, **probe.said})
        in_bytes(self.address)  # a name would have to be looked up again, elsewhere perhaps

    def to_json(self) -> dict[str, Any]:
        return {
            "probe": self.probe,
            "address": self.address,
            "port": self.port,
            "at": self.at,
            "took_us": self.took_us,
            "outcome": self.outcome.value,
            "sent": dict(self.sent),
            "said": dict(self.said),
        }

    @classmethod
    def from_json(cls, members: Any) -> Observation:
        """What `to_json` gave, perhaps in a file from elsewhere. Violation for anything else."""
        try:
            port, at = int(members["port"]), int(members["at"])
            if not (0 < port < 65536 and 0 <= at < _END_OF_TIME):
                raise ValueError  # nobody could show it
            return cls(
                str(members["probe"]),
                str(members["address"]),
                port,
                at,
                int(members["took_us"]),
                Outcome(members["outcome"]),
                _values(members["sent"]),
                _values(members["said"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError, BrokenInvariant):
            raise Violation("That is no observation of a scan.", code="observation") from None


def product(text: str | bytes | None, most: int = 128) -> str:
    """What a program calls itself, fit to be kept: printable ASCII, bounded; '' for nothing.

    Names of programs only: a peer that writes something else there gets it into our report, not further.
    """
    if text is None:
        return ""
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    return "".join(letter if "\x20" <= letter <= "\x7e" else "?" for letter in text[:most]).strip()


def _values(members: Mapping[str, Any]) -> dict[str, Value]:
    return {str(k): tuple(v) if isinstance(v, list) else v for k, v in members.items()}


def _require(values: Mapping[str, Value], forms: Mapping[str, Form]) -> None:
    for name, value in values.items():
        form = forms.get(name)
        if form is None or not _FITS[form](value):
            raise BrokenInvariant(f"An observation has no room for such a {name}.")
