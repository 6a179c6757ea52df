"""Backing a home up into a folder, while it is served, and looking after the folder.

    entry        on the record, before anything is written
    database     one moment of it (`db.snapshot`), then durable
    objects      those that its rows name and the folder has not got
    destroyed    what was destroyed on purpose by then (`store.shreds`)
    directories  durable
    manifest     names every file with its size and digest; COMMIT POINT of the generation
    entry        closed with the counts

The database goes first, so that whatever its rows name was there at that moment. What is deleted before it
could be copied is told as deleted; what is missing and yet named by the rows of today, as missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from leadglass import __version__
from leadglass.access.policy import Action
from leadglass.access.principal import Context, Principal
from leadglass.archive.backup_copy import Copier, Named
from leadglass.archive.doorkeeper import Doorkeeper
from leadglass.db import snapshot
from leadglass.errors import Conflict, LeadglassError, Unavailable
from leadglass.index import lookup
from leadglass.record import reader
from leadglass.record.log import read_head
from leadglass.store import manifest, shreds
from leadglass.store.keys import Keyring
from leadglass.store.manifest import (
    DELETED,
    LOST,
    MISSING,
    Absent,
    End,
    File,
    Heading,
    Kept,
    ManifestWriter,
    Object,
)
from leadglass.store.sealed import sealed_size
from leadglass.store.shreds import Shred
from leadglass.store.vault import DATABASE, Vault, is_object

_OWN: Final = frozenset({"db", "objects", "record", "home.json", "home.json.half", "serve.lock"})
DRILL: Final = "system.drill"
VERIFY: Final = "system.verify"

Progress = Callable[[int, int], None]  # done, of how many
Clock = Callable[[], int]
MAX_KEPT: Final = 1 << 20  # bytes of a file that goes along in the manifest
_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class HomeFiles:
    """What of a home goes into a back-up, and what opens it. `text` is that of its own file; `kept` reads the
    small files that go along: settings, and what they name inside the home."""

    root: Path
    id: str
    text: str
    database: Path
    objects: Path
    keyring: Keyring = field(repr=False)
    kept: Callable[[], Iterable[tuple[str, bytes]]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Made:
    """A finished back-up. `missing` are objects that the home itself has lost; `notes` are sentences."""

    generation: str
    end: End
    copied: int
    copied_bytes: int
    deleted: int
    missing: int
    removed: tuple[str, ...] = ()
    removed_objects: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """One of the folder's; `trouble` says why it cannot be read."""

    name: str
    heading: Heading | None = None
    end: End | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Last:
    """The last back-up that was finished: when (ms, UTC), into which folder, what it could not find, and the
    number of its entry on the record."""

    at: int
    folder: str
    missing: int
    entry: int = 0


class Backups:
    def __init__(self, doorkeeper: Doorkeeper, files: HomeFiles) -> None:
        self._doorkeeper = doorkeeper
        self._files = files

    @property
    def files(self) -> HomeFiles:
        return self._files

    def last(self) -> Last | None:
        with self._doorkeeper.db.read() as connection:
            return last_backup(connection)

    def make(
        self,
        who: Principal,
        context: Context,
        folder: Path,
        clock: Clock,
        *,
        keep: int | None = None,
        progress: Progress | None = None,
    ) -> Made:
        """A new generation in `folder`, and with `keep` no more than so many: what no other names is removed.

        Denied, Conflict for a folder that holds something else, HomeBusy, StorageFull, StorageFailed: earlier
        generations are whole then, and the next back-up goes on.
        """
        self.require(who, context)
        folder = folder.absolute()
        with self.recorded(who, Action.SYSTEM_BACKUP, context, folder, clock) as counts:
            require_apart(folder, self._files.root)
            self._require_mounted(folder)
            with Vault.prepare(folder, self._files.text) as vault, vault.alone():
                made = _Making(self._doorkeeper, self._files, vault, progress).run(clock())
                if keep is not None:
                    made = Pruning(vault, self._files).run(made, keep)
            counts.update(
                objects=made.end.objects, copied=made.copied, bytes=made.copied_bytes, missing=made.missing
            )
        return made

    def list(self, who: Principal, context: Context, folder: Path) -> list[Generation]:
        """The finished generations, oldest first."""
        self.require(who, context)
        with Vault.open(folder) as vault, vault.shared():
            self.require_ours(vault)
            return [self._generation(vault, name) for name in vault.generations()[0]]

    def require_ours(self, vault: Vault) -> None:
        if self._files.text not in vault.home_texts:
            raise Conflict(f"{vault.root} holds the back-ups of another home.", code="backup-other")

    def require(self, who: Principal, context: Context) -> None:
        self._doorkeeper.require(who, Action.SYSTEM_BACKUP, context)

    def _generation(self, vault: Vault, name: str) -> Generation:
        try:
            heading, end = manifest.heading(vault, self._files.keyring.backup_key, self._files.id, name)
        except LeadglassError as error:
            return Generation(name, trouble=str(error))
        return Generation(name, heading, end)

    def _require_mounted(self, folder: Path) -> None:
        """A disk that is not there leaves an empty folder behind: no back-up silently begins anew in it."""
        last = self.last()
        if last is None or last.folder != spelt(folder):
            return
        if not folder.exists() or not any(name != "lost+found" for name in os.listdir(folder)):
            raise Conflict(
                f"{folder} is empty, but the last back-up went there. Is its disk there? If it is to begin "
                "anew, name another folder.",
                code="backup-unmounted",
            )

    @contextmanager
    def recorded(
        self, who: Principal, action: str, context: Context, folder: Path, clock: Clock
    ) -> Iterator[dict[str, int]]:
        """The work between an entry that is durable before it and one with its counts, however it ended."""
        entry = self._doorkeeper.entry(
            who, action, context, phase="open", detail={"folder": spelt(folder.absolute())}
        )
        seq = self._doorkeeper.record(entry, context.now)
        counts: dict[str, int] = {}
        try:
            yield counts
        except BaseException as error:
            code = error.code if isinstance(error, LeadglassError) else "stopped"
            with suppress(Unavailable):
                self._doorkeeper.record(
                    entry.closing(seq, outcome="failed", counts=counts, detail={"trouble": code}), clock()
                )
            raise
        self._doorkeeper.record(entry.closing(seq, counts=counts), clock())


