"""A home out of a back-up: on a blank machine for good, or beside the home to see whether it would do.

label        whose back-up; the recovery key, or the key file, opens the master key
manifest     authenticated, of a schema we know
files        copied, each compared with its size and digest; what was destroyed since is left out
    database     every row compared with the manifest; brought to this version; its record verified
record       goes on with an entry that says from where; what was destroyed since is destroyed again
home.json    COMMIT POINT: before it there is no home, and the next restore begins anew
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Final

from leadglass.access.principal import Context, Principal
from leadglass.access.sessions import close_all_sessions
from leadglass.archive.backup import DRILL, Progress, require_apart
from leadglass.archive.backup_check import absences, chosen_of, destroyed_in
from leadglass.compose import Opened, opened_with
from leadglass.config import load_settings
from leadglass.errors import (
    HomeNewer,
    KeyMissing,
    KeyWrong,
    LeadglassError,
    StorageFailed,
    StorageFull,
    Tampered,
)
from leadglass.home import (
    Home,
    discard_abandoned,
    master_key_path,
    open_master,
    parse_home,
    recovered_master,
    refounding,
    require_restorable,
)
from leadglass.record.continuity import compare
from leadglass.refilling import Refill
from leadglass.store import manifest
from leadglass.store.keys import Keyring
from leadglass.store.manifest import File, Heading
from leadglass.store.masterkey import write_master_key
from leadglass.store.vault import Vault

RESTORE: Final = "system.restore"
_DRILL: Final = "leadglass-drill-"
Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Hand:
    """By whom and when; who watches."""

    who: Principal
    context: Callable[[], Context]
    clock: Clock
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """A home that is there again. `seconds` by the wall clock; `notes` are sentences for who restored it."""

    home: Home
    heading: Heading
    objects: int
    bytes: int
    destroyed: int  # objects that had been destroyed since, and were again
    missing: int  # objects that the back-up has not got, because the home had lost them
    key_file: Path
    key_was_there: bool
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Drilled:
    """What a trial has shown; `problems` and `notes` are sentences."""

    generation: str
    objects: int = 0
    bytes: int = 0
    rows: int = 0
    tables: int = 0
    record_size: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


def restore(
    folder: Path,
    root: Path,
    environ: Mapping[str, str],
    ask: Callable[[], str],
    by: Hand,
    *,
    generation: str | None = None,
    checkpoint: bytes | None = None,
) -> Restored:
    """The home of the back-ups in `folder` at `root`, as of the newest generation or the one named.

    `ask` gives the recovery key; it is not asked when the home's key file is here. `checkpoint` is one that
    was published or exported before the loss. All of it or nothing: a LeadglassError says why not.
    """
    started = time.monotonic()
    require_apart(folder, root)
    require_restorable(root)
    with Vault.open(folder) as vault, vault.shared():
        homes = _homes_of(vault, root)
        chosen, notes = _chosen(vault, generation)
        home, master, key_file, was_there = _opened_by(homes, environ, ask)
        if home.text != vault.home_texts[0]:
            notes.append("leadglass-backup.json in the back-up was altered; a copy of it was good.")
        keyring = Keyring.from_master(master)
        heading = _heading(vault, keyring, home, chosen)
        _require_room(vault, keyring, home, chosen, root)
        notes += _later(vault, keyring, home, heading)
        destroyed, unread = destroyed_in(vault, keyring, home.id)
        notes += unread
        with refounding(home), _key_file(key_file, master, home, was_there=was_there):
            filled = Refill(vault, keyring, chosen, home).run(destroyed, by.progress)
            require_rows(home, keyring, heading)
            with opened_with(home, load_settings(root), keyring, by.clock) as opened:
                require_record(opened, by, heading)
                notes += _continuity(opened, checkpoint, heading)
                _settle(opened, by, heading)
                opened.services.deletion.replay(by.who, by.context(), destroyed.values())
    return Restored(
        home,
        heading,
        filled.objects,
        filled.bytes,
        filled.skipped,
        filled.missing,
        key_file,
        was_there,
        time.monotonic() - started,
        tuple(notes),
    )


def drill(
    opened: Opened,
    folder: Path,
    scratch: Path,
    by: Hand,
    *,
    generation: str | None = None,
) -> Drilled:
    """Restore into a home of its own in the folder `scratch`, compare everything, and remove it again."""
    backups = opened.services.backups
    backups.require(by.who, by.context())
    with Vault.open(folder) as vault, vault.shared():
        backups.require_ours(vault)
        chosen = chosen_of(vault, generation)[-1]
        with backups.recorded(by.who, DRILL, by.context(), folder, by.clock) as counts:
            drilled = _drilled(opened, vault, chosen, scratch, by)
            drilled.notes = absences(backups, vault, folder)
            counts.update(objects=drilled.objects, bytes=drilled.bytes, problems=len(drilled.problems))
    return drilled


def _drilled(opened: Opened, vault: Vault, chosen: str, scratch: Path, by: Hand) -> Drilled:
    started = time.monotonic()
    found = Drilled(chosen)
    keyring = opened.services.backups.files.keyring
    try:
        heading = _heading(vault, keyring, opened.home, chosen)
        _require_room(vault, keyring, opened.home, chosen, scratch)
        with _scratch_home(opened.home, scratch) as home, refounding(home, lasting=False):
            destroyed, _ = destroyed_in(vault, keyring, home.id)
            filled = Refill(vault, keyring, chosen, home).run(destroyed, by.progress)
            found.objects, found.bytes = filled.objects, filled.bytes
            found.rows = require_rows(home, keyring, heading)
            found.tables, found.record_size = len(heading.tables), heading.record_size
            with opened_with(home, load_settings(home.root), keyring, by.clock) as tried:
                require_record(tried, by, heading)
                tried.services.deletion.replay(by.who, by.context(), destroyed.values())
                _read_all(tried, by, found, filled.missing)
    except (Tampered, HomeNewer) as error:
        found.problems.append(str(error))
    found.seconds = time.monotonic() - started
    return found


def _read_all(tried: Opened, by: Hand, found: Drilled, missing: int) -> None:
    """Every object is opened with its key, and its data set compared with the digest of when it came."""
    report = tried.services.upkeep.check(by.who, by.context(), deep=True)
    if len(report.missing) > missing:
        found.problems.append(f"{len(report.missing) - missing} objects of the index are not in the back-up.")
    found.problems += [f"The object {blob} is not as it was received." for blob in report.altered]


@contextmanager
def _scratch_home(home: Home, scratch: Path) -> Iterator[Home]:
    """A place for it in that folder. It has the home's name and keys, and its key file is written nowhere."""
    _clear_killed(home, scratch)
    try:
        folder = Path(tempfile.mkdtemp(prefix=_DRILL, dir=scratch))
    except OSError as error:
        raise StorageFailed(f"No scratch home can be made in {scratch}: {error.strerror}.") from None
    try:
        yield replace(home, root=folder / "home")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clear_killed(home: Home, scratch: Path) -> None:
    """What drills have left there that were killed: each is as large as the archive. Only in folders that are
    ours alone, so that nobody else can have put there what is removed."""
    for folder in scratch.glob(f"{_DRILL}*"):
        with suppress(LeadglassError, OSError):
            status = folder.lstat()
            if (status.st_uid, stat.S_IMODE(status.st_mode)) != (os.geteuid(), 0o700):
                continue
            if stat.S_ISDIR(status.st_mode):
                discard_abandoned(replace(home, root=folder / "home"))
                (folder / "home").rmdir()
                folder.rmdir()


