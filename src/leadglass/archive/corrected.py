"""How objects of a corrected study are delivered: with the identity that people gave it, and what they came
with in Original Attributes Sequence (PS3.3 C.12.1.1.9), an item for each change. The bytes that came stay.

An object that says what its study shows is delivered as it came. Nothing here costs a study that nobody
corrected anything: it has no `Corrected`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Final

import sqlalchemy as sa

from leadglass.archive.facts import identity_of
from leadglass.dicom.charset import Charset, charset_of
from leadglass.dicom.dictionary import SPECIFIC_CHARACTER_SET, TAG_BY_KEYWORD, VR_BY_TAG, TransferSyntax
from leadglass.dicom.elements import Bulk, DataSet, Element, Limits
from leadglass.dicom.inflate import Inflater
from leadglass.dicom.recode import in_utf8
from leadglass.dicom.splice import Edit, Finder, spliced
from leadglass.dicom.transcode import deflated_chunks, inflated
from leadglass.dicom.values import ENCODED_VRS
from leadglass.dicom.writer import Writer, encode_elements
from leadglass.index import identity
from leadglass.index.identity import Applied, Kind, changed

TAGS: Final = {
    "patient_name": TAG_BY_KEYWORD["PatientName"],
    "patient_id": TAG_BY_KEYWORD["PatientID"],
    "issuer": TAG_BY_KEYWORD["IssuerOfPatientID"],
    "birth_date": TAG_BY_KEYWORD["PatientBirthDate"],
    "sex": TAG_BY_KEYWORD["PatientSex"],
}
# Says more of the issuer that an ID came with: it goes where that one goes.
_QUALIFIERS: Final = TAG_BY_KEYWORD["IssuerOfPatientIDQualifiersSequence"]
_ORIGINAL: Final = TAG_BY_KEYWORD["OriginalAttributesSequence"]
_MODIFIED: Final = TAG_BY_KEYWORD["ModifiedAttributesSequence"]
_WANTED: Final = frozenset({*TAGS.values(), _QUALIFIERS, _ORIGINAL})

# PS3.3 C.12.1.1.9: whether a value was wrong, or is reconciled with a master.
REASONS: Final[Mapping[Kind, str]] = {
    Kind.PATIENT: "CORRECT",
    Kind.STUDY: "CORRECT",
    Kind.MOVE: "CORRECT",
    Kind.MERGE: "COERCE",
}
_HELD: Final = 1 << 20  # bytes of a data set's beginning that are not read twice
_REMEMBERED: Final = 64  # ways in which the objects of one study came, as a rule one

MOST_STATES: Final = 8  # that an object which comes back is compared with

Open = Callable[[], Iterator[bytes]]  # the data set, from its beginning


class _LacksCharacters(Exception):
    """The object's character set cannot write the new identity."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A data set on its way out. `growth`: by how many bytes it is longer than what is kept; None: that is
    known at its end only."""

    chunks: Iterator[bytes]
    growth: int | None


class Corrected:
    """What becomes of the objects of one study, whose threads may share it. `system` is who modifies them."""

    def __init__(self, stack: Sequence[Applied], system: str) -> None:
        self._stack = stack
        self._system = system
        self._known: dict[tuple[object, ...], Mapping[int, bytes]] = {}

    def delivered(self, opened: Open, syntax: TransferSyntax, limits: Limits) -> Delivered:
        """The data set as it leaves; `opened` is asked once or twice. Raises what a parser does."""
        if not syntax.deflated:
            return self._delivered(opened, syntax, limits)
        plain = self._delivered(lambda: inflated(opened(), Inflater(limits)), syntax, limits)
        return Delivered(opened(), 0) if plain.growth == 0 else Delivered(deflated_chunks(plain.chunks), None)

    def _delivered(self, opened: Open, syntax: TransferSyntax, limits: Limits) -> Delivered:
        finder, chunks = _found(opened, syntax, limits)
        try:
            edits = self._edits(finder)
        except _LacksCharacters:
            recoded: Open = lambda: in_utf8(opened(), syntax, limits)  # noqa: E731 - it is opened again
            finder, chunks = _found(recoded, syntax, limits)
            return Delivered(spliced(chunks, self._edits(finder)), None)
        growth = sum(len(new) - (stop - start) for start, stop, new in edits)
        return Delivered(spliced(chunks, edits) if edits else chunks, growth)

    def _edits(self, finder: Finder) -> list[Edit]:
        found, to = finder.elements, finder.writer
        key = (to, found.get(SPECIFIC_CHARACTER_SET), *map(found.get, TAGS.values()))
        new = self._known.get(key)
        if new is None or found.keys() & {_QUALIFIERS, _ORIGINAL}:
            new = {tag: _encoded(element, to) for tag, element in self._after(found).items()}
            if len(self._known) < _REMEMBERED and not found.keys() & {_QUALIFIERS, _ORIGINAL}:
                self._known[key] = new
        edits = [(tag, *finder.span(tag), raw) for tag, raw in new.items()]
        return [edit[1:] for edit in sorted(edits, key=lambda edit: (edit[1], edit[0]))]

    def _after(self, found: DataSet) -> dict[int, Element | None]:
        """The elements that are other than they came; None for one that is there no more."""
        charset, shown = charset_of(found), identity_of(found)
        # What is too long to be held is no identity; it stays with what came.
        now = {tag: found[tag] for tag in _WANTED if tag in found and not isinstance(found[tag].value, Bulk)}
        touched: set[int] = set()
        items: list[DataSet] = []
        for change in self._stack:
            values = {name: value for name, value in change.values.items() if getattr(shown, name) != value}
            if not values:
                continue
            tags = {TAGS[name] for name in values}
            if values.keys() & {"patient_id", "issuer"} and _QUALIFIERS in now:
                tags.add(_QUALIFIERS)
            items.append(self._item(change, {tag: now.get(tag) or _element(tag) for tag in sorted(tags)}))
            now.pop(_QUALIFIERS, None) if _QUALIFIERS in tags else None
            now |= {TAGS[name]: _element(TAGS[name], value, charset) for name, value in values.items()}
            touched |= tags
            shown = changed(shown, values)
        if not items:
            return {}
        original = found.get(_ORIGINAL)
        before = original.value if original is not None and isinstance(original.value, tuple) else ()
        after = {tag: now.get(tag) for tag in touched}
        return {**after, _ORIGINAL: Element(_ORIGINAL, "SQ", (*before, *items))}

    def _item(self, change: Applied, came: DataSet) -> DataSet:
        """Table C.12-1: Source of Previous Values is empty where nobody knows it."""
        texts = {
            "AttributeModificationDateTime": _moment(change.made),
            "ModifyingSystem": self._system,
            "SourceOfPreviousValues": "",
            "ReasonForTheAttributeModification": REASONS[change.kind],
        }
        item = {TAG_BY_KEYWORD[name]: _element(TAG_BY_KEYWORD[name], text) for name, text in texts.items()}
        return {_MODIFIED: Element(_MODIFIED, "SQ", (came,)), **item}


def corrections(connection: sa.Connection, study_ids: Iterable[int], system: str) -> dict[int, Corrected]:
    """Of these studies those that are corrected."""
    stacks = identity.stacks(connection, study_ids)
    return {study_id: Corrected(stack, system) for study_id, stack in stacks.items()}


def as_delivered(connection: sa.Connection, study_id: int, system: str) -> list[Corrected]:
    """All that a study was since it was corrected, the newest first, at most MOST_STATES; without what was
    undone."""
    stack = identity.stacks(connection, [study_id]).get(study_id, ())
    return [Corrected(stack[:height], system) for height in range(len(stack), 0, -1)][:MOST_STATES]


def _found(opened: Open, syntax: TransferSyntax, limits: Limits) -> tuple[Finder, Iterator[bytes]]:
    """Where the identity lies; and the data set from its beginning, read anew if that was far in."""
    finder, chunks = Finder(syntax, limits, _WANTED), opened()
    held: list[bytes] | None = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if held is not None and size - len(chunk) < _HELD:
            held.append(chunk)
        else:
            held = None
        finder.feed(chunk)
        if finder.done:
            break
    else:
        finder.close()
    return finder, opened() if held is None else chain(held, chunks)


def _element(tag: int, text: str = "", charset: Charset | None = None) -> Element:
    vr = VR_BY_TAG[tag]
    if vr == "SQ":
        return Element(tag, vr, ())
    if vr not in ENCODED_VRS or charset is None:
        return Element(tag, vr, text.encode("ascii", "replace"))
    raw = charset.encode(text, name=vr == "PN")
    if raw is None:
        raise _LacksCharacters
    return Element(tag, vr, raw)


def _encoded(element: Element | None, to: Writer) -> bytes:
    return b"" if element is None else encode_elements([element], to)


def _moment(milliseconds: int) -> str:
    """DT (PS3.5 6.2), in UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d%H%M%S}.{rest:03}000+0000"
