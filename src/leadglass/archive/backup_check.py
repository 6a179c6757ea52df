"""Is a back-up as it was written? Every byte is read; with the manifest nothing is taken on trust."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from leadglass.access.principal import Context, Principal
from leadglass.archive.backup import VERIFY, Backups, Clock, HomeFiles, Progress, spelt
from leadglass.errors import LeadglassError, NotFound
from leadglass.store import manifest, vault_label
from leadglass.store.keys import Keyring
from leadglass.store.manifest import Absent, File, Object
from leadglass.store.shreds import Shred
from leadglass.store.vault import Vault
from leadglass.store.vault_files import Digested, digested, pieces_of

MAX_PROBLEMS: Final = 100


@dataclass(slots=True)
class Verified:
    """What reading found. `problems` are sentences that name files of the back-up, no patient's value;
    `notes` are sentences about what is not there to be read."""

    generations: list[str] = field(default_factory=list)
    objects: int = 0
    bytes: int = 0
    missing: int = 0  # that the home had lost when it was backed up
    problems: list[str] = field(default_factory=list)
    more_problems: int = 0
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems

    def note(self, problem: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
        else:
            self.more_problems += 1


def verify(
    backups: Backups,
    who: Principal,
    context: Context,
    folder: Path,
    clock: Clock,
    *,
    generation: str | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Read one generation, or all, against their manifests. Each object is read once."""
    backups.require(who, context)
    with Vault.open(folder) as vault, vault.shared():
        backups.require_ours(vault)
        chosen = chosen_of(vault, generation)
        with backups.recorded(who, VERIFY, context, folder, clock) as counts:
            found = Verifier(vault, backups.files).run(chosen, progress)
            found.notes = absences(backups, vault, folder)
            counts.update(objects=found.objects, bytes=found.bytes, problems=len(found.problems))
    return found


def chosen_of(vault: Vault, generation: str | None) -> list[str]:
    """The one that is asked for, or all. NotFound when there is none."""
    finished, _ = vault.generations()
    if generation is not None and generation not in finished:
        raise NotFound(f"There is no finished back-up {generation} in {vault.root}.", code="no-backup")
    if not finished:
        raise NotFound(f"No back-up in {vault.root} was ever finished.", code="no-backup")
    return finished if generation is None else [generation]


def absences(backups: Backups, vault: Vault, folder: Path) -> tuple[str, ...]:
    """What is known of and is not there: those that were never finished, or lost their manifest; and the last
    one that the home's record tells of, when it went to this folder."""
    finished, unfinished = vault.generations()
    notes = [f"The back-up {name} was never finished and is passed over." for name in unfinished]
    last, files = backups.last(), backups.files
    if last is not None and last.folder == spelt(folder.absolute()):
        with suppress(LeadglassError):  # a manifest that cannot be read is complained of by whoever needs it
            newest, _ = manifest.heading(vault, files.keyring.backup_key, files.id, finished[-1])
            if newest.record_size <= last.entry:
                notes.append(
                    f"The last back-up that went to {vault.root} is not there. It is on another disk that "
                    "was there then, or somebody removed it."
                )
    return tuple(notes)


def destroyed_in(vault: Vault, keyring: Keyring, home: str) -> tuple[dict[str, Shred], list[str]]:
    """All that any generation says was destroyed on purpose, by blob; sentences about those that cannot be
    read."""
    found: dict[str, Shred] = {}
    unread: list[str] = []
    for generation in vault.generations()[0]:
        try:
            for line in manifest.lines(vault, keyring.backup_key, home, generation):
                if isinstance(line, Shred):
                    found[line.blob] = line
        except LeadglassError:
            unread.append(
                f"The back-up {generation} cannot say what was deleted until then: it is damaged. What was "
                "deleted may be back; look, and delete it again."
            )
    return found, unread


class Verifier:
    def __init__(self, vault: Vault, files: HomeFiles) -> None:
        self._vault = vault
        self._files = files
        self._seen: dict[str, Digested] = {}
        self._destroyed: dict[str, Shred] = {}

    def run(self, generations: Sequence[str], progress: Progress | None) -> Verified:
        found = Verified()
        self._destroyed, _ = destroyed_in(self._vault, self._files.keyring, self._files.id)
        self._label(found, vault_label.LABEL, self._vault.label_of(None))
        for generation in generations:
            found.generations.append(generation)
            try:
                self._label(
                    found,
                    f"generations/{generation}/{vault_label.LABEL}",
                    self._vault.label_of(generation),
                    must=False,
                )
                self._one(generation, found, progress)
            except LeadglassError as error:
                found.note(str(error))
        return found

    def _label(self, found: Verified, where: str, label: bytes | None, *, must: bool = True) -> None:
        """A generation that an earlier version made has no copy of it."""
        if label is None:
            if must:
                found.note(f"{where} is missing. The next back-up writes it anew.")
        elif not vault_label.says(label, self._files.text):
            found.note(f"{where} was altered or is damaged.")

    def _one(self, generation: str, found: Verified, progress: Progress | None) -> None:
        key, home = self._files.keyring.backup_key, self._files.id
        in_all = manifest.heading(self._vault, key, home, generation)[1].objects
        done = 0
        for line in manifest.lines(self._vault, key, home, generation):
            match line:
                case File(name, digest):
                    where = f"generations/{generation}/{name}"
                    _compare(found, where, digest, partial(self._file, generation, name, digest.size))
                case Object(name, digest):
                    self._object(found, name, digest)
                    done += 1
                    if progress is not None:
                        progress(done, in_all)
                case Absent(_, manifest.MISSING):
                    found.missing += 1

    def _file(self, generation: str, name: str, size: int) -> Digested:
        with self._vault.file_of(generation, name) as descriptor:
            return digested(pieces_of(descriptor, size))

    def _object(self, found: Verified, name: str, digest: Digested) -> None:
        if name in self._destroyed and name not in self._vault.object_sizes(name[:2]):
            return
        where = f"objects/{name[:2]}/{name}"
        if name in self._seen:
            if self._seen[name] != digest:
                found.note(f"{where} is not what another generation says.")
            return
        self._seen[name] = _compare(
            found, where, digest, partial(self._vault.digest_object, name, digest.size)
        )
        found.objects += 1
        found.bytes += digest.size


def _compare(found: Verified, where: str, expected: Digested, read: Callable[[], Digested]) -> Digested:
    """Returns what was expected: a file is complained of once."""
    try:
        if read() != expected:
            found.note(f"{where} was altered or is damaged.")
    except LeadglassError as error:
        found.note(str(error))
    return expected
