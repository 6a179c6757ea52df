"""Where C-STORE, STOW-RS and import meet: bytes in, a durable object out, or one plain sentence.

    open      the policy decides, space is checked, a random name and key are drawn
    write     each chunk is parsed within limits, digested and sealed; nothing is held
    finish    the blob is fsynced while one transaction writes its rows and its entry on the record
    COMMIT POINT: not before the blob and its directory are durable; the outcome's future resolves after it

A crash before the commit point leaves a blob that no row names, which `leadglass check` collects.
"""

from __future__ import annotations

from concurrent.futures import Future
from hashlib import sha256
from pathlib import Path

from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.commit import NO_ROOM_ASIDE, Commits
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.archive.facts import WANTED, claims_of, facts_of
from leadglass.archive.objects import StudyKeys
from leadglass.archive.outcome import Claims, Identity, Kind, Outcome, Sender
from leadglass.archive.placing import Placing, Received, Room
from leadglass.archive.presence import Presence
from leadglass.dicom.dataset import Limits
from leadglass.dicom.part10 import HEAD_SIZE, Part10Parser, neutral_preamble
from leadglass.errors import AsideFull, IllegalIdentity, StorageFull, Violation
from leadglass.index.facts import ObjectFacts
from leadglass.index.fitting import Clash
from leadglass.store.blobs import Blobs, BlobWriter
from leadglass.store.files import storage_errors

__all__ = ["Identity", "Incoming", "Ingest", "Kind", "Outcome"]

QUARANTINE = 4 << 30  # bytes of all objects together that are kept aside and no study's
QUARANTINE_SOURCE = 1 << 30  # bytes of all objects together that one source was kept aside in one department
_FAULTS = {clash.value: clash for clash in (Clash.ILLEGAL_IDENTITY, Clash.OTHER_IDENTITY)}
_NO_ROOM = "The disk has no room left for images; what is left is kept for the record."


class Ingest:
    """Takes objects in for one home. `presence` is a lock file that tells `check` somebody may be at it.
    `system` names the home in what it delivers: its AE title."""

    def __init__(
        self,
        doorkeeper: Doorkeeper,
        blobs: Blobs,
        keys: StudyKeys,
        presence: Path,
        limits: Limits,
        *,
        system: str,
        quarantine: int = QUARANTINE,
        quarantine_source: int = QUARANTINE_SOURCE,
    ) -> None:
        self.doorkeeper = doorkeeper
        self.keys = keys
        self.limits = limits
        self.room_aside = Room(quarantine, quarantine_source)
        placing = Placing(doorkeeper, keys, self.room_aside)
        self.commits = Commits(doorkeeper.db, blobs, keys, placing, limits, system=system)
        self._presence = Presence(presence)

    @property
    def blobs(self) -> Blobs:
        return self.commits.blobs

    def enter(self) -> None:
        """Before a blob is made: there is room, and `check` knows from now on that somebody is at it.
        StorageFull, StorageFailed."""
        with storage_errors("The home"):
            if not self.doorkeeper.db.reserve.room_for_objects():
                raise StorageFull(_NO_ROOM)
            self._presence.enter()

    def open(
        self,
        who: Principal,
        department_id: int,
        source: str,
        context: Context,
        *,
        expected: Identity | None = None,
        expected_study: str = "",
        keep_unidentified: bool = False,
    ) -> Incoming:
        """A place for one object. Denied, StorageFull, StorageFailed.

        `source` says where it came from in words without a patient's value; it stands in the record.
        What is not as `expected`, of another study than `expected_study`, has no legal UIDs or cannot be
        read is a Violation; with `keep_unidentified`, for doors behind which nobody has it any more, it is
        kept aside instead.
        """
        self.doorkeeper.require(who, Action.OBJECT_INGEST, context, department_id)
        self.enter()
        sender = Sender(who, department_id, source, context)
        return Incoming(self, sender, expected, expected_study, keep_unidentified=keep_unidentified)

    def close(self) -> None:
        self.commits.close()
        self.blobs.close()  # while our presence keeps `check` from what was made ahead
        self._presence.leave()


