"""A study as a zip with a DICOMDIR (PS3.12 Annex V), written as it streams.

Members are stored, not packed: pixels hardly pack, and it would cost the speed. Their checksums follow them
(APPNOTE 4.3.9), so that nothing is held back; zip64 comes in where it must. A member begins when its object
is known to be sound: what cannot be read, NOT-INCLUDED.TXT tells, and the DICOMDIR names only what is in it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Final
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from leadglass.archive.leaving import StoredObject, Unreadable
from leadglass.archive.media import FileSet, Header, component
from leadglass.archive.not_included import NOT_INCLUDED, Missing, text_of
from leadglass.dicom.dicomdir import FILE_NAME
from leadglass.dicom.elements import Limits

MOST_INSTANCES: Final = 100_000  # what is held of each until the end are some 700 bytes
_PIECE: Final = 256 << 10  # bytes that are handed on together
_SLACK: Final = 1 << 20  # by which an object may be longer on its way out than its row says
_FIRST_YEAR: Final = 1980  # of the clock of zips (APPNOTE 4.4.6)


def zipped(
    objects: Generator[StoredObject | Unreadable, None, None], limits: Limits, now: int, lost: int = 0
) -> Iterator[bytes]:
    """The zip in pieces of about 256 KiB. `now`: ms since the epoch, the date of its members; `lost`: images
    of the study that the archive knows to be lost.

    Raises what is wrong with the first object when none can be read, and then nothing has left.
    """
    sink, directory = _Sink(), _Directory()
    files = FileSet(directory)
    series: dict[int, int] = {}
    date = _date(now)
    missing: list[Missing] = []
    with closing(objects), ZipFile(sink, "w", ZIP_STORED) as archive:  # type: ignore[call-overload]
        for number, one in enumerate(objects, 1):
            if isinstance(one, Unreadable):
                missing.append(Missing(one.row.sop_instance_uid, one.error))
                continue
            folder = series.setdefault(one.row.series.id, len(series) + 1)
            file_id = component("S", folder), component("I", number)
            header = Header(limits)
            with archive.open(_member("/".join(file_id), one.size + _SLACK, date), "w") as file:
                for chunk in header.passing(one.chunks):
                    file.write(chunk)
                    if sink.size >= _PIECE:
                        yield sink.take()
            files.add(one.row, header, file_id)
        if missing and not files.count:
            raise missing[0].error
        files.finish()
        texts = {FILE_NAME: bytes(directory.data)}
        if missing or lost:
            texts[NOT_INCLUDED] = text_of(missing, lost, of=files.count + len(missing) + lost)
        for name, data in texts.items():
            with archive.open(_member(name, len(data), date), "w") as file:
                for start in range(0, len(data), _PIECE):
                    file.write(data[start : start + _PIECE])
                    yield sink.take()
    yield sink.take()


def _member(name: str, size: int, date: tuple[int, int, int, int, int, int]) -> ZipInfo:
    """`size` decides on zip64 beforehand."""
    info = ZipInfo(name, date)
    info.file_size = size
    info.external_attr = 0o100600 << 16  # APPNOTE 4.4.15: for its owner alone
    return info


def _date(now: int) -> tuple[int, int, int, int, int, int]:
    at = datetime.fromtimestamp(now / 1000, UTC)
    return max(at.year, _FIRST_YEAR), at.month, at.day, at.hour, at.minute, at.second


class _Directory:
    """The DICOMDIR, which waits in memory for its end."""

    def __init__(self) -> None:
        self.data = bytearray()

    def append(self, data: bytes) -> None:
        self.data += data

    def put(self, place: int, data: bytes) -> None:
        self.data[place : place + len(data)] = data


class _Sink:
    """What `zipfile` writes to: it cannot seek, and what was written waits until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        self._pieces.append(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        taken = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self.size = [], 0
        return taken