# --- what is known before anything is written -------------------------------------------------------------


def _homes_of(vault: Vault, root: Path) -> list[Home]:
    """What the label says, then what copies of it say that is something else."""
    homes: list[Home] = []
    newer: HomeNewer | None = None
    for text in vault.home_texts:
        try:
            homes.append(parse_home(root, text))
        except HomeNewer as error:
            newer = newer or error
        except Tampered:
            continue
    if not homes:
        raise newer or Tampered(
            "leadglass-backup.json in the back-up was altered or is damaged. Nothing was restored.",
            code="backup-label",
        )
    return homes


def _opened_by(
    homes: Sequence[Home], environ: Mapping[str, str], ask: Callable[[], str]
) -> tuple[Home, bytes, Path, bool]:
    """The first that a key opens; the key is asked for once. KeyWrong is what it says of the label."""
    typed = cache(ask)
    trouble: list[LeadglassError] = []
    for home in homes:
        try:
            return home, *_master(home, environ, typed)
        except (KeyWrong, Tampered) as error:
            trouble.append(error)
    raise trouble[0]


def _chosen(vault: Vault, generation: str | None) -> tuple[str, list[str]]:
    finished = chosen_of(vault, generation)
    notes = [f"The back-up {name} was never finished and is passed over." for name in vault.generations()[1]]
    return finished[-1], notes