class _Making:
    """One generation on its way."""

    def __init__(
        self, doorkeeper: Doorkeeper, files: HomeFiles, vault: Vault, progress: Progress | None
    ) -> None:
        self._doorkeeper = doorkeeper
        self._files = files
        self._vault = vault
        self._progress = progress
        self._notes: list[str] = []

    def run(self, now: int) -> Made:
        finished, unfinished = self._vault.generations()
        for name in unfinished:
            self._vault.remove_generation(name)
        stamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        generation = self._vault.new_generation(stamp)
        database = self._vault.path_of(generation, DATABASE)
        snapshot.take(self._files.database, self._files.keyring.database_key, database)
        digested = self._vault.seal_file(generation, DATABASE)
        with (
            snapshot.opened(database, self._files.keyring.database_key) as connection,
            self._vault.new_manifest(generation) as file,
        ):
            writer = ManifestWriter(file, self._files.keyring.backup_key, self._files.id, generation)
            writer.add(_heading(connection, generation, now))
            writer.add(File(DATABASE, digested))
            for name, content in self._files.kept():
                writer.add(Kept(name, content))
            made = self._bring(writer, connection, self._listed_before(finished))
            for shred in self._destroyed():
                writer.add(shred)
            self._vault.sync_objects()
            end = writer.finish()
        return Made(generation, end, *made, notes=tuple(self._notes))

    def _bring(
        self, writer: ManifestWriter, connection: sa.Connection, before: Iterator[Object]
    ) -> tuple[int, int, int, int]:
        copied = copied_bytes = deleted = missing = 0
        in_all = lookup.objects(connection)
        brought = Copier(self._vault, self._files.objects).bring(_names(connection), before)
        for number, one in enumerate(brought, 1):
            if one.line is not None:
                writer.add(one.line)
                copied += one.is_new
                copied_bytes += one.line.digested.size if one.is_new else 0
            else:
                why = self._why(one.named)
                writer.add(Absent(one.named.name, why))
                missing += why == MISSING
                deleted += why == DELETED
            if self._progress is not None:
                self._progress(number, max(number, in_all))
        return copied, copied_bytes, deleted, missing

    def _destroyed(self) -> Iterator[Shred]:
        """As it is by now: no back-up brings back what was destroyed while it was made."""
        after = ""
        while batch := self._page(after):
            yield from batch
            after = batch[-1].blob

    def _page(self, after: str) -> list[Shred]:
        with self._doorkeeper.db.read() as connection:
            return shreds.page(connection, after, _BATCH)

    def _why(self, named: Named) -> str:
        if named.is_lost:
            return LOST
        with self._doorkeeper.db.read() as connection:
            return MISSING if lookup.is_named(connection, named.name) else DELETED

    def _listed_before(self, finished: Sequence[str]) -> Iterator[Object]:
        """What the newest readable manifest lists. All of it is authenticated before any is believed."""
        for generation in reversed(finished):
            arguments = (self._vault, self._files.keyring.backup_key, self._files.id, generation)
            try:
                for _ in manifest.lines(*arguments):
                    pass
            except LeadglassError as error:
                self._notes.append(str(error))
                continue
            return (line for line in manifest.lines(*arguments) if isinstance(line, Object))
        return iter(())


