"""What a back-up says of itself: one JSON object a line, sealed as objects are.

    {"heading": {…}}                                the moment, the record's head, what the database holds
    {"file": "index.db", "size": …, "sha256": "…"}
    {"kept": "config.toml", "content": "…"}         small files of the home, hexadecimal
    {"object": "…", "size": …, "sha256": "…"}       in the order of the names
    {"absent": "…", "why": "missing"}               named by a row, but not there when it was to be copied
    {"shred": {…}}                                  what had been destroyed on purpose when this was finished
    {"end": {"objects": …, "bytes": …}}

Sealed and not only authenticated, because it says how many rows each table has and holds settings; in the
format of the objects (`store.sealed`), because that is there, is read by pieces and knows a file that was cut
short. The key is derived from the master key, so who has only the folder can neither read nor make one; the
associated data are the home's id and the generation's name, so that none is taken for another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO, Final

import orjson

from leadglass.errors import HomeNewer, Tampered
from leadglass.store.blobs import NAME
from leadglass.store.sealed import SealedReader, SealingWriter
from leadglass.store.shreds import Shred
from leadglass.store.vault import Vault
from leadglass.store.vault_files import Digested, at_backup

FORMAT: Final = 1
LONGEST: Final = 8 << 20  # bytes of one line
DELETED, MISSING, LOST = "deleted", "missing", "lost"
_HEAD, _TAIL = 1 << 17, 4096  # bytes in which the heading and the end are
_DIGEST: Final = 32  # bytes of a SHA-256

_DAMAGED: Final = "The manifest of the back-up {} was altered or is damaged. Nothing is taken from it."


@dataclass(frozen=True, slots=True)
class Heading:
    """A generation, before anything of it is read. `tables` has (rows, digest) by name; times in ms, UTC."""

    generation: str
    created: int
    program: str
    revision: str  # of the schema
    record_size: int
    record_root: str  # hexadecimal
    tables: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class File:
    name: str
    digested: Digested


@dataclass(frozen=True, slots=True)
class Kept:
    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Object:
    name: str
    digested: Digested


@dataclass(frozen=True, slots=True)
class Absent:
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class End:
    objects: int
    bytes: int


Line = Heading | File | Kept | Object | Absent | Shred | End


class ManifestWriter:
    """Seals lines into an open file, in the order given. `finish` it."""

    def __init__(self, file: BinaryIO, key: bytes, home: str, generation: str) -> None:
        self._seal = SealingWriter(file.write, key, _about(home, generation))
        self.objects = 0
        self.bytes = 0

    def add(self, line: Line) -> None:
        if isinstance(line, Object):
            self.objects += 1
            self.bytes += line.digested.size
        self._seal.write(orjson.dumps(_encoded(line)) + b"\n")

    def finish(self) -> End:
        end = End(self.objects, self.bytes)
        self.add(end)
        self._seal.finish()
        return end


def lines(vault: Vault, key: bytes, home: str, generation: str) -> Iterator[Line]:
    """All of a manifest, authenticated piece by piece. Tampered, HomeNewer, StorageFailed.

    The heading comes first and the end last, or it is Tampered.
    """
    last: Line | None = None
    for raw in _raw_lines(vault, key, home, generation):
        line = _decoded(raw, generation)
        if isinstance(line, Heading) != (last is None):
            raise _damaged(generation)
        yield line
        last = line
    if not isinstance(last, End):
        raise _damaged(generation)


def heading(vault: Vault, key: bytes, home: str, generation: str) -> tuple[Heading, End]:
    """The first line and the last, without reading what is between them."""
    with vault.manifest(generation) as descriptor:
        reader = _reader(descriptor, key, home, generation)
        try:
            first = reader.read(0, _HEAD).partition(b"\n")[0]
            tail = reader.read(max(0, reader.size - _TAIL), _TAIL).splitlines()
        except Tampered:
            raise _damaged(generation) from None
    start, end = _decoded(first, generation), _decoded(tail[-1] if tail else b"", generation)
    if not isinstance(start, Heading) or not isinstance(end, End):
        raise _damaged(generation)
    return start, end


def _raw_lines(vault: Vault, key: bytes, home: str, generation: str) -> Iterator[bytes]:
    with vault.manifest(generation) as descriptor:
        rest, chunks = b"", _reader(descriptor, key, home, generation).chunks()
        while chunk := _next(chunks, generation):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
            if len(rest) > LONGEST:
                raise _damaged(generation)
        if rest:
            raise _damaged(generation)


def _reader(descriptor: int, key: bytes, home: str, generation: str) -> SealedReader:
    def pread(offset: int, size: int) -> bytes:
        with at_backup():
            return os.pread(descriptor, size, offset)

    try:
        return SealedReader(pread, os.fstat(descriptor).st_size, key, _about(home, generation))
    except Tampered:
        raise _damaged(generation) from None


def _next(chunks: Iterator[bytes], generation: str) -> bytes:
    try:
        return next(chunks, b"")
    except Tampered:
        raise _damaged(generation) from None


def _about(home: str, generation: str) -> bytes:
    return f"leadglass back-up manifest\n{home}\n{generation}\n".encode("ascii")


def _damaged(generation: str) -> Tampered:
    return Tampered(_DAMAGED.format(generation), code="backup-manifest")


def _encoded(line: Line) -> dict[str, Any]:
    match line:
        case File(name, done):
            return {"file": name, "size": done.size, "sha256": done.sha256.hex()}
        case Object(name, done):
            return {"object": name, "size": done.size, "sha256": done.sha256.hex()}
        case Kept(name, content):
            return {"kept": name, "content": content.hex()}
        case Absent(name, why):
            return {"absent": name, "why": why}
        case _:
            return {type(line).__name__.lower(): asdict(line)}


def _decoded(raw: bytes, generation: str) -> Line:
    """What is authenticated was written by us: another form is another version's, or our mistake."""
    try:
        members = orjson.loads(raw)
        kind, value = next(iter(members.items()))
        return _DECODERS[kind](value, members)
    except HomeNewer:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        raise _damaged(generation) from None


