"""The DICOMDIR: the Basic Directory IOD (PS3.3 F), written as its records come. Pure.

    head      File Meta Information, File-set ID, offsets of the first and last root record: of fixed size
    records   one sequence of items, each with the offsets of the next record beside it and the first below it

Offsets count from the first byte of the file (PS3.3 F.3.2.2). A record's links are known only when those come
that they lead to: they are filled in then, and so one pass is enough.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from leadglass.dicom.dictionary import EXPLICIT_VR_LITTLE_ENDIAN, ITEM
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from leadglass.dicom.part10 import write_file_meta
from leadglass.dicom.writer import encode_dataset, writer
from leadglass.errors import BrokenInvariant, LimitExceeded

FILE_NAME: Final = "DICOMDIR"
SOP_CLASS_UID: Final = "1.2.840.10008.1.3.10"  # Media Storage Directory Storage
LEVELS: Final = 4  # patient, study, series, object
MOST_BYTES: Final = 0xFFFFFFFE  # what an offset can point into, and a sequence's length hold

_IN_USE: Final = 0xFFFF
_FIRST_ROOT, _LAST_ROOT, _CONSISTENCY, _SEQUENCE = 0x00041200, 0x00041202, 0x00041212, 0x00041220
_FILE_SET_ID: Final = 0x00041130
_OFFSET: Final = struct.Struct("<I")
# (0004,1400) UL next, (0004,1410) US in use, (0004,1420) UL first below: 12, 10 and 12 bytes
_LINKS: Final = struct.Struct("<HH2sHI HH2sHH HH2sHI")
_ITEM_HEAD: Final = 8
_NEXT, _BELOW = _ITEM_HEAD + 8, _ITEM_HEAD + 12 + 10 + 8  # where in a record its links are
_EXPLICIT: Final = writer(explicit=True, little_endian=True)


class Entry(NamedTuple):
    """One record on the way to an object. Same key, same record, as long as what is above it is the same."""

    key: str
    record: bytes  # without its links


class Piece(NamedTuple):
    """What comes to the end of the file, and which of its offsets (place, value) are known now."""

    data: bytes
    links: list[tuple[int, int]]


class Directory:
    """Records in the order of their tree: what belongs to one patient, study or series comes together.

    The file begins with `head()`, goes on with the pieces, and has its head written over at the end.
    """

    def __init__(self, file_set_id: str, sop_instance_uid: str) -> None:
        """`file_set_id`: up to 16 characters A-Z, 0-9 and _ (PS3.10 8.5)."""
        self._file_set_id = file_set_id
        self._uid = sop_instance_uid
        self._first = self._last = self._base = 0
        self._base = self._end = len(self.head())
        self._keys: list[str] = []
        self._open: list[int] = []  # the newest record of each level, by its place in the file
        self.count = 0  # objects

    def add(self, path: Sequence[Entry]) -> Piece:
        """An object: its patient, study, series, and itself. LimitExceeded when the file became too long."""
        if len(path) != LEVELS:
            raise BrokenInvariant("An object stands below a patient, a study and a series.")
        same = 0
        while same < min(len(self._keys), LEVELS - 1) and self._keys[same] == path[same].key:
            same += 1
        size = sum(len(entry.record) + _ITEM_HEAD + _LINKS.size for entry in path[same:])
        if self._end + size > MOST_BYTES:
            raise LimitExceeded("There are more objects than a DICOMDIR can name.", code="dicomdir")
        piece = Piece(b"".join(_item(entry.record) for entry in path[same:]), [])
        for level in range(same, LEVELS):
            self._put(level, path[level].record, piece.links, is_sibling=level == same < len(self._open))
        self._keys = [entry.key for entry in path]
        self.count += 1
        return piece

    def _put(self, level: int, record: bytes, links: list[tuple[int, int]], *, is_sibling: bool) -> None:
        at = self._end
        if is_sibling:
            links.append((self._open[level] + _NEXT, at))
        elif level:
            links.append((self._open[level - 1] + _BELOW, at))
        if not level:
            self._first, self._last = self._first or at, at
        self._open[level:] = [at]
        self._end += _ITEM_HEAD + _LINKS.size + len(record)

    def head(self) -> bytes:
        """As it is to be now; always of one size."""
        return self._head(self._first, self._last, self._end - self._base if self._base else 0)

    def _head(self, first: int, last: int, length: int) -> bytes:
        meta = write_file_meta(
            sop_class_uid=SOP_CLASS_UID,
            sop_instance_uid=self._uid,
            transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN.uid,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version=IMPLEMENTATION_VERSION_NAME,
        )
        elements = (
            (_FILE_SET_ID, "CS", self._file_set_id.encode("ascii")),
            (_FIRST_ROOT, "UL", _OFFSET.pack(first)),
            (_LAST_ROOT, "UL", _OFFSET.pack(last)),
            (_CONSISTENCY, "US", b"\0\0"),  # no known inconsistencies
        )
        head = encode_dataset(elements, EXPLICIT_VR_LITTLE_ENDIAN)
        return meta + head + _EXPLICIT.head(_SEQUENCE, "SQ", length)


def write_link(place: int, to: int, write: Callable[[int, bytes], object]) -> None:
    """Put one link of a piece where it belongs: `write` takes a place in the file and bytes."""
    write(place, _OFFSET.pack(to))


def _item(record: bytes) -> bytes:
    links = _LINKS.pack(4, 0x1400, b"UL", 4, 0, 4, 0x1410, b"US", 2, _IN_USE, 4, 0x1420, b"UL", 4, 0)
    return _EXPLICIT.head(ITEM, "", len(links) + len(record)) + links + record