def _master(home: Home, environ: Mapping[str, str], ask: Callable[[], str]) -> tuple[bytes, Path, bool]:
    """The master key, where its file belongs, and whether that is there. KeyWrong for another key, or a label
    that was altered: it is vouched for by the key."""
    path = master_key_path(home.id, environ)
    try:
        return open_master(home, environ), path, True
    except KeyMissing:
        if path.exists():
            raise
    return recovered_master(home, ask()), path, False


def _heading(vault: Vault, keyring: Keyring, home: Home, generation: str) -> Heading:
    """Tampered when it does not authenticate, HomeNewer when this program is too old for it."""
    from leadglass.db.migrations import ARCHIVE

    heading, _ = manifest.heading(vault, keyring.backup_key, home.id, generation)
    if heading.revision not in ARCHIVE.revisions:
        raise HomeNewer(
            f"The back-up {generation} was made by a later version of Leadglass ({heading.program}). "
            "Install that version. Nothing was touched."
        )
    return heading


def _require_room(vault: Vault, keyring: Keyring, home: Home, generation: str, target: Path) -> None:
    """For its objects and its database, before anything is written."""
    arguments = (vault, keyring.backup_key, home.id, generation)
    size = manifest.heading(*arguments)[1].bytes
    # The files come before the objects, and before anything that is long.
    size += next((line.digested.size for line in manifest.lines(*arguments) if isinstance(line, File)), 0)
    there = next(folder for folder in (target, *target.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < size:
        raise StorageFull(
            f"The back-up takes {size / 1e6:,.0f} MB, and {there} has {free / 1e6:,.0f} MB free. "
            "Nothing was touched."
        )


def _later(vault: Vault, keyring: Keyring, home: Home, heading: Heading) -> list[str]:
    """What other generations say that this one does not."""
    notes = []
    for name in vault.generations()[0]:
        if name <= heading.generation:
            continue
        try:
            other, _ = manifest.heading(vault, keyring.backup_key, home.id, name)
            lost = other.record_size - heading.record_size
            notes.append(f"The later back-up {name} holds {lost} more entries of the record.")
        except LeadglassError as error:
            notes.append(str(error))
    return notes


@contextmanager
def _key_file(path: Path, master: bytes, home: Home, *, was_there: bool) -> Iterator[None]:
    """The key file is there before the home is, and goes again if that does not come to be."""
    if was_there:
        yield
        return
    write_master_key(path, master, home.id)
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


# --- is it what the manifest says? ------------------------------------------------------------------------


def require_rows(home: Home, keyring: Keyring, heading: Heading) -> int:
    """Every row of every table; how many they are."""
    from leadglass.db import snapshot

    with snapshot.opened(home.database, keyring.database_key) as connection:
        found = {name: (each.rows, each.digest) for name, each in snapshot.table_sums(connection).items()}
    if found != heading.tables:
        raise Tampered("The database of the back-up does not hold the rows that it held.", code="backup-rows")
    return sum(rows for rows, _ in found.values())


def require_record(opened: Opened, by: Hand, heading: Heading) -> None:
    """Recomputed from the bodies to the root."""
    verdict = opened.services.upkeep.verify_record(by.who, by.context())
    if not verdict.ok or (verdict.size, verdict.root.hex()) != (heading.record_size, heading.record_root):
        problem = verdict.problems[0] if verdict.problems else "Its root is another one."
        raise Tampered(f"The record of the back-up does not verify. {problem}", code="backup-record")


def _continuity(opened: Opened, checkpoint: bytes | None, heading: Heading) -> list[str]:
    if checkpoint is None:
        return []
    with opened.services.db.read() as connection:
        found = compare(connection, checkpoint, opened.record_key, heading.record_size)
    if found.lost:
        return [f"The checkpoint was signed for {found.kept} entries: {found.lost} of them are lost."]
    return [f"The checkpoint agrees: its {found.kept} entries are all there."]


def _settle(opened: Opened, by: Hand, heading: Heading) -> None:
    """The first new entry says from where the record goes on; nobody is signed in any more."""
    services, context = opened.services, by.context()
    services.backups.require(by.who, context)
    services.db.reserve.ensure()
    entry = services.doorkeeper.entry(
        by.who,
        RESTORE,
        context,
        detail={
            "generation": heading.generation,
            "size": heading.record_size,
            "root": heading.record_root,
        },
    )
    services.doorkeeper.record(entry, context.now)
    services.db.write(close_all_sessions).result()