def _heading(members: dict[str, Any]) -> Heading:
    if _number(members["format"]) > FORMAT:
        raise HomeNewer("This back-up was made by a later version of Leadglass. Install that version.")
    tables = {name: (_number(rows), _text(digest)) for name, (rows, digest) in members["tables"].items()}
    found = Heading(**{**members, "tables": tables})
    for text in (found.generation, found.program, found.revision, found.record_root):
        _text(text)
    for number in (found.created, found.record_size):
        _number(number)
    return found


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _name(value: Any) -> str:
    """Of an object: it becomes a path."""
    if not NAME.fullmatch(_text(value)):
        raise ValueError
    return str(value)


def _done(members: dict[str, Any]) -> Digested:
    digest = bytes.fromhex(members["sha256"])
    if len(digest) != _DIGEST:
        raise ValueError
    return Digested(_number(members["size"]), digest)


def _shred(blob: Any, entry: Any, at: Any) -> Shred:
    return Shred(_text(blob), _number(entry), _number(at))


def _end(objects: Any, bytes: Any) -> End:  # noqa: A002 (what the line calls it)
    return End(_number(objects), _number(bytes))


_DECODERS: Final[Mapping[str, Callable[[Any, dict[str, Any]], Line]]] = {
    "heading": lambda value, _: _heading(value),
    "file": lambda value, members: File(_text(value), _done(members)),
    "object": lambda value, members: Object(_name(value), _done(members)),
    "kept": lambda value, members: Kept(_text(value), bytes.fromhex(members["content"])),
    "absent": lambda value, members: Absent(_text(value), _text(members["why"])),
    "shred": lambda value, _: _shred(**value),
    "end": lambda value, _: _end(**value),
}
