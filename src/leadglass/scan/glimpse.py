"""What may be seen of a response: one number, or a patient's ID long enough to be hashed. Nothing stays.

Only where the scope asks for it; otherwise data sets pass by and are not looked at.
"""

from __future__ import annotations

import hmac
import secrets
from array import array
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from leadglass.dicom.dataset import DataSet, Limits, parse
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, transfer_syntax
from leadglass.dimse.command import Command
from leadglass.errors import Violation
from leadglass.scan.manner import Bounds, Option
from leadglass.scan.taker import Next

IMAGES: Final = ("NumberOfStudyRelatedInstances",)
PEOPLE: Final = ("PatientID", "IssuerOfPatientID")
MOST_IMAGES: Final = 1_000_000  # of one study; more is a lie

_IMAGES: Final = TAG_BY_KEYWORD[IMAGES[0]]
_PERSON: Final = tuple(TAG_BY_KEYWORD[keyword] for keyword in PEOPLE)
_BATCH: Final = 1 << 16  # hashes that wait to be sorted in
MOST_COMPARED: Final = 4096  # different data sets of one query, before nobody expects one again
MOST_REPEATED: Final = 1 << 18  # where there were repetitions
MOST_IN_A_ROW: Final = 50_000  # repetitions: a study has fewer images


class Tally:
    """Takes the responses to one query: they are counted, and cancelled after `most`.

    Data sets are not looked into: a keyed hash, in memory, tells whether one was there before. After
    `MOST_COMPARED` different ones, none of them twice, even that is left. `look`: given each new data set,
    whole, where the scope allows it; None: they are not collected. `mark`: of those hashes together, in any
    order: who gives the same has the same.
    """

    __slots__ = (
        "_begun",
        "_compares",
        "_data",
        "_hash",
        "_in_a_row",
        "_key",
        "_look",
        "_most",
        "_seen",
        "cancelled",
        "mark",
        "matches",
        "repeats",
    )

    def __init__(self, most: int, look: Callable[[bytes], None] | None = None, key: bytes = b"") -> None:
        self.matches = self.repeats = 0  # whole ones
        self.cancelled = False
        self._begun = self._in_a_row = self.mark = 0
        self._most = most
        self._look = look
        self._data = bytearray()
        self._key = key
        self._hash = blake2b(digest_size=8, key=key)
        self._seen: set[bytes] = set()
        self._compares = True

    def pending(self, _: Command) -> Next:
        self._begun += 1
        if self._in_a_row > MOST_IN_A_ROW:
            return Next.ABORT
        if self._begun < self._most:
            return Next.GO_ON
        self.cancelled = True
        return Next.CANCEL

    @property
    def is_endless(self) -> bool:
        """Whether it says the same again and again; then it was aborted."""
        return self._in_a_row > MOST_IN_A_ROW

    def data(self, piece: memoryview, is_last: bool) -> None:
        if self._compares:
            self._hash.update(piece)
        if self._look is not None:
            self._data += piece
        if is_last:
            self.matches += 1
            is_new = not self._compares or self._compare()
            if is_new and self._look is not None:
                self._look(bytes(self._data))
            self._data.clear()

    def _compare(self) -> bool:
        """Whether the data set that has ended is another one than those before."""
        digest, before = self._hash.digest(), len(self._seen)
        self._hash = blake2b(digest_size=8, key=self._key)
        self._seen.add(digest)
        if len(self._seen) == before:
            self.repeats += 1
            self._in_a_row += 1
            return False
        self._in_a_row = 0
        self.mark ^= int.from_bytes(digest)
        if len(self._seen) >= (MOST_REPEATED if self.repeats else MOST_COMPARED):
            self._compares = False
            self._seen.clear()
        return True


def element_limits(bounds: Bounds) -> Limits:
    """For the data set of one response."""
    return Limits(depth=4, elements=2000, header_bytes=4 * bounds.data_set, value_bytes=bounds.data_set)


class Glimpse:
    """Looks at data sets of one encoding for what `options` allow, and adds it up."""

    def __init__(self, options: frozenset[Option], bounds: Bounds, secret: bytes) -> None:
        self.images = 0
        self.unread = 0  # data sets that are none
        self.people = Crowd(secret) if Option.PEOPLE in options else None
        self.wants_images = Option.IMAGES in options
        self._wanted = frozenset(
            ((_IMAGES,) if self.wants_images else ()) + (_PERSON if self.people is not None else ())
        )
        self._limits = element_limits(bounds)

    @property
    def keys(self) -> tuple[str, ...]:
        """What has to be asked for."""
        return (IMAGES if self.wants_images else ()) + (PEOPLE if self.people is not None else ())

    def look(self, data: bytes, syntax: str) -> None:
        try:
            found = parse(data, transfer_syntax(syntax), self._limits, self._wanted)
        except Violation:
            self.unread += 1
            return
        self.images += _number(_value(found, _IMAGES))
        if self.people is not None and (person := _value(found, _PERSON[0])):
            self.people.add(person, _value(found, _PERSON[1]))


class Crowd:
    """How many different people. A person is a hash under a key that lives as long as this does."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret or secrets.token_bytes(32), b"people", "sha256")
        self._known = array("Q")  # sorted, each once
        self._new = array("Q")

    def add(self, identifier: bytes, issuer: bytes) -> None:
        digest = hmac.digest(self._key, b"%d %b%b" % (len(identifier), identifier, issuer), "sha256")
        self._new.append(int.from_bytes(digest[:8], "big"))
        if len(self._new) >= max(_BATCH, len(self._known) // 4):
            self._sort_in()

    def __len__(self) -> int:
        self._sort_in()
        return len(self._known)

    def _sort_in(self) -> None:
        """8 bytes for each person, whatever the matches."""
        import numpy as np  # the only use of it here, and a survey seldom counts people

        merged = np.union1d(np.asarray(self._known, np.uint64), np.asarray(self._new, np.uint64))
        self._known = array("Q", merged.tobytes())
        self._new = array("Q")


def _value(found: DataSet, tag: int) -> bytes:
    element = found.get(tag)
    value = element.value if element is not None else b""
    return value.strip(b" \0") if isinstance(value, bytes) else b""


def _number(value: bytes) -> int:
    """An IS (PS3.5 6.2); 0 for what is none."""
    return min(int(value), MOST_IMAGES) if value.isdigit() and len(value) <= 12 else 0
