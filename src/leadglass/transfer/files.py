"""DICOM files on their way out: the head is read to know what it is, the rest streams when it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from leadglass.dicom.charset import DEFAULT
from leadglass.dicom.dataset import Limits
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, is_valid_uid
from leadglass.dicom.part10 import Part10Parser
from leadglass.dicom.values import text
from leadglass.errors import IllegalIdentity
from leadglass.transfer.send import Outgoing

PEEK: Final = 16 << 10  # bytes in which the SOP Common attributes are as a rule
MOST_PEEKED: Final = 1 << 20
CHUNK: Final = 256 << 10

_SOP_CLASS_UID: Final = TAG_BY_KEYWORD["SOPClassUID"]
_SOP_INSTANCE_UID: Final = TAG_BY_KEYWORD["SOPInstanceUID"]
_WANTED: Final = frozenset({_SOP_CLASS_UID, _SOP_INSTANCE_UID})


class Stream(Protocol):
    """The bytes of one file. `read` gives b"" at the end."""

    def read(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


def outgoing_file(name: str, opened: Callable[[], Stream], limits: Limits | None = None) -> Outgoing:
    """What the file holds. Violation when it cannot be sent, OSError when it cannot be read.

    It stays open until its data set has been taken.
    """
    stream = opened()
    try:
        parser, head = _head(stream, limits or Limits())
        sop_class, uid = _identity(parser)
    except BaseException:
        stream.close()
        raise
    assert parser.transfer_syntax is not None and parser.dataset_offset is not None
    rest = bytes(memoryview(head)[parser.dataset_offset :])
    kind = sop_class, parser.transfer_syntax.uid
    return Outgoing(name, kind, uid, lambda: _data_set(rest, stream), close=stream.close)


def _head(stream: Stream, limits: Limits) -> tuple[Part10Parser, bytearray]:
    parser, head = Part10Parser(limits, _WANTED), bytearray()
    while not _is_known(parser) and len(head) < MOST_PEEKED:
        chunk = stream.read(PEEK)
        if not chunk:
            parser.close()
            break
        head += chunk
        parser.feed(chunk)
    return parser, head


def _is_known(parser: Part10Parser) -> bool:
    dataset = parser.dataset
    return dataset is not None and (parser.header_complete or dataset.elements.keys() >= _WANTED)


def _identity(parser: Part10Parser) -> tuple[str, str]:
    """As the data set has it, for that is what is stored; else as the File Meta Information does."""
    elements = parser.dataset.elements if parser.dataset is not None else {}
    sop_class = text(elements.get(_SOP_CLASS_UID), DEFAULT) or parser.sop_class_uid
    uid = text(elements.get(_SOP_INSTANCE_UID), DEFAULT) or parser.sop_instance_uid
    if not (is_valid_uid(sop_class) and is_valid_uid(uid)):
        raise IllegalIdentity("It has no legal SOP Class UID or SOP Instance UID.")
    return sop_class, uid


def _data_set(head: bytes, stream: Stream) -> Iterator[bytes]:
    try:
        if head:
            yield head
        while chunk := stream.read(CHUNK):
            yield chunk
    finally:
        stream.close()
