"""C-FIND at the old PACS: both information models, every level, whoever asks (PS3.4 C.4.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from leadglass.demo.old_pacs.holdings import LEVELS, Holdings, Row
from leadglass.dicom.charset import charset_of
from leadglass.dicom.dataset import parse
from leadglass.dicom.dictionary import (
    KEYWORD_BY_TAG,
    SPECIFIC_CHARACTER_SET,
    TAG_BY_KEYWORD,
    public_vr,
    transfer_syntax,
)
from leadglass.dicom.elements import Limits
from leadglass.dicom.values import TEXT_VRS, texts
from leadglass.dicom.writer import IdentifierEncoder
from leadglass.dimse import sop_classes as uids
from leadglass.dimse.status import CANCEL, PENDING, SUCCESS
from leadglass.errors import LimitExceeded, Violation
from leadglass.net.link import Link
from leadglass.net.stream import Message

MOST_BYTES: Final = 1 << 20  # of an identifier
DOES_NOT_MATCH: Final = 0xA900
UNABLE: Final = 0xC000
_LIMITS: Final = Limits(depth=4, elements=1000, header_bytes=4 << 20, value_bytes=1 << 20)
_BATCH: Final = 16  # responses that are written at once; a cancel is heard between two writes
_LEVEL: Final = TAG_BY_KEYWORD["QueryRetrieveLevel"]
_STUDY_ROOT: Final = frozenset({uids.STUDY_ROOT_FIND, uids.STUDY_ROOT_GET, uids.STUDY_ROOT_MOVE})


@dataclass(frozen=True, slots=True)
class Asked:
    """`keys` by keyword, those without a value too; `fields` are the tags and VRs of an answer."""

    level: str
    keys: Mapping[str, str]
    fields: tuple[tuple[int, str], ...]
    characters: tuple[str, ...]


def read(identifier: bytes, sop_class: str, syntax: str) -> Asked:
    """Violation when it is no identifier of that SOP class."""
    found = parse(identifier, transfer_syntax(syntax), _LIMITS)
    characters = charset_of(found)
    named = {
        KEYWORD_BY_TAG.get(tag, ""): "\\".join(texts(element, characters)) for tag, element in found.items()
    }
    level = named.pop("QueryRetrieveLevel", "")
    if level not in LEVELS[sop_class in _STUDY_ROOT :]:
        raise Violation("No level of this information model.", code="level")
    terms = named.pop("SpecificCharacterSet", "")
    fields = [
        (tag, vr)
        for tag in {*found, _LEVEL} - {SPECIFIC_CHARACTER_SET}
        if tag & 0xFFFF and (vr := public_vr(tag)) in TEXT_VRS
    ]
    return Asked(level, named, tuple(fields), tuple(terms.split("\\")) if terms else ())


class Find:
    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings

    async def __call__(self, link: Link, message: Message) -> None:
        command, context = message.command, message.context
        assert message.data is not None  # a C-FIND-RQ without a data set is none
        try:
            identifier = await message.data.read(MOST_BYTES)
            asked = read(identifier, context.abstract_syntax, context.transfer_syntax)
        except LimitExceeded:
            await message.data.drain()
            await link.send(context.id, command.respond(UNABLE))
            return
        except Violation:
            await link.send(context.id, command.respond(DOES_NOT_MATCH))
            return
        rows = iter(self._holdings.find(asked.level, asked.keys))
        encode = _encoder(asked, context.transfer_syntax, link.called)
        pending = command.respond(PENDING, has_dataset=True).encode()
        while batch := [(pending, encode(row)) for row in islice(rows, _BATCH)]:
            if link.is_cancelled(command.message_id or 0):
                await link.send(context.id, command.respond(CANCEL))
                return
            await link.send_many(context.id, batch)
        await link.send(context.id, command.respond(SUCCESS))


def _encoder(asked: Asked, syntax: str, title: str) -> Callable[[Row], bytes]:
    """Answers with every key that was asked for, empty where the old PACS has nothing."""
    names = [KEYWORD_BY_TAG.get(tag, "") for tag, _ in asked.fields]
    always = {"QueryRetrieveLevel": asked.level, "RetrieveAETitle": title}
    encoder = IdentifierEncoder(asked.fields, transfer_syntax(syntax), asked.characters)

    def encode(row: Row) -> bytes:
        whole = {**row, **always}
        return encoder.encode([whole.get(name, "") for name in names])

    return encode
