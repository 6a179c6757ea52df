"""An object written anew under UIDs of its own; those it came with stand in Original Attributes Sequence.

Every other byte stays as it came, but for the group lengths of groups that are touched (retired, PS3.5 7.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from leadglass.archive.objects import data_set
from leadglass.dicom.dataset import DataSet, Element, Limits
from leadglass.dicom.dictionary import TAG_BY_KEYWORD, is_valid_uid, transfer_syntax
from leadglass.dicom.finder import Finder
from leadglass.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from leadglass.dicom.inflate import Inflater
from leadglass.dicom.originals import ORIGINAL_ATTRIBUTES, with_originals
from leadglass.dicom.part10 import write_file_meta
from leadglass.dicom.splice import Edit, spliced
from leadglass.dicom.transcode import deflated_chunks, inflated
from leadglass.dicom.values import text
from leadglass.dicom.writer import encode_elements
from leadglass.index.facts import ObjectFacts
from leadglass.store.blobs import BlobReader, BlobSize, BlobWriter

_TAGS: Final = {
    TAG_BY_KEYWORD["SOPInstanceUID"]: "sop_instance_uid",
    TAG_BY_KEYWORD["StudyInstanceUID"]: "study_instance_uid",
    TAG_BY_KEYWORD["SeriesInstanceUID"]: "series_instance_uid",
}
_GROUP_LENGTHS: Final = frozenset(tag & 0xFFFF0000 for tag in (*_TAGS, ORIGINAL_ATTRIBUTES))
_WANTED: Final = frozenset({*_TAGS, ORIGINAL_ATTRIBUTES}) | _GROUP_LENGTHS


@dataclass(frozen=True, slots=True)
class Came:
    """How an object came and from where, who writes it anew, and when (ms, UTC)."""

    syntax_uid: str
    source: str
    system: str
    now: int


@dataclass(frozen=True, slots=True)
class Written:
    size: BlobSize
    digest: bytes


def rewrite(reader: BlobReader, blob: BlobWriter, facts: ObjectFacts, came: Came, limits: Limits) -> Written:
    """Into `blob`, durable but for its directory. MalformedDataSet, LimitExceeded, StorageFull, …"""
    blob.write(
        write_file_meta(
            sop_class_uid=facts.sop_class_uid,
            sop_instance_uid=facts.sop_instance_uid,
            transfer_syntax_uid=came.syntax_uid,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version=IMPLEMENTATION_VERSION_NAME,
        )
    )
    digest = sha256()
    for chunk in _data_set(reader, facts, came, limits):
        digest.update(chunk)
        blob.write(chunk)
    return Written(blob.finish(), digest.digest())


def _data_set(reader: BlobReader, facts: ObjectFacts, came: Came, limits: Limits) -> Iterator[bytes]:
    syntax = transfer_syntax(came.syntax_uid)

    def opened() -> Iterator[bytes]:
        chunks = data_set(reader.chunks(), limits)
        return inflated(chunks, Inflater(limits)) if syntax.deflated else chunks

    finder = Finder(syntax, limits, _WANTED)
    for chunk in opened():
        finder.feed(chunk)
        if finder.done:
            break
    else:
        finder.close()
    changed = spliced(opened(), _edits(finder, facts, came))
    return deflated_chunks(changed) if syntax.deflated else changed


def _edits(finder: Finder, facts: ObjectFacts, came: Came) -> list[Edit]:
    edits = [
        (*finder.span(element.tag), element.tag, encode_elements((element,), finder.writer))
        for element in _changed(finder.elements, facts, came)
    ]
    edits += [(*finder.span(tag), tag, b"") for tag in _GROUP_LENGTHS & finder.elements.keys()]
    return [(start, stop, raw) for start, stop, _, raw in sorted(edits, key=lambda edit: (edit[0], edit[2]))]


def _changed(found: DataSet, facts: ObjectFacts, came: Came) -> Iterator[Element]:
    """The elements that are other than they came."""
    changed: list[Element] = []
    illegal: list[Element] = []
    for tag, field in _TAGS.items():
        before, after = found.get(tag), getattr(facts, field)
        uid = text(before)
        if uid == after:
            continue
        yield Element(tag, "UI", after.encode("ascii"))
        is_legal = not uid or is_valid_uid(uid)
        held = before if before is not None and isinstance(before.value, bytes) else Element(tag, "UI", b"")
        (changed if is_legal else illegal).append(held)
    yield with_originals(
        found.get(ORIGINAL_ATTRIBUTES),
        changed,
        illegal,
        source=came.source,
        system=came.system,
        now=came.now,
    )
