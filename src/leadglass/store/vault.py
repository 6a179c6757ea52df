"""The folder that a home's back-ups lie in.

    FOLDER/                          0700
    ├── leadglass-backup.json        whose back-ups these are: the text of the home's own file
    ├── lock                         held by the one who writes, shared by those who read
    ├── objects/ab/ab…               sealed objects as they lie in the home, once for all generations
    └── generations/000001-20260131T030000Z/
        ├── leadglass-backup.json    a copy of the label
        ├── index.db                 the sealed database of one moment
        └── manifest                 what belongs to this generation; written last: without it there is none

Everything is opened below the folder's own descriptor, step by step, and no symbolic link is followed.
Objects never change, so one that is there is not written again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from leadglass.errors import Conflict, HomeBusy, Tampered
from leadglass.store import vault_label
from leadglass.store.below import DIRECTORY, NOT_PLAIN, READ, WRITE, below, sync_folder
from leadglass.store.blobs import NAME, PREFIX
from leadglass.store.files import write_all
from leadglass.store.vault_files import Digested, at_backup, digested, pieces_of, target_error
from leadglass.store.vault_label import GENERATION, GENERATIONS, LOCK, OBJECTS, opened_folder

DATABASE: Final = "index.db"
MANIFEST: Final = "manifest"

_MOST: Final = 999_999  # generations, by number


class Vault:
    """One folder of back-ups, open. Threads may copy into it at once; `close` it. `home_texts` are the
    label's text and those of its copies that say something else: the first is to be believed, if a key opens
    it."""

    def __init__(self, root: Path, descriptor: int, home_texts: Sequence[str]) -> None:
        self.root = root
        self.home_texts = tuple(home_texts)
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._directories: dict[str, int] = {}  # of the objects' directories that were opened

    # --- opening ------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, root: Path) -> Vault:
        """A folder with back-ups in it. NotFound when there is none, Tampered, HomeNewer, StorageFailed."""
        descriptor = opened_folder(root)
        try:
            with at_backup():
                return cls(root, descriptor, vault_label.texts(root, descriptor))
        except BaseException:
            os.close(descriptor)
            raise

    @classmethod
    def prepare(cls, root: Path, home_text: str) -> Vault:
        """The folder of this home's back-ups, made if it is new or empty.

        Conflict, and nothing touched, when something else lies there.
        """
        with at_backup(), suppress(FileExistsError, FileNotFoundError):
            root.mkdir(mode=0o700)
        descriptor = opened_folder(root)
        try:
            with at_backup():
                vault_label.prepare(root, descriptor, home_text)
                with suppress(PermissionError):  # of a folder that is not ours to read
                    _sync_path(root.parent)
            return cls(root, descriptor, (home_text,))
        except BaseException:
            os.close(descriptor)
            raise

    def close(self) -> None:
        for descriptor in (*self._directories.values(), self._descriptor):
            with suppress(OSError):
                os.close(descriptor)
        self._directories.clear()

    def __enter__(self) -> Vault:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The one who writes. HomeBusy while anybody else is at it."""
        with at_backup():
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(LOCK, flags, 0o600, dir_fd=self._descriptor)
        with _locked(descriptor, fcntl.LOCK_EX):
            yield

    @contextmanager
    def shared(self) -> Iterator[None]:
        """One of those who read. A folder that nobody can write to has no need of a lock."""
        try:
            descriptor = os.open(LOCK, READ, dir_fd=self._descriptor)
        except OSError:
            yield
            return
        with _locked(descriptor, fcntl.LOCK_SH):
            yield

    # --- generations --------------------------------------------------------------------------------------

    def generations(self) -> tuple[list[str], list[str]]:
        """Names of the finished ones, oldest first, and of those that were never finished."""
        finished: list[str] = []
        unfinished: list[str] = []
        for entry in self._listed(GENERATIONS):
            if GENERATION.fullmatch(entry.name):
                if not entry.is_dir(follow_symlinks=False):
                    raise Tampered(f"{GENERATIONS}/{entry.name} in the back-up is no folder.")
                (finished if self._has(entry.name) else unfinished).append(entry.name)
        return sorted(finished), sorted(unfinished)

    def new_generation(self, stamp: str) -> str:
        """A folder for the next one, with a number above all others; `stamp` is YYYYMMDDTHHMMSSZ."""
        finished, unfinished = self.generations()
        last = max([int(name[:6]) for name in (*finished, *unfinished)], default=0)
        if last >= _MOST:
            text = f"{self.root} has no number left for another back-up. Name another folder."
            raise Conflict(text, code="backup-other")
        name = f"{last + 1:06}-{stamp}"
        with at_backup(), self._directory(GENERATIONS) as parent:
            os.mkdir(name, 0o700, dir_fd=parent)
            with self._directory(GENERATIONS, name) as folder:
                vault_label.write(folder, self.home_texts[0])
            sync_folder(parent)
        return name

    def label_of(self, generation: str | None) -> bytes | None:
        """The label as it lies there, or its copy in a generation; None where there is none."""
        names = () if generation is None else (GENERATIONS, generation)
        with at_backup(), self._directory(*names) as folder:
            return vault_label.read(folder)

    def remove_generation(self, name: str) -> None:
        """Its manifest first: from then on there is no such generation."""
        with at_backup(), self._directory(GENERATIONS) as parent:
            with self._directory(GENERATIONS, name) as folder:
                names = sorted(os.listdir(folder), key=lambda each: each != MANIFEST)
                for each in names:
                    os.unlink(each, dir_fd=folder)
                    if each == MANIFEST:
                        sync_folder(folder)
            os.rmdir(name, dir_fd=parent)
            sync_folder(parent)

    def path_of(self, generation: str, name: str) -> Path:
        """For who can only work with paths."""
        return self.root / GENERATIONS / generation / name

    def seal_file(self, generation: str, name: str) -> Digested:
        """Make a file durable that somebody else wrote there, and digest it."""
        with at_backup(), self._directory(GENERATIONS, generation) as folder:
            descriptor = os.open(name, READ, dir_fd=folder)
            try:
                with suppress(PermissionError):  # a file system without modes
                    os.fchmod(descriptor, 0o600)
                os.fsync(descriptor)
                return digested(pieces_of(descriptor))
            finally:
                os.close(descriptor)

    @contextmanager
    def new_manifest(self, generation: str) -> Iterator[BinaryIO]:
        """Written under another name, durable, and only then called the manifest."""
        with at_backup(), self._directory(GENERATIONS, generation) as folder:
            temporary = f".{MANIFEST}.new"
            with open(os.open(temporary, WRITE, 0o600, dir_fd=folder), "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, MANIFEST, src_dir_fd=folder, dst_dir_fd=folder)
            # COMMIT POINT: from here on there is this generation.
            sync_folder(folder)

    @contextmanager
    def manifest(self, generation: str) -> Iterator[int]:
        """Its descriptor."""
        with self._reading(GENERATIONS, generation, name=MANIFEST) as descriptor:
            yield descriptor

    @contextmanager
    def file_of(self, generation: str, name: str) -> Iterator[int]:
        with self._reading(GENERATIONS, generation, name=name) as descriptor:
            yield descriptor

    # --- objects ------------------------------------------------------------------------------------------

    def object_sizes(self, prefix: str) -> dict[str, int]:
        """What lies in one directory, by name: finished objects, and remains of copies. No folders."""
        sizes: dict[str, int] = {}
        for entry in self._listed(OBJECTS, prefix):
            with at_backup():
                if not entry.is_dir(follow_symlinks=False):
                    sizes[entry.name] = entry.stat(follow_symlinks=False).st_size
        return sizes

    def prefixes(self) -> list[str]:
        return sorted(entry.name for entry in self._listed(OBJECTS) if PREFIX.fullmatch(entry.name))

    def put_object(self, name: str, pieces: Iterator[bytes]) -> Digested:
        """Write an object under another name first; durable once its directory is (`sync_objects`)."""
        folder = self._objects(name[:2])
        temporary, digest, size = f".{name}.part", sha256(), 0
        with at_backup():
            descriptor = os.open(temporary, WRITE, 0o600, dir_fd=folder)
            try:
                for piece in pieces:
                    write_all(os.write, descriptor, memoryview(piece))
                    digest.update(piece)
                    size += len(piece)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        return Digested(size, digest.digest())

    @contextmanager
    def object(self, name: str) -> Iterator[int]:
        """Its descriptor. Tampered when it is missing, or is no file."""
        with self._reading(OBJECTS, name[:2], name=name) as descriptor:
            yield descriptor

    def digest_object(self, name: str, most: int) -> Digested:
        """Of one that is to have `most` bytes."""
        with self.object(name) as descriptor:
            return digested(pieces_of(descriptor, most))

    def enter_object(self, name: str) -> None:
        """One that is there already: its directory will be made durable, too."""
        self._objects(name[:2])

    def remove_object(self, prefix: str, name: str) -> None:
        with at_backup(), suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._objects(prefix))

    def sync_objects(self) -> None:
        """Make the entries of all directories that were written to durable."""
        with at_backup():
            for descriptor in self._directories.values():
                sync_folder(descriptor)
            with self._directory(OBJECTS) as parent:
                sync_folder(parent)

    # --- below --------------------------------------------------------------------------------------------

    def _objects(self, prefix: str) -> int:
        with self._lock:
            if prefix not in self._directories:
                with at_backup(), self._directory(OBJECTS) as parent:
                    with suppress(FileExistsError):
                        os.mkdir(prefix, 0o700, dir_fd=parent)
                    self._directories[prefix] = os.open(prefix, DIRECTORY, dir_fd=parent)
            return self._directories[prefix]

    @contextmanager
    def _directory(self, *names: str) -> Iterator[int]:
        """A folder below, for as long as it is needed."""
        with below(self._descriptor, *names) as descriptor:
            yield descriptor

    @contextmanager
    def _reading(self, *names: str, name: str) -> Iterator[int]:
        where = "/".join((*names, name))
        try:
            with self._directory(*names) as folder:
                descriptor = os.open(name, READ, dir_fd=folder)
        except OSError as error:
            if error.errno == errno.ENOENT:
                raise Tampered(f"{where} is missing from the back-up.", code="backup-missing") from None
            if error.errno in NOT_PLAIN:
                raise Tampered(
                    f"{where} in the back-up is behind a symbolic link.", code="backup-link"
                ) from None
            raise target_error(error) from error
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Tampered(f"{where} in the back-up is no file.", code="backup-link")
            yield descriptor
        finally:
            os.close(descriptor)

    def _has(self, generation: str) -> bool:
        with at_backup(), self._directory(GENERATIONS, generation) as folder:
            return MANIFEST in os.listdir(folder)

    def _listed(self, *names: str) -> Iterator[os.DirEntry[str]]:
        try:
            with self._directory(*names) as folder, os.scandir(folder) as entries:
                yield from entries
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno in NOT_PLAIN:
                text = f"{'/'.join(names)} in the back-up is no folder."
                raise Tampered(text, code="backup-link") from None
            raise target_error(error) from error


@contextmanager
def _locked(descriptor: int, how: int) -> Iterator[None]:
    try:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeBusy(
                "Another back-up, drill or restore is working on this folder. Nothing was touched."
            ) from None
        yield
    finally:
        os.close(descriptor)


def _sync_path(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_folder(descriptor)
    finally:
        os.close(descriptor)


def is_object(name: str) -> bool:
    """Is this the name of a finished object?"""
    return NAME.fullmatch(name) is not None
