"""What is read off a configuration: doors, how far a stranger gets at each, and the line that is why.

It is what the product's own documentation says of its options, or what it did when it was tried. A firewall,
a proxy or a plug-in that the files do not tell of may change it; only a scan proves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from leadglass.errors import LimitExceeded, Violation
from leadglass.scan.findings import Finding
from leadglass.scan.observation import Level

MOST_BYTES: Final = 4 << 20  # of all files of one configuration
MOST_LINES: Final = 200_000
MOST_DEPTH: Final = 64
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# AE titles that everybody tries first: defaults of products, and words.
WELL_KNOWN: Final = frozenset(
    {
        "ANY-SCP", "ORTHANC", "DCM4CHEE", "CONQUESTSRV1", "PACS", "ARCHIVE", "DCMTK", "OSIRIX", "HOROS",
        "RADIANT", "CLEARCANVAS", "K-PACS", "STORESCP", "QRSCP",
    }
)  # fmt: skip


class Knows(StrEnum):
    """What a stranger has to know for it."""

    NOTHING = "nothing"
    TITLE = "title"  # the AE title under which the server is called


@dataclass(frozen=True, slots=True)
class Cause:
    """An option and what it is set to. `line` 0: it is not there, and `value` is its default. Values are of
    switches, ports and AE titles; of what may be a secret, only that it is there."""

    file: str
    line: int
    option: str
    value: str


@dataclass(frozen=True, slots=True)
class Expected:
    """A check that a scan would find. `certain`: the files alone say so; else it depends on what they do not
    tell, such as whether a plug-in is loaded."""

    check: str
    knows: Knows
    cause: Cause
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Door:
    """A listener. `level`: how far a stranger gets who knows nothing, `level_named`: the AE title."""

    kind: str  # dicom, web, hl7
    port: int
    titles: tuple[str, ...]
    level: Level
    level_named: Level
    expected: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """`program`: as in `fingerprint.NAMES`. `unread`: files and entries that were not understood, by name; an
    option among them counts as left at its default."""

    program: str
    doors: tuple[Door, ...]
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """`seen`: a scan found what the configuration does not tell; else the other way about."""

    port: int
    check: str
    seen: bool


# What a configuration can tell; of other checks it says nothing.
FORETOLD: Final = frozenset(
    {"D02", "D03", "D06", "D08", "D09", "D10", "D11", "T01", "T03", "W01", "W03", "W04"}
)


def differences(prediction: Prediction, findings: Iterable[Finding]) -> tuple[Difference, ...]:
    """Between a configuration and what a scan of the same host found, by port and check.

    What is expected of somebody who knows a title, or is not certain, is not missed where it was not seen."""
    found = {(each.port, each.check) for each in findings if each.check in FORETOLD}
    expected = {(door.port, each.check): each for door in prediction.doors for each in door.expected}
    sure = {key for key, each in expected.items() if each.certain and each.knows is Knows.NOTHING}
    missing = ((port, check) for port, check in sorted(sure - found) if check in FORETOLD)
    surprising = sorted(found - expected.keys())
    return (
        *(Difference(port, check, seen=True) for port, check in surprising),
        *(Difference(port, check, seen=False) for port, check in missing),
    )


def lines_of(name: str, content: bytes) -> Iterator[tuple[int, str]]:
    """(number, line without its end), from 1, as an editor counts them."""
    text = text_of(name, content).replace("\r\n", "\n").replace("\r", "\n")
    if text.count("\n") > MOST_LINES:
        raise LimitExceeded(f"{name} has too many lines.", code="configuration")
    yield from enumerate(text.split("\n"), 1)


def text_of(name: str, content: bytes) -> str:
    """UTF-8, and Latin-1 where it is none. `name` for the reader of a LimitExceeded."""
    if len(content) > MOST_BYTES:
        raise LimitExceeded(f"{name} is larger than any configuration.", code="configuration")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def port_of(value: object) -> int | None:
    """A port's number, from a number or its digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        value = int(value)
    return value if type(value) is int and 0 < value < 65536 else None


def shown(text: str, most: int = 64) -> str:
    """Of somebody's file, fit for a report: printable, short."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:most])


def nothing(what: str) -> Violation:
    return Violation(what, code="configuration")