class Pruning:
    """Removes generations beyond the newest few, and objects that none of those left names, or that were
    destroyed on purpose whoever names them."""

    def __init__(self, vault: Vault, files: HomeFiles) -> None:
        self._vault = vault
        self._files = files

    def run(self, made: Made, keep: int) -> Made:
        finished, _ = self._vault.generations()
        old = self._older(finished, keep)
        for generation in old:
            self._vault.remove_generation(generation)
        try:
            named = self._named(finished[len(old) :])
        except LeadglassError as error:
            notes = (*made.notes, f"{error} Objects are kept until it is removed.")
            return replace(made, removed=tuple(old), notes=notes)
        return replace(made, removed=tuple(old), removed_objects=self._sweep(named))

    def _older(self, finished: Sequence[str], keep: int) -> Sequence[str]:
        """Those before the newest `keep` that can be read: what is damaged is no back-up."""
        for at in range(len(finished) - 1, -1, -1):
            keep -= self._is_readable(finished[at])
            if not keep:
                return finished[:at]
        return ()

    def _is_readable(self, generation: str) -> bool:
        try:
            manifest.heading(self._vault, self._files.keyring.backup_key, self._files.id, generation)
        except LeadglassError:
            return False
        return True

    def _named(self, generations: Sequence[str]) -> set[bytes]:
        """What must stay: what they name, unless it was destroyed since."""
        key, home = self._files.keyring.backup_key, self._files.id
        named: set[bytes] = set()
        destroyed: set[bytes] = set()
        for generation in generations:
            for line in manifest.lines(self._vault, key, home, generation):
                if isinstance(line, Object):
                    named.add(bytes.fromhex(line.name))
                elif isinstance(line, Shred):
                    destroyed.add(bytes.fromhex(line.blob))
        return named - destroyed

    def _sweep(self, named: set[bytes]) -> int:
        removed = 0
        for prefix in self._vault.prefixes():
            for name in self._vault.object_sizes(prefix):
                if not is_object(name) or bytes.fromhex(name) not in named:
                    self._vault.remove_object(prefix, name)
                    removed += is_object(name)
        self._vault.sync_objects()
        return removed


def last_backup(connection: sa.Connection) -> Last | None:
    """The newest that was finished, as the record has it."""
    below: int | None = None
    while page := list(reader.entries(connection, action=str(Action.SYSTEM_BACKUP), below=below, limit=100)):
        for found in page:
            if found.entry is not None and found.closing is not None and found.closing.outcome == "allowed":
                folder = str(found.entry.detail.get("folder", ""))
                missing = found.closing.counts.get("missing", 0)
                return Last(found.closed or found.time, folder, missing, found.seq)
        below = page[-1].seq
    return None


def _heading(connection: sa.Connection, generation: str, now: int) -> Heading:
    head = read_head(connection)
    assert head is not None  # the entry of this very back-up is in it
    sums = snapshot.table_sums(connection)
    return Heading(
        generation=generation,
        created=now,
        program=__version__,
        revision=snapshot.revision(connection),
        record_size=head.size,
        record_root=head.root.hex(),
        tables={name: (each.rows, each.digest) for name, each in sums.items()},
    )


def _names(connection: sa.Connection) -> Iterator[Named]:
    """Every object that a row names, in the order of the names."""
    after = ""
    while batch := lookup.blobs(connection, after=after, limit=_BATCH):
        yield from (Named(name, sealed_size(size), is_lost) for name, size, is_lost in batch)
        after = batch[-1][0]


def require_apart(folder: Path, home: Path) -> None:
    """Conflict when one lies in the other."""
    there, here = folder.resolve(), home.resolve()
    if there == here or here in there.parents or there in here.parents:
        raise Conflict(
            "The folder of the back-ups and the home must not lie in each other.", code="backup-inside"
        )


def is_plain(name: str) -> bool:
    """A file right in the home, or in a folder there that is not one of the home's own."""
    parts = Path(name).parts
    return bool(parts) and not Path(name).is_absolute() and ".." not in parts and parts[0] not in _OWN


def spelt(folder: Path) -> str:
    """A path as the record can hold it."""
    return os.fsencode(folder).decode("utf-8", "backslashreplace")[:1024]
