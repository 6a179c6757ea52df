"""How objects of a corrected study are delivered: with the identity that people gave it, and what they came
with in Original Attributes Sequence (PS3.3 C.12.1.1.9), an item for each change. The bytes that came stay.

An object that says what its study shows is delivered as it came. Nothing here costs a study that nobody
corrected anything: it has no `Corrected`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from operator import itemgetter
from typing import Final, NamedTuple

import sqlalchemy as sa

from leadglass.archive.alike import Alike
from leadglass.archive.beginning import Beginning, Source, from_offset
from leadglass.archive.facts import identity_of
from leadglass.dicom.charset import Charset, charset_of
from leadglass.dicom.dictionary import SPECIFIC_CHARACTER_SET, TAG_BY_KEYWORD, VR_BY_TAG, TransferSyntax
from leadglass.dicom.elements import Bulk, DataSet, Element, Limits
from leadglass.dicom.finder import Finder
from leadglass.dicom.inflate import Inflater
from leadglass.dicom.recode import TERM, elements_in_utf8, in_utf8
from leadglass.dicom.seen import memory
from leadglass.dicom.splice import Edit, spliced
from leadglass.dicom.texts import TextFinder
from leadglass.dicom.transcode import deflated_chunks, inflated
from leadglass.dicom.values import ENCODED_VRS
from leadglass.dicom.writer import Writer, encode_elements
from leadglass.errors import Violation
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
_GROUP_LENGTHS: Final = frozenset(
    tag & 0xFFFF0000 for tag in (*TAGS.values(), _ORIGINAL, SPECIFIC_CHARACTER_SET)
)
_WANTED: Final = frozenset({*TAGS.values(), _QUALIFIERS, _ORIGINAL}) | _GROUP_LENGTHS

# PS3.3 C.12.1.1.9: whether a value was wrong, or is reconciled with a master.
REASONS: Final[Mapping[Kind, str]] = {
    Kind.PATIENT: "CORRECT",
    Kind.STUDY: "CORRECT",
    Kind.MOVE: "CORRECT",
    Kind.MERGE: "COERCE",
}
_REMEMBERED: Final = 64  # ways in which the objects of one study came, as a rule one
MOST_STATES: Final = 8  # that an object which comes back is compared with


_PLACE: Final = itemgetter(0, 1)


class _LacksCharacters(Exception):
    """The object's character set cannot write the new identity."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A data set on its way out. `growth`: by how many bytes it is longer than what is kept; None: that is
    known at its end only."""

    chunks: Iterator[bytes]
    growth: int | None


class _New(NamedTuple):
    """Elements as they are written into an object, in the order of their tags; b"" for one that is there no
    more. `groups`: the Group Lengths of theirs."""

    elements: Sequence[tuple[int, bytes]]
    groups: frozenset[int]
    in_utf8: bool  # as all of the object's text has to be


class Corrected:
    """What becomes of the objects of one study, whose threads may share it. `system` is who modifies them."""

    def __init__(self, stack: Sequence[Applied], system: str) -> None:
        self._stack = stack
        self._system = system
        texts = [text for change in stack for text in change.values.values()]
        self._may_lack = not all(text.isascii() and "\x1b" not in text for text in texts)
        self._alike: defaultdict[tuple[bool, bool], Alike] = defaultdict(Alike)  # by how heads are read
        self._memory = memory((TextFinder if self._may_lack else Finder).texts)
        self._known: dict[tuple[object, ...], _New] = {}

    def delivered(
        self, source: Source, syntax: TransferSyntax, limits: Limits, *, envelope: bool = False
    ) -> Delivered:
        """The data set as it leaves, behind its `envelope` if asked so. Raises what a parser does."""
        if not syntax.deflated:
            return self._delivered(source, syntax, limits, envelope=envelope)
        plain = self._delivered(_inflated(source, limits), syntax, limits, envelope=False)
        if plain.growth == 0:
            return Delivered(source.chunks(0 if envelope else source.offset), 0)
        head = (source.envelope(),) if envelope else ()
        return Delivered(chain(head, deflated_chunks(plain.chunks)), None)

    def _delivered(
        self, source: Source, syntax: TransferSyntax, limits: Limits, *, envelope: bool
    ) -> Delivered:
        chunks = source.chunks(0)
        first = next(chunks, b"")
        alike = self._alike[syntax.explicit, syntax.little_endian]
        known = alike.find(source, first)
        if known is not None:
            return _made(chain((first,), chunks), source.offset, known, envelope=envelope)
        begun = self._begun(source, syntax, limits)
        new = self._new(begun.finder)
        edits = _placed(begun.finder, new)
        if new.in_utf8:
            texts = begun.texts([(start, stop) for start, stop, _ in edits])
            if texts is None:
                return self._written_anew(source, syntax, limits, envelope=envelope)
            edits += texts
        alike.learn(begun, first, edits, text=new.in_utf8)
        return _made(begun.chunks(), source.offset, edits, envelope=envelope)

    def _begun(self, source: Source, syntax: TransferSyntax, limits: Limits) -> Beginning:
        if self._may_lack:
            with suppress(Violation):  # inside of what nobody had to look into yet
                return Beginning(source, TextFinder(syntax, limits, _WANTED, self._memory))
            return Beginning(source, Finder(syntax, limits, _WANTED))
        return Beginning(source, Finder(syntax, limits, _WANTED, self._memory))

    def _written_anew(
        self, source: Source, syntax: TransferSyntax, limits: Limits, *, envelope: bool
    ) -> Delivered:
        def recoded(at: int) -> Iterator[bytes]:
            return from_offset(in_utf8(source.chunks(source.offset), syntax, limits), at)

        begun = Beginning(Source(recoded), Finder(syntax, limits, _WANTED))
        made = _made(begun.chunks(), 0, _placed(begun.finder, self._new(begun.finder)), envelope=False)
        return Delivered(chain((source.envelope(),) if envelope else (), made.chunks), None)

    def _new(self, finder: Finder) -> _New:
        found = finder.elements
        if found.keys() & {_QUALIFIERS, _ORIGINAL}:
            return self._encode(found, finder.writer)
        key = (finder.writer, found.get(SPECIFIC_CHARACTER_SET), *map(found.get, TAGS.values()))
        new = self._known.get(key)
        if new is None:
            new = self._encode(found, finder.writer)
            if len(self._known) < _REMEMBERED:
                self._known[key] = new
        return new

    def _encode(self, found: DataSet, to: Writer) -> _New:
        is_recoded = False
        try:
            after = self._after(found)
        except _LacksCharacters:
            is_recoded, term = True, Element(SPECIFIC_CHARACTER_SET, "CS", TERM)
            in_unicode = elements_in_utf8(found, charset_of(found)) | {SPECIFIC_CHARACTER_SET: term}
            after = {**self._after(in_unicode), SPECIFIC_CHARACTER_SET: term}
        rows = sorted((tag, _encoded(element, to)) for tag, element in after.items())
        return _New(rows, frozenset(tag & 0xFFFF0000 for tag in after), is_recoded)

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


def _inflated(source: Source, limits: Limits) -> Source:
    return Source(lambda at: from_offset(inflated(source.chunks(source.offset), Inflater(limits)), at))


def _made(chunks: Iterator[bytes], offset: int, edits: Sequence[Edit], *, envelope: bool) -> Delivered:
    growth = sum(len(raw) - (stop - start) for start, stop, raw in edits)
    # In the order of places, and what is new before what is there; several in one place are in order already.
    placed = sorted([(start + offset, stop + offset, raw) for start, stop, raw in edits], key=_PLACE)
    cut = [] if envelope or not offset else [(0, offset, b"")]
    return Delivered(spliced(chunks, cut + placed), growth)


def _placed(finder: Finder, new: _New) -> list[Edit]:
    """The elements where they belong, in the order of their tags; without the lengths of their groups."""
    edits = [(*finder.span(tag), raw) for tag, raw in new.elements]
    return edits + [(*finder.span(tag), b"") for tag in new.groups & finder.elements.keys()]


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
