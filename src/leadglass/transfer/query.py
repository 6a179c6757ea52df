"""C-FIND as SCU (PS3.4 C.4.1): keys to an identifier, responses to rows."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from leadglass.dicom.charset import Charset, charset_for
from leadglass.dicom.dataset import DataSet, Limits, parse
from leadglass.dicom.dictionary import (
    SPECIFIC_CHARACTER_SET,
    TAG_BY_KEYWORD,
    format_tag,
    public_vr,
    transfer_syntax,
)
from leadglass.dicom.values import BINARY_NUMBER_VRS, TEXT_VRS
from leadglass.dicom.writer import encode_dataset, number_value, text_value
from leadglass.dimse.command import Command, Field, Priority
from leadglass.dimse.sop_classes import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from leadglass.dimse.status import CANCEL, SUCCESS, Category, Service, category, sentence
from leadglass.errors import BrokenInvariant, ProtocolViolation, Refused, Violation
from leadglass.net.link import Link
from leadglass.net.stream import Message
from leadglass.transfer.association import SMALL, Proposal, context_of

MOST_IDENTIFIER: Final = 1 << 20  # bytes of one response
MOST_UNWANTED: Final = 20_000  # responses after a C-CANCEL
PROPOSALS: Final[tuple[Proposal, ...]] = ((STUDY_ROOT_FIND, SMALL), (PATIENT_ROOT_FIND, SMALL))

_LEVEL: Final = TAG_BY_KEYWORD["QueryRetrieveLevel"]
_LIMITS: Final = Limits(
    depth=8, elements=10_000, header_bytes=MOST_IDENTIFIER * 4, value_bytes=MOST_IDENTIFIER
)
_TAG: Final = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
# There is more, and it stops here (PS3.4 Table C.4-1). Orthanc, at its limit, says that it was cancelled.
_THERE_IS_MORE: Final = frozenset({0xB001, CANCEL})


class Level(StrEnum):
    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


# What is asked for at each level unless somebody asks for something else.
RETURN_KEYS: Final[Mapping[Level, tuple[str, ...]]] = {
    Level.PATIENT: ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    Level.STUDY: (
        "StudyInstanceUID", "PatientName", "PatientID", "PatientBirthDate", "StudyDate", "StudyTime",
        "AccessionNumber", "ModalitiesInStudy", "StudyDescription", "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: (
        "StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription",
        "NumberOfSeriesRelatedInstances",
    ),
    Level.IMAGE: (
        "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber",
        "AvailableTransferSyntaxUID",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """`keys`: path to value. A path is one tag, or a sequence's and an element's in it; "" asks for it."""

    level: Level
    keys: Mapping[tuple[int, ...], str]

    @classmethod
    def of(cls, level: Level, keys: Mapping[str, str], *, returned: Iterable[str] | None = None) -> Query:
        """`keys` by keyword, by `ggggeeee`, or by `Sequence.Keyword`. Violation for what is none."""
        wanted = RETURN_KEYS[level] if returned is None else returned
        paths = dict.fromkeys((path_of(word) for word in wanted), "")
        return cls(level, paths | {path_of(word): value for word, value in keys.items()})

    @property
    def model(self) -> str:
        """Patients are known to the Patient Root model only (PS3.4 C.6.2)."""
        return PATIENT_ROOT_FIND if self.level is Level.PATIENT else STUDY_ROOT_FIND

    def encode(self, syntax_uid: str) -> bytes:
        """The identifier. Text with more than ASCII in it goes as UTF-8 (PS3.3 C.12.1.1.2)."""
        terms, characters = charset_for(self.keys.values())
        rows: dict[int, tuple[int, str, bytes | tuple[tuple[tuple[int, str, bytes], ...], ...]]] = {}
        for path, value in {**self.keys, (_LEVEL,): self.level.value}.items():
            raw = _raw(path[-1], value, characters) if value else b""
            tag, inner = path[0], (path[-1], _vr(path[-1]), raw)
            if len(path) == 1:
                rows[tag] = (tag, _vr(tag), () if _vr(tag) == "SQ" else raw)
            else:
                held = rows[tag][2] if tag in rows else ()
                items = held[0] if isinstance(held, tuple) and held else ()
                rows[tag] = (tag, "SQ", ((*items, inner),))
        if terms:
            rows[SPECIFIC_CHARACTER_SET] = (SPECIFIC_CHARACTER_SET, "CS", text_value("CS", terms))
        return encode_dataset(rows.values(), transfer_syntax(syntax_uid))


@dataclass(slots=True)
class Outcome:
    """How a query ended; to be looked at when its rows are."""

    status: int = SUCCESS
    comment: str = ""
    rows: int = 0
    untold: bool = False  # there is more than was given

    @property
    def is_whole(self) -> bool:
        return self.status == SUCCESS and not self.untold


def path_of(word: str) -> tuple[int, ...]:
    """The tag of a keyword or of eight hexadecimal digits; two of them with a dot in between."""
    path = tuple(_tag(part) for part in word.strip().split("."))
    if len(path) > 2 or (len(path) == 2 and _vr(path[0]) != "SQ"):
        raise Violation("A key is a keyword, or a sequence's keyword, a dot and a keyword.", code="key")
    return path


def _tag(word: str) -> int:
    found = _TAG.fullmatch(word)
    tag = int(found[1] + found[2], 16) if found else TAG_BY_KEYWORD.get(word)
    if tag is None or not public_vr(tag):
        raise Violation(
            f"{word} is no attribute of the Standard. Write its keyword, for example PatientID, or its tag, "
            "for example 00100020.",
            code="key",
        )
    return tag


def _vr(tag: int) -> str:
    """What a key is written as: ambiguous ones are numbers, of which a query only asks for the value."""
    vr = public_vr(tag) or "UN"
    return vr.split(" or ")[0] if " or " in vr else vr


def _raw(tag: int, value: str, characters: Charset) -> bytes:
    vr = _vr(tag)
    if vr in TEXT_VRS:
        return text_value(vr, value, characters)
    try:
        if vr in BINARY_NUMBER_VRS:
            return number_value(vr, *map(float if vr in ("FD", "FL") else int, value.split("\\")))
    except (ValueError, BrokenInvariant):
        pass
    raise Violation(f"{format_tag(tag)} cannot be asked for with such a value.", code="key")


async def find(
    link: Link, query: Query, outcome: Outcome, *, most: int | None = None
) -> AsyncGenerator[DataSet, None]:
    """The matches, as they come. After `most` of them the query is cancelled (C-CANCEL).

    `outcome` has the final status, whatever it is: a failure after some rows does not take them back.
    """
    context = link.context_for(query.model) or link.context_for(PATIENT_ROOT_FIND)
    context = context or context_of(link, query.model, "queries", "no-queries")
    command = Command(
        Field.C_FIND_RQ,
        message_id=link.next_message_id(),
        affected_sop_class_uid=context.abstract_syntax,
        priority=Priority.MEDIUM,
        has_dataset=True,
    )
    identifier = query.encode(context.transfer_syntax)
    unwanted = 0
    async with aclosing(link.responses(context.id, command, identifier)) as responses:
        async for message in responses:
            if category(message.command.status or 0) is not Category.PENDING:
                _end(message, outcome)
            elif most is None or outcome.rows < most:
                if message.data is None:
                    raise ProtocolViolation("A match without an identifier.", code="no-identifier")
                outcome.rows += 1
                raw = await message.data.read(MOST_IDENTIFIER)
                yield parse(raw, transfer_syntax(context.transfer_syntax), _LIMITS)
            elif unwanted == 0:
                unwanted, outcome.untold = 1, True
                await link.send(context.id, Command(Field.C_CANCEL_RQ, responding_to=command.message_id))
            else:
                unwanted += 1
                if unwanted > MOST_UNWANTED:
                    raise Refused("The other side does not stop when it is asked to.", code="not-cancelled")


def _end(message: Message, outcome: Outcome) -> None:
    outcome.status = message.command.status or 0
    outcome.comment = message.command.error_comment
    outcome.untold = outcome.untold or outcome.status in _THERE_IS_MORE


def require_success(outcome: Outcome, service: Service = Service.FIND) -> None:
    """Refused, with the other side's reason, unless the query ended well or as we wanted it to."""
    if category(outcome.status) is Category.FAILURE:
        raise Refused(
            explained(service, outcome.status, outcome.comment), code=f"status-{outcome.status:04x}"
        )


def explained(service: Service, status: int, comment: str) -> str:
    """A status for people, its number for whoever runs the other side, and what that says itself."""
    said = f' It says: "{comment}".' if comment else ""
    return f"{sentence(service, status)} (Status {status:04X}h.){said}"
