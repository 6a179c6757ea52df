"""Status (0000,0900): what the Standard says by it (PS3.7 Annex C; PS3.4 by service class), and to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Category(StrEnum):
    """PS3.7 C.1 to C.5."""

    SUCCESS = "success"
    PENDING = "pending"
    CANCEL = "cancel"
    WARNING = "warning"
    FAILURE = "failure"


class Service(StrEnum):
    """What was asked for, as the same code may mean another thing elsewhere."""

    GENERAL = "general"
    STORAGE = "storage"
    FIND = "find"
    MOVE = "move"
    GET = "get"
    COMMITMENT = "commitment"  # responses to its N-ACTION and N-EVENT-REPORT
    COMMITMENT_FAILURE = "commitment-failure"  # Failure Reason (0008,1197) in its reports


@dataclass(frozen=True, slots=True)
class Status:
    """The codes `first` to `last`. `name` is the Standard's own, `sentence` says what happened and why."""

    first: int
    last: int
    category: Category
    name: str
    sentence: str
    source: str

    @property
    def codes(self) -> str:
        """As the Standard writes them: A700, or A9xx for a range."""
        digits = f"{self.first:04X}"
        return digits if self.first == self.last else digits.rstrip("0").ljust(4, "x")


SUCCESS: Final = 0x0000
CANCEL: Final = 0xFE00
PENDING: Final = 0xFF00
PENDING_WITH_WARNING: Final = 0xFF01


def category(code: int) -> Category:
    """Of any code, listed here or not (PS3.7 Annex C). What nobody has assigned is a failure."""
    known = _CATEGORIES.get(code)
    if known is not None:
        return known
    return Category.WARNING if code >> 12 == 0xB else Category.FAILURE


def meaning(service: Service, code: int) -> Status:
    """What `code` says in `service`; no more than its category where the Standard does not tell."""
    for row in (*STATUSES[service], *_inherited(service)):
        if row.first <= code <= row.last:
            return row
    kind = category(code)
    return Status(code, code, kind, "Unknown", _UNKNOWN[kind], "PS3.7 C")


def sentence(service: Service, code: int) -> str:
    """For people. The code and the peer's own Error Comment are worth showing beside it."""
    return meaning(service, code).sentence


def _inherited(service: Service) -> tuple[Status, ...]:
    return () if service is Service.COMMITMENT_FAILURE else STATUSES[Service.GENERAL]


_CATEGORIES: Final = {
    SUCCESS: Category.SUCCESS,
    PENDING: Category.PENDING,
    PENDING_WITH_WARNING: Category.PENDING,
    CANCEL: Category.CANCEL,
    0x0001: Category.WARNING,
    0x0107: Category.WARNING,
    0x0116: Category.WARNING,
}
_UNKNOWN: Final = {
    Category.SUCCESS: "It was done.",
    Category.PENDING: "It goes on.",
    Category.CANCEL: "It was cancelled.",
    Category.WARNING: "It was done, with a warning that the Standard does not explain.",
    Category.FAILURE: "The other side refused or failed, for a reason that the Standard does not explain.",
}


def _row(code: int | tuple[int, int], name: str, sentence: str, source: str) -> Status:
    first, last = code if isinstance(code, tuple) else (code, code)
    return Status(first, last, category(first), name, sentence, source)


def _rows(source: str, *rows: tuple[int | tuple[int, int], str, str]) -> tuple[Status, ...]:
    return tuple(_row(code, name, sentence, source) for code, name, sentence in rows)


# --- for every service (PS3.7 Annex C) --------------------------------------------------------------------

_GENERAL: Final = (
    *_rows("PS3.7 C.1", (0x0000, "Success", "It was done.")),
    *_rows(
        "PS3.7 C.4",
        (0x0001, "Warning", "It was done, but optional attributes that were asked for are not supported."),
        (0x0107, "Attribute list error", "It was done, but some attributes were not recognized."),
        (0x0116, "Attribute value out of range", "It was done, but some values were out of range."),
    ),
    *_rows("PS3.7 C.3", (0xFE00, "Cancel", "It was cancelled, as asked.")),
    *_rows("PS3.7 C.2", (0xFF00, "Pending", "It goes on.")),
    *_rows(
        "PS3.7 C.5",
        (0x0105, "No such attribute", "The other side does not know an attribute that was sent."),
        (0x0106, "Invalid attribute value", "The other side does not accept the value of an attribute."),
        (0x0110, "Processing failure", "The other side failed, for a reason of its own."),
        (0x0111, "Duplicate SOP Instance", "The other side already has an object of that UID."),
        (0x0112, "No such SOP Instance", "The other side does not have that object."),
        (0x0113, "No such event type", "The other side does not know that kind of event."),
        (0x0114, "No such argument", "The other side does not know an argument that was sent."),
        (0x0115, "Invalid argument value", "The other side does not accept the value of an argument."),
        (0x0117, "Invalid SOP Instance", "The other side takes the object's UID for an illegal one."),
        (0x0118, "No such SOP Class", "The other side does not know that kind of object."),
        (0x0119, "Class-instance conflict", "The other side has the object as one of another kind."),
        (0x0120, "Missing attribute", "The other side misses an attribute."),
        (0x0121, "Missing attribute value", "The other side misses the value of an attribute."),
        (0x0122, "Refused: SOP Class not supported", "The other side does not take that kind of object."),
        (0x0123, "No such action", "The other side does not know that action."),
        (0x0124, "Refused: Not authorized", "The other side does not allow us that."),
        (0x0210, "Duplicate invocation", "The other side takes the request for one it already has."),
        (0x0211, "Unrecognized operation", "The other side does not know that operation."),
        (0x0212, "Mistyped argument", "The other side cannot read an argument that was sent."),
        (0x0213, "Resource limitation", "The other side has no resources left for it. Try again later."),
    ),
)