class Incoming:
    """One object streaming in. `finish` or `abandon` it; as a context manager it abandons on errors."""

    def __init__(
        self,
        ingest: Ingest,
        sender: Sender,
        expected: Identity | None,
        expected_study: str = "",
        *,
        keep_unidentified: bool,
    ) -> None:
        self._ingest = ingest
        self._sender = sender
        self._expected = expected
        self._expected_study = expected_study
        self._keep_unidentified = keep_unidentified
        self._violation: Violation | None = None  # after it, what comes is sealed without being read
        self._parser = Part10Parser(ingest.limits, WANTED)
        self._digest = sha256()
        self._head: bytearray | None = bytearray()  # until the data set begins
        self._blob: BlobWriter | None = ingest.blobs.create()

    def begin(self, head: bytes, transfer_syntax_uid: str) -> None:
        """Before the first byte of a data set that came without an envelope: what we wrote for it, from the
        preamble on. A Violation when the transfer syntax is none that can be read."""
        assert self._blob is not None
        try:
            self._parser.begin(len(head), transfer_syntax_uid)
            self._head = None
            self._blob.write(head)
        except BaseException:
            self.abandon()
            raise

    def write(self, chunk: bytes | memoryview) -> None:
        """The next bytes of the Part 10 file. A Violation says why it cannot be kept."""
        assert self._blob is not None
        try:
            if self._violation is None:
                self._parse(chunk)
            elif self._blob.size + len(chunk) > self._ingest.room_aside.most:
                self.refuse()  # larger than all that may be kept aside
                raise AsideFull(NO_ROOM_ASIDE)
            if self._head is None:
                self._digest.update(chunk)
                self._blob.write(chunk)
            else:
                self._pass_head(chunk)
        except BaseException:
            self.abandon()
            raise

    def finish(self) -> Future[Outcome]:
        """The end of the object: its outcome, resolved once it is durable. Violation, StorageFull, …"""
        assert self._blob is not None
        try:
            facts, fault = self._identified()
            size = self._blob.seal()
        except BaseException:
            self.abandon()
            raise
        syntax = self._parser.transfer_syntax
        blob, self._blob = self._blob, None
        uid = syntax.uid if syntax is not None else ""
        received = Received(self._sender, facts, fault, blob, size, self._digest.digest(), uid)
        return self._ingest.commits.submit(received)

    def _parse(self, chunk: bytes | memoryview) -> None:
        try:
            self._parser.feed(chunk)
        except Violation as violation:
            if not self._keep_unidentified:
                raise
            self._violation = violation

    def _identified(self) -> tuple[ObjectFacts, Clash | None]:
        """What it is, and the fault for which it is kept aside."""
        try:
            if self._violation is not None:
                raise self._violation
            self._parser.close()
            facts = facts_of(self._parser)
            if self._expected not in (None, Identity(facts.sop_class_uid, facts.sop_instance_uid)):
                raise IllegalIdentity("It is not the object that was announced.", code=Clash.OTHER_IDENTITY)
            if self._expected_study not in ("", facts.study_instance_uid):
                raise IllegalIdentity("It is not of the study that was announced.", code=Clash.OTHER_IDENTITY)
        except Violation as violation:
            if not self._keep_unidentified:
                raise
            self._pass_head(b"", at_end=True)
            return claims_of(self._parser), _FAULTS.get(violation.code, Clash.UNREADABLE)
        return facts, None

    @property
    def claims(self) -> Claims:
        """What it says it is, as far as it was read; also once it is over."""
        said = claims_of(self._parser)
        return Claims(
            said.sop_class_uid, said.sop_instance_uid, said.study_instance_uid, said.series_instance_uid
        )

    def refuse(self) -> None:
        """Give it up because it is too large: on the record before its sender is told."""
        assert self._blob is not None
        outcome = Outcome(Kind.REFUSED, clash=Clash.UNREADABLE)
        claims, doorkeeper = claims_of(self._parser), self._ingest.doorkeeper
        entry = self._sender.entry(doorkeeper, claims, outcome, self._blob.size)
        self.abandon()
        doorkeeper.record(entry, self._sender.context.now)

    def abandon(self) -> None:
        blob, self._blob = self._blob, None
        if blob is not None:
            blob.abandon()

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()

    def _pass_head(self, chunk: bytes | memoryview, *, at_end: bool = False) -> None:
        """Once the data set's beginning is known, hand on what was held back. Only the data set is digested:
        preamble and File Meta Information are the envelope, not the object (PS3.10 7). What has no beginning
        is digested as it is kept."""
        if self._head is None or self._blob is None:
            return
        offset = self._parser.dataset_offset
        if offset is None and not at_end and self._violation is None:
            self._head += chunk
            return
        whole = memoryview(bytes(self._head) + chunk if self._head else chunk)
        self._head = None
        first, rest = bytes(whole[:HEAD_SIZE]), whole[HEAD_SIZE:]
        if len(first) == HEAD_SIZE:
            first = neutral_preamble(first)
        for piece in (first, rest) if offset is None else (whole[offset:],):
            self._digest.update(piece)
        self._blob.write(first)
        self._blob.write(rest)
