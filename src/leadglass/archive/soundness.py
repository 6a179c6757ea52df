"""One stored object read again: is it there, is it as it was received, and what does its header say?"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from leadglass.archive.facts import WANTED, facts_of
from leadglass.archive.objects import Objects, StudyKeys
from leadglass.db.engine import Database
from leadglass.dicom.dataset import Limits
from leadglass.dicom.part10 import Part10Parser
from leadglass.errors import StorageFailed, Tampered, Violation
from leadglass.index.facts import ObjectFacts
from leadglass.index.rows import Sealed
from leadglass.store.blobs import BlobReader

Pace = Callable[[int], bool]  # told how many bytes were read; False: stop here


class State(StrEnum):
    SOUND = "sound"
    MISSING = "missing"
    ALTERED = "altered"  # or not readable: nobody can be shown it
    STOPPED = "stopped"  # the reading was given up; nothing is known


@dataclass(frozen=True, slots=True)
class Examined:
    """`facts` and `syntax` are of a sound object that was read whole, if it can be identified."""

    state: State
    facts: ObjectFacts | None = None
    syntax: str = ""


class Examiner:
    def __init__(self, db: Database, keys: StudyKeys, objects: Objects, limits: Limits) -> None:
        self._db = db
        self._keys = keys
        self._objects = objects
        self._limits = limits

    def examine(self, sealed: Sealed, *, deep: bool, pace: Pace | None = None) -> Examined:
        """Opening authenticates the key and the size; `deep` every byte, and compares the digest."""
        try:
            with self._db.read() as connection:
                study_key = self._keys.of(connection, sealed.study_id)
            with self._objects.open_sealed(sealed, study_key) as reader:
                return self._read(reader, sealed, pace) if deep else Examined(State.SOUND)
        except Tampered as error:
            return Examined(State.MISSING if error.code == "object-missing" else State.ALTERED)
        except StorageFailed:
            return Examined(State.ALTERED)

    def _read(self, reader: BlobReader, sealed: Sealed, pace: Pace | None) -> Examined:
        """The digest is over the data set of a Part 10 file; over all of what has none: it is kept aside."""
        parser = Part10Parser(self._limits, WANTED)
        digest, head, whole = sha256(), b"", sha256()
        readable = True
        for chunk in reader.chunks():
            if pace is not None and not pace(len(chunk)):
                return Examined(State.STOPPED)
            begun = parser.dataset_offset is not None
            if readable and not (begun and parser.header_complete):
                try:
                    parser.feed(chunk)
                except Violation:
                    readable = False
            if begun:
                digest.update(chunk)
                continue
            head += chunk
            if parser.dataset_offset is not None:
                digest.update(head[parser.dataset_offset :])
                head = b""
            elif not readable:
                whole.update(head)
                head = b""
        if parser.dataset_offset is None:
            whole.update(head)
            digest = whole
        if digest.digest() != sealed.digest:
            return Examined(State.ALTERED)
        return Examined(State.SOUND, *_said(parser, readable=readable))


def _said(parser: Part10Parser, *, readable: bool) -> tuple[ObjectFacts | None, str]:
    if not readable:
        return None, ""
    with suppress(Violation):
        if not parser.header_complete:
            parser.close()
        syntax = parser.transfer_syntax
        return facts_of(parser), syntax.uid if syntax is not None else ""
    return None, ""