# --- storage (PS3.4 B.2.3, Table B.2-1; GG.4 for objects of no patient) -----------------------------------

_STORAGE: Final = (
    *_rows(
        "PS3.4 Table B.2-1",
        (0x0000, "Success", "It was stored."),
        (0xB000, "Coercion of data elements", "It was stored, but the other side changed some values."),
        (0xB006, "Elements discarded", "It was stored, but the other side left some elements out."),
        (0xB007, "Data Set does not match SOP Class",
         "It was stored, though it is not quite what it says."),
        ((0xA700, 0xA7FF), "Refused: Out of resources",
         "The other side has no room for it now. Try later."),
        ((0xA900, 0xA9FF), "Error: Data Set does not match SOP Class",
         "The other side refused it, as it is not the kind of object that it says it is."),
        ((0xC000, 0xCFFF), "Error: Cannot understand", "The other side cannot read it."),
    ),
    *_rows(
        "in no edition of today; DCMTK has it",
        ((0xA800, 0xA8FF), "Refused: SOP Class not supported",
         "The other side does not take that kind of object."),
    ),
)  # fmt: skip

# --- query and retrieve (PS3.4 Annex C; Y for Composite Instance Root) -------------------------------------

_NO_RESOURCES = "The other side has no resources left for it. Try again later, or ask for less."
_NOT_THAT_MODEL = "The other side says that the keys do not fit the kind of query."
_FAILED = "The other side failed while it worked on it."

_FIND: Final = _rows(
    "PS3.4 Table C.4-1",
    (0x0000, "Matching is complete", "All matches are here."),
    (0xA700, "Refused: Out of resources", _NO_RESOURCES),
    (0xA710, "Invalid prior record key", "The other side does not know where the earlier query stopped."),
    (0xA900, "Error: Data Set does not match SOP Class", _NOT_THAT_MODEL),
    ((0xC000, 0xCFFF), "Failed: Unable to process", _FAILED),
    (0xB001, "Matching reached response limit", "There are more matches than the other side gives at once."),
    (0xFE00, "Matching terminated due to cancel", "The query was cancelled, as asked."),
    (0xFF00, "Matches are continuing", "A match is here, more may come."),
    (0xFF01, "Matches are continuing - optional keys not supported",
     "A match is here, more may come; the other side does not know all the keys."),
)  # fmt: skip


def _retrieval(source: str, moved: str) -> tuple[Status, ...]:
    """C-MOVE and C-GET; `moved` is what happens to an object."""
    return _rows(
        source,
        (0x0000, "Sub-operations complete - no failures", f"Everything was {moved}."),
        (0xA701, "Refused: Out of resources - unable to calculate number of matches", _NO_RESOURCES),
        (0xA702, "Refused: Out of resources - unable to perform sub-operations",
         f"Nothing could be {moved}."),
        (0xA900, "Error: Data Set does not match SOP Class", _NOT_THAT_MODEL),
        ((0xC000, 0xCFFF), "Failed: Unable to process", _FAILED),
        (0xB000, "Sub-operations complete - one or more failures", f"Some objects could not be {moved}."),
        (0xFE00, "Sub-operations terminated due to cancel", "The retrieval was cancelled, as asked."),
        (0xFF00, "Sub-operations are continuing", "The retrieval goes on."),
    ) + _rows(
        "PS3.4 Annex Y",
        (0xAA00, "None of the frames requested were found", "None of the frames asked for exist."),
        (0xAA01, "Unable to create new object for this SOP class",
         "The other side cannot make an object of some frames out of one of that kind."),
        (0xAA02, "Unable to extract frames", "The other side cannot take frames out of the object."),
        (0xAA03, "Time-based request received for a non-time-based original SOP Instance",
         "Frames were asked for by time, but the object has no times."),
        (0xAA04, "Invalid request", "The other side does not understand which frames are meant."),
    )  # fmt: skip


_MOVE: Final = (
    *_retrieval("PS3.4 Table C.4-2", "sent"),
    *_rows(
        "PS3.4 Table C.4-2",
        (0xA801, "Refused: Move destination unknown",
         "The other side does not know the AE title that the objects should go to."),
    ),
)  # fmt: skip
_GET: Final = _retrieval("PS3.4 Table C.4-3", "received")

# --- storage commitment ------------------------------------------------------------------------------------

_COMMITMENT: Final = _rows(
    "PS3.4 J.3",
    (0x0000, "Success", "The request for commitment was taken, or its result."),
    (0x0112, "No such SOP Instance", "The other side has no storage commitment under its well-known UID."),
    (0x0123, "No such action", "The other side does not take requests for storage commitment."),
)
_COMMITMENT_FAILURE: Final = _rows(
    "PS3.3 C.14.1.1",
    (0x0110, "Processing failure", "The other side failed when it looked for the object."),
    (0x0112, "No such object instance", "The other side does not have the object."),
    (0x0119, "Class/instance conflict", "The other side has the object as one of another kind."),
    (0x0122, "Referenced SOP Class not supported",
     "The other side does not commit itself to that kind of object."),
    (0x0131, "Duplicate transaction UID", "That request for commitment has already been made."),
    (0x0213, "Resource limitation", "The other side has no room for the object."),
)  # fmt: skip

STATUSES: Final[Mapping[Service, tuple[Status, ...]]] = MappingProxyType(
    {
        Service.GENERAL: _GENERAL,
        Service.STORAGE: _STORAGE,
        Service.FIND: _FIND,
        Service.MOVE: _MOVE,
        Service.GET: _GET,
        Service.COMMITMENT: _COMMITMENT,
        Service.COMMITMENT_FAILURE: _COMMITMENT_FAILURE,
    }
)
